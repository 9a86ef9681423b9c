//! The search for one sentinel in bytes that arrive in pieces (streaming Knuth-Morris-Pratt).
//!
//! A [`Search`] is fed each byte once, in order, in pieces of any size, and needs no earlier piece
//! again: its only state is one number, `matched`, the length of the longest prefix of the sentinel
//! that the bytes so far end with. This is the algorithm of Knuth, Morris and Pratt; it is used
//! byte by byte where memchr cannot be used:
//!
//! ```text
//!   sentinel  \r\n\r\n
//!
//!   fed       ..... \r \n          matched = 2
//!   fed       ..... \r \n \r       matched = 3
//!   fed       ..... \r \n \r x     matched = 0
//! ```
//!
//! Rules of this file:
//!
//! - Long pieces are searched by memchr, at its speed; only their ends are stepped through.
//! - Every comparison of a byte is counted. With n bytes fed since the search was new, `scanned +
//!   matched <= 2 n`, whatever the pieces and the bytes are.
//!
//! It must never know where the bytes are kept, nor of limits.
//!
//! Why 2 n. Let k be the length of the sentinel, m and m' `matched` before and after one feed of n
//! bytes. Each feed counts at most `2 n + m - m'`, so that the sum over all feeds telescopes:
//!
//! - Steps over c bytes. Each byte raises `matched` by one at most, and each comparison but the
//!   first for a byte lowers it by one at least. Hence `2 c + m - m'`.
//! - A sweep over r new bytes. It starts only with `m <= 1` (one byte is looked at again) and `r >=
//!   3 (k - 1)`. If it finds nothing, the last k - 1 bytes are stepped through from zero, and there
//!   may have been one false hit: `(r + m) + 1 + (2 (k - 1) - m') <= 2 r + m - m'`. (For k = 1 it
//!   is just r.)
//! - A sweep that finds the sentinel after e new bytes. It counts e + m. A hit that is consumed
//!   in part leaves `m' <= k - 1` behind, one that is consumed whole 0, and `e >= k - m >= k - 1`;
//!   hence `e + m <= 2 e + m - m'`. Where two bytes are looked for by the second, one comparison
//!   comes on top; but they differ then, which makes `m' = 0`, and `e >= 1`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use memchr::{memchr, memmem};

/// The longest sentinel that is stored inline. With it a `Search` is 16 bytes.
const SHORT: usize = 13;

/// The state of a search. It remembers the sentinel, since the search may be continued by another
/// token than the one that began it, after that was dropped.
#[derive(Default)]
pub(super) enum Search {
    /// Nothing was searched for yet.
    #[default]
    New,
    Short {
        len: u8,
        matched: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<Long>),
}

pub(super) struct Long {
    sentinel: Vec<u8>,
    /// For each prefix length, the length of the longest border (see [`Sentinel::border`]).
    borders: Vec<usize>,
    matched: usize,
}

impl Search {
    /// A search for `sentinel`, with nothing fed yet.
    pub(super) fn new(sentinel: &[u8]) -> Self {
        let len = sentinel.len();
        if len > SHORT {
            let (sentinel, borders) = (sentinel.to_vec(), borders(sentinel));
            return Search::Long(Box::new(Long { sentinel, borders, matched: 0 }));
        }
        let mut bytes = [0; SHORT];
        bytes[..len].copy_from_slice(sentinel);
        Search::Short { len: len as u8, matched: 0, bytes }
    }

    /// The search for one byte after a sweep: if the byte was found, the bytes that were fed end
    /// with it.
    #[inline]
    pub(super) fn for_byte(byte: u8, found: bool) -> Self {
        let mut bytes = [0; SHORT];
        bytes[0] = byte;
        Search::Short { len: 1, matched: u8::from(found), bytes }
    }

    pub(super) fn is_for(&self, sentinel: &[u8]) -> bool {
        let known = self.parts().0.bytes;
        if known.len() > SHORT {
            return known == sentinel;
        }
        // This few bytes are compared faster one by one than by a call of `memcmp`.
        known.len() == sentinel.len() && known.iter().zip(sentinel).all(|(a, b)| a == b)
    }

    /// Whether the bytes that were fed end with the sentinel. Then nothing more may be fed.
    pub(super) fn is_found(&self) -> bool {
        let (sentinel, matched) = self.parts();
        matched == sentinel.bytes.len()
    }

    /// Searches `bytes`, and returns how many of them it took: all, or up to and including the
    /// sentinel. `scanned` grows by the number of comparisons.
    pub(super) fn feed(&mut self, bytes: &[u8], scanned: &mut u64) -> usize {
        let (sentinel, matched) = self.parts();
        let mut matcher = Matcher { sentinel, matched, scanned };
        let taken = matcher.feed(bytes);
        let matched = matcher.matched;
        self.set_matched(matched);
        taken
    }

    /// Forgets all but the last `len` of the bytes that were fed. Compares no byte again.
    pub(super) fn forget_all_but(&mut self, len: usize) {
        let (sentinel, mut matched) = self.parts();
        if matched <= len {
            return;
        }
        while matched > len {
            matched = if len == 0 { 0 } else { sentinel.border(matched) };
        }
        self.set_matched(matched);
    }

    fn parts(&self) -> (Sentinel<'_>, usize) {
        match self {
            Search::New => (Sentinel { bytes: &[], borders: None }, 0),
            Search::Short { len, matched, bytes } => (
                Sentinel { bytes: &bytes[..usize::from(*len)], borders: None },
                usize::from(*matched),
            ),
            Search::Long(long) => {
                (Sentinel { bytes: &long.sentinel, borders: Some(&long.borders) }, long.matched)
            }
        }
    }

    fn set_matched(&mut self, to: usize) {
        match self {
            Search::New => {}
            Search::Short { matched, .. } => *matched = to as u8,
            Search::Long(long) => long.matched = to,
        }
    }
}

#[derive(Clone, Copy)]
struct Sentinel<'a> {
    bytes: &'a [u8],
    borders: Option<&'a [usize]>,
}

impl Sentinel<'_> {
    /// The length of the longest border of the first `len` bytes: the longest proper prefix that is
    /// also a suffix. For 0 it is 0, otherwise less than `len`.
    fn border(&self, len: usize) -> usize {
        if let Some(borders) = self.borders {
            return borders[len];
        }
        // For a short sentinel, trying is faster than keeping a table.
        let prefix = &self.bytes[..len];
        (1..len).rev().find(|&border| prefix.ends_with(&prefix[..border])).unwrap_or(0)
    }
}

/// The borders of all prefixes, in linear time: that of a prefix is found among those before it.
fn borders(sentinel: &[u8]) -> Vec<usize> {
    let mut borders = vec![0; sentinel.len() + 1];
    let mut border = 0;
    for end in 1..sentinel.len() {
        while border > 0 && sentinel[border] != sentinel[end] {
            border = borders[border];
        }
        if sentinel[border] == sentinel[end] {
            border += 1;
        }
        borders[end + 1] = border;
    }
    borders
}

struct Matcher<'a> {
    sentinel: Sentinel<'a>,
    matched: usize,
    scanned: &'a mut u64,
}

impl Matcher<'_> {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let len = self.sentinel.bytes.len();
        let mut at = 0;
        while at < bytes.len() && self.matched < len {
            // A sweep can begin where there is no partial match, or one of just the last byte, if
            // that byte is in this piece.
            if self.matched <= at.min(1) && bytes.len() - at >= 3 * (len - 1) {
                let from = at - self.matched;
                return from + self.sweep(&bytes[from..]);
            }
            self.step(bytes[at]);
            at += 1;
        }
        at
    }

    fn sweep(&mut self, bytes: &[u8]) -> usize {
        let len = self.sentinel.bytes.len();
        if let Some(end) = self.locate(bytes) {
            self.matched = len;
            return end;
        }
        self.matched = 0;
        for &byte in &bytes[bytes.len() - (len - 1)..] {
            self.step(byte);
        }
        bytes.len()
    }

    /// Where the first sentinel in `bytes` ends.
    fn locate(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.sentinel.bytes {
            [byte] => self.count(bytes, memchr(*byte, bytes).map(|start| start + 1)),
            // The end of a line. Preparing memmem takes longer than such a search, so we first look
            // for the second byte alone; it is rare without the first.
            [first, second] if first != second => {
                let end = self.count(bytes, memchr(*second, bytes).map(|start| start + 1))?;
                let start = end.saturating_sub(2);
                if end >= 2 && self.is_same(bytes[start], *first) {
                    return Some(end);
                }
                Some(end + self.locate_any(&bytes[end..])?)
            }
            _ => self.locate_any(bytes),
        }
    }

    fn locate_any(&mut self, bytes: &[u8]) -> Option<usize> {
        let sentinel = self.sentinel.bytes;
        self.count(bytes, memmem::find(bytes, sentinel).map(|start| start + sentinel.len()))
    }

    /// Counts the comparisons that it took to find `end` in `bytes`.
    fn count(&mut self, bytes: &[u8], end: Option<usize>) -> Option<usize> {
        *self.scanned += end.unwrap_or(bytes.len()) as u64;
        end
    }

    fn is_same(&mut self, a: u8, b: u8) -> bool {
        *self.scanned += 1;
        a == b
    }

    fn step(&mut self, byte: u8) {
        loop {
            if self.is_same(self.sentinel.bytes[self.matched], byte) {
                self.matched += 1;
                return;
            }
            if self.matched == 0 {
                return;
            }
            self.matched = self.sentinel.border(self.matched);
        }
    }
}
