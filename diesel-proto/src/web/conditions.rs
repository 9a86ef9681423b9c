//! Whether a request is carried out: `If-Match`, `If-Unmodified-Since`, `If-None-Match`,
//! `If-Modified-Since`, in the order of RFC 9110, 13.2.2.
//!
//! Rules of this file:
//!
//! - A date that cannot be parsed is ignored, and so is a condition that has nothing to compare
//!   with, where the RFC says so.
//! - A list that cannot be parsed matches nothing.
//!
//! It must never know what the resource is.

extern crate std;

use std::time::UNIX_EPOCH;

use super::entity_tag::{Comparison, EntityTag};
use crate::http1::FieldsView;

/// What the application knows of the version of a resource that a request selects.
///
/// ```
/// use diesel_proto::web::{EntityTag, Validators};
///
/// let validators = Validators { etag: EntityTag::strong("1-5f").ok(), modified: Some(784_111_777) };
/// assert!(validators.etag.is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The tag of this version: what `ETag` says.
    pub etag: Option<EntityTag>,
    /// When the resource was modified last, in seconds of Unix time: what `Last-Modified` says.
    pub modified: Option<u64>,
}

/// What the conditions of a request ask for.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Limits, parse_request};
/// use diesel_proto::web::{EntityTag, Precondition, Validators};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: W/\"7\", \"8\"\r\n\r\n";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.unwrap();
/// let validators = Validators { etag: EntityTag::strong(8).ok(), modified: None };
/// let precondition = Precondition::of(head.method(), head.fields(), Some(&validators));
/// assert_eq!(precondition, Precondition::NotModified);
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Carry out the request.
    Met,
    /// The client has this version: answer with 304 Not Modified, without content.
    NotModified,
    /// A condition does not hold: answer with 412 Precondition Failed, and change nothing.
    Failed,
}

impl Precondition {
    /// Evaluates the conditions of a request (RFC 9110, 13.2.2). `current` is `None` if the resource
    /// does not exist, as for a PUT that creates it.
    ///
    /// To be called only if the response without conditions would be a success, and never for
    /// CONNECT, OPTIONS or TRACE (RFC 9110, 13.2.1).
    pub fn of(method: &str, fields: FieldsView<'_>, current: Option<&Validators>) -> Self {
        let is_read = matches!(method, "GET" | "HEAD");
        let modified = current.and_then(|current| current.modified);
        if let Some(matches) = listed(fields, "If-Match", current, Comparison::Strong) {
            if !matches {
                return Precondition::Failed;
            }
        } else if let (Some(since), Some(modified)) =
            (date(fields, "If-Unmodified-Since"), modified)
            && modified > since
        {
            return Precondition::Failed;
        }
        if let Some(matches) = listed(fields, "If-None-Match", current, Comparison::Weak) {
            return match matches {
                true if is_read => Precondition::NotModified,
                true => Precondition::Failed,
                false => Precondition::Met,
            };
        }
        match (date(fields, "If-Modified-Since"), modified) {
            (Some(since), Some(modified)) if is_read && modified <= since => {
                Precondition::NotModified
            }
            _ => Precondition::Met,
        }
    }
}

/// Whether a list of tags names the current version: `None` if there is no such field.
fn listed(
    fields: FieldsView<'_>,
    name: &str,
    current: Option<&Validators>,
    comparison: Comparison,
) -> Option<bool> {
    let mut values = fields.get_all(name).peekable();
    values.peek()?;
    Some(values.any(|value| {
        match value {
            b"*" => current.is_some(),
            _ => current
                .and_then(|current| current.etag.as_ref())
                .is_some_and(|tag| tag.is_listed(value, comparison)),
        }
    }))
}

/// The only date of this name, in seconds of Unix time.
fn date(fields: FieldsView<'_>, name: &str) -> Option<u64> {
    let mut values = fields.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => parse_date(value),
        _ => None,
    }
}

/// Parses a date in any of the three formats of RFC 9110, 5.6.7.
pub(super) fn parse_date(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(core::str::from_utf8(value).ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests;
