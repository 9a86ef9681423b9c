//! What is dropped because something else asked for it: aborted fibers, results that nobody read.
//!
//! A drop is user code, and may ask for the next one: a fiber that aborts another when it is
//! dropped, and so on, a hundred thousand times. So nothing is dropped within such a drop: it waits
//! in a queue for its turn, and the stack stays as deep as it is for two.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::any::Any;
use core::cell::{Cell, RefCell};

use super::fibers::{Fiber, Task};
use super::id::FiberId;
use super::{Core, Key};

/// Room in the queue that is kept for later.
const KEEP: usize = 64;

#[derive(Default)]
pub(crate) struct Doomed {
    queue: RefCell<VecDeque<(FiberId, DoomedItem)>>,
    /// One of them is being dropped.
    dropping: Cell<bool>,
}

enum DoomedItem {
    Fiber(Fiber),
    /// What a fiber returned: kept only to be dropped.
    Outcome(#[allow(dead_code)] Rc<dyn Any>),
}

/// Says that nothing is being dropped any more, however that ends.
struct Dropping<'a>(&'a Cell<bool>);

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Core {
    /// Aborts a fiber. Its name is stale from here on, and it is dropped: now; after its poll, if it
    /// is being polled; after the drop that asks for it, if that is one of these.
    pub(crate) fn abort(&self, id: FiberId) {
        let gone = {
            let mut fibers = self.fibers.borrow_mut();
            let key = Key::from(id);
            match fibers.at(key) {
                Some(fiber) if fiber.is_being_polled() => {
                    fiber.abort_after_poll();
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
            // A shutdown may be over.
            self.need_run();
        }
    }

    /// Drops what a fiber returned: when its turn comes, as [`abort`](Self::abort) does.
    pub(crate) fn discard(&self, id: FiberId, outcome: Rc<dyn Any>) {
        self.doomed.queue.borrow_mut().push_back((id, DoomedItem::Outcome(outcome)));
        self.drop_doomed();
    }

    /// Drops all that is in the queue, unless a caller of this one is at it already. A panic ends
    /// with the one that it came from.
    pub(crate) fn drop_doomed(&self) {
        if self.doomed.dropping.replace(true) {
            return;
        }
        let _dropping = Dropping(&self.doomed.dropping);
        loop {
            let next = self.doomed.queue.borrow_mut().pop_front();
            let Some((id, what)) = next else { break };
            let whom = match &what {
                DoomedItem::Fiber(fiber) => self.whom_it_serves(&fiber.role),
                DoomedItem::Outcome(_) => (None, None),
            };
            if self.call(Task::Fiber(id), || drop(what)).is_none() {
                self.tell_panic(whom);
            }
        }
        let queue = &mut *self.doomed.queue.borrow_mut();
        if queue.capacity() > KEEP {
            *queue = VecDeque::new();
        }
    }
}
