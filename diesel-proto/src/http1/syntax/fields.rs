//! Field lines, in place: a list of spans over bytes that the caller holds.
//!
//! Reading a head makes one entry for each field line, in memory of the caller that is reused for
//! every message. No field is copied or allocated.
//!
//! The last head is kept with its spans, for a fast path: clients often repeat a head byte for byte
//! (when polling, or for health checks), and an identical head has the same meaning. Comparing it
//! costs a tenth of parsing it.
//!
//! It must never know the semantics of a field, nor how it was read.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use memchr::memchr;

use super::limits::Limits;
use super::token::field_line;
use crate::http1::syntax::{HeadMap, ResponseMap};

/// Memory for the spans of a message's fields. One is enough for any number of readers that take
/// turns.
///
/// It grows to 16 bytes for each field of the message with the most fields, and the length of the
/// longest head.
///
/// Example: see [`parse_request`](super::head::parse_request).
#[derive(Clone, Debug, Default)]
pub struct FieldSpans {
    spans: Vec<FieldSpan>,
    /// The map of the request head that was read last, if there was one.
    map: HeadMap,
    /// The map of the response head that was read last, if there was one.
    response: ResponseMap,
    /// The head that was kept last.
    head: Vec<u8>,
    /// Whether `spans` and a map are those of `head`.
    kept: Kept,
}

/// Which kind of head is kept. What was read as one kind must never be taken for the other: its map
/// is that of another head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kept {
    #[default]
    Nothing,
    Request,
    Response,
    /// A response without some of its fields: never the map of another head with the same bytes.
    #[cfg(feature = "gzip")]
    Edited,
}

/// The position of one field: its name, and the value after it, in bytes from the start of the
/// head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) struct FieldSpan {
    pub(in crate::http1) name: u32,
    pub(in crate::http1) name_len: u32,
    pub(in crate::http1) value: u32,
    pub(in crate::http1) value_len: u32,
}

impl FieldSpans {
    /// No fields. Does not allocate.
    pub const fn new() -> Self {
        FieldSpans {
            spans: Vec::new(),
            map: HeadMap::NONE,
            response: ResponseMap::NONE,
            head: Vec::new(),
            kept: Kept::Nothing,
        }
    }

    pub(in crate::http1) fn clear(&mut self) {
        self.kept = Kept::Nothing;
        self.spans.clear();
    }

    /// The map of the request head that these spans belong to.
    pub(in crate::http1) fn map(&self) -> &HeadMap {
        &self.map
    }

    pub(in crate::http1) fn set_map(&mut self, map: HeadMap) {
        self.map = map;
    }

    /// The map of the response head that these spans belong to.
    pub(in crate::http1) fn response_map(&self) -> &ResponseMap {
        &self.response
    }

    pub(in crate::http1) fn set_response_map(&mut self, map: ResponseMap) {
        self.response = map;
    }

    /// Keeps the request head that these spans and this map belong to.
    pub(in crate::http1) fn keep_request(&mut self, head: &[u8]) {
        self.keep(head, Kept::Request);
    }

    /// Keeps the response head that these spans and this map belong to.
    pub(in crate::http1) fn keep_response(&mut self, head: &[u8]) {
        self.keep(head, Kept::Response);
    }

    fn keep(&mut self, head: &[u8], kept: Kept) {
        self.head.clear();
        self.head.extend_from_slice(head);
        self.kept = kept;
    }

    /// The fast path for a repeated head: whether `bytes` begins with the request head that is
    /// kept. If so, spans and map apply to it.
    #[inline]
    pub(in crate::http1) fn recall(&self, bytes: &[u8], limits: &Limits) -> bool {
        self.kept == Kept::Request
            && bytes.starts_with(&self.head)
            && self.map.is_within(limits, self.spans.len())
    }

    /// As [`recall`](Self::recall), for the head of a response.
    #[inline]
    pub(in crate::http1) fn recall_response(&self, bytes: &[u8], limits: &Limits) -> bool {
        self.kept == Kept::Response
            && bytes.starts_with(&self.head)
            && self.response.is_within(limits, self.spans.len())
    }

    /// The bytes of the head that is kept; none if none is.
    pub(super) fn kept_bytes(&self) -> &[u8] {
        match self.kept {
            Kept::Nothing => &[],
            _ => &self.head,
        }
    }

    /// Leaves out fields of the response head that is kept, and its length: they do not describe its
    /// body any more, which was decoded.
    #[cfg(feature = "gzip")]
    pub(in crate::http1) fn leave_out(&mut self, names: &[&str]) {
        let FieldSpans { spans, head, .. } = self;
        spans.retain(|span| {
            let name = span.name(head);
            !names.iter().any(|left_out| left_out.as_bytes().eq_ignore_ascii_case(name))
        });
        self.response.forget_length();
        self.kept = Kept::Edited;
    }

    /// Bytes that are allocated for a head.
    pub(in crate::http1) fn capacity(&self) -> usize {
        self.head.capacity()
    }

    /// Replaces all spans by those of another message.
    #[inline]
    pub(in crate::http1) fn replace(&mut self, spans: impl Iterator<Item = FieldSpan>) {
        self.clear();
        self.spans.extend(spans);
    }

    /// Replaces all spans by those of the lines in this range of `bytes`, each of which is valid. An
    /// empty line ends them.
    pub(in crate::http1) fn replace_lines(&mut self, bytes: &[u8], lines: Range<usize>) {
        self.clear();
        let mut at = lines.start;
        while let Some(lf) = memchr(b'\n', bytes.get(at..lines.end).unwrap_or_default()) {
            let line = bytes.get(at..=at + lf).unwrap_or_default();
            let Ok((name_len, value)) = field_line(line) else { return };
            self.push(FieldSpan {
                name: at as u32,
                name_len: name_len as u32,
                value: (at + value.start) as u32,
                value_len: value.len() as u32,
            });
            at += line.len();
        }
    }

    #[inline]
    pub(in crate::http1) fn push(&mut self, span: FieldSpan) {
        self.spans.push(span);
    }

    pub(in crate::http1) fn spans(&self) -> &[FieldSpan] {
        &self.spans
    }

    pub(in crate::http1) fn view<'a>(&'a self, bytes: &'a [u8]) -> FieldsView<'a> {
        FieldsView { bytes, spans: &self.spans }
    }
}

/// The fields of a received message, in order, with duplicates, borrowed from its bytes.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Limits, parse_request};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\nAccept: c\r\n\r\n";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.expect("a complete head");
/// let fields = head.fields();
/// assert_eq!(fields.len(), 3);
/// assert_eq!(fields.get("HOST"), Some(&b"a"[..]));
/// assert_eq!(fields.get_all("accept").count(), 2);
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct FieldsView<'a> {
    bytes: &'a [u8],
    spans: &'a [FieldSpan],
}

impl<'a> FieldsView<'a> {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The length of the message that they are in, or of a part of it that has all of them.
    pub(in crate::http1) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Names, in their original case, and values, without the blanks around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        // A name is a token, which was checked when the span was made.
        let text = |name| core::str::from_utf8(name).unwrap_or_default();
        self.spans.iter().map(move |span| (text(span.name(bytes)), span.value(bytes)))
    }

    /// The value of the first field of this name, compared case-insensitively.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields of this name, compared case-insensitively.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        self.spans
            .iter()
            .filter(move |span| span.name(bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |span| span.value(bytes))
    }
}

/// Names and values, with secrets redacted.
impl fmt::Debug for FieldsView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, Redacted(name, value))))
            .finish()
    }
}

/// A value for `Debug`: credentials are redacted (RFC 9110, 11.6 and 17.5; RFC 6265).
pub(in crate::http1) struct Redacted<'a>(
    pub(in crate::http1) &'a str,
    pub(in crate::http1) &'a [u8],
);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
        if SECRET.iter().any(|secret| self.0.eq_ignore_ascii_case(secret)) {
            return f.write_str("(redacted)");
        }
        write!(f, "\"{}\"", self.1.escape_ascii())
    }
}

impl FieldSpan {
    #[inline]
    pub(in crate::http1) fn name(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.name as usize..(self.name + self.name_len) as usize).unwrap_or_default()
    }

    #[inline]
    pub(in crate::http1) fn value(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.value as usize..(self.value + self.value_len) as usize).unwrap_or_default()
    }
}
