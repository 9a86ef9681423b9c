//! What a run sees of each step of a machine, beside what comes out: whether bytes were left by a
//! machine that does not know what that means.
//!
//! The caller takes a short take for a pause (see [`machine`](crate::machine::contract)). A machine that knows
//! this either pauses itself, or resumes later. One that does neither waits for bytes that never
//! come.

use crate::machine::{Actions, Input, Machine};
use crate::time::Instant;

pub(super) struct WatchedMachine<M> {
    inner: M,
    left: Option<Left>,
}

/// A short take that did not pause, and that no step has resumed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) given: usize,
    pub(super) taken: usize,
}

impl<M: Machine> WatchedMachine<M> {
    pub(super) fn new(inner: M) -> Self {
        WatchedMachine { inner, left: None }
    }

    /// The last short take, if nothing has come of it yet.
    pub(super) fn left(&self) -> Option<Left> {
        self.left
    }
}

impl<M: Machine> Machine for WatchedMachine<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.inner.step(now, input, actions);
        // The caller paused after a short take: if reading goes on now, the machine resumed it.
        if !actions.is_paused() || actions.is_closing() {
            self.left = None;
        }
        if let Input::Bytes(bytes) = input {
            // What a machine leaves to its successor is not left.
            let leaves = taken < bytes.len() && !actions.is_closing() && !actions.gives_way();
            if leaves && !actions.is_paused() {
                self.left = Some(Left { given: bytes.len(), taken });
            }
        }
        taken
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}
