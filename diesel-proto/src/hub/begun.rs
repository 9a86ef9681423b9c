//! Waits that began within a call, while the hub's clock stood still.
//!
//! The hub's clock stands still within a call, however long user code computes there: counted from
//! the `now` of that call, a wait would end early. So a wait that begins within a call counts from
//! the `now` of the next run, which the embedder reads after that call returned.
//!
//! Until then its timer is set as if no time had passed. If none has, as in virtual time, the
//! deadline is already right.

use core::time::Duration;

use super::{Core, Hub};
use crate::machine::ConnId;
use crate::time::{Instant, TimerKey};

/// A wait that counts from the next run.
#[derive(Clone, Copy)]
pub(crate) enum Begun {
    /// A sleep of this length.
    Sleep(TimerKey, Duration),
    /// The hub's deadline for a stream: connect timeout, linger timeout, or idle timeout.
    Stream(ConnId),
}

/// How many waits are noted before those that were given up are dropped.
const KEEP: usize = 64;

impl Core {
    /// Notes a wait that begins now. Cheap: a push. Waits that were given up since the last run are
    /// dropped when they outnumber those that may still be waiting.
    pub(crate) fn begin(&self, wait: Begun) {
        let begun = &mut *self.begun.borrow_mut();
        if begun.len() >= KEEP {
            let timers = self.timers.borrow();
            let open = self.counters.borrow().open as usize;
            if begun.len() >= KEEP + 2 * (timers.len() + open) {
                begun.retain(|wait| match wait {
                    Begun::Sleep(key, _) => timers.deadline(*key).is_some(),
                    Begun::Stream(_) => true,
                });
            }
        }
        begun.push(wait);
    }

    /// Cancels the timer of a sleep. If it is the wait that began last, its note is removed as
    /// well: so a `first` that sleeps in each iteration of a loop leaves no notes behind.
    pub(crate) fn give_up_sleep(&self, key: TimerKey) {
        {
            let begun = &mut *self.begun.borrow_mut();
            if begun.last().is_some_and(|last| matches!(last, Begun::Sleep(it, _) if *it == key)) {
                begun.pop();
            }
        }
        self.cancel_timer(key);
    }

    /// Whether some wait counts from the next run.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.borrow().is_empty() || self.grace_begun.get()
    }
}

impl Hub {
    /// Makes the waits that began since the last run count from now.
    pub(super) fn count_begun(&mut self) {
        let core = &*self.core;
        let now = core.now.get();
        if core.grace_begun.replace(false) {
            core.halt_by.set(Some(now + core.config.grace));
        }
        // Nothing here runs user code.
        for wait in core.begun.borrow_mut().drain(..) {
            match wait {
                Begun::Sleep(key, duration) => {
                    let mut timers = core.timers.borrow_mut();
                    let at = now + duration;
                    if timers.deadline(key).is_some_and(|noted| noted < at) {
                        timers.set(key, at);
                    }
                }
                Begun::Stream(id) => {
                    let mut streams = core.streams.borrow_mut();
                    if streams.at(id.into()).is_some_and(|stream| stream.counts_from(now)) {
                        core.dirty.borrow_mut().push(id);
                    }
                }
            }
        }
    }

    /// Whether a wait began that counts from the next [`run`](Self::run). If so, read the clock
    /// again for that run, since user code may have computed for long since the last reading.
    ///
    /// To read the clock again is always correct, and unnecessary in virtual time.
    pub fn needs_time(&self) -> bool {
        !self.halted && self.core.has_begun()
    }
}

/// Moves `at` to `now` if that is later. Returns whether it was.
pub(super) fn put_off(at: &mut Instant, now: Instant) -> bool {
    let is_later = now > *at;
    if is_later {
        *at = now;
    }
    is_later
}
