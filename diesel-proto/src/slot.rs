//! The place of a machine that may give way to another.
//!
//! Whoever holds a machine holds it in a [`Slot`]; then [`Actions::upgrade`] works at that joint.
//! The bytes that the old machine did not take are the new one's first.

use alloc::boxed::Box;
use core::fmt;

use crate::{Actions, Input, Instant, Machine};

/// A machine, or the one it gave way to.
pub enum Slot<M> {
    /// The machine that was there first.
    First(M),
    /// The machine that it (or its successor) named with [`Actions::upgrade`].
    Successor(Box<dyn Machine + Send>),
}

impl<M: Machine> Machine for Slot<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = self.machine().step(now, input, actions);
        while let Some(next) = actions.take_successor() {
            *self = Slot::Successor(next);
            self.machine().step(now, Input::Start, actions);
            let is_told = matches!(input, Input::Shutdown | Input::Cut(_));
            if actions.is_shutting_down() && !is_told && !actions.is_closing() {
                self.machine().step(now, Input::Shutdown, actions);
            }
            let is_told = matches!(input, Input::WriteFailed | Input::Cut(_));
            if actions.has_write_failed() && !is_told && !actions.is_closing() {
                self.machine().step(now, Input::WriteFailed, actions);
            }
            match input {
                Input::Bytes(bytes) => {
                    // More than was given counts as all of it: `taken <= bytes.len()`.
                    let rest = bytes.get(taken..).unwrap_or_default();
                    if !rest.is_empty() && !actions.is_paused() && !actions.is_closing() {
                        taken += self.machine().step(now, Input::Bytes(rest), actions);
                    }
                }
                // The end of the stream is as much the new machine's as its bytes are.
                Input::Eof | Input::Cut(_) | Input::WriteFailed | Input::Shutdown => {
                    self.machine().step(now, input, actions);
                }
                _ => {}
            }
        }
        taken
    }

    fn held(&self) -> usize {
        match self {
            Slot::First(machine) => machine.held(),
            Slot::Successor(machine) => machine.held(),
        }
    }

    fn scanned(&self) -> u64 {
        match self {
            Slot::First(machine) => machine.scanned(),
            Slot::Successor(machine) => machine.scanned(),
        }
    }
}

impl<M: Machine> Slot<M> {
    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Slot::First(machine) => machine,
            Slot::Successor(machine) => machine,
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::First(machine) => f.debug_tuple("First").field(machine).finish(),
            Slot::Successor(_) => f.write_str("Successor"),
        }
    }
}
