//! HTTP/1.1 for servers and clients: strict in what it accepts, and strict in what it sends.
//!
//! ```text
//!   bytes ──▶ syntax ──▶ message ──▶ connection ──▶ service ──▶ handler (user code)
//!   bytes ◀───────────── message ◀── connection ◀── service ◀──────┘
//! ```
//!
//! Clients are at [`Client`]. Three layers, each usable alone:
//!
//! - **Parsers** (`syntax`): [`parse_request`] for heads, [`ChunkedDecoder`] and [`TrailerReader`]
//!   for bodies. They read bytes in place, and report which [`Rule`] was broken, and where.
//! - **The core** (`message`, `connection`): [`ServerConnection`]. Bytes in, events out; commands
//!   in, bytes out. It knows what either peer may do next, and is [`Send`]. It wraps a
//!   [`SharedServerConnection`], which makes the decisions and borrows its memory.
//! - **The service** (`service`): user code is a handler, a function from [`Request`] to
//!   [`Response`], plain or `async`. The service adds timeouts, back-pressure, half-close handling
//!   and graceful shutdown.
//!
//! ```
//! use diesel_proto::http1::{Request, Response, Service};
//! use diesel_proto::{Action, Address, Hub, Instant};
//!
//! async fn hello(request: Request) -> Response {
//!     Response::text(format!("Hello, {}!", request.path().trim_start_matches('/')))
//! }
//!
//! let now = Instant::ORIGIN;
//! let mut hub = Hub::default();
//! let service = hub.add_service(Service::new(hello));
//! let conn = hub.accept(now, service, Address::Unnamed)?;
//! let request = b"GET /World HTTP/1.1\r\nHost: example.org\r\n\r\n";
//! assert_eq!(hub.received(now, conn, request), request.len());
//!
//! let mut actions = Vec::new();
//! hub.run(now, &mut actions);
//! assert_eq!(actions, [Action::Send(conn)]);
//! let sent = hub.outgoing(conn, |slices| slices.concat()).unwrap();
//! assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\n") && sent.ends_with(b"\r\n\r\nHello, World!"));
//! # Ok::<(), diesel_proto::Refused>(())
//! ```
//!
//! # Strictness
//!
//! Nothing is accepted that two recipients could read in two ways. A line ends with CR LF. A body
//! is delimited by one Content-Length of digits alone, or by Transfer-Encoding: chunked, never by
//! both. A field is not folded, has no blank before its colon, and holds no control character but
//! HTAB. A request that breaks a [`Rule`] is answered with the status of that rule; the text of the
//! response names what was wrong, where, and the section of the RFC. Nothing after such a request
//! is parsed. [`Limits`] hold to the byte, and each of the [`Deadlines`] has its own reason. No
//! field or text of a [`Response`] can end a line or delimit a message: the connection alone writes
//! the fields that do.
//!
//! # States
//!
//! What a client may do in each state, and the state that follows:
//!
//! | client | events |
//! | --- | --- |
//! | Idle | Request → Sending, WholeRequest → Done, Eof → Closed, Violation → Failed |
//! | Sending | Data → Sending, End → Done, Violation → Failed |
//! | Done |  |
//! | Failed |  |
//! | Closed |  |
//! | Switched |  |
//!
//! What the server may do in each state, and the state that follows:
//!
//! | server | events |
//! | --- | --- |
//! | Idle | Eof → Closed, Violation → Failed |
//! | SendResponse | Informational → SendResponse, Response → Sending, WholeResponse → Done, Switch → Switched, Violation → Failed |
//! | Sending | Data → Sending, End → Done, Violation → Failed |
//! | Done | Eof → Closed, Violation → Failed |
//! | MustClose |  |
//! | Failed |  |
//! | Closed |  |
//! | Switched |  |
//!
//! Some moves depend on both. When a client begins a request, or fails to, the server must answer
//! (Idle → SendResponse). When both are Done, both are Idle again; or the server is at MustClose,
//! if either side asked to close, or the client has Failed or Closed.
//!
//! # Conformance
//!
//! [`conformance`] has a row for each normative sentence, with the tests that show it.

mod client;
pub mod conformance;
mod connection;
mod message;
mod service;
mod syntax;

#[doc(inline)]
pub use crate::__http1_headers as headers;
#[cfg(feature = "gzip")]
pub use client::GzipError;
pub use client::{
    Client, ClientBuilder, ClientConfig, ClientError, ClientRequest, ClientResponse,
    ClientTimeouts, FailedAt, IntoUrl, InvalidProxy, InvalidRequest, InvalidUrl, Phase, PoolLimits,
    Proxies, Proxy, RefusedRedirect, RequestWriter, Timeout, Url,
};
#[cfg(feature = "cookies")]
pub use client::{CookieLimits, RefusedCookie};
pub use connection::{
    ClientConnection, ClientConnectionConfig, OwnedResponseHead, ResponseEvent, ResponsePart,
    SharedClientConnection,
};
pub use connection::{
    ClientEvent, ClientState, ConnectionConfig, ConnectionState, LocalProtocolError, OutOfOrder,
    OwnedRequestHead, Received, RequestEvent, ServerConnection, ServerEvent, ServerState,
    SharedServerConnection,
};
pub use message::{BodyLength, MessageOutput, RequestLine, RequestOptions};
#[cfg(feature = "http")]
pub use service::InvalidStatus;
pub use service::{
    AsyncKind, Body, BodyWriter, ByHandler, ByMachine, ClientClosed, ContentEncoder, Handler,
    Informer, IntoResponse, PlainKind, Request, Response, Service, Standalone, Successor,
};
pub use syntax::{
    Authority, CHUNK_END, ChunkHead, ChunkedDecoder, Deadlines, Decoded, Field, FieldSpans,
    FieldsView, Framing, Headers, HeadersIter, HttpDate, InvalidField, LAST_CHUNK, Limits,
    Rejection, RequestHead, ResponseFraming, ResponseHead, ResponseLimits, Rule, Scheme, Status,
    Target, TrailerReader, Version, chunk_head, parse_request, parse_response,
};
