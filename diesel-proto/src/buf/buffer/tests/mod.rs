//! The buffer, compared with a plain `Vec<u8>` that is searched from its beginning each time.

mod memory;

use super::*;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::{format, vec};
use quickcheck::{Arbitrary, Gen, QuickCheck};

type Shared = Rc<Vec<u8>>;

/// Some overlap with themselves, some are as long as a search can hold inline, or longer.
const SENTINELS: [&[u8]; 12] = [
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"aa",
    b"aab",
    b"aaaaab",
    b"abaababa",
    b"aaaaaaaaaaaab",
    b"aaaaaaaaaaaaab",
    b"abaababaabaababaababa",
    b"\r\na\r\nb\r\na\r\na\r\nb\r\na\r\nb\r\n",
    b"",
];

/// Bytes in which the sentinels, and beginnings of them, are frequent.
#[derive(Debug, Clone)]
struct Piece(Vec<u8>);

impl Arbitrary for Piece {
    fn arbitrary(g: &mut Gen) -> Self {
        let len = match u8::arbitrary(g) {
            0..=2 => 60_000 + usize::arbitrary(g) % 20_000,
            3..=12 => 3_000 + usize::arbitrary(g) % 4_000,
            13..=80 => usize::arbitrary(g) % 100,
            81.. => usize::arbitrary(g) % 5,
        };
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match u8::arbitrary(g) % 8 {
                0 => bytes.extend_from_slice(g.choose(&SENTINELS).unwrap()),
                1 => {
                    let sentinel = g.choose(&SENTINELS).unwrap();
                    bytes.extend_from_slice(&sentinel[..sentinel.len().saturating_sub(1)]);
                }
                2 => bytes.resize(bytes.len() + usize::arbitrary(g) % len.max(20), b'x'),
                _ => bytes.push(*g.choose(b"aaabb\r\n").unwrap()),
            }
        }
        bytes.truncate(len);
        Piece(bytes)
    }

    /// Cuts off either end. To shrink this many bytes one by one would take minutes.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let bytes = self.0.clone();
        let parts = core::iter::successors(Some(bytes.len()), |&n| Some(n / 2))
            .take_while(|&n| n > 0)
            .flat_map(move |n| [bytes[n..].to_vec(), bytes[..bytes.len() - n].to_vec()]);
        Box::new(parts.map(Piece))
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push(Piece),
    /// Which sentinel, and the limit.
    Find(usize, usize),
    /// How many bytes, and whether the chunk is kept.
    Take(usize, bool),
    TakeSome(usize, bool),
    Share(usize, bool),
    /// Which byte, the limit, and whether the chunk is kept.
    TakeThrough(u8, usize, bool),
    Consume(usize),
    Peek,
    /// Drops one of the chunks that were kept.
    Unpin(usize),
    Clear,
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let n = match u8::arbitrary(g) % 8 {
            0 => usize::MAX,
            1 => 0,
            2 => usize::arbitrary(g) % 100_000,
            3 => usize::arbitrary(g) % 5_000,
            _ => usize::arbitrary(g) % 30,
        };
        match u8::arbitrary(g) % 24 {
            0..=6 => Op::Push(Piece::arbitrary(g)),
            7..=11 => Op::Find(usize::arbitrary(g) % SENTINELS.len(), n),
            12..=13 => Op::Take(n, bool::arbitrary(g)),
            14..=15 => Op::TakeSome(n, bool::arbitrary(g)),
            16..=17 => Op::TakeThrough(*g.choose(b"a\n").unwrap(), n, bool::arbitrary(g)),
            18 => Op::Share(n, bool::arbitrary(g)),
            19 => Op::Consume(n),
            20 => Op::Peek,
            21..=22 => Op::Unpin(usize::arbitrary(g)),
            _ if n == 0 => Op::Clear,
            _ => Op::Consume(n),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self {
            Op::Push(piece) => Box::new(piece.shrink().map(Op::Push)),
            _ => quickcheck::empty_shrinker(),
        }
    }
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

/// The rules at the head of the file.
fn check_invariants<B: Block>(buffer: &mut Buffer<B>, model: &[u8]) {
    assert_eq!(buffer.len(), model.len());
    assert_eq!(buffer.is_empty(), model.is_empty());
    assert_eq!(buffer.front.is_none(), model.is_empty());
    assert_eq!(buffer.front().is_empty(), model.is_empty());
    assert!(model.starts_with(buffer.front()));
    assert!(buffer.front.is_some() || (buffer.back.is_none() && buffer.start == 0));
    assert!(buffer.searched <= buffer.len());
    for (block, unread) in [(&buffer.front, buffer.front()), (&buffer.back, buffer.behind())] {
        let capacity = block.as_ref().map_or(0, Block::capacity);
        assert!(capacity <= Blocks::LARGE || capacity < 8 * unread.len());
    }
    if let Some(back) = &mut buffer.back {
        assert!(back.unique().is_some());
    }
}

fn behaves_like_a_vec(ops: Vec<Op>) {
    let mut blocks = Blocks::<Shared>::new();
    let mut buffer = Buffer::<Shared>::new();
    let mut model = Vec::new();
    let mut kept: Vec<(Chunk, Vec<u8>)> = Vec::new();
    for op in ops {
        match op {
            Op::Push(Piece(bytes)) => {
                buffer.push(&bytes, &mut blocks);
                model.extend_from_slice(&bytes);
            }
            Op::Find(which, limit) => {
                let sentinel = SENTINELS[which];
                let expected = naive_find(&model, sentinel, limit);
                assert_eq!(buffer.find(sentinel, limit), expected);
                assert_eq!(buffer.find(sentinel, limit), expected, "asked again");
            }
            Op::Take(n, keep) | Op::TakeSome(n, keep) => {
                let is_some = matches!(op, Op::TakeSome(..));
                let most = if is_some { buffer.front().len() } else { model.len() };
                let expected: Vec<u8> = model.drain(..n.min(most)).collect();
                let chunk = if is_some {
                    buffer.take_some(n, &mut blocks)
                } else {
                    buffer.take(n, &mut blocks)
                };
                assert_eq!(chunk, expected[..]);
                if keep {
                    kept.push((chunk, expected));
                }
            }
            Op::Share(n, keep) => {
                let expected = model[..n.min(model.len())].to_vec();
                let chunk = buffer.share(n, &mut blocks);
                assert_eq!(chunk, expected[..]);
                if keep {
                    kept.push((chunk, expected));
                }
            }
            Op::TakeThrough(byte, limit, keep) => {
                let expected = naive_find(&model, &[byte], limit)
                    .map(|n| n.map(|n| model.drain(..n).collect::<Vec<u8>>()));
                let taken = buffer.take_through(byte, limit, &mut blocks);
                let bytes = taken.clone().map(|chunk| chunk.map(|it| it.to_vec()));
                assert_eq!(bytes, expected);
                if let (Ok(Some(chunk)), Ok(Some(bytes)), true) = (taken, expected, keep) {
                    kept.push((chunk, bytes));
                }
            }
            Op::Consume(n) => {
                buffer.consume(n, &mut blocks);
                model.drain(..n.min(model.len()));
            }
            Op::Peek => assert_eq!(buffer.peek(&mut blocks), model),
            Op::Unpin(which) => {
                if !kept.is_empty() {
                    kept.swap_remove(which % kept.len());
                }
            }
            Op::Clear => {
                buffer.clear(&mut blocks);
                model.clear();
            }
        }
        check_invariants(&mut buffer, &model);
    }
    for (chunk, expected) in &kept {
        assert_eq!(chunk, &expected[..], "a chunk never changes");
    }
    assert_eq!(buffer.peek(&mut blocks), model);
}

#[test]
fn a_buffer_of_shared_blocks_behaves_like_a_vec() {
    QuickCheck::new().tests(1_000).quickcheck(behaves_like_a_vec as fn(Vec<Op>));
}

fn behaves_the_same_over_vec(ops: Vec<Op>) {
    let (mut blocks, mut shared_blocks) = (Blocks::<Vec<u8>>::new(), Blocks::<Shared>::new());
    let (mut buffer, mut shared) = (Buffer::<Vec<u8>>::new(), Buffer::<Shared>::new());
    for op in ops {
        match op {
            Op::Push(Piece(bytes)) => {
                buffer.push(&bytes, &mut blocks);
                shared.push(&bytes, &mut shared_blocks);
            }
            Op::Find(which, limit) => assert_eq!(
                buffer.find(SENTINELS[which], limit),
                shared.find(SENTINELS[which], limit)
            ),
            Op::Take(n, _) | Op::TakeSome(n, _) | Op::Consume(n) => {
                buffer.consume(n, &mut blocks);
                shared.consume(n, &mut shared_blocks);
            }
            Op::Clear => {
                buffer.clear(&mut blocks);
                shared.clear(&mut shared_blocks);
            }
            Op::TakeThrough(byte, limit, _) => {
                let found = buffer.find(&[byte], limit);
                if let Ok(Some(n)) = found {
                    buffer.consume(n, &mut blocks);
                }
                let taken = shared.take_through(byte, limit, &mut shared_blocks);
                assert_eq!(taken.map(|chunk| chunk.map(|it| it.len())), found);
            }
            Op::Share(..) | Op::Peek | Op::Unpin(_) => {}
        }
        let model = shared.peek(&mut shared_blocks).to_vec();
        check_invariants(&mut buffer, &model);
        assert_eq!(buffer.front(), model, "nothing pins a Vec: it is contiguous");
        assert_eq!(buffer.scanned(), shared.scanned());
        assert_eq!(buffer.received(), shared.received());
    }
}

#[test]
fn a_buffer_of_vecs_behaves_the_same() {
    QuickCheck::new().tests(300).quickcheck(behaves_the_same_over_vec as fn(Vec<Op>));
}

/// Fails if nothing is consumed, so that a loop over this ends even if the buffer is wrong.
fn consume_some(buffer: &mut Buffer, n: usize, blocks: &mut Blocks) {
    let before = buffer.len();
    buffer.consume(n, blocks);
    assert!(n > 0 && buffer.len() + n == before, "consumed {n} of {before}");
}

/// All that is found in `pieces`, taking each find away, until one fails.
fn finds(pieces: &[&[u8]], sentinel: &[u8], limit: usize) -> (Vec<usize>, Option<TooLong>) {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    let mut finds = Vec::new();
    for piece in pieces {
        buffer.push(piece, &mut blocks);
        loop {
            match buffer.find(sentinel, limit) {
                Ok(Some(n)) => {
                    finds.push(n);
                    consume_some(&mut buffer, n, &mut blocks);
                }
                Ok(None) => break,
                Err(error) => return (finds, Some(error)),
            }
        }
        assert!(buffer.scanned() <= 2 * buffer.received());
    }
    (finds, None)
}

#[test]
fn no_cut_changes_what_is_found_or_too_long() {
    let inputs: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n",
        b"\r\r\n\r\r\n\r\n\n\r\n\r\n\r",
        b"aaaaabaabaaabaaaaaaaaaaaaaabaab",
        b"abaababaabaababaababaabaababaababaabaababaabaababaababa",
        b"\r\na\r\nb\r\na\r\na\r\nb\r\na\r\nb\r\n\r\na\r\nb\r\na\r\na\r\nb\r\na\r\nb\r\n",
        b"no end in here",
    ];
    for input in inputs {
        for sentinel in SENTINELS.into_iter().filter(|it| !it.is_empty()) {
            for limit in (0..=input.len() + 1).chain([usize::MAX]) {
                let whole = finds(&[input], sentinel, limit);
                for cut in 0..=input.len() {
                    let (head, tail) = input.split_at(cut);
                    assert_eq!(
                        finds(&[head, tail], sentinel, limit),
                        whole,
                        "{:?} in {:?}, at most {limit}, cut at {cut}",
                        Chunk::of(&Rc::new(sentinel.to_vec()), 0, sentinel.len()),
                        Chunk::of(&Rc::new(input.to_vec()), 0, input.len()),
                    );
                }
                let bytewise: Vec<_> = input.chunks(1).collect();
                assert_eq!(finds(&bytewise, sentinel, limit), whole);
            }
        }
    }
}

#[test]
fn a_sentinel_is_found_behind_every_beginning_of_itself() {
    for sentinel in SENTINELS.into_iter().filter(|it| !it.is_empty()) {
        for prefix in 0..sentinel.len() {
            let input = [&sentinel[..prefix], sentinel].concat();
            let expected = naive_find(&input, sentinel, usize::MAX).unwrap();
            for piece in [1, 2, input.len()] {
                let pieces: Vec<_> = input.chunks(piece).collect();
                let (found, _) = finds(&pieces, sentinel, usize::MAX);
                assert_eq!(found.first().copied(), expected, "{input:?}");
            }
        }
    }
}

/// Searches for one sentinel while bytes arrive in pieces of `cuts` and leave in runs of
/// `consumed`, which may well end within a sentinel, or within the beginning of one.
fn scans_at_most_twice(piece: &[u8], sentinel: &[u8], cuts: &[u8], consumed: &[u8]) {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    let (mut rest, mut model) = (piece, Vec::new());
    let is_small = piece.len() < 500;
    let mut cuts = cuts.iter().cycle();
    let mut consumed = consumed.iter().cycle();
    while !rest.is_empty() {
        let n = cuts.next().map_or(1, |&n| usize::from(n).clamp(1, rest.len()));
        buffer.push(&rest[..n], &mut blocks);
        model.extend_from_slice(&rest[..n]);
        rest = &rest[n..];
        loop {
            let found = buffer.find(sentinel, usize::MAX);
            if is_small {
                assert_eq!(found, naive_find(&model, sentinel, usize::MAX));
            }
            let Ok(Some(n)) = found else { break };
            let n = consumed.next().map_or(n, |&part| if part < 128 { n } else { 1 });
            consume_some(&mut buffer, n, &mut blocks);
            model.drain(..n.min(model.len()));
            assert!(buffer.scanned() <= 2 * buffer.received());
        }
        if let Some(&n @ 200..) = consumed.next() {
            let n = usize::from(n - 200);
            buffer.consume(n, &mut blocks);
            model.drain(..n.min(model.len()));
        }
        assert!(buffer.scanned() <= 2 * buffer.received());
    }
}

#[test]
fn each_byte_is_compared_twice_at_most() {
    fn property(piece: Piece, cuts: Vec<u8>, consumed: Vec<u8>) {
        for sentinel in SENTINELS.into_iter().filter(|it| !it.is_empty()) {
            scans_at_most_twice(&piece.0, sentinel, &cuts, &consumed);
            scans_at_most_twice(&piece.0, sentinel, &[], &[]);
            scans_at_most_twice(&piece.0, sentinel, &[255, 1, 1, 2, 255], &consumed);
        }
    }
    QuickCheck::new().tests(30).quickcheck(property as fn(Piece, Vec<u8>, Vec<u8>));
}

#[test]
fn the_worst_bytes_for_a_sentinel_cost_twice_at_most() {
    for sentinel in SENTINELS.into_iter().filter(|it| !it.is_empty()) {
        for prefix in 1..=sentinel.len() {
            let piece = sentinel[..prefix].repeat(1 + 2_000 / prefix);
            for cut in [1, 2, 3, sentinel.len() as u8, 100, 255] {
                scans_at_most_twice(&piece, sentinel, &[cut], &[]);
                scans_at_most_twice(&piece, sentinel, &[cut], &[128, 201]);
            }
        }
    }
}

#[test]
fn a_piece_is_swept_from_three_times_the_sentinel_on_and_its_end_is_stepped_through() {
    for sentinel in SENTINELS.into_iter().filter(|it| it.len() > 1) {
        let rest = sentinel.len() - 1;
        for (len, scanned) in [(3 * rest - 1, 3 * rest - 1), (3 * rest, 3 * rest + rest)] {
            let mut blocks = Blocks::new();
            let mut buffer: Buffer = Buffer::new();
            buffer.push(&vec![b'x'; len], &mut blocks);
            assert_eq!(buffer.find(sentinel, usize::MAX), Ok(None));
            assert_eq!(buffer.scanned(), scanned as u64);
        }
    }
}

#[test]
fn a_search_resumes_where_it_ended() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    buffer.push(&[b'x'; 1000], &mut blocks);
    for _ in 0..10 {
        assert_eq!(buffer.find(b"\n", 2000), Ok(None));
    }
    assert_eq!(buffer.scanned(), 1000);
    buffer.push(b"\n", &mut blocks);
    for _ in 0..10 {
        assert_eq!(buffer.find(b"\n", 2000), Ok(Some(1001)));
    }
    assert_eq!(buffer.scanned(), 1001);
    assert_eq!(buffer.find(b"x", 2000), Ok(Some(1)), "another sentinel starts anew");
}

#[test]
fn what_is_consumed_is_no_part_of_a_match() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    buffer.push(b"aaaa", &mut blocks);
    assert_eq!(buffer.find(b"aaaaab", 80), Ok(None));
    buffer.consume(3, &mut blocks);
    buffer.push(b"aab", &mut blocks);
    assert_eq!(buffer.find(b"aaaaab", 80), Ok(None));
    assert_eq!(buffer.peek(&mut blocks), b"aaab");
}

#[test]
fn the_limit_counts_the_sentinel() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    assert_eq!(buffer.find(b"\r\n", 0), Err(TooLong { limit: 0 }), "even of nothing");
    assert_eq!(buffer.find(b"", 0), Ok(Some(0)));
    buffer.push(b"abc\r", &mut blocks);
    assert_eq!(buffer.find(b"\r\n", 5), Ok(None));
    assert_eq!(buffer.find(b"\r\n", 4), Err(TooLong { limit: 4 }));
    buffer.push(b"\n", &mut blocks);
    assert_eq!(buffer.find(b"\r\n", 4), Err(TooLong { limit: 4 }));
    assert_eq!(buffer.find(b"\r\n", 5), Ok(Some(5)));
    assert_eq!(buffer.find(b"\r\n", 4), Err(TooLong { limit: 4 }), "although it was found");
    assert_eq!(buffer.find(b"", 0), Ok(Some(0)));
}

#[test]
fn more_than_there_is_means_all() {
    let mut blocks = Blocks::new();
    let mut buffer = Buffer::new();
    assert_eq!(buffer.take(5, &mut blocks), "");
    assert_eq!(buffer.take_some(5, &mut blocks), "");
    buffer.consume(5, &mut blocks);
    for n in [3, 4, usize::MAX] {
        buffer.push(b"abc", &mut blocks);
        assert_eq!(buffer.take(n, &mut blocks), "abc");
        buffer.push(b"abc", &mut blocks);
        buffer.consume(n, &mut blocks);
        assert!(buffer.is_empty());
    }
}

/// Bytes that were put back come first, also before those behind a pinned block, and are found.
#[test]
fn bytes_are_put_back_before_all_others() {
    let mut blocks = Blocks::new();
    let mut buffer = Buffer::<Rc<Vec<u8>>>::new();
    buffer.unread(b"", &mut blocks);
    assert!(buffer.is_empty());
    buffer.unread(b"b\r", &mut blocks);
    assert_eq!(buffer.find(b"\r\n", 100), Ok(None));
    buffer.push(b"\nc", &mut blocks);
    assert_eq!(buffer.find(b"\r\n", 100), Ok(Some(3)));
    // The chunk pins the block, so that what comes next is in another one.
    let taken = buffer.take(1, &mut blocks);
    buffer.push(b"d", &mut blocks);
    buffer.unread(b"a\r\n", &mut blocks);
    buffer.unread(&taken, &mut blocks);
    assert_eq!(buffer.peek(&mut blocks), b"ba\r\n\r\ncd");
    assert_eq!(buffer.find(b"\r\n", 100), Ok(Some(4)));
    buffer.consume(4, &mut blocks);
    assert_eq!(buffer.find(b"\r\n", 100), Ok(Some(2)));
    assert_eq!(buffer.len(), 4);
}
