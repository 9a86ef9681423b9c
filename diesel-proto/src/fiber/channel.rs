//! What the handles of a fiber and a machine share: two queues, their marks, the wakers of those that
//! wait, and who is gone.
//!
//! ```text
//!               ┌─▶ input  ──▶ tokens that read       (`read`)
//!   machine ────┤
//!   (`duplex`)  └── output ◀── tokens that write      (`write`)
//! ```
//!
//! Each side tells the other through wakers, and by waking the machine, never by a call: data flows
//! one way. It must never know whether the bytes are those of a connection, or of a message on one.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::Waker;

use super::waiting::WaitingWaker;

use crate::buf::{Buffer, Pipeline};
use crate::hub::{ConnId, ServiceConfig, ServiceId};
use crate::hub::{Core, Key, Learned};
use crate::machine::{Address, Cause, ConnectErrorKind, Error, Machine};

/// One connection, as its handles hold it.
pub(crate) struct ConnShared {
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

impl fmt::Debug for ConnShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl ConnShared {
    pub(crate) fn id(&self) -> ConnId {
        self.core.conn_id(self.key)
    }
}

pub(crate) struct Channel {
    pub(crate) input: Buffer<Rc<Vec<u8>>>,
    /// What tokens queued and the machine has not taken. Boxed, and out of a pool: between two turns
    /// there is none.
    pub(crate) output: Option<Box<Outgoing>>,
    /// Bytes that the machine took.
    pub(crate) moved: u64,
    /// Bytes that were queued in the stream when the machine last looked.
    pub(crate) below: u64,
    /// The writer waits until fewer bytes are queued; zero: it does not wait.
    pub(crate) notify_below: u64,
    pub(crate) reader: WaitingWaker,
    pub(crate) writer: WaitingWaker,
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
    pub(crate) connecting: ConnectState,
    pub(crate) holder: Holder,
    pub(crate) reader_dropped: bool,
    pub(crate) writer_dropped: bool,
    /// The machine needs to know where each write ends.
    pub(crate) keeps_pieces: bool,
}

/// What was queued by writes.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) pipeline: Pipeline,
    /// The length of each write, if the machine needs to know. None is zero.
    pieces: Vec<u64>,
}

/// Writes that are kept apart, at most. Each costs the 8 bytes of its length.
const PIECES: usize = 1024;

impl Outgoing {
    /// Whether one more write fits.
    pub(crate) fn has_room(&self) -> bool {
        self.pieces.len() < PIECES
    }

    /// All that was queued beyond `before` bytes is one write.
    pub(crate) fn end_piece(&mut self, before: u64) {
        let len = self.pipeline.len().saturating_sub(before);
        if len > 0 {
            self.pieces.push(len);
        }
    }

    /// The lengths of the writes, in order. They are forgotten.
    pub(crate) fn drain_pieces(&mut self) -> (&mut Pipeline, alloc::vec::Drain<'_, u64>) {
        (&mut self.pipeline, self.pieces.drain(..))
    }

    pub(crate) fn forget_pieces(&mut self) {
        self.pieces.clear();
    }
}

/// What hardly any connection has: a client's, or one that is about to be handed to a machine.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) watcher: WaitingWaker,
    /// Its call said that it was in step, after this much.
    pub(crate) in_step: ByteCounts,
    /// The machine that is to take over.
    successor: Option<Box<dyn Machine>>,
}

/// Bytes that the handles of a connection moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteCounts {
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
pub(crate) enum ConnectState {
    No,
    Yes,
    Failed(ConnectErrorKind),
}

impl Channel {
    pub(crate) fn new(connecting: ConnectState) -> Self {
        Channel {
            input: Buffer::new(),
            output: None,
            moved: 0,
            below: 0,
            notify_below: 0,
            reader: WaitingWaker::default(),
            writer: WaitingWaker::default(),
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
            keeps_pieces: false,
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

    /// All that was queued and not taken.
    pub(crate) fn take_output(&mut self) -> Option<Box<Outgoing>> {
        let output = self.output.take()?;
        self.moved = self.moved.saturating_add(output.pipeline.len());
        Some(output)
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
        self.unmoved().saturating_add(self.below)
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take_watcher(&mut self) -> Option<Waker> {
        self.watched.as_mut()?.watcher.take()
    }

    /// How much was queued, and how much taken, since the connection was made.
    pub(crate) fn traffic(&self) -> ByteCounts {
        ByteCounts {
            queued: self.moved.saturating_add(self.unmoved()),
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
