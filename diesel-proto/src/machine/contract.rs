//! The one trait through which anything drives a byte stream.
//!
//! A [`Machine`] is a transition function: something happened (an [`Input`]), and what follows
//! from it is written into [`Actions`], memory that the caller owns.
//!
//! The rules, for machines:
//!
//! - A step does a bounded amount of work; a step that finds nothing to do is O(1).
//! - What a machine puts out depends on the bytes and the time it was given, never on how the
//!   bytes were cut, nor on how much room there is for output.
//! - Taking fewer bytes than were given means "no room, or no business with the rest, yet", and *a
//!   short take pauses reading until [`Actions::resume`]*, as [`Actions::pause`] does. The caller
//!   keeps the rest and offers it again after the first step that leaves reading unpaused. A machine
//!   that could go on at once takes all it was given, and keeps what it cannot use yet.
//! - After [`Actions::close`], [`Actions::cut`] or [`Actions::abort`] nothing more comes out.
//!
//! The rules for callers are the numbered list at [`Endpoint`](super::endpoint::Endpoint).
//!
//! A machine must never know what carries its bytes, who holds it, or what time of day it is.

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
    /// Something happened; what follows goes to `actions`. Returns how many bytes of
    /// [`Input::Bytes`] it took; what it returns for any other input means nothing.
    ///
    /// A short take pauses reading until [`Actions::resume`]: the rest comes again, before anything
    /// newer, after the first step that resumes. A machine that never does is never given another
    /// byte.
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize;

    /// Bytes of input and unsent output that this machine holds in memory of its own, beyond what
    /// is queued in its [`Actions`].
    fn held(&self) -> usize {
        0
    }

    /// Bytes that this machine has looked at in search of an end, counted as often as it looked.
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
    /// The stream is there. Comes first, and once.
    Start,
    /// Bytes arrived: the oldest that the machine has not taken yet. Never empty.
    Bytes(&'a [u8]),
    /// The peer will send no more. Comes after all its bytes were taken, not while reading is paused,
    /// and once.
    Eof,
    /// The stream is gone, both ways, and this is why: the peer reset it ([`Cause::Reset`]), or the
    /// caller ends it, for a deadline of its own for example. Comes last. For a stream that could not
    /// be made it is all that comes: there is no [`Start`](Input::Start) then.
    Cut(Cause),
    /// A write failed: what was queued is lost, and what is sent from here on is dropped. The peer's
    /// side goes on: bytes that it sent before may still come, then [`Eof`](Input::Eof) or
    /// [`Cut`](Input::Cut). Comes once. A machine that has no use for them
    /// [aborts](Actions::abort); one that has paused reading should resume, since there is nothing to
    /// wait for.
    WriteFailed,
    /// The deadline that was set has passed. It is cleared before the step.
    Deadline,
    /// Fewer bytes are queued than [`Actions::notify_below`] asked for. Comes once per request.
    Drained,
    /// Something that this machine shares with others changed: look.
    Wake,
    /// An orderly shutdown began: finish what was begun, and close.
    Shutdown,
}

/// What a machine wants of its stream. It holds from step to step until written again.
///
/// The caller keeps one for each stream and lends it, in an [`Actions`], to each step. Idle, it
/// owns no memory beyond itself.
#[derive(Debug, Default)]
pub struct StreamControl {
    pub(crate) output: Pipeline,
    /// `Drained` is due once `output.len() < notify_below`; zero: nobody asked.
    pub(crate) notify_below: u64,
    pub(crate) paused: bool,
    /// Its machine was told that a shutdown began: so is one that takes its place.
    pub(crate) shutting_down: bool,
    /// A write failed: nothing that is sent arrives. The next machine is told as well.
    pub(crate) write_failed: bool,
    pub(crate) fate: Fate,
    /// How it closes, when it does.
    manner: CloseManner,
    /// Its machine's caller keeps account of this here, where it takes no room of its own.
    pub(crate) inbound: Inbound,
    /// When closing: the machine may still say a better cause.
    pub(crate) awaits_cause: bool,
    /// Bytes that are queued below, if this is the stream of an inner machine.
    pub(crate) below: u64,
}

/// The state of the peer's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inbound {
    #[default]
    Open,
    /// It ended, but bytes before the end are not taken yet, or reading is paused.
    Ending,
    Ended,
}

/// How a stream closes. A later one is more than an earlier one.
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
    /// A stream on which nothing has happened.
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

    /// The deadline that is set. None once the stream is to be closed.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.fate {
            Fate::Open | Fate::Closing(_) => None,
            Fate::Deadline(at, reason) => Some(Deadline { at: *at, reason: (*reason).into() }),
            Fate::NamedDeadline(deadline) => Some(**deadline),
        }
    }

    /// Whether the machine wants no bytes for now.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether nothing more will be queued: our side ends once everything queued is sent.
    pub fn is_half_closed(&self) -> bool {
        self.output.is_closing()
    }

    /// Why the stream is to be closed, if it is, once everything queued is sent.
    pub fn closing(&self) -> Option<Cause> {
        match &self.fate {
            Fate::Closing(cause) => Some(**cause),
            _ => None,
        }
    }

    /// How the stream ends, and why, if it does, once everything queued is sent.
    pub fn end(&self) -> Option<End> {
        let end = if self.is_abort() { End::Abort } else { End::Close };
        self.closing().map(end)
    }

    /// When closing: with a reset.
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

    /// Bytes that are queued, here and below.
    pub(crate) fn queued(&self) -> u64 {
        self.output.len().saturating_add(self.below)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.fate, Fate::Closing(_))
    }

    /// Whether a reset destroys something that was still to be sent. Once everything was sent, or our
    /// side cut the stream, a reset is only how the peer closes its side.
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

    /// Nothing more is queued. The first cause stands.
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

    /// As [`cut_with`](Self::cut_with), and what is queued is dropped.
    pub(crate) fn abort_with(&mut self, cause: Cause, blocks: &mut Blocks) {
        self.close_with(cause);
        self.manner = CloseManner::Abort;
        self.output.clear(blocks);
    }

    /// A write failed: what is queued is lost, and nothing more is queued.
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

/// Memory that the caller of machines owns and lends to each step: one for a thread is enough.
#[derive(Default)]
pub struct Workspace {
    pub(crate) blocks: Blocks,
    /// What streams keep bytes in that their machines did not take.
    // The boxes are what is spared.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Buffer>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) successor: Option<Box<dyn Machine + Send>>,
    /// What machines tried to send after they had closed.
    pub(crate) refused: u64,
    /// Bytes that machines took back from their queues.
    pub(crate) taken_back: u64,
}

impl Workspace {
    /// Owns nothing yet.
    pub fn new() -> Self {
        Workspace::default()
    }

    /// An empty buffer, to be given back.
    pub(crate) fn lend(&mut self) -> Box<Buffer> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Box<Buffer>) {
        buffer.clear(&mut self.blocks);
        if self.spare.len() < Blocks::KEEP_SMALL {
            self.spare.push(buffer);
        }
    }

    /// Lets go of the memory that is kept for later. What has to be told is kept.
    ///
    /// # Cost
    ///
    /// O(1) if none is kept; else it frees at most as many blocks as [`Blocks`] keeps.
    pub fn release(&mut self) {
        self.blocks.release();
        self.spare = Vec::new();
        if self.notices.is_empty() {
            self.notices = Vec::new();
        }
    }

    /// What machines had to tell a person, oldest first.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.drain(..)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("notices", &self.notices).finish_non_exhaustive()
    }
}

/// Where a step writes what follows: bytes to send, the next deadline, pauses, closes, notices.
#[derive(Debug)]
pub struct Actions<'a> {
    flow: &'a mut StreamControl,
    workspace: &'a mut Workspace,
}

impl<'a> Actions<'a> {
    /// Lends a stream's state and the caller's memory to a step.
    pub fn new(flow: &'a mut StreamControl, workspace: &'a mut Workspace) -> Self {
        Actions { flow, workspace }
    }

    /// Queues bytes by copying them. After a close, or a [half-close](Self::half_close), they are
    /// dropped: see [`is_half_closed`](Self::is_half_closed).
    pub fn send(&mut self, bytes: &[u8]) {
        let pushed = self.flow.output.push(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues bytes: large ones by reference, small ones by copying. After a close, or a
    /// [half-close](Self::half_close), they are dropped.
    pub fn send_bytes(&mut self, bytes: Bytes) {
        let pushed = self.flow.output.push_bytes(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues bytes that someone else holds. After a close, or a [half-close](Self::half_close),
    /// they are dropped.
    pub fn send_file_region(&mut self, file_region: FileRegion) {
        let pushed = self.flow.output.push_file_region(file_region);
        self.refused(pushed);
    }

    /// Counts what is sent after the end. What is sent after a write failed is dropped like it, but a
    /// machine need not know.
    fn refused(&mut self, pushed: Result<(), Closed>) {
        self.workspace.refused += u64::from(pushed.is_err() && !self.flow.write_failed);
    }

    /// How many bytes are queued and not sent: here, and for a machine within a layer also below.
    pub fn queued(&self) -> u64 {
        self.flow.queued()
    }

    /// Asks for [`Input::Drained`] once fewer than `n` bytes are queued. One request holds at a
    /// time: this replaces an earlier one. Zero takes it back.
    pub fn notify_below(&mut self, n: u64) {
        self.flow.notify_below = n;
    }

    /// Sets the stream's one deadline.
    pub fn set_deadline(&mut self, at: Instant, reason: Reason) {
        self.flow.set_deadline(Some(Deadline { at, reason }));
    }

    /// Takes the deadline back.
    pub fn clear_deadline(&mut self) {
        self.flow.set_deadline(None);
    }

    /// The deadline that is set.
    pub fn deadline(&self) -> Option<Deadline> {
        self.flow.deadline()
    }

    /// Wants no more bytes until [`resume`](Self::resume).
    pub fn pause(&mut self) {
        self.flow.paused = true;
    }

    /// Wants bytes again: those that were left over come first.
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

    /// Closes the stream as [`close`](Self::close) does. While `awaits`, a later call may say a
    /// better cause, and the stream waits for that a little.
    pub(crate) fn close_and_amend(&mut self, cause: Cause, awaits: bool) {
        self.flow.close_with(cause);
        self.flow.awaits_cause = awaits;
    }

    /// Resets the stream once everything queued is sent, so that the peer can tell that it was cut
    /// off: for a message that ends with the stream and is not complete. The first cause stands.
    pub fn cut(&mut self, cause: Cause) {
        self.flow.cut_with(cause);
    }

    /// Resets the stream at once, dropping what is queued. The first cause stands.
    pub fn abort(&mut self, cause: Cause) {
        self.flow.abort_with(cause, &mut self.workspace.blocks);
    }

    /// Drops what was queued at `position` and after it, as far as it is not sent, and returns how
    /// many bytes that is: for a message that cannot be completed, behind others that are.
    /// Positions are those of [`queued_in_all`](Self::queued_in_all).
    pub fn take_back(&mut self, position: u64) -> u64 {
        let keep = position.saturating_sub(self.flow.output.sent());
        let taken = self.flow.output.truncate(keep, &mut self.workspace.blocks);
        self.workspace.taken_back += taken;
        taken
    }

    /// Whether our side ends, or the stream does: what is sent from here on is dropped.
    pub fn is_half_closed(&self) -> bool {
        self.flow.is_half_closed()
    }

    /// Whether this stream is to be closed.
    pub fn is_closing(&self) -> bool {
        self.flow.is_closing()
    }

    /// Gives way: `next` is the machine of this stream from the end of this step on. It gets
    /// [`Input::Start`], [`Input::Shutdown`] if one began, [`Input::WriteFailed`] if a write has, then
    /// the bytes that were left over. What is queued is sent first; the deadline, the pause and the request for `Drained` are cleared.
    pub fn upgrade(&mut self, next: impl Machine + Send + 'static) {
        self.workspace.successor = Some(Box::new(next));
    }

    /// Tells a person something.
    pub fn notice(&mut self, notice: Notice) {
        self.workspace.notices.push(notice);
    }

    /// Memory to lend to a [`Buffer`](crate::buf::Buffer) or an inner [`Pipeline`].
    pub fn blocks(&mut self) -> &mut Blocks {
        &mut self.workspace.blocks
    }

    /// The queue itself, and the memory that it borrows: for a protocol core that writes to one.
    pub fn queue(&mut self) -> (&mut Pipeline, &mut Blocks) {
        (&mut self.flow.output, &mut self.workspace.blocks)
    }

    /// Both parts, for a layer.
    pub(crate) fn parts(&mut self) -> (&mut StreamControl, &mut Workspace) {
        (self.flow, self.workspace)
    }

    /// How many bytes were queued since the stream began, those that are sent included: the position
    /// of the next one.
    pub fn queued_in_all(&self) -> u64 {
        self.flow.output.sent().saturating_add(self.flow.output.len())
    }

    /// Whether this step named a machine that is to follow.
    #[cfg(feature = "testkit")]
    pub(crate) fn gives_way(&self) -> bool {
        self.workspace.successor.is_some()
    }

    /// What was written so far.
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

    /// Takes the machine that asked to be next, with the stream's state cleared for it.
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
