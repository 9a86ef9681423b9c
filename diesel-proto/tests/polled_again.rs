//! Futures that are polled after they were ready, and calls that were forgotten in their queue: the
//! result is defined, and no fiber waits for ever.

mod harness;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use diesel_proto::*;
use harness::*;

#[test]
fn a_connect_that_is_polled_again_makes_no_second_connection() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let mut connect = pin!(ctx.connect(Address::Unnamed));
        note.note(format!("{:?}", connect.as_mut().await.is_ok()));
        note.note(format!("{:?}", connect.as_mut().await.map(drop)));
        note.note(format!("{:?}", connect.as_mut().await.map(drop)));
        Ok(())
    });
    world.connects_now();
    assert_eq!(diary.read(), ["true", "Err(AlreadyDone)", "Err(AlreadyDone)"]);
    assert_eq!(world.connects(), 1);

    // One that failed is done as well.
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let mut connect = pin!(ctx.connect(Address::Unnamed));
        note.note(format!("{:?}", connect.as_mut().await.is_ok()));
        note.note(format!("{:?}", connect.as_mut().await.map(drop)));
        Ok(())
    });
    world.hub.connect_failed(world.now, world.connecting(), ConnectErrorKind::Refused);
    world.turn();
    assert_eq!(diary.read(), ["false", "Err(AlreadyDone)"]);
    assert_eq!(world.connects(), 1);
}

#[test]
fn a_handle_gives_the_result_of_its_fiber_once() {
    let diary = Diary::default();
    let note = diary.clone();
    World::looping(async move |ctx| {
        let mut handle = ctx.spawn(async { 7 })?;
        note.note(format!("{:?}", (&mut handle).await));
        note.note(format!("{:?}", (&mut handle).await));
        note.note(format!("{}", handle.is_finished()));
        let mut handle = ctx.spawn(std::future::pending::<()>())?;
        handle.abort();
        note.note(format!("{:?}", (&mut handle).await));
        note.note(format!("{:?}", handle.await));
        Ok(())
    });
    let expected = ["Ok(7)", "Err(AlreadyDone)", "true", "Err(Aborted)", "Err(AlreadyDone)"];
    assert_eq!(diary.read(), expected);
}

#[test]
fn a_write_that_is_polled_again_queues_nothing_twice() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
        let mut write = pin!(conn.write("once"));
        note.note(format!("{:?}", write.as_mut().await));
        note.note(format!("{:?}", write.await));
        Ok(())
    }));
    assert_eq!(diary.read(), ["Ok(())", "Err(AlreadyDone)"]);
    assert_eq!(world.receives(conn), "once");
}

/// What is polled again may also go on.
#[test]
fn a_sleep_stays_over_and_a_read_reads_on() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
        let mut sleep = pin!(conn.ctx().sleep(seconds(1)));
        for _ in 0..2 {
            note.note(format!("{:?}", sleep.as_mut().await));
        }
        let mut line = pin!(conn.until_eol());
        for _ in 0..2 {
            note.note(format!("{}", line.as_mut().await?.trimmed()));
        }
        Ok(())
    }));
    world.waits(seconds(1));
    world.sends(conn, "one\ntwo\n");
    assert_eq!(diary.read(), ["Ok(())", "Ok(())", "one", "two"]);
}

/// Has `call` wait in the queue, and then forgets it.
async fn forget<F: Future<Output = Result<(), Error>> + 'static>(call: F) {
    let mut call = Box::pin(call);
    poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    std::mem::forget(call);
}

/// A client whose calls note their names, and take as long as it takes to be answered.
fn call(
    client: &Client,
    diary: &Diary,
    name: &'static str,
) -> impl Future<Output = Result<(), Error>> + use<> {
    let (client, note) = (client.clone(), diary.clone());
    async move {
        let answer = client.call(async |conn: &mut Conn| {
            conn.write((name, "\n")).await?;
            conn.until_eol().await
        });
        let answer = answer.await?;
        note.note(format!("{name}: {}", answer.trimmed()));
        Ok(())
    }
}

#[test]
fn a_call_forgotten_in_the_queue_blocks_no_other_call() {
    // With budgets that end a run before the one that was called had its turn, and without.
    for polls_per_run in [1, 2, 256] {
        let (diary, mut world) =
            (Diary::default(), World::with(config(|it| it.polls_per_run = polls_per_run)));
        let ctx = world.hub.ctx();
        let client = Client::builder(&ctx, Address::Unnamed).build();
        let spawns = |name: &'static str| drop(ctx.spawn(call(&client, &diary, name)).unwrap());
        let forgets =
            |name: &'static str| drop(ctx.spawn(forget(call(&client, &diary, name))).unwrap());
        spawns("a");
        forgets("b");
        forgets("c");
        // Others that are always ready.
        for _ in 0..3 {
            let busy = ctx.clone();
            drop(ctx.spawn(async move {
                for _ in 0..1000 {
                    busy.sleep(seconds(0)).await.unwrap();
                }
            }));
        }
        spawns("d");
        forgets("e");
        spawns("f");
        world.turn();
        let conn = world.connects_now();
        for (asked, answer) in [("a", "1"), ("d", "2"), ("f", "3")] {
            assert_eq!(world.receives(conn), format!("{asked}\n"));
            world.sends(conn, format!("{answer}\n"));
        }
        assert_eq!(diary.read(), ["a: 1", "d: 2", "f: 3"]);
        assert_eq!(world.hub.counters().fibers, 1, "which watches the connection");
    }
}

/// As it may before there ever was a connection.
#[test]
fn a_call_behind_a_forgotten_one_has_its_turn_when_the_first_cannot_connect() {
    let (diary, mut world) = (Diary::default(), World::new());
    let ctx = world.hub.ctx();
    let client = Client::builder(&ctx, Address::Unnamed).build();
    drop(ctx.spawn(call(&client, &diary, "a")).unwrap());
    drop(ctx.spawn(forget(call(&client, &diary, "b"))).unwrap());
    drop(ctx.spawn(call(&client, &diary, "c")).unwrap());
    world.turn();
    world.hub.connect_failed(world.now, world.connecting(), ConnectErrorKind::Refused);
    world.turn();
    let conn = world.connects_now();
    assert_eq!(world.receives(conn), "c\n");
    world.sends(conn, "3\n");
    assert_eq!(diary.read(), ["c: 3"]);
}

/// One that awaits something else when its turn comes queues up again.
#[test]
fn a_call_that_comes_late_to_its_turn_is_behind_the_others() {
    let (diary, mut world) = (Diary::default(), World::new());
    let ctx = world.hub.ctx();
    let client = Client::builder(&ctx, Address::Unnamed).build();
    drop(ctx.spawn(call(&client, &diary, "a")).unwrap());
    let (late, sleeper) = (call(&client, &diary, "late"), ctx.clone());
    let lateness = async move {
        let mut late = pin!(late);
        poll_fn(|cx| {
            assert!(late.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        sleeper.sleep(seconds(1)).await.unwrap();
        late.await.unwrap();
    };
    drop(ctx.spawn(lateness).unwrap());
    drop(ctx.spawn(call(&client, &diary, "b")).unwrap());
    world.turn();
    let conn = world.connects_now();
    assert_eq!(world.receives(conn), "a\n");
    world.sends(conn, "1\n");
    assert_eq!(world.receives(conn), "b\n");
    world.waits(seconds(2));
    assert_eq!(world.receives(conn), "");
    world.sends(conn, "2\n");
    assert_eq!(world.receives(conn), "late\n");
    world.sends(conn, "3\n");
    assert_eq!(diary.read(), ["a: 1", "b: 2", "late: 3"]);
}
