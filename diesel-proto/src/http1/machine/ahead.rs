//! What came before it can be read: the next request, or a body that nobody wants yet.
//!
//! It is kept while an `async` handler answers, up to [`read_ahead`](crate::ServiceConfig), so that
//! the end of the stream behind it is seen: a client that left shows by nothing else. It is kept as
//! it came: what a handler answers must not depend on how much of a body had come.
//!
//! ```text
//!   bytes ──▶ received ──▶ taken
//!                └── what it leaves ──▶ [ ahead ] ──▶ received, with each other input
//! ```
//!
//! Nothing is kept behind a request that may end HTTP on this connection: that is the next machine's,
//! which would have to be given it back. It may be kept together with such a request, though, while
//! one before it is answered: then [`Preceded`] gives it back.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use super::{Active, Server, Task};
use crate::{Actions, Input, Instant, Machine, Slot};

impl Server {
    /// Whether what cannot be read yet is kept.
    pub(super) fn keeps(&self, active: &Active, actions: &Actions<'_>) -> bool {
        matches!(active.task, Task::Fiber(_))
            && !active.connection.may_switch()
            && active.ahead.len() < self.shared.read_ahead
            && !self.shared.is_full()
            && actions.queued() < self.shared.high_water.max(1)
            && !actions.is_closing()
    }

    /// Keeps what was not read of a step's bytes, as far as there is room. Returns how many it took.
    pub(super) fn keep(
        &self,
        active: &mut Active,
        rest: &[u8],
        actions: &mut Actions<'_>,
    ) -> usize {
        if rest.is_empty() || !self.keeps(active, actions) {
            return 0;
        }
        let room = self.shared.read_ahead - active.ahead.len();
        let kept = rest.get(..room).unwrap_or(rest);
        active.ahead.push(kept, actions.blocks());
        kept.len()
    }

    /// Reads what was kept, as far as it can be read now.
    pub(super) fn read_kept(
        &mut self,
        active: &mut Active,
        now: Instant,
        actions: &mut Actions<'_>,
    ) {
        while !active.ahead.is_empty() {
            let mut ahead = mem::take(&mut active.ahead);
            let offered = ahead.front().len();
            let taken = self.received(active, now, ahead.front(), actions);
            ahead.consume(taken, actions.blocks());
            active.ahead = ahead;
            if taken < offered {
                return;
            }
        }
    }

    /// The client ended its side, and all that came before was read.
    pub(super) fn read_end(
        &mut self,
        active: &mut Active,
        now: Instant,
        actions: &mut Actions<'_>,
    ) {
        if self.has_ended && !self.end_is_read && active.ahead.is_empty() {
            self.end_is_read = true;
            if let Err(rejection) = active.connection.eof() {
                self.refuse(active, now, rejection, actions);
            }
        }
    }

    /// Gives way to the machine of another protocol, if one was agreed on.
    pub(super) fn give_way(active: &mut Active, actions: &mut Actions<'_>) {
        let Some(next) = active.next.take() else { return };
        if active.ahead.is_empty() {
            return actions.upgrade(next);
        }
        let bytes = active.ahead.peek(actions.blocks()).to_vec();
        actions.upgrade(Preceded { bytes, taken: 0, next: Slot::First(next) });
    }
}

/// A machine, and bytes of its stream that came before it.
struct Preceded {
    bytes: Vec<u8>,
    /// How many of them it took.
    taken: usize,
    next: Slot<Box<dyn Machine + Send>>,
}

impl Preceded {
    /// Offers them while it has room. Reading is paused as long as some are left.
    fn offer(&mut self, now: Instant, actions: &mut Actions<'_>) {
        while !actions.is_paused() && !actions.is_closing() {
            let Some(rest) = self.bytes.get(self.taken..).filter(|rest| !rest.is_empty()) else {
                self.bytes = Vec::new();
                self.taken = 0;
                return;
            };
            let taken = self.next.step(now, Input::Bytes(rest), actions);
            if taken < rest.len() {
                actions.pause();
            }
            self.taken = self.taken.saturating_add(taken);
        }
    }
}

impl Machine for Preceded {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = match input {
            Input::Bytes(_) if !self.bytes.is_empty() => 0,
            input => self.next.step(now, input, actions),
        };
        if !self.bytes.is_empty() {
            self.offer(now, actions);
        }
        taken
    }

    fn held(&self) -> usize {
        (self.bytes.len().saturating_sub(self.taken)).saturating_add(self.next.held())
    }

    fn scanned(&self) -> u64 {
        self.next.scanned()
    }
}
