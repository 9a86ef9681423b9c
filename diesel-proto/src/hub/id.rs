//! Names for what a hub owns, and the table behind them.
//!
//! A name is an index and a generation: once what it named is gone, the name is stale for ever,
//! and every call with it does nothing. An index is used again; a generation is not, within
//! 2^32 of its kind.

use core::fmt;

use slab::Slab;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            pub(crate) index: u32,
            pub(crate) generation: u32,
        }

        impl $name {
            /// Small and dense: fit to index a table beside the hub's own. The index of one that
            /// is gone is used again.
            pub fn index(self) -> usize {
                self.index as usize
            }
        }

        impl From<$name> for Key {
            fn from(id: $name) -> Key {
                Key { index: id.index, generation: id.generation }
            }
        }

        impl From<Key> for $name {
            fn from(key: Key) -> $name {
                $name { index: key.index, generation: key.generation }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}.{})"), self.index, self.generation)
            }
        }
    };
}

id! {
    /// A connection of a hub.
    ConnId
}
id! {
    /// A fiber of a hub: a handler, a loop, or what one of them spawned.
    FiberId
}

/// A service of a hub. Services are never removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub(crate) u32);

impl ServiceId {
    /// Services count from zero, in the order they were added.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceId({})", self.0)
    }
}

/// An index and a generation, of whatever kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A table whose keys are generational.
pub(crate) struct Slots<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
    /// How many places were looked at in search of one that is taken.
    #[cfg(test)]
    pub(crate) looked_at: core::cell::Cell<usize>,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Slots {
            slab: Slab::new(),
            next_generation: 0,
            #[cfg(test)]
            looked_at: core::cell::Cell::new(0),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let index = self.slab.insert((generation, value));
        // A table of 2^32 entries is far beyond every limit that is checked before.
        Key { index: index as u32, generation }
    }

    /// What the next insertion will return.
    pub(crate) fn next_key(&self) -> Key {
        Key { index: self.slab.vacant_key() as u32, generation: self.next_generation }
    }

    pub(crate) fn at(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index as usize) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Whoever is at `index` now, with its key.
    pub(crate) fn at_index(&mut self, index: u32) -> Option<(Key, &mut T)> {
        let (generation, value) = self.slab.get_mut(index as usize)?;
        Some((Key { index, generation: *generation }, value))
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.at(key)?;
        self.slab.try_remove(key.index as usize).map(|(_, value)| value)
    }

    /// The first that is there from `index` on.
    pub(crate) fn first_from(&self, index: u32) -> Option<Key> {
        (index as usize..self.slab.capacity()).find_map(|index| {
            #[cfg(test)]
            self.looked_at.set(self.looked_at.get() + 1);
            let (generation, _) = self.slab.get(index)?;
            Some(Key { index: index as u32, generation: *generation })
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.slab
            .iter()
            .map(|(index, (generation, _))| Key { index: index as u32, generation: *generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing_though_its_index_is_used_again() {
        let mut slots = Slots::new();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_eq!(first.index, second.index);
        assert!(slots.at(first).is_none());
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.at(second), Some(&mut 'b'));
    }

    #[test]
    fn the_next_key_is_foretold() {
        let mut slots = Slots::new();
        let foretold = slots.next_key();
        assert!(foretold == slots.insert(()));
    }
}
