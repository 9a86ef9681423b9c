//! Drops on request: aborted fibers, and results that were never read.
//!
//! A drop is user code, and may request the next one: a fiber that aborts another when it is
//! dropped, and so on, a hundred thousand times. So nothing is dropped within such a drop. It waits
//! in a queue for its turn, and the depth of the stack stays bounded.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::any::Any;
use core::cell::{Cell, RefCell};

use super::fiber_entry::Fiber;
use crate::machine::FiberId;

/// Capacity of the queue that is kept for later.
const KEEP: usize = 64;

#[derive(Default)]
pub(crate) struct Doomed {
    queue: RefCell<VecDeque<(FiberId, DoomedItem)>>,
    /// Whether one of the queue is being dropped.
    dropping: Cell<bool>,
}

pub(super) enum DoomedItem {
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

impl Doomed {
    /// Puts something at the end of the queue.
    pub(super) fn push(&self, id: FiberId, what: DoomedItem) {
        self.queue.borrow_mut().push_back((id, what));
    }

    /// Passes everything in the queue to `drop_one`, unless a caller of this function is already
    /// doing so.
    pub(super) fn drop_each(&self, mut drop_one: impl FnMut(FiberId, DoomedItem)) {
        if self.dropping.replace(true) {
            return;
        }
        let _dropping = Dropping(&self.dropping);
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some((id, what)) = next else { break };
            drop_one(id, what);
        }
        let queue = &mut *self.queue.borrow_mut();
        if queue.capacity() > KEEP {
            *queue = VecDeque::new();
        }
    }
}
