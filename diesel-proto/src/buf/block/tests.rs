//! The pool: sizes, bounds, and blocks that are pinned when they come back.

use super::*;
use alloc::format;

type Shared = Rc<Vec<u8>>;

#[test]
fn blocks_come_in_two_sizes_and_to_measure_above() {
    let mut blocks = Blocks::<Vec<u8>>::new();
    let cases = [
        (0, Blocks::SMALL),
        (1, Blocks::SMALL),
        (Blocks::SMALL, Blocks::SMALL),
        (Blocks::SMALL + 1, Blocks::LARGE),
        (Blocks::LARGE, Blocks::LARGE),
        (Blocks::LARGE + 1, Blocks::LARGE + 1),
    ];
    for (at_least, capacity) in cases {
        let block = blocks.lend(at_least);
        assert_eq!((block.len(), block.capacity()), (0, capacity), "asked for {at_least}");
        blocks.give_back(block);
    }
    assert_eq!((blocks.small.len(), blocks.large.len()), (1, 1));
}

#[test]
fn what_was_given_back_is_lent_again_and_empty() {
    let mut blocks = Blocks::<Vec<u8>>::new();
    for size in [Blocks::SMALL, Blocks::LARGE] {
        let mut block = blocks.lend(size);
        block.push(7);
        let address = block.as_ptr();
        blocks.give_back(block);
        let block = blocks.lend(size);
        assert_eq!((block.len(), block.as_ptr()), (0, address));
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut blocks = Blocks::<Shared>::new();
    for _ in 0..2 * Blocks::KEEP_SMALL {
        blocks.give_back(Shared::with_capacity(Blocks::SMALL));
        blocks.give_back(Shared::with_capacity(Blocks::LARGE));
        blocks.give_back(Shared::with_capacity(Blocks::LARGE + 1));
        blocks.give_back(Shared::with_capacity(10));
        blocks.give_back(Shared::default());
        blocks.give_back_keeper(Box::default());
    }
    assert_eq!(blocks.small.len(), Blocks::KEEP_SMALL);
    assert_eq!(blocks.keepers.len(), Blocks::KEEP_SMALL);
    assert_eq!(blocks.large.len(), Blocks::KEEP_LARGE);

    let pins: Vec<_> = (0..2 * Blocks::KEEP_PINNED)
        .map(|_| {
            let block = Shared::with_capacity(Blocks::SMALL);
            blocks.give_back(block.clone());
            block
        })
        .collect();
    assert_eq!(blocks.pinned.len(), Blocks::KEEP_PINNED);
    let is_kept: Vec<_> = pins.iter().map(|pin| Rc::strong_count(pin) == 2).collect();
    assert!(is_kept.iter().skip(Blocks::KEEP_PINNED).all(|&kept| kept), "the newest are kept");
}

#[test]
fn debug_counts_what_is_kept() {
    let mut blocks = Blocks::<Shared>::new();
    let pin = Shared::with_capacity(Blocks::SMALL);
    blocks.give_back(pin.clone());
    blocks.give_back(Shared::with_capacity(Blocks::LARGE));
    blocks.give_back(Shared::with_capacity(Blocks::LARGE));
    assert_eq!(format!("{blocks:?}"), "Blocks { small: 0, large: 2, pinned: 1 }");
}

#[test]
fn a_pinned_block_that_is_too_large_is_let_go_at_once() {
    let mut blocks = Blocks::<Shared>::new();
    let pin = Shared::with_capacity(Blocks::LARGE + 1);
    blocks.give_back(pin.clone());
    assert_eq!(Rc::strong_count(&pin), 1);
}

#[test]
fn a_pinned_block_is_lent_again_once_it_is_free() {
    for size in [Blocks::SMALL, Blocks::LARGE] {
        let mut blocks = Blocks::<Shared>::new();
        let pin = blocks.lend(size);
        blocks.give_back(pin.clone());
        assert_eq!(Rc::strong_count(&pin), 2, "it is kept");
        let other = blocks.lend(size);
        assert!(!Rc::ptr_eq(&pin, &other), "never while it is pinned");

        let address = Rc::as_ptr(&pin);
        drop(pin);
        assert_eq!(Rc::as_ptr(&blocks.lend(size)), address);
    }
}

#[test]
fn blocks_that_stay_pinned_hide_no_free_one() {
    let mut blocks = Blocks::<Shared>::new();
    let mut pins: Vec<_> = (0..3 * Blocks::TRIES).map(|_| blocks.lend(1)).collect();
    for pin in &pins {
        blocks.give_back(pin.clone());
    }
    let address = pins.pop().map(|last| Rc::as_ptr(&last));
    let found = (0..3).any(|_| Some(Rc::as_ptr(&blocks.lend(1))) == address);
    assert!(found, "each call tries the next few");
}

#[test]
fn an_evicted_block_that_is_free_by_now_is_kept() {
    let mut blocks = Blocks::<Shared>::new();
    let first = Shared::with_capacity(Blocks::SMALL);
    blocks.give_back(first.clone());
    drop(first);
    let pins: Vec<_> = (0..Blocks::KEEP_PINNED).map(|_| Shared::with_capacity(4096)).collect();
    for pin in &pins {
        blocks.give_back(pin.clone());
    }
    assert_eq!((blocks.small.len(), blocks.pinned.len()), (1, Blocks::KEEP_PINNED));
}
