//! HTTP/1.1, the server's side: as strict as the strictest, in what it takes and in what it sends.
//!
//! Three layers, each usable alone:
//!
//! - **Parsers**: [`parse_request`] for heads, [`ChunkedDecoder`] and [`TrailerReader`] for bodies.
//!   They read bytes where they lie, and say what is wrong by [`Rule`] and place.
//! - **The core**: [`ServerConnection`]. Bytes in, events out; commands in, bytes out. It knows what
//!   may happen when, for both peers, and is [`Send`]. What decides in it is a
//!   [`SharedServerConnection`], which borrows its memory.
//! - **The service**: a handler is a function from [`Request`] to [`Response`], plain or `async`.
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
//! Nothing is accepted that two recipients could read in two ways. There is one line end, CR LF; one
//! Content-Length, of digits alone, or Transfer-Encoding: chunked, never both; no folded field, no
//! blank before a colon, no control character. A request that breaks a [`Rule`] is answered with the
//! status that it deserves, in words that say what was wrong, where, and which section asks for it;
//! nothing after it is parsed. [`Limits`] hold to the byte, and [`Deadlines`] have reasons. What a
//! [`Response`] holds cannot end a line, nor delimit a message: those fields are the connection's.
//!
//! # The order of things
//!
//! What a client may do, and where that takes it:
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
//! What we may do, and where that takes us:
//!
//! | server | events |
//! | --- | --- |
//! | Idle |  |
//! | SendResponse | Informational → SendResponse, Response → Sending, WholeResponse → Done, Switch → Switched |
//! | Sending | Data → Sending, End → Done |
//! | Done |  |
//! | MustClose |  |
//! | Switched |  |
//!
//! And what follows from both: a client that has begun a request, or failed to, makes it our turn
//! (Idle → SendResponse). When both are Done, both are Idle again, or we are at MustClose: if the client
//! or we asked for that, or the client has Failed or Closed.
//!
//! # What the RFCs ask
//!
//! [`conformance`] has a row for each sentence, with the tests that show it.

pub mod conformance;
mod connection;
mod message;
mod service;
mod syntax;

#[doc(inline)]
pub use crate::__http1_headers as headers;
pub use connection::{
    ClientEvent, ClientState, ConnectionConfig, ConnectionState, LocalProtocolError, OutOfOrder,
    OwnedRequestHead, Received, RequestEvent, ServerConnection, ServerEvent, ServerState,
    SharedServerConnection,
};
pub use message::{BodyLength, MessageOutput};
#[cfg(feature = "http")]
pub use service::InvalidStatus;
pub use service::{
    AsyncKind, Body, BodyWriter, ByHandler, ByMachine, ClientClosed, Handler, IntoResponse,
    PlainKind, Request, Response, Service, Standalone, Successor,
};
pub use syntax::{
    Authority, CHUNK_END, ChunkHead, ChunkedDecoder, Deadlines, Decoded, Field, FieldSpans,
    FieldsView, Framing, Headers, HeadersIter, HttpDate, InvalidField, LAST_CHUNK, Limits,
    Rejection, RequestHead, Rule, Scheme, Status, Target, TrailerReader, Version, chunk_head,
    parse_request,
};
