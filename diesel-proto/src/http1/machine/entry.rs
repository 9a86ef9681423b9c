//! An entry of the access log.

use alloc::boxed::Box;

use crate::http1::request::Head;
use crate::{Access, Actions, Instant, Seat};

/// An entry of the access log, to be completed.
pub(super) struct Entry {
    pub(super) access: Box<Access>,
    pub(super) queued: u64,
}

impl Entry {
    pub(super) fn new(head: &Head, seat: &Seat, now: Instant, actions: &Actions<'_>) -> Self {
        let view = head.spans.kept();
        let access = Access {
            peer: seat.peer(),
            method: view.method().into(),
            target: view.target_text().into(),
            status: 0,
            sent: 0,
            began: now,
        };
        Entry { access: Box::new(access), queued: actions.queued_in_all() }
    }

    /// Of what was refused before it was a request.
    pub(super) fn of_nothing(seat: &Seat, now: Instant, actions: &Actions<'_>) -> Self {
        let mut entry = Entry::new(&Head::new(), seat, now, actions);
        entry.access.method = "-".into();
        entry.access.target = "-".into();
        entry
    }
}
