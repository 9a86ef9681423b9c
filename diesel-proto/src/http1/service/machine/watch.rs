//! Timeouts: what the connection waits for, since when, and until when.
//!
//! It must never know what happens when a timeout expires.

use core::time::Duration;

use crate::http1::connection::SharedServerConnection;
use crate::http1::syntax::Deadlines;
use crate::machine::{Actions, Reason};
use crate::time::Instant;

/// What the connection waits for. The time restarts when that changes.
///
/// Every idle connection has one: what matters only while something is in progress is in
/// [`Clocks`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClientWatch {
    waiting: WaitingFor,
    /// The deadline that was set last is that of a body as a whole.
    is_for_rate: bool,
    since: Instant,
}

/// What is measured while a request or its response is in progress.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clocks {
    /// How many bytes had been sent at that time, where that matters.
    sent: u64,
    body: BodyClock,
}

/// How long a body was waited for as a whole, and how many bytes of it arrived.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct BodyClock {
    waited: Duration,
    /// The time up to which `waited` is counted.
    as_of: Instant,
    bytes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// For nothing: the server has to act, or reading is paused.
    #[default]
    No,
    Request,
    Head,
    Body,
    /// For the response of the server, after a half-close by the client.
    Answer,
}

impl WaitingFor {
    pub(super) fn of(connection: &SharedServerConnection, is_read: bool, is_awaited: bool) -> Self {
        match connection {
            _ if is_awaited => WaitingFor::Answer,
            // No read deadline applies while reading is paused.
            _ if !is_read => WaitingFor::No,
            connection if connection.is_in_head() => WaitingFor::Head,
            connection if connection.is_in_body() => WaitingFor::Body,
            connection if connection.is_idle() => WaitingFor::Request,
            _ => WaitingFor::No,
        }
    }
}

impl ClientWatch {
    /// Records that `n` bytes of a body arrived, which renews its idle timeout. The timeout of a
    /// head is not renewed.
    pub(super) fn body_received(&mut self, clocks: &mut Clocks, now: Instant, n: usize) {
        clocks.body.bytes = clocks.body.bytes.saturating_add(n as u64);
        if self.waiting == WaitingFor::Body {
            self.since = now;
        }
    }

    /// Restarts the time, because what was waited for has arrived.
    pub(super) fn restart(&mut self) {
        self.waiting = WaitingFor::No;
    }

    /// Whether the current deadline is that of a body as a whole.
    pub(super) fn is_for_rate(&self) -> bool {
        self.is_for_rate
    }

    /// Whether a client that has half-closed waits for a response.
    pub(super) fn is_for_answer(&self) -> bool {
        self.waiting == WaitingFor::Answer
    }

    /// Whether the client read some of the response since the last call, or since the wait began.
    /// Restarts the time.
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

    /// Sets the deadline for what the connection waits for now.
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
    /// Begins a body. The rest of it after its response still counts as the same body.
    pub(super) fn begin_body(&mut self) {
        self.body = BodyClock::default();
    }
}

impl BodyClock {
    /// The time left for the body as a whole, given the bytes that arrived. `None`: unlimited.
    fn left(&self, deadlines: &Deadlines) -> Option<Duration> {
        let rate = u64::from(deadlines.body_rate);
        let for_bytes = self.bytes.saturating_mul(1000).checked_div(rate)?;
        let may = deadlines.body.saturating_add(Duration::from_millis(for_bytes));
        Some(may.saturating_sub(self.waited))
    }
}

/// How many of the queued bytes have been sent.
fn sent(actions: &Actions<'_>) -> u64 {
    actions.queued_in_all().saturating_sub(actions.queued())
}
