//! The ids of what a hub owns, and the table behind them.
//!
//! An id is an index and a generation: once its object is gone, the id is stale for ever, and every
//! call with it does nothing. An index is reused; a generation is not, within 2^32 insertions. Ids
//! that are given out also remember their hub; within the hub, a key is enough.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use slab::Slab;

/// Identifies the hub, among those of this process, that an id belongs to.
///
/// Its only effect is that a hub refuses the ids of others: two hubs that get the same inputs do
/// the same, though their tags differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HubTag(NonZeroU32);

impl HubTag {
    /// A tag that none of the last 2^32 hubs has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        HubTag(NonZeroU32::new(NEXT.fetch_add(1, Relaxed)).unwrap_or(NonZeroU32::MIN))
    }
}

/// The id of a connection of a hub. A hub refuses the ids of another hub: such a call does nothing,
/// as with a stale id, and is reported by [`Notice::OtherHub`](crate::machine::Notice::OtherHub).
///
/// Comparing, ordering and hashing ignore the hub, so that the actions of two hubs can be compared.
///
/// ```
/// use diesel_proto::{Address, Hub, Instant, LineEcho, Service};
///
/// let (mut hub, now) = (Hub::default(), Instant::ORIGIN);
/// let service = hub.add_service(Service::machine(|_| LineEcho::default()));
/// let conn = hub.accept(now, service, Address::Unnamed)?;
/// assert_eq!((service.index(), conn.index()), (0, 0));
///
/// hub.reset(now, conn);
/// // The id is stale now: bytes for it are taken and dropped.
/// assert_eq!(hub.received(now, conn, b"late"), 4);
/// # Ok::<(), diesel_proto::Refused>(())
/// ```
#[derive(Clone, Copy)]
pub struct ConnId {
    pub(crate) key: Key,
    pub(crate) hub: HubTag,
}

/// The id of a fiber of a hub: a handler, a loop, or a fiber that one of them spawned.
///
/// Example: see [`Task`](crate::hub::Task).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(pub(crate) Key);

/// The id of a look-up, a job or a request for a file of a hub, which its embedder was asked for: by
/// an [`Action::Resolve`](crate::hub::Action::Resolve), an
/// [`Action::Job`](crate::hub::Action::Job) or an [`Action::File`](crate::hub::Action::File). A hub refuses the ids of another hub.
///
/// Comparing ignores the hub, as for a [`ConnId`].
///
/// Example: see [`Hub::resolved`](crate::hub::Hub::resolved).
#[derive(Clone, Copy)]
pub struct JobId {
    pub(crate) key: Key,
    pub(crate) hub: HubTag,
}

/// The id of a directory of a hub, from which its fibers [open](crate::fiber::Ctx::open) files.
/// Directories are never removed. A hub refuses the ids of another hub.
///
/// Comparing ignores the hub, as for a [`ConnId`].
///
/// Example: see [`Hub::add_directory`](crate::hub::Hub::add_directory).
#[derive(Clone, Copy)]
pub struct DirectoryId {
    pub(crate) index: u32,
    pub(crate) hub: HubTag,
}

/// The id of a file that a hub asked its embedder to open.
///
/// Example: see [`FileRequest`](crate::machine::FileRequest).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) Key);

/// The id of a service of a hub. Services are never removed. A hub refuses the ids of another hub.
///
/// Comparing ignores the hub, as for a [`ConnId`].
///
/// Example: see [`ConnId`].
#[derive(Clone, Copy)]
pub struct ServiceId {
    pub(crate) index: u32,
    pub(crate) hub: HubTag,
}

impl ConnId {
    /// The index: small and dense, so that it can index a table of the embedder. It is reused when
    /// what it identifies is gone.
    pub fn index(self) -> usize {
        self.key.index as usize
    }
}

impl FiberId {
    /// The index: small and dense, so that it can index a table of the embedder. It is reused when
    /// what it identifies is gone.
    pub fn index(self) -> usize {
        self.0.index as usize
    }
}

impl JobId {
    /// The index: small and dense, so that it can index a table of the embedder. It is reused when
    /// what it identifies is gone.
    pub fn index(self) -> usize {
        self.key.index as usize
    }
}

impl DirectoryId {
    /// The index: directories count from zero, in the order in which they were added.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl FileId {
    /// The index: small and dense, so that it can index a table of the embedder. It is reused when
    /// the file is closed.
    pub fn index(self) -> usize {
        self.0.index as usize
    }

    /// The number of the file in a [`FileRegion`](crate::buf::FileRegion): its
    /// [`index`](Self::index) in the lower half, and in the upper half a number that changes when
    /// the index is reused.
    pub fn number(self) -> u64 {
        u64::from(self.0.generation) << 32 | u64::from(self.0.index)
    }
}

impl ServiceId {
    /// The index: services count from zero, in the order in which they were added.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl From<ConnId> for Key {
    fn from(id: ConnId) -> Key {
        id.key
    }
}

impl From<JobId> for Key {
    fn from(id: JobId) -> Key {
        id.key
    }
}

impl From<FileId> for Key {
    fn from(id: FileId) -> Key {
        id.0
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

compare_by!(ConnId: key, DirectoryId: index, JobId: key, ServiceId: index);

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({}.{})", self.key.index, self.key.generation)
    }
}

impl fmt::Debug for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryId({})", self.index)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({}.{})", self.0.index, self.0.generation)
    }
}

impl fmt::Debug for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FiberId({}.{})", self.0.index, self.0.generation)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({}.{})", self.key.index, self.key.generation)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceId({})", self.index)
    }
}

/// An index and a generation: what the hub itself uses as the id of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A table whose keys are generational.
pub(crate) struct KeyedTable<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
    /// How many entries were visited in search of one that is taken.
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

    /// The key that the next insertion will return.
    pub(crate) fn next_key(&self) -> Key {
        Key { index: self.slab.vacant_key() as u32, generation: self.next_generation }
    }

    pub(crate) fn at(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index as usize) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The entry at `index` now, with its key.
    pub(crate) fn at_index(&mut self, index: u32) -> Option<(Key, &mut T)> {
        let (generation, value) = self.slab.get_mut(index as usize)?;
        Some((Key { index, generation: *generation }, value))
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.at(key)?;
        self.slab.try_remove(key.index as usize).map(|(_, value)| value)
    }

    /// The key of the first entry from `index` on.
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
    fn the_next_key_is_known_in_advance() {
        let mut slots = KeyedTable::new();
        let foretold = slots.next_key();
        assert!(foretold == slots.insert(()));
    }
}
