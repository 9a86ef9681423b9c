//! Jobs: closures that run outside of the hub, whenever the embedder likes.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use diesel_proto::hub::{Input, JobOutcome, Outcome, catch_panics};
use diesel_proto::*;
use harness::{World, seconds};

/// The jobs that were asked for so far.
fn jobs(world: &World) -> Vec<JobId> {
    let job = |action: &Action| match action {
        Action::Job(job) => Some(*job),
        _ => None,
    };
    world.log.iter().filter_map(job).collect()
}

fn cancelled(world: &World) -> Vec<JobId> {
    let cancelled = |action: &Action| match action {
        Action::Cancel(job) => Some(*job),
        _ => None,
    };
    world.log.iter().filter_map(cancelled).collect()
}

fn completes(world: &mut World, job: JobId, outcome: JobOutcome) {
    world.hub.completed(world.now, job, outcome);
    world.turn();
}

/// A world with one fiber, and what it notes.
fn looping<F>(body: F) -> (World, Rc<RefCell<Vec<String>>>)
where
    F: AsyncFnOnce(Ctx, Rc<RefCell<Vec<String>>>) -> Result<(), Error> + 'static,
{
    let noted = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&noted);
    (World::looping(async move |ctx: Ctx| body(ctx, notes).await), noted)
}

/// Tells when it is dropped, and may be sent.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_job_runs_when_the_embedder_likes_and_in_any_thread() {
    let (mut world, noted) = looping(async |ctx, noted| {
        let sum = ctx.unblock(|| (1..=10).sum::<u32>()).await?;
        noted.borrow_mut().push(sum.to_string());
        Ok(())
    });
    let [id] = jobs(&world)[..] else { panic!("{:?}", world.log) };
    world.waits(seconds(60));
    let job = world.hub.take_job(id).unwrap();
    assert!(world.hub.take_job(id).is_none(), "it is taken once");
    let outcome = std::thread::spawn(|| job.run()).join().unwrap();
    assert_eq!(outcome.end(), Ok(()));
    assert!(noted.borrow().is_empty());
    completes(&mut world, id, outcome);
    assert_eq!(*noted.borrow(), ["55"]);
    assert_eq!(cancelled(&world), []);
    // It is stale now.
    completes(&mut world, id, JobOutcome::of(7));
    assert!(world.hub.take_job(id).is_none());
}

#[test]
fn failures_are_typed() {
    let (mut world, noted) = looping(async |ctx, noted| {
        loop {
            let error = ctx.unblock(|| -> u8 { panic!("on purpose") }).await.unwrap_err();
            noted.borrow_mut().push(error.to_string());
        }
    });
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcomes: [fn(hub::Job) -> JobOutcome; 5] = [
        hub::Job::run,
        |_| JobError::Unsupported.into(),
        |_| JobError::OutOfResources.into(),
        |_| JobError::Dropped.into(),
        // Of another type.
        |_| JobOutcome::of("text"),
    ];
    for outcome in outcomes {
        let id = *jobs(&world).last().unwrap();
        let job = world.hub.take_job(id).unwrap();
        completes(&mut world, id, outcome(job));
    }
    std::panic::set_hook(hook);
    assert_eq!(
        *noted.borrow(),
        [
            "the job panicked",
            "jobs are not supported here",
            "there is no thread for the job",
            "the job was dropped before it ran",
            "the job was dropped before it ran",
        ]
    );
}

#[test]
fn a_token_that_is_dropped_cancels_its_job_and_drops_a_late_answer() {
    let drops = Arc::new(AtomicUsize::new(0));
    let captured = Arc::clone(&drops);
    let (mut world, _) = looping(async move |ctx, _| {
        for _ in 0..2 {
            let captured = Dropped(Arc::clone(&captured));
            let job = ctx.unblock(move || captured);
            assert!(matches!(first((job, ctx.sleep(seconds(1)))).await, First2::B(Ok(()))));
        }
        core::future::pending().await
    });
    // Not taken: the closure is dropped unrun.
    let [first] = jobs(&world)[..] else { panic!() };
    world.waits(seconds(1));
    assert_eq!((cancelled(&world), drops.load(SeqCst)), (vec![first], 1));
    assert!(world.hub.take_job(first).is_none());

    // Taken: it runs, and what it returns is dropped.
    let [_, second] = jobs(&world)[..] else { panic!() };
    let job = world.hub.take_job(second).unwrap();
    world.waits(seconds(1));
    assert_eq!(cancelled(&world), [first, second]);
    let outcome = job.run();
    assert_eq!(drops.load(SeqCst), 1);
    completes(&mut world, second, outcome);
    assert_eq!(drops.load(SeqCst), 2);
    assert!(world.notices().is_empty());
}

#[test]
fn an_answer_that_comes_with_the_end_of_its_token_is_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let captured = Arc::clone(&drops);
    let (mut world, _) = looping(async move |ctx, _| {
        let captured = Dropped(Arc::clone(&captured));
        // Written first, the sleep wins.
        let job = ctx.unblock(move || captured);
        assert!(matches!(first((ctx.sleep(seconds(1)), job)).await, First2::A(Ok(()))));
        core::future::pending().await
    });
    let [id] = jobs(&world)[..] else { panic!() };
    let outcome = world.hub.take_job(id).unwrap().run();
    world.now += seconds(1);
    completes(&mut world, id, outcome);
    assert_eq!((drops.load(SeqCst), cancelled(&world)), (1, vec![]));
}

#[test]
fn a_job_is_not_begun_before_its_token_is_polled() {
    let (world, _) = looping(async |ctx, _| {
        drop(ctx.unblock(|| ()));
        core::future::pending().await
    });
    assert!(world.log.is_empty());
}

#[test]
fn a_shutdown_ends_the_wait() {
    let (mut world, noted) = looping(async |ctx, noted| {
        for _ in 0..2 {
            let error = ctx.unblock(|| ()).await.unwrap_err();
            noted.borrow_mut().push(error.to_string());
        }
        Ok(())
    });
    let by = world.now + seconds(5);
    world.hub.drain(world.now, by);
    world.turn();
    assert!(world.halted());
    assert_eq!(*noted.borrow(), ["shutting down", "shutting down"]);
    assert_eq!((jobs(&world).len(), cancelled(&world).len()), (1, 1));
}

/// Nothing comes after `Halt`.
#[test]
fn a_token_that_outlives_its_fiber_is_cancelled_before_the_halt() {
    let kept = Rc::new(RefCell::new(None));
    let keeps = Rc::clone(&kept);
    let (mut world, _) = looping(async move |ctx, _| {
        let mut job = Box::pin(ctx.unblock(|| ()));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(job.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
        keeps.replace(Some(job));
        Ok(())
    });
    let by = world.now + seconds(5);
    world.hub.drain(world.now, by);
    world.turn();
    assert_eq!(world.log.last(), Some(&Action::Halt));
    assert_eq!((jobs(&world).len(), cancelled(&world).len()), (1, 1));
    drop(kept.take());
    assert!(!world.hub.has_more());
}

#[test]
fn at_the_limit_the_next_job_fails_and_its_closure_is_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut world = World::with(Config { max_jobs: 2, ..Config::default() });
    let ended = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..3 {
        let (captured, ended) = (Dropped(Arc::clone(&drops)), Rc::clone(&ended));
        let body = async move |ctx: Ctx| {
            let outcome = ctx.unblock(move || drop(captured)).await;
            ended.borrow_mut().push(outcome.map_err(|error| error.to_string()));
            Ok(())
        };
        world.hub.add_loop(body).unwrap();
    }
    world.turn();
    assert_eq!(*ended.borrow(), [Err(Limit::Jobs(2).to_string())]);
    assert_eq!((jobs(&world).len(), drops.load(SeqCst)), (2, 1));
    // An answer makes room.
    let id = jobs(&world)[0];
    let outcome = world.hub.take_job(id).unwrap().run();
    completes(&mut world, id, outcome);
    world.hub.add_loop(async |ctx: Ctx| ctx.unblock(|| ()).await).unwrap();
    world.turn();
    assert_eq!(jobs(&world).len(), 3);
}

#[test]
fn the_drop_of_what_nobody_wants_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    // One is not taken, one not awaited any more when it answers, and one in the same moment.
    for _ in 0..2 {
        let body = async |ctx: Ctx| {
            let bomb = Bomb;
            let job = ctx.unblock(move || bomb);
            assert!(matches!(first((ctx.sleep(seconds(1)), job)).await, First2::A(Ok(()))));
            core::future::pending().await
        };
        world.hub.add_loop(body).unwrap();
    }
    world.turn();
    let [_, second] = jobs(&world)[..] else { panic!() };
    let outcome = world.hub.take_job(second).unwrap().run();
    world.now += seconds(1);
    completes(&mut world, second, outcome);
    completes(&mut world, second, JobOutcome::of(Bomb));
    let panics = world.notices();
    assert_eq!(panics, vec![Notice::Panicked { peer: None }; 3], "{:?}", world.log);
}

/// A session is recorded as values, with jobs and look-ups in it, and replayed.
#[test]
fn a_replay_runs_the_closures_itself() {
    fn hub() -> (Hub, mpsc::Receiver<String>) {
        let mut hub = Hub::default();
        let (sender, receiver) = mpsc::channel();
        hub.add_loop(async move |ctx: Ctx| {
            let mut number = 1_u64;
            loop {
                number = ctx.unblock(move || number * 3).await?;
                let conn = ctx.connect(format!("host{number}.example:80")).await;
                let text = conn.map_or_else(|error| error.to_string(), |it| it.peer().to_string());
                sender.send(text).map_err(|_| Error::Closed)?;
                ctx.sleep(seconds(1)).await?;
            }
        })
        .unwrap();
        (hub, receiver)
    }
    let (mut live, seen) = hub();
    let mut recording: Vec<(Instant, Input<'static>)> = Vec::new();
    let (mut now, mut log) = (Instant::ORIGIN, Vec::new());
    for n in 0..60 {
        let mut actions = Vec::new();
        recording.push((now, Input::Run));
        live.run(now, &mut actions);
        for action in &actions {
            match action {
                Action::Job(id) => {
                    let outcome = match n % 4 {
                        3 => JobError::Dropped.into(),
                        _ => live.take_job(*id).unwrap().run(),
                    };
                    recording.push((now, Input::Completed { job: *id, end: outcome.end() }));
                    live.completed(now, *id, outcome);
                }
                Action::Resolve(id, name) => {
                    let addresses = match name.as_str().len() % 3 {
                        0 => Err(ResolveErrorKind::Temporary),
                        1 => Ok(Vec::new()),
                        _ => Ok(vec!["192.0.2.1:0".parse().unwrap()]),
                    };
                    let input = Input::Resolved { job: *id, addresses };
                    recording.push((now, input.clone().into_owned()));
                    live.handle(now, input, &mut Vec::new());
                }
                Action::Connect(conn, _) => {
                    recording.push((now, Input::Connected(*conn)));
                    live.connected(now, *conn);
                }
                _ => {}
            }
        }
        log.extend(actions);
        now = live.next_wake().unwrap_or(now + seconds(1)).max(now);
    }
    let (mut replayed, seen_again) = hub();
    let mut again = Vec::new();
    for (now, input) in recording {
        let input = input.for_hub(&replayed);
        let outcome = replayed.handle(now, input, &mut again);
        assert_eq!(outcome, Outcome::Nothing);
    }
    assert!(log.len() > 20, "{log:?}");
    assert_eq!(again, log);
    drop((live, replayed));
    let seen: Vec<_> = seen.iter().collect();
    assert!(seen.len() > 3 && seen == seen_again.iter().collect::<Vec<_>>(), "{seen:?}");
}
