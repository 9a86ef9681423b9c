//! Compares `Timers` with a list in the order of insertion, searched from end to end.

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::{Instant, TimerKey, Timers};

#[derive(Arbitrary, Debug)]
enum Op {
    Insert(When),
    Cancel(u8),
    Set(u8, When),
    /// Uses an outdated key.
    Stale(u8),
    /// Moves the clock, and takes out all due timers, or only some.
    Expire(When, Option<u8>),
    /// Sleeps until the next deadline.
    Sleep,
}

/// Distances of every magnitude, ties, and both ends of time.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum When {
    Now,
    Soon(u8),
    /// `steps << shift` nanoseconds from now.
    After {
        steps: u8,
        shift: u8,
    },
    Before(u32),
    /// Around a boundary between buckets.
    Boundary(u8, u8),
    At(u64),
    Last(u8),
}

#[derive(Default)]
struct Model {
    now: u64,
    live: Vec<(Instant, usize, TimerKey)>,
    gone: Vec<TimerKey>,
    orders: usize,
}

impl Model {
    fn at(&self, when: When) -> Instant {
        Instant::from_nanos(match when {
            When::Now => self.now,
            When::Soon(n) => self.now.saturating_add(n.into()),
            When::After { steps, shift } => {
                self.now.saturating_add(u64::from(steps) << (shift % 57))
            }
            When::Before(n) => self.now.saturating_sub(n.into()),
            When::Boundary(shift, n) => {
                (self.now | ((1 << (shift % 64)) - 1)).saturating_add(u64::from(n % 3))
            }
            When::At(at) => at,
            When::Last(n) => u64::MAX - u64::from(n % 4),
        })
    }

    fn order(&mut self) -> usize {
        self.orders += 1;
        self.orders
    }

    fn first_due(&mut self, now: Instant) -> Option<TimerKey> {
        let due = (0..self.live.len())
            .filter(|&i| self.live[i].0 <= now && self.live[i].0 != Instant::NEVER)
            .min_by_key(|&i| (self.live[i].0, self.live[i].1))?;
        let (.., key) = self.live.remove(due);
        self.gone.push(key);
        Some(key)
    }

    fn pick(&self, which: u8) -> Option<usize> {
        usize::from(which).checked_rem(self.live.len())
    }
}

/// A sequence of operations on timers.
pub fn timers(data: &[u8]) {
    let mut timers: Timers<usize> = Timers::new();
    let mut keys = Vec::new();
    let mut model = Model::default();
    let mut input = Unstructured::new(data);
    for _ in 0..400 {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        apply(op, &mut timers, &mut keys, &mut model);
        check(&timers, &model);
    }
    // Sleeping from deadline to deadline ends, and all timers fire in order.
    for _ in 0..10_000 {
        let Some(next) = timers.next_deadline() else {
            assert!(model.live.iter().all(|timer| timer.0 == Instant::NEVER), "lost timers");
            return;
        };
        while let Some(value) = timers.expire(next) {
            assert_eq!(Some(keys[value]), model.first_due(next));
        }
        assert_eq!(model.first_due(next), None, "late");
    }
    panic!("timers are left after 10000 deadlines");
}

fn apply(op: Op, timers: &mut Timers<usize>, keys: &mut Vec<TimerKey>, model: &mut Model) {
    match op {
        Op::Insert(when) => {
            let deadline = model.at(when);
            let key = timers.insert(deadline, keys.len());
            keys.push(key);
            let order = model.order();
            model.live.push((deadline, order, key));
        }
        Op::Cancel(which) => {
            let Some(index) = model.pick(which) else { return };
            let (.., key) = model.live.swap_remove(index);
            assert_eq!(timers.cancel(key).map(|value| keys[value]), Some(key));
            model.gone.push(key);
        }
        Op::Set(which, when) => {
            let Some(index) = model.pick(which) else { return };
            let (deadline, order) = (model.at(when), model.order());
            let key = model.live[index].2;
            model.live[index] = (deadline, order, key);
            assert!(timers.set(key, deadline));
        }
        Op::Stale(which) => {
            let Some(index) = usize::from(which).checked_rem(model.gone.len()) else { return };
            let key = model.gone[index];
            assert_eq!(timers.cancel(key), None);
            assert!(!timers.set(key, Instant::ORIGIN));
            assert_eq!(timers.deadline(key), None);
            assert_eq!(timers.value_mut(key), None);
        }
        Op::Expire(when, most) => {
            let now = model.at(when);
            model.now = now.as_nanos();
            expire(now, most.map_or(usize::MAX, usize::from), timers, keys, model);
        }
        Op::Sleep => {
            let Some(next) = timers.next_deadline() else { return };
            model.now = model.now.max(next.as_nanos());
            expire(Instant::from_nanos(model.now), usize::MAX, timers, keys, model);
        }
    }
}

fn expire(
    now: Instant,
    most: usize,
    timers: &mut Timers<usize>,
    keys: &[TimerKey],
    model: &mut Model,
) {
    for _ in 0..most {
        let fired = timers.expire(now).map(|value| keys[value]);
        assert_eq!(fired, model.first_due(now));
        if fired.is_none() {
            assert!(timers.next_deadline().is_none_or(|next| next > now), "no progress");
            return;
        }
    }
}

fn check(timers: &Timers<usize>, model: &Model) {
    assert_eq!(timers.len(), model.live.len());
    assert_eq!(timers.is_empty(), model.live.is_empty());
    for &(deadline, _, key) in &model.live {
        assert_eq!(timers.deadline(key), Some(deadline));
    }
    let coming = model.live.iter().map(|timer| timer.0).filter(|&at| at < Instant::NEVER);
    if let Some(earliest) = coming.min() {
        let next = timers.next_deadline().expect("a timer is left, so there is a deadline");
        assert!(next <= earliest, "woken too late");
    }
}
