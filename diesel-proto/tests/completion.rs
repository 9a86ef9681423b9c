//! Output for completion-based I/O: segments are taken, and reported as sent later. In any order of
//! the two, the bytes are those that `outgoing` would have offered; and a wait for output ends only
//! after the report.

mod harness;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use diesel_proto::*;
use harness::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};

/// Sends what the test chooses, in pieces of several kinds, and records each `Input::Drained`.
#[derive(Default)]
struct Marks {
    inputs: Vec<&'static str>,
}

impl Machine for Marks {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                for &byte in bytes {
                    let n = usize::from(byte) * 100;
                    match byte % 4 {
                        0 => actions.send(&vec![byte; n / 10]),
                        1 => actions.send_bytes(vec![byte; n].into()),
                        2 => actions.notify_below(n as u64),
                        _ => {
                            _ = actions
                                .take_back(actions.queued_in_all().saturating_sub(byte.into()))
                        }
                    }
                }
                return bytes.len();
            }
            Input::Drained => self.inputs.push("drained"),
            Input::WriteFailed => self.inputs.push("write failed"),
            Input::Eof => actions.close(Cause::Done),
            _ => {}
        }
        0
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Something is queued, a mark is set, or what was queued last is taken back.
    Queue(u8),
    Take(usize),
    /// This many of the bytes that were taken.
    Report(usize),
    End,
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let n = usize::arbitrary(g) % 30_000;
        match u8::arbitrary(g) % 16 {
            0..=6 => Op::Queue(u8::arbitrary(g)),
            7..=10 => Op::Take(n),
            11..=14 => Op::Report(n),
            _ => Op::End,
        }
    }
}

fn machine(endpoint: &Endpoint<Marks>) -> &Marks {
    match endpoint.machine() {
        Upgradable::First(marks) => marks,
        Upgradable::Successor(_) => unreachable!("it gives way to nothing"),
    }
}

/// One endpoint offers slices, the other segments; both get the same reports.
fn segments_are_as_good_as_slices(ops: Vec<Op>) {
    let now = Instant::ORIGIN;
    let [mut by_slices, mut by_segments] = [(); 2].map(|()| Endpoint::new(Marks::default(), now));
    let (mut written, mut out) = ([Vec::new(), Vec::new()], VecDeque::new());
    let finish = [Op::End, Op::Take(usize::MAX), Op::Report(usize::MAX)];
    for op in ops.into_iter().chain(finish) {
        match op {
            // Taken segments cannot be taken back, but slices that were only offered can.
            Op::Queue(byte) if byte % 4 == 3 && !out.is_empty() => {}
            Op::Queue(byte) => {
                assert_eq!(by_slices.received(now, &[byte]), 1);
                assert_eq!(by_segments.received(now, &[byte]), 1);
            }
            Op::Take(most) => {
                let mut segments = Vec::new();
                let taken = by_segments.take_segments(most, &mut segments);
                assert_eq!(segments.iter().map(Bytes::len).sum::<usize>(), taken);
                assert!(taken <= most);
                out.extend(segments.concat());
            }
            Op::Report(n) => {
                let n = n.min(out.len());
                written[1].extend(out.drain(..n));
                by_segments.sent(now, n as u64);
                let mut left = n;
                loop {
                    let mut slices = [&[][..]; 3];
                    let count = by_slices.outgoing(&mut slices);
                    let offered = slices[..count].concat();
                    let n = offered.len().min(left);
                    written[0].extend_from_slice(&offered[..n]);
                    left -= n;
                    by_slices.sent(now, n as u64);
                    if left == 0 {
                        break;
                    }
                }
            }
            Op::End => {
                by_slices.eof(now);
                by_segments.eof(now);
            }
        }
        assert_eq!(by_slices.queued(), by_segments.queued());
        assert_eq!(machine(&by_slices).inputs, machine(&by_segments).inputs);
        assert_eq!(by_slices.end(), by_segments.end());
        assert_eq!(by_slices.half_closed(), by_segments.half_closed());
    }
    assert_eq!(written[0], written[1]);
    assert_eq!(by_segments.closed(), Some(Cause::Done));
}

#[test]
fn any_order_of_takes_and_reports_gives_the_same_bytes_marks_and_end() {
    QuickCheck::new().tests(1000).quickcheck(segments_are_as_good_as_slices as fn(Vec<Op>));
}

/// All that is outgoing, as segments.
fn take_all(world: &mut World, conn: ConnId) -> Vec<Bytes> {
    let mut segments = Vec::new();
    world.hub.take_segments(world.now, conn, usize::MAX, &mut segments);
    segments
}

/// A connection whose peer takes nothing unless the test says so.
fn serving<Kind>(service: impl IntoService<Kind>) -> (World, ConnId) {
    let mut world = World::new();
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    (world, conn)
}

#[test]
fn a_writer_waits_for_what_is_out_as_for_what_is_queued() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = serving(async move |mut conn: Conn| {
        conn.write(vec![b'x'; 70_000]).await?;
        note.note("more");
        conn.write("y").await?;
        note.note("below the mark");
        conn.flush().await?;
        note.note("flushed");
        Ok(())
    });
    assert_eq!(diary.read(), ["more"]);
    let segments = take_all(&mut world, conn);
    assert_eq!(segments.concat(), [b'x'; 70_000]);
    world.turn();
    assert_eq!(diary.read(), [""; 0], "nothing was sent");
    assert_eq!(world.hub.sent(world.now, conn, 53_000), 17_000);
    world.turn();
    assert_eq!(diary.read(), [""; 0], "above the low-water mark");
    world.hub.sent(world.now, conn, 1_000);
    world.turn();
    assert_eq!(diary.read(), ["below the mark"]);
    assert_eq!(take_all(&mut world, conn), ["y"]);
    world.hub.sent(world.now, conn, 16_000);
    world.turn();
    assert_eq!((diary.read().len(), world.half_closed(conn)), (0, false));
    world.hub.sent(world.now, conn, 1);
    world.turn();
    assert_eq!(diary.read(), ["flushed"]);
    assert!(world.half_closed(conn));
    assert_eq!(world.hub.counters().bytes_out, 70_001);
}

#[test]
fn an_abort_with_segments_out_comes_at_once_and_late_reports_do_nothing() {
    let (mut world, conn) = serving(Service::machine(|_| Aborts));
    let segments = take_all(&mut world, conn);
    assert_eq!(segments.concat(), b"all that was said");
    world.sends(conn, "now");
    assert_eq!(world.log.last(), Some(&Action::Abort(conn, Cause::Done)));
    assert_eq!(world.hub.sent(world.now, conn, 17), 0);
    assert!(take_all(&mut world, conn).is_empty());
    world.turn();
    assert_eq!(world.hub.counters().bytes_out, 0);
    // They live on for as long as the kernel needs them.
    assert_eq!(segments.concat(), b"all that was said");
}

/// Sends some bytes, and aborts when it receives any.
struct Aborts;

impl Machine for Aborts {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"all that was said"),
            Input::Bytes(bytes) => {
                actions.abort(Cause::Done);
                return bytes.len();
            }
            _ => {}
        }
        0
    }
}

#[test]
fn a_write_that_fails_with_segments_out_fails_the_writer_and_reading_goes_on() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = serving(async move |mut conn: Conn| {
        conn.write(vec![b'x'; 70_000]).await?;
        note.note(format!("{:?}", conn.flush().await));
        note.note(conn.until_eol().await?.trimmed().to_string());
        Ok(())
    });
    let segments = take_all(&mut world, conn);
    world.hub.write_failed(world.now, conn);
    world.turn();
    assert_eq!(diary.read(), ["Err(Reset)"]);
    assert_eq!(world.hub.sent(world.now, conn, 10_000), 0);
    world.sends(conn, "still here\n");
    assert_eq!(diary.read(), ["still here"]);
    assert_eq!(segments.concat().len(), 70_000);
}

/// A kernel that never completes a write is as slow as one that takes nothing.
#[test]
fn what_is_out_for_too_long_is_a_stalled_write() {
    let flood = async |mut conn: Conn| conn.write(vec![b'x'; 1_000]).await;
    let stall = settings(|config| config.write_stall = seconds(64));
    let (mut world, conn) = serving(Service::new(flood).config(stall));
    // (Zero was reported once, when the test's peer took nothing: taking does not restart the
    // time.)
    let segments = take_all(&mut world, conn);
    world.turn();
    world.waits(seconds(65));
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::WriteStall)));
    drop(segments);

    // And if there was no other report.
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| conn.write(vec![b'x'; 1_000]).await);
    let now = Instant::ORIGIN;
    let conn = hub.accept(now, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    hub.run(now, &mut actions);
    assert_eq!(actions, [Action::Send(conn)]);
    assert_eq!(hub.take_segments(now, conn, usize::MAX, &mut Vec::new()), 1_000);
    hub.run(now, &mut actions);
    assert!(hub.next_wake().is_some_and(|at| at <= now + Duration::from_secs(60)));
}
