//! [`Asking`]: one request to the embedder, and its answer: what the tokens of files and of
//! [`Unblock`](super::Unblock) have in common.
//!
//! It must never know what is asked for.

use alloc::rc::Rc;
use core::task::{Context, Poll, ready};

use crate::hub::{Core, JobAnswer};
use crate::machine::{Error, FileAnswer, FileErrorKind, JobId};

/// A request that is made when it is first polled. Dropped early, it is taken back.
pub(super) struct Asking {
    core: Rc<Core>,
    stage: AskingStage,
    /// Whether it goes on while the hub shuts down, as a write does.
    to_send: bool,
}

enum AskingStage {
    New,
    Asked(JobId),
    Done,
}

impl Asking {
    pub(super) fn new(core: Rc<Core>, to_send: bool) -> Self {
        Asking { core, stage: AskingStage::New, to_send }
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Polls for the answer to a request for a file. `ask` makes the request.
    pub(super) fn poll_file(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&Core) -> Result<JobId, Error>,
    ) -> Poll<Result<FileAnswer, Error>> {
        self.poll(cx, ask).map(|answer| match answer? {
            Some(JobAnswer::File(answer)) => answer.map_err(Error::File),
            // The hub has halted.
            _ => Err(FileErrorKind::Unsupported.into()),
        })
    }

    /// Polls for the answer: `None` if there will be none. `ask` makes the request.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&Core) -> Result<JobId, Error>,
    ) -> Poll<Result<Option<JobAnswer>, Error>> {
        ready!(self.core.may_go_on(cx))?;
        let outcome = ready!(self.poll_stage(cx, ask));
        self.end();
        self.core.spend_token();
        Poll::Ready(outcome)
    }

    fn poll_stage(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&Core) -> Result<JobId, Error>,
    ) -> Poll<Result<Option<JobAnswer>, Error>> {
        let core = &*self.core;
        let forbidden = || !self.to_send && core.forbids_waiting(core.now.get());
        if let AskingStage::New = self.stage {
            if forbidden() {
                return Poll::Ready(Err(Error::Shutdown));
            }
            self.stage = match ask(core) {
                Ok(job) => AskingStage::Asked(job),
                Err(error) => return Poll::Ready(Err(error)),
            };
        }
        let AskingStage::Asked(job) = self.stage else {
            return Poll::Ready(Err(Error::AlreadyDone));
        };
        match core.poll_job(job, cx) {
            Poll::Ready(answer) => {
                self.stage = AskingStage::Done;
                Poll::Ready(Ok(answer))
            }
            Poll::Pending if forbidden() => Poll::Ready(Err(Error::Shutdown)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn end(&mut self) {
        if let AskingStage::Asked(job) = core::mem::replace(&mut self.stage, AskingStage::Done) {
            self.core.forget_job(job);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.end();
    }
}
