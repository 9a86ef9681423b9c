//! [`Parked`]: what a connection holds while it only waits for the stream of a response.
//!
//! ```text
//!   Active ──park, at the end of a step──▶ Parked
//!          ◀─resume, at the next input────
//! ```
//!
//! There may be ten thousand streams of events, hardly any of which has something to do. Their
//! connections give the memory for reading back to the service, as idle ones do.
//!
//! It must never know what is streamed.

use alloc::boxed::Box;

use super::access::AccessEntry;
use super::active::{Active, RequestTask};
use super::work::{Work, WorkState};
use crate::buf::Blocks;
use crate::http1::connection::{Resting, Writing};

pub(super) struct Parked {
    work: Work,
    writing: Writing,
    entry: Option<AccessEntry>,
    complete: u64,
}

impl Parked {
    /// Takes the state out of `active`, if the request has arrived whole, its response is a stream, and
    /// nothing is buffered. Then another connection may use `active`.
    pub(super) fn park(active: &mut Active, blocks: &mut Blocks) -> Option<(Resting, Box<Self>)> {
        let RequestTask::Work(work) = &active.task else { return None };
        if !matches!(work.run, WorkState::Stream(_)) || !active.ahead.is_empty() {
            return None;
        }
        let (resting, writing) = active.connection.rest_writing(blocks)?;
        let RequestTask::Work(work) = core::mem::take(&mut active.task) else { return None };
        let (entry, complete) = (active.entry.take(), active.complete);
        Some((resting, Box::new(Parked { work, writing, entry, complete })))
    }

    /// Puts the state into an `active` of the same service.
    pub(super) fn resume(self, resting: Resting, mut active: Box<Active>) -> Box<Active> {
        active.connection.resume_writing(resting, self.writing);
        active.task = RequestTask::Work(self.work);
        (active.entry, active.complete) = (self.entry, self.complete);
        active
    }

    /// Takes out the stream, to be dropped.
    #[must_use = "drop it as user code"]
    pub(super) fn stop(mut self) -> WorkState {
        self.work.stop()
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.work.held()
    }
}
