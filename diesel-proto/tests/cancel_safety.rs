//! Cancel safety: every token can be dropped at every point while it waits, and no byte and no
//! message is lost.

mod harness;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use diesel_proto::*;
use harness::*;

/// Polls a token this many times at most, one pass of the others between two polls; then drops it.
async fn at_most<F: Future>(ctx: &Ctx, polls: usize, token: F) -> Option<F::Output> {
    let mut token = pin!(token);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(token.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        ctx.sleep(Duration::ZERO).await.unwrap();
    }
    None
}

/// Bytes arrive one by one; after each, a token is polled and dropped. At the end one token takes
/// everything: all bytes are there, in order.
#[test]
fn reads_that_are_dropped_take_nothing() {
    async fn try_and_drop(kind: usize, conn: &mut Conn) -> bool {
        let ctx = conn.ctx();
        match kind {
            0 => at_most(&ctx, 2, conn.until(b"\n")).await.is_none(),
            1 => at_most(&ctx, 2, conn.until_eol()).await.is_none(),
            2 => at_most(&ctx, 2, conn.until(b"a sentinel that is not there")).await.is_none(),
            3 => at_most(&ctx, 2, conn.bytes(24)).await.is_none(),
            4 => at_most(&ctx, 2, conn.peek(24)).await.is_none(),
            5 => at_most(&ctx, 2, conn.to_end(100)).await.is_none(),
            // Never polled, and so never satisfied either.
            _ => at_most(&ctx, 0, conn.some()).await.is_none(),
        }
    }
    let text = "a line of several words\n";
    for kind in 0..7 {
        let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
            for n in 0..text.len() {
                assert_eq!(conn.peek(n).await?, text.as_bytes()[..n]);
                assert!(try_and_drop(kind, &mut conn).await, "kind {kind} with {n} bytes there");
            }
            let all = conn.until_eol().await?;
            conn.write(all).await
        }));
        for byte in text.as_bytes() {
            world.sends(conn, [*byte]);
        }
        assert_eq!(world.receives(conn), text, "kind {kind}");
    }
}

/// The group of the documentation: each byte makes the line token lose against another one.
#[test]
fn a_line_survives_a_group_that_others_win() {
    let mut world = World::new();
    let tick: Event<()> = world.hub.event();
    let event = tick.clone();
    let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        let (ctx, mut ticks) = (conn.ctx(), event.subscribe());
        loop {
            let group = first((ticks.wait(), conn.until_eol(), ctx.sleep(seconds(3)))).await;
            if let First3::B(line) = group {
                conn.write(("whole: ", line?)).await?;
            }
        }
    }));
    let conn = world.accept(service);
    world.turn();
    for (n, byte) in b"hello\r\n".iter().enumerate() {
        // Byte and tick at once, then three seconds of nothing.
        world.delivers(conn, [*byte]);
        if n % 2 == 0 {
            tick.fire(());
        }
        world.turn();
        world.waits(seconds(3));
    }
    assert_eq!(world.receives(conn), "whole: hello\r\n");
}

/// A write that is dropped while it waits for room has queued nothing, not even a part.
#[test]
fn a_write_that_is_dropped_queues_nothing() {
    let mut world = World::new();
    let service = Service::new(async |mut conn: Conn| {
        let ctx = conn.ctx();
        conn.write("0123456789").await?;
        for polls in 1..4 {
            assert!(at_most(&ctx, polls, conn.write(("never ", "sent"))).await.is_none());
            assert!(at_most(&ctx, polls, conn.flush()).await.is_none());
        }
        conn.write("later").await?;
        conn.flush().await?;
        conn.write(" flushed").await
    });
    let service = world.hub.add_service(service.config(settings(|it| {
        it.high_water = 10;
        it.low_water = 5;
    })));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    assert_eq!(world.queued(conn), 10);
    for _ in 0..30 {
        world.takes(conn, 1);
    }
    assert_eq!(world.receives(conn), "0123456789later flushed");
}

/// Messages that are fired while a wait is made, polled, and dropped again and again.
#[test]
fn a_wait_that_is_dropped_misses_no_message() {
    for polls in 0..3 {
        let diary = Diary::default();
        let mut world = World::new();
        let event: Event<u32> = world.hub.event();
        let (note, mut all) = (diary.clone(), event.subscribe());
        world
            .hub
            .add_loop(async move |ctx| {
                loop {
                    let _ = at_most(&ctx, polls, all.wait()).await.map(|n| {
                        note.note(n.unwrap().to_string());
                    });
                    ctx.sleep(seconds(1)).await?;
                    let n = all.wait().await?;
                    note.note(n.to_string());
                }
            })
            .unwrap();
        world.turn();
        for n in 0..10 {
            event.fire(n);
            world.waits(Duration::from_millis(300));
        }
        world.waits(seconds(100));
        let expected: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(diary.read(), expected);
    }
}

/// Dropping a sleep removes its timer, and does not disturb other sleeps.
#[test]
fn a_sleep_that_is_dropped_leaves_no_timer() {
    let mut world = World::looping(async |ctx| {
        for polls in 0..3 {
            assert!(at_most(&ctx, polls, ctx.sleep(seconds(1000))).await.is_none());
        }
        ctx.sleep(seconds(5)).await?;
        assert_eq!(ctx.now(), Instant::ORIGIN + seconds(5));
        Ok(())
    });
    world.waits(seconds(10_000));
    assert_eq!(world.hub.counters().timers_fired, 1);
    assert_eq!(world.hub.counters().fibers, 0);
}

/// A sleep may be polled by one fiber, and later by another: the last one is woken.
#[test]
fn a_sleep_that_moves_wakes_the_fiber_that_polled_it_last() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let mut sleep = Box::pin(ctx.sleep(seconds(5)));
        assert!(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await);
        let inner = note.clone();
        ctx.spawn(async move {
            sleep.await.unwrap();
            inner.note("woken");
        })?;
        Ok(())
    });
    world.waits(seconds(5));
    assert_eq!(diary.read(), ["woken"]);
}

/// Dropping the future of `timeout` drops both that it holds; passing the time, only the inner one.
#[test]
fn a_timeout_that_is_dropped_loses_nothing_of_what_it_waited_for() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        let ctx = conn.ctx();
        let dropped = at_most(&ctx, 2, ctx.timeout(seconds(1), conn.until_eol())).await;
        assert!(dropped.is_none());
        let passed = ctx.timeout(seconds(1), conn.until_eol()).await;
        assert!(matches!(passed, Err(Error::TimedOut(Reason::Application("timeout")))));
        let line = ctx.timeout(seconds(1), conn.until_eol()).await??;
        conn.write(line).await
    });
    world.sends(conn, "he");
    world.waits(seconds(1));
    world.sends(conn, "llo\n");
    assert_eq!(world.receives(conn), "hello\n");
}

/// Dropping a connection attempt cancels it; the next attempt is a new one.
#[test]
fn a_connect_that_is_dropped_leaves_no_connection() {
    let mut world = World::looping(async |ctx| {
        for polls in 0..3 {
            assert!(at_most(&ctx, polls, ctx.connect(Address::Unnamed)).await.is_none());
        }
        let mut conn = ctx.connect(Address::Unnamed).await?;
        conn.write("here").await?;
        conn.until_eol().await.map(drop)
    });
    assert_eq!(world.connects(), 3, "the one that was not polled never began");
    let conn = world.connects_now();
    assert_eq!(world.receives(conn), "here");
    assert_eq!(world.hub.counters().open, 1);
}

/// A wait for a fiber may be dropped and repeated.
#[test]
fn a_join_that_is_dropped_leaves_the_fiber_and_its_answer() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let sleeper = ctx.clone();
        let mut handle = ctx.spawn(async move {
            sleeper.sleep(seconds(5)).await?;
            Ok::<_, Error>(42)
        })?;
        for polls in 0..3 {
            assert!(at_most(&ctx, polls, &mut handle).await.is_none());
        }
        note.note(format!("{:?}", handle.await??));
        Ok(())
    });
    world.waits(seconds(5));
    assert_eq!(diary.read(), ["42"]);
    assert_eq!(world.hub.counters().fibers, 0);
}

/// Answers a line, after the passes and the sends that a test wants to drop it at.
async fn question(client: &Client, what: &str) -> Result<String, Error> {
    let answer = client
        .call(async |conn: &mut Conn| {
            // Two passes before anything is sent.
            let ctx = conn.ctx();
            ctx.sleep(Duration::ZERO).await?;
            ctx.sleep(Duration::ZERO).await?;
            conn.write((what, "\n")).await?;
            conn.until_eol().await
        })
        .await?;
    Ok(answer.trimmed().into_owned())
}

/// A call is dropped after each number of polls. If it has sent nothing, the next call uses the
/// same connection; otherwise that one is cut, and its answer reaches no call.
#[test]
fn a_call_that_is_dropped_never_lets_its_answer_reach_another() {
    let mut seen = [false, false];
    for polls in 0..8 {
        let diary = Diary::default();
        let (note, on_close) = (diary.clone(), diary.clone());
        // What is queued is sent after each poll.
        let mut world = World::with(config(|it| it.polls_per_run = 1));
        let caller = async move |ctx: Ctx| {
            let client = Client::builder(&ctx, Address::Unnamed)
                .reconnect(true)
                .on_close(move |cause| on_close.note(format!("closed: {cause:?}")))
                .connect()
                .await?;
            assert!(at_most(&ctx, polls, question(&client, "first")).await.is_none());
            note.note(question(&client, "second").await?);
            ctx.sleep(seconds(1000)).await
        };
        world.hub.add_loop(caller).unwrap();
        world.turn();
        let old = world.connects_now();
        let received = world.receives(old);
        let sent = received.contains("first");
        seen[usize::from(sent)] = true;
        if sent {
            assert_eq!(received, "first\n");
            assert_eq!(world.closed(old), Some(Cause::CallAbandoned));
            assert_eq!(diary.read(), ["closed: CallAbandoned"]);
            // The late answer reaches no call.
            let _ = world.hub.received(world.now, old, b"re first\n");
            world.turn();
            assert_eq!(diary.read(), [""; 0]);
            let new = world.connects_now();
            assert_ne!(new, old);
            assert_eq!(world.receives(new), "second\n");
            world.sends(new, "re second\n");
        } else {
            assert_eq!(received, "second\n");
            assert_eq!(world.closed(old), None);
            world.sends(old, "re second\n");
        }
        assert_eq!(diary.read(), ["re second"]);
    }
    assert_eq!(seen, [true, true], "both sides of the line were tried");
}

/// Without reconnecting, later calls report why the connection cannot be used.
#[test]
fn after_an_abandoned_call_the_client_says_so() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::connect(&ctx, Address::Unnamed).await?;
        assert!(at_most(&ctx, 7, question(&client, "first")).await.is_none());
        assert!(client.is_closed());
        note.note(format!("{:?}", question(&client, "second").await));
        Ok(())
    });
    world.connects_now();
    assert_eq!(diary.read(), ["Err(CallAbandoned)"]);
}

/// One that is dropped while it waits for its turn leaves no trace, wherever it stands in the
/// queue; nor does one that was given its turn and dropped before it noticed.
#[test]
fn a_call_that_is_dropped_in_the_queue_leaves_no_trace() {
    for dropped in ["b", "c", "d"] {
        let diary = Diary::default();
        let note = diary.clone();
        let mut world = World::looping(async move |ctx| {
            let client = Client::connect(&ctx, Address::Unnamed).await?;
            for name in ["a", "b", "c", "d"] {
                let (client, note) = (client.clone(), note.clone());
                let patient = ctx.clone();
                ctx.spawn(async move {
                    let question = question(&client, name);
                    if name != dropped {
                        note.note(question.await.unwrap());
                    } else {
                        let group = (patient.sleep(seconds(1)), question);
                        assert!(matches!(first(group).await, First2::A(Ok(()))));
                    }
                })?;
            }
            ctx.sleep(seconds(1000)).await
        });
        let conn = world.connects_now();
        // `a` is answered in the very instant in which the other is dropped.
        world.now += seconds(1);
        world.delivers(conn, "re a\n");
        world.turn();
        let mut answered = vec!["re a".to_owned()];
        for name in ["b", "c", "d"].into_iter().filter(|&name| name != dropped) {
            world.sends(conn, format!("re {name}\n"));
            answered.push(format!("re {name}"));
        }
        assert_eq!(diary.read(), answered, "without {dropped}");
        assert_eq!(world.closed(conn), None);
        let questions = world.receives(conn);
        assert!(!questions.contains(dropped), "{questions}");
    }
}

/// Both halves, dropped in either order, while the peer is in any state.
#[test]
fn the_halves_of_a_connection_may_go_in_either_order() {
    for reader_first in [true, false] {
        for peer_ends in [true, false] {
            let mut world = World::new();
            let diary = Diary::default();
            let note = diary.clone();
            let service = world.hub.add_service(Service::new(async move |conn: Conn| {
                let ctx = conn.ctx();
                let (mut reader, mut writer) = conn.split();
                writer.write("hello\n").await?;
                if reader_first {
                    drop(reader);
                    ctx.sleep(seconds(1)).await?;
                    writer.write("still writing\n").await?;
                } else {
                    drop(writer);
                    note.note(reader.until_eol().await?.trimmed());
                    ctx.sleep(seconds(1)).await?;
                }
                Ok(())
            }));
            let conn = world.accept(service);
            world.turn();
            assert_eq!(world.receives(conn), "hello\n");
            assert_eq!(world.half_closed(conn), !reader_first);
            // Read by one, and dropped by the other, however much it is.
            world.sends(conn, "a line\n");
            assert_eq!(diary.read().len(), usize::from(!reader_first));
            if reader_first {
                (0..100).for_each(|_| world.sends(conn, [b'x'; 10_000]));
            }
            if peer_ends {
                world.ends(conn);
            }
            assert_eq!(world.closed(conn), None, "one half is still held");
            world.waits(seconds(1));
            if reader_first {
                assert_eq!(world.receives(conn), "still writing\n");
            }
            world.waits(seconds(2));
            let cause = if peer_ends { Cause::PeerClosed } else { Cause::Done };
            assert_eq!(world.closed(conn), Some(cause));
        }
    }
}
