//! The machine of a connection: connects what arrives, the handler, and what is sent.
//!
//! ```text
//!   bytes ─▶ read ─▶ ServerConnection ─▶ Request ─▶ handler ─┬─ plain: answers at once
//!              ▲            ▲                                └─ async (attend): polled now, and
//!      what is │            │                                        │          when it is woken
//!      unread  ▼            └───────── Response ◀── answer ◀─────────┘
//!            ahead
//!
//!   shared   what the connections of a service share: settings, spare memory
//!   active   the state of a connection that is not idle; work: its handler that may wait
//!   parked   the state of a connection that waits for the stream of its response
//!   watch    the timeouts of the client
//!   access   entries of the access log
//! ```
//!
//! Rules of this file:
//!
//! - What is idle holds no memory: the service lends connections, heads and exchanges while
//!   something is in progress. What only waits for a stream holds little ([`Phase`]).
//! - One request is answered at a time, in the order of arrival. One step answers no more than
//!   [`Limits::pipelined`](crate::http1::Limits); then other connections have their turn.
//! - Every request is answered once: by its handler; with a 500 if that failed; or with the
//!   rejection, if it broke a rule. If a response has begun and cannot be completed, it is cut
//!   ([`HttpMachine::cut`]), and the responses before it are not: `complete <= position of the
//!   response in progress`.
//! - Handlers are user code, and are called through [`MachineCtx::call`]. Their panics are caught;
//!   the client gets a 500.
//!
//! It must never know syntax or framing: the connection handles those.

mod access;
mod active;
mod ahead;
mod answer;
mod attend;
mod parked;
mod read;
mod shared;
mod watch;
mod work;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::mem;

pub(in crate::http1) use self::shared::{OnRejection, ServiceShared};

use self::access::AccessEntry;
use self::active::{Active, RequestTask};
use self::parked::Parked;
use self::watch::{ClientWatch, WaitingFor};
use crate::http1::connection::{Resting, ServerState as Side};
use crate::http1::message::MessageOutput;
use crate::http1::syntax::{Rejection, Rule};
use crate::hub::MachineCtx;
use crate::machine::{Actions, Cause, Error, Input, Machine, Nested, Reason};
use crate::time::Instant;

pub(in crate::http1) struct HttpMachine {
    ctx: MachineCtx,
    shared: Rc<ServiceShared>,
    phase: Phase,
    /// The state of the connection while it is not active.
    resting: Resting,
    /// It is kept while the connection is idle: an empty line on an idle connection renews no
    /// deadline.
    watch: ClientWatch,
    is_draining: bool,
    /// The client has half-closed the stream; bytes from before that may be unread.
    has_ended: bool,
    /// The half-close was passed on to the connection.
    end_is_read: bool,
    /// User code is running: if it panics, the request fails, and not the connection.
    is_calling: bool,
}

/// What the connection holds.
#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    Active(Box<Active>),
    /// It waits for the stream of a response.
    Parked(Box<Parked>),
    /// It speaks another protocol, after an upgrade.
    Switched(Box<Nested<Box<dyn Machine>>>),
}

/// Why the handler gave no response.
enum Failure {
    /// The handler returned an error, or a response that cannot be sent.
    Error(Error),
    /// The handler panicked.
    Panicked,
}

impl HttpMachine {
    pub(in crate::http1) fn new(ctx: MachineCtx, shared: Rc<ServiceShared>) -> Self {
        HttpMachine {
            ctx,
            shared,
            phase: Phase::Idle,
            resting: Resting::default(),
            watch: ClientWatch::default(),
            is_draining: false,
            has_ended: false,
            end_is_read: false,
            is_calling: false,
        }
    }

    /// Takes the state of the connection, or borrows one if it is idle or parked.
    fn begin(&mut self, actions: &Actions<'_>) -> Box<Active> {
        if let Phase::Idle = self.phase {
            let mut active = self.shared.lend_active();
            active.connection.resume(self.resting);
            active.complete = actions.queued_in_all();
            return active;
        }
        match mem::take(&mut self.phase) {
            Phase::Active(active) => active,
            Phase::Parked(parked) => parked.resume(self.resting, self.shared.lend_active()),
            Phase::Idle | Phase::Switched(_) => self.shared.lend_active(),
        }
    }

    /// Answers a client that broke a rule, if a response is still possible.
    fn refuse(
        &mut self,
        active: &mut Active,
        now: Instant,
        rejection: Rejection,
        actions: &mut Actions<'_>,
    ) {
        // No handler answers any more.
        self.end_task(active);
        match active.connection.state().server {
            Side::SendResponse => {
                if active.entry.is_none() && self.shared.access_notices {
                    active.entry = Some(AccessEntry::of_nothing(&self.ctx, now, actions));
                }
                self.reject(active, rejection, actions);
                self.answered(active, rejection.status().code(), actions);
            }
            // The response was sent already, or its end was.
            Side::Done | Side::MustClose => {}
            _ => self.cut(active, cause_of(rejection), actions),
        }
    }

    /// Handles a timeout.
    fn late(&mut self, active: &mut Active, now: Instant, actions: &mut Actions<'_>) {
        if self.watch.is_for_answer() {
            // A client that reads some of the response waits for the rest of it.
            if !self.watch.has_progressed(&mut active.clocks, now, actions) {
                self.cut(active, Cause::TimedOut(Reason::HalfClose), actions);
            }
            return;
        }
        let rejection = match self.watch.is_for_rate() {
            true => active.connection.too_slow(),
            false => active.connection.timed_out(),
        };
        match rejection {
            Some(rejection) => self.refuse(active, now, rejection, actions),
            None => actions.close(Cause::TimedOut(Reason::KeepAlive)),
        }
    }

    /// Ends a step: closes, pauses or resumes reading, sets the deadline, or makes the connection
    /// idle, as its state requires.
    fn finish_step(&mut self, mut active: Box<Active>, now: Instant, actions: &mut Actions<'_>) {
        if actions.is_closing() || active.connection.is_switched() {
            // What was in progress ends here.
            self.end_task(&mut active);
            active.poller = None;
            self.log(&mut active, actions);
            match active.next.take() {
                Some(next) => {
                    self.shared.charge(active.charged, 0);
                    self.give_way(next, &mut active, now, actions);
                }
                None => {
                    active.ahead.clear(actions.blocks());
                    self.phase = Phase::Active(active);
                }
            }
            return;
        }
        if !matches!(active.task, RequestTask::Work(_)) {
            active.poller = None;
        }
        if active.connection.must_close() {
            active.ahead.clear(actions.blocks());
            actions.close(match active.connection.rejection() {
                Some(rejection) => cause_of(rejection),
                None if self.is_draining => Cause::Shutdown,
                None if self.has_ended => Cause::PeerClosed,
                None => Cause::Done,
            });
            self.phase = Phase::Active(active);
            return;
        }
        let queued = actions.queued();
        let asked = match &active.task {
            RequestTask::Work(work) => work.sent_below(queued),
            _ => None,
        };
        actions.notify_below(match asked {
            Some(below) => below,
            None if queued >= self.shared.high_water => self.shared.low_water + 1,
            None => 0,
        });
        let has_room = self.has_room(&active, actions);
        match &active.task {
            _ if self.keeps(&active, actions) => actions.resume(),
            _ if !has_room => actions.pause(),
            // What arrives now is the next request: it is not read yet, but reading is not paused
            // either.
            RequestTask::Work(_) if active.connection.request_is_complete() => {}
            _ => actions.resume(),
        }
        let is_awaited = self.has_ended && matches!(active.task, RequestTask::Work(_));
        let waiting = WaitingFor::of(&active.connection, has_room, is_awaited);
        self.watch.set_deadline(&mut active.clocks, waiting, now, &self.shared.deadlines, actions);
        match &active.task {
            RequestTask::Nothing if has_room && active.ahead.is_empty() => {
                if let Some(resting) = active.connection.rest(actions.blocks()) {
                    // The phase is idle since the step began.
                    self.resting = resting;
                    return self.shared.give_back_active(active);
                }
            }
            RequestTask::Work(_) if waiting == WaitingFor::No => {
                if let Some((resting, parked)) = Parked::park(&mut active, actions.blocks()) {
                    (self.resting, self.phase) = (resting, Phase::Parked(parked));
                    return self.shared.give_back_active(active);
                }
            }
            _ => {}
        }
        self.phase = Phase::Active(active);
    }
}

impl Machine for HttpMachine {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let Phase::Switched(_) = self.phase {
            return self.pass_on(now, input, actions);
        }
        let is_idle = matches!(self.phase, Phase::Idle);
        match input {
            Input::Eof if is_idle => actions.close(Cause::PeerClosed),
            Input::Shutdown if is_idle => actions.close(Cause::Shutdown),
            Input::Deadline if is_idle => actions.close(Cause::TimedOut(Reason::KeepAlive)),
            // This only means that unread bytes may be offered again: deadlines stay as they are.
            Input::Wake | Input::Drained if is_idle => {
                actions.resume();
                return 0;
            }
            _ => {}
        }
        if actions.is_closing() {
            return 0;
        }
        self.shared.refresh(&self.ctx);
        let mut active = self.begin(actions);
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) => {
                if active.ahead.is_empty() {
                    taken = self.received(&mut active, now, bytes, actions);
                }
                let rest = bytes.get(taken..).unwrap_or_default();
                taken += self.keep(&mut active, rest, actions);
            }
            Input::Eof => {
                self.has_ended = true;
                if let RequestTask::Work(work) = &active.task {
                    work.peer_ended();
                }
            }
            Input::Deadline => self.late(&mut active, now, actions),
            Input::Shutdown => {
                self.is_draining = true;
                active.connection.give_up();
            }
            Input::Cut(_) => {
                self.end_task(&mut active);
                self.log(&mut active, actions);
            }
            // At best, requests would follow whose responses cannot be delivered.
            Input::WriteFailed => actions.abort(Cause::Reset),
            // A start, a wake-up, more room and all others are handled below.
            _ => {}
        }
        // Without a hub nothing wakes the machine: any step may be the one that the handler waits
        // for.
        if matches!(input, Input::Wake | Input::Drained) || self.shared.is_standalone {
            self.woken(&mut active, actions);
        }
        if !active.ahead.is_empty() && !matches!(input, Input::Bytes(_) | Input::Cut(_)) {
            self.read_kept(&mut active, now, actions);
        }
        self.read_end(&mut active, now, actions);
        self.finish_step(active, now, actions);
        if let Phase::Active(active) = &mut self.phase {
            let held = active.held_bodies();
            self.shared.charge(mem::replace(&mut active.charged, held), held);
        }
        match input {
            // The bytes after the request belong to the successor.
            Input::Bytes(bytes) if matches!(self.phase, Phase::Switched(_)) => {
                let rest = bytes.get(taken..).unwrap_or_default();
                taken + self.pass_on(now, Input::Bytes(rest), actions)
            }
            _ => taken,
        }
    }

    fn held(&self) -> usize {
        match &self.phase {
            Phase::Idle => 0,
            Phase::Active(active) => active.held(),
            Phase::Parked(parked) => parked.held(),
            Phase::Switched(next) => next.held(),
        }
    }

    fn scanned(&self) -> u64 {
        match &self.phase {
            Phase::Switched(next) => next.scanned(),
            _ => 0,
        }
    }
}

impl Drop for HttpMachine {
    fn drop(&mut self) {
        match mem::take(&mut self.phase) {
            Phase::Active(mut active) => {
                self.end_task(&mut active);
                self.shared.charge(active.charged, 0);
            }
            Phase::Parked(parked) => self.ctx.dispose(parked.stop()),
            Phase::Idle | Phase::Switched(_) => {}
        }
    }
}

/// The output for commands of the connection.
fn output<'a>(actions: &'a mut Actions<'_>) -> MessageOutput<'a> {
    let (pipeline, blocks) = actions.queue();
    MessageOutput::new(pipeline, blocks)
}

/// The cause for closing a connection whose client broke this rule.
fn cause_of(rejection: Rejection) -> Cause {
    match rejection.rule {
        Rule::HeadTimeout => Cause::TimedOut(Reason::Head),
        Rule::BodyTimeout => Cause::TimedOut(Reason::BodyIdle),
        Rule::BodyTooSlow => Cause::TimedOut(Reason::BodyRate),
        rule => Cause::Protocol(rule.text()),
    }
}
