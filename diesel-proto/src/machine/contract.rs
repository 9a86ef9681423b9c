//! The one trait through which anything drives a byte stream.
//!
//! A [`Machine`] is a transition function: something happened (an [`Input`]), and what follows
//! from it is written into [`Actions`], memory that the caller owns.
//!
//! The rules, for machines:
//!
//! - A step does a bounded amount of work; a step that finds nothing to do is O(1).
//! - The output of a machine depends on the bytes and the times it was given, never on how the
//!   bytes were cut, nor on how much room there is for output.
//! - Taking fewer bytes than were given means "there is no room for the rest, or no use for it
//!   yet", and *a short take pauses reading until [`Actions::resume`]*, as [`Actions::pause`] does.
//!   The caller keeps the rest and offers it again after the first step that leaves reading
//!   unpaused. A machine that can go on at once takes all the bytes, and keeps those that it cannot
//!   use yet.
//! - After [`Actions::close`], [`Actions::cut`] or [`Actions::abort`] a machine puts out nothing
//!   more.
//!
//! The rules for callers are the numbered list at [`Endpoint`](super::endpoint::Endpoint).
//!
//! A machine must never know what carries its bytes, what holds the machine, or what time of day it
//! is.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::notice::Notice;
use super::reason::CommonReason;
use super::reason::{Cause, Deadline, End, Reason};
use crate::buf::{Blocks, Buffer, Closed, FileRegion, Pipeline};
use crate::time::Instant;

/// Drives one byte stream: bytes and time in, actions out.
///
/// ```
/// use diesel_proto::{Actions, Cause, Endpoint, Input, Instant, Machine};
///
/// /// Sends everything back.
/// struct Echo;
///
/// impl Machine for Echo {
///     fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         match input {
///             Input::Bytes(bytes) => {
///                 actions.send(bytes);
///                 bytes.len()
///             }
///             Input::Eof => {
///                 actions.close(Cause::PeerClosed);
///                 0
///             }
///             _ => 0,
///         }
///     }
/// }
///
/// let mut echo = Endpoint::new(Echo, Instant::ORIGIN);
/// assert_eq!(echo.received(Instant::ORIGIN, b"hello"), 5);
/// assert_eq!(echo.take_outgoing(Instant::ORIGIN), b"hello");
/// # #[cfg(feature = "testkit")] {
/// #     use diesel_proto::testkit::{Stimulus, laws::Laws};
/// #     Laws::of(|| Echo).assert(&[Stimulus::bytes("hello"), Stimulus::Wake, Stimulus::Eof]);
/// # }
/// ```
pub trait Machine {
    /// Handles one input, and writes what follows from it to `actions`. Returns how many bytes of
    /// [`Input::Bytes`] it took; for any other input the return value is ignored.
    ///
    /// A short take pauses reading until [`Actions::resume`]: the rest is offered again, before
    /// anything newer, after the first step that resumes. A machine that never resumes is never
    /// given another byte.
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize;

    /// How many bytes of input and unsent output this machine holds in its own memory, beyond what
    /// is queued in its [`Actions`].
    fn held(&self) -> usize {
        0
    }

    /// How many bytes this machine has compared in its searches for a sentinel. A byte that is
    /// compared twice counts twice.
    fn scanned(&self) -> u64 {
        0
    }
}

impl<M: Machine + ?Sized> Machine for Box<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        (**self).step(now, input, actions)
    }

    fn held(&self) -> usize {
        (**self).held()
    }

    fn scanned(&self) -> u64 {
        (**self).scanned()
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The stream is open. Comes first, and once.
    Start,
    /// Bytes arrived: the oldest that the machine has not taken yet. Never empty.
    Bytes(&'a [u8]),
    /// The peer ended its side. Comes once, after all bytes of the peer were taken, and not while
    /// reading is paused.
    Eof,
    /// The stream is gone, both ways, for this cause: the peer reset it ([`Cause::Reset`]), or the
    /// caller ends it, for example because the caller's own deadline passed. Comes last. For a
    /// connection that could not be made it is the only input: there is no [`Start`](Input::Start)
    /// then.
    Cut(Cause),
    /// A write failed: what was queued is lost, and whatever the machine sends from now on is
    /// dropped. The peer's side goes on: bytes that the peer sent before may still come, then
    /// [`Eof`](Input::Eof) or [`Cut`](Input::Cut). Comes once. A machine that has no use for them
    /// [aborts](Actions::abort); one that has paused reading should resume, since there is nothing
    /// to wait for.
    WriteFailed,
    /// The deadline that was set has passed. It is cleared before the step.
    Deadline,
    /// The output queue has drained: it holds fewer bytes than the machine gave to
    /// [`Actions::notify_below`]. Comes once per request.
    Drained,
    /// State shared with this machine changed.
    Wake,
    /// A graceful shutdown began: the machine should finish what it has begun, and close.
    Shutdown,
}

/// The state of a stream as its machine wants it: output queue, deadline, pause, close. It holds
/// from step to step until the machine changes it.
///
/// The caller keeps one for each stream and lends it, in an [`Actions`], to each step. While
/// nothing is queued, it owns no memory beyond itself.
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
    /// The state of the peer's side. The caller of the machine tracks it here, where it takes no extra
    /// room.
    pub(crate) inbound: Inbound,
    /// While closing: the machine may still give a better cause.
    pub(crate) awaits_cause: bool,
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
/// Every idle stream has one of these, so it is 16 bytes: what is rare, or comes once, is boxed.
#[derive(Debug, Default)]
pub(crate) enum Fate {
    #[default]
    Open,
    Deadline(Instant, CommonReason),
    /// Of the application's.
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

    /// Takes the request for [`Input::Drained`] if it is due.
    pub(crate) fn take_drained(&mut self) -> bool {
        let due = self.queued() < self.notify_below;
        if due {
            self.notify_below = 0;
        }
        due
    }
}

/// Memory that the caller owns and lends to each step of a machine. One per thread is enough.
#[derive(Default)]
pub struct Workspace {
    pub(crate) blocks: Blocks,
    /// Spare buffers, for bytes that a stream keeps because its machine did not take them.
    // A spare buffer keeps its box: the allocation of the box is what is saved.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Buffer>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) successor: Option<Box<dyn Machine + Send>>,
    /// How often machines tried to send after they had closed.
    pub(crate) refused: u64,
    /// How many bytes machines took back from their queues.
    pub(crate) taken_back: u64,
}

impl Workspace {
    /// An empty workspace. Allocates nothing.
    pub fn new() -> Self {
        Workspace::default()
    }

    /// Lends an empty buffer. The caller must give it back.
    pub(crate) fn lend(&mut self) -> Box<Buffer> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Box<Buffer>) {
        buffer.clear(&mut self.blocks);
        if self.spare.len() < Blocks::KEEP_SMALL {
            self.spare.push(buffer);
        }
    }

    /// Frees the memory that is kept for later. Notices are kept.
    ///
    /// # Cost
    ///
    /// O(1) if no memory is kept; else it frees at most as many blocks as [`Blocks`] keeps.
    pub fn release(&mut self) {
        self.blocks.release();
        self.spare = Vec::new();
        if self.notices.is_empty() {
            self.notices = Vec::new();
        }
    }

    /// Takes out the notices of machines, oldest first.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.drain(..)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("notices", &self.notices).finish_non_exhaustive()
    }
}

/// The output of a step: bytes to send, the next deadline, pauses, closes, notices.
#[derive(Debug)]
pub struct Actions<'a> {
    flow: &'a mut StreamControl,
    workspace: &'a mut Workspace,
}

impl<'a> Actions<'a> {
    /// Combines the state of a stream and the caller's memory, to lend both to a step.
    pub fn new(flow: &'a mut StreamControl, workspace: &'a mut Workspace) -> Self {
        Actions { flow, workspace }
    }

    /// Queues a copy of these bytes. After a close or a [half-close](Self::half_close) they are
    /// dropped: see [`is_half_closed`](Self::is_half_closed).
    pub fn send(&mut self, bytes: &[u8]) {
        let pushed = self.flow.output.push(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues bytes: by reference if there are many, as a copy if there are few. After a close or a
    /// [half-close](Self::half_close) they are dropped.
    pub fn send_bytes(&mut self, bytes: Bytes) {
        let pushed = self.flow.output.push_bytes(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues a region of a file, which the embedder sends. After a close or a
    /// [half-close](Self::half_close) it is dropped.
    pub fn send_file_region(&mut self, file_region: FileRegion) {
        let pushed = self.flow.output.push_file_region(file_region);
        self.refused(pushed);
    }

    /// Counts attempts to send after the end. What is sent after a failed write is dropped as well,
    /// but does not count: a machine need not know of the failure.
    fn refused(&mut self, pushed: Result<(), Closed>) {
        self.workspace.refused += u64::from(pushed.is_err() && !self.flow.write_failed);
    }

    /// How many bytes are queued and not sent. For a machine within a layer, this includes what is
    /// queued in the stream below.
    pub fn queued(&self) -> u64 {
        self.flow.queued()
    }

    /// Requests [`Input::Drained`] once fewer than `n` bytes are queued. There is one request at a
    /// time: this one replaces an earlier one. Zero withdraws it.
    pub fn notify_below(&mut self, n: u64) {
        self.flow.notify_below = n;
    }

    /// Sets the stream's one deadline.
    pub fn set_deadline(&mut self, at: Instant, reason: Reason) {
        self.flow.set_deadline(Some(Deadline { at, reason }));
    }

    /// Clears the deadline.
    pub fn clear_deadline(&mut self) {
        self.flow.set_deadline(None);
    }

    /// The deadline that is set.
    pub fn deadline(&self) -> Option<Deadline> {
        self.flow.deadline()
    }

    /// Pauses reading until [`resume`](Self::resume): back-pressure for the peer.
    pub fn pause(&mut self) {
        self.flow.paused = true;
    }

    /// Resumes reading: bytes that were left over come first.
    pub fn resume(&mut self) {
        self.flow.paused = false;
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.flow.paused
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.flow.output.close();
    }

    /// Closes the stream once everything queued is sent. The first cause stands.
    pub fn close(&mut self, cause: Cause) {
        self.flow.close_with(cause);
    }

    /// Closes the stream as [`close`](Self::close) does. While `awaits` is set, a later call may
    /// give a better cause, and the stream waits a short time for that.
    pub(crate) fn close_and_amend(&mut self, cause: Cause, awaits: bool) {
        self.flow.close_with(cause);
        self.flow.awaits_cause = awaits;
    }

    /// Resets the stream once everything queued is sent, so that the peer can tell that the stream
    /// was cut off: for a message that ends with the stream and is not complete. The first cause
    /// stands.
    pub fn cut(&mut self, cause: Cause) {
        self.flow.cut_with(cause);
    }

    /// Resets the stream at once, dropping what is queued. The first cause stands.
    pub fn abort(&mut self, cause: Cause) {
        self.flow.abort_with(cause, &mut self.workspace.blocks);
    }

    /// Drops what was queued at `position` and after it, as far as it is not sent, and returns how
    /// many bytes it dropped: for a message that cannot be completed, queued behind others that are
    /// complete. Positions are those of [`queued_in_all`](Self::queued_in_all).
    pub fn take_back(&mut self, position: u64) -> u64 {
        let keep = position.saturating_sub(self.flow.output.sent());
        let taken = self.flow.output.truncate(keep, &mut self.workspace.blocks);
        self.workspace.taken_back += taken;
        taken
    }

    /// Whether our side is half-closed, or the stream is closing: what is sent from now on is
    /// dropped.
    pub fn is_half_closed(&self) -> bool {
        self.flow.is_half_closed()
    }

    /// Whether the stream is closing.
    pub fn is_closing(&self) -> bool {
        self.flow.is_closing()
    }

    /// Replaces this machine: `next` is the machine of this stream from the end of this step on. It
    /// gets [`Input::Start`], then [`Input::Shutdown`] if a shutdown began, then
    /// [`Input::WriteFailed`] if a write failed, then the bytes that were left over. What is queued
    /// is sent first; the deadline, the pause and the request for `Drained` are cleared.
    pub fn upgrade(&mut self, next: impl Machine + Send + 'static) {
        self.workspace.successor = Some(Box::new(next));
    }

    /// Emits a notice, for a log.
    pub fn notice(&mut self, notice: Notice) {
        self.workspace.notices.push(notice);
    }

    /// The free list of blocks, to lend to a [`Buffer`](crate::buf::Buffer) or an inner
    /// [`Pipeline`].
    pub fn blocks(&mut self) -> &mut Blocks {
        &mut self.workspace.blocks
    }

    /// The output queue itself, and the free list that it borrows from: for a protocol core that
    /// writes to a [`Pipeline`].
    pub fn queue(&mut self) -> (&mut Pipeline, &mut Blocks) {
        (&mut self.flow.output, &mut self.workspace.blocks)
    }

    /// Both parts, for a layer.
    pub(crate) fn parts(&mut self) -> (&mut StreamControl, &mut Workspace) {
        (self.flow, self.workspace)
    }

    /// How many bytes were queued since the stream began, sent bytes included: the position of the
    /// next byte.
    pub fn queued_in_all(&self) -> u64 {
        self.flow.output.sent().saturating_add(self.flow.output.len())
    }

    /// Whether this step named a successor.
    #[cfg(feature = "testkit")]
    pub(crate) fn gives_way(&self) -> bool {
        self.workspace.successor.is_some()
    }

    /// The state of the stream, as written so far.
    #[cfg(feature = "testkit")]
    pub(crate) fn flow(&self) -> &StreamControl {
        self.flow
    }

    /// Whether a shutdown began.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.flow.shutting_down
    }

    /// Whether a write failed.
    pub(crate) fn has_write_failed(&self) -> bool {
        self.flow.write_failed
    }

    /// Takes the successor that was named, and clears the state of the stream for it.
    pub(crate) fn take_successor(&mut self) -> Option<Box<dyn Machine + Send>> {
        let next = self.workspace.successor.take()?;
        self.flow.set_deadline(None);
        self.flow.paused = false;
        self.flow.notify_below = 0;
        Some(next)
    }
}

/// `write!(actions, ..)` queues text.
impl fmt::Write for Actions<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.send(s.as_bytes());
        Ok(())
    }
}
