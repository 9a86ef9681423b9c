//! What is queued in one pipeline, moved to the end of another: for layers, whose inner side has a
//! queue of its own.

use core::mem;

use super::queue::Queue;
use super::{Blocks, Closed, Pipeline};
use alloc::vec::Vec;

impl Pipeline {
    /// Moves everything that is queued in `other` to the end of this one: by reference where it is
    /// large, as a copy where it is small. Whether `other` is closing stays its own affair, as does
    /// what was [taken](Self::take_segments) from it.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close); `other` is as it was then.
    pub fn append(&mut self, other: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        self.check_open()?;
        if other.taken() > 0 {
            return self.append_stored(other, blocks);
        }
        if self.is_empty() {
            mem::swap(&mut self.tail, &mut other.tail);
            mem::swap(&mut self.queue, &mut other.queue);
            self.start = mem::take(&mut other.start);
            self.len = mem::take(&mut other.len);
            return Ok(());
        }
        let len = self.len.saturating_add(mem::take(&mut other.len));
        let own_trailing = self.trailing();
        let mut start = mem::take(&mut other.start);
        let tail = mem::take(&mut other.tail);
        let Queue { older, mut segments, trailing, taken: _ } =
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
        Ok(())
    }

    /// As [`append`](Self::append), for a pipeline that has bytes out.
    #[cold]
    #[inline(never)]
    fn append_stored(&mut self, other: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        let taken = mem::take(&mut other.queue().taken);
        other.len = other.len.saturating_sub(taken);
        other.queue.take_if(|queue| queue.is_needless());
        let appended = self.append(other, blocks);
        other.len = other.len.saturating_add(taken);
        other.queue().taken = taken;
        appended
    }

    /// Takes over a block of copied bytes of another pipeline, of which `start` were sent.
    fn adopt(&mut self, mut block: Vec<u8>, start: usize, blocks: &mut Blocks) {
        let unsent = block.len() - start;
        if unsent < Self::BY_REFERENCE {
            self.copy(&block[start..], blocks);
            return blocks.give_back(block);
        }
        // `start` is about the oldest block only, and this one will not be the oldest.
        block.copy_within(start.., 0);
        block.truncate(unsent);
        if self.tail.is_empty() {
            self.tail = block;
        } else {
            self.seal(block);
        }
        if let Some(queue) = &mut self.queue {
            queue.trailing += unsent;
        }
    }
}
