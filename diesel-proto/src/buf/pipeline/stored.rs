//! The queue of a pipeline: copied bytes, in blocks, and the segments that are queued between them.
//!
//! Rules of this file:
//!
//! - `queue` is `None` unless there are segments, or copied bytes beyond one block.
//! - An empty queue is in its initial state, but may have a small block.
//!
//! It must never know whether the pipeline is closing, nor what was sent before.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use super::super::block::Blocks;
use super::super::block::Sealed;
use super::FileRegion;
use super::offer::{Copied, Offer};
use super::queue::{Segment, SegmentContent, SegmentQueue};
use super::tail::Tail;

// Public because a sealed trait names it.
#[doc(hidden)]
#[derive(Default)]
pub struct Stored {
    /// The newest block of copied bytes. Empty if there are none; then it may have no capacity.
    pub(super) tail: Vec<u8>,
    /// How many bytes of the oldest block of copied bytes were sent.
    pub(super) start: usize,
    pub(super) queue: Option<Box<SegmentQueue>>,
    /// How many bytes are queued, file regions included. `u64::MAX` if there are even more.
    pub(super) len: u64,
}

/// A pipeline borrows and gives back its queue together with a small block: one call instead of
/// two.
impl Sealed for Vec<u8> {
    type Keeper = Stored;
}

impl Stored {
    /// Whether the queue is empty and in its initial state.
    pub(super) fn is_as_new(&self) -> bool {
        let Stored { tail, start, queue, len } = self;
        let is_small = matches!(tail.capacity(), 0 | Blocks::SMALL);
        tail.is_empty() && is_small && *start == 0 && queue.is_none() && *len == 0
    }

    /// Empties the newest block, in which no unsent bytes are left. A small block is kept for the
    /// next bytes.
    #[inline]
    fn empty_tail(&mut self, blocks: &mut Blocks) {
        if self.tail.capacity() == Blocks::SMALL {
            self.tail.clear();
        } else {
            blocks.give_back(mem::take(&mut self.tail));
        }
    }

    /// Queues a segment behind all bytes that were copied so far.
    pub(super) fn push(&mut self, len: u64, content: SegmentContent) {
        self.len = self.len.saturating_add(len);
        self.queue().push(content);
    }

    #[inline]
    pub(super) fn push_with(
        &mut self,
        expected: usize,
        blocks: &mut Blocks,
        write: impl FnOnce(&mut Tail<'_>),
    ) {
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
            self.empty_tail(blocks);
        }
    }

    pub(super) fn slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        let mut offer = Offer { into, filled: 0 };
        let Some(queue) = self.queue.as_deref() else {
            offer.add(&self.tail[self.start..]);
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

    pub(super) fn file_region(&self) -> Option<FileRegion> {
        let queue = self.queue.as_ref().filter(|queue| queue.taken == 0)?;
        match queue.segments.front()? {
            Segment { before: 0, content: SegmentContent::FileRegion(file_region) } => {
                Some(*file_region)
            }
            _ => None,
        }
    }

    #[inline]
    pub(super) fn advance(
        &mut self,
        n: u64,
        blocks: &mut Blocks,
        mut done: impl FnMut(Bytes),
    ) -> u64 {
        if self.queue.is_none() && n >= self.len {
            // Fast path: everything was sent, and it was in one block.
            self.start = 0;
            self.empty_tail(blocks);
            return mem::take(&mut self.len);
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
                // Bytes were sent, so this region was not: it is never reported in one call with
                // them.
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
        // If there are more bytes than a u64 can count, count them again.
        self.len = if self.len == u64::MAX { self.count() } else { self.len - n };
        self.queue.take_if(|queue| queue.is_needless());
        n
    }

    pub(super) fn clear(&mut self, blocks: &mut Blocks, mut done: impl FnMut(Bytes)) {
        if let Some(queue) = self.queue.take() {
            queue.older.into_iter().for_each(|block| blocks.give_back(block));
            for segment in queue.segments {
                if let SegmentContent::Shared(bytes) = segment.content {
                    done(bytes);
                }
            }
        }
        self.empty_tail(blocks);
        self.start = 0;
        self.len = 0;
    }

    pub(super) fn truncate(&mut self, keep: u64, blocks: &mut Blocks) -> u64 {
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
            self.empty_tail(blocks);
        }
        self.queue.take_if(|queue| queue.is_needless());
        dropped
    }

    /// The queue, which from now on counts the trailing bytes.
    pub(super) fn queue(&mut self) -> &mut SegmentQueue {
        self.queue.get_or_insert_with(|| {
            let trailing = self.tail.len() - self.start;
            Box::new(SegmentQueue { trailing, ..SegmentQueue::default() })
        })
    }

    /// How many copied bytes come after the last segment.
    pub(super) fn trailing(&self) -> usize {
        match &self.queue {
            Some(queue) => queue.trailing,
            None => self.tail.len() - self.start,
        }
    }

    /// Copies bytes behind those that were copied before. The first block is small if that is
    /// enough; all bytes that do not fit go into large blocks.
    // Every write comes through here: the fast path is inlined, the rest is not.
    #[inline(always)]
    pub(super) fn copy(&mut self, bytes: &[u8], blocks: &mut Blocks) {
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
        if self.tail.is_empty() && self.tail.capacity() < bytes.len().min(Blocks::LARGE) {
            self.replace_tail(bytes.len().min(Blocks::LARGE), blocks);
        }
        while !bytes.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.seal(blocks.lend(Blocks::LARGE));
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

    /// Makes contiguous room for `n` bytes behind those that were copied before.
    #[inline(never)]
    fn make_room(&mut self, n: usize, blocks: &mut Blocks) {
        self.compact(n);
        if self.tail.capacity() - self.tail.len() >= n {
            return;
        }
        if self.tail.is_empty() {
            self.replace_tail(n, blocks);
        } else {
            self.seal(blocks.lend(n.max(Blocks::LARGE)));
        }
    }

    /// Replaces the empty newest block by one with room for `n` bytes.
    fn replace_tail(&mut self, n: usize, blocks: &mut Blocks) {
        let former = mem::replace(&mut self.tail, blocks.lend(n));
        blocks.give_back(former);
    }

    /// Makes room for `n` bytes at the end of the only block of copied bytes, if at least half of
    /// the bytes in it were sent. Moves fewer bytes than were sent since the last compaction.
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
    pub(super) fn seal(&mut self, next: Vec<u8>) {
        self.queue();
        let full = mem::replace(&mut self.tail, next);
        self.queue().older.push_back(full);
    }

    /// Drops the last `n` copied bytes, all of which come after the last segment, and gives back
    /// the blocks that held nothing else.
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

    /// Drops `n` copied bytes from the front, and gives back the blocks that are now completely
    /// sent.
    pub(super) fn drop_copied(&mut self, mut n: usize, blocks: &mut Blocks) {
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
                None => return self.empty_tail(blocks),
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        let segments = self.queue.iter().flat_map(|queue| &queue.segments);
        let copied = self.taken().saturating_add(self.trailing() as u64);
        segments.map(Segment::len).fold(copied, u64::saturating_add)
    }
}
