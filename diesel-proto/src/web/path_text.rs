//! Paths as text: one spelling for each path, and the decoded text of a part.
//!
//! Rules of this file:
//!
//! - A percent-encoded unreserved character is the same as the character itself (RFC 3986, 6.2.2.2),
//!   and the case of its digits does not matter (6.2.2.1). So a path with `%` is rewritten before it
//!   is compared with the routes. No other encoded character is touched: `%2F` is not a delimiter.
//! - A `%` that two digits do not follow stands for itself (URL Standard, 1.3), so it is rewritten to
//!   `%25`: then decoding the rewritten path yields the same bytes as decoding the original.
//! - Dot segments are not resolved: clients do that before they send a request.
//!
//! It must never know routes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The one spelling of a path of a request. Borrowed, if the path has no `%`.
#[inline]
pub(super) fn normal_path(path: &str) -> Cow<'_, str> {
    match has_percent(path.as_bytes()) {
        false => Cow::Borrowed(path),
        true => Cow::Owned(normalized(path)),
    }
}

/// Whether a `%` is among these bytes. Paths are short: a call of memchr costs more than this.
#[inline]
fn has_percent(bytes: &[u8]) -> bool {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const PERCENT: u64 = u64::from_ne_bytes([b'%'; 8]);
    // Zero where the byte is `%`; then the borrow of a subtraction reaches its high bit.
    let found_in = |word: &[u8; 8]| {
        let differs = u64::from_ne_bytes(*word) ^ PERCENT;
        differs.wrapping_sub(LOW) & !differs & HIGH
    };
    // The last eight bytes overlap the words before them.
    let Some(last) = bytes.last_chunk() else { return bytes.contains(&b'%') };
    let (words, _) = bytes.as_chunks();
    words.iter().fold(found_in(last), |found, word| found | found_in(word)) != 0
}

/// As [`normal_path`], for the literal part of a route's path, which may have characters that a
/// client has to encode.
pub(super) fn normal_literal(literal: &str) -> String {
    normalized(literal)
}

/// The decoded bytes of a part of a path: `%41` is an `A`. Borrowed, if there is nothing to decode.
pub(super) fn decoded(part: &str) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode_str(part).into()
}

#[cold]
fn normalized(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 8);
    let mut rest = path;
    while let Some(char) = rest.chars().next() {
        let (one, behind) = rest.split_at_checked(char.len_utf8()).unwrap_or((rest, ""));
        rest = behind;
        match char {
            '%' => match encoded_byte(behind.as_bytes()) {
                Some(byte) => {
                    rest = behind.get(2..).unwrap_or_default();
                    push(&mut text, byte, is_unreserved(byte));
                }
                None => push(&mut text, b'%', false),
            },
            _ => one.bytes().for_each(|byte| push(&mut text, byte, may_be_plain(byte))),
        }
    }
    text
}

/// The byte that two hexadecimal digits encode.
fn encoded_byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

fn push(text: &mut String, byte: u8, is_plain: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_plain {
        return text.push(char::from(byte));
    }
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 0xf)]);
    text.extend(['%', digit(byte >> 4), digit(byte)]);
}

/// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What stands in the path of a target as it is: `http1::Target` accepts these bytes.
fn may_be_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/[]^|".contains(&byte)
}

/// The decoded text of a part of a path; an error if that is not UTF-8.
pub(super) fn decoded_text(part: &str) -> Result<Cow<'_, str>, Vec<u8>> {
    match decoded(part) {
        Cow::Borrowed(bytes) => match core::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(bytes.into()),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => Err(error.into_bytes()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, normal) in [
            ("/a/b", "/a/b"),
            ("/%61%2D%2e%5f%7E", "/a-._~"),
            ("/a%2fb", "/a%2Fb"),
            ("/%c3%a9", "/%C3%A9"),
            ("/100%", "/100%25"),
            ("/%zz%4", "/%25zz%254"),
            // Not `%25`, which decodes to `%`.
            ("/%2%35", "/%2525"),
            ("/%00", "/%00"),
            ("/%7b[x]", "/%7B[x]"),
        ] {
            assert_eq!(normal_path(path), normal, "{path}");
            assert_eq!(decoded(&normal_path(path)), decoded(path), "{path}");
            assert_eq!(normal_path(normal), normal, "{path} is normal");
        }
        assert!(matches!(normal_path("/a"), Cow::Borrowed("/a")));
    }

    #[test]
    fn a_percent_is_found_wherever_it_is() {
        for len in 0..40 {
            let mut path = Vec::from("/abcdefgh\x01\u{e9}$&".repeat(3).as_bytes());
            path.truncate(len);
            assert!(!has_percent(&path), "{len}");
            for at in 0..path.len() {
                let byte = core::mem::replace(&mut path[at], b'%');
                assert!(has_percent(&path), "{at} of {len}");
                path[at] = byte;
            }
        }
    }

    #[test]
    fn a_literal_is_encoded_where_a_client_has_to() {
        for (literal, normal) in [
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/a:@", "/a:@"),
        ] {
            assert_eq!(normal_literal(literal), normal);
        }
    }

    #[test]
    fn what_is_decoded_is_text_or_is_shown_as_it_is() {
        assert_eq!(decoded_text("a%2Fb%00"), Ok(Cow::from("a/b\0")));
        assert_eq!(decoded_text("%ff"), Err(Vec::from([0xff])));
    }
}
