//! Names and jobs under an embedder that does what a seed says: answers late, twice, never or wrongly,
//! and shuts down at any time. What it is asked for is consistent, and nothing is left in the end.

mod harness;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use diesel_proto::hub::JobOutcome;
use diesel_proto::testkit::Random;
use diesel_proto::*;
use harness::{World, seconds};

const MOST_JOBS: usize = 5;
const MOST_CONNECTIONS: usize = 7;

/// Passes everything on to its inner machine.
struct Through(Nested<hub::Inner>);

impl Machine for Through {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle(None, actions);
        taken
    }
}

/// Does the next thing that its numbers say, and goes on whatever comes of it.
async fn busy(ctx: Ctx, seed: u64) -> Result<(), Error> {
    let mut random = Random::new(seed);
    for _ in 0..4 {
        let patience = Duration::from_millis(random.below(1500));
        let target = ["a.example:80", "localhost:80", "192.0.2.1:80", "b.example:80"];
        let connect = ctx.connect(target[random.below(4) as usize]);
        let connect = match random.below(3) {
            0 => connect.connect_within(Duration::from_millis(random.below(900))),
            1 => connect.resolve_within(Duration::from_millis(random.below(900))),
            _ => connect,
        };
        let outcome = match random.below(4) {
            0 => ctx.timeout(patience, ctx.unblock(move || seed)).await.and_then(|it| it.map(drop)),
            1 => ctx.timeout(patience, connect).await.and_then(|it| it.map(drop)),
            2 => {
                let connect = connect.layer(|_, inner| Through(Nested::sharing(inner)));
                ctx.timeout(patience, connect).await.and_then(|it| it.map(drop))
            }
            _ => connect.await.map(drop),
        };
        if let Err(Error::Shutdown) = outcome {
            return Ok(());
        }
        ctx.sleep(Duration::from_millis(random.below(300))).await?;
    }
    Ok(())
}

/// What the embedder was asked for, as the actions say.
#[derive(Default)]
struct Asked {
    seen: usize,
    names: Vec<JobId>,
    jobs: Vec<JobId>,
    connecting: Vec<ConnId>,
    /// Every id that is not awaited any more, to be answered all the same.
    stale: Vec<JobId>,
    open: BTreeSet<ConnId>,
}

impl Asked {
    fn look(&mut self, world: &World) {
        for action in &world.log[self.seen..] {
            match action {
                Action::Resolve(job, _) => self.names.push(*job),
                Action::Job(job) => self.jobs.push(*job),
                Action::Cancel(job) => {
                    let before = self.names.len() + self.jobs.len();
                    self.names.retain(|it| it != job);
                    self.jobs.retain(|it| it != job);
                    assert_eq!(self.names.len() + self.jobs.len(), before - 1, "{action:?}");
                    self.stale.push(*job);
                }
                Action::Connect(conn, _) => {
                    self.connecting.push(*conn);
                    assert!(self.open.insert(*conn));
                }
                Action::Close(conn, _) | Action::Abort(conn, _) => {
                    self.connecting.retain(|it| it != conn);
                    assert!(self.open.remove(conn), "{action:?}");
                }
                _ => {}
            }
        }
        self.seen = world.log.len();
        assert!(self.names.len() + self.jobs.len() <= MOST_JOBS);
        assert!(self.open.len() <= MOST_CONNECTIONS);
    }
}

fn draw<T>(random: &mut Random, from: &mut Vec<T>) -> Option<T> {
    let n = from.len() as u64;
    (n > 0).then(|| from.swap_remove(random.below(n) as usize))
}

fn addresses(random: &mut Random) -> Result<Vec<SocketAddr>, ResolveErrorKind> {
    if random.below(5) == 0 {
        return Err(ResolveErrorKind::Temporary);
    }
    let all = ["[2001:db8::1]:0", "192.0.2.1:0", "192.0.2.2:0", "[2001:db8::2]:0", "192.0.2.3:0"];
    let n = random.below(6) as usize;
    Ok(all[..n].iter().map(|it| it.parse().unwrap()).collect())
}

fn session(seed: u64) -> String {
    let mut random = Random::new(seed);
    let config = Config {
        max_jobs: MOST_JOBS,
        max_connections: MOST_CONNECTIONS,
        tokens_per_pass: 1 + random.below(4) as u32,
        polls_per_run: 1 + random.below(9) as u32,
        ..Config::default()
    };
    let mut world = World::with(config);
    for n in 0..1 + random.below(9) {
        world.hub.add_loop(async move |ctx: Ctx| busy(ctx, seed ^ (n << 32)).await).unwrap();
    }
    world.turn();
    let mut asked = Asked::default();
    let steps = random.below(200);
    for _ in 0..steps {
        asked.look(&world);
        let now = world.now;
        match random.below(8) {
            0 | 1 => {
                if let Some(job) = draw(&mut random, &mut asked.names) {
                    world.hub.resolved(now, job, addresses(&mut random));
                    asked.stale.push(job);
                }
            }
            2 => {
                if let Some(id) = draw(&mut random, &mut asked.jobs) {
                    let job = world.hub.take_job(id).expect("it is awaited");
                    world.hub.completed(now, id, job.run());
                    asked.stale.push(id);
                }
            }
            3 | 4 => {
                if let Some(conn) = draw(&mut random, &mut asked.connecting) {
                    match random.below(2) {
                        0 => world.hub.connected(now, conn),
                        _ => world.hub.connect_failed(now, conn, ConnectErrorKind::Refused),
                    }
                }
            }
            5 => {
                // Late, or of the wrong kind.
                if let Some(&job) = asked.stale.last() {
                    world.hub.completed(now, job, JobOutcome::of(7));
                    world.hub.resolved(now, job, addresses(&mut random));
                    assert!(world.hub.take_job(job).is_none());
                }
                if let Some(&name) = asked.names.last() {
                    world.hub.completed(now, name, JobOutcome::of(7));
                    assert!(world.hub.take_job(name).is_none());
                }
            }
            _ => world.waits(Duration::from_millis(random.below(700))),
        }
        // Several inputs may come before a run.
        if random.below(2) == 0 {
            world.turn();
        }
    }
    world.turn();
    asked.look(&world);
    let by = world.now + seconds(2);
    world.hub.drain(world.now, by);
    world.waits(seconds(3));
    asked.look(&world);
    assert!(world.halted(), "{:?}", world.log);
    assert!(asked.names.is_empty() && asked.jobs.is_empty(), "they were not cancelled");
    assert!(asked.open.is_empty());
    assert_eq!(world.hub.next_wake(), None);
    let panics = |notice: &Notice| matches!(notice, Notice::Panicked { .. });
    assert!(!world.notices().iter().any(panics));
    format!("{:?}", world.log)
}

#[test]
fn a_thousand_seeds() {
    for seed in 0..1000 {
        let outcome = std::panic::catch_unwind(|| session(seed));
        let log = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        if seed % 50 == 0 {
            assert_eq!(log, session(seed), "seed {seed}: the same inputs gave other actions");
        }
    }
}
