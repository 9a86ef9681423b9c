extern crate std;

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;

const MS: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(31_557_600);

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Takes out everything that is due, one call for each.
fn expired<T>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
    core::iter::from_fn(|| timers.expire(now)).collect()
}

#[test]
fn fires_at_its_nanosecond_and_never_before() {
    // On both sides of every boundary between ticks, buckets and levels.
    for shift in 0..63 {
        for deadline in
            [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1, u64::MAX - (1 << shift)]
        {
            let mut timers = Timers::new();
            timers.insert(at(deadline), deadline);
            assert_eq!(timers.next_deadline(), Some(at(deadline)));
            if deadline > 0 {
                assert_eq!(timers.expire(at((deadline - 1) / 2)), None);
                assert_eq!(timers.expire(at(deadline - 1)), None);
            }
            assert_eq!(timers.next_deadline(), Some(at(deadline)));
            assert_eq!(timers.expire(at(deadline)), Some(deadline));
            assert_eq!(timers.next_deadline(), None);
        }
    }
}

#[test]
fn ties_fire_in_the_order_they_were_set() {
    let mut timers = Timers::new();
    let due = at(0) + 100 * MS;
    let moved = timers.insert(due, 0);
    // From near and from far: on the way to their deadline these pass different levels.
    for value in 1..=90 {
        timers.insert(due, value);
        assert_eq!(timers.expire(at(0) + value * MS), None);
    }
    let back = timers.insert(at(0) + 500 * MS, 91);
    // To the deadline that it has: it was set last.
    assert!(timers.set(moved, due));
    assert!(timers.set(back, due));
    let order: Vec<u32> = (1..=90).chain([0, 91]).collect();
    assert_eq!(expired(&mut timers, due), order);
}

#[test]
fn a_stale_key_never_names_another_timer() {
    let mut timers = Timers::new();
    let mut stale = Vec::new();
    for round in 0..100 {
        let keep = timers.insert(at(1), (round, 0));
        let cancelled = timers.insert(at(1), (round, 1));
        assert_eq!(timers.cancel(cancelled), Some((round, 1)));
        assert_eq!(timers.expire(at(1)), Some((round, 0)));
        stale.extend([keep, cancelled]);
        let live = timers.insert(at(2), (round, 2));
        for &key in &stale {
            assert_eq!(timers.cancel(key), None);
            assert_eq!(timers.deadline(key), None);
            assert!(!timers.set(key, at(0)));
        }
        assert_eq!(timers.cancel(live), Some((round, 2)));
        stale.push(live);
    }
}

#[test]
fn never_does_not_come() {
    let mut timers = Timers::new();
    let never = timers.insert(Instant::NEVER, 0);
    assert_eq!(timers.next_deadline(), None);
    assert_eq!(timers.expire(Instant::NEVER), None);

    // The last nanosecond before `NEVER` does come. Then a timer is put off for ever.
    timers.insert(at(u64::MAX - 1), 1);
    let off = timers.insert(at(5), 2);
    assert!(timers.set(off, Instant::NEVER));
    assert_eq!(timers.expire(at(u64::MAX - 2)), None);
    assert_eq!(timers.next_deadline(), Some(at(u64::MAX - 1)));
    assert_eq!(expired(&mut timers, Instant::NEVER), [1]);
    assert_eq!((timers.len(), timers.next_deadline()), (2, None));

    // Both can be set to an earlier deadline, though the clock is now far beyond it.
    assert!(timers.set(off, at(7)));
    assert!(timers.set(never, at(6)));
    assert_eq!(expired(&mut timers, at(7)), [0, 2]);
}

#[test]
fn a_jump_over_years_files_each_timer_once() {
    let mut timers = Timers::new();
    let deadlines = (0..500_u32).map(|i| at(0) + i * YEAR + i * MS);
    for (i, deadline) in deadlines.enumerate() {
        timers.insert(deadline, i);
    }
    assert_eq!(expired(&mut timers, at(0) + 100 * YEAR).len(), 100);
    let pushes = timers.wheel.pushes;
    assert_eq!(expired(&mut timers, Instant::NEVER), (100..500).collect::<Vec<_>>());
    assert!(timers.wheel.pushes - pushes <= 8 * 400);

    // Nothing is due: nothing is filed.
    timers.insert(at(u64::MAX - 1), 0);
    let pushes = timers.wheel.pushes;
    assert_eq!(timers.expire(at(0) + 584 * YEAR), None);
    assert_eq!(timers.wheel.pushes, pushes);
}

#[test]
fn time_that_goes_backwards_makes_nothing_early_or_lost() {
    let mut timers = Timers::new();
    timers.insert(at(0) + YEAR, 1);
    assert_eq!(timers.expire(at(0) + 2 * YEAR), Some(1));
    timers.insert(at(0) + 20 * MS, 3);
    timers.insert(at(0) + 10 * MS, 2);
    timers.insert(at(0) + 3 * YEAR, 4);
    assert_eq!(timers.next_deadline(), Some(at(0) + 10 * MS));
    assert_eq!(timers.expire(at(0)), None);
    assert_eq!(expired(&mut timers, at(0) + 15 * MS), [2]);
    assert_eq!(expired(&mut timers, at(0) + 2 * YEAR), [3]);
    assert!(expired(&mut timers, at(0)).is_empty());
    assert_eq!(expired(&mut timers, at(0) + 3 * YEAR), [4]);
}

#[test]
fn time_that_goes_backwards_for_good_is_no_burden() {
    let mut timers = Timers::new();
    timers.insert(at(u64::MAX - 1), ());
    assert_eq!(timers.expire(Instant::NEVER), Some(()));
    assert_eq!(timers.expire(at(0)), None);
    timers.insert(at(0) + 5 * MS, ());
    let pushes = timers.wheel.pushes;
    assert_eq!(timers.expire(at(0) + 5 * MS), Some(()));
    assert_eq!(timers.wheel.pushes - pushes, 1, "it was in the heap, not in the wheel");
}

#[test]
fn the_wheel_follows_the_clock() {
    let mut timers = Timers::new();
    timers.insert(at(0) + 6000 * MS, 0);
    let now = at(0) + 3000 * MS;
    assert_eq!(timers.expire(now), None);
    // Seen from the origin, both would be in one bucket, and moved together.
    timers.insert(now + 10 * MS, 1);
    timers.insert(now + 12 * MS, 2);
    let pushes = timers.wheel.pushes;
    assert_eq!(timers.expire(now + 10 * MS), Some(1));
    assert_eq!(timers.wheel.pushes - pushes, 1);
}

#[test]
fn a_sweep_leaves_the_order_alone() {
    let mut timers = Timers::new();
    // In the heap, and put off until after one in the wheel.
    let off = timers.insert(at(0), 2);
    timers.insert(at(0) + 50 * MS, 1);
    assert!(timers.set(off, at(0) + 100 * MS));
    for far in [at(0), at(0) + YEAR] {
        let swept: Vec<_> = (0..4 * KEEP as u32).map(|i| timers.insert(far + i * MS, 0)).collect();
        for key in swept {
            timers.cancel(key);
        }
    }
    assert!(timers.slots.stale <= 2 * 2 + KEEP);
    assert_eq!(expired(&mut timers, at(0) + 100 * MS), [1, 2]);
}

#[test]
fn a_sweep_waits_until_two_thirds_of_the_items_are_stale() {
    let mut timers = Timers::new();
    let len = 100;
    let stale = 2 * len + KEEP;
    let keys: Vec<_> = (0..len + stale).map(|i| timers.insert(scattered(i as u64), ())).collect();
    for &key in &keys[len..] {
        timers.cancel(key);
    }
    assert_eq!((timers.slots.stale, timers.wheel.len()), (stale, len + stale));
    timers.cancel(keys[0]);
    assert_eq!((timers.slots.stale, timers.wheel.len()), (0, len - 1));
}

#[test]
fn a_value_can_be_changed_until_its_timer_fires() {
    let mut timers = Timers::new();
    let key = timers.insert(at(1), 1);
    if let Some(value) = timers.value_mut(key) {
        *value = 2;
    }
    assert_eq!(timers.expire(at(1)), Some(2));
    timers.insert(at(2), 3);
    assert_eq!(timers.value_mut(key), None);
}

#[test]
fn debug_shows_how_many_there_are_and_which_is_next() {
    let mut timers = Timers::new();
    timers.insert(at(7), "secret");
    assert_eq!(
        format!("{timers:?}"),
        format!("Timers {{ len: 1, next_deadline: {:?} }}", Some(at(7)))
    );
}

#[test]
fn a_later_deadline_costs_no_queue_operation() {
    let mut timers = Timers::new();
    let key = timers.insert(at(0) + 30 * MS, ());
    for i in 0..1000 {
        assert!(timers.set(key, at(0) + (30 + i) * MS));
    }
    // Earlier than it is, not earlier than the queue believes.
    assert!(timers.set(key, at(0) + 40 * MS));
    assert_eq!(timers.wheel.pushes, 1);
    assert_eq!(timers.next_deadline(), Some(at(0) + 30 * MS));
    assert_eq!(timers.expire(at(0) + 30 * MS), None);
    assert_eq!(timers.next_deadline(), Some(at(0) + 40 * MS));
    assert_eq!(timers.wheel.pushes, 2);
    // Earlier than that costs one.
    assert!(timers.set(key, at(0) + 35 * MS));
    assert_eq!(timers.wheel.pushes, 3);
    assert_eq!(timers.expire(at(0) + 35 * MS), Some(()));
}

/// Spreads over many buckets of several levels.
fn scattered(i: u64) -> Instant {
    at(1 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 28))
}

fn assert_small<T>(timers: &Timers<T>) {
    assert_eq!((timers.len(), timers.next_deadline()), (0, None));
    let (slots, free) = timers.slots.held();
    let (chunks, due) = timers.wheel.held();
    assert!(slots <= KEEP && free <= KEEP, "{slots} slots, {free} free");
    assert!(chunks <= chunks::spare() && due <= KEEP, "{chunks} in chunks, {due} due");
}

#[test]
fn what_is_less_than_a_quarter_full_shrinks_to_twice_what_is_in_it() {
    for (len, capacity, shrunk) in [
        (0, KEEP, None),
        (0, KEEP + 1, Some(KEEP)),
        (15, 64, Some(KEEP)),
        (16, 64, None),
        (99, 400, Some(198)),
        (100, 400, None),
    ] {
        let mut to = None;
        give_back(len, capacity, |capacity| to = Some(capacity));
        assert_eq!(to, shrunk, "{len} of {capacity}");
    }
}

#[test]
fn a_bucket_has_one_small_chunk_and_then_large_ones() {
    let mut timers = Timers::new();
    let mut room = Vec::new();
    for _ in 0..4 + 42 + 1 {
        timers.insert(at(0) + YEAR, ());
        room.push(timers.wheel.held().0);
    }
    assert_eq!((room[0], room[3]), (4, 4));
    assert_eq!((room[4], room[45]), (4 + 42, 4 + 42));
    assert_eq!(room[46], 4 + 2 * 42);
}

/// The beginning of each bucket of the first three levels, as seen from the origin.
fn buckets() -> impl Iterator<Item = Instant> {
    (0..3).flat_map(|level| (1..64).map(move |digit| at(digit << (20 + 6 * level))))
}

#[test]
fn a_floor_of_spare_chunks_is_kept_even_for_no_timers() {
    let mut timers = Timers::new();
    let keys: Vec<_> = buckets().map(|deadline| timers.insert(deadline, ())).collect();
    assert_eq!(timers.wheel.held().0, 3 * 63 * 4);
    for key in keys {
        timers.cancel(key);
    }
    assert_eq!(timers.wheel.held().0, 128 * 4);
}

#[test]
fn no_chunk_is_spare_while_those_in_use_are_mostly_empty() {
    let mut timers = Timers::new();
    for deadline in buckets() {
        for _ in 0..5 {
            timers.insert(deadline, ());
        }
    }
    assert_eq!(timers.wheel.held().0, 3 * 63 * (4 + 42));
    assert_eq!(timers.expire(at(1 << 20)), Some(()));
    assert_eq!(timers.wheel.held().0, 3 * 63 * (4 + 42) - 42, "small ones are below the floor");
}

#[test]
fn numbers_of_dropped_slots_are_forgotten_when_they_are_most_of_the_list() {
    let live = 3;
    for (dropped, left) in [(2 * live + KEEP - 1, 2 * live + KEEP), (2 * live + KEEP, 1)] {
        let mut timers = Timers::new();
        let keys: Vec<_> = (0..live + dropped + 1).map(|_| timers.insert(at(1), ())).collect();
        timers.cancel(keys[0]);
        for &key in &keys[live..] {
            timers.cancel(key);
        }
        assert_eq!(timers.slots.listed(), left, "{dropped} were dropped");
        if left == 1 {
            assert_eq!(timers.insert(at(1), ()).slot, 0, "the one that is free");
        }
    }
}

#[test]
fn memory_is_given_back() {
    let mut timers = Timers::new();
    assert_eq!((timers.slots.held(), timers.wheel.held()), ((0, 0), (0, 0)));
    for cancel in [true, false] {
        let keys: Vec<_> = (0..100_000).map(|i| timers.insert(scattered(i), i)).collect();
        assert!(timers.wheel.held().0 >= 100_000);
        // All but the first hundred, in no order.
        for i in 0..100_000_usize {
            let i = i * 54_321 % 100_000;
            if i >= 100 {
                if cancel {
                    assert_eq!(timers.cancel(keys[i]), Some(i as u64));
                } else {
                    timers.set(keys[i], at(0));
                    assert_eq!(timers.expire(at(0)), Some(i as u64));
                }
            }
        }
        assert_eq!(timers.len(), 100);
        let (slots, free) = timers.slots.held();
        let (chunks, due) = timers.wheel.held();
        assert!(slots <= 400 && free <= 1000, "{slots} slots, {free} free");
        assert!(
            chunks <= 2 * 4 * 332 + chunks::spare() && due <= 4 * 332,
            "{chunks} in chunks, {due} due"
        );
        for &key in &keys[..100] {
            assert!(timers.cancel(key).is_some());
        }
        assert_small(&timers);
    }
    for i in 0..100_000 {
        timers.insert(scattered(i), i);
    }
    assert_eq!(expired(&mut timers, at(1 << 36)).len(), 100_000);
    assert_small(&timers);
    // Those that fire last leave cancelled ones behind.
    let cancelled: Vec<_> = (0..100).map(|i| timers.insert(at(0) + YEAR, i)).collect();
    for i in 0..100 {
        timers.insert(at(1 << 36), i);
    }
    for key in cancelled {
        timers.cancel(key);
    }
    assert_eq!(expired(&mut timers, at(1 << 36)).len(), 100);
    assert_small(&timers);
    // All in one tick.
    for i in 0..100_000 {
        timers.insert(at(u64::MAX >> 20), i);
    }
    assert_eq!(expired(&mut timers, Instant::NEVER).len(), 100_000);
    assert_small(&timers);
}

#[test]
fn the_heap_gives_memory_back() {
    let mut timers = Timers::new();
    for _ in 0..100 {
        timers.insert(at(1), 0);
    }
    for cancel in [true, false] {
        let keys: Vec<_> = (0..100_000).map(|_| timers.insert(at(0), 1)).collect();
        if cancel {
            for key in keys {
                timers.cancel(key);
            }
        } else {
            assert_eq!(expired(&mut timers, at(0)).len(), 100_000);
        }
        let (_, due) = timers.wheel.held();
        assert!(due <= 4 * 332, "{due} due");
    }
    assert_eq!(expired(&mut timers, at(1)).len(), 100);
    let keys: Vec<_> = (0..100).map(|_| timers.insert(at(1), 0)).collect();
    for key in keys {
        timers.cancel(key);
    }
    assert_small(&timers);
}

#[test]
fn a_steady_number_allocates_nothing() {
    for live in [1_u64, 40, 3_000] {
        let mut timers = Timers::new();
        let mut keys: Vec<_> =
            (0..live).map(|i| timers.insert(at(0) + MS * (i % 977) as u32, i)).collect();
        let mut now = at(0);
        let (mut held, mut calls) = (((0, 0), 0), (0, 0));
        for round in 0..600_000_u64 {
            let i = (round.wrapping_mul(0x9e37_79b9) % live) as usize;
            let timeout = MS * (round % 4001 + 1) as u32;
            assert_eq!(timers.cancel(keys[i]), Some(i as u64));
            keys[i] = timers.insert(now + timeout, i as u64);
            if round % 3 == 0 {
                now += MS / 3;
                while let Some(value) = timers.expire(now) {
                    keys[value as usize] = timers.insert(now + timeout, value);
                }
            }
            if round == 300_000 {
                held = (timers.slots.held(), timers.wheel.held().1);
                calls = timers.wheel.allocator_calls();
            }
        }
        assert_eq!(held, (timers.slots.held(), timers.wheel.held().1), "{live} live");
        // How they scatter over buckets may still reach a new record, but no chunk goes and comes.
        let (allocated, freed) = timers.wheel.allocator_calls();
        assert_eq!(freed, calls.1, "{live} live");
        assert!(allocated - calls.0 <= 10, "{live} live: {} more", allocated - calls.0);
    }
}

#[test]
fn dropping_very_many_does_not_overflow_the_stack() {
    let fill = || {
        let mut timers = Timers::new();
        for i in 0..500_000_u32 {
            timers.insert(at(u64::MAX / 2), i);
        }
    };
    // So small that not even the smallest frame for each chunk would fit.
    let thread = std::thread::Builder::new().stack_size(1 << 16).spawn(fill);
    assert!(thread.unwrap().join().is_ok());
}
