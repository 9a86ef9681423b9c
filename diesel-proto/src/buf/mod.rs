//! Incoming and outgoing bytes: the buffers of a stream. Each part can be used alone.
//!
//! ```text
//!              buffer          chunk
//!   received ──▶ Buffer ──▶ Chunk, Line    taken up to a sentinel, by count, or to the end
//!                  │
//!                Blocks                    block: memory, lent by the caller on each call
//!                  │
//!   sent     ◀── Pipeline ◀── push         small writes coalesce, large ones are queued by
//!              pipeline                    reference; file regions are queued as numbers
//! ```
//!
//! This room must never know what the bytes mean, nor how much of them is too much.

mod block;
mod buffer;
mod chunk;
mod pipeline;

pub use block::{Block, Blocks};
pub use buffer::{Buffer, TooLong};
pub use chunk::{Chunk, Line};
pub use pipeline::{Closed, FileRegion, Pipeline, Tail};
