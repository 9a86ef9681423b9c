//! Injects what a network may do to a stream, at chosen bytes.
//!
//! Faults are at positions in the stream, not at steps: so the inner machine sees the same faults,
//! in however many reads the bytes arrive.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::super::Random;
use super::gate::Gate;
use crate::machine::{Actions, Cause, Input, Machine};
use crate::time::Instant;

/// A fault at a position in the stream.
///
/// Example: see the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InjectedFault {
    /// The bytes are split there into two reads.
    Cut,
    /// No bytes pass for this long.
    Stall(Duration),
    /// The stream ends there; later bytes are dropped.
    Eof,
    /// The stream breaks there.
    Reset,
}

/// Injects faults into the input of a machine, as a network might.
///
/// Example: see the [module](super).
pub struct FaultInjector<M> {
    gate: Gate<M>,
    /// Sorted by position, the next one last.
    faults: Vec<(u64, InjectedFault)>,
    /// The number of bytes that went in.
    position: u64,
    over: bool,
}

impl<M: Machine> FaultInjector<M> {
    /// Draws faults from a seed: a few cuts and stalls, and for every second seed an early end or a
    /// reset.
    pub fn new(inner: M, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut faults = Vec::new();
        let mut position = 0;
        for _ in 0..random.below(8) {
            position += random.below(40);
            faults.push((
                position,
                match random.below(3) {
                    0 => InjectedFault::Stall(Duration::from_millis(random.between(1, 2000))),
                    _ => InjectedFault::Cut,
                },
            ));
        }
        position += random.below(40);
        match random.below(4) {
            0 => faults.push((position, InjectedFault::Eof)),
            1 => faults.push((position, InjectedFault::Reset)),
            _ => {}
        }
        FaultInjector::with(inner, faults)
    }

    /// Injects these faults, each after the given number of bytes.
    pub fn with(inner: M, faults: impl IntoIterator<Item = (u64, InjectedFault)>) -> Self {
        let mut faults: Vec<_> = faults.into_iter().collect();
        faults.sort_by_key(|(position, _)| *position);
        faults.reverse();
        FaultInjector { gate: Gate::new(inner), faults, position: 0, over: false }
    }

    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        while !self.over && !actions.is_closing() && self.gate.is_open() {
            let ahead = self.faults.last().map(|(at, _)| at.saturating_sub(self.position));
            let rest = &bytes[taken..];
            if ahead == Some(0) {
                let fault = self.faults.pop();
                fault.into_iter().for_each(|(_, fault)| self.happens(now, fault, actions));
                continue;
            }
            if rest.is_empty() {
                return taken;
            }
            let ahead = ahead.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            let piece = &rest[..rest.len().min(ahead)];
            let n = self.gate.step(now, Input::Bytes(piece), actions);
            self.position += n as u64;
            taken += n;
        }
        if self.over { bytes.len() } else { taken }
    }

    fn happens(&mut self, now: Instant, fault: InjectedFault, actions: &mut Actions<'_>) {
        match fault {
            InjectedFault::Cut => {}
            InjectedFault::Stall(duration) => self.gate.shut(now + duration, "stall", actions),
            InjectedFault::Eof => {
                self.over = true;
                self.gate.step(now, Input::Eof, actions);
            }
            InjectedFault::Reset => {
                self.over = true;
                self.gate.cut(now, Cause::Reset, actions);
            }
        }
    }
}

impl<M: Machine> Machine for FaultInjector<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => return self.bytes(now, bytes, actions),
            // The stream has ended already for the inner machine.
            Input::Eof if self.over => {}
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

impl<M: fmt::Debug> fmt::Debug for FaultInjector<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultInjector").field("faults", &self.faults).finish_non_exhaustive()
    }
}
