//! Detects a machine that leaves bytes without handling the pause that this causes.
//!
//! If a machine takes fewer bytes than it got, the caller pauses reading (see
//! [`machine`](crate::machine::contract)). The machine must then also pause, or resume later. If it
//! does neither, it waits for bytes that never arrive.

use crate::machine::{Actions, Input, Machine};
use crate::time::Instant;

pub(super) struct WatchedMachine<M> {
    inner: M,
    left: Option<Left>,
}

/// A short take without a pause, after which no step has resumed reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) given: usize,
    pub(super) taken: usize,
}

impl<M: Machine> WatchedMachine<M> {
    pub(super) fn new(inner: M) -> Self {
        WatchedMachine { inner, left: None }
    }

    /// The last short take, if it was not handled yet.
    pub(super) fn left(&self) -> Option<Left> {
        self.left
    }
}

impl<M: Machine> Machine for WatchedMachine<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.inner.step(now, input, actions);
        // The caller paused after a short take: if reading is not paused now, the machine resumed
        // it.
        if !actions.is_paused() || actions.is_closing() {
            self.left = None;
        }
        if let Input::Bytes(bytes) = input {
            // Bytes that a machine leaves to its successor do not count: the successor replaces this
            // wrapper, too.
            let leaves = taken < bytes.len() && !actions.is_closing();
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
