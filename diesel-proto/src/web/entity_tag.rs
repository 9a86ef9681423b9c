//! [`EntityTag`]: names one version of a resource (RFC 9110, 8.8.3).
//!
//! It must never know what the resource is, nor what a tag is compared for.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;

/// An entity tag: `"1-5f"`, or weak, `W/"1-5f"` (RFC 9110, 8.8.3).
///
/// A strong tag changes whenever the bytes of the resource do. A weak one may stay the same while
/// the meaning does, so that it does not allow to combine ranges.
///
/// ```
/// use diesel_proto::web::EntityTag;
///
/// let tag = EntityTag::strong("1-5f")?;
/// assert_eq!(tag.as_str(), "\"1-5f\"");
/// assert_eq!(EntityTag::weak("1-5f")?.as_str(), "W/\"1-5f\"");
/// assert!(EntityTag::strong("a \" b").is_err());
/// # Ok::<(), diesel_proto::web::InvalidEntityTag>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag {
    /// As in a field: with its quotes, and `W/` if it is weak.
    text: Box<str>,
}

impl EntityTag {
    /// A strong tag. `opaque` is what is between the quotes.
    ///
    /// # Errors
    ///
    /// If it contains a blank, a quote, a control character, or one that is not ASCII.
    pub fn strong(opaque: impl fmt::Display) -> Result<Self, InvalidEntityTag> {
        EntityTag::new(format!("\"{opaque}\""))
    }

    /// A weak tag. `opaque` is what is between the quotes.
    ///
    /// # Errors
    ///
    /// As for [`strong`](Self::strong).
    pub fn weak(opaque: impl fmt::Display) -> Result<Self, InvalidEntityTag> {
        EntityTag::new(format!("W/\"{opaque}\""))
    }

    /// The tag as in a field, with its quotes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the tag is weak.
    pub fn is_weak(&self) -> bool {
        self.text.starts_with("W/")
    }

    fn new(text: alloc::string::String) -> Result<Self, InvalidEntityTag> {
        let opaque = opaque_of(text.as_bytes());
        // Others may be sent, but no tag of ours needs them, and proxies differ over them.
        if let Some(at) = opaque.iter().position(|&byte| !is_tag_byte(byte) || byte >= 0x80) {
            return Err(InvalidEntityTag { byte: opaque[at], at });
        }
        Ok(EntityTag { text: text.into() })
    }

    /// Whether `field`, the value of `If-Match` or `If-None-Match`, lists this tag; compared weakly,
    /// or strongly (RFC 9110, 8.8.3.2).
    pub(super) fn is_listed(&self, field: &[u8], comparison: Comparison) -> bool {
        TagList { rest: field }.any(|tag| self.equals(tag, comparison))
    }

    /// Whether `field`, the value of `If-Range`, is this tag, compared strongly.
    pub(super) fn equals(&self, other: &[u8], comparison: Comparison) -> bool {
        let both_strong = !self.is_weak() && !other.starts_with(b"W/");
        let is_allowed = comparison == Comparison::Weak || both_strong;
        is_allowed && opaque_of(self.text.as_bytes()) == opaque_of(other)
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How tags are compared (RFC 9110, 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Equal, and neither is weak.
    Strong,
    /// Equal, whether weak or not.
    Weak,
}

/// Why a text is no entity tag.
///
/// ```
/// use diesel_proto::web::EntityTag;
///
/// let error = EntityTag::strong("a b").unwrap_err();
/// assert_eq!(error.to_string(), "an entity tag cannot contain the byte 0x20, at 1 (RFC 9110, 8.8.3)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEntityTag {
    byte: u8,
    at: usize,
}

impl fmt::Display for InvalidEntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidEntityTag { byte, at } = self;
        write!(f, "an entity tag cannot contain the byte 0x{byte:02x}, at {at} (RFC 9110, 8.8.3)")
    }
}

impl core::error::Error for InvalidEntityTag {}

/// The tags of a list, each with its quotes. Ends at the first thing that is none.
struct TagList<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TagList<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // Recipients accept empty elements (RFC 9110, 5.6.1.2).
        let skipped = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let list = &self.rest[skipped..];
        let opened = if list.starts_with(b"W/\"") { 3 } else { usize::from(list[0] == b'"') };
        if opened == 0 {
            return None;
        }
        let len = list[opened..].iter().position(|&byte| !is_tag_byte(byte))?;
        let end = opened + len + 1;
        if list[end - 1] != b'"' {
            return None;
        }
        let (tag, rest) = list.split_at(end);
        let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        self.rest = rest;
        match next {
            None | Some(b',') => Some(tag),
            Some(_) => None,
        }
    }
}

/// Whether the field is one entity tag, as opposed to a date.
pub(super) fn is_tag(field: &[u8]) -> bool {
    field.starts_with(b"\"") || field.starts_with(b"W/")
}

/// What may be between the quotes: `etagc`.
const fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// What is between the quotes of a tag.
fn opaque_of(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = tag.strip_prefix(b"\"").unwrap_or(tag);
    inner.strip_suffix(b"\"").unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn listed(field: &str) -> Vec<&[u8]> {
        TagList { rest: field.as_bytes() }.collect()
    }

    #[test]
    fn a_list_has_tags_and_empty_elements() {
        let none: [&[u8]; 0] = [];
        assert_eq!(listed("\"a\""), [b"\"a\""]);
        assert_eq!(listed("\"a\", W/\"b,c\" ,,\t\"\""), [&b"\"a\""[..], b"W/\"b,c\"", b"\"\""]);
        for field in ["", ",", "a", "\"a", "W/a", "W/\"", "*", "\"a b\"", "\"a\"b\""] {
            assert_eq!(listed(field), none, "{field}");
        }
        // What comes before the first invalid element counts.
        assert_eq!(listed("\"a\", b, \"c\""), [b"\"a\""]);
    }

    /// The table of RFC 9110, 8.8.3.2.
    #[test]
    fn weak_and_strong_comparison_differ() {
        let (weak_1, strong_1) = (EntityTag::weak(1).unwrap(), EntityTag::strong(1).unwrap());
        for (tag, other, strong, weak) in [
            (&weak_1, "W/\"1\"", false, true),
            (&weak_1, "W/\"2\"", false, false),
            (&weak_1, "\"1\"", false, true),
            (&strong_1, "W/\"1\"", false, true),
            (&strong_1, "\"1\"", true, true),
        ] {
            let other = other.as_bytes();
            assert_eq!(tag.equals(other, Comparison::Strong), strong, "{tag}");
            assert_eq!(tag.equals(other, Comparison::Weak), weak, "{tag}");
            assert_eq!(tag.is_listed(other, Comparison::Weak), weak, "{tag}");
        }
    }

    #[test]
    fn a_tag_has_only_bytes_that_a_field_may_have() {
        for byte in 0..=255_u8 {
            let made = EntityTag::strong(char::from(byte));
            let fits = matches!(byte, 0x21..=0x7e) && byte != b'"';
            assert_eq!(made.is_ok(), fits, "{byte:#x}");
            assert_eq!(EntityTag::weak(char::from(byte)).is_ok(), fits, "{byte:#x}");
        }
    }
}
