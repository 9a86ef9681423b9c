//! Parsing and formatting of HTTP/1.1 syntax, without any state of a connection.
//!
//! ```text
//!   head bytes ──▶ head ─┬─▶ fields                    spans of the fields, over the bytes
//!                        ├─▶ target ──▶ authority      what the request is for
//!                        └─▶ framing                   how the body is delimited
//!   body bytes ──▶ chunked ──▶ trailers                data, then the trailer section
//!
//!   headers ◀── field, content_type, date, status      what a response head is made of
//!   token, rule, limits                                used by all: bytes, verdicts, bounds
//! ```
//!
//! This folder must never know which peer sent a message, nor what was sent before it.

mod authority;
mod chunked;
mod content_type;
mod date;
mod field;
mod fields;
mod framing;
mod head;
mod headers;
mod limits;
mod rule;
mod status;
mod target;
mod token;
mod trailers;

pub use authority::Authority;
pub use chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Decoded, LAST_CHUNK, chunk_head};
pub use date::HttpDate;
pub use field::{Field, InvalidField};
pub use fields::{FieldSpans, FieldsView};
pub use framing::{Framing, ResponseFraming};
pub use head::{RequestHead, ResponseHead, Version, parse_request, parse_response};
pub use headers::{Headers, HeadersIter};
pub use limits::{Deadlines, Limits, ResponseLimits};
pub use rule::{Rejection, Rule};
pub use status::Status;
pub use target::{Scheme, Target};
pub use trailers::TrailerReader;

pub(in crate::http1) use content_type::ContentType;
pub(in crate::http1) use field::first_no_tchar;
pub(in crate::http1) use head::{HeadMap, HeadReader, Method, ResponseMap, ResponseReader};
#[cfg(feature = "http")]
pub(in crate::http1) use headers::is_framing_field;
#[cfg(feature = "http")]
pub(in crate::http1) use token::decimal;
pub(in crate::http1) use token::{are_among, are_protocols};
