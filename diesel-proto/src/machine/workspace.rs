//! Memory for the steps of machines, owned by their caller: the methods of [`Workspace`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::contract::Workspace;
use super::notice::Notice;
use crate::buf::{Blocks, Buffer};

impl Workspace {
    /// An empty workspace. Allocates nothing.
    pub fn new() -> Self {
        Workspace::default()
    }

    /// Lends an empty buffer. The caller must give it back.
    pub(crate) fn lend(&mut self) -> Box<Buffer> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Box<Buffer>) {
        buffer.clear(&mut self.blocks);
        if self.spare.len() < Blocks::KEEP_SMALL {
            self.spare.push(buffer);
        }
    }

    /// Frees the memory that is kept for later. Notices are kept.
    ///
    /// # Cost
    ///
    /// O(1) if no memory is kept; else it frees at most as many blocks as [`Blocks`] keeps.
    pub fn release(&mut self) {
        self.blocks.release();
        self.spare = Vec::new();
        if self.notices.is_empty() {
            self.notices = Vec::new();
        }
    }

    /// Takes out the notices of machines, oldest first.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.drain(..)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("notices", &self.notices).finish_non_exhaustive()
    }
}
