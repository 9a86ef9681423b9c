//! Blocks: the memory under buffers and pipelines, and the free list that lends it.
//!
//! A [`Buffer`](super::buffer::Buffer) or a [`Pipeline`](super::pipeline::Pipeline) owns no memory while it is
//! empty. Whoever calls it passes its own [`Blocks`] along, and blocks go back there as soon as
//! nothing is left in them. So ten thousand idle connections share the few blocks that the busy
//! ones need, and a steady state takes from the free list what it gave back a moment ago.
//!
//! Rules of this file:
//!
//! - A block that is lent is empty, is held by nobody else, and has the room that was asked for.
//! - What the pool keeps is bounded, in each of its lists, by a named constant.
//! - The pool decides where bytes live, never which bytes come out.
//!
//! It must never know what the bytes are, nor who borrows the blocks.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

#[cfg(test)]
mod tests;

/// Memory that a buffer or a pipeline borrows from its caller, and gives back when it is empty.
///
/// There are two kinds, and the trait is sealed: `Vec<u8>` is [`Send`], for protocol cores;
/// `Rc<Vec<u8>>` belongs to one thread, and can be sliced without copying, for fibers.
pub trait Block: Sealed + Sized {
    /// An empty block with room for `capacity` bytes.
    fn with_capacity(capacity: usize) -> Self;

    /// The bytes in the block.
    fn as_slice(&self) -> &[u8];

    /// How many bytes the block has room for in all.
    fn capacity(&self) -> usize;

    /// The block for writing; `None` while a [`Chunk`](super::chunk::Chunk) pins it.
    fn unique(&mut self) -> Option<&mut Vec<u8>>;
}

mod sealed {
    pub trait Sealed {
        /// What borrowers of such blocks keep beside them, and lend and give back likewise.
        type Keeper: Default;
    }
    impl Sealed for alloc::rc::Rc<alloc::vec::Vec<u8>> {
        type Keeper = ();
    }
}

pub(crate) use sealed::Sealed;

impl Block for Vec<u8> {
    fn with_capacity(capacity: usize) -> Self {
        Vec::with_capacity(capacity)
    }

    fn as_slice(&self) -> &[u8] {
        self
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn unique(&mut self) -> Option<&mut Vec<u8>> {
        Some(self)
    }
}

impl Block for Rc<Vec<u8>> {
    fn with_capacity(capacity: usize) -> Self {
        Rc::new(Vec::with_capacity(capacity))
    }

    fn as_slice(&self) -> &[u8] {
        self
    }

    fn capacity(&self) -> usize {
        Vec::capacity(self)
    }

    fn unique(&mut self) -> Option<&mut Vec<u8>> {
        Rc::get_mut(self)
    }
}

/// A free list of blocks in two sizes, lent to buffers and pipelines on each call.
///
/// `Blocks` alone means blocks of `Vec<u8>`. One is enough for a whole hub: everything that runs
/// in a thread borrows the same.
///
/// # Memory
///
/// A new one owns nothing. At most [`KEEP_SMALL`](Self::KEEP_SMALL) small,
/// [`KEEP_LARGE`](Self::KEEP_LARGE) large and [`KEEP_PINNED`](Self::KEEP_PINNED) pinned blocks of
/// either size are kept for later: 256 KiB + 1 MiB + at the very most 4 MiB. Pipelines give their
/// small blocks back together with what else they need, as many again at most: 256 KiB more.
///
/// # Examples
///
/// ```
/// use diesel_proto::Blocks;
///
/// let mut blocks: Blocks = Blocks::new();
/// let block = blocks.lend(100);
/// assert_eq!(block.capacity(), Blocks::SMALL);
///
/// let address = block.as_ptr();
/// blocks.give_back(block);
/// assert_eq!(blocks.lend(4096).as_ptr(), address);
/// ```
pub struct Blocks<B: Block = Vec<u8>> {
    small: Vec<B>,
    large: Vec<B>,
    /// Given back while a chunk of them still lived; the longest waiting in front.
    pinned: VecDeque<B>,
    /// Given back without anything in them, but for a small block each.
    // The boxes are what is spared.
    #[allow(clippy::vec_box)]
    keepers: Vec<Box<B::Keeper>>,
}

impl Blocks {
    /// Bytes in a block of the smaller size: 4 KiB.
    pub const SMALL: usize = 4 * 1024;

    /// Bytes in a block of the larger size: 64 KiB. What is larger still is allocated to measure,
    /// and never kept.
    pub const LARGE: usize = 64 * 1024;

    /// How many free small blocks are kept.
    pub const KEEP_SMALL: usize = 64;

    /// How many free large blocks are kept.
    pub const KEEP_LARGE: usize = 16;

    /// How many blocks are kept that a chunk still pins. Past that, the oldest is let go: the last
    /// of its chunks frees it.
    pub const KEEP_PINNED: usize = 64;

    /// How many pinned blocks are tried for one that has become free. It bounds the work of a
    /// call.
    const TRIES: usize = 4;
}

impl<B: Block> Blocks<B> {
    /// An empty free list. Allocates nothing.
    pub const fn new() -> Self {
        Blocks {
            small: Vec::new(),
            large: Vec::new(),
            pinned: VecDeque::new(),
            keepers: Vec::new(),
        }
    }

    /// Lends an empty block with room for `at_least` bytes.
    ///
    /// It has [`SMALL`](Blocks::SMALL) bytes, or [`LARGE`](Blocks::LARGE), or, above that, exactly
    /// as many as asked for.
    ///
    /// # Cost
    ///
    /// O(1). Allocates only if no block of the size is free.
    pub fn lend(&mut self, at_least: usize) -> B {
        if at_least > Blocks::LARGE {
            return B::with_capacity(at_least);
        }
        let is_small = at_least <= Blocks::SMALL;
        if if is_small { self.small.is_empty() } else { self.large.is_empty() } {
            self.reclaim();
        }
        let (free, capacity) = if is_small {
            (&mut self.small, Blocks::SMALL)
        } else {
            (&mut self.large, Blocks::LARGE)
        };
        // The last to come back is the likeliest to be in the processor's cache.
        free.pop().unwrap_or_else(|| B::with_capacity(capacity))
    }

    /// Takes a block back, whatever is in it and whoever lent it.
    ///
    /// # Cost
    ///
    /// O(1).
    pub fn give_back(&mut self, mut block: B) {
        if block.unique().is_some() {
            return self.keep(block);
        }
        if block.capacity() > Blocks::LARGE {
            return;
        }
        if self.pinned.len() >= Blocks::KEEP_PINNED
            && let Some(mut oldest) = self.pinned.pop_front()
            && oldest.unique().is_some()
        {
            self.keep(oldest);
        }
        self.pinned.push_back(block);
    }

    /// Lends one that is as its last borrower left it.
    #[inline]
    pub(crate) fn lend_keeper(&mut self) -> Box<B::Keeper> {
        self.keepers.pop().unwrap_or_default()
    }

    /// Takes one back. It may have a block, small and empty.
    #[inline]
    pub(crate) fn give_back_keeper(&mut self, keeper: Box<B::Keeper>) {
        if self.keepers.len() < Blocks::KEEP_SMALL {
            self.keepers.push(keeper);
        }
    }

    /// Lets go of all blocks that are kept.
    pub fn release(&mut self) {
        *self = Blocks::new();
    }

    /// Lends a block with room for `at_least` bytes that already holds `parts`, joined.
    pub(crate) fn lend_filled(&mut self, at_least: usize, parts: [&[u8]; 2]) -> B {
        let mut block = self.lend(at_least.max(parts[0].len() + parts[1].len()));
        // What was just lent is always unique.
        if let Some(vec) = block.unique() {
            vec.extend_from_slice(parts[0]);
            vec.extend_from_slice(parts[1]);
        }
        block
    }

    /// Looks among the oldest pinned blocks for those whose chunks are gone by now.
    ///
    /// The echo of a line is why this exists: the line is taken, the buffer is empty and gives its
    /// block back, and only then is the line dropped. The block must be there for the next read.
    fn reclaim(&mut self) {
        for _ in 0..Blocks::TRIES.min(self.pinned.len()) {
            let Some(mut block) = self.pinned.pop_front() else { return };
            if block.unique().is_some() {
                self.keep(block);
            } else {
                self.pinned.push_back(block);
            }
        }
    }

    /// Puts a block that nobody else holds on the list of its size, if there is room.
    fn keep(&mut self, mut block: B) {
        let Some(vec) = block.unique() else { return };
        vec.clear();
        let (free, most) = match vec.capacity() {
            Blocks::SMALL => (&mut self.small, Blocks::KEEP_SMALL),
            Blocks::LARGE => (&mut self.large, Blocks::KEEP_LARGE),
            _ => return,
        };
        if free.len() < most {
            free.push(block);
        }
    }
}

impl<B: Block> Default for Blocks<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Block> fmt::Debug for Blocks<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("small", &self.small.len())
            .field("large", &self.large.len())
            .field("pinned", &self.pinned.len())
            .finish()
    }
}
