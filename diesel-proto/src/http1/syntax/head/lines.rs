//! Reads a head line by line, as its lines arrive: a start line, then fields, up to the empty line.
//! This is the reference, with which the fast path agrees.
//!
//! ```text
//!   GET / HTTP/1.1\r\n  Host: a\r\n  Accept: te
//!   |-----------------------------|==========|
//!                              judged      searched
//! ```
//!
//! Rules of this file:
//!
//! - Each line is validated once, when it is complete, and searched for its end once.
//! - What is wrong with a line is found in byte order, limits included. A line whose LF is beyond a
//!   limit is never validated, even if it has arrived, so that the verdict does not depend on how
//!   the bytes were split.
//!
//! It must never know which kind of message the head begins, nor the semantics of a field.

use memchr::memchr;

use super::super::limits::Limits;
use super::super::rule::{Rejection, Rule};
use super::super::token::{Wrong, field_line};

/// The first line of a head: a request line, or a status line.
pub(super) trait StartLine: Sized {
    /// The rule that a line beyond [`Limits::request_line`] breaks.
    const TOO_LONG: Rule;
    /// Whether empty lines before it are skipped.
    const SKIPS_EMPTY_LINES: bool;

    /// Checks the first bytes of the line, which may be incomplete: what is not HTTP may never
    /// contain a line end.
    fn check_start(line: &[u8]) -> Result<(), Rule>;

    /// Parses the line, which ends with its only LF.
    fn parse(line: &[u8]) -> Result<Self, Wrong>;
}

/// A complete head whose lines are valid. Positions are bytes from its start.
pub(super) struct Lines<S> {
    /// Where the start line begins, after the empty lines before it.
    pub(super) start: u32,
    pub(super) start_line: S,
    pub(super) fields_start: u32,
    /// Length of the whole head, including the empty lines before it.
    pub(super) len: u32,
}

/// How far a head has been validated.
///
/// `start line end or 0 <= judged <= searched`; all in bytes from the start of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineReader {
    /// The lines up to here are complete and valid.
    judged: u32,
    /// There is no LF between `judged` and here.
    searched: u32,
    /// Where the field lines begin; zero until the start line is complete.
    fields_start: u32,
    fields: u32,
    start: u32,
}

impl LineReader {
    /// Where the start line begins.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    /// Where the field lines begin; zero until the start line is complete.
    pub(super) fn fields_start(&self) -> usize {
        self.fields_start as usize
    }

    /// Validates the lines that have arrived. Returns them if the head is complete.
    pub(super) fn read<S: StartLine>(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<Lines<S>>, Rejection> {
        loop {
            let in_fields = self.fields_start > 0;
            let (end, too_long) = match in_fields {
                true => (
                    (self.fields_start as usize).saturating_add(limits.header_bytes),
                    Rule::HeaderTooLarge,
                ),
                false => (limits.request_line, S::TOO_LONG),
            };
            // Positions are 32 bits, so a head cannot exceed 4 GiB.
            let end = end.min(u32::MAX as usize);
            let within = bytes.get(..end).unwrap_or(bytes);
            let line_start = self.judged as usize;
            if !in_fields {
                S::check_start(within.get(line_start..).unwrap_or_default())
                    .map_err(|rule| Rejection::new(rule, line_start as u64))?;
            }
            let from = self.searched as usize;
            let Some(lf) = memchr(b'\n', within.get(from..).unwrap_or_default()) else {
                self.searched = within.len() as u32;
                return match within.len() < end {
                    true => Ok(None),
                    false => Err(Rejection::new(too_long, end as u64)),
                };
            };
            let next = from + lf + 1;
            let line = bytes.get(line_start..next).unwrap_or_default();
            let wrong = |(rule, at): Wrong| Rejection::new(rule, (line_start + at) as u64);
            match (line, in_fields) {
                (b"\n", _) => return Err(wrong((Rule::BareLf, 0))),
                (b"\r\n", true) => {
                    let line = bytes.get(self.start as usize..self.fields_start as usize);
                    return Ok(Some(Lines {
                        start: self.start,
                        start_line: S::parse(line.unwrap_or_default()).map_err(wrong)?,
                        fields_start: self.fields_start,
                        len: next as u32,
                    }));
                }
                (b"\r\n", false) if S::SKIPS_EMPTY_LINES => self.start = next as u32,
                (_, false) => {
                    S::parse(line).map_err(wrong)?;
                    self.fields_start = next as u32;
                }
                (_, true) => {
                    if self.fields as usize >= limits.header_count {
                        return Err(wrong((Rule::TooManyFields, 0)));
                    }
                    field_line(line).map_err(|(rule, at)| match rule {
                        Rule::ObsFold if self.fields == 0 => wrong((Rule::BlankBeforeFields, at)),
                        _ => wrong((rule, at)),
                    })?;
                    self.fields += 1;
                }
            }
            self.judged = next as u32;
            self.searched = next as u32;
        }
    }
}
