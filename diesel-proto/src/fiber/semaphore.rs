//! Permits, of which there is a fixed number: so many fibers at a time may do something.
//!
//! Rules:
//!
//! - Fibers that wait have their turns in the order in which they began to wait.
//! - A permit is given back when it is dropped, whichever way its fiber ends.
//! - Cancel safety: a token that is dropped early holds no permit.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use super::waiters::Waiters;
use super::waiting::SpareWaker;
use crate::hub::Core;
use crate::machine::Error;

/// A number of permits for the fibers of one hub. Cheap to clone: all clones share the permits.
/// Made by [`Ctx::semaphore`](super::ctx::Ctx::semaphore).
///
/// ```
/// # use diesel_proto::*;
/// # use diesel_proto::fiber::Semaphore;
/// /// Sends a message to a server, with at most ten connections at a time.
/// async fn send(ctx: Ctx, limit: Semaphore, text: &str) -> Result<(), Error> {
///     let _permit = limit.acquire().await?;
///     let mut conn = ctx.connect(core::net::SocketAddr::from(([10, 0, 0, 1], 7050))).await?;
///     conn.write((text, "\r\n")).await?;
///     conn.flush().await
/// }
///
/// let hub = Hub::default();
/// let limit = hub.ctx().semaphore(10);
/// assert_eq!(limit.available(), 10);
/// ```
#[derive(Clone)]
pub struct Semaphore {
    shared: Rc<SemaphoreShared>,
}

struct SemaphoreShared {
    core: Rc<Core>,
    state: RefCell<SemaphoreState>,
}

struct SemaphoreState {
    available: usize,
    waiting: Waiters,
}

impl Semaphore {
    pub(super) fn new(core: Rc<Core>, permits: usize) -> Self {
        let state = SemaphoreState { available: permits, waiting: Waiters::default() };
        Semaphore { shared: Rc::new(SemaphoreShared { core, state: RefCell::new(state) }) }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`Error::Shutdown`] if the hub shuts down while it waits. [`Error::OtherHub`] at once, in a
    /// fiber of another hub.
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire { semaphore: self, ticket: None }
    }

    /// A permit, if one is available and no other fiber waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        let state = &mut *self.shared.state.borrow_mut();
        state.take(None).then(|| Permit { shared: Rc::clone(&self.shared) })
    }

    /// The number of permits that are available.
    pub fn available(&self) -> usize {
        self.shared.state.borrow().available
    }
}

impl SemaphoreState {
    /// Takes a permit, if it is the turn of this ticket.
    fn take(&mut self, ticket: Option<u64>) -> bool {
        let takes = self.available > 0 && self.waiting.is_first(ticket);
        self.available -= usize::from(takes);
        takes
    }

    /// The waker of the one that is first in the line, if there is a permit for it.
    fn next(&mut self) -> Option<Waker> {
        if self.available > 0 { self.waiting.first() } else { None }
    }
}

/// A permit of a [`Semaphore`]. Given back when it is dropped.
///
/// Example: see [`Semaphore`].
#[must_use = "it is given back at once"]
pub struct Permit {
    shared: Rc<SemaphoreShared>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let woken = {
            let state = &mut *self.shared.state.borrow_mut();
            state.available += 1;
            state.next()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Waits for a permit. Made by [`Semaphore::acquire`].
///
/// Example: see [`Semaphore`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    ticket: Option<u64>,
}

impl Future for Acquire<'_> {
    type Output = Result<Permit, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Acquire { semaphore, ticket } = &mut *self;
        let shared = &semaphore.shared;
        ready!(shared.core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        let (outcome, left, woken) = loop {
            {
                let state = &mut *shared.state.borrow_mut();
                let outcome = if state.take(*ticket) {
                    Some(Ok(Permit { shared: Rc::clone(shared) }))
                } else if shared.core.is_draining() {
                    Some(Err(Error::Shutdown))
                } else {
                    None
                };
                if let Some(outcome) = outcome {
                    let left = state.waiting.leave(ticket);
                    break (outcome, left, state.next());
                }
                if state.waiting.join(ticket, cx, &mut spare) {
                    return Poll::Pending;
                }
            }
            spare.fill(cx);
        };
        drop(left);
        woken.into_iter().for_each(Waker::wake);
        shared.core.spend_token();
        Poll::Ready(outcome)
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let (left, woken) = {
            let state = &mut *self.semaphore.shared.state.borrow_mut();
            (state.waiting.leave(&mut self.ticket), state.next())
        };
        drop(left);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}
