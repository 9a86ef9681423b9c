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

mod authority;
mod body;
mod chunked;
pub mod conformance;
mod connection;
mod date;
mod exchange;
mod field;
mod fields;
mod framing;
mod handler;
mod head;
mod headers;
#[cfg(feature = "http")]
mod http_types;
mod limits;
mod machine;
mod message;
mod request;
mod response;
mod rule;
mod service;
mod standalone;
mod state;
mod status;
mod successor;
mod syntax;
mod target;
mod trailers;

#[doc(inline)]
pub use crate::__http1_headers as headers;
pub use authority::Authority;
pub use body::{Body, BodyWriter, ClientClosed};
pub use chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Decoded, LAST_CHUNK, chunk_head};
pub use connection::{
    ConnectionConfig, LocalProtocolError, OwnedRequestHead, Received, RequestEvent,
    ServerConnection, SharedServerConnection,
};
pub use date::HttpDate;
pub use field::{Field, InvalidField};
pub use fields::{FieldSpans, FieldsView};
pub use framing::Framing;
pub use handler::{AsyncKind, Handler, PlainKind};
pub use head::{RequestHead, Version, parse_request};
pub use headers::{Headers, HeadersIter};
#[cfg(feature = "http")]
pub use http_types::InvalidStatus;
pub use limits::{Deadlines, Limits};
pub use message::{BodyLength, MessageOutput};
pub use request::Request;
use response::ContentType;
pub use response::{IntoResponse, Response};
pub use rule::{Rejection, Rule};
pub use service::Service;
pub use standalone::Standalone;
pub use state::{ClientEvent, ClientState, ConnectionState, OutOfOrder, ServerEvent, ServerState};
pub use status::Status;
pub use successor::{ByHandler, ByMachine, Successor};
pub use target::{Scheme, Target};
pub use trailers::TrailerReader;
