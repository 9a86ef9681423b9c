//! From bytes to meaning, and back, without any state of a connection.
//!
//! ```text
//!   bytes ──▶ head ──▶ fields, target, authority ──▶ framing: how the body is delimited
//!             chunked, trailers                        of one message, each usable alone
//!             token, rule                              characters; what broke a rule, and where
//! ```
//!
//! This room must never know who sent a message, nor what was sent before it.

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
pub use framing::Framing;
pub use head::{RequestHead, Version, parse_request};
pub use headers::{Headers, HeadersIter};
pub use limits::{Deadlines, Limits};
pub use rule::{Rejection, Rule};
pub use status::Status;
pub use target::{Scheme, Target};
pub use trailers::TrailerReader;

pub(in crate::http1) use content_type::ContentType;
pub(in crate::http1) use head::{HeadMap, HeadReader, Method};
pub(in crate::http1) use headers::is_framing_field;
pub(in crate::http1) use token::{decimal, trim_blanks};
