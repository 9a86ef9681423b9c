//! What a pipeline needs beyond one block of copied bytes: the older blocks, and the segments
//! (bytes by reference, file regions).
//!
//! It must never know the block that is being written, nor how much of the first block was sent.

use super::FileRegion;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::mem;

#[derive(Default)]
pub(super) struct SegmentQueue {
    /// The blocks of copied bytes before `tail`, none of them empty, oldest first.
    pub(super) older: VecDeque<Vec<u8>>,
    pub(super) segments: VecDeque<Segment>,
    /// How many copied bytes come after the last segment.
    pub(super) trailing: usize,
    /// How many bytes, before all that is stored here, were taken out and not reported as sent.
    pub(super) taken: u64,
}

pub(super) struct Segment {
    /// How many copied bytes, since the segment before, come before this one.
    pub(super) before: usize,
    pub(super) content: SegmentContent,
}

pub(super) enum SegmentContent {
    Shared(Bytes),
    FileRegion(FileRegion),
}

impl SegmentQueue {
    /// Whether it is empty, so that a pipeline can do without it.
    pub(super) fn is_needless(&self) -> bool {
        self.older.is_empty() && self.segments.is_empty() && self.taken == 0
    }

    /// Queues a segment behind all bytes that were copied so far.
    pub(super) fn push(&mut self, content: SegmentContent) {
        let before = mem::take(&mut self.trailing);
        self.segments.push_back(Segment { before, content });
    }

    /// The first `n` bytes, or fewer, of the first segment, if no copied bytes come before it.
    pub(super) fn first(&self, n: u64) -> Option<SegmentContent> {
        let segment = self.segments.front().filter(|segment| segment.before == 0)?;
        let n = n.min(segment.content.len());
        Some(match &segment.content {
            SegmentContent::Shared(bytes) => SegmentContent::Shared(bytes.slice(..n as usize)),
            SegmentContent::FileRegion(file_region) => {
                SegmentContent::FileRegion(FileRegion { len: n, ..*file_region })
            }
        })
    }
}

impl Segment {
    /// Its length, with the copied bytes before it.
    pub(super) fn len(&self) -> u64 {
        (self.before as u64).saturating_add(self.content.len())
    }
}

impl SegmentContent {
    pub(super) fn len(&self) -> u64 {
        match self {
            SegmentContent::Shared(bytes) => bytes.len() as u64,
            SegmentContent::FileRegion(file_region) => file_region.len,
        }
    }

    /// Drops up to `n` bytes from the end; returns how many.
    pub(super) fn truncate(&mut self, n: u64) -> u64 {
        let n = n.min(self.len());
        match self {
            SegmentContent::Shared(bytes) => bytes.truncate(bytes.len() - n as usize),
            SegmentContent::FileRegion(file_region) => file_region.len -= n,
        }
        n
    }

    /// Drops up to `n` bytes from the front; returns how many, and whether none are left.
    pub(super) fn advance(&mut self, n: u64) -> (u64, bool) {
        let n = n.min(self.len());
        match self {
            SegmentContent::Shared(bytes) => bytes.advance(n as usize),
            SegmentContent::FileRegion(file_region) => {
                file_region.offset = file_region.offset.saturating_add(n);
                file_region.len -= n;
            }
        }
        (n, self.len() == 0)
    }
}
