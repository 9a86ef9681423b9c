//! Wakers of fibers that wait on a handle.
//!
//! Cloning, waking and dropping a waker may run user code, and no borrow may be held across that.
//! So a waker is cloned into a [`SpareWaker`] before it is registered, and taken out before it is
//! woken.

use core::task::{Context, Waker};

/// The waker of the fiber that waits for one thing to happen.
#[derive(Default)]
pub(crate) struct WaitingWaker(Option<Waker>);

/// A waker that was cloned while nothing was borrowed; after `register`, the waker that it
/// replaced. It must be declared before the borrows under which it is used, so that it is dropped
/// after them.
///
/// ```text
/// let mut spare = SpareWaker::default();
/// loop {
///     borrow, look, return what there is
///     if waiting.register(cx, &mut spare) { return Poll::Pending }
///     release what is borrowed
///     spare.fill(cx);
/// }
/// ```
///
/// The loop looks a second time because the clone may have run user code that changed the state. It
/// never looks a third time: with a waker in the spare, `register` succeeds.
#[derive(Default)]
pub(crate) struct SpareWaker(Option<Waker>);

impl SpareWaker {
    pub(crate) fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }

    /// Clones the waker of `cx`, while nothing is borrowed.
    pub(crate) fn fill(&mut self, cx: &Context<'_>) {
        self.0 = Some(cx.waker().clone());
    }
}

impl WaitingWaker {
    /// Registers the waker of `cx`, unless it is registered already, by taking it from the spare.
    /// Returns `false` if the spare is empty: the caller must fill it and look again.
    #[must_use = "fill the spare, and look again"]
    pub(crate) fn register(&mut self, cx: &Context<'_>, spare: &mut SpareWaker) -> bool {
        if self.will_wake(cx) {
            return true;
        }
        let Some(waker) = spare.0.take() else { return false };
        spare.0 = self.0.replace(waker);
        true
    }

    #[must_use = "wake it when nothing is borrowed"]
    pub(crate) fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }

    /// Whether the waker of `cx` is registered.
    pub(crate) fn will_wake(&self, cx: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }
}
