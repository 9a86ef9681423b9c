//! Broadcast messages between fibers: one fires, many wait.
//!
//! Rules:
//!
//! - `fire` only queues the message and wakes; no subscriber runs before its turn.
//! - Firing costs one token of the fiber's budget; while more than half of the capacity is unread,
//!   it costs all tokens that the fiber has left in this pass. So a fiber that fires without end
//!   yields, at its next await, to the subscribers before they fall behind.
//! - A subscription keeps its position in the stream of messages: it misses nothing between two
//!   waits.
//! - Memory is bounded: beyond the capacity the oldest message is dropped, and each subscription
//!   that had not read it gets an error. A message that every subscription has read is dropped at
//!   once.
//! - The cost of `fire` is linear in the number of subscribers that wait at that time: they form a
//!   linked list, by their indices in the slab, in the order in which they began to wait.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use slab::Slab;

use super::waiting::{SpareWaker, WaitingWaker};
use crate::hub::Core;
use crate::machine::Error;

/// A broadcast channel: each [`fire`](Self::fire) sends a value to every subscription. Cheap to
/// clone: all clones are the same event. Made by [`Ctx::event`](super::ctx::Ctx::event).
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
    shared: Rc<EventShared<T>>,
}

struct EventShared<T> {
    core: Rc<Core>,
    capacity: usize,
    queue: RefCell<EventQueue<T>>,
}

struct EventQueue<T> {
    /// The messages that some subscriber has not read, oldest first. `len() <= capacity`.
    messages: VecDeque<Message<T>>,
    /// The number of the oldest message.
    first: u64,
    subscribers: Slab<Subscriber>,
    /// The list of the subscribers whose `waiting` holds a waker: its ends, and its length.
    head: u32,
    tail: u32,
    waiting: usize,
    /// How many subscribers `fire` visited in order to wake them.
    #[cfg(test)]
    visited: usize,
}

struct Message<T> {
    /// Shared, so that the value can be cloned (user code) while nothing is borrowed.
    value: Rc<T>,
    /// The subscription that fired the message, if one did; it does not get it.
    sender: Option<usize>,
    unread: usize,
}

struct Subscriber {
    /// The number of the next message to be read. If `next < first`, the subscriber missed
    /// `first - next` messages.
    next: u64,
    waiting: WaitingWaker,
    /// Its neighbours in the list of waiting subscribers.
    before: u32,
    after: u32,
}

/// The index that means "no neighbour". (No slab can grow to that many entries.)
const NONE: u32 = u32::MAX;

impl<T: Clone + 'static> Event<T> {
    pub(crate) fn new(core: Rc<Core>, capacity: usize) -> Self {
        let queue = EventQueue {
            messages: VecDeque::new(),
            first: 0,
            subscribers: Slab::new(),
            head: NONE,
            tail: NONE,
            waiting: 0,
            #[cfg(test)]
            visited: 0,
        };
        let capacity = capacity.max(1);
        Event { shared: Rc::new(EventShared { core, capacity, queue: RefCell::new(queue) }) }
    }

    /// Makes a subscription, which gets every message that is fired from now on.
    pub fn subscribe(&self) -> Subscription<T> {
        let queue = &mut *self.shared.queue.borrow_mut();
        let next = queue.first + queue.messages.len() as u64;
        let waiting = WaitingWaker::default();
        let id = queue.subscribers.insert(Subscriber { next, waiting, before: NONE, after: NONE });
        Subscription { shared: Rc::clone(&self.shared), id }
    }

    /// Sends `value` to every subscription. The message is only queued: no subscriber runs
    /// meanwhile.
    ///
    /// A fiber that fires more messages than the capacity without an await in between pushes out
    /// unread ones; if it awaits something in between, subscribers get their turns first. (Firing
    /// costs one of the [`tokens_per_pass`](crate::hub::Config::tokens_per_pass); while more than
    /// half of the capacity is unread, it costs all that are left.)
    ///
    /// # Cost
    ///
    /// One wake-up for each subscriber that waits, in the order in which they began to wait.
    pub fn fire(&self, value: T) {
        self.shared.fire(value, None);
    }

    /// How many subscriptions there are.
    pub fn subscribers(&self) -> usize {
        self.shared.queue.borrow().subscribers.len()
    }
}

impl<T> EventShared<T> {
    fn fire(&self, value: T, sender: Option<usize>) {
        let (dropped, waiting, queued) = {
            let queue = &mut *self.queue.borrow_mut();
            let unread = queue.subscribers.len() - usize::from(sender.is_some());
            if unread == 0 {
                return;
            }
            let dropped =
                (queue.messages.len() >= self.capacity).then(|| queue.pop_oldest()).flatten();
            queue.messages.push_back(Message { value: Rc::new(value), sender, unread });
            (dropped, queue.waiting, queue.messages.len())
        };
        match queued > self.capacity / 2 {
            true => self.core.spend_all_tokens(),
            false => self.core.spend_token(),
        }
        drop(dropped);
        // A subscriber that waits again meanwhile, because a waker polled it, waits for the next
        // message.
        for _ in 0..waiting {
            let waker = self.queue.borrow_mut().take_waiting();
            if let Some(waker) = waker {
                self.core.wake(waker);
            }
        }
    }
}

impl<T> EventQueue<T> {
    /// Registers the waker of subscriber `id`, which goes to the end of the list if it did not wait
    /// already.
    fn register(&mut self, id: usize, cx: &Context<'_>, spare: &mut SpareWaker) -> bool {
        let tail = self.tail;
        let Some(subscriber) = self.subscribers.get_mut(id) else { return true };
        let is_listed = subscriber.waiting.is_waiting();
        if !subscriber.waiting.register(cx, spare) {
            return false;
        }
        if !is_listed {
            self.link(tail, id as u32);
            self.link(id as u32, NONE);
            self.waiting += 1;
        }
        true
    }

    /// Removes the subscriber that has waited longest from the list, and returns its waker.
    fn take_waiting(&mut self) -> Option<Waker> {
        #[cfg(test)]
        {
            self.visited += 1;
        }
        let id = self.head as usize;
        self.unlist(id);
        self.subscribers.get_mut(id)?.waiting.take()
    }

    fn unlist(&mut self, id: usize) {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return };
        if subscriber.waiting.is_waiting() {
            let (before, after) = (subscriber.before, subscriber.after);
            self.link(before, after);
            self.waiting -= 1;
        }
    }

    /// Makes two subscribers neighbours in the list. `NONE` stands for either end.
    fn link(&mut self, before: u32, after: u32) {
        match self.subscribers.get_mut(before as usize) {
            Some(it) => it.after = after,
            None => self.head = after,
        }
        match self.subscribers.get_mut(after as usize) {
            Some(it) => it.before = before,
            None => self.tail = before,
        }
    }

    fn pop_oldest(&mut self) -> Option<Message<T>> {
        let oldest = self.messages.pop_front()?;
        // The sender does not get its own message, so it has not missed it.
        if let Some(sender) = oldest.sender.and_then(|id| self.subscribers.get_mut(id))
            && sender.next <= self.first
        {
            sender.next += 1;
        }
        self.first += 1;
        Some(oldest)
    }

    /// The next message for subscriber `id`, or `None` if there is none yet. The error is the
    /// number of messages that it missed.
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

    /// Removes the oldest message if every subscriber has read it.
    fn pop_read(&mut self) -> Option<Message<T>> {
        if self.messages.front()?.unread > 0 {
            return None;
        }
        self.pop_oldest()
    }
}

/// A position in the stream of an event's messages. Made by [`Event::subscribe`].
///
/// ```
/// # use diesel_proto::*;
/// async fn listen(mut conn: Conn, news: Event<String>) -> Result<(), Error> {
///     let mut news = news.subscribe();
///     loop {
///         match news.wait().await {
///             Ok(text) => conn.write((text, "\r\n")).await?,
///             Err(Error::Lagged(n)) => conn.write(format_args!("{n} missed\r\n")).await?,
///             Err(error) => return Err(error),
///         }
///     }
/// }
/// ```
pub struct Subscription<T> {
    shared: Rc<EventShared<T>>,
    id: usize,
}

impl<T: Clone + 'static> Subscription<T> {
    /// Waits for the next message. A wait that is dropped before it is done has taken none (cancel
    /// safety).
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`], with their number, if messages were lost since the last one. The next
    /// wait continues with the oldest that is left. [`Error::Shutdown`] if the hub shuts down while
    /// it waits. [`Error::OtherHub`] at once, in a fiber of another hub than the event's.
    pub fn wait(&mut self) -> Wait<'_, T> {
        Wait { subscription: self }
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`], as for [`wait`](Self::wait).
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

    /// Sends `value` to every other subscription of this event. Otherwise like [`Event::fire`].
    pub fn fire(&self, value: T) {
        self.shared.fire(value, Some(self.id));
    }
}

/// Waits for a message. Made by [`Subscription::wait`]. Polled again after it returned one, it
/// waits for the next.
///
/// Example: see [`Subscription`].
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
        ready!(core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        let outcome = loop {
            match subscription.try_next() {
                Ok(Some(value)) => break Ok(value),
                Err(error) => break Err(error),
                Ok(None) if core.is_draining() => break Err(Error::Shutdown),
                Ok(None) => {}
            }
            let queue = &subscription.shared.queue;
            if queue.borrow_mut().register(subscription.id, cx, &mut spare) {
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
            queue.unlist(self.id);
            let gone = queue.subscribers.try_remove(self.id);
            if queue.subscribers.is_empty() {
                // Releases the memory of subscribers that are gone.
                queue.subscribers = Slab::new();
            }
            if let Some(subscriber) = &gone {
                // One reader fewer for each message that it has not read.
                let unread = subscriber.next.saturating_sub(queue.first) as usize;
                for message in queue.messages.iter_mut().skip(unread) {
                    if message.sender != Some(self.id) {
                        message.unread -= 1;
                    }
                }
                // Its index may be reused by a subscriber that is not the sender of these.
                for message in &mut queue.messages {
                    if message.sender == Some(self.id) {
                        message.sender = None;
                        // No later subscriber reads them: each starts at the end of the queue.
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

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::sync::Arc;
    use alloc::task::Wake;
    use alloc::vec::Vec;
    use core::pin::pin;
    use std::sync::Mutex;

    use super::*;
    use crate::hub::Hub;

    /// Records which subscriber was woken.
    struct Noting(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Noting {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn visited<T>(event: &Event<T>) -> usize {
        core::mem::take(&mut event.shared.queue.borrow_mut().visited)
    }

    #[test]
    fn firing_costs_what_those_cost_that_wait() {
        let hub = Hub::default();
        hub.ctx().core().refill_tokens();
        let event: Event<u32> = hub.event();
        let woken = Arc::default();
        let waits = |subscription: &mut Subscription<u32>, name| {
            let waker = Waker::from(Arc::new(Noting(name, Arc::clone(&woken))));
            let wait = pin!(subscription.wait());
            assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
        };
        let mut all: Vec<_> = (0..1000).map(|_| event.subscribe()).collect();
        for (name, subscription) in all.iter_mut().enumerate() {
            waits(subscription, name);
            waits(subscription, name);
        }
        // Most of them are dropped: from the middle, and from both ends.
        let mut left: Vec<_> = all.drain(..).enumerate().filter(|(n, _)| n % 400 == 10).collect();
        event.fire(1);
        assert_eq!(visited(&event), 3);
        assert_eq!(core::mem::take(&mut *woken.lock().unwrap()), [10, 410, 810]);
        // No subscriber waits, then one does.
        event.fire(2);
        assert_eq!(visited(&event), 0);
        hub.ctx().core().refill_tokens();
        for (_, subscription) in &mut left {
            while subscription.try_next().unwrap().is_some() {}
        }
        for n in [2, 0, 1] {
            waits(&mut left[n].1, n);
        }
        drop(left.remove(0));
        event.fire(3);
        assert_eq!(visited(&event), 2);
        assert_eq!(*woken.lock().unwrap(), [2, 1], "first come, first served");
        drop(left);
        assert_eq!(event.shared.queue.borrow().subscribers.capacity(), 0);
    }

    /// A waker that polls the wait again when it is woken. It must wait for the next message, or
    /// `fire` would not end.
    #[test]
    fn one_that_waits_again_while_it_is_woken_waits_for_the_next_message() {
        std::thread_local! {
            static WAITS: RefCell<Option<Subscription<u32>>> = const { RefCell::new(None) };
        }
        struct Again;
        impl Wake for Again {
            fn wake(self: Arc<Self>) {
                WAITS.with_borrow_mut(|waits| {
                    let Some(subscription) = waits else { return };
                    while let Ok(Some(_)) = subscription.try_next() {}
                    let waker = Waker::from(self);
                    let wait = pin!(subscription.wait());
                    assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
                });
            }
        }
        let hub = Hub::default();
        hub.ctx().core().refill_tokens();
        let event: Event<u32> = hub.event();
        WAITS.set(Some(event.subscribe()));
        Arc::new(Again).wake();
        for _ in 0..3 {
            event.fire(1);
            assert_eq!(visited(&event), 1);
        }
        WAITS.set(None);
    }
}
