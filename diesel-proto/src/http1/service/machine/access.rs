//! Entries of the access log.

use alloc::boxed::Box;

use super::super::heads::Head;
use crate::hub::MachineCtx;
use crate::machine::{Access, Actions};
use crate::time::Instant;

/// An entry of the access log, completed when the request has been answered.
pub(super) struct AccessEntry {
    pub(super) access: Box<Access>,
    pub(super) queued: u64,
}

impl AccessEntry {
    pub(super) fn new(head: &Head, ctx: &MachineCtx, now: Instant, actions: &Actions<'_>) -> Self {
        let view = head.spans.kept();
        let access = Access {
            peer: ctx.peer(),
            method: view.method().into(),
            target: view.target_text().into(),
            status: 0,
            sent: 0,
            began: now,
        };
        AccessEntry { access: Box::new(access), queued: actions.queued_in_all() }
    }

    /// An entry for bytes that were refused before they formed a request.
    pub(super) fn of_nothing(ctx: &MachineCtx, now: Instant, actions: &Actions<'_>) -> Self {
        let mut entry = AccessEntry::new(&Head::new(), ctx, now, actions);
        entry.access.method = "-".into();
        entry.access.target = "-".into();
        entry
    }
}
