//! [`StatusLine`]: the first line of a response.
//!
//! It must never know the fields behind it.

use super::super::rule::Rule;
use super::super::status::Status;
use super::super::token::{Wrong, is_field_byte};
use super::lines::StartLine;
use super::{Version, line_end_or, version_len};

/// The parts of a status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) version: Version,
    pub(super) status: Status,
}

impl StartLine for StatusLine {
    const TOO_LONG: Rule = Rule::StatusLineTooLong;
    const SKIPS_EMPTY_LINES: bool = false;

    fn check_start(line: &[u8]) -> Result<(), Rule> {
        match line.first() {
            None | Some(b'H') => Ok(()),
            Some(_) => Err(Rule::VersionSyntax),
        }
    }

    /// Parses version, status code and reason phrase, separated by one space each (RFC 9112, 4).
    fn parse(line: &[u8]) -> Result<Self, Wrong> {
        let version = match line.first_chunk::<9>() {
            Some(b"HTTP/1.1 ") => Version::Http11,
            Some(b"HTTP/1.0 ") => Version::Http10,
            Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b' ']) => Version::Http11,
            _ => return Err(wrong_version(line)),
        };
        let code = line.get(9..12).unwrap_or_default();
        let digits = code.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits < 3 {
            let at = 9 + digits;
            let rest = line.get(at..).unwrap_or_default();
            return Err((line_end_or(rest, Rule::StatusCodeSyntax), at));
        }
        let code = code.iter().fold(0, |code, &digit| code * 10 + u16::from(digit - b'0'));
        let rest = line.get(12..).unwrap_or_default();
        let status = Status::new(code).ok_or((Rule::StatusCodeSyntax, 9))?;
        if !matches!(rest, [b' ', ..] | [b'\r', b'\n']) {
            // A fourth digit, or another separator.
            return Err((line_end_or(rest, Rule::StatusCodeSyntax), 12));
        }
        let reason = rest.iter().take_while(|&&byte| is_field_byte(byte)).count();
        match rest.get(reason..) {
            Some(b"\r\n") => Ok(StatusLine { version, status }),
            rest => Err((line_end_or(rest.unwrap_or_default(), Rule::ReasonSyntax), 12 + reason)),
        }
    }
}

/// What is wrong with the version, or with what separates it from the status code.
fn wrong_version(line: &[u8]) -> Wrong {
    let right = version_len(line);
    let rest = line.get(right..).unwrap_or_default();
    match (right, rest) {
        (8, [b' ', ..]) => (Rule::VersionUnsupported, 0),
        (8, _) => (line_end_or(rest, Rule::StatusCodeSyntax), 8),
        _ => (line_end_or(rest, Rule::VersionSyntax), right),
    }
}
