//! The fields of a message to send, or of a received one that is kept.
//!
//! They are stored as they go on the wire, line by line, so that sending them is one copy:
//!
//! ```text
//! Content-Type: text/plain\r\nETag: "42"\r\n
//! ```
//!
//! Rules of this file:
//!
//! - Every line is `name ": " value CRLF`, made from a [`Field`]: the first colon ends the name,
//!   and the only LF is the last byte. Reading relies on that.
//! - Order and duplicates are kept: both may have a meaning (RFC 9110, 5.3).
//! - Every operation is one pass over the lines at most. Messages have few fields: an index would
//!   cost more.
//!
//! It must never know the semantics of a field, with one exception: the list of fields that the
//! connection writes ([`Headers::framing_fields`]).

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::field::{Field, InvalidField};
use super::fields::FieldsView;
use super::fields::Redacted;

/// Field names and values, in order, with duplicates. Names are compared case-insensitively.
///
/// It never holds anything that may not go on the wire. An empty one has not allocated; the usual
/// fields of a response take one allocation, which [`clear`](Self::clear) keeps.
///
/// ```
/// use diesel_proto::http1::{Headers, InvalidField};
///
/// let mut headers = Headers::new();
/// headers.add("Content-Type", "text/plain")?;
/// headers.add("Set-Cookie", "a=1")?;
/// headers.add("set-cookie", "b=2")?;
/// assert_eq!(headers.get_str("content-type"), Some("text/plain"));
/// assert_eq!(headers.get_all("Set-Cookie").count(), 2);
///
/// headers.set("Set-Cookie", "c=3")?;
/// assert_eq!(headers.len(), 2);
///
/// let error = headers.add("X-Name", "Ada\r\nX-Admin: yes").unwrap_err();
/// assert_eq!(error, InvalidField::Value { byte: b'\r', at: 3 });
/// # Ok::<(), InvalidField>(())
/// ```
///
/// Fields that are literals in the source need no `?`: see
/// [`headers!`](macro@crate::http1::headers). Others can be collected:
///
/// ```
/// use diesel_proto::http1::{Field, Headers, InvalidField};
///
/// let pairs = [("Link", "</a>"), ("Link", "</b>")];
/// let fields = pairs.iter().map(|(name, value)| Field::new(name, value.as_bytes()));
/// let headers = fields.collect::<Result<Headers, _>>()?;
/// assert_eq!(headers, Headers::try_from(pairs)?);
/// # Ok::<(), InvalidField>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    lines: Vec<u8>,
    /// Whether a framing field was ever added, even if it was removed since. If not,
    /// [`Headers::first_framing_field`], which is called for each response, needs no pass.
    may_frame: bool,
    /// The same for `Date`.
    may_date: bool,
    /// The same for `Host` and `Expect`, which clients write.
    may_ask: bool,
}

/// The first allocation: enough for the fields of most responses.
const ROOM: usize = 256;

impl Headers {
    /// No fields. Does not allocate.
    pub const fn new() -> Self {
        Headers { lines: Vec::new(), may_frame: false, may_date: false, may_ask: false }
    }

    /// Adds a field at the end, even if there are others of its name.
    ///
    /// # Errors
    ///
    /// If the name is not a token, or the value has a control character other than HTAB. Blanks
    /// around a value are removed: they are not part of it (RFC 9110, 5.5).
    #[doc(alias = "append")]
    pub fn add(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        self.push(Field::new(name.as_ref(), value.as_ref())?);
        Ok(())
    }

    /// Replaces all fields of this name: the new one takes the place of the first, or goes to the
    /// end if there was none.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add). Then nothing is replaced.
    #[doc(alias = "insert")]
    pub fn set(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        let field = Field::new(name.as_ref(), value.as_ref())?;
        match self.find(field.name()) {
            None => self.push(field),
            Some(first) => {
                self.remove_from(first.end, field.name());
                self.note(field.name());
                // In bounds, because it was found there.
                self.lines.splice(first, line_of(field).into_iter().flatten().copied());
            }
        }
        Ok(())
    }

    /// Adds a valid field at the end.
    pub fn push(&mut self, field: Field<'_>) {
        if self.lines.capacity() == 0 {
            self.lines.reserve(ROOM);
        }
        self.note(field.name());
        for part in line_of(field) {
            self.lines.extend_from_slice(part);
        }
    }

    /// Removes all fields of this name. Returns whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_from(0, name)
    }

    /// Removes all fields, but keeps the allocation.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.may_frame = false;
        self.may_date = false;
        self.may_ask = false;
    }

    /// Adds the fields of `others` at the end, in their order.
    pub fn append(&mut self, others: &Headers) {
        self.lines.extend_from_slice(&others.lines);
        self.may_frame |= others.may_frame;
        self.may_date |= others.may_date;
        self.may_ask |= others.may_ask;
    }

    /// Adds those fields of a received message for which `keep` returns true, in their order: it gets
    /// the name of each.
    ///
    /// ```
    /// use diesel_proto::http1::{FieldSpans, Headers, Limits, parse_request};
    ///
    /// let mut spans = FieldSpans::new();
    /// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nAccept:  b\r\nTE: c\r\n\r\n";
    /// let head = parse_request(bytes, &Limits::default(), &mut spans)?.expect("a complete head");
    /// let mut headers = Headers::new();
    /// headers.extend_from(head.fields(), |name| name != "Host" && name != "TE");
    /// assert_eq!(headers, diesel_proto::http1::headers! { "Accept" => "b" });
    /// # Ok::<(), diesel_proto::http1::Rejection>(())
    /// ```
    ///
    /// # Cost
    ///
    /// One allocation at most. Nothing is validated again.
    pub fn extend_from(&mut self, fields: FieldsView<'_>, mut keep: impl FnMut(&str) -> bool) {
        self.lines.reserve(fields.bytes_len() + ROOM);
        for (name, value) in fields.iter().filter(|(name, _)| keep(name)) {
            self.push(Field::checked(name, value));
        }
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field of this name, if it is text.
    ///
    /// RFC 9110, 5.5, allows values with bytes beyond ASCII, in any encoding. A value that is not
    /// UTF-8 is only returned by [`get`](Self::get).
    pub fn get_str(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        HeaderLines(&self.lines).filter_map(move |line| value_if_named(line, name))
    }

    /// Names, in their original case, and values, in order.
    pub fn iter(&self) -> HeadersIter<'_> {
        HeadersIter { lines: HeaderLines(&self.lines) }
    }

    /// The number of fields. Linear: it counts them.
    pub fn len(&self) -> usize {
        memchr::memchr_iter(b'\n', &self.lines).count()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as they go on the wire, without the empty line that ends a head.
    pub(in crate::http1) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The name of the first field that delimits a message or controls the connection. Only the
    /// connection writes those fields, never the application.
    ///
    /// Content-Length and Transfer-Encoding delimit (RFC 9112, 6.1 and 6.2). Connection, and the
    /// fields that RFC 9110, 7.6.1, has an intermediary remove even if Connection does not name
    /// them, are for one hop only: Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade.
    /// Trailer is not among them: it is for every recipient (RFC 9110, 6.6.2), and announces but
    /// does not delimit.
    pub(in crate::http1) fn first_framing_field(&self) -> Option<&str> {
        self.framing_fields().next()
    }

    /// Whether there may be a framing field; false means that there is none.
    #[inline]
    pub(in crate::http1) fn may_frame(&self) -> bool {
        self.may_frame
    }

    /// Whether there may be a `Host` or an `Expect`; false means that there is none.
    #[inline]
    pub(in crate::http1) fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// The names of all framing fields.
    pub(in crate::http1) fn framing_fields(&self) -> impl Iterator<Item = &str> {
        let lines: &[u8] = if self.may_frame { &self.lines } else { &[] };
        HeadersIter { lines: HeaderLines(lines) }
            .map(|(name, _)| name)
            .filter(|name| is_framing_field(name))
    }

    /// Whether there is a `Date` field.
    #[inline]
    pub(in crate::http1) fn has_date(&self) -> bool {
        self.may_date && self.get("date").is_some()
    }

    fn note(&mut self, name: &str) {
        self.may_frame |= is_framing_field(name);
        match name.len() {
            4 => {
                self.may_date |= name.eq_ignore_ascii_case("date");
                self.may_ask |= name.eq_ignore_ascii_case("host");
            }
            6 => self.may_ask |= name.eq_ignore_ascii_case("expect"),
            _ => {}
        }
    }

    /// The range of the first line of this name.
    fn find(&self, name: &str) -> Option<Range<usize>> {
        let mut end = 0;
        HeaderLines(&self.lines).find_map(|line| {
            let start = end;
            end += line.len();
            value_if_named(line, name).map(|_| start..end)
        })
    }

    /// Removes all fields of this name that begin at `start` or later. The others move forward,
    /// each once. `start <= self.lines.len()`.
    fn remove_from(&mut self, start: usize, name: &str) -> bool {
        let mut kept = start;
        let mut at = start;
        // `kept <= at <= self.lines.len()`.
        while let Some(line) = HeaderLines(self.lines.get(at..).unwrap_or_default()).next() {
            let (len, goes) = (line.len(), value_if_named(line, name).is_some());
            if !goes {
                self.lines.copy_within(at..at + len, kept);
                kept += len;
            }
            at += len;
        }
        self.lines.truncate(kept);
        kept < at
    }
}

/// The names of [`Headers::first_framing_field`], compared by length first: this is called for each
/// field of each response.
pub(in crate::http1) fn is_framing_field(name: &str) -> bool {
    let is = |other| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 => is("te"),
        7 => is("upgrade"),
        10 => is("connection") || is("keep-alive"),
        14 => is("content-length"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        _ => false,
    }
}

/// The line of a field, in parts.
fn line_of(field: Field<'_>) -> [&[u8]; 4] {
    [field.name().as_bytes(), b": ", field.value(), b"\r\n"]
}

/// Iterates over lines, each with the LF that ends it.
#[derive(Clone)]
struct HeaderLines<'a>(&'a [u8]);

impl<'a> Iterator for HeaderLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.0)? + 1;
        let (line, behind) = self.0.split_at_checked(end)?;
        self.0 = behind;
        Some(line)
    }
}

/// The value of a line, if its name is `name`.
fn value_if_named<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, behind) = line.split_at_checked(name.len())?;
    let value = behind.strip_prefix(b": ")?;
    // A `name` with a colon is no field name, but could match the beginning of a line.
    let is_named = start.eq_ignore_ascii_case(name.as_bytes()) && !start.contains(&b':');
    value.strip_suffix(b"\r\n").filter(|_| is_named)
}

/// Iterates over [`Headers`]: names and values.
///
/// ```
/// use diesel_proto::http1::Headers;
///
/// let headers = Headers::try_from([("ETag", "\"42\""), ("Link", "</a>")])?;
/// let names: Vec<&str> = headers.iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["ETag", "Link"]);
/// # Ok::<(), diesel_proto::http1::InvalidField>(())
/// ```
#[derive(Clone)]
pub struct HeadersIter<'a> {
    lines: HeaderLines<'a>,
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        // A name is a token, so it is ASCII.
        let name = core::str::from_utf8(name).unwrap_or_default();
        Some((name, value.strip_prefix(b": ")?.strip_suffix(b"\r\n")?))
    }
}

impl fmt::Debug for HeadersIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.clone().map(|(name, value)| (name, Redacted(name, value))))
            .finish()
    }
}

/// Names and values, with secrets redacted.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().fmt(f)
    }
}

/// Equal if the same fields are in the same order; names are compared case-insensitively.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.lines.len() == other.lines.len()
            && self.iter().zip(other).all(|((name, value), (other_name, other_value))| {
                name.eq_ignore_ascii_case(other_name) && value == other_value
            })
    }
}

impl Eq for Headers {}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> Extend<Field<'a>> for Headers {
    fn extend<I: IntoIterator<Item = Field<'a>>>(&mut self, fields: I) {
        fields.into_iter().for_each(|field| self.push(field));
    }
}

impl<'a> FromIterator<Field<'a>> for Headers {
    fn from_iter<I: IntoIterator<Item = Field<'a>>>(fields: I) -> Self {
        let mut headers = Headers::new();
        headers.extend(fields);
        headers
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const COUNT: usize> TryFrom<[(N, V); COUNT]> for Headers {
    type Error = InvalidField;

    fn try_from(fields: [(N, V); COUNT]) -> Result<Self, InvalidField> {
        let mut headers = Headers::new();
        fields.iter().try_for_each(|(name, value)| headers.add(name, value))?;
        Ok(headers)
    }
}

/// Copies the fields of a received message, which were validated when it was read.
impl From<FieldsView<'_>> for Headers {
    fn from(fields: FieldsView<'_>) -> Self {
        fields.iter().map(|(name, value)| Field::checked(name, value)).collect()
    }
}

#[cfg(test)]
mod tests;
