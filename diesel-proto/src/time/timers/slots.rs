//! The timers themselves: numbered slots, which are reused when free.
//!
//! A slot tells, for an item of the queue, what has become of its timer, and, for a key, whether
//! its timer still exists. Items and keys are recognized by numbers that are used only once, so
//! slots can be dropped and made anew without remembering what was in them.
//!
//! - `slots` ends with a timer: free slots at its end are dropped.
//! - `free` lists each free slot once. It may also list slots that have been dropped since, but it
//!   is used up before a slot is made anew: so no number is in it twice.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use super::super::instant::Instant;
use super::{Item, KEEP, TimerKey, give_back};

/// An id, or an order, that is never drawn.
const NONE: u64 = 0;

/// A timer, and what the queue holds of it.
struct TimerSlot<T> {
    deadline: Instant,
    /// Drawn from a counter when the deadline was last set: the order among equal deadlines.
    order: u64,
    /// Order and deadline of the timer's item in the queue, by which the item is recognized. The
    /// deadline of a timer that was moved may be later than that of its item: `(queued_deadline,
    /// queued_order) <= (deadline, order)`. There is no item if `queued_deadline` is `NEVER`: so
    /// only a deadline of `NEVER` has none.
    queued_order: u64,
    /// Distinguishes this timer from all others that had or will have its slot.
    id: u64,
    queued_deadline: Instant,
    /// `None` in a free slot; then `id` and `queued_order` are `NONE`.
    value: Option<T>,
}

impl<T> TimerSlot<T> {
    fn take(&mut self) -> Option<T> {
        self.queued_order = NONE;
        self.id = NONE;
        self.value.take()
    }
}

pub(super) struct TimerSlots<T> {
    slots: Vec<TimerSlot<T>>,
    free: Vec<usize>,
    live: usize,
    /// Items in the queue that belong to no timer any more.
    pub(super) stale: usize,
}

/// The key names no timer.
pub(super) struct Stale;

impl<T> TimerSlots<T> {
    pub(super) const fn new() -> Self {
        TimerSlots { slots: Vec::new(), free: Vec::new(), live: 0, stale: 0 }
    }

    /// How many timers there are.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Stores a timer. The caller puts its item into the queue, unless the timer is never due.
    pub(super) fn insert(&mut self, deadline: Instant, id: NonZeroU64, value: T) -> usize {
        self.live += 1;
        let id = id.get();
        let slot = TimerSlot {
            order: id,
            queued_order: id,
            queued_deadline: deadline,
            deadline,
            id,
            value: Some(value),
        };
        while let Some(index) = self.free.pop() {
            if let Some(free @ TimerSlot { value: None, .. }) = self.slots.get_mut(index) {
                *free = slot;
                return index;
            }
        }
        self.slots.push(slot);
        self.slots.len() - 1
    }

    pub(super) fn deadline(&self, key: TimerKey) -> Option<Instant> {
        let slot = self.slots.get(key.slot)?;
        (slot.id == key.id.get()).then_some(slot.deadline)
    }

    pub(super) fn value_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot)?;
        (slot.id == key.id.get()).then_some(slot.value.as_mut()).flatten()
    }

    /// Sets another deadline. Returns the item to put into the queue, if any, or that there is no
    /// such timer.
    pub(super) fn set(
        &mut self,
        key: TimerKey,
        deadline: Instant,
        order: u64,
    ) -> Result<Option<Item>, Stale> {
        let slot = self.slots.get_mut(key.slot).ok_or(Stale)?;
        if slot.id != key.id.get() {
            return Err(Stale);
        }
        slot.deadline = deadline;
        slot.order = order;
        if deadline >= slot.queued_deadline {
            return Ok(None);
        }
        self.stale += usize::from(slot.queued_deadline < Instant::NEVER);
        slot.queued_deadline = deadline;
        slot.queued_order = order;
        Ok(Some(Item { deadline, order, slot: key.slot }))
    }

    pub(super) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let slot = self.slots.get_mut(key.slot)?;
        if slot.id != key.id.get() {
            return None;
        }
        self.stale += usize::from(slot.queued_deadline < Instant::NEVER);
        let value = slot.take();
        self.freed(key.slot);
        value
    }

    /// Takes out the timer of `item`, which has left the queue.
    pub(super) fn fire(&mut self, item: Item) -> Option<T> {
        let value = self.slots.get_mut(item.slot)?.take()?;
        self.freed(item.slot);
        Some(value)
    }

    /// Replaces items that have left the queue by those to put there instead, and returns how many
    /// there are.
    ///
    /// Slots are scattered over memory, and a processor cannot predict which items are stale: a
    /// branch on each slot would wait for its load. The loop does not branch, so the loads overlap.
    pub(super) fn refresh(&mut self, items: &mut [Item]) -> usize {
        let (mut known, mut moved) = (0, false);
        for index in 0..items.len() {
            let item = items[index];
            items[known] = item;
            let (order, queued_order) = self
                .slots
                .get(item.slot)
                .map_or((NONE, NONE), |slot| (slot.order, slot.queued_order));
            let is_known = queued_order == item.order;
            known += usize::from(is_known);
            moved |= is_known & (order != queued_order);
        }
        self.stale -= items.len() - known;
        if moved { self.catch_up(&mut items[..known]) } else { known }
    }

    /// Does the same for items that are not stale: their timers may have moved to later deadlines.
    fn catch_up(&mut self, items: &mut [Item]) -> usize {
        let mut kept = 0;
        for index in 0..items.len() {
            let mut item = items[index];
            if let Some(slot) = self.slots.get_mut(item.slot) {
                slot.queued_deadline = slot.deadline;
                slot.queued_order = slot.order;
                item = Item { deadline: slot.deadline, order: slot.order, ..item };
            }
            items[kept] = item;
            kept += usize::from(item.deadline < Instant::NEVER);
        }
        kept
    }

    /// Notes that a slot is free, or drops the free slots at the end if it is one of them.
    fn freed(&mut self, index: usize) {
        self.live -= 1;
        if index + 1 < self.slots.len() {
            self.free.push(index);
            return;
        }
        while let Some(TimerSlot { value: None, .. }) = self.slots.last() {
            self.slots.pop();
        }
        let len = self.slots.len();
        give_back(len, self.slots.capacity(), |to| self.slots.shrink_to(to));
        // More than half of the listed slots were dropped: their number pays for the cost of one
        // pass.
        if self.free.len() > 2 * len + KEEP {
            self.free.retain(|&index| index < len);
            give_back(self.free.len(), self.free.capacity(), |to| self.free.shrink_to(to));
        }
    }

    /// How many free slots are listed, dropped ones included.
    #[cfg(test)]
    pub(super) fn listed(&self) -> usize {
        self.free.len()
    }

    /// The allocated capacity for slots, and for the list of free ones.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.slots.capacity(), self.free.capacity())
    }
}
