//! The key of a source in the poller: a number that the poller returns with each of its events.
//!
//! ```text
//!   [ generation | index ]     index: the place in a table, used again
//!                              generation: a new one for each connection; zero for what stays
//! ```
//!
//! Events are reported in batches. Between two events of a batch, a connection may close and
//! another one may reuse its index. The generation distinguishes them: a late event of the former
//! is ignored.

/// A connection, a listening socket, or the pipe of the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Conn(PollKey),
    Listener(usize),
    Signals,
}

/// The key of a source. Unique among the watched sources, and among those of one batch of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollKey(usize);

/// Half of the bits on 64-bit targets. Elsewhere there is room for a million connections, and a
/// generation repeats after 4,095 others: still more than there are events in a batch.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const MAX_INDEX: usize = (1 << INDEX_BITS) - 1;
/// The index of the signals. With the last generation it is the number that `polling` reserves.
const SIGNALS: usize = MAX_INDEX;

impl PollKey {
    pub(crate) const fn signals() -> PollKey {
        PollKey(SIGNALS)
    }

    /// The key of the listening socket at this index, if the index fits.
    pub(crate) fn of_listener(index: usize) -> Option<PollKey> {
        (index < SIGNALS).then_some(PollKey(index))
    }

    pub(crate) fn to_usize(self) -> usize {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0 & MAX_INDEX
    }

    /// The source of an event with this number.
    pub(crate) fn source(number: usize) -> Source {
        match (number >> INDEX_BITS, number & MAX_INDEX) {
            (0, SIGNALS) => Source::Signals,
            (0, index) => Source::Listener(index),
            _ => Source::Conn(PollKey(number)),
        }
    }
}

/// Gives each connection a generation.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    last: usize,
}

impl Generations {
    /// A key with a new generation for a connection at this index, if the index fits.
    pub(crate) fn next_key(&mut self, index: usize) -> Option<PollKey> {
        if index >= SIGNALS {
            return None;
        }
        self.last = match self.last {
            last if last == usize::MAX >> INDEX_BITS => 1,
            last => last + 1,
        };
        Some(PollKey(self.last << INDEX_BITS | index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_another_name_than_the_one_before_it_in_its_place() {
        let mut generations = Generations::default();
        let former = generations.next_key(7).unwrap();
        let latter = generations.next_key(7).unwrap();
        assert_eq!((former.index(), latter.index()), (7, 7));
        assert_ne!(former, latter);
        assert_eq!(PollKey::source(former.to_usize()), Source::Conn(former));
    }

    #[test]
    fn no_connection_is_taken_for_a_listener_though_the_generations_begin_anew() {
        let mut generations = Generations { last: (usize::MAX >> INDEX_BITS) - 1 };
        for _ in 0..3 {
            let key = generations.next_key(0).unwrap();
            assert_eq!(PollKey::source(key.to_usize()), Source::Conn(key));
        }
        assert_eq!(
            PollKey::source(PollKey::of_listener(0).unwrap().to_usize()),
            Source::Listener(0)
        );
        assert_eq!(PollKey::source(PollKey::signals().to_usize()), Source::Signals);
    }

    #[test]
    fn what_cannot_be_named_is_not() {
        assert_eq!(Generations::default().next_key(MAX_INDEX), None);
        assert_eq!(PollKey::of_listener(MAX_INDEX), None);
        // The number that `polling` reserves.
        let mut last = Generations { last: (usize::MAX >> INDEX_BITS) - 1 };
        assert_ne!(last.next_key(MAX_INDEX - 1).unwrap().to_usize(), usize::MAX);
    }
}
