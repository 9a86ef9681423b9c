//! One direction of one connection: what reads messages, and what writes them.
//!
//! ```text
//!   bytes ──▶ MessageReader ──▶ head, data .., end with trailers
//!   head, data .., end with trailers ──▶ MessageWriter ──▶ Output
//! ```
//!
//! Rules of this folder:
//!
//! - How a body is delimited is decided by the head, once; from there on it is only obeyed.
//! - What may be read or written when is asked elsewhere, before anything here is called.
//!
//! It must never know roles: which side of the connection this is, nor what goes the other way.

mod heading;
mod read;
mod write;

pub(super) use self::heading::{Heading, ROOM, Terms, Wording, put_status};
pub(super) use self::read::{MessageReader, Part, ReadHead};
pub use self::write::{BodyLength, Output};
pub(super) use self::write::{MessageWriter, WriteError, Writing, check_fields};
