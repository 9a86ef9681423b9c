//! Graceful shutdown: every waiting token fails, what is queued is sent, and the hub halts; at the
//! deadline it halts in any case.

mod harness;

use std::future::pending;
use std::time::Duration;

use diesel_proto::*;
use harness::*;

impl World {
    /// Begins a graceful shutdown, with a grace period of five seconds.
    fn drains(&mut self) {
        self.hub.drain(self.now, self.now + seconds(5));
        self.turn();
    }
}

#[test]
fn with_nothing_left_it_is_over_at_once() {
    let mut world = World::new();
    world.hub.add_service(echo);
    world.turn();
    world.drains();
    assert!(world.halted());
    assert_eq!(world.hub.next_wake(), None);
    // No input has an effect any more.
    world.hub.run(world.now + seconds(9), &mut world.log);
    assert_eq!(world.log.last(), Some(&Action::Halt));
}

/// Each token that waits, and each that would have to.
#[test]
fn every_waiting_token_fails_with_shutdown() {
    type Outcome = Result<(), Error>;
    async fn waits_for(which: usize, conn: &mut Conn) -> Outcome {
        let ctx = conn.ctx();
        match which {
            0 => conn.until(b"never").await.map(drop),
            1 => conn.until_eol().await.map(drop),
            2 => conn.bytes(100).await.map(drop),
            3 => conn.to_end(100).await.map(drop),
            4 => conn.peek(100).await.map(drop),
            5 => ctx.sleep(seconds(100)).await,
            6 => ctx.timeout(seconds(100), pending::<()>()).await,
            7 => ctx.event::<()>().subscribe().wait().await,
            8 => ctx.connect(Address::Unnamed).await.map(drop),
            9 => {
                let sleeper = ctx.clone();
                let child = async move { sleeper.sleep(seconds(100)).await };
                ctx.spawn(child)?.await?
            }
            _ => {
                let event = ctx.event::<()>();
                let mut all = event.subscribe();
                match first((conn.until_eol(), all.wait())).await {
                    First2::A(line) => line.map(drop),
                    First2::B(said) => said,
                }
            }
        }
    }
    for which in 0..=10 {
        let diary = Diary::default();
        let note = diary.clone();
        let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
            for time in ["waiting", "about to wait"] {
                let outcome = waits_for(which, &mut conn).await;
                note.note(format!("{time}: {outcome:?}"));
            }
            Ok(())
        }));
        world.sends(conn, "some");
        assert_eq!(diary.read(), [""; 0], "token {which} waits");
        world.drains();
        assert_eq!(
            diary.read(),
            ["waiting: Err(Shutdown)", "about to wait: Err(Shutdown)"],
            "token {which}"
        );
        world.ends(conn);
        assert!(world.halted());
    }
}

/// Bytes that arrived before are still returned: only waiting fails.
#[test]
fn lines_that_have_arrived_are_still_answered() {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    world.delivers(conn, "one\ntwo\nthr");
    world.drains();
    assert_eq!(world.receives(conn), "you said: one\nyou said: two\n");
    assert!(!world.halted(), "the peer has not closed its side");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Shutdown));
    assert!(world.halted());
}

/// A peer that is slow to take what is queued has until the deadline.
#[test]
fn what_is_queued_is_sent_first() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let service = Service::new(async move |mut conn: Conn| {
        conn.write("0123456789").await?;
        let written = conn.write("more").await;
        let flushed = conn.flush().await;
        note.note(format!("{written:?} {flushed:?}"));
        Ok(())
    });
    let service = world.hub.add_service(service.config(settings(|it| {
        it.high_water = 10;
        it.low_water = 2;
    })));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    world.drains();
    world.waits(seconds(4));
    assert!(!world.halted());
    world.takes(conn, 100);
    assert_eq!(diary.read(), ["Ok(()) Ok(())"]);
    assert_eq!(world.receives(conn), "0123456789more");
    world.ends(conn);
    assert!(world.halted());
}

/// A fiber that has not ended by then is dropped, and its connection is cut with that reason.
#[test]
fn at_the_deadline_the_drain_ends_even_if_fibers_wait() {
    struct Note(Diary);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::new();
    let stubborn = Service::new(async move |mut conn: Conn| {
        let _note = Note(note.clone());
        conn.write("x").await?;
        let _ = conn.flush().await;
        pending().await
    });
    let service = world.hub.add_service(stubborn);
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    world.drains();
    assert!(world.hub.next_wake().is_some_and(|at| at <= world.now + seconds(5)));
    world.waits(Duration::from_millis(4_999));
    assert!(!world.halted());
    world.waits(Duration::from_millis(1));
    assert!(world.halted());
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::Drain)));
    assert_eq!(diary.read(), ["dropped"]);
    assert_eq!((world.hub.counters().fibers, world.hub.counters().open), (0, 0));
    assert_eq!(world.log.last(), Some(&Action::Halt));
}

#[test]
fn a_draining_hub_refuses_connections() {
    let (mut world, conn) = World::serving(echo);
    let service = world.hub.add_service(echo);
    world.turn();
    world.drains();
    assert!(world.log.contains(&Action::StopAccepting(service)));
    let refused = world.hub.accept(world.now, service, Address::Unnamed);
    assert_eq!(refused, Err(Refused::Shutdown));
    assert!(matches!(world.hub.ctx().spawn(async {}), Err(Error::Shutdown)));
    world.ends(conn);
    assert!(world.halted());
}

#[test]
fn a_second_request_can_only_shorten_the_grace() {
    let mut world = World::looping(async |_| pending().await);
    world.drains();
    world.hub.drain(world.now, world.now + seconds(9));
    assert!(world.hub.next_wake().is_some_and(|at| at <= world.now + seconds(5)));
    world.hub.drain(world.now, world.now + seconds(1));
    assert_eq!(world.hub.next_wake(), Some(world.now + seconds(1)));
    world.hub.drain(world.now, world.now);
    world.turn();
    assert!(world.halted());
}

/// A fiber ends the application: within the grace period of the configuration.
#[test]
fn a_fiber_can_halt_the_application() {
    let mut world = World::new();
    let service = world.hub.add_service(async |mut conn: Conn| {
        conn.until_eol().await?;
        conn.write("as you wish\n").await?;
        conn.ctx().halt();
        pending().await
    });
    let conn = world.accept(service);
    world.sends(conn, "halt\n");
    assert_eq!(world.receives(conn), "as you wish\n");
    assert!(!world.halted());
    world.waits(Config::default().grace);
    assert!(world.halted());
}

/// Asked from outside of any run, the hub asks to be run.
#[test]
fn a_halt_that_is_asked_for_between_runs_is_not_overlooked() {
    let mut world = World::looping(async |ctx| ctx.sleep(seconds(100)).await);
    world.hub.ctx().halt();
    assert_eq!(world.hub.next_wake(), Some(world.now));
    world.turn();
    assert!(world.halted());
}

/// A loop that only yields, and never sleeps, gets the error as well.
#[test]
fn a_sleep_of_zero_fails_with_shutdown_too() {
    let mut world = World::with(config(|it| it.polls_per_run = 8));
    world
        .hub
        .add_loop(async |ctx| {
            loop {
                ctx.sleep(Duration::ZERO).await?;
            }
        })
        .unwrap();
    world.step();
    world.drains();
    assert!(world.halted());
}

/// Each machine gets the shutdown once, also machines that are made later.
#[test]
fn a_drain_reaches_machines_as_shutdown() {
    struct Finishing;
    impl Machine for Finishing {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Shutdown {
                actions.send(b"bye\n");
                actions.close(Cause::Shutdown);
            }
            0
        }
    }
    /// Upgrades at the first bytes.
    struct Waiting;
    impl Machine for Waiting {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if let Input::Bytes(_) = input {
                actions.upgrade(Finishing);
            }
            0
        }
    }
    let mut world = World::new();
    let machine = world.hub.add_service(Service::machine(|_| Finishing));
    let waiting = world.hub.add_service(Service::machine(|_| Waiting));
    let handler = world.hub.add_service(async |mut conn: Conn| {
        let error = conn.until_eol().await.unwrap_err();
        assert!(matches!(error, Error::Shutdown));
        conn.upgrade(Finishing);
        Ok(())
    });
    let (early, late) = (world.accept(machine), world.accept(handler));
    let last = world.accept(waiting);
    world.turn();
    world.drains();
    world.sends(last, "go on");
    for conn in [early, late, last] {
        assert_eq!(world.receives(conn), "bye\n");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Shutdown));
    }
    assert!(world.halted());
}

/// A lingering connection still counts as open: its peer may still be reading.
#[test]
fn lingering_connections_are_waited_for() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| conn.write("bye\n").await);
    world.drains();
    assert!(!world.halted());
    world.waits(ServiceConfig::default().linger);
    assert_eq!(world.closed(conn), Some(Cause::Done));
    assert!(world.halted());
}
