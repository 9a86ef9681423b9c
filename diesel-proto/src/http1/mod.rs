//! HTTP/1.1, the server's side.

mod authority;
mod chunked;
mod date;
mod field;
mod fields;
mod framing;
mod head;
mod headers;
#[cfg(feature = "http")]
mod http_types;
mod limits;
mod rule;
mod status;
mod syntax;
mod target;
mod trailers;

#[doc(inline)]
pub use crate::__http1_headers as headers;
pub use authority::Authority;
pub use chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Decoded, LAST_CHUNK, chunk_head};
pub use date::HttpDate;
pub use field::{Field, InvalidField};
pub use fields::{FieldSpans, FieldsView};
pub use framing::Framing;
pub use head::{RequestHead, Version, parse_request};
pub use headers::{Headers, HeadersIter};
#[cfg(feature = "http")]
pub use http_types::InvalidStatus;
pub use limits::{Deadlines, Limits};
pub use rule::{Rejection, Rule};
pub use status::Status;
pub use target::{Scheme, Target};
pub use trailers::TrailerReader;
