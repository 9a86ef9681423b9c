//! Compares `Buffer` with a plain `Vec<u8>` that is searched from its beginning each time.

use std::rc::Rc;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::{Blocks, Buffer, Chunk, TooLong};

/// Some overlap with themselves; a search holds at most 13 bytes inline.
const SENTINELS: [&[u8]; 10] = [
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"aab",
    b"abaababa",
    b"aaaaaaaaaaaab",
    b"aaaaaaaaaaaaab",
    b"abaababaabaababaababa",
    b"\r\na\r\nb\r\na\r\na\r\nb\r\na\r\nb\r\n",
    b"",
];

/// At most this many bytes are held at a time, so that an input runs fast.
const MOST: usize = 1 << 19;

#[derive(Arbitrary, Debug)]
enum Op<'a> {
    Push(&'a [u8]),
    /// One byte, repeated this many times, so that blocks fill up.
    Fill(u8, u16),
    Sentinel(u8),
    /// A sentinel without its last bytes, this many.
    Beginning(u8, u8),
    Find(u8, Count),
    FindAny(&'a [u8], Count),
    Take(Count, Keep),
    TakeSome(Count, Keep),
    Share(Count),
    Consume(Count),
    Peek,
    Unpin(u8),
    Clear,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Count {
    Few(u8),
    Many(u32),
    All,
}

impl Count {
    fn get(self) -> usize {
        match self {
            Count::Few(n) => n.into(),
            Count::Many(n) => n as usize,
            Count::All => usize::MAX,
        }
    }
}

/// Whether a chunk is kept, which pins its block.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Keep {
    Yes,
    No,
}

type Shared = Rc<Vec<u8>>;

struct Pair {
    blocks: Blocks<Shared>,
    buffer: Buffer<Shared>,
    model: Vec<u8>,
    /// The same bytes over blocks that nothing pins.
    plain_blocks: Blocks,
    plain: Buffer,
    kept: Vec<(Chunk, Vec<u8>)>,
}

/// A sequence of operations on a buffer.
pub fn buffer(data: &[u8]) {
    let mut pair = Pair {
        blocks: Blocks::new(),
        buffer: Buffer::new(),
        model: Vec::new(),
        plain_blocks: Blocks::new(),
        plain: Buffer::new(),
        kept: Vec::new(),
    };
    let mut input = Unstructured::new(data);
    while let (false, Ok(op)) = (input.is_empty(), Op::arbitrary(&mut input)) {
        pair.apply(op);
        pair.check();
    }
    for (chunk, expected) in &pair.kept {
        assert_eq!(chunk, &expected[..], "a chunk never changes");
    }
}

impl Pair {
    fn apply(&mut self, op: Op<'_>) {
        match op {
            Op::Push(bytes) => self.push(bytes),
            Op::Fill(byte, n) => self.push(&vec![byte; n.into()]),
            Op::Sentinel(which) => self.push(sentinel(which)),
            Op::Beginning(which, missing) => {
                let all = sentinel(which);
                self.push(&all[..all.len().saturating_sub(missing.into())]);
            }
            Op::Find(which, limit) => self.find(sentinel(which), limit.get()),
            Op::FindAny(bytes, limit) => self.find(bytes, limit.get()),
            Op::Take(n, keep) => {
                let expected = self.drain(n.get());
                let chunk = self.buffer.take(n.get(), &mut self.blocks);
                self.took(chunk, expected, keep);
            }
            Op::TakeSome(n, keep) => {
                let n = n.get().min(self.buffer.front().len());
                let expected = self.drain(n);
                let chunk = self.buffer.take_some(n, &mut self.blocks);
                self.took(chunk, expected, keep);
            }
            Op::Share(n) => {
                let chunk = self.buffer.share(n.get(), &mut self.blocks);
                assert_eq!(chunk, self.model[..n.get().min(self.model.len())]);
            }
            Op::Consume(n) => {
                self.buffer.consume(n.get(), &mut self.blocks);
                self.drain(n.get());
            }
            Op::Peek => assert_eq!(self.buffer.peek(&mut self.blocks), self.model),
            Op::Unpin(which) => {
                if let Some(last) = self.kept.len().checked_sub(1) {
                    self.kept.swap_remove(last.min(which.into()));
                }
            }
            Op::Clear => {
                self.buffer.clear(&mut self.blocks);
                self.drain(usize::MAX);
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(MOST - self.model.len())];
        self.buffer.push(bytes, &mut self.blocks);
        self.plain.push(bytes, &mut self.plain_blocks);
        self.model.extend_from_slice(bytes);
    }

    fn find(&mut self, sentinel: &[u8], limit: usize) {
        let expected = naive_find(&self.model, sentinel, limit);
        assert_eq!(self.buffer.find(sentinel, limit), expected);
        assert_eq!(self.buffer.find(sentinel, limit), expected, "asked again");
        assert_eq!(self.plain.find(sentinel, limit), expected, "over Vec");
    }

    /// Takes bytes from the model, and from the buffer that is read without taking.
    fn drain(&mut self, n: usize) -> Vec<u8> {
        self.plain.consume(n, &mut self.plain_blocks);
        self.model.drain(..n.min(self.model.len())).collect()
    }

    fn took(&mut self, chunk: Chunk, expected: Vec<u8>, keep: Keep) {
        assert_eq!(chunk, expected[..]);
        if let Keep::Yes = keep {
            self.kept.push((chunk, expected));
        }
    }

    fn check(&self) {
        assert_eq!(self.buffer.len(), self.model.len());
        assert_eq!(self.buffer.is_empty(), self.model.is_empty());
        assert_eq!(self.buffer.front().is_empty(), self.model.is_empty());
        assert!(self.model.starts_with(self.buffer.front()));
        assert_eq!(self.plain.front(), self.model, "nothing pins a Vec: it is contiguous");
        assert_eq!(self.plain.received(), self.buffer.received());
    }
}

fn sentinel(which: u8) -> &'static [u8] {
    SENTINELS[usize::from(which) % SENTINELS.len()]
}

fn naive_find(bytes: &[u8], sentinel: &[u8], limit: usize) -> Result<Option<usize>, TooLong> {
    if sentinel.is_empty() {
        return Ok(Some(0));
    }
    let within = &bytes[..bytes.len().min(limit)];
    match within.windows(sentinel.len()).position(|window| window == sentinel) {
        Some(start) => Ok(Some(start + sentinel.len())),
        None if bytes.len() >= limit => Err(TooLong { limit }),
        None => Ok(None),
    }
}
