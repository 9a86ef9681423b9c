//! How blocks are used, joined and given back.

use super::*;

/// A buffer whose `front` is pinned, and which therefore has a `back`.
fn pinned(blocks: &mut Blocks<Shared>) -> (Buffer<Shared>, Chunk) {
    let mut buffer = Buffer::new();
    buffer.push(b"abcd\r", blocks);
    let pin = buffer.take(1, blocks);
    buffer.push(b"\nefgh", blocks);
    assert_eq!((buffer.front(), buffer.behind()), (&b"bcd\r"[..], &b"\nefgh"[..]));
    (buffer, pin)
}

#[test]
fn a_sentinel_across_two_blocks_is_found_without_joining_them() {
    let mut blocks = Blocks::new();
    let (mut buffer, _pin) = pinned(&mut blocks);
    assert_eq!(buffer.find(b"\r\n", 9), Ok(Some(5)));
    assert!(buffer.back.is_some());
    assert_eq!(buffer.take(5, &mut blocks), "bcd\r\n");
    assert_eq!(buffer.front(), b"efgh");
}

#[test]
fn blocks_are_joined_only_when_that_is_asked_for() {
    let mut blocks = Blocks::new();
    let (mut buffer, pin) = pinned(&mut blocks);
    assert_eq!(buffer.take_some(9, &mut blocks), "bcd\r");
    assert_eq!(buffer.take(1, &mut blocks), "\n");

    let (mut buffer, _pin) = pinned(&mut blocks);
    buffer.consume(6, &mut blocks);
    assert_eq!(buffer.front(), b"fgh");

    let (mut buffer, _pin) = pinned(&mut blocks);
    assert_eq!(buffer.peek(&mut blocks), b"bcd\r\nefgh");
    assert_eq!(pin, "a");
}

#[test]
fn what_is_contiguous_is_taken_without_a_copy() {
    let mut blocks = Blocks::new();
    let (mut buffer, _pin) = pinned(&mut blocks);
    let address = buffer.front().as_ptr();
    assert_eq!(buffer.share(4, &mut blocks).as_ptr(), address);
    assert_eq!(buffer.take(4, &mut blocks).as_ptr(), address);
    let address = buffer.front().as_ptr();
    assert_eq!(buffer.take(5, &mut blocks).as_ptr(), address);
}

#[test]
fn an_echoed_line_comes_in_the_same_block_each_time() {
    let mut blocks = Blocks::new();
    let mut buffer = Buffer::new();
    let mut echo = || {
        buffer.push(b"hello\r\n", &mut blocks);
        let n = buffer.find(b"\r\n", 80).unwrap().unwrap();
        let line = buffer.take(n, &mut blocks);
        assert!(buffer.is_empty());
        line.as_ptr()
    };
    let first = echo();
    assert!((0..1000).all(|_| echo() == first));
}

#[test]
fn an_empty_buffer_owns_no_memory_and_is_small() {
    assert_eq!(size_of::<Buffer<Shared>>(), 64);
    assert_eq!(size_of::<Buffer>(), 96);
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    let long = [b'x'; 70];
    buffer.push(b"abc", &mut blocks);
    assert_eq!(buffer.find(&long, 80), Ok(None));
    buffer.consume(3, &mut blocks);
    assert!(buffer.front.is_none() && buffer.back.is_none());
    assert!(!matches!(buffer.search, Search::Long(_)));
}

#[test]
fn growth_is_by_doubling_and_a_block_is_filled_to_the_end() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    let mut capacities = Vec::new();
    for _ in 0..1024 {
        buffer.push(&[b'x'; 1024], &mut blocks);
        let capacity = buffer.front.as_ref().map_or(0, Vec::capacity);
        if capacities.last() != Some(&capacity) {
            assert_eq!(buffer.len(), 1024 + capacities.last().unwrap_or(&0));
            capacities.push(capacity);
        }
    }
    let kib = capacities.iter().map(|it| it / 1024);
    assert_eq!(kib.collect::<Vec<_>>(), [4, 64, 128, 256, 512, 1024]);
}

#[test]
fn consumed_room_is_used_again_before_more_is_asked_for() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    buffer.push(&[b'x'; Blocks::SMALL], &mut blocks);
    for _ in 0..1000 {
        buffer.consume(Blocks::SMALL / 2, &mut blocks);
        buffer.push(&[b'x'; Blocks::SMALL / 2], &mut blocks);
    }
    assert_eq!(buffer.front.as_ref().map(Vec::capacity), Some(Blocks::SMALL));
}

#[test]
fn no_byte_moves_while_there_is_room_behind_it() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    buffer.push(&[b'x'; 10], &mut blocks);
    buffer.consume(9, &mut blocks);
    let address = buffer.front().as_ptr();
    buffer.push(&[b'x'; Blocks::SMALL - 10], &mut blocks);
    assert_eq!((buffer.front().as_ptr(), buffer.len()), (address, Blocks::SMALL - 9));
}

#[test]
fn a_small_rest_leaves_a_block_that_was_made_to_measure() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    let bytes = vec![b'x'; 1 << 20];
    buffer.push(&bytes, &mut blocks);
    buffer.consume(bytes.len() - 10, &mut blocks);
    assert_eq!(buffer.front.as_ref().map(Vec::capacity), Some(Blocks::SMALL));
    assert_eq!(buffer.front(), &bytes[..10]);
}

#[test]
fn a_rest_that_is_not_small_or_not_in_such_a_block_stays_where_it_is() {
    let measured = 2 * Blocks::LARGE;
    for (len, rest, stays) in [
        (Blocks::SMALL, 1, true),
        (Blocks::LARGE, 1, true),
        (measured, measured - 1, true),
        (measured, measured / 8 + 1, true),
        (measured, measured / 8, false),
    ] {
        let mut blocks = Blocks::new();
        let mut buffer: Buffer = Buffer::new();
        buffer.push(&vec![b'x'; len], &mut blocks);
        let address = buffer.front()[len - rest..].as_ptr();
        buffer.consume(len - rest, &mut blocks);
        assert_eq!(buffer.front().as_ptr() == address, stays, "{rest} of {len}");
    }
}

#[test]
fn debug_shows_how_much_there_is_and_no_byte_of_it() {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer = Buffer::new();
    buffer.push(b"secret", &mut blocks);
    buffer.consume(1, &mut blocks);
    assert_eq!(buffer.find(b"\n", 80), Ok(None));
    assert_eq!(format!("{buffer:?}"), "Buffer { len: 5, received: 6, scanned: 5, .. }");
}

#[test]
fn too_long_names_the_limit() {
    assert_eq!(TooLong { limit: 80 }.to_string(), "no sentinel within the limit of 80 bytes");
}

#[test]
fn a_buffer_of_vecs_can_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<Buffer>();
    is_send::<Blocks>();
}
