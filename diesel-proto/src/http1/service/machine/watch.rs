//! What is waited for of the client, since when, and until when.
//!
//! It must never know what happens when it does not come.

use core::time::Duration;

use crate::http1::connection::SharedServerConnection;
use crate::http1::syntax::Deadlines;
use crate::machine::{Actions, Reason};
use crate::time::Instant;

/// What is waited for. Another thing is waited for anew.
///
/// Every idle connection has one: what matters only while something is under way is in [`Clocks`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClientWatch {
    waiting: WaitingFor,
    /// The deadline that was set last is that of a body as a whole.
    is_for_rate: bool,
    since: Instant,
}

/// What is measured while a request or its answer is under way.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clocks {
    /// How many bytes had been sent when the wait for an answer began, or was last looked at.
    sent: u64,
    body: BodyClock,
}

/// How long a body was waited for as a whole, and how much of it came.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct BodyClock {
    waited: Duration,
    /// Up to here that is counted.
    as_of: Instant,
    bytes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// For nothing: it is our turn, or we do not read.
    #[default]
    No,
    Request,
    Head,
    Body,
    /// For our own answer: the client has ended its side.
    Answer,
}

impl WaitingFor {
    pub(super) fn of(connection: &SharedServerConnection, is_read: bool, is_awaited: bool) -> Self {
        match connection {
            _ if is_awaited => WaitingFor::Answer,
            // Who is not read cannot be late.
            _ if !is_read => WaitingFor::No,
            connection if connection.is_in_head() => WaitingFor::Head,
            connection if connection.is_in_body() => WaitingFor::Body,
            connection if connection.is_idle() => WaitingFor::Request,
            _ => WaitingFor::No,
        }
    }
}

impl ClientWatch {
    /// Something of it came. A head has to be complete in time, however steadily it dribbles.
    pub(super) fn heard(&mut self, clocks: &mut Clocks, now: Instant, n: usize) {
        clocks.body.bytes = clocks.body.bytes.saturating_add(n as u64);
        if self.waiting == WaitingFor::Body {
            self.since = now;
        }
    }

    /// What was waited for came: the next is waited for anew.
    pub(super) fn restart(&mut self) {
        self.waiting = WaitingFor::No;
    }

    /// Whether the deadline that was set last is that of a body as a whole.
    pub(super) fn is_for_rate(&self) -> bool {
        self.is_for_rate
    }

    /// Whether a client that has ended its side waits for an answer.
    pub(super) fn is_for_answer(&self) -> bool {
        self.waiting == WaitingFor::Answer
    }

    /// Whether the client took something since this was last asked, or since the wait began: then it
    /// begins anew.
    pub(super) fn has_progressed(
        &mut self,
        clocks: &mut Clocks,
        now: Instant,
        actions: &Actions<'_>,
    ) -> bool {
        let sent = sent(actions);
        let has_progressed = sent > clocks.sent;
        (self.since, clocks.sent) = (now, sent);
        has_progressed
    }

    /// Sets the deadline for what is waited for now.
    pub(super) fn set_deadline(
        &mut self,
        clocks: &mut Clocks,
        waiting: WaitingFor,
        now: Instant,
        deadlines: &Deadlines,
        actions: &mut Actions<'_>,
    ) {
        if self.waiting == WaitingFor::Body {
            clocks.body.waited = clocks.body.waited.saturating_add(now - clocks.body.as_of);
        }
        clocks.body.as_of = now;
        if waiting != self.waiting {
            clocks.sent = if waiting == WaitingFor::Answer { sent(actions) } else { 0 };
            (self.waiting, self.since) = (waiting, now);
        }
        let (after, reason) = match waiting {
            WaitingFor::No => (None, Reason::KeepAlive),
            WaitingFor::Request => (Some(deadlines.keep_alive), Reason::KeepAlive),
            WaitingFor::Head => (Some(deadlines.head), Reason::Head),
            WaitingFor::Body => (Some(deadlines.body_idle), Reason::BodyIdle),
            WaitingFor::Answer => (deadlines.half_close, Reason::HalfClose),
        };
        let mut deadline = after.map(|after| (self.since + after, reason));
        if let (WaitingFor::Body, Some(left)) = (waiting, clocks.body.left(deadlines)) {
            let whole = (now + left, Reason::BodyRate);
            deadline = deadline.filter(|&(at, _)| at <= whole.0).or(Some(whole));
        }
        self.is_for_rate = deadline.is_some_and(|(_, reason)| reason == Reason::BodyRate);
        match deadline {
            Some((at, reason)) => actions.set_deadline(at, reason),
            None => actions.clear_deadline(),
        }
    }
}

impl Clocks {
    /// A body begins. What is left of it behind its answer is still the same one.
    pub(super) fn begin_body(&mut self) {
        self.body = BodyClock::default();
    }
}

impl BodyClock {
    /// How long the body may still take as a whole, given what came of it. `None`: as it likes.
    fn left(&self, deadlines: &Deadlines) -> Option<Duration> {
        let rate = u64::from(deadlines.body_rate);
        let for_bytes = self.bytes.saturating_mul(1000).checked_div(rate)?;
        let may = deadlines.body.saturating_add(Duration::from_millis(for_bytes));
        Some(may.saturating_sub(self.waited))
    }
}

/// How many bytes of what was queued are sent.
fn sent(actions: &Actions<'_>) -> u64 {
    actions.queued_in_all().saturating_sub(actions.queued())
}
