//! A machine with the state of its stream: what [`Endpoint`](super::endpoint::Endpoint),
//! [`Nested`](super::nested::Nested) and the hub have in common.
//!
//! This is the caller's half of the contract of [`Machine`](super::contract::Machine): it keeps the
//! bytes that a machine did not take, offers them again in order, delivers the end of the stream
//! after them, and passes no input to a machine that has closed. The holder lends the memory.
//!
//! ```text
//!   received ──▶ [ rest: given, not taken ] ──▶ machine ──▶ [ flow.output ] ──▶ outgoing
//!                  len(rest) <= one read                                         sent(n)
//! ```

use alloc::boxed::Box;

use super::contract::{Actions, Input, Machine, Workspace};
use super::reason::Cause;
use super::stream_control::StreamControl;
use super::stream_control::{Fate, Inbound};
use super::upgradable::Upgradable;
use crate::buf::Buffer;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Attached<M> {
    machine: Upgradable<M>,
    pub(crate) flow: StreamControl,
    /// Boxed, to keep each connection small: of ten thousand connections few leave bytes. Never
    /// empty.
    rest: Option<Box<Buffer>>,
}

impl<M: Machine> Attached<M> {
    pub(crate) fn new(machine: M) -> Self {
        Attached { machine: Upgradable::First(machine), flow: StreamControl::new(), rest: None }
    }

    /// Offers what arrived before this machine took over, and keeps what it does not take.
    pub(crate) fn adopt(&mut self, now: Instant, left_over: &[u8], workspace: &mut Workspace) {
        self.keep(left_over, workspace);
        self.offer_rest(now, workspace);
    }

    /// The stream is open. If a shutdown began or a write failed before this, the machine gets
    /// those inputs after `Start`.
    pub(crate) fn start(&mut self, now: Instant, workspace: &mut Workspace) {
        let shuts_down = self.flow.shutting_down;
        self.input(now, Input::Start, workspace);
        if shuts_down {
            self.input(now, Input::Shutdown, workspace);
        }
        if self.flow.write_failed {
            self.input(now, Input::WriteFailed, workspace);
        }
    }

    /// Passes an input of the stream below to the machine within a layer. Returns how many of the
    /// bytes the machine took; keeps none of the others, since the stream below keeps them.
    pub(crate) fn pass_on(
        &mut self,
        now: Instant,
        input: Input<'_>,
        workspace: &mut Workspace,
    ) -> usize {
        match input {
            Input::Bytes(bytes) if self.flow.is_closing() || self.flow.inbound != Inbound::Open => {
                return bytes.len();
            }
            Input::Bytes(_) if !self.wants_input() => {}
            Input::Bytes(bytes) => {
                let taken = self.offer(now, bytes, workspace);
                self.offer_rest(now, workspace);
                return taken;
            }
            Input::Start => self.start(now, workspace),
            Input::Eof => self.eof(now, workspace),
            Input::Cut(cause) => self.cut(now, cause, workspace),
            Input::WriteFailed => self.write_failed(now, workspace),
            Input::Deadline => self.expired(now, workspace),
            Input::Drained if !self.flow.take_drained() => {}
            Input::Drained | Input::Wake | Input::Shutdown => self.input(now, input, workspace),
        }
        0
    }

    /// Whether the machine accepts bytes now.
    pub(crate) fn wants_input(&self) -> bool {
        self.flow.inbound == Inbound::Open
            && !self.flow.is_closing()
            && !self.flow.paused
            && self.rest.is_none()
    }

    /// Whether bytes have to wait until the machine resumes reading.
    pub(crate) fn is_blocked(&self) -> bool {
        self.flow.paused || self.rest.is_some()
    }

    /// Takes all of `bytes`, or none while reading is paused. Bytes for a stream that has ended are
    /// taken and dropped.
    pub(crate) fn received(
        &mut self,
        now: Instant,
        bytes: &[u8],
        workspace: &mut Workspace,
    ) -> usize {
        if self.flow.is_closing() || self.flow.inbound != Inbound::Open {
            return bytes.len();
        }
        if !self.wants_input() {
            return 0;
        }
        if !bytes.is_empty() {
            // Fast path: the machine parses the bytes in place; only those that it does not take
            // are copied.
            let taken = self.offer(now, bytes, workspace);
            if !self.flow.is_closing() {
                self.keep(&bytes[taken..], workspace);
            }
            self.offer_rest(now, workspace);
        }
        bytes.len()
    }

    pub(crate) fn eof(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.flow.inbound == Inbound::Open {
            self.flow.inbound = Inbound::Ending;
            self.offer_rest(now, workspace);
        }
    }

    /// The stream is gone, both ways, for this cause.
    pub(crate) fn cut(&mut self, now: Instant, cause: Cause, workspace: &mut Workspace) {
        self.flow.inbound = Inbound::Ended;
        self.drop_rest(workspace);
        if !self.flow.is_closing() {
            self.step(now, Input::Cut(cause), workspace);
        } else if self.flow.is_destroyed_by_reset() {
            self.flow.fate = Fate::Closing(Box::new(cause));
        }
        self.flow.abort_with(cause, &mut workspace.blocks);
        self.offer_rest(now, workspace);
    }

    /// The caller ends the stream, for this cause; what is queued is still sent.
    pub(crate) fn give_up(&mut self, now: Instant, cause: Cause, workspace: &mut Workspace) {
        if !self.flow.is_closing() {
            self.step(now, Input::Cut(cause), workspace);
            self.flow.close_with(cause);
            self.offer_rest(now, workspace);
        }
    }

    /// A write failed. The machine gets this input; if it waits for `Drained`, it gets that too.
    pub(crate) fn write_failed(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.flow.write_failed {
            return;
        }
        if self.flow.is_closing() || self.flow.inbound == Inbound::Ended {
            // The stream is dead in both directions.
            return self.cut(now, Cause::Reset, workspace);
        }
        self.flow.fail_writing(&mut workspace.blocks);
        self.step(now, Input::WriteFailed, workspace);
        if self.flow.take_drained() && !self.flow.is_closing() {
            self.step(now, Input::Drained, workspace);
        }
        self.offer_rest(now, workspace);
    }

    /// Whether the stream is dead in both directions: a write failed, and the peer has ended its
    /// side.
    pub(crate) fn is_dead(&self) -> bool {
        self.flow.write_failed && self.flow.inbound == Inbound::Ended
    }

    pub(crate) fn sent(&mut self, now: Instant, n: u64, workspace: &mut Workspace) {
        self.flow.output.advance(n, &mut workspace.blocks);
        if self.flow.take_drained() {
            self.input(now, Input::Drained, workspace);
        }
    }

    pub(crate) fn expired(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.flow.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.flow.set_deadline(None);
            self.input(now, Input::Deadline, workspace);
        }
    }

    /// Steps the machine with an input that does not concern the stream, then offers the bytes that
    /// had to wait.
    pub(crate) fn input(&mut self, now: Instant, input: Input<'_>, workspace: &mut Workspace) {
        self.flow.shutting_down |= input == Input::Shutdown;
        let amends = self.flow.awaits_cause && input == Input::Wake;
        if !self.flow.is_closing() || amends {
            self.step(now, input, workspace);
        }
        self.offer_rest(now, workspace);
    }

    /// How many bytes are held for this stream, incoming and outgoing.
    pub(crate) fn held(&self) -> usize {
        let queued = usize::try_from(self.flow.output.len()).unwrap_or(usize::MAX);
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len());
        rest.saturating_add(queued).saturating_add(self.machine.held())
    }

    /// Whether bytes are kept for later.
    pub(crate) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    pub(crate) fn machine(&self) -> &Upgradable<M> {
        &self.machine
    }

    /// Keeps bytes for later. None may be kept yet.
    fn keep(&mut self, bytes: &[u8], workspace: &mut Workspace) {
        if !bytes.is_empty() {
            let mut rest = workspace.lend();
            rest.push(bytes, &mut workspace.blocks);
            self.rest = Some(rest);
        }
    }

    fn drop_rest(&mut self, workspace: &mut Workspace) {
        if let Some(rest) = self.rest.take() {
            workspace.give_back(rest);
        }
    }

    fn step(&mut self, now: Instant, input: Input<'_>, workspace: &mut Workspace) -> usize {
        self.machine.step(now, input, &mut Actions::new(&mut self.flow, workspace))
    }

    /// Steps the machine with bytes. If it leaves some, reading is paused.
    fn offer(&mut self, now: Instant, bytes: &[u8], workspace: &mut Workspace) -> usize {
        let taken = self.step(now, Input::Bytes(bytes), workspace).min(bytes.len());
        if taken < bytes.len() {
            self.flow.paused = true;
        }
        taken
    }

    /// Runs after every step: offers the bytes that were left over, then the end of the stream.
    ///
    /// Like bytes, the end waits until reading is resumed: a machine that does not read does not
    /// see the end. If a machine that got all bytes in one piece saw the end earlier than one that
    /// got them in many, its output would depend on how the bytes were cut.
    ///
    /// The loop terminates because each iteration takes bytes or pauses: either `len(rest)` falls,
    /// or the loop ends.
    fn offer_rest(&mut self, now: Instant, workspace: &mut Workspace) {
        while !self.flow.paused && !self.flow.is_closing() {
            let Some(mut rest) = self.rest.take() else { break };
            let taken = self.offer(now, rest.front(), workspace);
            rest.consume(taken, &mut workspace.blocks);
            match rest.is_empty() {
                true => workspace.give_back(rest),
                false => self.rest = Some(rest),
            }
        }
        let open = !self.flow.paused && !self.flow.is_closing();
        if open && self.rest.is_none() && self.flow.inbound == Inbound::Ending {
            self.flow.inbound = Inbound::Ended;
            self.step(now, Input::Eof, workspace);
        }
        if self.flow.is_closing() {
            self.drop_rest(workspace);
        }
    }
}
