//! Names for what a hub owns, and the table behind them.
//!
//! A name is an index and a generation: once what it named is gone, the name is stale for ever,
//! and every call with it does nothing. An index is used again; a generation is not, within
//! 2^32 of its kind. Names that are given out remember their hub; inside, a key is enough.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use slab::Slab;

/// Which hub of this process a name is of.
///
/// Nothing that a hub does follows from it, but that it refuses the names of others: so two hubs that
/// are told the same do the same, though this differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HubTag(NonZeroU32);

impl HubTag {
    /// One that no other hub has, of the last 2^32.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        HubTag(NonZeroU32::new(NEXT.fetch_add(1, Relaxed)).unwrap_or(NonZeroU32::MIN))
    }
}

/// A connection of a hub. A hub refuses the names of another's: a call with one does nothing, as with
/// a stale one, and is told by [`Notice::OtherHub`](crate::machine::Notice::OtherHub).
///
/// Comparing, ordering and hashing leave the hub out, so that what two hubs did can be compared.
#[derive(Clone, Copy)]
pub struct ConnId {
    pub(crate) key: Key,
    pub(crate) hub: HubTag,
}

/// A fiber of a hub: a handler, a loop, or what one of them spawned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(pub(crate) Key);

/// A service of a hub. Services are never removed. A hub refuses the services of another.
///
/// Comparing leaves the hub out, as for a [`ConnId`].
#[derive(Clone, Copy)]
pub struct ServiceId {
    pub(crate) index: u32,
    pub(crate) hub: HubTag,
}

impl ConnId {
    /// Small and dense: fit to index a table beside the hub's own. The index of one that is gone is
    /// used again.
    pub fn index(self) -> usize {
        self.key.index as usize
    }
}

impl FiberId {
    /// Small and dense: fit to index a table beside the hub's own. The index of one that is gone is
    /// used again.
    pub fn index(self) -> usize {
        self.0.index as usize
    }
}

impl ServiceId {
    /// Services count from zero, in the order they were added.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl From<ConnId> for Key {
    fn from(id: ConnId) -> Key {
        id.key
    }
}

impl From<FiberId> for Key {
    fn from(id: FiberId) -> Key {
        id.0
    }
}

impl From<Key> for FiberId {
    fn from(key: Key) -> FiberId {
        FiberId(key)
    }
}

macro_rules! compare_by {
    ($($name:ident: $field:ident),*) => {
        $(
            impl PartialEq for $name {
                fn eq(&self, other: &Self) -> bool {
                    self.$field == other.$field
                }
            }

            impl Eq for $name {}

            impl PartialOrd for $name {
                fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                    Some(self.cmp(other))
                }
            }

            impl Ord for $name {
                fn cmp(&self, other: &Self) -> Ordering {
                    self.$field.cmp(&other.$field)
                }
            }

            impl Hash for $name {
                fn hash<H: Hasher>(&self, state: &mut H) {
                    self.$field.hash(state);
                }
            }
        )*
    };
}

compare_by!(ConnId: key, ServiceId: index);

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({}.{})", self.key.index, self.key.generation)
    }
}

impl fmt::Debug for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FiberId({}.{})", self.0.index, self.0.generation)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceId({})", self.index)
    }
}

/// An index and a generation, of whatever kind. What a hub keeps of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A table whose keys are generational.
pub(crate) struct KeyedTable<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
    /// How many places were looked at in search of one that is taken.
    #[cfg(test)]
    pub(crate) looked_at: core::cell::Cell<usize>,
}

impl<T> KeyedTable<T> {
    pub(crate) const fn new() -> Self {
        KeyedTable {
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> + '_ {
        self.slab.iter().map(|(index, (generation, value))| {
            (Key { index: index as u32, generation: *generation }, value)
        })
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
        let mut slots = KeyedTable::new();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_eq!(first.index, second.index);
        assert!(slots.at(first).is_none());
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.at(second), Some(&mut 'b'));
    }

    /// There are many of them, and they are passed by value.
    #[test]
    fn names_are_small() {
        assert_eq!(size_of::<Option<ConnId>>(), 12);
        assert_eq!(size_of::<Option<ServiceId>>(), 8);
        assert_eq!(size_of::<FiberId>(), 8);
    }

    #[test]
    fn the_next_key_is_foretold() {
        let mut slots = KeyedTable::new();
        let foretold = slots.next_key();
        assert!(foretold == slots.insert(()));
    }
}
