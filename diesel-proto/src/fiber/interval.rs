//! Ticks at a fixed distance in time.

use core::fmt;
use core::time::Duration;

use super::ctx::Ctx;
use crate::machine::Error;
use crate::time::Instant;

/// Ticks at a fixed distance. Made by [`Ctx::interval`].
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     let mut ticks = ctx.interval(Duration::from_secs(1));
///     loop {
///         ticks.tick().await?;
///         println!("hi!");
///     }
/// }
/// # Hub::default().add_loop(clock).unwrap();
/// ```
pub struct Interval {
    ctx: Ctx,
    period: Duration,
    next: Instant,
}

impl Interval {
    pub(super) fn new(ctx: Ctx, period: Duration) -> Self {
        let next = ctx.now();
        Interval { ctx, period, next }
    }

    /// Waits for the next tick. The first one is due at once, the others one period after the one
    /// before. What is done between two ticks does not shift them: a tick that is awaited late is over
    /// at once, and the ones that were missed after it are left out.
    ///
    /// Returns the time at which the tick was due. A tick that is dropped before it is done is not
    /// lost (cancel safety).
    ///
    /// # Errors
    ///
    /// As for [`Ctx::sleep`].
    pub async fn tick(&mut self) -> Result<Instant, Error> {
        let due = self.next;
        self.ctx.sleep_until(due).await?;
        let now = self.ctx.now();
        self.next = due + self.period;
        if self.next <= now && !self.period.is_zero() {
            // The first tick after `now` that is a whole number of periods away.
            let late = (now - due).as_nanos() / self.period.as_nanos();
            let late = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
            self.next = due + self.period.saturating_mul(late);
        }
        Ok(due)
    }

    /// The distance of two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").field("period", &self.period).finish_non_exhaustive()
    }
}
