//! What a fiber's handle and the machine of its connection share.
//!
//! The machine (see [`machine`](super::machine)) brings what arrived and moves what was queued to its
//! stream; tokens take what arrived and queue what is to be sent. Each side tells the other through
//! wakers, and by waking the machine, never by a call: data flows one way.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::{Context, Waker};

use crate::hub::{Core, Key, Learned};
use crate::{
    Address, Buffer, Cause, ConnId, ConnectErrorKind, Error, Machine, Pipeline, ServiceConfig,
    ServiceId,
};

/// One connection, as its handles hold it.
pub(crate) struct Socket {
    pub(crate) core: Rc<Core>,
    pub(crate) key: Key,
    pub(crate) service: Option<ServiceId>,
    pub(crate) peer: Address,
    /// What the layers below learned, if there are any.
    pub(crate) learned: Option<Rc<Learned>>,
    pub(crate) config: Rc<ServiceConfig>,
    pub(crate) channel: RefCell<Channel>,
    /// Its machine was woken, and has not looked yet.
    pub(crate) dirty: Cell<bool>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl Socket {
    pub(crate) fn id(&self) -> ConnId {
        self.core.conn_id(self.key)
    }
}

pub(crate) struct Channel {
    pub(crate) input: Buffer<Rc<Vec<u8>>>,
    /// What tokens queued and the machine has not moved to its stream. Boxed, and out of a pool:
    /// between two turns there is none.
    pub(crate) output: Option<Box<Pipeline>>,
    /// Bytes that were moved to the stream.
    pub(crate) moved: u64,
    /// Bytes that were queued in the stream when the machine last looked.
    pub(crate) below: u64,
    /// The writer waits until fewer bytes are queued; zero: it does not wait.
    pub(crate) notify_below: u64,
    pub(crate) reader: Waiting,
    pub(crate) writer: Waiting,
    /// Boxed: of ten thousand connections hardly one is watched, and each is this much smaller.
    pub(crate) watched: Option<Box<Watched>>,
    /// Why our side closes, or why nothing goes any more.
    pub(crate) closing: Option<Cause>,
    /// When closing: at once, and what is queued is dropped.
    pub(crate) aborts: bool,
    /// When closing: with a reset, once everything queued is sent.
    pub(crate) cuts: bool,
    /// Nothing more is queued.
    pub(crate) half_closed: bool,
    /// A write failed: nothing that is sent arrives.
    pub(crate) write_failed: bool,
    /// The peer has ended its side.
    pub(crate) eof: bool,
    /// Nothing goes any more, either way: why is in `closing`.
    pub(crate) is_broken: bool,
    /// The machine wants no bytes for now.
    pub(crate) paused: bool,
    /// The handler that it was accepted for goes on. Its handle may be elsewhere, or dropped.
    pub(crate) handled: bool,
    pub(crate) connecting: Connecting,
    pub(crate) holder: Holder,
    pub(crate) reader_dropped: bool,
    pub(crate) writer_dropped: bool,
}

/// What hardly any connection has: a client's, or one that is about to be handed to a machine.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) watcher: Waiting,
    /// Its call said that it was in step, after this much.
    pub(crate) in_step: Traffic,
    /// The machine that is to take over.
    successor: Option<Box<dyn Machine>>,
}

/// Bytes that the handles of a connection moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) queued: u64,
    pub(crate) taken: u64,
}

/// Whose drop closes the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Conn,
    /// A `Reader` and a `Writer`: the last one.
    Halves,
    Machine,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connecting {
    No,
    Yes,
    Failed(ConnectErrorKind),
}

impl Channel {
    pub(crate) fn new(connecting: Connecting) -> Self {
        Channel {
            input: Buffer::new(),
            output: None,
            moved: 0,
            below: 0,
            notify_below: 0,
            reader: Waiting::default(),
            writer: Waiting::default(),
            watched: None,
            write_failed: false,
            closing: None,
            aborts: false,
            cuts: false,
            half_closed: false,
            eof: false,
            is_broken: false,
            paused: false,
            handled: false,
            connecting,
            holder: Holder::Conn,
            reader_dropped: false,
            writer_dropped: false,
        }
    }

    /// Why a token that waits for bytes waits in vain, if it does.
    pub(crate) fn read_error(&self) -> Option<Error> {
        match self.broken() {
            // The peer ended its side in order: what became of ours later changes nothing.
            Some(Cause::Reset) if self.eof => Some(Error::Closed),
            Some(cause) => Some(error_of(cause)),
            None => self.eof.then_some(Error::Closed),
        }
    }

    /// Why nothing more can be queued, if nothing can.
    pub(crate) fn write_error(&self) -> Option<Error> {
        match self.broken() {
            Some(cause) => Some(error_of(cause)),
            None if self.write_failed => Some(Error::Reset),
            None => self.half_closed.then_some(Error::Closed),
        }
    }

    /// Bytes that tokens queued and that are not sent, as far as is known.
    pub(crate) fn queued(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.len()).saturating_add(self.below)
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take_watcher(&mut self) -> Option<Waker> {
        self.watched.as_mut()?.watcher.take()
    }

    /// How much was queued, and how much taken, since the connection was made.
    pub(crate) fn traffic(&self) -> Traffic {
        let queued = self.output.as_ref().map_or(0, |output| output.len());
        Traffic {
            queued: self.moved.saturating_add(queued),
            taken: self.input.received() - self.input.len() as u64,
        }
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

    /// Why nothing goes any more, if that is so.
    pub(crate) fn broken(&self) -> Option<Cause> {
        self.closing.filter(|_| self.is_broken)
    }

    /// Our side closes. The first cause stands.
    pub(crate) fn close_with(&mut self, cause: Cause) {
        self.closing.get_or_insert(cause);
        self.half_closed = true;
    }

    /// Nothing goes any more. Returns the wakers of those that wait.
    #[must_use = "wake them when nothing is borrowed"]
    pub(crate) fn break_off(&mut self, cause: Cause) -> [Option<Waker>; 3] {
        self.is_broken = true;
        self.close_with(cause);
        [self.reader.take(), self.writer.take(), self.take_watcher()]
    }
}

/// What a handle is told of a connection that the hub closed for this cause.
pub(crate) fn error_of(cause: Cause) -> Error {
    match cause {
        Cause::Reset => Error::Reset,
        Cause::TimedOut(reason) => Error::TimedOut(reason),
        Cause::Limit(limit) => Error::Limit(limit),
        Cause::Shutdown => Error::Shutdown,
        Cause::CallAbandoned => Error::CallAbandoned,
        _ => Error::Closed,
    }
}

/// Why a connection is closed whose handler ended with this error.
pub(crate) fn cause_of(error: &Error) -> Cause {
    match error {
        Error::Closed => Cause::PeerClosed,
        Error::Reset => Cause::Reset,
        Error::TimedOut(reason) => Cause::TimedOut(*reason),
        Error::Limit(limit) => Cause::Limit(*limit),
        Error::Shutdown => Cause::Shutdown,
        Error::Panicked => Cause::Panicked,
        Error::CallAbandoned => Cause::CallAbandoned,
        _ => Cause::Failed,
    }
}

/// The waker of the fiber that waits for one thing to happen.
///
/// Cloning, waking and dropping a waker may run user code, and no borrow may be held across that.
/// So it is cloned into a [`Spare`] before it is registered, and taken out before it is woken.
#[derive(Default)]
pub(crate) struct Waiting(Option<Waker>);

/// A waker that was cloned while nothing was borrowed; later the one that it replaced. Declared
/// before the borrows under which it is used, it is dropped after they have ended.
///
/// ```text
/// let mut spare = Spare::default();
/// loop {
///     borrow, look, return what there is
///     if waiting.register(cx, &mut spare) { return Poll::Pending }
///     let go of what is borrowed
///     spare.fill(cx);
/// }
/// ```
///
/// A second look is needed because the clone may have changed what the first one saw. There is no
/// third: with a waker in the spare, `register` succeeds.
#[derive(Default)]
pub(crate) struct Spare(Option<Waker>);

impl Spare {
    /// Clones the waker of `cx`, while nothing is borrowed.
    pub(crate) fn fill(&mut self, cx: &Context<'_>) {
        self.0 = Some(cx.waker().clone());
    }
}

impl Waiting {
    /// Registers the waker of `cx`, from the spare unless it is registered already. Returns whether
    /// it could: if not, the caller is to fill the spare and look again.
    #[must_use = "fill the spare, and look again"]
    pub(crate) fn register(&mut self, cx: &Context<'_>, spare: &mut Spare) -> bool {
        if self.0.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return true;
        }
        let Some(waker) = spare.0.take() else { return false };
        spare.0 = self.0.replace(waker);
        true
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }
}
