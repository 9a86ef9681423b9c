//! Lets no bytes pass until a given time. Shared by the throttle and the fault injector.

use crate::machine::{Actions, Cause, Deadline, Input, Machine, Nested, Reason};
use crate::time::Instant;

pub(super) struct Gate<M> {
    inner: Nested<M>,
    /// If set, no bytes pass until then.
    shut: Option<Deadline>,
}

impl<M: Machine> Gate<M> {
    pub(super) fn new(inner: M) -> Self {
        Gate { inner: Nested::sharing(inner), shut: None }
    }

    /// Whether the inner machine may get bytes.
    pub(super) fn is_open(&self) -> bool {
        self.shut.is_none() && self.inner.wants_input()
    }

    /// Lets no bytes pass until then.
    pub(super) fn shut(&mut self, until: Instant, reason: &'static str, actions: &mut Actions<'_>) {
        self.shut = Some(Deadline { at: until, reason: Reason::Application(reason) });
        self.finish(actions);
    }

    /// Steps the inner machine. A deadline that passed may be the gate's, the inner machine's, or
    /// both.
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

    /// Breaks the stream, for the inner machine and for the caller.
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
