//! Parses and validates the head of a response.
//!
//! ```text
//!   HTTP/1.1 200 OK\r\n  Date: ..\r\n  ..  \r\n      the body, or the next head
//!   |-----------------|  |----------------|
//!                        fields_start     len
//! ```
//!
//! It is as strict as the parser of requests, and works as that does, with one difference: no empty
//! line may come before a response. What the body's length is depends on the request, too, which
//! the caller knows ([`ResponseHead::framing`]).
//!
//! Rules of this file, where RFC 9112 leaves a choice:
//!
//! - **The space behind the status code may be missing** if there is no reason phrase. A server
//!   must send it (RFC 9112, 4), but some do not, and there is only one way to read the line.
//! - **A status is from 100 to 599.** A client should treat another as a 5xx (RFC 9110, 15), which
//!   would hide what was sent: it is refused.
//! - **A 1xx or 204 that announces a body is refused.** It has none (RFC 9112, 6.3); a recipient
//!   that believes the announcement would read the next response as content. A Content-Length of 0
//!   is accepted.
//! - **Transfer-Encoding must be `chunked`**, as in a request. So a body whose end only the end of
//!   the stream tells has no Transfer-Encoding.
//!
//! It must never know the request.

use core::fmt;

use super::super::fields::{FieldSpans, FieldsView};
use super::super::framing::ResponseFraming;
use super::super::limits::{Limits, ResponseLimits};
use super::super::rule::Rejection;
use super::super::status::Status;
use super::lines::{LineReader, Lines};
use super::map::ResponseMap;
use super::status_line::StatusLine;
use super::{Version, fast_path, semantics};

/// Parses the head of a response at the beginning of `bytes`. Returns `None` if the head is
/// incomplete and valid so far.
///
/// For bytes that arrive in pieces, use a [`ClientConnection`](crate::http1::ClientConnection),
/// which reads no line twice.
///
/// # Errors
///
/// The first rule that is broken, with its position in `bytes`.
///
/// # Cost
///
/// Linear. Allocates only if `spans` has to grow.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, ResponseFraming, ResponseLimits, Status, parse_response};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
/// let head = parse_response(bytes, &ResponseLimits::default(), &mut spans)?.expect("it is all there");
/// assert_eq!(head.status(), Status::OK);
/// assert_eq!(head.fields().get("content-length"), Some(&b"5"[..]));
/// assert_eq!(head.framing("GET"), ResponseFraming::Length(5));
/// assert_eq!(head.framing("HEAD"), ResponseFraming::Empty);
/// assert_eq!(&bytes[head.len()..], b"hello");
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
pub fn parse_response<'a>(
    bytes: &'a [u8],
    limits: &ResponseLimits,
    spans: &'a mut FieldSpans,
) -> Result<Option<ResponseHead<'a>>, Rejection> {
    let is_complete = ResponseReader::default().read(bytes, &limits.for_reader(), spans)?;
    if is_complete && let Some(fault) = spans.response_map().fault {
        return Err(fault);
    }
    Ok(is_complete.then_some(ResponseHead { bytes, spans }))
}

/// The head of a response, borrowed from the bytes that arrived. Everything in it is valid.
///
/// Example: see [`parse_response`].
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    bytes: &'a [u8],
    /// Holds the [`ResponseMap`] of the head, too.
    spans: &'a FieldSpans,
}

impl FieldSpans {
    /// The response head that is kept.
    pub(in crate::http1) fn kept_response(&self) -> ResponseHead<'_> {
        ResponseHead { bytes: self.kept_bytes(), spans: self }
    }
}

impl<'a> ResponseHead<'a> {
    /// The status.
    pub fn status(&self) -> Status {
        self.map().status
    }

    /// The reason phrase, as it was sent; it has no meaning to a client (RFC 9112, 4). Bytes beyond
    /// ASCII are possible.
    pub fn reason(&self) -> &'a [u8] {
        let line = self.bytes.get(..self.map().fields_start as usize).unwrap_or_default();
        line.get(REASON..line.len().saturating_sub(2)).unwrap_or_default()
    }

    /// The version that the server speaks.
    pub fn version(&self) -> Version {
        self.map().version
    }

    /// The fields, in order.
    #[doc(alias = "headers")]
    pub fn fields(&self) -> FieldsView<'a> {
        self.spans.view(self.bytes)
    }

    /// How the body is delimited, if this answers a request of this method.
    pub fn framing(&self, method: &str) -> ResponseFraming {
        let map = self.map();
        match method {
            _ if map.status.is_informational() => ResponseFraming::Empty,
            "HEAD" => ResponseFraming::Empty,
            "CONNECT" if map.status.is_success() => ResponseFraming::Tunnel,
            _ => map.framing,
        }
    }

    /// The value of Content-Length. For HEAD and in a 304 it is the length of another response (RFC
    /// 9110, 8.6).
    pub fn content_length(&self) -> Option<u64> {
        self.map().length
    }

    /// The value of `Upgrade`, if the server names protocols that the connection can be, or was,
    /// switched to (RFC 9110, 7.8).
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        self.fields().get("upgrade").filter(|_| self.map().options.upgrade)
    }

    /// Length of the head, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.map().len()
    }

    pub(in crate::http1) fn map(&self) -> &'a ResponseMap {
        self.spans.response_map()
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status())
            .field("version", &self.version())
            .field("fields", &self.fields())
            .finish_non_exhaustive()
    }
}

/// How far the head of a response has been validated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct ResponseReader(LineReader);

impl ResponseReader {
    /// Continues. `bytes` is everything since the first byte of this head; the bytes of earlier
    /// calls have not changed. Returns whether the head is complete; if so, `spans` holds the
    /// positions of its parts, and its map, whose `fault` the caller must look at.
    pub(in crate::http1) fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<bool, Rejection> {
        let is_new = *self == ResponseReader::default();
        if is_new && fast_path::read_response(bytes, limits, spans).is_some() {
            return Ok(true);
        }
        self.read_lines(bytes, limits, spans)
    }

    /// As [`read`](Self::read), without the fast path.
    fn read_lines(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<bool, Rejection> {
        let Some(lines) = self.0.read::<StatusLine>(bytes, limits)? else { return Ok(false) };
        let Lines { fields_start, len, start_line: line, .. } = lines;
        spans.replace_lines(bytes, fields_start as usize..len as usize);
        let map = semantics::read_response(bytes, (line, fields_start, len), spans)?;
        spans.set_response_map(map);
        Ok(true)
    }
}

/// Where the reason phrase begins.
const REASON: usize = b"HTTP/1.1 200 ".len();

#[cfg(test)]
mod tests;
