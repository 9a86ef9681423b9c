//! [`Outgoing`]: what the writes of a fiber queued, until its machine takes it.
//!
//! The hub lends these to connections, and keeps spare ones: between two turns a connection has
//! none.

use alloc::vec::{Drain, Vec};

use crate::buf::Pipeline;

/// What was queued by writes.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) pipeline: Pipeline,
    /// The length of each write, none of them zero, if the machine needs them.
    pieces: Vec<u64>,
}

/// At most this many writes are kept apart. Each costs 8 bytes for its length.
const PIECES: usize = 1024;

impl Outgoing {
    /// Whether one more write fits.
    pub(crate) fn has_room(&self) -> bool {
        self.pieces.len() < PIECES
    }

    /// Records all bytes that were queued beyond the first `before` as one write.
    pub(crate) fn end_piece(&mut self, before: u64) {
        let len = self.pipeline.len().saturating_sub(before);
        if len > 0 {
            self.pieces.push(len);
        }
    }

    /// Removes and returns the lengths of the writes, in order, with the queue.
    pub(crate) fn drain_pieces(&mut self) -> (&mut Pipeline, Drain<'_, u64>) {
        (&mut self.pipeline, self.pieces.drain(..))
    }

    pub(crate) fn forget_pieces(&mut self) {
        self.pieces.clear();
    }
}
