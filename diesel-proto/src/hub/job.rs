//! [`Job`]: work that blocks, and so runs outside of the hub, in a thread of the embedder; and
//! [`JobOutcome`], what it returns.
//!
//! # What a job means for determinism
//!
//! Everything else in a hub follows from its inputs. A job does not: it may read a file, a clock, or
//! what another thread writes. Its result is an input ([`Hub::completed`](super::Hub::completed)),
//! and what the hub makes of it is deterministic again.
//!
//! A result is a value of any type, so that a recording cannot hold it. As a value,
//! [`Input::Completed`](super::Input::Completed) says only *when* the job ended, and whether it
//! failed. A replay runs the closure itself, at that point. So the replay of a job that computes
//! from what it captured is exact, while one that reads something else may return something else;
//! determinism ends there, as with a future that waits for something outside of the hub.
//!
//! It must never know where jobs run.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;

use crate::machine::JobError;

/// The result of a job, of any type.
type Output = Box<dyn Any + Send>;

/// A closure that a fiber wants to be run where it may block: see
/// [`Ctx::unblock`](crate::fiber::Ctx::unblock). An embedder [takes](super::Hub::take_job) it out of
/// the hub, runs it in any thread, and passes the outcome to
/// [`completed`](super::Hub::completed).
///
/// Example: see [`Hub::take_job`](super::Hub::take_job).
#[must_use = "the fiber waits until it is run, and the outcome is reported"]
pub struct Job(Box<dyn FnOnce() -> Output + Send>);

impl Job {
    pub(super) fn new<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Self {
        Job(Box::new(move || Box::new(run())))
    }

    /// Runs it, for as long as it takes.
    ///
    /// With the feature `std`, a panic of the closure is caught, and is the outcome. (The panic hook
    /// has reported it.) Otherwise it unwinds through this call; then report a
    /// [`JobError::Panicked`].
    pub fn run(self) -> JobOutcome {
        #[cfg(feature = "std")]
        return JobOutcome(super::panics::caught(self.0).ok_or(JobError::Panicked));
        #[cfg(not(feature = "std"))]
        JobOutcome(Ok((self.0)()))
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// What a [`Job`] returned, or why it did not. May be sent between threads.
///
/// Example: see [`Hub::take_job`](super::Hub::take_job).
pub struct JobOutcome(Result<Output, JobError>);

impl JobOutcome {
    /// The outcome of a job that returned `value`: for a test that answers in place of the job. If
    /// the fiber expects another type, it gets [`JobError::Dropped`].
    pub fn of<T: Send + 'static>(value: T) -> Self {
        JobOutcome(Ok(Box::new(value)))
    }

    /// Whether the job returned, or why not: what a recording keeps of it, for
    /// [`Input::Completed`](super::Input::Completed).
    pub fn end(&self) -> Result<(), JobError> {
        self.0.as_ref().map(drop).map_err(|error| *error)
    }

    /// The value, if it has this type.
    pub(crate) fn into_value<T: 'static>(self) -> Result<T, JobError> {
        self.0?.downcast().map(|value| *value).map_err(|_| JobError::Dropped)
    }
}

impl From<JobError> for JobOutcome {
    fn from(error: JobError) -> Self {
        JobOutcome(Err(error))
    }
}

impl fmt::Debug for JobOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobOutcome").field(&self.end()).finish()
    }
}
