//! Segments that are taken out of a pipeline to be sent later: for completion-based I/O such as
//! io_uring, where the kernel works on the memory while the program goes on.
//!
//! Bytes that were taken count as queued until they are reported as sent, in the order in which
//! they were taken:
//!
//! ```text
//!             |-- taken: with the caller --|-- stored: offered by slices() --|
//!   sent      |============================|=================================|
//!             advance(n) drops from here on                       len = both
//! ```
//!
//! It must never know what the caller does with a segment.

use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::mem;

use super::super::block::Blocks;
use super::Pipeline;
use super::queue::{Segment, SegmentContent};
use super::stored::Stored;

impl Pipeline {
    /// Takes up to `most` of the bytes that come next, up to the first file region, as segments
    /// that own their memory, and appends them to `into`. None of them is empty. Returns how many
    /// bytes it took.
    ///
    /// They count as queued, in [`len`](Self::len), until [`advance`](Self::advance) reports them
    /// as sent: it counts taken bytes before all others, oldest first. [`slices`](Self::slices) and
    /// the next call continue behind them; a [`file_region`](Self::file_region) that comes next is
    /// not returned before they are reported. If the pipeline is [cleared](Self::clear) meanwhile,
    /// they must not be reported any more.
    ///
    /// # Cost
    ///
    /// Bytes that were queued by reference are not copied, nor is a large block that is at least
    /// half full of unsent bytes; such a block is not given back. Smaller parts are copied, each to
    /// a new allocation.
    ///
    /// ```
    /// use diesel_proto::{Blocks, Pipeline};
    ///
    /// let mut blocks = Blocks::new();
    /// let mut pipeline = Pipeline::new();
    /// pipeline.push(b"hello, world", &mut blocks)?;
    ///
    /// let mut segments = Vec::new();
    /// assert_eq!(pipeline.take_segments(5, &mut segments, &mut blocks), 5);
    /// assert_eq!(pipeline.take_segments(5, &mut segments, &mut blocks), 5);
    /// assert_eq!(segments, ["hello", ", wor"]);
    /// assert_eq!(pipeline.len(), 12);
    ///
    /// assert_eq!(pipeline.advance(7, &mut blocks), 7);
    /// assert_eq!(pipeline.len(), 5);
    /// # Ok::<(), diesel_proto::Closed>(())
    /// ```
    pub fn take_segments(
        &mut self,
        most: usize,
        into: &mut Vec<Bytes>,
        blocks: &mut Blocks,
    ) -> usize {
        let mut left = most;
        while left > 0 {
            let stored = self.stored.as_deref_mut();
            let Some(segment) = stored.and_then(|it| it.take_one(left, blocks)) else { break };
            left -= segment.len();
            into.push(segment);
        }
        most - left
    }

    /// How many bytes are taken and not reported as sent.
    pub(super) fn taken(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| stored.taken())
    }
}

impl Stored {
    /// How many bytes are taken and not reported as sent.
    pub(super) fn taken(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.taken)
    }

    /// The next segment, of at most `most` bytes. `None` if nothing is stored, or a file region is
    /// next.
    fn take_one(&mut self, most: usize, blocks: &mut Blocks) -> Option<Bytes> {
        if self.len == self.taken() {
            return None;
        }
        let queue = self.queue();
        let copied = queue.segments.front().map_or(queue.trailing, |segment| segment.before);
        let segment = match copied {
            0 => self.take_shared(most)?,
            copied if self.share_block(copied) => self.take_shared(most)?,
            copied => self.take_copy(copied.min(most), blocks),
        };
        self.queue().taken += segment.len() as u64;
        Some(segment)
    }

    /// Takes up to `most` bytes of the next segment, if it was queued by reference.
    fn take_shared(&mut self, most: usize) -> Option<Bytes> {
        let queue = self.queue.as_mut()?;
        match &mut queue.segments.front_mut()?.content {
            SegmentContent::Shared(bytes) if bytes.len() > most => Some(bytes.split_to(most)),
            SegmentContent::Shared(bytes) => {
                let all = mem::take(bytes);
                queue.segments.pop_front();
                Some(all)
            }
            SegmentContent::FileRegion(_) => None,
        }
    }

    /// Takes a copy of up to `n` of the next copied bytes, from the first block only.
    fn take_copy(&mut self, n: usize, blocks: &mut Blocks) -> Bytes {
        let oldest = self.queue.as_ref().and_then(|queue| queue.older.front());
        let unsent = &oldest.unwrap_or(&self.tail)[self.start..];
        let copy = Bytes::copy_from_slice(&unsent[..n.min(unsent.len())]);
        self.shorten_first_run(copy.len());
        self.drop_copied(copy.len(), blocks);
        copy
    }

    /// Turns the first block of copied bytes into a segment, as if it had been queued by reference,
    /// if all unsent bytes in it are among the `copied` bytes that come next, and they are enough
    /// to be worth it.
    fn share_block(&mut self, copied: usize) -> bool {
        let oldest = self.queue.as_ref().and_then(|queue| queue.older.front());
        let block = oldest.unwrap_or(&self.tail);
        let unsent = block.len() - self.start;
        if unsent > copied || unsent < Pipeline::BY_REFERENCE || unsent < block.capacity() / 2 {
            return false;
        }
        let older = self.queue.as_mut().and_then(|queue| queue.older.pop_front());
        let mut bytes = Bytes::from(older.unwrap_or_else(|| mem::take(&mut self.tail)));
        bytes.advance(mem::take(&mut self.start));
        self.shorten_first_run(unsent);
        let content = SegmentContent::Shared(bytes);
        self.queue().segments.push_front(Segment { before: 0, content });
        true
    }

    /// Notes that `n` fewer copied bytes come before the first segment.
    fn shorten_first_run(&mut self, n: usize) {
        let queue = self.queue();
        match queue.segments.front_mut() {
            Some(segment) => segment.before -= n,
            None => queue.trailing -= n,
        }
    }
}
