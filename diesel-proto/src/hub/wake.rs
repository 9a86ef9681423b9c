//! The queue of woken fibers: which fiber is polled next.
//!
//! Wakers are full `core::task::Waker`s: a fiber may await any future, and be woken from any
//! thread. So the path from a waker to the hub consists of atomics only; there is no lock, and no
//! queue that grows.
//!
//! ```text
//!   waker(70) ──▶ chunk 1: ticket[6] = 41, then bit 6 ──▶ group 0: bit 1 ──▶ awake? else wake it
//! ```
//!
//! A bit means "woken", and its ticket tells when. The hub collects the set bits through two levels
//! of summaries and sorts them by ticket: first woken, first polled. To wake a fiber that is
//! already woken changes nothing.
//!
//! The order of operations makes this correct. A waker sets ticket, bit and summary, then checks
//! whether the hub is awake. The hub takes the summary, then the bits below it: bits that were set
//! before are found, and a bit that is set later sets the summary again for the next time. To rest,
//! the hub first clears `awake`, and then checks the summaries once more: of a waker that sets a
//! summary and a hub that goes to rest, at least one sees the other. (This needs a total order of
//! the accesses to different words, and therefore `SeqCst`.)
//!
//! A waker refers to an index, not to a fiber: if it is still alive when its fiber is gone, it
//! wakes the next fiber at that index spuriously. Futures have to tolerate spurious polls anyway.

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

/// The hub's end: the fibers that are ready, in the order in which they were woken.
pub(crate) struct ReadyQueue {
    shared: Arc<WakeShared>,
    groups: Vec<Arc<WakeGroup>>,
    chunks: Vec<Arc<WakeWord>>,
    /// One waker per index, made when a fiber at this index is first polled, and reused by later
    /// fibers there, which therefore allocate none. `None` while it is lent.
    wakers: Vec<Option<Waker>>,
    ready: VecDeque<u32>,
    /// Which indices are in `ready`: none is in it twice, so `ready.len() <= queued.len()`.
    queued: Vec<bool>,
    /// Scratch memory of `collect`, kept for reuse.
    woken: Vec<(u64, u32)>,
    /// A copy of `shared.awake`, which only this queue writes.
    awake: bool,
    /// The vtable of the wakers that are made here, once there is one.
    vtable: Option<&'static RawWakerVTable>,
}

struct WakeShared {
    tickets: AtomicU64,
    /// The hub will check the summaries before it rests, so the embedder's waker need not be woken.
    awake: AtomicBool,
    /// The embedder's waker: notifies it to run the hub.
    embedder_waker: Waker,
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
    pub(crate) fn new(embedder_waker: Waker) -> Self {
        ReadyQueue {
            shared: Arc::new(WakeShared {
                tickets: AtomicU64::new(0),
                awake: AtomicBool::new(false),
                embedder_waker,
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

    /// Makes room for a fiber at `index`. Indices are dense, so chunks are made for all indices
    /// below as well.
    pub(crate) fn make_room(&mut self, index: u32) {
        while self.chunks.len() <= (index / WORD) as usize {
            self.add_chunk();
        }
    }

    /// Lends the waker for `index`. The caller [gives it back](Self::give_back) after the poll.
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

    /// Whether a waker was made by such a queue, so that it runs no user code. (It may not be
    /// recognized, if the compiler emitted several copies of the vtable.)
    #[inline]
    pub(crate) fn is_own(&self, waker: &Waker) -> bool {
        self.vtable.is_some_and(|vtable| core::ptr::eq(vtable, waker.vtable()))
    }

    /// Makes the fiber at `index` ready. Returns whether the caller must wake the embedder's waker.
    /// That waker is user code, so the caller wakes it when this queue is not borrowed any more.
    #[must_use = "wake the embedder's waker"]
    pub(crate) fn wake(&self, index: u32) -> bool {
        let chunk = self.chunks.get((index / WORD) as usize);
        chunk.is_some_and(|chunk| chunk.wake(index % WORD))
    }

    /// Takes out the index of the next fiber to poll.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.collect();
        let index = self.ready.pop_front()?;
        // From now on another wake-up counts: the poll has not begun yet.
        self.queued[index as usize] = false;
        Some(index)
    }

    /// Marks the hub as awake: it will check the summaries before it rests, so wakers need not wake
    /// the embedder's waker.
    #[inline]
    pub(crate) fn stay_awake(&mut self) {
        if !self.awake {
            self.awake = true;
            self.shared.awake.store(true, SeqCst);
        }
    }

    /// Whether the hub rests: then the embedder's waker must be woken when there is something to run.
    pub(crate) fn is_resting(&self) -> bool {
        !self.awake
    }

    /// How many fibers there are to poll.
    pub(crate) fn len(&mut self) -> usize {
        self.collect();
        self.ready.len()
    }

    /// Whether there is a fiber to poll.
    pub(crate) fn has_any(&mut self) -> bool {
        self.collect();
        !self.ready.is_empty()
    }

    /// Marks the hub as resting: after this call, a wake-up notifies the embedder. Fibers that were woken
    /// before are found by [`has_any`](Self::has_any).
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

    /// Moves the fibers that were woken to the end of the queue, in the order of their tickets.
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
            self.chunk.shared.embedder_waker.wake_by_ref();
        }
    }
}

impl WakeWord {
    /// Sets a bit. Returns whether the hub rests, so that the embedder's waker must be woken.
    #[must_use = "wake the embedder's waker"]
    fn wake(&self, bit: u32) -> bool {
        let mask = 1 << bit;
        if self.bits.load(SeqCst) & mask != 0 {
            return false; // already woken: it keeps its place in the queue
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
    fn a_fiber_in_a_reused_slot_has_its_own_waker() {
        let mut queue = ReadyQueue::new(Waker::noop().clone());
        queue.make_room(70);
        let first = queue.lend_waker(70);
        let kept = first.clone();
        queue.give_back(70, first);
        let second = queue.lend_waker(70);
        assert!(second.will_wake(&kept));
        // A waker that was lent and not given back is made anew, and wakes the same index.
        assert!(queue.is_own(&kept) && !queue.is_own(Waker::noop()));
        drop(second);
        let third = queue.lend_waker(70);
        assert!(!third.will_wake(&kept));
        third.wake();
        assert_eq!(queue.pop(), Some(70));
    }
}
