//! Clients: how a connection is made, which call has its turn, and how it ends.

mod harness;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

fn address() -> Address {
    std::net::SocketAddr::from(([192, 0, 2, 1], 7)).into()
}

async fn ask(client: &Client, what: &str) -> Result<String, Error> {
    let answer = client
        .call(async |conn: &mut Conn| {
            conn.write((what, "\n")).await?;
            conn.until_eol().await
        })
        .await?;
    Ok(answer.trimmed().into_owned())
}

/// A loop that records the result of its body.
fn noting<F>(
    diary: &Diary,
    body: F,
) -> impl AsyncFnOnce(Ctx) -> Result<(), Error> + 'static + use<F>
where
    F: AsyncFnOnce(Ctx) -> Result<String, Error> + 'static,
{
    let diary = diary.clone();
    async move |ctx| {
        let outcome = body(ctx).await;
        diary.note(match outcome {
            Ok(text) => text,
            Err(error) => format!("{error:?}"),
        });
        Ok(())
    }
}

#[test]
fn a_call_connects_asks_and_is_answered() {
    let diary = Diary::default();
    let mut world = World::looping(noting(&diary, async |ctx| {
        let client = Client::connect(&ctx, address()).await?;
        ask(&client, "hello").await
    }));
    let conn = world.connecting();
    assert_eq!(world.log, [Action::Connect(conn, address())]);
    world.connects_now();
    assert_eq!(world.receives(conn), "hello\n");
    world.sends(conn, "you said: hello\n");
    assert_eq!(diary.read(), ["you said: hello"]);
    // The last handle is gone, and the connection with it.
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
    assert_eq!((world.hub.counters().open, world.hub.counters().fibers), (0, 0));
    assert_eq!(world.hub.counters().connects, 1);
}

#[test]
fn a_connection_that_cannot_be_made_says_to_where_and_why() {
    for kind in
        [ConnectErrorKind::Refused, ConnectErrorKind::Unreachable, ConnectErrorKind::Other(99)]
    {
        let diary = Diary::default();
        let mut world =
            World::looping(noting(&diary, async |ctx| match ctx.connect(address()).await {
                Err(Error::Connect(error)) => {
                    assert_eq!(error.address, address());
                    Ok(format!("{:?}", error.kind))
                }
                other => Ok(format!("{other:?}")),
            }));
        let conn = world.connecting();
        world.hub.connect_failed(world.now, conn, kind);
        world.turn();
        assert_eq!(diary.read(), [format!("{kind:?}")]);
        assert!(world.closed(conn).is_some(), "the embedder is to drop it");
        assert_eq!(world.hub.counters().open, 0);
    }
}

#[test]
fn a_connection_that_is_not_made_in_time_times_out() {
    let diary = Diary::default();
    let mut world = World::with(config(|it| it.client.connect = seconds(7)));
    let body = noting(&diary, async |ctx| {
        let error = Client::connect(&ctx, address()).await.unwrap_err();
        Ok(error.to_string())
    });
    world.hub.add_loop(body).unwrap();
    world.waits(seconds(6));
    assert_eq!(diary.read(), [""; 0]);
    let conn = world.connecting();
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["cannot connect to 192.0.2.1:7: no answer in time"]);
    assert!(world.closed(conn).is_some());
    // Reports of the embedder about it have no effect any more.
    world.hub.connected(world.now, conn);
    world.hub.connect_failed(world.now, conn, ConnectErrorKind::Refused);
    world.turn();
    assert_eq!(world.hub.counters().open, 0);
}

/// Dropping the token abandons the attempt.
#[test]
fn a_connect_that_is_dropped_is_called_off() {
    let mut world = World::looping(async |ctx| {
        let attempt = ctx.timeout(seconds(1), ctx.connect(address())).await;
        assert!(matches!(attempt, Err(Error::TimedOut(_))));
        ctx.sleep(seconds(100)).await
    });
    let conn = world.connecting();
    world.waits(seconds(1));
    assert!(world.closed(conn).is_some());
    assert_eq!(world.hub.counters().open, 0);
}

#[test]
fn at_the_limit_on_connections_a_connect_fails_at_once() {
    let diary = Diary::default();
    let mut world = World::with(config(|it| it.max_connections = 1));
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    let body = async |ctx: Ctx| ctx.connect(address()).await.map(|_| "connected".to_owned());
    world.hub.add_loop(noting(&diary, body)).unwrap();
    world.turn();
    assert_eq!(diary.read(), ["Limit(Connections(1))"]);
    world.ends(conn);
    world.hub.add_loop(noting(&diary, body)).unwrap();
    world.turn();
    world.connects_now();
    assert_eq!(diary.read(), ["connected"]);
}

/// Calls have their turns in the order in which they were made; each has the connection to itself.
#[test]
fn calls_queue_up() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::connect(&ctx, address()).await?;
        let mut handles = Vec::new();
        for name in ["a", "b", "c"] {
            let (client, note) = (client.clone(), note.clone());
            handles.push(ctx.spawn(async move {
                let answer = ask(&client, name).await;
                note.note(format!("{name}: {}", answer.unwrap()));
            })?);
        }
        for handle in handles {
            handle.await?;
        }
        Ok(())
    });
    let conn = world.connects_now();
    for name in ["a", "b", "c"] {
        assert_eq!(world.receives(conn), format!("{name}\n"), "one question at a time");
        world.sends(conn, format!("re {name}\n"));
        assert_eq!(diary.read(), [format!("{name}: re {name}")]);
    }
    assert_eq!(world.connects(), 1);
}

#[test]
fn beyond_the_limit_on_waiting_calls_a_call_fails() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address()).max_waiting(1).build();
        for name in ["a", "b", "c"] {
            let (client, note) = (client.clone(), note.clone());
            ctx.spawn(async move {
                let answer = ask(&client, name).await;
                note.note(format!("{name}: {answer:?}"));
            })?;
        }
        Ok(())
    });
    assert_eq!(diary.read(), ["c: Err(Limit(Calls(1)))"]);
    assert_eq!(world.hub.counters().limit_calls, 1);
    let conn = world.connects_now();
    world.sends(conn, "re a\n");
    world.sends(conn, "re b\n");
    assert_eq!(diary.read(), ["a: Ok(\"re a\")", "b: Ok(\"re b\")"]);
}

/// A fiber whose calls fail at once, again and again, still gives the others their turns.
#[test]
fn a_call_that_fails_at_once_costs_a_token() {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    world
        .hub
        .add_loop(async move |ctx| {
            let client = Client::builder(&ctx, address()).build();
            client.close();
            // If a call did not cost a token, this loop would never yield.
            while count.get() < 100_000 {
                count.set(count.get() + 1);
                assert!(matches!(ask(&client, "").await, Err(Error::Closed)));
            }
            Ok(())
        })
        .unwrap();
    world.delivers(conn, "hello\n");
    world.step();
    assert_eq!(world.receives(conn), "you said: hello\n");
    assert!(calls.get() < 100_000);
}

#[test]
fn the_hooks_run_before_the_first_call_and_after_the_end() {
    let diary = Diary::default();
    let (note, on_connect, on_close) = (diary.clone(), diary.clone(), diary.clone());
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address())
            .on_connect(async move |conn: &mut Conn| {
                on_connect.note("on_connect");
                conn.write("login\n").await?;
                match &*conn.until_eol().await?.trimmed() {
                    "welcome" => Ok(()),
                    no => Err(Error::application(no.to_owned())),
                }
            })
            .on_close(move |cause| on_close.note(format!("on_close: {cause:?}")))
            .connect()
            .await?;
        note.note("connected");
        note.note(ask(&client, "hello").await?);
        ctx.sleep(seconds(100)).await
    });
    let conn = world.connects_now();
    assert_eq!(world.receives(conn), "login\n");
    assert_eq!(diary.read(), ["on_connect"]);
    world.sends(conn, "welcome\n");
    assert_eq!(diary.read(), ["connected"]);
    world.sends(conn, "re hello\n");
    assert_eq!(diary.read(), ["re hello"]);
    world.ends(conn);
    assert_eq!(diary.read(), ["on_close: PeerClosed"]);
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed), "an idle connection is given up");
}

/// A login that fails is the caller's error, and the next call tries anew.
#[test]
fn on_connect_may_refuse() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address())
            .on_connect(async |conn: &mut Conn| match &*conn.until_eol().await?.trimmed() {
                "welcome" => Ok(()),
                no => Err(Error::application(no.to_owned())),
            })
            .build();
        assert!(client.is_closed());
        for _ in 0..2 {
            note.note(format!("{:?}", ask(&client, "hello").await.map_err(|it| it.to_string())));
        }
        assert!(!client.is_closed());
        Ok(())
    });
    let conn = world.connects_now();
    world.sends(conn, "go away\n");
    assert_eq!(diary.read(), ["Err(\"go away\")"]);
    let conn = world.connects_now();
    world.sends(conn, "welcome\n");
    world.sends(conn, "re hello\n");
    assert_eq!(diary.read(), ["Ok(\"re hello\")"]);
}

/// The client of each test below, shared with the test.
type Shelf = Rc<RefCell<Option<Client>>>;

/// A loop that makes a client, stores it for the test, and sends the calls that the test chooses.
fn shelved(diary: &Diary, shelf: &Shelf, reconnect: bool) -> (World, Event<&'static str>) {
    let mut world = World::new();
    let event = world.hub.event();
    let (note, shelf, mut questions) = (diary.clone(), Rc::clone(shelf), event.subscribe());
    world
        .hub
        .add_loop(async move |ctx| {
            let client = Client::builder(&ctx, address()).reconnect(reconnect).connect().await?;
            *shelf.borrow_mut() = Some(client.clone());
            loop {
                let question = questions.wait().await?;
                note.note(format!("{:?}", ask(&client, question).await));
            }
        })
        .unwrap();
    world.turn();
    (world, event)
}

#[test]
fn a_client_that_does_not_reconnect_stays_closed() {
    let (diary, shelf) = (Diary::default(), Shelf::default());
    let (mut world, questions) = shelved(&diary, &shelf, false);
    let conn = world.connects_now();
    let client = shelf.take().unwrap();
    assert!(!client.is_closed());
    world.ends(conn);
    assert!(client.is_closed());
    questions.fire("anyone?");
    world.turn();
    assert_eq!(diary.read(), ["Err(Closed)"]);
    assert_eq!(world.connects(), 1);
}

/// A call that was under way when the connection went fails; the next one connects anew.
#[test]
fn a_client_that_reconnects_connects_at_the_next_call() {
    let (diary, shelf) = (Diary::default(), Shelf::default());
    let (mut world, questions) = shelved(&diary, &shelf, true);
    let conn = world.connects_now();
    questions.fire("one");
    world.turn();
    world.resets(conn);
    assert_eq!(diary.read(), ["Err(Reset)"]);
    assert!(shelf.borrow().as_ref().unwrap().is_closed());
    assert_eq!(world.connects(), 1, "not before someone calls");
    questions.fire("two");
    world.turn();
    let conn = world.connects_now();
    assert_eq!(world.receives(conn), "two\n");
    world.sends(conn, "re two\n");
    assert_eq!(diary.read(), ["Ok(\"re two\")"]);
}

#[test]
fn close_lets_the_call_that_has_its_turn_come_to_its_end() {
    let (diary, shelf) = (Diary::default(), Shelf::default());
    let (mut world, questions) = shelved(&diary, &shelf, true);
    let conn = world.connects_now();
    questions.fire("one");
    questions.fire("two");
    world.turn();
    shelf.take().unwrap().close();
    world.turn();
    world.sends(conn, "re one\n");
    assert_eq!(diary.read(), ["Ok(\"re one\")", "Err(Closed)"]);
    assert_eq!(world.connects(), 1);
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

/// It is unknown what is left on a connection whose call failed; only the call itself may know.
#[test]
fn after_a_failed_call_the_connection_is_kept_only_if_marked_in_step() {
    for (own, marks) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut world = World::looping(async move |ctx| {
            let client = Client::connect(&ctx, address()).await?;
            let outcome = client
                .call(async |conn: &mut Conn| {
                    conn.write("?\n").await?;
                    let line = conn.until_eol().limit(20).await?;
                    if marks {
                        conn.mark_in_step();
                    }
                    match own {
                        true => Err::<(), _>(line.trimmed().into_owned().into()),
                        false => Err(Error::Limit(Limit::Line(0))),
                    }
                })
                .await;
            assert!(outcome.is_err());
            ctx.sleep(seconds(100)).await
        });
        let conn = world.connects_now();
        world.sends(conn, "no\n");
        // Kept until the peer ends, or closed for what the call left.
        assert_eq!(world.half_closed(conn), !marks);
        world.ends(conn);
        let expected = if marks { Cause::PeerClosed } else { Cause::CallAbandoned };
        assert_eq!(world.closed(conn), Some(expected));
    }
}

/// A dropped call that never sent anything, on a client that was closed meanwhile: an orderly end.
#[test]
fn a_call_dropped_unsent_on_a_closed_client_abandons_nothing() {
    let (closed, shelf) = (Diary::default(), Shelf::default());
    let (note, shelf2) = (closed.clone(), Rc::clone(&shelf));
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address())
            .on_close(move |cause| note.note(format!("{cause:?}")))
            .connect()
            .await?;
        *shelf2.borrow_mut() = Some(client.clone());
        let call = client.call(async |conn: &mut Conn| conn.until_eol().await);
        let _ = ctx.timeout(seconds(1), call).await;
        ctx.sleep(seconds(100)).await
    });
    let conn = world.connects_now();
    shelf.take().unwrap().close();
    world.waits(seconds(1));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
    assert_eq!(closed.read(), ["Done"]);
}

/// A client whose watching fiber could not be spawned was never connected: it may try again.
#[test]
fn a_client_without_a_watcher_is_not_connected() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::with(config(|it| it.max_spawned = 1));
    world
        .hub
        .add_loop(async move |ctx| {
            let sleeper = ctx.clone();
            let other = ctx.spawn(async move { sleeper.sleep(seconds(100)).await })?;
            let client = Client::builder(&ctx, address()).build();
            note.note(format!("{:?}", ask(&client, "one").await));
            other.abort();
            note.note(format!("{:?}", ask(&client, "two").await));
            Ok(())
        })
        .unwrap();
    world.turn();
    world.connects_now();
    assert_eq!(diary.read(), ["Err(Limit(Spawned(1)))"]);
    let conn = world.connects_now();
    world.sends(conn, "re two\n");
    assert_eq!(diary.read(), ["Ok(\"re two\")"]);
}

/// An idle client's connection is closed when the hub shuts down, even if the client is still held.
#[test]
fn a_shutdown_lets_go_of_idle_connections() {
    let (diary, shelf) = (Diary::default(), Shelf::default());
    let (mut world, _questions) = shelved(&diary, &shelf, true);
    let conn = world.connects_now();
    world.hub.drain(world.now, world.now + seconds(100));
    world.turn();
    world.ends(conn);
    assert!(world.halted());
    assert!(shelf.take().unwrap().is_closed());
}

/// So is one whose call is given up because of the shutdown, though it had sent nothing yet.
#[test]
fn a_shutdown_lets_go_of_a_connection_whose_call_is_dropped() {
    let shelf = Shelf::default();
    let shelf2 = Rc::clone(&shelf);
    let mut world = World::new();
    // Makes room for the fiber that watches the connection: it is then woken before the caller.
    world.hub.add_loop(async |_| Ok(())).unwrap();
    let caller = async move |ctx: Ctx| {
        let client = Client::connect(&ctx, address()).await?;
        *shelf2.borrow_mut() = Some(client.clone());
        let call = client.call(async |conn: &mut Conn| conn.until_eol().await);
        match first((ctx.sleep(seconds(100)), call)).await {
            First2::A(slept) => slept,
            First2::B(answer) => answer.map(drop),
        }
    };
    world.hub.add_loop(caller).unwrap();
    world.turn();
    let conn = world.connects_now();
    world.hub.drain(world.now, world.now + seconds(100));
    world.turn();
    assert!(world.half_closed(conn), "at once, not at the deadline");
    world.ends(conn);
    assert!(world.halted());
}

/// A server that sends more than was asked for: the next call must not mistake it for its answer.
#[test]
fn what_came_unasked_is_nobodys_answer() {
    let diary = Diary::default();
    let mut world = World::looping(noting(&diary, async |ctx| {
        let client = Client::connect(&ctx, address()).await?;
        let first = ask(&client, "one").await?;
        ctx.sleep(core::time::Duration::from_secs(1)).await?;
        let second = ask(&client, "two").await;
        Ok(format!("{first}, {second:?}"))
    }));
    let conn = world.connecting();
    world.connects_now();
    world.sends(conn, "1\n1, and more\n");
    world.waits(core::time::Duration::from_secs(1));
    assert_eq!(diary.read(), ["1, Err(Closed)"]);
    assert_eq!(world.closed(conn), Some(Cause::Unasked));
}
