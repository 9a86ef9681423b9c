//! Passes over waiters that were called and do not take their turn.
//!
//! Where several fibers queue up for something, the first is woken when it is free. But a future
//! that was leaked (`mem::forget`) never takes its turn, nor does one whose fiber awaits something
//! else first. Fibers are polled in the order in which they were woken: so once every fiber has
//! been polled that was ready when the waiter was woken, the waiter has been polled as well, or it
//! will not be polled for this, and it is passed over.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::RefCell;

/// A queue whose first waiter was called.
pub(crate) trait Called {
    /// If the first waiter was called and did not take its turn, passes over it, and calls the
    /// next.
    fn pass_over(self: Rc<Self>);
}

struct Expected {
    /// The number of polls after which the waiter that was called must have been polled.
    polls: u64,
    queue: Weak<dyn Called>,
}

/// Queues whose first waiter was called and is expected to take its turn.
#[derive(Default)]
pub(super) struct CalledQueues(RefCell<Vec<Expected>>);

impl CalledQueues {
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Expects the first waiter of `queue` to take its turn by the poll with this number.
    pub(super) fn expect(&self, polls: u64, queue: Weak<dyn Called>) {
        self.0.borrow_mut().push(Expected { polls, queue });
    }

    /// Takes a queue whose first waiter should have taken its turn after so many polls, or now, if
    /// no fiber is ready.
    pub(super) fn take_overdue(&self, polls: u64, is_idle: bool) -> Option<Weak<dyn Called>> {
        let called = &mut *self.0.borrow_mut();
        let index = called.iter().position(|expected| is_idle || expected.polls <= polls)?;
        Some(called.remove(index).queue)
    }
}
