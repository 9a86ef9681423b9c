//! [`Action`], what a hub requests of its embedder, and [`Counters`].

use crate::machine::{Address, Cause, FileRequest, HostName, Notice};
use crate::machine::{ConnId, FileId, JobId, ServiceId};

/// Something that the embedder must do. A list of actions must be carried out in order.
///
/// Example: see [`Hub`](super::Hub).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Bytes are queued: write as much of [`outgoing`](super::Hub::outgoing) as the stream takes
    /// and report it with [`sent`](super::Hub::sent), now and whenever the stream is writable,
    /// until nothing is outgoing and no [`file_region`](super::Hub::file_region) is next. This
    /// action does not come again before that. If a write fails, call
    /// [`write_failed`](super::Hub::write_failed), and go on reading.
    Send(ConnId),
    /// Stop reading this stream: back-pressure.
    Pause(ConnId),
    /// Read this stream again.
    Resume(ConnId),
    /// Half-close: shut down the sending side; everything queued was sent. Go on reading.
    HalfClose(ConnId),
    /// Close the stream at once. The id is stale from now on.
    Close(ConnId, Cause),
    /// Reset the stream at once (on a socket: `SO_LINGER` of zero, then close), so that the peer
    /// does not take a stream that was cut off for a complete one. The id is stale from now on.
    Abort(ConnId, Cause),
    /// Report with [`unacked`](super::Hub::unacked), before the next run, how many of the bytes
    /// that were written the peer has not acknowledged yet: on Linux, `SIOCOUTQ`. An embedder whose
    /// [`sent`](super::Hub::sent) counts what the peer took need not answer: then only that counts
    /// for the least rate, [`write_rate`](super::config::ServiceConfig::write_rate).
    ReportUnacked(ConnId),
    /// Connect to this address, and call [`connected`](super::Hub::connected) or
    /// [`connect_failed`](super::Hub::connect_failed).
    Connect(ConnId, Address),
    /// Find the addresses of this name, and call [`resolved`](super::Hub::resolved).
    Resolve(JobId, HostName),
    /// [Take](super::Hub::take_job) this job, run it where it may block, and call
    /// [`completed`](super::Hub::completed).
    Job(JobId),
    /// Open, read or list what the request says, where it may block, and call
    /// [`file_answered`](super::Hub::file_answered).
    File(JobId, FileRequest),
    /// Close this file: no region of it is queued any more. The id is stale from now on. It was
    /// opened for a [`File`](Self::File), and is not awaited any more.
    CloseFile(FileId),
    /// The answer to this [`Resolve`](Self::Resolve), [`Job`](Self::Job) or [`File`](Self::File) is
    /// not wanted any more: if it has not begun, it need not. The id is stale from now on.
    Cancel(JobId),
    /// Stop accepting connections of this service.
    StopAccepting(ServiceId),
    /// Accept connections of this service again.
    ResumeAccepting(ServiceId),
    /// Log this notice, if a log is wanted.
    Notice(Option<ServiceId>, Notice),
    /// The shutdown is complete: stop calling the hub.
    Halt,
}

/// What a hub has counted since it was created.
///
/// ```
/// use diesel_proto::{Address, Hub, Instant, LineEcho, Service};
///
/// let mut hub = Hub::default();
/// let service = hub.add_service(Service::machine(|_| LineEcho::default()));
/// hub.accept(Instant::ORIGIN, service, Address::Unnamed)?;
/// assert_eq!((hub.counters().accepted, hub.counters().open), (1, 1));
/// # Ok::<(), diesel_proto::Refused>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that are open now, those that are closing included.
    pub open: u64,
    /// Fibers that exist now.
    pub fibers: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused, for whatever reason.
    pub refused: u64,
    /// Connections requested with `connect`.
    pub connects: u64,
    /// Idle connections that were closed to make room for others.
    pub shed: u64,
    /// Bytes received, those that were dropped after a close included.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Polls of fibers.
    pub polls: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Panics of fibers, of machines, of the functions that make machines, and of other user code.
    pub panics: u64,
    /// Handlers and loops that failed, as reported by [`Notice::Failed`].
    pub failures: u64,
    /// How often the limit on connections stopped a service from accepting, or refused one.
    pub limit_connections: u64,
    /// The same for the limit of a service.
    pub limit_service_connections: u64,
    /// How often a fiber was not made because of the limit on fibers, or on spawned ones.
    pub limit_fibers: u64,
    /// How often a token failed with a limit on a line, a count, or a whole stream.
    pub limit_reads: u64,
    /// How often a client refused a call because too many were waiting.
    pub limit_calls: u64,
    /// How often a look-up or a job was refused because too many were awaited.
    pub limit_jobs: u64,
    /// How often a file was not opened or read because too many were open, or too many requests
    /// awaited.
    pub limit_files: u64,
}
