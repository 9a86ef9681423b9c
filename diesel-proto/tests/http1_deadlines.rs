//! The deadlines of a client, and the effects when they pass.

mod harness;

use std::time::Duration;

use diesel_proto::http1::*;
use diesel_proto::{Cause, Reason};
use harness::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
                      Content-Length: 6\r\n\r\nenough";

/// Answers without a look at the body.
fn unread(body_idle: Duration) -> Service {
    Service::new(async |_: Request| "enough")
        .deadlines(Deadlines { body_idle, ..Deadlines::default() })
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);

#[test]
fn the_rest_of_a_body_that_was_answered_may_come_slowly() {
    for (head, body) in [
        ("Content-Length: 12\r\n\r\n", "hello, world"),
        ("Transfer-Encoding: chunked\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"),
    ] {
        let (mut world, conn) = World::serving(unread(seconds(2)));
        world.sends(conn, format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        assert_eq!(world.receives(conn), ANSWER);
        for byte in body.as_bytes().chunks(1) {
            world.waits(HALF_A_SECOND);
            world.sends(conn, byte);
        }
        assert_eq!((world.half_closed(conn), world.closed(conn)), (false, None), "{body:?}");
        world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.receives(conn), ANSWER, "{body:?}");
    }
}

#[test]
fn the_rest_of_a_body_that_was_answered_may_not_stop_coming() {
    let (mut world, conn) = World::serving(unread(seconds(2)));
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhel");
    assert_eq!(world.receives(conn), ANSWER);
    world.waits(HALF_A_SECOND);
    world.sends(conn, "lo");
    world.waits(seconds(2) - Duration::from_millis(1));
    assert!(!world.half_closed(conn));
    world.waits(Duration::from_millis(1));
    assert_eq!((world.half_closed(conn), world.receives(conn)), (true, String::new()));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::BodyIdle)));
}
