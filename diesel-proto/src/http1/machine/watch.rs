//! What is waited for of the client, since when, and until when.
//!
//! It must never know what happens when it does not come.

use crate::http1::{Deadlines, ServerConnection};
use crate::{Actions, Instant, Reason};

/// What is waited for. Another thing is waited for anew.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Watch {
    waiting: Waiting,
    since: Instant,
    /// How many bytes had been sent then, where that matters.
    sent: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For nothing: it is our turn, or we do not read.
    #[default]
    No,
    Request,
    Head,
    Body,
    /// For our own answer: the client has ended its side.
    Answer,
}

impl Waiting {
    pub(super) fn of(connection: &ServerConnection, is_read: bool, is_awaited: bool) -> Self {
        match connection {
            _ if is_awaited => Waiting::Answer,
            // Who is not read cannot be late.
            _ if !is_read => Waiting::No,
            connection if connection.is_in_head() => Waiting::Head,
            connection if connection.is_in_body() => Waiting::Body,
            connection if connection.is_idle() => Waiting::Request,
            _ => Waiting::No,
        }
    }
}

impl Watch {
    /// Something of it came. A head has to be complete in time, however steadily it dribbles.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.waiting == Waiting::Body {
            self.since = now;
        }
    }

    /// What was waited for came: the next is waited for anew.
    pub(super) fn restart(&mut self) {
        self.waiting = Waiting::No;
    }

    /// Whether a client that has ended its side waits for an answer.
    pub(super) fn is_for_answer(&self) -> bool {
        self.waiting == Waiting::Answer
    }

    /// Whether the client took something since this was last asked, or since the wait began: then it
    /// begins anew.
    pub(super) fn has_progressed(&mut self, now: Instant, actions: &Actions<'_>) -> bool {
        let sent = sent(actions);
        let has_progressed = sent > self.sent;
        (self.since, self.sent) = (now, sent);
        has_progressed
    }

    /// Sets the deadline for what is waited for now.
    pub(super) fn settle(
        &mut self,
        waiting: Waiting,
        now: Instant,
        deadlines: &Deadlines,
        actions: &mut Actions<'_>,
    ) {
        if waiting != self.waiting {
            let sent = if waiting == Waiting::Answer { sent(actions) } else { 0 };
            *self = Watch { waiting, since: now, sent };
        }
        let (after, reason) = match waiting {
            Waiting::No => (None, Reason::KeepAlive),
            Waiting::Request => (Some(deadlines.keep_alive), Reason::KeepAlive),
            Waiting::Head => (Some(deadlines.head), Reason::Head),
            Waiting::Body => (Some(deadlines.body_idle), Reason::BodyIdle),
            Waiting::Answer => (deadlines.half_close, Reason::HalfClose),
        };
        match after {
            Some(after) => actions.set_deadline(self.since + after, reason),
            None => actions.clear_deadline(),
        }
    }
}

/// How many bytes of what was queued are sent.
fn sent(actions: &Actions<'_>) -> u64 {
    actions.queued_in_all().saturating_sub(actions.queued())
}
