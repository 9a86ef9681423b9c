//! What a machine asks for in a step: the methods of [`Actions`].

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;

#[cfg(doc)]
use super::contract::Input;
use super::contract::{Actions, Machine, Workspace};
use super::notice::Notice;
use super::reason::{Cause, Deadline, Reason};
use super::stream_control::StreamControl;
use crate::buf::{Blocks, Closed, FileRegion, Pipeline};
use crate::time::Instant;

impl<'a> Actions<'a> {
    /// Combines the state of a stream and the caller's memory, to lend both to a step.
    pub fn new(flow: &'a mut StreamControl, workspace: &'a mut Workspace) -> Self {
        Actions { flow, workspace }
    }

    /// Queues a copy of these bytes. After a close or a [half-close](Self::half_close) they are
    /// dropped: see [`is_half_closed`](Self::is_half_closed).
    pub fn send(&mut self, bytes: &[u8]) {
        let pushed = self.flow.output.push(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues bytes: by reference if there are many, as a copy if there are few. After a close or a
    /// [half-close](Self::half_close) they are dropped.
    pub fn send_bytes(&mut self, bytes: Bytes) {
        let pushed = self.flow.output.push_bytes(bytes, &mut self.workspace.blocks);
        self.refused(pushed);
    }

    /// Queues a region of a file, which the embedder sends. After a close or a
    /// [half-close](Self::half_close) it is dropped. Only where the stream
    /// [takes](Self::takes_file_regions) file regions: a framing layer cuts the stream.
    pub fn send_file_region(&mut self, file_region: FileRegion) {
        let pushed = self.flow.output.push_file_region(file_region);
        self.refused(pushed);
    }

    /// Whether file regions can be queued. They cannot inside a layer that frames the output, such as
    /// TLS, since that has to see the bytes: send what was read of the file there. Whether the
    /// embedder has a file with the number of the region is another question.
    pub fn takes_file_regions(&self) -> bool {
        !self.flow.framed_below
    }

    /// Counts attempts to send after the end. What is sent after a failed write is dropped as well,
    /// but does not count: a machine need not know of the failure.
    fn refused(&mut self, pushed: Result<(), Closed>) {
        self.workspace.refused += u64::from(pushed.is_err() && !self.flow.write_failed);
    }

    /// How many bytes are queued and not sent. For a machine within a layer, this includes what is
    /// queued in the stream below.
    pub fn queued(&self) -> u64 {
        self.flow.queued()
    }

    /// Requests [`Input::Drained`](super::Input::Drained) once fewer than `n` bytes are queued.
    /// There is one request at a time: this one replaces an earlier one. Zero withdraws it.
    pub fn notify_below(&mut self, n: u64) {
        self.flow.notify_below = n;
    }

    /// Sets the stream's one deadline.
    pub fn set_deadline(&mut self, at: Instant, reason: Reason) {
        self.flow.set_deadline(Some(Deadline { at, reason }));
    }

    /// Clears the deadline.
    pub fn clear_deadline(&mut self) {
        self.flow.set_deadline(None);
    }

    /// The deadline that is set.
    pub fn deadline(&self) -> Option<Deadline> {
        self.flow.deadline()
    }

    /// Pauses reading until [`resume`](Self::resume): back-pressure for the peer.
    pub fn pause(&mut self) {
        self.flow.paused = true;
    }

    /// Resumes reading: bytes that were left over come first.
    pub fn resume(&mut self) {
        self.flow.paused = false;
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.flow.paused
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.flow.output.close();
    }

    /// Closes the stream once everything queued is sent. The first cause stands.
    pub fn close(&mut self, cause: Cause) {
        self.flow.close_with(cause);
    }

    /// Closes the stream as [`close`](Self::close) does. While `awaits` is set, a later call may
    /// give a better cause, and the stream waits a short time for that.
    pub(crate) fn close_and_amend(&mut self, cause: Cause, awaits: bool) {
        self.flow.close_with(cause);
        self.flow.awaits_cause = awaits;
    }

    /// Resets the stream once everything queued is sent, so that the peer can tell that the stream
    /// was cut off: for a message that ends with the stream and is not complete. The first cause
    /// stands.
    pub fn cut(&mut self, cause: Cause) {
        self.flow.cut_with(cause);
    }

    /// Resets the stream at once, dropping what is queued. The first cause stands.
    pub fn abort(&mut self, cause: Cause) {
        self.flow.abort_with(cause, &mut self.workspace.blocks);
    }

    /// Drops what was queued at `position` and after it, as far as it is not sent, and returns how
    /// many bytes it dropped: for a message that cannot be completed, queued behind others that are
    /// complete. Positions are those of [`queued_in_all`](Self::queued_in_all).
    pub fn take_back(&mut self, position: u64) -> u64 {
        let keep = position.saturating_sub(self.flow.output.sent());
        let taken = self.flow.output.truncate(keep, &mut self.workspace.blocks);
        self.workspace.taken_back += taken;
        taken
    }

    /// Whether our side is half-closed, or the stream is closing: what is sent from now on is
    /// dropped.
    pub fn is_half_closed(&self) -> bool {
        self.flow.is_half_closed()
    }

    /// Whether the stream is closing.
    pub fn is_closing(&self) -> bool {
        self.flow.is_closing()
    }

    /// Replaces this machine: `next` is the machine of this stream from the end of this step on. It
    /// gets [`Input::Start`](super::Input::Start), then [`Input::Shutdown`](super::Input::Shutdown)
    /// if a shutdown began, then [`Input::WriteFailed`](super::Input::WriteFailed) if a write
    /// failed, then the bytes that were left over. What is queued is sent first; the deadline, the
    /// pause and the request for `Drained` are cleared.
    pub fn upgrade(&mut self, next: impl Machine + Send + 'static) {
        self.workspace.successor = Some(Box::new(next));
    }

    /// Emits a notice, for a log.
    pub fn notice(&mut self, notice: Notice) {
        self.workspace.notices.push(notice);
    }

    /// The free list of blocks, to lend to a [`Buffer`](crate::buf::Buffer) or an inner
    /// [`Pipeline`].
    pub fn blocks(&mut self) -> &mut Blocks {
        &mut self.workspace.blocks
    }

    /// The output queue itself, and the free list that it borrows from: for a protocol core that
    /// writes to a [`Pipeline`].
    pub fn queue(&mut self) -> (&mut Pipeline, &mut Blocks) {
        (&mut self.flow.output, &mut self.workspace.blocks)
    }

    /// Both parts, for a layer.
    pub(crate) fn parts(&mut self) -> (&mut StreamControl, &mut Workspace) {
        (self.flow, self.workspace)
    }

    /// How many bytes were queued since the stream began, sent bytes included: the position of the
    /// next byte.
    pub fn queued_in_all(&self) -> u64 {
        self.flow.output.sent().saturating_add(self.flow.output.len())
    }

    /// The state of the stream, as written so far.
    #[cfg(feature = "testkit")]
    pub(crate) fn flow(&self) -> &StreamControl {
        self.flow
    }

    /// Whether a shutdown began.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.flow.shutting_down
    }

    /// Whether a write failed.
    pub(crate) fn has_write_failed(&self) -> bool {
        self.flow.write_failed
    }

    /// Takes the successor that was named, and clears the state of the stream for it.
    pub(crate) fn take_successor(&mut self) -> Option<Box<dyn Machine + Send>> {
        let next = self.workspace.successor.take()?;
        self.flow.set_deadline(None);
        self.flow.paused = false;
        self.flow.notify_below = 0;
        Some(next)
    }
}

/// `write!(actions, ..)` queues text.
impl fmt::Write for Actions<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.send(s.as_bytes());
        Ok(())
    }
}
