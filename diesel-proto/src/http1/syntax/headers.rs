//! The fields of a message of our own, or of one that is kept.
//!
//! They are held as they go on the wire, line by line, so that sending them is one copy:
//!
//! ```text
//! Content-Type: text/plain\r\nETag: "42"\r\n
//! ```
//!
//! Rules of this file:
//!
//! - Every line is `name ": " value CRLF`, made of a [`Field`]: the only colon that a name could
//!   hold is the one behind it, the only LF is the last byte. That is what reading relies on.
//! - Order is kept, duplicates are kept: both may have a meaning (RFC 9110, 5.3).
//! - Everything costs one sweep at most. Messages have few fields: an index would cost more.
//!
//! It must never know what a field is for, but for one list: the fields that are the connection's
//! own ([`Headers::framing_fields`]).

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::field::{Field, InvalidField};
use super::fields::FieldsView;
use super::fields::Redacted;

/// Field names and values, in order, with duplicates. Names are compared without regard to case.
///
/// It never holds what may not go on the wire. Empty, it has no memory; a response's usual fields
/// take one allocation, and [`clear`](Self::clear) keeps it for the next.
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
/// Fields that stand in the program's text need no `?`: see [`headers!`](macro@crate::http1::syntax::headers).
/// Those of elsewhere can be collected:
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
    /// Whether a framing field was added, even if it was removed since. So the usual answer to
    /// [`Headers::first_framing_field`], which is asked for each response, needs no sweep.
    may_frame: bool,
    /// The same, of a `Date`.
    may_date: bool,
}

/// What is allocated for the first field: room for the fields of most responses.
const ROOM: usize = 256;

impl Headers {
    /// No fields, and no memory.
    pub const fn new() -> Self {
        Headers { lines: Vec::new(), may_frame: false, may_date: false }
    }

    /// Adds a field at the end, whether or not there are others of its name.
    ///
    /// # Errors
    ///
    /// A name that is not a token, a value with a control character other than HTAB. Blanks around
    /// a value are cut off: they are no part of it (RFC 9110, 5.5).
    #[doc(alias = "append")]
    pub fn add(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        self.push(Field::new(name.as_ref(), value.as_ref())?);
        Ok(())
    }

    /// Makes this the only field of its name: at the place of the first of them, else at the end.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add). Then nothing is replaced.
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
                // Within the lines, for it was found there.
                self.lines.splice(first, line_of(field).into_iter().flatten().copied());
            }
        }
        Ok(())
    }

    /// Adds a field that was checked already, at the end.
    pub fn push(&mut self, field: Field<'_>) {
        if self.lines.capacity() == 0 {
            self.lines.reserve(ROOM);
        }
        self.note(field.name());
        for part in line_of(field) {
            self.lines.extend_from_slice(part);
        }
    }

    /// Removes all fields of this name. Whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_from(0, name)
    }

    /// Removes all fields, and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.may_frame = false;
        self.may_date = false;
    }

    /// Adds the fields of others at the end, in their order.
    pub fn append(&mut self, others: &Headers) {
        self.lines.extend_from_slice(&others.lines);
        self.may_frame |= others.may_frame;
        self.may_date |= others.may_date;
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field of this name, if it is text.
    ///
    /// RFC 9110, 5.5, lets values hold bytes beyond ASCII, in any encoding: such as are not UTF-8
    /// are there for [`get`](Self::get) alone.
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

    /// Names, as they were written, and values, in order.
    pub fn iter(&self) -> HeadersIter<'_> {
        HeadersIter { lines: HeaderLines(&self.lines) }
    }

    /// How many fields there are. Counts them.
    pub fn len(&self) -> usize {
        memchr::memchr_iter(b'\n', &self.lines).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as they go on the wire, without the empty one that ends a head.
    pub(in crate::http1) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The name of the first field that says how a message is delimited, or what happens to the
    /// connection: those are the connection's own, and no application's.
    ///
    /// Content-Length and Transfer-Encoding delimit (RFC 9112, 6.1 and 6.2). Connection, and what
    /// RFC 9110, 7.6.1, has an intermediary remove whether or not Connection names it, are for one
    /// hop alone: Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade. Trailer is not
    /// among them: it is for every recipient (RFC 9110, 6.6.2), and announces but delimits nothing.
    pub(in crate::http1) fn first_framing_field(&self) -> Option<&str> {
        self.framing_fields().next()
    }

    /// Whether there may be any: if not, nobody has to look.
    #[inline]
    pub(in crate::http1) fn may_frame(&self) -> bool {
        self.may_frame
    }

    /// The names of all of those.
    pub(in crate::http1) fn framing_fields(&self) -> impl Iterator<Item = &str> {
        let lines: &[u8] = if self.may_frame { &self.lines } else { &[] };
        HeadersIter { lines: HeaderLines(lines) }
            .map(|(name, _)| name)
            .filter(|name| is_framing_field(name))
    }

    /// Whether there is a `Date` among them.
    #[inline]
    pub(in crate::http1) fn has_date(&self) -> bool {
        self.may_date && self.get("date").is_some()
    }

    fn note(&mut self, name: &str) {
        self.may_frame |= is_framing_field(name);
        self.may_date |= name.eq_ignore_ascii_case("date");
    }

    /// Where the first line of this name is.
    fn find(&self, name: &str) -> Option<Range<usize>> {
        let mut end = 0;
        HeaderLines(&self.lines).find_map(|line| {
            let start = end;
            end += line.len();
            value_if_named(line, name).map(|_| start..end)
        })
    }

    /// Removes all fields of this name that begin there or later: those that stay move forward,
    /// each of them once. `start <= self.lines.len()`.
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

/// The names of [`Headers::first_framing_field`], told apart by their lengths first: this is asked
/// of each field of each response.
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

/// A field's line, in parts.
fn line_of(field: Field<'_>) -> [&[u8]; 4] {
    [field.name().as_bytes(), b": ", field.value(), b"\r\n"]
}

/// Line by line, each with the LF that ends it.
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

/// The value of a line, if it is of this name.
fn value_if_named<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, behind) = line.split_at_checked(name.len())?;
    let value = behind.strip_prefix(b": ")?;
    // What has a colon is no name, but may be the beginning of a line.
    let is_named = start.eq_ignore_ascii_case(name.as_bytes()) && !start.contains(&b':');
    value.strip_suffix(b"\r\n").filter(|_| is_named)
}

/// Iterates over [`Headers`]: names and values.
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
        // A name is a token, so it is text.
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

/// Names and values, but not those that hold a secret.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().fmt(f)
    }
}

/// The same fields in the same order, names in any case.
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

/// Copies the fields of a message that was read, which were checked then.
impl From<FieldsView<'_>> for Headers {
    fn from(fields: FieldsView<'_>) -> Self {
        fields.iter().map(|(name, value)| Field::checked(name, value)).collect()
    }
}

#[cfg(test)]
mod tests;
