//! [`Alarm`]: the timeouts of a call, of which the next one counts.
//!
//! It must never know what a phase does.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::error::{Phase, Timeout};
use crate::fiber::{Ctx, Sleep};
use crate::time::Instant;

pub(super) struct Alarm {
    ctx: Ctx,
    pub(super) phase: Phase,
    total: (Instant, Duration),
    /// The timeout of the phase.
    current: Option<(Instant, Timeout, Duration)>,
    /// It may end before the next timeout; then another one follows.
    sleep: Option<(Instant, Sleep)>,
}

impl Alarm {
    /// `total`: until when the call may take, and how long that is.
    pub(super) fn new(ctx: &Ctx, total: (Instant, Duration)) -> Self {
        Alarm { ctx: ctx.clone(), phase: Phase::Queue, total, current: None, sleep: None }
    }

    /// Begins a phase, whose timeout counts from now on.
    pub(super) fn begin(&mut self, phase: Phase, timeout: Timeout, after: Duration) {
        self.phase = phase;
        self.current = Some((self.ctx.now() + after, timeout, after));
    }

    /// Begins a phase that has no timeout.
    pub(super) fn begin_untimed(&mut self, phase: Phase) {
        (self.phase, self.current) = (phase, None);
    }

    /// Waits until a timeout passes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Timeout, Duration)> {
        loop {
            let (mut at, mut due) = (self.total.0, (Timeout::Total, self.total.1));
            if let Some((until, timeout, after)) = self.current
                && until < at
            {
                (at, due) = (until, (timeout, after));
            }
            if at == Instant::NEVER {
                return Poll::Pending;
            }
            if self.ctx.now() >= at {
                return Poll::Ready(due);
            }
            if self.sleep.as_ref().is_none_or(|(until, _)| *until > at) {
                self.sleep = Some((at, self.ctx.sleep_until(at)));
            }
            let Some((_, sleep)) = &mut self.sleep else { return Poll::Pending };
            match Pin::new(sleep).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.sleep = None,
                // The hub is shutting down, and ends before that: its tokens fail then.
                Poll::Ready(Err(_)) => {
                    self.sleep = None;
                    return Poll::Pending;
                }
            }
        }
    }
}
