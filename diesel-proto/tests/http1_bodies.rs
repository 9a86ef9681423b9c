//! How much of the bodies of requests is held, and for how long.

mod harness;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::*;
use diesel_proto::{Cause, ConnId, Error, Limit, LineEcho, Notice, Reason, ServiceId};
use harness::*;

fn world_of(service: Service) -> (World, ServiceId) {
    let mut world = World::new();
    let service = world.hub.add_service(service);
    (world, service)
}

fn ignoring() -> Service {
    Service::new(|_: Request| "ignored")
}

/// Collects, too.
fn reading() -> Service {
    Service::new(async |mut request: Request| {
        request.body().read(1 << 20).await?;
        Ok::<_, Error>("read")
    })
}

fn head(n: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n")
}

fn sends_piece(world: &mut World, conn: ConnId, n: usize) {
    world.sends(conn, vec![b'x'; n]);
}

#[test]
fn a_plain_handler_takes_64_kib_unless_the_service_says_otherwise() {
    for (n, limits, is_taken) in [
        (64 << 10, Limits::default(), true),
        ((64 << 10) + 1, Limits::default(), false),
        (100_000, Limits { plain_body: 100_000, ..Limits::default() }, true),
        (101, Limits { body: 100, ..Limits::default() }, false),
    ] {
        for chunked in [false, true] {
            let (mut world, service) = world_of(ignoring().limits(limits));
            let conn = world.accept(service);
            world.turn();
            match chunked {
                false => world.sends(conn, head(n)),
                true => {
                    let coding = "Transfer-Encoding: chunked";
                    let head = head(n).replace(&format!("Content-Length: {n}"), coding);
                    world.sends(conn, format!("{head}{n:x}\r\n"));
                }
            }
            if is_taken {
                sends_piece(&mut world, conn, n);
                world.sends(conn, if chunked { "\r\n0\r\n\r\n" } else { "" });
            }
            let received = world.receives(conn);
            let status = if is_taken { "HTTP/1.1 200 " } else { "HTTP/1.1 413 " };
            assert!(received.starts_with(status), "{n} {chunked}: {received}");
        }
    }
    // An async one takes more: it holds what it asks for.
    let (mut world, service) = world_of(reading());
    let conn = world.accept(service);
    world.sends(conn, head(500_000));
    for _ in 0..10 {
        sends_piece(&mut world, conn, 50_000);
    }
    assert!(world.receives(conn).ends_with("read"));
}

/// What a thousand clients may have a service hold that ignores their bodies.
#[cfg(feature = "testkit")]
#[test]
fn all_bodies_of_a_service_are_held_within_its_budget_and_not_for_ever() {
    let (mut world, service) = world_of(ignoring());
    let n = 65_535;
    let mut conns = Vec::new();
    for _ in 0..1000 {
        let conn = world.accept(service);
        world.delivers(conn, head(65_536));
        world.delivers(conn, vec![b'x'; n]);
        conns.push(conn);
    }
    world.turn();
    let answered = conns.iter().filter(|&&conn| world.receives(conn).contains(" 503 ")).count();
    assert_eq!(1000 - answered, (32 << 20) / n);
    // One byte from time to time keeps none of them.
    for _ in 0..12 {
        world.waits(seconds(16));
    }
    assert_eq!(world.hub.counters().open, 0);
}

/// The number of bytes that may be held in these tests.
const BUDGET: usize = 1000;

fn limited(service: Service) -> Service {
    service.limits(Limits { held_bodies: BUDGET, ..Limits::default() })
}

/// Whether there is room for all of it.
fn has_room(world: &mut World, service: ServiceId) -> bool {
    let conn = world.accept(service);
    world.sends(conn, head(BUDGET));
    sends_piece(world, conn, BUDGET - 1);
    let has_room = world.receives(conn).is_empty();
    world.resets(conn);
    has_room
}

#[test]
fn a_body_for_which_there_is_no_room_is_answered_with_503_and_the_others_are_not() {
    for service in [ignoring(), reading()] {
        let (mut world, service) = world_of(limited(service));
        let (one, other) = (world.accept(service), world.accept(service));
        for conn in [one, other] {
            world.sends(conn, head(600));
            sends_piece(&mut world, conn, 400);
        }
        assert!(world.receives(one).is_empty() && world.receives(other).is_empty());
        sends_piece(&mut world, other, 200);
        // Exactly as much as may be: that one is complete, and gives it back.
        assert!(world.receives(other).starts_with("HTTP/1.1 200 OK"));
        sends_piece(&mut world, one, 100);
        world.sends(other, head(700));
        sends_piece(&mut world, other, 501);
        let received = world.receives(other);
        assert!(received.starts_with("HTTP/1.1 503 Service Unavailable"), "{received}");
        assert!(world.notices().contains(&Notice::LimitReached(Limit::HeldBodies(BUDGET))));
        // What is left of it is drained, and the connection goes on.
        sends_piece(&mut world, other, 199);
        world.sends(other, head(500));
        sends_piece(&mut world, other, 500);
        assert!(world.receives(other).starts_with("HTTP/1.1 200 OK"));
        sends_piece(&mut world, one, 100);
        assert!(world.receives(one).starts_with("HTTP/1.1 200 OK"));
        assert!(has_room(&mut world, service));
        assert_eq!(world.hub.counters().failures, 0);
    }
}

#[test]
fn what_was_held_is_given_back_however_a_connection_ends() {
    type Ending = fn(&mut World, ConnId);
    let endings: [Ending; 5] = [
        |world, conn| world.resets(conn),
        |world, conn| world.ends(conn),
        // It stops coming.
        |world, _| world.waits(seconds(30)),
        // It is complete.
        |world, conn| sends_piece(world, conn, 300),
        // It ends too early, after more of it.
        |world, conn| {
            sends_piece(world, conn, 299);
            world.ends(conn);
        },
    ];
    for service in [ignoring as fn() -> Service, reading] {
        for (nth, ending) in endings.iter().enumerate() {
            let (mut world, service) = world_of(limited(service()));
            let conn = world.accept(service);
            world.sends(conn, head(1000));
            sends_piece(&mut world, conn, 700);
            assert!(!has_room(&mut world, service));
            ending(&mut world, conn);
            assert!(has_room(&mut world, service), "{nth}");
        }
    }
}

/// What waits behind a request counts as well.
#[test]
fn what_was_held_is_given_back_at_an_upgrade() {
    let (mut world, service) = world_of(limited(Service::new(async |mut request: Request| {
        if request.upgrade().is_some() {
            return Ok(Response::upgrade("echo", LineEcho::default()));
        }
        match request.method() {
            "POST" => drop(request.body().read(BUDGET).await?),
            _ => request.ctx().sleep(seconds(1)).await?,
        }
        Ok::<_, Error>(Response::empty())
    })));
    let conn = world.accept(service);
    let padding = "x".repeat(700);
    world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.sends(
        conn,
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nPadding: {padding}\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
        ),
    );
    assert!(!has_room(&mut world, service));
    world.waits(seconds(1));
    assert!(world.receives(conn).contains("HTTP/1.1 101 "));
    assert!(has_room(&mut world, service));
}

/// One that breaks a rule, and one whose handler is gone.
#[test]
fn what_was_held_is_given_back_when_the_request_is_refused_or_answered_early() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2bc\r\n";
    for service in [ignoring(), reading()] {
        let (mut world, service) = world_of(limited(service));
        let conn = world.accept(service);
        world.sends(conn, chunked);
        sends_piece(&mut world, conn, 700);
        assert!(!has_room(&mut world, service));
        world.sends(conn, "nonsense");
        assert!(world.receives(conn).starts_with("HTTP/1.1 400 "));
        assert!(has_room(&mut world, service));
    }
    let (mut world, service) = world_of(limited(Service::new(async |mut request: Request| {
        let ctx = request.ctx();
        let late = ctx.timeout(seconds(1), request.body().read(1000)).await;
        late.map(|_| "in time")
    })));
    let conn = world.accept(service);
    world.sends(conn, head(1000));
    sends_piece(&mut world, conn, 700);
    assert!(!has_room(&mut world, service));
    world.waits(seconds(1));
    assert!(world.receives(conn).starts_with("HTTP/1.1 500 "));
    assert!(has_room(&mut world, service));
}

/// A handler that takes a body piece by piece is slowed down, not refused.
#[test]
fn a_body_that_is_read_piece_by_piece_needs_no_room_beyond_a_piece() {
    let taken = Rc::new(Cell::new(0));
    let count = Rc::clone(&taken);
    let (mut world, service) = world_of(limited(Service::new(async move |request: Request| {
        let ctx = request.ctx();
        if request.path() == "/whole" {
            let mut request = request;
            request.body().read(2000).await?;
            return Ok::<_, Error>("whole");
        }
        let mut body = request.into_body();
        while let Some(chunk) = body.some().await? {
            count.set(count.get() + chunk.len());
            ctx.sleep(seconds(1)).await?;
        }
        Ok("pieces")
    })));
    let (whole, pieces) = (world.accept(service), world.accept(service));
    world.sends(whole, head(1000).replace("POST /", "POST /whole"));
    sends_piece(&mut world, whole, 999);
    world.sends(pieces, head(5000));
    let mut sent = 0;
    while sent < 5000 {
        if world.paused(pieces) {
            world.waits(seconds(1));
            continue;
        }
        sends_piece(&mut world, pieces, 500);
        sent += 500;
    }
    world.waits(seconds(10));
    assert_eq!((taken.get(), world.receives(pieces).ends_with("pieces")), (5000, true));
    sends_piece(&mut world, whole, 1);
    assert!(world.receives(whole).ends_with("whole"));
}

const TOO_SLOW: Cause = Cause::TimedOut(Reason::BodyRate);

#[test]
fn a_body_as_a_whole_has_a_minute_and_a_second_for_each_500_bytes() {
    for service in [ignoring as fn() -> Service, reading] {
        // A byte every 25 seconds renews the time between two pieces, and helps no more.
        let (mut world, service) = world_of(service());
        let conn = world.accept(service);
        world.sends(conn, head(1000));
        for _ in 0..2 {
            world.waits(seconds(25));
            world.sends(conn, "x");
        }
        world.waits(seconds(10) + Duration::from_millis(3));
        assert!(world.receives(conn).is_empty());
        world.waits(Duration::from_millis(1));
        assert!(world.receives(conn).starts_with("HTTP/1.1 408 "));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(TOO_SLOW));
        // Slow, and as fast as has to be.
        let conn = world.accept(service);
        world.sends(conn, head(60_000));
        for _ in 0..30 {
            world.waits(seconds(4));
            sends_piece(&mut world, conn, 2000);
        }
        assert!(world.receives(conn).starts_with("HTTP/1.1 200 OK"));
    }
}

#[test]
fn the_least_rate_may_be_another_or_none() {
    let deadlines = |body, body_rate| Deadlines { body, body_rate, ..Deadlines::default() };
    for (deadlines, cause) in [
        (deadlines(seconds(5), 500), Some(TOO_SLOW)),
        (deadlines(seconds(5), 1), None),
        (deadlines(seconds(5), 0), None),
    ] {
        let (mut world, service) = world_of(ignoring().deadlines(deadlines));
        let conn = world.accept(service);
        world.sends(conn, head(100));
        for _ in 0..99 {
            world.waits(seconds(1));
            if world.half_closed(conn) {
                break;
            }
            world.sends(conn, "x");
        }
        world.ends(conn);
        let cut_short = Cause::Protocol(Rule::BodyIncomplete.text());
        assert_eq!(world.closed(conn), Some(cause.unwrap_or(cut_short)));
    }
}

/// No deadline of a body applies while reading is paused.
#[test]
fn the_time_in_which_a_body_is_not_read_does_not_count() {
    let (mut world, service) = world_of(
        Service::new(async |request: Request| {
            let ctx = request.ctx();
            let mut body = request.into_body();
            while body.some().await?.is_some() {
                ctx.sleep(seconds(50)).await?;
            }
            Ok::<_, Error>("all")
        })
        .connections(settings(|it| it.read_ahead = 1)),
    );
    let conn = world.accept(service);
    world.sends(conn, head(9));
    world.sends(conn, "x");
    for _ in 0..8 {
        // It is taken when the handler has slept; until then nothing more is read.
        world.waits(seconds(5));
        world.sends(conn, "x");
        assert!(!world.half_closed(conn));
        world.waits(seconds(45));
    }
    world.waits(seconds(50));
    assert!(world.receives(conn).ends_with("all"), "{:?}", world.closed(conn));
}

/// What is left of a body behind its answer is drained: neither fast enough for ever, nor anew.
#[test]
fn what_is_drained_of_a_body_ends() {
    let (mut world, service) = world_of(Service::new(async |_: Request| "unread"));
    let conn = world.accept(service);
    world.sends(conn, head(60_000));
    assert!(world.receives(conn).starts_with("HTTP/1.1 200 OK"));
    let mut waited = 0;
    while !world.half_closed(conn) {
        world.sends(conn, "x");
        world.waits(seconds(1));
        waited += 1;
        assert!(waited < 100);
    }
    assert_eq!(waited, 61);
    world.ends(conn);
    assert_eq!((world.closed(conn), world.receives(conn)), (Some(TOO_SLOW), String::new()));
}
