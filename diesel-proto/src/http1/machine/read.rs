//! What arrives: requests and their bodies, and the handlers that begin with them.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::mem;

use super::{Active, Entry, Failure, Server, Task, Work, output};
use crate::http1::exchange::{Beginning, Exchange, Reply};
use crate::http1::handler::Kind;
use crate::http1::request::Head;
use crate::http1::{Body, Headers, Received, Request};
use crate::{Actions, Cause, FiberId, Instant};

/// How far the bytes of a step were read. It outlives a handler that panics.
struct Reading<'a> {
    bytes: &'a [u8],
    taken: usize,
    /// How many requests have begun.
    begun: usize,
    /// A handler runs.
    is_calling: bool,
}

impl Server {
    /// Reads what arrived, and has plain handlers answer. Returns how many bytes were taken.
    pub(super) fn received(
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
            self.fail(active, Failure::Panicked { told: false }, actions);
            if !is_handlers {
                // Nobody knows how far this step came.
                self.cut(active, Cause::Panicked, actions);
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
            let Active { connection, task, .. } = active;
            let is_in_body = connection.is_in_body();
            let (n, event) = match connection.receive(rest, &mut head.spans, actions.blocks()) {
                Ok(received) => received,
                Err(rejection) => {
                    spare = Some(head);
                    self.refuse(active, now, rejection, actions);
                    break;
                }
            };
            reading.taken += n;
            if is_in_body && n > 0 {
                // Whatever it was of the body, and whether or not it is only drained.
                self.watch.heard(now, n);
            }
            match event {
                None => {
                    spare = Some(head);
                    break;
                }
                Some(Received::Request(_)) => {
                    reading.begun += 1;
                    self.asked(active, now, head, reading, actions);
                    if reading.taken >= reading.bytes.len() && active.connection.is_idle() {
                        break;
                    }
                    continue;
                }
                Some(Received::Data(data)) => {
                    let (collected, n) = match task {
                        Task::Collecting(request) => (request.content().len(), data.len()),
                        Task::Fiber(work) if work.exchange.is_collecting() => {
                            (work.exchange.held_body(), data.len())
                        }
                        _ => (0, 0),
                    };
                    let has_room = n == 0 || self.shared.has_room_for(collected + n, self.charged);
                    match task {
                        _ if !has_room => {}
                        Task::Collecting(request) => request.collect(data),
                        Task::Fiber(Work { seat, exchange, .. }) => {
                            exchange.arrives(data, &seat.core().slices);
                        }
                        Task::Nothing => {}
                    }
                    if !has_room {
                        self.no_room(active, actions);
                    }
                }
                Some(Received::End(fields)) => {
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
    pub(super) fn has_room(&self, active: &Active, actions: &Actions<'_>) -> bool {
        // The end of a body takes no room, and there may be no more bytes to come with it.
        if active.connection.body_is_over() {
            return !actions.is_closing();
        }
        let body = match &active.task {
            Task::Fiber(work) if active.connection.is_in_body() => {
                work.exchange.has_room(self.shared.is_full())
            }
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
        if !is_complete {
            self.watch.begin_body();
        }
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
                let expects_continue = request.head().expects_continue();
                let exchange = self.exchange(is_complete, is_head, expects_continue);
                *request.body() = Body::of(Rc::clone(&exchange));
                let reply = Reply::new(Rc::clone(&exchange));
                match begin(self.seat.core(), self.seat.conn(), request, reply) {
                    Ok(fiber) => {
                        active.task = self.work(fiber, exchange);
                        self.attend(active, now, actions);
                    }
                    Err(limit) => self.overloaded(active, limit, actions),
                }
            }
        }
    }

    /// The fiber begins, and is heard at once: one that need not wait costs no other step.
    pub(super) fn attend(&mut self, active: &mut Active, now: Instant, actions: &mut Actions<'_>) {
        if let Task::Fiber(Work { seat, fiber, exchange }) = &active.task {
            exchange.attend(|| seat.core().poll_fiber(fiber.index() as u32));
        }
        self.hear(active, now, actions);
    }

    pub(super) fn exchange(
        &self,
        is_complete: bool,
        is_head: bool,
        expects_continue: bool,
    ) -> Rc<Exchange> {
        let exchange = self.shared.lend_exchange();
        exchange.begin(Beginning {
            seat: self.seat.clone(),
            is_complete,
            is_head,
            expects_continue,
            has_ended: self.has_ended,
            read_ahead: self.shared.read_ahead,
            high_water: self.shared.high_water,
            low_water: self.shared.low_water,
        });
        exchange
    }

    pub(super) fn work(&self, fiber: FiberId, exchange: Rc<Exchange>) -> Task {
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
        match answer {
            Ok(ref mut response) => self.answer(active, now, response, actions),
            Err(error) => self.fail(active, Failure::Error(error), actions),
        }
    }
}
