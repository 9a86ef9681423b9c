//! A property test: whatever is done to them, timers behave like a sorted list.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use quickcheck::{QuickCheck, TestResult};

use super::*;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
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

    /// A deadline at a distance of any magnitude, with many ties, up to and past `NEVER`.
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

/// Runs `ops` on timers and on the model; returns where they first disagree.
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
                // Sometimes leave timers that are due.
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
            (None, Some(_)) => return wrong("a timer with no deadline to wake up for"),
            (Some(next), Some(earliest)) if next > earliest => return wrong("woken too late"),
            _ => {}
        }
        let stale = timers.slots.stale;
        if stale > if timers.is_empty() { 0 } else { 2 * timers.len() + KEEP } {
            return wrong("too many stale items");
        }
        let coming = model.live.iter().filter(|timer| timer.0 < Instant::NEVER).count();
        if !(coming..=timers.len()).contains(&(timers.wheel.len() - stale)) {
            return wrong("not one item for each timer");
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
