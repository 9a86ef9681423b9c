//! How much is done for one before others have their turn.

/// What one stream, one listening socket, and the hub itself may take of a round. What is not named
/// has its default, which suits sockets of a system:
///
/// ```
/// use diesel_proto::hub::embed::Budgets;
///
/// let budgets = Budgets { accepts: 16, ..Budgets::default() };
/// ```
///
/// What is more than `u32::MAX` bytes counts as that.
///
/// Budgets may be added: name the rest by `..Budgets::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Bytes that one stream is sent in one round: a peer that reads fast, and a machine that always
    /// has more, must not keep other streams waiting. 4 MiB by default, about the size to which the
    /// system grows a send buffer: a smaller budget leaves room in it, and more wake-ups are needed to
    /// send the same.
    pub sent: usize,
    /// Bytes that all streams together are sent in one round, about: those that were sent
    /// [`sent_at_least`](Self::sent_at_least) in the round before share it evenly. So the length of a
    /// round, for which a peer with a small request may wait, does not grow with the number of large
    /// answers. 8 MiB by default.
    pub sent_by_all: usize,
    /// Bytes that one stream is sent in one round however much others are sent, unless
    /// [`sent`](Self::sent) is less. 128 KiB by default: with less, the cost of a round shows.
    pub sent_at_least: usize,
    /// Bytes from which on one stream is not read again in one round, though its read filled the
    /// buffer. 512 KiB by default.
    pub received: usize,
    /// Bytes from which on no stream is read again in one round: each was read once by then. 8 MiB by
    /// default.
    pub received_by_all: usize,
    /// Runs of the hub in one turn: a fiber that is always ready must not keep the peers of others
    /// waiting. 16 by default.
    pub runs: usize,
    /// Connections accepted of one service at a time. The hub runs after them, not after each: under
    /// load one run takes as long as a hundred accepts. 64 by default.
    pub accepts: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            sent: 4 << 20,
            sent_by_all: 8 << 20,
            sent_at_least: 128 << 10,
            received: 512 << 10,
            received_by_all: 8 << 20,
            runs: 16,
            accepts: 64,
        }
    }
}

/// What all streams together did in one round, and what each may be sent.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u32,
    /// What one stream may be sent.
    share: usize,
    sent: usize,
    received: usize,
    /// Streams that were sent [`Budgets::sent_at_least`] or more.
    heavy: usize,
}

impl Round {
    pub(super) const fn first(budgets: &Budgets) -> Self {
        Round { number: 0, share: budgets.sent, sent: 0, received: 0, heavy: 0 }
    }

    pub(super) fn next(&mut self, budgets: &Budgets) {
        let share = (budgets.sent_by_all / self.heavy.max(1)).max(budgets.sent_at_least);
        *self = Round { number: self.number.wrapping_add(1), share, ..Round::first(budgets) };
    }

    /// Bytes that one stream may be sent now, all in all.
    pub(super) fn share(&self, budgets: &Budgets) -> usize {
        // More streams may have much to send than in the round before.
        let share = if self.sent < budgets.sent_by_all { self.share } else { 0 };
        share.max(budgets.sent_at_least).min(budgets.sent)
    }

    /// A stream that was sent `before` in this round was sent `n` more.
    pub(super) fn count_sent(&mut self, before: usize, n: usize, budgets: &Budgets) {
        self.sent = self.sent.saturating_add(n);
        let least = budgets.sent_at_least;
        self.heavy += usize::from(before < least && before.saturating_add(n) >= least);
    }

    /// `n` more bytes were received. Returns whether a stream may be read again.
    pub(super) fn count_received(&mut self, n: usize, budgets: &Budgets) -> bool {
        self.received = self.received.saturating_add(n);
        self.received < budgets.received_by_all
    }
}
