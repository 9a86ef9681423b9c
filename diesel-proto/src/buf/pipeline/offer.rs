//! Fills in the slices that a pipeline offers for a vectored write.
//!
//! It must never know the parts of a pipeline: only that copied bytes are in blocks.

use alloc::vec::Vec;
use core::mem;

/// An iteration over the copied bytes.
pub(super) struct Copied<'a, I> {
    pub(super) blocks: I,
    pub(super) rest: &'a [u8],
    /// How many bytes of the next block were sent.
    pub(super) skip: usize,
}

/// The slices that are being filled.
pub(super) struct Offer<'i, 'a> {
    pub(super) into: &'i mut [&'a [u8]],
    pub(super) filled: usize,
}

impl<'a> Offer<'_, 'a> {
    /// Adds a slice; `false` if there is no room.
    pub(super) fn add(&mut self, slice: &'a [u8]) -> bool {
        let Some(place) = self.into.get_mut(self.filled) else { return false };
        *place = slice;
        self.filled += 1;
        true
    }

    /// Adds the next `n` copied bytes; `false` if there is no room for all.
    pub(super) fn copied<I>(&mut self, copied: &mut Copied<'a, I>, mut n: usize) -> bool
    where
        I: Iterator<Item = &'a Vec<u8>>,
    {
        while n > 0 {
            if copied.rest.is_empty() {
                let Some(block) = copied.blocks.next() else { return true };
                copied.rest = &block[mem::take(&mut copied.skip)..];
                continue;
            }
            let (now, later) = copied.rest.split_at(n.min(copied.rest.len()));
            if !self.add(now) {
                return false;
            }
            copied.rest = later;
            n -= now.len();
        }
        true
    }
}
