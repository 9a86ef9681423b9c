//! How a message's body is delimited, as its head defines it. There is exactly one way for each
//! head of a request.
//!
//! RFC 9112, 6.3, without the leniency that it allows towards old or broken peers: with it, two
//! recipients could read the same bytes as different messages (11.2).
//!
//! | Content-Length | Transfer-Encoding | body |
//! | --- | --- | --- |
//! | - | - | empty |
//! | once, digits | - | that many bytes |
//! | - | `chunked`, HTTP/1.1 | chunks |
//! | anything else | | refused |
//!
//! It must never know the positions of fields, nor the content of the body.

use super::rule::Rule;
use super::token::{NoNumber, decimal, is_tchar, trim_blanks};

/// How a body is delimited.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Framing, Limits, parse_request};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.expect("a complete head");
/// assert_eq!(head.framing(), Framing::Length(5));
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// A body of this many bytes.
    Length(u64),
    /// Chunks, the last of which is empty, then a trailer section.
    Chunked,
}

/// How the body of a response is delimited (RFC 9112, 6.3).
///
/// Example: see [`parse_response`](super::parse_response).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseFraming {
    /// There is no body.
    Empty,
    /// A body of this many bytes.
    Length(u64),
    /// Chunks, the last of which is empty, then a trailer section.
    Chunked,
    /// Everything up to the end of the stream.
    UntilClose,
    /// This is no message body: after the head, the connection is a tunnel.
    Tunnel,
}

/// Parses the value of the only Content-Length.
pub(in crate::http1) fn content_length(value: &[u8]) -> Result<u64, Rule> {
    decimal(value).map_err(|no_number| match no_number {
        NoNumber::Syntax => Rule::LengthSyntax,
        NoNumber::Overflow => Rule::LengthOverflow,
    })
}

/// The transfer codings of all Transfer-Encoding fields so far, added in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct Codings {
    /// The last coding was `chunked`.
    chunked: bool,
    any: bool,
    unknown: bool,
}

impl Codings {
    /// Adds the value of one field.
    pub(in crate::http1) fn field(&mut self, value: &[u8]) -> Result<(), Rule> {
        // The usual value, and the only one that is accepted in the end.
        if !self.any && value.eq_ignore_ascii_case(b"chunked") {
            *self = Codings { chunked: true, any: true, unknown: false };
            return Ok(());
        }
        for coding in value.split(|&byte| byte == b',') {
            self.coding(trim_blanks(coding))?;
        }
        Ok(())
    }

    fn coding(&mut self, coding: &[u8]) -> Result<(), Rule> {
        let end = coding.iter().take_while(|&&byte| is_tchar(byte)).count();
        let (name, parameters) = coding.split_at(end);
        let is_chunked = name.eq_ignore_ascii_case(b"chunked");
        // `chunked` has no parameters (7.1). Other codings may have some, and are refused as
        // unknown.
        let is_sound = match trim_blanks(parameters) {
            [] => true,
            [b';', ..] => !is_chunked,
            _ => false,
        };
        if name.is_empty() || !is_sound {
            return Err(Rule::CodingSyntax);
        }
        if self.chunked {
            return Err(if is_chunked { Rule::CodingRepeated } else { Rule::CodingNotFinal });
        }
        self.any = true;
        self.chunked = is_chunked;
        self.unknown |= !is_chunked;
        Ok(())
    }

    pub(in crate::http1) fn is_empty(self) -> bool {
        !self.any
    }

    /// Call after the last field. A list that does not end with `chunked` leaves the length in
    /// doubt, which takes precedence over an unknown coding.
    pub(in crate::http1) fn end(self) -> Result<(), Rule> {
        match self {
            Codings { chunked: false, .. } => Err(Rule::CodingNotFinal),
            Codings { unknown: true, .. } => Err(Rule::CodingUnknown),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codings(values: &[&str]) -> Result<(), Rule> {
        let mut codings = Codings::default();
        values.iter().try_for_each(|value| codings.field(value.as_bytes()))?;
        assert!(!codings.is_empty());
        codings.end()
    }

    #[test]
    fn chunked_alone_is_understood() {
        assert_eq!(codings(&["chunked"]), Ok(()));
        assert_eq!(codings(&["ChunkeD"]), Ok(()));
        assert_eq!(codings(&["\tchunked "]), Ok(()));
        assert_eq!(codings(&["gzip, chunked"]), Err(Rule::CodingUnknown));
        assert_eq!(codings(&["gzip", "chunked"]), Err(Rule::CodingUnknown));
        assert_eq!(codings(&["gzip;q=1 , chunked"]), Err(Rule::CodingUnknown));
    }

    #[test]
    fn whatever_leaves_the_length_in_doubt_is_refused() {
        let cases: [(&[&str], Rule); 14] = [
            (&["gzip"], Rule::CodingNotFinal),
            (&["identity"], Rule::CodingNotFinal),
            (&["chunked, gzip"], Rule::CodingNotFinal),
            (&["chunked", "identity"], Rule::CodingNotFinal),
            (&["chunked, chunked"], Rule::CodingRepeated),
            (&["chunked", "chunked"], Rule::CodingRepeated),
            (&["chunked;a=b"], Rule::CodingSyntax),
            (&["chunked foo"], Rule::CodingSyntax),
            (&["\"chunked\""], Rule::CodingSyntax),
            (&[""], Rule::CodingSyntax),
            (&["chunked,"], Rule::CodingSyntax),
            (&[", chunked"], Rule::CodingSyntax),
            (&["\x0bchunked"], Rule::CodingSyntax),
            (&["xchunked"], Rule::CodingNotFinal),
        ];
        for (values, rule) in cases {
            assert_eq!(codings(values), Err(rule), "{values:?}");
        }
    }

    #[test]
    fn a_length_is_digits_alone() {
        assert_eq!(content_length(b"42"), Ok(42));
        for value in ["", "+1", "-0", "1 1", "1,1", "0x10", "1e3", "\u{00b2}"] {
            assert_eq!(content_length(value.as_bytes()), Err(Rule::LengthSyntax), "{value:?}");
        }
        assert_eq!(content_length(b"18446744073709551616"), Err(Rule::LengthOverflow));
    }
}
