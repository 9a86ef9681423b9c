//! Back-pressure in both directions: a slow reader stalls its writer, and a handler that does not
//! read stalls its peer. In between, the bytes that the hub holds stay exactly within its limits.

mod harness;

use std::cell::Cell;
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

/// Writes lines of 100 bytes until a write waits, and counts them.
fn babbler(lines: &Rc<Cell<usize>>, settings: ServiceConfig) -> Service {
    let lines = Rc::clone(lines);
    Service::new(async move |mut conn: Conn| {
        loop {
            conn.write([b'x'; 100].as_slice()).await?;
            lines.set(lines.get() + 1);
        }
    })
    .config(settings)
}

fn marks(high: u64, low: u64) -> ServiceConfig {
    settings(|it| {
        it.high_water = high;
        it.low_water = low;
    })
}

/// The first write that finds the high-water mark reached waits, so no more than one payload comes
/// on top of it, and it goes on only when no more than the low-water mark is left.
#[test]
fn a_writer_waits_at_high_water_and_goes_on_at_low_water() {
    let lines = Rc::new(Cell::new(0));
    let mut world = World::new();
    let service = world.hub.add_service(babbler(&lines, marks(1000, 400)));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    assert_eq!(lines.get(), 10);
    assert_eq!(world.queued(conn), 1000);

    // One byte above the low-water mark: not yet.
    world.takes(conn, 599);
    assert_eq!((lines.get(), world.queued(conn)), (10, 401));
    // At it: fills up again.
    world.takes(conn, 1);
    assert_eq!((lines.get(), world.queued(conn)), (16, 1000));
    // And so on, for as long as the peer takes a little now and then.
    for _ in 0..50 {
        world.takes(conn, 250);
        assert!(world.queued(conn) < 1000 + 100);
    }
    assert_eq!(lines.get() * 100, 600 + 50 * 250 + world.queued(conn));
}

/// A payload larger than the mark is queued whole, or else it could never be sent.
#[test]
fn a_payload_beyond_the_mark_is_queued_whole_without_waiting() {
    let (mut world, conn) = World::serving(
        Service::new(async |mut conn: Conn| {
            conn.write("a".repeat(5000)).await?;
            conn.write("b").await?;
            conn.flush().await
        })
        .config(marks(10, 0)),
    );
    assert_eq!(world.receives(conn).len(), 5001);
}

#[test]
fn flush_waits_until_everything_is_taken() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        conn.write("hello").await?;
        note.note("queued");
        conn.flush().await?;
        note.note("flushed");
        conn.until_eol().await.map(drop)
    }));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    world.takes(conn, 4);
    assert_eq!(diary.read(), ["queued"]);
    world.takes(conn, 1);
    assert_eq!(diary.read(), ["flushed"]);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_with_that_reason() {
    let lines = Rc::new(Cell::new(0));
    let mut world = World::new();
    let mut settings = marks(1000, 400);
    (settings.write_stall, settings.write_rate) = (seconds(10), 10);
    let service = world.hub.add_service(babbler(&lines, settings));
    let (stalled, slow) = (world.accept(service), world.accept(service));
    world.takes_only(stalled, 0);
    world.takes_only(slow, 0);
    // A slow peer is not a stall; a peer that takes nothing is.
    for second in 1..=30 {
        world.waits(seconds(1));
        world.takes(slow, 12);
        if second < 10 {
            world.takes(stalled, 0);
            assert_eq!(world.closed(stalled), None);
        }
    }
    assert_eq!(world.closed(stalled), Some(Cause::TimedOut(Reason::WriteStall)));
    assert_eq!(world.closed(slow), None);
    // It takes no more: the time began when it last had taken enough.
    world.waits(seconds(9));
    assert_eq!(world.closed(slow), None);
    world.waits(seconds(11));
    assert_eq!(world.closed(slow), Some(Cause::TimedOut(Reason::WriteStall)));
    let cut = Notice::Cut { peer: Address::Unnamed, cause: Cause::TimedOut(Reason::WriteStall) };
    assert!(world.notices().contains(&cut));
    assert_eq!(world.hub.counters().open, 0);
}

/// A peer cannot hold memory for ever by reading slowly.
#[test]
fn a_peer_that_takes_less_than_the_least_rate_is_cut() {
    let lines = Rc::new(Cell::new(0));
    let mut world = World::new();
    let service = world.hub.add_service(babbler(&lines, marks(1000, 400)));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    for _ in 0..119 {
        world.waits(seconds(1));
        world.takes(conn, 200);
    }
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::WriteStall)));
}

/// The deadline begins when the peer takes no more, not when it last had something to take.
#[test]
fn a_peer_that_was_quiet_for_long_has_the_whole_time() {
    let mut world = World::new();
    let service = world.hub.add_service(Service::new(echo).write_stall(seconds(10)));
    let conn = world.accept(service);
    world.waits(seconds(1000));
    world.takes_only(conn, 0);
    world.sends(conn, "hello\n");
    world.waits(seconds(9));
    assert_eq!(world.closed(conn), None);
    world.takes(conn, 1000);
    assert_eq!(world.receives(conn), "you said: hello\n");
    world.waits(seconds(1000));
    assert_eq!(world.closed(conn), None);
}

/// The handler learns why: its write fails with the reason.
#[test]
fn the_writer_of_a_stalled_connection_gets_the_reason() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let service = Service::new(async move |mut conn: Conn| {
        conn.write("x").await?;
        let outcome = conn.flush().await;
        note.note(format!("{outcome:?}"));
        outcome
    });
    let service = world.hub.add_service(service.write_stall(seconds(3)));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.waits(seconds(3));
    assert_eq!(diary.read(), ["Err(TimedOut(WriteStall))"]);
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::WriteStall)));
}

/// Bytes that the handler does not read are taken up to `read_ahead`, with one read on top; then
/// reading pauses until some are read.
#[test]
fn reading_pauses_while_the_handler_does_not_read() {
    let mut world = World::new();
    let go: Event<()> = world.hub.event();
    let event = go.clone();
    let service = Service::new(async move |mut conn: Conn| {
        let mut go = event.subscribe();
        loop {
            go.wait().await?;
            conn.bytes(60).await?;
        }
    });
    let service = world.hub.add_service(service.config(settings(|it| it.read_ahead = 100)));
    let conn = world.accept(service);
    world.turn();

    world.sends(conn, [b'x'; 99]);
    assert!(!world.paused(conn));
    world.sends(conn, [b'x'; 30]);
    assert!(world.paused(conn));
    // Bytes that arrive all the same are not taken: at most one read is on top.
    assert_eq!(world.hub.received(world.now, conn, b"more"), 0);
    assert_eq!(world.hub.counters().bytes_in, 129);

    // 60 bytes are read, 69 are left: that is less than 100.
    go.fire(());
    world.turn();
    assert!(!world.paused(conn));
    world.sends(conn, b"more");
    assert_eq!(world.hub.counters().bytes_in, 133);
}

/// A token that waits for more than is read ahead gets it, up to its limit and one read on top.
#[test]
fn a_token_that_waits_for_more_than_is_read_ahead_gets_it() {
    let (mut world, conn) = World::serving(
        Service::new(async |mut conn: Conn| {
            conn.ctx().sleep(seconds(1)).await?;
            let all = conn.bytes(1000).await?;
            conn.write(format!("got {}\n", all.len())).await?;
            conn.ctx().sleep(seconds(100)).await
        })
        .config(settings(|it| it.read_ahead = 10)),
    );
    world.sends(conn, [b'x'; 10]);
    assert!(world.paused(conn));
    world.waits(seconds(1));
    for _ in 1..100 {
        assert!(!world.paused(conn), "a token waits for more");
        world.sends(conn, [b'x'; 10]);
    }
    assert_eq!(world.receives(conn), "got 1000\n");
    // No token waits any more: at most ten bytes are read ahead.
    world.sends(conn, [b'x'; 10]);
    assert!(world.paused(conn));
    assert_eq!(world.hub.received(world.now, conn, b"x"), 0);
}

/// If an embedder delivers bytes twice before it runs the hub, the second call refuses them. The
/// hub must then report when to resume, even if the handler has read everything when the hub runs.
#[test]
fn bytes_that_were_refused_are_asked_for_again() {
    let (mut world, conn) =
        World::serving(Service::new(echo).config(settings(|it| it.read_ahead = 6)));
    world.delivers(conn, "hello\n");
    assert_eq!(world.hub.received(world.now, conn, b"world\n"), 0);
    let before = world.log.len();
    world.turn();
    assert_eq!(
        world.log[before..],
        [Action::Pause(conn), Action::Send(conn), Action::Resume(conn)]
    );
    world.sends(conn, "world\n");
    assert_eq!(world.receives(conn), "you said: hello\nyou said: world\n");
}

/// The same for a machine: it pauses in one step, and is resumed by another before the hub runs.
#[test]
fn bytes_that_a_machine_refused_are_asked_for_again() {
    struct OneAtATime;
    impl Machine for OneAtATime {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(bytes) => {
                    actions.send(bytes);
                    actions.pause();
                    bytes.len()
                }
                Input::Wake => {
                    actions.resume();
                    0
                }
                _ => 0,
            }
        }
    }
    let (mut world, conn) = World::serving(Service::machine(|_| OneAtATime));
    world.delivers(conn, "hello");
    assert_eq!(world.hub.received(world.now, conn, b"world"), 0);
    world.hub.wake(world.now, conn);
    let before = world.log.len();
    world.turn();
    assert!(world.log[before..].contains(&Action::Resume(conn)));
    world.sends(conn, "world");
    assert_eq!(world.receives(conn), "helloworld");
}

/// A peer that sends and never reads, against an echo: the bytes held, in and out, stay within the
/// limits of the service, however much is sent.
#[test]
fn what_is_held_for_a_peer_that_never_reads_is_bounded() {
    let settings = settings(|it| {
        it.read_ahead = 1000;
        it.high_water = 2000;
        it.low_water = 500;
    });
    let (mut world, conn) = World::serving(Service::new(echo).config(settings));
    world.takes_only(conn, 0);
    let line = [&[b'x'; 99][..], b"\n"].concat();
    let mut delivered = 0;
    for _ in 0..10_000 {
        delivered += world.hub.received(world.now, conn, &line);
        world.turn();
    }
    let answered = world.queued(conn) / 110;
    // One payload on top of the mark, one read on top of the other.
    assert!(world.queued(conn) < 2000 + 110, "{}", world.queued(conn));
    let unread = delivered - answered * 100;
    assert!(unread <= 1000 + 100 + 100, "{unread}");
    assert!(world.paused(conn));

    // It reads after all: everything that was taken in is answered.
    world.takes(conn, u64::MAX / 2);
    assert!(!world.paused(conn));
    assert_eq!(world.receives(conn).len(), delivered / 100 * 110);
}

/// The proxy of the documentation, with a connection to each side. It is as fast as the slower
/// side, and holds no more than its marks.
#[test]
fn a_relay_passes_the_pressure_on() {
    let mut world = World::with(config(|it| {
        it.client.high_water = 1000;
        it.client.low_water = 500;
    }));
    let service = Service::new(async |mut conn: Conn| {
        let mut upstream = conn.ctx().connect(Address::Unnamed).await?;
        loop {
            let some = conn.some().await?;
            upstream.write(some).await?;
        }
    });
    let service = world.hub.add_service(service.config(settings(|it| it.read_ahead = 1000)));
    let source = world.accept(service);
    world.turn();
    let sink = world.connects_now();
    world.takes_only(sink, 0);
    let mut delivered = 0;
    for _ in 0..100 {
        delivered += world.hub.received(world.now, source, &[b'x'; 100]);
        world.turn();
    }
    assert!(world.paused(source));
    assert!(delivered <= 1100 + 1100);
    assert!(world.queued(sink) <= 1100);
    world.takes(sink, 600);
    assert!(!world.paused(source));
    world.takes(sink, 10_000);
    assert_eq!(world.receives(sink).len(), delivered);
}
