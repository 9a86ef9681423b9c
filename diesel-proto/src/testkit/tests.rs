//! The laws can fail: for each law there is a machine that breaks only that law, only in one state
//! and after a hundred inputs. The report names the law and shows a small case.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::Stimulus;
use super::laws::{ALL, Broken, Law, Laws};
use super::run::{Room, RunOptions, run};
use crate::buf::Buffer;
use crate::machine::{Actions, Cause, Input, Machine, Notice, Reason};
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Echoes lines; sends a line if none arrived for a second; closes at `quit`. After a hundred
/// lines, between `arm` and the line after the next, it breaks one law, if any.
#[derive(Default)]
struct Echo {
    breaks: Option<Law>,
    input: Buffer,
    lines: u32,
    armed: bool,
    /// Bytes that it should not hold.
    hoard: Vec<u8>,
    /// The number of bytes that it should not have scanned.
    rescanned: u64,
}

impl Echo {
    fn breaks(&self, law: Law) -> bool {
        self.breaks == Some(law) && self.lines >= 100 && self.armed
    }

    fn lines(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let queued_before = actions.queued();
        let is_late_end = bytes == b"\n" && !self.input.is_empty();
        self.input.push(bytes, actions.blocks());
        while let Ok(Some(n)) = self.input.find(b"\n", usize::MAX) {
            let line = self.input.front().get(..n).unwrap_or_default();
            if self.breaks(Law::SplitInvariance) && is_late_end {
                actions.send(b"late: ");
            }
            if self.breaks(Law::RoomInvariance) && queued_before > 0 {
                actions.send(b"busy: ");
            }
            if self.breaks(Law::HeldWithinLimit) {
                self.hoard = vec![b'x'; 5000];
            }
            if self.breaks(Law::LinearScan) {
                self.rescanned += 10_000;
            }
            actions.send(line);
            actions.set_deadline(now + SECOND, Reason::Idle);
            let (is_arm, is_quit) = (line == b"arm\n", line == b"quit\n");
            if is_quit {
                actions.close(Cause::Done);
                if self.breaks(Law::SilenceAfterClose) {
                    actions.send(b"and by the way");
                }
            }
            self.input.consume(n, actions.blocks());
            self.lines += 1;
            self.armed = is_arm;
            if is_quit {
                self.input.clear(actions.blocks());
            }
        }
        bytes.len()
    }
}

impl Machine for Echo {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => return self.lines(now, bytes, actions),
            Input::Deadline if self.breaks(Law::Progress) => {
                actions.set_deadline(now, Reason::Idle);
            }
            Input::Deadline => actions.send(b"still there?\n"),
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Wake if self.breaks(Law::NothingNew) => actions.send(b"what?\n"),
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        self.input.len() + self.hoard.len()
    }

    fn scanned(&self) -> u64 {
        self.input.scanned() + self.rescanned
    }
}

/// A long session, in which the faulty state occurs now and then.
fn session() -> Vec<Stimulus> {
    let mut session = Vec::new();
    for n in 0..130 {
        session.push(Stimulus::bytes(format!("line {n}\n")));
        if n % 10 == 3 {
            session.extend([Stimulus::bytes("arm\nanother\n"), Stimulus::Wait(SECOND / 2)]);
        }
        if n % 10 == 5 {
            session.extend([Stimulus::bytes("arm\n"), Stimulus::Wait(2 * SECOND)]);
        }
    }
    session.extend([Stimulus::bytes("arm\nquit\nmore\n"), Stimulus::Eof]);
    session
}

fn check(breaks: Option<Law>, stimuli: &[Stimulus]) -> Result<(), Box<Broken>> {
    let make = || Echo { breaks, ..Echo::default() };
    Laws::of(make).max_held(4096).check(stimuli)
}

#[test]
fn a_machine_that_keeps_all_laws_passes() {
    if let Err(broken) = check(None, &session()) {
        panic!("{broken}");
    }
}

fn is_caught(law: Law) {
    let Err(broken) = check(Some(law), &session()) else { panic!("{law:?} was not caught") };
    assert_eq!(broken.law, law, "{broken}");
    // A hundred lines are needed; everything else is removed.
    let len = super::stimulus::len(&broken.stimuli);
    assert!(len <= 120 && broken.stimuli.len() <= 4, "{broken}");
    let report = broken.to_string();
    assert!(report.starts_with(&format!("broken law: {law:?}\n")), "{report}");
    assert!(report.lines().count() <= 20, "{report}");
    // With less than that, it is not broken.
    assert!(check(Some(law), &session()[..90]).is_ok());
}

macro_rules! caught {
    ($($name:ident: $law:ident),+) => {
        $(#[test]
        fn $name() {
            is_caught(Law::$law);
        })+

        #[test]
        fn every_law_is_among_these() {
            assert_eq!(ALL.len(), [$(Law::$law),+].len());
        }
    };
}

caught!(
    no_progress_is_caught: Progress,
    words_after_a_close_are_caught: SilenceAfterClose,
    too_much_held_is_caught: HeldWithinLimit,
    too_much_scanned_is_caught: LinearScan,
    a_cut_that_shows_is_caught: SplitInvariance,
    something_out_of_nothing_is_caught: NothingNew,
    room_that_shows_is_caught: RoomInvariance
);

#[test]
fn a_report_shows_both_sides_and_marks_the_first_difference() {
    let Err(broken) = check(Some(Law::SplitInvariance), &session()) else { panic!("kept") };
    let report = broken.to_string();
    let marked: Vec<_> = report.lines().filter(|line| line.starts_with("-->")).collect();
    assert_eq!(marked.len(), 2, "{report}");
    assert!(marked[0].contains("whole:") && !marked[0].contains("late: "), "{report}");
    assert!(marked[1].contains("second:") && marked[1].contains("late: "), "{report}");
}

#[test]
fn output_without_end_is_caught() {
    /// Sends more whenever there is room.
    struct Babble;

    impl Machine for Babble {
        fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(bytes) => return bytes.len(),
                Input::Eof | Input::Drained => {
                    actions.send(b"and ");
                    actions.notify_below(1);
                }
                _ => {}
            }
            0
        }
    }

    let Err(broken) = Laws::of(|| Babble).check(&[Stimulus::Eof]) else { panic!("not caught") };
    assert_eq!(broken.law, Law::Progress);
    // The report is short all the same.
    assert!(broken.to_string().len() < 10_000);
}

/// Reports its inputs in notices, and requests to be notified of room.
struct Tells;

impl Machine for Tells {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        actions.notice(Notice::Text(format!("{input:?}")));
        if let Input::Bytes(bytes) = input {
            actions.send(bytes);
            actions.notify_below(1);
            return bytes.len();
        }
        0
    }
}

#[test]
fn a_peer_that_does_not_read_and_one_that_reads_again() {
    let stimuli = [
        Stimulus::Blocked,
        Stimulus::bytes("a"),
        Stimulus::Wake,
        Stimulus::Writable,
        Stimulus::Blocked,
        Stimulus::bytes("b"),
        Stimulus::WriteFailed,
        Stimulus::bytes("c"),
        Stimulus::Cut(Cause::Shed),
    ];
    for room in [Room::Ample, Room::None, Room::Scant] {
        let manner = RunOptions {
            cut: &Vec::new(),
            room,
            pester: false,
            early_deadlines: false,
            decoder: None,
        };
        let (transcript, findings) = run(Tells, &stimuli, &manner);
        let told: Vec<_> = transcript.entries.iter().map(|it| format!("{it:?}")).collect();
        let expected = [
            "0ns Start -> \"\" notice(Start)",
            "0ns Other(Blocked) -> \"\"",
            "0ns Bytes(1) -> \"\" notice(Bytes([97]))",
            "0ns Other(Wake) -> \"\" notice(Wake)",
            "0ns Other(Writable) -> \"a\" notice(Drained)",
            "0ns Other(Blocked) -> \"\"",
            "0ns Bytes(1) -> \"\" notice(Bytes([98]))",
            "0ns Other(WriteFailed) -> \"\" notice(WriteFailed) notice(Drained)",
            "0ns Bytes(1) -> \"\" notice(Bytes([99]))",
            "0ns Other(Cut(Shed)) -> \"\" notice(Cut(Shed)) aborted(Shed)",
        ];
        assert_eq!(told, expected, "{room:?}");
        assert_eq!(findings.refused, 0, "sending after a failed write is not an error");
    }
}
