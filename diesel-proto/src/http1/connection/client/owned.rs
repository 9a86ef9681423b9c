//! A connection with its own buffers, for embedders: as [`ServerConnection`] is for the other side.
//!
//! ```text
//!   request, data, end ──▶ [ output ] ──▶ outgoing() ──▶ sent(n)
//!   ResponseEvent, a value ◀── next_event() ◀── [ input ] ◀── received(bytes)
//! ```
//!
//! [`SharedClientConnection`] makes all decisions: this keeps bytes and memory for it.
//!
//! It must never know time, pools, or the transport.
//!
//! [`ServerConnection`]: crate::http1::ServerConnection

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use super::super::buffers::ConnectionBuffers;
use super::super::local_error::LocalProtocolError;
use super::super::state::ConnectionState;
use super::event::{OwnedResponseHead, ResponseEvent, ResponsePart};
use super::{ClientConnectionConfig, SharedClientConnection};
use crate::http1::message::{BodyLength, RequestLine, RequestOptions};
use crate::http1::syntax::{Headers, Rejection};

/// The client's side of one connection: commands in, bytes out; bytes in, events out. `Send`.
///
/// # The contract
///
/// 1. Send a request with [`request_whole`](Self::request_whole), or with
///    [`request`](Self::request), [`data`](Self::data) and [`end`](Self::end). A command that the
///    protocol forbids returns an error, and sends nothing.
/// 2. Write the [`outgoing`](Self::outgoing) bytes, and report how many were [`sent`](Self::sent).
/// 3. Pass received bytes to [`received`](Self::received) while
///    [`wants_input`](Self::wants_input); call [`eof`](Self::eof) when the server ends the stream,
///    and [`cut`](Self::cut) when it is gone in any other way.
/// 4. Call [`next_event`](Self::next_event) until it returns `None`: any number of
///    [`Informational`](ResponseEvent::Informational), a [`Response`](ResponseEvent::Response), any
///    number of [`Data`](ResponseEvent::Data), an [`End`](ResponseEvent::End). A response may come
///    before the request is complete.
/// 5. When [`is_idle`](Self::is_idle), send the next request; if
///    [`must_close`](Self::must_close), close the stream. Bytes that arrived before a request do
///    not answer it: while they are unread, a request is refused.
///
/// If `next_event` returns an error, the server broke a rule: close the stream. What was returned
/// before is sound.
///
/// ```
/// use std::io::{Read, Write};
///
/// use diesel_proto::http1::{
///     ClientConnection, ClientConnectionConfig, Headers, RequestLine, RequestOptions, ResponseEvent,
/// };
///
/// /// Gets a page, over any stream.
/// fn get(mut stream: impl Read + Write) -> std::io::Result<Vec<u8>> {
///     let mut http = ClientConnection::new(ClientConnectionConfig::default());
///     let line = RequestLine::new("GET", "/", "example.org").map_err(std::io::Error::other)?;
///     let options = RequestOptions { close: true, ..RequestOptions::default() };
///     http.request_whole(&line, &Headers::new(), b"", &options).map_err(std::io::Error::other)?;
///     stream.write_all(&http.take_outgoing())?;
///     let mut content = Vec::new();
///     let mut scratch = [0; 4096];
///     loop {
///         match http.next_event().map_err(std::io::Error::other)? {
///             Some(ResponseEvent::Data(data)) => content.extend_from_slice(&data),
///             Some(ResponseEvent::End(_)) => return Ok(content),
///             Some(_) => {}
///             None => match stream.read(&mut scratch)? {
///                 0 => http.eof(),
///                 n => assert_eq!(http.received(&scratch[..n]), n),
///             },
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
/// # let mut pipe = Pipe(b"HTTP/1.1 200 OK\r\n\r\nhello", Vec::new());
/// # assert_eq!(get(&mut pipe).unwrap(), b"hello");
/// # assert_eq!(pipe.1, b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
/// ```
///
/// # Memory
///
/// While idle it has no heap memory; an exchange allocates. Received bytes are copied once. For
/// many connections, use [`SharedClientConnection`]s, which share their memory and read bytes in
/// place.
pub struct ClientConnection {
    shared: SharedClientConnection,
    buffers: ConnectionBuffers,
    /// How the stream ended, which `shared` does not know yet.
    is_cut: bool,
    /// A response without a body arrived, or the stream ended its body: the end is the next event.
    end_is_due: bool,
}

impl ClientConnection {
    /// A new connection.
    pub fn new(config: impl Into<Arc<ClientConnectionConfig>>) -> Self {
        ClientConnection {
            shared: SharedClientConnection::new(config.into()),
            buffers: ConnectionBuffers::default(),
            is_cut: false,
            end_is_due: false,
        }
    }

    /// Sends the head of a request: see [`SharedClientConnection::request`].
    ///
    /// # Errors
    ///
    /// As documented there; and [`LocalProtocolError::Unread`] while bytes that were received, or
    /// the end of the stream, are not read yet: what arrived before a request does not answer it.
    pub fn request(
        &mut self,
        line: &RequestLine<'_>,
        headers: &Headers,
        length: BodyLength,
        options: &RequestOptions<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.check_read()?;
        self.shared.request(line, headers, length, options, &mut self.buffers.out())
    }

    /// Sends a request with its whole content: see [`SharedClientConnection::request_whole`].
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request).
    pub fn request_whole(
        &mut self,
        line: &RequestLine<'_>,
        headers: &Headers,
        content: &[u8],
        options: &RequestOptions<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.check_read()?;
        self.shared.request_whole(line, headers, content, options, &mut self.buffers.out())
    }

    /// Sends a part of the body: see [`SharedClientConnection::data`].
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

    /// Ends the request: see [`SharedClientConnection::end`].
    ///
    /// # Errors
    ///
    /// As documented there.
    pub fn end(&mut self, trailers: &Headers) -> Result<(), LocalProtocolError> {
        self.shared.end(trailers, &mut self.buffers.out())
    }

    /// Whether to read from the stream. False after the end of the stream, and while received bytes
    /// are unread: that is back-pressure.
    pub fn wants_input(&self) -> bool {
        self.buffers.has_room() && !self.is_over()
    }

    /// Passes on bytes that arrived. Returns how many were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false (keep those, and offer them again). When no
    /// further response is read, bytes are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, bytes: &[u8]) -> usize {
        if self.is_switched() {
            return 0;
        }
        self.buffers.received(bytes, self.is_over())
    }

    /// Reports that the server ended the stream in an orderly way. Call this after all its bytes
    /// were taken.
    pub fn eof(&mut self) {
        self.buffers.end();
    }

    /// Reports that the stream is gone in any other way: see [`SharedClientConnection::cut`].
    pub fn cut(&mut self) {
        self.is_cut = true;
        self.buffers.end();
    }

    /// Returns what the server did, one event at a time. Call it until it returns `None`, whenever
    /// bytes arrived.
    ///
    /// # Errors
    ///
    /// The rule that the server broke, and where. Further calls return the same.
    pub fn next_event(&mut self) -> Result<Option<ResponseEvent>, Rejection> {
        if core::mem::take(&mut self.end_is_due) {
            return Ok(Some(ResponseEvent::End(Headers::new())));
        }
        let Some((input, spans, blocks)) = self.buffers.reading() else { return Ok(None) };
        let received = self.shared.receive(input, spans, blocks);
        let head = |buffers: &ConnectionBuffers| buffers.spans.clone().map(OwnedResponseHead);
        let (taken, data, event) = match received {
            Ok((taken, None)) => (taken, 0, None),
            Ok((taken, Some(ResponsePart::Informational(_)))) => {
                (taken, 0, head(&self.buffers).map(ResponseEvent::Informational))
            }
            Ok((taken, Some(ResponsePart::Response(_)))) => {
                (taken, 0, head(&self.buffers).map(ResponseEvent::Response))
            }
            Ok((taken, Some(ResponsePart::WholeResponse(_)))) => {
                self.end_is_due = true;
                (taken, 0, head(&self.buffers).map(ResponseEvent::Response))
            }
            Ok((taken, Some(ResponsePart::Switched(_)))) => {
                (taken, 0, head(&self.buffers).map(ResponseEvent::Switched))
            }
            // The data are the last of the bytes that were taken.
            Ok((taken, Some(ResponsePart::Data(data)))) => (taken, data.len(), None),
            Ok((taken, Some(ResponsePart::End(fields)))) => {
                (taken, 0, Some(ResponseEvent::End(Headers::from(fields))))
            }
            Err(rejection) => {
                self.buffers.input = BytesMut::new();
                return Err(rejection);
            }
        };
        // What follows the last response is not read, however it arrives.
        if taken == 0 && event.is_none() && self.must_close() {
            self.buffers.input = BytesMut::new();
        }
        let bytes = self.buffers.take(taken, data);
        if data > 0 {
            return Ok(Some(ResponseEvent::Data(bytes)));
        }
        if event.is_some() || !self.buffers.input.is_empty() {
            return Ok(event);
        }
        if self.buffers.take_eof() && !self.is_switched() {
            let ends_response = match self.is_cut {
                true => self.shared.cut().map(|()| false),
                false => self.shared.eof(),
            }?;
            return Ok(Some(match ends_response {
                true => ResponseEvent::End(Headers::new()),
                false => ResponseEvent::Closed,
            }));
        }
        self.let_go();
        Ok(None)
    }

    /// Takes the bytes that were received and not read: if [`is_switched`](Self::is_switched), the
    /// first of the other protocol.
    pub fn take_input(&mut self) -> Bytes {
        core::mem::take(&mut self.buffers.input).freeze()
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
    /// incomplete head or trailer section is within
    /// [`ResponseLimits`](crate::http1::ResponseLimits).
    pub fn held(&self) -> usize {
        self.buffers.held().saturating_add(self.shared.held())
    }

    /// See [`SharedClientConnection::must_close`].
    pub fn must_close(&self) -> bool {
        self.shared.must_close()
    }

    /// See [`SharedClientConnection::awaits_continue`].
    pub fn awaits_continue(&self) -> bool {
        self.shared.awaits_continue()
    }

    /// See [`SharedClientConnection::is_sending`].
    pub fn is_sending(&self) -> bool {
        self.shared.is_sending()
    }

    /// See [`SharedClientConnection::unanswered`].
    pub fn unanswered(&self) -> usize {
        self.shared.unanswered()
    }

    /// See [`SharedClientConnection::ends_with_stream`].
    pub fn ends_with_stream(&self) -> bool {
        self.shared.ends_with_stream()
    }

    /// Whether both sides speak another protocol now.
    pub fn is_switched(&self) -> bool {
        self.shared.is_switched()
    }

    /// Whether the connection can be used for a request, and no bytes wait to be read.
    pub fn is_idle(&self) -> bool {
        self.buffers.input.is_empty() && !self.end_is_due && self.shared.is_idle()
    }

    /// The states of both peers.
    pub fn state(&self) -> ConnectionState {
        self.shared.state()
    }

    /// See [`SharedClientConnection::give_up`].
    pub fn give_up(&mut self) {
        self.shared.give_up();
    }

    /// A request may be sent only when all that arrived before it was read: unread bytes would be
    /// taken for its response.
    fn check_read(&self) -> Result<(), LocalProtocolError> {
        let is_unread = !self.buffers.input.is_empty() || self.buffers.eof_is_due();
        match is_unread && !self.is_over() {
            true => Err(LocalProtocolError::Unread),
            false => Ok(()),
        }
    }

    /// Whether no further response will be read.
    fn is_over(&self) -> bool {
        self.must_close() || self.is_switched()
    }

    /// Releases the memory if the connection is idle or finished.
    fn let_go(&mut self) {
        if self.is_idle() || self.must_close() {
            self.buffers.release();
        }
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("connection", &self.shared)
            .field("unread", &self.buffers.input.len())
            .field("queued", &self.buffers.output.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool may hold many idle connections.
    #[test]
    fn a_connection_that_is_idle_or_finished_has_no_memory() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        for (request, after) in [
            ("GET", "hi"),
            // Finished: surplus bytes are dropped.
            ("GET", "hi, and more"),
        ] {
            let mut http = ClientConnection::new(ClientConnectionConfig::default());
            let line = RequestLine::new(request, "/", "a").unwrap();
            let options = RequestOptions { close: after != "hi", ..RequestOptions::default() };
            http.request_whole(&line, &Headers::new(), b"", &options).unwrap();
            http.sent(u64::MAX);
            for piece in [answer, after] {
                assert_eq!(http.received(piece.as_bytes()), piece.len());
                while http.next_event().unwrap().is_some() {}
            }
            assert!(http.is_idle() != http.must_close());
            assert_eq!(http.buffers.input.capacity(), 0, "{after}");
            assert!(http.buffers.spans.is_none(), "{after}");
        }
    }
}
