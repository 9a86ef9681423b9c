//! The laws of layers can fail: for each thing that a layer passes on, a test layer loses only
//! that, and the report names what was lost. Layers that lose nothing pass, in whatever way they
//! are written.

mod written;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::stimulus::Stimulus;
use super::{ALL, BrokenLayer, LayerLaw, LayerLaws, Probe};
use crate::machine::Ending;
use crate::machine::{Actions, Cause, Deadline, Input, Machine, Nested, Reason, StreamControl};
use crate::time::Instant;

/// What a layer loses or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    Start,
    StartTwice,
    AByteIn,
    AByteInTwice,
    AByteOut,
    AByteOutTwice,
    TheGreeting,
    LargeOutput,
    Wake,
    Shutdown,
    Eof,
    EofTwice,
    Cut,
    CutCause,
    CutAsEof,
    DeadlineSet,
    DeadlineTime,
    DeadlineReason,
    DeadlinePassed,
    DeadlineCleared,
    Pause,
    Resume,
    Drained,
    DrainedAsked,
    HalfClose,
    HalfCloseAsClose,
    Close,
    CloseCause,
    CloseAsAbort,
    CutOffAsClose,
    CutOffAsAbort,
    CutOffCause,
    AbortAsClose,
    AbortAsCutOff,
    AbortCause,
    WriteFailed,
    Held,
    Scanned,
    DeadlineAfterWriteFailed,
    WakeAfterEofAndWake,
}

const LOSSES: [(Loss, LayerLaw); 40] = [
    (Loss::Start, LayerLaw::Start),
    (Loss::StartTwice, LayerLaw::Start),
    (Loss::AByteIn, LayerLaw::Input),
    (Loss::AByteInTwice, LayerLaw::Input),
    (Loss::AByteOut, LayerLaw::Output),
    (Loss::AByteOutTwice, LayerLaw::Output),
    (Loss::TheGreeting, LayerLaw::Output),
    (Loss::LargeOutput, LayerLaw::Output),
    (Loss::Wake, LayerLaw::Wake),
    (Loss::Shutdown, LayerLaw::Shutdown),
    (Loss::Eof, LayerLaw::Eof),
    (Loss::EofTwice, LayerLaw::Eof),
    (Loss::Cut, LayerLaw::Cut),
    (Loss::CutCause, LayerLaw::Cut),
    (Loss::CutAsEof, LayerLaw::Cut),
    (Loss::DeadlineSet, LayerLaw::Deadline),
    (Loss::DeadlineTime, LayerLaw::Deadline),
    (Loss::DeadlineReason, LayerLaw::Deadline),
    (Loss::DeadlinePassed, LayerLaw::Deadline),
    (Loss::DeadlineCleared, LayerLaw::Deadline),
    (Loss::Pause, LayerLaw::Pause),
    (Loss::Resume, LayerLaw::Pause),
    (Loss::Drained, LayerLaw::Drained),
    (Loss::DrainedAsked, LayerLaw::Drained),
    (Loss::HalfClose, LayerLaw::HalfClose),
    (Loss::HalfCloseAsClose, LayerLaw::HalfClose),
    (Loss::Close, LayerLaw::Close),
    (Loss::CloseCause, LayerLaw::Close),
    (Loss::CloseAsAbort, LayerLaw::Close),
    (Loss::CutOffAsClose, LayerLaw::CutOff),
    (Loss::CutOffAsAbort, LayerLaw::CutOff),
    (Loss::CutOffCause, LayerLaw::CutOff),
    (Loss::AbortAsClose, LayerLaw::Abort),
    (Loss::AbortAsCutOff, LayerLaw::Abort),
    (Loss::AbortCause, LayerLaw::Abort),
    (Loss::WriteFailed, LayerLaw::WriteFailed),
    (Loss::Held, LayerLaw::Held),
    (Loss::Scanned, LayerLaw::Held),
    (Loss::DeadlineAfterWriteFailed, LayerLaw::Together),
    (Loss::WakeAfterEofAndWake, LayerLaw::Together),
];

/// Passes on everything but one thing.
///
/// The actions of its inner machine go to a temporary `StreamControl`, and from there, except for
/// what is lost, to that of the stream below.
struct Loses<M> {
    inner: Nested<M>,
    loss: Loss,
    was_paused: bool,
    deadline: Option<Deadline>,
    has_ended: bool,
    has_woken: bool,
}

impl<M: Machine> Loses<M> {
    fn new(loss: Loss, inner: M) -> Self {
        let inner = Nested::framing(inner);
        Loses { inner, loss, was_paused: false, deadline: None, has_ended: false, has_woken: false }
    }

    fn pass_on(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let inner = &mut self.inner;
        match (self.loss, input) {
            (Loss::Start, Input::Start)
            | (Loss::Wake, Input::Wake)
            | (Loss::Shutdown, Input::Shutdown)
            | (Loss::Eof, Input::Eof)
            | (Loss::Cut, Input::Cut(_))
            | (Loss::DeadlinePassed, Input::Deadline)
            | (Loss::Drained, Input::Drained)
            | (Loss::WriteFailed, Input::WriteFailed) => 0,
            (Loss::StartTwice, Input::Start) => {
                inner.pass_on(now, Input::Start, actions);
                inner.pass_on(now, Input::Start, actions)
            }
            // `Nested` drops a second end, so the inner machine gets it another way.
            (Loss::EofTwice, Input::Eof) => {
                inner.pass_on(now, Input::Eof, actions);
                inner.pass_on(now, Input::Shutdown, actions)
            }
            (Loss::CutCause, Input::Cut(_)) => {
                inner.pass_on(now, Input::Cut(Cause::Reset), actions)
            }
            (Loss::CutAsEof, Input::Cut(_)) => inner.pass_on(now, Input::Eof, actions),
            (Loss::AByteIn | Loss::AByteInTwice, Input::Bytes(bytes)) => {
                let twice = self.loss == Loss::AByteInTwice;
                for (taken, byte) in bytes.iter().enumerate() {
                    let times = if *byte != b'w' { 1 } else { 2 * usize::from(twice) };
                    for _ in 0..times {
                        if inner.pass_on(now, Input::Bytes(&[*byte]), actions) == 0 {
                            return taken;
                        }
                    }
                }
                bytes.len()
            }
            (Loss::WakeAfterEofAndWake, Input::Wake) if self.has_ended && self.has_woken => 0,
            _ => {
                self.has_ended |= input == Input::Eof;
                self.has_woken |= input == Input::Wake;
                inner.pass_on(now, input, actions)
            }
        }
    }

    /// The actions of the inner machine, and its output.
    fn wants(&mut self, actions: &mut Actions<'_>) -> (StreamControl, Vec<u8>) {
        let (flow, workspace) = actions.parts();
        let mut wanted = StreamControl::new();
        wanted.write_failed = flow.write_failed;
        let mut sent = Vec::new();
        self.inner.settle_framed(None, &mut Actions::new(&mut wanted, workspace), |bytes, _| {
            sent.extend_from_slice(bytes);
        });
        (wanted, sent)
    }

    fn settle(&mut self, input: Input<'_>, actions: &mut Actions<'_>) {
        let (wanted, mut sent) = self.wants(actions);
        match self.loss {
            Loss::AByteOut => sent.retain(|&byte| byte != b'o'),
            Loss::AByteOutTwice if sent.contains(&b'o') => sent.push(b'o'),
            Loss::TheGreeting if input == Input::Start => sent.clear(),
            Loss::LargeOutput => sent.truncate(16 << 10),
            _ => {}
        }
        if !sent.is_empty() {
            actions.send(&sent);
        }

        self.was_paused |= wanted.is_paused();
        let paused = match self.loss {
            Loss::Pause => false,
            Loss::Resume => self.was_paused,
            _ => wanted.is_paused(),
        };
        match paused {
            true => actions.pause(),
            false => actions.resume(),
        }
        actions.notify_below(match self.loss {
            Loss::DrainedAsked => 0,
            _ => wanted.notify_below,
        });
        let kept = self.deadline.filter(|_| self.loss == Loss::DeadlineCleared);
        self.deadline = wanted.deadline();
        match (self.loss, wanted.deadline().or(kept)) {
            (Loss::DeadlineSet, _) | (_, None) => actions.clear_deadline(),
            (Loss::DeadlineAfterWriteFailed, _) if wanted.write_failed => actions.clear_deadline(),
            (Loss::DeadlineTime, Some(it)) => {
                actions.set_deadline(it.at + Duration::from_millis(1), it.reason);
            }
            (Loss::DeadlineReason, Some(it)) => actions.set_deadline(it.at, Reason::Idle),
            (_, Some(it)) => actions.set_deadline(it.at, it.reason),
        }
        match (wanted.ending(), self.loss) {
            (None, Loss::HalfCloseAsClose) if wanted.is_half_closed() => {
                actions.close(Cause::Done);
            }
            (None, _) if !wanted.is_half_closed() || self.loss == Loss::HalfClose => {}
            (None, _) => actions.half_close(),
            (Some(Ending::Close(_)), Loss::Close) => actions.half_close(),
            (Some(Ending::Close(_)), Loss::CloseCause) => actions.close(Cause::Done),
            (Some(Ending::Close(cause)), Loss::CloseAsAbort) => actions.abort(cause),
            (Some(Ending::Close(cause)), _) => actions.close(cause),
            (Some(Ending::Cut(cause)), Loss::CutOffAsClose) => actions.close(cause),
            (Some(Ending::Cut(cause)), Loss::CutOffAsAbort) => actions.abort(cause),
            (Some(Ending::Cut(_)), Loss::CutOffCause) => actions.cut(Cause::Failed),
            (Some(Ending::Cut(cause)), _) => actions.cut(cause),
            (Some(Ending::Abort(cause)), Loss::AbortAsClose) => actions.close(cause),
            (Some(Ending::Abort(cause)), Loss::AbortAsCutOff) => actions.cut(cause),
            (Some(Ending::Abort(Probe::ABORTED)), Loss::AbortCause) => {
                actions.abort(Cause::Failed);
            }
            (Some(Ending::Abort(cause)), _) => actions.abort(cause),
        }
    }
}

impl<M: Machine> Machine for Loses<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.pass_on(now, input, actions);
        self.settle(input, actions);
        taken
    }

    fn held(&self) -> usize {
        if self.loss == Loss::Held { 0 } else { self.inner.held() }
    }

    fn scanned(&self) -> u64 {
        if self.loss == Loss::Scanned { 0 } else { self.inner.scanned() }
    }
}

fn losing(loss: Loss) -> Result<(), Box<BrokenLayer>> {
    LayerLaws::of(|inner| Loses::new(loss, inner)).max_held(0).check()
}

#[test]
fn a_layer_that_loses_nothing_passes() {
    if let Err(broken) = losing(Loss::Nothing) {
        panic!("{broken}");
    }
}

#[test]
fn whatever_a_layer_loses_is_named() {
    for (loss, law) in LOSSES {
        let Err(broken) = losing(loss) else { panic!("{loss:?} was not caught") };
        assert_eq!(broken.law, law, "{loss:?}: {broken}");
        let report = broken.to_string();
        let named = report.starts_with("the layer does not pass on ");
        assert!(named && report.contains(&law.to_string()), "{report}");
        assert!(report.lines().count() <= 20, "{report}");
    }
}

#[test]
fn what_is_to_be_passed_on_as_it_is_has_no_commands() {
    for script in super::scripts::of(LayerLaw::Input) {
        for stimulus in &script.stimuli {
            let Stimulus::Bytes(bytes) = stimulus else { continue };
            let plain = |byte: &u8| b"m#".contains(byte) || !Probe::COMMANDS.contains(byte);
            assert!(bytes.iter().all(plain), "{stimulus:?}");
        }
    }
}

#[test]
fn every_law_has_a_layer_that_breaks_it() {
    for law in ALL {
        let is_broken = LOSSES.iter().any(|(_, broken)| *broken == law);
        assert!(is_broken || law == LayerLaw::Upgrade, "{law:?}");
    }
}

#[test]
fn a_report_shows_both_sides() {
    let Err(broken) = losing(Loss::CloseCause) else { panic!("not caught") };
    let expected = "\
the layer does not pass on a close or its cause (LayerLaw::Close)
happened: [Bytes(b\"q\")]
    0ns Start -> \"\" notice(probe 0: Start)
--> alone:   0ns Bytes(1) -> \"\" closed(Protocol(\"the probe was told to close\"))
--> layered: 0ns Bytes(1) -> \"\" closed(Done)
";
    assert_eq!(broken.to_string(), expected);
    let none: Vec<Stimulus> = vec![];
    assert!(LayerLaws::of(|inner| Loses::new(Loss::CloseCause, inner)).check_on(&none).is_ok());
}
