//! Redirects: which are followed, and what the next request is (RFC 9110, 15.4).
//!
//! Rules of this file:
//!
//! - Credentials are never sent to another origin, not even after a redirect back.
//! - A redirect has one Location: of two different ones, another recipient may take the other.
//! - 303 becomes a GET, and so do 301 and 302 for POST, as everywhere; the others repeat the request.
//!
//! It must never know connections.

use alloc::format;
use alloc::string::String;

use bytes::Bytes;

use super::dial::failed_at;
use super::error::{ClientError, Phase, RefusedRedirect};
use super::parts::{RequestBody, RequestParts};
use super::response::ClientResponse;
use crate::http1::syntax::Scheme;

/// Fields that are for one origin.
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// Fields that describe the content (RFC 9110, 8).
const CONTENT: [&str; 11] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "content-md5",
    "content-disposition",
    "content-range",
    "content-digest",
    "repr-digest",
    "last-modified",
    "digest",
];
/// Fields that are about the state of the resource that was asked for (RFC 9110, 13.1 and 14.2): a
/// GET that a redirect made is for another one.
const CONDITIONS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

/// Whether this response is a redirect that may be followed at all.
pub(super) fn is_followed(response: &ClientResponse, limit: u32) -> bool {
    let is_redirect = matches!(response.status().code(), 301 | 302 | 303 | 307 | 308);
    limit > 0 && is_redirect && response.header("location").is_some()
}

/// A Location as text: what is beyond ASCII stands for its bytes, which need not be UTF-8.
fn percent_encoded(location: &[u8]) -> String {
    let mut text = String::with_capacity(location.len());
    for &byte in location {
        match byte.is_ascii() {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Makes the next request.
pub(super) fn follow(
    response: &ClientResponse,
    parts: &mut RequestParts,
    followed: &mut u32,
    allow_downgrade: bool,
) -> Result<(), ClientError> {
    let from = response.url();
    let refused = |refused| {
        let at = failed_at(Phase::Head, from, response.peer());
        Err(ClientError::Redirect(at, refused))
    };
    if *followed >= parts.redirects {
        return refused(RefusedRedirect::TooMany(parts.redirects));
    }
    *followed += 1;
    let mut locations = response.headers().get_all("location");
    let location = locations.next().unwrap_or_default();
    if locations.any(|other| other != location) {
        return refused(RefusedRedirect::Locations);
    }
    let to = match from.join(&percent_encoded(location)) {
        Ok(to) => to.without_credentials(),
        Err(error) => return refused(RefusedRedirect::Location(error)),
    };
    if (from.scheme(), to.scheme()) == (Scheme::Https, Scheme::Http) && !allow_downgrade {
        return refused(RefusedRedirect::Downgrade);
    }
    let becomes_get = match response.status().code() {
        303 => parts.method != "GET" && parts.method != "HEAD",
        301 | 302 => parts.method == "POST",
        _ => false,
    };
    if becomes_get {
        parts.method = "GET".into();
        parts.body = RequestBody::Whole(Bytes::new());
        parts.expects_continue = false;
        for name in CONTENT.iter().chain(&CONDITIONS) {
            parts.headers.remove(name);
        }
    } else if !matches!(parts.body, RequestBody::Whole(_)) {
        return refused(RefusedRedirect::Body);
    }
    if from.origin() != to.origin() {
        for name in SECRETS {
            parts.headers.remove(name);
        }
    }
    // Those were for the first request.
    (parts.target, parts.host) = (None, None);
    parts.url = to;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_keeps_its_bytes() {
        let from = super::super::url::Url::parse("http://a/").unwrap();
        for (location, to) in [
            (&b"/caf\xe9"[..], "http://a/caf%E9"),
            ("/caf\u{e9}?\u{20ac}".as_bytes(), "http://a/caf%C3%A9?%E2%82%AC"),
            (b"/%41 [", "http://a/%41%20%5B"),
        ] {
            assert_eq!(from.join(&percent_encoded(location)).unwrap().as_str(), to);
        }
        assert!(from.join(&percent_encoded(b"//caf\xe9/")).is_err());
    }
}
