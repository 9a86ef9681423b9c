//! What the handles of a fiber and a machine share: two queues, their marks, the wakers of waiting
//! tokens, and which halves were dropped.
//!
//! ```text
//!               ┌─▶ input  ──▶ tokens that read       (`read`)
//!   machine ────┤
//!   (`duplex`)  └── output ◀── tokens that write      (`write`)
//! ```
//!
//! The machine notifies tokens by wakers, and tokens notify the machine by waking it; neither calls
//! the other. This file must never know whether the bytes are those of a connection, or of a
//! message on one.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::{Context, Waker};

use super::unread::UnreadBytes;
use super::waiting::{SpareWaker, WaitingWaker};
use crate::buf::Blocks;
use crate::hub::{Core, HandlerFuture, Learned, OpenFile, Outgoing, ServiceConfig};
use crate::machine::{Address, Cause, ConnId, ConnectErrorKind, Error, Key, Machine, ServiceId};

/// The part of one connection that its handles and its machine share.
pub(crate) struct ConnShared {
    pub(crate) core: Rc<Core>,
    pub(crate) key: Key,
    /// `None` for a stream within a connection, such as the body of a message: there may be one for
    /// each of many connections.
    pub(super) origin: Option<Box<Origin>>,
    pub(crate) config: Rc<ServiceConfig>,
    pub(crate) channel: RefCell<Channel>,
    /// The machine was woken, and has not been stepped since.
    pub(crate) dirty: Cell<bool>,
    /// File regions can be queued: no layer has to see their bytes.
    pub(crate) takes_file_regions: Cell<bool>,
}

/// Where a connection comes from, and what serves it.
pub(super) struct Origin {
    pub(super) peer: Address,
    /// The service that accepted it, if one did.
    pub(super) service: Option<ServiceId>,
    /// What the layers below learned, if there are any.
    pub(super) learned: Option<Rc<Learned>>,
    /// Calls the handler, when the stream of an accepted connection starts.
    pub(super) handler: Cell<Option<StartHandler>>,
}

/// Calls a handler with its connection and returns its future. One word, because every connection
/// has room for it.
pub(crate) type StartHandler = Rc<Box<dyn Fn(Rc<ConnShared>) -> HandlerFuture>>;

impl fmt::Debug for ConnShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl ConnShared {
    pub(crate) fn id(&self) -> ConnId {
        self.core.conn_id(self.key)
    }

    /// The service that accepted it, if one did.
    pub(crate) fn service(&self) -> Option<ServiceId> {
        self.origin.as_ref()?.service
    }

    pub(super) fn peer(&self) -> Address {
        self.origin.as_ref().map_or(Address::Unnamed, |origin| origin.peer)
    }

    pub(super) fn take_handler(&self) -> Option<StartHandler> {
        self.origin.as_ref()?.handler.take()
    }

    /// Makes the machine look at what the handles requested.
    pub(crate) fn wake_machine(&self) {
        if !self.dirty.replace(true) {
            self.core.wake_machine(self.id());
        }
    }

    /// Whether a region of this file can be queued.
    pub(super) fn takes_region_of(&self, file: &OpenFile) -> bool {
        // The numbers of another hub mean other files here.
        Rc::ptr_eq(&self.core, file.core()) && self.takes_file_regions.get()
    }

    /// Drops, unsent, what tokens queued and the machine did not take. `blocks`: if the caller has
    /// borrowed them.
    pub(crate) fn drop_output(&self, channel: &mut Channel, blocks: Option<&mut Blocks>) {
        if let Some(output) = channel.output.take() {
            self.core.give_back_output(output, blocks);
        }
    }
}

pub(crate) struct Channel {
    pub(crate) input: UnreadBytes,
    /// What tokens queued and the machine has not taken. Boxed, and from a pool: between two turns
    /// there is none.
    pub(crate) output: Option<Box<Outgoing>>,
    /// Bytes that were queued in the stream below when the machine last looked.
    pub(crate) below: u64,
    /// Who waits for bytes; without a reading half, the first one that waits for the end of the input.
    pub(crate) reader: WaitingWaker,
    /// Boxed, because most writers never wait. Kept once one has, so that the next wait allocates
    /// nothing.
    blocked: Option<Box<Blocked>>,
    /// Boxed, because hardly any connection has any of it before it closes: this keeps the others small.
    pub(crate) watched: Option<Box<Watched>>,
    is_closing: bool,
    /// When closing: close at once, and drop what is queued.
    pub(crate) aborts: bool,
    /// When closing: reset once everything queued is sent.
    pub(crate) cuts: bool,
    /// Our side ended (half-close): nothing more can be queued.
    pub(crate) half_closed: bool,
    /// A write failed: nothing more reaches the peer.
    pub(crate) write_failed: bool,
    /// The peer has ended its side.
    pub(crate) eof: bool,
    /// The connection broke, both ways; the cause is in `closing`.
    pub(crate) is_broken: bool,
    /// The machine paused reading.
    pub(crate) paused: bool,
    /// The connection was accepted for a handler that has not returned. The handle may have been
    /// moved elsewhere, or dropped.
    pub(crate) handled: bool,
    pub(crate) connecting: ConnectState,
    pub(crate) holder: Holder,
    /// There is a reading half, or was one.
    pub(crate) has_reader: bool,
    pub(crate) reader_dropped: bool,
    pub(crate) writer_dropped: bool,
    /// The machine needs to know where each write ends.
    pub(crate) keeps_pieces: bool,
}

/// State that few connections need: those of a client, those that a machine is about to take over, and
/// those that close.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) watcher: WaitingWaker,
    /// Bytes that the machine took from the output since this was made.
    moved: u64,
    /// The traffic at which the call last marked the connection as in step.
    pub(crate) in_step: ByteCounts,
    /// Why our side closes, or why the connection broke, if `is_closing`. `None`: it is done, as most
    /// are.
    cause: Option<Cause>,
    /// Why the connection could not be made.
    connect_error: Option<ConnectErrorKind>,
    /// The machine that takes over next.
    successor: Option<Box<dyn Machine>>,
    /// Those that wait for the end of the input, where `reader` is not theirs.
    ended: Vec<Waker>,
}

/// What the writer waits for.
#[derive(Default)]
pub(crate) struct Blocked {
    /// The writer waits until fewer bytes than this are queued. Zero: it does not wait.
    pub(crate) notify_below: u64,
    pub(crate) writer: WaitingWaker,
}

/// Numbers of bytes that went through the handles of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteCounts {
    pub(crate) queued: u64,
    pub(crate) taken: u64,
}

/// What closes the connection when it is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Conn,
    /// A `Reader` and a `Writer`: the one that is dropped last.
    Halves,
    Machine,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectState {
    No,
    Yes,
    /// Why is in `watched`.
    Failed,
}

impl Channel {
    pub(crate) fn new() -> Self {
        Channel {
            input: UnreadBytes::default(),
            output: None,
            below: 0,
            reader: WaitingWaker::default(),
            blocked: None,
            watched: None,
            write_failed: false,
            is_closing: false,
            aborts: false,
            cuts: false,
            half_closed: false,
            eof: false,
            is_broken: false,
            paused: false,
            handled: false,
            connecting: ConnectState::No,
            holder: Holder::Conn,
            has_reader: false,
            reader_dropped: false,
            writer_dropped: false,
            keeps_pieces: false,
        }
    }

    /// As new, in the memory of this one.
    pub(crate) fn renew(&mut self) {
        let former = core::mem::replace(self, Channel::new());
        (self.input, self.blocked) = (former.input, former.blocked);
        if let Some(blocked) = &mut self.blocked {
            **blocked = Blocked::default();
        }
    }

    /// Bytes that tokens queued and the machine has not taken.
    pub(crate) fn unmoved(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.pipeline.len())
    }

    /// Bytes that are held here, in and out.
    pub(crate) fn held(&self) -> usize {
        let unmoved = usize::try_from(self.unmoved()).unwrap_or(usize::MAX);
        self.input.len().saturating_add(unmoved)
    }

    /// Takes all that was queued.
    pub(crate) fn take_output(&mut self) -> Option<Box<Outgoing>> {
        let output = self.output.take()?;
        if let Some(watched) = &mut self.watched {
            watched.moved = watched.moved.saturating_add(output.pipeline.len());
        }
        Some(output)
    }

    /// The error of a token that waits for bytes, if none can arrive any more.
    pub(crate) fn read_error(&self) -> Option<Error> {
        match self.broken() {
            // The peer ended its side in order: a later reset does not change that.
            Some(Cause::Reset) if self.eof => Some(Error::Closed),
            Some(cause) => Some(error_of(cause)),
            None => self.eof.then_some(Error::Closed),
        }
    }

    /// The error of a write, if nothing more can be queued.
    pub(crate) fn write_error(&self) -> Option<Error> {
        match self.broken() {
            Some(cause) => Some(error_of(cause)),
            None if self.write_failed => Some(Error::Reset),
            None => self.half_closed.then_some(Error::Closed),
        }
    }

    /// Bytes that tokens queued and that are not sent, as far as the machine has reported.
    pub(crate) fn queued(&self) -> u64 {
        self.unmoved().saturating_add(self.below)
    }

    /// The writer waits until fewer bytes are queued; zero: it does not wait for that.
    #[inline]
    pub(crate) fn notify_below(&self) -> u64 {
        self.blocked.as_ref().map_or(0, |blocked| blocked.notify_below)
    }

    /// How the writer waits, to be changed.
    pub(crate) fn blocked(&mut self) -> &mut Blocked {
        self.blocked.get_or_insert_default()
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take_writer(&mut self) -> Option<Waker> {
        self.blocked.as_mut()?.writer.take()
    }

    /// The connection could not be made.
    pub(crate) fn fail_to_connect(&mut self, kind: ConnectErrorKind) {
        self.connecting = ConnectState::Failed;
        self.watched.get_or_insert_default().connect_error = Some(kind);
    }

    /// Why the connection could not be made, if that is so.
    pub(crate) fn connect_error(&self) -> Option<ConnectErrorKind> {
        self.watched.as_ref().filter(|_| self.connecting == ConnectState::Failed)?.connect_error
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take_watcher(&mut self) -> Option<Waker> {
        self.watched.as_mut()?.watcher.take()
    }

    /// Registers the waker of a fiber that waits for the end of the input. Returns `false` if the spare
    /// is empty: see [`SpareWaker`].
    #[must_use = "fill the spare, and look again"]
    pub(super) fn wait_for_end(&mut self, cx: &Context<'_>, spare: &mut SpareWaker) -> bool {
        let is_free = !self.reader.is_waiting() || self.reader.will_wake(cx);
        if !self.has_reader && is_free {
            return self.reader.register(cx, spare);
        }
        let ended = &mut self.watched.get_or_insert_default().ended;
        if ended.iter().any(|waker| waker.will_wake(cx.waker())) {
            return true;
        }
        let Some(waker) = spare.take() else { return false };
        ended.push(waker);
        true
    }

    /// The wakers of all that wait for the end of the input.
    #[must_use = "wake them when nothing is borrowed"]
    pub(super) fn take_ended(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let watched = self.watched.as_mut();
        let ended = watched.map(|watched| core::mem::take(&mut watched.ended));
        self.reader.take().into_iter().chain(ended.unwrap_or_default())
    }

    /// How many bytes were queued since the first call, and how many were taken.
    pub(crate) fn traffic(&self) -> ByteCounts {
        let moved = self.watched.as_ref().map_or(0, |watched| watched.moved);
        ByteCounts { queued: moved.saturating_add(self.unmoved()), taken: self.input.taken() }
    }

    pub(crate) fn set_successor(&mut self, machine: Box<dyn Machine>) {
        self.watched.get_or_insert_default().successor = Some(machine);
    }

    pub(crate) fn has_successor(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.successor.is_some())
    }

    #[must_use = "drop it when nothing is borrowed"]
    pub(crate) fn take_successor(&mut self) -> Option<Box<dyn Machine>> {
        self.watched.as_mut()?.successor.take()
    }

    /// Why the connection broke, if it did.
    pub(crate) fn broken(&self) -> Option<Cause> {
        self.closing().filter(|_| self.is_broken)
    }

    /// Whether our side closes, or nothing goes any more.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Why our side closes, or why nothing goes any more.
    #[inline]
    pub(crate) fn closing(&self) -> Option<Cause> {
        let cause = self.watched.as_ref().and_then(|watched| watched.cause);
        self.is_closing.then_some(cause.unwrap_or(Cause::Done))
    }

    /// Another cause than the one before.
    pub(crate) fn set_closing(&mut self, cause: Cause) {
        match &mut self.watched {
            None if cause == Cause::Done => {}
            watched => watched.get_or_insert_default().cause = Some(cause),
        }
        self.is_closing = true;
    }

    /// Closes our side. The first cause stands.
    pub(crate) fn close_with(&mut self, cause: Cause) {
        if !self.is_closing {
            self.set_closing(cause);
        }
        self.half_closed = true;
    }

    /// Marks the connection as broken. Returns the wakers of all waiting tokens.
    #[must_use = "wake them when nothing is borrowed"]
    pub(crate) fn break_off(&mut self, cause: Cause) -> impl Iterator<Item = Waker> + use<> {
        self.is_broken = true;
        self.close_with(cause);
        let others = [self.take_writer(), self.take_watcher()];
        self.take_ended().chain(others.into_iter().flatten())
    }
}

/// The error of the tokens of a connection that the hub closed for this cause.
pub(crate) fn error_of(cause: Cause) -> Error {
    match cause {
        Cause::Reset => Error::Reset,
        Cause::TimedOut(reason) => Error::TimedOut(reason),
        Cause::Limit(limit) => Error::Limit(limit),
        Cause::Tls(error) => Error::Tls(error),
        Cause::Shutdown => Error::Shutdown,
        Cause::CallAbandoned => Error::CallAbandoned,
        Cause::File(kind) => Error::File(kind),
        _ => Error::Closed,
    }
}
