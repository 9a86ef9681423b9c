//! Clients that half-close while they are answered: the handler is notified, and is dropped if it
//! goes on for too long.

mod harness;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::*;
use diesel_proto::{
    Action, Actions, Cause, Conn, Error, First2, Input, Instant, LineEcho, Machine, Reason, first,
};
use harness::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const DEFAULT: Duration = Duration::from_secs(10);
const LEFT: Cause = Cause::TimedOut(Reason::HalfClose);

/// Answers after so long; says how many handlers live.
fn sleeping(time: Duration) -> (Service, Rc<Cell<usize>>) {
    struct Alive(Rc<Cell<usize>>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let alive = Rc::new(Cell::new(0));
    let count = Rc::clone(&alive);
    let service = Service::new(async move |request: Request| {
        count.set(count.get() + 1);
        let _alive = Alive(Rc::clone(&count));
        request.ctx().sleep(time).await?;
        Ok::<_, Error>("at last")
    });
    (service, alive)
}

fn half_close(service: Service, half_close: Option<Duration>) -> Service {
    service.deadlines(Deadlines { half_close, ..Deadlines::default() })
}

#[test]
fn a_handler_is_dropped_when_its_client_left_long_ago() {
    // An unread body, or a request that must wait, does not hide the end.
    for bytes in [GET.to_owned(), POST.to_owned(), [GET, POST].concat(), [POST, GET].concat()] {
        let (service, alive) = sleeping(seconds(1000));
        let (mut world, conn) = World::serving(service);
        world.sends(conn, &bytes);
        world.waits(seconds(100));
        assert_eq!(alive.get(), 1);
        world.ends(conn);
        world.waits(DEFAULT - Duration::from_millis(1));
        assert_eq!((alive.get(), world.closed(conn)), (1, None));
        world.waits(Duration::from_millis(1));
        assert_eq!((alive.get(), world.closed(conn)), (0, Some(LEFT)), "{bytes}");
        assert_eq!((world.receives(conn), world.hub.counters().fibers), (String::new(), 0));
    }
}

#[test]
fn how_long_a_handler_outlives_its_client_is_a_setting() {
    let (service, alive) = sleeping(seconds(1000));
    let (mut world, conn) = World::serving(half_close(service, Some(Duration::ZERO)));
    world.sends(conn, GET);
    world.ends(conn);
    assert_eq!((alive.get(), world.closed(conn)), (0, Some(LEFT)));

    let (service, alive) = sleeping(seconds(1000));
    let (mut world, conn) = World::serving(half_close(service, None));
    world.sends(conn, GET);
    world.ends(conn);
    world.waits(seconds(999));
    assert_eq!((alive.get(), world.closed(conn)), (1, None));
    world.waits(seconds(1));
    assert!(world.receives(conn).ends_with("at last"));
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}

/// As `nc -N` does.
#[test]
fn a_client_that_ends_its_side_and_reads_is_answered_in_time_at_every_cut() {
    let bytes = [POST, GET].concat();
    for (head, tail) in two_way_cuts(bytes.as_bytes()) {
        let (service, _) = sleeping(seconds(9));
        let (mut world, conn) = World::serving(service);
        for part in [head, tail] {
            if !part.is_empty() {
                world.sends(conn, part);
            }
        }
        world.ends(conn);
        world.waits(seconds(18));
        assert_eq!(world.receives(conn).matches("at last").count(), 2, "cut at {}", head.len());
        assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
    }
}

#[test]
fn a_handler_may_wait_for_its_client_to_leave() {
    let service = || {
        Service::new(async |mut request: Request| {
            let (ctx, mut n) = (request.ctx(), 0);
            loop {
                // Dropped and made anew each second: nothing is missed.
                match first((ctx.sleep(seconds(1)), request.closed())).await {
                    First2::A(slept) => slept?,
                    First2::B(()) => break,
                }
                n += 1;
            }
            let body = request.body().read(100).await?.len();
            Ok::<_, Error>(format!("left after {n}, {body}"))
        })
    };
    for (request, body) in [(GET, 0), (POST, 5)] {
        let (mut world, conn) = World::serving(service());
        world.sends(conn, request);
        world.waits(seconds(3));
        world.ends(conn);
        let received = world.receives(conn);
        assert!(received.ends_with(&format!("left after 3, {body}")), "{received}");
        assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
    }
}

#[test]
fn several_fibers_that_write_a_body_may_wait_for_the_client_to_leave() {
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let (mut world, conn) = World::serving(Service::new(move |request: Request| {
        let count = Rc::clone(&count);
        Response::stream(async move |out: &mut BodyWriter| {
            for _ in 0..3 {
                let (count, closed) = (Rc::clone(&count), out.closed());
                request.ctx().spawn(async move {
                    closed.await;
                    count.set(count.get() + 1);
                })?;
            }
            out.write("waiting").await?;
            out.closed().await;
            out.write(" no more").await
        })
    }));
    world.sends(conn, GET);
    world.waits(seconds(1));
    assert_eq!(told.get(), 0);
    world.ends(conn);
    assert_eq!(told.get(), 3);
    assert!(world.receives(conn).ends_with("\r\n0\r\n\r\n"));
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}

/// A reading half does not take the place of those that wait for the end.
#[test]
fn whoever_writes_to_a_connection_may_wait_for_the_peer_to_end() {
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let (mut world, conn) = World::serving(async move |conn: Conn| {
        let (mut reader, mut writer) = conn.split();
        for _ in 0..2 {
            let (count, ended) = (Rc::clone(&count), writer.peer_ended());
            writer.ctx().spawn(async move {
                ended.await;
                count.set(count.get() + 1);
            })?;
        }
        while let Ok(line) = reader.until_eol().await {
            writer.write(line).await?;
        }
        writer.peer_ended().await;
        writer.write("bye").await
    });
    world.sends(conn, "hello\r\n");
    assert_eq!((told.get(), world.receives(conn)), (0, "hello\r\n".into()));
    world.ends(conn);
    assert_eq!((told.get(), world.receives(conn)), (2, "bye".into()));
}

/// `closed` does not wait for ever for the client of a request that is over.
#[test]
fn the_end_of_a_request_ends_all_waiting_for_its_client() {
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let (mut world, conn) = World::serving(Service::new(async move |request: Request| {
        let (count, closed) = (Rc::clone(&count), request.closed());
        request.ctx().spawn(async move {
            closed.await;
            count.set(count.get() + 1);
        })?;
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>("done")
    }));
    world.sends(conn, GET);
    assert_eq!(told.get(), 0);
    world.waits(seconds(1));
    assert_eq!((told.get(), world.closed(conn)), (1, None));
}

/// A client that takes some of the answer is there.
#[test]
fn a_client_that_reads_slowly_is_given_time_until_it_stops() {
    for (version, is_reset) in [("1.1", false), ("1.0", true)] {
        let (mut world, conn) = World::serving(Service::new(async |request: Request| {
            Response::stream(async move |out: &mut BodyWriter| {
                for _ in 0..5 {
                    out.write("some").await?;
                    request.ctx().sleep(seconds(6)).await?;
                }
                request.closed().await;
                std::future::pending().await
            })
        }));
        world.sends(conn, format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        world.ends(conn);
        world.waits(seconds(30));
        assert_eq!(world.receives(conn).matches("some").count(), 5);
        assert_eq!(world.closed(conn), None);
        world.waits(seconds(20));
        let end = if is_reset { Action::Abort } else { Action::Close };
        assert_eq!(world.closed(conn), Some(LEFT));
        assert!(world.log.contains(&end(conn, LEFT)), "{version}");
    }
}

/// So much is read ahead to see the end, and no more.
#[test]
fn what_is_read_ahead_of_an_answer_is_bounded() {
    let (service, _) = sleeping(seconds(20));
    let (mut world, conn) = World::serving(service.connections(settings(|it| it.read_ahead = 100)));
    let waiting = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
    world.sends(conn, waiting);
    let mut n = 1;
    while !world.paused(conn) {
        world.sends(conn, waiting);
        n += 1;
        assert!(n < 10, "nobody stops the client");
    }
    assert!(n > 3, "{n}");
    world.waits(seconds(20 * n));
    assert!(!world.paused(conn));
    assert_eq!(world.receives(conn).matches("at last").count() as u64, n);
}

/// Takes a few bytes a step, and goes on when it is woken.
struct Sip(LineEcho);

impl Machine for Sip {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                let n = bytes.len().min(3);
                actions.set_deadline(now + seconds(1), Reason::Application("sip"));
                actions.pause();
                self.0.step(now, Input::Bytes(&bytes[..n]), actions)
            }
            Input::Deadline => {
                actions.resume();
                0
            }
            other => self.0.step(now, other, actions),
        }
    }
}

/// What came behind an upgrade is the next machine's, also if all of it waited for another answer.
#[test]
fn what_was_kept_is_given_back_to_the_machine_that_takes_over() {
    let upgrade = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let lines = "hello\r\nand more\r\n";
    let bytes = [GET, upgrade, lines].concat();
    let answer = |sips: bool| {
        Service::new(async move |request: Request| {
            request.ctx().sleep(seconds(1)).await?;
            match (request.path(), sips) {
                ("/", _) => Ok::<_, Error>(Response::bytes("first")),
                (_, false) => Ok(Response::upgrade("x", LineEcho::default())),
                (_, true) => Ok(Response::upgrade("x", Sip(LineEcho::default()))),
            }
        })
    };
    for sips in [false, true] {
        for (head, tail) in two_way_cuts(bytes.as_bytes()) {
            let (mut world, conn) = World::serving(answer(sips));
            for part in [head, tail] {
                if !part.is_empty() {
                    world.sends(conn, part);
                }
            }
            world.waits(seconds(2));
            world.waits(seconds(if sips { 20 } else { 0 }));
            world.sends(conn, "last\r\n");
            world.waits(seconds(5));
            world.ends(conn);
            let received = world.receives(conn);
            let (_, received) = received.split_once("first").unwrap();
            let (_, received) = received.split_once("Upgrade: x\r\n\r\n").unwrap();
            let expected = "you said: hello\r\nyou said: and more\r\nyou said: last\r\n";
            assert_eq!(received, expected, "{sips}, cut at {}", head.len());
            assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
        }
    }
}
