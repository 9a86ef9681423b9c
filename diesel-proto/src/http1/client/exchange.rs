//! [`Exchange`]: one request on one connection, and its response.
//!
//! ```text
//!   send ──▶ [ upload: while the response is awaited and read ] ──▶ head, pieces .., trailers
//! ```
//!
//! Rules of this file:
//!
//! - What is sent and what is received go on together: neither waits for the other.
//! - Every wait is under the alarm.
//! - When the response is complete, the link goes back at once. If the exchange is dropped before,
//!   the link is closed: see [`Lease`].
//!
//! It must never know retries and redirects.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;

use super::alarm::Alarm;
use super::config::ClientTimeouts;
use super::dial::failed_at;
use super::error::{ClientError, Phase, Timeout};
use super::lease::Lease;
use super::link::{LinkError, Received};
use super::parts::Interim;
use super::upload::{Staged, Upload};
use super::url::Url;
use crate::buf::Chunk;
use crate::fiber::{Conn, Sleep};
use crate::http1::connection::{LocalProtocolError, SharedClientConnection};
use crate::http1::message::{BodyLength, MessageOutput, RequestLine, RequestOptions};
use crate::http1::syntax::{FieldSpans, Headers, Status};
use crate::machine::{Address, Error, Reason};
use crate::time::Instant;

/// A body of this many bytes or more is sent without a copy.
const LARGE: usize = 8 << 10;

pub(super) struct Exchange {
    lease: Lease,
    sending: Sending,
    pub(super) alarm: Alarm,
    timeouts: ClientTimeouts,
    /// When the request was begun.
    begun: Instant,
}

/// What is still to be sent.
enum Sending {
    Nothing,
    /// A body, once the server asks for it, or has not answered for a while.
    Expected(Bytes, Sleep),
    /// The same, if there is a `Sleep`.
    Stream(Box<Upload>, Option<Sleep>),
    /// What the connection has queued. The server cannot answer what has not arrived, so the time
    /// for its answer begins after it.
    Queued,
}

/// The body of a request, to be sent.
pub(super) enum Content {
    Whole(Bytes),
    Stream(BodyLength, Box<Upload>),
}

/// A part of the body of a response.
pub(super) enum Piece {
    Data(Chunk),
    End(Headers),
}

/// Why an exchange failed.
pub(super) enum ExchangeError {
    Client(ClientError),
    /// The connection ended before any byte of the response: it may have been closed before the
    /// request arrived. The flag: whether any of the request was sent.
    Stale(ClientError, bool),
}

impl From<ClientError> for ExchangeError {
    fn from(error: ClientError) -> Self {
        ExchangeError::Client(error)
    }
}

impl Exchange {
    pub(super) fn new(lease: Lease, alarm: Alarm, timeouts: ClientTimeouts) -> Self {
        let begun = lease.client().ctx.now();
        Exchange { lease, sending: Sending::Nothing, alarm, timeouts, begun }
    }

    pub(super) fn peer(&mut self) -> Option<Address> {
        self.lease.link().map(|link| link.peer())
    }

    /// Whether the link had requests before this one. Call it before this one is sent.
    pub(super) fn is_reused(&mut self) -> bool {
        self.lease.link().is_some_and(|link| link.requests > 0)
    }

    /// After the server switched: the connection, which leaves the pool.
    pub(super) fn into_conn(mut self) -> Option<Conn> {
        self.lease.link.take().map(|link| link.into_conn())
    }

    /// Sends a request, or its head; the rest is sent while the response is awaited.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        line: &RequestLine<'_>,
        headers: &Headers,
        content: &mut Option<Content>,
        options: &RequestOptions<'_>,
        url: &Url,
    ) -> Poll<Result<(), ExchangeError>> {
        self.alarm.begin_untimed(Phase::Send);
        let Lease { client, link: Some(link), .. } = &mut self.lease else {
            return Poll::Pending;
        };
        link.has_answered = false;
        // Bytes that arrived since the link was taken answer no request.
        if link.has_unread() {
            return Poll::Ready(Err(self.stale(url, Error::Closed, false)));
        }
        let mut sent = Ok(());
        let protocol = &mut link.protocol;
        let written = pin!(link.conn.write_with(|pipeline, blocks| {
            let out = &mut MessageOutput::new(pipeline, blocks);
            sent = match content {
                Some(Content::Whole(body)) if !options.expects_continue || body.is_empty() => {
                    whole(protocol, line, headers, body, options, out)
                }
                Some(Content::Whole(body)) => {
                    let length = BodyLength::Exactly(body.len() as u64);
                    protocol.request(line, headers, length, options, out)
                }
                Some(Content::Stream(length, _)) => {
                    protocol.request(line, headers, *length, options, out)
                }
                None => whole(protocol, line, headers, &Bytes::new(), options, out),
            };
        }))
        .poll(cx);
        match written {
            Poll::Pending => {
                return self
                    .alarm
                    .poll(cx)
                    .map(|(timeout, after)| Err(self.timed_out(url, timeout, after).into()));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.stale(url, error, false))),
            Poll::Ready(Ok(())) => {}
        }
        if let Err(error) = sent {
            return Poll::Ready(Err(ClientError::from(error).into()));
        }
        link.requests += 1;
        let expects = link.protocol.awaits_continue();
        let sleep = expects.then(|| client.ctx.sleep(self.timeouts.expect));
        self.sending = match (content.take(), sleep) {
            (Some(Content::Whole(body)), Some(sleep)) => Sending::Expected(body, sleep),
            (Some(Content::Stream(_, upload)), sleep) => Sending::Stream(upload, sleep),
            (Some(Content::Whole(body)), None) if body.len() >= LARGE => Sending::Queued,
            // A head, and little more: that is on its way at once.
            _ => Sending::Nothing,
        };
        match self.sending {
            Sending::Nothing => self.await_head(),
            _ => self.alarm.begin_untimed(Phase::Send),
        }
        Poll::Ready(Ok(()))
    }

    fn await_head(&mut self) {
        self.alarm.begin(Phase::Head, Timeout::FirstByte, self.timeouts.first_byte);
    }

    /// Waits for a head: that of the response (then the result tells whether a body follows), or an
    /// interim one, which is passed on.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        spans: &mut FieldSpans,
        url: &Url,
        interim: &mut Option<Interim>,
    ) -> Poll<Result<HeadKind, ExchangeError>> {
        loop {
            let sent = self.poll_upload(cx)?;
            match self.poll_receive(cx, spans) {
                Poll::Ready(Ok(Received::Informational)) => {
                    if let Some(interim) = interim {
                        interim(spans.kept_response());
                    }
                }
                Poll::Ready(Ok(Received::Head)) => {
                    let status = spans.kept_response().status();
                    self.answered(status);
                    self.alarm.begin(Phase::Body, Timeout::Between, self.timeouts.between);
                    return Poll::Ready(Ok(HeadKind::WithBody));
                }
                Poll::Ready(Ok(Received::WholeHead)) => return Poll::Ready(Ok(HeadKind::Whole)),
                Poll::Ready(Ok(Received::Switched)) => {
                    return Poll::Ready(Ok(HeadKind::Switched));
                }
                // These do not come before a head.
                Poll::Ready(Ok(Received::Data(_) | Received::End(_))) => {}
                Poll::Ready(Err(LinkError::Rejected(rejection))) => {
                    let at = failed_at(Phase::Head, url, self.peer());
                    return Poll::Ready(Err(ClientError::Response(at, rejection).into()));
                }
                Poll::Ready(Err(LinkError::Broken(error))) => {
                    return Poll::Ready(Err(self.stale(url, error, true)));
                }
                Poll::Pending if sent => {}
                Poll::Pending => {
                    return self
                        .alarm
                        .poll(cx)
                        .map(|(timeout, after)| Err(self.timed_out(url, timeout, after).into()));
                }
            }
        }
    }

    /// Waits for the next piece of the body.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        spans: &mut FieldSpans,
        url: &Url,
    ) -> Poll<Result<Piece, ClientError>> {
        loop {
            let sent = match self.poll_upload(cx) {
                Ok(sent) => sent,
                Err(ExchangeError::Client(error) | ExchangeError::Stale(error, _)) => {
                    return Poll::Ready(Err(error));
                }
            };
            match self.poll_receive(cx, spans) {
                Poll::Ready(Ok(Received::Data(data))) => {
                    self.alarm.begin(Phase::Body, Timeout::Between, self.timeouts.between);
                    return Poll::Ready(Ok(Piece::Data(data)));
                }
                Poll::Ready(Ok(Received::End(trailers))) => {
                    return Poll::Ready(Ok(Piece::End(trailers)));
                }
                // No head comes within a body.
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    if let LinkError::Broken(Error::TimedOut(Reason::WriteStall)) = error {
                        return Poll::Ready(Err(self.stalled(url)));
                    }
                    let at = failed_at(Phase::Body, url, self.peer());
                    return Poll::Ready(Err(match error {
                        LinkError::Rejected(rejection) => ClientError::Response(at, rejection),
                        LinkError::Broken(Error::Shutdown) => ClientError::Shutdown,
                        LinkError::Broken(error) => ClientError::Broken(at, error),
                    }));
                }
                Poll::Pending if sent => {}
                Poll::Pending => {
                    return self
                        .alarm
                        .poll(cx)
                        .map(|(timeout, after)| Err(self.timed_out(url, timeout, after)));
                }
            }
        }
    }

    /// A piece that has arrived already, if there is one.
    pub(super) fn piece_here(&mut self, spans: &mut FieldSpans) -> Option<Piece> {
        let Lease { client, link, .. } = &mut self.lease;
        let link = link.as_deref_mut()?;
        match client.with_blocks(|blocks| link.receive_here(spans, blocks)) {
            Ok(Some(Received::Data(data))) => Some(Piece::Data(data)),
            Ok(Some(Received::End(trailers))) => Some(Piece::End(trailers)),
            _ => None,
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        spans: &mut FieldSpans,
    ) -> Poll<Result<Received, LinkError>> {
        let Lease { client, link, .. } = &mut self.lease;
        let Some(link) = link.as_deref_mut() else {
            return Poll::Ready(Err(LinkError::Broken(Error::AlreadyDone)));
        };
        client.with_blocks(|blocks| link.poll_receive(cx, spans, blocks))
    }

    /// The head of the response is here. A server that answers an upload with an error does not want
    /// the rest of it (RFC 9112, 9.5); nor does one that answers before it said `100 Continue`.
    fn answered(&mut self, status: Status) {
        let stops = match self.sending {
            Sending::Nothing | Sending::Queued => false,
            Sending::Expected(..) => true,
            Sending::Stream(..) => status.code() >= 300,
        };
        if stops {
            self.stop_sending();
        }
    }

    /// Nothing more is sent: so this is the last request of the link.
    fn stop_sending(&mut self) {
        self.sending = Sending::Nothing;
        if self.alarm.phase == Phase::Send {
            self.await_head();
        }
        if let Some(link) = self.lease.link() {
            link.protocol.give_up();
        }
    }

    /// Sends what is left of the body, as far as the connection takes it. Returns whether anything
    /// changed.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<bool, ExchangeError> {
        match &mut self.sending {
            Sending::Nothing => Ok(false),
            Sending::Expected(..) => self.poll_expected(cx),
            Sending::Stream(..) => self.poll_stream(cx),
            Sending::Queued => Ok(self.poll_queued(cx)),
        }
    }

    /// Waits until all that is queued was sent.
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> bool {
        let is_sent = self.lease.link().is_none_or(|link| link.poll_flush(cx).is_ready());
        if is_sent {
            self.sending = Sending::Nothing;
            if self.alarm.phase == Phase::Send {
                self.await_head();
            }
        }
        is_sent
    }

    fn poll_expected(&mut self, cx: &mut Context<'_>) -> Result<bool, ExchangeError> {
        let Sending::Expected(body, sleep) = &mut self.sending else { return Ok(false) };
        let Lease { link: Some(link), .. } = &mut self.lease else { return Ok(false) };
        if link.protocol.awaits_continue() && Pin::new(sleep).poll(cx).is_pending() {
            return Ok(false);
        }
        let protocol = &mut link.protocol;
        let mut sent = Ok(());
        let written = pin!(link.conn.write_with(|pipeline, blocks| {
            let out = &mut MessageOutput::new(pipeline, blocks);
            sent = protocol
                .data_bytes(core::mem::take(body), out)
                .and_then(|()| protocol.end(&Headers::new(), out));
        }))
        .poll(cx);
        match written {
            Poll::Pending => return Ok(false),
            // What the server has answered is read all the same.
            Poll::Ready(Err(_)) => self.stop_sending(),
            Poll::Ready(Ok(())) => {
                sent.map_err(ClientError::from)?;
                self.sending = Sending::Queued;
                self.poll_queued(cx);
            }
        }
        Ok(true)
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Result<bool, ExchangeError> {
        let Sending::Stream(upload, sleep) = &mut self.sending else { return Ok(false) };
        let Lease { link: Some(link), .. } = &mut self.lease else { return Ok(false) };
        if let Some(waits) = sleep {
            if link.protocol.awaits_continue() && Pin::new(waits).poll(cx).is_pending() {
                return Ok(false);
            }
            *sleep = None;
        }
        let Staged { data, trailers } = upload.poll(cx).map_err(ClientError::Upload)?;
        let is_last = trailers.is_some();
        if data.is_empty() && !is_last {
            return Ok(false);
        }
        let protocol = &mut link.protocol;
        let mut sent: Result<(), LocalProtocolError> = Ok(());
        let written = pin!(link.conn.write_with(|pipeline, blocks| {
            let out = &mut MessageOutput::new(pipeline, blocks);
            sent = protocol.data_queued(data, out);
            if let (Some(trailers), Ok(())) = (trailers, &sent) {
                sent = protocol.end(trailers, out);
            }
        }))
        .poll(cx);
        match written {
            Poll::Pending => return Ok(false),
            // What the server has answered is read all the same.
            Poll::Ready(Err(_)) => self.stop_sending(),
            Poll::Ready(Ok(())) => {
                sent.map_err(ClientError::from)?;
                if is_last {
                    self.sending = Sending::Queued;
                    self.poll_queued(cx);
                }
            }
        }
        Ok(true)
    }

    fn timed_out(&mut self, url: &Url, timeout: Timeout, after: Duration) -> ClientError {
        ClientError::TimedOut(failed_at(self.alarm.phase, url, self.peer()), timeout, after)
    }

    /// The server reads no more of the request, and the hub has cut the connection.
    fn stalled(&mut self, url: &Url) -> ClientError {
        let now = self.lease.client().ctx.now();
        let after = Duration::from_nanos(now.as_nanos() - self.begun.as_nanos());
        ClientError::TimedOut(failed_at(Phase::Send, url, self.peer()), Timeout::WriteStall, after)
    }

    /// The connection ended or broke before the head of the response.
    fn stale(&mut self, url: &Url, error: Error, is_sent: bool) -> ExchangeError {
        if matches!(error, Error::Shutdown) {
            return ClientError::Shutdown.into();
        }
        if let Error::TimedOut(Reason::WriteStall) = error {
            return self.stalled(url).into();
        }
        let has_answered = self.lease.link().is_none_or(|link| link.has_answered);
        let error = ClientError::Broken(failed_at(self.alarm.phase, url, self.peer()), error);
        match has_answered {
            true => ExchangeError::Client(error),
            false => ExchangeError::Stale(error, is_sent),
        }
    }
}

/// Sends a request with its whole body, which is not copied if it is large.
fn whole(
    protocol: &mut SharedClientConnection,
    line: &RequestLine<'_>,
    headers: &Headers,
    body: &Bytes,
    options: &RequestOptions<'_>,
    out: &mut MessageOutput<'_>,
) -> Result<(), LocalProtocolError> {
    if body.len() < LARGE {
        return protocol.request_whole(line, headers, body, options, out);
    }
    let options = &RequestOptions { expects_continue: false, ..*options };
    protocol.request(line, headers, BodyLength::Exactly(body.len() as u64), options, out)?;
    protocol.data_bytes(body.clone(), out)?;
    protocol.end(&Headers::new(), out)
}

/// What follows a head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadKind {
    Whole,
    WithBody,
    Switched,
}
