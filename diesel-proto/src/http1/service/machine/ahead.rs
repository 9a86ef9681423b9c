//! Buffers bytes that cannot be read yet: the next request, or a body that the handler does not
//! want yet.
//!
//! Bytes are buffered while an `async` handler runs, up to
//! [`read_ahead`](crate::hub::ServiceConfig), so that a half-close after them is seen: nothing else
//! shows that a client has left. They are buffered unparsed, because the response of a handler must
//! not depend on how much of a body has arrived.
//!
//! ```text
//!   bytes ──▶ received ──▶ taken
//!                └── what it leaves ──▶ [ ahead ] ──▶ received, with each other input
//! ```
//!
//! Nothing is buffered after a request that may end HTTP on this connection, because the bytes
//! belong to the successor. Such a request may itself be buffered together with what follows, while
//! the request before it is answered: then the successor adopts the rest.

use alloc::boxed::Box;
use core::mem;

use super::super::successor::MakeSuccessor;
use super::active::{Active, RequestTask};
use super::{HttpMachine, Phase};
use crate::machine::{Actions, Input, Nested};
use crate::time::Instant;

impl HttpMachine {
    /// Whether bytes that cannot be read yet are buffered.
    pub(super) fn keeps(&self, active: &Active, actions: &Actions<'_>) -> bool {
        matches!(active.task, RequestTask::Work(_))
            && !active.connection.may_switch()
            && active.ahead.len() < self.shared.read_ahead
            && !self.shared.is_full()
            && actions.queued() < self.shared.high_water
            && !actions.is_closing()
    }

    /// Buffers the unread bytes of a step, as far as there is room. Returns how many it took.
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

    /// Reads the buffered bytes, as far as possible now.
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

    /// Handles a half-close, once everything before it was read.
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

    /// Hands the connection over to the successor, after an upgrade.
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
        self.phase = Phase::Switched(next);
    }

    /// Passes an input to the successor.
    pub(super) fn pass_on(
        &mut self,
        now: Instant,
        input: Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        let Phase::Switched(next) = &mut self.phase else { return 0 };
        if input == Input::Bytes(&[]) {
            return 0;
        }
        let taken = next.pass_on(now, input, actions);
        next.settle(None, actions);
        taken
    }
}
