//! The trailer section (RFC 9112, 7.1.2): the field lines after the last chunk, up to the empty
//! line.
//!
//! ```text
//!   Digest: x\r\n  Expires: 0\r\n  Server-Timing: a;dur=
//!   |-----------------------------|====================|
//!                              judged              searched
//! ```
//!
//! Rules of this file:
//!
//! - A line is validated once, when it is complete, by [`token`](crate::http1::syntax::token); an
//!   invalid one is refused at once. A line whose LF is beyond the limit is never validated, even
//!   if it has arrived, so that the verdict does not depend on how the bytes were split.
//! - Spans are recorded when the section is complete. Until then the caller may use the same memory
//!   for other messages.
//! - Each byte is searched once, and read at most twice.
//!
//! It must never know what holds the bytes, nor the semantics of a field. It must not merge
//! trailers with the fields of a head: that needs the permission of the field's definition (RFC
//! 9110, 6.5.1).

use memchr::memchr;

use super::fields::{FieldSpans, FieldsView};
use super::limits::Limits;
use super::rule::{Rejection, Rule};
use super::token::{Wrong, field_line};

/// Reads one trailer section from bytes that the caller keeps until it is complete. It allocates
/// only if the spans have to grow, and is 12 bytes.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Limits, TrailerReader};
///
/// let mut reader = TrailerReader::new();
/// let mut spans = FieldSpans::new();
/// let limits = Limits::default();
/// let bytes = b"Digest: x\r\nExpires: 0\r\n\r\nGET /";
/// assert!(reader.read(&bytes[..20], &limits, &mut spans)?.is_none());
///
/// let (len, trailers) = reader.read(bytes, &limits, &mut spans)?.expect("it is all there");
/// assert_eq!(trailers.get("digest"), Some(&b"x"[..]));
/// assert_eq!(&bytes[len..], b"GET /");
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrailerReader {
    /// The lines up to here are complete and valid.
    judged: u32,
    /// There is no LF between `judged` and here. `judged <= searched`.
    searched: u32,
    /// The number of validated lines.
    fields: u32,
}

impl TrailerReader {
    /// A reader for one section.
    pub const fn new() -> Self {
        TrailerReader { judged: 0, searched: 0, fields: 0 }
    }

    /// Continues reading: returns the length of the section, including its empty line, and the
    /// fields; or `None` while it is incomplete. `bytes` is everything since its first byte,
    /// including the bytes of earlier calls.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, with its position in `bytes`; further calls return the same.
    /// The limits are [`Limits::trailer_bytes`] and [`Limits::header_count`].
    ///
    /// # Cost
    ///
    /// All calls together are linear in the bytes.
    pub fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        spans: &'a mut FieldSpans,
    ) -> Result<Option<(usize, FieldsView<'a>)>, Rejection> {
        let len = self.find_end(bytes, limits, spans)?;
        Ok(len.map(|len| (len, spans.view(bytes))))
    }

    /// As [`read`](Self::read), but leaves the fields in `spans`.
    pub(in crate::http1) fn find_end(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<Option<usize>, Rejection> {
        // Positions are 32 bits, so a section cannot exceed 4 GiB.
        let limit = limits.trailer_bytes.min(u32::MAX as usize);
        let within = bytes.get(..limit).unwrap_or(bytes);
        loop {
            let (start, searched) = (self.judged as usize, self.searched as usize);
            let Some(lf) = memchr(b'\n', within.get(searched..).unwrap_or_default()) else {
                if within.len() >= limit {
                    return Err(Rejection::new(Rule::TrailersTooLarge, limit as u64));
                }
                self.searched = self.searched.max(within.len() as u32);
                return Ok(None);
            };
            let end = searched + lf + 1;
            let line = within.get(start..end).unwrap_or_default();
            let wrong = |(rule, at): Wrong| Rejection::new(rule, (start + at) as u64);
            match line {
                b"\r\n" => {
                    spans.replace_lines(within, 0..start);
                    return Ok(Some(end));
                }
                b"\n" => return Err(wrong((Rule::BareLf, 0))),
                _ if self.fields as usize >= limits.header_count => {
                    return Err(wrong((Rule::TooManyFields, 0)));
                }
                _ => field_line(line).map_err(wrong)?,
            };
            (self.judged, self.searched) = (end as u32, end as u32);
            self.fields += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::super::fields::FieldSpan;
    use super::*;

    type Section = (usize, Vec<(String, Vec<u8>)>);

    /// Whole, byte by byte, and at every two-way cut.
    fn read(text: &str, limits: &Limits) -> Result<Option<Section>, (Rule, u64)> {
        let bytes = text.as_bytes();
        let whole = read_so_far(bytes, limits, [bytes.len()]);
        for at in 0..bytes.len() {
            let cut = read_so_far(bytes, limits, [at, bytes.len()]);
            assert_eq!(cut, whole, "{text:?} cut at {at}");
        }
        assert_eq!(read_so_far(bytes, limits, 0..=bytes.len()), whole, "{text:?} byte by byte");
        whole
    }

    /// Reads at each of these lengths. In between, other messages use the same memory.
    fn read_so_far(
        bytes: &[u8],
        limits: &Limits,
        lens: impl IntoIterator<Item = usize>,
    ) -> Result<Option<Section>, (Rule, u64)> {
        let mut reader = TrailerReader::new();
        for len in lens {
            let mut spans = FieldSpans::new();
            spans.push(FieldSpan { name: 7, name_len: 7, value: 7, value_len: 7 });
            match reader.read(&bytes[..len], limits, &mut spans) {
                Ok(None) => {}
                Ok(Some((len, fields))) => {
                    let fields = fields.iter().map(|(name, value)| (name.into(), value.into()));
                    return Ok(Some((len, fields.collect())));
                }
                Err(wrong) => {
                    let again = reader.read(bytes, limits, &mut spans).map(|_| ());
                    assert_eq!(again, Err(wrong), "the same again");
                    return Err((wrong.rule, wrong.offset));
                }
            }
        }
        Ok(None)
    }

    fn section(len: usize, fields: &[(&str, &str)]) -> Result<Option<Section>, (Rule, u64)> {
        let own = |&(name, value): &(&str, &str)| (name.into(), value.into());
        Ok(Some((len, fields.iter().map(own).collect())))
    }

    #[test]
    fn fields_end_with_an_empty_line() {
        let limits = Limits::default();
        assert_eq!(read("\r\n", &limits), section(2, &[]));
        assert_eq!(read("\r\nGET / HTTP/1.1\r\n\r\n", &limits), section(2, &[]));
        assert_eq!(
            read("A: 1\r\nb:\r\nA: \t2 3\t \r\n\r\nGET", &limits),
            section(23, &[("A", "1"), ("b", ""), ("A", "2 3")])
        );
    }

    #[test]
    fn what_has_not_come_is_waited_for() {
        for text in ["", "\r", "A", "A: 1", "A: 1\r", "A: 1\r\n", "A: 1\r\n\r", "A b", "A: \0"] {
            assert_eq!(read(text, &Limits::default()), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        for (text, rule, at) in [
            ("\n", Rule::BareLf, 0),
            ("\rX\r\n", Rule::BareCr, 0),
            ("\r\r\n", Rule::BareCr, 0),
            (" A: 1\r\n", Rule::ObsFold, 0),
            ("A : 1\r\n", Rule::BlankBeforeColon, 1),
            ("A b: 1\r\n", Rule::FieldNameSyntax, 1),
            (": 1\r\n", Rule::FieldNameSyntax, 0),
            ("A\r\n", Rule::FieldWithoutColon, 1),
            ("A: 1\n", Rule::BareLf, 4),
            ("A: 1\r2\r\n", Rule::BareCr, 4),
            ("A: \0\r\n", Rule::FieldValueSyntax, 3),
        ] {
            let limits = Limits::default();
            assert_eq!(read(text, &limits), Err((rule, at)), "{text:?}");
            let later = format!("A: 1\r\nB: 2\r\n{text}more");
            assert_eq!(read(&later, &limits), Err((rule, at + 12)), "{later:?}");
        }
    }

    #[test]
    fn a_section_may_be_as_long_as_the_limit() {
        let limits = Limits { trailer_bytes: 14, ..Limits::default() };
        let too_large = Err((Rule::TrailersTooLarge, 14));
        assert_eq!(read("A: 1\r\nB: 2\r\n\r\n", &limits), section(14, &[("A", "1"), ("B", "2")]));
        assert_eq!(read("A: 1\r\nB: 22\r\n\r\n", &limits), too_large);
        assert_eq!(read("A: 1\r\nB: 22222222222222222222", &limits), too_large);
        assert_eq!(read("A: 1\r\nB: 2\r\n\r", &limits), Ok(None));
        // A violation within the limit takes precedence; one beyond it, or in a line that goes on
        // beyond it, does not matter.
        assert_eq!(read("A: 1\r\nB 2\r\nC: 333", &limits), Err((Rule::FieldNameSyntax, 7)));
        assert_eq!(read("A: 1\r\nB 22222222\r\n", &limits), too_large);
        assert_eq!(read("A: 1\r\nB: 2\r\nC: \0\r\n", &limits), too_large);
        let least = Limits { trailer_bytes: 2, ..limits };
        assert_eq!(read("\r\n", &least), section(2, &[]));
        assert_eq!(read("A:\r\n\r\n", &least), Err((Rule::TrailersTooLarge, 2)));
    }

    #[test]
    fn there_may_be_as_many_fields_as_the_limit() {
        let limits = Limits { header_count: 2, ..Limits::default() };
        assert_eq!(read("A:1\r\nB:2\r\n\r\n", &limits), section(12, &[("A", "1"), ("B", "2")]));
        assert_eq!(read("A:1\r\nB:2\r\nC:3\r\n\r\n", &limits), Err((Rule::TooManyFields, 10)));
        assert_eq!(read("A:1\r\nB:2\r\nC 3\r\n\r\n", &limits), Err((Rule::TooManyFields, 10)));
        assert_eq!(read("A:1\r\nB:2\r\n\n", &limits), Err((Rule::BareLf, 10)));
        let none = Limits { header_count: 0, ..limits };
        assert_eq!(read("\r\n", &none), section(2, &[]));
        assert_eq!(read("A:\r\n", &none), Err((Rule::TooManyFields, 0)));
    }

    #[test]
    fn it_is_small_and_send() {
        fn is_send<T: Send>() {}
        is_send::<TrailerReader>();
        assert!(size_of::<TrailerReader>() <= 16);
    }
}
