//! A field that may go on the wire: validated once, when it is made.
//!
//! Rules of this file:
//!
//! - A [`Field`] is valid: its name is a token, its value holds no control character but HTAB, and
//!   the value neither begins nor ends with a blank. So no name or value, even from untrusted
//!   input, can end its line and begin another (RFC 9110, 5.5; RFC 9112, 11.1).
//! - Blanks around a value are removed, not refused: they are not part of it (RFC 9110, 5.5), every
//!   recipient removes them, and a trailing blank is no reason for a handler to fail.
//! - Everything is `const`: a field that is a literal in the source is checked by the compiler.
//!
//! It must never know the semantics of a field: a valid field may still be one that the application
//! must not set.

use core::fmt;

use super::fields::Redacted;
use super::token::{is_field_byte, is_tchar, trim_blanks};

/// A valid name and value.
///
/// ```
/// use diesel_proto::http1::{Field, InvalidField};
///
/// let field = Field::new("Location", b" /there ")?;
/// assert_eq!((field.name(), field.value()), ("Location", &b"/there"[..]));
///
/// let injected = Field::new("Location", b"/there\r\nSet-Cookie: admin=1");
/// assert_eq!(injected, Err(InvalidField::Value { byte: b'\r', at: 6 }));
/// # Ok::<(), InvalidField>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// Makes a field of this name and value. Blanks around the value are removed.
    ///
    /// # Errors
    ///
    /// If the name is not a token, or the value has a control character other than HTAB.
    pub const fn new(name: &'a str, value: &'a [u8]) -> Result<Self, InvalidField> {
        if name.is_empty() {
            return Err(InvalidField::NoName);
        }
        if let Some((byte, at)) = first_no_tchar(name.as_bytes()) {
            return Err(InvalidField::Name { byte, at });
        }
        if let Some((byte, at)) = first_no_field_byte(value) {
            return Err(InvalidField::Value { byte, at });
        }
        Ok(Field { name, value: trim_blanks(value) })
    }

    /// A field that was validated when it was read.
    pub(in crate::http1) const fn checked(name: &'a str, value: &'a [u8]) -> Self {
        Field { name, value }
    }

    /// The name, in its original case.
    pub const fn name(self) -> &'a str {
        self.name
    }

    /// The value, without blanks around it.
    pub const fn value(self) -> &'a [u8] {
        self.value
    }
}

/// Name and value, unless the value is a secret.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, Redacted(self.name, self.value))
    }
}

/// Why a name and a value are not a valid field: the first byte that is not allowed. It repeats no
/// more of the value than that, because a value may be a secret.
///
/// Example: see [`Headers`](super::headers::Headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidField {
    /// The name is empty (RFC 9110, 5.1).
    NoName,
    /// The name holds a byte that is not allowed in a token (RFC 9110, 5.6.2).
    Name {
        /// The first such byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// The value holds a control character (RFC 9110, 5.5).
    Value {
        /// The first such byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidField::NoName => f.write_str("a field name must not be empty (RFC 9110, 5.1)"),
            InvalidField::Name { byte, at } => {
                write!(
                    f,
                    "byte {at} of a field name, {byte:#04x}, is not allowed in a token (RFC 9110, 5.6.2)"
                )
            }
            InvalidField::Value { byte, at } => {
                write!(
                    f,
                    "byte {at} of a field value, {byte:#04x}, is a control character (RFC 9110, 5.5)"
                )
            }
        }
    }
}

impl core::error::Error for InvalidField {}

/// User code returns it with `?`.
impl From<InvalidField> for crate::machine::Error {
    fn from(error: InvalidField) -> Self {
        crate::machine::Error::application(error)
    }
}

/// Makes `Headers` from literals. An invalid field does not compile.
///
/// ```
/// use diesel_proto::http1::headers;
///
/// let mut headers = headers! {
///     "Content-Type" => "text/html; charset=utf-8",
///     "Cache-Control" => "no-store",
/// };
/// headers.add("ETag", format!("\"{}\"", 42))?;
/// assert_eq!(headers.get_str("etag"), Some("\"42\""));
/// # Ok::<(), diesel_proto::http1::InvalidField>(())
/// ```
///
/// ```compile_fail,E0080
/// let headers = diesel_proto::http1::headers! { "Content Type" => "text/html" };
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __http1_headers {
    ($($name:expr => $value:expr),* $(,)?) => {{
        const FIELDS: &[$crate::http1::Field<'static>] = &[$(
            match $crate::http1::Field::new($name, $value.as_bytes()) {
                ::core::result::Result::Ok(field) => field,
                ::core::result::Result::Err(_) => ::core::panic!("not a valid field name and value"),
            }
        ),*];
        FIELDS.iter().copied().collect::<$crate::http1::Headers>()
    }};
}

/// The first byte that is not allowed in a token, and its offset.
pub(in crate::http1) const fn first_no_tchar(name: &[u8]) -> Option<(u8, usize)> {
    let mut rest = name;
    while let [byte, behind @ ..] = rest {
        if !IS_TCHAR[*byte as usize] {
            return Some((*byte, name.len() - rest.len()));
        }
        rest = behind;
    }
    None
}

static IS_TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_tchar(byte as u8);
        byte += 1;
    }
    table
};

/// The first byte that is not allowed in a value, and its offset.
///
/// The first pass only decides whether there is one: without an early exit, the compiler can
/// vectorise it.
const fn first_no_field_byte(value: &[u8]) -> Option<(u8, usize)> {
    let mut is_value = true;
    let mut rest = value;
    while let [byte, behind @ ..] = rest {
        is_value &= is_field_byte(*byte);
        rest = behind;
    }
    if is_value {
        return None;
    }
    rest = value;
    while let [byte, behind @ ..] = rest {
        if !is_field_byte(*byte) {
            return Some((*byte, value.len() - rest.len()));
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn each_byte_may_stand_in_a_name_or_a_value_or_not() {
        for byte in 0..=255 {
            let bytes = [b'a', byte, b'b'];
            let expected = match byte {
                b'\t' | b' '..=b'~' | 0x80.. => Ok(&bytes[..]),
                _ => Err(InvalidField::Value { byte, at: 1 }),
            };
            assert_eq!(Field::new("a", &bytes).map(Field::value), expected);
            let Ok(name) = core::str::from_utf8(&bytes) else { continue };
            let expected = match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Ok(name),
                _ if b"!#$%&'*+-.^_`|~".contains(&byte) => Ok(name),
                _ => Err(InvalidField::Name { byte, at: 1 }),
            };
            assert_eq!(Field::new(name, b"").map(Field::name), expected);
        }
        assert_eq!(Field::new("", b""), Err(InvalidField::NoName));
        assert_eq!(Field::new("\u{e9}", b""), Err(InvalidField::Name { byte: 0xc3, at: 0 }));
    }

    #[test]
    fn the_first_wrong_byte_is_named_as_it_was_given() {
        let value = b"  a\0b\n";
        assert_eq!(Field::new("a", value), Err(InvalidField::Value { byte: 0, at: 3 }));
        assert_eq!(Field::new("a:", b"\n"), Err(InvalidField::Name { byte: b':', at: 1 }));
        assert_eq!(Field::new("a", b"b\r\n"), Err(InvalidField::Value { byte: b'\r', at: 1 }));
        assert_eq!(
            InvalidField::Value { byte: b'\n', at: 3 }.to_string(),
            "byte 3 of a field value, 0x0a, is a control character (RFC 9110, 5.5)"
        );
        assert_eq!(
            InvalidField::Name { byte: b' ', at: 0 }.to_string(),
            "byte 0 of a field name, 0x20, is not allowed in a token (RFC 9110, 5.6.2)"
        );
    }

    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        for (value, trimmed) in [(" \ta \t", "a"), ("a b", "a b"), (" \t ", ""), ("", "")] {
            let field = Field::new("a", value.as_bytes()).map(Field::value);
            assert_eq!(field, Ok(trimmed.as_bytes()));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = |name| format!("{:?}", Field::new(name, b"x\xff").unwrap());
        assert_eq!(shown("A"), r#"A: "x\xff""#);
        assert_eq!(shown("set-COOKIE"), "set-COOKIE: (redacted)");
    }
}
