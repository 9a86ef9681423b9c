//! What the hub's table of look-ups and jobs holds.
//!
//! It must never know how the table is used.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::Waker;

use super::job::{Job, JobOutcome};
use crate::machine::ResolveErrorKind;

pub(super) struct JobEntry {
    pub(super) state: JobState,
    pub(super) waker: Option<Waker>,
}

pub(super) enum JobState {
    /// A name is being resolved.
    Resolving,
    /// A job that the embedder has not taken yet.
    Ready(Job),
    /// A job that the embedder has taken.
    Taken,
    Answered(JobAnswer),
}

/// The embedder's answer.
pub(crate) enum JobAnswer {
    Addresses(Result<Vec<SocketAddr>, ResolveErrorKind>),
    Outcome(JobOutcome),
}
