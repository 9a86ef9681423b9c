//! User code that panics: with a hook that catches the panic, and without one. Either way the hub
//! stays consistent, and no other connection is affected.

mod harness;

use std::fmt;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::Duration;

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

/// A line decides how its handler ends.
async fn fragile(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        match &*line.trimmed() {
            "panic" => panic!("in a poll"),
            "drop" => {
                let _bomb = Bomb;
                return Ok(());
            }
            "error" => return Err(Error::application(Unprintable)),
            _ => conn.write(("you said: ", line)).await?,
        }
    }
}

#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in a Display")
    }
}

impl std::error::Error for Unprintable {}

fn catching() -> World {
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    world
}

#[test]
fn a_handler_that_panics_takes_only_its_own_connection_along() {
    for last_words in ["panic\n", "drop\n"] {
        let mut world = catching();
        let service = world.hub.add_service(fragile);
        let (bad, good) = (world.accept(service), world.accept(service));
        world.sends(bad, "hello\n");
        world.sends(bad, last_words);
        assert_eq!(world.receives(bad), "you said: hello\n");
        world.ends(bad);
        assert_eq!(world.closed(bad), Some(Cause::Panicked), "{last_words}");
        world.sends(good, "still there?\n");
        assert_eq!(world.receives(good), "you said: still there?\n");
        let counters = world.hub.counters();
        assert_eq!((counters.panics, counters.open, counters.fibers), (1, 1, 1));
        assert_eq!(world.notices(), [Notice::Panicked { peer: Some(Address::Unnamed) }]);
    }
}

/// The `Display` of an error is user code, too.
#[test]
fn an_error_that_panics_when_it_is_printed_is_caught_as_well() {
    let mut world = catching();
    let service = world.hub.add_service(fragile);
    let conn = world.accept(service);
    world.sends(conn, "error\n");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Failed));
    let counters = world.hub.counters();
    assert_eq!((counters.panics, counters.failures, counters.fibers), (1, 1, 0));
}

#[test]
fn a_loop_that_panics_ends() {
    let mut world = catching();
    world.hub.add_loop(async |_| panic!("at once")).unwrap();
    world.hub.add_loop(async |ctx| ctx.sleep(seconds(1)).await).unwrap();
    world.turn();
    assert_eq!(world.hub.counters().fibers, 1);
    assert_eq!(world.hub.counters().panics, 1);
    assert_eq!(world.notices(), [Notice::Panicked { peer: None }]);
}

/// The handle of a spawned fiber returns how it ended.
#[test]
fn the_handle_of_a_spawned_fiber_says_that_it_panicked() {
    let (mut world, diary) = (catching(), Diary::default());
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            let at_once = ctx.spawn(async { panic!("at once") })?;
            let sleeper = ctx.clone();
            let later = ctx.spawn(async move {
                sleeper.sleep(seconds(1)).await.unwrap();
                panic!("later")
            })?;
            let handles: [JoinHandle<()>; 2] = [at_once, later];
            for handle in handles {
                note.note(format!("{:?}", handle.await));
            }
            Ok(())
        })
        .unwrap();
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["Err(Panicked)", "Err(Panicked)"]);
    assert_eq!(world.hub.counters().fibers, 0);
}

/// A machine in the hub that panics at the byte `!`, and counts how often it is stepped.
struct FragileMachine;

impl Machine for FragileMachine {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) if bytes.contains(&b'!') => panic!("in a machine"),
            Input::Bytes(bytes) => {
                actions.send(bytes);
                bytes.len()
            }
            _ => 0,
        }
    }
}

#[test]
fn a_machine_that_panics_takes_only_its_own_connection_along() {
    let mut world = catching();
    let service = world.hub.add_service(Service::machine(|_| FragileMachine));
    let (bad, good) = (world.accept(service), world.accept(service));
    world.sends(bad, "!");
    assert_eq!(world.closed(bad), Some(Cause::Panicked));
    world.sends(good, "hello");
    assert_eq!(world.receives(good), "hello");
    assert_eq!(world.hub.counters().panics, 1);
    assert_eq!(world.hub.counters().open, 1);
}

/// The drop of a machine is user code, too: it runs within the hook, and after everything else.
#[test]
fn a_machine_that_panics_when_it_is_dropped_is_caught_as_well() {
    struct Dying(#[allow(dead_code)] Bomb);
    impl Machine for Dying {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Eof {
                actions.close(Cause::PeerClosed);
            }
            0
        }
    }
    let mut world = catching();
    let service = world.hub.add_service(Service::machine(|_| Dying(Bomb)));
    let (bad, other) = (world.accept(service), world.accept(service));
    world.hub.eof(world.now, bad);
    world.hub.eof(world.now, other);
    world.turn();
    assert_eq!(world.closed(bad), Some(Cause::PeerClosed));
    assert_eq!(world.closed(other), Some(Cause::PeerClosed));
    assert_eq!(world.hub.counters().panics, 2);
}

/// Without a hook a panic unwinds through `run` to its caller, and the hub stays consistent.
#[test]
fn without_a_hook_the_hub_survives_the_unwinding() {
    for last_words in ["panic\n", "drop\n"] {
        let mut world = World::new();
        let service = world.hub.add_service(fragile);
        let (bad, good) = (world.accept(service), world.accept(service));
        world.sends(bad, "hello\n");
        world.delivers(bad, last_words);
        world.delivers(good, "still there?\n");
        assert!(catch_unwind(AssertUnwindSafe(|| world.turn())).is_err());
        world.turn();
        assert_eq!(world.receives(good), "you said: still there?\n");
        world.ends(bad);
        assert_eq!(world.closed(bad), Some(Cause::Panicked), "{last_words}");
        let counters = world.hub.counters();
        assert_eq!((counters.panics, counters.open, counters.fibers), (1, 1, 1));
    }
}

#[test]
fn without_a_hook_a_machine_that_panicked_is_closed_by_the_next_run() {
    let mut world = World::new();
    let service = world.hub.add_service(Service::machine(|_| FragileMachine));
    let (bad, good) = (world.accept(service), world.accept(service));
    world.turn();
    assert!(catch_unwind(AssertUnwindSafe(|| world.delivers(bad, "!"))).is_err());
    world.turn();
    assert_eq!(world.closed(bad), Some(Cause::Panicked));
    world.sends(good, "hello");
    assert_eq!(world.receives(good), "hello");
    assert_eq!(world.hub.counters().open, 1);
}

/// After a panic, too, a wake-up from outside notifies the embedder.
#[test]
fn without_a_hook_the_embedder_is_still_notified_after_the_unwinding() {
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
    let event: Event<()> = world.hub.event();
    let mut subscription = event.subscribe();
    world.hub.add_loop(async move |_| subscription.wait().await).unwrap();
    world.turn();
    world.hub.add_loop(async |_| panic!("at once")).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| world.turn())).is_err());
    // As every embedder does before it waits: from now on a wake-up notifies its waker.
    world.hub.next_wake();
    let before = alarms.0.load(Ordering::SeqCst);
    event.fire(());
    assert_eq!(alarms.0.load(Ordering::SeqCst), before + 1);
}

/// What was queued before is not lost when something that formats itself panics.
#[test]
fn a_display_that_panics_loses_nothing_that_was_queued_before() {
    let mut world = catching();
    let service = world.hub.add_service(async |mut conn: Conn| {
        conn.until_eol().await?;
        conn.write("first\n").await?;
        conn.write(format_args!("second {}", Unprintable)).await
    });
    let conn = world.accept(service);
    world.sends(conn, "go\n");
    assert_eq!(world.receives(conn), "first\nsecond ");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Panicked));
}

/// What formats itself may use the hub: here it ends the stream of another.
#[test]
fn a_display_may_use_the_hub() {
    struct Parting(std::cell::RefCell<Option<Writer>>);
    impl fmt::Display for Parting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.borrow_mut().take();
            f.write_str("bye\n")
        }
    }
    // The writer of the first to come is put on a shelf, for the second to end.
    let mut world = World::new();
    let shelf: Rc<std::cell::RefCell<Option<Writer>>> = Rc::default();
    let service = world.hub.add_service(Service::new(async move |conn: Conn| {
        let (mut reader, mut writer) = conn.split();
        reader.until_eol().await?;
        let other = shelf.take();
        if other.is_none() {
            *shelf.borrow_mut() = Some(writer);
            reader.until_eol().await?;
            return Ok(());
        }
        writer.write(format_args!("{}", Parting(std::cell::RefCell::new(other)))).await
    }));
    let (one, other) = (world.accept(service), world.accept(service));
    world.sends(one, "\n");
    world.sends(other, "\n");
    assert!(world.half_closed(one));
    assert_eq!(world.receives(other), "bye\n");
}

/// Drops are counted by a weak reference: gone, whatever else still lives.
#[test]
fn one_fiber_aborts_another_which_is_dropped_at_once() {
    let diary = Diary::default();
    let (note, value) = (diary.clone(), Rc::new(()));
    let weak = Rc::downgrade(&value);
    let world = World::looping(async move |ctx| {
        let other = ctx.spawn(async move {
            let _held = value;
            pending::<()>().await;
        })?;
        ctx.sleep(Duration::ZERO).await?;
        assert!(!other.is_finished());
        other.abort();
        other.abort();
        note.note(format!("finished: {}", other.is_finished()));
        note.note(format!("{:?}", other.await));
        Ok(())
    });
    assert_eq!(diary.read(), ["finished: true", "Err(Aborted)"]);
    assert_eq!(weak.strong_count(), 0);
    assert_eq!(world.hub.counters().fibers, 0);
}

/// A fiber that aborts itself goes on to its next await, and no further.
#[test]
fn a_fiber_that_aborts_itself_ends_at_its_next_await() {
    let diary = Diary::default();
    let note = diary.clone();
    let world = World::looping(async move |ctx| {
        let own: Rc<std::cell::RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (shared, sleeper, inner) = (Rc::clone(&own), ctx.clone(), note.clone());
        let handle = ctx.spawn(async move {
            if let Some(handle) = &*shared.borrow() {
                handle.abort();
            }
            inner.note("aborted, and still here");
            sleeper.sleep(Duration::ZERO).await.unwrap();
            inner.note("never reached");
        })?;
        *own.borrow_mut() = Some(handle);
        ctx.sleep(Duration::ZERO).await?;
        ctx.sleep(Duration::ZERO).await?;
        let handle = own.take().unwrap();
        note.note(format!("{:?}", handle.await));
        Ok(())
    });
    assert_eq!(diary.read(), ["aborted, and still here", "Err(Aborted)"]);
    assert_eq!(world.hub.counters().fibers, 0);
}

/// A connection whose holder is aborted closes, as if it had been dropped.
#[test]
fn the_connection_of_an_aborted_fiber_closes() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
        let ctx = conn.ctx();
        conn.write("hello\n").await?;
        let holder = ctx.spawn(async move { conn.until_eol().await.map(drop) })?;
        ctx.sleep(seconds(1)).await?;
        holder.abort();
        note.note(format!("{:?}", holder.await.is_err()));
        Ok(())
    }));
    world.waits(seconds(1));
    world.ends(conn);
    assert_eq!(world.receives(conn), "hello\n");
    assert_eq!(world.closed(conn), Some(Cause::Done));
    assert_eq!(diary.read(), ["true"]);
}

/// Whatever a fiber holds on to: its own hub through its handles, others' answers, an unfinished
/// upgrade. Dropping the hub frees it all.
#[test]
fn dropping_the_hub_frees_everything() {
    struct Held {
        _ctx: Ctx,
        _value: Rc<()>,
    }
    impl Machine for Held {
        fn step(&mut self, _: Instant, _: Input<'_>, _: &mut Actions<'_>) -> usize {
            0
        }
    }
    let value = Rc::new(());
    let weak: Weak<()> = Rc::downgrade(&value);
    let mut world = World::new();
    let held = {
        let (ctx, value) = (world.hub.ctx(), value);
        move || Held { _ctx: ctx.clone(), _value: Rc::clone(&value) }
    };
    let make = Rc::new(held);

    let event: Event<Rc<()>> = world.hub.event();
    let (make1, event1) = (Rc::clone(&make), event.clone());
    let handler = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        let _held = make1();
        let mut news = event1.subscribe();
        let ctx = conn.ctx();
        let child = make1();
        let handle = ctx.spawn(async move {
            let _child = child;
            pending::<()>().await;
        })?;
        first((conn.until_eol(), news.wait(), ctx.sleep(seconds(9)), handle)).await;
        Ok(())
    }));
    let make2 = Rc::clone(&make);
    let machine = world.hub.add_service(Service::machine(move |_| make2()));
    let make3 = Rc::clone(&make);
    let upgrading = world.hub.add_service(Service::new(async move |conn: Conn| {
        conn.upgrade(make3());
        Ok(())
    }));
    let make4 = Rc::clone(&make);
    world
        .hub
        .add_loop(async move |ctx| {
            let _held = make4();
            let address = Address::Unnamed;
            let client = Client::builder(&ctx, address).reconnect(true).connect().await?;
            client.call(async |conn: &mut Conn| conn.until_eol().await.map(drop)).await
        })
        .unwrap();
    for service in [handler, machine, upgrading] {
        world.accept(service);
    }
    world.turn();
    world.connects_now();
    // One that has not run yet, and one that panics on the way so that its upgrade is left over.
    world.accept(handler);
    world.accept(upgrading);
    world.hub.add_loop(async |_| panic!("before the upgrade is made")).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| world.turn())).is_err());

    drop((make, event));
    assert!(weak.strong_count() > 0);
    drop(world);
    assert_eq!(weak.strong_count(), 0);
}

/// A handle of a dropped hub makes nothing that would leak.
#[test]
fn a_handle_that_outlives_its_hub_is_harmless() {
    let hub = Hub::default();
    let (ctx, event) = (hub.ctx(), hub.event::<u32>());
    let mut subscription = event.subscribe();
    drop(hub);
    assert!(matches!(ctx.spawn(async {}), Err(Error::Shutdown)));
    event.fire(1);
    assert_eq!(subscription.try_next().unwrap(), Some(1));
    ctx.halt();
    drop(ctx.sleep(seconds(1)));
    let mut connect = std::pin::pin!(ctx.connect(Address::Unnamed));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(!matches!(connect.as_mut().poll(&mut cx), std::task::Poll::Ready(Ok(_))));
}

/// A drop may use every handle there is, of a connection that is going as well.
#[test]
fn a_drop_may_use_the_hub() {
    struct Farewell {
        ctx: Ctx,
        diary: Diary,
        event: Event<u32>,
        conn: Option<Conn>,
    }
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.event.fire(1);
            let spawned = self.ctx.spawn(async {}).is_ok();
            drop(self.ctx.sleep(seconds(1)));
            if let Some(conn) = self.conn.take() {
                conn.abort();
            }
            self.diary.note(format!("spawned: {spawned}"));
        }
    }
    let diary = Diary::default();
    let mut world = World::new();
    let event = world.hub.event();
    let note = diary.clone();
    let service = world.hub.add_service(Service::new(async move |conn: Conn| {
        let (ctx, event) = (conn.ctx(), event.clone());
        let mut farewell = Farewell { ctx, diary: note.clone(), event, conn: Some(conn) };
        farewell.conn.as_mut().unwrap().until_eol().await?;
        Ok(())
    }));
    let conn = world.accept(service);
    world.sends(conn, "bye\n");
    assert_eq!(world.closed(conn), Some(Cause::Done));
    assert_eq!(diary.read(), ["spawned: true"]);

    world.accept(service);
    world.turn();
    drop(world);
    assert_eq!(diary.read(), ["spawned: false"]);
}
