//! Reads what arrives: requests and their bodies; and starts the handlers.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::mem;

use super::super::body::Body;
use super::super::handler::{Answering, HandlerVariant};
use super::super::heads::Head;
use super::super::request::Request;
use super::access::AccessEntry;
use super::active::{Active, RequestTask};
use super::work::Work;
use super::{Failure, HttpMachine, output};
use crate::http1::connection::Received;
use crate::http1::syntax::Headers;
use crate::hub::Poller;
use crate::machine::{Actions, Cause};
use crate::time::Instant;

/// How far the bytes of a step were read. It is kept when a handler panics.
struct StepBytes<'a> {
    bytes: &'a [u8],
    taken: usize,
    /// Number of requests that have begun.
    begun: usize,
    /// A part of a body was passed to a running handler.
    is_delivered: bool,
}

impl HttpMachine {
    /// Reads what arrived, and calls plain handlers. Returns how many bytes were taken.
    pub(super) fn received(
        &mut self,
        active: &mut Active,
        now: Instant,
        bytes: &[u8],
        actions: &mut Actions<'_>,
    ) -> usize {
        let mut reading = StepBytes { bytes, taken: 0, begun: 0, is_delivered: false };
        // All handlers of a step run within one `MachineCtx::call`, which costs as much as a small
        // request.
        let ctx = self.ctx.clone();
        while ctx.call(|| while self.read(active, now, &mut reading, actions) {}).is_none() {
            if !self.recover_from_panic(active, actions) {
                break;
            }
        }
        reading.taken
    }

    /// Handles a wake-up: polls the handler or stream.
    pub(super) fn woken(&mut self, active: &mut Active, actions: &mut Actions<'_>) {
        if let RequestTask::Work(work) = &active.task {
            work.sent_below(actions.queued());
            let ctx = self.ctx.clone();
            if ctx.call(|| self.attend(active, actions)).is_none() {
                self.recover_from_panic(active, actions);
            }
        }
    }

    /// Handles a panic that was caught. Returns whether user code panicked, so that the connection
    /// can continue.
    #[cold]
    fn recover_from_panic(&mut self, active: &mut Active, actions: &mut Actions<'_>) -> bool {
        let is_handlers = mem::take(&mut self.is_calling);
        self.fail(active, Failure::Panicked, actions);
        if !is_handlers {
            // The panic was in this crate: the state of the step is unknown.
            self.cut(active, Cause::Panicked, actions);
        }
        is_handlers
    }

    /// Reads as far as possible. Returns whether to continue, because a request was answered.
    fn read(
        &mut self,
        active: &mut Active,
        now: Instant,
        reading: &mut StepBytes<'_>,
        actions: &mut Actions<'_>,
    ) -> bool {
        let mut spare = None;
        while self.has_room(active, actions) {
            if reading.begun >= self.shared.turn {
                // Other connections have their turn; the rest is offered again after that.
                self.ctx.wake();
                break;
            }
            let rest = reading.bytes.get(reading.taken..).unwrap_or_default();
            let mut head = spare.take().unwrap_or_else(|| self.shared.heads.lend());
            let Active { connection, task, charged, .. } = active;
            let is_in_body = connection.is_in_body();
            // A handler gets no more of its body at once than `read_ahead`.
            let part = match is_in_body {
                true => rest.get(..self.shared.read_ahead.max(1)).unwrap_or(rest),
                false => rest,
            };
            let (n, event) = match connection.receive(part, &mut head.spans, actions.blocks()) {
                Ok(received) => received,
                Err(rejection) => {
                    spare = Some(head);
                    self.refuse(active, now, rejection, actions);
                    break;
                }
            };
            reading.taken += n;
            if is_in_body && n > 0 {
                // Progress of the body, even if it is only drained.
                self.watch.body_received(&mut active.clocks, now, n);
            }
            match event {
                None => {
                    spare = Some(head);
                    if n == part.len() && n < rest.len() {
                        continue;
                    }
                    break;
                }
                Some(Received::Request(_)) => {
                    reading.begun += 1;
                    self.asked(active, now, head, actions);
                    if reading.taken >= reading.bytes.len() && active.connection.is_idle() {
                        break;
                    }
                    continue;
                }
                Some(Received::Data(data)) => {
                    let charged = *charged;
                    let (collected, n) = match task {
                        RequestTask::Collecting(request) => (request.content().len(), data.len()),
                        RequestTask::Work(work) if work.is_collecting() => {
                            (work.held_body(), data.len())
                        }
                        _ => (0, 0),
                    };
                    let has_room = n == 0 || self.shared.has_room_for(collected + n, charged);
                    match task {
                        _ if !has_room => {}
                        RequestTask::Collecting(request) => request.collect_part(data),
                        RequestTask::Work(work) => {
                            work.received(data);
                            reading.is_delivered = true;
                        }
                        RequestTask::Nothing => {}
                    }
                    if !has_room {
                        self.no_room(active, actions);
                    }
                }
                Some(Received::End(fields)) => {
                    let trailers =
                        if fields.is_empty() { Headers::new() } else { Headers::from(fields) };
                    match mem::replace(task, RequestTask::Nothing) {
                        RequestTask::Collecting(mut request) => {
                            request.collected(trailers);
                            self.call(active, request, actions);
                        }
                        other => {
                            if let RequestTask::Work(work) = &other {
                                work.completed(trailers);
                                reading.is_delivered = true;
                            }
                            *task = other;
                        }
                    }
                }
            }
            spare = Some(head);
        }
        if let Some(head) = spare {
            self.shared.heads.give_back(head);
        }
        if !mem::take(&mut reading.is_delivered) {
            return false;
        }
        // The handler reads the data while it is in the CPU cache, and its memory is free for the
        // next connection.
        self.attend(active, actions);
        reading.taken < reading.bytes.len() && self.has_room(active, actions)
    }

    /// Whether to read more now. The rest waits.
    #[inline(always)]
    pub(super) fn has_room(&self, active: &Active, actions: &Actions<'_>) -> bool {
        // The end of a body takes no room, and may come without further bytes.
        if active.connection.body_is_over() {
            return !actions.is_closing();
        }
        let body = match &active.task {
            RequestTask::Work(work) if active.connection.is_in_body() => {
                work.has_room(self.shared.is_full())
            }
            _ => true,
        };
        body && actions.queued() < self.shared.high_water && !actions.is_closing()
    }

    /// Starts a request, whose head is complete.
    fn asked(
        &mut self,
        active: &mut Active,
        now: Instant,
        head: Box<Head>,
        actions: &mut Actions<'_>,
    ) {
        if self.shared.access_notices {
            active.entry = Some(AccessEntry::new(&head, &self.ctx, now, actions));
        }
        let is_complete = active.connection.request_is_complete();
        if !is_complete {
            active.clocks.begin_body();
        }
        let request = Request::new(head, Rc::clone(&self.shared.heads), self.ctx.clone());
        match &self.shared.handler {
            HandlerVariant::Plain(_) if is_complete => self.call(active, request, actions),
            HandlerVariant::Plain(_) => {
                active.task = RequestTask::Collecting(request);
                active.connection.ask_for_body(&mut output(actions));
            }
            HandlerVariant::Fiber(make) => {
                let poller = match self.lend_poller(active) {
                    Ok(poller) => poller,
                    Err(failure) => return self.fail(active, failure, actions),
                };
                let handler = self.shared.lend_handler(make);
                active.task = RequestTask::Work(self.work(request, is_complete, poller, handler));
                self.attend(active, actions);
            }
        }
    }

    /// Passes a request to an `async` handler, which is polled next.
    fn work(
        &self,
        mut request: Request,
        is_complete: bool,
        poller: Poller,
        mut handler: Box<dyn Answering>,
    ) -> Work {
        let shared = &*self.shared;
        let exchange = shared.lend_exchange();
        let expects_continue = request.head().expects_continue();
        exchange.begin(self.ctx.clone(), expects_continue, self.has_ended);
        let duplex = (!is_complete).then(|| shared.lend_duplex(&self.ctx));
        let reader = duplex.as_ref().map(|duplex| duplex.reader());
        *request.body() = Body::of(Rc::clone(&exchange), reader);
        handler.begin(request);
        Work::of_handler(poller, exchange, duplex, handler)
    }

    /// Calls a plain handler.
    #[inline]
    fn call(&mut self, active: &mut Active, request: Request, actions: &mut Actions<'_>) {
        let HandlerVariant::Plain(handler) = &self.shared.handler else { return };
        self.is_calling = true;
        let mut response = handler(request);
        self.is_calling = false;
        if self.answer(active, &mut response, actions) {
            self.attend(active, actions);
        }
    }
}
