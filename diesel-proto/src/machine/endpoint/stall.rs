//! [`WriteStall`]: how long a stream may take nothing.
//!
//! It must never know how bytes are written.

use core::time::Duration;

use super::Endpoint;
use crate::machine::{Cause, Deadline, Machine, Reason};
use crate::time::Instant;

/// A deadline that every write which takes something puts off.
#[derive(Debug)]
pub(super) struct WriteStall {
    limit: Duration,
    /// Since when the stream takes nothing.
    since: Option<Instant>,
}

impl WriteStall {
    /// As of a connection in a hub.
    const LIMIT: Duration = Duration::from_secs(60);

    pub(super) fn new() -> Self {
        WriteStall { limit: Self::LIMIT, since: None }
    }

    /// Zero switches the deadline off.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// There are bytes that the stream has not taken.
    pub(super) fn waits(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The stream has taken some, or will take no more.
    pub(super) fn ends(&mut self) {
        self.since = None;
    }

    /// The deadline, or that of the machine if it comes first.
    pub(super) fn next_deadline<M: Machine>(&self, endpoint: &Endpoint<M>) -> Option<Deadline> {
        let own = self.since.filter(|_| !self.limit.is_zero());
        let own = own.map(|since| Deadline { at: since + self.limit, reason: Reason::WriteStall });
        let machine = endpoint.next_deadline();
        own.into_iter().chain(machine).min_by_key(|deadline| deadline.at)
    }

    /// Time has passed: for the machine, and for the stream, which is cut if it was too long.
    pub(super) fn expired<M: Machine>(&mut self, now: Instant, endpoint: &mut Endpoint<M>) {
        endpoint.expired(now);
        if !self.limit.is_zero() && self.since.is_some_and(|since| now >= since + self.limit) {
            self.ends();
            endpoint.cut(now, Cause::TimedOut(Reason::WriteStall));
        }
    }
}
