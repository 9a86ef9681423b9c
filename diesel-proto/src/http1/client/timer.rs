//! [`Timer`]: waits for a time that changes from poll to poll.
//!
//! It must never know what the time is for.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::fiber::{Ctx, Sleep};
use crate::time::Instant;

/// A sleep that is kept while it ends no later than what is waited for: then another one follows.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<(Instant, Sleep)>,
}

impl Timer {
    /// Waits until `at`, or less long: then the caller looks at the time, and polls again. While the
    /// hub is shutting down, it waits for ever: all other tokens fail then.
    pub(super) fn poll(&mut self, ctx: &Ctx, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.as_ref().is_none_or(|(until, _)| *until > at) {
            self.sleep = Some((at, ctx.sleep_until(at)));
        }
        let Some((_, sleep)) = &mut self.sleep else { return Poll::Pending };
        match Pin::new(sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(slept) => {
                self.sleep = None;
                if slept.is_ok() { Poll::Ready(()) } else { Poll::Pending }
            }
        }
    }
}
