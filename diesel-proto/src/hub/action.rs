//! What a hub asks of its embedder, and what it counts.

use super::id::{ConnId, ServiceId};
use crate::machine::{Address, Cause, Notice};

/// Something that the embedder is to do. A list of them is to be obeyed in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Bytes are queued: write what the stream takes of
    /// [`outgoing`](super::Hub::outgoing) and say so with [`sent`](super::Hub::sent), now and
    /// whenever the stream is writable, until nothing is outgoing, and no
    /// [`file_region`](super::Hub::file_region) is next. It is not said again before. If a write fails, say
    /// [`write_failed`](super::Hub::write_failed), and read on.
    Send(ConnId),
    /// Do not read this stream.
    Pause(ConnId),
    /// Read it again.
    Resume(ConnId),
    /// Shut down the sending side; everything queued was sent. Go on reading.
    HalfClose(ConnId),
    /// Close the stream at once. The name is stale from here on.
    Close(ConnId, Cause),
    /// Reset the stream at once (on a socket: `SO_LINGER` of zero, then close), so that the peer
    /// does not take what was cut off for all there was. The name is stale from here on.
    Abort(ConnId, Cause),
    /// Say with [`unacked`](super::Hub::unacked), before the next run, how many of the bytes that
    /// the stream took its peer has not acknowledged: on Linux, `SIOCOUTQ`. An embedder whose
    /// [`sent`](super::Hub::sent) counts what the peer took need not answer: then only that counts
    /// for the least rate of [`write_rate`](super::config::ServiceConfig::write_rate).
    ReportUnacked(ConnId),
    /// Connect to this address, and say [`connected`](super::Hub::connected) or
    /// [`connect_failed`](super::Hub::connect_failed).
    Connect(ConnId, Address),
    /// Accept no more connections of this service.
    StopAccepting(ServiceId),
    /// Accept them again.
    ResumeAccepting(ServiceId),
    /// Tell a person, if anybody wants to know.
    Notice(Option<ServiceId>, Notice),
    /// It is over: stop calling.
    Halt,
}

/// What a hub has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections open now, those that are closing included.
    pub open: u64,
    /// Fibers now.
    pub fibers: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused, for whatever reason.
    pub refused: u64,
    /// Connections asked for by `connect`.
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
    /// Panics of fibers, of machines, of what makes them, and of other user code.
    pub panics: u64,
    /// Handlers and loops that failed: those of which [`Notice::Failed`] tells.
    pub failures: u64,
    /// How often the limit on connections stopped a service from accepting, or refused one.
    pub limit_connections: u64,
    /// The same for the limit of a service.
    pub limit_service_connections: u64,
    /// How often a fiber was not made because of the limit on fibers, or on spawned ones.
    pub limit_fibers: u64,
    /// How often a token failed with the limit on a line, a count, or a whole stream.
    pub limit_reads: u64,
    /// How often a client refused a call because too many were waiting.
    pub limit_calls: u64,
}
