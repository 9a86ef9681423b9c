//! What holds for every machine, and a call that checks it.
//!
//! ```
//! use diesel_proto::LineEcho;
//! use diesel_proto::testkit::laws::Laws;
//! use diesel_proto::testkit::Stimulus;
//!
//! let echo = Laws::of(LineEcho::default).max_held(64 << 10);
//! echo.assert(&[Stimulus::bytes("hello\r\nquit\r\n"), Stimulus::Eof]);
//! ```
//!
//! A law that is broken is reported by the smallest case that was found: what happened, where the
//! bytes were cut, and both transcripts, with the first difference marked.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::Random;
use super::cuts::{self, Cut};
use super::run::{Findings, Manner, Room, Transcript, run};
use super::stimulus::{self, Stimulus};
use crate::Machine;

/// A law that every machine is to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// However the bytes are cut, time standing still, what comes out is the same: bytes, notices,
    /// deadlines, the close and its cause.
    SplitInvariance,
    /// A step with nothing new changes nothing.
    NothingNew,
    /// Nothing comes out after a close.
    SilenceAfterClose,
    /// A deadline that is met makes progress: bytes, a close, or another deadline.
    Progress,
    /// How much room there is for output does not change the output.
    RoomInvariance,
    /// The machine holds no more bytes than it was declared to.
    HeldWithinLimit,
    /// It scans no more than two bytes for each that it received.
    LinearScan,
}

/// Every law, in the order in which they are checked.
pub const ALL: [Law; 7] = [
    Law::Progress,
    Law::SilenceAfterClose,
    Law::HeldWithinLimit,
    Law::LinearScan,
    Law::NothingNew,
    Law::RoomInvariance,
    Law::SplitInvariance,
];

/// Checks the laws for the machines that a closure makes.
#[derive(Clone, Debug)]
pub struct Laws<F> {
    make: F,
    max_held: usize,
    seed: u64,
    boundaries: Vec<usize>,
    few_cuts: bool,
    early_deadlines: bool,
}

impl<M: Machine, F: Fn() -> M> Laws<F> {
    /// For these machines: the closure has to make the same one each time.
    pub fn of(make: F) -> Self {
        Laws {
            make,
            max_held: usize::MAX,
            seed: 0,
            boundaries: Vec::new(),
            few_cuts: false,
            early_deadlines: false,
        }
    }

    /// The most bytes that the machine may [hold](Machine::held).
    pub fn max_held(mut self, bytes: usize) -> Self {
        self.max_held = bytes;
        self
    }

    /// What the cuts that are left to chance are drawn from. Zero if not given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Positions around which a long input is to be cut, beside the ends of its stimuli.
    pub fn boundaries(mut self, at: &[usize]) -> Self {
        self.boundaries = at.to_vec();
        self
    }

    /// Draws some cuts instead of trying all: for a fuzz target, which has many inputs.
    pub fn few_cuts(mut self) -> Self {
        self.few_cuts = true;
        self
    }

    /// The machine may ask to be woken earlier than it has to be, as a hub does. So only what comes
    /// of a deadline is compared: not when it is, nor one that passes with nothing put out.
    pub fn early_deadlines(mut self) -> Self {
        self.early_deadlines = true;
        self
    }

    /// Checks every law on these inputs.
    ///
    /// # Errors
    ///
    /// The first law that is broken, by the smallest case that was found.
    pub fn check(&self, stimuli: &[Stimulus]) -> Result<(), Box<Broken>> {
        let stimuli = stimulus::joined(stimuli);
        match self.first_broken(&stimuli, None) {
            None => Ok(()),
            Some(broken) => Err(Box::new(self.smallest(broken))),
        }
    }

    /// As [`check`](Self::check).
    ///
    /// # Panics
    ///
    /// If a law is broken: the message is the report.
    pub fn assert(&self, stimuli: &[Stimulus]) {
        if let Err(broken) = self.check(stimuli) {
            panic!("{broken}");
        }
    }

    /// Checks one law, or all.
    fn first_broken(&self, stimuli: &[Stimulus], only: Option<Law>) -> Option<Broken> {
        let uncut = Cut::new();
        let (whole, findings) = self.run(stimuli, &uncut, Room::Ample, false);
        let report = |law, detail| Broken {
            law,
            stimuli: stimuli.to_vec(),
            detail,
            manner: String::new(),
            expected: whole.clone(),
            got: whole.clone(),
        };
        let wanted = |law| only.is_none_or(|only| only == law);

        if let Some((law, detail)) = self.found(&findings).filter(|(law, _)| wanted(*law)) {
            return Some(report(law, detail));
        }
        // Differences from the first run, by law.
        let differs = |law: Law, cut: &Cut, room: Room, pester: bool| {
            let (got, findings) = self.run(stimuli, cut, room, pester);
            if let Some((law, detail)) = self.found(&findings).filter(|(law, _)| wanted(*law)) {
                return Some(Broken { got, ..report(law, detail) });
            }
            if !wanted(law) || got.agrees_with(&whole) {
                return None;
            }
            let mut manner = String::new();
            let _ = write!(manner, "cut at {cut:?}, room for output: {room:?}");
            if pester {
                manner.push_str(", called again and again with nothing new");
            }
            Some(Broken { got, manner, ..report(law, String::new()) })
        };
        if let Some(broken) = differs(Law::NothingNew, &uncut, Room::Ample, true) {
            return Some(broken);
        }
        for room in [Room::None, Room::Scant] {
            if let Some(broken) = differs(Law::RoomInvariance, &uncut, room, false) {
                return Some(broken);
            }
        }
        if only.is_some_and(|only| matches!(only, Law::NothingNew | Law::RoomInvariance)) {
            return None;
        }
        self.cuts(stimuli)
            .iter()
            .find_map(|cut| differs(Law::SplitInvariance, cut, Room::Ample, false))
    }

    fn run(
        &self,
        stimuli: &[Stimulus],
        cut: &Cut,
        room: Room,
        pester: bool,
    ) -> (Transcript, Findings) {
        let early_deadlines = self.early_deadlines;
        run((self.make)(), stimuli, &Manner { cut, room, pester, early_deadlines })
    }

    /// What one run alone shows to be broken.
    fn found(&self, findings: &Findings) -> Option<(Law, String)> {
        let mut detail = String::new();
        let law = if let Some(deadline) = findings.stuck {
            let _ = write!(
                detail,
                "the deadline at {:?} ({:?}) is due again",
                deadline.at, deadline.reason
            );
            Law::Progress
        } else if findings.refused > 0 {
            let _ = write!(detail, "{} actions after the close", findings.refused);
            Law::SilenceAfterClose
        } else if findings.most_held > self.max_held {
            let _ = write!(detail, "{} bytes held, {} declared", findings.most_held, self.max_held);
            Law::HeldWithinLimit
        } else if findings.scanned > findings.received.saturating_mul(2) {
            let _ = write!(detail, "{} scanned, {} received", findings.scanned, findings.received);
            Law::LinearScan
        } else {
            return None;
        };
        Some((law, detail))
    }

    fn cuts(&self, stimuli: &[Stimulus]) -> Vec<Cut> {
        let len = stimulus::len(stimuli);
        let mut random = Random::new(self.seed);
        if self.few_cuts {
            let mut cuts = vec![(1..len.min(cuts::EVERY)).collect()];
            let bound = len.saturating_sub(1).max(1) as u64;
            cuts.extend((0..4).map(|_| vec![1 + random.below(bound) as usize]));
            cuts.extend((0..4).map(|_| cuts::several(len, &mut random)));
            return cuts;
        }
        let mut boundaries = self.boundaries.clone();
        let mut end = 0;
        for stimulus in stimuli {
            end += stimulus::len(core::slice::from_ref(stimulus));
            boundaries.push(end);
        }
        cuts::all(len, &boundaries, &mut random)
    }

    /// Leaves out what is not needed to break the same law.
    fn smallest(&self, mut broken: Broken) -> Broken {
        // Each try costs a check; what a person gets to see is small enough long before.
        let mut tries = 500;
        let mut went_on = true;
        while went_on {
            went_on = false;
            for smaller in smaller_than(&broken.stimuli) {
                if tries == 0 {
                    return broken;
                }
                tries -= 1;
                let again = self.first_broken(&stimulus::joined(&smaller), Some(broken.law));
                if let Some(again) = again.filter(|again| again.law == broken.law) {
                    broken = again;
                    went_on = true;
                    break;
                }
            }
        }
        broken
    }
}

/// Smaller inputs, the smallest first: halves of the stimuli, all but one of them; of the bytes of
/// one, halves and all but one.
fn smaller_than(stimuli: &[Stimulus]) -> Vec<Vec<Stimulus>> {
    let mut smaller = Vec::new();
    let half = stimuli.len() / 2;
    if half > 0 {
        smaller.push(stimuli[..half].to_vec());
        smaller.push(stimuli[half..].to_vec());
    }
    let without = |index: usize| [&stimuli[..index], &stimuli[index + 1..]].concat();
    smaller.extend((0..stimuli.len().min(100)).rev().map(without));
    for (index, stimulus) in stimuli.iter().enumerate() {
        let Stimulus::Bytes(bytes) = stimulus else { continue };
        let mut with = |bytes: Vec<u8>| {
            let mut stimuli = stimuli.to_vec();
            stimuli[index] = Stimulus::Bytes(bytes);
            smaller.push(stimuli);
        };
        let half = bytes.len() / 2;
        if half > 0 {
            with(bytes[..half].to_vec());
            with(bytes[half..].to_vec());
        }
        for at in (0..bytes.len()).take(100) {
            with([&bytes[..at], &bytes[at + 1..]].concat());
        }
    }
    smaller
}

/// A law that was broken, by the smallest case that was found.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which law.
    pub law: Law,
    /// What happened to the machine.
    pub stimuli: Vec<Stimulus>,
    /// In numbers, where the transcripts do not show it.
    pub detail: String,
    /// How the second run was done.
    pub manner: String,
    /// What the machine put out, with its input whole and all the room it wanted.
    pub expected: Transcript,
    /// What it put out in the second run.
    pub got: Transcript,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken law: {:?}", self.law)?;
        if !self.detail.is_empty() {
            writeln!(f, "{}", self.detail)?;
        }
        writeln!(f, "happened: {:?}", self.stimuli)?;
        if self.expected == self.got {
            return write!(f, "put out:\n{:?}", self.expected);
        }
        writeln!(f, "second run: {}", self.manner)?;
        let (expected, got) = (&self.expected.entries, &self.got.entries);
        let first = expected.iter().zip(got).position(|(expected, got)| !expected.agrees_with(got));
        let first = first.unwrap_or(expected.len().min(got.len()));
        for index in 0..expected.len().max(got.len()) {
            match (expected.get(index), got.get(index)) {
                (Some(expected), Some(got)) if expected == got => writeln!(f, "    {got:?}")?,
                (expected, got) => {
                    let mark = if index == first { "--> " } else { "    " };
                    if let Some(expected) = expected {
                        writeln!(f, "{mark}whole:  {expected:?}")?;
                    }
                    if let Some(got) = got {
                        writeln!(f, "{mark}second: {got:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl core::error::Error for Broken {}
