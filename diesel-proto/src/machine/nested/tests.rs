//! What a layer can query of its inner machine, and an inner machine that starts late.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::endpoint::Endpoint;
use super::super::reason::Reason;
use super::super::stream_control::StreamControl;
use super::super::upgradable::Upgradable;
use super::*;

const NOW: Instant = Instant::ORIGIN;
const AT: Deadline = Deadline { at: Instant::from_nanos(7), reason: Reason::Idle };

/// Notes each input and how many bytes are queued then; does what the bytes command.
#[derive(Default)]
struct Notes(Vec<String>);

impl Machine for Notes {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        self.0.push(format!("{input:?} {}", actions.queued()));
        match input {
            Input::Bytes(b"pause") => actions.pause(),
            Input::Bytes(b"half") => actions.half_close(),
            Input::Bytes(b"close") => actions.close(Cause::Done),
            Input::Bytes(b"deadline") => actions.set_deadline(AT.at, AT.reason),
            Input::Bytes(b"send") => actions.send(b"four"),
            _ => {}
        }
        if let Input::Bytes(bytes) = input { bytes.len() } else { 0 }
    }
}

/// Starts its inner machine at the first bytes, which it consumes itself.
struct Late {
    inner: Nested<Notes>,
    started: bool,
    /// What [`Nested::received`] returned.
    received: Vec<usize>,
}

impl Machine for Late {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) if self.started => {
                taken = bytes.len();
                self.received.push(self.inner.received(now, bytes, actions));
            }
            Input::Bytes(bytes) => {
                taken = bytes.len();
                self.started = true;
                self.inner.pass_on(now, Input::Start, actions);
            }
            _ if self.started => _ = self.inner.pass_on(now, input, actions),
            _ => {}
        }
        self.inner.frame_output(actions, |bytes, actions| actions.send(bytes));
        self.inner.settle(None, actions);
        if self.started {
            // The test looks at the inner pause; the pause must not reach the endpoint.
            actions.resume();
        }
        taken
    }
}

fn late(nest: fn(Notes) -> Nested<Notes>) -> Endpoint<Late> {
    let late = Late { inner: nest(Notes::default()), started: false, received: Vec::new() };
    Endpoint::new(late, NOW)
}

fn layer(endpoint: &Endpoint<Late>) -> &Late {
    match endpoint.machine() {
        Upgradable::First(late) => late,
        Upgradable::Successor(_) => panic!("nothing takes its place"),
    }
}

fn inputs(endpoint: &Endpoint<Late>) -> Vec<&str> {
    match layer(endpoint).inner.link.machine() {
        Upgradable::First(notes) => notes.0.iter().map(String::as_str).collect(),
        Upgradable::Successor(_) => panic!("nothing takes its place"),
    }
}

fn receive(endpoint: &mut Endpoint<Late>, bytes: &[u8]) {
    assert_eq!(endpoint.received(NOW, bytes), bytes.len());
}

#[test]
fn a_machine_that_starts_late_learns_of_the_shutdown_and_the_failed_write() {
    for nest in [Nested::sharing, Nested::framing] {
        let mut endpoint = late(nest);
        endpoint.shutdown(NOW);
        endpoint.write_failed(NOW);
        receive(&mut endpoint, b"header");
        assert_eq!(inputs(&endpoint), ["Start 0", "Shutdown 0", "WriteFailed 0"]);

        let mut endpoint = late(nest);
        receive(&mut endpoint, b"header");
        assert_eq!(inputs(&endpoint), ["Start 0"]);
    }
}

#[test]
fn all_bytes_are_taken_or_none() {
    let mut endpoint = late(Nested::framing);
    for bytes in [&b"header"[..], b"x", b"pause", b"not now"] {
        receive(&mut endpoint, bytes);
    }
    assert_eq!(layer(&endpoint).received, [1, 5, 0]);
    assert!(!layer(&endpoint).inner.wants_input());
}

#[test]
fn bytes_that_are_passed_on_after_the_end_are_taken_and_dropped() {
    for ends in [Input::Bytes(b"close"), Input::Eof] {
        let (mut flow, mut workspace) = (StreamControl::new(), Workspace::new());
        let actions = &mut Actions::new(&mut flow, &mut workspace);
        let mut inner = Nested::sharing(Notes::default());
        inner.pass_on(NOW, Input::Start, actions);
        inner.pass_on(NOW, ends, actions);
        assert_eq!(inner.pass_on(NOW, Input::Bytes(b"late"), actions), 4);
        let Upgradable::First(notes) = inner.link.machine() else {
            panic!("nothing takes its place")
        };
        assert_eq!(notes.0.len(), 2, "{:?}", notes.0);
    }
}

#[test]
fn a_layer_sees_what_its_inner_machine_wants() {
    let mut endpoint = late(Nested::framing);
    receive(&mut endpoint, b"header");
    let inner = |endpoint: &Endpoint<Late>| {
        let inner = &layer(endpoint).inner;
        (inner.wants_input(), inner.deadline(), inner.half_closed(), inner.end())
    };
    assert_eq!(inner(&endpoint), (true, None, false, None));
    receive(&mut endpoint, b"deadline");
    assert_eq!(inner(&endpoint), (true, Some(AT), false, None));
    assert_eq!(endpoint.next_deadline(), Some(AT));
    receive(&mut endpoint, b"half");
    assert_eq!(inner(&endpoint), (true, Some(AT), true, None));
    receive(&mut endpoint, b"close");
    assert_eq!(inner(&endpoint), (false, None, true, Some(End::Close(Cause::Done))));
}

#[test]
fn what_is_queued_below_counts_for_the_machine_inside() {
    for nest in [Nested::sharing, Nested::framing] {
        let mut endpoint = late(nest);
        receive(&mut endpoint, b"header");
        receive(&mut endpoint, b"send");
        endpoint.wake(NOW);
        assert_eq!(inputs(&endpoint).last(), Some(&"Wake 4"));
        assert_eq!(endpoint.take_outgoing(NOW), b"four");
        endpoint.wake(NOW);
        assert_eq!(inputs(&endpoint).last(), Some(&"Wake 0"));
    }
}

#[test]
fn a_framing_layer_that_settles_without_its_frame_is_cut() {
    struct Forgets(Nested<Notes>);
    impl Machine for Forgets {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            let taken = self.0.pass_on(now, input, actions);
            self.0.settle(None, actions);
            taken
        }
    }
    let mut endpoint = Endpoint::new(Forgets(Nested::framing(Notes::default())), NOW);
    assert_eq!(endpoint.end(), None, "there was nothing to frame");
    assert_eq!(endpoint.received(NOW, b"send"), 4);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Failed)));
    let notices: Vec<_> = endpoint.drain_notices().map(|it| it.to_string()).collect();
    assert_eq!(notices, ["a framing layer settled without its frame"]);
}
