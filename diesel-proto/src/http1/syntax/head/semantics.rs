//! The semantics of a head: version, host, body framing, and connection options.
//!
//! The lines are valid already. Each field with a meaning to the connection is examined once, in
//! order; rules that concern the whole head are checked last.

use super::super::authority::check_host;
use super::super::fields::FieldSpans;
use super::super::framing::{Codings, Framing, content_length};
use super::super::rule::{Rejection, Rule};
use super::super::token::trim_blanks;
use super::Version;
use super::map::{ConnectionOptions, HeadLines, HeadMap};

/// Interprets a validated head, whose fields are in `spans`.
pub(super) fn read(
    bytes: &[u8],
    lines: HeadLines,
    spans: &FieldSpans,
) -> Result<HeadMap, Rejection> {
    let mut facts = FieldFacts::default();
    for span in spans.spans() {
        facts.field(lines.version, span.name(bytes), span.value(bytes)).map_err(
            |(rule, place)| {
                let at = match place {
                    FieldPlace::Field => span.name as usize,
                    FieldPlace::Value(at) => span.value as usize + at,
                };
                Rejection::new(rule, at as u64)
            },
        )?;
    }
    let whole = facts.whole(lines.version);
    let (framing, options) = whole.map_err(|rule| Rejection::new(rule, u64::from(lines.len)))?;
    Ok(HeadMap { lines, framing, options })
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
    host: bool,
    length: Option<u64>,
    codings: Codings,
    /// There is an `Upgrade` field.
    upgrade: bool,
    options: ConnectionOptions,
}

impl FieldFacts {
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
            4 if is(b"Host") => {
                if core::mem::replace(&mut self.host, true) {
                    return Err((Rule::HostRepeated, FieldPlace::Field));
                }
                check_host(value).map_err(|(rule, at)| (rule, FieldPlace::Value(at)))?;
            }
            6 if is(b"Expect") && version == Version::Http11 => self.expect(value)?,
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

    /// Call after the last field.
    #[inline]
    pub(super) fn whole(&self, version: Version) -> Result<(Framing, ConnectionOptions), Rule> {
        if !self.host && version == Version::Http11 {
            return Err(Rule::HostMissing);
        }
        let framing = if self.codings.is_empty() {
            self.length.map_or(Framing::Empty, Framing::Length)
        } else if self.length.is_some() {
            return Err(Rule::LengthAndCoding);
        } else {
            self.codings.end()?;
            Framing::Chunked
        };
        // An `Upgrade` in a request of HTTP/1.0 must be ignored (RFC 9110, 7.8).
        let upgrade = self.options.upgrade && self.upgrade && version == Version::Http11;
        Ok((framing, ConnectionOptions { upgrade, ..self.options }))
    }
}

/// The members of a comma-separated list (RFC 9110, 5.6.1.2), without empty ones.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim_blanks).filter(|member| !member.is_empty())
}
