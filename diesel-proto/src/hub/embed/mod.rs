//! The event loop that every embedder of a hub needs, written once: the table of streams, the order
//! in which they are written, ended and read, and the handling of bytes that the hub does not take.
//!
//! An embedder implements [`Transport`]: how *one* stream is read, written, watched and closed,
//! without waiting. [`Streams`] does the rest of the contract in [`hub`](crate::hub). It has no
//! clock, no poller and no buffer:
//!
//! ```text
//!   embedder    Streams               Transport                    Hub
//!     waits ──▶ Streams::ready   ──▶ write, read              ──▶ sent, received, eof
//!      ▲        Streams::accept  ──▶ accept, open             ──▶ accept
//!      │        Streams::turn    ──▶ write, shut_down, watch, ◀── the actions of run
//!      │             │               connect, close
//!      └── Hub::next_wake ◀── Streams::read_on
//!
//!   streams    Streams: the table; accepts, writes and reads streams that are ready
//!   turn       Streams::turn: runs the hub and carries out its actions
//!   entry      one stream in the table: what it waits for, and the bytes kept for it
//!   budgets    Budgets: how much is done in one round
//!   wake_queue WakeQueue: one task that waits for the wakers of many streams
//! ```
//!
//! The complete loop of an embedder:
//!
//! ```text
//! hub.seed(random bytes)                  // once, for Ctx::random
//! hub.time_of_day(now, unix seconds)      // for certificates, and the Date of HTTP responses
//! while streams.end_round(now):           // also before the first wait: loops begin
//!     wait for events, for hub.time_to_wake(now) at most
//!     hub.time_of_day(now, unix seconds)
//!     for each event of a listening socket: streams.accept(now, service)
//!     for each event of a stream:           streams.ready(now, conn, what it is ready for)
//! ```
//!
//! [`Streams::at`] finds the connection of an event, by [`ConnId::index`] as its key.
//!
//! # The embedding contract
//!
//! What [`Streams`] cannot do for the embedder. Loop:
//!
//! 1. Before the first wait, [seed](super::Hub::seed) the hub, report the [time of
//!    day](super::Hub::time_of_day), and [end a round](Streams::end_round): that starts the loops
//!    of the application. Report the time of day again every few seconds.
//! 2. After the events of a wait, [end the round](Streams::end_round). There may be
//!    [turns](Streams::turn) between events, too.
//! 3. Wait for what the transport watches and for the hub's [waker](super::Hub::with_waker), but no
//!    longer than [`time_to_wake`](super::Hub::time_to_wake).
//! 4. Report every event, of listening sockets with [`accept`](Streams::accept), of streams with
//!    [`ready`](Streams::ready). An event of a stream that was closed since must not be taken for
//!    an event of the stream that has its index now; with streams that do not block, a surplus
//!    `ready` does no harm.
//! 5. To stop, [drain](super::Hub::drain) the hub, and go on until
//!    [`end_round`](Streams::end_round) returns false.
//! 6. `now` is a monotonic clock, read after each wait. It does not go back.
//!
//! [`Transport`]:
//!
//! 7. No call blocks.
//! 8. [`read`](Transport::read) returns each byte once and in order, `Nothing` if there is none
//!    yet, `Eof` only at the end of the peer's side, and `Reset` if the stream is broken.
//! 9. [`write`](Transport::write) takes a prefix of what it is given, and returns its length: 0 if
//!    the stream would block. An error is `Failed`, never the end of reading.
//! 10. After [`watch`](Transport::watch), the stream is reported while it is ready for what it is
//!     watched for; by an edge-triggered poller, once after each `watch`, and whenever it becomes
//!     ready; by a one-shot poller, once, as [`disarmed`](Ready::disarmed). The same holds for
//!     listening sockets and [`accepts`](Transport::accepts).
//! 11. [`shut_down`](Transport::shut_down) ends our side behind all that was written, and the
//!     stream can still be read.
//! 12. [`close`](Transport::close) of an [`End::Close`] delivers all that was written, and then the
//!     end; of an [`End::Abort`], a reset. Both free the descriptor at once.
//!
//! 13. After [`resolve`](Transport::resolve) or [`run_job`](Transport::run_job) that returned
//!     [`Poll::Pending`](core::task::Poll), the answer is passed to
//!     [`Hub::resolved`](super::Hub::resolved) or [`Hub::completed`](super::Hub::completed) once, and
//!     then a round is ended. A [cancelled](Transport::cancel) one may be left unanswered.
//!
//! 14. [`file`](Transport::file) keeps line 13, with
//!     [`Hub::file_answered`](super::Hub::file_answered); if that returns false, what was opened is
//!     closed. No file outside of the directory of a request is opened, whatever links there are,
//!     and regular files only.
//! 15. [`write_region`](Transport::write_region) sends bytes of the file while it is open: as many as
//!     it says, or fewer. After [`RegionOutcome::Pending`],
//!     [`region_ready`](Streams::region_ready) is called once, when a write would go on or fail. A
//!     file that is too short is [`RegionOutcome::Failed`], never replaced by other bytes.
//!
//! `testkit::embed` drives a loop through scripted streams, and names the line of this list that it
//! broke; the guide's chapter on [embedding](crate::guide::embedding#check-your-loop) has a peer for
//! loops with real sockets.
//!
//! # Rules of this module
//!
//! - A stream is written before it is read. Half-close, close and abort happen in the order of the
//!   hub's actions.
//! - Back-pressure: bytes that the hub refuses are kept in memory, at most one read for each
//!   stream, and nothing more is read until the hub resumes.
//! - A failed write does not end reading: bytes that the peer sent before are still delivered. If
//!   the write failed because the peer had reset the stream, its end counts as a reset.
//! - A stream that cannot be watched or half-closed is reset; other streams are not affected.
//! - No connection is accepted while the hub [would refuse](super::Hub::may_accept) it.
//! - In one [round](Streams::end_round) each stream is written and read up to a
//!   [budget](Budgets), so that other streams have their turn. There are also budgets for all
//!   streams together, so that a round is short however many streams have much to send. A stream
//!   whose read filled the buffer is read again in the same round.
//!
//! It must never know what a stream is, nor how the embedder waits.

mod budgets;
mod entry;
mod streams;
#[cfg(test)]
mod tests;
mod turn;
#[cfg(feature = "std")]
mod wake_queue;

pub use self::budgets::Budgets;
pub use self::streams::Streams;
#[cfg(feature = "std")]
pub use self::wake_queue::WakeQueue;
pub use crate::machine::{Interest, ReadOutcome, RegionOutcome, WriteOutcome};

#[cfg(feature = "std")]
extern crate std;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::Poll;

use super::{Hub, Job, JobOutcome, Refused};
use crate::buf::FileRegion;
use crate::machine::{
    Address, ConnectErrorKind, End, FileAnswer, FileErrorKind, FileRequest, HostName, JobError,
    Notice, ResolveErrorKind,
};
use crate::machine::{ConnId, FileId, JobId, ServiceId};
use crate::time::Instant;

/// The operations on an embedder's streams, one stream at a time. No call may block.
///
/// Calls are for a stream that is open, in a valid order: none after [`close`](Self::close), no
/// write after one that failed or after [`shut_down`](Self::shut_down).
///
/// Example: see [`Streams`].
pub trait Transport {
    /// One stream: a socket, for example.
    type Stream;
    /// A stream that was accepted and has no [`ConnId`] yet.
    type Incoming;

    /// Reads once. The bytes may be anywhere, for example in a scratch buffer of the transport.
    fn read(&mut self, stream: &mut Self::Stream) -> ReadOutcome<'_>;

    /// Writes once, as many of these bytes as the stream takes: at most 16 slices, none of them
    /// empty.
    fn write(&mut self, stream: &mut Self::Stream, slices: &[&[u8]]) -> WriteOutcome;

    /// As [`write`](Self::write), for bytes that come directly before a file region. An embedder may
    /// let the system wait for that region, so that both travel together (on Linux, `MSG_MORE`). By
    /// default it is `write`.
    fn write_before_region(&mut self, stream: &mut Self::Stream, slices: &[&[u8]]) -> WriteOutcome {
        self.write(stream, slices)
    }

    /// Writes once, as much of a file region as the stream takes. The region is not empty, and at
    /// most [`Budgets::region`] long. Its number is that of a [file](FileId::number) that
    /// [`file`](Self::file) opened, or what user code made up. By default it fails: this transport
    /// cannot send file regions.
    ///
    /// ```
    /// use std::fs::File;
    /// use std::os::unix::fs::FileExt;
    ///
    /// use diesel_proto::hub::embed::{RegionOutcome, WriteOutcome};
    /// use diesel_proto::{FileErrorKind, FileRegion};
    ///
    /// /// For [`Transport::write_region`], where the system has no `sendfile`, and the file is on a
    /// /// fast disk. `write` writes to the stream.
    /// fn write_region(
    ///     file: &File,
    ///     region: FileRegion,
    ///     write: impl FnOnce(&[u8]) -> WriteOutcome,
    /// ) -> RegionOutcome {
    ///     let mut bytes = vec![0; region.len.min(64 << 10) as usize];
    ///     match file.read_at(&mut bytes, region.offset) {
    ///         Ok(0) => RegionOutcome::Failed(FileErrorKind::Shrunk),
    ///         Ok(n) => RegionOutcome::Wrote(write(&bytes[..n])),
    ///         Err(error) => {
    ///             let code = error.raw_os_error().unwrap_or_default();
    ///             RegionOutcome::Failed(FileErrorKind::Other(code))
    ///         }
    ///     }
    /// }
    /// ```
    fn write_region(
        &mut self,
        conn: ConnId,
        stream: &mut Self::Stream,
        region: FileRegion,
    ) -> RegionOutcome {
        let _ = (conn, stream, region);
        RegionOutcome::Failed(FileErrorKind::Unsupported)
    }

    /// Half-close: ends our side. All that was written must still arrive.
    ///
    /// # Errors
    ///
    /// [`Lost`] if this fails, so that the peer would never see the end.
    fn shut_down(&mut self, conn: ConnId, stream: &mut Self::Stream) -> Result<(), Lost>;

    /// Sets what the stream is watched for: from now on, the embedder calls [`Streams::ready`] when
    /// the stream is ready for this, again and again for as long as it is (level-triggered, in
    /// terms of a poller). Called when the interest changes.
    ///
    /// Also called with the same interest, when the stream may be ready still and was not used up,
    /// because the [budget](Budgets) of the round is spent, and when it is [`Ready::disarmed`]. A
    /// level-triggered poller has nothing to do then. A poller that reports a stream only when it
    /// becomes ready (edge-triggered) must report it again after each of these calls, if it is
    /// ready.
    ///
    /// # Errors
    ///
    /// [`Lost`] if the stream cannot be watched.
    fn watch(
        &mut self,
        conn: ConnId,
        stream: &mut Self::Stream,
        interest: Interest,
    ) -> Result<(), Lost>;

    /// The connection has ended: closes its stream, with a reset for an [`End::Abort`] (on a
    /// socket, set `SO_LINGER` to zero first). `stream` is `None` if it was never open.
    fn close(&mut self, now: Instant, conn: ConnId, stream: Option<Self::Stream>, end: End);

    /// Accepts a connection that waits, if there is one. For [`Streams::accept`]; an embedder that
    /// accepts by itself, with [`Streams::accept_one`], can use the default, which returns none.
    fn accept(&mut self, now: Instant, service: ServiceId) -> AcceptOutcome<Self::Incoming> {
        let _ = (now, service);
        AcceptOutcome::Nothing
    }

    /// Opens a stream that the hub accepted: it has this id from now on, and is watched for
    /// reading.
    ///
    /// # Errors
    ///
    /// [`Lost`] if it cannot be watched: the hub then treats it as reset.
    fn open(&mut self, conn: ConnId, incoming: Self::Incoming) -> Result<Self::Stream, Lost>;

    /// The hub refused a connection: closes it. By default it is dropped.
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
    /// [`connected`](Self::connected) is called for the result. By default nothing can be connected
    /// to: that is enough for services whose handlers do not connect.
    ///
    /// # Errors
    ///
    /// Why it cannot connect. If this is [`OutOfResources`](ConnectErrorKind::OutOfResources) and
    /// an idle connection can make room, connecting is tried once more after that one was closed.
    fn connect(
        &mut self,
        conn: ConnId,
        address: Address,
    ) -> Result<Self::Stream, ConnectErrorKind> {
        let _ = (conn, address);
        Err(ConnectErrorKind::Unsupported)
    }

    /// The result of [`connect`](Self::connect), of which this is the other half. `hung_up`: see
    /// [`Ready`].
    fn connected(&mut self, stream: &mut Self::Stream, hung_up: bool) -> ConnectOutcome {
        let _ = (stream, hung_up);
        ConnectOutcome::Failed(ConnectErrorKind::Unsupported)
    }

    /// Begins to resolve a name: finds its addresses, in the order in which the system prefers them.
    /// Their ports do not count. [`Poll::Pending`]: they come later, by
    /// [`Hub::resolved`](super::Hub::resolved). By default, names are
    /// [not supported](ResolveErrorKind::Unsupported).
    fn resolve(
        &mut self,
        job: JobId,
        name: &HostName,
    ) -> Poll<Result<Vec<SocketAddr>, ResolveErrorKind>> {
        let _ = (job, name);
        Poll::Ready(Err(ResolveErrorKind::Unsupported))
    }

    /// Begins a job, which may block, so that it needs a thread. [`Poll::Pending`]: its outcome
    /// comes later, by [`Hub::completed`](super::Hub::completed). By default, jobs are
    /// [not supported](JobError::Unsupported).
    ///
    /// An embedder that may block can run it at once: `Poll::Ready(job.run())`.
    fn run_job(&mut self, id: JobId, job: Job) -> Poll<JobOutcome> {
        let _ = (id, job);
        Poll::Ready(JobError::Unsupported.into())
    }

    /// Opens, reads or lists what is asked for. [`Poll::Pending`]: the answer comes later, by
    /// [`Hub::file_answered`](super::Hub::file_answered). By default, files are [not
    /// supported](FileErrorKind::Unsupported).
    ///
    /// An embedder that opens files must also write their [regions](Self::write_region), and never
    /// leave the directory of a request.
    fn file(
        &mut self,
        job: JobId,
        request: FileRequest,
    ) -> Poll<Result<FileAnswer, FileErrorKind>> {
        let _ = (job, request);
        Poll::Ready(Err(FileErrorKind::Unsupported))
    }

    /// Closes a file that [`file`](Self::file) opened. Does nothing by default.
    fn close_file(&mut self, file: FileId) {
        let _ = file;
    }

    /// A look-up, a job or a request for a file is not awaited any more: if it has not begun, it need
    /// not. Its answer may come all the same. Does nothing by default.
    fn cancel(&mut self, job: JobId) {
        let _ = job;
    }

    /// How many of the written bytes the peer has not acknowledged, if that is known. See
    /// [`Action::ReportUnacked`](super::action::Action::ReportUnacked). By default it is not known.
    fn unacked(&mut self, stream: &mut Self::Stream) -> Option<u64> {
        let _ = stream;
        None
    }

    /// A service must stop accepting (`accepts` is false), or resume.
    ///
    /// Also called with `true` when connections may wait that were not accepted: because the budget
    /// is spent, or because accepting was [`Exhausted`](AcceptOutcome::Exhausted) before a stream
    /// was closed. An edge-triggered poller must report the listening socket again.
    fn accepts(&mut self, now: Instant, service: ServiceId, accepts: bool);

    /// The hub has run: the following calls carry out its actions. Does nothing by default.
    fn ran(&mut self) {}

    /// Logs a notice of the hub. By default it is dropped.
    fn notice(&mut self, hub: &Hub, service: Option<ServiceId>, notice: Notice) {
        let _ = (hub, service, notice);
    }

    /// Reads the clock, for waits that [count from it](super::Hub::needs_time).
    fn now(&mut self) -> Instant;
}

/// The result of accepting.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// use diesel_proto::hub::embed::AcceptOutcome;
///
/// /// For [`Transport::accept`]. The listener is nonblocking.
/// fn accept(listener: &TcpListener) -> AcceptOutcome<TcpStream> {
///     AcceptOutcome::from_io(listener.accept())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptOutcome<I> {
    /// A connection from this peer was accepted.
    One(I, Address),
    /// No connection waits, or none is wanted.
    Nothing,
    /// A connection was there, but is gone. There may be others.
    Gone,
    /// A connection waits, but the system has no resources to accept it, such as file descriptors.
    /// If no idle connection can make room, nothing more is accepted until a stream is closed, and
    /// [`accepts`](Transport::accepts) is called. Meanwhile, a level-triggered poller would report
    /// the listening socket again and again: stop watching it.
    Exhausted,
}

#[cfg(feature = "std")]
impl<I> AcceptOutcome<I> {
    /// The outcome of an `accept` of std. An error that concerns only that one connection means
    /// that it is [`Gone`](Self::Gone); every other error counts as
    /// [`Exhausted`](Self::Exhausted): std does not tell a lack of descriptors from the rest.
    pub fn from_io(accepted: std::io::Result<(I, core::net::SocketAddr)>) -> Self {
        use std::io::ErrorKind::{
            ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied, TimedOut, WouldBlock,
        };
        match accepted {
            Ok((incoming, peer)) => AcceptOutcome::One(incoming, peer.into()),
            Err(error) => match error.kind() {
                WouldBlock => AcceptOutcome::Nothing,
                ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied | TimedOut => {
                    AcceptOutcome::Gone
                }
                _ => AcceptOutcome::Exhausted,
            },
        }
    }
}

/// The result of an attempt to connect.
///
/// Example: see [`Streams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The connection is open, and is watched for reading from now on.
    Done,
    /// There is no answer yet.
    UnderWay,
    /// The connection could not be made.
    Failed(ConnectErrorKind),
}

/// The error of a transport that cannot serve a stream any more. The transport has logged the
/// reason, if a log is wanted.
///
/// Example: see [`Streams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What a stream is ready for.
///
/// Example: see [`Streams`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Bytes to read, or the end.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
    /// The peer ended its side, or the stream broke: the end can be read behind what else there is.
    /// An edge-triggered poller reports it only once, so the stream is then read to its end.
    /// `false` if that is not known, or if the poller is level-triggered.
    pub ends: bool,
    /// The stream is not watched any more, now that it was reported: by a poller that is armed for
    /// one event (one-shot), or by a waker. [`Transport::watch`] is called again.
    pub disarmed: bool,
    /// Both sides are closed: an attempt to connect has failed. `false` if that is not known.
    pub hung_up: bool,
}

/// Ready for what it was watched for.
impl From<Interest> for Ready {
    fn from(Interest { readable, writable }: Interest) -> Self {
        Ready { readable, writable, ..Ready::default() }
    }
}

impl Ready {
    /// A waker was woken: the stream may be ready for anything, and is not watched any more.
    pub const WOKEN: Ready =
        Ready { readable: true, writable: true, ends: false, disarmed: true, hung_up: false };
}
