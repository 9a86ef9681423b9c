//! Drops on request: aborted fibers, and results that were never read.
//!
//! A drop is user code, and may request the next one: a fiber that aborts another when it is
//! dropped, and so on, a hundred thousand times. So nothing is dropped within such a drop. It waits
//! in a queue for its turn, and the depth of the stack stays bounded.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::any::Any;
use core::cell::{Cell, RefCell};

use super::fibers::{Fiber, Task};
use super::{Core, Key};
use crate::machine::FiberId;

/// Capacity of the queue that is kept for later.
const KEEP: usize = 64;

#[derive(Default)]
pub(crate) struct Doomed {
    queue: RefCell<VecDeque<(FiberId, DoomedItem)>>,
    /// Whether one of the queue is being dropped.
    dropping: Cell<bool>,
}

enum DoomedItem {
    Fiber(Fiber),
    /// What a fiber returned: kept only to be dropped.
    Outcome(#[allow(dead_code)] Rc<dyn Any>),
}

/// Resets the flag when dropping ends, also by a panic.
struct Dropping<'a>(&'a Cell<bool>);

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Core {
    /// Aborts a fiber. Its id is stale from now on. The fiber is dropped at once; if it is being
    /// polled, after that poll; if this is called by a drop in the queue, after that drop.
    pub(crate) fn abort(&self, id: FiberId) {
        let gone = {
            let mut fibers = self.fibers.borrow_mut();
            let key = Key::from(id);
            match fibers.at(key) {
                Some(fiber) if fiber.is_being_polled() => {
                    self.aborts_polled.set(true);
                    None
                }
                Some(_) => fibers.remove(key),
                None => None,
            }
        };
        if let Some(fiber) = gone {
            self.fiber_gone(&fiber.role);
            self.doomed.queue.borrow_mut().push_back((id, DoomedItem::Fiber(fiber)));
            self.drop_doomed();
            // This may complete a graceful shutdown.
            self.need_run();
        }
    }

    /// Drops what a fiber returned: when its turn comes, as in [`abort`](Self::abort).
    pub(crate) fn discard(&self, id: FiberId, outcome: Rc<dyn Any>) {
        self.doomed.queue.borrow_mut().push_back((id, DoomedItem::Outcome(outcome)));
        self.drop_doomed();
    }

    /// Drops everything in the queue, unless a caller of this function is already doing so. A panic
    /// affects only the drop in which it happened.
    pub(crate) fn drop_doomed(&self) {
        if self.doomed.dropping.replace(true) {
            return;
        }
        let _dropping = Dropping(&self.doomed.dropping);
        loop {
            let next = self.doomed.queue.borrow_mut().pop_front();
            let Some((id, what)) = next else { break };
            let whom = match &what {
                DoomedItem::Fiber(fiber) => self.served_peer(&fiber.role),
                DoomedItem::Outcome(_) => (None, None),
            };
            if self.call(Task::Fiber(id), || drop(what)).is_none() {
                self.report_panic(whom);
            }
        }
        let queue = &mut *self.doomed.queue.borrow_mut();
        if queue.capacity() > KEEP {
            *queue = VecDeque::new();
        }
    }
}
