//! What the pool of a service needs from a connection: an idle connection shrinks to a few numbers,
//! and its memory serves another one.

use super::super::state::{ClientState, ConnectionState, ServerState};
use super::{SharedServerConnection, Traits};
use crate::buf::Blocks;
use crate::http1::message::MessageWriter;

/// The state of an idle connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct Resting {
    taken: u64,
    requests: u64,
    skipped: usize,
}

/// The state, besides [`Resting`], of a connection that only writes: its request has arrived whole,
/// and the head of its response is sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::http1) struct Writing {
    state: ConnectionState,
    writer: MessageWriter,
    request: Traits,
}

impl SharedServerConnection {
    /// If the connection is idle and persists, releases all memory. After that,
    /// [`resume`](Self::resume) may turn this one into any other idle connection.
    pub(in crate::http1) fn rest(&mut self, blocks: &mut Blocks) -> Option<Resting> {
        if self.state != ConnectionState::new() || self.reader.has_partial() {
            return None;
        }
        self.upgrade = None;
        Some(self.resting(blocks))
    }

    /// If the connection only writes, releases all memory. After that, this one is as new, and
    /// [`resume`](Self::resume) or [`resume_writing`](Self::resume_writing) may turn it into any other.
    pub(in crate::http1) fn rest_writing(
        &mut self,
        blocks: &mut Blocks,
    ) -> Option<(Resting, Writing)> {
        let ConnectionState { client, server, .. } = self.state;
        let only_writes = client == ClientState::Done && server == ServerState::Sending;
        if !only_writes || self.reader.has_partial() || self.upgrade.is_some() {
            return None;
        }
        let writing = Writing { state: self.state, writer: self.writer, request: self.request };
        (self.state, self.writer) = (ConnectionState::new(), MessageWriter::new());
        Some((self.resting(blocks), writing))
    }

    fn resting(&mut self, blocks: &mut Blocks) -> Resting {
        self.reader.let_go(blocks);
        Resting { taken: self.reader.taken(), requests: self.requests, skipped: self.skipped }
    }

    /// Continues an idle connection that had the same configuration.
    pub(in crate::http1) fn resume(&mut self, resting: Resting) {
        self.reader.resume_at(resting.taken);
        self.requests = resting.requests;
        self.skipped = resting.skipped;
    }

    /// Continues a connection that only writes, and had the same configuration.
    pub(in crate::http1) fn resume_writing(&mut self, resting: Resting, writing: Writing) {
        self.resume(resting);
        Writing { state: self.state, writer: self.writer, request: self.request } = writing;
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
