use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use quickcheck::{QuickCheck, TestResult};

use super::*;

const MS: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(31_557_600);

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Whatever is due, each a call of its own.
fn expired<T>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
    core::iter::from_fn(|| timers.expire(now)).collect()
}

/// A list in the order in which things happened, searched from end to end.
#[derive(Default)]
struct Model {
    now: u64,
    live: Vec<(Instant, usize, TimerKey)>,
    gone: Vec<TimerKey>,
    orders: usize,
}

impl Model {
    fn order(&mut self) -> usize {
        self.orders += 1;
        self.orders
    }

    fn first_due(&mut self, now: Instant) -> Option<TimerKey> {
        let index = (0..self.live.len())
            .filter(|&i| self.live[i].0 <= now && self.live[i].0 != Instant::NEVER)
            .min_by_key(|&i| (self.live[i].0, self.live[i].1))?;
        let (.., key) = self.live.remove(index);
        self.gone.push(key);
        Some(key)
    }

    /// Distances of every magnitude, with many ties, and each way past the end.
    fn deadline(&self, scale: u8, amount: u16) -> Instant {
        let amount = u64::from(amount);
        at(match scale % 12 {
            0 => self.now,
            1 => self.now.saturating_sub(amount << 12),
            2 => u64::MAX - amount % 3,
            3 => (self.now | 0xf_ffff).saturating_add(amount % 3),
            s => self.now.saturating_add((amount & 7) << (6 * u32::from(s - 4) + 16)),
        })
    }
}

type Op = (u8, u8, u16);

/// Runs `ops` on timers and on the model; says where they first disagree.
fn run(ops: &[Op]) -> Result<(), String> {
    let mut timers = Timers::new();
    let mut model = Model::default();
    let mut keys = Vec::new();
    for (step, &(op, scale, amount)) in ops.iter().enumerate() {
        let pick = usize::from(amount);
        let wrong = |what: &str| Err(format!("step {step}: {what}"));
        match op % 8 {
            0..=2 => {
                let deadline = model.deadline(scale, amount);
                let key = timers.insert(deadline, keys.len());
                let order = model.order();
                keys.push(key);
                model.live.push((deadline, order, key));
            }
            3 if !model.live.is_empty() => {
                let (.., key) = model.live.swap_remove(pick % model.live.len());
                if timers.cancel(key).map(|value| keys[value]) != Some(key) {
                    return wrong("cancel");
                }
                model.gone.push(key);
            }
            4 | 5 if !model.live.is_empty() => {
                let index = pick % model.live.len();
                let (deadline, order) = (model.deadline(scale, amount), model.order());
                let key = model.live[index].2;
                model.live[index] = (deadline, order, key);
                if !timers.set(key, deadline) {
                    return wrong("set");
                }
            }
            6 if !model.gone.is_empty() => {
                let key = model.gone[pick % model.gone.len()];
                if timers.cancel(key).is_some()
                    || timers.set(key, at(0))
                    || timers.deadline(key).is_some()
                {
                    return wrong("a stale key");
                }
            }
            7 => {
                let now = model.deadline(scale, amount);
                if scale % 16 != 1 {
                    model.now = now.as_nanos();
                }
                // Now and then some stay, though they are due.
                let most = if scale & 64 == 0 { 2 } else { usize::MAX };
                for _ in 0..most {
                    let fired = timers.expire(now).map(|value| keys[value]);
                    if fired != model.first_due(now) {
                        return wrong("expire");
                    }
                    if fired.is_none() {
                        if timers.next_deadline().is_some_and(|next| next <= now) {
                            return wrong("no progress");
                        }
                        break;
                    }
                }
            }
            _ => {}
        }
        if timers.len() != model.live.len() || timers.is_empty() != model.live.is_empty() {
            return wrong("len");
        }
        if model.live.iter().any(|&(deadline, _, key)| timers.deadline(key) != Some(deadline)) {
            return wrong("deadline");
        }
        let earliest = model.live.iter().map(|timer| timer.0).min().filter(|&d| d < Instant::NEVER);
        match (timers.next_deadline(), earliest) {
            (None, Some(_)) => return wrong("a timer that nobody will wake up for"),
            (Some(next), Some(earliest)) if next > earliest => return wrong("woken too late"),
            _ => {}
        }
        if timers.slots.stale > 2 * timers.len() + KEEP {
            return wrong("stale items");
        }
    }
    // Sleeping from deadline to deadline comes to an end, and on the way all fire in order.
    for _ in 0..4 * (ops.len() + KEEP) {
        let Some(next) = timers.next_deadline() else {
            let left = model.live.iter().all(|timer| timer.0 == Instant::NEVER);
            return if left { Ok(()) } else { Err("lost timers".into()) };
        };
        while let Some(value) = timers.expire(next) {
            if Some(keys[value]) != model.first_due(next) {
                return Err("the order at the end".into());
            }
        }
        if model.first_due(next).is_some() {
            return Err("late at the end".into());
        }
    }
    Err("no end".into())
}

#[test]
fn agrees_with_a_sorted_list() {
    fn property(ops: Vec<Op>) -> TestResult {
        match run(&ops) {
            Ok(()) => TestResult::passed(),
            Err(why) => TestResult::error(why),
        }
    }
    QuickCheck::new()
        .rng(quickcheck::Gen::new(300))
        .tests(3000)
        .max_tests(3000)
        .quickcheck(property as fn(Vec<Op>) -> TestResult);
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

    // The last nanosecond does; and then a timer that was put off for ever.
    timers.insert(at(u64::MAX - 1), 1);
    let off = timers.insert(at(5), 2);
    assert!(timers.set(off, Instant::NEVER));
    assert_eq!(timers.expire(at(u64::MAX - 2)), None);
    assert_eq!(timers.next_deadline(), Some(at(u64::MAX - 1)));
    assert_eq!(expired(&mut timers, Instant::NEVER), [1]);
    assert_eq!((timers.len(), timers.next_deadline()), (2, None));

    // Both can be brought back, though the clock now says that it is long past.
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
    assert_eq!(expired(&mut timers, at(0)), []);
    assert_eq!(expired(&mut timers, at(0) + 3 * YEAR), [4]);
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
    assert!(chunks <= chunks::SPARE && due <= KEEP, "{chunks} in chunks, {due} due");
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
            chunks <= 2 * 4 * 332 + chunks::SPARE && due <= 4 * 332,
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
    // All in one tick.
    for i in 0..100_000 {
        timers.insert(at(u64::MAX >> 20), i);
    }
    assert_eq!(expired(&mut timers, Instant::NEVER).len(), 100_000);
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
    let mut timers = Timers::new();
    for i in 0..2_000_000_u32 {
        timers.insert(at(u64::MAX / 2), i);
    }
    drop(timers);
}
