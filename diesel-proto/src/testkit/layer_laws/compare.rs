//! A machine within a layer beside the same machine alone.
//!
//! A session is a row of [`Unit`]s. What happens to the machine alone, and what a peer of the layer
//! does so that the same should happen inside it, is told for each. So the two runs are compared
//! unit by unit, however many inputs each of them took.

use alloc::vec;
use alloc::vec::Vec;

use super::super::Stimulus;
use super::super::run::{Findings, Transcript, TranscriptEntry};
use super::Probe;
use crate::machine::Notice;

/// One thing that happens.
pub(super) struct Unit {
    /// To the machine alone.
    pub(super) inside: Vec<Stimulus>,
    /// To the layer.
    pub(super) outside: Vec<Stimulus>,
}

/// How far the layer may differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// The layer has deadlines of its own. So what comes of a deadline is compared, not how many
    /// passed; and one that is sooner than the machine's is the layer's.
    pub(super) own_deadlines: bool,
    /// The layer may pass bytes on later: when it is the machine's turn is not compared.
    pub(super) delays: bool,
    /// The machine inside is a [`Probe`], which marks its notices.
    pub(super) probes: bool,
}

/// Where the runs differ.
pub(super) struct Difference {
    pub(super) bare: Vec<TranscriptEntry>,
    pub(super) layered: Vec<TranscriptEntry>,
}

impl Allowance {
    /// The entries of both runs that are to be compared, and whether each pair agrees.
    pub(super) fn difference(
        self,
        units: &[Unit],
        bare: &(Transcript, Findings),
        layered: &(Transcript, Findings),
    ) -> Option<Difference> {
        let merges =
            |unit: &Unit| self.own_deadlines || unit.inside.len() != 1 || unit.outside.len() != 1;
        let inside = units.iter().map(|unit| (unit.inside.len(), merges(unit)));
        let outside = units.iter().map(|unit| (unit.outside.len(), merges(unit)));
        let bare = entries(bare, inside);
        let layered: Vec<_> =
            entries(layered, outside).into_iter().map(|it| self.own(it)).collect();
        let agree = bare.len() == layered.len() && self.all_agree(bare.iter().zip(&layered));
        (!agree).then_some(Difference { bare, layered })
    }

    /// A layer that says something at the end is not at its end before that is sent. If it never is,
    /// because the stream was cut or a write failed, that is the cause; nothing is to be compared then.
    fn all_agree<'a>(
        self,
        mut pairs: impl Iterator<Item = (&'a TranscriptEntry, &'a TranscriptEntry)>,
    ) -> bool {
        let mut ends_later = false;
        pairs.all(|(bare, layered)| {
            let is_lost = ends_later && layered.aborted;
            ends_later = is_lost || has_more_to_say(bare, layered) && bare.closed.is_some();
            is_lost || self.agrees((bare, layered))
        })
    }

    /// Without what the layer itself has to tell, as far as that can be known.
    fn own(self, mut layered: TranscriptEntry) -> TranscriptEntry {
        if self.probes {
            layered.notices.retain(Probe::told);
        }
        layered
    }

    /// Whether the machine alone and that within the layer did the same.
    pub(super) fn agrees(self, (bare, layered): (&TranscriptEntry, &TranscriptEntry)) -> bool {
        bare.output == layered.output
            && self.tells_the_same(&bare.notices, &layered.notices)
            && self.deadlines_agree(bare, layered)
            && (bare.paused == layered.paused
                || self.own_deadlines && !bare.paused && layered.deadline.is_some())
            && (bare.half_closed == layered.half_closed && bare.closed == layered.closed
                || has_more_to_say(bare, layered))
            && bare.aborted == layered.aborted
    }

    fn tells_the_same(self, bare: &[Notice], layered: &[Notice]) -> bool {
        if self.probes {
            return bare == layered;
        }
        // Others may be the layer's.
        let mut layered = layered.iter();
        bare.iter().all(|told| layered.any(|it| it == told))
    }

    fn deadlines_agree(self, bare: &TranscriptEntry, layered: &TranscriptEntry) -> bool {
        let is_sooner = match (layered.deadline, bare.deadline) {
            (Some(layered), Some(bare)) => layered.at < bare.at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.delays || bare.deadline == layered.deadline || self.own_deadlines && is_sooner
    }
}

/// Whether the machine is done, and the layer has something to say yet to a peer that does not read.
/// An abort is not put off.
fn has_more_to_say(bare: &TranscriptEntry, layered: &TranscriptEntry) -> bool {
    let waits = bare.queued == 0 && layered.queued > 0;
    waits && !bare.aborted && !layered.half_closed && layered.closed.is_none()
}

/// The entries of a run, unit by unit. A unit has as many inputs as it says; where it merges, what
/// followed from all of them is one entry.
fn entries(
    (transcript, findings): &(Transcript, Findings),
    units: impl Iterator<Item = (usize, bool)>,
) -> Vec<TranscriptEntry> {
    let mut entries = Vec::new();
    let mut from = 0;
    // The start is an input, too, and is part of the first unit.
    let mut inputs = 1;
    for (more, merges) in units {
        inputs += more;
        let to = findings.marks.get(inputs - 1).copied().unwrap_or(transcript.entries.len());
        let unit = transcript.entries.get(from..to).unwrap_or_default();
        from = to;
        match merges {
            true => entries.extend(merged(unit)),
            false => entries.extend_from_slice(unit),
        }
    }
    entries
}

fn merged(entries: &[TranscriptEntry]) -> Option<TranscriptEntry> {
    let mut merged = entries.last()?.clone();
    merged.output = entries.iter().flat_map(|it| it.output.iter().copied()).collect();
    merged.notices = entries.iter().flat_map(|it| it.notices.iter().cloned()).collect();
    Some(merged)
}

impl Unit {
    /// The start: the preamble of the layer is part of it.
    pub(super) fn start(preamble: &[u8], waits: Option<Stimulus>) -> Unit {
        let mut outside = vec![];
        if !preamble.is_empty() {
            outside.push(Stimulus::bytes(preamble));
        }
        outside.extend(waits.clone());
        Unit { inside: waits.into_iter().collect(), outside }
    }
}

/// What happens to the machine alone, in all.
pub(super) fn inside(units: &[Unit]) -> Vec<Stimulus> {
    units.iter().flat_map(|unit| unit.inside.iter().cloned()).collect()
}

/// What happens to the layer, in all.
pub(super) fn outside(units: &[Unit]) -> Vec<Stimulus> {
    units.iter().flat_map(|unit| unit.outside.iter().cloned()).collect()
}
