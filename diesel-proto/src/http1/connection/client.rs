//! The client's side of one connection: commands in, bytes out; bytes in, events out.
//!
//! ```text
//!   request, data, end ──▶ bytes          bytes ──▶ receive ──▶ ResponsePart
//!            │                                        │
//!            └──────────▶ ConnectionState ◀───────────┘   (state.rs: what may happen now)
//!                           ▲
//!                         ahead            requests that were sent before their turn (pipelining)
//! ```
//!
//! Rules of this file:
//!
//! - [`message`](crate::http1::message) reads and writes messages; this decides which may come and
//!   go when, and which request a response answers.
//! - Bytes that answer no request are a violation: they are never kept for a later request.
//! - After a violation nothing more is parsed, and further calls return the same rejection.
//! - A command is checked before anything is written: one that is refused changes neither the
//!   connection nor the output.
//!
//! It must never know time, pools, redirects, or the transport.

mod event;
mod owned;
mod receive;
mod request;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;

use super::state::{ClientState, ConnectionState, ServerEvent, ServerState};
use crate::http1::message::{MessageReader, MessageWriter, RequestLine, RequestOptions};
use crate::http1::syntax::{Limits, Rejection, ResponseLimits, ResponseReader, Rule};

pub use event::{OwnedResponseHead, ResponseEvent, ResponsePart};
pub use owned::ClientConnection;

/// What a client requires of its servers.
///
/// ```
/// use diesel_proto::http1::{ClientConnectionConfig, ResponseLimits};
///
/// let limits = ResponseLimits { body: 1 << 20, ..ResponseLimits::default() };
/// let config = ClientConnectionConfig { limits, ..ClientConnectionConfig::default() };
/// assert_eq!(config.pipelined, 1);
/// ```
///
/// Fields may be added in later versions: end a literal with `..ClientConnectionConfig::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConnectionConfig {
    /// How much servers may send.
    pub limits: ResponseLimits,
    /// How many requests may be unanswered at a time. 1 by default: no pipelining. With more,
    /// [`request_whole`](SharedClientConnection::request_whole) may send a request before the
    /// response to the one before it, if both are idempotent (RFC 9112, 9.3.2).
    pub pipelined: usize,
}

impl Default for ClientConnectionConfig {
    fn default() -> Self {
        ClientConnectionConfig { limits: ResponseLimits::default(), pipelined: 1 }
    }
}

/// The protocol logic of a [`ClientConnection`]. It buffers only a head or trailers that arrive in
/// pieces, and borrows its memory with each call, so that many connections can share it. `Send`.
///
/// ```
/// use std::sync::Arc;
///
/// use diesel_proto::http1::{
///     ClientConnectionConfig, FieldSpans, Headers, MessageOutput, RequestLine, RequestOptions, ResponsePart,
///     SharedClientConnection, Status,
/// };
/// use diesel_proto::{Blocks, Pipeline};
///
/// let mut connection = SharedClientConnection::new(Arc::new(ClientConnectionConfig::default()));
/// let (mut blocks, mut spans, mut pipeline) = (Blocks::new(), FieldSpans::new(), Pipeline::new());
///
/// let line = RequestLine::new("GET", "/hello", "example.org")?;
/// let mut out = MessageOutput::new(&mut pipeline, &mut blocks);
/// connection.request_whole(&line, &Headers::new(), b"", &RequestOptions::default(), &mut out)?;
///
/// let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// let (taken, part) = connection.receive(bytes, &mut spans, &mut blocks)?;
/// assert!(matches!(part, Some(ResponsePart::Response(head)) if head.status() == Status::OK));
/// let (_, part) = connection.receive(&bytes[taken..], &mut spans, &mut blocks)?;
/// assert!(matches!(part, Some(ResponsePart::Data(b"hi"))));
/// let (_, part) = connection.receive(b"", &mut spans, &mut blocks)?;
/// assert!(matches!(part, Some(ResponsePart::End(_))));
/// assert!(connection.is_idle());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedClientConnection {
    config: Arc<ClientConnectionConfig>,
    /// The limits of the reader, from `config`.
    limits: Limits,
    state: ConnectionState,
    reader: MessageReader<ResponseReader>,
    writer: MessageWriter,
    /// The request whose response is next.
    request: SentRequest,
    /// The requests after that one. All are complete, and none asks for another protocol.
    ahead: VecDeque<SentRequest>,
    rejection: Option<Rejection>,
    /// How many informational responses the request has had.
    informational: u32,
    /// The server switched protocols after the last byte of a request that the caller did not end.
    end_is_implied: bool,
}

/// What the reading of a response depends on.
#[derive(Clone, Debug, Default)]
struct SentRequest {
    is_head: bool,
    is_connect: bool,
    is_idempotent: bool,
    /// No request follows this one.
    is_last: bool,
    /// The client asked for `100 Continue`, and neither that nor the response has arrived.
    awaits_continue: bool,
    /// The protocols that the server may switch to.
    upgrade: Option<Box<str>>,
}

impl SentRequest {
    fn of(line: &RequestLine<'_>, options: &RequestOptions<'_>, has_body: bool) -> Self {
        SentRequest {
            is_head: line.method() == "HEAD",
            is_connect: line.method() == "CONNECT",
            is_idempotent: line.is_idempotent(),
            is_last: options.close,
            awaits_continue: options.expects_continue && has_body,
            upgrade: options.upgrade.map(Box::from),
        }
    }
}

impl SharedClientConnection {
    /// A new connection.
    pub fn new(config: Arc<ClientConnectionConfig>) -> Self {
        SharedClientConnection {
            limits: config.limits.for_reader(),
            config,
            state: ConnectionState::new(),
            reader: MessageReader::new(),
            writer: MessageWriter::new(),
            request: SentRequest::default(),
            ahead: VecDeque::new(),
            rejection: None,
            informational: 0,
            end_is_implied: false,
        }
    }

    /// The states of both peers.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// Whether the connection can be used for a request: none is incomplete or unanswered.
    pub fn is_idle(&self) -> bool {
        self.state == ConnectionState::new() && self.rejection.is_none()
    }

    /// How many requests have no complete response yet. When the connection ends, those are
    /// unanswered; a server that closed it has not acted on the ones behind the first, but may have
    /// acted on that.
    pub fn unanswered(&self) -> usize {
        let is_current = match (self.state.server, self.rejection) {
            (ServerState::SendResponse | ServerState::Sending, _) => true,
            // Bytes that answer no request come after the last response, if there was one.
            (ServerState::Failed, Some(rejection)) => rejection.rule != Rule::ResponseUnrequested,
            _ => false,
        };
        usize::from(is_current) + self.ahead.len()
    }

    /// Whether the client should wait with the body: it asked for `100 Continue`, and neither that
    /// nor a response has arrived. Wait for a limited time only: a server may know no expectations
    /// (RFC 9110, 10.1.1).
    pub fn awaits_continue(&self) -> bool {
        self.request.awaits_continue
    }

    /// Whether the body of a request must still be sent.
    pub fn is_sending(&self) -> bool {
        self.state.client == ClientState::Sending
    }

    /// Whether the connection must be closed, when everything that is queued is written: the last
    /// response has arrived, or the server has ended the stream or broken a rule.
    pub fn must_close(&self) -> bool {
        use ServerState::{Closed, Failed, MustClose};
        matches!(self.state.server, MustClose | Failed | Closed)
    }

    /// Whether only the end of the stream delimits the current response. The caller must tell an
    /// orderly end ([`eof`](Self::eof)) from any other ([`cut`](Self::cut)).
    pub fn ends_with_stream(&self) -> bool {
        self.state.server == ServerState::Sending && self.reader.ends_with_stream()
    }

    /// Whether both sides speak another protocol now. Bytes that were not taken are the first of
    /// that protocol.
    pub fn is_switched(&self) -> bool {
        self.state.server == ServerState::Switched
    }

    /// The rule that the server broke, if it did.
    pub fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    /// No further request is sent: after the response to the current one, or at once between
    /// requests, the connection must be closed. Call this for a request whose body is not sent to
    /// its end.
    pub fn give_up(&mut self) {
        self.state.give_up();
    }

    /// Number of buffered bytes.
    pub fn held(&self) -> usize {
        self.reader.held()
    }

    /// Records that the server broke a rule; nothing more is read.
    fn refuse(&mut self, rejection: Rejection) -> Rejection {
        self.rejection = Some(rejection);
        self.reader.stop();
        // This event is allowed in every state in which something is read.
        let _ = self.state.server(ServerEvent::Violation);
        self.state.give_up();
        rejection
    }

    fn refuse_here(&mut self, rule: Rule) -> Rejection {
        self.refuse(Rejection::new(rule, self.reader.taken()))
    }
}

impl fmt::Debug for SharedClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedClientConnection")
            .field("state", &self.state)
            .field("unanswered", &self.unanswered())
            .field("taken", &self.reader.taken())
            .field("rejection", &self.rejection)
            .finish_non_exhaustive()
    }
}
