//! The machine of a connection: joins what arrives, the handler, and what goes out.
//!
//! ```text
//!   bytes ──▶ ServerConnection ──▶ Request ──▶ handler ─┬─ plain: answers within the step
//!                    ▲                                  └─ async: a fiber ──▶ Exchange ──▶ wake
//!                    └──────────────── Response ◀────────────────────────────────┘
//! ```
//!
//! Rules of this file:
//!
//! - Whatever is idle holds nothing: connection, heads and exchanges are lent by the service for as
//!   long as something is under way.
//! - One request is answered at a time, in the order they came. In one step no more than
//!   [`Limits::pipelined`](super::Limits) are; then others have their turn.
//! - Every request is answered, once: by its handler; with a 500 if that failed; by what it broke.
//!   If the head of an answer is out and the rest cannot follow, the connection is cut.
//! - A handler runs through the seat, which outlives its panic.
//!
//! It must never know syntax or framing: that is the connection's.

mod answer;
mod watch;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::mem;

use self::watch::Watch;
use super::connection::Resting;
use super::exchange::{Beginning, Exchange, Reply};
use super::handler::Kind;
use super::request::Head;
use super::service::Shared;
use super::{Body, Config, Event, Headers, Output, Rejection, Request, Rule};
use super::{Server as Side, ServerConnection};
use crate::{Access, Actions, Cause, Error, FiberId, Input, Instant, Machine, Reason, Seat};

pub(super) struct Server {
    seat: Seat,
    shared: Rc<Shared>,
    /// Nothing while the connection is idle.
    active: Option<Box<Active>>,
    resting: Resting,
    is_draining: bool,
    has_ended: bool,
}

/// What a connection needs while something is under way on it.
pub(super) struct Active {
    connection: ServerConnection,
    task: Task,
    watch: Watch,
    entry: Option<Entry>,
}

/// What becomes of the request that is under way.
enum Task {
    Nothing,
    /// Its body is collected, for a plain handler.
    Collecting(Request),
    Fiber(Work),
}

/// A fiber that answers. It is aborted when this is dropped.
struct Work {
    seat: Seat,
    fiber: FiberId,
    exchange: Rc<Exchange>,
}

/// An entry of the access log, to be completed.
struct Entry {
    access: Box<Access>,
    began: Instant,
    queued: u64,
}

/// How far the bytes of a step were read. It outlives a handler that panics.
struct Reading<'a> {
    bytes: &'a [u8],
    taken: usize,
    /// How many requests have begun.
    begun: usize,
    /// A handler runs.
    is_calling: bool,
}

/// Why there is no answer of the handler's.
enum Failure {
    /// It, or what it answered.
    Error(Error),
    /// It panicked: `told` of that already, or not.
    Panicked { told: bool },
}

impl Server {
    pub(super) fn new(seat: Seat, shared: Rc<Shared>) -> Self {
        Server {
            seat,
            shared,
            active: None,
            resting: Resting::default(),
            is_draining: false,
            has_ended: false,
        }
    }

    /// Takes what is under way, or begins.
    fn begin(&mut self) -> Box<Active> {
        self.active.take().unwrap_or_else(|| {
            let mut active = self.shared.lend_active();
            active.connection.resume(self.resting);
            active.watch = Watch::default();
            active
        })
    }

    /// Reads what arrived, and has plain handlers answer. Returns how many bytes were taken.
    fn received(
        &mut self,
        active: &mut Active,
        now: Instant,
        bytes: &[u8],
        actions: &mut Actions<'_>,
    ) -> usize {
        let mut reading = Reading { bytes, taken: 0, begun: 0, is_calling: false };
        if let Kind::Fiber(_) = &self.shared.handler {
            self.read(active, now, &mut reading, actions);
            return reading.taken;
        }
        // All handlers of a step run behind one guard: it costs as much as a small request.
        let seat = self.seat.clone();
        while seat.call(|| self.read(active, now, &mut reading, actions)).is_none() {
            let is_handlers = mem::take(&mut reading.is_calling);
            self.fail(active, now, Failure::Panicked { told: false }, actions);
            if !is_handlers {
                // Nobody knows how far this step came.
                actions.abort(Cause::Panicked);
                break;
            }
        }
        reading.taken
    }

    fn read(
        &mut self,
        active: &mut Active,
        now: Instant,
        reading: &mut Reading<'_>,
        actions: &mut Actions<'_>,
    ) {
        let mut spare = None;
        while self.has_room(active, actions) {
            if reading.begun >= self.shared.config.limits.pipelined.max(1) {
                // Others have their turn; what is left is offered again after it.
                self.seat.wake();
                break;
            }
            let rest = reading.bytes.get(reading.taken..).unwrap_or_default();
            let mut head = spare.take().unwrap_or_else(|| self.shared.lend_head());
            let Active { connection, task, watch, .. } = active;
            let (n, event) = match connection.receive(rest, &mut head.spans, actions.blocks()) {
                Ok(received) => received,
                Err(rejection) => {
                    spare = Some(head);
                    self.refuse(active, now, rejection, actions);
                    break;
                }
            };
            reading.taken += n;
            match event {
                None => {
                    spare = Some(head);
                    break;
                }
                Some(Event::Request(_)) => {
                    reading.begun += 1;
                    self.asked(active, now, head, reading, actions);
                    if reading.taken >= reading.bytes.len() && active.connection.is_idle() {
                        break;
                    }
                    continue;
                }
                Some(Event::Data(data)) => {
                    watch.heard(now);
                    match task {
                        Task::Collecting(request) => request.collect(data),
                        Task::Fiber(Work { seat, exchange, .. }) => {
                            exchange.arrives(data, &mut seat.core().slices.borrow_mut());
                        }
                        Task::Nothing => {}
                    }
                }
                Some(Event::End(fields)) => {
                    let trailers =
                        if fields.is_empty() { Headers::new() } else { Headers::from(fields) };
                    match mem::replace(task, Task::Nothing) {
                        Task::Collecting(mut request) => {
                            request.collected(trailers);
                            self.call(active, now, request, reading, actions);
                        }
                        other => {
                            if let Task::Fiber(work) = &other {
                                work.exchange.arrived(trailers);
                            }
                            *task = other;
                        }
                    }
                }
            }
            spare = Some(head);
        }
        if let Some(head) = spare {
            self.shared.give_back_head(head);
        }
    }

    /// Whether more is read now. What is left waits.
    #[inline(always)]
    fn has_room(&self, active: &Active, actions: &Actions<'_>) -> bool {
        // The end of a body takes no room, and there may be no more bytes to come with it.
        if active.connection.body_is_over() {
            return !actions.is_closing();
        }
        let body = match &active.task {
            Task::Fiber(work) if active.connection.is_in_body() => work.exchange.has_room(),
            _ => true,
        };
        body && actions.queued() < self.shared.high_water.max(1) && !actions.is_closing()
    }

    /// A request came: its head is complete.
    fn asked(
        &mut self,
        active: &mut Active,
        now: Instant,
        head: Box<Head>,
        reading: &mut Reading<'_>,
        actions: &mut Actions<'_>,
    ) {
        if self.shared.access_notices {
            active.entry = Some(Entry::new(&head, &self.seat, now, actions));
        }
        let is_complete = active.connection.request_is_complete();
        let expects_continue = head.spans.kept().expects_continue();
        let (shared, seat) = (Rc::clone(&self.shared), self.seat.clone());
        let mut request = Request::new(head, shared, seat);
        match &self.shared.handler {
            Kind::Plain(_) if is_complete => self.call(active, now, request, reading, actions),
            Kind::Plain(_) => {
                active.task = Task::Collecting(request);
                active.connection.ask_for_body(&mut output(actions));
            }
            Kind::Fiber(begin) => {
                let is_head = active.connection.is_head();
                let exchange = self.exchange(is_complete, is_head, expects_continue);
                *request.body() = Body::of(Rc::clone(&exchange));
                let reply = Reply::new(Rc::clone(&exchange));
                match begin(self.seat.core(), self.seat.conn(), request, reply) {
                    Ok(fiber) => {
                        active.task = self.work(fiber, exchange);
                        self.attend(active, now, actions);
                    }
                    Err(limit) => self.overloaded(active, now, limit, actions),
                }
            }
        }
    }

    /// The fiber begins, and is heard at once: one that need not wait costs no other step.
    fn attend(&mut self, active: &mut Active, now: Instant, actions: &mut Actions<'_>) {
        if let Task::Fiber(Work { seat, fiber, exchange }) = &active.task {
            exchange.attend(|| seat.core().poll_fiber(fiber.index() as u32));
        }
        self.hear(active, now, actions);
    }

    fn exchange(&self, is_complete: bool, is_head: bool, expects_continue: bool) -> Rc<Exchange> {
        let exchange = self.shared.lend_exchange();
        exchange.begin(Beginning {
            seat: self.seat.clone(),
            is_complete,
            is_head,
            expects_continue,
            read_ahead: self.shared.read_ahead,
            high_water: self.shared.high_water,
            low_water: self.shared.low_water,
        });
        exchange
    }

    fn work(&self, fiber: FiberId, exchange: Rc<Exchange>) -> Task {
        Task::Fiber(Work { seat: self.seat.clone(), fiber, exchange })
    }

    /// Has a plain handler answer.
    #[inline]
    fn call(
        &mut self,
        active: &mut Active,
        now: Instant,
        request: Request,
        reading: &mut Reading<'_>,
        actions: &mut Actions<'_>,
    ) {
        let Kind::Plain(handler) = &self.shared.handler else { return };
        reading.is_calling = true;
        let mut answer = handler(request);
        reading.is_calling = false;
        match &mut answer {
            Ok(response) => self.answer(active, now, response, actions),
            Err(_) => {
                let failure = answer.err().map_or(Failure::Panicked { told: true }, Failure::Error);
                self.fail(active, now, failure, actions);
            }
        }
    }

    /// The client broke a rule: it is told which, if it can be told.
    fn refuse(
        &mut self,
        active: &mut Active,
        now: Instant,
        rejection: Rejection,
        actions: &mut Actions<'_>,
    ) {
        // Nobody answers any more.
        active.task = Task::Nothing;
        match active.connection.state().server {
            Side::Owing => {
                if active.entry.is_none() && self.shared.access_notices {
                    active.entry = Some(Entry::of_nothing(&self.seat, now, actions));
                }
                self.reject(active, rejection, actions);
                self.answered(active, now, rejection.status(), actions);
            }
            // Its answer is out already, or the end of it.
            Side::Done | Side::MustClose => {}
            _ => actions.abort(cause_of(rejection)),
        }
    }

    /// Closes, pauses, waits, rests: whatever follows from where things are after a step.
    fn settle(&mut self, mut active: Box<Active>, now: Instant, actions: &mut Actions<'_>) {
        if actions.is_closing() || active.connection.is_switched() {
            // Whatever was under way ends here.
            active.task = Task::Nothing;
            self.log(&mut active, now, actions);
            self.active = Some(active);
            return;
        }
        if active.connection.must_close() {
            actions.close(match active.connection.rejection() {
                Some(rejection) => cause_of(rejection),
                None if self.is_draining => Cause::Shutdown,
                None if self.has_ended => Cause::PeerClosed,
                None => Cause::Done,
            });
            self.active = Some(active);
            return;
        }
        let queued = actions.queued();
        actions.notify_below(match &active.task {
            Task::Fiber(work) => work.exchange.queued(queued),
            _ if queued >= self.shared.high_water.max(1) => self.shared.low_water + 1,
            _ => 0,
        });
        let has_room = self.has_room(&active, actions);
        match &active.task {
            _ if !has_room => actions.pause(),
            // What comes now is the next request: it waits if it comes, but nobody stops it.
            Task::Fiber(_) if active.connection.request_is_complete() => {}
            _ => actions.resume(),
        }
        active.watch.settle(&active.connection, has_room, now, &self.shared.deadlines, actions);
        match &active.task {
            Task::Nothing if has_room => match active.connection.rest(actions.blocks()) {
                Some(resting) => {
                    self.resting = resting;
                    self.shared.give_back_active(active);
                }
                None => self.active = Some(active),
            },
            _ => self.active = Some(active),
        }
    }
}

impl Machine for Server {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let is_idle = self.active.is_none();
        match input {
            Input::Eof if is_idle => actions.close(Cause::PeerClosed),
            Input::Shutdown if is_idle => actions.close(Cause::Shutdown),
            Input::Deadline if is_idle => actions.close(Cause::TimedOut(Reason::KeepAlive)),
            // Nothing but that what was left may be offered again: time goes on as it did.
            Input::Wake | Input::Drained if is_idle => {
                actions.resume();
                return 0;
            }
            _ => {}
        }
        if actions.is_closing() {
            return 0;
        }
        self.shared.refresh(&self.seat);
        let mut active = self.begin();
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) => taken = self.received(&mut active, now, bytes, actions),
            Input::Eof => {
                self.has_ended = true;
                if let Err(rejection) = active.connection.eof() {
                    self.refuse(&mut active, now, rejection, actions);
                }
            }
            Input::Deadline => match active.connection.timed_out() {
                Some(rejection) => self.refuse(&mut active, now, rejection, actions),
                None => actions.close(Cause::TimedOut(Reason::KeepAlive)),
            },
            Input::Wake => self.hear(&mut active, now, actions),
            Input::Shutdown => {
                self.is_draining = true;
                active.connection.give_up();
            }
            Input::Reset => {
                active.task = Task::Nothing;
                self.log(&mut active, now, actions);
            }
            Input::Start | Input::Drained => {}
        }
        self.settle(active, now, actions);
        taken
    }

    fn held(&self) -> usize {
        self.active.as_ref().map_or(0, |active| {
            let task = match &active.task {
                Task::Nothing => 0,
                Task::Collecting(request) => request.content().len(),
                Task::Fiber(work) => work.exchange.held(),
            };
            active.connection.held().saturating_add(task)
        })
    }
}

impl Active {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Active {
            connection: ServerConnection::new(config),
            task: Task::Nothing,
            watch: Watch::default(),
            entry: None,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.seat.core().abort(self.fiber);
    }
}

impl Entry {
    fn new(head: &Head, seat: &Seat, now: Instant, actions: &Actions<'_>) -> Self {
        let view = head.spans.kept();
        let access = Access {
            peer: seat.peer(),
            method: view.method().into(),
            target: view.target_text().into(),
            status: 0,
            sent: 0,
            took: core::time::Duration::ZERO,
        };
        Entry { access: Box::new(access), began: now, queued: actions.queued_in_all() }
    }

    /// Of what was refused before it was a request.
    fn of_nothing(seat: &Seat, now: Instant, actions: &Actions<'_>) -> Self {
        let mut entry = Entry::new(&Head::new(), seat, now, actions);
        entry.access.method = "-".into();
        entry.access.target = "-".into();
        entry
    }
}

/// Where commands of the connection write to.
fn output<'a>(actions: &'a mut Actions<'_>) -> Output<'a> {
    let (pipeline, blocks) = actions.output();
    Output::new(pipeline, blocks)
}

/// Why a connection is closed whose client broke this rule.
fn cause_of(rejection: Rejection) -> Cause {
    match rejection.rule {
        Rule::HeadTimeout => Cause::TimedOut(Reason::Head),
        Rule::BodyTimeout => Cause::TimedOut(Reason::BodyIdle),
        rule => Cause::Protocol(rule.text()),
    }
}
