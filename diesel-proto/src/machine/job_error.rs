//! [`JobError`]: why a job has no result.

use core::fmt;

/// Why a [job](crate::fiber::Ctx::unblock) has no result.
///
/// ```
/// use diesel_proto::JobError;
///
/// assert_eq!(JobError::Unsupported.to_string(), "jobs are not supported here");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobError {
    /// Its closure panicked.
    Panicked,
    /// The embedder runs no jobs.
    Unsupported,
    /// There is no thread to run it, and none can be started.
    OutOfResources,
    /// The embedder dropped it before it ran, or lost its result.
    Dropped,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobError::Panicked => "the job panicked",
            JobError::Unsupported => "jobs are not supported here",
            JobError::OutOfResources => "there is no thread for the job",
            JobError::Dropped => "the job was dropped before it ran",
        })
    }
}

impl core::error::Error for JobError {}
