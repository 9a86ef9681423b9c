//! The laws of machines, and a call that checks them.
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
//! The report of a broken law shows the smallest case that was found: the stimuli, where the bytes
//! were cut, and both transcripts, with the first difference marked.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt::Write;

use super::cuts::{self, Cut};
pub use super::law::{ALL, Law};
pub use super::report::{Broken, Second};
use super::run::{Decoder, Findings, Room, RunOptions, Transcript, run};
use super::stimulus::{self, Stimulus};
use super::watch::Left;
use super::{Random, shrink};
use crate::machine::Machine;

/// Checks the laws for the machines that a closure makes.
///
/// Example: see the [module](self).
#[derive(Clone, Debug)]
pub struct Laws<F> {
    make: F,
    max_held: usize,
    seed: u64,
    boundaries: Vec<usize>,
    few_cuts: bool,
    early_deadlines: bool,
    decoder: Option<Decoder>,
    /// The number of runs, which bounds the search for a smaller case.
    runs: Cell<usize>,
}

impl<M: Machine, F: Fn() -> M> Laws<F> {
    /// The laws for the machines that `make` returns. It must return an equal machine each time.
    pub fn of(make: F) -> Self {
        Laws {
            make,
            max_held: usize::MAX,
            seed: 0,
            boundaries: Vec::new(),
            few_cuts: false,
            early_deadlines: false,
            decoder: None,
            runs: Cell::new(0),
        }
    }

    /// The most bytes that the machine may [hold](Machine::held).
    pub fn max_held(mut self, bytes: usize) -> Self {
        self.max_held = bytes;
        self
    }

    /// The seed of random cuts. Zero by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Positions around which a long input is cut, in addition to the ends of its stimuli.
    pub fn boundaries(mut self, at: &[usize]) -> Self {
        self.boundaries = at.to_vec();
        self
    }

    /// Draws some cuts instead of trying all, for a fuzz target, which has many inputs.
    pub fn few_cuts(mut self) -> Self {
        self.few_cuts = true;
        self
    }

    /// The machine may ask to be woken earlier than necessary, as a hub does. So only the effects
    /// of deadlines are compared: not their times, nor deadlines without an effect.
    pub fn early_deadlines(mut self) -> Self {
        self.early_deadlines = true;
        self
    }

    /// Compares the decoded output, for a layer that frames the output of each step of its inner
    /// machine, so that its frames depend on the steps. The decoder gets the output since the last
    /// stimulus that is not bytes; it consists of whole frames.
    pub fn through(mut self, decoder: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Self {
        self.decoder = Some(Decoder(Rc::new(decoder)));
        self
    }

    /// Checks every law on these inputs.
    ///
    /// # Errors
    ///
    /// The first law that is broken, with the smallest case that was found.
    pub fn check(&self, stimuli: &[Stimulus]) -> Result<(), Box<Broken>> {
        let stimuli = stimulus::joined(stimuli);
        match self.first_broken(&stimuli) {
            None => Ok(()),
            Some(broken) => Err(self.smallest(broken)),
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

    fn first_broken(&self, stimuli: &[Stimulus]) -> Option<Box<Broken>> {
        let uncut = Cut::new();
        let whole = match self.whole(stimuli) {
            Ok(whole) => whole,
            Err(broken) => return Some(broken),
        };
        let differs = |law, cut: &Cut, room, pester| {
            self.differs(
                &whole,
                stimuli,
                law,
                &RunOptions { cut, room, pester, ..self.manner(cut) },
            )
        };
        let cuts = self.cuts(stimuli);
        let split = |cut: &Cut| differs(Law::SplitInvariance, cut, Room::Ample, false);
        if let Some(broken) = cuts.iter().find_map(split) {
            return Some(broken);
        }
        // The cuts alone changed nothing: so a difference has another cause now.
        let bytewise = cuts::bytewise(stimulus::len(stimuli));
        let some = cuts.last().cloned().unwrap_or_default();
        [&uncut, &bytewise, &some].into_iter().find_map(|cut| {
            differs(Law::NothingNew, cut, Room::Ample, true)
                .or_else(|| differs(Law::RoomInvariance, cut, Room::None, false))
                .or_else(|| differs(Law::RoomInvariance, cut, Room::Scant, false))
        })
    }

    /// The first run, with the input whole and unlimited room. The error is a law that this run
    /// alone shows to be broken.
    fn whole(&self, stimuli: &[Stimulus]) -> Result<Transcript, Box<Broken>> {
        let uncut = Cut::new();
        let (whole, findings) = self.run(stimuli, &self.manner(&uncut));
        let Some((law, detail)) = self.found(&findings) else { return Ok(whole) };
        let (stimuli, expected, got) = (stimuli.to_vec(), whole.clone(), whole);
        Err(Box::new(Broken { law, stimuli, detail, second: None, expected, got }))
    }

    /// Another run: the law that it breaks, alone or by its difference from the first run.
    fn differs(
        &self,
        whole: &Transcript,
        stimuli: &[Stimulus],
        law: Law,
        manner: &RunOptions<'_>,
    ) -> Option<Box<Broken>> {
        let (got, findings) = self.run(stimuli, manner);
        let (law, detail) = match self.found(&findings) {
            Some(found) => found,
            None if got.agrees_with(whole) => return None,
            None => (law, String::new()),
        };
        let RunOptions { cut, room, pester, .. } = *manner;
        let second = Some(Second { cut: cut.clone(), room, pester });
        let (stimuli, expected) = (stimuli.to_vec(), whole.clone());
        Some(Box::new(Broken { law, stimuli, detail, second, expected, got }))
    }

    /// Runs this case like `broken`. Returns the result if it breaks the same law.
    fn breaks_like(&self, broken: &Broken, stimuli: &[Stimulus]) -> Option<Box<Broken>> {
        let again = match (self.whole(stimuli), &broken.second) {
            (Err(again), _) => Some(again),
            (Ok(_), None) => None,
            (Ok(whole), Some(second)) => {
                cuts_like(broken, second, stimuli).iter().find_map(|cut| {
                    let (room, pester) = (second.room, second.pester);
                    let manner = RunOptions { room, pester, ..self.manner(cut) };
                    self.differs(&whole, stimuli, broken.law, &manner)
                })
            }
        };
        again.filter(|again| again.law == broken.law)
    }

    fn manner<'a>(&self, cut: &'a Cut) -> RunOptions<'a> {
        let (early_deadlines, decoder) = (self.early_deadlines, self.decoder.clone());
        RunOptions { cut, room: Room::Ample, pester: false, early_deadlines, decoder }
    }

    fn run(&self, stimuli: &[Stimulus], manner: &RunOptions<'_>) -> (Transcript, Findings) {
        self.runs.set(self.runs.get() + 1);
        run((self.make)(), stimuli, manner)
    }

    /// The law that one run alone shows to be broken, with the details.
    fn found(&self, findings: &Findings) -> Option<(Law, String)> {
        let mut detail = String::new();
        let law = if let Some(deadline) = findings.stuck {
            let _ = write!(
                detail,
                "the deadline at {:?} ({:?}) passed without an effect, and is due again",
                deadline.at, deadline.reason
            );
            Law::Progress
        } else if findings.endless {
            detail.push_str("the output has no end");
            Law::Progress
        } else if let Some(Left { given, taken }) = findings.left {
            let _ = write!(
                detail,
                "it took {taken} of {given} bytes, and is never given the rest: \
                 a short take pauses reading until `Actions::resume`"
            );
            Law::Progress
        } else if findings.refused > 0 {
            let _ = write!(detail, "{} actions after the close", findings.refused);
            Law::SilenceAfterClose
        } else if findings.most_held > self.max_held {
            let _ = write!(detail, "{} bytes held, {} allowed", findings.most_held, self.max_held);
            Law::HeldWithinLimit
        } else if findings.scanned > findings.received.saturating_mul(2) {
            let _ = write!(
                detail,
                "{} bytes scanned, {} received",
                findings.scanned, findings.received
            );
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
            let mut cuts = vec![cuts::bytewise(len)];
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
    fn smallest(&self, broken: Box<Broken>) -> Box<Broken> {
        let stimuli = broken.stimuli.clone();
        let mut smallest = broken;
        shrink::smallest(stimuli, |stimuli| {
            self.runs.set(0);
            let again = self.breaks_like(&smallest, stimuli);
            let cost = self.runs.get().saturating_mul(stimuli.len() + stimulus::len(stimuli));
            let is_broken = again.is_some();
            if let Some(again) = again {
                smallest = again;
            }
            (is_broken, cost)
        });
        smallest
    }
}

/// The cuts to try in a smaller case: the one that was found, from the beginning and from the end.
fn cuts_like(broken: &Broken, second: &Second, smaller: &[Stimulus]) -> [Cut; 2] {
    let len = stimulus::len(smaller);
    let fewer = stimulus::len(&broken.stimuli).saturating_sub(len);
    let from_end = second.cut.iter().filter_map(|at| at.checked_sub(fewer)).collect();
    let mut cuts = [second.cut.clone(), from_end];
    cuts.iter_mut().for_each(|cut| cut.retain(|&at| at > 0 && at < len));
    cuts
}
