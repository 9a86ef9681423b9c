//! [`Alarm`]: the timeouts of a call, of which the next one counts.
//!
//! It must never know what a phase does.

use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::error::{Phase, Timeout};
use super::timer::Timer;
use crate::fiber::Ctx;
use crate::time::Instant;

pub(super) struct Alarm {
    ctx: Ctx,
    pub(super) phase: Phase,
    total: (Instant, Duration),
    /// The timeout of the phase.
    current: Option<(Instant, Timeout, Duration)>,
    timer: Timer,
}

impl Alarm {
    /// `total`: until when the call may take, and how long that is.
    pub(super) fn new(ctx: &Ctx, total: (Instant, Duration)) -> Self {
        let (ctx, timer) = (ctx.clone(), Timer::default());
        Alarm { ctx, phase: Phase::Queue, total, current: None, timer }
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
            ready!(self.timer.poll(&self.ctx, at, cx));
        }
    }
}
