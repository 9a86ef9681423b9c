//! Runs what answers a request in the steps of its connection: an `async` handler, then possibly
//! the stream of a body.
//!
//! ```text
//!   poll ──▶ interim responses, pieces of the body ──▶ connection
//!     └────▶ ready: the response, or the end of the body
//! ```
//!
//! It must never know how a message is framed.

use alloc::rc::Rc;
use core::mem;
use core::task::Poll;

use super::super::body::BodyWriter;
use super::super::exchange::Interim;
use super::super::response::{BodyStream, Response};
use super::active::{Active, RequestTask};
use super::answer::misused;
use super::work::{Ended, Work, WorkState};
use super::{Failure, HttpMachine, output};
use crate::http1::message::BodyLength;
use crate::http1::syntax::Headers;
use crate::hub::Poller;
use crate::machine::{Actions, Cause, Error};

impl HttpMachine {
    /// Polls the handler or the stream until it is pending or has ended, and sends what it
    /// produced.
    pub(super) fn attend(&mut self, active: &mut Active, actions: &mut Actions<'_>) {
        loop {
            let RequestTask::Work(work) = &mut active.task else { return };
            self.is_calling = true;
            let polled = work.poll();
            self.is_calling = false;
            if let Err(failure) = Self::forward_output(active, actions) {
                return self.fail(active, failure, actions);
            }
            let Poll::Ready(ended) = polled else { return };
            match ended {
                Ended::Handler(mut response) => {
                    if !self.answer(active, &mut response, actions) {
                        return;
                    }
                }
                Ended::Stream(Ok(trailers)) => return self.end(active, &trailers, actions),
                Ended::Stream(Err(error)) => {
                    return self.fail(active, Failure::Error(error), actions);
                }
            }
        }
    }

    /// Sends the interim responses and the pieces of the body that a poll produced.
    fn forward_output(active: &mut Active, actions: &mut Actions<'_>) -> Result<(), Failure> {
        let Active { connection, task: RequestTask::Work(work), .. } = active else {
            return Ok(());
        };
        let is_answered = !matches!(work.run, WorkState::Handler(_));
        for interim in work.take_interim() {
            let out = &mut output(actions);
            match interim {
                _ if is_answered => {}
                Interim::GoOn => connection.ask_for_body(out),
                Interim::Inform(status, headers) => {
                    connection.inform(status, &headers, out).map_err(misused)?;
                }
            }
        }
        let Some(duplex) = &work.duplex else { return Ok(()) };
        let out = &mut output(actions);
        duplex.take_pieces(|pipeline, n| connection.data_queued(pipeline, n, out).map_err(misused))
    }

    /// Ends the body of the response.
    fn end(&mut self, active: &mut Active, trailers: &Headers, actions: &mut Actions<'_>) {
        match active.connection.end(trailers, &mut output(actions)) {
            Ok(()) => {
                let status = active.entry.as_ref().map_or(0, |entry| entry.status());
                self.answered(active, status, actions);
            }
            Err(local_error) => self.fail(active, misused(local_error), actions),
        }
    }

    /// Sends the head of a response whose body is a stream, which is polled from now on.
    #[inline(never)]
    pub(super) fn stream(
        &mut self,
        active: &mut Active,
        response: &Response,
        (length, stream): (BodyLength, BodyStream),
        actions: &mut Actions<'_>,
    ) {
        if let RequestTask::Work(work) = &active.task {
            // The stream may still read the body of the request, when it is too late to ask for it.
            let reads_on = work.duplex.as_ref().is_some_and(|duplex| !duplex.reader_is_gone());
            if reads_on {
                active.connection.ask_for_body(&mut output(actions));
            }
        }
        let queued = actions.queued();
        if let Err(error) = self.send_head(active, response, length, actions) {
            self.ctx.dispose(stream);
            return self.fail(active, Failure::Error(error), actions);
        }
        if active.connection.is_head() {
            self.ctx.dispose(stream);
            return self.end(active, &Headers::new(), actions);
        }
        if let Err(failure) =
            self.begin_stream(active, stream, queued, actions.takes_file_regions())
        {
            self.fail(active, failure, actions);
        }
    }

    /// Replaces the handler by the stream. A plain handler left nothing to replace. `queued` is the
    /// length of the queue before the head.
    fn begin_stream(
        &mut self,
        active: &mut Active,
        stream: BodyStream,
        queued: u64,
        takes_file_regions: bool,
    ) -> Result<(), Failure> {
        let mut work = match mem::replace(&mut active.task, RequestTask::Nothing) {
            RequestTask::Work(work) => work,
            RequestTask::Nothing | RequestTask::Collecting(_) => {
                let poller = Some(self.lend_poller(active)?);
                Work { poller, exchange: None, duplex: None, run: WorkState::Over }
            }
        };
        let is_unused = work.exchange.as_ref().is_some_and(|it| Rc::strong_count(it) == 1);
        if is_unused && active.connection.request_is_complete() {
            // The handler kept no part of the request.
            self.give_back_exchange(&mut work);
        }
        let duplex = work.duplex.get_or_insert_with(|| self.shared.lend_duplex(&self.ctx));
        duplex.keep_pieces();
        duplex.take_file_regions(takes_file_regions);
        if work.exchange.is_none() && self.has_ended {
            duplex.eof();
        }
        let writer = BodyWriter::new(duplex.writer(), work.exchange.clone());
        let run = mem::replace(&mut work.run, WorkState::Stream(stream(writer)));
        if let WorkState::Handler(handler) = run {
            self.shared.give_back_handler(handler);
        }
        // The head can be flushed, but does not count towards the mark: whether sending has begun
        // when a response fails at once must not depend on the room.
        work.sent_below(queued.max(1));
        active.task = RequestTask::Work(work);
        Ok(())
    }

    /// Reserves a place among the fibers of the hub, while something is polled.
    pub(super) fn lend_poller(&self, active: &mut Active) -> Result<Poller, Failure> {
        match active.poller.take() {
            Some(poller) => Ok(poller),
            None => self.ctx.poller().map_err(|limit| Failure::Error(Error::Limit(limit))),
        }
    }

    /// Stops what answers the request.
    pub(super) fn end_task(&self, active: &mut Active) {
        if let RequestTask::Work(mut work) = mem::replace(&mut active.task, RequestTask::Nothing) {
            self.ctx.dispose(work.stop());
        }
    }

    /// The request is answered: gives its resources back to the service.
    #[inline(always)]
    pub(super) fn retire(&self, active: &mut Active) {
        if let RequestTask::Work(_) = active.task
            && let RequestTask::Work(mut work) =
                mem::replace(&mut active.task, RequestTask::Nothing)
        {
            self.give_back(&mut work);
            active.poller = work.poller.take();
        }
    }

    fn give_back(&self, work: &mut Work) {
        match work.stop() {
            WorkState::Handler(handler) => self.shared.give_back_handler(handler),
            WorkState::Stream(stream) => self.ctx.dispose(stream),
            WorkState::Over => {}
        }
        self.give_back_exchange(work);
    }

    /// Gives back what a handler and its machine share.
    fn give_back_exchange(&self, work: &mut Work) {
        if let Some(exchange) = work.exchange.take() {
            exchange.finish();
            self.shared.give_back_exchange(exchange);
        }
        if let Some(duplex) = work.duplex.take() {
            duplex.break_off(Cause::Done);
            self.shared.give_back_duplex(duplex);
        }
    }
}
