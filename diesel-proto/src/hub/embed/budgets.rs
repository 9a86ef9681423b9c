//! [`Budgets`]: how much is done for one stream before others have their turn.

/// How much one stream, one listening socket, and the hub itself may do in one round. The defaults
/// suit TCP sockets:
///
/// ```
/// use diesel_proto::hub::embed::Budgets;
///
/// let budgets = Budgets { accepts: 16, ..Budgets::default() };
/// ```
///
/// A number of bytes above `u32::MAX` counts as `u32::MAX`.
///
/// Fields may be added in later versions: end a literal with `..Budgets::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// The most bytes written to one stream in one round: a peer that reads fast, and a machine
    /// that always has more to send, must not keep other streams waiting. 4 MiB by default, about
    /// the size to which the system grows a send buffer: a smaller budget does not fill that
    /// buffer, so that more wake-ups are needed to send the same.
    pub sent: usize,
    /// About how many bytes are written to all streams together in one round. The streams that were
    /// sent [`sent_at_least`](Self::sent_at_least) bytes in the round before share it evenly. So
    /// the duration of a round, for which a peer with a small request may wait, does not grow with
    /// the number of large responses, as long as the share is above `sent_at_least`: with the
    /// defaults, up to 32 of them. 16 MiB by default.
    pub sent_by_all: usize,
    /// How many bytes may be written to one stream in one round however much others are sent,
    /// unless [`sent`](Self::sent) is less. 512 KiB by default: with less, the overhead of a round
    /// is noticeable.
    pub sent_at_least: usize,
    /// The most bytes of a file region that the transport gets at once: while it reads them, all
    /// other streams wait. Parts end at multiples of this, so it should be one of the size of a page:
    /// to send parts of pages costs more. 256 KiB by default.
    pub region: usize,
    /// After this many bytes, a stream is not read again in the same round, even if its read filled
    /// the buffer. 512 KiB by default.
    pub received: usize,
    /// After this many bytes from all streams together, no stream is read again in the same round;
    /// each ready stream is still read once. 8 MiB by default.
    pub received_by_all: usize,
    /// The most runs of the hub in one turn: a fiber that is always ready must not keep the peers
    /// of other fibers waiting. 16 by default.
    pub runs: usize,
    /// The most connections accepted for one service at a time. The hub runs after all of them, not
    /// after each: under load one run takes as long as a hundred accepts. 64 by default.
    pub accepts: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            sent: 4 << 20,
            sent_by_all: 16 << 20,
            sent_at_least: 512 << 10,
            region: 256 << 10,
            received: 512 << 10,
            received_by_all: 8 << 20,
            runs: 16,
            accepts: 64,
        }
    }
}

/// How much all streams together did in this round, and how much each may be sent.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u32,
    /// How much one stream may be sent.
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

    /// How many bytes one stream may be sent in this round in all.
    pub(super) fn share(&self, budgets: &Budgets) -> usize {
        // More streams than in the round before may have much to send.
        let share = if self.sent < budgets.sent_by_all { self.share } else { 0 };
        share.max(budgets.sent_at_least).min(budgets.sent)
    }

    /// Counts `n` bytes sent to a stream that was sent `before` bytes in this round already.
    pub(super) fn count_sent(&mut self, before: usize, n: usize, budgets: &Budgets) {
        self.sent = self.sent.saturating_add(n);
        let least = budgets.sent_at_least;
        self.heavy += usize::from(before < least && before.saturating_add(n) >= least);
    }

    /// Counts `n` received bytes. Returns whether a stream may be read again.
    pub(super) fn count_received(&mut self, n: usize, budgets: &Budgets) -> bool {
        self.received = self.received.saturating_add(n);
        self.received < budgets.received_by_all
    }
}
