//! The loop that every embedder of a hub needs, written once: which streams there are, in which
//! order they are written, ended and read, and what is done with bytes that a hub does not take.
//!
//! An embedder brings a [`Transport`]: how *one* stream is read, written, watched and closed, without
//! waiting. [`Streams`] does the rest of the contract in [`hub`](crate::hub), and keeps no clock, no
//! poller and no buffer of its own:
//!
//! ```text
//!   the embedder waits ──▶ Streams::ready   ──▶ Transport::write, read ──▶ Hub::sent, received, eof
//!      ▲                   Streams::accept  ──▶ Transport::accept      ──▶ Hub::accept
//!      │                   Streams::turn    ──▶ Hub::run ──▶ actions   ──▶ Transport::write, shut_down,
//!      └── Hub::next_wake ◀── Streams::read_on                              close, connect, watch
//! ```
//!
//! The whole of an embedder's loop:
//!
//! ```text
//! hub.seed(random bytes)                  // once, for Ctx::random
//! until streams.has_halted():
//!     streams.turn(now)                   // also before the first wait: loops begin
//!     while streams.read_on(now): streams.turn(now)
//!     wait for events, for hub.time_to_wake(now) at most
//!     hub.time_of_day(now, unix seconds)  // for the Date of HTTP responses
//!     streams.begin_round()
//!     for each event of a listening socket: streams.accept(now, service)
//!     for each event of a stream:           streams.ready(now, conn, what it is ready for)
//! ```
//!
//! [`Streams::at`] finds the connection of an event, by [`ConnId::index`] as its key.
//!
//! # Rules
//!
//! - Of one stream, writing comes before reading; a half-close, a close and an abort come when the hub
//!   says so, in the order of its actions.
//! - Bytes that the hub refuses are kept, in memory, and nothing more is read until the hub resumes:
//!   at most one read for each stream.
//! - A failed write does not end reading: what the peer sent before is still delivered. If the write
//!   failed because the peer had reset the stream, its end is a reset.
//! - What a stream cannot be watched for, or half-closed, is that stream's end, and no other's.
//! - Nothing is accepted while the hub [would not](super::Hub::may_accept) take it.
//! - In one [round](Streams::begin_round) a stream is written and read up to a [budget](Budgets), so
//!   that others have their turn, and so are all together, so that a round is short however many have
//!   much to send. One whose read filled the buffer is read again in the same round.
//!
//! It must never know what a stream is, nor how the embedder waits.

mod budgets;
mod entry;
mod streams;
#[cfg(test)]
mod tests;
mod turn;

pub use self::budgets::Budgets;
pub use self::streams::Streams;

use super::{Hub, Refused};
use crate::buf::FileRegion;
use crate::machine::{Address, ConnectErrorKind, End, Notice};
use crate::machine::{ConnId, ServiceId};
use crate::time::Instant;

/// What an embedder's streams can do, one at a time. No call waits.
///
/// Calls are for a stream that is open, and come in an order that makes sense: none after
/// [`close`](Self::close), no write after one that failed or after [`shut_down`](Self::shut_down).
pub trait Transport {
    /// What stands for one stream: a socket, say.
    type Stream;
    /// A stream that was accepted and has no name yet.
    type Incoming;

    /// One read. The bytes may be anywhere: in a scratch buffer of the transport's.
    fn read(&mut self, stream: &mut Self::Stream) -> ReadOutcome<'_>;

    /// One write of what the stream takes of these bytes: at most 16 slices, none of them empty.
    fn write(&mut self, stream: &mut Self::Stream, slices: &[&[u8]]) -> WriteOutcome;

    /// One write of what the stream takes of a region, which is not empty. `None`: this transport
    /// cannot send regions, and the stream is broken. That is the default.
    fn write_region(
        &mut self,
        conn: ConnId,
        stream: &mut Self::Stream,
        region: FileRegion,
    ) -> Option<WriteOutcome> {
        let _ = (conn, stream, region);
        None
    }

    /// Ends our side. All that was written is still to arrive.
    ///
    /// # Errors
    ///
    /// [`Lost`] if the peer would never see the end.
    fn shut_down(&mut self, conn: ConnId, stream: &mut Self::Stream) -> Result<(), Lost>;

    /// From now on, call [`Streams::ready`] when the stream is ready for this, for as long as it is
    /// (level-triggered, in terms of a poller). Called when it changes.
    ///
    /// # Errors
    ///
    /// [`Lost`] if that cannot be said.
    fn watch(
        &mut self,
        conn: ConnId,
        stream: &mut Self::Stream,
        interest: Interest,
    ) -> Result<(), Lost>;

    /// The connection is over: closes its stream, with a reset if it is an [`End::Abort`] (on a socket,
    /// set `SO_LINGER` to zero first). `None` if the stream never was open.
    fn close(&mut self, now: Instant, conn: ConnId, stream: Option<Self::Stream>, end: End);

    /// A connection that waits to be accepted, if there is one. For [`Streams::accept`]; an embedder
    /// that accepts by itself, with [`Streams::accept_one`], can do with the default: none.
    fn accept(&mut self, now: Instant, service: ServiceId) -> AcceptOutcome<Self::Incoming> {
        let _ = (now, service);
        AcceptOutcome::Nothing
    }

    /// The stream has this name from now on, and is watched for reading.
    ///
    /// # Errors
    ///
    /// [`Lost`] if it cannot be watched: it is as good as reset.
    fn open(&mut self, conn: ConnId, incoming: Self::Incoming) -> Result<Self::Stream, Lost>;

    /// The hub refused a connection: closes it. Dropped by default.
    fn refuse(
        &mut self,
        service: ServiceId,
        peer: Address,
        incoming: Self::Incoming,
        why: Refused,
    ) {
        let _ = (service, peer, incoming, why);
    }

    /// Begins to connect. The stream is watched for writing; when it is ready,
    /// [`connected`](Self::connected) is asked what became of it.
    ///
    /// # Errors
    ///
    /// Why not. If it is [`OutOfResources`](ConnectErrorKind::OutOfResources) and a connection that is
    /// idle can make room, it is tried once more after that one is closed.
    fn connect(&mut self, conn: ConnId, address: Address)
    -> Result<Self::Stream, ConnectErrorKind>;

    /// What became of [`connect`](Self::connect). `hung_up`: see [`Ready`].
    fn connected(&mut self, stream: &mut Self::Stream, hung_up: bool) -> ConnectOutcome;

    /// How many bytes that the stream took its peer has not acknowledged, if that is known. See
    /// [`Action::ReportUnacked`](super::action::Action::ReportUnacked). Not known, by default.
    fn unacked(&mut self, stream: &mut Self::Stream) -> Option<u64> {
        let _ = stream;
        None
    }

    /// A service is to accept, or not to accept any more.
    fn accepts(&mut self, now: Instant, service: ServiceId, accepts: bool);

    /// The hub has run: what is called until the next run is what it asked for. Nothing by default.
    fn ran(&mut self) {}

    /// What the hub has to tell a person. Dropped by default.
    fn notice(&mut self, hub: &Hub, service: Option<ServiceId>, notice: Notice) {
        let _ = (hub, service, notice);
    }

    /// A fresh reading of the clock, for waits that [count from it](super::Hub::needs_time).
    fn now(&mut self) -> Instant;
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome<'a> {
    /// Bytes: at least one.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// They filled the buffer: there may be more.
        filled: bool,
    },
    /// Nothing is there yet.
    Nothing,
    /// The peer ended its side.
    Eof,
    /// The stream is broken.
    Reset,
}

/// What a write took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// So many bytes. Fewer than were given: there is no room for more now.
    Took(usize),
    /// Nothing can be written any more. What the peer sent before can still be read.
    Failed {
        /// The peer had reset the stream, and that will not be said again: when everything was read,
        /// the system says that the stream has ended.
        reset: bool,
    },
}

/// What came of looking for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptOutcome<I> {
    /// One is there, from this peer.
    One(I, Address),
    /// None is there, or none is wanted.
    Nothing,
    /// One was there, and is gone. There may be others.
    Gone,
    /// One is there, and the system lacks what it takes to accept it.
    Exhausted,
}

/// What became of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The connection is there, and is watched for reading from now on.
    Done,
    /// There is no answer yet.
    UnderWay,
    /// It could not be made.
    Failed(ConnectErrorKind),
}

/// The transport cannot serve this stream any more. It has told why, where anybody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What a stream is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Bytes to read, or the end.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
}

impl Interest {
    /// Nothing.
    pub const NONE: Interest = Interest { readable: false, writable: false };
    /// Bytes to read.
    pub const READABLE: Interest = Interest { readable: true, writable: false };
    /// Room to write, or an answer to an attempt to connect.
    pub const WRITABLE: Interest = Interest { readable: false, writable: true };
}

/// What a stream is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Bytes to read, or the end.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
    /// Both sides are closed: one that connects does not any more. `false` if that is not known.
    pub hung_up: bool,
}
