//! [`Unblock`]: waits for a closure that runs where it may block.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use crate::hub::{Core, JobAnswer};
use crate::machine::{Error, JobError, JobId};

/// Waits for a closure that runs outside of the hub. Made by
/// [`Ctx::unblock`](super::ctx::Ctx::unblock). Polled again after it is done, it fails with
/// [`Error::AlreadyDone`].
///
/// Example: see [`Ctx::unblock`](super::ctx::Ctx::unblock).
#[must_use = "futures do nothing unless awaited"]
pub struct Unblock<F, T> {
    core: Rc<Core>,
    stage: UnblockStage<F>,
    result: PhantomData<fn() -> T>,
}

enum UnblockStage<F> {
    New(F),
    Asked(JobId),
    Done,
}

impl<F, T> Unblock<F, T> {
    pub(super) fn new(core: Rc<Core>, run: F) -> Self {
        Unblock { core, stage: UnblockStage::New(run), result: PhantomData }
    }
}

impl<F, T> Unblock<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let core = Rc::clone(&self.core);
        if let UnblockStage::New(_) = self.stage {
            if core.forbids_waiting(core.now.get()) {
                return Poll::Ready(Err(Error::Shutdown));
            }
            let stage = core::mem::replace(&mut self.stage, UnblockStage::Done);
            if let UnblockStage::New(run) = stage {
                self.stage = UnblockStage::Asked(core.ask_job(run)?);
            }
        }
        let UnblockStage::Asked(job) = self.stage else {
            return Poll::Ready(Err(Error::AlreadyDone));
        };
        match core.poll_job(job, cx) {
            Poll::Ready(answer) => {
                self.stage = UnblockStage::Done;
                Poll::Ready(match answer {
                    Some(JobAnswer::Outcome(outcome)) => outcome.into_value().map_err(Error::Job),
                    _ => Err(Error::Job(JobError::Dropped)),
                })
            }
            Poll::Pending if core.forbids_waiting(core.now.get()) => {
                Poll::Ready(Err(Error::Shutdown))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn end(&mut self) {
        if let UnblockStage::Asked(job) = core::mem::replace(&mut self.stage, UnblockStage::Done) {
            self.core.forget_job(job);
        }
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
        ready!(self.core.may_go_on(cx))?;
        let outcome = ready!(self.poll_stage(cx));
        self.end();
        self.core.spend_token();
        Poll::Ready(outcome)
    }
}

impl<F, T> Drop for Unblock<F, T> {
    fn drop(&mut self) {
        if let UnblockStage::Asked(job) = self.stage {
            self.core.forget_job(job);
        }
    }
}

impl<F, T> fmt::Debug for Unblock<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unblock")
    }
}
