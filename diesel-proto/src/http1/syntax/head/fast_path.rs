//! The fast path for a complete head: `httparse` finds the parts, and this file checks that they
//! are laid out as a strict head requires. `httparse` is lenient in four things that matter here:
//! blanks and empty lines before the request line, a lone LF at the end of a line, the characters
//! of a target, and the semantics of fields.
//!
//! The fast path accepts a head or returns `None`. It must never know why a head is invalid: the
//! reference reports that.

use core::mem::MaybeUninit;

use super::super::fields::FieldSpan;
use super::super::fields::FieldSpans;
use super::super::limits::Limits;
use super::super::target::is_target;
use super::Version;
use super::lines::StartLine;
use super::map::{HeadLines, HeadMap, Method};
use super::semantics::FieldFacts;
use super::status_line::StatusLine;

/// A head with more fields than this is left to the reference.
const MOST: usize = 100;

/// Returns `Some` if there is a complete, valid head; then its parts are in `spans`.
#[inline]
pub(super) fn read(bytes: &[u8], limits: &Limits, spans: &mut FieldSpans) -> Option<()> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut headers);
    let Ok(httparse::Status::Complete(len)) = parsed else { return None };

    // The offset of a part within `bytes`.
    let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    let (method, target) = (request.method?, request.path?);
    let start = place(method.as_bytes());
    let target_start = start + method.len() + 1;
    if place(target.as_bytes()) != target_start {
        return None;
    }
    let target_end = target_start + target.len();
    let fields_start = target_end + b" HTTP/1.1\r\n".len();
    // Arrays of a fixed length are compared in two steps each.
    let line: &[u8; 11] = bytes.get(target_end..)?.first_chunk()?;
    let version = if line == b" HTTP/1.1\r\n" {
        Version::Http11
    } else if line == b" HTTP/1.0\r\n" {
        Version::Http10
    } else {
        return None;
    };
    let within = fields_start <= limits.request_line
        && len - fields_start <= limits.header_bytes
        && request.headers.len() <= limits.header_count
        && len <= u32::MAX as usize;
    let skipped = bytes.get(..start)?;
    if !within || !skipped.chunks(2).all(|line| line == b"\r\n") {
        return None;
    }
    if !is_target(target.as_bytes(), method.as_bytes()) {
        return None;
    }

    let mut facts = FieldFacts::default();
    read_fields(bytes, len, request.headers, version, &mut facts, spans)?;
    let (framing, options) = facts.whole(version).ok()?;
    let lines = HeadLines {
        start: start as u32,
        method_len: method.len() as u32,
        target_end: target_end as u32,
        fields_start: fields_start as u32,
        len: len as u32,
        version,
        method: Method::of(method.as_bytes()),
    };
    spans.set_map(HeadMap { lines, framing, options });
    Some(())
}

/// As [`read`], for the head of a response.
#[inline]
pub(super) fn read_response(bytes: &[u8], limits: &Limits, spans: &mut FieldSpans) -> Option<()> {
    // Empty lines before the status line are not allowed.
    if bytes.first() != Some(&b'H') {
        return None;
    }
    let mut headers = [const { MaybeUninit::uninit() }; MOST];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    let Ok(httparse::Status::Complete(len)) = parsed else { return None };
    let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    let fields_start = match response.headers.first() {
        Some(header) => place(header.name.as_bytes()),
        None => len.checked_sub(2)?,
    };
    let within = fields_start <= limits.request_line
        && len - fields_start <= limits.header_bytes
        && response.headers.len() <= limits.header_count
        && len <= u32::MAX as usize;
    if !within {
        return None;
    }
    let line = StatusLine::parse(bytes.get(..fields_start)?).ok()?;
    let mut facts = FieldFacts::of_response();
    read_fields(bytes, len, response.headers, line.version, &mut facts, spans)?;
    spans.set_response_map(facts.response(line, fields_start as u32, len as u32).ok()?);
    Some(())
}

/// Records and interprets the fields of a complete head of this length.
#[inline(always)]
fn read_fields(
    bytes: &[u8],
    len: usize,
    headers: &[httparse::Header<'_>],
    version: Version,
    facts: &mut FieldFacts,
    spans: &mut FieldSpans,
) -> Option<()> {
    let origin = bytes.as_ptr() as usize;
    spans.replace(headers.iter().map(move |header| FieldSpan::of(header, origin)));
    // In a complete head each line but the first begins where the one before it ends, so it remains
    // to check that each ends with CR LF, and not with LF alone.
    if bytes.get(len.wrapping_sub(4)..len) != Some(b"\r\n\r\n") {
        return None;
    }
    for header in headers {
        let name = (header.name.as_ptr() as usize).wrapping_sub(origin);
        if bytes.get(name.wrapping_sub(2)..name) != Some(b"\r\n") {
            return None;
        }
        facts.field(version, header.name.as_bytes(), header.value).ok()?;
    }
    Some(())
}

impl FieldSpan {
    /// The span of a field within the bytes that begin at address `origin`.
    #[inline(always)]
    fn of(header: &httparse::Header<'_>, origin: usize) -> Self {
        let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(origin) as u32;
        let (name, name_len) = (place(header.name.as_bytes()), header.name.len() as u32);
        let value_len = header.value.len() as u32;
        // An empty value has no address; its span begins after the colon.
        let value = if value_len == 0 { name + name_len + 1 } else { place(header.value) };
        FieldSpan { name, name_len, value, value_len }
    }
}
