//! The memory of the queue: unordered bags of items, stored in chunks.
//!
//! A growing vector for each bucket would either be freed and allocated again on every tick, or
//! keep its greatest capacity for ever. All chunks of a size are alike, so a chunk that one bucket
//! has emptied fits any other: once there are enough, nothing is allocated any more. Few spare
//! chunks are kept, compared with those in use; the others are freed at once.
//!
//! There are two sizes. If there are few timers, most are alone in their buckets: small chunks keep
//! that cheap. If there are very many, they are read back in bulk: the fewer jumps from chunk to
//! chunk the better (with chunks of ten items the whole queue was slower by a fifth).
//!
//! It must never know time, nor timers.

use alloc::boxed::Box;

use super::Item;

/// Items in a chunk: a small chunk then has 112 bytes, a large one 1 KiB.
const SMALL: usize = 4;
const LARGE: usize = 42;

/// How many spare chunks of each size are kept even for no items, if that many were ever in use: 30
/// KiB. They are enough for a few timers, however these spread over buckets.
const SMALL_SPARE: usize = 128;
const LARGE_SPARE: usize = 16;

/// A bag of items.
pub(super) struct Bag {
    /// At most one chunk, filled first.
    small: Chain<SMALL>,
    /// Only the first chunk may have room: the others are full.
    large: Chain<LARGE>,
}

impl Bag {
    pub(super) const EMPTY: Bag = Bag { small: Chain { head: None }, large: Chain { head: None } };
}

/// All chunks of one wheel, in use or spare.
pub(super) struct Chunks {
    /// How many items are in bags.
    pub(super) items: usize,
    small: Pool<SMALL>,
    large: Pool<LARGE>,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Chunks { items: 0, small: Pool::new(SMALL_SPARE), large: Pool::new(LARGE_SPARE) }
    }

    /// Puts `item` into `bag`.
    pub(super) fn push(&mut self, bag: &mut Bag, item: Item) {
        self.items += 1;
        match &mut bag.small.head {
            Some(small) if small.len == SMALL => self.large.push(&mut bag.large, item),
            _ => self.small.push(&mut bag.small, item),
        }
    }

    /// Takes a chunk out of `bag`. The caller hands it to [`Self::release`] after reading its
    /// items.
    pub(super) fn detach(&mut self, bag: &mut Bag) -> Option<LooseChunk> {
        let large = bag.large.take().map(LooseChunk::Large);
        let mut chunk = large.or_else(|| bag.small.take().map(LooseChunk::Small))?;
        self.items -= chunk.items().len();
        Some(chunk)
    }

    /// Takes back what [`Self::detach`] gave.
    pub(super) fn release(&mut self, chunk: LooseChunk) {
        match chunk {
            LooseChunk::Small(chunk) => self.small.release(chunk),
            LooseChunk::Large(chunk) => self.large.release(chunk),
        }
        // Items move between the sizes, so each release may leave too many of either.
        self.small.trim(self.items);
        self.large.trim(self.items);
    }

    /// How many items there is room for.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        SMALL * (self.small.used + self.small.spares)
            + LARGE * (self.large.used + self.large.spares)
    }

    /// How many chunks were allocated, and how many were freed.
    #[cfg(test)]
    pub(super) fn allocator_calls(&self) -> (usize, usize) {
        let allocated = self.small.allocated + self.large.allocated;
        let held = self.small.used + self.small.spares + self.large.used + self.large.spares;
        (allocated, allocated - held)
    }
}

/// The greatest [`Chunks::held`] when nothing is in use.
#[cfg(test)]
pub(super) const fn spare() -> usize {
    SMALL * SMALL_SPARE + LARGE * LARGE_SPARE
}

/// A chunk that is in no bag.
pub(super) enum LooseChunk {
    Small(Box<ChunkNode<SMALL>>),
    Large(Box<ChunkNode<LARGE>>),
}

impl LooseChunk {
    pub(super) fn items(&mut self) -> &mut [Item] {
        match self {
            LooseChunk::Small(chunk) => chunk.items(),
            LooseChunk::Large(chunk) => chunk.items(),
        }
    }
}

/// One chunk of a chain.
pub(super) struct ChunkNode<const N: usize> {
    next: Option<Box<ChunkNode<N>>>,
    /// `len <= N`; the items beyond are leftovers.
    len: usize,
    items: [Item; N],
}

impl<const N: usize> ChunkNode<N> {
    fn items(&mut self) -> &mut [Item] {
        self.items.get_mut(..self.len).unwrap_or_default()
    }
}

struct Chain<const N: usize> {
    head: Option<Box<ChunkNode<N>>>,
}

impl<const N: usize> Chain<N> {
    fn take(&mut self) -> Option<Box<ChunkNode<N>>> {
        let mut link = self.head.take()?;
        self.head = link.next.take();
        Some(link)
    }

    fn put(&mut self, mut link: Box<ChunkNode<N>>) {
        link.next = self.head.take();
        self.head = Some(link);
    }
}

/// The derived drop would recurse once for each chunk, and overflow the stack on a long chain.
impl<const N: usize> Drop for Chain<N> {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}

/// All chunks of one size.
struct Pool<const N: usize> {
    used: usize,
    spare: Chain<N>,
    spares: usize,
    /// How many are kept even for no items.
    floor: usize,
    #[cfg(test)]
    allocated: usize,
}

impl<const N: usize> Pool<N> {
    const fn new(floor: usize) -> Self {
        Pool {
            used: 0,
            spare: Chain { head: None },
            spares: 0,
            floor,
            #[cfg(test)]
            allocated: 0,
        }
    }

    fn push(&mut self, chain: &mut Chain<N>, item: Item) {
        if chain.head.as_ref().is_none_or(|link| link.len == N) {
            chain.put(self.provide(item));
        }
        let Some(link) = &mut chain.head else { return };
        if let Some(place) = link.items.get_mut(link.len) {
            *place = item;
            link.len += 1;
        }
    }

    /// An empty chunk. A new one is initialized with `filler`.
    fn provide(&mut self, filler: Item) -> Box<ChunkNode<N>> {
        self.used += 1;
        if let Some(mut link) = self.spare.take() {
            self.spares -= 1;
            link.len = 0;
            return link;
        }
        #[cfg(test)]
        {
            self.allocated += 1;
        }
        Box::new(ChunkNode { next: None, len: 0, items: [filler; N] })
    }

    fn release(&mut self, link: Box<ChunkNode<N>>) {
        self.used -= 1;
        self.spares += 1;
        self.spare.put(link);
    }

    /// Frees spare chunks until, beside the floor, there is room for no more than four times as
    /// many `items` as there are. (Sweeps alone make that number vary threefold.)
    fn trim(&mut self, items: usize) {
        while self.spares > 0 && N * (self.used + self.spares) > 4 * items + N * self.floor {
            self.spare.take();
            self.spares -= 1;
        }
    }
}
