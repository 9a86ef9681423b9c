//! The order in which fibers run: the walk-through of the 2009 documentation, and the rules behind
//! it.

mod harness;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use diesel_proto::*;
use harness::*;

/// Two loops and a service, in eleven steps. `World::step` is one pass of the hub: between two
/// passes is where an embedder waits.
#[test]
fn the_walk_through_in_eleven_steps() {
    let diary = Diary::default();
    let mut world = World::new();
    let news: Event<u32> = world.hub.event();

    // 1. Two loops are added, and a service. Nothing runs yet.
    let note = diary.clone();
    let clock = async move |ctx: Ctx| {
        loop {
            note.note("clock: sleeps");
            ctx.sleep(seconds(1)).await?;
            note.note("clock: wakes");
        }
    };
    let (note, mut subscription) = (diary.clone(), news.subscribe());
    let reader = async move |_: Ctx| {
        loop {
            note.note("reader: waits");
            let n = subscription.wait().await?;
            note.note(format!("reader: got {n}"));
        }
    };
    let (note, event) = (diary.clone(), news.clone());
    let handler = async move |mut conn: Conn| {
        loop {
            note.note("handler: waits for a line");
            let line = conn.until_eol().await?;
            note.note("handler: fires");
            event.fire(line.trimmed().parse()?);
            note.note("handler: fired");
            conn.write("ok\n").await?;
        }
    };
    world.hub.add_loop(clock).unwrap();
    world.hub.add_loop(reader).unwrap();
    let service = world.hub.add_service(Service::new(handler));
    assert_eq!(diary.read(), [""; 0]);

    // 2. The hub schedules the loops in the order in which they were added.
    world.step();
    let entries = diary.read();
    // 3. The first runs until its token cannot be satisfied: one second has not passed.
    assert_eq!(entries[0], "clock: sleeps");
    // 4. The second runs until its own cannot be satisfied: nothing was fired.
    assert_eq!(entries[1..], ["reader: waits"]);

    // 5. No fiber can run, so the hub asks to wait until the next deadline.
    assert!(!world.step());
    assert_eq!(world.hub.next_wake(), Some(Instant::ORIGIN + seconds(1)));

    // 6. Before that, a peer connects and a line arrives. That alone runs no fiber.
    world.now += Duration::from_millis(400);
    let conn = world.accept(service);
    world.delivers(conn, "7\n");
    assert_eq!(diary.read(), [""; 0]);

    // 7. The handler runs until its token cannot be satisfied: the next line is not there.
    // 8. What it fires on the way is only queued: the reader does not run in its midst.
    // 9. The reader, which that woke, runs in its turn, and in the same pass.
    world.step();
    assert_eq!(
        diary.read(),
        [
            "handler: waits for a line",
            "handler: fires",
            "handler: fired",
            "handler: waits for a line",
            "reader: got 7",
            "reader: waits",
        ]
    );
    assert_eq!(world.receives(conn), "ok\n");
    assert_eq!(world.hub.next_wake(), Some(Instant::ORIGIN + seconds(1)));

    // 10. The deadline comes; the hub processes its timers, and what they wake runs.
    world.now = Instant::ORIGIN + seconds(1);
    world.step();
    assert_eq!(diary.read(), ["clock: wakes", "clock: sleeps"]);

    // 11. Idle again, until the next deadline; and so on.
    assert!(!world.step());
    assert_eq!(world.hub.next_wake(), Some(Instant::ORIGIN + seconds(2)));
    world.waits(seconds(2));
    assert_eq!(diary.read(), ["clock: wakes", "clock: sleeps", "clock: wakes", "clock: sleeps"]);
}

#[test]
fn due_timers_run_after_fibers_that_are_ready() {
    let diary = Diary::default();
    let mut world = World::new();
    let event: Event<()> = world.hub.event();
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            ctx.sleep(seconds(1)).await?;
            note.note("slept");
            Ok(())
        })
        .unwrap();
    let (note, mut subscription) = (diary.clone(), event.subscribe());
    world
        .hub
        .add_loop(async move |_| {
            subscription.wait().await?;
            note.note("was told");
            Ok(())
        })
        .unwrap();
    world.turn();
    event.fire(());
    world.now += seconds(1);
    world.turn();
    assert_eq!(diary.read(), ["was told", "slept"]);
}

#[test]
fn a_sleep_of_zero_is_one_pass_for_the_others() {
    let diary = Diary::default();
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        let note = diary.clone();
        world
            .hub
            .add_loop(async move |ctx| {
                for pass in 1..=3 {
                    note.note(format!("{name}{pass}"));
                    ctx.sleep(Duration::ZERO).await?;
                }
                Ok(())
            })
            .unwrap();
    }
    world.turn();
    assert_eq!(diary.read(), ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]);
    assert_eq!(world.now, Instant::ORIGIN);
}

#[test]
fn sleepers_with_the_same_deadline_wake_in_the_order_they_went_to_sleep() {
    let diary = Diary::default();
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        let note = diary.clone();
        world
            .hub
            .add_loop(async move |ctx| {
                ctx.sleep(seconds(5)).await?;
                note.note(name);
                Ok(())
            })
            .unwrap();
    }
    world.waits(Duration::from_nanos(4_999_999_999));
    assert_eq!(diary.read(), [""; 0]);
    world.waits(Duration::from_nanos(1));
    assert_eq!(diary.read(), ["a", "b", "c"]);
}

/// Between two awaits a handler has the hub to itself, however many others are ready.
#[test]
fn no_other_fiber_runs_between_two_awaits() {
    let diary = Diary::default();
    let mut world = World::new();
    let event: Event<()> = world.hub.event();
    for name in ["a", "b"] {
        let (note, event, mut others) = (diary.clone(), event.clone(), event.subscribe());
        world
            .hub
            .add_loop(async move |ctx| {
                note.note(format!("{name} begins"));
                event.fire(());
                let child = note.clone();
                ctx.spawn(async move { child.note(format!("{name}'s child")) })?;
                note.note(format!("{name} ends"));
                others.wait().await?;
                Ok(())
            })
            .unwrap();
    }
    world.turn();
    assert_eq!(
        diary.read(),
        ["a begins", "a ends", "b begins", "b ends", "a's child", "b's child"]
    );
}

/// With a budget of three tokens for each pass, two fibers that never have to wait take turns.
#[test]
fn a_fiber_goes_to_the_end_of_the_queue_when_its_tokens_are_spent() {
    let diary = Diary::default();
    let mut world = World::with(config(|it| it.tokens_per_pass = 3));
    let note = diary.clone();
    let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        loop {
            let line = conn.until_eol().await?;
            note.note(line.trimmed());
        }
    }));
    let (a, b) = (world.accept(service), world.accept(service));
    world.delivers(a, "a1\na2\na3\na4\na5\na6\na7\n");
    world.delivers(b, "b1\nb2\nb3\nb4\n");
    world.turn();
    assert_eq!(diary.read(), ["a1", "a2", "a3", "b1", "b2", "b3", "a4", "a5", "a6", "b4", "a7"]);
}

/// Each run has a budget of polls, so that sockets are polled however busy the fibers are; if
/// fibers are left over, `next_wake` is due at once.
#[test]
fn a_run_ends_when_its_polls_are_spent() {
    let mut world = World::with(config(|it| it.polls_per_run = 10));
    for _ in 0..25 {
        world.hub.add_loop(async |ctx| ctx.sleep(seconds(1)).await).unwrap();
    }
    for polls in [10, 20] {
        world.step();
        assert_eq!(world.hub.counters().polls, polls);
        assert_eq!(world.hub.next_wake(), Some(world.now));
    }
    world.step();
    assert_eq!(world.hub.counters().polls, 25);
    // From the next run on the sleeps count.
    assert_eq!(world.hub.next_wake(), Some(world.now));
    assert!(!world.step());
    assert_eq!(world.hub.next_wake(), Some(world.now + seconds(1)));
}

/// Waking one that is in the queue already changes nothing, neither its place nor the number of
/// its polls. (Were it queued again, fibers that wake each other would make the queue grow with
/// every poll.)
#[test]
fn a_fiber_woken_twice_before_its_turn_runs_once() {
    let mut world = World::new();
    let bell: Event<()> = world.hub.event();
    let (waker, polls) = (Rc::new(RefCell::new(None::<Waker>)), Rc::new(Cell::new(0)));

    let (mut rings, other) = (bell.subscribe(), Rc::clone(&waker));
    let nudger = async move |_: Ctx| {
        rings.wait().await?;
        other.borrow().as_ref().unwrap().wake_by_ref();
        Ok(())
    };
    let (mut rings, count) = (bell.subscribe(), Rc::clone(&polls));
    let nudged = async move |_: Ctx| {
        let mut never = pin!(async {
            loop {
                rings.wait().await.unwrap();
            }
        });
        poll_fn(|cx| {
            *waker.borrow_mut() = Some(cx.waker().clone());
            count.set(count.get() + 1);
            never.as_mut().poll(cx)
        })
        .await
    };
    world.hub.add_loop(nudger).unwrap();
    world.hub.add_loop(nudged).unwrap();
    world.turn();
    assert_eq!(polls.get(), 1);

    // Both are woken; the first wakes the second once more before that one had its turn.
    bell.fire(());
    world.turn();
    assert_eq!(polls.get(), 2);
}
