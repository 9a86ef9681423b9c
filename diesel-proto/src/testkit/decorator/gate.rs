//! What two layers share that each would have for itself: the pause and the deadline.
//!
//! The machine inside sees only its own. The caller sees both: reading is paused while either wants
//! it so, and the deadline is the sooner one.

use crate::{Actions, Deadline, Input, Instant, Machine, Reason, Slot};

pub(super) struct Gate<M> {
    inner: Slot<M>,
    /// What the machine inside wants.
    paused: bool,
    deadline: Option<Deadline>,
    /// Shut until then: no bytes go in.
    shut: Option<Deadline>,
}

impl<M: Machine> Gate<M> {
    pub(super) fn new(inner: M) -> Self {
        Gate { inner: Slot::First(inner), paused: false, deadline: None, shut: None }
    }

    /// Whether the machine inside may be given bytes.
    pub(super) fn is_open(&self) -> bool {
        self.shut.is_none() && !self.paused
    }

    /// No bytes go in until then.
    pub(super) fn shut(&mut self, until: Instant, reason: &'static str, actions: &mut Actions<'_>) {
        self.shut = Some(Deadline { at: until, reason: Reason::Application(reason) });
        self.show_both(actions);
    }

    /// A step of the machine inside.
    pub(super) fn step(
        &mut self,
        now: Instant,
        input: Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        show(actions, self.paused, self.deadline);
        let mut taken = self.inner.step(now, input, actions);
        self.paused = actions.is_paused();
        self.deadline = actions.deadline();
        if let Input::Bytes(bytes) = input {
            taken = taken.min(bytes.len());
            // As any caller has it: who leaves some has paused.
            self.paused |= taken < bytes.len();
        }
        self.show_both(actions);
        taken
    }

    /// A deadline passed: ours, that of the machine inside, or both.
    pub(super) fn expired(&mut self, now: Instant, actions: &mut Actions<'_>) {
        self.shut.take_if(|shut| shut.at <= now);
        match self.deadline.take_if(|deadline| deadline.at <= now) {
            Some(_) => _ = self.step(now, Input::Deadline, actions),
            None => self.show_both(actions),
        }
    }

    pub(super) fn inner(&self) -> &Slot<M> {
        &self.inner
    }

    fn show_both(&self, actions: &mut Actions<'_>) {
        let sooner = [self.deadline, self.shut].into_iter().flatten().min_by_key(|it| it.at);
        show(actions, self.paused || self.shut.is_some(), sooner);
    }
}

fn show(actions: &mut Actions<'_>, paused: bool, deadline: Option<Deadline>) {
    match paused {
        true => actions.pause(),
        false => actions.resume(),
    }
    match deadline {
        Some(Deadline { at, reason }) => actions.set_deadline(at, reason),
        None => actions.clear_deadline(),
    }
}
