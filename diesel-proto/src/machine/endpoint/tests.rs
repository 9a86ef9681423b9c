//! The embedding contract, point by point, with machines that note their inputs.

use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use bytes::Bytes;
use core::time::Duration;

use super::super::contract::{Actions, Input};
use super::super::reason::Reason;

const NOW: Instant = Instant::ORIGIN;

type React = fn(Input<'_>, &mut Actions<'_>) -> usize;

/// Notes each input, then does as the test says.
struct Probe {
    seen: Vec<String>,
    react: React,
}

impl Machine for Probe {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        self.seen.push(match input {
            Input::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        });
        (self.react)(input, actions)
    }

    fn held(&self) -> usize {
        100
    }
}

fn probe(react: React) -> Endpoint<Probe> {
    Endpoint::new(Probe { seen: Vec::new(), react }, NOW)
}

fn seen(endpoint: &Endpoint<Probe>) -> &[String] {
    match endpoint.machine() {
        Upgradable::First(probe) => &probe.seen,
        Upgradable::Successor(_) => &[],
    }
}

/// Takes all bytes.
fn take_all(input: Input<'_>, _: &mut Actions<'_>) -> usize {
    if let Input::Bytes(bytes) = input { bytes.len() } else { 0 }
}

/// Takes two bytes at a time; resumes at `Wake`.
fn take_two(input: Input<'_>, actions: &mut Actions<'_>) -> usize {
    if input == Input::Wake {
        actions.resume();
    }
    2
}

/// Sends ten bytes at the start; when the peer ends, closes, and then tries to send more.
fn send_then_close(input: Input<'_>, actions: &mut Actions<'_>) -> usize {
    match input {
        Input::Start => actions.send(b"ten bytes."),
        Input::Eof => {
            actions.close(Cause::Done);
            actions.send(b"too late");
        }
        Input::Cut(Cause::Reset) => actions.send(b"goodbye"),
        _ => {}
    }
    0
}

#[test]
fn what_is_left_is_offered_again_in_order_and_then_the_end() {
    let mut endpoint = probe(take_two);
    assert!(endpoint.wants_input());
    assert_eq!(endpoint.received(NOW, b"abcde"), 5);
    assert_eq!(seen(&endpoint), ["Start", "abcde"]);
    assert_eq!(endpoint.held(), 3 + 100);

    assert!(!endpoint.wants_input());
    assert_eq!(endpoint.received(NOW, b"more"), 0, "not now");
    endpoint.eof(NOW);
    assert_eq!(seen(&endpoint), ["Start", "abcde"], "it waits");

    endpoint.wake(NOW);
    assert_eq!(seen(&endpoint)[2..], ["Wake", "cde"]);
    endpoint.wake(NOW);
    assert_eq!(seen(&endpoint)[4..], ["Wake", "e", "Eof"]);
    assert_eq!(endpoint.held(), 100);
    endpoint.wake(NOW);
    assert_eq!(seen(&endpoint)[7..], ["Wake"], "it ended once");
}

#[test]
fn a_machine_that_takes_all_is_not_paused_and_one_that_pauses_is() {
    let mut endpoint = probe(|input, actions| {
        if input == Input::Bytes(b"pause") {
            actions.pause();
        }
        take_all(input, actions)
    });
    assert_eq!(endpoint.received(NOW, b"go on"), 5);
    assert!(endpoint.wants_input());
    assert_eq!(endpoint.received(NOW, b""), 0);
    assert_eq!(endpoint.received(NOW, b"pause"), 5);
    assert!(!endpoint.wants_input());
    assert_eq!(seen(&endpoint), ["Start", "go on", "pause"], "no step for no bytes");
}

#[test]
fn after_the_end_bytes_are_dropped_and_nothing_ends_twice() {
    let mut endpoint = probe(take_all);
    endpoint.eof(NOW);
    assert!(!endpoint.wants_input());
    assert_eq!(endpoint.received(NOW, b"late"), 4);
    endpoint.eof(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Eof"]);
    assert_eq!(endpoint.closed(), None, "that is for the machine to say");
    endpoint.shutdown(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Eof", "Shutdown"]);
}

#[test]
fn a_close_takes_effect_once_all_is_sent_and_the_machine_hears_no_more() {
    let mut endpoint = probe(send_then_close);
    assert!(!endpoint.half_closed());
    endpoint.eof(NOW);
    assert_eq!((endpoint.closed(), endpoint.half_closed()), (None, false));
    assert_eq!((endpoint.queued(), endpoint.held()), (10, 110));
    assert_eq!(endpoint.refused(), 1);

    assert!(!endpoint.wants_input());
    assert_eq!(endpoint.received(NOW, b"late"), 4, "taken, and dropped");
    endpoint.wake(NOW);
    endpoint.shutdown(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Eof"]);

    let mut slices = [&[][..]; 8];
    assert_eq!(endpoint.outgoing(&mut slices), 1);
    assert_eq!(slices[0], b"ten bytes.");
    endpoint.sent(NOW, 4);
    assert_eq!((endpoint.closed(), endpoint.half_closed()), (None, false));
    endpoint.sent(NOW, 6);
    assert_eq!((endpoint.closed(), endpoint.half_closed()), (Some(Cause::Done), true));
    assert!(!endpoint.was_cut());

    endpoint.reset(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Eof"]);
    assert_eq!(endpoint.closed(), Some(Cause::Done), "the first cause stands");
}

#[test]
fn a_close_drops_what_was_left_over_and_the_deadline() {
    let mut endpoint = probe(|input, actions| {
        if input == Input::Wake {
            actions.set_deadline(NOW, Reason::Idle);
            actions.close(Cause::Failed);
        }
        1
    });
    assert_eq!(endpoint.received(NOW, b"abc"), 3);
    assert_eq!(endpoint.held(), 2 + 100);
    endpoint.wake(NOW);
    assert_eq!((endpoint.held(), endpoint.next_deadline()), (100, None));
    assert_eq!(endpoint.closed(), Some(Cause::Failed));
    endpoint.eof(NOW);
    assert_eq!(seen(&endpoint), ["Start", "abc", "Wake"], "nor does it get the end");
}

#[test]
fn a_reset_drops_everything_both_ways() {
    let mut endpoint = probe(send_then_close);
    assert_eq!(endpoint.received(NOW, b"left over"), 9);
    endpoint.reset(NOW);
    assert_eq!(seen(&endpoint), ["Start", "left over", "Cut(Reset)"]);
    assert_eq!((endpoint.held(), endpoint.queued()), (100, 0));
    assert_eq!(endpoint.closed(), Some(Cause::Reset));
    assert!(endpoint.was_cut() && !endpoint.wants_input());
    endpoint.eof(NOW);
    endpoint.reset(NOW);
    assert_eq!(seen(&endpoint).len(), 3);
}

#[test]
fn output_that_was_taken_back_was_cut() {
    let mut endpoint = probe(|input, actions| {
        match input {
            Input::Start => actions.send(b"ten bytes."),
            Input::Wake => _ = actions.take_back(4),
            _ => {}
        }
        0
    });
    assert!(!endpoint.was_cut());
    endpoint.wake(NOW);
    assert!(endpoint.was_cut());
    // Nothing is left to take back, and what was taken back before still counts.
    endpoint.wake(NOW);
    assert!(endpoint.was_cut());
    assert_eq!(endpoint.take_outgoing(NOW), b"ten ");
}

#[test]
fn a_write_that_fails_is_a_reset_once_either_side_has_ended() {
    let mut endpoint = probe(take_all);
    endpoint.eof(NOW);
    endpoint.write_failed(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Eof", "Cut(Reset)"]);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Reset)));

    let mut endpoint = probe(|input, actions| {
        if input == Input::Wake {
            actions.send(b"the last words");
            actions.close(Cause::Done);
        }
        0
    });
    endpoint.wake(NOW);
    endpoint.write_failed(NOW);
    assert_eq!(seen(&endpoint), ["Start", "Wake"]);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Reset)));
}

#[test]
fn a_write_that_fails_makes_room_for_a_machine_that_waits_for_it_and_goes_on() {
    fn ask(input: Input<'_>, actions: &mut Actions<'_>) {
        if input == Input::Start {
            actions.send(b"ten bytes.");
            actions.notify_below(4);
        }
    }
    let waits: React = |input, actions| {
        ask(input, actions);
        0
    };
    let closes: React = |input, actions| {
        ask(input, actions);
        if input == Input::WriteFailed {
            actions.close(Cause::Reset);
        }
        0
    };
    let cases: [(React, &[&str]); 3] = [
        (waits, &["Start", "WriteFailed", "Drained"]),
        (closes, &["Start", "WriteFailed"]),
        (take_all, &["Start", "WriteFailed"]),
    ];
    for (react, told) in cases {
        let mut endpoint = probe(react);
        endpoint.write_failed(NOW);
        endpoint.write_failed(NOW);
        assert_eq!(seen(&endpoint), told);
    }
}

#[test]
fn a_deadline_is_reported_once_and_never_early() {
    let mut endpoint = probe(|input, actions| {
        if input == Input::Start {
            actions.set_deadline(NOW + Duration::from_nanos(5), Reason::Idle);
        }
        0
    });
    let at = NOW + Duration::from_nanos(5);
    assert_eq!(endpoint.next_deadline(), Some(Deadline { at, reason: Reason::Idle }));
    endpoint.expired(NOW + Duration::from_nanos(4));
    assert_eq!(seen(&endpoint), ["Start"]);
    endpoint.expired(at);
    endpoint.expired(at);
    assert_eq!(seen(&endpoint), ["Start", "Deadline"]);
    assert_eq!(endpoint.next_deadline(), None);
}

#[test]
fn drained_is_reported_once_when_the_queue_falls_below_the_mark() {
    let mut endpoint = probe(|input, actions| {
        if input == Input::Start {
            actions.send(b"ten bytes.");
            actions.notify_below(4);
        }
        0
    });
    endpoint.sent(NOW, 6);
    assert_eq!(seen(&endpoint), ["Start"], "four are not fewer than four");
    endpoint.sent(NOW, 1);
    endpoint.sent(NOW, 1);
    assert_eq!(seen(&endpoint), ["Start", "Drained"]);
}

#[test]
fn taking_what_is_outgoing_sends_all_up_to_an_external() {
    const LARGE: &[u8] = &[b'x'; 5_000];
    let region = FileRegion { id: 1, offset: 2, len: 3 };
    let mut endpoint = probe(|input, actions| {
        if input == Input::Start {
            for _ in 0..20 {
                actions.send_bytes(Bytes::from_static(LARGE));
            }
            actions.send_file_region(FileRegion { id: 1, offset: 2, len: 3 });
            actions.send(b"end");
        }
        0
    });
    assert_eq!(endpoint.file_region(), None);
    assert_eq!(endpoint.take_outgoing(NOW), LARGE.repeat(20));
    assert_eq!(endpoint.queued(), 6);
    assert_eq!(endpoint.file_region(), Some(region));
    endpoint.sent(NOW, 3);
    assert_eq!((endpoint.file_region(), endpoint.take_outgoing(NOW)), (None, b"end".to_vec()));
    assert_eq!((endpoint.queued(), endpoint.take_outgoing(NOW)), (0, vec![]));
}

#[test]
fn notices_come_out_once_and_in_order() {
    let mut endpoint = probe(|input, actions| {
        actions.notice(Notice::Text(format!("{input:?}")));
        0
    });
    endpoint.wake(NOW);
    let notices: Vec<_> = endpoint.drain_notices().map(|it| it.to_string()).collect();
    assert_eq!(notices, ["Start", "Wake"]);
    assert_eq!(endpoint.drain_notices().count(), 0);
}

#[test]
fn debug_shows_the_machine_and_its_stream() {
    let text = format!("{:?}", Endpoint::new(super::super::line_echo::LineEcho::default(), NOW));
    assert!(text.starts_with("Endpoint(Attached { machine: First(LineEcho"), "{text}");
}
