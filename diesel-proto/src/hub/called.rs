//! Passes over waiters that were called and do not take their turn.
//!
//! Where several fibers queue up for something, the first is woken when it is free. But a future
//! that was leaked (`mem::forget`) never takes its turn, nor does one whose fiber awaits something
//! else first. Fibers are polled in the order in which they were woken: so once every fiber has
//! been polled that was ready when the waiter was woken, the waiter has been polled as well, or it
//! will not be polled for this, and it is passed over.

use alloc::rc::{Rc, Weak};

use super::{Core, Hub};

/// A queue whose first waiter was called.
pub(crate) trait Called {
    /// If the first waiter was called and did not take its turn, passes over it, and calls the
    /// next.
    fn pass_over(self: Rc<Self>);
}

pub(crate) struct Expected {
    /// The number of polls after which the waiter that was called must have been polled.
    polls: u64,
    queue: Weak<dyn Called>,
}

impl Core {
    /// Expects the first waiter of `queue`, which was woken just now, to take its turn.
    pub(crate) fn expect(&self, queue: Weak<dyn Called>) {
        let ahead = self.ready.borrow_mut().len() as u64;
        let polls = self.counters.borrow().polls + ahead;
        self.called.borrow_mut().push(Expected { polls, queue });
    }

    /// Takes a queue whose first waiter should have taken its turn by now.
    fn take_overdue(&self) -> Option<Weak<dyn Called>> {
        let called = &mut *self.called.borrow_mut();
        if called.is_empty() {
            return None;
        }
        let polls = self.counters.borrow().polls;
        let is_idle = !self.ready.borrow_mut().has_any();
        let index = called.iter().position(|expected| is_idle || expected.polls <= polls)?;
        Some(called.remove(index).queue)
    }
}

impl Hub {
    /// Passes over all waiters that were called and did not take their turn.
    pub(super) fn pass_over(&mut self) {
        while let Some(queue) = self.core.take_overdue() {
            if let Some(queue) = queue.upgrade() {
                queue.pass_over();
            }
        }
    }
}
