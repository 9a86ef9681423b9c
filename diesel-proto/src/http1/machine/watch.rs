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
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Waiting {
    /// For nothing: it is our turn, or we do not read.
    #[default]
    No,
    Request,
    Head,
    Body,
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

    /// Sets the deadline that follows from where things are.
    pub(super) fn settle(
        &mut self,
        connection: &ServerConnection,
        is_read: bool,
        now: Instant,
        deadlines: &Deadlines,
        actions: &mut Actions<'_>,
    ) {
        let waiting = match connection {
            // Who is not read cannot be late.
            _ if !is_read => Waiting::No,
            connection if connection.is_in_head() => Waiting::Head,
            connection if connection.is_in_body() => Waiting::Body,
            connection if connection.is_idle() => Waiting::Request,
            _ => Waiting::No,
        };
        if waiting != self.waiting {
            *self = Watch { waiting, since: now };
        }
        let (after, reason) = match waiting {
            Waiting::No => return actions.clear_deadline(),
            Waiting::Request => (deadlines.keep_alive, Reason::KeepAlive),
            Waiting::Head => (deadlines.head, Reason::Head),
            Waiting::Body => (deadlines.body_idle, Reason::BodyIdle),
        };
        actions.set_deadline(self.since + after, reason);
    }
}
