//! The report of a broken law.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::cuts::Cut;
use super::law::Law;
use super::run::{Room, Transcript, TranscriptEntry};
use super::stimulus::Stimulus;

/// The number of lines that are shown before and after the first difference.
const AROUND: usize = 3;

/// A law that was broken, with the smallest case that was found.
///
/// ```
/// use diesel_proto::testkit::Stimulus;
/// use diesel_proto::testkit::laws::{Law, Laws};
/// use diesel_proto::{Actions, Input, Instant, Machine};
///
/// /// Counts reads, which depend on how the bytes were cut.
/// struct CountsReads(u8);
///
/// impl Machine for CountsReads {
///     fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         let Input::Bytes(bytes) = input else { return 0 };
///         self.0 += 1;
///         actions.send(&[b'0' + self.0]);
///         bytes.len()
///     }
/// }
///
/// let broken = Laws::of(|| CountsReads(0)).check(&[Stimulus::bytes("hello")]).unwrap_err();
/// assert_eq!(broken.law, Law::SplitInvariance);
/// // The smallest case: two bytes that arrive one by one.
/// assert_eq!(broken.stimuli, [Stimulus::bytes("el")]);
/// assert_ne!(broken.expected, broken.got);
/// ```
#[derive(Clone, Debug)]
pub struct Broken {
    /// The law.
    pub law: Law,
    /// The stimuli of the machine.
    pub stimuli: Vec<Stimulus>,
    /// Details that the transcripts do not show.
    pub detail: String,
    /// The options of the second run, if the law is broken only by comparison.
    pub second: Option<Second>,
    /// The transcript of the first run, with the input whole and unlimited room.
    pub expected: Transcript,
    /// The transcript of the second run.
    pub got: Transcript,
}

/// How a second run differed from the first.
///
/// Example: see [`Broken`].
#[derive(Clone, Debug)]
pub struct Second {
    /// Where the bytes were cut.
    pub cut: Cut,
    /// How much room there was for output.
    pub room: Room,
    /// Whether it got empty inputs again and again.
    pub pester: bool,
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut.len() {
            0..=20 => write!(f, "cut at {:?}", self.cut)?,
            n => write!(f, "cut at {n} places")?,
        }
        write!(f, ", room for output: {:?}", self.room)?;
        f.write_str(if self.pester { ", with many empty inputs" } else { "" })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken law: {:?}", self.law)?;
        if !self.detail.is_empty() {
            writeln!(f, "{}", self.detail)?;
        }
        writeln!(f, "happened: {:?}", self.stimuli)?;
        let (expected, got) = (&*self.expected.entries, &*self.got.entries);
        if let Some(second) = &self.second {
            writeln!(f, "second run: {second}")?;
        }
        if !self.detail.is_empty() {
            // The fault shows at the end.
            let from = got.len().saturating_sub(2 * AROUND);
            left_out(f, from)?;
            return got[from..].iter().try_for_each(|entry| writeln!(f, "    {entry:?}"));
        }
        let agree =
            |(expected, got): (&TranscriptEntry, &TranscriptEntry)| expected.agrees_with(got);
        differences(f, ("whole", expected), ("second", got), agree)
    }
}

/// Writes the entries of two named runs around the first pair that does not agree.
pub(super) fn differences(
    f: &mut fmt::Formatter<'_>,
    (expected_name, expected): (&str, &[TranscriptEntry]),
    (got_name, got): (&str, &[TranscriptEntry]),
    agree: impl Fn((&TranscriptEntry, &TranscriptEntry)) -> bool,
) -> fmt::Result {
    let first = expected.iter().zip(got).position(|pair| !agree(pair));
    let first = first.unwrap_or(expected.len().min(got.len()));
    let all = expected.len().max(got.len());
    let shown = first.saturating_sub(AROUND)..all.min(first + AROUND + 1);
    let width = 1 + expected_name.len().max(got_name.len());
    left_out(f, shown.start)?;
    for index in shown.clone() {
        let (expected, got) = (expected.get(index), got.get(index));
        if let Some(entry) = expected.filter(|_| expected.zip(got).is_some_and(&agree)) {
            writeln!(f, "    {entry:?}")?;
            continue;
        }
        let mark = if index == first { "-->" } else { "   " };
        for (name, entry) in [(expected_name, expected), (got_name, got)] {
            match entry {
                Some(entry) => writeln!(f, "{mark} {:width$} {entry:?}", format!("{name}:"))?,
                None => writeln!(f, "{mark} {:width$} nothing", format!("{name}:"))?,
            }
        }
        if let (true, Some((expected, got))) = (index == first, expected.zip(got)) {
            differs_from(f, &expected.output, &got.output)?;
        }
    }
    left_out(f, all - shown.end)
}

/// Writes from which byte on two outputs differ, which is hard to see in long ones.
fn differs_from(f: &mut fmt::Formatter<'_>, expected: &[u8], got: &[u8]) -> fmt::Result {
    let same = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
    if expected == got || same < AROUND * 10 {
        return Ok(());
    }
    let from = |bytes: &[u8]| bytes[same..bytes.len().min(same + 20)].escape_ascii().to_string();
    let (expected, got) = (from(expected), from(got));
    writeln!(f, "    from byte {same} of the output on: \"{expected}\", \"{got}\"")
}

fn left_out(f: &mut fmt::Formatter<'_>, n: usize) -> fmt::Result {
    if n == 0 { Ok(()) } else { writeln!(f, "    ({n} more)") }
}

impl core::error::Error for Broken {}
