//! Bytes on their way in and out, each part usable alone.
//!
//! ```text
//!   received ──▶ Buffer ──▶ Chunk, Line      taken until a sentinel, by count, or to the end
//!                  │
//!                Blocks                      memory, lent by the caller on each call
//!                  │
//!   sent     ◀── Pipeline ◀── push           small writes coalesce, large ones are queued by reference
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
