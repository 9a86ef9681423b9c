//! [`Upgradable`]: a machine that may be replaced by a successor.
//!
//! Everything that holds a machine holds it in an [`Upgradable`], so that [`Actions::upgrade`]
//! works there. The successor gets the bytes that the old machine did not take.

use alloc::boxed::Box;
use core::fmt;

use super::contract::{Actions, Input, Machine};
use crate::time::Instant;

/// A machine, or the successor that replaced it.
///
/// ```
/// use diesel_proto::{Endpoint, Instant, LineEcho, Upgradable};
///
/// let now = Instant::ORIGIN;
/// let echo = LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default()));
/// let mut endpoint = Endpoint::new(echo, now);
/// assert!(matches!(endpoint.machine(), Upgradable::First(_)));
/// assert_eq!(endpoint.received(now, b"UPGRADE\n"), 8);
/// assert!(matches!(endpoint.machine(), Upgradable::Successor(_)));
/// ```
pub enum Upgradable<M> {
    /// The original machine.
    First(M),
    /// The machine that the original one, or a successor, named with [`Actions::upgrade`].
    Successor(Box<dyn Machine + Send>),
}

impl<M> Upgradable<M> {
    /// The original machine, if it was not replaced.
    ///
    /// ```
    /// use diesel_proto::{Endpoint, Instant, LineEcho};
    ///
    /// let endpoint = Endpoint::new(LineEcho::default(), Instant::ORIGIN);
    /// assert!(endpoint.machine().first().is_some());
    /// ```
    pub fn first(&self) -> Option<&M> {
        match self {
            Upgradable::First(machine) => Some(machine),
            Upgradable::Successor(_) => None,
        }
    }
}

impl<M: Machine> Machine for Upgradable<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        // Statically dispatched, and not through `machine()`: most steps end here.
        let mut taken = match self {
            Upgradable::First(machine) => machine.step(now, input, actions),
            Upgradable::Successor(machine) => machine.step(now, input, actions),
        };
        while let Some(next) = actions.take_successor() {
            *self = Upgradable::Successor(next);
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
                    // A machine that claims more bytes than it was given took all: `taken <=
                    // bytes.len()`.
                    let rest = bytes.get(taken..).unwrap_or_default();
                    if !rest.is_empty() && !actions.is_paused() && !actions.is_closing() {
                        taken += self.machine().step(now, Input::Bytes(rest), actions);
                    }
                }
                // These inputs concern the stream, not one machine: the successor gets them too.
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
            Upgradable::First(machine) => machine.held(),
            Upgradable::Successor(machine) => machine.held(),
        }
    }

    fn scanned(&self) -> u64 {
        match self {
            Upgradable::First(machine) => machine.scanned(),
            Upgradable::Successor(machine) => machine.scanned(),
        }
    }
}

impl<M: Machine> Upgradable<M> {
    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Upgradable::First(machine) => machine,
            Upgradable::Successor(machine) => machine,
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for Upgradable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Upgradable::First(machine) => f.debug_tuple("First").field(machine).finish(),
            Upgradable::Successor(_) => f.write_str("Successor"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::super::endpoint::Endpoint;
    use super::super::line_echo::LineEcho;
    use super::super::notice::Notice;
    use super::super::reason::Cause;
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    type React = fn(&mut Actions<'_>);

    /// Takes two bytes, and names a successor.
    struct TakesTwo(React);

    impl Machine for TakesTwo {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if let Input::Bytes(_) = input {
                actions.upgrade(Next(self.0));
            }
            2
        }
    }

    /// Reports each input as a notice, reacts to `Start` as the test says, and resumes at `Wake`.
    struct Next(React);

    impl Machine for Next {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            actions.notice(Notice::Text(format!("{input:?}")));
            match input {
                Input::Start => (self.0)(actions),
                Input::Wake => actions.resume(),
                Input::Bytes(bytes) => return bytes.len(),
                _ => {}
            }
            0
        }
    }

    fn notices(endpoint: &mut Endpoint<TakesTwo>) -> Vec<String> {
        endpoint.drain_notices().map(|it| it.to_string()).collect()
    }

    #[test]
    fn the_next_machine_gets_what_is_left_if_there_is_any_and_it_wants_it() {
        let cases: [(&[u8], React, &[&str], bool); 4] = [
            (b"ab", |_| {}, &["Start"], true),
            (b"abc", |_| {}, &["Start", "Bytes([99])"], true),
            (b"abc", |actions| actions.pause(), &["Start"], false),
            (b"abc", |actions| actions.close(Cause::Done), &["Start"], false),
        ];
        for (bytes, react, expected, goes_on) in cases {
            let mut endpoint = Endpoint::new(TakesTwo(react), NOW);
            assert_eq!(endpoint.received(NOW, bytes), bytes.len());
            assert_eq!(notices(&mut endpoint), expected);
            assert_eq!(endpoint.wants_input(), goes_on);
        }
    }

    #[test]
    fn a_next_machine_that_paused_gets_what_is_left_when_it_goes_on() {
        let mut endpoint = Endpoint::new(TakesTwo(|actions| actions.pause()), NOW);
        assert_eq!(endpoint.received(NOW, b"abc"), 3);
        endpoint.wake(NOW);
        assert_eq!(notices(&mut endpoint), ["Start", "Wake", "Bytes([99])"]);
    }

    #[test]
    fn what_either_machine_holds_and_scans_is_counted() {
        let echo = LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default()));
        let mut endpoint = Endpoint::new(echo, NOW);
        assert_eq!(endpoint.received(NOW, b"UP"), 2);
        assert_eq!((endpoint.machine().held(), endpoint.machine().scanned()), (2, 2));
        assert_eq!(endpoint.received(NOW, b"GRADE\nrest"), 10);
        assert!(matches!(endpoint.machine(), Upgradable::Successor(_)));
        assert_eq!((endpoint.machine().held(), endpoint.machine().scanned()), (4, 4));
    }
}
