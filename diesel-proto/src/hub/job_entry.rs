//! What the hub's table of look-ups, jobs and requests for files holds.
//!
//! It must never know how the table is used.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::Waker;

use super::job::{Job, JobOutcome};
use crate::machine::{FileAnswer, FileErrorKind, FileId, ResolveErrorKind};

pub(super) struct JobEntry {
    pub(super) state: JobState,
    pub(super) kind: JobKind,
    pub(super) waker: Option<Waker>,
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    /// The addresses of a name.
    Name,
    /// The result of a closure.
    Closure,
    /// A part of a file, or the entries of a directory.
    File,
    /// To open a file, which has this id then.
    Open(FileId),
}

pub(super) enum JobState {
    /// A question without a closure was asked.
    Asked,
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
    File(Result<FileAnswer, FileErrorKind>),
}
