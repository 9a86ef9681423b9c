//! The server's side of one connection: bytes in, events out; commands in, bytes out.
//!
//! ```text
//!   bytes ──▶ receive ──▶ Received       respond, data, end, switch ──▶ bytes
//!                │                              │
//!                └──────▶ ConnectionState ◀─────┘       (state.rs: what may happen now)
//! ```
//!
//! Rules of this file:
//!
//! - [`message`](crate::http1::message) reads and writes messages; this decides which may come and
//!   go when.
//! - While a complete request is unanswered, nothing more is read: pipelined bytes stay with the
//!   caller.
//! - After a violation nothing more is parsed, and further calls return the same rejection.
//! - A command is checked before anything is written: one that is refused changes neither the
//!   connection nor the output.
//!
//! It must never know time, handlers, or the transport.

mod event;
mod owned;
mod pool;
mod receive;
mod respond;
#[cfg(test)]
mod tests;
mod upgrade;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::state::{ClientEvent, ClientState, ConnectionState, ServerState};
use crate::http1::message::{MessageReader, MessageWriter, WriteStage};
use crate::http1::syntax::HeadReader;
use crate::http1::syntax::{Limits, Rejection, Rule};

pub use event::{OwnedRequestHead, Received, RequestEvent};
pub use owned::ServerConnection;
pub(in crate::http1) use pool::{Resting, Writing};

/// What a server requires of its clients.
///
/// ```
/// use diesel_proto::http1::{ConnectionConfig, Limits};
///
/// let limits = Limits { body: 64 << 10, ..Limits::default() };
/// let config = ConnectionConfig { limits, require_length: true, ..ConnectionConfig::default() };
/// assert!(!config.require_http11);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// How much clients may send.
    pub limits: Limits,
    /// Whether HTTP/1.0 is refused, with 426. Off by default.
    pub require_http11: bool,
    /// Whether a POST, PUT or PATCH without a length is refused, with 411. Off by default: a
    /// request without a length has no body (RFC 9112, 6.3).
    pub require_length: bool,
    /// Whether CONNECT is passed to the application, which may open a tunnel. By default it is
    /// refused with 501 ([`Rule::TunnelUnsupported`]). In either case the connection is closed
    /// after a response that opens no tunnel: the bytes after the request were meant for the other
    /// end of the tunnel.
    pub tunnels: bool,
}

/// The protocol logic of a [`ServerConnection`]. It buffers only a head or trailers that arrive in
/// pieces, and borrows its memory with each call, so that many connections can share it. `Send`.
///
/// ```
/// use std::sync::Arc;
///
/// use diesel_proto::http1::{
///     BodyLength, ConnectionConfig, Received, FieldSpans, Headers, MessageOutput, SharedServerConnection, Status,
/// };
/// use diesel_proto::{Blocks, Pipeline};
///
/// let mut connection = SharedServerConnection::new(Arc::new(ConnectionConfig::default()));
/// let (mut blocks, mut spans) = (Blocks::new(), FieldSpans::new());
/// let bytes = b"GET /hello HTTP/1.1\r\nHost: example.org\r\n\r\n";
///
/// let (taken, event) = connection.receive(bytes, &mut spans, &mut blocks)?;
/// assert_eq!(taken, bytes.len());
/// assert!(matches!(event, Some(Received::Request(head)) if head.target_text() == "/hello"));
///
/// let mut pipeline = Pipeline::new();
/// let mut out = MessageOutput::new(&mut pipeline, &mut blocks);
/// connection.respond(Status::OK, &Headers::new(), BodyLength::Exactly(2), None, &mut out)?;
/// connection.data(b"hi", &mut out)?;
/// connection.end(&Headers::new(), &mut out)?;
/// assert!(connection.is_idle());
///
/// let mut slices = [&[][..]; 8];
/// let n = pipeline.slices(&mut slices);
/// assert_eq!(slices[..n].concat(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedServerConnection {
    config: Arc<ConnectionConfig>,
    state: ConnectionState,
    reader: MessageReader<HeadReader>,
    writer: MessageWriter,
    request: Traits,
    /// The protocols that the client asks to upgrade to, if any.
    upgrade: Option<Box<Protocols>>,
    rejection: Option<Rejection>,
    /// How many of the taken bytes belong to empty lines before the next head. An odd number: a CR
    /// came whose LF is still to come.
    skipped: usize,
    /// How many bytes of an unread body were drained.
    drained: u64,
    requests: u64,
}

/// What the response depends on.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    is_http10: bool,
    is_head: bool,
    is_connect: bool,
    /// The client waits for `100 Continue`, which was not sent yet.
    expects_continue: bool,
    /// The client asked for `100 Continue`, which was not sent yet, whether or not the client still
    /// waits.
    owes_continue: bool,
    /// `100 Continue` was sent.
    is_continued: bool,
}

impl Traits {
    /// Records that `100 Continue` is sent now. Returns whether it was sent before.
    fn was_continued(&mut self) -> bool {
        self.expects_continue = false;
        self.owes_continue = false;
        core::mem::replace(&mut self.is_continued, true)
    }
}

/// The value of `Upgrade`, all lines joined. Boxed, because few requests have one.
struct Protocols(Vec<u8>);

impl SharedServerConnection {
    /// A new connection.
    pub fn new(config: Arc<ConnectionConfig>) -> Self {
        SharedServerConnection {
            config,
            state: ConnectionState::new(),
            reader: MessageReader::new(),
            writer: MessageWriter::new(),
            request: Traits::default(),
            upgrade: None,
            rejection: None,
            skipped: 0,
            drained: 0,
            requests: 0,
        }
    }

    /// The states of both peers.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// Whether the connection is idle: no request has begun, and none is unanswered. An empty line
    /// begins no request (RFC 9112, 2.2).
    pub fn is_idle(&self) -> bool {
        self.state.client == ClientState::Idle
            && self.state.server == ServerState::Idle
            && !self.reader.has_partial()
    }

    /// Whether the head of a request has begun to arrive, and is incomplete.
    pub fn is_in_head(&self) -> bool {
        self.state.client == ClientState::Idle && self.reader.has_partial()
    }

    /// Whether the body of a request is arriving.
    pub fn is_in_body(&self) -> bool {
        self.state.client == ClientState::Sending
    }

    /// Whether the current request has arrived completely.
    pub fn request_is_complete(&self) -> bool {
        self.state.client == ClientState::Done
    }

    /// Whether the last response was sent: when everything queued is written, the connection must
    /// be closed.
    pub fn must_close(&self) -> bool {
        self.state.server == ServerState::MustClose
    }

    /// Whether only the end of the stream delimits the current response. If such a response cannot
    /// be completed, reset the stream: closed, it would look complete (RFC 9112, 8).
    pub fn ends_with_stream(&self) -> bool {
        self.state.server == ServerState::Sending && self.writer.writing() == WriteStage::UntilClose
    }

    /// Whether both sides speak another protocol now. Bytes that were not taken are the first of
    /// that protocol.
    pub fn is_switched(&self) -> bool {
        self.state.server == ServerState::Switched
    }

    /// The rule that the client broke, if it did.
    pub fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    /// For graceful shutdown: no further request is read after the current one, whose response
    /// announces the close if its head is not sent yet. Between requests, the connection must be
    /// closed.
    pub fn give_up(&mut self) {
        // A head that has begun counts as the current request.
        if !self.is_in_head() {
            self.state.give_up();
        } else {
            self.requests = u64::MAX;
        }
    }

    /// Number of buffered bytes. Empty lines before a request are not buffered.
    pub fn held(&self) -> usize {
        self.reader.held()
    }

    /// Records that the client broke a rule; nothing more is read.
    fn refuse(&mut self, rejection: Rejection) -> Rejection {
        self.rejection = Some(rejection);
        self.reader.stop();
        // The body is no longer wanted.
        self.request.expects_continue = false;
        self.request.owes_continue = false;
        // This event is allowed in every state in which something is read.
        let _ = self.state.client(ClientEvent::Violation);
        self.state.give_up();
        rejection
    }

    fn refuse_here(&mut self, rule: Rule) -> Rejection {
        self.refuse(Rejection::new(rule, self.reader.taken()))
    }
}

impl fmt::Debug for SharedServerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedServerConnection")
            .field("state", &self.state)
            .field("taken", &self.reader.taken())
            .field("rejection", &self.rejection)
            .finish_non_exhaustive()
    }
}
