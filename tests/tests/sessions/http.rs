//! `http`: the same answer to every request.

use diesel_driver::http1::Service;
use diesel_driver::{Hub, Instant};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::http::hello;
use crate::with;

/// The example of a date in RFC 9110, in the year 1994.
fn greeting() -> Hub {
    let mut hub = with(Service::new(hello));
    hub.time_of_day(Instant::ORIGIN, 784_111_777);
    hub
}

#[test]
fn whatever_is_asked_for_the_answer_is_the_same_but_its_date() {
    assert_plays(
        r"
        ann> GET / HTTP/1.1\r\nHost: localhost:8088\r\n\r\n
        ann< HTTP/1.1 200 OK\r\n
        ann< Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n
        ann< Content-Type: text/plain; charset=utf-8\r\n
        ann< Content-Length: 13\r\n
        ann< \r\n
        ann< Hello, World!
        +62s
        ann> POST /any/path?with=a&query HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody
        ann< HTTP/1.1 200 OK\r\n
        ann< Date: Sun, 06 Nov 1994 08:50:39 GMT\r\n
        ann< Content-Type: text/plain; charset=utf-8\r\n
        ann< Content-Length: 13\r\n
        ann< \r\n
        ann< Hello, World!
        ann open
        ",
        greeting,
    );
}

/// Without a time of day, answers have no `Date`: so the scripts below are shorter.
#[test]
fn each_request_has_its_answer_however_many_arrive_at_once() {
    assert_plays(
        r"
        ann> GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        ann open
        ",
        || with(Service::new(hello)),
    );
}

#[test]
fn the_connection_is_kept_or_closed_as_the_client_says() {
    assert_plays(
        r"
        old> GET / HTTP/1.0\r\n\r\n
        old< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        old closed: done

        kept> GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n
        kept< HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        kept open

        last> GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /unread HTTP/1.1\r\nHost: a\r\n\r\n
        last< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        last closed: done
        ",
        || with(Service::new(hello)),
    );
}

#[test]
fn a_peer_that_ended_its_side_still_gets_its_answers() {
    assert_plays(
        r"
        ann stops reading
        ann> GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /
        ann ends
        ann reads again
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        ann< HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 62\r\n\r\n
        ann< at byte 32: the end of the stream within a head (RFC 9112, 8)\n
        ann closed: the peer broke the protocol: the end of the stream within a head
        ",
        || with(Service::new(hello)),
    );
}

#[test]
fn a_violation_is_answered_with_the_rule_and_the_offset() {
    assert_plays(
        r"
        ann> GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 61\r\n\r\n
        ann< at byte 18: no Host in a request of HTTP/1.1 (RFC 9112, 3.2)\n
        ann closed: the peer broke the protocol: no Host in a request of HTTP/1.1

        bob> GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /\0 HTTP/1.1\r\nHost: a\r\n\r\n
        bob< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        bob< HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 71\r\n\r\n
        bob< at byte 32: a request target of none of the four forms (RFC 9112, 3.2)\n
        bob closed: the peer broke the protocol: a request target of none of the four forms
        ",
        || with(Service::new(hello)),
    );
}

#[test]
fn a_slow_request_gets_408_and_a_silent_connection_is_closed() {
    assert_plays(
        r"
        idle> GET / HTTP/1.1\r\nHost: a\r\n\r\n
        idle< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        +1s
        slow> GET / HT
        +9.999s
        slow open
        +1ms
        slow< HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 65\r\n\r\n
        slow< at byte 8: a head that did not arrive in time (RFC 9110, 15.5.9)\n
        slow closed: timed out: the head did not arrive in time
        +63.999s
        idle open
        +1ms
        idle closed: timed out: no further request arrived
        ",
        || with(Service::new(hello)),
    );
}

#[test]
fn a_shutdown_ends_what_is_idle_and_answers_what_has_begun() {
    assert_plays(
        r"
        fresh connects
        idle> GET / HTTP/1.1\r\nHost: a\r\n\r\n
        idle< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        ann> GET / HTTP/1.1\r\nHo
        shut down within 5s
        fresh closed: shut down
        idle closed: shut down
        ann> st: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!
        ann closed: shut down
        halted
        ",
        || with(Service::new(hello)),
    );
}
