//! The inputs of a hub as values, and what the hub returns for each.
//!
//! A recording is a list of inputs, each with its `now`. Replayed through a hub that was set up in
//! the same way, it gives the same results and the same actions, byte for byte.
//!
//! It must never know what an input does: that is up to the method of the same name.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use super::action::Action;
use super::job::Job;
#[cfg(doc)]
use super::job::JobOutcome;
use super::{Hub, Refused, Seed};
use crate::machine::{
    Address, ConnectErrorKind, FileAnswer, FileErrorKind, JobError, ResolveErrorKind,
};
use crate::machine::{ConnId, JobId, ServiceId};
use crate::time::Instant;

/// One input of a hub, for [`Hub::handle`]. Each variant stands for the method that its
/// documentation names.
///
/// The bytes of [`Received`](Self::Received) are borrowed or owned: an embedder lends those in its
/// scratch buffer, a recording keeps a [copy](Self::into_owned).
///
/// To record, an embedder passes every input through [`Hub::handle`] and keeps a copy with its
/// `now`. [`Streams`](crate::hub::embed::Streams) calls the methods instead: an embedder that is
/// built on it cannot record yet.
///
/// Example: see [`Hub::handle`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A service has a new connection: [`Hub::accept`].
    Accept {
        /// Which service.
        service: ServiceId,
        /// The peer's address.
        peer: Address,
    },
    /// Bytes arrived: [`Hub::received`].
    Received {
        /// Which connection.
        conn: ConnId,
        /// The bytes that arrived, or the rest of those that were not all taken.
        bytes: Cow<'a, [u8]>,
    },
    /// The peer ended its side: [`Hub::eof`].
    Eof(ConnId),
    /// A stream broke: [`Hub::reset`].
    Reset(ConnId),
    /// Bytes were written: [`Hub::sent`].
    Sent {
        /// Which connection.
        conn: ConnId,
        /// How many.
        n: u64,
    },
    /// Bytes are taken, to be sent later: [`Hub::take_segments`].
    Take {
        /// Which connection.
        conn: ConnId,
        /// How many bytes at most.
        most: usize,
    },
    /// The answer to an [`Action::ReportUnacked`]: [`Hub::unacked`].
    Unacked {
        /// Which connection.
        conn: ConnId,
        /// How many bytes.
        n: u64,
    },
    /// A write failed: the stream takes no more bytes, ever: [`Hub::write_failed`].
    WriteFailed(ConnId),
    /// The connection of an [`Action::Connect`] is open: [`Hub::connected`].
    Connected(ConnId),
    /// The connection of an [`Action::Connect`] could not be made: [`Hub::connect_failed`].
    ConnectFailed {
        /// Which connection.
        conn: ConnId,
        /// Why not.
        why: ConnectErrorKind,
    },
    /// The answer to an [`Action::Resolve`]: [`Hub::resolved`].
    Resolved {
        /// Which look-up.
        job: JobId,
        /// The addresses, or why there are none.
        addresses: Result<Vec<SocketAddr>, ResolveErrorKind>,
    },
    /// The job of an [`Action::Job`] ended: [`Hub::completed`]. The value that it returned is not
    /// part of this input: [`Hub::handle`] runs the closure, if the job has not been taken. See
    /// [`job`](super::job#what-a-job-means-for-determinism).
    Completed {
        /// Which job.
        job: JobId,
        /// Whether it returned, or why not: [`JobOutcome::end`].
        end: Result<(), JobError>,
    },
    /// The answer to an [`Action::File`]: [`Hub::file_answered`].
    FileAnswered {
        /// Which request.
        job: JobId,
        /// What was asked for, or why there is none. A recording contains the bytes that were read.
        answer: Result<FileAnswer, FileErrorKind>,
    },
    /// The file region that comes first cannot be sent: [`Hub::region_failed`].
    RegionFailed {
        /// Which connection.
        conn: ConnId,
        /// Why not.
        why: FileErrorKind,
    },
    /// State shared with a connection's machine changed: [`Hub::wake`].
    Wake(ConnId),
    /// The time of day: [`Hub::time_of_day`].
    TimeOfDay {
        /// Seconds since 1970 (UTC).
        unix_seconds: u64,
    },
    /// The seed of the random numbers: [`Hub::seed`]. A recording contains it in clear.
    Seed(Seed),
    /// The embedder is out of file descriptors, or of something else that a connection holds:
    /// [`Hub::make_room`].
    MakeRoom,
    /// A graceful shutdown began: [`Hub::drain`].
    Drain {
        /// When it ends at the latest.
        deadline: Instant,
    },
    /// Time passed: [`Hub::run`].
    Run,
}

/// What a hub returns for an [`Input`].
///
/// Example: see [`Hub::handle`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing but the actions.
    Nothing,
    /// For [`Input::Accept`]: what [`Hub::accept`] returns.
    Accepted(Result<ConnId, Refused>),
    /// For [`Input::Received`]: how many bytes were taken. The rest must be offered again.
    Taken(usize),
    /// For [`Input::Sent`]: how many bytes are still queued.
    Left(u64),
    /// For [`Input::Take`]: the segments that were taken, oldest first.
    Segments(Vec<Bytes>),
    /// For [`Input::FileAnswered`]: whether the answer was awaited. If not, what was opened for it
    /// must be closed.
    Awaited(bool),
    /// For [`Input::MakeRoom`]: whether a connection was closed.
    MadeRoom(bool),
}

impl Input<'_> {
    /// The same input with owned bytes: they are copied if they were borrowed.
    pub fn into_owned(self) -> Input<'static> {
        match self {
            Input::Received { conn, bytes } => {
                Input::Received { conn, bytes: Cow::Owned(bytes.into_owned()) }
            }
            Input::Accept { service, peer } => Input::Accept { service, peer },
            Input::Eof(conn) => Input::Eof(conn),
            Input::Reset(conn) => Input::Reset(conn),
            Input::Sent { conn, n } => Input::Sent { conn, n },
            Input::Take { conn, most } => Input::Take { conn, most },
            Input::Unacked { conn, n } => Input::Unacked { conn, n },
            Input::WriteFailed(conn) => Input::WriteFailed(conn),
            Input::Connected(conn) => Input::Connected(conn),
            Input::ConnectFailed { conn, why } => Input::ConnectFailed { conn, why },
            Input::Resolved { job, addresses } => Input::Resolved { job, addresses },
            Input::Completed { job, end } => Input::Completed { job, end },
            Input::FileAnswered { job, answer } => Input::FileAnswered { job, answer },
            Input::RegionFailed { conn, why } => Input::RegionFailed { conn, why },
            Input::Wake(conn) => Input::Wake(conn),
            Input::TimeOfDay { unix_seconds } => Input::TimeOfDay { unix_seconds },
            Input::Seed(seed) => Input::Seed(seed),
            Input::MakeRoom => Input::MakeRoom,
            Input::Drain { deadline } => Input::Drain { deadline },
            Input::Run => Input::Run,
        }
    }

    /// The same input for another hub: its ids become ids of that hub, since a hub refuses ids of
    /// another. For a replay, where that hub got the same inputs and so gave out the same ids.
    pub fn for_hub(mut self, hub: &Hub) -> Self {
        let tag = hub.core.tag;
        match &mut self {
            Input::Accept { service, .. } => service.hub = tag,
            Input::Received { conn, .. }
            | Input::Eof(conn)
            | Input::Reset(conn)
            | Input::Sent { conn, .. }
            | Input::Take { conn, .. }
            | Input::Unacked { conn, .. }
            | Input::WriteFailed(conn)
            | Input::Connected(conn)
            | Input::ConnectFailed { conn, .. }
            | Input::RegionFailed { conn, .. }
            | Input::Wake(conn) => conn.hub = tag,
            Input::Resolved { job, .. }
            | Input::Completed { job, .. }
            | Input::FileAnswered { job, .. } => job.hub = tag,
            Input::TimeOfDay { .. }
            | Input::Seed(_)
            | Input::MakeRoom
            | Input::Drain { .. }
            | Input::Run => {}
        }
        self
    }
}

impl Hub {
    /// Handles an input: calls the method that [`Input`] names for it. Only [`Input::Run`] appends
    /// to `actions`. The outcome holds what the method returned.
    ///
    /// # Cost
    ///
    /// A match on top of the method. The methods do not call this, so an embedder that does not
    /// need values pays nothing.
    ///
    /// ```
    /// use diesel_proto::hub::{Input, Outcome};
    /// use diesel_proto::{Action, Address, Hub, Instant, LineEcho, Service};
    ///
    /// /// A hub that is set up like `live`.
    /// fn hub() -> Hub {
    ///     let mut hub = Hub::default();
    ///     hub.add_service(Service::machine(|_| LineEcho::default()));
    ///     hub
    /// }
    ///
    /// let mut live = Hub::default();
    /// let service = live.add_service(Service::machine(|_| LineEcho::default()));
    /// let (now, mut actions) = (Instant::ORIGIN, Vec::new());
    /// let mut recording = vec![Input::Accept { service, peer: Address::Unnamed }];
    /// let accepted = live.handle(now, recording[0].clone(), &mut actions);
    /// let Outcome::Accepted(Ok(conn)) = accepted else { panic!("{accepted:?}") };
    /// for input in [Input::Received { conn, bytes: b"hello\r\n".into() }, Input::Run] {
    ///     recording.push(input.clone().into_owned());
    ///     live.handle(now, input, &mut actions);
    /// }
    /// assert_eq!(actions, [Action::Send(conn)]);
    ///
    /// let (mut replayed, mut again) = (hub(), Vec::new());
    /// for input in recording {
    ///     let input = input.for_hub(&replayed);
    ///     replayed.handle(now, input, &mut again);
    /// }
    /// assert_eq!(again, actions);
    /// ```
    pub fn handle(&mut self, now: Instant, input: Input<'_>, actions: &mut Vec<Action>) -> Outcome {
        match input {
            Input::Accept { service, peer } => {
                return Outcome::Accepted(self.accept(now, service, peer));
            }
            Input::Received { conn, bytes } => {
                return Outcome::Taken(self.received(now, conn, &bytes));
            }
            Input::Sent { conn, n } => return Outcome::Left(self.sent(now, conn, n)),
            Input::Take { conn, most } => {
                let mut segments = Vec::new();
                self.take_segments(now, conn, most, &mut segments);
                return Outcome::Segments(segments);
            }
            Input::FileAnswered { job, answer } => {
                return Outcome::Awaited(self.file_answered(now, job, answer));
            }
            Input::MakeRoom => return Outcome::MadeRoom(self.make_room(now)),
            Input::Eof(conn) => self.eof(now, conn),
            Input::Reset(conn) => self.reset(now, conn),
            Input::Unacked { conn, n } => self.unacked(now, conn, n),
            Input::WriteFailed(conn) => self.write_failed(now, conn),
            Input::Connected(conn) => self.connected(now, conn),
            Input::ConnectFailed { conn, why } => self.connect_failed(now, conn, why),
            Input::RegionFailed { conn, why } => self.region_failed(now, conn, why),
            Input::Resolved { job, addresses } => self.resolved(now, job, addresses),
            Input::Completed { job, end } => {
                let outcome = match end {
                    Ok(()) => self.take_job(job).map_or(JobError::Dropped.into(), Job::run),
                    Err(error) => error.into(),
                };
                self.completed(now, job, outcome);
            }
            Input::Wake(conn) => self.wake(now, conn),
            Input::TimeOfDay { unix_seconds } => self.time_of_day(now, unix_seconds),
            Input::Seed(seed) => self.seed(seed),
            Input::Drain { deadline } => self.drain(now, deadline),
            Input::Run => self.run(now, actions),
        }
        Outcome::Nothing
    }
}
