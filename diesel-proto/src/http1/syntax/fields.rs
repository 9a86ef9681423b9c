//! Field lines where they lie: a list of spans over bytes that someone else holds.
//!
//! Reading a head makes one entry for each field line, in memory of the caller that is used again
//! for every message: no field is copied, none is allocated.
//!
//! The last head is kept beside its spans. Clients ask again in the same words (for one resource
//! after the other that answers come from, for news, for signs of life), and a head that comes
//! again byte for byte means what it meant: it is compared, at a tenth of the cost of reading it.
//!
//! It must never know what a field means, nor how it was read.

use alloc::vec::Vec;
use core::fmt;

use super::head::RequestHead;
use super::limits::Limits;
use crate::http1::syntax::HeadMap;

/// Memory for the places of a message's fields. One is enough for everything that reads in turn.
///
/// It is as large as the most fields that a message had, at 16 bytes each, and the longest head.
#[derive(Clone, Debug, Default)]
pub struct FieldSpans {
    spans: Vec<FieldSpan>,
    /// What the head means that was read last, if it was one.
    map: HeadMap,
    /// The head that was kept last.
    head: Vec<u8>,
    /// Whether `spans` and `map` are those of `head`.
    is_kept: bool,
}

/// Where one field is: the name, and the value behind it, in bytes since the start of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) struct FieldSpan {
    pub(in crate::http1) name: u32,
    pub(in crate::http1) name_len: u32,
    pub(in crate::http1) value: u32,
    pub(in crate::http1) value_len: u32,
}

impl FieldSpans {
    /// No fields, and no memory.
    pub const fn new() -> Self {
        FieldSpans { spans: Vec::new(), map: HeadMap::NONE, head: Vec::new(), is_kept: false }
    }

    pub(in crate::http1) fn clear(&mut self) {
        self.is_kept = false;
        self.spans.clear();
    }

    /// What a head means whose spans are these.
    pub(in crate::http1) fn map(&self) -> &HeadMap {
        &self.map
    }

    pub(in crate::http1) fn set_map(&mut self, map: HeadMap) {
        self.map = map;
    }

    /// Keeps a head whose spans and map are these.
    pub(in crate::http1) fn keep(&mut self, head: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(head);
        self.is_kept = true;
    }

    /// Whether `bytes` begin with the head that is kept: then spans and map are theirs.
    #[inline]
    pub(in crate::http1) fn recall(&self, bytes: &[u8], limits: &Limits) -> bool {
        self.is_kept
            && bytes.starts_with(&self.head)
            && self.map.is_within(limits, self.spans.len())
    }

    /// The head that is kept.
    pub(in crate::http1) fn kept(&self) -> RequestHead<'_> {
        RequestHead { bytes: if self.is_kept { &self.head } else { &[] }, spans: self }
    }

    /// Bytes of memory for a head.
    pub(in crate::http1) fn capacity(&self) -> usize {
        self.head.capacity()
    }

    /// Those of another message.
    #[inline]
    pub(in crate::http1) fn replace(&mut self, spans: impl Iterator<Item = FieldSpan>) {
        self.clear();
        self.spans.extend(spans);
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

/// The fields of a message, in order, duplicates kept, in the bytes that arrived.
#[derive(Clone, Copy, Default)]
pub struct FieldsView<'a> {
    bytes: &'a [u8],
    spans: &'a [FieldSpan],
}

impl<'a> FieldsView<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Names, as they were written, and values, without the blanks around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        // A name is a token: it was checked when the span was made.
        let text = |name| core::str::from_utf8(name).unwrap_or_default();
        self.spans.iter().map(move |span| (text(span.name(bytes)), span.value(bytes)))
    }

    /// The value of the first field of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields of this name, whatever its case.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        self.spans
            .iter()
            .filter(move |span| span.name(bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |span| span.value(bytes))
    }
}

/// Names and values, but not those that hold a secret.
impl fmt::Debug for FieldsView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, Redacted(name, value))))
            .finish()
    }
}

/// A value as it may be shown: credentials are not (RFC 9110, 11.6 and 17.5; RFC 6265).
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
