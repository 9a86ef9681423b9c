//! What can happen to a hub, as a value: the closed list of inputs, and what the hub answers.
//!
//! A recording is a list of these, each with its `now`; replayed through a hub that was set up alike,
//! it gives the same answers and the same actions, byte for byte.
//!
//! It must never know what an input does: that is with the method of the same name.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::Bytes;

use super::action::Action;
use super::id::{ConnId, ServiceId};
use super::{Hub, Refused, Seed};
use crate::machine::{Address, ConnectErrorKind};
use crate::time::Instant;

/// One input of a hub, for [`Hub::handle`]. Each stands for the method that its documentation names.
///
/// The bytes of [`Received`](Self::Received) are borrowed or owned: an embedder lends those in its
/// scratch buffer, a recording [keeps](Self::into_owned) its own.
///
/// To record, an embedder passes every input through [`Hub::handle`] and keeps a copy with its `now`.
/// [`Streams`](crate::hub::embed::Streams) calls the methods instead: an embedder that stands on it
/// cannot record yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A service has a new connection: [`Hub::accept`].
    Accept {
        /// Which service.
        service: ServiceId,
        /// The other side's address.
        peer: Address,
    },
    /// A stream brought bytes: [`Hub::received`].
    Received {
        /// Which connection.
        conn: ConnId,
        /// The bytes, or what was left of them.
        bytes: Cow<'a, [u8]>,
    },
    /// The peer will send no more: [`Hub::eof`].
    Eof(ConnId),
    /// A stream broke: [`Hub::reset`].
    Reset(ConnId),
    /// A stream took bytes: [`Hub::sent`].
    Sent {
        /// Which connection.
        conn: ConnId,
        /// How many.
        n: u64,
    },
    /// Bytes are taken to be sent later: [`Hub::take_segments`].
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
    /// A stream takes no more bytes, ever: [`Hub::write_failed`].
    WriteFailed(ConnId),
    /// What an [`Action::Connect`] asked for is there: [`Hub::connected`].
    Connected(ConnId),
    /// What an [`Action::Connect`] asked for could not be made: [`Hub::connect_failed`].
    ConnectFailed {
        /// Which connection.
        conn: ConnId,
        /// Why not.
        why: ConnectErrorKind,
    },
    /// State shared with a connection's machine changed: [`Hub::wake`].
    Wake(ConnId),
    /// The time of day: [`Hub::time_of_day`].
    TimeOfDay {
        /// Seconds since 1970 (UTC).
        unix_seconds: u64,
    },
    /// What random numbers follow from: [`Hub::seed`]. A recording has it in clear.
    Seed(Seed),
    /// The embedder lacks what a connection holds: [`Hub::make_room`].
    MakeRoom,
    /// An orderly shutdown began: [`Hub::drain`].
    Drain {
        /// When it ends at the latest.
        deadline: Instant,
    },
    /// Time passed: [`Hub::run`].
    Run,
}

/// What a hub answers to an [`Input`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing beyond the actions.
    Nothing,
    /// To [`Input::Accept`]: what [`Hub::accept`] returns.
    Accepted(Result<ConnId, Refused>),
    /// To [`Input::Received`]: how many bytes were taken. The rest must be offered again.
    Taken(usize),
    /// To [`Input::Sent`]: how many bytes are still queued.
    Left(u64),
    /// To [`Input::Take`]: what was taken, oldest first.
    Segments(Vec<Bytes>),
    /// To [`Input::MakeRoom`]: whether a connection was closed.
    MadeRoom(bool),
}

impl Input<'_> {
    /// The same input, with bytes of its own: they are copied if they were borrowed.
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
            Input::Wake(conn) => Input::Wake(conn),
            Input::TimeOfDay { unix_seconds } => Input::TimeOfDay { unix_seconds },
            Input::Seed(seed) => Input::Seed(seed),
            Input::MakeRoom => Input::MakeRoom,
            Input::Drain { deadline } => Input::Drain { deadline },
            Input::Run => Input::Run,
        }
    }

    /// The same input for another hub, whose names these become: a hub refuses those of another.
    /// For a replay, where that hub has been told the same and so gave the same names.
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
            | Input::Wake(conn) => conn.hub = tag,
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
    /// Something happened: the one entry under which the methods named by [`Input`] are shorthands.
    /// What is to be done is appended to `actions`, by [`Input::Run`] alone; what the method would
    /// have returned is the outcome.
    ///
    /// # Cost
    ///
    /// A match on top of the method. The methods do not come through here, so an embedder that does
    /// not need values loses nothing.
    ///
    /// ```
    /// use diesel_proto::hub::{Input, Outcome};
    /// use diesel_proto::{Action, Address, Hub, Instant, LineEcho, Service};
    ///
    /// /// A hub that was set up in one way.
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
            Input::MakeRoom => return Outcome::MadeRoom(self.make_room(now)),
            Input::Eof(conn) => self.eof(now, conn),
            Input::Reset(conn) => self.reset(now, conn),
            Input::Unacked { conn, n } => self.unacked(now, conn, n),
            Input::WriteFailed(conn) => self.write_failed(now, conn),
            Input::Connected(conn) => self.connected(now, conn),
            Input::ConnectFailed { conn, why } => self.connect_failed(now, conn, why),
            Input::Wake(conn) => self.wake(now, conn),
            Input::TimeOfDay { unix_seconds } => self.time_of_day(now, unix_seconds),
            Input::Seed(seed) => self.seed(seed),
            Input::Drain { deadline } => self.drain(now, deadline),
            Input::Run => self.run(now, actions),
        }
        Outcome::Nothing
    }
}
