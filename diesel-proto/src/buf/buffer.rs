//! Incoming bytes, until they are taken.
//!
//! Bytes are pushed as they arrive, and are taken in the same order: up to a sentinel, by count, or
//! whatever is there. The memory is borrowed, block by block, from the [`Blocks`] that the caller
//! passes to each call.
//!
//! ```text
//!            consumed      searched        not yet        room
//!   front  |..........|===============|==============|------------|
//!                     start           start + searched
//!   back   |==============|-----------------------|      only while a chunk pins front
//! ```
//!
//! Rules of this file:
//!
//! - What comes out depends only on the bytes: never on how they were cut, on the blocks, or on
//!   which chunks are still alive.
//! - `front` is `None` if and only if the buffer is empty; then `back` is `None` too, `start` is 0
//!   and the buffer owns no memory. Otherwise `start < front.len()`.
//! - A [`Chunk`] is only ever cut out of `front`, so `back` is always unique.
//! - Costs are linear in the number of bytes received. For copies see `append`, for searching see
//!   `search`.
//!
//! It must never know what the bytes mean, nor set a limit: the limit of a search comes from the
//! caller, as does the decision to stop pushing.

mod search;
#[cfg(test)]
mod tests;

use super::block::{Block, Blocks};
use super::chunk::Chunk;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use search::Search;

/// A queue of incoming bytes that can be searched for a sentinel.
///
/// `Buffer` alone uses blocks of `Vec<u8>`: it is [`Send`], and is read with [`peek`] and
/// [`consume`]. A `Buffer<Rc<Vec<u8>>>` belongs to one thread, and hands out bytes as [`Chunk`]s,
/// without copying them.
///
/// While it is empty it owns no memory; it is 96 bytes itself, 64 over `Rc`.
///
/// [`peek`]: Self::peek
/// [`consume`]: Self::consume
///
/// # Examples
///
/// ```
/// use diesel_proto::{Blocks, Buffer, TooLong};
///
/// let mut blocks = Blocks::new();
/// let mut buffer: Buffer = Buffer::new();
/// buffer.push(b"HELO the", &mut blocks);
/// assert_eq!(buffer.find(b"\r\n", 80), Ok(None));
/// buffer.push(b"re\r\nQUIT", &mut blocks);
/// assert_eq!(buffer.find(b"\r\n", 80), Ok(Some(12)));
///
/// assert_eq!(&buffer.peek(&mut blocks)[..12], b"HELO there\r\n");
/// buffer.consume(12, &mut blocks);
/// assert_eq!(buffer.peek(&mut blocks), b"QUIT");
/// assert_eq!(buffer.find(b"\r\n", 4), Err(TooLong { limit: 4 }));
/// ```
pub struct Buffer<B: Block = Vec<u8>> {
    front: Option<B>,
    back: Option<B>,
    /// Where the unread bytes begin in `front`.
    start: usize,
    /// How many of the unread bytes were fed to `search`.
    searched: usize,
    search: Search,
    received: u64,
    scanned: u64,
}

impl<B: Block> Buffer<B> {
    /// An empty buffer. Allocates nothing.
    pub const fn new() -> Self {
        Buffer {
            front: None,
            back: None,
            start: 0,
            searched: 0,
            search: Search::New,
            received: 0,
            scanned: 0,
        }
    }

    /// Adds bytes at the end.
    ///
    /// # Cost
    ///
    /// Linear in `bytes`, amortised. A buffer has one block, or two while a [`Chunk`] pins the
    /// first. Each has one of the sizes of the pool, or is less than eight times as large as the
    /// unread bytes in it.
    pub fn push(&mut self, bytes: &[u8], blocks: &mut Blocks<B>) {
        if bytes.is_empty() {
            return;
        }
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.front.is_none() {
            self.front = Some(blocks.lend_filled(0, [bytes, &[]]));
            self.start = 0;
            return;
        }
        let is_pinned = self.front.as_mut().is_some_and(|front| front.unique().is_none());
        if is_pinned || self.back.is_some() {
            append(&mut self.back, &mut 0, bytes, blocks);
        } else {
            append(&mut self.front, &mut self.start, bytes, blocks);
        }
    }

    /// Puts bytes back before the unread ones: what was taken from here and is for another reader.
    /// They count as [received](Self::received) once more.
    ///
    /// ```
    /// use diesel_proto::{Blocks, Buffer};
    ///
    /// let (mut buffer, mut blocks) = (Buffer::<Vec<u8>>::new(), Blocks::new());
    /// buffer.push(b"there", &mut blocks);
    /// buffer.unread(b"hello ", &mut blocks);
    /// assert_eq!(buffer.peek(&mut blocks), b"hello there");
    /// ```
    ///
    /// # Cost
    ///
    /// Linear in all unread bytes, which are copied. The next search starts anew.
    pub fn unread(&mut self, bytes: &[u8], blocks: &mut Blocks<B>) {
        if bytes.is_empty() {
            return;
        }
        self.received = self.received.saturating_add(bytes.len() as u64);
        self.peek(blocks);
        let joined = blocks.lend_filled(0, [bytes, self.front()]);
        if let Some(front) = self.front.replace(joined) {
            blocks.give_back(front);
        }
        self.start_anew();
        self.search = Search::New;
    }

    /// How many bytes are unread.
    pub fn len(&self) -> usize {
        self.front().len() + self.behind().len()
    }

    /// Whether no bytes are unread.
    pub fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    /// Finds the first `sentinel`, and returns how many bytes there are up to and including it;
    /// `None` if it has not arrived yet. Consumes nothing.
    ///
    /// An empty sentinel is found at once, with length 0.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if at least `limit` bytes have arrived, and the first `limit` bytes contain no
    /// complete sentinel. So a sentinel that ends exactly at the limit is found, the result does
    /// not depend on how the bytes were cut, and a limit of zero fails at once.
    ///
    /// # Cost
    ///
    /// The search resumes where the last one ended: as long as the sentinel stays the same, all
    /// searches together make at most two comparisons for each byte received ([`scanned`]), however
    /// the bytes were cut and consumed. With another sentinel the search starts anew, so
    /// alternating between two sentinels costs a pass over the unread bytes each time. A sentinel
    /// of more than 13 bytes needs an allocation, which is kept until the buffer is empty.
    ///
    /// [`scanned`]: Self::scanned
    pub fn find(&mut self, sentinel: &[u8], limit: usize) -> Result<Option<usize>, TooLong> {
        if sentinel.is_empty() {
            return Ok(Some(0));
        }
        if let ([byte], 0, None) = (sentinel, self.searched, &self.back) {
            let found = self.find_first(*byte, limit);
            let end = self.front().len().min(limit);
            self.remember(*byte, found.unwrap_or(end), found.is_some());
        } else if self.search.is_for(sentinel) {
            self.search.forget_all_but(self.searched);
        } else {
            self.search = Search::new(sentinel);
            self.searched = 0;
        }
        let len = self.len();
        let end = len.min(limit);
        let front = unread(&self.front, self.start);
        while self.searched < end && !self.search.is_found() {
            let piece = match self.searched.checked_sub(front.len()) {
                None => &front[self.searched..end.min(front.len())],
                Some(searched) => &unread(&self.back, 0)[searched..end - front.len()],
            };
            self.searched += self.search.feed(piece, &mut self.scanned);
        }
        // A search with a larger limit may have gone further already.
        if self.search.is_found() && self.searched <= limit {
            Ok(Some(self.searched))
        } else if len >= limit {
            Err(TooLong { limit })
        } else {
            Ok(None)
        }
    }

    /// Begins a search for one byte where all unread bytes are in one block: one sweep.
    #[inline]
    fn find_first(&mut self, byte: u8, limit: usize) -> Option<usize> {
        let front = unread(&self.front, self.start);
        let end = front.len().min(limit);
        let found = memchr::memchr(byte, &front[..end]).map(|at| at + 1);
        self.scanned += found.unwrap_or(end) as u64;
        found
    }

    /// Remembers where the search for one byte ended, and whether it found the byte.
    #[inline]
    fn remember(&mut self, byte: u8, searched: usize, found: bool) {
        self.search = Search::for_byte(byte, found);
        self.searched = searched;
    }

    /// All unread bytes, contiguous.
    ///
    /// # Cost
    ///
    /// O(1), and nothing is copied, unless a [`Chunk`] pinned the block when more bytes came: then
    /// all unread bytes are copied, at most once for each chunk that was kept.
    pub fn peek(&mut self, blocks: &mut Blocks<B>) -> &[u8] {
        if let Some(back) = self.back.take() {
            let parts = [unread(&self.front, self.start), back.as_slice()];
            let joined = blocks.lend_filled(0, parts);
            if let Some(front) = self.front.replace(joined) {
                blocks.give_back(front);
            }
            blocks.give_back(back);
            self.start = 0;
        }
        self.front()
    }

    /// The first unread bytes, as many as are contiguous without copying. Empty only if the buffer
    /// is.
    ///
    /// For a `Buffer` over `Vec<u8>` these are always all unread bytes.
    pub fn front(&self) -> &[u8] {
        unread(&self.front, self.start)
    }

    /// Drops the first `n` unread bytes; all of them if there are fewer.
    ///
    /// # Cost
    ///
    /// O(1), amortised.
    pub fn consume(&mut self, n: usize, blocks: &mut Blocks<B>) {
        let n = n.min(self.len());
        let front = self.front().len();
        if n < front {
            self.start += n;
        } else {
            if let Some(front) = self.front.take() {
                blocks.give_back(front);
            }
            self.front = self.back.take();
            self.start = n - front;
            if self.front().is_empty() {
                return self.clear(blocks);
            }
        }
        self.searched = self.searched.saturating_sub(n);
        self.shrink(blocks);
    }

    /// Drops all unread bytes.
    pub fn clear(&mut self, blocks: &mut Blocks<B>) {
        for block in [self.front.take(), self.back.take()].into_iter().flatten() {
            blocks.give_back(block);
        }
        self.start_anew();
    }

    /// Resets the positions after the last block was given back.
    #[inline]
    fn start_anew(&mut self) {
        self.start = 0;
        self.searched = 0;
        if matches!(self.search, Search::Long(_)) {
            self.search = Search::New;
        }
    }

    /// How many bytes were received in all.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many comparisons [`find`](Self::find) has made in all.
    ///
    /// At most twice [`received`](Self::received), if all searches are for the same sentinel.
    pub fn scanned(&self) -> u64 {
        self.scanned
    }

    fn behind(&self) -> &[u8] {
        unread(&self.back, 0)
    }

    /// Moves a small rest out of a block that is larger than those of the pool. For the cost see
    /// `append`.
    fn shrink(&mut self, blocks: &mut Blocks<B>) {
        let capacity = self.front.as_ref().map_or(0, Block::capacity);
        if capacity > Blocks::LARGE && self.front().len() <= capacity / 8 {
            let rest = blocks.lend_filled(0, [self.front(), &[]]);
            if let Some(block) = self.front.replace(rest) {
                blocks.give_back(block);
            }
            self.start = 0;
        }
    }
}

impl Buffer<Rc<Vec<u8>>> {
    /// Takes everything up to and including the first `byte`; `None` if it has not arrived yet.
    /// Does what [`find`](Self::find) and [`take`](Self::take) do, in one call.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    // Inlined into the token that waits for a line, so that the result is not moved through memory.
    #[inline(always)]
    pub fn take_through(
        &mut self,
        byte: u8,
        limit: usize,
        blocks: &mut Blocks<Rc<Vec<u8>>>,
    ) -> Result<Option<Chunk>, TooLong> {
        // Fast path: nothing was searched yet and all bytes are in one block, as for a line that
        // came in one piece.
        if let (Some(block), None, 0) = (&self.front, &self.back, self.searched) {
            let unread = &block[self.start..];
            let end = unread.len().min(limit);
            if let Some(at) = memchr::memchr(byte, &unread[..end]) {
                let n = at + 1;
                self.scanned += n as u64;
                // Fast path: bytes are left behind the line, so only positions change.
                if n < unread.len() && block.capacity() <= Blocks::LARGE {
                    let chunk = Chunk::within(block, self.start, self.start + n);
                    self.start += n;
                    return Ok(Some(chunk));
                }
                return Ok(Some(self.take_last(n, blocks)));
            }
            self.scanned += end as u64;
            self.remember(byte, end, false);
        }
        Ok(self.find(&[byte], limit)?.map(|n| self.take(n, blocks)))
    }

    /// Takes the first `n` bytes; all of them if there are fewer.
    ///
    /// # Cost
    ///
    /// O(1), and nothing is copied, unless the `n` bytes are in two blocks: then they are copied
    /// once.
    // Inlined for the same reason as `take_through`.
    #[inline(always)]
    pub fn take(&mut self, n: usize, blocks: &mut Blocks<Rc<Vec<u8>>>) -> Chunk {
        if let Some(block) = &self.front {
            // Fast path: bytes are left in the block, so only positions change.
            if n < block.len() - self.start && block.capacity() <= Blocks::LARGE {
                let end = self.start + n;
                let chunk = Chunk::of(block, self.start, end);
                self.start = end;
                self.searched = self.searched.saturating_sub(n);
                return chunk;
            }
        }
        self.take_last(n, blocks)
    }

    #[inline(never)]
    fn take_last(&mut self, n: usize, blocks: &mut Blocks<Rc<Vec<u8>>>) -> Chunk {
        if n == self.front().len()
            && self.back.is_none()
            && let Some(block) = self.front.take()
        {
            let chunk = Chunk::of(&block, self.start, block.len());
            blocks.give_back(block);
            self.start_anew();
            return chunk;
        }
        let n = n.min(self.len());
        let front = self.front();
        if n <= front.len() {
            return self.take_some(n, blocks);
        }
        let joined = blocks.lend_filled(0, [front, &self.behind()[..n - front.len()]]);
        let chunk = Chunk::of(&joined, 0, n);
        blocks.give_back(joined);
        self.consume(n, blocks);
        chunk
    }

    /// The first `n` bytes, contiguous, as a chunk; all of them if there are fewer. Consumes
    /// nothing.
    ///
    /// # Cost
    ///
    /// That of [`peek`](Self::peek) if they are in two blocks, otherwise O(1).
    pub fn share(&mut self, n: usize, blocks: &mut Blocks<Rc<Vec<u8>>>) -> Chunk {
        let n = n.min(self.len());
        if n > self.front().len() {
            self.peek(blocks);
        }
        match &self.front {
            Some(front) => Chunk::of(front, self.start, self.start + n),
            None => Chunk::new(),
        }
    }

    /// Takes up to `max` of the first bytes, as many as are contiguous. Copies nothing. Empty only
    /// if the buffer is empty or `max` is zero.
    pub fn take_some(&mut self, max: usize, blocks: &mut Blocks<Rc<Vec<u8>>>) -> Chunk {
        let n = max.min(self.front().len());
        let Some(front) = &self.front else { return Chunk::new() };
        let chunk = Chunk::of(front, self.start, self.start + n);
        self.consume(n, blocks);
        chunk
    }
}

impl<B: Block> Default for Buffer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Block> fmt::Debug for Buffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("received", &self.received)
            .field("scanned", &self.scanned)
            .finish_non_exhaustive()
    }
}

fn unread<B: Block>(block: &Option<B>, start: usize) -> &[u8] {
    block.as_ref().map_or(&[], |block| &block.as_slice()[start..])
}

/// Appends to a block, or to a larger one if the block is pinned or has too little room.
///
/// Let `unread = len - start`, and C the capacity. If the bytes do not fit behind `len`:
///
/// - If half of what is in the block is consumed, `start >= unread`, the unread bytes move to its
///   beginning. That copies at most `start` bytes, and sets `start` to 0: so all these moves
///   together copy at most what was consumed, which is at most what was received.
/// - Otherwise, or if that would not be room enough, they move to a block of at least 2 C. At most
///   C / 2 of what this block ever held was moved into it in this way; the rest was pushed directly
///   into it, and was more than C / 2 with the bytes that did not fit. So all these moves together
///   copy less than twice what was received.
///
/// `shrink` copies at most C / 8 when at most C / 8 is left of more than C / 2 (below); 3 C / 8
/// were consumed since. With the first copy, the push itself, each byte is copied less than five
/// times on average.
///
/// In the second case `2 unread + bytes > C`: so a block above the sizes of the pool is less than
/// four times as large as what it holds at first, and after that less than eight, by `shrink`.
fn append<B: Block>(slot: &mut Option<B>, start: &mut usize, bytes: &[u8], blocks: &mut Blocks<B>) {
    let mut at_least = 0;
    if let Some(block) = slot.as_mut().and_then(Block::unique) {
        let unread = block.len() - *start;
        let fits_behind = |len: usize| block.capacity() - len >= bytes.len();
        if !fits_behind(block.len()) && fits_behind(unread) && *start >= unread {
            block.copy_within(*start.., 0);
            block.truncate(unread);
            *start = 0;
        }
        if block.capacity() - block.len() >= bytes.len() {
            block.extend_from_slice(bytes);
            return;
        }
        at_least = block.capacity().saturating_mul(2);
    }
    let larger = blocks.lend_filled(at_least, [unread(slot, *start), bytes]);
    if let Some(block) = slot.replace(larger) {
        blocks.give_back(block);
    }
    *start = 0;
}

/// The error of a search that found no sentinel within its limit.
///
/// It does not tell what the limit is for: the caller knows.
///
/// ```
/// use diesel_proto::{Blocks, Buffer, TooLong};
///
/// let mut blocks = Blocks::new();
/// let mut buffer: Buffer = Buffer::new();
/// buffer.push(b"a line without an end", &mut blocks);
/// assert_eq!(buffer.find(b"\n", 80), Ok(None));
/// assert_eq!(buffer.find(b"\n", 10), Err(TooLong { limit: 10 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The limit, in bytes, the sentinel included.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no sentinel within the limit of {} bytes", self.limit)
    }
}

impl core::error::Error for TooLong {}
