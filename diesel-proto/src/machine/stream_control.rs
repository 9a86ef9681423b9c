//! [`StreamControl`]: the state of a stream as its machine wants it, from step to step.
//!
//! It must never know the machine, nor what carries the bytes.

use alloc::boxed::Box;

use super::reason::{Cause, CommonReason, Deadline, End};
use crate::buf::{Blocks, Pipeline};
use crate::time::Instant;

/// The state of a stream as its machine wants it: output queue, deadline, pause, close. It holds
/// from step to step until the machine changes it.
///
/// The caller keeps one for each stream and lends it, in an [`Actions`](super::Actions), to each
/// step. While nothing is queued, it owns no memory beyond itself.
///
/// ```
/// use diesel_proto::{Actions, Cause, End, StreamControl, Workspace};
///
/// let (mut control, mut workspace) = (StreamControl::new(), Workspace::new());
/// let mut actions = Actions::new(&mut control, &mut workspace);
/// actions.send(b"goodbye");
/// actions.close(Cause::Done);
/// assert_eq!(control.output().len(), 7);
/// assert_eq!(control.end(), Some(End::Close(Cause::Done)));
/// ```
#[derive(Debug, Default)]
pub struct StreamControl {
    pub(crate) output: Pipeline,
    /// `Drained` is due once `output.len() < notify_below`; zero: it was not requested.
    pub(crate) notify_below: u64,
    pub(crate) paused: bool,
    /// A shutdown began. A machine that takes the place of this one gets `Input::Shutdown` too.
    pub(crate) shutting_down: bool,
    /// A write failed: nothing that is sent arrives. A machine that takes the place of this one
    /// gets `Input::WriteFailed` too.
    pub(crate) write_failed: bool,
    pub(crate) fate: Fate,
    /// How the stream closes, once it is closing.
    manner: CloseManner,
    /// The state of the peer's side. The caller of the machine tracks it here, where it takes no
    /// extra room.
    pub(crate) inbound: Inbound,
    /// While closing: the machine may still give a better cause.
    pub(crate) awaits_cause: bool,
    /// A layer below frames what is sent, so it has to see the bytes of it: no file regions.
    pub(crate) framed_below: bool,
    /// Bytes that are queued below, if this is the stream of an inner machine.
    pub(crate) below: u64,
}

/// The state of the peer's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inbound {
    #[default]
    Open,
    /// The peer ended its side, but bytes before the end are not taken yet, or reading is paused.
    Ending,
    Ended,
}

/// How a stream closes. Ordered by severity: a later manner overrides an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum CloseManner {
    /// Everything queued is sent, then our side ends.
    #[default]
    InOrder,
    /// Everything queued is sent, then the stream is reset.
    Cut,
    /// What was queued is dropped, and the stream is reset.
    Abort,
}

/// What a machine asked for when it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Close(Cause),
    Cut(Cause),
    Abort(Cause),
}

/// A stream has a deadline until it has an end.
///
/// Every idle stream has one of these, so it is 16 bytes: rare values, and those that come once,
/// are boxed.
#[derive(Debug, Default)]
pub(crate) enum Fate {
    #[default]
    Open,
    Deadline(Instant, CommonReason),
    /// A deadline with a name of the application.
    NamedDeadline(Box<Deadline>),
    /// `output` is closing.
    Closing(Box<Cause>),
}

impl StreamControl {
    /// The state of a stream on which nothing has happened.
    pub const fn new() -> Self {
        StreamControl {
            output: Pipeline::new(),
            notify_below: 0,
            paused: false,
            shutting_down: false,
            write_failed: false,
            fate: Fate::Open,
            manner: CloseManner::InOrder,
            inbound: Inbound::Open,
            awaits_cause: false,
            framed_below: false,
            below: 0,
        }
    }

    /// The bytes that are queued.
    pub fn output(&self) -> &Pipeline {
        &self.output
    }

    /// The deadline that is set. `None` once the stream is closing.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.fate {
            Fate::Open | Fate::Closing(_) => None,
            Fate::Deadline(at, reason) => Some(Deadline { at: *at, reason: (*reason).into() }),
            Fate::NamedDeadline(deadline) => Some(**deadline),
        }
    }

    /// Whether the machine has paused reading.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether our side is half-closed: nothing more is queued, and our side ends once everything
    /// queued is sent.
    pub fn is_half_closed(&self) -> bool {
        self.output.is_closing()
    }

    /// Why the stream closes once everything queued is sent, if it is closing.
    pub fn closing(&self) -> Option<Cause> {
        match &self.fate {
            Fate::Closing(cause) => Some(**cause),
            _ => None,
        }
    }

    /// How and why the stream ends once everything queued is sent, if it is closing.
    pub fn end(&self) -> Option<End> {
        let end = if self.is_abort() { End::Abort } else { End::Close };
        self.closing().map(end)
    }

    /// Whether the stream is closing with a reset.
    pub(crate) fn is_abort(&self) -> bool {
        self.manner > CloseManner::InOrder
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        let ending = match self.manner {
            CloseManner::InOrder => Ending::Close,
            CloseManner::Cut => Ending::Cut,
            CloseManner::Abort => Ending::Abort,
        };
        self.closing().map(ending)
    }

    /// How many bytes are queued, here and in the stream below.
    pub(crate) fn queued(&self) -> u64 {
        self.output.len().saturating_add(self.below)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.fate, Fate::Closing(_))
    }

    /// Whether a reset by the peer destroys something that was still to be sent. Once everything
    /// was sent, or our side cut the stream, a reset is only how the peer closes its side.
    pub(crate) fn is_destroyed_by_reset(&self) -> bool {
        !self.output.is_empty() || self.write_failed
    }

    pub(crate) fn set_deadline(&mut self, deadline: Option<Deadline>) {
        if self.is_closing() {
            return;
        }
        self.fate = match deadline {
            None => Fate::Open,
            Some(deadline) => match CommonReason::of(deadline.reason) {
                Some(reason) => Fate::Deadline(deadline.at, reason),
                None => Fate::NamedDeadline(Box::new(deadline)),
            },
        };
    }

    /// Closes: from now on nothing more is queued. The first cause stands.
    pub(crate) fn close_with(&mut self, cause: Cause) {
        if !self.is_closing() || self.awaits_cause {
            self.fate = Fate::Closing(Box::new(cause));
        }
        self.output.close();
    }

    /// As [`close_with`](Self::close_with), with a reset instead of FIN.
    pub(crate) fn cut_with(&mut self, cause: Cause) {
        self.close_with(cause);
        self.manner = self.manner.max(CloseManner::Cut);
    }

    /// As [`cut_with`](Self::cut_with), and drops what is queued.
    pub(crate) fn abort_with(&mut self, cause: Cause, blocks: &mut Blocks) {
        self.close_with(cause);
        self.manner = CloseManner::Abort;
        self.output.clear(blocks);
    }

    /// A write failed: drops what is queued; from now on nothing more is queued.
    pub(crate) fn fail_writing(&mut self, blocks: &mut Blocks) {
        self.break_writing();
        self.output.clear(blocks);
    }

    /// As [`fail_writing`](Self::fail_writing), but leaves what is queued to the caller to drop.
    pub(crate) fn break_writing(&mut self) {
        self.write_failed = true;
        self.output.close();
    }

    /// Takes the request for [`Input::Drained`](super::Input::Drained) if it is due.
    pub(crate) fn take_drained(&mut self) -> bool {
        let due = self.queued() < self.notify_below;
        if due {
            self.notify_below = 0;
        }
        due
    }
}
