//! Where a record ends in what arrives, and how large the next one is that is sent.
//!
//! It must never know what is in a record.

use core::time::Duration;

use crate::time::Instant;

/// Finds the end of each record: a header of five bytes, of which the last two are the length of
/// what follows (RFC 8446, 5.1).
///
/// `header <= 5`; `left` is the rest of the body, once `header == 5`.
#[derive(Debug, Default)]
pub(super) struct RecordEnd {
    header: u8,
    high: u8,
    left: usize,
    /// Bytes of this record so far.
    seen: usize,
}

impl RecordEnd {
    const HEADER: u8 = 5;

    /// How many of the bytes belong to the record that they begin or continue: at least one, if
    /// there are any.
    pub(super) fn find(&mut self, bytes: &[u8]) -> usize {
        let mut n = 0;
        while self.header < Self::HEADER {
            let Some(&byte) = bytes.get(n) else { break };
            n += 1;
            self.header += 1;
            match self.header {
                4 => self.high = byte,
                5 => self.left = u16::from_be_bytes([self.high, byte]).into(),
                _ => {}
            }
        }
        if self.header == Self::HEADER {
            let body = self.left.min(bytes.len() - n);
            n += body;
            self.left -= body;
        }
        self.seen += n;
        if self.header == Self::HEADER && self.left == 0 {
            *self = RecordEnd::default();
        }
        n
    }

    /// The number of bytes of a record that is not complete.
    pub(super) fn held(&self) -> usize {
        self.seen
    }
}

/// How much of what is queued goes into the next record.
///
/// A peer can use nothing of a record before it has all of it. At the beginning, and after a pause,
/// a sender may have only some ten segments on their way (RFC 6928): a record of 16 KiB would not
/// fit in, and its first byte would come a round trip later. So the first records fit into one
/// segment each; after that, large ones cost least. Precedents: Go's `crypto/tls`, the "dynamic TLS
/// records" of Cloudflare for nginx (whose size, and whose second of a pause, are used here),
/// HAProxy's `tune.ssl.idle-timeout`.
#[derive(Debug)]
pub(super) struct RecordSize {
    /// Small records that are still to come.
    small: u8,
    latest: Instant,
}

impl RecordSize {
    /// Fits, with TLS' own bytes, IPv6 and the options of TCP, into an Ethernet frame.
    pub(super) const SMALL: usize = 1369;
    /// The most that a record can hold.
    pub(super) const LARGE: usize = 16 << 10;
    const SMALL_ONES: u8 = 10;
    const PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn new(now: Instant) -> Self {
        RecordSize { small: Self::SMALL_ONES, latest: now }
    }

    /// The most bytes for the record that is made now.
    pub(super) fn next(&mut self, now: Instant) -> usize {
        if now >= self.latest + Self::PAUSE {
            self.small = Self::SMALL_ONES;
        }
        self.latest = now;
        match self.small.checked_sub(1) {
            Some(small) => {
                self.small = small;
                Self::SMALL
            }
            None => Self::LARGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn record(body: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(body).unwrap().to_be_bytes();
        let mut record = vec![23, 3, 3, high, low];
        record.resize(5 + body, 0);
        record
    }

    #[test]
    fn records_end_where_they_end_however_they_are_cut() {
        let bodies = [0, 1, 300, 0, 2];
        let stream: Vec<u8> = bodies.iter().flat_map(|&body| record(body)).collect();
        for piece in 1..=stream.len() {
            let (mut end, mut ends, mut at) = (RecordEnd::default(), Vec::new(), 0);
            for mut bytes in stream.chunks(piece) {
                while !bytes.is_empty() {
                    let n = end.find(bytes);
                    assert!(n > 0);
                    at += n;
                    bytes = &bytes[n..];
                    if end.held() == 0 {
                        ends.push(at);
                    }
                }
            }
            assert_eq!(ends, [5, 11, 316, 321, 328], "pieces of {piece}");
        }
    }

    #[test]
    fn the_first_records_are_small_and_so_are_those_after_a_pause() {
        let start = Instant::ORIGIN;
        let mut size = RecordSize::new(start);
        let mut smalls = |at| {
            let sizes: Vec<_> = (0..12).map(|_| size.next(at)).collect();
            sizes.iter().filter(|&&size| size == RecordSize::SMALL).count()
        };
        assert_eq!(smalls(start), 10);
        assert_eq!(smalls(start + RecordSize::PAUSE / 2), 0);
        assert_eq!(smalls(start + 2 * RecordSize::PAUSE), 10);
    }
}
