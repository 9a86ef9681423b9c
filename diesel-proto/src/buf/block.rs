//! Blocks: the memory under buffers and pipelines, and the free list that lends it.
//!
//! A [`Buffer`](super::buffer::Buffer) or a [`Pipeline`](super::pipeline::Pipeline) owns no memory
//! while it is empty. The caller passes its [`Blocks`] to each call, and a block goes back there as
//! soon as nothing is left in it. So ten thousand idle connections own no blocks, the busy ones
//! share a few, and in a steady state every block comes from the free list.
//!
//! Rules of this file:
//!
//! - A block that is lent is empty, has no other owner, and has the capacity that was asked for.
//! - The length of each list of the pool is bounded by a named constant.
//! - The pool decides where bytes are stored, never which bytes come out.
//!
//! It must never know what the bytes are, nor what borrows the blocks.

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
/// `Rc<Vec<u8>>` belongs to one thread and can be sliced without copying, for fibers.
///
/// Example: see [`Blocks`].
pub trait Block: Sealed + Sized {
    /// An empty block with room for `capacity` bytes.
    fn with_capacity(capacity: usize) -> Self;

    /// The bytes in the block.
    fn as_slice(&self) -> &[u8];

    /// How many bytes the block has room for in all.
    fn capacity(&self) -> usize;

    /// The block, for writing; `None` while a [`Chunk`](super::chunk::Chunk) pins it.
    fn unique(&mut self) -> Option<&mut Vec<u8>>;
}

mod sealed {
    pub trait Sealed {
        /// What borrowers of such blocks own beside them, which is lent and given back likewise.
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
/// `Blocks` alone means blocks of `Vec<u8>`. One free list is enough for a whole hub: everything
/// that runs in a thread can borrow from the same.
///
/// # Memory
///
/// A new free list owns nothing. At most [`KEEP_SMALL`](Self::KEEP_SMALL) small,
/// [`KEEP_LARGE`](Self::KEEP_LARGE) large and [`KEEP_PINNED`](Self::KEEP_PINNED) pinned blocks of
/// either size are kept for later: 256 KiB + 1 MiB + at the very most 4 MiB. A pipeline gives its
/// small block back together with its other state; at most as many of these are kept: 256 KiB more.
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
    /// Blocks that were given back while a chunk still pinned them, the oldest in front.
    pinned: VecDeque<B>,
    /// State of pipelines that was given back: empty, but each may have a small block.
    // The boxes are kept: their allocation is what is saved.
    #[allow(clippy::vec_box)]
    keepers: Vec<Box<B::Keeper>>,
}

impl Blocks {
    /// Bytes in a block of the smaller size: 4 KiB.
    pub const SMALL: usize = 4 * 1024;

    /// Bytes in a block of the larger size: 64 KiB. A larger block is allocated with exactly the
    /// capacity that was asked for, and never kept.
    pub const LARGE: usize = 64 * 1024;

    /// How many free small blocks are kept.
    pub const KEEP_SMALL: usize = 64;

    /// How many free large blocks are kept.
    pub const KEEP_LARGE: usize = 16;

    /// How many blocks are kept that a chunk still pins. Above that, the oldest is dropped, and the
    /// last of its chunks frees it.
    pub const KEEP_PINNED: usize = 64;

    /// How many pinned blocks a call checks for one that has become free. This bounds the work of a
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
        // The block that came back last is the likeliest to be in the processor's cache.
        free.pop().unwrap_or_else(|| B::with_capacity(capacity))
    }

    /// Takes a block back, whatever is in it and wherever it came from.
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

    /// Lends one as its last borrower left it.
    #[inline]
    pub(crate) fn lend_keeper(&mut self) -> Box<B::Keeper> {
        self.keepers.pop().unwrap_or_default()
    }

    /// Takes one back. It may have a small, empty block.
    #[inline]
    pub(crate) fn give_back_keeper(&mut self, keeper: Box<B::Keeper>) {
        if self.keepers.len() < Blocks::KEEP_SMALL {
            self.keepers.push(keeper);
        }
    }

    /// Frees all blocks that are kept.
    pub fn release(&mut self) {
        *self = Blocks::new();
    }

    /// Lends a block with room for `at_least` bytes that already holds `parts`, joined.
    pub(crate) fn lend_filled(&mut self, at_least: usize, parts: [&[u8]; 2]) -> B {
        let mut block = self.lend(at_least.max(parts[0].len() + parts[1].len()));
        // A block that was just lent is always unique.
        if let Some(vec) = block.unique() {
            vec.extend_from_slice(parts[0]);
            vec.extend_from_slice(parts[1]);
        }
        block
    }

    /// Checks the oldest pinned blocks, and reclaims those whose chunks are gone.
    ///
    /// The echo of a line is why this exists: the line is taken, the buffer is empty and gives its
    /// block back, and the line is dropped only after that. The block must be available for the
    /// next read.
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

    /// Puts a block without other owners on the list of its size, if there is room.
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
