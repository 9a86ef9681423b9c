//! Fibers that fibers spawn, and the handle to wait for one or to abort it.

use alloc::rc::{Rc, Weak};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::waiting::{SpareWaker, WaitingWaker};
use crate::hub::Core;
use crate::hub::FiberId;
use crate::machine::Error;

/// Waits for a spawned fiber: a future that yields what the fiber returned. Made by
/// [`Ctx::spawn`](super::ctx::Ctx::spawn). Dropping the handle detaches the fiber, which goes on.
///
/// # Errors
///
/// [`Error::Aborted`] or [`Error::Panicked`] if the fiber did not run to its end;
/// [`Error::Shutdown`] if it still runs while the hub shuts down. [`Error::AlreadyDone`] if the
/// handle is polled again after it yielded the result.
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn both(ctx: Ctx) -> Result<(), Error> {
///     let child = ctx.clone();
///     let slow = ctx.spawn(async move {
///         child.sleep(Duration::from_secs(2)).await?;
///         Ok::<_, Error>(42)
///     })?;
///     // Runs meanwhile. Then the outer `?` is for an abort or a panic, the inner one for its result.
///     ctx.sleep(Duration::from_secs(1)).await?;
///     assert_eq!(slow.await??, 42);
///     Ok(())
/// }
/// # Hub::default().add_loop(both).unwrap();
/// ```
pub struct JoinHandle<T> {
    core: Rc<Core>,
    fiber: FiberId,
    outcome: Weak<JoinOutcome<T>>,
    /// Keeps `outcome` alive. If the handle is dropped unread, the hub drops it later.
    kept: Option<Rc<dyn Any>>,
}

struct JoinOutcome<T> {
    value: Cell<Option<Result<T, Error>>>,
    waiting: RefCell<WaitingWaker>,
}

/// On drop, stores an error as the outcome, unless the fiber ran to its end.
struct UnfinishedGuard<T> {
    core: Rc<Core>,
    outcome: Rc<JoinOutcome<T>>,
    /// It is being polled, or its poll panicked.
    is_polled: bool,
}

pub(super) fn spawn<F>(core: &Rc<Core>, future: F) -> Result<JoinHandle<F::Output>, Error>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let outcome = Rc::new(JoinOutcome {
        value: Cell::new(None),
        waiting: RefCell::new(WaitingWaker::default()),
    });
    let unfinished =
        UnfinishedGuard { core: Rc::clone(core), outcome: Rc::clone(&outcome), is_polled: false };
    let fiber = core.spawn(Spawned { future, unfinished })?;
    let weak = Rc::downgrade(&outcome);
    Ok(JoinHandle { core: Rc::clone(core), fiber, outcome: weak, kept: Some(outcome) })
}

pin_project! {
    /// What a spawned fiber runs. (An `async` block would hold the future twice.)
    struct Spawned<F>
    where
        F: Future,
    {
        #[pin]
        future: F,
        unfinished: UnfinishedGuard<F::Output>,
    }
}

impl<F: Future> Future for Spawned<F> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let spawned = self.project();
        // It stays set if the poll unwinds.
        spawned.unfinished.is_polled = true;
        let polled = spawned.future.poll(cx);
        spawned.unfinished.is_polled = false;
        let output = ready!(polled);
        spawned.unfinished.outcome.value.set(Some(Ok(output)));
        Poll::Ready(Ok(()))
    }
}

impl<T> JoinHandle<T> {
    /// Aborts the fiber: it is dropped at its current await, or, if it is the caller, at its next
    /// one. If this is called in the drop of another aborted fiber, this fiber is dropped after
    /// that one. If the fiber has ended, this does nothing. If its drop panics, and the embedder's
    /// hook catches the panic, no other fiber is affected.
    pub fn abort(&self) {
        self.core.abort(self.fiber);
    }

    /// Whether the fiber has ended, however.
    pub fn is_finished(&self) -> bool {
        self.outcome.strong_count() < 2
    }

    /// The fiber's id in its hub.
    pub fn id(&self) -> FiberId {
        self.fiber
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.core.may_go_on(cx))?;
        let Some(shared) = self.outcome.upgrade() else {
            self.core.spend_token();
            return Poll::Ready(Err(Error::AlreadyDone));
        };
        let mut spare = SpareWaker::default();
        let outcome = loop {
            if let Some(outcome) = shared.value.take() {
                // There is one result: polling again fails with `AlreadyDone`.
                let kept = self.kept.take();
                drop(kept);
                break outcome;
            }
            if self.core.forbids_waiting(self.core.now.get()) {
                break Err(Error::Shutdown);
            }
            if shared.waiting.borrow_mut().register(cx, &mut spare) {
                return Poll::Pending;
            }
            spare.fill(cx);
        };
        self.core.spend_token();
        Poll::Ready(outcome)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // The result may hold the handle of a fiber whose result holds another handle, and so on:
        // dropped here, a long chain would recurse.
        let Some(outcome) = self.outcome.upgrade() else { return };
        let value = outcome.value.take();
        let is_unread = value.is_some();
        outcome.value.set(value);
        drop(outcome);
        if let (true, Some(kept)) = (is_unread, self.kept.take()) {
            self.core.discard(self.fiber, kept);
        }
    }
}

impl<T> Drop for UnfinishedGuard<T> {
    fn drop(&mut self) {
        let value = self.outcome.value.take();
        self.outcome.value.set(Some(value.unwrap_or_else(|| {
            Err(if self.is_polled { Error::Panicked } else { Error::Aborted })
        })));
        let waker = self.outcome.waiting.borrow_mut().take();
        if let Some(waker) = waker {
            self.core.wake(waker);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.fiber).finish()
    }
}
