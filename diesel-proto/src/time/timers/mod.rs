//! Deadlines with keys: everything that waits for a point in time.
//!
//! ```text
//!   insert, set, cancel ──▶ slots: one per timer, found by its key
//!                             │ ▲
//!                        Item │ │ refresh: what has become of this item's timer?
//!                             ▼ │
//!   expire, next_deadline ◀── wheel: the queue, ordered by deadline ──▶ chunks: its memory
//! ```
//!
//! The rules:
//!
//! - Nothing fires early, and nothing that is due at `now` is held back: the resolution is the
//!   nanosecond of [`Instant`].
//! - Timers fire in the order of their deadlines, equal ones in the order in which they were set.
//! - Timers change far more often than they fire. Cancelling a timer only frees its slot, and
//!   moving it to a later deadline only writes to its slot; the queue finds out when the old
//!   deadline comes up. Sweeps bound the number of stale items in the queue.
//! - Memory follows the number of timers, up and down, but a steady number of timers allocates
//!   nothing.
//!
//! It must never know a clock, nor what a timer is for. Time passes only by the `now` of a call.
//!
//! `slots` keeps the timers, `wheel` the queue, and `chunks` the memory of the queue. Slots and
//! queue communicate only through [`Item`]s.

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

/// Room for this many elements is never given back, and this many stale items are never swept: with
/// fewer, the work is not worth the memory.
const KEEP: usize = 32;

/// Values of type `T`, each handed out once its deadline has come.
///
/// Timers are never early and never late: whatever is due at the given `now` is handed out, exact
/// to the nanosecond, in the order of the deadlines, and with equal deadlines in the order in which
/// they were set. [`Instant::NEVER`] is a deadline that does not come.
///
/// # Cost
///
/// New timers hold no memory. [`insert`](Self::insert) and [`cancel`](Self::cancel) take constant
/// time; so does [`set`](Self::set), which does not even touch the queue if the deadline is later
/// than before. [`expire`](Self::expire) takes, for each timer, constant time and logarithmic time
/// in the number of timers in the same millisecond. All costs are amortized: a single call may have
/// to move many timers.
///
/// Memory is given back as timers go. When the last one has gone, at most 48 KiB and slots for 32
/// timers are left; about 5 KiB if there never were more than a few timers. While their number
/// stays about the same, nothing is allocated, unless the timers spread over more of the queue's
/// buckets than ever before. A slot can be freed only if no timer has a slot behind it, so a
/// long-lived timer that was set while there were very many timers keeps their slots allocated (but
/// not their items in the queue).
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
/// // Bytes have arrived.
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
    /// There is one item for each timer in `slots` whose deadline is not `NEVER`, and `slots.stale`
    /// items of no timer.
    wheel: Wheel,
    /// The source of ids and orders. It counts operations, and 2^64 of them take too long to
    /// happen.
    next: NonZeroU64,
}

/// Identifies one timer of a [`Timers`]. Once that timer has fired or was cancelled, the key is
/// stale: no other timer will ever have the same key.
///
/// A key of another [`Timers`] is not recognized as such.
///
/// ```
/// use diesel_proto::{Instant, Timers};
///
/// let mut timers = Timers::new();
/// let key = timers.insert(Instant::ORIGIN, "due");
/// assert_eq!(timers.deadline(key), Some(Instant::ORIGIN));
/// assert_eq!(timers.expire(Instant::ORIGIN), Some("due"));
/// assert_eq!(timers.deadline(key), None, "the key is stale");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TimerKey {
    slot: usize,
    /// 64 bits: 32 would start over after an hour with a million operations a second.
    id: NonZeroU64,
}

/// What the queue holds of a timer. Sorted by deadline, and with equal deadlines by `order`.
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

    /// Adds a timer: from `deadline` on, [`expire`](Self::expire) hands out `value`.
    ///
    /// A deadline in the past is due at once. Constant time.
    pub fn insert(&mut self, deadline: Instant, value: T) -> TimerKey {
        let id = self.draw();
        let slot = self.slots.insert(deadline, id, value);
        if deadline < Instant::NEVER {
            self.wheel.push(Item { deadline, order: id.get(), slot });
        }
        TimerKey { slot, id }
    }

    /// Cancels a timer and returns its value; `None` if it has fired or was cancelled before.
    ///
    /// Constant time.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let value = self.slots.cancel(key)?;
        self.tidy();
        Some(value)
    }

    /// Moves a timer to another deadline, as if it had been added just now. Returns `false` if it
    /// has fired or was cancelled.
    ///
    /// [`Instant::NEVER`] puts it off until it is set again. Constant time; no queue operation if
    /// the deadline is not earlier than before.
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

    /// The value of a timer, for changing it; `None` if the timer has fired or was cancelled.
    pub fn value_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slots.value_mut(key)
    }

    /// When to call [`expire`](Self::expire) next; `None` if no timer will ever be due.
    ///
    /// It is never later than the earliest deadline. It may be earlier, if a timer was cancelled or
    /// moved: then `expire` returns `None`, and afterwards this is later than the `now` of that
    /// call. So a loop that sleeps until this instant and calls `expire` always makes progress.
    /// Constant time.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.earliest()
    }

    /// Takes out the first timer that is due at `now`, that is, whose deadline is not later. Call
    /// this until it returns `None`.
    ///
    /// `now` may be earlier than that of the last call: then less is due, with no other effect. The
    /// cost does not depend on how far time has moved.
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

    /// Whether there are no timers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `stale <= 2 * len + KEEP`, and memory in proportion. A sweep leaves nothing stale, so
    /// it visits at most 1.5 times as many items as became stale since the last sweep.
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

/// Shows how many timers there are, and when the next one is due.
impl<T> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish()
    }
}

/// Shrinks a collection that is mostly empty. After that, half of the elements must be removed
/// before it shrinks again, so the cost is constant for each removed element.
fn give_back(len: usize, capacity: usize, shrink_to: impl FnOnce(usize)) {
    if capacity > KEEP && len < capacity / 4 {
        shrink_to(KEEP.max(2 * len));
    }
}
