//! A connection with all that it needs: what an embedder holds.
//!
//! ```text
//!   received(bytes) ──▶ [ input ] ──▶ next_event() ──▶ RequestEvent, a value
//!                                         │
//!   sent(n) ◀── outgoing() ◀── [ output ] ◀── respond, data, end
//! ```
//!
//! Rules of this file:
//!
//! - Everything that decides is in [`SharedServerConnection`]: this keeps bytes and memory for it.
//! - An event borrows nothing. A head shares the memory of the connection until one of both needs it
//!   alone; data are a part of what was received.
//! - `len(input) <= one call of received`: more is taken only once all of it was read.
//!
//! It must never know time, handlers, or what carries the bytes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use super::super::state::{ConnectionState, ServerState};
use super::event::{OwnedRequestHead, Received, RequestEvent};
use super::local_error::LocalProtocolError;
use super::{ConnectionConfig, SharedServerConnection};
use crate::buf::{Blocks, Pipeline};
use crate::http1::message::{BodyLength, MessageOutput};
use crate::http1::syntax::{FieldSpans, Headers, HttpDate, Rejection, Status};

/// The server's side of one connection: bytes in, events out; commands in, bytes out. `Send`.
///
/// # The contract
///
/// 1. Give what arrives to [`received`](Self::received) while
///    [`wants_input`](Self::wants_input); call [`eof`](Self::eof) when the client ends its side.
/// 2. Take events with [`next_event`](Self::next_event) until there is none: a
///    [`Request`](RequestEvent::Request), any number of [`Data`](RequestEvent::Data), an [`End`](RequestEvent::End).
/// 3. Answer each request once, whenever you like after its head came, with
///    [`respond_whole`](Self::respond_whole), or with [`respond`](Self::respond),
///    [`data`](Self::data) and [`end`](Self::end). What the protocol forbids is an error, and sends
///    nothing. The next request is read when this one is answered.
/// 4. Write what is [`outgoing`](Self::outgoing), and say how much of it was [`sent`](Self::sent).
/// 5. Once all is sent, close the stream if it [`must_close`](Self::must_close).
///
/// If `next_event` fails, the client broke a rule: [`reject`](Self::reject) answers that, if it can
/// be answered, and the stream is to be closed. If an answer that has begun cannot be completed,
/// reset the stream where it [`ends_with_stream`](Self::ends_with_stream), else close it.
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
/// While nothing is under way it holds nothing beyond itself; an exchange allocates. What is received
/// is copied once. Where there are many connections, [`SharedServerConnection`]s share their memory,
/// and read bytes where they lie: that is what [`Service`](crate::http1::Service) stands on.
pub struct ServerConnection {
    shared: SharedServerConnection,
    input: BytesMut,
    /// The client ended its side, and the connection was not told yet.
    eof_is_due: bool,
    has_ended: bool,
    /// A request came that is complete with its head: its end is the next event.
    end_is_due: bool,
    /// Of the last head, or of trailers, if there is memory for them.
    spans: Option<Arc<FieldSpans>>,
    output: Pipeline,
    blocks: Blocks,
    date: Option<HttpDate>,
}

impl ServerConnection {
    /// A connection on which nothing has happened.
    pub fn new(config: impl Into<Arc<ConnectionConfig>>) -> Self {
        ServerConnection {
            shared: SharedServerConnection::new(config.into()),
            input: BytesMut::new(),
            eof_is_due: false,
            has_ended: false,
            end_is_due: false,
            spans: None,
            output: Pipeline::new(),
            blocks: Blocks::new(),
            date: None,
        }
    }

    /// Whether to read: false while bytes wait that were received before, as those of a request do
    /// behind one that is to be answered, and after the end.
    pub fn wants_input(&self) -> bool {
        !self.has_ended && self.input.is_empty() && !self.is_over()
    }

    /// Bytes arrived. Returns how many were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false (keep them, and offer them again). When no further
    /// request is read they are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, bytes: &[u8]) -> usize {
        if self.wants_input() {
            self.input.extend_from_slice(bytes);
        } else if !self.has_ended && (!self.is_over() || self.is_switched()) {
            return 0;
        }
        bytes.len()
    }

    /// The client ended its side: to be said after all its bytes were taken.
    pub fn eof(&mut self) {
        self.eof_is_due |= !self.has_ended;
        self.has_ended = true;
    }

    /// What the client did, one event at a time. To be called until there is none, after everything
    /// that arrived and after each answer that is complete.
    ///
    /// # Errors
    ///
    /// The rule that the client broke, and where. The same comes again until it is answered.
    pub fn next_event(&mut self) -> Result<Option<RequestEvent>, Rejection> {
        if core::mem::take(&mut self.end_is_due) && self.is_being_answered() {
            return Ok(Some(RequestEvent::End(Headers::new())));
        }
        if self.must_close() || (self.is_idle() && !self.eof_is_due) {
            self.let_go();
            return Ok(None);
        }
        // Memory that a head shares is that head's from here on.
        let unique = self.spans.take_if(|spans| Arc::get_mut(spans).is_some());
        let shared = self.spans.insert(unique.unwrap_or_default());
        let Some(spans) = Arc::get_mut(shared) else { return Ok(None) };
        let received = self.shared.receive(&self.input, spans, &mut self.blocks);
        let (taken, data, event) = match received {
            Ok((taken, None)) => (taken, 0, None),
            Ok((taken, Some(Received::Request(_)))) => {
                self.end_is_due = self.shared.request_is_complete();
                let head = self.spans.clone().map(OwnedRequestHead);
                (taken, 0, head.map(RequestEvent::Request))
            }
            // Data are the last of the bytes that were taken.
            Ok((taken, Some(Received::Data(data)))) => (taken, data.len(), None),
            Ok((taken, Some(Received::End(fields)))) => {
                (taken, 0, Some(RequestEvent::End(Headers::from(fields))))
            }
            Err(rejection) => {
                self.input = BytesMut::new();
                return Err(rejection);
            }
        };
        let mut bytes = self.input.split_to(taken);
        if data > 0 {
            return Ok(Some(RequestEvent::Data(bytes.split_off(taken - data).freeze())));
        }
        if event.is_some() || !self.input.is_empty() {
            return Ok(event);
        }
        if core::mem::take(&mut self.eof_is_due) {
            self.shared.eof()?;
            return Ok(Some(RequestEvent::Closed));
        }
        self.let_go();
        Ok(None)
    }

    /// The bytes that were received and not read: if it [`is_switched`](Self::is_switched), the first
    /// of the other protocol.
    pub fn take_input(&mut self) -> Bytes {
        core::mem::take(&mut self.input).freeze()
    }

    /// The time of day, in seconds since 1970: for the `Date` of responses, which have none until the
    /// time is known.
    pub fn set_time(&mut self, unix_seconds: u64) {
        if self.date.as_ref().map(HttpDate::unix) != Some(unix_seconds) {
            self.date = Some(HttpDate::from_unix(unix_seconds));
        }
    }

    /// See [`SharedServerConnection::ask_for_body`].
    pub fn ask_for_body(&mut self) {
        self.shared.ask_for_body(&mut MessageOutput::new(&mut self.output, &mut self.blocks));
    }

    /// See [`SharedServerConnection::inform`].
    ///
    /// # Errors
    ///
    /// There.
    pub fn inform(&mut self, status: Status, headers: &Headers) -> Result<(), LocalProtocolError> {
        let out = &mut MessageOutput::new(&mut self.output, &mut self.blocks);
        self.shared.inform(status, headers, out)
    }

    /// Sends the head of the response: see [`SharedServerConnection::respond`].
    ///
    /// # Errors
    ///
    /// There.
    pub fn respond(
        &mut self,
        status: Status,
        headers: &Headers,
        length: BodyLength,
    ) -> Result<(), LocalProtocolError> {
        let out = &mut MessageOutput::new(&mut self.output, &mut self.blocks);
        self.shared.respond(status, headers, length, self.date.as_ref(), out)
    }

    /// Sends a response whose content is all there: see [`SharedServerConnection::respond_whole`].
    ///
    /// # Errors
    ///
    /// There.
    pub fn respond_whole(
        &mut self,
        status: Status,
        headers: &Headers,
        content: &[u8],
    ) -> Result<(), LocalProtocolError> {
        let out = &mut MessageOutput::new(&mut self.output, &mut self.blocks);
        self.shared.respond_whole(status, headers, content, self.date.as_ref(), out)
    }

    /// Sends a part of the body: see [`SharedServerConnection::data`].
    ///
    /// # Errors
    ///
    /// There.
    pub fn data(&mut self, data: &[u8]) -> Result<(), LocalProtocolError> {
        self.shared.data(data, &mut MessageOutput::new(&mut self.output, &mut self.blocks))
    }

    /// As [`data`](Self::data), by reference if it is large.
    ///
    /// # Errors
    ///
    /// There.
    pub fn data_bytes(&mut self, data: Bytes) -> Result<(), LocalProtocolError> {
        self.shared.data_bytes(data, &mut MessageOutput::new(&mut self.output, &mut self.blocks))
    }

    /// Ends the response: see [`SharedServerConnection::end`].
    ///
    /// # Errors
    ///
    /// There.
    pub fn end(&mut self, trailers: &Headers) -> Result<(), LocalProtocolError> {
        self.shared.end(trailers, &mut MessageOutput::new(&mut self.output, &mut self.blocks))
    }

    /// Agrees to speak another protocol: see [`SharedServerConnection::switch`]. Then
    /// [`take_input`](Self::take_input) has its first bytes.
    ///
    /// # Errors
    ///
    /// There.
    pub fn switch(&mut self, headers: &Headers, protocol: &str) -> Result<(), LocalProtocolError> {
        let out = &mut MessageOutput::new(&mut self.output, &mut self.blocks);
        self.shared.switch(headers, protocol, self.date.as_ref(), out)
    }

    /// Answers what the client broke: see [`SharedServerConnection::reject`].
    pub fn reject(&mut self) {
        let out = &mut MessageOutput::new(&mut self.output, &mut self.blocks);
        self.shared.reject(self.date.as_ref(), out);
    }

    /// Fills `into` with what is to be written next, oldest first; returns how many it filled.
    pub fn outgoing<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.output.slices(into)
    }

    /// `n` bytes of what is outgoing were written.
    pub fn sent(&mut self, n: u64) {
        self.output.advance(n, &mut self.blocks);
        self.let_go();
    }

    /// Takes all bytes that are outgoing, as if they were sent: for tests, and for streams that take
    /// any amount.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        loop {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let n = self.outgoing(&mut slices);
            if n == 0 {
                return taken;
            }
            let before = taken.len();
            slices[..n].iter().for_each(|slice| taken.extend_from_slice(slice));
            self.sent((taken.len() - before) as u64);
        }
    }

    /// How many bytes are outgoing. Nothing bounds them but the embedder, which writes no more of a
    /// body while there are many.
    pub fn queued(&self) -> u64 {
        self.output.len()
    }

    /// Bytes held in memory, in and out. What was received is at most one call's; a head or trailers
    /// that are not complete are within [`Limits`](crate::http1::Limits).
    pub fn held(&self) -> usize {
        let queued = usize::try_from(self.output.len()).unwrap_or(usize::MAX);
        queued.saturating_add(self.input.len()).saturating_add(self.shared.held())
    }

    /// Whether the last response was given: when everything outgoing was sent, the stream is to be
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

    /// Whether nothing is under way, and nothing waits to be read.
    pub fn is_idle(&self) -> bool {
        self.input.is_empty() && self.shared.is_idle()
    }

    /// Where both peers are.
    pub fn state(&self) -> ConnectionState {
        self.shared.state()
    }

    /// See [`SharedServerConnection::give_up`]: for an orderly shutdown.
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

    /// Whether no further request is read.
    fn is_over(&self) -> bool {
        self.must_close() || self.is_switched() || self.shared.rejection().is_some()
    }

    /// Lets the memory go if nothing is under way.
    fn let_go(&mut self) {
        if self.is_idle() || self.must_close() {
            (self.input, self.spans) = (BytesMut::new(), None);
            if self.output.is_empty() {
                self.blocks.release();
            }
        }
    }
}

impl fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConnection")
            .field("connection", &self.shared)
            .field("unread", &self.input.len())
            .field("queued", &self.output.len())
            .finish()
    }
}
