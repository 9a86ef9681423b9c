//! Generators for quickcheck (feature `quickcheck`): lines, cuts, stimuli, sequences of operations.
//!
//! Small values are the likeliest, lengths near limits and block sizes are frequent, and every
//! value shrinks. The types wrap what they generate, so the signature of a property shows its
//! input:
//!
//! ```
//! use diesel_proto::LineEcho;
//! use diesel_proto::testkit::generators::Session;
//! use diesel_proto::testkit::laws::Laws;
//!
//! fn lawful(session: Session) {
//!     Laws::of(LineEcho::default).few_cuts().assert(&session.0);
//! }
//! quickcheck::QuickCheck::new().tests(20).quickcheck(lawful as fn(Session));
//! ```
//!
//! It must never know a protocol: to generate a session of one, draw its messages and join them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use quickcheck::{Arbitrary, Gen};

use super::Stimulus;
use super::cuts::Cut;
use super::stimulus;
use crate::machine::{Cause, Reason};

/// Lengths near which behaviour may change: sizes of blocks and references, usual limits.
const EDGES: [usize; 9] = [0, 1, 13, 64, 107, 1024, 4096, 16 << 10, 64 << 10];

/// A length: mostly small, now and then one next to an edge of at most a hundred times the size of
/// `g`.
///
/// Example: see the [module](self).
pub fn length(g: &mut Gen) -> usize {
    match u8::arbitrary(g) % 16 {
        0 => {
            let edge = EDGES[usize::arbitrary(g) % EDGES.len()].min(g.size().saturating_mul(100));
            edge.saturating_sub(1) + usize::arbitrary(g) % 3
        }
        1..=3 => usize::arbitrary(g) % g.size().max(1),
        _ => usize::arbitrary(g) % 12,
    }
}

/// A line, its end included: LF, CR LF, or, now and then, none.
///
/// Example: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLine(pub Vec<u8>);

impl Arbitrary for TextLine {
    fn arbitrary(g: &mut Gen) -> Self {
        let len = length(g);
        let mut line: Vec<u8> = match u8::arbitrary(g) % 8 {
            // Any bytes, line ends included.
            0 => (0..len).map(|_| u8::arbitrary(g)).collect(),
            1 => core::iter::repeat_n(b'x', len).collect(),
            _ => (0..len).map(|_| b' ' + u8::arbitrary(g) % 95).collect(),
        };
        let end: &[u8] = match u8::arbitrary(g) % 8 {
            0 => b"",
            1 => b"\r",
            2..=4 => b"\n",
            _ => b"\r\n",
        };
        line.extend_from_slice(end);
        TextLine(line)
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(TextLine))
    }
}

/// Many lines, joined.
///
/// Example: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLines(pub Vec<u8>);

impl Arbitrary for TextLines {
    fn arbitrary(g: &mut Gen) -> Self {
        let lines: Vec<TextLine> = some(g);
        TextLines(lines.into_iter().flat_map(|line| line.0).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(TextLines))
    }
}

/// Where to cut, independent of the length: see [`of`](Self::of).
///
/// Example: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts(pub Vec<u16>);

impl Cuts {
    /// The cut for an input of `len` bytes.
    pub fn of(&self, len: usize) -> Cut {
        let inner = len.saturating_sub(1);
        let places = self.0.iter().filter_map(|&at| usize::from(at).checked_rem(inner));
        let mut cut: Vec<usize> = places.map(|at| at + 1).collect();
        cut.sort_unstable();
        cut.dedup();
        cut
    }
}

impl Arbitrary for Cuts {
    fn arbitrary(g: &mut Gen) -> Self {
        Cuts(some(g))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Cuts))
    }
}

impl Arbitrary for Stimulus {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 36 {
            0 => Stimulus::Eof,
            1 => Stimulus::Reset,
            2 => Stimulus::Shutdown,
            3..=4 => Stimulus::Wake,
            5..=6 => Stimulus::Wait(Duration::from_secs(u16::arbitrary(g).into())),
            32 => Stimulus::Cut(Cause::TimedOut(Reason::Idle)),
            33 => Stimulus::WriteFailed,
            34 => Stimulus::Blocked,
            35 => Stimulus::Writable,
            7..=10 => Stimulus::Wait(Duration::from_millis(u16::arbitrary(g).into())),
            11..=24 => Stimulus::Bytes(TextLine::arbitrary(g).0),
            _ => Stimulus::Bytes(TextLines::arbitrary(g).0),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self {
            Stimulus::Bytes(bytes) => Box::new(bytes.shrink().map(Stimulus::Bytes)),
            Stimulus::Wait(duration) => Box::new(duration.shrink().map(Stimulus::Wait)),
            _ => quickcheck::empty_shrinker(),
        }
    }
}

/// A whole session of one stream: its stimuli in order.
///
/// Example: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(pub Vec<Stimulus>);

impl Arbitrary for Session {
    fn arbitrary(g: &mut Gen) -> Self {
        Session(stimulus::joined(&some::<Stimulus>(g)))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Session))
    }
}

/// A sequence of operations, usually shorter than a `Vec` that quickcheck generates.
///
/// Example: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations<Op>(pub Vec<Op>);

impl<Op: Arbitrary> Arbitrary for Operations<Op> {
    fn arbitrary(g: &mut Gen) -> Self {
        Operations(some(g))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Operations))
    }
}

fn some<T: Arbitrary>(g: &mut Gen) -> Vec<T> {
    let most = if bool::arbitrary(g) { 6 } else { g.size().max(1) };
    (0..usize::arbitrary(g) % most).map(|_| T::arbitrary(g)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cuts::pieces;
    use super::*;

    #[test]
    fn cuts_are_within_and_ascend() {
        fn property(cuts: Cuts, text: TextLines) -> bool {
            let cut = cuts.of(text.0.len());
            cut.windows(2).all(|pair| pair[0] < pair[1])
                && cut.iter().all(|&at| at > 0 && at < text.0.len())
                && pieces(&text.0, &cut).collect::<Vec<_>>().concat() == text.0
        }
        quickcheck::quickcheck(property as fn(Cuts, TextLines) -> bool);
    }

    #[test]
    fn everything_that_can_happen_is_drawn() {
        let mut g = Gen::new(100);
        let drawn: Vec<_> = (0..2000).map(|_| Stimulus::arbitrary(&mut g)).collect();
        for stimulus in [
            Stimulus::Eof,
            Stimulus::Reset,
            Stimulus::Cut(Cause::TimedOut(Reason::Idle)),
            Stimulus::WriteFailed,
            Stimulus::Blocked,
            Stimulus::Writable,
            Stimulus::Wake,
            Stimulus::Shutdown,
        ] {
            assert!(drawn.contains(&stimulus), "{stimulus:?}");
        }
        let longest = drawn.iter().map(|it| stimulus::len(core::slice::from_ref(it))).max();
        assert!(longest > Some(4096));
    }
}
