//! Parses and validates the heads of messages: of requests here, of responses in `response`.
//!
//! ```text
//!   \r\n  GET /a HTTP/1.1\r\n  Host: a\r\n  ..  \r\n      the body, or the next head
//!   |---| |-----------------|  |----------------|        (empty lines before it are skipped)
//!         start                fields_start     len
//! ```
//!
//! Rules of this file:
//!
//! - **The fast path**: a complete head is parsed once by `httparse`, and the result is then
//!   validated. Whatever the fast path does not accept is read line by line by
//!   [`token`](crate::http1::syntax::token), which reports what is wrong and where; that is the
//!   reference. The two agree (a property test). The reference accepts one thing that `httparse`
//!   refuses: a minor version beyond 1.1.
//! - A head that arrives in pieces is validated line by line as its lines arrive, each once; an
//!   invalid line is refused at once. What is wrong with a line is found in byte order, limits
//!   included, and before what is wrong with the head as a whole. So the verdict does not depend on
//!   how the bytes were split.
//! - Nothing is copied. The result is positions in the bytes, and a few flags.
//!
//! It must never know what holds the bytes, nor what follows a head.

mod fast_path;
mod lines;
mod map;
mod response;
mod semantics;
mod status_line;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;

use self::lines::{LineReader, Lines, StartLine};
use self::map::HeadLines;
pub(in crate::http1) use self::map::{HeadMap, Method, ResponseMap};
pub(in crate::http1) use self::response::ResponseReader;
pub use self::response::{ResponseHead, parse_response};
use super::authority::{Authority, parse_host};
use super::fields::{FieldSpans, FieldsView};
use super::framing::Framing;
use super::limits::Limits;
use super::rule::{Rejection, Rule};
use super::target::{Target, effective_host};
use super::token::{Wrong, is_tchar};

/// A version of HTTP that this crate supports. A higher minor version of HTTP/1 is read, and
/// answered, as HTTP/1.1, the highest supported version (RFC 9110, 2.5 and 6.2).
///
/// Example: see [`RequestHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Parses the head of a request at the beginning of `bytes`. Returns `None` if the head is
/// incomplete and valid so far.
///
/// For bytes that arrive in pieces, use a [`ServerConnection`](crate::http1::ServerConnection),
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
/// use diesel_proto::http1::{FieldSpans, Limits, parse_request};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"GET /a?b HTTP/1.1\r\nHost: example.org\r\n\r\n";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.expect("it is all there");
/// assert_eq!(head.method(), "GET");
/// assert_eq!(head.target_text(), "/a?b");
/// assert_eq!(head.fields().get("host"), Some(&b"example.org"[..]));
/// assert_eq!(head.len(), bytes.len());
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
pub fn parse_request<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    spans: &'a mut FieldSpans,
) -> Result<Option<RequestHead<'a>>, Rejection> {
    let is_complete = HeadReader::default().read(bytes, limits, spans)?;
    Ok(is_complete.then_some(RequestHead { bytes, spans }))
}

/// The head of a request, borrowed from the bytes that arrived. Everything in it is valid.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Framing, Limits, Version, parse_request};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"POST http://example.org/a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.expect("it is complete");
/// assert_eq!(head.version(), Version::Http11);
/// assert_eq!(head.framing(), Framing::Length(2));
/// // The authority of the target takes precedence over `Host`.
/// assert_eq!(head.host().map(|authority| authority.host()), Some("example.org"));
/// assert_eq!(&bytes[head.len()..], b"hi");
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    pub(in crate::http1) bytes: &'a [u8],
    /// Holds the [`HeadMap`] of the head, too.
    pub(in crate::http1) spans: &'a FieldSpans,
}

impl FieldSpans {
    /// The head that is kept.
    pub(in crate::http1) fn kept(&self) -> RequestHead<'_> {
        RequestHead { bytes: self.kept_bytes(), spans: self }
    }
}

impl<'a> RequestHead<'a> {
    /// The method: a token, in its original case.
    pub fn method(&self) -> &'a str {
        self.text(self.map().method())
    }

    /// The request target, unchanged.
    #[doc(alias = "uri")]
    pub fn target_text(&self) -> &'a str {
        self.text(self.map().target())
    }

    /// The request target.
    pub fn target(&self) -> Target<'a> {
        self.map().parse_target(self.bytes)
    }

    /// The authority that the request is for: that of the target, if the target has one, whatever
    /// `Host` holds; otherwise that of `Host` (RFC 9112, 3.2.2 and 3.3). `None` if neither has one:
    /// then only the address of the connection is known.
    pub fn host(&self) -> Option<Authority<'a>> {
        let field = self.fields().get("host").and_then(|value| parse_host(value).ok().flatten());
        effective_host(self.target(), field)
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.map().version()
    }

    /// The fields, in order.
    #[doc(alias = "headers")]
    pub fn fields(&self) -> FieldsView<'a> {
        self.spans.view(self.bytes)
    }

    /// How the body is delimited.
    pub fn framing(&self) -> Framing {
        self.map().framing
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.map().options.expects_continue
    }

    /// The value of `Upgrade`, if the client asks for another protocol (RFC 9110, 7.8).
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        self.fields().get("upgrade").filter(|_| self.map().options.upgrade)
    }

    /// Length of the head, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.map().len()
    }

    pub(in crate::http1) fn map(&self) -> &'a HeadMap {
        self.spans.map()
    }

    fn text(&self, range: Range<usize>) -> &'a str {
        // Validated to be ASCII.
        core::str::from_utf8(self.bytes.get(range).unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("target", &self.target_text())
            .field("version", &self.version())
            .field("fields", &self.fields())
            .finish_non_exhaustive()
    }
}

/// How far the head of a request has been validated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct HeadReader(LineReader);

impl HeadReader {
    /// Whether the method is HEAD, even if the rest of the head is invalid.
    pub(in crate::http1) fn is_of_head(&self, bytes: &[u8]) -> bool {
        bytes.get(self.0.start()..).is_some_and(|line| line.starts_with(b"HEAD "))
    }

    /// Whether the request line is complete, valid, and of HTTP/1.1 or later, even if the rest of
    /// the head is invalid.
    pub(in crate::http1) fn is_of_http11(&self, bytes: &[u8]) -> bool {
        let line = bytes.get(..self.0.fields_start()).unwrap_or_default();
        !line.is_empty() && !line.ends_with(b" HTTP/1.0\r\n")
    }

    /// Continues. `bytes` is everything since the first byte of this head; the bytes of earlier
    /// calls have not changed. Returns whether the head is complete; if so, `spans` holds the
    /// positions of its parts, and its map.
    pub(in crate::http1) fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<bool, Rejection> {
        if *self == HeadReader::default() && fast_path::read(bytes, limits, spans).is_some() {
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
        let Some(lines) = self.0.read::<RequestLineParts>(bytes, limits)? else { return Ok(false) };
        let Lines { start, fields_start, len, .. } = lines;
        spans.replace_lines(bytes, fields_start as usize..len as usize);
        let RequestLineParts { method_len, target_end, version } = lines.start_line;
        let method = bytes.get(start as usize..(start + method_len) as usize).unwrap_or_default();
        let method = Method::of(method);
        let target_end = start + target_end;
        let lines = HeadLines { start, method_len, target_end, fields_start, len, version, method };
        let map = semantics::read(bytes, lines, spans)?;
        spans.set_map(map);
        Ok(true)
    }
}

/// The parts of a request line, in bytes from its start.
struct RequestLineParts {
    method_len: u32,
    target_end: u32,
    version: Version,
}

impl StartLine for RequestLineParts {
    const TOO_LONG: Rule = Rule::RequestLineTooLong;
    // Some clients send an empty line after a body (RFC 9112, 2.2).
    const SKIPS_EMPTY_LINES: bool = true;

    fn check_start(line: &[u8]) -> Result<(), Rule> {
        // What does not begin with a method is not HTTP, and may never contain a line end.
        match line {
            [] | [b'\r'] | [b'\r', b'\n', ..] => Ok(()),
            [b'\r', ..] => Err(Rule::BareCr),
            [b'\n', ..] => Err(Rule::BareLf),
            [byte, ..] if !is_tchar(*byte) => Err(Rule::MethodSyntax),
            _ => Ok(()),
        }
    }

    /// Parses method, target and version, separated by one space each (RFC 9112, 3). The line is
    /// not empty.
    fn parse(line: &[u8]) -> Result<Self, Wrong> {
        if line == b"PRI * HTTP/2.0\r\n" {
            return Err((Rule::Http2Preface, 0));
        }
        let method_len = line.iter().take_while(|&&byte| is_tchar(byte)).count();
        match line.get(method_len..).unwrap_or_default() {
            [b' ', ..] if method_len > 0 => {}
            [b'\r', b'\n', ..] => return Err((Rule::RequestLineSyntax, method_len)),
            rest => return Err((line_end_or(rest, Rule::MethodSyntax), method_len)),
        }
        let start = method_len + 1;
        let is_target = |byte: &&u8| !matches!(**byte, b' ' | b'\r' | b'\n');
        let rest = line.get(start..).unwrap_or_default();
        let target_end = start + rest.iter().take_while(is_target).count();
        let (method, target) = (&line[..method_len], &line[start..target_end]);
        if target.is_empty() {
            let rest = line.get(start..).unwrap_or_default();
            return Err((line_end_or(rest, Rule::RequestLineSyntax), start));
        }
        Target::parse(target, method).map_err(|(rule, at)| (rule, start + at))?;
        let version = match line.get(target_end..).unwrap_or_default() {
            b" HTTP/1.1\r\n" => Version::Http11,
            b" HTTP/1.0\r\n" => Version::Http10,
            [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b'\r', b'\n'] => {
                Version::Http11
            }
            rest => return Err(wrong_version(rest, target_end)),
        };
        Ok(RequestLineParts {
            method_len: method_len as u32,
            target_end: target_end as u32,
            version,
        })
    }
}

/// What is wrong with the part after the target, which is at `at`.
fn wrong_version(rest: &[u8], at: usize) -> (Rule, usize) {
    let Some(version) = rest.strip_prefix(b" ") else {
        // No version: this is what HTTP/0.9 sent.
        return (line_end_or(rest, Rule::RequestLineSyntax), at);
    };
    let at = at + 1;
    let right = version_len(version);
    match (right, version.get(right..).unwrap_or_default()) {
        (8, b"\r\n") => (Rule::VersionUnsupported, at),
        (8, rest) => (line_end_or(rest, Rule::RequestLineSyntax), at + right),
        (_, rest) => (line_end_or(rest, Rule::VersionSyntax), at + right),
    }
}

/// How many bytes at the beginning of `bytes` are right for a version: 8 if all are (RFC 9112, 2.3).
fn version_len(bytes: &[u8]) -> usize {
    let shape: [fn(&u8) -> bool; 8] = [
        |b| *b == b'H',
        |b| *b == b'T',
        |b| *b == b'T',
        |b| *b == b'P',
        |b| *b == b'/',
        u8::is_ascii_digit,
        |b| *b == b'.',
        u8::is_ascii_digit,
    ];
    bytes.iter().zip(shape).take_while(|(byte, is_right)| is_right(byte)).count()
}

/// A lone CR or LF is reported in preference to `rule`.
fn line_end_or(rest: &[u8], rule: Rule) -> Rule {
    match rest {
        [b'\r', b'\n', ..] => rule,
        [b'\r', ..] => Rule::BareCr,
        [b'\n', ..] => Rule::BareLf,
        _ => rule,
    }
}
