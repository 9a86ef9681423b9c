//! Compares a machine inside a layer with the same machine alone.
//!
//! A session is a sequence of [`Unit`]s. Each contains the stimuli of the machine alone, and those
//! of the layer that should cause the same inside it. So the two runs are compared unit by unit,
//! independent of the number of inputs.

use alloc::vec;
use alloc::vec::Vec;

use super::super::Stimulus;
use super::super::run::{Findings, Transcript, TranscriptEntry};
use super::Probe;
use crate::machine::Notice;

/// One step of a session.
pub(super) struct Unit {
    /// The stimuli of the machine alone.
    pub(super) inside: Vec<Stimulus>,
    /// The stimuli of the layer.
    pub(super) outside: Vec<Stimulus>,
}

/// How far the layer may differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// The layer has its own deadlines. So the effects of deadlines are compared, not their number;
    /// and a deadline that is earlier than the machine's is the layer's.
    pub(super) own_deadlines: bool,
    /// The layer may pass bytes on later: the time of the machine's steps is not compared.
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
    /// Compares the entries of both runs pair by pair.
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

    /// A layer that sends something at its end closes only after that is sent. If the stream was
    /// cut or a write failed before, that is its cause instead, and it is not compared.
    fn all_agree<'a>(
        self,
        mut pairs: impl Iterator<Item = (&'a TranscriptEntry, &'a TranscriptEntry)>,
    ) -> bool {
        let mut ends_later = false;
        pairs.all(|(bare, layered)| {
            let is_lost = ends_later && layered.aborted;
            ends_later = is_lost || still_has_output(bare, layered) && bare.closed.is_some();
            is_lost || self.agrees((bare, layered))
        })
    }

    /// Removes the layer's own notices from the entry, as far as they can be recognized.
    fn own(self, mut layered: TranscriptEntry) -> TranscriptEntry {
        if self.probes {
            layered.notices.retain(Probe::is_of_probe);
        }
        layered
    }

    /// Whether the machine alone and the one inside the layer did the same.
    pub(super) fn agrees(self, (bare, layered): (&TranscriptEntry, &TranscriptEntry)) -> bool {
        bare.output == layered.output
            && self.tells_the_same(&bare.notices, &layered.notices)
            && self.deadlines_agree(bare, layered)
            && (bare.paused == layered.paused
                || self.own_deadlines && !bare.paused && layered.deadline.is_some())
            && (bare.half_closed == layered.half_closed && bare.closed == layered.closed
                || still_has_output(bare, layered))
            && bare.aborted == layered.aborted
    }

    fn tells_the_same(self, bare: &[Notice], layered: &[Notice]) -> bool {
        if self.probes {
            return bare == layered;
        }
        // Additional notices may be the layer's.
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

/// Whether the machine has closed, and the layer still has output for a peer that does not read. An
/// abort is not delayed.
fn still_has_output(bare: &TranscriptEntry, layered: &TranscriptEntry) -> bool {
    let waits = bare.queued == 0 && layered.queued > 0;
    waits && !bare.aborted && !layered.half_closed && layered.closed.is_none()
}

/// The entries of a run, grouped by units. A unit contains a known number of inputs; if it merges,
/// all their effects form one entry.
fn entries(
    (transcript, findings): &(Transcript, Findings),
    units: impl Iterator<Item = (usize, bool)>,
) -> Vec<TranscriptEntry> {
    let mut entries = Vec::new();
    let mut from = 0;
    // The start is also an input, which belongs to the first unit.
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
    /// The start, which includes the preamble of the layer.
    pub(super) fn start(preamble: &[u8], waits: Option<Stimulus>) -> Unit {
        let mut outside = vec![];
        if !preamble.is_empty() {
            outside.push(Stimulus::bytes(preamble));
        }
        outside.extend(waits.clone());
        Unit { inside: waits.into_iter().collect(), outside }
    }
}

/// All stimuli of the machine alone.
pub(super) fn inside(units: &[Unit]) -> Vec<Stimulus> {
    units.iter().flat_map(|unit| unit.inside.iter().cloned()).collect()
}

/// All stimuli of the layer.
pub(super) fn outside(units: &[Unit]) -> Vec<Stimulus> {
    units.iter().flat_map(|unit| unit.outside.iter().cloned()).collect()
}
