//! HTTP/1.1, the server's side.
//!
//! # The order of things
//!
//! What a client may do, and where that takes it:
//!
//! | client | events |
//! | --- | --- |
//! | Idle | Request → Sending, Eof → Closed, Violation → Failed |
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
//! | Owing | Informational → Owing, Response → Sending, Switch → Switched |
//! | Sending | Data → Sending, End → Done |
//! | Done |  |
//! | MustClose |  |
//! | Switched |  |
//!
//! And what follows from both: a client that has begun a request, or failed to, makes it our turn
//! (Idle → Owing). When both are Done, both are Idle again, or we are at MustClose: if the client
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
mod request;
mod response;
mod rule;
mod service;
mod state;
mod status;
mod syntax;
mod target;
mod trailers;

#[doc(inline)]
pub use crate::__http1_headers as headers;
pub use authority::Authority;
pub use body::{Body, BodyWriter};
pub use chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Decoded, LAST_CHUNK, chunk_head};
pub use connection::{BodyLength, Config, Event, Misuse, Output, ServerConnection};
pub use date::HttpDate;
pub use field::{Field, InvalidField};
pub use fields::{FieldSpans, FieldsView};
pub use framing::Framing;
pub use handler::{Fiber, Handler, Plain};
pub use head::{RequestHead, Version, parse_request};
pub use headers::{Headers, HeadersIter};
#[cfg(feature = "http")]
pub use http_types::InvalidStatus;
pub use limits::{Deadlines, Limits};
pub use request::Request;
pub use response::{IntoResponse, Response};
pub use rule::{Rejection, Rule};
pub use service::Service;
pub use state::{Client, ClientEvent, OutOfOrder, Server, ServerEvent, State};
pub use status::Status;
pub use target::{Scheme, Target};
pub use trailers::TrailerReader;
