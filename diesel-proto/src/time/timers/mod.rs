//! Deadlines with keys.
//!
//! Everything that waits for a point in time is kept here: what is due next, and what is due now.
//!
//! The rules:
//!
//! - Nothing fires early, and nothing that is due at `now` is held back: the resolution is the
//!   nanosecond of [`Instant`].
//! - Timers fire in the order of their deadlines, equal ones in the order in which they were set.
//! - Timers change far more often than they fire. A cancelled one only frees its slot, and one
//!   that is moved to a later deadline only writes it; the queue learns of it when the old
//!   deadline comes up. What is left over in the queue is bounded by sweeping it.
//! - Memory follows the number of timers, up and down, yet a steady number allocates nothing.
//!
//! What must never be known here: a clock, and why anybody waits. Time goes only as far as the
//! `now` of a call says.
//!
//! `slots` keeps the timers, `wheel` the queue, and `chunks` the memory of the queue. Slots and
//! queue know of each other only through [`Item`].

mod chunks;
#[cfg(test)]
mod model;
mod slots;
#[cfg(test)]
mod tests;
mod wheel;

use core::fmt;
use core::num::NonZeroU64;

use self::slots::TimerSlots;
use self::wheel::Wheel;
use super::instant::Instant;

/// Room for so many elements is never given back, and so many stale items are never swept: below
/// it, the work is not worth the memory.
const KEEP: usize = 32;

/// Timers: values of type `T`, each handed back once its deadline has come.
///
/// Timers are never early, and not late either: whatever is due at the `now` that is passed is
/// handed out, down to the nanosecond, in the order of the deadlines, and equal ones in the order
/// in which they were set. [`Instant::NEVER`] is a deadline that does not come.
///
/// # Cost
///
/// A new one holds no memory. [`insert`](Self::insert) and [`cancel`](Self::cancel) take constant
/// time; so does [`set`](Self::set), and to a later deadline it does not even touch the queue.
/// [`expire`](Self::expire) takes constant time for each timer, and logarithmic time in the number
/// of timers in the same millisecond. All of it is amortized: any single call may have to move many
/// timers.
///
/// Memory is given back while timers go. When the last one has gone, at most 48 KiB are left and
/// slots for 32 timers; where there never were more than a few, some 5 KiB. As long as their number
/// stays about the same, nothing is allocated, but for a new record in how they scatter over time.
/// A slot can be given back only if no timer has a later one, so a long-lived timer that was set
/// while there were very many keeps their slots (not their place in the queue).
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Instant, Timers};
///
/// let start = Instant::ORIGIN;
/// let mut timers = Timers::new();
/// let idle = timers.insert(start + Duration::from_secs(30), "idle");
/// let head = timers.insert(start + Duration::from_secs(10), "head");
/// assert_eq!(timers.next_deadline(), Some(start + Duration::from_secs(10)));
///
/// // Bytes have come.
/// let now = start + Duration::from_secs(5);
/// assert_eq!(timers.cancel(head), Some("head"));
/// assert!(timers.set(idle, now + Duration::from_secs(30)));
///
/// assert_eq!(timers.expire(start + Duration::from_secs(34)), None);
/// assert_eq!(timers.expire(start + Duration::from_secs(35)), Some("idle"));
/// assert!(timers.is_empty());
/// ```
pub struct Timers<T> {
    slots: TimerSlots<T>,
    /// For each timer in `slots` whose deadline is not `NEVER` there is one item; beside those
    /// there are `slots.stale` others.
    wheel: Wheel,
    /// Drawn from for ids and orders. It counts operations, and there is no time for 2^64.
    next: NonZeroU64,
}

/// Names one timer of a [`Timers`]. It names nothing any more once that timer has fired or was
/// cancelled: no other timer will ever have the same key.
///
/// A key that belongs to another [`Timers`] is not recognized as such.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TimerKey {
    slot: usize,
    /// 32 bits would start over after an hour on a slot that is set a million times a second.
    id: NonZeroU64,
}

/// What the queue holds of a timer. Ordered by deadline, equal ones by order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    deadline: Instant,
    order: u64,
    slot: usize,
}

impl<T> Timers<T> {
    /// No timers. Allocates nothing.
    pub const fn new() -> Self {
        Timers { slots: TimerSlots::new(), wheel: Wheel::new(), next: NonZeroU64::MIN }
    }

    /// Sets a timer: from `deadline` on, [`expire`](Self::expire) hands out `value`.
    ///
    /// A deadline that is past is due at once. Constant time.
    pub fn insert(&mut self, deadline: Instant, value: T) -> TimerKey {
        let id = self.draw();
        let slot = self.slots.insert(deadline, id, value);
        if deadline < Instant::NEVER {
            self.wheel.push(Item { deadline, order: id.get(), slot });
        }
        TimerKey { slot, id }
    }

    /// Takes a timer back: its value, or `None` if it has fired or was cancelled before.
    ///
    /// Constant time.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let value = self.slots.cancel(key)?;
        self.tidy();
        Some(value)
    }

    /// Moves a timer to another deadline, as if it had been set only now. Returns whether there is
    /// such a timer: `false` if it has fired or was cancelled.
    ///
    /// [`Instant::NEVER`] puts it off until it is set again. Constant time; no queue operation if
    /// the deadline is no earlier than before.
    pub fn set(&mut self, key: TimerKey, deadline: Instant) -> bool {
        let order = self.draw().get();
        let Ok(queued) = self.slots.set(key, deadline, order) else { return false };
        if let Some(item) = queued {
            self.wheel.push(item);
            self.tidy();
        }
        true
    }

    /// When a timer is due; `None` if it has fired or was cancelled. Constant time.
    pub fn deadline(&self, key: TimerKey) -> Option<Instant> {
        self.slots.deadline(key)
    }

    /// What is handed back when the timer fires, to be changed; `None` if the key is stale.
    pub fn value_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slots.value_mut(key)
    }

    /// When to call [`expire`](Self::expire) next; `None` if no timer will ever be due.
    ///
    /// It is never later than the earliest deadline. It may be earlier if the timer that had it was
    /// cancelled or moved; then `expire` finds nothing, and afterwards this is later than the `now`
    /// that it was called with. So to sleep until this, again and again, always gets on. Constant
    /// time.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.earliest()
    }

    /// Takes out the first timer that is due at `now`: its deadline is not later. To be called
    /// until it returns `None`.
    ///
    /// `now` may be earlier than that of the last call: then less is due, and nothing else follows.
    /// How far it has moved does not matter for the cost.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let item = self.wheel.pop(now, |items| self.slots.refresh(items))?;
        let value = self.slots.fire(item);
        self.tidy();
        value
    }

    /// How many timers there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `stale <= 2 * len + KEEP`, and memory in proportion. A sweep leaves nothing stale,
    /// so it visits at most 1.5 times as many items as became stale since the last one.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.wheel.clear();
            self.slots.stale = 0;
        } else if self.slots.stale > 2 * self.len() + KEEP {
            self.wheel.sweep(|items| self.slots.refresh(items));
        }
    }

    fn draw(&mut self) -> NonZeroU64 {
        let drawn = self.next;
        self.next = drawn.saturating_add(1);
        drawn
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers::new()
    }
}

/// How many there are, and when the next one is due.
impl<T> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish()
    }
}

/// Shrinks what is mostly empty: once that has happened, half of what is left must go before it
/// happens again, so it costs each element that goes a constant.
fn give_back(len: usize, capacity: usize, shrink_to: impl FnOnce(usize)) {
    if capacity > KEEP && len < capacity / 4 {
        shrink_to(KEEP.max(2 * len));
    }
}
