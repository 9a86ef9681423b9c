//! The ways in which bytes can be cut.
//!
//! TCP keeps the order of bytes and nothing else: one write may arrive in many reads, and many
//! writes in one. The output of a machine must not depend on that.

use alloc::vec;
use alloc::vec::Vec;

use super::Random;

/// Where to cut: distinct positions in ascending order, none at either end.
///
/// Example: see [`pieces`].
pub type Cut = Vec<usize>;

/// Up to this length, every cut in two is tried.
///
/// Example: see [`all`].
pub const EVERY: usize = 4096;
/// Beyond it, this many cuts are drawn at random.
///
/// Example: see [`all`].
pub const DRAWN: usize = 1000;

/// The cuts to try for `len` bytes with the given boundaries in them (ends of messages, of blocks,
/// of limits): none at all; every two-way cut up to [`EVERY`], beyond it the boundaries ± 2 and
/// [`DRAWN`] drawn ones; byte by byte; and some at several places, drawn.
///
/// ```
/// use diesel_proto::testkit::{Random, cuts};
///
/// let cuts = cuts::all(4, &[], &mut Random::new(1));
/// for cut in [vec![], vec![1], vec![2], vec![3], vec![1, 2, 3]] {
///     assert!(cuts.contains(&cut));
/// }
/// ```
pub fn all(len: usize, boundaries: &[usize], random: &mut Random) -> Vec<Cut> {
    let mut cuts = vec![Vec::new()];
    if len <= EVERY {
        cuts.extend((1..len).map(|at| vec![at]));
    } else {
        let near = |&at: &usize| at.saturating_sub(2)..=at.saturating_add(2);
        let mut places: Vec<usize> = boundaries.iter().flat_map(near).collect();
        places.extend((0..DRAWN).map(|_| random.below(len as u64) as usize));
        places.sort_unstable();
        places.dedup();
        places.retain(|&at| at > 0 && at < len);
        cuts.extend(places.into_iter().map(|at| vec![at]));
    }
    cuts.push(bytewise(len));
    cuts.extend((0..16).map(|_| several(len, random)));
    cuts
}

/// Cuts byte by byte. Each byte costs a step, so of a long input only the beginning is cut.
///
/// ```
/// assert_eq!(diesel_proto::testkit::cuts::bytewise(4), [1, 2, 3]);
/// ```
pub fn bytewise(len: usize) -> Cut {
    (1..len.min(EVERY)).collect()
}

/// A random cut at several places, few or many.
///
/// Example: see [`all`].
pub fn several(len: usize, random: &mut Random) -> Cut {
    let longest = 1 + random.below(1 + len as u64 / 2);
    let mut cut = Vec::new();
    let mut at = 0;
    loop {
        at += 1 + random.below(longest) as usize;
        if at >= len {
            return cut;
        }
        cut.push(at);
    }
}

/// The pieces of `bytes` after the cut. None is empty if no position is at an end.
///
/// ```
/// use diesel_proto::testkit::cuts;
///
/// let pieces: Vec<&[u8]> = cuts::pieces(b"hello", &[1, 3]).collect();
/// assert_eq!(pieces, [&b"h"[..], b"el", b"lo"]);
/// ```
pub fn pieces<'a>(bytes: &'a [u8], cut: &'a [usize]) -> impl Iterator<Item = &'a [u8]> + 'a {
    let starts = core::iter::once(0).chain(cut.iter().copied());
    let ends = cut.iter().copied().chain(core::iter::once(bytes.len()));
    starts.zip(ends).filter_map(|(start, end)| bytes.get(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_input_is_cut_everywhere() {
        let cuts = all(4, &[], &mut Random::new(1));
        for cut in [vec![], vec![1], vec![2], vec![3], vec![1, 2, 3]] {
            assert!(cuts.contains(&cut), "{cut:?}");
        }
    }

    #[test]
    fn a_long_input_is_cut_around_its_boundaries() {
        let cuts = all(100_000, &[65_536], &mut Random::new(1));
        for at in 65_534..=65_538 {
            assert!(cuts.contains(&vec![at]), "{at}");
        }
        assert!(cuts.len() > DRAWN / 2);
    }

    #[test]
    fn pieces_are_the_whole() {
        let bytes = b"abcdefgh";
        for cut in all(bytes.len(), &[], &mut Random::new(2)) {
            assert_eq!(pieces(bytes, &cut).collect::<Vec<_>>().concat(), bytes);
            assert!(pieces(bytes, &cut).all(|piece| !piece.is_empty()));
        }
        assert_eq!(pieces(b"", &[]).collect::<Vec<_>>().concat(), b"");
    }
}
