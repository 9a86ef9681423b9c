//! Faults of peers: too many bytes, too few, too early, and a connection that breaks at any point.

mod harness;

use std::time::Duration;

use diesel_proto::*;
use harness::*;

const LINE: &str = "12345678\n";

/// Answers lines; when one is too long, reports that, and the bytes that were there.
async fn strict(mut conn: Conn) -> Result<(), Error> {
    loop {
        match conn.until_eol().await {
            Ok(line) => conn.write(("line ", line)).await?,
            Err(Error::Limit(limit)) => {
                let there = conn.some().await?;
                return conn.write(format!("{limit:?}, {} bytes are there\n", there.len())).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// To the byte, its end included, however it is cut.
#[test]
fn the_line_limit_is_exact_at_every_cut() {
    for (limit, answer) in [(9, "line 12345678\n"), (8, "Line(8), 8 bytes are there\n")] {
        for (head, tail) in two_way_cuts(LINE.as_bytes()) {
            let (mut world, conn) = World::serving(Service::new(strict).read_limit(limit));
            for part in [head, tail] {
                if !part.is_empty() && world.closed(conn).is_none() {
                    world.sends(conn, part);
                }
            }
            let received = world.receives(conn);
            // How much is there beyond the limit depends on the cut; the verdict does not.
            let verdict = |text: &str| text.split(',').next().map(str::to_owned);
            assert_eq!(verdict(&received), verdict(answer), "limit {limit}, {} first", head.len());
            assert_eq!(world.hub.counters().limit_reads, u64::from(limit == 8));
        }
    }
}

/// The same for the limit of one call, which overrides the service's either way.
#[test]
fn the_limit_of_a_call_overrides_the_services() {
    for (service, call, fits) in [(4, 9, true), (100, 8, false)] {
        for (head, tail) in two_way_cuts(LINE.as_bytes()) {
            let service = Service::new(async move |mut conn: Conn| {
                let read = conn.until(b"\n").limit(call).await;
                let text = match read {
                    Ok(line) => format!("{} bytes", line.len()),
                    Err(error) => error.to_string(),
                };
                conn.write(text).await
            })
            .read_limit(4.min(service));
            let (mut world, conn) = World::serving(service);
            world.delivers(conn, head);
            world.delivers(conn, tail);
            world.turn();
            let expected = match fits {
                true => "9 bytes".to_owned(),
                false => Limit::Line(8).to_string(),
            };
            assert_eq!(world.receives(conn), expected);
        }
    }
}

/// Memory never passes the limit by more than one read, even if the limit is above what is read
/// ahead. A handler that lets the error go closes the connection, and that says why.
#[test]
fn a_line_that_never_ends_is_cut_off_at_the_limit() {
    let service = Service::new(echo).config(settings(|it| {
        it.read_limit = 1000;
        it.read_ahead = 100;
    }));
    let (mut world, conn) = World::serving(service);
    let mut delivered = 0;
    while !world.half_closed(conn) {
        assert!(delivered < 1000);
        world.sends(conn, [b'x'; 30]);
        delivered += 30;
    }
    assert!((1000..1030).contains(&delivered));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Limit(Limit::Line(1000))));
    assert_eq!(world.hub.counters().limit_reads, 1);
}

#[test]
fn a_peer_that_never_writes_is_cut_at_the_idle_deadline() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let service = Service::new(async move |mut conn: Conn| {
        loop {
            match conn.until_eol().await {
                Ok(line) => conn.write(("you said: ", line)).await?,
                Err(error) => {
                    note.note(format!("{error:?}"));
                    return Err(error);
                }
            }
        }
    });
    let service = world.hub.add_service(service.idle(seconds(10)));
    let (silent, talker) = (world.accept(service), world.accept(service));
    world.waits(seconds(9));
    world.sends(talker, "hello\n");
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["TimedOut(Idle)"]);
    world.ends(silent);
    assert_eq!(world.closed(silent), Some(Cause::TimedOut(Reason::Idle)));
    assert_eq!(world.closed(talker), None);
    world.waits(seconds(8));
    assert_eq!(diary.read(), [""; 0]);
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["TimedOut(Idle)"]);
}

/// Off by default, as it must be: a chat is silent for hours.
#[test]
fn without_an_idle_deadline_a_silent_peer_may_stay() {
    let (mut world, conn) = World::serving(echo);
    world.waits(seconds(1_000_000));
    world.sends(conn, "hello\n");
    assert_eq!(world.receives(conn), "you said: hello\n");
}

/// The idle deadline does not run while reading is paused.
#[test]
fn a_peer_that_is_not_read_is_not_idle() {
    let (mut world, conn) = World::serving(
        Service::new(async |mut conn: Conn| {
            conn.ctx().sleep(seconds(60)).await?;
            let line = conn.until_eol().await?;
            conn.write(("at last: ", line)).await?;
            conn.until_eol().await.map(drop)
        })
        .config(settings(|it| {
            it.read_ahead = 4;
            it.idle = Some(seconds(10));
        })),
    );
    world.sends(conn, "hello\n");
    assert!(world.paused(conn));
    world.waits(seconds(60));
    assert_eq!(world.receives(conn), "at last: hello\n");
    // Reading resumes, and the ten seconds begin.
    world.waits(Duration::from_millis(9_999));
    assert_eq!(world.closed(conn), None);
    world.waits(seconds(1));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::Idle)));
}

/// Nor is it if a deadline of the machine passes meanwhile.
#[test]
fn a_deadline_that_passes_while_reading_is_paused_is_the_machines() {
    struct Pauses(Diary);
    impl Machine for Pauses {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            self.0.note(format!("{input:?}"));
            if input == Input::Start {
                actions.pause();
                actions.set_deadline(now + seconds(20), Reason::Application("patience"));
            }
            0
        }
    }
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let service = Service::machine(move |_| Pauses(note.clone())).idle(seconds(10));
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.waits(seconds(60));
    assert_eq!(diary.read(), ["Start", "Deadline"]);
    assert_eq!(world.closed(conn), None);
}

#[test]
fn a_connection_that_is_gone_leaves_no_deadline_behind() {
    let (mut world, conn) = World::serving(Service::new(echo).idle(seconds(10)));
    world.turn();
    assert_eq!(world.hub.next_wake(), Some(world.now + seconds(10)));
    world.resets(conn);
    assert_eq!(world.closed(conn), Some(Cause::Reset));
    assert_eq!(world.hub.next_wake(), None);
}

/// A machine is closed at the idle deadline like a handler. Its own deadline, though set, is then
/// of no more concern: the hub rests until there is something to do.
#[test]
fn a_machines_own_deadline_is_forgotten_once_it_is_closing() {
    struct Patient;
    impl Machine for Patient {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Start {
                actions.send(b"hello");
                actions.set_deadline(now + seconds(20), Reason::Application("patience"));
            }
            0
        }
    }
    let mut world = World::new();
    let service = world.hub.add_service(Service::machine(|_| Patient).idle(seconds(10)));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    // Would spin at the machine's deadline, and never come to the end.
    world.waits(seconds(59));
    assert_eq!(world.closed(conn), None);
    world.waits(seconds(1));
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::WriteStall)));
}

#[test]
fn the_end_of_the_stream_fails_the_wait_and_leaves_what_arrived() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        let error = conn.until_eol().await.unwrap_err();
        let rest = conn.bytes(4).await?;
        let after = conn.some().await.unwrap_err();
        conn.write(format!("{error:?}, {rest:?}, {after:?}")).await
    });
    world.sends(conn, "half");
    world.ends(conn);
    // A peer that has only ended its own side still gets its answers.
    assert_eq!(world.receives(conn), "Closed, b\"half\", Closed");
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}

#[test]
fn a_half_closed_peer_gets_all_its_answers() {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    world.delivers(conn, "one\ntwo\nthree\nrest");
    world.hub.eof(world.now, conn);
    world.takes_only(conn, 5);
    world.turn();
    assert_eq!(world.closed(conn), None, "not before everything is sent");
    world.takes(conn, 1000);
    assert_eq!(world.receives(conn), "you said: one\nyou said: two\nyou said: three\n");
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}

/// After our side is closed the peer's last bytes are read and dropped until it closes, or the
/// linger deadline passes.
#[test]
fn a_peer_that_does_not_close_is_cut_at_the_linger_deadline() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| conn.write("bye\n").await);
    assert!(world.half_closed(conn));
    assert_eq!(world.closed(conn), None);
    for _ in 0..1000 {
        world.sends(conn, [b'x'; 1000]);
        assert!(!world.paused(conn));
    }
    world.waits(seconds(2));
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

/// A reset at any point of a conversation: the handler's token fails, whatever it waits for, and no
/// other connection is affected.
#[test]
fn a_reset_at_any_point_affects_no_other_connection() {
    let script = ["", "a", "a\n", "a\nb\n", "a\nb\nc"];
    for said in script {
        for room in [0, 3, 1000] {
            let mut world = World::new();
            let service = world.hub.add_service(echo);
            let (bad, good) = (world.accept(service), world.accept(service));
            world.takes_only(bad, room);
            world.sends(bad, said);
            world.delivers(good, "still there?\n");
            world.resets(bad);
            assert_eq!(world.closed(bad), Some(Cause::Reset));
            assert_eq!(world.receives(good), "you said: still there?\n");
            assert_eq!((world.hub.counters().open, world.hub.counters().fibers), (1, 1));
            assert_eq!(world.notices(), [], "it is how connections end");
        }
    }
}

/// Each waiting token fails.
#[test]
fn a_reset_fails_each_token_that_waits() {
    type Outcome = Result<(), Error>;
    async fn waits_for(which: usize, conn: &mut Conn) -> Outcome {
        match which {
            0 => conn.until(b"never").await.map(drop),
            1 => conn.until_eol().await.map(drop),
            2 => conn.bytes(100).await.map(drop),
            3 => conn.to_end(100).await.map(drop),
            4 => conn.peek(100).await.map(drop),
            5 => conn.flush().await,
            _ => conn.write("more").await,
        }
    }
    for which in 0..7 {
        let diary = Diary::default();
        let note = diary.clone();
        let mut world = World::new();
        let service = Service::new(async move |mut conn: Conn| {
            conn.write([b'x'; 10].as_slice()).await?;
            let outcome = waits_for(which, &mut conn).await;
            let later = [conn.until_eol().await.map(drop), conn.write("").await];
            note.note(format!("{outcome:?} {later:?}"));
            Ok(())
        });
        let service = world.hub.add_service(service.config(settings(|it| it.high_water = 10)));
        let conn = world.accept(service);
        world.takes_only(conn, 0);
        world.sends(conn, "some");
        assert_eq!(diary.read(), [""; 0], "token {which} waits");
        world.resets(conn);
        assert_eq!(diary.read(), ["Err(Reset) [Err(Reset), Err(Reset)]"], "token {which}");
    }
}

/// A reset while nothing is left but the peer's own close is one way to end: the cause is ours.
#[test]
fn a_reset_after_our_close_does_not_change_the_cause() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| conn.write("bye\n").await);
    assert!(world.half_closed(conn));
    world.resets(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));

    // But if it destroyed what was still queued, then that is why it closed.
    let mut world = World::new();
    let service = world.hub.add_service(async |mut conn: Conn| conn.write("bye\n").await);
    let conn = world.accept(service);
    world.takes_only(conn, 1);
    world.turn();
    world.resets(conn);
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}

/// A token for zero bytes completes at once and takes nothing, even at the end.
#[test]
fn an_empty_sentinel_and_zero_bytes_are_there_at_once() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        for _ in 0..2 {
            assert_eq!(conn.until(b"").await?, b"");
            assert_eq!(conn.until(b"").limit(0).await?, b"");
            assert_eq!(conn.bytes(0).await?, b"");
            assert_eq!(conn.bytes(0).limit(0).await?, b"");
            assert_eq!(conn.peek(0).await?, b"");
            assert_eq!(conn.until_eol().await?, "line\n");
        }
        assert!(matches!(conn.some().await, Err(Error::Closed)));
        assert_eq!(conn.until(b"").await?, b"");
        assert_eq!(conn.bytes(0).await?, b"");
        assert_eq!(conn.to_end(0).await?, b"");
        conn.write("as defined\n").await
    });
    world.sends(conn, "line\nline\n");
    world.ends(conn);
    assert_eq!(world.receives(conn), "as defined\n");
}

/// With a limit of zero, a token fails at once, whether or not bytes are there.
#[test]
fn a_limit_of_zero_fails_at_once() {
    for said in ["", "line\n"] {
        let mut world = World::new();
        let service = world.hub.add_service(async |mut conn: Conn| {
            assert!(matches!(conn.until_eol().limit(0).await, Err(Error::Limit(Limit::Line(0)))));
            assert!(matches!(conn.until(b"x").limit(0).await, Err(Error::Limit(Limit::Line(0)))));
            assert!(matches!(conn.bytes(1).limit(0).await, Err(Error::Limit(Limit::Count(0)))));
            assert!(matches!(conn.peek(1).limit(0).await, Err(Error::Limit(Limit::Count(0)))));
            conn.write("as defined\n").await?;
            conn.to_end(0).await.map(drop)
        });
        let conn = world.accept(service);
        world.sends(conn, said);
        assert_eq!(world.receives(conn), "as defined\n");
        world.ends(conn);
        let cause = match said {
            "" => Cause::PeerClosed,
            _ => Cause::Limit(Limit::ToEnd(0)),
        };
        assert_eq!(world.closed(conn), Some(cause));
    }
}

#[test]
fn the_whole_of_a_stream_is_limited_to_the_byte() {
    let refused = "the stream is longer than the limit of 9 bytes (Conn::to_end)";
    for (limit, answer) in [(10, "10 bytes"), (9, refused)] {
        let (mut world, conn) = World::serving(async move |mut conn: Conn| {
            let text = match conn.to_end(limit).await {
                Ok(all) => format!("{} bytes", all.len()),
                Err(error) => error.to_string(),
            };
            conn.write(text).await
        });
        world.sends(conn, "12345");
        world.sends(conn, "67890");
        world.ends(conn);
        assert_eq!(world.receives(conn), answer);
    }
}

/// At the limit the hub asks to stop accepting; a connection that is accepted all the same is
/// refused; when one closes, the hub asks to resume. Each is counted.
#[test]
fn beyond_the_limit_on_connections_accepting_pauses() {
    let mut world = World::with(config(|it| it.max_connections = 2));
    let limited = world.hub.add_service(Service::new(echo).max_connections(1));
    let open = world.hub.add_service(echo);

    let first_conn = world.accept(limited);
    world.turn();
    assert!(world.log.contains(&Action::StopAccepting(limited)));
    assert!(!world.log.contains(&Action::StopAccepting(open)));
    let refused = world.hub.accept(world.now, limited, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Limit(Limit::ServiceConnections(1))));

    let second_conn = world.accept(open);
    world.turn();
    assert!(world.log.contains(&Action::StopAccepting(open)));
    let refused = world.hub.accept(world.now, open, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Limit(Limit::Connections(2))));

    let counters = world.hub.counters();
    assert_eq!((counters.open, counters.accepted, counters.refused), (2, 2, 2));
    assert_eq!(counters.limit_connections, 2, "told once, refused once");
    assert_eq!(counters.limit_service_connections, 2, "told once, refused once");

    // The limited service's connection leaves: both may go on.
    world.log.clear();
    world.ends(first_conn);
    assert!(world.log.contains(&Action::ResumeAccepting(limited)));
    assert!(world.log.contains(&Action::ResumeAccepting(open)));
    let third_conn = world.accept(open);
    world.turn();
    // The hub is full again: no service may resume.
    let stopped = |service| Action::StopAccepting(service);
    assert!(world.log.contains(&stopped(limited)) && world.log.contains(&stopped(open)));
    world.sends(second_conn, "still there?\n");
    world.sends(third_conn, "there, too\n");
    assert_eq!(world.receives(second_conn), "you said: still there?\n");
    assert_eq!(world.receives(third_conn), "you said: there, too\n");
}

/// Limits of zero are obeyed as well.
#[test]
fn a_service_that_may_have_no_connections_never_accepts() {
    let mut world = World::new();
    let closed = world.hub.add_service(Service::new(echo).max_connections(0));
    world.turn();
    assert!(world.log.contains(&Action::StopAccepting(closed)));
    assert!(world.hub.accept(world.now, closed, Address::Unnamed).is_err());
}

/// A connection that could have no fiber is refused, and leaves nothing behind.
#[test]
fn beyond_the_limit_on_fibers_connections_are_refused() {
    let mut world = World::with(config(|it| it.max_fibers = 2));
    let service = world.hub.add_service(echo);
    let one = world.accept(service);
    world.accept(service);
    let refused = world.hub.accept(world.now, service, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Limit(Limit::Fibers(2))));
    assert_eq!(world.hub.add_loop(async |_| Ok(())), Err(Limit::Fibers(2)));
    world.turn();
    let counters = world.hub.counters();
    assert_eq!((counters.open, counters.fibers), (2, 2));
    assert_eq!((counters.refused, counters.limit_fibers), (1, 2));
    assert!(world.notices().contains(&Notice::LimitReached(Limit::Fibers(2))));
    world.ends(one);
    world.accept(service);
    assert_eq!(world.hub.counters().open, 2);
}

#[test]
fn beyond_the_limit_on_spawned_fibers_spawning_fails() {
    let mut world = World::with(config(|it| it.max_spawned = 2));
    let diary = Diary::default();
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            let spawn = || {
                let sleeper = ctx.clone();
                ctx.spawn(async move { sleeper.sleep(seconds(1)).await })
            };
            let (one, _two) = (spawn()?, spawn()?);
            note.note(format!("{:?}", spawn().map(drop)));
            // Ends, and makes room.
            one.abort();
            note.note(format!("{:?}", spawn().map(drop)));
            Ok(())
        })
        .unwrap();
    world.turn();
    assert_eq!(diary.read(), ["Err(Limit(Spawned(2)))", "Ok(())"]);
    assert_eq!(world.hub.counters().limit_fibers, 1);
    world.waits(seconds(1));
    assert_eq!(world.hub.counters().fibers, 0);
}

/// A fiber that tries again and again at a limit gives the others their turn all the same.
#[test]
fn retrying_at_the_connection_limit_starves_no_fiber() {
    let mut world = World::with(config(|it| it.max_connections = 1));
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    world.delivers(conn, "hello\n");
    world
        .hub
        .add_loop(async |ctx| {
            loop {
                if let Ok(_conn) = ctx.connect(Address::Unnamed).await {
                    return Ok(());
                }
            }
        })
        .unwrap();
    world.step();
    assert_eq!(world.receives(conn), "you said: hello\n");
    assert!(world.hub.counters().limit_connections > 1);
}
