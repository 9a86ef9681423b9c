//! Limits the number of input bytes in each period.
//!
//! A period begins with the first byte that passes, and ends when its time is over. Bytes that do
//! not pass are not taken: the caller keeps them, so the back-pressure reaches the peer.

use core::fmt;
use core::time::Duration;

use super::gate::Gate;
use crate::machine::{Actions, Input, Machine};
use crate::time::Instant;

/// Lets at most `n` bytes through in each period.
///
/// Example: see the [module](super).
pub struct Throttle<M> {
    gate: Gate<M>,
    most: usize,
    period: Duration,
    /// How many bytes may still pass until the period ends.
    left: usize,
    until: Instant,
}

impl<M: Machine> Throttle<M> {
    /// Lets at most `bytes` (at least one) pass in each `period`. A period of zero means no limit.
    pub fn new(inner: M, bytes: usize, period: Duration) -> Self {
        let most = if period.is_zero() { usize::MAX } else { bytes.max(1) };
        Throttle { gate: Gate::new(inner), most, period, left: 0, until: Instant::ORIGIN }
    }

    /// Passes on as many of `bytes` as may pass now.
    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        if now >= self.until {
            self.left = self.most;
            self.until = now + self.period;
        }
        let (through, _) = bytes.split_at(bytes.len().min(self.left));
        let mut taken = 0;
        if !through.is_empty() && self.gate.is_open() {
            taken = self.gate.step(now, Input::Bytes(through), actions);
        }
        self.left -= taken;
        if self.left == 0 && !actions.is_closing() {
            self.gate.shut(self.until, "throttle", actions);
        }
        taken
    }
}

impl<M: Machine> Machine for Throttle<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => return self.bytes(now, bytes, actions),
            _ => _ = self.gate.step(now, input, actions),
        }
        0
    }

    fn held(&self) -> usize {
        self.gate.inner().held()
    }

    fn scanned(&self) -> u64 {
        self.gate.inner().scanned()
    }
}

impl<M: fmt::Debug> fmt::Debug for Throttle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("most", &self.most).finish_non_exhaustive()
    }
}
