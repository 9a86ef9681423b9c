//! [`HeadPool`]: the memory of requests, which a service lends and takes back.
//!
//! It must never know what is done with a request.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::http1::syntax::{FieldSpans, Headers};

/// Maximum number of spare objects of each kind.
pub(in crate::http1) const KEEP: usize = 64;
/// An object with more memory than this is not kept for the next request: 64 KiB.
pub(in crate::http1) const KEEP_BYTES: usize = 64 << 10;

/// The memory of a request.
pub(in crate::http1) struct Head {
    pub(in crate::http1) spans: FieldSpans,
    /// The body, if it is collected for a plain handler.
    pub(in crate::http1) content: Vec<u8>,
    pub(in crate::http1) trailers: Headers,
}

impl Head {
    /// No head. Does not allocate.
    pub(in crate::http1) fn new() -> Self {
        Head { spans: FieldSpans::new(), content: Vec::new(), trailers: Headers::new() }
    }
}

/// Spare heads.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "the boxes are what is spared")]
pub(in crate::http1) struct HeadPool(RefCell<Vec<Box<Head>>>);

impl HeadPool {
    pub(in crate::http1) fn lend(&self) -> Box<Head> {
        let spare = self.0.borrow_mut().pop();
        spare.unwrap_or_else(|| Box::new(Head::new()))
    }

    pub(in crate::http1) fn give_back(&self, mut head: Box<Head>) {
        let Head { spans, content, trailers } = &mut *head;
        content.clear();
        trailers.clear();
        if spans.capacity() > KEEP_BYTES || content.capacity() > KEEP_BYTES {
            return;
        }
        let spare = &mut self.0.borrow_mut();
        if spare.len() < KEEP {
            spare.push(head);
        }
    }

    #[cfg(test)]
    pub(in crate::http1) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}
