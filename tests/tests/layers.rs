//! A layer passes on what it does not change: the successor of its inner machine, an abort and its
//! cause, a shutdown, the pause, both deadlines, and the number of bytes queued below.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use diesel_proto::testkit::Stimulus;
use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::layer_laws::LayerLaws;
use diesel_proto::{
    Actions, Cause, End, Endpoint, FileRegion, Input, Instant, LineEcho, Machine, Nested, Reason,
};
use diesel_tests::xor::{Xor, open, seal};

const NOW: Instant = Instant::ORIGIN;
const KEY: u8 = 0x5a;
const SECOND: Duration = Duration::from_secs(1);

/// Executes commands of one byte; sends a word for each other input.
#[derive(Default)]
struct Obeys;

impl Machine for Obeys {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                let mut taken = 0;
                while taken < bytes.len() && !actions.is_paused() && !actions.is_closing() {
                    taken += 1;
                    match bytes[taken - 1] {
                        b'u' => {
                            actions.upgrade(Obeys);
                            return taken;
                        }
                        b'a' => actions.abort(Cause::Failed),
                        b'c' => {
                            actions.send(b"part of it");
                            actions.cut(Cause::Failed);
                        }
                        b'd' => actions.set_deadline(now + SECOND, Reason::Application("inner")),
                        b'h' => actions.half_close(),
                        b'n' => {
                            actions.send(&[b'x'; 100]);
                            actions.notify_below(50);
                        }
                        b'p' => actions.pause(),
                        b'q' => actions.close(Cause::Done),
                        _ => actions.send(b"?"),
                    }
                }
                return taken;
            }
            Input::Start => actions.send(b"start "),
            Input::Eof => actions.send(b"eof "),
            Input::Deadline => actions.send(b"deadline "),
            Input::Drained => actions.send(b"drained "),
            Input::Wake => {
                actions.resume();
                actions.send(b"wake ");
            }
            Input::Shutdown => actions.send(b"shutdown "),
            _ => {}
        }
        0
    }
}

/// A layer that keeps the length.
struct Plain<M>(Nested<M>);

impl<M: Machine> Machine for Plain<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle(None, actions);
        taken
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn scanned(&self) -> u64 {
        self.0.scanned()
    }
}

/// The same for a bare machine, one in a layer that shares, and one in a layer that frames.
trait Stands {
    fn feed(&mut self, bytes: &[u8]);
    fn output(&mut self) -> String;
}

impl<M: Machine> Stands for Endpoint<Plain<M>> {
    fn feed(&mut self, bytes: &[u8]) {
        assert_eq!(self.received(NOW, bytes), bytes.len());
    }

    fn output(&mut self) -> String {
        String::from_utf8(self.take_outgoing(NOW)).unwrap()
    }
}

impl<M: Machine> Stands for Endpoint<Xor<M>> {
    fn feed(&mut self, bytes: &[u8]) {
        let sealed = seal(KEY, bytes);
        assert_eq!(self.received(NOW, &sealed), sealed.len());
    }

    fn output(&mut self) -> String {
        String::from_utf8(open(KEY, &self.take_outgoing(NOW))).unwrap()
    }
}

macro_rules! in_each_layer {
    ($($name:ident: |$endpoint:ident| $story:block)*) => {$(
        #[test]
        fn $name() {
            let mut $endpoint = Endpoint::new(Plain(Nested::sharing(Obeys)), NOW);
            $story;
            let mut $endpoint = Endpoint::new(Xor::new(KEY, Obeys), NOW);
            $story;
            let two = Plain(Nested::sharing(Plain(Nested::sharing(Obeys))));
            let mut $endpoint = Endpoint::new(two, NOW);
            $story;
            let mut $endpoint = Endpoint::new(Xor::new(KEY, Plain(Nested::sharing(Obeys))), NOW);
            $story;
        }
    )*};
}

in_each_layer! {
    the_successor_of_an_inner_machine_takes_its_place_and_not_that_of_the_layer: |endpoint| {
        endpoint.feed(b"u?");
        // What follows the upgrade still goes through the layer.
        assert_eq!(endpoint.output(), "start start ?");
        endpoint.feed(b"u");
        endpoint.feed(b"?");
        assert_eq!(endpoint.output(), "start ?");
    }

    an_abort_passes_through_and_is_not_turned_into_a_close: |endpoint| {
        endpoint.feed(b"a");
        assert_eq!(endpoint.end(), Some(End::Abort(Cause::Failed)));
        assert_eq!(endpoint.output(), "", "an abort drops what is queued");
    }

    a_cut_passes_through_after_what_was_queued: |endpoint| {
        endpoint.feed(b"c");
        assert_eq!(endpoint.end(), None);
        assert_eq!(endpoint.output(), "start part of it");
        assert_eq!(endpoint.end(), Some(End::Abort(Cause::Failed)));
    }

    a_close_and_a_half_close_pass_through: |endpoint| {
        endpoint.feed(b"h");
        endpoint.output();
        assert!(endpoint.half_closed() && endpoint.end().is_none());
        endpoint.feed(b"q");
        assert_eq!(endpoint.end(), Some(End::Close(Cause::Done)));
    }

    a_successor_is_told_of_the_shutdown_that_began_before: |endpoint| {
        endpoint.output();
        endpoint.shutdown(NOW);
        assert_eq!(endpoint.output(), "shutdown ");
        endpoint.feed(b"u");
        assert_eq!(endpoint.output(), "start shutdown ");
    }

    a_pause_holds_what_comes_behind_it_until_the_inner_machine_goes_on: |endpoint| {
        endpoint.feed(b"p??");
        assert_eq!(endpoint.output(), "start ");
        assert!(!endpoint.wants_input());
        endpoint.eof(NOW);
        assert_eq!(endpoint.output(), "");
        endpoint.wake(NOW);
        assert_eq!(endpoint.output(), "wake ??eof ");
    }

    a_deadline_of_the_inner_machine_is_one_of_the_stream: |endpoint| {
        endpoint.feed(b"d");
        let deadline = endpoint.next_deadline().unwrap();
        assert_eq!((deadline.at, deadline.reason), (NOW + SECOND, Reason::Application("inner")));
        endpoint.output();
        endpoint.expired(NOW + SECOND);
        assert_eq!((endpoint.output().as_str(), endpoint.next_deadline()), ("deadline ", None));
    }

    what_is_queued_below_counts_for_the_inner_machine: |endpoint| {
        endpoint.output();
        endpoint.feed(b"n");
        endpoint.sent(NOW, endpoint.queued() - 50);
        assert_eq!(endpoint.queued(), 50);
        endpoint.sent(NOW, 1);
        let told = endpoint.queued();
        assert!(told > 49, "told when fewer than it asked for are queued below");
        endpoint.sent(NOW, told);
        assert_eq!(endpoint.queued(), 0, "and once");
    }
}

/// Cuts the stream itself, before its inner machine starts or after.
struct Cuts<M> {
    inner: Nested<M>,
    at_once: bool,
}

impl<M: Machine> Machine for Cuts<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match input {
            Input::Bytes(b"!") => self.inner.cut(now, Cause::Protocol("of the layer"), actions),
            Input::Start if self.at_once => self.inner.cut(now, Cause::Failed, actions),
            _ => taken = self.inner.pass_on(now, input, actions),
        }
        self.inner.settle_framed(None, actions, |bytes, actions| actions.send(bytes));
        taken
    }
}

/// Records the causes for which it is cut. If it has its own cause, it closes with that.
#[derive(Clone, Default)]
struct Hears(Rc<RefCell<Vec<Cause>>>, Option<Cause>);

impl Machine for Hears {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"hello"),
            Input::Bytes(bytes) => {
                actions.close(Cause::Done);
                return bytes.len();
            }
            Input::Cut(cause) => {
                self.0.borrow_mut().push(cause);
                actions.send(b"never seen");
                self.1.into_iter().for_each(|cause| actions.abort(cause));
            }
            _ => {}
        }
        0
    }
}

/// How the stream ends, what is left to be sent, and the causes that the inner machine got.
fn cut(
    nest: fn(Hears) -> Nested<Hears>,
    own: Option<Cause>,
    at_once: bool,
    bytes: &[&[u8]],
) -> (Option<End>, Vec<u8>, Vec<Cause>) {
    let hears = Hears(Rc::default(), own);
    let heard = Rc::clone(&hears.0);
    let mut endpoint = Endpoint::new(Cuts { inner: nest(hears), at_once }, NOW);
    for bytes in bytes {
        assert_eq!(endpoint.received(NOW, bytes), bytes.len());
    }
    let end = endpoint.end();
    endpoint.reset(NOW);
    let heard = heard.borrow().clone();
    (end, endpoint.take_outgoing(NOW), heard)
}

#[test]
fn a_layer_that_cuts_the_stream_tells_its_inner_machine_why() {
    const WHY: Cause = Cause::Protocol("of the layer");
    for nest in [Nested::sharing, Nested::framing] {
        let nothing = Vec::new();
        let told = cut(nest, None, false, &[b"!"]);
        assert_eq!(told, (Some(End::Abort(WHY)), nothing.clone(), vec![WHY]), "once");
        let told = cut(nest, Some(Cause::Shed), false, &[b"!"]);
        assert_eq!(told, (Some(End::Abort(Cause::Shed)), nothing.clone(), vec![WHY]));
        let told = cut(nest, None, true, &[]);
        assert_eq!(told, (Some(End::Abort(Cause::Failed)), nothing, vec![Cause::Failed]));
        // It had ended the stream itself: the cut has no effect.
        let told = cut(nest, None, false, &[b"x", b"!"]);
        assert_eq!((told.0, told.2), (None, vec![]));
    }
}

/// Upgrades to its own successor while its inner machine upgrades.
struct Both(Nested<Obeys>);

impl Machine for Both {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let Input::Bytes(b"both") = input {
            actions.upgrade(LineEcho::default());
            self.0.pass_on(now, Input::Bytes(b"u"), actions);
            self.0.settle(None, actions);
            return 4;
        }
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle(None, actions);
        taken
    }
}

#[test]
fn the_successor_of_a_layer_is_not_taken_for_that_of_its_inner_machine() {
    let mut endpoint = Endpoint::new(Both(Nested::sharing(Obeys)), NOW);
    assert_eq!(endpoint.received(NOW, b"both"), 4);
    assert_eq!(endpoint.received(NOW, b"hi\r\n"), 4);
    assert_eq!(endpoint.take_outgoing(NOW), b"start start you said: hi\r\n");
}

#[test]
fn a_framing_layer_that_forgets_its_frame_is_cut_and_nothing_goes_out_in_the_clear() {
    let mut endpoint = Endpoint::new(Plain(Nested::framing(Obeys)), NOW);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Failed)));
    assert_eq!(endpoint.take_outgoing(NOW), b"");
    let notices: Vec<_> = endpoint.drain_notices().map(|notice| notice.to_string()).collect();
    assert_eq!(notices, ["a framing layer settled without its frame"]);
}

#[test]
fn a_region_cannot_go_through_a_framing_layer_and_the_stream_is_cut() {
    struct Region;
    impl Machine for Region {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Wake {
                actions.send(b"before");
                actions.send_file_region(FileRegion { id: 1, offset: 0, len: 9 });
            }
            0
        }
    }
    let mut endpoint = Endpoint::new(Xor::new(KEY, Region), NOW);
    endpoint.wake(NOW);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Failed)));
    let notices: Vec<_> = endpoint.drain_notices().map(|notice| notice.to_string()).collect();
    assert_eq!(notices, ["a region was queued inside a framing layer"]);

    let mut endpoint = Endpoint::new(Plain(Nested::sharing(Region)), NOW);
    endpoint.wake(NOW);
    assert_eq!(endpoint.take_outgoing(NOW), b"before");
    assert_eq!(endpoint.file_region().map(|region| region.len), Some(9));
}

#[test]
fn layers_keep_the_laws_of_layers() {
    LayerLaws::of(|inner| Plain(Nested::sharing(inner))).sessions(50).assert();
    LayerLaws::of(|inner| Plain(Nested::sharing(Plain(Nested::sharing(inner)))))
        .sessions(50)
        .assert();
    let frames = || LayerLaws::of(|inner| Xor::new(KEY, inner));
    frames().framed_by(|plain| seal(KEY, plain), |sealed| open(KEY, sealed)).sessions(50).assert();
    // One record for each byte, and records in records.
    let bytewise = |plain: &[u8]| plain.chunks(1).flat_map(|byte| seal(KEY, byte)).collect();
    frames().framed_by(bytewise, |sealed| open(KEY, sealed)).sessions(50).assert();
    LayerLaws::of(|inner| Xor::new(7, Plain(Nested::sharing(Xor::new(KEY, inner)))))
        .framed_by(|plain| seal(7, &seal(KEY, plain)), |sealed| open(KEY, &open(7, sealed)))
        .sessions(50)
        .assert();
}

#[test]
fn a_layer_around_one_machine_keeps_the_laws() {
    let echo = || {
        LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(12)))
    };
    let session = [
        Stimulus::bytes("hello\r\nUPGR"),
        Stimulus::bytes("ADE\r\nworld\r\nlonger than twelve\r\n"),
        Stimulus::Wake,
        Stimulus::Eof,
    ];
    LayerLaws::around(echo, |inner| Xor::new(KEY, inner))
        .framed_by(|plain| seal(KEY, plain), |sealed| open(KEY, sealed))
        .assert_on(&session);
    LayerLaws::around(echo, |inner| Plain(Nested::sharing(inner))).assert_on(&session);
}

#[test]
fn a_framing_layer_keeps_the_laws() {
    let session = [
        Stimulus::bytes(seal(KEY, b"hello\r\nUPGR")),
        Stimulus::bytes(seal(KEY, b"ADE\r\nworld\r\nlonger than twelve\r\n")),
        Stimulus::Wake,
        Stimulus::Eof,
    ];
    let inner = || {
        LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(12)))
    };
    Laws::of(|| Xor::new(KEY, inner())).through(|sealed| open(KEY, sealed)).assert(&session);
}
