//! Who is to be polled next.
//!
//! Wakers are real ones: a fiber may wait on any future, and be woken from any thread. So the way
//! from a waker to the hub is made of atomics alone; there is no lock, and no queue that grows.
//!
//! ```text
//!   waker(70) ──▶ chunk 1: ticket[6] = 41, then bit 6 ──▶ group 0: bit 1 ──▶ awake? else alarm
//! ```
//!
//! A bit says "woken", its ticket says when. The hub collects the set bits through two levels of
//! summaries and sorts them by ticket: first woken, first polled. Waking one that is already woken
//! changes nothing.
//!
//! The order of operations is what makes it right. A waker sets ticket, bit and summary, then looks
//! whether the hub is awake. The hub takes the summary, then the bits below it: whatever a waker
//! had set below before is found, and whatever comes later leaves the summary set for the next
//! time. Before it rests it first says so, and then looks at the summaries once more: of a waker
//! that sets one and a hub that goes to rest, at least one sees the other. (Both need a total order
//! of the accesses to different words: hence `SeqCst`.)
//!
//! A waker names an index, not a fiber: one that outlives its fiber wakes whoever has the index
//! next, once too often. Futures have to bear that anyway.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use core::task::{RawWakerVTable, Waker};

/// Chunks in a group, and wakers in a chunk: the bits of a word.
const WORD: u32 = u64::BITS;

/// The hub's end: who is ready, in the order they were woken.
pub(crate) struct ReadyQueue {
    shared: Arc<WakeShared>,
    groups: Vec<Arc<WakeGroup>>,
    chunks: Vec<Arc<WakeWord>>,
    /// Made when a fiber at this index is first polled, and for whoever has the index next: out of
    /// its place while it is lent. A fiber that takes the place of another allocates none.
    wakers: Vec<Option<Waker>>,
    ready: VecDeque<u32>,
    /// Who is in `ready`: nobody is twice, so `ready.len() <= queued.len()`.
    queued: Vec<bool>,
    /// Reused by every collection.
    woken: Vec<(u64, u32)>,
    /// What `shared.awake` says, for us who set it.
    awake: bool,
    /// Of the wakers that are made here, once there is one.
    vtable: Option<&'static RawWakerVTable>,
}

struct WakeShared {
    tickets: AtomicU64,
    /// The hub will look at the summaries before it rests: no need for the alarm.
    awake: AtomicBool,
    /// Rouses whoever is to call the hub.
    alarm: Waker,
}

/// One bit for each of 64 chunks.
struct WakeGroup {
    summary: AtomicU64,
}

/// One bit for each of 64 wakers, and when it was set.
struct WakeWord {
    bits: AtomicU64,
    tickets: [AtomicU64; WORD as usize],
    group: Arc<WakeGroup>,
    /// This chunk's bit in its group's summary.
    mask: u64,
    shared: Arc<WakeShared>,
}

struct IndexWaker {
    chunk: Arc<WakeWord>,
    bit: u32,
}

impl ReadyQueue {
    pub(crate) fn new(alarm: Waker) -> Self {
        ReadyQueue {
            shared: Arc::new(WakeShared {
                tickets: AtomicU64::new(0),
                awake: AtomicBool::new(false),
                alarm,
            }),
            groups: Vec::new(),
            chunks: Vec::new(),
            wakers: Vec::new(),
            ready: VecDeque::new(),
            queued: Vec::new(),
            woken: Vec::new(),
            awake: false,
            vtable: None,
        }
    }

    /// Makes room for a fiber at `index`. Indices are dense: those below come to be as well.
    pub(crate) fn make_room(&mut self, index: u32) {
        while self.chunks.len() <= (index / WORD) as usize {
            self.add_chunk();
        }
    }

    /// A waker for `index`, to be [given back](Self::give_back) after the poll.
    #[inline]
    pub(crate) fn lend_waker(&mut self, index: u32) -> Waker {
        match self.wakers.get_mut(index as usize).and_then(Option::take) {
            Some(waker) => waker,
            None => self.make_waker(index),
        }
    }

    #[inline]
    pub(crate) fn give_back(&mut self, index: u32, waker: Waker) {
        if let Some(place) = self.wakers.get_mut(index as usize) {
            *place = Some(waker);
        }
    }

    #[cold]
    fn make_waker(&mut self, index: u32) -> Waker {
        self.make_room(index);
        let (chunk, bit) = (index / WORD, index % WORD);
        let chunk = Arc::clone(&self.chunks[chunk as usize]);
        let waker = Waker::from(Arc::new(IndexWaker { chunk, bit }));
        self.vtable = Some(waker.vtable());
        waker
    }

    /// Whether a waker was made by such a queue: one that runs no user code. (It may be taken for
    /// another's, where a compiler made several of one table.)
    #[inline]
    pub(crate) fn is_own(&self, waker: &Waker) -> bool {
        self.vtable.is_some_and(|vtable| core::ptr::eq(vtable, waker.vtable()))
    }

    /// Makes the fiber at `index` ready. Returns whether the caller must wake the embedder's alarm,
    /// which is user code: once this queue is not borrowed any more.
    #[must_use = "wake the alarm"]
    pub(crate) fn wake(&self, index: u32) -> bool {
        let chunk = self.chunks.get((index / WORD) as usize);
        chunk.is_some_and(|chunk| chunk.wake(index % WORD))
    }

    /// The next to be polled, and no longer woken.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.collect();
        let index = self.ready.pop_front()?;
        // From here on a waking counts anew: its poll is yet to begin.
        self.queued[index as usize] = false;
        Some(index)
    }

    /// From here on the hub will look again before it rests, so that wakers need not sound the
    /// alarm.
    #[inline]
    pub(crate) fn stay_awake(&mut self) {
        if !self.awake {
            self.awake = true;
            self.shared.awake.store(true, SeqCst);
        }
    }

    /// Whether the hub rests: then the alarm must be woken for whatever is to have its turn.
    pub(crate) fn is_resting(&self) -> bool {
        !self.awake
    }

    /// How many there are to poll.
    pub(crate) fn len(&mut self) -> usize {
        self.collect();
        self.ready.len()
    }

    /// Whether there is anyone to poll.
    pub(crate) fn has_any(&mut self) -> bool {
        self.collect();
        !self.ready.is_empty()
    }

    /// From here on waking sounds the alarm. Whoever was woken before is found by
    /// [`has_any`](Self::has_any).
    pub(crate) fn rest(&mut self) {
        if self.awake {
            self.awake = false;
            self.shared.awake.store(false, SeqCst);
        }
    }

    fn add_chunk(&mut self) {
        let next = self.chunks.len() as u32;
        let (group, bit) = (next / WORD, next % WORD);
        if self.groups.len() <= group as usize {
            self.groups.push(Arc::new(WakeGroup { summary: AtomicU64::new(0) }));
        }
        self.queued.resize(self.queued.len() + WORD as usize, false);
        self.wakers.resize_with(self.queued.len(), || None);
        self.chunks.push(Arc::new(WakeWord {
            bits: AtomicU64::new(0),
            tickets: [const { AtomicU64::new(0) }; WORD as usize],
            group: Arc::clone(&self.groups[group as usize]),
            mask: 1 << bit,
            shared: Arc::clone(&self.shared),
        }));
    }

    /// Moves the woken to the end of the queue, in the order of their tickets.
    #[inline(always)]
    fn collect(&mut self) {
        if self.groups.iter().any(|group| group.summary.load(SeqCst) != 0) {
            self.collect_woken();
        }
    }

    #[inline(never)]
    fn collect_woken(&mut self) {
        for (g, group) in (0..).zip(&self.groups) {
            if group.summary.load(SeqCst) == 0 {
                continue;
            }
            for c in bits(group.summary.swap(0, SeqCst)) {
                let chunk_index = g * WORD + c;
                let Some(chunk) = self.chunks.get(chunk_index as usize) else { continue };
                for bit in bits(chunk.bits.swap(0, SeqCst)) {
                    let ticket = chunk.tickets[bit as usize].load(Relaxed);
                    self.woken.push((ticket, chunk_index * WORD + bit));
                }
            }
        }
        if self.woken.len() > 1 {
            self.woken.sort_unstable();
        }
        for (_, index) in self.woken.drain(..) {
            if !core::mem::replace(&mut self.queued[index as usize], true) {
                self.ready.push_back(index);
            }
        }
    }
}

impl Wake for IndexWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.chunk.wake(self.bit) {
            self.chunk.shared.alarm.wake_by_ref();
        }
    }
}

impl WakeWord {
    /// Sets a bit. Returns whether the hub rests, so that the alarm must be woken.
    #[must_use = "wake the alarm"]
    fn wake(&self, bit: u32) -> bool {
        let mask = 1 << bit;
        if self.bits.load(SeqCst) & mask != 0 {
            return false; // keeps its place in the queue
        }
        let ticket = self.shared.tickets.fetch_add(1, SeqCst);
        // Published by the bit.
        self.tickets[bit as usize].store(ticket, Relaxed);
        self.bits.fetch_or(mask, SeqCst);
        if self.group.summary.load(SeqCst) & self.mask == 0 {
            self.group.summary.fetch_or(self.mask, SeqCst);
        }
        !self.shared.awake.load(SeqCst)
    }
}

/// The positions of the bits that are set, lowest first.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.checked_sub(1)?;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_the_place_of_another_has_its_waker() {
        let mut queue = ReadyQueue::new(Waker::noop().clone());
        queue.make_room(70);
        let first = queue.lend_waker(70);
        let kept = first.clone();
        queue.give_back(70, first);
        let second = queue.lend_waker(70);
        assert!(second.will_wake(&kept));
        // One that was lent and lost is made anew, and wakes the same.
        assert!(queue.is_own(&kept) && !queue.is_own(Waker::noop()));
        drop(second);
        let third = queue.lend_waker(70);
        assert!(!third.will_wake(&kept));
        third.wake();
        assert_eq!(queue.pop(), Some(70));
    }
}
