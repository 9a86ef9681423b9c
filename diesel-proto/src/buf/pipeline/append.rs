//! Moves bytes from one pipeline to the end of another: for layers, whose inner machine has a
//! separate queue.

use core::mem;

use super::super::block::Blocks;
use super::queue::{SegmentContent, SegmentQueue};
use super::stored::Stored;
use super::{Closed, Pipeline};
use alloc::vec::Vec;

impl Pipeline {
    /// Moves everything that is queued in `other` to the end of this pipeline: large parts by
    /// reference, small parts as a copy. It does not matter whether `other` is closing; bytes that
    /// were [taken](Self::take_segments) from it stay accounted there.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close); `other` is as it was then.
    pub fn append(&mut self, other: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        self.check_open()?;
        if other.taken() > 0 {
            return self.beside_taken(other, |own, other| own.append(other, blocks));
        }
        let Some(mut moved) = other.stored.take() else { return Ok(()) };
        match &mut self.stored {
            None => self.stored = Some(moved),
            Some(stored) => {
                stored.append(&mut moved, blocks);
                blocks.give_back_keeper(moved);
            }
        }
        Ok(())
    }

    /// Moves the first `n` bytes that are queued in `other` to the end of this pipeline, or all if
    /// there are fewer: as [`append`](Self::append), but bytes that were copied are copied once
    /// more.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close); `other` is as it was then.
    pub fn append_first(
        &mut self,
        n: u64,
        other: &mut Pipeline,
        blocks: &mut Blocks,
    ) -> Result<(), Closed> {
        self.check_open()?;
        if other.taken() > 0 {
            return self.beside_taken(other, |own, other| own.append_first(n, other, blocks));
        }
        if n >= other.len() {
            return self.append(other, blocks);
        }
        let sent = other.sent;
        let mut left = n;
        while left > 0 {
            let queue = other.stored.as_ref().and_then(|stored| stored.queue.as_deref());
            let content = queue.and_then(|queue| queue.first(left));
            let moved = match content {
                Some(content) => {
                    let moved = content.len();
                    match content {
                        SegmentContent::Shared(bytes) => self.push_bytes(bytes, blocks)?,
                        SegmentContent::FileRegion(file_region) => {
                            self.push_file_region(file_region)?
                        }
                    }
                    moved
                }
                None => {
                    let mut slices: [&[u8]; 1] = [&[]];
                    other.slices(&mut slices);
                    let [slice] = slices;
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(slice.len());
                    self.push(&slice[..most], blocks)?;
                    most as u64
                }
            };
            left -= other.advance(moved, blocks);
        }
        other.sent = sent;
        Ok(())
    }

    /// Calls `f` while the bytes that were taken from `other` do not count as queued there.
    #[cold]
    #[inline(never)]
    fn beside_taken(
        &mut self,
        other: &mut Pipeline,
        f: impl FnOnce(&mut Self, &mut Pipeline) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        let Some(stored) = other.stored.as_deref_mut() else { return f(self, other) };
        let taken = mem::take(&mut stored.queue().taken);
        stored.len = stored.count();
        stored.queue.take_if(|queue| queue.is_needless());
        other.stored.take_if(|stored| stored.len == 0);
        let done = f(self, other);
        let stored = other.stored.get_or_insert_default();
        stored.len = stored.len.saturating_add(taken);
        stored.queue().taken = taken;
        done
    }
}

impl Stored {
    /// Moves all that is stored in `other`, from which nothing may be taken, behind what is stored
    /// here.
    fn append(&mut self, other: &mut Stored, blocks: &mut Blocks) {
        let len = self.len.saturating_add(mem::take(&mut other.len));
        let own_trailing = self.trailing();
        let mut start = mem::take(&mut other.start);
        let tail = mem::take(&mut other.tail);
        let SegmentQueue { older, mut segments, trailing, taken: _ } =
            other.queue.take().map(|queue| *queue).unwrap_or_default();
        for block in older.into_iter().chain([tail]) {
            self.adopt(block, mem::take(&mut start), blocks);
        }
        if let Some(first) = segments.front_mut() {
            first.before += own_trailing;
            let queue = self.queue();
            queue.segments.append(&mut segments);
            queue.trailing = trailing;
        }
        self.len = len;
    }

    /// Takes over a block of copied bytes from another pipeline, of which the first `start` were
    /// sent.
    fn adopt(&mut self, mut block: Vec<u8>, start: usize, blocks: &mut Blocks) {
        let unsent = block.len() - start;
        if unsent < Pipeline::BY_REFERENCE {
            self.copy(&block[start..], blocks);
            return blocks.give_back(block);
        }
        // `start` refers to the oldest block only, and this block will not be the oldest.
        block.copy_within(start.., 0);
        block.truncate(unsent);
        if self.tail.is_empty() {
            blocks.give_back(mem::replace(&mut self.tail, block));
        } else {
            self.seal(block);
        }
        if let Some(queue) = &mut self.queue {
            queue.trailing += unsent;
        }
    }
}
