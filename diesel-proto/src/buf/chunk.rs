//! What a fiber takes out of its buffer: slices of a block that are not copied.
//!
//! A [`Chunk`] is a range of a block that it holds on to; a [`Line`] is a chunk that ends a line.
//! Rules of this file:
//!
//! - Making, cloning and dropping a chunk neither copies bytes nor takes a lock: chunks belong to
//!   one thread.
//! - A chunk pins its whole block: a chunk of two bytes can keep 64 KiB allocated. To keep bytes
//!   for long, copy them.
//! - An empty chunk owns nothing.
//!
//! It must never know the buffer or the pool that the block came from.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, Range};
use core::{fmt, str};

/// Bytes that were taken out of a [`Buffer`](super::buffer::Buffer) without copying them.
///
/// It dereferences to `[u8]`. Cloning is cheap and copies no bytes.
///
/// A chunk pins the block that it is in, up to 64 KiB or more. Keep it only while working on it; to
/// keep the bytes for longer, copy them with [`to_bytes`](Self::to_bytes) or `to_vec()`.
///
/// # Examples
///
/// ```
/// use diesel_proto::{Blocks, Buffer};
///
/// let mut blocks = Blocks::new();
/// let mut buffer = Buffer::new();
/// buffer.push(b"two words", &mut blocks);
///
/// let word = buffer.take(3, &mut blocks);
/// assert_eq!(word, "two");
/// assert_eq!(word.len(), 3);
/// assert_eq!(format!("{word:?}"), r#"b"two""#);
/// ```
#[derive(Clone, Default)]
pub struct Chunk {
    /// Invariant: `start <= end <= block.len()`; and `None` if `start == end`.
    block: Option<Rc<Vec<u8>>>,
    span: PackedSpan,
}

/// Where a chunk starts and ends in its block: two numbers of 32 bits in one of 64.
///
/// So a chunk is two words, which are returned and moved in registers. Three words would go through
/// memory: to read 16 bytes at once right after they were written 8 at a time stalls the processor.
#[derive(Clone, Copy, Default)]
struct PackedSpan(u64);

impl PackedSpan {
    /// As an end: the end of the block, wherever that is. It does not move while a chunk is alive.
    const TO_THE_END: u64 = u32::MAX as u64;

    /// For `start < end <= len`. `None` if this takes more than 32 bits: `start` is beyond 4 GiB,
    /// or `end` is and the block goes on behind it.
    fn new(start: usize, end: usize, len: usize) -> Option<Self> {
        let (start, end, len) = (start as u64, end as u64, len as u64);
        if end < Self::TO_THE_END {
            return Some(PackedSpan(start | end << 32));
        }
        (end == len && start <= Self::TO_THE_END)
            .then_some(PackedSpan(start | Self::TO_THE_END << 32))
    }

    fn start(self) -> usize {
        self.0 as u32 as usize
    }

    /// The end in a block of `len` bytes.
    fn end(self, len: usize) -> usize {
        match self.0 >> 32 {
            Self::TO_THE_END => len,
            end => end as usize,
        }
    }
}

impl Chunk {
    /// An empty chunk. It owns nothing.
    pub const fn new() -> Self {
        Chunk { block: None, span: PackedSpan(0) }
    }

    /// A part of this chunk: it shares the memory, and copies nothing. What is beyond the end is left
    /// out.
    ///
    /// ```
    /// use diesel_proto::Chunk;
    ///
    /// let chunk = Chunk::from(b"two words".to_vec());
    /// assert_eq!(chunk.slice(4..9), "words");
    /// assert_eq!(chunk.slice(7..100), "ds");
    /// ```
    pub fn slice(&self, range: Range<usize>) -> Chunk {
        let Some(block) = &self.block else { return Chunk::new() };
        let (start, len) = (self.span.start(), self.len());
        Chunk::of(block, start + range.start.min(len), start + range.end.min(len))
    }

    /// The bytes from `start` to `end` of `block`; positions beyond its end are left out.
    pub(crate) fn of(block: &Rc<Vec<u8>>, start: usize, end: usize) -> Self {
        let end = end.min(block.len());
        if start >= end {
            return Chunk::new();
        }
        Chunk::within(block, start, end)
    }

    /// As [`of`](Self::of), where `start < end <= block.len()`.
    #[inline]
    pub(crate) fn within(block: &Rc<Vec<u8>>, start: usize, end: usize) -> Self {
        let Some(span) = PackedSpan::new(start, end, block.len()) else {
            return Chunk::copy_of(&block[start..end]);
        };
        Chunk { block: Some(Rc::clone(block)), span }
    }

    /// A copy has its block for itself: it starts at 0 and goes to the end, and there is always a
    /// span for that.
    #[cold]
    fn copy_of(bytes: &[u8]) -> Self {
        Chunk::of(&Rc::new(bytes.to_vec()), 0, bytes.len())
    }

    fn as_slice(&self) -> &[u8] {
        match &self.block {
            Some(block) => &block[self.span.start()..self.span.end(block.len())],
            None => &[],
        }
    }
}

/// Takes the bytes over, without copying them.
impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Chunk::of(&Rc::new(bytes), 0, len)
    }
}

/// A [`Chunk`] that is a line. The sentinel that ends it (`\r\n`, or whatever was searched for) is
/// included.
///
/// # Examples
///
/// ```
/// use diesel_proto::{Blocks, Buffer, Line};
///
/// let mut blocks = Blocks::new();
/// let mut buffer = Buffer::new();
/// buffer.push(b" HELO there \r\n", &mut blocks);
///
/// let line = Line::from(buffer.take(14, &mut blocks));
/// assert_eq!(line, " HELO there \r\n");
/// assert_eq!(line.without_eol(), b" HELO there ");
/// assert_eq!(line.trimmed(), "HELO there");
/// ```
#[derive(Clone, Default)]
pub struct Line(Chunk);

impl Line {
    /// The line without its end: one LF, and one CR before it. Other bytes are not removed.
    pub fn without_eol(&self) -> &[u8] {
        let Some(line) = self.strip_suffix(b"\n") else { return self };
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The line as text, without ASCII white space on either end.
    ///
    /// Bytes that are not UTF-8 become U+FFFD. Allocates only if there are any.
    pub fn trimmed(&self) -> Cow<'_, str> {
        let trimmed = self.trim_ascii();
        // Fast path: valid UTF-8 is checked much faster than `from_utf8_lossy` scans.
        match str::from_utf8(trimmed) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(trimmed),
        }
    }

    /// Converts the line to a plain chunk.
    pub fn into_chunk(self) -> Chunk {
        self.0
    }

    fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl From<Chunk> for Line {
    fn from(chunk: Chunk) -> Self {
        Line(chunk)
    }
}

/// The traits of a slice of bytes, for a type that has `as_slice`.
macro_rules! like_a_slice {
    ($name:ident) => {
        impl $name {
            /// A copy of the bytes, to keep or to send to another thread. The copy pins nothing.
            pub fn to_bytes(&self) -> Bytes {
                Bytes::copy_from_slice(self)
            }
        }

        impl Deref for $name {
            type Target = [u8];
            fn deref(&self) -> &[u8] {
                self.as_slice()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "b\"{}\"", self.escape_ascii())
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_slice().hash(state);
            }
        }

        like_a_slice!($name ==
            $name, |other| other.as_slice();
            [u8], |other| other;
            &[u8], |other| other;
            str, |other| other.as_bytes();
            &str, |other| other.as_bytes());

        impl<const N: usize> PartialEq<[u8; N]> for $name {
            fn eq(&self, other: &[u8; N]) -> bool {
                self.as_slice() == other
            }
        }

        impl<const N: usize> PartialEq<&[u8; N]> for $name {
            fn eq(&self, other: &&[u8; N]) -> bool {
                self.as_slice() == *other
            }
        }
    };
    ($name:ident == $($other:ty, |$it:ident| $bytes:expr);+) => {$(
        impl PartialEq<$other> for $name {
            fn eq(&self, $it: &$other) -> bool {
                let other: &[u8] = $bytes;
                self.as_slice() == other
            }
        }
    )+};
}

like_a_slice!(Chunk);
like_a_slice!(Line);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn chunk(bytes: &[u8]) -> Chunk {
        Chunk::of(&Rc::new(bytes.to_vec()), 0, bytes.len())
    }

    #[test]
    fn compares_with_whatever_bytes_are_written_as() {
        let chunk = chunk(b"ab\n");
        assert_eq!(chunk, *b"ab\n");
        assert_eq!(chunk, b"ab\n");
        assert_eq!(chunk, b"ab\n"[..]);
        assert_eq!(chunk, &b"ab\n"[..]);
        assert_eq!(chunk, "ab\n");
        assert_eq!(chunk, *"ab\n");
        assert_eq!(chunk, chunk.clone());
        assert_ne!(chunk, "ab");
        assert_eq!(Line::from(chunk.clone()), "ab\n");
        assert_eq!(Line::from(chunk.clone()).into_chunk(), chunk);
        assert_eq!(chunk.to_bytes(), &b"ab\n"[..]);
    }

    #[test]
    fn an_empty_chunk_pins_nothing() {
        let block = Rc::new(b"abc".to_vec());
        for (start, end) in [(0, 0), (3, 3), (2, 1), (3, 9), (9, 9)] {
            let empty = Chunk::of(&block, start, end);
            assert!(empty.is_empty());
            assert_eq!(Rc::strong_count(&block), 1);
        }
        let rest = Chunk::of(&block, 1, 9);
        assert_eq!(rest, "bc");
        assert_eq!(Rc::strong_count(&block), 2);
    }

    #[test]
    fn a_slice_is_within_its_chunk() {
        let block = Rc::new(b"abcdef".to_vec());
        let chunk = Chunk::of(&block, 1, 5);
        for (from, to, expected) in
            [(0, 4, "bcde"), (1, 3, "cd"), (3, 9, "e"), (4, 9, ""), (9, 9, ""), (3, 1, "")]
        {
            #[allow(clippy::reversed_empty_ranges)]
            let slice = chunk.slice(from..to);
            assert_eq!(slice, expected, "{from}..{to}");
        }
        assert_eq!(Chunk::new().slice(0..1), "");
        assert_eq!(Chunk::from(Vec::new()), "");
    }

    #[test]
    fn a_chunk_is_two_words() {
        assert_eq!(size_of::<Chunk>(), 16);
        assert_eq!(size_of::<Line>(), 16);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_span_beyond_4_gib_goes_to_the_end_or_is_none() {
        const MAX: usize = u32::MAX as usize;
        for (start, end, len) in [
            (0, 1, 1),
            (7, 9, 5 << 30),
            (MAX - 2, MAX - 1, MAX),
            (0, MAX, MAX),
            (0, 5 << 30, 5 << 30),
            (MAX - 1, MAX, MAX),
            (MAX, MAX + 1, MAX + 1),
        ] {
            let span = PackedSpan::new(start, end, len).unwrap();
            assert_eq!((span.start(), span.end(len)), (start, end));
        }
        for (start, end, len) in
            [(0, MAX, MAX + 1), (0, MAX + 1, 5 << 30), (MAX + 1, MAX + 2, MAX + 2)]
        {
            assert!(PackedSpan::new(start, end, len).is_none());
        }
    }

    #[test]
    fn the_end_of_a_line_is_one_lf_and_one_cr_before_it() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"a\r\n", b"a"),
            (b"a\n", b"a"),
            (b"a\r\r\n", b"a\r"),
            (b"a\n\n", b"a\n"),
            (b"a\r", b"a\r"),
            (b"a", b"a"),
            (b"\r\n", b""),
            (b"", b""),
        ];
        for (line, without) in cases {
            assert_eq!(Line::from(chunk(line)).without_eol(), without);
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_replaced() {
        assert_eq!(Line::from(chunk(b"\t caf\xc3\xa9 \xff\r\n")).trimmed(), "caf\u{e9} \u{fffd}");
        assert!(matches!(Line::from(chunk(b" plain\n")).trimmed(), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_cannot_be_read_is_escaped() {
        assert_eq!(format!("{:?}", Line::from(chunk(b"a\"\r\n\xff"))), r#"b"a\"\r\n\xff""#);
    }
}
