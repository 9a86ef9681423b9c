//! One run of a machine: what happened to it, what it put out, in virtual time.
//!
//! The run is an embedder like any other, but a pedantic one: it cuts the bytes where it was told,
//! takes output as it was told, offers again what was not taken, meets each deadline when it is
//! due, and writes everything down. Two runs of a lawful machine differ in nothing that is written
//! in a [`Transcript`].

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::cuts::Cut;
use super::stimulus::Stimulus;
use super::watch::{Left, WatchedMachine};
use crate::machine::{Cause, Deadline, Endpoint, Machine, Notice, Upgradable};
use crate::time::Instant;

/// Deadlines that may fall due at one instant, one after the other, before we call it a hang.
const EXPIRIES: usize = 1000;
/// Pieces of output that may follow from one thing that happens before we call it endless.
const PIECES: usize = 1 << 20;

/// Bytes of output that are shown from either end.
const SHOWN: usize = 1000;

/// How much room there is for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Everything is sent at once.
    Ample,
    /// Nothing is sent before the machine takes no more, or something else happens.
    None,
    /// One byte is sent after each step.
    Scant,
}

/// What a machine put out, by what happened before.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// In order.
    pub entries: Vec<TranscriptEntry>,
}

/// What a machine put out after something had happened, and before the next thing did.
#[derive(Clone, PartialEq, Eq)]
pub struct TranscriptEntry {
    /// When.
    pub at: Instant,
    /// What had happened; bytes are only counted, for they are the same in both runs.
    pub after: After,
    /// The bytes put out, joined.
    pub output: Vec<u8>,
    /// What it had to tell.
    pub notices: Vec<Notice>,
    /// The deadline that was set at the end.
    pub deadline: Option<Deadline>,
    /// It took no bytes in the end, until something else would happen. The laws of machines do not
    /// compare this.
    pub paused: bool,
    /// Bytes that were queued still, for a peer that did not read. Not compared, either.
    pub queued: u64,
    /// Our side had ended.
    pub half_closed: bool,
    /// The stream was closed.
    pub closed: Option<Cause>,
    /// It was cut: what was queued then was dropped, and how much that was depends on the room.
    pub aborted: bool,
}

impl Transcript {
    /// Whether both say the same of the machine. Where it cut the stream, one output may be the
    /// beginning of the other.
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

/// What had happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The machine was started.
    Start,
    /// So many bytes had come, in however many pieces.
    Bytes(usize),
    /// Its deadline had passed.
    Deadline,
    /// Another stimulus.
    Other(Stimulus),
}

/// What a run found beside the transcript.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) most_held: usize,
    pub(super) received: u64,
    pub(super) scanned: u64,
    /// Actions after a close.
    pub(super) refused: u64,
    /// A deadline that was met, and was due again, with nothing put out.
    pub(super) stuck: Option<Deadline>,
    /// The machine put out without end, though nothing more had happened.
    pub(super) endless: bool,
    /// How many entries there were after the start, and after each stimulus.
    pub(super) marks: Vec<usize>,
    /// Another machine took its place.
    pub(super) gave_way: bool,
    /// It left bytes without pausing, and nothing made it resume.
    pub(super) left: Option<Left>,
}

/// Bytes to bytes: what a layer's peer makes of what it says, and of what it hears.
pub(super) type Recode = Rc<dyn Fn(&[u8]) -> Vec<u8>>;

/// What a framing layer's output is compared through.
#[derive(Clone)]
pub(super) struct Decoder(pub(super) Recode);

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// How a run is to be done.
#[derive(Clone, Debug)]
pub(super) struct RunOptions<'a> {
    pub(super) cut: &'a Cut,
    pub(super) room: Room,
    /// Whether to call again and again with nothing new.
    pub(super) pester: bool,
    /// Deadlines may come early: one that is set, or passes with nothing put out, is not written
    /// down.
    pub(super) early_deadlines: bool,
    /// What the output is compared through.
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
    // What a machine does at the start goes out like anything else, however little room there is.
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
    /// What the machine has not taken yet.
    pending: VecDeque<Pending>,
    output: Vec<u8>,
    notices: Vec<Notice>,
    /// The peer does not read.
    blocked: bool,
    /// Pieces of output since something happened.
    pieces: usize,
}

enum Pending {
    Bytes(Vec<u8>),
    Eof,
}

impl<M: Machine> LawRun<'_, M> {
    /// `position` counts the bytes of all stimuli: that is what cuts are positions in.
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

    /// What was left in the end, and is left still when everything has happened that a machine may
    /// wait for. Everything is sent, so it does not wait for that.
    fn left(&mut self) -> Option<Left> {
        let left = self.left_now()?;
        self.endpoint.wake(self.now);
        // If it went on, it was given fewer bytes than before.
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

    /// Nothing new, in every way in which an embedder could say so.
    fn pester(&mut self) {
        let _ = self.endpoint.received(self.now, b"");
        self.endpoint.sent(self.now, 0);
        if self.endpoint.next_deadline().is_none_or(|deadline| deadline.at > self.now) {
            self.endpoint.expired(self.now);
        }
        self.endpoint.wake(self.now);
    }

    /// Until nothing more follows: sends everything, offers everything.
    fn run_to_rest(&mut self) {
        if self.manner.pester {
            self.pester();
        }
        loop {
            self.after_step();
            let before = (self.put_out(), self.pending.len(), self.endpoint.queued());
            // With little room the output goes out little by little, and each time the machine may
            // go on.
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
                // A region that someone else sends counts as sent.
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
        // Of very much, the ends: nobody reads more.
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
