//! A connection with its own buffers, for embedders.
//!
//! ```text
//!   received(bytes) ──▶ [ input ] ──▶ next_event() ──▶ RequestEvent, a value
//!                                         │
//!   sent(n) ◀── outgoing() ◀── [ output ] ◀── respond, data, end
//! ```
//!
//! Rules of this file:
//!
//! - [`SharedServerConnection`] makes all decisions: this keeps bytes and memory for it.
//! - An event borrows nothing. A head shares the memory of the connection until either needs it
//!   exclusively; data are a part of what was received.
//!
//! It must never know time, handlers, or the transport.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use super::super::buffers::ConnectionBuffers;
use super::super::local_error::LocalProtocolError;
use super::super::state::{ConnectionState, ServerState};
use super::event::{OwnedRequestHead, Received, RequestEvent};
use super::{ConnectionConfig, SharedServerConnection};
use crate::http1::message::BodyLength;
use crate::http1::syntax::{Headers, HttpDate, Rejection, Status};

/// The server's side of one connection: bytes in, events out; commands in, bytes out. `Send`.
///
/// # The contract
///
/// 1. Pass received bytes to [`received`](Self::received) while [`wants_input`](Self::wants_input);
///    call [`eof`](Self::eof) when the client half-closes the stream.
/// 2. Call [`next_event`](Self::next_event) until it returns `None`: a
///    [`Request`](RequestEvent::Request), any number of [`Data`](RequestEvent::Data), an
///    [`End`](RequestEvent::End).
/// 3. Answer each request once, at any time after its head arrived, with
///    [`respond_whole`](Self::respond_whole), or with [`respond`](Self::respond),
///    [`data`](Self::data) and [`end`](Self::end). A command that the protocol forbids returns an
///    error, and sends nothing. The next request is read when this one is answered.
/// 4. Write the [`outgoing`](Self::outgoing) bytes, and report how many were [`sent`](Self::sent).
/// 5. When all is sent, close the stream if [`must_close`](Self::must_close).
///
/// If `next_event` returns an error, the client broke a rule: call [`reject`](Self::reject), which
/// answers if that is possible, and close the stream. If a response has begun and cannot be
/// completed, reset the stream if [`ends_with_stream`](Self::ends_with_stream), otherwise close it.
///
/// ```
/// use std::io::{Read, Write};
///
/// use diesel_proto::http1::{ConnectionConfig, RequestEvent, Headers, ServerConnection, Status};
///
/// /// Sends back the content of each request, over any stream.
/// fn serve(mut stream: impl Read + Write) -> std::io::Result<()> {
///     let mut http = ServerConnection::new(ConnectionConfig::default());
///     let mut content = Vec::new();
///     let mut scratch = [0; 4096];
///     loop {
///         match http.next_event() {
///             Ok(Some(RequestEvent::Request(_))) => http.ask_for_body(),
///             Ok(Some(RequestEvent::Data(data))) => content.extend_from_slice(&data),
///             Ok(Some(RequestEvent::End(_))) => {
///                 http.respond_whole(Status::OK, &Headers::new(), &content)
///                     .map_err(std::io::Error::other)?;
///                 content.clear();
///             }
///             Ok(Some(RequestEvent::Closed)) => {}
///             Ok(None) => {
///                 stream.write_all(&http.take_outgoing())?;
///                 if http.must_close() {
///                     return Ok(());
///                 }
///                 match stream.read(&mut scratch)? {
///                     0 => http.eof(),
///                     n => assert_eq!(http.received(&scratch[..n]), n),
///                 }
///             }
///             Err(_) => {
///                 http.reject();
///                 return stream.write_all(&http.take_outgoing());
///             }
///         }
///     }
/// }
/// # struct Pipe(&'static [u8], Vec<u8>);
/// # impl Read for &mut Pipe {
/// #     fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> { self.0.read(into) }
/// # }
/// # impl Write for &mut Pipe {
/// #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.1.write(bytes) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
/// # let mut pipe = Pipe(post, Vec::new());
/// # serve(&mut pipe).unwrap();
/// # assert_eq!(pipe.1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// ```
///
/// # Memory
///
/// While idle it has no heap memory; an exchange allocates. Received bytes are copied once. For
/// many connections, use [`SharedServerConnection`]s, which share their memory and read bytes in
/// place: [`Service`](crate::http1::Service) is built on them.
pub struct ServerConnection {
    shared: SharedServerConnection,
    buffers: ConnectionBuffers,
    /// A request without a body arrived: its end is the next event.
    end_is_due: bool,
    date: Option<HttpDate>,
}

impl ServerConnection {
    /// A new connection.
    pub fn new(config: impl Into<Arc<ConnectionConfig>>) -> Self {
        ServerConnection {
            shared: SharedServerConnection::new(config.into()),
            buffers: ConnectionBuffers::default(),
            end_is_due: false,
            date: None,
        }
    }

    /// Whether to read from the stream. False after the end of the stream, and while received bytes
    /// are unread, such as those of a pipelined request while the one before it is unanswered: that
    /// is back-pressure.
    pub fn wants_input(&self) -> bool {
        self.buffers.has_room() && !self.is_over()
    }

    /// Passes on bytes that arrived. Returns how many were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false (keep those, and offer them again). When no
    /// further request is read, bytes are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, bytes: &[u8]) -> usize {
        if self.is_switched() {
            return 0;
        }
        self.buffers.received(bytes, self.is_over())
    }

    /// Reports a half-close: the client ended its side. Call this after all its bytes were taken.
    pub fn eof(&mut self) {
        self.buffers.end();
    }

    /// Returns what the client did, one event at a time. Call it until it returns `None`, whenever
    /// bytes arrived or a response was completed.
    ///
    /// # Errors
    ///
    /// The rule that the client broke, and where. Further calls return the same until it is
    /// answered.
    pub fn next_event(&mut self) -> Result<Option<RequestEvent>, Rejection> {
        if core::mem::take(&mut self.end_is_due) && self.is_being_answered() {
            return Ok(Some(RequestEvent::End(Headers::new())));
        }
        if self.must_close() || (self.is_idle() && !self.buffers.eof_is_due()) {
            self.let_go();
            return Ok(None);
        }
        let Some((input, spans, blocks)) = self.buffers.reading() else { return Ok(None) };
        let received = self.shared.receive(input, spans, blocks);
        let (taken, data, event) = match received {
            Ok((taken, None)) => (taken, 0, None),
            Ok((taken, Some(Received::Request(_)))) => {
                self.end_is_due = self.shared.request_is_complete();
                let head = self.buffers.spans.clone().map(OwnedRequestHead);
                (taken, 0, head.map(RequestEvent::Request))
            }
            // The data are the last of the bytes that were taken.
            Ok((taken, Some(Received::Data(data)))) => (taken, data.len(), None),
            Ok((taken, Some(Received::End(fields)))) => {
                (taken, 0, Some(RequestEvent::End(Headers::from(fields))))
            }
            Err(rejection) => {
                self.buffers.input = BytesMut::new();
                return Err(rejection);
            }
        };
        let bytes = self.buffers.take(taken, data);
        if data > 0 {
            return Ok(Some(RequestEvent::Data(bytes)));
        }
        if event.is_some() || !self.buffers.input.is_empty() {
            return Ok(event);
        }
        if self.buffers.take_eof() {
            self.shared.eof()?;
            return Ok(Some(RequestEvent::Closed));
        }
        self.let_go();
        Ok(None)
    }

    /// Takes the bytes that were received and not read: if [`is_switched`](Self::is_switched), the
    /// first of the other protocol.
    pub fn take_input(&mut self) -> Bytes {
        core::mem::take(&mut self.buffers.input).freeze()
    }

    /// Sets the time of day, in seconds since 1970, for the `Date` of responses. Responses have no
    /// `Date` before the first call.
    pub fn set_time(&mut self, unix_seconds: u64) {
        if self.date.as_ref().map(HttpDate::unix) != Some(unix_seconds) {
            self.date = Some(HttpDate::from_unix(unix_seconds));
        }
    }

    /// See [`SharedServerConnection::ask_for_body`].
    pub fn ask_for_body(&mut self) {
        self.shared.ask_for_body(&mut self.buffers.out());
    }

    /// See [`SharedServerConnection::inform`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn inform(&mut self, status: Status, headers: &Headers) -> Result<(), LocalProtocolError> {
        let out = &mut self.buffers.out();
        self.shared.inform(status, headers, out)
    }

    /// Sends the head of the response: see [`SharedServerConnection::respond`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn respond(
        &mut self,
        status: Status,
        headers: &Headers,
        length: BodyLength,
    ) -> Result<(), LocalProtocolError> {
        let out = &mut self.buffers.out();
        self.shared.respond(status, headers, length, self.date.as_ref(), out)
    }

    /// Sends a response with its whole content: see [`SharedServerConnection::respond_whole`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn respond_whole(
        &mut self,
        status: Status,
        headers: &Headers,
        content: &[u8],
    ) -> Result<(), LocalProtocolError> {
        let out = &mut self.buffers.out();
        self.shared.respond_whole(status, headers, content, self.date.as_ref(), out)
    }

    /// Sends a part of the body: see [`SharedServerConnection::data`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn data(&mut self, data: &[u8]) -> Result<(), LocalProtocolError> {
        self.shared.data(data, &mut self.buffers.out())
    }

    /// As [`data`](Self::data), by reference if it is large.
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn data_bytes(&mut self, data: Bytes) -> Result<(), LocalProtocolError> {
        self.shared.data_bytes(data, &mut self.buffers.out())
    }

    /// Ends the response: see [`SharedServerConnection::end`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn end(&mut self, trailers: &Headers) -> Result<(), LocalProtocolError> {
        self.shared.end(trailers, &mut self.buffers.out())
    }

    /// Agrees to switch protocols: see [`SharedServerConnection::switch`]. Then
    /// [`take_input`](Self::take_input) returns the first bytes of the new protocol.
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn switch(&mut self, headers: &Headers, protocol: &str) -> Result<(), LocalProtocolError> {
        let out = &mut self.buffers.out();
        self.shared.switch(headers, protocol, self.date.as_ref(), out)
    }

    /// Answers a violation of the protocol: see [`SharedServerConnection::reject`].
    pub fn reject(&mut self) {
        let out = &mut self.buffers.out();
        self.shared.reject(self.date.as_ref(), out);
    }

    /// Fills `into` with the bytes to write next, oldest first; returns how many slices it filled.
    pub fn outgoing<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.buffers.output.slices(into)
    }

    /// Reports that `n` of the outgoing bytes were written.
    pub fn sent(&mut self, n: u64) {
        self.buffers.output.advance(n, &mut self.buffers.blocks);
        self.let_go();
    }

    /// Takes all outgoing bytes, as if they were sent: for tests, and for streams that accept any
    /// amount.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        let taken = self.buffers.take_outgoing();
        self.let_go();
        taken
    }

    /// Number of outgoing bytes. It has no limit here: the embedder should send no more of a body
    /// while it is large.
    pub fn queued(&self) -> u64 {
        self.buffers.output.len()
    }

    /// Number of buffered bytes, in and out. Received bytes are at most those of one call; an
    /// incomplete head or trailer section is within [`Limits`](crate::http1::Limits).
    pub fn held(&self) -> usize {
        self.buffers.held().saturating_add(self.shared.held())
    }

    /// Whether the last response was given: when everything outgoing is sent, the stream must be
    /// closed.
    pub fn must_close(&self) -> bool {
        self.shared.must_close()
    }

    /// See [`SharedServerConnection::ends_with_stream`].
    pub fn ends_with_stream(&self) -> bool {
        self.shared.ends_with_stream()
    }

    /// Whether both sides speak another protocol now.
    pub fn is_switched(&self) -> bool {
        self.shared.is_switched()
    }

    /// Whether the connection is idle, and no bytes wait to be read.
    pub fn is_idle(&self) -> bool {
        self.buffers.input.is_empty() && self.shared.is_idle()
    }

    /// The states of both peers.
    pub fn state(&self) -> ConnectionState {
        self.shared.state()
    }

    /// See [`SharedServerConnection::give_up`]: for graceful shutdown.
    pub fn give_up(&mut self) {
        self.shared.give_up();
    }

    /// See [`SharedServerConnection::timed_out`].
    pub fn timed_out(&mut self) -> Option<Rejection> {
        self.shared.timed_out()
    }

    fn is_being_answered(&self) -> bool {
        matches!(self.state().server, ServerState::SendResponse | ServerState::Sending)
    }

    /// Whether no further request will be read.
    fn is_over(&self) -> bool {
        self.must_close() || self.is_switched() || self.shared.rejection().is_some()
    }

    /// Releases the memory if the connection is idle or finished.
    fn let_go(&mut self) {
        if self.is_idle() || self.must_close() {
            self.buffers.release();
        }
    }
}

impl fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConnection")
            .field("connection", &self.shared)
            .field("unread", &self.buffers.input.len())
            .field("queued", &self.buffers.output.len())
            .finish()
    }
}
