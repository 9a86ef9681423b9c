//! Which parts of a resource a request asks for: `Range` and `If-Range` (RFC 9110, 13.1.5 and 14).
//!
//! Rules of this file:
//!
//! - What cannot be understood is ignored, and the whole resource is sent: another unit, a range
//!   that breaks the syntax, a method other than GET.
//! - The answer never holds more bytes than the resource, however often a request names the same
//!   ones: ranges that overlap are merged, and the number of ranges is limited (RFC 9110, 17.15).
//! - `first <= last < length of the resource`, for every range that is returned.
//!
//! It must never know where the bytes are.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::conditions::{Validators, parse_date};
use super::entity_tag::{Comparison, is_tag};
use crate::http1::FieldsView;

/// How many ranges a request may name. One with more gets the whole resource.
///
/// Example: see [`RangeRequest`].
pub const MAX_RANGES: usize = 32;

/// What the `Range` of a request asks for.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Limits, parse_request};
/// use diesel_proto::web::{RangeRequest, Validators};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9, -5\r\n\r\n";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.unwrap();
/// let asked = RangeRequest::of(head.method(), head.fields(), 100, &Validators::default(), None);
/// assert_eq!(asked, RangeRequest::Parts(vec![0..10, 95..100]));
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// The whole resource: 200.
    Whole,
    /// These bytes: 206, in the order of the request. Never empty, and no range is; no two overlap.
    Parts(Vec<Range<u64>>),
    /// No range of the request has any byte: 416 Range Not Satisfiable.
    Unsatisfiable,
}

impl RangeRequest {
    /// Evaluates `Range` and `If-Range` of a request, for a resource of `len` bytes.
    ///
    /// `now` is the time of the response, in seconds of Unix time. A date in `If-Range` only counts
    /// if the resource was modified before that second: otherwise it may have changed twice within
    /// it (RFC 9110, 8.8.2.2).
    pub fn of(
        method: &str,
        fields: FieldsView<'_>,
        len: u64,
        current: &Validators,
        now: Option<u64>,
    ) -> Self {
        let mut values = fields.get_all("Range");
        let (Some(value), None, "GET") = (values.next(), values.next(), method) else {
            return RangeRequest::Whole;
        };
        if !if_range_holds(fields, current, now) {
            return RangeRequest::Whole;
        }
        let Some(specs) = parse(value) else { return RangeRequest::Whole };
        // An empty resource has no range of bytes, and any suffix of it is all of it.
        if len == 0 && specs.iter().any(|spec| matches!(spec, RangeSpec::Last(1..))) {
            return RangeRequest::Whole;
        }
        let parts: Vec<_> = specs.iter().filter_map(|spec| spec.within(len)).collect();
        match parts.is_empty() {
            true => RangeRequest::Unsatisfiable,
            false => RangeRequest::Parts(disjoint(parts)),
        }
    }
}

/// Whether there is no `If-Range`, or it names the current version (RFC 9110, 13.1.5).
fn if_range_holds(fields: FieldsView<'_>, current: &Validators, now: Option<u64>) -> bool {
    let mut values = fields.get_all("If-Range");
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(tag), None) if is_tag(tag) => {
            current.etag.as_ref().is_some_and(|own| own.equals(tag, Comparison::Strong))
        }
        (Some(date), None) => {
            let (date, modified) = (parse_date(date), current.modified);
            let is_strong = modified.is_some_and(|modified| now.is_some_and(|now| modified < now));
            date.is_some() && date == modified && is_strong
        }
        _ => false,
    }
}

/// A range as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeSpec {
    /// From the first byte to the last one, or to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

impl RangeSpec {
    /// The bytes that a resource of this length has of it.
    fn within(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            RangeSpec::From(first, last) => {
                first..last.map_or(len, |last| last.saturating_add(1).min(len))
            }
            RangeSpec::Last(n) => len.saturating_sub(n)..len,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// Parses `bytes=0-9, 20-, -5`. `None` if it has another unit, breaks the syntax, or names more than
/// [`MAX_RANGES`].
fn parse(value: &[u8]) -> Option<Vec<RangeSpec>> {
    let value = core::str::from_utf8(value).ok()?;
    let (unit, set) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Recipients accept empty elements (RFC 9110, 5.6.1.2).
    let elements = set.split(',').map(|spec| spec.trim_matches([' ', '\t']));
    let mut specs = Vec::new();
    for element in elements.filter(|element| !element.is_empty()) {
        if specs.len() == MAX_RANGES {
            return None;
        }
        specs.push(parse_spec(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(spec: &str) -> Option<RangeSpec> {
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", last) => Some(RangeSpec::Last(number(last)?)),
        (first, "") => Some(RangeSpec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            // A last byte before the first one makes the range invalid (RFC 9110, 14.1.1).
            (first <= last).then_some(RangeSpec::From(first, Some(last)))
        }
    }
}

/// A number of digits alone. One that is too large for any resource is the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The same bytes, each once. If no two ranges overlap, they stay as they are; otherwise they are
/// sorted and merged (RFC 9110, 15.3.7.2).
fn disjoint(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = ranges.clone();
    sorted.sort_by_key(|range| range.start);
    if sorted.windows(2).all(|pair| pair[0].end <= pair[1].start) {
        return ranges;
    }
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The value of `Content-Range`: `bytes 0-9/100`, or `bytes */100` in a 416 (RFC 9110, 14.4).
///
/// ```
/// use diesel_proto::web::ContentRange;
///
/// assert_eq!(ContentRange::part(&(0..10), 100).to_string(), "bytes 0-9/100");
/// assert_eq!(ContentRange::unsatisfied(100).to_string(), "bytes */100");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    range: Option<Range<u64>>,
    len: u64,
}

impl ContentRange {
    /// This part of a resource of `len` bytes. An empty part is shown as one that has no bytes.
    pub fn part(range: &Range<u64>, len: u64) -> Self {
        ContentRange { range: (!range.is_empty()).then(|| range.clone()), len }
    }

    /// No part of a resource of `len` bytes.
    pub fn unsatisfied(len: u64) -> Self {
        ContentRange { range: None, len }
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            Some(range) => write!(f, "bytes {}-{}/{}", range.start, range.end - 1, self.len),
            None => write!(f, "bytes */{}", self.len),
        }
    }
}

#[cfg(test)]
mod tests;
