//! A machine and its stream: what [`Endpoint`](super::endpoint::Endpoint) and the hub have in common.
//!
//! This is the caller's half of the contract in [`machine`](super::contract::Machine): it keeps the bytes
//! that a machine did not take, offers them again in order, puts the end of the stream after
//! them, and lets nothing reach a machine that has closed. Memory is lent by whoever holds it.
//!
//! ```text
//!   received ──▶ [ rest: given, not taken ] ──▶ machine ──▶ [ flow.output ] ──▶ outgoing
//!                  len(rest) <= one read                                         sent(n)
//! ```

use alloc::boxed::Box;

use super::contract::{Actions, Input, Machine, StreamControl, Workspace};
use super::contract::{Fate, Inbound};
use super::reason::Cause;
use super::upgradable::Upgradable;
use crate::buf::Buffer;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Attached<M> {
    machine: Upgradable<M>,
    pub(crate) flow: StreamControl,
    /// Boxed: of ten thousand connections few leave bytes, and each is this much smaller. Never
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

    /// The stream is there. A machine that starts after a shutdown began, or a write failed, is told
    /// of it.
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

    /// What happened to the stream below, for the machine within a layer. Returns how many of the
    /// bytes it took, and keeps none: the stream below does.
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

    /// Whether bytes are welcome.
    pub(crate) fn wants_input(&self) -> bool {
        self.flow.inbound == Inbound::Open
            && !self.flow.is_closing()
            && !self.flow.paused
            && self.rest.is_none()
    }

    /// Whether bytes have to wait until the machine goes on.
    pub(crate) fn is_blocked(&self) -> bool {
        self.flow.paused || self.rest.is_some()
    }

    /// All of `bytes`, or none if they are not welcome. Bytes for a stream that has ended are
    /// taken, and dropped.
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
            // Parsed where they lie; only what is not taken is copied.
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

    /// A write failed. The machine is told; if it waits for room, it waits no more.
    pub(crate) fn write_failed(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.flow.write_failed {
            return;
        }
        if self.flow.is_closing() || self.flow.inbound == Inbound::Ended {
            // Nothing goes any more, either way.
            return self.cut(now, Cause::Reset, workspace);
        }
        self.flow.fail_writing(&mut workspace.blocks);
        self.step(now, Input::WriteFailed, workspace);
        if self.flow.take_drained() && !self.flow.is_closing() {
            self.step(now, Input::Drained, workspace);
        }
        self.offer_rest(now, workspace);
    }

    /// Whether nothing goes any more, either way: a write failed, and the peer has ended its side.
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

    /// Gives an input that concerns only the machine, then what had to wait for it.
    pub(crate) fn input(&mut self, now: Instant, input: Input<'_>, workspace: &mut Workspace) {
        self.flow.shutting_down |= input == Input::Shutdown;
        let amends = self.flow.awaits_cause && input == Input::Wake;
        if !self.flow.is_closing() || amends {
            self.step(now, input, workspace);
        }
        self.offer_rest(now, workspace);
    }

    /// Bytes held for this stream, in and out.
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

    /// Keeps bytes for later. There are none yet.
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

    /// One step with bytes. A machine that leaves some has paused reading.
    fn offer(&mut self, now: Instant, bytes: &[u8], workspace: &mut Workspace) -> usize {
        let taken = self.step(now, Input::Bytes(bytes), workspace).min(bytes.len());
        if taken < bytes.len() {
            self.flow.paused = true;
        }
        taken
    }

    /// After every step: offers what was left over, then the end of the stream.
    ///
    /// The end waits for reading to go on, as bytes do: who does not read does not see it. Seen
    /// earlier by whoever had all the bytes in one piece, it would tell how they were cut.
    ///
    /// Ends because each turn takes bytes or pauses: `len(rest)` falls, or the loop does.
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
