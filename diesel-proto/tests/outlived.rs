//! Panics of user code outside of a poll and of a step: in the drop of an aborted fiber, in a
//! waker, in the successor of a machine. Each ends only the fiber or machine that it came from.

mod harness;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::panic_any;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use diesel_proto::*;
use harness::*;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("in a drop");
        }
    }
}

fn catching() -> World {
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    world
}

fn spawn_bomb(ctx: &Ctx) -> JoinHandle<()> {
    let fiber = async {
        let _bomb = Bomb;
        pending::<()>().await;
    };
    ctx.spawn(fiber).unwrap()
}

const PANICKED: Notice = Notice::Panicked { peer: None };

#[test]
fn a_fiber_that_panics_when_it_is_aborted_leaves_the_one_that_aborts_alone() {
    let (mut world, diary) = (catching(), Diary::default());
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            for _ in 0..2 {
                let bomb = spawn_bomb(&ctx);
                ctx.sleep(seconds(1)).await?;
                bomb.abort();
                note.note(format!("{:?}", bomb.await));
            }
            Ok(())
        })
        .unwrap();
    world.waits(seconds(2));
    assert_eq!(diary.read(), ["Err(Aborted)"; 2]);
    let counters = world.hub.counters();
    assert_eq!((counters.panics, counters.failures, counters.fibers), (2, 0, 0));
    assert_eq!(world.notices(), [PANICKED, PANICKED]);
}

/// The unread result of a fiber that has ended.
#[test]
fn a_result_that_panics_when_it_is_dropped_leaves_the_holder_of_the_handle_alone() {
    let (mut world, diary) = (catching(), Diary::default());
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            let handle = ctx.spawn(async { Bomb })?;
            ctx.sleep(seconds(1)).await?;
            drop(handle);
            note.note("still here");
            Ok(())
        })
        .unwrap();
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["still here"]);
    assert_eq!(world.hub.counters().panics, 1);
}

#[test]
fn a_panic_that_carries_what_panics_when_it_is_dropped_is_one_panic() {
    let mut world = catching();
    world.hub.add_loop(async |_| panic_any(Bomb)).unwrap();
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    world.sends(conn, "hello\n");
    assert_eq!(world.receives(conn), "you said: hello\n");
    assert_eq!(world.hub.counters().panics, 1);
}

/// A foreign waker, which panics.
struct Fragile;

impl Wake for Fragile {
    fn wake(self: Arc<Self>) {
        panic!("in a waker")
    }
}

/// Has `token` wait with such a waker, and then for ever.
async fn wait_fragile<F: Future>(token: F) {
    let mut token = pin!(token);
    let waker = Waker::from(Arc::new(Fragile));
    poll_fn(|_| {
        let polled = token.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn a_waker_that_panics_does_not_unwind_into_its_caller() {
    let (mut world, diary) = (catching(), Diary::default());
    let event: Event<u32> = world.hub.event();
    let (mut waiting, mut rings) = (event.subscribe(), event.subscribe());
    world
        .hub
        .add_loop(async move |ctx| {
            let child = ctx.clone();
            let ended = ctx.spawn(async move { child.sleep(seconds(2)).await })?;
            let event = async { first((waiting.wait(), ctx.sleep(seconds(1)), ended)).await };
            wait_fragile(event).await;
            Ok(())
        })
        .unwrap();
    let service = world.hub.add_service(async |mut conn: Conn| {
        wait_fragile(conn.until_eol()).await;
        Ok(())
    });
    let conn = world.accept(service);
    let (fires, note) = (event.clone(), diary.clone());
    world
        .hub
        .add_loop(async move |_| {
            fires.fire(1);
            note.note(format!("{:?}", rings.wait().await));
            Ok(())
        })
        .unwrap();
    world.turn();
    assert_eq!((diary.read(), world.hub.counters().panics), (vec!["Ok(1)".to_owned()], 1));
    world.waits(seconds(1));
    assert_eq!(world.hub.counters().panics, 2, "a timer");
    world.waits(seconds(1));
    assert_eq!(world.hub.counters().panics, 3, "a fiber that ended");
    world.sends(conn, "hello\n");
    assert_eq!(world.hub.counters().panics, 4, "bytes");
    world.resets(conn);
    assert_eq!(world.notices(), [PANICKED; 4]);
}

#[test]
fn the_owner_of_sent_bytes_may_panic_when_it_is_dropped() {
    struct Owner(Bomb);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            let Bomb = self.0;
            &[b'x'; 10_000]
        }
    }
    let mut world = catching();
    let service = world.hub.add_service(async |mut conn: Conn| {
        conn.write(Bytes::from_owner(Owner(Bomb))).await?;
        conn.write("more").await
    });
    let conn = world.accept(service);
    world.turn();
    assert!(world.receives(conn).ends_with("xmore"));
    assert_eq!((world.hub.counters().panics, world.notices()), (1, vec![PANICKED]));
}

/// What a machine wanted to give way to, before it panicked, is not the next machine's successor.
#[test]
fn the_successor_that_a_panicking_machine_named_takes_no_other_place() {
    struct Failing;
    impl Machine for Failing {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if let Input::Bytes(_) = input {
                actions.upgrade(LineEcho::default());
                panic!("in a machine");
            }
            0
        }
    }
    struct Sink;
    impl Machine for Sink {
        fn step(&mut self, _: Instant, input: Input<'_>, _: &mut Actions<'_>) -> usize {
            if let Input::Bytes(bytes) = input { bytes.len() } else { 0 }
        }
    }
    let mut world = catching();
    let failing = world.hub.add_service(Service::machine(|_| Failing));
    let sink = world.hub.add_service(Service::machine(|_| Sink));
    let (failing, sink) = (world.accept(failing), world.accept(sink));
    world.sends(failing, "hello\n");
    world.sends(sink, "hello\n");
    world.sends(sink, "hello\n");
    assert_eq!(world.receives(sink), "");
    assert_eq!(world.hub.counters().panics, 1);
}

#[test]
fn a_service_that_panics_when_its_hub_is_dropped_keeps_nothing_alive() {
    let mut world = catching();
    let value = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let (bomb, value) = (Rc::new(Bomb), Rc::clone(&value));
        world.hub.add_service(Service::machine(move |_| {
            let _ = (&bomb, &value);
            LineEcho::default()
        }));
    }
    drop(world);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_panic_while_a_machine_is_made_is_counted_and_reported_like_others() {
    let mut world = catching();
    let service = Service::machine(|_| -> LineEcho { panic!("no machine today") });
    let service = world.hub.add_service(service.max_connections(1));
    for n in 1..=2 {
        let refused = world.hub.accept(world.now, service, Address::Unnamed);
        assert_eq!(refused, Err(Refused::Panicked), "it takes no room of others");
        world.turn();
        let counters = world.hub.counters();
        assert_eq!((counters.panics, counters.refused, counters.open), (n, n, 0));
    }
    let told = Action::Notice(Some(service), Notice::Panicked { peer: Some(Address::Unnamed) });
    assert_eq!(world.log, [told.clone(), told]);
}

/// Were it counted only for those that left, there would be room for one too many.
#[test]
fn without_a_hook_a_machine_that_cannot_be_made_leaves_the_limits_as_they_were() {
    let mut world = World::new();
    let fails = Rc::new(Cell::new(false));
    let failing = Rc::clone(&fails);
    let service = Service::machine(move |_| {
        assert!(!failing.get(), "no machine today");
        LineEcho::default()
    });
    let service = world.hub.add_service(service.max_connections(2));
    world.accept(service);
    fails.set(true);
    let accept = std::panic::AssertUnwindSafe(|| world.accept(service));
    assert!(std::panic::catch_unwind(accept).is_err());
    world.turn();
    assert_eq!(world.hub.counters().panics, 1);
    fails.set(false);
    world.accept(service);
    let refused = world.hub.accept(world.now, service, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Limit(Limit::ServiceConnections(2))));
}

#[test]
fn a_refusal_is_counted_and_reported() {
    let mut world = World::with(config(|it| it.max_fibers = 1));
    let service = world.hub.add_service(Service::new(echo).max_connections(1));
    let other = world.hub.add_service(echo);
    world.accept(service);
    let by_service = Refused::Limit(Limit::ServiceConnections(1));
    let by_fibers = Refused::Limit(Limit::Fibers(1));
    for (service, why) in [(service, by_service), (other, by_fibers)] {
        let refused = world.hub.accept(world.now, service, Address::Unnamed);
        assert_eq!(refused, Err(why));
        world.turn();
        assert!(world.log.contains(&Action::Notice(Some(service), Notice::Refused(why))));
    }
    assert_eq!(world.hub.counters().refused, 2);
    assert_eq!(
        Notice::Refused(by_fibers).to_string(),
        format!("a connection was refused: {}", Limit::Fibers(1))
    );
}
