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
/// Budgets may be added: name the rest by `..Budgets::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Bytes that one stream is sent in one round: a peer that reads fast, and a machine that always
    /// has more, must not keep other streams waiting. 4 MiB by default, about the size to which the
    /// system grows a send buffer: a smaller budget leaves room in it, and more wake-ups are needed to
    /// send the same.
    pub sent: usize,
    /// Bytes from which on one stream is not read again in one round, though its read filled the
    /// buffer. 512 KiB by default.
    pub received: usize,
    /// Runs of the hub in one turn: a fiber that is always ready must not keep the peers of others
    /// waiting. 16 by default.
    pub runs: usize,
    /// Connections accepted of one service at a time. The hub runs after them, not after each: under
    /// load one run takes as long as a hundred accepts. 64 by default.
    pub accepts: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets { sent: 4 << 20, received: 512 << 10, runs: 16, accepts: 64 }
    }
}
