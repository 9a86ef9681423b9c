//! One stream in the table: what it waits for, and what is kept for it.
//!
//! It must never know the hub.

use alloc::vec::Vec;

use super::super::id::ConnId;
use super::Interest;

pub(super) struct StreamEntry<S> {
    pub(super) conn: ConnId,
    pub(super) stream: S,
    pub(super) connecting: bool,
    pub(super) paused: bool,
    /// The peer ended its side.
    pub(super) ended: bool,
    /// Not all that is outgoing was taken.
    pub(super) writing: bool,
    /// A write told that the peer had reset the stream.
    pub(super) reset: bool,
    /// What the transport was told to watch it for.
    pub(super) watched: Interest,
    /// Read, and not taken by the hub yet. Nothing more is read meanwhile.
    pub(super) kept: Vec<u8>,
    /// The round in which bytes were last sent or received, and how many.
    round: u64,
    sent: usize,
    received: usize,
}

impl<S> StreamEntry<S> {
    pub(super) fn new(conn: ConnId, stream: S, connecting: bool) -> Self {
        StreamEntry {
            conn,
            stream,
            connecting,
            paused: false,
            ended: false,
            writing: connecting,
            reset: false,
            watched: if connecting { Interest::WRITABLE } else { Interest::READABLE },
            kept: Vec::new(),
            round: 0,
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn wants_read(&self) -> bool {
        !self.paused && !self.ended && !self.connecting
    }

    pub(super) fn interest(&self) -> Interest {
        Interest { readable: self.wants_read(), writable: self.writing }
    }

    /// Bytes that were sent in this round.
    pub(super) fn sent_in(&mut self, round: u64) -> usize {
        self.enter(round);
        self.sent
    }

    /// Returns how many were sent in this round before.
    pub(super) fn count_sent(&mut self, n: usize) -> usize {
        let before = self.sent;
        self.sent = before.saturating_add(n);
        before
    }

    /// `n` more bytes were received; returns how many in this round.
    pub(super) fn received_in(&mut self, round: u64, n: usize) -> usize {
        self.enter(round);
        self.received += n;
        self.received
    }

    fn enter(&mut self, round: u64) {
        if self.round != round {
            self.round = round;
            (self.sent, self.received) = (0, 0);
        }
    }
}
