//! A machine with what every embedder would otherwise write again.

mod shared;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

pub use self::shared::SharedEndpoint;
use super::contract::{Machine, Workspace};
use super::notice::Notice;
use super::reason::{Cause, Deadline, End};
use super::upgradable::Upgradable;
use crate::buf::FileRegion;
use crate::time::Instant;

/// A [`Machine`], its output queue, its deadline, and the bytes it has not taken yet: everything
/// but the socket. `Send` if the machine is.
///
/// # The embedding contract
///
/// For each stream:
///
/// 1. Make an endpoint when the stream is there; that starts the machine.
/// 2. While [`wants_input`](Self::wants_input), read; give what came to
///    [`received`](Self::received). While not, do not read: that is the back-pressure.
/// 3. When the peer ends its side, and all its bytes were taken, call [`eof`](Self::eof); when the
///    stream breaks, [`reset`](Self::reset).
/// 4. When [`next_deadline`](Self::next_deadline) passes, call [`expired`](Self::expired).
///
/// After any of these, and in this order:
///
/// 5. While [`outgoing`](Self::outgoing) has bytes, write what the stream takes and say how many
///    with [`sent`](Self::sent), zero included. When it takes no more, wait until it is writable.
///    If a write fails, call [`write_failed`](Self::write_failed), and go on reading: what the peer
///    sent before is still to come.
/// 6. If an [`file_region`](Self::file_region) comes next, send that region and say so the same way.
/// 7. If [`half_closed`](Self::half_closed), shut down the sending side, once.
/// 8. If there is an [`end`](Self::end), close the stream, or reset it if that is an
///    [`End::Abort`], and drop the endpoint.
/// 9. Log the [`notices`](Self::drain_notices), if you like.
///
/// No call has to be repeated until it says stop, none blocks, none fails, and one that comes too
/// late or twice does nothing.
///
/// # Memory
///
/// While nothing is queued and nothing is left over, an endpoint owns no memory beyond itself and
/// what its machine holds: the blocks that a burst took are let go, and the next exchange allocates
/// anew. Where there are many streams, [`SharedEndpoint`]s share one [`Workspace`], which keeps the
/// blocks for all of them: an exchange allocates nothing.
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
    /// Starts `machine` on a stream that is there.
    pub fn new(machine: M, now: Instant) -> Self {
        let mut workspace = Workspace::new();
        let stream = SharedEndpoint::new(machine, now, &mut workspace);
        let mut endpoint = Endpoint { stream, workspace };
        endpoint.let_go();
        endpoint
    }

    /// Lets the free memory go if the stream is idle.
    fn let_go(&mut self) {
        if self.stream.is_idle() {
            self.workspace.release();
        }
    }

    /// Whether to read: false while the machine has no room, and after the end.
    pub fn wants_input(&self) -> bool {
        self.stream.wants_input()
    }

    /// Bytes arrived. Returns how many were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false (keep them, and offer them again). After a
    /// close, or after `eof`, bytes are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let taken = self.stream.received(now, bytes, &mut self.workspace);
        self.let_go();
        taken
    }

    /// The peer will send no more. The machine learns of it after it took all that came before, and
    /// when it reads on.
    pub fn eof(&mut self, now: Instant) {
        self.stream.eof(now, &mut self.workspace);
        self.let_go();
    }

    /// The stream is broken, both ways.
    pub fn reset(&mut self, now: Instant) {
        self.stream.reset(now, &mut self.workspace);
        self.let_go();
    }

    /// The caller ends the stream, both ways, for a reason that it has itself: a deadline of its own,
    /// for example. The machine is told this cause. What is queued is dropped, and the stream is to be
    /// reset: see [`end`](Self::end).
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

    /// A write failed. What is queued is lost, and nothing more is to be written; but the stream is
    /// to be read on, until its end or until reading fails too: what the peer sent before it closed
    /// is still there.
    ///
    /// A system reports an error once. If the write failed because the peer had reset the stream,
    /// reading ends without an error when everything was read: that end is a
    /// [`reset`](Self::reset), not an [`eof`](Self::eof).
    pub fn write_failed(&mut self, now: Instant) {
        self.stream.write_failed(now, &mut self.workspace);
        self.let_go();
    }

    /// Fills `into` with what is to be written next, oldest first; returns how many it filled.
    pub fn outgoing<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.stream.outgoing(into)
    }

    /// The region that comes next, if that is not bytes.
    pub fn file_region(&self) -> Option<FileRegion> {
        self.stream.file_region()
    }

    /// The stream took `n` bytes of what was outgoing, or [taken](Self::take_segments), or of the
    /// [`file_region`](Self::file_region) that came first. More than that counts as all of it: nothing that comes behind is dropped.
    pub fn sent(&mut self, now: Instant, n: u64) {
        self.stream.sent(now, n, &mut self.workspace);
        self.let_go();
    }

    /// Takes up to `most` of the bytes that are to be written next as segments that own their memory,
    /// and puts them behind those in `into`; returns how many bytes that is. For I/O that completes:
    /// the segments live while the kernel works on them, and what it took is reported later, with
    /// [`sent`](Self::sent), in order. Until then it counts as queued: for the machine's marks, for a
    /// half-close, for the end. A write of which only a part was sent goes on with the rest of its
    /// segments.
    ///
    /// After an abort or a [failed write](Self::write_failed) nothing is queued: a report that comes
    /// late does nothing. Bytes that were [taken back](super::contract::Actions::take_back) are those that were
    /// not taken out before.
    ///
    /// # Cost
    ///
    /// Large parts are not copied: see [`Pipeline::take_segments`](crate::buf::Pipeline::take_segments).
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
    /// // The kernel works on the segments; meanwhile more is queued.
    /// assert_eq!(endpoint.received(now, b"world\r\n"), 7);
    /// assert_eq!(endpoint.queued(), 34);
    ///
    /// while let Some((n, mut rest)) = ring.complete() {
    ///     endpoint.sent(now, n as u64);
    ///     // What is left of this write comes before what is new.
    ///     endpoint.take_segments(64 << 10, &mut rest);
    ///     ring.submit(rest);
    /// }
    /// assert_eq!(endpoint.queued(), 0);
    /// # assert_eq!(ring.1, b"you said: hello\r\nyou said: world\r\n");
    /// ```
    pub fn take_segments(&mut self, most: usize, into: &mut Vec<Bytes>) -> usize {
        self.stream.take_segments(most, into, &mut self.workspace)
    }

    /// Takes all bytes that are outgoing, as if they were sent: for tests, and for streams that
    /// take any amount. Stops before an [`file_region`](Self::file_region).
    pub fn take_outgoing(&mut self, now: Instant) -> Vec<u8> {
        let taken = self.stream.take_outgoing(now, &mut self.workspace);
        self.let_go();
        taken
    }

    /// When to call [`expired`](Self::expired), and why.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.stream.next_deadline()
    }

    /// Time has passed. Early, or with no deadline set, it does nothing.
    pub fn expired(&mut self, now: Instant) {
        self.stream.expired(now, &mut self.workspace);
        self.let_go();
    }

    /// Something that the machine shares with others changed.
    pub fn wake(&mut self, now: Instant) {
        self.stream.wake(now, &mut self.workspace);
        self.let_go();
    }

    /// An orderly shutdown began: the machine is to finish what was begun.
    pub fn shutdown(&mut self, now: Instant) {
        self.stream.shutdown(now, &mut self.workspace);
        self.let_go();
    }

    /// Whether our side has ended: everything queued is sent, and nothing will follow.
    pub fn half_closed(&self) -> bool {
        self.stream.half_closed()
    }

    /// How and why to end the stream, once everything queued is sent.
    ///
    /// A peer that reads until the end takes a close for the end of what was sent: an
    /// [`End::Abort`] must reach it as a reset (on a socket: `SO_LINGER` of zero, then close).
    pub fn end(&self) -> Option<End> {
        self.stream.end()
    }

    /// Why to end the stream, once everything queued is sent: the cause of [`end`](Self::end).
    pub fn closed(&self) -> Option<Cause> {
        self.stream.closed()
    }

    /// Bytes held in memory for this stream, in and out.
    pub fn held(&self) -> usize {
        self.stream.held()
    }

    /// How many bytes are queued and not sent.
    pub fn queued(&self) -> u64 {
        self.stream.queued()
    }

    /// The machine itself, or the one that it gave way to.
    pub fn machine(&self) -> &Upgradable<M> {
        self.stream.machine()
    }

    /// How often the machine tried to send after it had closed. What it tried to send is dropped.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn refused(&self) -> u64 {
        self.workspace.refused
    }

    /// Whether bytes have to wait until the machine goes on.
    #[cfg(feature = "testkit")]
    pub(crate) fn is_blocked(&self) -> bool {
        self.stream.is_blocked()
    }

    /// Whether the stream was cut, or bytes were taken back: how much came out depends on how much
    /// was sent by then.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn was_cut(&self) -> bool {
        self.stream.is_abort() || self.workspace.taken_back > 0
    }

    /// What the machine had to tell a person, oldest first.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        core::mem::take(&mut self.workspace.notices).into_iter()
    }
}

impl<M: fmt::Debug> fmt::Debug for Endpoint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.stream.link).finish()
    }
}
