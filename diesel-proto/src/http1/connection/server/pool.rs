//! What the machine of a connection asks besides: a connection that rests is two numbers.

use super::super::state::ConnectionState;
use super::SharedServerConnection;
use crate::buf::Blocks;

/// What has to be remembered of a connection while nothing is under way on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct Resting {
    taken: u64,
    requests: u64,
    skipped: usize,
}

impl SharedServerConnection {
    /// If nothing is under way, and the connection is kept: lets go of all memory. From here on
    /// this one may [`resume`](Self::resume) any other that rests.
    pub(in crate::http1) fn rest(&mut self, blocks: &mut Blocks) -> Option<Resting> {
        if self.state != ConnectionState::new() || self.reader.has_partial() {
            return None;
        }
        self.reader.let_go(blocks);
        self.upgrade = None;
        Some(Resting { taken: self.reader.taken(), requests: self.requests, skipped: self.skipped })
    }

    /// Goes on where a connection rested that had the same settings.
    pub(in crate::http1) fn resume(&mut self, resting: Resting) {
        self.reader.resume_at(resting.taken);
        self.requests = resting.requests;
        self.skipped = resting.skipped;
    }

    /// Whether all bytes of a body were handed out, and its end is next: no more have to come for it.
    pub(in crate::http1) fn body_is_over(&self) -> bool {
        self.is_in_body() && self.reader.left() == Some(0)
    }

    /// Whether the request that was read last may end HTTP on this connection: it asks for another
    /// protocol, or for a tunnel.
    pub(in crate::http1) fn may_switch(&self) -> bool {
        self.upgrade.is_some() || self.request.is_connect
    }

    /// Whether the request asks for the head of a response alone.
    pub(in crate::http1) fn is_head(&self) -> bool {
        self.request.is_head
    }
}
