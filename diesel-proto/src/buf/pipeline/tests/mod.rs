//! The pipeline, compared with a plain list of bytes and file regions.

extern crate std;

mod memory;

use alloc::vec::Vec;
use core::mem;
use memory::addresses;

use super::*;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::{format, vec};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Debug, Clone)]
enum Op {
    /// How many bytes.
    Push(usize),
    /// How many bytes, and how many were expected.
    PushWith(usize, usize),
    PushBytes(usize),
    External(u64),
    /// How many bytes; whether they are queued elsewhere, and half of them sent, before the rest
    /// is appended.
    Append(Vec<Op>),
    Advance(u64),
    /// How many bytes are taken out, to be reported by a later `Advance`.
    Take(usize),
    /// How many bytes are dropped from the end.
    Truncate(u64),
}

impl Op {
    fn simple(g: &mut Gen) -> Self {
        let n = match u8::arbitrary(g) {
            0..=3 => 60_000 + usize::arbitrary(g) % 80_000,
            4..=40 => 3_900 + usize::arbitrary(g) % 400,
            41..=60 => usize::arbitrary(g) % 20_000,
            61.. => usize::arbitrary(g) % 30,
        };
        match u8::arbitrary(g) % 14 {
            0..=2 => Op::Push(n),
            3 if bool::arbitrary(g) => Op::PushWith(n, n),
            3 => Op::PushWith(n, usize::arbitrary(g) % 5_000),
            4..=5 => Op::PushBytes(n),
            6 => Op::External(n as u64),
            7 if n == 0 => Op::Advance(u64::MAX),
            10 => Op::Truncate(n as u64),
            11 if n == 0 => Op::Take(usize::MAX),
            11..=12 => Op::Take(n),
            _ => Op::Advance(n as u64),
        }
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        if u8::arbitrary(g) % 8 > 0 {
            return Op::simple(g);
        }
        Op::Append((0..usize::arbitrary(g) % 6).map(|_| Op::simple(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self {
            Op::Push(n) => Box::new(n.shrink().map(Op::Push)),
            Op::PushWith(n, expected) => {
                Box::new((*n, *expected).shrink().map(|(n, expected)| Op::PushWith(n, expected)))
            }
            Op::PushBytes(n) => Box::new(n.shrink().map(Op::PushBytes)),
            Op::External(n) => Box::new(n.shrink().map(Op::External)),
            Op::Advance(n) => Box::new(n.shrink().map(Op::Advance)),
            Op::Take(n) => Box::new(n.shrink().map(Op::Take)),
            Op::Truncate(n) => Box::new(n.shrink().map(Op::Truncate)),
            Op::Append(ops) => Box::new(ops.shrink().map(Op::Append)),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Bytes(Vec<u8>),
    External(FileRegion),
}

#[derive(Default)]
struct Model(VecDeque<Piece>);

impl Model {
    fn push(&mut self, bytes: &[u8]) {
        match self.0.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.0.push_back(Piece::Bytes(bytes.to_vec())),
        }
    }

    fn append(&mut self, other: Model) {
        for piece in other.0 {
            match piece {
                Piece::Bytes(bytes) => self.push(&bytes),
                file_region => self.0.push_back(file_region),
            }
        }
    }

    fn len(&self) -> u64 {
        let len = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::External(file_region) => file_region.len,
        };
        self.0.iter().map(len).sum()
    }

    fn truncate(&mut self, keep: u64) {
        while self.len() > keep {
            let excess = self.len() - keep;
            match self.0.back_mut() {
                Some(Piece::Bytes(bytes)) if bytes.len() as u64 > excess => {
                    bytes.truncate(bytes.len() - excess as usize);
                }
                Some(Piece::External(file_region)) if file_region.len > excess => {
                    file_region.len -= excess
                }
                _ => _ = self.0.pop_back(),
            }
        }
    }

    /// All bytes up to a file region are one piece: no call goes beyond it.
    fn advance(&mut self, n: u64) -> u64 {
        let (done, is_empty) = match self.0.front_mut() {
            None => return 0,
            Some(Piece::Bytes(bytes)) => {
                let done = n.min(bytes.len() as u64);
                bytes.drain(..done as usize);
                (done, bytes.is_empty())
            }
            Some(Piece::External(file_region)) => {
                let done = n.min(file_region.len);
                file_region.offset += done;
                file_region.len -= done;
                (done, file_region.len == 0)
            }
        };
        if is_empty {
            self.0.pop_front();
        }
        done
    }
}

/// Both, and where their bytes come from: no two neighbours are the same.
struct Pair {
    pipeline: Pipeline,
    model: Model,
    sent: u64,
    /// What was taken and not reported: the first bytes of the model.
    out: Vec<Bytes>,
}

impl Pair {
    fn new() -> Self {
        Pair { pipeline: Pipeline::new(), model: Model::default(), sent: 0, out: Vec::new() }
    }

    fn taken(&self) -> usize {
        self.out.iter().map(Bytes::len).sum()
    }

    /// The bytes that come next, up to a file region, those that are taken out included.
    fn next_bytes(&self) -> Vec<u8> {
        match self.model.0.front() {
            Some(Piece::Bytes(bytes)) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    fn apply(&mut self, op: &Op, next: &mut u32, blocks: &mut Blocks) {
        let mut bytes = |n: usize| -> Vec<u8> {
            *next += n as u32;
            (*next - n as u32..*next).map(|i| (i % 251) as u8).collect()
        };
        match op {
            Op::Push(n) => {
                let bytes = bytes(*n);
                self.model.push(&bytes);
                self.pipeline.push(&bytes, blocks).unwrap();
            }
            Op::PushWith(n, expected) => {
                let bytes = bytes(*n);
                self.model.push(&bytes);
                let write = |out: &mut Tail<'_>| out.extend_from_slice(&bytes);
                self.pipeline.push_with(*expected, blocks, write).unwrap();
            }
            Op::PushBytes(n) => {
                let bytes = bytes(*n);
                self.model.push(&bytes);
                self.pipeline.push_bytes(bytes.into(), blocks).unwrap();
            }
            Op::External(len) => {
                *next += 1;
                let file_region = FileRegion { id: u64::from(*next), offset: 7, len: *len };
                if *len > 0 {
                    self.model.0.push_back(Piece::External(file_region));
                }
                self.pipeline.push_file_region(file_region).unwrap();
            }
            Op::Advance(n) => {
                let expected = self.model.advance(*n);
                let mut reported = expected as usize;
                while reported > 0 && !self.out.is_empty() {
                    let n = self.out[0].len().min(reported);
                    reported -= n;
                    let _ = self.out[0].split_to(n);
                    self.out.retain(|segment| !segment.is_empty());
                }
                assert_eq!(self.pipeline.advance(*n, blocks), expected);
                self.sent += expected;
            }
            Op::Truncate(n) => {
                let asked = self.model.len().saturating_sub(*n);
                let keep = asked.max(self.taken() as u64);
                let expected = self.model.len() - keep;
                self.model.truncate(keep);
                assert_eq!(self.pipeline.truncate(asked, blocks), expected);
            }
            Op::Take(n) => {
                let stored = self.next_bytes().len() - self.taken();
                let taken = self.pipeline.take_segments(*n, &mut self.out, blocks);
                assert_eq!(taken, stored.min(*n));
            }
            Op::Append(ops) => {
                let mut other = Pair::new();
                for op in ops {
                    other.apply(op, next, blocks);
                }
                // First a part, then the rest: the result is the same as of all at once.
                let part = match other.model.0.front() {
                    Some(Piece::Bytes(bytes)) => (bytes.len() - other.taken()) as u64 / 2,
                    Some(Piece::External(file_region)) => file_region.len,
                    None => 0,
                };
                let before = self.pipeline.len();
                self.pipeline.append_first(part, &mut other.pipeline, blocks).unwrap();
                assert_eq!(self.pipeline.len() - before, part);
                self.pipeline.append(&mut other.pipeline, blocks).unwrap();
                let mut rest = mem::take(&mut other.model);
                let out = other.out.concat();
                if let Some(Piece::Bytes(bytes)) = rest.0.front_mut().filter(|_| !out.is_empty()) {
                    bytes.drain(..out.len());
                    rest.0.retain(|piece| *piece != Piece::Bytes(Vec::new()));
                    other.model.push(&out);
                }
                self.model.append(rest);
                other.check();
            }
        }
        self.check();
    }

    fn check(&self) {
        let pipeline = &self.pipeline;
        assert_eq!(pipeline.len(), self.model.len());
        assert_eq!(pipeline.is_empty(), self.model.0.is_empty());
        assert_eq!(pipeline.sent(), self.sent);
        assert_eq!(count(pipeline), pipeline.len());
        if pipeline.is_empty() {
            assert!(pipeline.stored.is_none());
        }
        let next_bytes = match self.model.0.front() {
            Some(Piece::Bytes(bytes)) => {
                assert_eq!(pipeline.file_region(), None);
                bytes.clone()
            }
            Some(Piece::External(file_region)) => {
                assert_eq!(pipeline.file_region(), Some(*file_region));
                Vec::new()
            }
            None => {
                assert_eq!(pipeline.file_region(), None);
                Vec::new()
            }
        };
        let out = self.out.concat();
        assert!(self.out.iter().all(|segment| !segment.is_empty()));
        assert_eq!(next_bytes[..out.len()], out);
        let mut all = vec![&[][..]; 500];
        let n = pipeline.slices(&mut all);
        assert!(n < all.len() && all[..n].iter().all(|slice| !slice.is_empty()));
        assert_eq!(all[..n].concat(), next_bytes[out.len()..]);
        for room in [0, 1, 2, n.saturating_sub(1), n, n + 1] {
            let mut some = vec![&[][..]; room];
            assert_eq!(pipeline.slices(&mut some), n.min(room));
            assert_eq!(some[..n.min(room)], all[..n.min(room)]);
        }
    }
}

fn behaves_like_a_list(ops: Vec<Op>) {
    let mut blocks = Blocks::new();
    let (mut pair, mut next) = (Pair::new(), 0);
    for op in ops {
        pair.apply(&op, &mut next, &mut blocks);
    }
    while !pair.pipeline.is_empty() {
        pair.apply(&Op::Advance(u64::MAX), &mut next, &mut blocks);
    }
}

fn stored(pipeline: &Pipeline) -> &Stored {
    pipeline.stored.as_deref().unwrap()
}

fn count(pipeline: &Pipeline) -> u64 {
    pipeline.stored.as_ref().map_or(0, |stored| stored.count())
}

#[test]
fn a_pipeline_behaves_like_a_list() {
    QuickCheck::new().tests(400).quickcheck(behaves_like_a_list as fn(Vec<Op>));
}

/// The slices that are offered, and the address of each.
#[test]
fn a_close_takes_effect_when_all_is_sent_and_refuses_further_bytes() {
    let mut blocks = Blocks::new();
    let (mut pipeline, mut other) = (Pipeline::new(), Pipeline::new());
    other.push(b"other", &mut blocks).unwrap();
    pipeline.push(b"bye", &mut blocks).unwrap();
    assert!(!pipeline.is_closing());
    pipeline.close();
    assert!(pipeline.is_closing() && !pipeline.is_finished());

    let file_region = FileRegion { id: 1, offset: 0, len: 1 };
    let large = Bytes::from_static(&[0; 5000]);
    assert_eq!(pipeline.push(b"more", &mut blocks), Err(Closed));
    assert_eq!(pipeline.push_bytes(large, &mut blocks), Err(Closed));
    assert_eq!(pipeline.push_file_region(file_region), Err(Closed));
    assert_eq!(pipeline.append(&mut other, &mut blocks), Err(Closed));
    assert!(fmt::Write::write_str(&mut pipeline.writer(&mut blocks), "more").is_err());
    assert_eq!(Closed.to_string(), "the pipeline is closing and takes no more bytes");
    assert_eq!((pipeline.len(), other.len()), (3, 5));

    assert_eq!(pipeline.advance(2, &mut blocks), 2);
    assert!(!pipeline.is_finished());
    assert_eq!(pipeline.advance(9, &mut blocks), 1, "more than there is");
    assert!(pipeline.is_finished());
    assert_eq!(pipeline.sent(), 3);
}

#[test]
fn reporting_more_bytes_sent_than_queued_drops_no_region() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let region = |id| FileRegion { id, offset: 0, len: 100 };
    pipeline.push(b"head", &mut blocks).unwrap();
    pipeline.push_bytes(vec![b'x'; 5_000].into(), &mut blocks).unwrap();
    pipeline.push_file_region(region(1)).unwrap();
    pipeline.push_file_region(region(2)).unwrap();
    pipeline.push(b"tail", &mut blocks).unwrap();
    assert_eq!(pipeline.advance(6_000, &mut blocks), 5_004);
    assert_eq!(pipeline.file_region(), Some(region(1)));
    assert_eq!(pipeline.advance(1_000, &mut blocks), 100);
    assert_eq!(pipeline.file_region(), Some(region(2)));
    assert_eq!(pipeline.advance(100, &mut blocks), 100);
    assert_eq!((pipeline.len(), pipeline.sent()), (4, 5_204));
}

#[test]
fn what_is_cleared_is_gone_and_was_not_sent() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    for n in 0..4 {
        pipeline.push(&[b'x'; 100_000], &mut blocks).unwrap();
        pipeline.advance(7, &mut blocks);
        pipeline.push_bytes(vec![b'x'; 5_000].into(), &mut blocks).unwrap();
        pipeline.push_file_region(FileRegion { id: 1, offset: 0, len: u64::MAX }).unwrap();
        pipeline.clear(&mut blocks);
        assert_eq!((pipeline.len(), count(&pipeline), pipeline.sent()), (0, 0, 7 * (n + 1)));
        assert!(pipeline.is_empty());
    }
    pipeline.push(b"more", &mut blocks).unwrap();
    assert_eq!(pipeline.advance(9, &mut blocks), 4);
}

#[test]
fn more_than_a_u64_can_count_is_still_all_there() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    for id in 0..2 {
        pipeline.push_file_region(FileRegion { id, offset: u64::MAX - 1, len: u64::MAX }).unwrap();
    }
    pipeline.push(b"end", &mut blocks).unwrap();
    assert_eq!(pipeline.advance(u64::MAX, &mut blocks), u64::MAX);
    assert_eq!(pipeline.file_region().map(|it| it.id), Some(1));
    assert_eq!(pipeline.advance(u64::MAX, &mut blocks), u64::MAX);
    assert_eq!(pipeline.len(), 3);
    assert_eq!(pipeline.advance(u64::MAX, &mut blocks), 3);
    assert!(pipeline.is_empty());
}

#[test]
fn debug_shows_how_much_there_is_and_no_byte_of_it() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    pipeline.push(b"secret", &mut blocks).unwrap();
    pipeline.advance(1, &mut blocks);
    assert_eq!(format!("{pipeline:?}"), "Pipeline { len: 5, sent: 1, is_closing: false, .. }");
}

#[test]
fn a_pipeline_is_small_and_can_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<Pipeline>();
    assert_eq!(size_of::<Pipeline>(), 24);
}

#[test]
fn what_is_taken_is_not_copied_where_it_is_large() {
    let (mut blocks, mut pipeline) = (Blocks::new(), Pipeline::new());
    let large = Bytes::from(vec![b'x'; 10_000]);
    pipeline.push(b"head", &mut blocks).unwrap();
    pipeline.push_bytes(large.clone(), &mut blocks).unwrap();
    pipeline.push(&[b'y'; 3 * Blocks::LARGE], &mut blocks).unwrap();
    // One full block is all behind the large bytes; the first holds bytes before and behind them.
    let before = addresses(&pipeline);
    let mut segments = Vec::new();
    assert_eq!(pipeline.take_segments(usize::MAX, &mut segments, &mut blocks), 206_612);
    assert_eq!(segments[0], b"head"[..]);
    assert_eq!(segments[1].as_ptr(), large.as_ptr());
    let taken: Vec<_> = segments.iter().map(|segment| segment.as_ptr()).collect();
    assert_eq!(taken.len(), before.len());
    let moved = taken.iter().zip(&before).filter(|(taken, before)| taken != before).count();
    // The head, and what shares its block.
    assert_eq!(moved, 2, "{before:?} {taken:?}");
    assert_eq!(pipeline.advance(u64::MAX, &mut blocks), 206_612);
    assert!(pipeline.is_empty());
}

#[test]
fn what_was_taken_before_a_clear_is_not_counted_after_it() {
    let (mut blocks, mut pipeline) = (Blocks::new(), Pipeline::new());
    pipeline.push(b"0123456789", &mut blocks).unwrap();
    let mut segments = Vec::new();
    assert_eq!(pipeline.take_segments(4, &mut segments, &mut blocks), 4);
    pipeline.close();
    assert!(!pipeline.is_finished());
    pipeline.clear(&mut blocks);
    assert!(pipeline.is_finished());
    assert_eq!((pipeline.advance(4, &mut blocks), pipeline.sent()), (0, 0));
    assert_eq!(segments, ["0123"]);
}
