//! At every two-way cut, and what is refused.

use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::deflate::compress_to_vec;

use super::inflate::PIECE;
use super::*;

/// A member with these flags and what belongs to them behind the ten bytes.
fn member(data: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
    bytes.extend_from_slice(fields);
    if flags & 2 != 0 {
        bytes.extend_from_slice(&(crc32fast::hash(&bytes) as u16).to_le_bytes());
    }
    bytes.extend(compress_to_vec(data, 6));
    bytes.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes
}

fn decoded(pieces: &[&[u8]], limit: u64) -> Result<Vec<u8>, GunzipFailure> {
    let (all, end) = decoded_so_far(pieces, limit);
    end.map(|()| all)
}

/// What is decoded before the end, and what that is.
fn decoded_so_far(pieces: &[&[u8]], limit: u64) -> (Vec<u8>, Result<(), GunzipFailure>) {
    let mut gunzip = Gunzip::new(limit);
    let mut all = Vec::new();
    for piece in pieces {
        gunzip.feed(Chunk::from(piece.to_vec()));
        loop {
            match gunzip.next() {
                Ok(GunzipStep::Piece(piece)) => {
                    assert!(!piece.is_empty() && piece.len() <= PIECE);
                    all.extend_from_slice(&piece);
                }
                Ok(GunzipStep::Yield) => gunzip.turn = CALLS,
                Ok(GunzipStep::NeedsInput) => break,
                Err(failure) => return (all, Err(failure)),
            }
        }
    }
    (all, gunzip.finish())
}

/// The result, which is the same at every two-way cut, and byte by byte.
fn at_every_cut(bytes: &[u8], limit: u64) -> Result<Vec<u8>, GunzipFailure> {
    let whole = decoded_so_far(&[bytes], limit);
    for at in 0..=bytes.len() {
        assert_eq!(decoded_so_far(&[&bytes[..at], &bytes[at..]], limit), whole, "cut at {at}");
    }
    assert_eq!(decoded_so_far(&bytes.chunks(1).collect::<Vec<_>>(), limit), whole);
    whole.1.map(|()| whole.0)
}

fn text() -> Vec<u8> {
    (0..200u32).flat_map(|n| alloc::format!("line {}\n", n * n * 7919).into_bytes()).collect()
}

#[test]
fn whole_bodies() {
    let text = text();
    for flags in 0..32u8 {
        let mut fields = Vec::new();
        if flags & 4 != 0 {
            fields.extend_from_slice(b"\x03\x00ABC");
        }
        if flags & 8 != 0 {
            fields.extend_from_slice(b"name\0");
        }
        if flags & 16 != 0 {
            fields.extend_from_slice(b"comment\0");
        }
        let bytes = member(&text[..100], flags, &fields);
        assert_eq!(at_every_cut(&bytes, 100).as_deref(), Ok(&text[..100]), "{flags}");
    }
    assert_eq!(at_every_cut(&member(&text, 0, b""), 1 << 20), Ok(text.clone()));
    assert_eq!(at_every_cut(&member(b"", 4, b"\0\0"), 0), Ok(Vec::new()));
    assert_eq!(at_every_cut(b"", 0), Ok(Vec::new()));
    // Several members, of which one is empty.
    let mut bytes = member(&text[..50], 0, b"");
    bytes.extend(member(b"", 8, b"\0"));
    bytes.extend(member(&text[50..], 2, b""));
    assert_eq!(at_every_cut(&bytes, text.len() as u64), Ok(text));
}

#[test]
fn every_prefix_is_truncated() {
    let mut bytes = member(b"hello hello hello", 31, b"\x01\x00Xn\0c\0");
    let first = bytes.len();
    bytes.extend(member(b"again", 0, b""));
    for len in 1..bytes.len() {
        let expected = match len == first {
            true => Ok(b"hello hello hello".to_vec()),
            false => Err(GzipError::Truncated.into()),
        };
        assert_eq!(decoded(&[&bytes[..len]], 100), expected, "{len}");
    }
}

#[test]
fn what_is_refused() {
    let good = member(b"hello", 0, b"");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let then = |more: &[u8]| [&good, more].concat();
    let end = good.len();
    for (bytes, error) in [
        (b"hello".to_vec(), GzipError::Magic),
        (with(1, 0), GzipError::Magic),
        (with(2, 7), GzipError::Method),
        (with(3, 0x20), GzipError::Method),
        (with(3, 0x80), GzipError::Method),
        (with(10, 0xff), GzipError::Deflate),
        (with(end - 8, !good[end - 8]), GzipError::Checksum),
        (with(end - 5, !good[end - 5]), GzipError::Checksum),
        (with(end - 4, 6), GzipError::Length),
        (with(end - 1, 1), GzipError::Length),
        (then(b"\0"), GzipError::Trailing),
        (then(b"\x1f\x8c"), GzipError::Trailing),
        (then(b"more"), GzipError::Trailing),
        (then(b"\x1f\x8b\x07"), GzipError::Method),
        (then(b"\x1f"), GzipError::Truncated),
    ] {
        assert_eq!(at_every_cut(&bytes, 100), Err(error.into()), "{bytes:x?}");
    }
    let mut checked = member(b"hello", 2, b"");
    checked[10] ^= 1;
    assert_eq!(at_every_cut(&checked, 100), Err(GzipError::Header.into()));
    // A header has 65536 bytes at most: ten, and the name with its end.
    for (len, expected) in
        [(65_526, Ok(b"hello".to_vec())), (65_527, Err(GzipError::Header.into()))]
    {
        let mut name = vec![b'n'; len];
        name[len - 1] = 0;
        assert_eq!(decoded(&[&member(b"hello", 8, &name)], 100), expected, "{len}");
    }
    // A member whose data are three bytes at distance 1: there is nothing before the first byte,
    // neither of a former member, however long, nor zeros.
    for (former, three) in [(0, b"\0\0\0"), (100, b"xxx"), (100_000, b"xxx")] {
        let mut bytes = member(&vec![b'x'; former], 0, b"");
        bytes.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x03, 0x02, 0x00]);
        bytes.extend_from_slice(&crc32fast::hash(three).to_le_bytes());
        bytes.extend_from_slice(&[3, 0, 0, 0]);
        assert_eq!(at_every_cut(&bytes, 1 << 20), Err(GzipError::Deflate.into()), "{former}");
    }
}

/// Literals, and then a distance that goes back beyond the first of them.
#[test]
fn what_comes_before_an_error_is_decoded() {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend([0x4b, 0x04, 0x42, 0, 0, 0]);
    assert_eq!(at_every_cut(&bytes, 9), Err(GzipError::Deflate.into()));
    assert_eq!(decoded_so_far(&[&bytes], 9).0, b"a");
    // As much as fits the limit.
    let bytes = member(b"0123456789", 0, b"");
    assert_eq!(at_every_cut(&bytes, 7), Err(GunzipFailure::TooLong(7)));
    assert_eq!(decoded_so_far(&[&bytes], 7).0, b"0123456");
}

#[test]
fn a_bomb_is_limited() {
    let zeros = vec![0; 10 << 20];
    let bomb = member(&zeros, 0, b"");
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    assert_eq!(decoded(&[&bomb], 10 << 20).map(|all| all.len()), Ok(10 << 20));
    assert_eq!(decoded(&[&bomb], (10 << 20) - 1), Err(GunzipFailure::TooLong((10 << 20) - 1)));
    // It is not inflated beyond the limit.
    let mut gunzip = Gunzip::new(100_000);
    gunzip.feed(Chunk::from(bomb));
    let mut len = 0;
    let failure = loop {
        match gunzip.next() {
            Ok(GunzipStep::Piece(piece)) => len += piece.len(),
            Ok(_) => gunzip.turn = CALLS,
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure, GunzipFailure::TooLong(100_000));
    assert_eq!((len, gunzip.inflated), (100_000, 100_000));
    // The limit is that of all members.
    let mut two = member(&[0; 60], 0, b"");
    two.extend(member(&[0; 60], 0, b""));
    assert_eq!(at_every_cut(&two, 119), Err(GunzipFailure::TooLong(119)));
}

/// Empty blocks with fixed codes, of ten bits each: four in five bytes (RFC 1951, 3.2.6).
fn empty_blocks(len: usize) -> Vec<u8> {
    let four = (0..4).map(|n| 2u64 << (10 * n)).sum::<u64>().to_le_bytes();
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(four[..5].iter().cycle().take(len));
    bytes
}

#[test]
fn what_decodes_to_nothing_takes_many_turns_and_has_an_end() {
    let noise: Vec<u8> = (0..50_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let members = member(b"", 0, b"").repeat(10_000);
    let letters = member(b"x", 0, b"").repeat(10_000);
    for (bytes, expected) in [
        (empty_blocks(1 << 20), Err(GunzipFailure::Invalid(GzipError::Idle))),
        (members, Err(GunzipFailure::Invalid(GzipError::Idle))),
        (letters, Ok(10_000)),
        (member(&noise, 0, b""), Ok(noise.len())),
    ] {
        let mut gunzip = Gunzip::new(1 << 20);
        gunzip.feed(Chunk::from(bytes));
        let (mut len, mut turn, mut idle) = (0, 0, 0);
        let ended = loop {
            let before = gunzip.taken;
            let step = gunzip.next();
            turn += gunzip.taken.saturating_sub(before);
            assert!(turn <= CALLS as usize * INPUT + 100, "{turn} bytes in one turn");
            match step {
                Ok(GunzipStep::Piece(piece)) => {
                    len += piece.len();
                    idle = 0;
                }
                Ok(GunzipStep::Yield) => {
                    idle += turn;
                    (turn, gunzip.turn) = (0, CALLS);
                }
                Ok(GunzipStep::NeedsInput) => break gunzip.finish().map(|()| len),
                Err(failure) => break Err(failure),
            }
            assert!(idle <= MOST_IDLE + (MOST_IDLE >> 2), "{idle} bytes for nothing");
        };
        assert_eq!(ended, expected);
    }
    // Just as much as may be.
    let most = MOST_IDLE - MOST_IDLE % 5 - 5;
    let mut bytes = empty_blocks(most);
    bytes.extend_from_slice(&[3, 0]);
    bytes.extend_from_slice(&[0; 8]);
    assert_eq!(decoded(&[&bytes], 0), Ok(Vec::new()));
    // It counts from the last byte that was decoded: `x` is in a stored block.
    let mut bytes = empty_blocks(most);
    bytes.extend_from_slice(&[0, 1, 0, 0xfe, 0xff, b'x']);
    bytes.extend_from_slice(&empty_blocks(most)[10..]);
    bytes.extend_from_slice(&[3, 0]);
    bytes.extend_from_slice(&crc32fast::hash(b"x").to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    assert_eq!(decoded(&[&bytes], 1).as_deref(), Ok(&b"x"[..]));
}

/// Many short members are no more work in one turn than a long one.
#[test]
fn the_end_of_a_member_counts_as_a_call() {
    let mut gunzip = Gunzip::new(1 << 20);
    gunzip.feed(Chunk::from(member(&[b'x'; 1000], 0, b"").repeat(10)));
    for _ in 0..5 {
        for _ in 0..CALLS / 2 {
            assert!(matches!(gunzip.next(), Ok(GunzipStep::Piece(_))));
        }
        assert!(matches!(gunzip.next(), Ok(GunzipStep::Yield)));
        gunzip.turn = CALLS;
    }
    assert!(matches!(gunzip.next(), Ok(GunzipStep::NeedsInput)));
}

/// What goes back as far as it may, across the ends of the window, and across pieces.
#[test]
fn long_distances() {
    let mut state = 1u32;
    let mut noise = |len: usize| -> Vec<u8> {
        let step = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 24) as u8
        };
        (0..len).map(|_| step(&mut state)).collect()
    };
    for apart in [1000, 16_384, 32_500, 32_768, 33_000] {
        let part = noise(apart);
        let all = part.repeat(5);
        let bytes = member(&all, 0, b"");
        for size in [1, 7, 4096, 100_000] {
            let pieces: Vec<_> = bytes.chunks(size).collect();
            assert!(decoded(&pieces, 1 << 20).is_ok_and(|it| it == all), "{apart} {size}");
        }
    }
}
