//! [`Workspace`]: memory for the steps of machines, owned by their caller.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::contract::Machine;
use super::notice::Notice;
use crate::buf::{Blocks, Buffer};

/// Memory that the caller owns and lends to each step of a machine. One per thread is enough.
///
/// ```
/// use diesel_proto::{Instant, LineEcho, SharedEndpoint, Workspace};
///
/// let now = Instant::ORIGIN;
/// let mut workspace = Workspace::new();
/// let mut endpoint = SharedEndpoint::new(LineEcho::default(), now, &mut workspace);
/// assert_eq!(endpoint.received(now, b"hello\n", &mut workspace), 6);
/// assert_eq!(endpoint.take_outgoing(now, &mut workspace), b"you said: hello\n");
/// assert_eq!(workspace.drain_notices().count(), 0);
/// ```
#[derive(Default)]
pub struct Workspace {
    pub(crate) blocks: Blocks,
    /// Spare buffers, for bytes that a stream keeps because its machine did not take them.
    // A spare buffer keeps its box: the allocation of the box is what is saved.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Buffer>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) successor: Option<Box<dyn Machine + Send>>,
    /// How often machines tried to send after they had closed.
    pub(crate) refused: u64,
    /// How many bytes machines took back from their queues.
    pub(crate) taken_back: u64,
}

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
