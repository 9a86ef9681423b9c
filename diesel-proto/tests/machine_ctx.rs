//! Machines that keep their `MachineCtx`: woken by fibers and by themselves, calling user code, and
//! dropped without a leak.

mod harness;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use diesel_proto::*;
use harness::*;

/// Answers each wake-up with a dot. Each `MachineCtx` is stored for the test to wake.
struct Dots {
    machine_ctx: MachineCtx,
    /// How often it still wakes itself.
    again: u32,
}

type Shelf = Rc<RefCell<Vec<MachineCtx>>>;

impl Machine for Dots {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Wake => {
                actions.send(b".");
                if let Some(left) = self.again.checked_sub(1) {
                    self.again = left;
                    self.machine_ctx.wake();
                }
            }
            Input::Bytes(bytes) => return bytes.len(),
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

fn dots(shelf: &Shelf, again: u32) -> Service {
    let shelf = Rc::clone(shelf);
    Service::machine_with(move |machine_ctx| {
        shelf.borrow_mut().push(machine_ctx.clone());
        Dots { machine_ctx, again }
    })
}

#[test]
fn a_context_names_its_connection() {
    let (mut world, shelf) = (World::new(), Shelf::default());
    let service = world.hub.add_service(dots(&shelf, 0));
    let address = Address::Socket("192.0.2.1:7".parse().unwrap());
    let (one, other) = (world.accept(service), world.hub.accept(world.now, service, address));
    let seats = shelf.borrow();
    assert_eq!((seats[0].conn(), Ok(seats[1].conn())), (one, other));
    assert_eq!((seats[0].peer(), seats[1].peer()), (Address::Unnamed, address));
}

#[test]
fn however_often_a_machine_is_woken_it_is_stepped_once_when_its_turn_comes() {
    let (mut world, shelf) = (World::new(), Shelf::default());
    let service = world.hub.add_service(dots(&shelf, 0));
    let (one, other) = (world.accept(service), world.accept(service));
    world.turn();
    assert!(!world.hub.has_more());
    shelf.borrow()[0].wake();
    shelf.borrow()[0].wake();
    assert!(world.hub.has_more());
    assert_eq!(world.queued(one), 0);
    world.turn();
    assert_eq!(world.receives(one), ".");
    shelf.borrow()[0].wake();
    world.turn();
    assert_eq!(world.receives(one), ".");
    assert_eq!(world.receives(other), "");
}

#[test]
fn a_context_whose_connection_is_gone_wakes_no_other() {
    let (mut world, shelf) = (World::new(), Shelf::default());
    let service = world.hub.add_service(dots(&shelf, 0));
    let gone = world.accept(service);
    world.turn();
    // Woken, and gone before its turn.
    shelf.borrow()[0].wake();
    world.resets(gone);
    let next = world.accept(service);
    assert_eq!(gone.index(), next.index());
    shelf.borrow()[0].wake();
    world.turn();
    assert_eq!(world.receives(next), "");
}

/// Waking a machine of an idle hub notifies the embedder.
#[test]
fn waking_a_machine_of_a_hub_that_rests_notifies_the_embedder() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let alarms = Arc::new(Count(AtomicUsize::new(0)));
    let mut world = World::of(Hub::with_waker(Config::default(), Waker::from(Arc::clone(&alarms))));
    let shelf = Shelf::default();
    let service = world.hub.add_service(dots(&shelf, 0));
    world.accept(service);
    world.turn();
    world.hub.next_wake();
    shelf.borrow()[0].wake();
    assert_eq!(alarms.0.load(Ordering::SeqCst), 1);
    assert_eq!(world.hub.next_wake(), Some(world.now));
}

/// Neither can keep the other from its turn, nor the embedder from its own.
#[test]
fn a_machine_that_wakes_itself_takes_turns_with_fibers_within_the_budget() {
    let mut world = World::with(config(|config| config.polls_per_run = 10));
    let shelf = Shelf::default();
    let service = world.hub.add_service(dots(&shelf, u32::MAX));
    let conn = world.accept(service);
    let turns = Rc::new(Cell::new(0));
    let count = Rc::clone(&turns);
    world
        .hub
        .add_loop(async move |ctx| {
            loop {
                count.set(count.get() + 1);
                ctx.sleep(std::time::Duration::ZERO).await?;
            }
        })
        .unwrap();
    shelf.borrow()[0].wake();
    let mut actions = Vec::new();
    for run in 1..=3 {
        world.hub.run(world.now, &mut actions);
        assert_eq!((turns.get(), world.queued(conn)), (run * 5, run * 5));
    }
}

/// A fiber that a machine began, and that wakes it when it is done.
#[test]
fn a_machine_begins_a_fiber_and_is_woken_by_it() {
    struct Late(MachineCtx, Rc<Cell<Option<u32>>>);
    impl Machine for Late {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(bytes) => {
                    let (machine_ctx, ctx, answer) =
                        (self.0.clone(), self.0.ctx(), Rc::clone(&self.1));
                    let asked = bytes.len() as u32;
                    let work = async move {
                        ctx.sleep(seconds(1)).await?;
                        answer.set(Some(asked));
                        machine_ctx.wake();
                        Ok::<(), Error>(())
                    };
                    actions.pause();
                    if self.0.ctx().spawn(work).is_err() {
                        actions.abort(Cause::Failed);
                    }
                    return bytes.len();
                }
                Input::Wake => {
                    if let Some(answer) = self.1.take() {
                        actions.send(answer.to_string().as_bytes());
                        actions.resume();
                    }
                }
                _ => {}
            }
            0
        }
    }
    let (mut world, conn) =
        World::serving(Service::machine_with(|machine_ctx| Late(machine_ctx, Rc::default())));
    world.sends(conn, "12345");
    assert!(world.paused(conn));
    assert_eq!(world.receives(conn), "");
    world.waits(seconds(1));
    assert_eq!(world.receives(conn), "5");
    assert!(!world.paused(conn));
}

/// User code called within a step: its panic is caught.
struct Fragile(MachineCtx);

impl Machine for Fragile {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let Input::Bytes(bytes) = input else { return 0 };
        let handler = || match bytes {
            b"panic" => panic!("in a handler"),
            _ => bytes.to_ascii_uppercase(),
        };
        match self.0.call(handler) {
            Some(answer) => actions.send(&answer),
            None => actions.send(b"sorry"),
        }
        bytes.len()
    }
}

#[test]
fn a_machine_outlives_the_panic_of_what_it_calls() {
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    let service = world.hub.add_service(Service::machine_with(Fragile));
    let conn = world.accept(service);
    for (said, received) in [("hello", "HELLO"), ("panic", "sorry"), ("again", "AGAIN")] {
        world.sends(conn, said);
        assert_eq!(world.receives(conn), received);
    }
    assert_eq!(world.hub.counters().open, 1);
}

#[test]
fn without_a_hook_what_a_machine_calls_unwinds_through_it_and_closes_it() {
    let (mut world, conn) = World::serving(Service::machine_with(Fragile));
    assert!(catch_unwind(AssertUnwindSafe(|| world.delivers(conn, "panic"))).is_err());
    world.turn();
    assert_eq!(world.closed(conn), Some(Cause::Panicked));
}

/// The closure that makes machines may panic as well: then there is no connection.
#[test]
fn a_maker_that_panics_leaves_nothing_behind() {
    let service = || Service::machine_with(|_| -> Dots { panic!("in a maker") });
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    let id = world.hub.add_service(service());
    let refused = world.hub.accept(world.now, id, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Panicked));
    world.turn();
    let notice = Action::Notice(Some(id), Notice::Panicked { peer: Some(Address::Unnamed) });
    assert_eq!((world.hub.counters().open, &*world.log), (0, &[notice][..]));

    let mut world = World::new();
    let id = world.hub.add_service(service().max_connections(1));
    assert!(catch_unwind(AssertUnwindSafe(|| world.accept(id))).is_err());
    world.turn();
    assert_eq!(world.hub.counters().open, 0);
    assert!(!world.log.iter().any(|action| matches!(action, Action::StopAccepting(_))));
}

/// The hub owns the machine, the machine its `MachineCtx`, and that the hub: dropping the hub
/// breaks the cycle.
#[test]
fn dropping_the_hub_frees_a_machine_and_its_seat() {
    struct Held(#[allow(dead_code)] MachineCtx, #[allow(dead_code)] Rc<()>);
    impl Machine for Held {
        fn step(&mut self, _: Instant, _: Input<'_>, _: &mut Actions<'_>) -> usize {
            0
        }
    }
    let value = Rc::new(());
    let weak: Weak<()> = Rc::downgrade(&value);
    let mut world = World::new();
    world.hub.set_poll_hook({
        let ctx = world.hub.ctx();
        Box::new(move |_, run| {
            ctx.now();
            run();
        })
    });
    let service = world.hub.add_service(Service::machine_with(move |machine_ctx| {
        Held(machine_ctx, Rc::clone(&value))
    }));
    world.accept(service);
    world.turn();
    drop(world);
    assert_eq!(weak.strong_count(), 0);
}
