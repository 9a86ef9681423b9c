//! Answers a request: with the handler's response, or with an error.

use alloc::format;
use alloc::string::{String, ToString};
use core::mem;

use bytes::Bytes;

use super::super::response::Response;
use super::super::response::{ResponseContent, Upgrade, status_of};
use super::active::{Active, RequestTask};
use super::{Failure, HttpMachine, output};
use crate::buf::Pipeline;
use crate::http1::connection::LocalProtocolError;
use crate::http1::connection::ServerState as Side;
use crate::http1::message::BodyLength;
use crate::http1::message::OutgoingHead;
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{Headers, HttpDate, Rejection, Status};
use crate::machine::{Actions, Cause, Error, Limit, Notice};

impl HttpMachine {
    /// Sends a response, or only its head if the body is a stream. Returns whether there is a
    /// stream to [attend](Self::attend) to.
    #[inline]
    pub(super) fn answer(
        &mut self,
        active: &mut Active,
        response: &mut Response,
        actions: &mut Actions<'_>,
    ) -> bool {
        if let ResponseContent::Reporting(_) = response.content {
            self.report(response, actions);
        }
        match response.content {
            ResponseContent::Stream(..) => {
                let content = mem::replace(&mut response.content, ResponseContent::Empty);
                if let ResponseContent::Stream(length, stream) = content {
                    self.stream(active, response, (length, stream), actions);
                }
                return true;
            }
            ResponseContent::Failed(_) => self.disclose(response, actions),
            _ => {}
        }
        let status = response.status;
        match self.send(active, response, actions) {
            Ok(()) => self.answered(active, status.code(), actions),
            Err(error) => self.fail(active, Failure::Error(error), actions),
        }
        false
    }

    /// Fails a request whose body cannot be collected, because the service holds too many bytes of
    /// bodies.
    #[cold]
    pub(super) fn no_room(&mut self, active: &mut Active, actions: &mut Actions<'_>) {
        if let RequestTask::Collecting(_) = &active.task {
            active.task = RequestTask::Nothing;
        }
        let limit = Limit::HeldBodies(self.shared.config.limits.held_bodies);
        actions.notice(Notice::LimitReached(limit));
        self.fail(active, Failure::Error(Error::Limit(limit)), actions);
    }

    /// Fails a request whose handler gave no response that can be sent.
    #[cold]
    pub(super) fn fail(
        &mut self,
        active: &mut Active,
        failure: Failure,
        actions: &mut Actions<'_>,
    ) {
        let (status, cause) = match failure {
            Failure::Error(error) => {
                let status = status_of(&error);
                let cause = match &error {
                    Error::Shutdown => Cause::Shutdown,
                    Error::Limit(limit) if status != Status::INTERNAL_SERVER_ERROR => {
                        Cause::Limit(*limit)
                    }
                    _ => Cause::Failed,
                };
                self.tell(error, actions);
                (status, cause)
            }
            Failure::Panicked => {
                self.panicked(actions);
                (Status::INTERNAL_SERVER_ERROR, Cause::Panicked)
            }
        };
        if active.connection.state().server != Side::SendResponse {
            return self.cut(active, cause, actions);
        }
        let mut response = Response::text(format!("{status}\n")).status(status);
        match self.send(active, &mut response, actions) {
            Ok(()) => self.answered(active, status.code(), actions),
            Err(_) => self.cut(active, cause, actions),
        }
    }

    /// Cuts the response in progress, which cannot be completed. The responses before it are sent;
    /// the rest of this one is dropped, and the stream ends so that the client can detect it (RFC
    /// 9112, 8). A body with a length or in chunks is incomplete if the stream is closed, and
    /// closing keeps the bytes that the client has not read yet. A body that ends with the stream
    /// would look complete, so the stream is reset.
    #[cold]
    pub(super) fn cut(&mut self, active: &mut Active, cause: Cause, actions: &mut Actions<'_>) {
        self.end_task(active);
        let sent = actions.queued_in_all().saturating_sub(actions.queued());
        actions.take_back(active.complete);
        match sent > active.complete && active.connection.ends_with_stream() {
            true => actions.cut(cause),
            false => actions.close(cause),
        }
    }

    /// Answers a request that broke a rule.
    pub(super) fn reject(
        &mut self,
        active: &mut Active,
        rejection: Rejection,
        actions: &mut Actions<'_>,
    ) {
        if let Some(answer) = &self.shared.on_rejection {
            match self.ctx.call(|| answer(&rejection)) {
                Some(mut response) => {
                    if response.status == Status::OK {
                        response.status = rejection.status();
                    }
                    let is_whole = !matches!(
                        response.content,
                        ResponseContent::Stream(..) | ResponseContent::Upgrade(..)
                    );
                    if is_whole && self.send(active, &mut response, actions).is_ok() {
                        return;
                    }
                }
                None => self.panicked(actions),
            }
        }
        let head_cache = self.shared.head_cache();
        active.connection.reject(head_cache.date(), &mut output(actions));
    }

    /// Records that the response is complete.
    #[inline(always)]
    pub(super) fn answered(&mut self, active: &mut Active, status: u16, actions: &mut Actions<'_>) {
        self.watch.restart();
        active.complete = actions.queued_in_all();
        self.retire(active);
        if let Some(entry) = &mut active.entry {
            entry.set_status(status);
        }
        self.log(active, actions);
    }

    /// Reports a request in the access log, if that is on. The status is zero if there was no
    /// response.
    pub(super) fn log(&self, active: &mut Active, actions: &mut Actions<'_>) {
        if let Some(entry) = active.entry.take() {
            let access = entry.complete(actions);
            actions.notice(Notice::Access(access));
        }
    }

    /// Sends a response without a stream.
    #[inline]
    fn send(
        &mut self,
        active: &mut Active,
        response: &mut Response,
        actions: &mut Actions<'_>,
    ) -> Result<(), Error> {
        let Response { status, headers, content_type, content } = response;
        let mut head_cache = self.shared.head_cache();
        let response_head = OutgoingHead { status: *status, content_type: *content_type, headers };
        let whole: &[u8] = match content {
            ResponseContent::Empty => &[],
            ResponseContent::Static(bytes) if bytes.len() < Pipeline::BY_REFERENCE => bytes,
            ResponseContent::Bytes(bytes) if bytes.len() < Pipeline::BY_REFERENCE => bytes,
            ResponseContent::Chunk(bytes) if bytes.len() < Pipeline::BY_REFERENCE => bytes,
            _ => {
                let content = mem::replace(content, ResponseContent::Empty);
                return send_in_parts(active, &response_head, content, head_cache.date(), actions);
            }
        };
        let out = &mut output(actions);
        active
            .connection
            .respond_with_text(&response_head, whole, &mut head_cache, out)
            .map_err(error_of)
    }

    /// Sends the head of a response whose body follows.
    pub(super) fn send_head(
        &self,
        active: &mut Active,
        response: &Response,
        length: BodyLength,
        actions: &mut Actions<'_>,
    ) -> Result<(), Error> {
        let Response { status, headers, content_type, .. } = response;
        let response_head = OutgoingHead { status: *status, content_type: *content_type, headers };
        let head_cache = self.shared.head_cache();
        let out = &mut output(actions);
        active
            .connection
            .respond_with(&response_head, length, head_cache.date(), out)
            .map_err(error_of)?;
        if let Some(entry) = &mut active.entry {
            entry.set_status(status.code());
        }
        Ok(())
    }

    /// Reports the errors that come with a response, and leaves its content.
    #[cold]
    fn report(&self, response: &mut Response, actions: &mut Actions<'_>) {
        while let ResponseContent::Reporting(_) = response.content {
            let content = mem::replace(&mut response.content, ResponseContent::Empty);
            if let ResponseContent::Reporting(reporting) = content {
                let (error, content) = *reporting;
                self.tell(error, actions);
                response.content = content;
            }
        }
    }

    /// Reports the error of a failed response, and makes its status the content.
    #[cold]
    fn disclose(&self, response: &mut Response, actions: &mut Actions<'_>) {
        let status = response.status;
        let text = ResponseContent::Bytes(format!("{status}\n").into());
        if let ResponseContent::Failed(error) = mem::replace(&mut response.content, text) {
            self.tell(error, actions);
        }
        response.headers.remove("content-type");
        response.content_type = Some(ContentType::TEXT);
    }

    /// Reports an error of the handler in a notice, unless its status says all (then it is the
    /// client's, or a notice has reported it already). Formatting it is user code, too.
    fn tell(&self, error: Error, actions: &mut Actions<'_>) {
        if status_of(&error) != Status::INTERNAL_SERVER_ERROR {
            return;
        }
        let text: Option<String> = self.ctx.call(|| {
            let text = error.to_string();
            drop(error);
            text
        });
        match text {
            Some(error) => {
                actions.notice(Notice::Failed { peer: Some(self.ctx.peer()), error });
            }
            None => self.panicked(actions),
        }
    }

    fn panicked(&self, actions: &mut Actions<'_>) {
        actions.notice(Notice::Panicked { peer: Some(self.ctx.peer()) });
    }
}

/// Sends a response that is large, has no bytes of content, or switches protocols.
#[inline(never)]
fn send_in_parts(
    active: &mut Active,
    response_head: &OutgoingHead<'_>,
    content: ResponseContent,
    date: Option<&HttpDate>,
    actions: &mut Actions<'_>,
) -> Result<(), Error> {
    let connection = &mut active.connection;
    let out = &mut output(actions);
    let (length, bytes) = match content {
        ResponseContent::Invalid(invalid) => return Err(Error::application(invalid)),
        // It was reported: see `HttpMachine::answer`.
        ResponseContent::Reporting(reporting) => return Err(reporting.0),
        ResponseContent::Failed(error) => return Err(error),
        ResponseContent::Empty => (BodyLength::Exactly(0), Bytes::new()),
        ResponseContent::Static(bytes) => {
            (BodyLength::Exactly(bytes.len() as u64), Bytes::from_static(bytes))
        }
        ResponseContent::Bytes(bytes) => (BodyLength::Exactly(bytes.len() as u64), bytes),
        ResponseContent::Chunk(chunk) => {
            (BodyLength::Exactly(chunk.len() as u64), chunk.to_bytes())
        }
        // A stream begins with its head alone: see `HttpMachine::answer`.
        ResponseContent::Stream(..) => {
            return Err(Error::application("a stream cannot be sent as content"));
        }
        ResponseContent::LeftOut(n) => {
            let is_left_out = connection.is_head() || response_head.status == Status::NOT_MODIFIED;
            (BodyLength::Exactly(if is_left_out { n } else { 0 }), Bytes::new())
        }
        ResponseContent::Upgrade(upgrade) => {
            let Upgrade { protocol, make } = *upgrade;
            connection.switch(response_head.headers, &protocol, date, out).map_err(error_of)?;
            active.next = Some(make);
            return Ok(());
        }
    };
    connection
        .respond_with(response_head, length, date, out)
        .and_then(|()| connection.data_bytes(bytes, out))
        .and_then(|()| connection.end(&Headers::new(), out))
        .map_err(error_of)
}

fn error_of(local_error: LocalProtocolError) -> Error {
    Error::application(local_error)
}

pub(super) fn misused(local_error: LocalProtocolError) -> Failure {
    Failure::Error(error_of(local_error))
}
