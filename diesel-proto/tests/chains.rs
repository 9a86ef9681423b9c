//! A drop that causes the next drop, and so on, a hundred thousand times: the stack stays small.

mod harness;

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::thread;

use diesel_proto::*;
use harness::*;

const LENGTH: usize = 100_000;
const SHORTER: usize = 20_000;

/// Runs in a thread whose stack has no room for a thousand of them.
fn with_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap().join().unwrap();
}

fn roomy() -> World {
    World::with(config(|it| (it.max_fibers, it.max_spawned) = (2 * LENGTH, 2 * LENGTH)))
}

/// Aborts when it is dropped, as the handles of other crates do.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fibers that wait for ever, each of which aborts the next when it is dropped.
fn chain(world: &mut World, length: usize) -> AbortOnDrop {
    let ctx = world.hub.ctx();
    let mut next = None;
    for _ in 0..length {
        let held = next.take();
        let fiber = async move {
            let _held = held;
            pending::<()>().await;
        };
        next = Some(AbortOnDrop(ctx.spawn(fiber).unwrap()));
    }
    world.turn();
    assert_eq!(world.hub.counters().fibers, length as u64);
    next.unwrap()
}

#[test]
fn fibers_that_abort_the_next_are_dropped_one_after_the_other() {
    with_a_small_stack(|| {
        let mut world = roomy();
        let first = chain(&mut world, LENGTH);
        drop(first);
        assert_eq!(world.hub.counters().fibers, 0);
    });
}

#[test]
fn a_machine_that_aborts_such_a_chain_is_dropped() {
    struct Holding(#[allow(dead_code)] Option<AbortOnDrop>);
    impl Machine for Holding {
        fn step(&mut self, _: Instant, _: Input<'_>, _: &mut Actions<'_>) -> usize {
            0
        }
    }
    with_a_small_stack(|| {
        let mut world = roomy();
        let first = RefCell::new(Some(chain(&mut world, SHORTER)));
        let service = Service::machine(move |_| Holding(first.take()));
        let service = world.hub.add_service(service);
        let conn = world.accept(service);
        world.turn();
        world.resets(conn);
        assert_eq!(world.hub.counters().fibers, 0);
    });
}

#[test]
fn a_hub_that_halts_drops_such_a_chain() {
    with_a_small_stack(|| {
        let mut world = roomy();
        let first = chain(&mut world, SHORTER);
        world.hub.drain(world.now, world.now);
        world.turn();
        assert_eq!((world.halted(), world.hub.counters().fibers), (true, 0));
        drop((world, first));

        let mut world = roomy();
        let first = chain(&mut world, SHORTER);
        drop((world, first));
    });
}

/// The result of a fiber is the handle of another that has also ended.
#[test]
fn unread_results_are_dropped_without_recursion() {
    struct Next(#[allow(dead_code)] Option<JoinHandle<Next>>, #[allow(dead_code)] Rc<()>);
    with_a_small_stack(|| {
        let mut world = roomy();
        let (ctx, counted) = (world.hub.ctx(), Rc::new(()));
        let mut next = None;
        for _ in 0..SHORTER {
            let result = Next(next.take(), Rc::clone(&counted));
            next = Some(ctx.spawn(async move { result }).unwrap());
        }
        world.turn();
        let handle = next.unwrap();
        assert!(handle.is_finished());
        drop(handle);
        assert_eq!(Rc::strong_count(&counted), 1);
    });
}

/// An abort within a drop waits for the end of that drop; outside of one it is done at once.
#[test]
fn an_abort_within_the_drop_of_an_aborted_fiber_comes_after_it() {
    struct Noting(Diary, &'static str, Option<JoinHandle<()>>);
    impl Drop for Noting {
        fn drop(&mut self) {
            self.0.note(format!("{} begins", self.1));
            if let Some(next) = &self.2 {
                next.abort();
                self.0.note(format!("finished: {}", next.is_finished()));
            }
            self.0.note(format!("{} ends", self.1));
        }
    }
    let (mut world, diary) = (World::new(), Diary::default());
    let ctx = world.hub.ctx();
    let spawn = |name, next| {
        let held = Noting(diary.clone(), name, next);
        let fiber = async move {
            let _held = held;
            pending::<()>().await;
        };
        ctx.spawn(fiber).unwrap()
    };
    let second = spawn("second", None);
    let first = spawn("first", Some(second));
    world.turn();
    first.abort();
    let order = ["first begins", "finished: false", "first ends", "second begins", "second ends"];
    assert_eq!(diary.read(), order);
    assert!(first.is_finished());
}
