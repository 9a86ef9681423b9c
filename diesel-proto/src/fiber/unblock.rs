//! [`Unblock`]: waits for a closure that runs where it may block.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::asking::Asking;
use crate::hub::{Core, JobAnswer};
use crate::machine::{Error, JobError};

/// Waits for a closure that runs outside of the hub. Made by
/// [`Ctx::unblock`](super::ctx::Ctx::unblock). Polled again after it is done, it fails with
/// [`Error::AlreadyDone`].
///
/// Example: see [`Ctx::unblock`](super::ctx::Ctx::unblock).
#[must_use = "futures do nothing unless awaited"]
pub struct Unblock<F, T> {
    asking: Asking,
    /// The closure, until it is handed over.
    run: Option<F>,
    result: PhantomData<fn() -> T>,
}

impl<F, T> Unblock<F, T> {
    pub(super) fn new(core: Rc<Core>, run: F) -> Self {
        Unblock { asking: Asking::new(core, false), run: Some(run), result: PhantomData }
    }
}

/// The closure is moved out before it is used, and never polled.
impl<F, T> Unpin for Unblock<F, T> {}

impl<F, T> Future for Unblock<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Unblock { asking, run, .. } = &mut *self;
        let ask = |core: &Core| Ok(core.ask_job(run.take().ok_or(Error::AlreadyDone)?)?);
        asking.poll(cx, ask).map(|answer| match answer? {
            Some(JobAnswer::Outcome(outcome)) => outcome.into_value().map_err(Error::Job),
            _ => Err(Error::Job(JobError::Dropped)),
        })
    }
}

impl<F, T> fmt::Debug for Unblock<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unblock")
    }
}
