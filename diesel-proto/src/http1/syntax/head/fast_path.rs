//! The quick way to read a head that is all there: `httparse` finds its parts, and here it is
//! checked that they lie as a strict head has them. It is lenient in four things that matter here:
//! blanks and empty lines before the request line, a lone LF at the end of a line, what may stand
//! in a target, and what the fields mean.
//!
//! It accepts, or says nothing: why a head is wrong is not its affair.

use core::mem::MaybeUninit;

use super::super::fields::FieldSpan;
use super::super::fields::FieldSpans;
use super::super::limits::Limits;
use super::super::target::is_target;
use super::Version;
use super::map::{HeadLines, HeadMap, Method};
use super::semantics::FieldFacts;

/// More fields than this are read line by line.
const MOST: usize = 100;

/// Whether there is a whole head with which nothing is wrong: then its parts are in `spans`.
#[inline]
pub(super) fn read(bytes: &[u8], limits: &Limits, spans: &mut FieldSpans) -> Option<()> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut headers);
    let Ok(httparse::Status::Complete(len)) = parsed else { return None };

    // Of a part of these bytes.
    let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    let (method, target) = (request.method?, request.path?);
    let start = place(method.as_bytes());
    let target_start = start + method.len() + 1;
    if place(target.as_bytes()) != target_start {
        return None;
    }
    let target_end = target_start + target.len();
    let fields_start = target_end + b" HTTP/1.1\r\n".len();
    // As arrays they are compared in two steps each.
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

    let origin = bytes.as_ptr() as usize;
    spans.replace(request.headers.iter().map(move |header| FieldSpan::of(header, origin)));
    // In a whole head every line but the first begins where the one before it ends: what is left to
    // be checked is that it ends with CR LF, and not with LF alone.
    if bytes.get(len.wrapping_sub(4)..len) != Some(b"\r\n\r\n") {
        return None;
    }
    let mut said = FieldFacts::default();
    for header in request.headers.iter() {
        let name = place(header.name.as_bytes());
        if bytes.get(name.wrapping_sub(2)..name) != Some(b"\r\n") {
            return None;
        }
        said.field(version, header.name.as_bytes(), header.value).ok()?;
    }
    let (framing, options) = said.whole(version).ok()?;
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

impl FieldSpan {
    /// Of a field of the bytes that are at `origin`.
    #[inline(always)]
    fn of(header: &httparse::Header<'_>, origin: usize) -> Self {
        let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(origin) as u32;
        let (name, name_len) = (place(header.name.as_bytes()), header.name.len() as u32);
        let value_len = header.value.len() as u32;
        // An empty value is nowhere: it is looked for behind the colon.
        let value = if value_len == 0 { name + name_len + 1 } else { place(header.value) };
        FieldSpan { name, name_len, value, value_len }
    }
}
