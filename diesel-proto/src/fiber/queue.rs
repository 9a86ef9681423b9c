//! A bounded queue between fibers: some put, others take, and each item is taken once.
//!
//! ```text
//!   put ──▶ (line) ──▶ [ items: at most the capacity ] ──▶ (line) ──▶ take
//! ```
//!
//! Rules:
//!
//! - Items are taken in the order in which they were put; fibers that wait have their turns in the
//!   order in which they began to wait.
//! - Cancel safety: a token that is dropped early has put or taken nothing.
//! - No item is dropped, and no waker called, while the queue is borrowed.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use super::waiters::Waiters;
use super::waiting::SpareWaker;
use crate::hub::Core;
use crate::machine::Error;

/// A bounded queue between the fibers of one hub. Cheap to clone: all clones are the same queue.
/// Made by [`Ctx::queue`](super::ctx::Ctx::queue).
///
/// ```
/// # use diesel_proto::*;
/// # use diesel_proto::fiber::Queue;
/// async fn produce(queue: Queue<u32>) -> Result<(), Error> {
///     for n in 0..1000 {
///         // Waits while ten numbers are in the queue.
///         queue.put(n).await?;
///     }
///     queue.close();
///     Ok(())
/// }
///
/// async fn consume(queue: Queue<u32>) -> Result<(), Error> {
///     // Any number of fibers may take from one queue.
///     while let Some(n) = queue.take().await? {
///         println!("{n}");
///     }
///     Ok(())
/// }
///
/// async fn run(ctx: Ctx) -> Result<(), Error> {
///     let queue = ctx.queue(10);
///     ctx.spawn(produce(queue.clone()))?;
///     consume(queue).await
/// }
/// # Hub::default().add_loop(run).unwrap();
/// ```
pub struct Queue<T> {
    shared: Rc<QueueShared<T>>,
}

struct QueueShared<T> {
    core: Rc<Core>,
    capacity: usize,
    state: RefCell<QueueState<T>>,
}

struct QueueState<T> {
    /// `len() <= capacity`
    items: VecDeque<T>,
    putting: Waiters,
    taking: Waiters,
    closed: bool,
}

impl<T: 'static> Queue<T> {
    pub(super) fn new(core: Rc<Core>, capacity: usize) -> Self {
        let (putting, taking) = (Waiters::default(), Waiters::default());
        let state = QueueState { items: VecDeque::new(), putting, taking, closed: false };
        let capacity = capacity.max(1);
        Queue { shared: Rc::new(QueueShared { core, capacity, state: RefCell::new(state) }) }
    }

    /// Waits for room, and puts an item at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the queue is closed. [`Error::Shutdown`] if the hub shuts down while it
    /// waits. [`Error::OtherHub`] at once, in a fiber of another hub.
    pub fn put(&self, item: T) -> Put<'_, T> {
        Put { queue: self, item: Some(item), ticket: None }
    }

    /// Waits for an item, and takes the oldest. `None`: the queue is closed, and empty.
    ///
    /// # Errors
    ///
    /// [`Error::Shutdown`] if the hub shuts down while it waits. [`Error::OtherHub`] at once, in a
    /// fiber of another hub.
    pub fn take(&self) -> Take<'_, T> {
        Take { queue: self, ticket: None }
    }

    /// Puts an item at the end if there is room, and no other fiber waits for it. Otherwise returns
    /// the item.
    ///
    /// # Errors
    ///
    /// The item, if it was not put.
    pub fn try_put(&self, item: T) -> Result<(), T> {
        let woken = {
            let state = &mut *self.shared.state.borrow_mut();
            let may_put = !state.closed && state.putting.is_first(None);
            if !may_put || state.items.len() >= self.shared.capacity {
                return Err(item);
            }
            state.items.push_back(item);
            state.taking.first()
        };
        woken.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Takes the oldest item, if there is one, and no other fiber waits for it.
    pub fn try_take(&self) -> Option<T> {
        let (item, woken) = {
            let state = &mut *self.shared.state.borrow_mut();
            if !state.taking.is_first(None) {
                return None;
            }
            (state.items.pop_front()?, state.putting.first())
        };
        woken.into_iter().for_each(Waker::wake);
        Some(item)
    }

    /// Closes the queue: nothing more can be put. What is in it can still be taken.
    pub fn close(&self) {
        let woken: Vec<Waker> = {
            let state = &mut *self.shared.state.borrow_mut();
            state.closed = true;
            state.putting.all().chain(state.taking.all()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.shared.state.borrow().closed
    }

    /// The number of items in the queue.
    pub fn len(&self) -> usize {
        self.shared.state.borrow().items.len()
    }

    /// Whether there is no item in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> QueueState<T> {
    /// The wakers of those that are first in the lines, as far as there is something for them.
    fn next(&mut self, capacity: usize) -> [Option<Waker>; 2] {
        let put = (self.closed || self.items.len() < capacity).then(|| self.putting.first());
        let take = (self.closed || !self.items.is_empty()).then(|| self.taking.first());
        [put.flatten(), take.flatten()]
    }
}

/// Waits for room in a queue. Made by [`Queue::put`].
///
/// Example: see [`Queue`].
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T> {
    queue: &'a Queue<T>,
    item: Option<T>,
    ticket: Option<u64>,
}

impl<T> Unpin for Put<'_, T> {}

impl<T: 'static> Future for Put<'_, T> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Put { queue, item, ticket } = &mut *self;
        let QueueShared { core, capacity, state } = &*queue.shared;
        ready!(core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        let (outcome, left, woken) = loop {
            {
                let state = &mut *state.borrow_mut();
                let outcome = if state.closed {
                    Some(Err(Error::Closed))
                } else if state.putting.is_first(*ticket) && state.items.len() < *capacity {
                    let item = item.take();
                    let is_new = item.is_some();
                    state.items.extend(item);
                    Some(if is_new { Ok(()) } else { Err(Error::AlreadyDone) })
                } else if core.is_draining() {
                    Some(Err(Error::Shutdown))
                } else {
                    None
                };
                if let Some(outcome) = outcome {
                    let left = state.putting.leave(ticket);
                    break (outcome, left, state.next(*capacity));
                }
                if state.putting.join(ticket, cx, &mut spare) {
                    return Poll::Pending;
                }
            }
            spare.fill(cx);
        };
        drop(left);
        woken.into_iter().flatten().for_each(Waker::wake);
        core.spend_token();
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Put<'_, T> {
    fn drop(&mut self) {
        let QueueShared { capacity, state, .. } = &*self.queue.shared;
        let (left, woken) = {
            let state = &mut *state.borrow_mut();
            (state.putting.leave(&mut self.ticket), state.next(*capacity))
        };
        drop(left);
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits for an item of a queue. Made by [`Queue::take`].
///
/// Example: see [`Queue`].
#[must_use = "futures do nothing unless awaited"]
pub struct Take<'a, T> {
    queue: &'a Queue<T>,
    ticket: Option<u64>,
}

impl<T: 'static> Future for Take<'_, T> {
    type Output = Result<Option<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Take { queue, ticket } = &mut *self;
        let QueueShared { core, capacity, state } = &*queue.shared;
        ready!(core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        let (outcome, left, woken) = loop {
            {
                let state = &mut *state.borrow_mut();
                let item = match state.taking.is_first(*ticket) {
                    true => state.items.pop_front(),
                    false => None,
                };
                let outcome = if item.is_some() {
                    Some(Ok(item))
                } else if state.closed && state.items.is_empty() {
                    Some(Ok(None))
                } else if core.is_draining() {
                    Some(Err(Error::Shutdown))
                } else {
                    None
                };
                if let Some(outcome) = outcome {
                    let left = state.taking.leave(ticket);
                    break (outcome, left, state.next(*capacity));
                }
                if state.taking.join(ticket, cx, &mut spare) {
                    return Poll::Pending;
                }
            }
            spare.fill(cx);
        };
        drop(left);
        woken.into_iter().flatten().for_each(Waker::wake);
        core.spend_token();
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Take<'_, T> {
    fn drop(&mut self) {
        let QueueShared { capacity, state, .. } = &*self.queue.shared;
        let (left, woken) = {
            let state = &mut *state.borrow_mut();
            (state.taking.leave(&mut self.ticket), state.next(*capacity))
        };
        drop(left);
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue { shared: Rc::clone(&self.shared) }
    }
}

impl<T: 'static> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Put<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Take<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Take").finish_non_exhaustive()
    }
}
