//! The semantics of a head: version, host, body framing, and connection options.
//!
//! The lines are valid already. Each field with a meaning to the connection is examined once, in
//! order; rules that concern the whole head are checked last.

use super::super::authority::check_host;
use super::super::fields::{FieldSpan, FieldSpans};
use super::super::framing::{Codings, Framing, ResponseFraming, content_length};
use super::super::rule::{Rejection, Rule};
use super::super::status::Status;
use super::super::token::trim_blanks;
use super::Version;
use super::map::{ConnectionOptions, HeadLines, HeadMap, ResponseMap};
use super::status_line::StatusLine;

/// Interprets the validated head of a request, whose fields are in `spans`.
pub(super) fn read(
    bytes: &[u8],
    lines: HeadLines,
    spans: &FieldSpans,
) -> Result<HeadMap, Rejection> {
    let mut facts = FieldFacts::default();
    for span in spans.spans() {
        facts
            .field(lines.version, span.name(bytes), span.value(bytes))
            .map_err(|wrong| wrong_field(*span, wrong))?;
    }
    let whole = facts.whole(lines.version);
    let (framing, options) = whole.map_err(|rule| Rejection::new(rule, u64::from(lines.len)))?;
    Ok(HeadMap { lines, framing, options })
}

/// Interprets the validated head of a response: its status line, where its fields begin, and its
/// length. The fields are in `spans`.
///
/// In a 2xx, a fault of the framing is part of the result: if the response is one to CONNECT, what
/// the fields say about a body must be ignored (RFC 9110, 9.3.6).
pub(super) fn read_response(
    bytes: &[u8],
    (line, fields_start, len): (StatusLine, u32, u32),
    spans: &FieldSpans,
) -> Result<ResponseMap, Rejection> {
    let mut facts = FieldFacts::of_response();
    let mut fault = None;
    for span in spans.spans() {
        // Only fields that frame the body can be wrong.
        if let Err(wrong) = facts.field(line.version, span.name(bytes), span.value(bytes)) {
            fault.get_or_insert_with(|| wrong_field(*span, wrong));
        }
    }
    let fault = match (fault, facts.response(line, fields_start, len)) {
        (None, Ok(map)) => return Ok(map),
        (Some(fault), _) => fault,
        (None, Err(rule)) => Rejection::new(rule, u64::from(len)),
    };
    if !line.status.is_success() {
        return Err(fault);
    }
    let unframed = FieldFacts { length: None, codings: Codings::default(), ..facts };
    let map = unframed.response(line, fields_start, len);
    map.map(|map| ResponseMap { fault: Some(fault), ..map }).map_err(|_| fault)
}

fn wrong_field(span: FieldSpan, (rule, place): (Rule, FieldPlace)) -> Rejection {
    let at = match place {
        FieldPlace::Field => span.name as usize,
        FieldPlace::Value(at) => span.value as usize + at,
    };
    Rejection::new(rule, at as u64)
}

/// For each length, the first letter, in lower case, of the field name of that length that matters
/// here. There is at most one such letter for each length.
const FIRST_LETTER: [u8; 18] = {
    let mut letters = [0; 18];
    letters[b"host".len()] = b'h';
    letters[b"expect".len()] = b'e';
    letters[b"upgrade".len()] = b'u';
    letters[b"connection".len()] = b'c';
    letters[b"content-length".len()] = b'c';
    letters[b"transfer-encoding".len()] = b't';
    letters
};

/// Which part of a field is wrong.
pub(super) enum FieldPlace {
    /// The presence of the field.
    Field,
    /// The value, at this offset.
    Value(usize),
}

/// What is known from the fields so far.
#[derive(Default)]
pub(super) struct FieldFacts {
    /// `Host` and `Expect` have a meaning in a request only.
    is_response: bool,
    host: bool,
    length: Option<u64>,
    codings: Codings,
    /// There is an `Upgrade` field.
    upgrade: bool,
    options: ConnectionOptions,
}

impl FieldFacts {
    pub(super) fn of_response() -> Self {
        FieldFacts { is_response: true, ..FieldFacts::default() }
    }

    /// Adds a field. Most are ruled out by the length of the name and its first letter.
    #[inline(always)]
    pub(super) fn field(
        &mut self,
        version: Version,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), (Rule, FieldPlace)> {
        match (FIRST_LETTER.get(name.len()), name.first()) {
            (Some(letter), Some(first)) if *letter == first | 0x20 => {
                self.candidate(version, name, value)
            }
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn candidate(
        &mut self,
        version: Version,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), (Rule, FieldPlace)> {
        let is = |usual: &[u8]| name == usual || name.eq_ignore_ascii_case(usual);
        match name.len() {
            4 if is(b"Host") && !self.is_response => {
                if core::mem::replace(&mut self.host, true) {
                    return Err((Rule::HostRepeated, FieldPlace::Field));
                }
                check_host(value).map_err(|(rule, at)| (rule, FieldPlace::Value(at)))?;
            }
            6 if is(b"Expect") && version == Version::Http11 && !self.is_response => {
                self.expect(value)?;
            }
            7 if is(b"Upgrade") => self.upgrade = true,
            10 if is(b"Connection") => self.connection(value),
            14 if is(b"Content-Length") => {
                if self.length.is_some() {
                    return Err((Rule::LengthRepeated, FieldPlace::Field));
                }
                let length = content_length(value).map_err(|rule| (rule, FieldPlace::Value(0)))?;
                self.length = Some(length);
            }
            17 if is(b"Transfer-Encoding") => {
                // RFC 9112, 6.1: such a message has faulty framing.
                if version == Version::Http10 {
                    return Err((Rule::CodingOnHttp10, FieldPlace::Field));
                }
                self.codings.field(value).map_err(|rule| (rule, FieldPlace::Value(0)))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), (Rule, FieldPlace)> {
        for expectation in list(value) {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err((Rule::ExpectationUnknown, FieldPlace::Value(0)));
            }
            self.options.expects_continue = true;
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        // The value that nearly all clients send.
        if value == b"keep-alive" {
            self.options.keep_alive = true;
            return;
        }
        for option in list(value) {
            match option.len() {
                5 => self.options.close |= option.eq_ignore_ascii_case(b"close"),
                7 => self.options.upgrade |= option.eq_ignore_ascii_case(b"upgrade"),
                10 => self.options.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }

    /// Call after the last field of a request.
    #[inline]
    pub(super) fn whole(&self, version: Version) -> Result<(Framing, ConnectionOptions), Rule> {
        if !self.host && version == Version::Http11 {
            return Err(Rule::HostMissing);
        }
        let framing = match self.is_chunked()? {
            true => Framing::Chunked,
            false => self.length.map_or(Framing::Empty, Framing::Length),
        };
        Ok((framing, self.options(version)))
    }

    /// Call after the last field of a response.
    #[inline]
    pub(super) fn response(
        &self,
        line: StatusLine,
        fields_start: u32,
        len: u32,
    ) -> Result<ResponseMap, Rule> {
        let StatusLine { version, status } = line;
        let is_chunked = self.is_chunked()?;
        let framing = match self.length {
            _ if status == Status::NOT_MODIFIED => ResponseFraming::Empty,
            None | Some(0) if !is_chunked && status.never_has_content() => ResponseFraming::Empty,
            _ if status.never_has_content() => return Err(Rule::FramingForbidden),
            _ if is_chunked => ResponseFraming::Chunked,
            Some(length) => ResponseFraming::Length(length),
            None => ResponseFraming::UntilClose,
        };
        let (length, options) = (self.length, self.options(version));
        let fault = None;
        Ok(ResponseMap { status, version, fields_start, len, framing, length, options, fault })
    }

    /// Whether the body is delimited by chunks.
    #[inline]
    fn is_chunked(&self) -> Result<bool, Rule> {
        if self.codings.is_empty() {
            return Ok(false);
        }
        if self.length.is_some() {
            return Err(Rule::LengthAndCoding);
        }
        self.codings.end()?;
        Ok(true)
    }

    #[inline]
    fn options(&self, version: Version) -> ConnectionOptions {
        // An `Upgrade` in a message of HTTP/1.0 must be ignored (RFC 9110, 7.8).
        let upgrade = self.options.upgrade && self.upgrade && version == Version::Http11;
        ConnectionOptions { upgrade, ..self.options }
    }
}

/// The members of a comma-separated list (RFC 9110, 5.6.1.2), without empty ones.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim_blanks).filter(|member| !member.is_empty())
}
