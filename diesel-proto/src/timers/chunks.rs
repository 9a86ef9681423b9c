//! Where queue items are kept: unordered bags of items, in chunks of a fixed size.
//!
//! A growing vector for each bucket would either be freed and allocated again on every tick, or
//! keep the capacity of its fullest day. Chunks all have one size, so a chunk that one bucket
//! emptied fits any other: once there are enough, nothing is allocated any more. At most two
//! spare chunks are kept for each one in use (and a few more); the rest goes back at once.
//!
//! This file knows neither time nor timers.

use alloc::boxed::Box;

use super::Item;

/// Makes a chunk 256 bytes.
const CHUNK: usize = 42;

/// So many chunks (4 KiB) are kept even when none is in use.
pub(super) const SPARE: usize = 16;

pub(super) struct Chunk {
    next: Option<Box<Chunk>>,
    /// `len <= CHUNK`; the items beyond are leftovers.
    len: usize,
    items: [Item; CHUNK],
}

impl Chunk {
    pub(super) fn items(&mut self) -> &mut [Item] {
        self.items.get_mut(..self.len).unwrap_or_default()
    }
}

/// A bag of items.
pub(super) struct Bag {
    /// Only the first chunk may have room: the others are full.
    head: Option<Box<Chunk>>,
}

impl Bag {
    pub(super) const EMPTY: Bag = Bag { head: None };
}

/// The derived drop would recurse once for each chunk, and overflow the stack on a long chain.
impl Drop for Bag {
    fn drop(&mut self) {
        let mut next = self.head.take();
        while let Some(mut chunk) = next {
            next = chunk.next.take();
        }
    }
}

/// All chunks of one wheel, in use or spare.
pub(super) struct Chunks {
    used: usize,
    /// `spares <= 2 * used + SPARE`, whenever a chunk has just been released.
    spares: usize,
    spare: Bag,
    /// How often the allocator was asked.
    #[cfg(test)]
    pub(super) allocated: usize,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Chunks {
            used: 0,
            spares: 0,
            spare: Bag::EMPTY,
            #[cfg(test)]
            allocated: 0,
        }
    }

    /// Puts `item` into `bag`.
    pub(super) fn push(&mut self, bag: &mut Bag, item: Item) {
        let head = match &mut bag.head {
            Some(head) if head.len < CHUNK => head,
            head => {
                let next = head.take();
                head.insert(self.take(item, next))
            }
        };
        if let Some(place) = head.items.get_mut(head.len) {
            *place = item;
            head.len += 1;
        }
    }

    /// Takes a chunk out of `bag`: to be handed to [`Self::release`] when its items are read.
    pub(super) fn detach(&mut self, bag: &mut Bag) -> Option<Box<Chunk>> {
        let mut chunk = bag.head.take()?;
        bag.head = chunk.next.take();
        Some(chunk)
    }

    fn take(&mut self, filler: Item, next: Option<Box<Chunk>>) -> Box<Chunk> {
        self.used += 1;
        if let Some(mut chunk) = self.spare.head.take() {
            self.spares -= 1;
            self.spare.head = chunk.next.take();
            chunk.len = 0;
            chunk.next = next;
            return chunk;
        }
        #[cfg(test)]
        {
            self.allocated += 1;
        }
        Box::new(Chunk { next, len: 0, items: [filler; CHUNK] })
    }

    /// Takes back what [`Self::detach`] gave.
    pub(super) fn release(&mut self, mut chunk: Box<Chunk>) {
        self.used -= 1;
        chunk.next = self.spare.head.take();
        self.spare.head = Some(chunk);
        self.spares += 1;
        // Two at most are ever over: the one that came, and those that it no longer vouches for.
        while self.spares > 2 * self.used + SPARE {
            let Some(mut chunk) = self.spare.head.take() else { break };
            self.spare.head = chunk.next.take();
            self.spares -= 1;
        }
    }

    /// How many chunks are allocated.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.used + self.spares
    }
}
