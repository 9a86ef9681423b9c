//! [`Sleep`]: waits for time to pass.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use crate::hub::{Begun, Core, HubTimer};
use crate::machine::Error;
use crate::time::{Instant, TimerKey};

/// Waits for time to pass. Made by [`Ctx::sleep`](super::ctx::Ctx::sleep). Polled again after it is over, it completes at
/// once.
///
/// Example: see [`Ctx`](super::ctx::Ctx).
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    core: Rc<Core>,
    state: SleepState,
}

enum SleepState {
    New(Duration),
    /// A sleep of zero that has yielded once.
    Yielded,
    Until(Instant, Option<TimerKey>),
    /// Until this timer has fired.
    For(TimerKey),
}

impl Sleep {
    pub(super) fn new(core: Rc<Core>, duration: Duration) -> Self {
        Sleep { core, state: SleepState::New(duration) }
    }

    pub(super) fn until(core: Rc<Core>, at: Instant) -> Self {
        Sleep { core, state: SleepState::Until(at, None) }
    }
}

impl Future for Sleep {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Sleep { core, state } = &mut *self;
        ready!(core.may_go_on(cx))?;
        let now = core.now.get();
        let waits = match *state {
            SleepState::New(duration) if duration.is_zero() => {
                // Otherwise a loop that only yields would never end at a shutdown.
                if core.forbids_waiting(now) {
                    core.spend_token();
                    return Poll::Ready(Err(Error::Shutdown));
                }
                *state = SleepState::Yielded;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            SleepState::Yielded => None,
            SleepState::New(duration) => Some((now + duration, None)),
            // As for timers: `NEVER` is never reached, whatever the clock reads.
            SleepState::Until(at, _) if now >= at && at < Instant::NEVER => None,
            SleepState::Until(at, key) => Some((at, key)),
            SleepState::For(key) => core.timers.borrow().deadline(key).map(|at| (at, Some(key))),
        };
        let Some((at, key)) = waits else {
            core.spend_token();
            return Poll::Ready(Ok(()));
        };
        if core.forbids_waiting(at) {
            core.spend_token();
            return Poll::Ready(Err(Error::Shutdown));
        }
        // A sleep may move from one fiber to another between two polls: the fiber that polled it
        // last is woken.
        let is_set = key.is_some_and(|key| match core.timers.borrow_mut().value_mut(key) {
            Some(HubTimer::Wake(waker)) => waker.will_wake(cx.waker()),
            _ => false,
        });
        if !is_set {
            let timer = HubTimer::Wake(cx.waker().clone());
            let replaced = {
                let mut timers = core.timers.borrow_mut();
                match key.and_then(|key| timers.value_mut(key)) {
                    Some(former) => Some(core::mem::replace(former, timer)),
                    None => {
                        let key = timers.insert(at, timer);
                        drop(timers);
                        *state = match *state {
                            SleepState::New(duration) => {
                                // The duration of a sleep that never ends needs no correction.
                                if at < Instant::NEVER {
                                    core.begin(Begun::Sleep(key, duration));
                                }
                                SleepState::For(key)
                            }
                            _ => SleepState::Until(at, Some(key)),
                        };
                        None
                    }
                }
            };
            drop(replaced);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        match self.state {
            SleepState::Until(_, Some(key)) => self.core.cancel_timer(key),
            SleepState::For(key) => self.core.give_up_sleep(key),
            _ => {}
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}
