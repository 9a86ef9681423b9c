//! What two layers share that each would have for itself: no bytes go in until some time.

use crate::machine::{Actions, Cause, Deadline, Input, Machine, Nested, Reason};
use crate::time::Instant;

pub(super) struct Gate<M> {
    inner: Nested<M>,
    /// Shut until then: no bytes go in.
    shut: Option<Deadline>,
}

impl<M: Machine> Gate<M> {
    pub(super) fn new(inner: M) -> Self {
        Gate { inner: Nested::sharing(inner), shut: None }
    }

    /// Whether the machine inside may be given bytes.
    pub(super) fn is_open(&self) -> bool {
        self.shut.is_none() && self.inner.wants_input()
    }

    /// No bytes go in until then.
    pub(super) fn shut(&mut self, until: Instant, reason: &'static str, actions: &mut Actions<'_>) {
        self.shut = Some(Deadline { at: until, reason: Reason::Application(reason) });
        self.finish(actions);
    }

    /// A step of the machine inside. When a deadline passed it may be ours, its own, or both.
    pub(super) fn step(
        &mut self,
        now: Instant,
        input: Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        if input == Input::Deadline {
            self.shut.take_if(|shut| shut.at <= now);
        }
        let taken = self.inner.pass_on(now, input, actions);
        self.finish(actions);
        taken
    }

    /// The stream is broken, for the machine inside as for the caller.
    pub(super) fn cut(&mut self, now: Instant, cause: Cause, actions: &mut Actions<'_>) {
        self.inner.cut(now, cause, actions);
        self.finish(actions);
    }

    pub(super) fn inner(&self) -> &Nested<M> {
        &self.inner
    }

    fn finish(&mut self, actions: &mut Actions<'_>) {
        self.inner.settle(self.shut, actions);
        if self.shut.is_some() {
            actions.pause();
        }
    }
}
