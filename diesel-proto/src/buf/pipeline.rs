//! Outgoing bytes, until they are sent.
//!
//! Small writes are copied, one behind the other, into blocks that are borrowed from the caller's
//! [`Blocks`]. Large ones are queued by reference, and file regions as an [`FileRegion`]: each of
//! these is a [`Segment`], which knows how many of the copied bytes go before it. So the copied
//! bytes stay together, whatever is queued between them:
//!
//! ```text
//!             sent   |-- before --|        |- before -|          |-- trailing --|
//!   copied  |........|============|        |==========|          |==============|------|
//!                  start          [ Bytes ]           [ FileRegion ]
//! ```
//!
//! Rules of this file:
//!
//! - A byte is copied once; twice at most, on average, where a block is compacted or another
//!   pipeline appended.
//! - `queue` is `None` unless there are segments, or copied bytes beyond one block. So an echoed
//!   line allocates nothing, and a pipeline that is empty owns no memory.
//! - Nothing is queued after `close`.
//!
//! It must never know what the bytes mean, how they are sent, nor how much is too much: the marks
//! for high and low water are the caller's, over [`len`](Pipeline::len).

mod append;
mod offer;
mod queue;
mod tail;
mod taken;
#[cfg(test)]
mod tests;

use super::block::Blocks;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::{fmt, mem};
use offer::{Copied, Offer};
use queue::{Segment, SegmentContent, SegmentQueue};
pub use tail::Tail;

/// A region of a file, or of anything else, that someone else sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileRegion {
    /// Which file; what the number means is between the one who queues it and the one who sends.
    pub id: u64,
    /// Where the region begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u64,
}

/// A queue of outgoing bytes, offered as several slices for a vectored write.
///
/// It is [`Send`]. While it is empty it owns no memory; it is 64 bytes itself.
///
/// # Examples
///
/// ```
/// use diesel_proto::{Blocks, Pipeline};
/// use std::fmt::Write;
///
/// let mut blocks = Blocks::new();
/// let mut pipeline = Pipeline::new();
/// pipeline.push(b"you said: ", &mut blocks)?;
/// write!(pipeline.writer(&mut blocks), "{:?}", 42).unwrap();
/// pipeline.close();
///
/// let mut slices = [&[][..]; 8];
/// let n = pipeline.slices(&mut slices);
/// assert_eq!(slices[..n].concat(), b"you said: 42");
///
/// assert_eq!(pipeline.advance(12, &mut blocks), 12);
/// assert!(pipeline.is_finished());
/// # Ok::<(), diesel_proto::Closed>(())
/// ```
#[derive(Default)]
pub struct Pipeline {
    /// The newest block of copied bytes. Without a capacity if there are none.
    tail: Vec<u8>,
    /// How many bytes of the oldest block of copied bytes were sent.
    start: usize,
    queue: Option<Box<SegmentQueue>>,
    len: u64,
    sent: u64,
    is_closing: bool,
}

impl Pipeline {
    /// From how many bytes on [`push_bytes`](Self::push_bytes) queues by reference: 4 KiB.
    ///
    /// A segment costs as much as copying 3 KiB, by `benches/buffer.rs`.
    pub const BY_REFERENCE: usize = 4 * 1024;

    /// An empty pipeline. Allocates nothing.
    pub const fn new() -> Self {
        Pipeline { tail: Vec::new(), start: 0, queue: None, len: 0, sent: 0, is_closing: false }
    }

    /// Queues a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    pub fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), Closed> {
        self.check_open()?;
        self.copy(bytes, blocks);
        Ok(())
    }

    /// Queues `bytes`: by reference if there are at least [`BY_REFERENCE`](Self::BY_REFERENCE),
    /// otherwise a copy.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    pub fn push_bytes(&mut self, bytes: Bytes, blocks: &mut Blocks) -> Result<(), Closed> {
        if bytes.len() < Self::BY_REFERENCE {
            return self.push(&bytes, blocks);
        }
        self.check_open()?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        self.queue().push(SegmentContent::Shared(bytes));
        Ok(())
    }

    /// Queues a region that someone else sends. An empty one is left out.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    pub fn push_file_region(&mut self, file_region: FileRegion) -> Result<(), Closed> {
        self.check_open()?;
        if file_region.len > 0 {
            self.len = self.len.saturating_add(file_region.len);
            self.queue().push(SegmentContent::FileRegion(file_region));
        }
        Ok(())
    }

    /// For `write!`: text goes to the end of the queue, without a copy in between.
    ///
    /// Writing fails after [`close`](Self::close), and for no other reason.
    pub fn writer<'a>(&'a mut self, blocks: &'a mut Blocks) -> impl fmt::Write + 'a {
        PipelineWriter { pipeline: self, blocks }
    }

    /// Queues what `write` appends, as a copy. Memory for `expected` bytes is there; more costs
    /// another allocation. For what consists of many small parts, such as the head of a message.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close). Then `write` is not called.
    ///
    /// ```
    /// use diesel_proto::{Blocks, Pipeline};
    ///
    /// let (mut pipeline, mut blocks) = (Pipeline::new(), Blocks::new());
    /// pipeline.push_with(20, &mut blocks, |tail| {
    ///     for part in ["Host", ": ", "example.com"] {
    ///         tail.extend_from_slice(part.as_bytes());
    ///     }
    /// })?;
    /// assert_eq!(pipeline.len(), 17);
    /// # Ok::<(), diesel_proto::Closed>(())
    /// ```
    #[inline]
    pub fn push_with(
        &mut self,
        expected: usize,
        blocks: &mut Blocks,
        write: impl FnOnce(&mut Tail<'_>),
    ) -> Result<(), Closed> {
        self.check_open()?;
        if self.tail.capacity() - self.tail.len() < expected {
            self.make_room(expected, blocks);
        }
        let before = self.tail.len();
        write(&mut Tail::from(&mut self.tail));
        let written = self.tail.len() - before;
        self.len = self.len.saturating_add(written as u64);
        if let Some(queue) = &mut self.queue {
            queue.trailing += written;
        }
        if self.tail.is_empty() {
            blocks.give_back(mem::take(&mut self.tail));
        }
        Ok(())
    }

    /// How many bytes are queued, externals included. `u64::MAX` if there are even more.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `into` with what comes next, up to the first external, and returns how many slices
    /// that is. None of them is empty.
    ///
    /// Zero means that nothing is queued, that an [`file_region`](Self::file_region) comes next, or that
    /// `into` has no room.
    ///
    /// # Cost
    ///
    /// Linear in the number of slices.
    pub fn slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        let mut offer = Offer { into, filled: 0 };
        let Some(queue) = self.queue.as_deref() else {
            if !self.is_empty() {
                offer.add(&self.tail[self.start..]);
            }
            return offer.filled;
        };
        let blocks = queue.older.iter().chain([&self.tail]);
        let mut copied = Copied { blocks, rest: &[], skip: self.start };
        for segment in &queue.segments {
            if !offer.copied(&mut copied, segment.before) {
                return offer.filled;
            }
            match &segment.content {
                SegmentContent::Shared(bytes) if offer.add(bytes) => {}
                _ => return offer.filled,
            }
        }
        offer.copied(&mut copied, queue.trailing);
        offer.filled
    }

    /// The external that comes next, or what is left of it; `None` if bytes come next, or nothing.
    pub fn file_region(&self) -> Option<FileRegion> {
        let queue = self.queue.as_ref().filter(|queue| queue.taken == 0)?;
        match queue.segments.front()? {
            Segment { before: 0, content: SegmentContent::FileRegion(file_region) } => {
                Some(*file_region)
            }
            _ => None,
        }
    }

    /// Drops the first `n` bytes, which were sent. Returns how many it dropped: fewer if there are
    /// fewer before the next [`file_region`](Self::file_region), or in it if it comes first. So bytes and
    /// a region are never reported sent in one call, and a report of too many bytes drops no region
    /// that nobody has sent.
    ///
    /// Bytes that were [taken](Self::take_segments) are the first to be counted.
    ///
    /// # Cost
    ///
    /// Linear in the number of slices that were sent completely.
    pub fn advance(&mut self, n: u64, blocks: &mut Blocks) -> u64 {
        self.advance_with(n, blocks, drop)
    }

    /// As [`advance`](Self::advance), but hands what was queued by reference and is sent to `done`:
    /// the owner of such bytes may be a user's type, and its drop user code.
    #[inline]
    pub(crate) fn advance_with(
        &mut self,
        n: u64,
        blocks: &mut Blocks,
        mut done: impl FnMut(Bytes),
    ) -> u64 {
        if self.queue.is_none() && n >= self.len {
            // Everything was sent, and it was one block.
            let n = mem::take(&mut self.len);
            self.sent = self.sent.saturating_add(n);
            self.start = 0;
            blocks.give_back(mem::take(&mut self.tail));
            return n;
        }
        let n = n.min(self.len);
        let mut left = n;
        if let Some(queue) = &mut self.queue {
            let taken = queue.taken.min(left);
            queue.taken -= taken;
            left -= taken;
        }
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let Some(queue) = self.queue.as_deref_mut() else {
                self.drop_copied(most, blocks);
                left = 0;
                break;
            };
            let Some(segment) = queue.segments.front_mut() else {
                queue.trailing = queue.trailing.saturating_sub(most);
                self.drop_copied(most, blocks);
                left = 0;
                break;
            };
            if segment.before > 0 {
                let n = most.min(segment.before);
                segment.before -= n;
                left -= n as u64;
                self.drop_copied(n, blocks);
                continue;
            }
            let is_file_region = matches!(segment.content, SegmentContent::FileRegion(_));
            if is_file_region && left < n {
                // Bytes were sent; this was not among them.
                break;
            }
            let (count, is_done) = segment.content.advance(left);
            left -= count;
            if is_done {
                let sent = queue.segments.pop_front();
                if let Some(Segment { content: SegmentContent::Shared(bytes), .. }) = sent {
                    done(bytes);
                }
            }
            if is_file_region {
                break;
            }
        }
        let n = n - left;
        self.sent = self.sent.saturating_add(n);
        // If there is more than a u64 can count, we have to count again.
        self.len = if self.len == u64::MAX { self.count() } else { self.len - n };
        self.queue.take_if(|queue| queue.is_needless());
        n
    }

    /// Drops everything that is queued, regions included, and forgets what was
    /// [taken](Self::take_segments). None of it counts as sent.
    pub fn clear(&mut self, blocks: &mut Blocks) {
        self.clear_with(blocks, drop);
    }

    /// As [`clear`](Self::clear), but hands what was queued by reference to `done`.
    pub(crate) fn clear_with(&mut self, blocks: &mut Blocks, mut done: impl FnMut(Bytes)) {
        if let Some(queue) = self.queue.take() {
            queue.older.into_iter().for_each(|block| blocks.give_back(block));
            for segment in queue.segments {
                if let SegmentContent::Shared(bytes) = segment.content {
                    done(bytes);
                }
            }
        }
        blocks.give_back(mem::take(&mut self.tail));
        self.start = 0;
        self.len = 0;
    }

    /// Drops what was queued last, down to `keep` bytes, but nothing that was
    /// [taken](Self::take_segments). Returns how many bytes it dropped.
    ///
    /// # Cost
    ///
    /// Linear in the number of blocks, slices and externals that are dropped.
    pub fn truncate(&mut self, keep: u64, blocks: &mut Blocks) -> u64 {
        let mut excess = self.len.saturating_sub(keep.max(self.taken()));
        let dropped = excess;
        while excess > 0 {
            let most = usize::try_from(excess).unwrap_or(usize::MAX);
            let trailing = self.trailing().min(most);
            if trailing > 0 {
                self.drop_newest(trailing, blocks);
                excess -= trailing as u64;
                continue;
            }
            let Some(queue) = self.queue.as_deref_mut() else { break };
            let Some(mut segment) = queue.segments.pop_back() else { break };
            let n = segment.content.truncate(excess);
            excess -= n;
            match segment.content.len() {
                0 => queue.trailing = segment.before,
                _ => queue.segments.push_back(segment),
            }
        }
        self.len = if self.len == u64::MAX { self.count() } else { self.len - dropped };
        let has_older = self.queue.as_ref().is_some_and(|queue| !queue.older.is_empty());
        if !has_older && self.tail.len() == self.start {
            self.start = 0;
            blocks.give_back(mem::take(&mut self.tail));
        }
        self.queue.take_if(|queue| queue.is_needless());
        dropped
    }

    /// Asks for a close once everything that is queued is sent. Nothing can be queued any more.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether [`close`](Self::close) was called, and everything was sent.
    pub fn is_finished(&self) -> bool {
        self.is_closing && self.is_empty()
    }

    /// How many bytes were sent in all.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn check_open(&self) -> Result<(), Closed> {
        if self.is_closing { Err(Closed) } else { Ok(()) }
    }

    /// The queue, which from now on counts the trailing bytes.
    fn queue(&mut self) -> &mut SegmentQueue {
        self.queue.get_or_insert_with(|| {
            let trailing = self.tail.len() - self.start;
            Box::new(SegmentQueue { trailing, ..SegmentQueue::default() })
        })
    }

    /// How many copied bytes come after the last segment.
    fn trailing(&self) -> usize {
        match &self.queue {
            Some(queue) => queue.trailing,
            None => self.tail.len() - self.start,
        }
    }

    /// Copies bytes behind those that were copied before. The first block is small if that is
    /// enough; if it is not, what follows is written into large ones.
    // Every write comes through here: what usually happens is inlined, the rest is not.
    #[inline(always)]
    fn copy(&mut self, bytes: &[u8], blocks: &mut Blocks) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        if self.queue.is_none() && self.tail.capacity() - self.tail.len() >= bytes.len() {
            self.tail.extend_from_slice(bytes);
        } else {
            self.copy_in_blocks(bytes, blocks);
        }
    }

    #[inline(never)]
    fn copy_in_blocks(&mut self, mut bytes: &[u8], blocks: &mut Blocks) {
        self.compact(bytes.len());
        while !bytes.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                if self.tail.is_empty() {
                    self.tail = blocks.lend(bytes.len().min(Blocks::LARGE));
                } else {
                    self.seal(blocks.lend(Blocks::LARGE));
                }
            }
            let (now, later) =
                bytes.split_at(bytes.len().min(self.tail.capacity() - self.tail.len()));
            self.tail.extend_from_slice(now);
            if let Some(queue) = &mut self.queue {
                queue.trailing += now.len();
            }
            bytes = later;
        }
    }

    /// Room for `n` bytes in one piece, behind those that were copied before.
    #[inline(never)]
    fn make_room(&mut self, n: usize, blocks: &mut Blocks) {
        self.compact(n);
        if self.tail.capacity() - self.tail.len() >= n {
            return;
        }
        if self.tail.is_empty() {
            self.tail = blocks.lend(n);
        } else {
            self.seal(blocks.lend(n.max(Blocks::LARGE)));
        }
    }

    /// Makes room for `n` bytes at the end of the only block of copied bytes, if at least half of
    /// what is in it was sent. Moves fewer bytes than were sent since it was last done.
    fn compact(&mut self, n: usize) {
        let is_only = self.queue.as_ref().is_none_or(|queue| queue.older.is_empty());
        let unsent = self.tail.len() - if is_only { self.start } else { 0 };
        let fits_behind = |len: usize| self.tail.capacity() - len >= n;
        if is_only && !fits_behind(self.tail.len()) && fits_behind(unsent) && self.start >= unsent {
            self.tail.copy_within(self.start.., 0);
            self.tail.truncate(unsent);
            self.start = 0;
        }
    }

    /// Puts `next` in the place of the newest block, which becomes an older one.
    fn seal(&mut self, next: Vec<u8>) {
        self.queue();
        let full = mem::replace(&mut self.tail, next);
        self.queue().older.push_back(full);
    }

    /// Drops the last `n` copied bytes, all of which come after the last segment, and gives back the
    /// blocks that held nothing else.
    fn drop_newest(&mut self, mut n: usize, blocks: &mut Blocks) {
        if let Some(queue) = &mut self.queue {
            queue.trailing -= n;
        }
        while n >= self.tail.len() {
            let Some(older) = self.queue.as_mut().and_then(|queue| queue.older.pop_back()) else {
                break;
            };
            n -= self.tail.len();
            blocks.give_back(mem::replace(&mut self.tail, older));
        }
        self.tail.truncate(self.tail.len() - n);
    }

    /// Gives back the blocks of copied bytes that `n` more sent bytes complete.
    fn drop_copied(&mut self, mut n: usize, blocks: &mut Blocks) {
        loop {
            let oldest = self.queue.as_ref().and_then(|queue| queue.older.front());
            let unsent = oldest.unwrap_or(&self.tail).len() - self.start;
            if n < unsent {
                self.start += n;
                return;
            }
            n -= unsent;
            self.start = 0;
            match self.queue.as_mut().and_then(|queue| queue.older.pop_front()) {
                Some(block) => blocks.give_back(block),
                None => return blocks.give_back(mem::take(&mut self.tail)),
            }
        }
    }

    fn count(&self) -> u64 {
        let segments = self.queue.iter().flat_map(|queue| &queue.segments);
        let copied = self.taken().saturating_add(self.trailing() as u64);
        segments.map(Segment::len).fold(copied, u64::saturating_add)
    }
}

struct PipelineWriter<'a> {
    pipeline: &'a mut Pipeline,
    blocks: &'a mut Blocks,
}

impl fmt::Write for PipelineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pipeline.push(text.as_bytes(), self.blocks).map_err(|Closed| fmt::Error)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("len", &self.len)
            .field("sent", &self.sent)
            .field("is_closing", &self.is_closing)
            .finish_non_exhaustive()
    }
}

/// The pipeline is closing: nothing can be queued any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pipeline is closing and takes no more bytes")
    }
}

impl core::error::Error for Closed {}
