//! `Timers` beside tokio's `DelayQueue`.
//!
//! ```text
//! cargo bench -p diesel-proto --bench timers               # each by itself
//! cargo bench -p diesel-proto --bench timers -- --ratio    # in turns; fails above half
//! ```

use std::future::poll_fn;
use std::hint::black_box;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant as Clock};

use diesel_proto::{Instant, TimerKey, Timers};
use tokio::runtime::Runtime;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

/// Few in a debug build, which only shows that the benches run: `DelayQueue` then searches a list
/// at each removal.
const TIMERS: usize = if cfg!(debug_assertions) { 10_000 } else { 1_000_000 };
const HORIZON: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(10);
/// Timers that stay while others come and go.
const LIVE: usize = 10_000;

/// What `Timers` may take of the time that `DelayQueue` takes.
const LIMIT: f64 = 0.5;
const RUNS: usize = 7;

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--ratio") {
        return ratio();
    }
    divan::main();
    ExitCode::SUCCESS
}

/// xorshift64: the same numbers every time, for both.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Random(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Up to the horizon, in whole milliseconds: `DelayQueue` knows no finer ones.
    fn delay(&mut self) -> Duration {
        Duration::from_millis(1 + self.below(HORIZON.as_millis() as usize) as u64)
    }
}

/// A million set, a random half cancelled.
struct Plan {
    delays: Vec<Duration>,
    cancelled: Vec<usize>,
}

impl Plan {
    fn new() -> Self {
        let mut random = Random::new();
        let delays = (0..TIMERS).map(|_| random.delay()).collect();
        let mut cancelled: Vec<usize> = (0..TIMERS).collect();
        for last in (1..TIMERS).rev() {
            cancelled.swap(last, random.below(last + 1));
        }
        cancelled.truncate(TIMERS / 2);
        Plan { delays, cancelled }
    }
}

/// How long the three parts of a plan took: insert, cancel, fire.
type Laps = [Duration; 3];

fn timers(plan: &Plan) -> Laps {
    let start = Clock::now();
    let mut timers = Timers::new();
    let mut keys: Vec<TimerKey> = Vec::new();
    for (value, &delay) in (0_u32..).zip(&plan.delays) {
        keys.push(timers.insert(Instant::ORIGIN + delay, value));
    }
    let inserted = Clock::now();
    for &index in &plan.cancelled {
        black_box(timers.cancel(keys[index]));
    }
    let cancelled = Clock::now();
    let mut now = Instant::ORIGIN;
    let mut fired = 0;
    while now < Instant::ORIGIN + HORIZON {
        now += TICK;
        while let Some(value) = timers.expire(now) {
            black_box(value);
            fired += 1;
        }
    }
    let done = Clock::now();
    assert_eq!(fired, TIMERS - plan.cancelled.len());
    [inserted - start, cancelled - inserted, done - cancelled]
}

fn delay_queue(plan: &Plan) -> Laps {
    paused().block_on(tokio::task::unconstrained(async {
        let start = Clock::now();
        let mut queue = DelayQueue::new();
        let mut keys: Vec<Key> = Vec::new();
        for (value, &delay) in (0_u32..).zip(&plan.delays) {
            keys.push(queue.insert(value, delay));
        }
        let inserted = Clock::now();
        for &index in &plan.cancelled {
            black_box(queue.remove(&keys[index]));
        }
        let cancelled = Clock::now();
        let mut fired = 0;
        // One tick more: tokio rounds up.
        for _ in 0..=HORIZON.as_millis() / TICK.as_millis() {
            tokio::time::advance(TICK).await;
            while let Poll::Ready(Some(expired)) =
                poll_fn(|cx| Poll::Ready(queue.poll_expired(cx))).await
            {
                black_box(expired);
                fired += 1;
            }
        }
        let done = Clock::now();
        assert_eq!(fired, TIMERS - plan.cancelled.len());
        [inserted - start, cancelled - inserted, done - cancelled]
    }))
}

fn paused() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O")
}

/// Both in turns, so that whatever else the machine does befalls both.
fn ratio() -> ExitCode {
    let plan = Plan::new();
    let (ours, theirs): (Vec<Laps>, Vec<Laps>) =
        (0..RUNS).map(|_| (timers(&plan), delay_queue(&plan))).unzip();
    let ops = [TIMERS, plan.cancelled.len(), TIMERS - plan.cancelled.len()];
    println!("{TIMERS} timers, half of them cancelled; median of {RUNS} runs in turns");
    println!(
        "{:12} {:>12} {:>12} {:>12} {:>12}",
        "ns each", "insert", "cancel", "fire", "total ms"
    );
    for (name, runs) in [("Timers", &ours), ("DelayQueue", &theirs)] {
        print!("{name:12}");
        for (part, &ops) in ops.iter().enumerate() {
            print!(" {:12.1}", median(runs.iter().map(|laps| laps[part])) * 1e9 / ops as f64);
        }
        println!(" {:12.1}", median(runs.iter().map(total)) * 1e3);
    }
    let ratio = median(ours.iter().map(total)) / median(theirs.iter().map(total));
    println!("ratio {ratio:.3}, limit {LIMIT}");
    if ratio <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn total(laps: &Laps) -> Duration {
    laps.iter().sum()
}

/// In seconds.
fn median(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

#[divan::bench_group(sample_count = 10, sample_size = 1)]
mod million {
    use super::{Plan, delay_queue, timers};

    #[divan::bench(name = "timers")]
    fn ours(bencher: divan::Bencher<'_, '_>) {
        let plan = Plan::new();
        bencher.bench_local(|| timers(&plan));
    }

    #[divan::bench(name = "delay_queue")]
    fn theirs(bencher: divan::Bencher<'_, '_>) {
        let plan = Plan::new();
        bencher.bench_local(|| delay_queue(&plan));
    }
}

/// One of many is cancelled and set again: what a request does to its time-out.
#[divan::bench_group]
mod steady {
    use super::{DelayQueue, Instant, LIVE, Random, Timers, paused};

    #[divan::bench(name = "timers")]
    fn ours(bencher: divan::Bencher<'_, '_>) {
        let mut random = Random::new();
        let mut timers = Timers::new();
        let mut keys: Vec<_> =
            (0..LIVE).map(|i| timers.insert(Instant::ORIGIN + random.delay(), i)).collect();
        bencher.bench_local(|| {
            let index = random.below(LIVE);
            let value = timers.cancel(keys[index]);
            keys[index] = timers.insert(Instant::ORIGIN + random.delay(), index);
            value
        });
    }

    #[divan::bench(name = "timers_set")]
    fn ours_set(bencher: divan::Bencher<'_, '_>) {
        let mut random = Random::new();
        let mut timers = Timers::new();
        let keys: Vec<_> =
            (0..LIVE).map(|i| timers.insert(Instant::ORIGIN + random.delay(), i)).collect();
        bencher.bench_local(|| {
            let index = random.below(LIVE);
            timers.set(keys[index], Instant::ORIGIN + random.delay())
        });
    }

    #[divan::bench(name = "delay_queue")]
    fn theirs(bencher: divan::Bencher<'_, '_>) {
        let runtime = paused();
        let _entered = runtime.enter();
        let mut random = Random::new();
        let mut queue = DelayQueue::new();
        let mut keys: Vec<_> = (0..LIVE).map(|i| queue.insert(i, random.delay())).collect();
        bencher.bench_local(|| {
            let index = random.below(LIVE);
            let value = queue.remove(&keys[index]);
            keys[index] = queue.insert(index, random.delay());
            value
        });
    }
}
