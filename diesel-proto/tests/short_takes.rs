//! A short take pauses reading until the machine resumes: the laws report a machine that ignores
//! this.

use std::time::Duration;

use diesel_proto::testkit::Stimulus;
use diesel_proto::testkit::laws::{Law, Laws};
use diesel_proto::*;

const SECOND: Duration = Duration::from_secs(1);

/// How a machine that takes a byte at a time goes on.
#[derive(Clone, Copy, PartialEq)]
enum GoesOn {
    Never,
    AtOnce,
    WhenSent,
    InTime,
    WhenWoken,
    /// It does not, and says so.
    Paused,
}

/// Echoes a byte at a time.
struct Sipper(GoesOn);

impl Machine for Sipper {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                actions.send(&bytes[..1]);
                match self.0 {
                    GoesOn::WhenSent => actions.notify_below(1),
                    GoesOn::InTime => actions.set_deadline(now + SECOND, Reason::Idle),
                    GoesOn::Paused => actions.pause(),
                    // It holds only until the step is over: the short take comes after it.
                    GoesOn::AtOnce => actions.resume(),
                    GoesOn::Never | GoesOn::WhenWoken => {}
                }
                return 1;
            }
            Input::Drained | Input::Deadline => actions.resume(),
            Input::Wake if self.0 == GoesOn::WhenWoken => actions.resume(),
            _ => {}
        }
        0
    }
}

#[test]
fn leaving_bytes_without_resuming_fails_with_the_rule() {
    for goes_on in [GoesOn::Never, GoesOn::AtOnce] {
        let laws = Laws::of(|| Sipper(goes_on));
        let broken = laws.check(&[Stimulus::bytes("abcd")]).expect_err("caught");
        assert_eq!(broken.law, Law::Progress);
        let rule = "a short take pauses reading until `Actions::resume`";
        assert!(broken.to_string().contains(rule), "{broken}");
        assert!(broken.to_string().contains("took 1 of 2 bytes"), "{broken}");
        // Nothing is left of a single byte.
        laws.assert(&[Stimulus::bytes("a")]);
    }
}

#[test]
fn a_machine_that_goes_on_later_or_pauses_itself_is_not() {
    for goes_on in [GoesOn::WhenSent, GoesOn::Paused] {
        Laws::of(|| Sipper(goes_on)).assert(&[Stimulus::bytes("abc")]);
    }
    // The others wait only after a byte that was not the last: so their cuts show, or that they
    // were woken, which is another law.
    for goes_on in [GoesOn::InTime, GoesOn::WhenWoken] {
        let broken = Laws::of(|| Sipper(goes_on)).check(&[Stimulus::bytes("abc")]);
        let broken = broken.expect_err("it is unlawful");
        assert_ne!(broken.law, Law::Progress, "{broken}");
    }
}

#[test]
fn a_machine_that_leaves_bytes_to_its_successor_is_not() {
    struct First;

    impl Machine for First {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            let Input::Bytes(_) = input else { return 0 };
            actions.upgrade(LineEcho::default());
            1
        }
    }

    Laws::of(|| First).assert(&[Stimulus::bytes("xhello\n"), Stimulus::Eof]);
}

#[test]
fn a_machine_that_closes_with_bytes_left_is_not() {
    let echo = Laws::of(LineEcho::default);
    echo.assert(&[Stimulus::bytes("quit\nmore"), Stimulus::Eof]);
}
