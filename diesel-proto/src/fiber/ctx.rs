//! What a fiber can do apart from its connections: sleep, spawn, connect, make events, halt.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::connect::Connect;
use super::join::{self, JoinHandle};
use super::{Event, First2, Interval, Queue, Semaphore, first};
use crate::hub::{Begun, Core, HubTimer, Role};
use crate::machine::{Address, Error, FiberId, Reason};
use crate::time::{Instant, TimerKey};

/// A fiber's access to its hub. Cheap to clone, so that a clone can be used next to a token of a
/// [`Conn`](super::conn::Conn) in [`first`](crate::fiber::first).
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         println!("hi!");
///         ctx.sleep(Duration::from_secs(1)).await?;
///     }
/// }
/// # Hub::default().add_loop(clock).unwrap();
/// ```
///
/// A `Ctx` has no connection, so a loop that asks for bytes does not compile:
///
/// ```compile_fail,E0599
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         println!("hi!");
///         ctx.until_eol().await?;
///     }
/// }
/// # Hub::default().add_loop(clock).unwrap();
/// ```
#[derive(Clone)]
pub struct Ctx {
    core: Rc<Core>,
}

impl Ctx {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Ctx { core }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The hub's time: the `now` of the last call to the hub.
    pub fn now(&self) -> Instant {
        self.core.now.get()
    }

    /// The time of day, in seconds since 1970 (UTC): the value that the embedder last set, plus the
    /// time that has passed since. `None` if the embedder never set it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::{Hub, Instant};
    ///
    /// let mut hub = Hub::default();
    /// assert_eq!(hub.ctx().unix_seconds(), None);
    /// hub.time_of_day(Instant::ORIGIN, 784_111_777);
    /// hub.run(Instant::ORIGIN + Duration::from_millis(2_500), &mut Vec::new());
    /// assert_eq!(hub.ctx().unix_seconds(), Some(784_111_779));
    /// ```
    pub fn unix_seconds(&self) -> Option<u64> {
        self.core.unix_seconds()
    }

    /// Random bytes, suitable for masks, nonces and cookies: as many as the array has. They depend
    /// only on the [seed](crate::hub::Hub::seed) of the hub and on how many bytes were drawn
    /// before, so a session can be replayed.
    ///
    /// ```
    /// # use diesel_proto::{Hub, hub::Seed};
    /// let mut hub = Hub::default();
    /// hub.seed(Seed::from_number(7));
    /// let mask: [u8; 4] = hub.ctx().random();
    /// let nonce = u64::from_le_bytes(hub.ctx().random());
    /// # assert_ne!((mask, nonce), (hub.ctx().random(), u64::from_le_bytes(hub.ctx().random())));
    /// ```
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.core.random()
    }

    /// Waits for at least `duration`, counted from when it is first awaited: never less, even if
    /// the fiber computed for long before. The duration starts at the first clock reading that the
    /// hub receives after that. A duration of zero yields once: every fiber that is ready gets its
    /// turn.
    ///
    /// # Errors
    ///
    /// [`Error::Shutdown`] if the hub shuts down meanwhile; in the handler of an HTTP request, only
    /// if the grace period ends before the sleep does.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { core: Rc::clone(&self.core), state: SleepState::New(duration) }
    }

    /// Waits until `at`. Otherwise like [`sleep`](Self::sleep).
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep { core: Rc::clone(&self.core), state: SleepState::Until(at, None) }
    }

    /// Waits for `future` with a timeout: no longer than `duration`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with the reason [`Reason::Application`]`("timeout")` if `duration`
    /// passes first; `future` is dropped then. [`Error::Shutdown`] as for [`sleep`](Self::sleep).
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Error> {
        match first((future, self.sleep(duration))).await {
            First2::A(output) => Ok(output),
            First2::B(slept) => {
                slept?;
                Err(Error::TimedOut(Reason::Application("timeout")))
            }
        }
    }

    /// Spawns `future` as a new fiber. It is first polled at its turn, not in this call.
    ///
    /// It runs whether or not the handle is kept. The handle yields its result, including its
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] at one of the limits on fibers; [`Error::Shutdown`] while shutting down.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.core.is_draining() {
            return Err(Error::Shutdown);
        }
        join::spawn(&self.core, future)
    }

    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] with the reason if the attempt fails; [`Error::Limit`] at the limit on
    /// connections.
    pub fn connect(&self, address: impl Into<Address>) -> Connect {
        Connect::new(Rc::clone(&self.core), address.into())
    }

    /// Makes an event of this hub: every subscription gets all messages that are fired after it was
    /// made. A subscription that falls behind by more than 1024 messages gets an error with the
    /// number that it missed.
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.event_with_capacity(1024)
    }

    /// Like [`event`](Self::event), with another capacity: the number of unread messages that are
    /// kept (at least one).
    pub fn event_with_capacity<T: Clone + 'static>(&self, capacity: usize) -> Event<T> {
        Event::new(Rc::clone(&self.core), capacity)
    }

    /// Makes a queue of this hub, with room for `capacity` items (at least one): each item is taken
    /// by one fiber.
    pub fn queue<T: 'static>(&self, capacity: usize) -> Queue<T> {
        Queue::new(Rc::clone(&self.core), capacity)
    }

    /// Makes a semaphore of this hub with so many permits.
    pub fn semaphore(&self, permits: usize) -> Semaphore {
        Semaphore::new(Rc::clone(&self.core), permits)
    }

    /// Ticks now, and then once in each period.
    pub fn interval(&self, period: Duration) -> Interval {
        Interval::new(self.clone(), period)
    }

    /// Whether the hub is shutting down.
    pub fn draining(&self) -> bool {
        self.core.is_draining()
    }

    /// Begins a graceful shutdown of the application, within its grace period.
    pub fn halt(&self) {
        self.core.halt_asked.set(true);
        self.core.need_run();
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Waits for time to pass. Made by [`Ctx::sleep`]. Polled again after it is over, it completes at
/// once.
///
/// Example: see [`Ctx`].
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

impl Core {
    /// Adds a spawned fiber.
    pub(crate) fn spawn(
        &self,
        future: impl Future<Output = Result<(), Error>> + 'static,
    ) -> Result<FiberId, Error> {
        self.add_fiber(Role::Spawned, Box::pin(future)).map_err(Error::Limit)
    }
}
