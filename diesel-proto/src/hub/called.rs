//! Turns that were given and have to be taken.
//!
//! Where several fibers queue up for something, the first is woken when it is free. A future that was
//! forgotten never comes; nor does one whose fiber awaits something else first. Wakings are served
//! in their order: so once every fiber was polled that was ready when that one was woken, it was
//! polled as well, or will not be for this, and is passed over.

use alloc::rc::{Rc, Weak};

use super::{Core, Hub};

/// A queue whose first was called.
pub(crate) trait Called {
    /// Passes over the first, if it was called and did not come. Calls the next, if so.
    fn pass_over(self: Rc<Self>);
}

pub(crate) struct Expected {
    /// The number of polls after which the one that was called has had its own.
    polls: u64,
    queue: Weak<dyn Called>,
}

impl Core {
    /// Expects the first of `queue` to come, which was woken just now.
    pub(crate) fn expect(&self, queue: Weak<dyn Called>) {
        let ahead = self.ready.borrow_mut().len() as u64;
        let polls = self.counters.borrow().polls + ahead;
        self.called.borrow_mut().push(Expected { polls, queue });
    }

    /// Takes one of those that should have come by now.
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
    /// Passes over those that were called and did not come.
    pub(super) fn pass_over(&mut self) {
        while let Some(queue) = self.core.take_overdue() {
            if let Some(queue) = queue.upgrade() {
                queue.pass_over();
            }
        }
    }
}
