//! [`Endpoint`]: a machine with everything that each embedder would otherwise write again.

#[cfg(feature = "std")]
mod completion;
#[cfg(feature = "std")]
mod io;
mod shared;
#[cfg(feature = "std")]
mod stall;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

#[cfg(feature = "std")]
pub use self::completion::CompletionIo;
#[cfg(feature = "std")]
pub use self::io::EndpointIo;
pub use self::shared::SharedEndpoint;
use super::contract::{Machine, Workspace};
use super::notice::Notice;
use super::reason::{Cause, Deadline, End};
use super::upgradable::Upgradable;
use crate::buf::FileRegion;
use crate::time::Instant;

/// A [`Machine`] with its output queue, its deadline, and the bytes that it has not taken yet:
/// everything but the socket. `Send` if the machine is.
///
/// # The embedding contract
///
/// For each stream:
///
/// 1. Make an endpoint when the stream is open; that starts the machine.
/// 2. While [`wants_input`](Self::wants_input) is true, read, and pass the bytes to
///    [`received`](Self::received). While it is false, do not read: this is the back-pressure.
/// 3. When the peer ends its side and all its bytes were taken, call [`eof`](Self::eof); when the
///    stream breaks, call [`reset`](Self::reset).
/// 4. When [`next_deadline`](Self::next_deadline) passes, call [`expired`](Self::expired).
///
/// After any of these, and in this order:
///
/// 5. While [`outgoing`](Self::outgoing) has bytes, write as many as the stream takes, and report
///    the number with [`sent`](Self::sent), even if it is zero. When the stream would block, wait
///    until it is writable. If a write fails, call [`write_failed`](Self::write_failed) and go on
///    reading: bytes that the peer sent before can still arrive.
/// 6. If a [`file_region`](Self::file_region) comes next, send that region and report it the same
///    way.
/// 7. When [`half_closed`](Self::half_closed) becomes true, shut down the sending side, once.
/// 8. If there is an [`end`](Self::end), close the stream, or reset it if that is an
///    [`End::Abort`], and drop the endpoint.
/// 9. Log the [notices](Self::drain_notices), if a log is wanted.
///
/// No call has to be repeated until it returns "no more", none blocks, none fails, and a call that
/// comes too late or twice does nothing.
///
/// # Memory
///
/// While nothing is queued and nothing is left over, an endpoint owns no memory beyond itself and
/// what its machine holds: it frees the blocks that a burst took, and the next exchange allocates
/// anew. For many streams, use [`SharedEndpoint`]s with one [`Workspace`], which keeps the blocks
/// for all of them: then an exchange allocates nothing.
///
/// ```
/// use diesel_proto::{Cause, Endpoint, Instant, LineEcho};
///
/// let now = Instant::ORIGIN;
/// let mut endpoint = Endpoint::new(LineEcho::default(), now);
/// assert_eq!(endpoint.received(now, b"hello\r\nwor"), 10);
/// assert_eq!(endpoint.take_outgoing(now), b"you said: hello\r\n");
/// endpoint.eof(now);
/// assert_eq!(endpoint.closed(), Some(Cause::PeerClosed));
/// ```
pub struct Endpoint<M> {
    stream: SharedEndpoint<M>,
    workspace: Workspace,
}

impl<M: Machine> Endpoint<M> {
    /// Starts `machine` on a stream that is open.
    pub fn new(machine: M, now: Instant) -> Self {
        let mut workspace = Workspace::new();
        let stream = SharedEndpoint::new(machine, now, &mut workspace);
        let mut endpoint = Endpoint { stream, workspace };
        endpoint.let_go();
        endpoint
    }

    /// Frees the spare memory if the stream is idle.
    fn let_go(&mut self) {
        if self.stream.is_idle() {
            self.workspace.release();
        }
    }

    /// Whether to read from the stream: false while the machine has paused reading, and after the
    /// end.
    pub fn wants_input(&self) -> bool {
        self.stream.wants_input()
    }

    /// Bytes arrived. Returns how many were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false; then keep them, and offer them again. After a
    /// close, or after `eof`, bytes are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let taken = self.stream.received(now, bytes, &mut self.workspace);
        self.let_go();
        taken
    }

    /// The peer ended its side. The machine gets [`Input::Eof`](super::contract::Input::Eof) after
    /// it took all bytes that came before, and not while it has paused reading.
    pub fn eof(&mut self, now: Instant) {
        self.stream.eof(now, &mut self.workspace);
        self.let_go();
    }

    /// The stream is broken, both ways.
    pub fn reset(&mut self, now: Instant) {
        self.stream.reset(now, &mut self.workspace);
        self.let_go();
    }

    /// The caller ends the stream, both ways, for its own reason: because the caller's deadline
    /// passed, for example. The machine gets this cause. What is queued is dropped, and the stream
    /// must be reset: see [`end`](Self::end).
    ///
    /// ```
    /// use diesel_proto::{Cause, End, Endpoint, Instant, LineEcho, Reason};
    ///
    /// let now = Instant::ORIGIN;
    /// let mut endpoint = Endpoint::new(LineEcho::default(), now);
    /// endpoint.cut(now, Cause::TimedOut(Reason::Idle));
    /// assert_eq!(endpoint.end(), Some(End::Abort(Cause::TimedOut(Reason::Idle))));
    /// ```
    pub fn cut(&mut self, now: Instant, cause: Cause) {
        self.stream.cut(now, cause, &mut self.workspace);
        self.let_go();
    }

    /// A write failed. What is queued is lost, and the caller must write nothing more; but it must
    /// go on reading, until the stream ends or reading fails too: bytes that the peer sent before
    /// it closed can still be read.
    ///
    /// An operating system reports an error once. If the write failed because the peer had reset
    /// the stream, then reading ends without an error when everything was read: report that end as
    /// a [`reset`](Self::reset), not as an [`eof`](Self::eof).
    pub fn write_failed(&mut self, now: Instant) {
        self.stream.write_failed(now, &mut self.workspace);
        self.let_go();
    }

    /// Fills `into` with slices of the bytes to write next, oldest first. Returns how many slices
    /// it filled.
    pub fn outgoing<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.stream.outgoing(into)
    }

    /// The file region that must be sent next; `None` if bytes come next, or nothing.
    pub fn file_region(&self) -> Option<FileRegion> {
        self.stream.file_region()
    }

    /// `n` bytes were written: of what was [`outgoing`](Self::outgoing), or
    /// [taken](Self::take_segments), or of the [`file_region`](Self::file_region) that came first.
    /// A larger number counts as all of these bytes: nothing that is queued behind them is dropped.
    pub fn sent(&mut self, now: Instant, n: u64) {
        self.stream.sent(now, n, &mut self.workspace);
        self.let_go();
    }

    /// Takes up to `most` of the bytes to write next, as segments that own their memory, and
    /// appends them to `into`. Returns how many bytes it took. For completion-based I/O such as
    /// io_uring: the segments live while the kernel works on them, and what it took is reported
    /// later, with [`sent`](Self::sent), in order. Until then the bytes count as queued: for the
    /// machine's high-water marks, for a half-close, and for the end. After a partial write, the
    /// caller writes the rest of its segments first.
    ///
    /// After an abort or a [failed write](Self::write_failed) nothing is queued: a late report does
    /// nothing. A machine can [take back](super::contract::Actions::take_back) only bytes that were
    /// not taken out before.
    ///
    /// # Cost
    ///
    /// Large parts are not copied: see
    /// [`Pipeline::take_segments`](crate::buf::Pipeline::take_segments).
    ///
    /// ```
    /// use diesel_proto::{Endpoint, Instant, LineEcho};
    /// # use bytes::Bytes;
    /// # /// A kernel that takes seven bytes of each write.
    /// # #[derive(Default)]
    /// # struct Ring(Vec<Bytes>, Vec<u8>);
    /// # impl Ring {
    /// #     fn submit(&mut self, segments: Vec<Bytes>) { self.0 = segments; }
    /// #     fn complete(&mut self) -> Option<(usize, Vec<Bytes>)> {
    /// #         let mut segments = std::mem::take(&mut self.0);
    /// #         if segments.is_empty() { return None; }
    /// #         let n = segments[0].len().min(7);
    /// #         self.1.extend_from_slice(&segments[0].split_to(n));
    /// #         segments.retain(|segment| !segment.is_empty());
    /// #         Some((n, segments))
    /// #     }
    /// # }
    ///
    /// let now = Instant::ORIGIN;
    /// let mut ring = Ring::default();
    /// let mut endpoint = Endpoint::new(LineEcho::default(), now);
    /// assert_eq!(endpoint.received(now, b"hello\r\n"), 7);
    ///
    /// let mut segments = Vec::new();
    /// endpoint.take_segments(64 << 10, &mut segments);
    /// ring.submit(segments);
    /// // While the kernel works on the segments, more is queued.
    /// assert_eq!(endpoint.received(now, b"world\r\n"), 7);
    /// assert_eq!(endpoint.queued(), 34);
    ///
    /// while let Some((n, mut rest)) = ring.complete() {
    ///     endpoint.sent(now, n as u64);
    ///     // The rest of this write comes before new bytes.
    ///     endpoint.take_segments(64 << 10, &mut rest);
    ///     ring.submit(rest);
    /// }
    /// assert_eq!(endpoint.queued(), 0);
    /// # assert_eq!(ring.1, b"you said: hello\r\nyou said: world\r\n");
    /// ```
    pub fn take_segments(&mut self, most: usize, into: &mut Vec<Bytes>) -> usize {
        self.stream.take_segments(most, into, &mut self.workspace)
    }

    /// Takes all outgoing bytes, as if they were sent: for tests, and for streams that take any
    /// amount. Stops before a [`file_region`](Self::file_region).
    pub fn take_outgoing(&mut self, now: Instant) -> Vec<u8> {
        let taken = self.stream.take_outgoing(now, &mut self.workspace);
        self.let_go();
        taken
    }

    /// The deadline of the machine: when to call [`expired`](Self::expired), and the reason.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.stream.next_deadline()
    }

    /// Time has passed. If the deadline has not come yet, or none is set, this does nothing.
    pub fn expired(&mut self, now: Instant) {
        self.stream.expired(now, &mut self.workspace);
        self.let_go();
    }

    /// State shared with the machine changed: steps it with
    /// [`Input::Wake`](super::contract::Input::Wake).
    pub fn wake(&mut self, now: Instant) {
        self.stream.wake(now, &mut self.workspace);
        self.let_go();
    }

    /// A graceful shutdown began: the machine should finish what it has begun, and close.
    pub fn shutdown(&mut self, now: Instant) {
        self.stream.shutdown(now, &mut self.workspace);
        self.let_go();
    }

    /// Whether our side is half-closed: everything queued is sent, and nothing will follow.
    pub fn half_closed(&self) -> bool {
        self.stream.half_closed()
    }

    /// How and why to end the stream; `None` until everything queued is sent.
    ///
    /// A peer that reads until the end takes a close for the end of the data. So an [`End::Abort`]
    /// must reach it as a reset (on a socket: `SO_LINGER` of zero, then close).
    pub fn end(&self) -> Option<End> {
        self.stream.end()
    }

    /// Why to end the stream: the cause of [`end`](Self::end). `None` until everything queued is
    /// sent.
    pub fn closed(&self) -> Option<Cause> {
        self.stream.closed()
    }

    /// How many bytes are held in memory for this stream, incoming and outgoing.
    pub fn held(&self) -> usize {
        self.stream.held()
    }

    /// How many bytes are queued and not sent.
    pub fn queued(&self) -> u64 {
        self.stream.queued()
    }

    /// The machine itself, or the successor that replaced it.
    pub fn machine(&self) -> &Upgradable<M> {
        self.stream.machine()
    }

    /// How often the machine tried to send after it had closed. Those bytes were dropped.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn refused(&self) -> u64 {
        self.workspace.refused
    }

    /// Whether bytes have to wait until the machine resumes reading.
    #[cfg(feature = "testkit")]
    pub(crate) fn is_blocked(&self) -> bool {
        self.stream.is_blocked()
    }

    /// Whether the stream was cut, or bytes were taken back. Then the output depends on how much
    /// was sent before.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn was_cut(&self) -> bool {
        self.stream.is_abort() || self.workspace.taken_back > 0
    }

    /// Takes out the notices of the machine, oldest first.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        core::mem::take(&mut self.workspace.notices).into_iter()
    }
}

impl<M: fmt::Debug> fmt::Debug for Endpoint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.stream.link).finish()
    }
}
