//! What a small web application needs on top of HTTP: conditions and ranges of requests (feature
//! `web`).
//!
//! ```text
//!   entity_tag   EntityTag: names one version of a resource
//!   conditions   whether a request is carried out at all: If-Match, If-None-Match, ..
//!   ranges       which parts of a resource a request asks for: Range, If-Range
//! ```
//!
//! Each part can be used without the others. They are functions of a request's fields and of what
//! the application knows of the resource.
//!
//! Rules of this folder:
//!
//! - It uses the public API of [`http1`](crate::http1), and no other part of it.
//! - A field that cannot be understood is ignored where RFC 9110 says so, and never guessed at.
//!
//! It must never know how a message is framed, nor where a resource is stored.

mod conditions;
mod entity_tag;
mod ranges;

pub use conditions::{Precondition, Validators};
pub use entity_tag::{EntityTag, InvalidEntityTag};
pub use ranges::{ContentRange, MAX_RANGES, RangeRequest};
