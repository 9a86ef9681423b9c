//! One run of a machine in virtual time: applies stimuli, and records the effects.
//!
//! The run is a strict embedder: it cuts the bytes and takes output as its options say, offers
//! bytes again that were not taken, meets each deadline when it is due, and records everything. The
//! [`Transcript`]s of two runs of a lawful machine agree.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::cuts::Cut;
use super::stimulus::Stimulus;
use super::watch::{Left, WatchedMachine};
use crate::machine::{Cause, Deadline, Endpoint, Machine, Notice, Upgradable};
use crate::time::Instant;

/// The most deadlines that may pass at one instant; beyond that, the machine counts as stuck.
const EXPIRIES: usize = 1000;
/// The most pieces of output of one stimulus; beyond that, the output counts as endless.
const PIECES: usize = 1 << 20;

/// The number of output bytes that are shown from either end.
const SHOWN: usize = 1000;

/// How much room there is for output.
///
/// Example: see [`Broken`](super::laws::Broken).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Everything is sent at once.
    Ample,
    /// Nothing is sent until the machine takes no more bytes, or another stimulus follows.
    None,
    /// One byte is sent after each step.
    Scant,
}

/// The effects of a run, grouped by the stimuli that caused them.
///
/// Example: see [`Broken`](super::laws::Broken).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The entries in order.
    pub entries: Vec<TranscriptEntry>,
}

/// The effects of one stimulus, up to the next one.
///
/// Example: see [`Broken`](super::laws::Broken).
#[derive(Clone, PartialEq, Eq)]
pub struct TranscriptEntry {
    /// The time.
    pub at: Instant,
    /// The stimulus. Bytes are only counted, because they are the same in both runs.
    pub after: After,
    /// The bytes put out, joined.
    pub output: Vec<u8>,
    /// The notices.
    pub notices: Vec<Notice>,
    /// The deadline that was set at the end.
    pub deadline: Option<Deadline>,
    /// Whether reading was paused at the end. The laws of machines do not compare this.
    pub paused: bool,
    /// The number of bytes that were still queued, for a peer that did not read. Not compared,
    /// either.
    pub queued: u64,
    /// Whether our side had ended (half-close).
    pub half_closed: bool,
    /// The cause, if the stream was closed.
    pub closed: Option<Cause>,
    /// Whether the stream was aborted: queued bytes were dropped, and their number depends on the
    /// room.
    pub aborted: bool,
}

impl Transcript {
    /// Whether the machine did the same in both runs. If it aborted the stream, one output may be a
    /// prefix of the other.
    pub fn agrees_with(&self, other: &Transcript) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().zip(&other.entries).all(|(a, b)| a.agrees_with(b))
    }
}

impl TranscriptEntry {
    /// As [`Transcript::agrees_with`].
    pub fn agrees_with(&self, other: &TranscriptEntry) -> bool {
        let cut = self.aborted && other.aborted;
        let output = self.output == other.output
            || cut && self.output.starts_with(&other.output)
            || cut && other.output.starts_with(&self.output);
        output
            && self.at == other.at
            && self.after == other.after
            && self.notices == other.notices
            && self.deadline == other.deadline
            && self.half_closed == other.half_closed
            && self.closed == other.closed
            && self.aborted == other.aborted
    }
}

/// The stimulus of an entry.
///
/// Example: see [`Broken`](super::laws::Broken).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The machine was started.
    Start,
    /// This many bytes arrived, in any number of pieces.
    Bytes(usize),
    /// Its deadline had passed.
    Deadline,
    /// Another stimulus.
    Other(Stimulus),
}

/// What a run found, in addition to the transcript.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) most_held: usize,
    pub(super) received: u64,
    pub(super) scanned: u64,
    /// Actions after a close.
    pub(super) refused: u64,
    /// A deadline that passed without an effect, and was due again.
    pub(super) stuck: Option<Deadline>,
    /// The output had no end, although there were no more stimuli.
    pub(super) endless: bool,
    /// How many entries there were after the start, and after each stimulus.
    pub(super) marks: Vec<usize>,
    /// Whether another machine took its place.
    pub(super) gave_way: bool,
    /// A take that left bytes without pausing, after which the machine never resumed.
    pub(super) left: Option<Left>,
}

/// Encodes or decodes bytes, like the peer of a layer.
pub(super) type Recode = Rc<dyn Fn(&[u8]) -> Vec<u8>>;

/// Decodes the output of a framing layer before it is compared.
#[derive(Clone)]
pub(super) struct Decoder(pub(super) Recode);

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// The options of a run.
#[derive(Clone, Debug)]
pub(super) struct RunOptions<'a> {
    pub(super) cut: &'a Cut,
    pub(super) room: Room,
    /// Whether to give the machine empty inputs again and again.
    pub(super) pester: bool,
    /// Deadlines may be early: the transcript omits their times, and those without an effect.
    pub(super) early_deadlines: bool,
    /// Decodes the output before it is compared.
    pub(super) decoder: Option<Decoder>,
}

pub(super) fn run<M: Machine>(
    machine: M,
    stimuli: &[Stimulus],
    manner: &RunOptions<'_>,
) -> (Transcript, Findings) {
    let now = Instant::ORIGIN;
    let mut run = LawRun {
        endpoint: Endpoint::new(WatchedMachine::new(machine), now),
        now,
        manner,
        transcript: Transcript::default(),
        findings: Findings::default(),
        pending: VecDeque::new(),
        output: Vec::new(),
        notices: Vec::new(),
        blocked: false,
        pieces: 0,
    };
    // Output of the start is sent like any other, also with little room.
    run.run_to_rest();
    run.entry(After::Start);
    run.mark();
    run.pieces = 0;
    let mut position = 0;
    for stimulus in stimuli {
        run.happens(stimulus, &mut position);
        run.mark();
        run.pieces = 0;
        if run.findings.endless {
            break;
        }
    }
    run.findings.scanned = run.endpoint.machine().scanned();
    run.findings.refused = run.endpoint.refused();
    run.findings.left = run.left();
    run.findings.gave_way = matches!(run.endpoint.machine(), Upgradable::Successor(_));
    (run.transcript, run.findings)
}

struct LawRun<'a, M> {
    endpoint: Endpoint<WatchedMachine<M>>,
    now: Instant,
    manner: &'a RunOptions<'a>,
    transcript: Transcript,
    findings: Findings,
    /// Input that the machine has not taken yet.
    pending: VecDeque<Pending>,
    output: Vec<u8>,
    notices: Vec<Notice>,
    /// Whether the peer does not read.
    blocked: bool,
    /// The number of pieces of output since the last stimulus.
    pieces: usize,
}

enum Pending {
    Bytes(Vec<u8>),
    Eof,
}

impl<M: Machine> LawRun<'_, M> {
    /// Applies a stimulus. `position` counts the bytes of all stimuli: cuts refer to that.
    fn happens(&mut self, stimulus: &Stimulus, position: &mut usize) {
        match stimulus {
            Stimulus::Bytes(bytes) => {
                let end = *position + bytes.len();
                let cuts = self.manner.cut.iter().filter(|&&at| at > *position && at < end);
                let cuts: Vec<usize> = cuts.map(|at| at - *position).collect();
                for piece in super::cuts::pieces(bytes, &cuts) {
                    self.findings.received += piece.len() as u64;
                    self.pending.push_back(Pending::Bytes(piece.to_vec()));
                    self.offer();
                }
                *position = end;
                self.run_to_rest();
                return self.entry(After::Bytes(bytes.len()));
            }
            Stimulus::Wait(duration) => return self.wait(self.now + *duration),
            Stimulus::Eof => self.pending.push_back(Pending::Eof),
            Stimulus::Reset => self.cut(Cause::Reset),
            Stimulus::Cut(cause) => self.cut(*cause),
            Stimulus::WriteFailed => self.endpoint.write_failed(self.now),
            Stimulus::Blocked => self.blocked = true,
            Stimulus::Writable => self.blocked = false,
            Stimulus::Wake => self.endpoint.wake(self.now),
            Stimulus::Shutdown => self.endpoint.shutdown(self.now),
        }
        self.run_to_rest();
        self.entry(After::Other(stimulus.clone()));
    }

    fn cut(&mut self, cause: Cause) {
        self.pending.clear();
        self.endpoint.cut(self.now, cause);
    }

    fn wait(&mut self, until: Instant) {
        let mut expiries = 0;
        while let Some(deadline) = self.endpoint.next_deadline().filter(|it| it.at <= until) {
            expiries = if deadline.at > self.now { 0 } else { expiries + 1 };
            self.now = self.now.max(deadline.at);
            let before = self.put_out();
            self.endpoint.expired(self.now);
            let still_due = self.endpoint.next_deadline().is_some_and(|it| it.at <= self.now);
            let silent = self.put_out() == before && self.endpoint.closed().is_none();
            self.run_to_rest();
            self.entry(After::Deadline);
            if (still_due && silent) || expiries > EXPIRIES {
                self.findings.stuck = Some(deadline);
                return;
            }
        }
        self.now = until;
        self.run_to_rest();
        self.entry(After::Other(Stimulus::Wait(until - Instant::ORIGIN)));
    }

    /// The bytes that the machine left at the end, and still leaves after every event that it might
    /// wait for. All output is sent, so it does not wait for that.
    fn left(&mut self) -> Option<Left> {
        let left = self.left_now()?;
        self.endpoint.wake(self.now);
        // If the machine resumed, fewer bytes are left.
        self.left_now().filter(|still| *still == left)
    }

    fn left_now(&self) -> Option<Left> {
        let Upgradable::First(watch) = self.endpoint.machine() else { return None };
        watch.left().filter(|_| self.endpoint.next_deadline().is_none())
    }

    fn put_out(&self) -> u64 {
        self.output.len() as u64 + self.endpoint.queued()
    }

    /// Offers what is pending until the machine takes no more.
    fn offer(&mut self) {
        loop {
            match self.pending.front() {
                None => return,
                Some(Pending::Bytes(bytes)) => {
                    if self.endpoint.received(self.now, bytes) < bytes.len() {
                        return;
                    }
                }
                Some(Pending::Eof) => self.endpoint.eof(self.now),
            }
            self.pending.pop_front();
            self.after_step();
            if self.manner.pester {
                self.pester();
            }
        }
    }

    fn after_step(&mut self) {
        self.findings.most_held = self.findings.most_held.max(self.endpoint.machine().held());
        match self.manner.room {
            Room::Ample => self.take(usize::MAX),
            Room::None => {}
            Room::Scant => self.take(1),
        }
        self.notices.extend(self.endpoint.drain_notices());
    }

    /// Gives the machine empty inputs, in every way that an embedder has.
    fn pester(&mut self) {
        let _ = self.endpoint.received(self.now, b"");
        self.endpoint.sent(self.now, 0);
        if self.endpoint.next_deadline().is_none_or(|deadline| deadline.at > self.now) {
            self.endpoint.expired(self.now);
        }
        self.endpoint.wake(self.now);
    }

    /// Sends all output and offers all input, until there are no more effects.
    fn run_to_rest(&mut self) {
        if self.manner.pester {
            self.pester();
        }
        loop {
            self.after_step();
            let before = (self.put_out(), self.pending.len(), self.endpoint.queued());
            // With little room the output is sent in small pieces, and the machine may resume after
            // each.
            let step = if self.manner.room == Room::Scant { 1 } else { usize::MAX };
            self.take(step);
            self.offer();
            let after = (self.put_out(), self.pending.len(), self.endpoint.queued());
            if (before == after && (after.2 == 0 || self.blocked)) || self.findings.endless {
                return;
            }
        }
    }

    fn take(&mut self, most: usize) {
        let mut left = if self.blocked { 0 } else { most };
        while left > 0 {
            self.pieces += 1;
            if self.pieces > PIECES {
                self.findings.endless = true;
                return;
            }
            let mut slices: [&[u8]; 1] = [&[]];
            if self.endpoint.outgoing(&mut slices) == 0 {
                // A region of a file counts as sent.
                let Some(file_region) = self.endpoint.file_region() else { return };
                self.endpoint.sent(self.now, file_region.len);
                continue;
            }
            let n = slices[0].len().min(left);
            self.output.extend_from_slice(&slices[0][..n]);
            self.endpoint.sent(self.now, n as u64);
            left -= n;
        }
    }

    fn entry(&mut self, after: After) {
        let early = self.manner.early_deadlines;
        let output = core::mem::take(&mut self.output);
        let output = match &self.manner.decoder {
            Some(Decoder(decode)) => decode(&output),
            None => output,
        };
        let entry = TranscriptEntry {
            at: self.now,
            after,
            output,
            notices: core::mem::take(&mut self.notices),
            deadline: self.endpoint.next_deadline().filter(|_| !early),
            paused: self.endpoint.is_blocked(),
            queued: self.endpoint.queued(),
            half_closed: self.endpoint.half_closed(),
            closed: self.endpoint.closed(),
            aborted: self.endpoint.was_cut(),
        };
        if early && entry.after == After::Deadline && self.is_nothing_new(&entry) {
            return;
        }
        self.transcript.entries.push(entry);
    }

    fn mark(&mut self) {
        self.findings.marks.push(self.transcript.entries.len());
    }

    fn is_nothing_new(&self, entry: &TranscriptEntry) -> bool {
        let last = self.transcript.entries.last();
        let as_before = |last: &TranscriptEntry| {
            last.half_closed == entry.half_closed && last.closed == entry.closed
        };
        entry.output.is_empty() && entry.notices.is_empty() && last.is_some_and(as_before)
    }
}

impl fmt::Debug for TranscriptEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} -> ", self.at, self.after)?;
        // Only both ends of a long output are shown.
        let (head, rest) = self.output.split_at(self.output.len().min(SHOWN));
        write!(f, "\"{}\"", head.escape_ascii())?;
        if let Some(more) = rest.len().checked_sub(SHOWN).filter(|&n| n > 0) {
            write!(f, " ({more} more) \"{}\"", rest[more..].escape_ascii())?;
        } else if !rest.is_empty() {
            write!(f, " \"{}\"", rest.escape_ascii())?;
        }
        for notice in &self.notices {
            write!(f, " notice({notice})")?;
        }
        if let Some(Deadline { at, reason }) = self.deadline {
            write!(f, " deadline({at:?}: {reason:?})")?;
        }
        if self.paused {
            f.write_str(" paused")?;
        }
        if let Some(cause) = self.closed {
            write!(f, " {}({cause:?})", if self.aborted { "aborted" } else { "closed" })?;
        } else if self.half_closed {
            f.write_str(" half-closed")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry:?}"))
    }
}
