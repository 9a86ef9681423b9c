//! A client call never reads bytes that an earlier call left behind.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

fn address() -> Address {
    std::net::SocketAddr::from(([192, 0, 2, 1], 7)).into()
}

/// What the first call does with the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    /// Reads one line of two, and fails.
    Fails,
    FailsMarked,
    /// Fails before it does anything.
    FailsAtOnce,
    /// Reads one line of two, and returns.
    ReturnsEarly,
    /// Reads nothing, and returns.
    ReadsNothing,
    ReadsNothingMarked,
    /// Is dropped while it waits for the second line.
    IsDropped,
    /// Marks the connection as in step, and is dropped while it waits for something else.
    IsDroppedMarked,
    /// Marks the connection as in step, and sends another request.
    AsksAfterTheMark,
    /// Reads what the server sends unasked, and is dropped in the middle of that.
    IsDroppedListening,
    /// Ends our side.
    HalfCloses,
    /// Reads everything.
    ReadsAll,
}

use First::*;

async fn first_call(ctx: &Ctx, conn: &mut Conn, what: First) -> Result<(), Error> {
    match what {
        FailsAtOnce => return Err("no such thing".into()),
        IsDroppedListening => {
            conn.until_eol().await?;
            conn.until_eol().await?;
            return Ok(());
        }
        _ => conn.write("one\n").await?,
    }
    match what {
        ReadsNothing => return Ok(()),
        ReadsNothingMarked => {
            conn.mark_in_step();
            return Ok(());
        }
        _ => _ = conn.until_eol().await?,
    }
    match what {
        Fails => return Err("not the line that was expected".into()),
        ReturnsEarly => return Ok(()),
        _ => _ = conn.until_eol().await?,
    }
    match what {
        FailsMarked => {
            conn.mark_in_step();
            Err("the server says no".into())
        }
        IsDroppedMarked => {
            conn.mark_in_step();
            ctx.sleep(seconds(100)).await
        }
        AsksAfterTheMark => {
            conn.mark_in_step();
            conn.write("more\n").await?;
            Err("but does not wait for it".into())
        }
        HalfCloses => {
            conn.half_close();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Runs two calls, and returns the result of the second. The server sends `lines` at the first one.
fn second_call(what: First, lines: &[&str], reconnect: bool) -> (World, ConnId, Diary) {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address()).reconnect(reconnect).connect().await?;
        let call = client.call(async |conn: &mut Conn| first_call(&ctx, conn, what).await);
        let _ = ctx.timeout(seconds(2), call).await;
        let answer = client
            .call(async |conn: &mut Conn| {
                conn.write("two\n").await?;
                conn.until_eol().await
            })
            .await;
        note.note(match answer {
            Ok(line) => line.trimmed().into_owned(),
            Err(error) => format!("{error:?}"),
        });
        ctx.sleep(seconds(100)).await
    });
    let conn = world.connects_now();
    for line in lines {
        if world.closed(conn).is_none() {
            world.sends(conn, line);
        }
    }
    world.waits(seconds(3));
    (world, conn, diary)
}

#[test]
fn a_call_that_may_have_left_something_takes_its_connection_with_it() {
    for what in [
        Fails,
        ReturnsEarly,
        ReadsNothing,
        IsDropped,
        AsksAfterTheMark,
        IsDroppedListening,
        HalfCloses,
    ] {
        // The rest is there already, or arrives later.
        let lines: &[&[&str]] = match what {
            IsDropped | IsDroppedListening => &[&["1\n"]],
            // Bytes that arrive after the call returned cannot be distinguished from the next
            // answer.
            ReturnsEarly => &[&["1\n1 too\n"]],
            _ => &[&["1\n1 too\n"], &["1\n", "1 too\n"]],
        };
        for lines in lines {
            let (cause, error) = match what {
                ReturnsEarly => (Cause::Unasked, "Closed"),
                _ => (Cause::CallAbandoned, "CallAbandoned"),
            };
            let (mut world, conn, diary) = second_call(what, lines, false);
            assert_eq!(diary.read(), [error], "{what:?} {lines:?}");
            assert_eq!(world.closed(conn), Some(cause), "{what:?} {lines:?}");

            // A client that reconnects uses a new connection.
            let (mut world, old, diary) = second_call(what, lines, true);
            let new = world.connects_now();
            assert_ne!(new, old);
            assert_eq!(world.receives(new), "two\n");
            world.sends(new, "2\n");
            assert_eq!(diary.read(), ["2"], "{what:?} {lines:?}");
        }
    }
}

#[test]
fn a_call_that_leaves_nothing_leaves_the_connection_to_the_next() {
    for what in [FailsMarked, FailsAtOnce, ReadsNothingMarked, IsDroppedMarked, ReadsAll] {
        let lines: &[&str] = match what {
            FailsAtOnce | ReadsNothingMarked => &[],
            _ => &["1\n1 too\n"],
        };
        let (mut world, conn, diary) = second_call(what, lines, false);
        assert_eq!(world.closed(conn), None, "{what:?}");
        assert!(world.receives(conn).ends_with("two\n"), "{what:?}");
        world.sends(conn, "2\n");
        assert_eq!(diary.read(), ["2"], "{what:?}");
    }
}

/// A call that returns has done what it meant to: what it queued is sent before the close.
#[test]
fn what_a_call_sent_that_read_nothing_is_still_sent() {
    let (mut world, conn, _) = second_call(ReadsNothing, &[], false);
    assert_eq!(world.receives(conn), "one\n");
}

/// The greeting is a call as any other: the first one does not get what it left.
#[test]
fn a_login_that_leaves_something_unread_is_no_connection() {
    for (reads, marks, expected) in
        [(0, false, "CallAbandoned"), (0, true, "2"), (1, false, "CallAbandoned"), (2, false, "2")]
    {
        let diary = Diary::default();
        let note = diary.clone();
        let mut world = World::looping(async move |ctx| {
            let client = Client::builder(&ctx, address())
                .on_connect(async move |conn: &mut Conn| {
                    conn.write("hello\n").await?;
                    for _ in 0..reads {
                        conn.until_eol().await?;
                    }
                    if marks {
                        conn.mark_in_step();
                    }
                    Ok(())
                })
                .build();
            let answer = client
                .call(async |conn: &mut Conn| {
                    conn.write("two\n").await?;
                    conn.until_eol().await
                })
                .await;
            note.note(match answer {
                Ok(line) => line.trimmed().into_owned(),
                Err(error) => format!("{error:?}"),
            });
            Ok(())
        });
        let conn = world.connects_now();
        if reads > 0 {
            world.sends(conn, "welcome\nto all\n");
        }
        if world.receives(conn).ends_with("two\n") {
            world.sends(conn, "2\n");
        }
        assert_eq!(diary.read(), [expected], "{reads} {marks}");
    }
}

/// Such as a greeting that is longer than the answer.
#[test]
fn what_was_there_before_a_call_began_does_not_count_as_taken_by_it() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::builder(&ctx, address()).build();
        for ask in ["one\n", "two\n"] {
            let answer = client
                .call(async |conn: &mut Conn| {
                    if ask == "one\n" {
                        conn.until_eol().await?;
                    }
                    conn.write(ask).await?;
                    conn.until_eol().await
                })
                .await?;
            note.note(answer.trimmed().into_owned());
        }
        Ok(())
    });
    let conn = world.connecting();
    world.hub.connected(world.now, conn);
    world.sends(conn, "welcome to all\n");
    assert_eq!(world.receives(conn), "one\n");
    world.sends(conn, "1\n");
    assert_eq!(world.receives(conn), "two\n");
    world.sends(conn, "2\n");
    assert_eq!(diary.read(), ["1", "2"]);
}

/// A mark on a connection that is not a client's has no effect.
#[test]
fn a_mark_elsewhere_does_nothing() {
    let kept = Rc::new(RefCell::new(0));
    let count = Rc::clone(&kept);
    let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
        conn.mark_in_step();
        while conn.until_eol().await.is_ok() {
            *count.borrow_mut() += 1;
            conn.mark_in_step();
        }
        Ok(())
    }));
    world.sends(conn, "a\nb\n");
    world.ends(conn);
    assert_eq!((*kept.borrow(), world.closed(conn)), (2, Some(Cause::PeerClosed)));
}
