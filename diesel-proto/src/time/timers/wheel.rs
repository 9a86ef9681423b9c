//! The queue: which item is due next.
//!
//! A hierarchical timing wheel in front of a heap. Time is cut into ticks of 2^20 ns (about a
//! millisecond), and a tick's number into digits of six bits. Let `t` be the wheel's own tick:
//!
//! - An item whose tick is `<= t` is in `due`, a heap ordered by deadline and order: what fires
//!   is exact to the nanosecond, though a bucket is a tick wide.
//! - An item whose tick is `> t` is in the wheel. Its level is that of the highest digit in which
//!   its tick differs from `t`, its bucket is that digit. So it shares all higher digits with `t`,
//!   and its own digit is greater than that of `t`.
//!
//! ```text
//!            t = 2|17|40                         bucket ->  0 .. 17 18 .. 40 41 .. 63
//!   2|17|41 differs in the last digit:  level 0, bucket 41                    x
//!   2|18|03 differs in the middle one:  level 1, bucket 18        x
//! ```
//!
//! Hence everything in `due` is earlier than everything in the wheel, a lower level is earlier than
//! a higher one, a lower bucket earlier than a higher one of its level; and each bucket knows its
//! earliest deadline. The next item is found without searching.
//!
//! When the earliest deadline of the first bucket is reached, `t` becomes its tick and the bucket's
//! items are filed anew: each goes to a lower level or to `due`. Empty buckets are never visited,
//! so a jump over years costs no more than the items that it passes.
//!
//! The wheel must never know the timers behind its items: the caller passes `refresh`, which
//! replaces items by what has become of them, and returns how many are left. None may have become
//! earlier than it was.

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use core::{mem, slice};

use super::super::instant::Instant;
use super::chunks::{Bag, Chunks};
use super::{Item, give_back};

/// A tick is `1 << TICK` nanoseconds.
const TICK: u32 = 20;
/// Bits of a tick's number that choose a bucket, and the buckets of a level.
const DIGIT: u32 = 6;
const BUCKETS: usize = 1 << DIGIT;
/// Enough for every tick: `LEVELS * DIGIT + TICK >= 64`.
const LEVELS: usize = 8;

struct Bucket {
    bag: Bag,
    /// The earliest deadline among the items of `bag`; meaningless if the bag is empty.
    earliest: Instant,
}

type Level = [Bucket; BUCKETS];

pub(super) struct Wheel {
    /// The wheel's tick `t`. It never passes an item that is still in the wheel.
    tick: u64,
    due: BinaryHeap<Reverse<Item>>,
    /// Bit `b` of `occupied[l]` is set if there are items in bucket `b` of level `l`.
    occupied: [u64; LEVELS],
    /// Allocated when an item first needs the level: 1.5 KiB each, and rarely more than four.
    levels: [Option<Box<Level>>; LEVELS],
    chunks: Chunks,
    /// How many items were filed.
    #[cfg(test)]
    pub(super) pushes: usize,
}

impl Wheel {
    pub(super) const fn new() -> Self {
        Wheel {
            tick: 0,
            due: BinaryHeap::new(),
            occupied: [0; LEVELS],
            levels: [const { None }; LEVELS],
            chunks: Chunks::new(),
            #[cfg(test)]
            pushes: 0,
        }
    }

    /// Files an item. Its deadline may be in the past.
    pub(super) fn push(&mut self, item: Item) {
        #[cfg(test)]
        {
            self.pushes += 1;
        }
        let tick = tick_of(item.deadline);
        if tick <= self.tick {
            self.due.push(Reverse(item));
            return;
        }
        let (level, bucket) = place(self.tick, tick);
        let bit = 1 << bucket;
        let buckets = self.levels[level].get_or_insert_with(empty_level);
        let Bucket { bag, earliest } = &mut buckets[bucket];
        if self.occupied[level] & bit == 0 || item.deadline < *earliest {
            *earliest = item.deadline;
        }
        self.occupied[level] |= bit;
        self.chunks.push(bag, item);
    }

    /// The earliest deadline among all items.
    pub(super) fn earliest(&self) -> Option<Instant> {
        match self.due.peek() {
            Some(Reverse(item)) => Some(item.deadline),
            None => self.first().map(|(.., earliest)| earliest),
        }
    }

    /// Takes out the first item that is due at `now` and not stale.
    pub(super) fn pop(
        &mut self,
        now: Instant,
        mut refresh: impl FnMut(&mut [Item]) -> usize,
    ) -> Option<Item> {
        loop {
            while let Some(&Reverse(item)) = self.due.peek() {
                if item.deadline > now {
                    return None;
                }
                self.due.pop();
                give_back(self.due.len(), self.due.capacity(), |to| self.due.shrink_to(to));
                let mut fresh = item;
                if refresh(slice::from_mut(&mut fresh)) > 0 {
                    if fresh == item {
                        return Some(item);
                    }
                    self.push(fresh);
                }
            }
            if !self.turn(tick_of(now), &mut refresh) {
                return None;
            }
        }
    }

    /// Files the first bucket anew if anything in it may be due in tick `now`. Call this only when
    /// `due` is empty.
    fn turn(&mut self, now: u64, refresh: &mut impl FnMut(&mut [Item]) -> usize) -> bool {
        let Some((level, bucket, earliest)) = self.first() else {
            // Nothing is queued that a step back could harm: so if time went backwards for good,
            // the tick follows it, and costs nothing from here on.
            self.tick = now;
            return false;
        };
        let earliest = tick_of(earliest);
        if earliest > now {
            // The tick follows the clock, so that the next items are filed on a low level, but
            // stays before the bucket: within it, its items would be on too high a level.
            let shift = level as u32 * DIGIT;
            let start = (earliest >> shift) << shift;
            self.tick = self.tick.max(now.min(start - 1));
            return false;
        }
        self.tick = earliest;
        self.refile(level, bucket, refresh);
        true
    }

    /// Empties a bucket and files those of its items that are not stale.
    fn refile(
        &mut self,
        level: usize,
        bucket: usize,
        refresh: &mut impl FnMut(&mut [Item]) -> usize,
    ) {
        let mut bag = self.empty(level, bucket);
        while let Some(mut chunk) = self.chunks.detach(&mut bag) {
            let items = chunk.items();
            let kept = refresh(items);
            for &item in items.iter().take(kept) {
                self.push(item);
            }
            self.chunks.release(chunk);
        }
    }

    /// Files everything anew: afterwards no stale item is left.
    pub(super) fn sweep(&mut self, mut refresh: impl FnMut(&mut [Item]) -> usize) {
        let mut due = mem::take(&mut self.due).into_vec();
        due.retain_mut(|Reverse(item)| {
            if refresh(slice::from_mut(item)) == 0 {
                return false;
            }
            let stays = tick_of(item.deadline) <= self.tick;
            if !stays {
                self.push(*item);
            }
            stays
        });
        give_back(due.len(), due.capacity(), |to| due.shrink_to(to));
        self.due = due.into();
        for level in 0..LEVELS {
            for bucket in bits(self.occupied[level]) {
                self.refile(level, bucket, &mut refresh);
            }
        }
    }

    /// Drops all items, and frees most of their memory.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        give_back(0, self.due.capacity(), |to| self.due.shrink_to(to));
        for level in 0..LEVELS {
            for bucket in bits(self.occupied[level]) {
                let mut bag = self.empty(level, bucket);
                while let Some(chunk) = self.chunks.detach(&mut bag) {
                    self.chunks.release(chunk);
                }
            }
        }
    }

    /// The earliest bucket that is occupied, and its earliest deadline.
    fn first(&self) -> Option<(usize, usize, Instant)> {
        let level = self.occupied.iter().position(|&occupied| occupied != 0)?;
        let bucket = self.occupied[level].trailing_zeros() as usize;
        let buckets = self.levels[level].as_ref()?;
        Some((level, bucket, buckets[bucket].earliest))
    }

    /// Marks a bucket as empty and returns what was in it.
    fn empty(&mut self, level: usize, bucket: usize) -> Bag {
        self.occupied[level] &= !(1 << bucket);
        match &mut self.levels[level] {
            Some(buckets) => mem::replace(&mut buckets[bucket].bag, Bag::EMPTY),
            None => Bag::EMPTY,
        }
    }

    /// How many items there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.due.len() + self.chunks.items
    }

    /// How many items there is room for, in chunks and in the heap.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.chunks.held(), self.due.capacity())
    }

    /// How many chunks were allocated, and how many were freed.
    #[cfg(test)]
    pub(super) fn allocator_calls(&self) -> (usize, usize) {
        self.chunks.allocator_calls()
    }
}

fn tick_of(instant: Instant) -> u64 {
    instant.as_nanos() >> TICK
}

/// Level and bucket of `tick` if the wheel's tick is `from`; requires `tick > from`.
fn place(from: u64, tick: u64) -> (usize, usize) {
    let level = (from ^ tick).ilog2() / DIGIT;
    let bucket = tick >> (level * DIGIT) & (BUCKETS as u64 - 1);
    (level as usize, bucket as usize)
}

fn empty_level() -> Box<Level> {
    Box::new([const { Bucket { bag: Bag::EMPTY, earliest: Instant::NEVER } }; BUCKETS])
}

/// The positions of the bits that are set, highest first.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = set.checked_ilog2()?;
        set &= !(1 << bit);
        Some(bit as usize)
    })
}
