//! Outgoing bytes, until they are sent.
//!
//! Small writes are copied, one behind the other, into blocks that are borrowed from the caller's
//! [`Blocks`]. Large ones are queued by reference, and parts of files as a [`FileRegion`]: each of
//! these is a segment, which records how many copied bytes go before it. So the copied bytes stay
//! together, whatever is queued between them:
//!
//! ```text
//!             sent   |-- before --|        |- before -|          |-- trailing --|
//!   copied  |........|============|        |==========|          |==============|------|
//!                  start          [ Bytes ]           [ FileRegion ]
//! ```
//!
//! Rules of this file:
//!
//! - A byte is copied once; at most twice, on average, where a block is compacted or another
//!   pipeline is appended.
//! - The queue is in a box, which is lent by the caller's [`Blocks`] as well, and given back as
//!   soon as nothing is queued, together with a small block if it has one. So echoing a line
//!   allocates nothing, and an empty pipeline owns no memory and is small: every idle connection
//!   has one.
//! - Nothing is queued after `close`.
//!
//! It must never know how the queue is stored, what the bytes mean, how they are sent, nor how much
//! is too much: the caller compares [`len`](Pipeline::len) with its high-water and low-water marks.

mod append;
mod offer;
mod queue;
mod stored;
mod tail;
mod taken;
#[cfg(test)]
mod tests;

use super::block::Blocks;
use alloc::boxed::Box;
use bytes::Bytes;
use core::fmt;
use queue::SegmentContent;
use stored::Stored;
pub use tail::Tail;

/// A region of a file, queued by its numbers: the embedder sends the bytes, with `sendfile` for
/// example.
///
/// ```
/// use diesel_proto::{Blocks, FileRegion, Pipeline};
///
/// let (mut pipeline, mut blocks) = (Pipeline::new(), Blocks::new());
/// let region = FileRegion { id: 3, offset: 0, len: 1000 };
/// pipeline.push_file_region(region)?;
/// assert_eq!(pipeline.file_region(), Some(region));
///
/// // The embedder has sent the first 600 bytes of it.
/// assert_eq!(pipeline.advance(600, &mut blocks), 600);
/// assert_eq!(pipeline.file_region(), Some(FileRegion { id: 3, offset: 600, len: 400 }));
/// # Ok::<(), diesel_proto::Closed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileRegion {
    /// Which file. The meaning of the number is up to user code, which queues the region, and the
    /// embedder, which sends it.
    pub id: u64,
    /// Where the region begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u64,
}

/// A queue of outgoing bytes, offered as several slices for a vectored write.
///
/// It is [`Send`]. While it is empty it owns no memory; it is 24 bytes itself.
///
/// # Examples
///
/// ```
/// use diesel_proto::{Blocks, Pipeline};
/// use std::fmt::Write;
///
/// let mut blocks = Blocks::new();
/// let mut pipeline = Pipeline::new();
/// pipeline.push(b"you said: ", &mut blocks)?;
/// write!(pipeline.writer(&mut blocks), "{:?}", 42).unwrap();
/// pipeline.close();
///
/// let mut slices = [&[][..]; 8];
/// let n = pipeline.slices(&mut slices);
/// assert_eq!(slices[..n].concat(), b"you said: 42");
///
/// assert_eq!(pipeline.advance(12, &mut blocks), 12);
/// assert!(pipeline.is_finished());
/// # Ok::<(), diesel_proto::Closed>(())
/// ```
#[derive(Default)]
pub struct Pipeline {
    /// The queue. `None` if nothing is queued.
    stored: Option<Box<Stored>>,
    sent: u64,
    is_closing: bool,
}

impl Pipeline {
    /// The least length that [`push_bytes`](Self::push_bytes) queues by reference: 4 KiB.
    ///
    /// A segment costs as much as copying 3 KiB, as measured by `benches/buffer.rs`.
    pub const BY_REFERENCE: usize = 4 * 1024;

    /// An empty pipeline. Allocates nothing.
    pub const fn new() -> Self {
        Pipeline { stored: None, sent: 0, is_closing: false }
    }

    /// Queues a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    #[inline]
    pub fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), Closed> {
        self.check_open()?;
        if !bytes.is_empty() {
            self.stored(blocks).copy(bytes, blocks);
        }
        Ok(())
    }

    /// Queues `bytes`: by reference if there are at least [`BY_REFERENCE`](Self::BY_REFERENCE),
    /// otherwise as a copy.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    pub fn push_bytes(&mut self, bytes: Bytes, blocks: &mut Blocks) -> Result<(), Closed> {
        if bytes.len() < Self::BY_REFERENCE {
            return self.push(&bytes, blocks);
        }
        self.check_open()?;
        self.stored(blocks).push(bytes.len() as u64, SegmentContent::Shared(bytes));
        Ok(())
    }

    /// Queues a region of a file, which the embedder sends. An empty region is not queued.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    pub fn push_file_region(&mut self, file_region: FileRegion) -> Result<(), Closed> {
        self.check_open()?;
        if file_region.len > 0 {
            let stored = self.stored.get_or_insert_default();
            stored.push(file_region.len, SegmentContent::FileRegion(file_region));
        }
        Ok(())
    }

    /// A writer for `write!`: the text goes directly to the end of the queue.
    ///
    /// Writing fails after [`close`](Self::close), and for no other reason.
    pub fn writer<'a>(&'a mut self, blocks: &'a mut Blocks) -> impl fmt::Write + 'a {
        PipelineWriter { pipeline: self, blocks }
    }

    /// Queues what `write` appends, as a copy. For data that consists of many small parts, such as
    /// the head of a message. Memory for `expected` bytes is reserved; more may cost another
    /// allocation.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close). Then `write` is not called.
    ///
    /// ```
    /// use diesel_proto::{Blocks, Pipeline};
    ///
    /// let (mut pipeline, mut blocks) = (Pipeline::new(), Blocks::new());
    /// pipeline.push_with(20, &mut blocks, |tail| {
    ///     for part in ["Host", ": ", "example.com"] {
    ///         tail.extend_from_slice(part.as_bytes());
    ///     }
    /// })?;
    /// assert_eq!(pipeline.len(), 17);
    /// # Ok::<(), diesel_proto::Closed>(())
    /// ```
    #[inline]
    pub fn push_with(
        &mut self,
        expected: usize,
        blocks: &mut Blocks,
        write: impl FnOnce(&mut Tail<'_>),
    ) -> Result<(), Closed> {
        self.check_open()?;
        let stored = self.stored(blocks);
        stored.push_with(expected, blocks, write);
        if stored.len == 0 {
            self.give_back(blocks);
        }
        Ok(())
    }

    /// How many bytes are queued, file regions included. `u64::MAX` if there are even more.
    pub fn len(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| stored.len)
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with slices of the bytes that come next, up to the first file region, and
    /// returns how many slices it filled. None of them is empty.
    ///
    /// Zero means that nothing is queued, that a [`file_region`](Self::file_region) comes next, or
    /// that `into` has no room.
    ///
    /// # Cost
    ///
    /// Linear in the number of slices.
    pub fn slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.slices(into))
    }

    /// The file region that comes next, or what is left of it; `None` if bytes come next, or
    /// nothing.
    pub fn file_region(&self) -> Option<FileRegion> {
        self.stored.as_ref()?.file_region()
    }

    /// Drops the first `n` bytes, which were sent. Returns how many it dropped: fewer than `n` if
    /// there are fewer before the next [`file_region`](Self::file_region), or in that region if it
    /// comes first. So bytes and a region are never reported as sent in one call, and a report of
    /// too many bytes never drops an unsent region.
    ///
    /// Bytes that were [taken](Self::take_segments) count first.
    ///
    /// # Cost
    ///
    /// Linear in the number of slices that are now completely sent.
    pub fn advance(&mut self, n: u64, blocks: &mut Blocks) -> u64 {
        self.advance_with(n, blocks, drop)
    }

    /// As [`advance`](Self::advance), but passes bytes that were queued by reference and are now
    /// sent to `done`: their owner may be a type of the application, and its drop user code.
    #[inline]
    pub(crate) fn advance_with(
        &mut self,
        n: u64,
        blocks: &mut Blocks,
        done: impl FnMut(Bytes),
    ) -> u64 {
        let Some(stored) = &mut self.stored else { return 0 };
        let n = stored.advance(n, blocks, done);
        self.sent = self.sent.saturating_add(n);
        if stored.len == 0 {
            self.give_back(blocks);
        }
        n
    }

    /// Drops everything that is queued, file regions included, and forgets what was
    /// [taken](Self::take_segments). None of it counts as sent.
    pub fn clear(&mut self, blocks: &mut Blocks) {
        self.clear_with(blocks, drop);
    }

    /// As [`clear`](Self::clear), but passes bytes that were queued by reference to `done`.
    pub(crate) fn clear_with(&mut self, blocks: &mut Blocks, done: impl FnMut(Bytes)) {
        if let Some(stored) = &mut self.stored {
            stored.clear(blocks, done);
            self.give_back(blocks);
        }
    }

    /// Drops the bytes that were queued last, so that `keep` bytes are left, but none that were
    /// [taken](Self::take_segments). Returns how many bytes it dropped.
    ///
    /// # Cost
    ///
    /// Linear in the number of blocks, slices and file regions that are dropped.
    pub fn truncate(&mut self, keep: u64, blocks: &mut Blocks) -> u64 {
        let Some(stored) = &mut self.stored else { return 0 };
        let dropped = stored.truncate(keep, blocks);
        if stored.len == 0 {
            self.give_back(blocks);
        }
        dropped
    }

    /// Marks the pipeline as closing: nothing more can be queued, and the stream should be closed
    /// once everything queued is sent.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether [`close`](Self::close) was called, and everything was sent.
    pub fn is_finished(&self) -> bool {
        self.is_closing && self.is_empty()
    }

    /// How many bytes were sent in all.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn check_open(&self) -> Result<(), Closed> {
        if self.is_closing { Err(Closed) } else { Ok(()) }
    }

    /// The queue, to push to. If nothing is pushed, it must be [given back](Self::give_back).
    #[inline(always)]
    fn stored(&mut self, blocks: &mut Blocks) -> &mut Stored {
        if self.stored.is_none() {
            self.stored = Some(blocks.lend_keeper());
        }
        self.stored.get_or_insert_default()
    }

    /// Gives the queue back when nothing is queued any more.
    #[inline]
    fn give_back(&mut self, blocks: &mut Blocks) {
        if let Some(stored) = self.stored.take() {
            debug_assert!(stored.is_as_new());
            blocks.give_back_keeper(stored);
        }
    }
}

struct PipelineWriter<'a> {
    pipeline: &'a mut Pipeline,
    blocks: &'a mut Blocks,
}

impl fmt::Write for PipelineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pipeline.push(text.as_bytes(), self.blocks).map_err(|Closed| fmt::Error)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("len", &self.len())
            .field("sent", &self.sent)
            .field("is_closing", &self.is_closing)
            .finish_non_exhaustive()
    }
}

/// The error of a push to a pipeline that is closing.
///
/// ```
/// use diesel_proto::{Blocks, Closed, Pipeline};
///
/// let (mut pipeline, mut blocks) = (Pipeline::new(), Blocks::new());
/// pipeline.close();
/// assert_eq!(pipeline.push(b"too late", &mut blocks), Err(Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pipeline is closing and takes no more bytes")
    }
}

impl core::error::Error for Closed {}
