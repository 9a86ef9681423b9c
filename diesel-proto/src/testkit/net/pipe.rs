//! One direction of a connection: bytes on their way, and bytes that arrived and were not read.
//!
//! ```text
//!   write ──▶ [ on its way: parts, each with the instant at which it arrives ] ──▶ [ arrived ] ──▶ read
//!              \______________________ held() <= capacity ___________________________/
//! ```
//!
//! It must never know what its writer and its reader are.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::random::Random;
use super::options::{LinkOptions, draw_count, draw_duration};
use crate::time::{Instant, TimerKey};

/// An idle pipe holds no more than this.
const KEEP: usize = 1024;

pub(super) struct Pipe {
    options: Rc<LinkOptions>,
    random: Random,
    /// Bytes that were written. Those before `head` were read.
    bytes: Vec<u8>,
    head: usize,
    /// Bytes from `head` on that have arrived.
    arrived: usize,
    /// Parts on their way. None arrives before those in front of it, whatever its time.
    parts: VecDeque<PipePart>,
    /// The mark that follows the bytes that have arrived.
    mark: Option<Mark>,
    /// The number of all bytes that were written.
    written: u64,
    half_close_after: Option<u64>,
    reset_after: Option<u64>,
    /// The last mark that was put in: bytes that are written after it do not arrive.
    ended: Option<Mark>,
    /// The line is busy until then.
    free_at: Instant,
    /// Set while something is on its way.
    pub(super) timer: Option<TimerKey>,
    /// The writer found no room.
    pub(super) writer_waits: bool,
}

#[derive(Clone, Copy)]
struct PipePart {
    at: Instant,
    what: PipeEvent,
}

#[derive(Clone, Copy)]
enum PipeEvent {
    Bytes(usize),
    Mark(Mark),
}

/// Events other than bytes, in ascending order: a greater one overrides a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// The connection is made: always the first event on the way back.
    Connected,
    End,
    Reset,
}

/// The effects of a write, in addition to bytes on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrote {
    pub(super) stalled: bool,
    /// The fault that this write triggered.
    pub(super) failed: Option<Mark>,
}

impl Pipe {
    pub(super) fn new(options: Rc<LinkOptions>, mut random: Random) -> Self {
        let half_close_after = options.half_closes.draw(&mut random);
        let reset_after = options.resets.draw(&mut random);
        Pipe {
            options,
            random,
            bytes: Vec::new(),
            head: 0,
            arrived: 0,
            parts: VecDeque::new(),
            mark: None,
            written: 0,
            half_close_after,
            reset_after,
            ended: None,
            free_at: Instant::ORIGIN,
            timer: None,
            writer_waits: false,
        }
    }

    /// How many bytes were written and not read.
    pub(super) fn held(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// How many more bytes fit. Bytes that never arrive always fit.
    pub(super) fn room(&self) -> usize {
        match self.ended >= Some(Mark::End) {
            true => usize::MAX,
            false => self.options.capacity.max(1).saturating_sub(self.held()),
        }
    }

    /// How many bytes the next write takes.
    pub(super) fn next_write(&mut self) -> usize {
        self.room().min(draw_count(&self.options.writes, &mut self.random))
    }

    /// Puts bytes in, no more than [`next_write`](Self::next_write) returned.
    pub(super) fn write(&mut self, now: Instant, bytes: &[u8]) -> Wrote {
        let mut wrote = Wrote::default();
        if !bytes.is_empty() && self.ended < Some(Mark::End) {
            let fault = [self.half_close_after, self.reset_after].into_iter().flatten().min();
            let before = fault.map_or(u64::MAX, |fault| fault.saturating_sub(self.written));
            let n = bytes.len().min(usize::try_from(before).unwrap_or(usize::MAX));
            if n > 0 {
                self.bytes.extend_from_slice(&bytes[..n]);
                self.written += n as u64;
                wrote.stalled = self.random.chance(self.options.stalls.percent);
                let stall = match wrote.stalled {
                    true => draw_duration(&self.options.stalls.length, &mut self.random),
                    false => Duration::ZERO,
                };
                let at = self.arrival(now, n, stall);
                self.parts.push_back(PipePart { at, what: PipeEvent::Bytes(n) });
            }
        }
        wrote.failed = self.fail(now);
        wrote
    }

    /// Triggers the fault, if the number of written bytes has reached its position.
    pub(super) fn fail(&mut self, now: Instant) -> Option<Mark> {
        let reached = |after: Option<u64>| after.is_some_and(|after| after <= self.written);
        let mark = match (reached(self.reset_after), reached(self.half_close_after)) {
            (true, _) => Mark::Reset,
            (_, true) => Mark::End,
            _ => return None,
        };
        (self.ended < Some(Mark::End)).then(|| {
            self.put(now, mark);
            mark
        })
    }

    /// Puts in a mark, unless it is not greater than the last one.
    pub(super) fn put(&mut self, now: Instant, mark: Mark) {
        if self.ended < Some(mark) {
            self.ended = Some(mark);
            let at = self.arrival(now, 0, Duration::ZERO);
            self.parts.push_back(PipePart { at, what: PipeEvent::Mark(mark) });
        }
    }

    fn arrival(&mut self, now: Instant, n: usize, stall: Duration) -> Instant {
        if let Some(rate) = self.options.bandwidth {
            let nanos = (n as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos);
        }
        let latency = draw_duration(&self.options.latency, &mut self.random);
        let mut at = self.free_at.max(now) + latency + stall;
        let grid = u64::try_from(self.options.coalesce.as_nanos()).unwrap_or(u64::MAX);
        if grid > 0 {
            let nanos = at.as_nanos();
            at = Instant::from_nanos(nanos.checked_next_multiple_of(grid).unwrap_or(u64::MAX));
        }
        at
    }

    /// When the next part arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.parts.front().map(|part| part.at)
    }

    /// Moves what has arrived by now to the arrived bytes. Returns whether anything did.
    pub(super) fn arrive(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(part) = self.parts.front().copied().filter(|part| part.at <= now) {
            // The reader must see a mark before what follows it.
            if self.mark == Some(Mark::Connected) {
                break;
            }
            match part.what {
                PipeEvent::Bytes(n) => self.arrived += n,
                PipeEvent::Mark(mark) => self.mark = Some(mark),
            }
            self.parts.pop_front();
            any = true;
        }
        any
    }

    /// The bytes of the next read; empty if none have arrived.
    pub(super) fn next_read(&mut self) -> &[u8] {
        if self.arrived == 0 {
            return &[];
        }
        let most = draw_count(&self.options.reads, &mut self.random);
        &self.bytes[self.head..self.head + most.min(self.arrived)]
    }

    /// Removes the first `n` arrived bytes, which were read.
    pub(super) fn consume(&mut self, n: usize) {
        let n = n.min(self.arrived);
        self.head += n;
        self.arrived -= n;
        if self.head == self.bytes.len() {
            self.head = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEEP);
        } else if self.head > KEEP && self.head > self.bytes.len() / 2 {
            // This moves fewer bytes than were read since the last time.
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    pub(super) fn has_arrived(&self) -> bool {
        self.arrived > 0
    }

    /// Whether bytes or a mark have arrived.
    pub(super) fn is_readable(&self) -> bool {
        self.has_arrived() || self.mark.is_some()
    }

    /// The mark that follows the bytes that have arrived.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    pub(super) fn take_mark(&mut self) -> Option<Mark> {
        self.mark.take()
    }

    /// Drops everything: the reader is gone. Returns whether there were unread bytes.
    pub(super) fn discard(&mut self) -> bool {
        let any = self.arrived > 0;
        self.consume(self.arrived);
        any
    }
}
