//! The quick way to read a head that is all there: `httparse` finds its parts, and here it is
//! checked that they lie as a strict head has them, one right behind the other.
//!
//! It accepts, or says nothing: why a head is wrong is not its affair.

use core::mem::MaybeUninit;

use super::meaning::Said;
use super::{HeadMap, Lines, Method, Span, Version};
use crate::http1::syntax::is_blank;
use crate::http1::target::is_target;
use crate::http1::{FieldSpans, Limits};

/// More fields than this are read line by line.
const MOST: usize = 100;

/// Whether there is a whole head with which nothing is wrong: then its parts are in `spans`.
#[inline]
pub(super) fn read(bytes: &[u8], limits: &Limits, spans: &mut FieldSpans) -> Option<()> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut headers);
    let Ok(httparse::Status::Complete(len)) = parsed else { return None };

    let place = |part: &[u8]| (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize);
    let (method, target) = (request.method?, request.path?);
    let start = place(method.as_bytes())?;
    let target_start = start + method.len() + 1;
    if place(target.as_bytes())? != target_start {
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

    let mut said = Said::default();
    let mut at = fields_start;
    let slots = spans.slots(request.headers.len());
    for (header, slot) in request.headers.iter().zip(slots) {
        let (name_len, value_len) = (header.name.len(), header.value.len());
        if place(header.name.as_bytes())? != at {
            return None;
        }
        // An empty value is nowhere: it is looked for behind the colon.
        let value = if value_len == 0 { at + name_len + 1 } else { place(header.value)? };
        *slot = Span {
            name: at as u32,
            name_len: name_len as u32,
            value: value as u32,
            value_len: value_len as u32,
        };
        said.field(version, header.name.as_bytes(), header.value).ok()?;
        at = next_line(bytes, value + value_len)?;
    }
    let (framing, options) = said.whole(version).ok()?;
    let lines = Lines {
        start: start as u32,
        method_len: method.len() as u32,
        target_end: target_end as u32,
        fields_start: fields_start as u32,
        len: len as u32,
        version,
        method: Method::of(method.as_bytes()),
    };
    let ends = at + 2 == len && bytes.get(at..len)? == b"\r\n";
    if !ends {
        return None;
    }
    spans.set_map(HeadMap { lines, framing, options });
    Some(())
}

/// Where the next line begins, after the blanks and the CR LF that are at `at`.
#[inline(always)]
fn next_line(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if rest.starts_with(b"\r\n") {
        return Some(at + 2);
    }
    let blanks = rest.iter().take_while(|&&byte| is_blank(byte)).count();
    rest.get(blanks..)?.starts_with(b"\r\n").then_some(at + blanks + 2)
}
