//! A line of fibers that wait for their turn: first come, first served.
//!
//! Rules of this file:
//!
//! - Only the first in the line may take what is there. A token that finds the line occupied joins
//!   it, even if there would be something for it: so no fiber waits for ever.
//! - Whoever leaves the line lets the caller wake the one that is first then, if there is still
//!   something to take. So a fiber that was woken and is dropped before its turn wakes the next.
//!
//! A token that is forgotten ([`core::mem::forget`]) keeps its place in the line for ever.
//!
//! It must never know what the fibers wait for.

use alloc::collections::VecDeque;
use core::task::{Context, Waker};

use super::waiting::{SpareWaker, WaitingWaker};

#[derive(Default)]
pub(super) struct Waiters {
    /// By ascending tickets.
    line: VecDeque<(u64, WaitingWaker)>,
    next_ticket: u64,
}

impl Waiters {
    /// Whether it is the turn of this ticket, or of one that has no ticket yet.
    pub(super) fn is_first(&self, ticket: Option<u64>) -> bool {
        self.line.front().is_none_or(|&(first, _)| ticket == Some(first))
    }

    /// Joins the line, or renews the waker of this ticket. Returns `false` if the spare is empty:
    /// see [`SpareWaker`].
    #[must_use = "fill the spare, and look again"]
    pub(super) fn join(
        &mut self,
        ticket: &mut Option<u64>,
        cx: &Context<'_>,
        spare: &mut SpareWaker,
    ) -> bool {
        if let Some(place) = self.place(*ticket)
            && let Some((_, waiting)) = self.line.get_mut(place)
        {
            return waiting.register(cx, spare);
        }
        let mut waiting = WaitingWaker::default();
        if !waiting.register(cx, spare) {
            return false;
        }
        *ticket = Some(self.next_ticket);
        self.line.push_back((self.next_ticket, waiting));
        self.next_ticket += 1;
        true
    }

    /// Leaves the line, if the ticket is in it. The waker must be dropped when nothing is borrowed.
    #[must_use = "drop it when nothing is borrowed"]
    pub(super) fn leave(&mut self, ticket: &mut Option<u64>) -> Option<WaitingWaker> {
        let place = self.place(ticket.take())?;
        let (_, waiting) = self.line.remove(place)?;
        if self.line.is_empty() {
            self.line = VecDeque::new();
        }
        Some(waiting)
    }

    /// The waker of the first in the line.
    #[must_use = "wake it when nothing is borrowed"]
    pub(super) fn first(&mut self) -> Option<Waker> {
        self.line.front_mut()?.1.take()
    }

    /// The wakers of all in the line.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Waker> {
        self.line.iter_mut().filter_map(|(_, waiting)| waiting.take())
    }

    fn place(&self, ticket: Option<u64>) -> Option<usize> {
        self.line.binary_search_by_key(&ticket?, |&(ticket, _)| ticket).ok()
    }
}
