//! The buffers of a connection that has its own: bytes that were received and not read yet, and
//! bytes that are to be sent.
//!
//! Rules of this file:
//!
//! - `len(input) <= one call of received`: more is taken only after all of it was read.
//! - A head that was given away shares `spans` until either side needs them exclusively.
//!
//! It must never know which side of the connection this is.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::buf::{Blocks, Pipeline};
use crate::http1::message::MessageOutput;
use crate::http1::syntax::FieldSpans;

#[derive(Default)]
pub(super) struct ConnectionBuffers {
    pub(super) input: BytesMut,
    /// The peer ended its side, which the connection does not know yet.
    eof_is_due: bool,
    has_ended: bool,
    /// The spans of the last head or trailers, if allocated.
    pub(super) spans: Option<Arc<FieldSpans>>,
    pub(super) output: Pipeline,
    pub(super) blocks: Blocks,
}

impl ConnectionBuffers {
    /// Takes bytes that arrived, if there is room for them. Returns how many. `is_over`: nothing
    /// more will be read.
    pub(super) fn received(&mut self, bytes: &[u8], is_over: bool) -> usize {
        if self.has_room() && !is_over {
            self.input.extend_from_slice(bytes);
        } else if !self.has_ended && !is_over {
            return 0;
        }
        bytes.len()
    }

    /// Whether bytes may be received: the peer's side is open, and all bytes were read.
    pub(super) fn has_room(&self) -> bool {
        !self.has_ended && self.input.is_empty()
    }

    /// The peer ended its side.
    pub(super) fn end(&mut self) {
        self.eof_is_due |= !self.has_ended;
        self.has_ended = true;
    }

    /// Whether the end of the peer's side was not read yet.
    pub(super) fn eof_is_due(&self) -> bool {
        self.eof_is_due
    }

    /// Reads the end of the peer's side, if all bytes before it were read.
    pub(super) fn take_eof(&mut self) -> bool {
        self.input.is_empty() && core::mem::take(&mut self.eof_is_due)
    }

    /// What is needed to read: the bytes, spans that are not shared with a head, and memory.
    pub(super) fn reading(&mut self) -> Option<(&[u8], &mut FieldSpans, &mut Blocks)> {
        let unique = self.spans.take_if(|spans| Arc::get_mut(spans).is_some());
        let spans = Arc::get_mut(self.spans.insert(unique.unwrap_or_default()))?;
        Some((&self.input, spans, &mut self.blocks))
    }

    /// Removes the first `taken` bytes, the last `data` of which are returned.
    pub(super) fn take(&mut self, taken: usize, data: usize) -> Bytes {
        let mut bytes = self.input.split_to(taken);
        bytes.split_off(taken - data).freeze()
    }

    /// Where commands write.
    pub(super) fn out(&mut self) -> MessageOutput<'_> {
        MessageOutput::new(&mut self.output, &mut self.blocks)
    }

    /// Takes all outgoing bytes, as if they were sent.
    pub(super) fn take_outgoing(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        loop {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let n = self.output.slices(&mut slices);
            if n == 0 {
                return taken;
            }
            let before = taken.len();
            slices.iter().take(n).for_each(|slice| taken.extend_from_slice(slice));
            self.output.advance((taken.len() - before) as u64, &mut self.blocks);
        }
    }

    /// Number of buffered bytes, in and out.
    pub(super) fn held(&self) -> usize {
        let queued = usize::try_from(self.output.len()).unwrap_or(usize::MAX);
        queued.saturating_add(self.input.len())
    }

    /// Releases the memory of what was read.
    pub(super) fn release(&mut self) {
        (self.input, self.spans) = (BytesMut::new(), None);
        if self.output.is_empty() {
            self.blocks.release();
        }
    }
}
