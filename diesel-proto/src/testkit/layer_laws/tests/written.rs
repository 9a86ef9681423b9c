//! Layers that are written in other ways: by hand, with frames, with a preamble and a goodbye, with
//! their own deadlines.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::{LayerLaw, LayerLaws, Probe};
use super::{Loses, Loss};
use crate::machine::{Actions, Cause, Deadline, Input, Machine, Nested, Reason, StreamControl};
use crate::testkit::Stimulus;
use crate::testkit::laws::Law;
use crate::time::Instant;

/// Passes the caller's actions to its machine, as a layer without [`Nested`] might, and handles
/// successors itself, or fails to.
struct ByHand {
    inner: Box<dyn Machine>,
    successors: Successors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Successors {
    WithinTheLayer,
    InPlaceOfTheLayer,
    Lost,
    NotToldOfAShutdown,
    NotToldOfAFailedWrite,
    NotStarted,
}

impl ByHand {
    fn new(successors: Successors, inner: Probe) -> Self {
        ByHand { inner: Box::new(inner), successors }
    }
}

impl Machine for ByHand {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = self.inner.step(now, input, actions);
        if self.successors == Successors::InPlaceOfTheLayer {
            return taken;
        }
        while let Some(next) = actions.take_successor() {
            if self.successors == Successors::Lost {
                continue;
            }
            self.inner = next;
            let is_told = matches!(input, Input::Cut(_));
            let told = [
                (self.successors != Successors::NotStarted).then_some(Input::Start),
                (actions.is_shutting_down()
                    && !is_told
                    && self.successors != Successors::NotToldOfAShutdown)
                    .then_some(Input::Shutdown),
                (actions.has_write_failed()
                    && !is_told
                    && self.successors != Successors::NotToldOfAFailedWrite)
                    .then_some(Input::WriteFailed),
                matches!(input, Input::Eof | Input::Cut(_)).then_some(input),
            ];
            told.into_iter().flatten().for_each(|it| _ = self.inner.step(now, it, actions));
            match input {
                Input::Bytes(bytes) if taken < bytes.len() && !actions.is_closing() => {
                    taken += self.inner.step(now, Input::Bytes(&bytes[taken..]), actions);
                }
                _ => {}
            }
        }
        taken
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

#[test]
fn a_layer_that_shares_its_actions_has_to_see_to_successors() {
    let check = |successors| LayerLaws::of(|inner| ByHand::new(successors, inner)).check();
    if let Err(broken) = check(Successors::WithinTheLayer) {
        panic!("{broken}");
    }
    for successors in [
        Successors::InPlaceOfTheLayer,
        Successors::Lost,
        Successors::NotToldOfAShutdown,
        Successors::NotToldOfAFailedWrite,
        Successors::NotStarted,
    ] {
        let Err(broken) = check(successors) else { panic!("{successors:?} was not caught") };
        assert_eq!(broken.law, LayerLaw::Upgrade, "{successors:?}: {broken}");
    }
}

/// Its machine has a separate queue, and bytes that were taken from there are no longer counted.
struct CountsNothingBelow<M>(Nested<M>);

impl<M: Machine> Machine for CountsNothingBelow<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let (outer, workspace) = actions.parts();
        let mut own = StreamControl::new();
        own.write_failed = outer.write_failed;
        own.shutting_down = outer.shutting_down;
        let inner = &mut Actions::new(&mut own, workspace);
        let taken = self.0.pass_on(now, input, inner);
        if !self.0.half_closed() {
            self.0.pass_on(now, Input::Drained, inner);
        }
        self.0.settle_framed(None, actions, |bytes, actions| actions.send(bytes));
        taken
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn scanned(&self) -> u64 {
        self.0.scanned()
    }
}

#[test]
fn a_layer_that_says_too_early_that_few_bytes_are_queued_is_caught() {
    let laws = LayerLaws::of(|inner| CountsNothingBelow(Nested::framing(inner)));
    let Err(broken) = laws.check() else { panic!("not caught") };
    assert_eq!(broken.law, LayerLaw::Drained, "{broken}");
}

/// Cuts the stream after an hour.
struct Hour<M> {
    inner: M,
    ends: Deadline,
}

impl<M: Machine> Machine for Hour<Nested<M>> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.inner.pass_on(now, input, actions);
        if now >= self.ends.at {
            self.inner.cut(now, Cause::TimedOut(self.ends.reason), actions);
        }
        self.inner.settle(Some(self.ends), actions);
        taken
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

#[test]
fn a_layer_may_have_deadlines_of_its_own_and_still_lose_none_of_its_machine() {
    let ends =
        Deadline { at: Instant::ORIGIN + Duration::from_secs(3600), reason: Reason::BodyRate };
    let laws = || LayerLaws::of(|inner| Hour { inner: Nested::sharing(inner), ends });
    laws().own_deadlines().assert();
    let Err(broken) = laws().check() else { panic!("the lost deadline was not caught") };
    assert_eq!(broken.law, LayerLaw::Start);
    for loss in [Loss::DeadlineSet, Loss::DeadlineTime, Loss::DeadlineReason, Loss::DeadlinePassed]
    {
        let laws = LayerLaws::of(|inner| {
            let lossy = Loses::new(loss, inner);
            Hour { inner: Nested::sharing(lossy), ends }
        });
        let Err(broken) = laws.own_deadlines().check() else { panic!("{loss:?} not caught") };
        assert_eq!(broken.law, LayerLaw::Deadline, "{loss:?}: {broken}");
    }
}

/// Frames of one byte for the length and that many bytes.
struct Framed<M> {
    inner: Nested<M>,
    frame: Vec<u8>,
    /// Assumes (wrongly) that a frame arrives in one piece.
    is_careless: bool,
}

impl<M: Machine> Machine for Framed<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) => {
                while taken < bytes.len() && self.inner.wants_input() {
                    self.frame.push(bytes[taken]);
                    taken += 1;
                    let len = self.frame.first().map_or(0, |&len| usize::from(len));
                    if self.frame.len() == 1 + len {
                        let frame = core::mem::take(&mut self.frame);
                        let _ = self.inner.received(now, &frame[1..], actions);
                    }
                }
                if self.is_careless && taken == bytes.len() {
                    self.frame.clear();
                }
            }
            other => _ = self.inner.pass_on(now, other, actions),
        }
        self.inner.settle_framed(None, actions, |bytes, actions| {
            actions.send(&encode(bytes));
        });
        taken
    }

    fn held(&self) -> usize {
        self.inner.held() + self.frame.len()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(255).flat_map(|chunk| [&[chunk.len() as u8], chunk].concat()).collect()
}

fn decode(mut frames: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [len, rest @ ..] = frames {
        let Some((frame, rest)) = rest.split_at_checked((*len).into()) else { break };
        bytes.extend_from_slice(frame);
        frames = rest;
    }
    bytes
}

fn framed(is_careless: bool) -> LayerLaws<'static, Probe, Framed<Probe>> {
    LayerLaws::of(move |inner| Framed {
        inner: Nested::framing(inner),
        frame: Vec::new(),
        is_careless,
    })
    .framed_by(encode, decode)
}

#[test]
fn a_framing_layer_is_checked_through_what_its_peer_sends_and_reads() {
    framed(false).max_held(2 * 256).assert();
}

#[test]
fn a_layer_that_shows_how_its_bytes_were_cut_breaks_a_law_of_machines() {
    let Err(broken) = framed(true).check() else { panic!("not caught") };
    assert_eq!(broken.law, LayerLaw::OfMachines(Law::SplitInvariance), "{broken}");
    let report = broken.to_string();
    let title = "the layer breaks SplitInvariance, a law of all machines\n\
                 broken law: SplitInvariance\n";
    assert!(report.starts_with(title), "{report}");
}

#[test]
fn a_layer_that_holds_more_than_it_declares_breaks_a_law_of_machines() {
    let Err(broken) = framed(false).max_held(7).check() else { panic!("not caught") };
    assert_eq!(broken.law, LayerLaw::OfMachines(Law::HeldWithinLimit), "{broken}");
}

#[test]
fn what_the_peer_says_first_and_last_is_not_for_the_machine() {
    /// Expects `hi` as a preamble, and a full stop as the end.
    struct Polite<M>(Nested<M>, usize);

    impl<M: Machine> Machine for Polite<M> {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            let taken = match input {
                Input::Bytes(bytes) if self.1 < 2 => {
                    let n = bytes.len().min(2 - self.1);
                    self.1 += n;
                    if self.1 == 2 {
                        self.0.pass_on(now, Input::Start, actions);
                    }
                    n + match bytes[n..].is_empty() {
                        true => 0,
                        false => return n + self.step(now, Input::Bytes(&bytes[n..]), actions),
                    }
                }
                Input::Bytes(bytes) => {
                    let (bytes, ends) = match bytes.split_last() {
                        Some((b'.', before)) => (before, true),
                        _ => (bytes, false),
                    };
                    let mut taken = 0;
                    if !bytes.is_empty() {
                        taken = self.0.pass_on(now, Input::Bytes(bytes), actions);
                    }
                    if ends && taken == bytes.len() {
                        self.0.pass_on(now, Input::Eof, actions);
                        taken += 1;
                    }
                    taken
                }
                Input::Start => 0,
                other => self.0.pass_on(now, other, actions),
            };
            if self.1 == 2 {
                self.0.settle(None, actions);
            }
            taken
        }

        fn held(&self) -> usize {
            self.0.held()
        }

        fn scanned(&self) -> u64 {
            self.0.scanned()
        }
    }

    let laws = || LayerLaws::of(|inner| Polite(Nested::sharing(inner), 0)).preamble(b"hi");
    let session = [Stimulus::bytes("?d?"), Stimulus::Eof, Stimulus::Wait(Duration::from_secs(2))];
    laws().goodbye(b".").assert_on(&session);
    assert!(laws().preamble(b"h").check_on(&session).is_err());
}
