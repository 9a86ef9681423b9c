//! Where bytes lie: what is copied, what is shared, and which blocks are used.

use super::*;

pub(super) fn addresses(pipeline: &Pipeline) -> Vec<*const u8> {
    let mut slices = [&[][..]; 16];
    let n = pipeline.slices(&mut slices);
    slices[..n].iter().map(|slice| slice.as_ptr()).collect()
}

#[test]
fn small_writes_coalesce() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    for _ in 0..400 {
        pipeline.push(b"ten bytes.", &mut blocks).unwrap();
    }
    assert_eq!(addresses(&pipeline).len(), 1);
    assert!(stored(&pipeline).queue.is_none());
}

#[test]
fn large_bytes_are_not_copied_and_those_around_them_share_a_block() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let large = Bytes::from(vec![b'x'; 4096]);
    let small = Bytes::from(vec![b'x'; 4095]);
    pipeline.push(b"head", &mut blocks).unwrap();
    pipeline.push_bytes(large.clone(), &mut blocks).unwrap();
    pipeline.push(b"tail", &mut blocks).unwrap();
    let [head, body, tail] = addresses(&pipeline)[..] else { panic!("three slices") };
    assert_eq!(body, large.as_ptr());
    assert_eq!(head.wrapping_add(4), tail);

    let mut pipeline = Pipeline::new();
    pipeline.push_bytes(small.clone(), &mut blocks).unwrap();
    assert_ne!(addresses(&pipeline), [small.as_ptr()]);
}

#[test]
fn long_output_fills_one_small_block_and_then_large_ones() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let mut before = Vec::new();
    for _ in 0..30_000 {
        pipeline.push(b"ten bytes.", &mut blocks).unwrap();
        let now = addresses(&pipeline);
        assert!(now.starts_with(&before), "no byte moves once it is queued");
        before = now;
    }
    let queue = stored(&pipeline).queue.as_ref().unwrap();
    let older: Vec<_> = queue.older.iter().map(Vec::capacity).collect();
    assert_eq!(older, [Blocks::SMALL, Blocks::LARGE, Blocks::LARGE, Blocks::LARGE, Blocks::LARGE]);
    assert_eq!(pipeline.advance(u64::MAX, &mut blocks), 300_000);
    assert!(pipeline.stored.is_none());
}

#[test]
fn what_never_empties_stays_in_its_block() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    pipeline.push(b"first", &mut blocks).unwrap();
    for _ in 0..10_000 {
        pipeline.push(b"seven..", &mut blocks).unwrap();
        assert_eq!(pipeline.advance(7, &mut blocks), 7);
    }
    assert!(stored(&pipeline).queue.is_none());
    assert_eq!(stored(&pipeline).tail.capacity(), Blocks::SMALL);
}

#[test]
fn no_byte_moves_while_there_is_room_behind_it() {
    let mut blocks = Blocks::new();
    for with_segment in [false, true] {
        let mut pipeline = Pipeline::new();
        pipeline.push(b"ten bytes.", &mut blocks).unwrap();
        if with_segment {
            pipeline.push_bytes(vec![b'x'; 5_000].into(), &mut blocks).unwrap();
        }
        pipeline.advance(9, &mut blocks);
        let address = addresses(&pipeline)[0];
        pipeline.push(b"more", &mut blocks).unwrap();
        assert_eq!(addresses(&pipeline)[0], address);
    }
}

#[test]
fn an_echoed_line_leaves_from_the_same_block_each_time() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let mut echo = || {
        pipeline.push(b"hello\r\n", &mut blocks).unwrap();
        let address = addresses(&pipeline);
        pipeline.advance(7, &mut blocks);
        assert!(pipeline.stored.is_none());
        address
    };
    let first = echo();
    assert!((0..1000).all(|_| echo() == first));
}

#[test]
fn nothing_is_queued_after_a_panic_before_the_first_byte() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let push = AssertUnwindSafe(|| pipeline.push_with(10, &mut blocks, |_| panic!("on purpose")));
    catch_unwind(push).unwrap_err();
    assert!(pipeline.is_empty());
    pipeline.push(b"more", &mut blocks).unwrap();
    assert_eq!(pipeline.advance(9, &mut blocks), 4);
    assert!(pipeline.stored.is_none());
}

#[test]
fn only_a_small_block_stays_with_what_is_given_back() {
    let mut blocks = Blocks::new();
    let mut pipeline = Pipeline::new();
    let capacity = |pipeline: &mut Pipeline, blocks: &mut Blocks| {
        pipeline.push(b"x", blocks).unwrap();
        let capacity = stored(pipeline).tail.capacity();
        pipeline.clear(blocks);
        capacity
    };
    for n in [1, Blocks::SMALL, Blocks::SMALL + 1, Blocks::LARGE, 3 * Blocks::LARGE] {
        pipeline.push(&vec![b'x'; n], &mut blocks).unwrap();
        pipeline.advance(u64::MAX, &mut blocks);
        assert_eq!(capacity(&mut pipeline, &mut blocks), Blocks::SMALL, "after {n} bytes");
        pipeline.push_with(n, &mut blocks, |_| {}).unwrap();
        assert!(pipeline.is_empty());
        assert_eq!(capacity(&mut pipeline, &mut blocks), Blocks::SMALL, "room for {n} bytes");
    }
}

#[test]
fn appending_moves_what_is_large_and_copies_what_is_small() {
    let mut blocks = Blocks::new();
    let (mut outer, mut inner) = (Pipeline::new(), Pipeline::new());
    outer.push(b"outer", &mut blocks).unwrap();
    inner.push(b"inner", &mut blocks).unwrap();
    outer.append(&mut inner, &mut blocks).unwrap();
    assert_eq!(addresses(&outer).len(), 1);
    assert!(inner.stored.is_none());

    inner.push(&[b'x'; 10_000], &mut blocks).unwrap();
    let large = addresses(&inner);
    outer.append(&mut inner, &mut blocks).unwrap();
    assert_eq!(addresses(&outer)[1..], large);

    let mut by_reference = Pipeline::new();
    by_reference.push_bytes(vec![b'x'; 5_000].into(), &mut blocks).unwrap();
    inner.push(&[b'x'; 10_000], &mut blocks).unwrap();
    let large = addresses(&inner);
    by_reference.append(&mut inner, &mut blocks).unwrap();
    assert_eq!(addresses(&by_reference)[1..], large);

    let mut empty = Pipeline::new();
    let all = addresses(&outer);
    empty.append(&mut outer, &mut blocks).unwrap();
    assert_eq!(addresses(&empty), all);
    assert!(outer.is_empty());
}

#[test]
fn a_block_is_appended_by_reference_from_the_same_size_on_as_bytes_are() {
    let mut blocks = Blocks::new();
    for (n, moves) in [(Pipeline::BY_REFERENCE - 1, false), (Pipeline::BY_REFERENCE, true)] {
        let (mut outer, mut inner) = (Pipeline::new(), Pipeline::new());
        outer.push(b"outer", &mut blocks).unwrap();
        inner.push(&vec![b'x'; n], &mut blocks).unwrap();
        let address = addresses(&inner)[0];
        outer.append(&mut inner, &mut blocks).unwrap();
        assert_eq!(addresses(&outer).contains(&address), moves, "{n} bytes");
    }
}
