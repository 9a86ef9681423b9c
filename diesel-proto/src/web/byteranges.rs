//! The body of a response with several ranges: `multipart/byteranges` (RFC 9110, 14.6).
//!
//! ```text
//!   head of part 0 ── its bytes ── head of part 1 ── its bytes ── end
//!   └─────────────────────── Byteranges::len ───────────────────────┘
//! ```
//!
//! It must never know where the bytes come from.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::ranges::ContentRange;

/// What is around the parts.
pub(super) struct Byteranges {
    boundary: String,
    content_type: String,
    parts: Vec<Range<u64>>,
    /// The length of the whole resource.
    whole: u64,
}

impl Byteranges {
    /// `random` makes the boundary: 128 bits that no content contains by chance, or on purpose.
    pub(super) fn new(
        parts: Vec<Range<u64>>,
        whole: u64,
        content_type: String,
        random: [u8; 16],
    ) -> Self {
        let boundary = format!("{:032x}", u128::from_be_bytes(random));
        Byteranges { boundary, content_type, parts, whole }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The parts, in order.
    pub(super) fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// The length of the body, in bytes.
    pub(super) fn len(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.end - part.start).sum::<u64>();
        let around = (0..=self.parts.len()).map(|n| self.before(n).len() as u64).sum::<u64>();
        parts + around
    }

    /// What comes before part `n`, and after part `n - 1`. The last one ends the body.
    pub(super) fn before(&self, n: usize) -> String {
        let Byteranges { boundary, content_type, .. } = self;
        match self.parts.get(n) {
            Some(part) => format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
                ContentRange::part(part, self.whole)
            ),
            None => format!("\r\n--{boundary}--\r\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_framed_as_the_rfc_shows() {
        let parts = Vec::from([0..2, 7..8]);
        let body = Byteranges::new(parts, 10, "text/plain".into(), [0x0f; 16]);
        let boundary = "0f".repeat(16);
        assert_eq!(body.content_type(), format!("multipart/byteranges; boundary={boundary}"));
        let whole = format!("{}ab{}h{}", body.before(0), body.before(1), body.before(2));
        assert_eq!(
            whole,
            format!(
                "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nab\
                 \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-7/10\r\n\r\nh\
                 \r\n--{boundary}--\r\n"
            )
        );
        assert_eq!(body.len(), whole.len() as u64);
    }
}
