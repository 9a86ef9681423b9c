//! The lexical elements of HTTP: classes of bytes, field lines, numbers.
//!
//! Rules of this file:
//!
//! - A function here takes a whole line, including its LF, and reports the first invalid byte. It
//!   is the reference: each fast path over the same bytes must agree with it.
//! - Nothing is lenient: what a recipient MAY accept is refused.
//!
//! It must never know the semantics of a field.

use core::ops::Range;

use super::rule::Rule;

/// The rule that a line breaks, and the offset in the line.
pub(in crate::http1) type Wrong = (Rule, usize);

/// Whether this byte may be in a token (RFC 9110, 5.6.2).
pub(in crate::http1) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// Whether this byte may be in a field value (RFC 9110, 5.5): visible, blank, or beyond ASCII.
pub(in crate::http1) const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Whether this byte is OWS (RFC 9110, 5.6.3).
pub(in crate::http1) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// For each byte, one bit for each class that it is in.
pub(in crate::http1) type Classes = [u8; 256];

/// Whether each of these bytes is in this class.
///
/// Checks eight bytes at a time, because a branch for each byte costs more than the look-up. The
/// last group of eight ends with the last byte and may overlap the one before it, so that no single
/// bytes remain.
#[inline]
pub(in crate::http1) fn are_all(bytes: &[u8], classes: &Classes, class: u8) -> bool {
    let are = |eight: &[u8; 8]| {
        eight.iter().fold(class, |all, &byte| all & classes[usize::from(byte)]) != 0
    };
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(|&byte| classes[usize::from(byte)] & class != 0);
    };
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        if !are(eight) {
            return false;
        }
        rest = behind;
    }
    are(last)
}

/// Removes blanks at both ends.
pub(in crate::http1) const fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_blank(*first) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is_blank(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// Whether `names` is a list of one name or more, separated by commas, and each is in the list
/// `others`, compared case-insensitively. A name that matches is valid if `others` is.
pub(in crate::http1) fn are_among(names: &[u8], others: &[u8]) -> bool {
    let members = |list| <[u8]>::split(list, |&byte| byte == b',').map(trim_blanks);
    let is_other = |name: &[u8]| members(others).any(|other| name.eq_ignore_ascii_case(other));
    members(names).all(|name| !name.is_empty() && is_other(name))
}

/// Whether this is a list of protocols: names, each with an optional version after a slash,
/// separated by commas (RFC 9110, 7.8).
pub(in crate::http1) fn are_protocols(list: &[u8]) -> bool {
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| is_tchar(byte));
    list.split(|&byte| byte == b',').map(trim_blanks).all(|protocol| {
        let mut parts = protocol.splitn(2, |&byte| byte == b'/');
        parts.all(is_token)
    })
}

/// Parses a field line: returns the length of the name, and the range of the value without the
/// blanks around it. `line` ends with its only LF.
pub(in crate::http1) fn field_line(line: &[u8]) -> Result<(usize, Range<usize>), Wrong> {
    let colon = name_end(line)?;
    let start = colon + 1;
    let mut end = start;
    loop {
        match line.get(end..) {
            Some([b'\r', b'\n', ..]) => break,
            Some([b'\r', ..]) => return Err((Rule::BareCr, end)),
            Some([b'\n', ..]) => return Err((Rule::BareLf, end)),
            Some([byte, ..]) if is_field_byte(*byte) => end += 1,
            _ => return Err((Rule::FieldValueSyntax, end)),
        }
    }
    let value = line.get(start..end).unwrap_or_default();
    let leading = value.iter().take_while(|&&byte| is_blank(byte)).count();
    let trimmed = trim_blanks(value).len();
    Ok((colon, start + leading..start + leading + trimmed))
}

/// The offset of the colon, where the name of a field line ends.
fn name_end(line: &[u8]) -> Result<usize, Wrong> {
    let end = line.iter().take_while(|&&byte| is_tchar(byte)).count();
    let rule = match line.get(end..).unwrap_or_default() {
        [b':', ..] if end > 0 => return Ok(end),
        [b'\r', b'\n', ..] => Rule::FieldWithoutColon,
        [b'\r', ..] => Rule::BareCr,
        [b'\n', ..] => Rule::BareLf,
        [b' ' | b'\t', ..] if end == 0 => Rule::ObsFold,
        [b' ' | b'\t', rest @ ..] if trim_blanks(rest).first() == Some(&b':') => {
            Rule::BlankBeforeColon
        }
        _ => Rule::FieldNameSyntax,
    };
    Err((rule, end))
}

/// Why bytes are not a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) enum NoNumber {
    /// There are none, or some are not digits.
    Syntax,
    /// It does not fit into 64 bits.
    Overflow,
}

/// Parses decimal digits, and nothing else: no sign, no blank.
pub(in crate::http1) fn decimal(digits: &[u8]) -> Result<u64, NoNumber> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NoNumber::Syntax);
    }
    digits
        .iter()
        .try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(NoNumber::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<(&str, &str), Wrong> {
        field_line(line.as_bytes()).map(|(name_len, value)| (&line[..name_len], &line[value]))
    }

    #[test]
    fn a_field_is_a_name_a_colon_and_a_value_without_the_blanks_around_it() {
        assert_eq!(split("Host: a\r\n"), Ok(("Host", "a")));
        assert_eq!(split("a:\r\n"), Ok(("a", "")));
        assert_eq!(split("a: \t\r\n"), Ok(("a", "")));
        assert_eq!(split("a:\t b  c \t\r\n"), Ok(("a", "b  c")));
        assert_eq!(split("a::b:\r\n"), Ok(("a", ":b:")));
        assert_eq!(split("!#$%&'*+-.^_`|~09: \u{e9}~\r\n"), Ok(("!#$%&'*+-.^_`|~09", "\u{e9}~")));
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        let cases = [
            (" a: b\r\n", Rule::ObsFold, 0),
            ("\ta: b\r\n", Rule::ObsFold, 0),
            (": b\r\n", Rule::FieldNameSyntax, 0),
            ("a : b\r\n", Rule::BlankBeforeColon, 1),
            ("a\t : b\r\n", Rule::BlankBeforeColon, 1),
            ("a b: c\r\n", Rule::FieldNameSyntax, 1),
            ("a(: c\r\n", Rule::FieldNameSyntax, 1),
            ("\u{e9}: c\r\n", Rule::FieldNameSyntax, 0),
            ("abc\r\n", Rule::FieldWithoutColon, 3),
            ("abc\n", Rule::BareLf, 3),
            ("a\rb: c\r\n", Rule::BareCr, 1),
            ("a: b\n", Rule::BareLf, 4),
            ("a: b\rc\r\n", Rule::BareCr, 4),
            ("a: b\r\r\n", Rule::BareCr, 4),
            ("a: b\0c\rd\r\n", Rule::FieldValueSyntax, 4),
            ("a: \x7f\r\n", Rule::FieldValueSyntax, 3),
            ("a:\x0b\r\n", Rule::FieldValueSyntax, 2),
        ];
        for (line, rule, at) in cases {
            assert_eq!(split(line), Err((rule, at)), "{line:?}");
        }
    }

    #[test]
    fn a_number_is_digits_alone_and_fits() {
        assert_eq!(decimal(b"0"), Ok(0));
        assert_eq!(decimal(b"007"), Ok(7));
        assert_eq!(decimal(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), Err(NoNumber::Overflow));
        assert_eq!(decimal(b"99999999999999999999"), Err(NoNumber::Overflow));
        for digits in ["", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1.0", "1_0", "\u{0661}"] {
            assert_eq!(decimal(digits.as_bytes()), Err(NoNumber::Syntax), "{digits:?}");
        }
    }
}
