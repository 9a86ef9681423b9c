//! One connection of a server: bytes in, events out; commands in, bytes out.
//!
//! ```text
//!   bytes ──▶ receive ──▶ Received       respond, data, end ──▶ bytes
//!                │                              │
//!                └────────▶  ConnectionState  ◀───────────┘       (state.rs: what may happen now)
//! ```
//!
//! Rules of this file:
//!
//! - How messages are read and written is [`message`](crate::http1::message)'s: this decides which may come
//!   and go when.
//! - While we owe an answer to a complete request, nothing more is read: what is pipelined waits
//!   with the caller.
//! - After a violation nothing more is parsed, and the same rejection is given again.
//! - A command is checked before anything is written: one that is refused leaves the connection,
//!   and the wire, as they were.
//!
//! It must never know time, handlers, or what carries the bytes.

mod event;
mod local_error;
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
pub use local_error::LocalProtocolError;
pub use owned::ServerConnection;
pub(in crate::http1) use pool::Resting;

/// What a server asks of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// How much they may send.
    pub limits: Limits,
    /// Whether HTTP/1.0 is refused, with 426. It is not, by default.
    pub require_http11: bool,
    /// Whether a POST, PUT or PATCH has to say how long it is, and is refused with 411 otherwise.
    /// It has not, by default: without a length there is no body (RFC 9112, 6.3).
    pub require_length: bool,
    /// Whether CONNECT is for the application, which may open a tunnel. By default it is refused
    /// with 501 ([`Rule::TunnelUnsupported`]). Either way the connection is closed behind an answer
    /// that opens none: what follows the request was meant for the other end of the tunnel.
    pub tunnels: bool,
}

/// What decides in a [`ServerConnection`]: it holds no bytes but those of a head, or of trailers, that
/// came in pieces, and borrows its memory with each call, which many connections may share. `Send`.
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
    /// What the client would like to speak instead, if it asks for that.
    upgrade: Option<Box<Protocols>>,
    rejection: Option<Rejection>,
    /// How many of the bytes that were taken are of empty lines before the head that comes next. An odd number: a CR
    /// came whose LF is still to come.
    skipped: usize,
    /// How much of a body came that nobody will read.
    drained: u64,
    requests: u64,
}

/// What has to be known of a request when it is answered.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    is_http10: bool,
    is_head: bool,
    is_connect: bool,
    /// The client waits for `100 Continue`, and has not got it.
    expects_continue: bool,
    /// It asked for `100 Continue`, and has not got it, whether or not it still waits.
    owes_continue: bool,
    /// `100 Continue` was sent.
    is_continued: bool,
}

impl Traits {
    /// `100 Continue` is sent now: it is owed no more. Returns whether it was sent before.
    fn was_continued(&mut self) -> bool {
        self.expects_continue = false;
        self.owes_continue = false;
        core::mem::replace(&mut self.is_continued, true)
    }
}

/// All that a request's `Upgrade` says. In a box, for few have one.
struct Protocols(Vec<u8>);

impl SharedServerConnection {
    /// A connection on which nothing has happened.
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

    /// Where both peers are.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// Whether nothing is under way: no request has begun, and no answer is owed. An empty line
    /// begins no request (RFC 9112, 2.2).
    pub fn is_idle(&self) -> bool {
        self.state.client == ClientState::Idle
            && self.state.server == ServerState::Idle
            && !self.reader.has_partial()
    }

    /// Whether the head of a request has begun to arrive, and is not complete.
    pub fn is_in_head(&self) -> bool {
        self.state.client == ClientState::Idle && self.reader.has_partial()
    }

    /// Whether the body of a request is on its way.
    pub fn is_in_body(&self) -> bool {
        self.state.client == ClientState::Sending
    }

    /// Whether the request that is to be answered has arrived completely.
    pub fn request_is_complete(&self) -> bool {
        self.state.client == ClientState::Done
    }

    /// Whether the last response was sent: when everything queued has gone out, the connection is
    /// to be closed.
    pub fn must_close(&self) -> bool {
        self.state.server == ServerState::MustClose
    }

    /// Whether the response that has begun is delimited by the end of the stream alone. If it cannot
    /// be completed, the stream has to be reset: closed, it would look complete (RFC 9112, 8).
    pub fn ends_with_stream(&self) -> bool {
        self.state.server == ServerState::Sending && self.writer.writing() == WriteStage::UntilClose
    }

    /// Whether both sides speak another protocol now. Bytes that were not taken are the first of
    /// that one.
    pub fn is_switched(&self) -> bool {
        self.state.server == ServerState::Switched
    }

    /// The rule that the client broke, if it did.
    pub fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    /// No further request is read after the one that is under way; its answer says so if it has
    /// not begun. Between requests, the connection is to be closed.
    pub fn give_up(&mut self) {
        // A head that has begun is a request under way.
        if !self.is_in_head() {
            self.state.give_up();
        } else {
            self.requests = u64::MAX;
        }
    }

    /// How much is held in memory, in bytes. Empty lines before a request are not.
    pub fn held(&self) -> usize {
        self.reader.held()
    }

    /// The client broke a rule; from now on nothing more is read.
    fn refuse(&mut self, rejection: Rejection) -> Rejection {
        self.rejection = Some(rejection);
        self.reader.stop();
        // Nobody wants its body any more.
        self.request.expects_continue = false;
        self.request.owes_continue = false;
        // From every state in which something is read this may happen.
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
