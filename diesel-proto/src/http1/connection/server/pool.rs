//! What the pool of a service needs from a connection: an idle connection shrinks to a few numbers,
//! and its memory serves another one.

use super::super::state::ConnectionState;
use super::SharedServerConnection;
use crate::buf::Blocks;

/// The state of an idle connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct Resting {
    taken: u64,
    requests: u64,
    skipped: usize,
}

impl SharedServerConnection {
    /// If the connection is idle and persists, releases all memory. After that,
    /// [`resume`](Self::resume) may turn this one into any other idle connection.
    pub(in crate::http1) fn rest(&mut self, blocks: &mut Blocks) -> Option<Resting> {
        if self.state != ConnectionState::new() || self.reader.has_partial() {
            return None;
        }
        self.reader.let_go(blocks);
        self.upgrade = None;
        Some(Resting { taken: self.reader.taken(), requests: self.requests, skipped: self.skipped })
    }

    /// Continues an idle connection that had the same configuration.
    pub(in crate::http1) fn resume(&mut self, resting: Resting) {
        self.reader.resume_at(resting.taken);
        self.requests = resting.requests;
        self.skipped = resting.skipped;
    }

    /// Whether all bytes of a body were returned, and its end is next: no more bytes need to arrive
    /// for it.
    pub(in crate::http1) fn body_is_over(&self) -> bool {
        self.is_in_body() && self.reader.left() == Some(0)
    }

    /// Whether the last request may end HTTP on this connection: it asks for an upgrade or a
    /// tunnel.
    pub(in crate::http1) fn may_switch(&self) -> bool {
        self.upgrade.is_some() || self.request.is_connect
    }

    /// Whether the method of the request is HEAD.
    pub(in crate::http1) fn is_head(&self) -> bool {
        self.request.is_head
    }
}
