//! [`SharedEndpoint`]: an endpoint whose memory is lent. It holds a machine and the state of its
//! stream, and nothing else.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::super::attached::Attached;
use super::super::contract::{Input, Machine, Workspace};
use super::super::reason::{Cause, Deadline, End};
use super::super::upgradable::Upgradable;
use crate::buf::FileRegion;
use crate::time::Instant;

/// An [`Endpoint`](super::Endpoint) that owns no memory for the bytes that pass through: the caller
/// lends a [`Workspace`] to each call, and many endpoints share one. `Send` if the machine is.
///
/// The embedding contract and the methods are those of [`Endpoint`](super::Endpoint). Notices are
/// in the workspace: call [`Workspace::drain_notices`], after each call if it matters which
/// endpoint they belong to.
///
/// While idle, it owns nothing beyond itself and what its machine holds. The workspace keeps the
/// blocks of one burst for the next one, within the limits of [`Blocks`](crate::buf::Blocks). The
/// endpoint does not depend on which workspace is lent: one per thread is enough.
///
/// ```
/// use diesel_proto::{Instant, LineEcho, SharedEndpoint, Workspace};
///
/// let now = Instant::ORIGIN;
/// let mut workspace = Workspace::new();
/// let mut endpoints: Vec<_> = (0..3)
///     .map(|_| SharedEndpoint::new(LineEcho::default(), now, &mut workspace))
///     .collect();
/// for endpoint in &mut endpoints {
///     assert_eq!(endpoint.received(now, b"hello\n", &mut workspace), 6);
///     assert_eq!(endpoint.take_outgoing(now, &mut workspace), b"you said: hello\n");
/// }
/// ```
pub struct SharedEndpoint<M> {
    pub(super) link: Attached<M>,
}

impl<M: Machine> SharedEndpoint<M> {
    /// Starts `machine` on a stream that is open.
    pub fn new(machine: M, now: Instant, workspace: &mut Workspace) -> Self {
        let mut link = Attached::new(machine);
        link.start(now, workspace);
        SharedEndpoint { link }
    }

    /// As [`Endpoint::wants_input`](super::Endpoint::wants_input).
    pub fn wants_input(&self) -> bool {
        self.link.wants_input()
    }

    /// As [`Endpoint::received`](super::Endpoint::received).
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, bytes: &[u8], workspace: &mut Workspace) -> usize {
        self.link.received(now, bytes, workspace)
    }

    /// As [`Endpoint::eof`](super::Endpoint::eof).
    pub fn eof(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.eof(now, workspace);
    }

    /// As [`Endpoint::reset`](super::Endpoint::reset).
    pub fn reset(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.cut(now, Cause::Reset, workspace);
    }

    /// As [`Endpoint::cut`](super::Endpoint::cut).
    pub fn cut(&mut self, now: Instant, cause: Cause, workspace: &mut Workspace) {
        self.link.cut(now, cause, workspace);
    }

    /// As [`Endpoint::write_failed`](super::Endpoint::write_failed).
    pub fn write_failed(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.write_failed(now, workspace);
    }

    /// As [`Endpoint::outgoing`](super::Endpoint::outgoing).
    pub fn outgoing<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.link.flow.output.slices(into)
    }

    /// As [`Endpoint::file_region`](super::Endpoint::file_region).
    pub fn file_region(&self) -> Option<FileRegion> {
        self.link.flow.output.file_region()
    }

    /// As [`Endpoint::sent`](super::Endpoint::sent).
    pub fn sent(&mut self, now: Instant, n: u64, workspace: &mut Workspace) {
        self.link.sent(now, n, workspace);
    }

    /// As [`Endpoint::take_segments`](super::Endpoint::take_segments).
    pub fn take_segments(
        &mut self,
        most: usize,
        into: &mut Vec<Bytes>,
        workspace: &mut Workspace,
    ) -> usize {
        self.link.flow.output.take_segments(most, into, &mut workspace.blocks)
    }

    /// As [`Endpoint::take_outgoing`](super::Endpoint::take_outgoing).
    pub fn take_outgoing(&mut self, now: Instant, workspace: &mut Workspace) -> Vec<u8> {
        let mut taken = Vec::new();
        loop {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let n = self.outgoing(&mut slices);
            if n == 0 {
                return taken;
            }
            let before = taken.len();
            slices[..n].iter().for_each(|slice| taken.extend_from_slice(slice));
            self.sent(now, (taken.len() - before) as u64, workspace);
        }
    }

    /// As [`Endpoint::next_deadline`](super::Endpoint::next_deadline).
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.link.flow.deadline()
    }

    /// As [`Endpoint::expired`](super::Endpoint::expired).
    pub fn expired(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.expired(now, workspace);
    }

    /// As [`Endpoint::wake`](super::Endpoint::wake).
    pub fn wake(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.input(now, Input::Wake, workspace);
    }

    /// As [`Endpoint::shutdown`](super::Endpoint::shutdown).
    pub fn shutdown(&mut self, now: Instant, workspace: &mut Workspace) {
        self.link.input(now, Input::Shutdown, workspace);
    }

    /// As [`Endpoint::half_closed`](super::Endpoint::half_closed).
    pub fn half_closed(&self) -> bool {
        let flow = &self.link.flow;
        flow.is_half_closed() && flow.output.is_empty() && !flow.write_failed
    }

    /// As [`Endpoint::end`](super::Endpoint::end).
    pub fn end(&self) -> Option<End> {
        self.link.flow.end().filter(|_| self.link.flow.output.is_empty())
    }

    /// As [`Endpoint::closed`](super::Endpoint::closed).
    pub fn closed(&self) -> Option<Cause> {
        self.end().map(End::cause)
    }

    /// As [`Endpoint::held`](super::Endpoint::held).
    pub fn held(&self) -> usize {
        self.link.held()
    }

    /// As [`Endpoint::queued`](super::Endpoint::queued).
    pub fn queued(&self) -> u64 {
        self.link.flow.output.len()
    }

    /// As [`Endpoint::machine`](super::Endpoint::machine).
    pub fn machine(&self) -> &Upgradable<M> {
        self.link.machine()
    }

    /// Whether nothing is queued and nothing is left over.
    pub(super) fn is_idle(&self) -> bool {
        self.link.flow.output.is_empty() && !self.link.has_rest()
    }

    #[cfg(feature = "testkit")]
    pub(super) fn is_blocked(&self) -> bool {
        self.link.is_blocked() && !self.link.flow.is_closing()
    }

    #[cfg(any(test, feature = "testkit"))]
    pub(super) fn is_abort(&self) -> bool {
        self.link.flow.is_abort()
    }
}

impl<M: fmt::Debug> fmt::Debug for SharedEndpoint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedEndpoint").field(&self.link).finish()
    }
}
