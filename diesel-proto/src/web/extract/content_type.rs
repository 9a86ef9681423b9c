//! The type of a body, as `Content-Type` says (RFC 9110, 8.3).
//!
//! It must never know what is done with the body.

use crate::http1::Request;

/// The type and subtype, without parameters, in the case that the client chose. Empty if there is
/// none.
pub(super) fn media_type(request: &Request) -> &str {
    let value = request.header_str("content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
