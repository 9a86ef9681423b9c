//! [`UnreadBytes`]: the bytes that arrived for a fiber, and that it has not taken.
//!
//! It must never know what the bytes mean, nor who waits for them.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::buf::{Blocks, Buffer};

type SharedBuffer = Buffer<Rc<Vec<u8>>>;
type SharedBlocks = Blocks<Rc<Vec<u8>>>;

/// The buffer is made when it is first needed: a stream that is only written, such as the body of a
/// response, has none.
#[derive(Default)]
pub(crate) struct UnreadBytes(Option<Box<SharedBuffer>>);

impl UnreadBytes {
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut SharedBuffer {
        self.0.get_or_insert_with(made)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |buffer| buffer.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clear(&mut self, blocks: &mut SharedBlocks) {
        if let Some(buffer) = &mut self.0 {
            buffer.clear(blocks);
        }
    }

    /// How many bytes were taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.0.as_ref().map_or(0, |buffer| buffer.received() - buffer.len() as u64)
    }

    /// See [`Buffer::scanned`].
    pub(crate) fn scanned(&self) -> u64 {
        self.0.as_ref().map_or(0, |buffer| buffer.scanned())
    }
}

/// Once for each stream.
#[cold]
fn made() -> Box<SharedBuffer> {
    Box::default()
}
