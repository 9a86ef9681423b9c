//! What the poller calls a source: a number that it gives back with each of the source's events.
//!
//! ```text
//!   [ generation | index ]     index: the place in a table, used again
//!                              generation: a new one for each connection; zero for what stays
//! ```
//!
//! Events are reported in batches, and a connection may close and leave its index to another one
//! between two events of a batch. The generation tells them apart: what comes late for the former
//! finds nothing.

/// A connection, a listening socket, or the pipe of the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Conn(PollKey),
    Listener(usize),
    Signals,
}

/// The name of a source. Unique among the sources that are watched, and among those of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollKey(usize);

/// Half of the bits on 64-bit targets. Elsewhere a table of a million connections has to do, and a
/// generation comes again after 4,095 others: still more than there are events in a batch.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const MAX_INDEX: usize = (1 << INDEX_BITS) - 1;
/// The index of the signals; and with the last generation, the number that `polling` reserves.
const SIGNALS: usize = MAX_INDEX;

impl PollKey {
    pub(crate) const fn signals() -> PollKey {
        PollKey(SIGNALS)
    }

    /// The listening socket at this index, if it can be named.
    pub(crate) fn of_listener(index: usize) -> Option<PollKey> {
        (index < SIGNALS).then_some(PollKey(index))
    }

    pub(crate) fn to_usize(self) -> usize {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0 & MAX_INDEX
    }

    /// What an event with this number is for.
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
    /// A name for a connection at this index that none had before it, if the index can be named.
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
        // The number that `polling` reserves for its own use.
        let mut last = Generations { last: (usize::MAX >> INDEX_BITS) - 1 };
        assert_ne!(last.next_key(MAX_INDEX - 1).unwrap().to_usize(), usize::MAX);
    }
}
