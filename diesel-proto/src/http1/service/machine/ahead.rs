//! What came before it can be read: the next request, or a body that nobody wants yet.
//!
//! It is kept while an `async` handler answers, up to [`read_ahead`](crate::hub::ServiceConfig), so that
//! the end of the stream behind it is seen: a client that left shows by nothing else. It is kept as
//! it came: what a handler answers must not depend on how much of a body had come.
//!
//! ```text
//!   bytes ──▶ received ──▶ taken
//!                └── what it leaves ──▶ [ ahead ] ──▶ received, with each other input
//! ```
//!
//! Nothing is kept behind a request that may end HTTP on this connection: that is the successor's. It
//! may be kept together with such a request, though, while one before it is answered: then the
//! successor adopts it.

use alloc::boxed::Box;
use core::mem;

use super::super::successor::MakeSuccessor;
use super::{Active, HttpMachine, RequestTask};
use crate::machine::{Actions, Input, Nested};
use crate::time::Instant;

impl HttpMachine {
    /// Whether what cannot be read yet is kept.
    pub(super) fn keeps(&self, active: &Active, actions: &Actions<'_>) -> bool {
        matches!(active.task, RequestTask::Work(_))
            && !active.connection.may_switch()
            && active.ahead.len() < self.shared.read_ahead
            && !self.shared.is_full()
            && actions.queued() < self.shared.high_water
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

    /// Gives way to what speaks another protocol, which was agreed on.
    pub(super) fn give_way(
        &mut self,
        MakeSuccessor(make): MakeSuccessor,
        active: &mut Active,
        now: Instant,
        actions: &mut Actions<'_>,
    ) {
        actions.clear_deadline();
        actions.notify_below(0);
        actions.resume();
        let machine = make(&self.ctx, &self.shared.connections);
        let mut next = Box::new(Nested::sharing(machine));
        next.pass_on(now, Input::Start, actions);
        let ahead = active.ahead.peek(actions.blocks()).to_vec();
        active.ahead.clear(actions.blocks());
        next.adopt(now, &ahead, actions);
        if self.has_ended {
            next.pass_on(now, Input::Eof, actions);
        }
        next.settle(None, actions);
        self.next = Some(next);
    }

    /// What happens is the successor's.
    pub(super) fn pass_on(
        &mut self,
        now: Instant,
        input: Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        let Some(next) = &mut self.next else { return 0 };
        if input == Input::Bytes(&[]) {
            return 0;
        }
        let taken = next.pass_on(now, input, actions);
        next.settle(None, actions);
        taken
    }
}
