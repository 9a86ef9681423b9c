//! One direction of one connection: what reads messages, and what writes them.
//!
//! ```text
//!   bytes ──▶ MessageReader ──▶ head, data .., end with trailers
//!   head, data .., end with trailers ──▶ MessageWriter ──▶ MessageOutput
//! ```
//!
//! Rules of this folder:
//!
//! - How a body is delimited is decided by the head, once; from there on it is only obeyed.
//! - What may be read or written when is asked elsewhere, before anything here is called.
//!
//! It must never know roles: which side of the connection this is, nor what goes the other way.

mod read;
mod response_head;
mod write;

pub(super) use self::read::{BodyPart, MessageReader, ReadHead};
pub(super) use self::response_head::{HeadCache, MessageFraming, ROOM, ResponseHead, put_status};
pub use self::write::{BodyLength, MessageOutput};
pub(super) use self::write::{MessageWriter, WriteError, WriteStage, check_fields};
