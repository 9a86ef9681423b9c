//! Upgrades in cases that broke other servers: leftover bytes, bodies, deadlines, and the end.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::http1::*;
use diesel_proto::{Actions, Cause, Conn, Error, Input, Instant, Machine};
use harness::*;

/// Records its inputs, echoes bytes, and sends much output at `quit`.
struct Noting(Rc<RefCell<Vec<String>>>);

impl Machine for Noting {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        self.0.borrow_mut().push(match input {
            Input::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        });
        match input {
            Input::Bytes(bytes) => {
                actions.send(bytes);
                if bytes == b"quit" {
                    actions.send(&[b'.'; 100_000]);
                    actions.close(Cause::Done);
                }
                bytes.len()
            }
            Input::Eof => {
                actions.close(Cause::PeerClosed);
                0
            }
            _ => 0,
        }
    }
}

type Notes = Rc<RefCell<Vec<String>>>;

/// Both kinds of handlers, which upgrade at once, whatever comes.
fn upgrading() -> [(Service, Notes); 2] {
    let (plain, asynchronous) = (Notes::default(), Notes::default());
    let (p, a) = (Rc::clone(&plain), Rc::clone(&asynchronous));
    [
        (Service::new(move |_: Request| Response::upgrade("x", Noting(Rc::clone(&p)))), plain),
        (
            Service::new(async move |_: Request| Response::upgrade("x", Noting(Rc::clone(&a)))),
            asynchronous,
        ),
    ]
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// Go's #8296: the deadlines of HTTP are not those of what comes next.
#[test]
fn no_deadline_of_http_outlives_the_upgrade() {
    for (service, notes) in upgrading() {
        let (mut world, conn) = World::serving(service);
        world.sends(conn, UPGRADE);
        world.waits(seconds(10_000));
        world.sends(conn, "still there");
        assert_eq!(world.receives(conn), format!("{SWITCHED}still there"));
        assert_eq!(*notes.borrow(), ["Start", "still there"]);
    }
}

/// Go's #61841, bun's #35974: a body is no part of the next protocol, and what is behind it is.
#[test]
fn a_body_is_not_handed_to_the_successor() {
    let said = post("", "HELLO") + "AFTER";
    for (head, tail) in two_way_cuts(said.as_bytes()) {
        let [(plain, notes), (asynchronous, _)] = upgrading();
        let (mut world, conn) = World::serving(plain);
        for part in [head, tail].iter().filter(|part| !part.is_empty()) {
            world.sends(conn, part);
        }
        assert_eq!(world.receives(conn), format!("{SWITCHED}AFTER"), "cut at {}", head.len());
        assert_eq!(notes.borrow().concat(), "StartAFTER");
        // This one does not wait for the body: that is no time to switch.
        let (mut world, conn) = World::serving(asynchronous);
        for part in [head, tail].iter().filter(|part| !part.is_empty()) {
            world.sends(conn, part);
        }
        let received = world.receives(conn);
        assert!(received.starts_with("HTTP/1.1 500"), "cut at {}: {received}", head.len());
        assert!(
            !received.contains("AFTER") && received.matches("HTTP/1.1 ").count() <= 2,
            "{received}"
        );
    }
}

/// Those that expect 100 get it before the 101 (RFC 9110, 7.8).
#[test]
fn a_client_that_expects_100_gets_it_first() {
    let said = post("Expect: 100-continue\r\n", "HELLO");
    let (head, body) = said.split_at(said.len() - 5);
    let [(plain, _), _] = upgrading();
    let (mut world, conn) = World::serving(plain);
    world.sends(conn, head);
    assert_eq!(world.receives(conn), "HTTP/1.1 100 Continue\r\n\r\n");
    world.sends(conn, body);
    world.sends(conn, "AFTER");
    let received = world.receives(conn);
    assert!(received.ends_with(&format!("{SWITCHED}AFTER")), "{received}");
}

#[test]
fn close_beside_upgrade_does_not_end_what_comes_next() {
    for (service, notes) in upgrading() {
        let (mut world, conn) = World::serving(service);
        world.sends(conn, UPGRADE.replace("upgrade\r", "upgrade, close\r") + "hello");
        assert_eq!(world.receives(conn), format!("{SWITCHED}hello"));
        world.sends(conn, "more");
        world.resets(conn);
        assert_eq!(*notes.borrow(), ["Start", "hello", "more", "Cut(Reset)"]);
    }
}

#[test]
fn an_old_client_cannot_upgrade() {
    for (service, notes) in upgrading() {
        let (mut world, conn) = World::serving(service);
        world.sends(conn, UPGRADE.replace("HTTP/1.1", "HTTP/1.0"));
        assert!(world.receives(conn).starts_with("HTTP/1.1 500"));
        assert_eq!(notes.borrow().len(), 0);
    }
}

/// The end of a client that ended its side behind the request reaches the successor, behind all
/// bytes.
#[test]
fn the_successor_hears_of_an_end_that_came_before_it() {
    let notes = Notes::default();
    let kept = Rc::clone(&notes);
    let service = Service::new(async move |request: Request| {
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>(Response::upgrade("x", Noting(Rc::clone(&kept))))
    });
    let (mut world, conn) = World::serving(service);
    world.sends(conn, UPGRADE.to_string() + "hello");
    world.ends(conn);
    world.waits(seconds(2));
    assert_eq!(world.receives(conn), format!("{SWITCHED}hello"));
    assert_eq!(*notes.borrow(), ["Start", "hello", "Eof"]);
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}

#[test]
fn a_successor_that_begins_during_a_shutdown_gets_shutdown() {
    let notes = Notes::default();
    let kept = Rc::clone(&notes);
    let service = Service::new(async move |request: Request| {
        let _ = request.ctx().sleep(seconds(1)).await;
        Response::upgrade("x", Noting(Rc::clone(&kept)))
    });
    let (mut world, conn) = World::serving(service);
    world.sends(conn, UPGRADE);
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    world.waits(seconds(2));
    assert_eq!(notes.borrow()[..2], ["Start", "Shutdown"]);
    world.waits(seconds(4));
    assert!(world.halted());
}

/// What a successor says last goes out, however slowly its peer reads.
#[test]
fn the_last_words_of_a_successor_are_sent() {
    for (service, _) in upgrading() {
        let (mut world, conn) = World::serving(service);
        world.takes_only(conn, 10);
        world.sends(conn, UPGRADE.to_string() + "quit");
        assert_eq!(world.closed(conn), None);
        world.takes(conn, 1_000_000);
        world.turn();
        assert_eq!(world.receives(conn), format!("{SWITCHED}quit{}", ".".repeat(100_000)));
        assert!(world.half_closed(conn));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}

/// A handler of connections behind HTTP: its connection has what is left, and its end.
#[test]
fn a_handler_of_connections_takes_over() {
    let service = Service::new(|_: Request| {
        Response::upgrade("x", async |mut conn: Conn| {
            let all = conn.to_end(100).await?.len();
            conn.write(format!("{all} bytes")).await
        })
    });
    let (mut world, conn) = World::serving(service);
    world.sends(conn, UPGRADE.to_string() + "GET / HTTP/1.1\r\n\r\n");
    world.ends(conn);
    assert_eq!(world.receives(conn), format!("{SWITCHED}18 bytes"));
    assert!(world.closed(conn).is_some());
}

/// Deno's #34446: what a handler leaves of a body is no request, whenever it comes.
#[test]
fn what_is_left_of_a_body_is_no_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = format!(
        "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}\
         GET /second HTTP/1.1\r\nHost: a\r\n\r\n",
        smuggled.len(),
    );
    for (head, tail) in two_way_cuts(said.as_bytes()) {
        let asked = Notes::default();
        let kept = Rc::clone(&asked);
        let service = Service::new(async move |request: Request| {
            kept.borrow_mut().push(request.path().to_string());
            "ok"
        });
        let (mut world, conn) = World::serving(service);
        for part in [head, tail].iter().filter(|part| !part.is_empty()) {
            world.sends(conn, part);
        }
        assert_eq!(*asked.borrow(), ["/first", "/second"], "cut at {}", head.len());
        assert_eq!(world.receives(conn).matches("200 OK").count(), 2);
    }
}

/// A body that is kept beyond its request gets nothing of the next one.
#[test]
fn a_body_that_outlives_its_request_reads_nothing_of_the_next() {
    let read = Notes::default();
    let kept = Rc::clone(&read);
    let service = Service::new(async move |mut request: Request| {
        let read = Rc::clone(&kept);
        let ctx = request.ctx();
        ctx.spawn(async move {
            while let Ok(Some(chunk)) = request.body().some().await {
                read.borrow_mut().push(String::from_utf8_lossy(&chunk).into_owned());
            }
            Ok::<_, Error>(())
        })?;
        Ok::<_, Error>("ok")
    });
    let (mut world, conn) = World::serving(service);
    for n in 0..3 {
        world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        world.sends(conn, format!("body{n}"));
    }
    assert_eq!(world.receives(conn).matches("200 OK").count(), 3);
    assert!(read.borrow().iter().all(|chunk| !chunk.contains("HTTP")), "{read:?}");
    let (mut once, all) = (read.borrow().clone(), read.borrow().len());
    once.dedup();
    assert_eq!(once.len(), all, "each was read once");
    assert_eq!(world.hub.counters().fibers, 0);
}
