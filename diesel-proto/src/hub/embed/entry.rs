//! One stream in the table: what it waits for, and the bytes that are kept for it.
//!
//! It must never know the hub.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Interest;
use crate::machine::ConnId;

/// Bytes that are kept for a stream. Few streams have any.
// Boxed: this saves two words in each of the other streams.
#[allow(clippy::box_collection)]
pub(super) type Kept = Box<Vec<u8>>;

pub(super) struct StreamEntry<S> {
    pub(super) conn: ConnId,
    pub(super) stream: S,
    pub(super) connecting: bool,
    pub(super) paused: bool,
    pub(super) peer: PeerSide,
    /// The stream may be ready still: it was not used up.
    pub(super) rearm: bool,
    /// Why not all outgoing bytes are written.
    pub(super) unwritten: Unwritten,
    /// A write failed because the peer had reset the stream.
    pub(super) reset: bool,
    /// What the transport watches it for.
    pub(super) watched: Interest,
    /// Bytes that were read and that the hub has not taken yet. Nothing more is read meanwhile.
    /// Never empty.
    kept: Option<Kept>,
    /// The round in which bytes were last sent or received, and how many. Counted in 32 bits, since
    /// each stream has these: see [`Budgets`](super::Budgets). If the same number comes again after
    /// 2^32 rounds, the stream has a smaller budget in that round.
    round: u32,
    sent: u32,
    received: u32,
}

/// Why bytes are not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// There are none.
    None,
    /// The stream did not take them.
    NoRoom,
    /// They are of a file region that is being read. Nothing is written meanwhile.
    ReadsRegion,
}

/// The peer's side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerSide {
    Open,
    /// The end can be read behind what else there is to read.
    Ends,
    /// The end was read.
    Ended,
}

impl<S> StreamEntry<S> {
    pub(super) fn new(conn: ConnId, stream: S, connecting: bool) -> Self {
        StreamEntry {
            conn,
            stream,
            connecting,
            paused: false,
            peer: PeerSide::Open,
            rearm: false,
            unwritten: if connecting { Unwritten::NoRoom } else { Unwritten::None },
            reset: false,
            watched: if connecting { Interest::WRITABLE } else { Interest::READABLE },
            kept: None,
            round: 0,
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn wants_read(&self) -> bool {
        !self.paused && self.peer != PeerSide::Ended && !self.connecting
    }

    pub(super) fn interest(&self) -> Interest {
        Interest { readable: self.wants_read(), writable: self.unwritten == Unwritten::NoRoom }
    }

    /// How many bytes were read that the hub has not taken yet.
    pub(super) fn kept(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.len())
    }

    /// Keeps bytes, behind those that are already kept.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.kept.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    /// Takes out the kept bytes, to offer them again. The caller gives [back](Self::keep_again)
    /// those that are not taken.
    pub(super) fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// Puts back what is left of `kept`.
    pub(super) fn keep_again(&mut self, kept: Kept) {
        self.kept = Some(kept).filter(|kept| !kept.is_empty());
    }

    /// How many bytes were sent in this round.
    pub(super) fn sent_in(&mut self, round: u32) -> usize {
        self.enter(round);
        self.sent as usize
    }

    /// Counts `n` sent bytes. Returns how many were sent in this round before.
    pub(super) fn count_sent(&mut self, n: usize) -> usize {
        let before = self.sent;
        self.sent = add(before, n);
        before as usize
    }

    /// Counts `n` received bytes. Returns how many were received in this round.
    pub(super) fn received_in(&mut self, round: u32, n: usize) -> usize {
        self.enter(round);
        self.received = add(self.received, n);
        self.received as usize
    }

    fn enter(&mut self, round: u32) {
        if self.round != round {
            self.round = round;
            (self.sent, self.received) = (0, 0);
        }
    }
}

fn add(sum: u32, n: usize) -> u32 {
    sum.saturating_add(u32::try_from(n).unwrap_or(u32::MAX))
}
