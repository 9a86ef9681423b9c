//! Messages from fibers to fibers: fired by one, awaited by many.
//!
//! Rules:
//!
//! - `fire` only queues, and wakes; no subscriber runs before its turn.
//! - Firing costs a token; while more than half of the capacity is unread, all that the fiber has
//!   left in this pass. So a fiber that fires without end gives way, at its next await, to those
//!   that read, before they fall behind.
//! - A subscription owns its place in the stream of messages: nothing is missed between two waits.
//! - Memory is bounded: beyond the capacity the oldest message goes, and whoever had not read it
//!   is told. A message that everyone has read goes at once.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use slab::Slab;

use super::channel::{Spare, Waiting};
use crate::Error;
use crate::hub::Core;

/// Something that happens again and again, with a value each time. A cheap clone: all clones are
/// the same event. Made by [`Ctx::event`](crate::Ctx::event).
///
/// ```
/// # use diesel_proto::*;
/// let hub = Hub::default();
/// let event: Event<u32> = hub.event();
/// let mut subscription = event.subscribe();
/// event.fire(7);
/// assert_eq!(subscription.try_next().unwrap(), Some(7));
/// ```
pub struct Event<T> {
    shared: Rc<Shared<T>>,
}

struct Shared<T> {
    core: Rc<Core>,
    capacity: usize,
    queue: RefCell<Queue<T>>,
}

struct Queue<T> {
    /// The messages that someone has not read, oldest first. `len() <= capacity`.
    messages: VecDeque<Message<T>>,
    /// The number of the oldest one.
    first: u64,
    subscribers: Slab<Subscriber>,
}

struct Message<T> {
    /// Shared, so that a value is cloned while nothing is borrowed.
    value: Rc<T>,
    /// Fired through this subscription, which does not get it.
    sender: Option<usize>,
    unread: usize,
}

struct Subscriber {
    /// The number of the next message to be read. `first - next`, if that is more than zero, is
    /// how many it missed.
    next: u64,
    waiting: Waiting,
}

impl<T: Clone + 'static> Event<T> {
    pub(crate) fn new(core: Rc<Core>, capacity: usize) -> Self {
        let queue = Queue { messages: VecDeque::new(), first: 0, subscribers: Slab::new() };
        let capacity = capacity.max(1);
        Event { shared: Rc::new(Shared { core, capacity, queue: RefCell::new(queue) }) }
    }

    /// From here on, gets everything that is fired.
    pub fn subscribe(&self) -> Subscription<T> {
        let queue = &mut *self.shared.queue.borrow_mut();
        let next = queue.first + queue.messages.len() as u64;
        let id = queue.subscribers.insert(Subscriber { next, waiting: Waiting::default() });
        Subscription { shared: Rc::clone(&self.shared), id }
    }

    /// Sends `value` to every subscription. Only queues: no subscriber runs meanwhile.
    ///
    /// Fired without an await in between, more messages than the capacity push out those that were
    /// not read; with one, subscribers have their turns first. (Firing costs one of the
    /// [`tokens_per_pass`](crate::Config::tokens_per_pass); while more than half of the capacity is
    /// unread, all that are left.) Cost: one waking for each that waits.
    pub fn fire(&self, value: T) {
        self.shared.fire(value, None);
    }

    /// How many subscriptions there are.
    pub fn subscribers(&self) -> usize {
        self.shared.queue.borrow().subscribers.len()
    }
}

impl<T> Shared<T> {
    fn fire(&self, value: T, sender: Option<usize>) {
        let (dropped, subscribers, queued) = {
            let queue = &mut *self.queue.borrow_mut();
            let unread = queue.subscribers.len() - usize::from(sender.is_some());
            if unread == 0 {
                return;
            }
            let dropped =
                (queue.messages.len() >= self.capacity).then(|| queue.pop_oldest()).flatten();
            queue.messages.push_back(Message { value: Rc::new(value), sender, unread });
            (dropped, queue.subscribers.capacity(), queue.messages.len())
        };
        match queued > self.capacity / 2 {
            true => self.core.spend_all_tokens(),
            false => self.core.spend_token(),
        }
        drop(dropped);
        for id in 0..subscribers {
            let waker = {
                let queue = &mut *self.queue.borrow_mut();
                queue.subscribers.get_mut(id).and_then(|subscriber| subscriber.waiting.take())
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Queue<T> {
    fn pop_oldest(&mut self) -> Option<Message<T>> {
        let oldest = self.messages.pop_front()?;
        // Its sender was never to read it, so it has not missed it either.
        if let Some(sender) = oldest.sender.and_then(|id| self.subscribers.get_mut(id)) {
            if sender.next <= self.first {
                sender.next += 1;
            }
        }
        self.first += 1;
        Some(oldest)
    }

    /// The next message for subscriber `id`, and whether it was the last to read it; how many it
    /// missed; or nothing yet.
    fn next(&mut self, id: usize) -> Result<Option<Rc<T>>, u64> {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return Ok(None) };
        if subscriber.next < self.first {
            let missed = self.first - subscriber.next;
            subscriber.next = self.first;
            return Err(missed);
        }
        loop {
            let index = (subscriber.next - self.first) as usize;
            let Some(message) = self.messages.get_mut(index) else { return Ok(None) };
            subscriber.next += 1;
            if message.sender == Some(id) {
                continue;
            }
            message.unread -= 1;
            return Ok(Some(Rc::clone(&message.value)));
        }
    }

    /// Takes one message that everyone has read off the front.
    fn pop_read(&mut self) -> Option<Message<T>> {
        if self.messages.front()?.unread > 0 {
            return None;
        }
        self.pop_oldest()
    }
}

/// A place in the stream of an event's messages. Made by [`Event::subscribe`].
pub struct Subscription<T> {
    shared: Rc<Shared<T>>,
    id: usize,
}

impl<T: Clone + 'static> Subscription<T> {
    /// Waits for the next message. Dropped before it is done, it has taken none.
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`] if messages were lost since the last one: how many. The next wait goes on
    /// with the oldest that is left. [`Error::Shutdown`] if the hub shuts down while it waits.
    pub fn wait(&mut self) -> Wait<'_, T> {
        Wait { subscription: self }
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_next(&mut self) -> Result<Option<T>, Error> {
        let next = self.shared.queue.borrow_mut().next(self.id);
        loop {
            let read = self.shared.queue.borrow_mut().pop_read();
            if read.is_none() {
                break;
            }
        }
        match next {
            Ok(value) => {
                Ok(value.map(|value| Rc::try_unwrap(value).unwrap_or_else(|v| (*v).clone())))
            }
            Err(missed) => Err(Error::Lagged(missed)),
        }
    }

    /// Sends `value` to every other subscription of this event. As [`Event::fire`] otherwise.
    pub fn fire(&self, value: T) {
        self.shared.fire(value, Some(self.id));
    }
}

/// Waits for a message. Made by [`Subscription::wait`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Wait<'a, T> {
    subscription: &'a mut Subscription<T>,
}

impl<T: Clone + 'static> Future for Wait<'_, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let subscription = &mut *self.subscription;
        let core = Rc::clone(&subscription.shared.core);
        if !core.may_go_on(cx) {
            return Poll::Pending;
        }
        let mut spare = Spare::default();
        let outcome = loop {
            match subscription.try_next() {
                Ok(Some(value)) => break Ok(value),
                Err(error) => break Err(error),
                Ok(None) if core.is_draining() => break Err(Error::Shutdown),
                Ok(None) => {}
            }
            let is_registered = {
                let queue = &mut *subscription.shared.queue.borrow_mut();
                let subscriber = queue.subscribers.get_mut(subscription.id);
                subscriber.is_none_or(|subscriber| subscriber.waiting.register(cx, &mut spare))
            };
            if is_registered {
                return Poll::Pending;
            }
            spare.fill(cx);
        };
        core.spend_token();
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        let mut read = VecDeque::new();
        let gone = {
            let queue = &mut *self.shared.queue.borrow_mut();
            let gone = queue.subscribers.try_remove(self.id);
            if let Some(subscriber) = &gone {
                // What it has not read is one reader nearer to its end.
                let unread = subscriber.next.saturating_sub(queue.first) as usize;
                for message in queue.messages.iter_mut().skip(unread) {
                    if message.sender != Some(self.id) {
                        message.unread -= 1;
                    }
                }
                // Its place may be given to another, who is not the sender of these.
                for message in &mut queue.messages {
                    if message.sender == Some(self.id) {
                        message.sender = None;
                        // Nobody who comes later reads it: places begin at the end.
                    }
                }
                while let Some(message) = queue.pop_read() {
                    read.push_back(message);
                }
            }
            gone
        };
        drop(gone);
        drop(read);
    }
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        Event { shared: Rc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
