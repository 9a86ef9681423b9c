//! Reads and writes the messages of one direction of a connection.
//!
//! ```text
//!   bytes ──▶ read: MessageReader ──▶ head, data .., end with trailers
//!
//!   OutgoingHead ──▶ response_head ────────────────────────────┐
//!   RequestLine, RequestOptions ──▶ request_head ──────────────┤
//!                                                              ▼
//!   data .., end with trailers ──▶ write: MessageWriter ──▶ MessageOutput ──▶ bytes
//! ```
//!
//! Rules of this folder:
//!
//! - The head decides, once, how the body is delimited.
//! - The caller decides what may be read or written when, before it calls anything here.
//!
//! This folder must never know roles: which side of the connection this is, nor what goes the other
//! way.

mod read;
mod request_head;
mod response_head;
mod write;

pub(super) use self::read::{BodyPart, MessageReader, ReadHead};
pub(super) use self::request_head::{RequestHeadError, check_request_fields, first_own_field};
pub use self::request_head::{RequestLine, RequestOptions};
pub(super) use self::response_head::{HeadCache, MessageFraming, OutgoingHead, ROOM, put_status};
pub use self::write::{BodyLength, MessageOutput};
pub(super) use self::write::{MessageWriter, WriteError, WriteStage, check_fields};
