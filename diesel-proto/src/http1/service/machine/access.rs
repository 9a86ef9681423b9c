//! Entries of the access log.

use alloc::boxed::Box;

use super::super::heads::Head;
use crate::hub::MachineCtx;
use crate::machine::{Access, Actions};
use crate::time::Instant;

/// An entry of the access log, completed when the request has been answered.
pub(super) struct AccessEntry {
    /// Its `sent` is where the queue ended when the request began, until the response is complete.
    access: Box<Access>,
}

impl AccessEntry {
    pub(super) fn new(head: &Head, ctx: &MachineCtx, now: Instant, actions: &Actions<'_>) -> Self {
        let view = head.spans.kept();
        let access = Access {
            peer: ctx.peer(),
            method: view.method().into(),
            target: view.target_text().into(),
            status: 0,
            sent: actions.queued_in_all(),
            began: now,
        };
        AccessEntry { access: Box::new(access) }
    }

    /// An entry for bytes that were refused before they formed a request.
    pub(super) fn of_nothing(ctx: &MachineCtx, now: Instant, actions: &Actions<'_>) -> Self {
        let mut entry = AccessEntry::new(&Head::new(), ctx, now, actions);
        entry.access.method = "-".into();
        entry.access.target = "-".into();
        entry
    }

    /// Zero until the head of the response is sent.
    pub(super) fn status(&self) -> u16 {
        self.access.status
    }

    pub(super) fn set_status(&mut self, status: u16) {
        self.access.status = status;
    }

    /// The response is complete, or cut.
    pub(super) fn complete(mut self, actions: &Actions<'_>) -> Box<Access> {
        self.access.sent = actions.queued_in_all().saturating_sub(self.access.sent);
        self.access
    }
}
