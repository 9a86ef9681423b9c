//! Compares `Pipeline` with a plain list of bytes and file regions.

use std::collections::VecDeque;
use std::fmt::Write;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::{Blocks, Closed, FileRegion, Pipeline};

#[derive(Arbitrary, Debug)]
enum Op {
    Push(u16),
    Small(u8),
    PushBytes(u16),
    External {
        offset: u64,
        len: u64,
    },
    Text(u16),
    /// Queued elsewhere, partly sent there, then appended.
    Append {
        ops: Vec<Simple>,
        sent: u32,
    },
    Advance(u16),
    AdvanceFar(u64),
    Slices(u8),
    Close,
    Clear,
    /// Takes bytes out; a later `Advance` reports them.
    Take(u16),
}

/// The operations on the pipeline that is appended.
#[derive(Arbitrary, Debug)]
enum Simple {
    Push(u16),
    PushBytes(u16),
    External(u64),
    Close,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Bytes(VecDeque<u8>),
    External(FileRegion),
}

/// A pipeline and its model.
#[derive(Default)]
struct Pair {
    pipeline: Pipeline,
    model: VecDeque<Piece>,
    sent: u64,
    closed: bool,
    /// How many of the first bytes were taken and are not reported yet.
    taken: usize,
}

/// Generates bytes of which no two neighbours are the same.
#[derive(Default)]
struct Source(u32);

impl Source {
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let start = self.0;
        self.0 = self.0.wrapping_add(n as u32);
        (0..n as u32).map(|i| (start.wrapping_add(i) % 251) as u8).collect()
    }
}

/// A sequence of operations on a pipeline.
pub fn pipeline(data: &[u8]) {
    let mut pair = Pair::default();
    let mut blocks = Blocks::new();
    let mut source = Source::default();
    let mut input = Unstructured::new(data);
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        pair.apply(op, &mut source, &mut blocks);
        pair.check();
    }
    // Everything comes out in the end.
    while !pair.pipeline.is_empty() {
        pair.advance(u64::MAX, &mut blocks);
        pair.check();
    }
    assert!(pair.model.is_empty());
    assert_eq!(pair.pipeline.is_finished(), pair.closed);
}

impl Pair {
    fn apply(&mut self, op: Op, source: &mut Source, blocks: &mut Blocks) {
        match op {
            Op::Push(n) => self.push(source.bytes(n.into()), blocks),
            Op::Small(n) => self.push(source.bytes(n.into()), blocks),
            Op::PushBytes(n) => self.push_bytes(source.bytes(n.into()), blocks),
            Op::External { offset, len } => self.push_file_region(offset, len),
            Op::Text(n) => {
                let text = "text ".repeat(usize::from(n) / 5);
                let written = self.pipeline.writer(blocks).write_str(&text);
                assert_eq!(written.is_err(), self.closed);
                self.model_push(text.as_bytes());
            }
            Op::Append { ops, sent } => self.append(ops, sent, source, blocks),
            Op::Advance(n) => self.advance(n.into(), blocks),
            Op::AdvanceFar(n) => self.advance(n, blocks),
            Op::Slices(most) => self.check_slices(most.into()),
            Op::Close => {
                self.pipeline.close();
                self.closed = true;
            }
            Op::Clear => {
                self.pipeline.clear(blocks);
                self.model.clear();
                self.taken = 0;
            }
            Op::Take(most) => self.take(most.into(), blocks),
        }
    }

    fn push(&mut self, bytes: Vec<u8>, blocks: &mut Blocks) {
        self.expect(|it| it.push(&bytes, blocks));
        self.model_push(&bytes);
    }

    fn push_bytes(&mut self, bytes: Vec<u8>, blocks: &mut Blocks) {
        self.model_push(&bytes);
        self.expect(|it| it.push_bytes(bytes.into(), blocks));
    }

    fn push_file_region(&mut self, offset: u64, len: u64) {
        let file_region = FileRegion { id: self.model.len() as u64, offset, len };
        self.expect(|it| it.push_file_region(file_region));
        if len > 0 && !self.closed {
            self.model.push_back(Piece::External(file_region));
        }
    }

    fn append(&mut self, ops: Vec<Simple>, sent: u32, source: &mut Source, blocks: &mut Blocks) {
        let mut other = Pair::default();
        for op in ops {
            match op {
                Simple::Push(n) => other.push(source.bytes(n.into()), blocks),
                Simple::PushBytes(n) => other.push_bytes(source.bytes(n.into()), blocks),
                Simple::External(len) => other.push_file_region(7, len),
                Simple::Close => {
                    other.pipeline.close();
                    other.closed = true;
                }
            }
        }
        other.advance(sent.into(), blocks);
        self.expect(|it| it.append(&mut other.pipeline, blocks));
        assert_eq!(other.pipeline.is_closing(), other.closed, "appending does not close the other");
        if self.closed {
            other.check();
            return;
        }
        assert!(other.pipeline.is_empty());
        for piece in other.model {
            match piece {
                Piece::Bytes(bytes) => self.model_push(&Vec::from(bytes)),
                file_region => self.model.push_back(file_region),
            }
        }
    }

    /// All bytes before a file region are one piece: no call goes beyond it.
    fn advance(&mut self, n: u64, blocks: &mut Blocks) {
        let (done, is_empty) = match self.model.front_mut() {
            None => (0, false),
            Some(Piece::Bytes(bytes)) => {
                let done = n.min(bytes.len() as u64);
                bytes.drain(..done as usize);
                (done, bytes.is_empty())
            }
            Some(Piece::External(file_region)) => {
                let done = n.min(file_region.len);
                file_region.offset = file_region.offset.saturating_add(done);
                file_region.len -= done;
                (done, file_region.len == 0)
            }
        };
        if is_empty {
            self.model.pop_front();
        }
        assert_eq!(self.pipeline.advance(n, blocks), done);
        self.sent = self.sent.saturating_add(done);
        self.taken = self.taken.saturating_sub(done as usize);
    }

    fn take(&mut self, most: usize, blocks: &mut Blocks) {
        let mut segments = Vec::new();
        let n = self.pipeline.take_segments(most, &mut segments, blocks);
        let taken = segments.concat();
        assert_eq!(taken.len(), n);
        assert!(segments.iter().all(|segment| !segment.is_empty()));
        let Some(Piece::Bytes(bytes)) = self.model.front() else { return assert_eq!(n, 0) };
        assert_eq!(n, most.min(bytes.len() - self.taken));
        assert!(taken.iter().eq(bytes.iter().skip(self.taken).take(n)));
        self.taken += n;
    }

    fn expect(&mut self, op: impl FnOnce(&mut Pipeline) -> Result<(), Closed>) {
        assert_eq!(op(&mut self.pipeline).is_err(), self.closed);
    }

    fn model_push(&mut self, bytes: &[u8]) {
        match self.model.back_mut() {
            _ if bytes.is_empty() || self.closed => {}
            Some(Piece::Bytes(last)) => last.extend(bytes),
            _ => self.model.push_back(Piece::Bytes(bytes.iter().copied().collect())),
        }
    }

    fn len(&self) -> u64 {
        let len = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::External(file_region) => file_region.len,
        };
        self.model.iter().map(len).fold(0, u64::saturating_add)
    }

    /// The first slices hold the first bytes; all of them if there is room for all.
    fn check_slices(&self, most: usize) {
        let mut slices = vec![&[][..]; most];
        let n = self.pipeline.slices(&mut slices);
        assert!(slices[..n].iter().all(|slice| !slice.is_empty()));
        let offered = slices[..n].concat();
        let Some(Piece::Bytes(bytes)) = self.model.front() else { return assert_eq!(n, 0) };
        let stored = bytes.len() - self.taken;
        assert!(offered.len() <= stored);
        assert!(offered.iter().eq(bytes.iter().skip(self.taken).take(offered.len())));
        assert!(n == most || offered.len() == stored, "there was room for more");
    }

    fn check(&self) {
        assert_eq!(self.pipeline.len(), self.len());
        assert_eq!(self.pipeline.is_empty(), self.model.is_empty());
        assert_eq!(self.pipeline.sent(), self.sent);
        assert_eq!(self.pipeline.is_closing(), self.closed);
        let file_region = match self.model.front() {
            Some(Piece::External(file_region)) => Some(*file_region),
            _ => None,
        };
        assert_eq!(self.pipeline.file_region(), file_region);
        self.check_slices(4);
    }
}
