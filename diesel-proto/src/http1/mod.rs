//! HTTP/1.1, the server's side.

mod chunked;
mod fields;
mod limits;
mod rule;
mod status;
mod syntax;
mod trailers;

pub use chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Decoded, LAST_CHUNK, chunk_head};
pub use fields::{FieldSpans, FieldsView};
pub use limits::{Deadlines, Limits};
pub use rule::{Rejection, Rule};
pub use status::Status;
pub use trailers::TrailerReader;
