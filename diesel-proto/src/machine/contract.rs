//! The one trait through which anything drives a byte stream, and the types of its one method.
//!
//! A [`Machine`] is a transition function: something happened (an [`Input`]), and what follows
//! from it is written into [`Actions`], memory that the caller owns. Among what a machine may ask
//! for is another machine, its successor: so these types refer to each other, and are defined in one
//! place. Their methods are in `actions` and `workspace`.
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

use super::notice::Notice;
use super::reason::Cause;
use super::stream_control::StreamControl;
use crate::buf::{Blocks, Buffer};
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

/// An input of a [`Machine`]: something that happened.
///
/// Example: see [`Machine`].
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

/// The output of a step: bytes to send, the next deadline, pauses, closes, notices.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Actions, Instant, Reason, StreamControl, Workspace};
///
/// let (mut control, mut workspace) = (StreamControl::new(), Workspace::new());
/// let mut actions = Actions::new(&mut control, &mut workspace);
/// actions.send(b"hello");
/// actions.set_deadline(Instant::ORIGIN + Duration::from_secs(5), Reason::Idle);
/// actions.pause();
/// assert_eq!(actions.queued(), 5);
/// assert!(actions.is_paused() && actions.deadline().is_some());
/// ```
#[derive(Debug)]
pub struct Actions<'a> {
    pub(super) flow: &'a mut StreamControl,
    pub(super) workspace: &'a mut Workspace,
}

/// Memory that the caller owns and lends to each step of a machine. One per thread is enough.
///
/// ```
/// use diesel_proto::{Instant, LineEcho, SharedEndpoint, Workspace};
///
/// let now = Instant::ORIGIN;
/// let mut workspace = Workspace::new();
/// let mut endpoint = SharedEndpoint::new(LineEcho::default(), now, &mut workspace);
/// assert_eq!(endpoint.received(now, b"hello\n", &mut workspace), 6);
/// assert_eq!(endpoint.take_outgoing(now, &mut workspace), b"you said: hello\n");
/// assert_eq!(workspace.drain_notices().count(), 0);
/// ```
#[derive(Default)]
pub struct Workspace {
    pub(crate) blocks: Blocks,
    /// Spare buffers, for bytes that a stream keeps because its machine did not take them.
    // A spare buffer keeps its box: the allocation of the box is what is saved.
    #[allow(clippy::vec_box)]
    pub(super) spare: Vec<Box<Buffer>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) successor: Option<Box<dyn Machine + Send>>,
    /// How often machines tried to send after they had closed.
    pub(crate) refused: u64,
    /// How many bytes machines took back from their queues.
    pub(crate) taken_back: u64,
}
