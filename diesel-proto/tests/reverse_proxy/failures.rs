//! Upstreams that fail, and others that are asked instead.

use diesel_proto::http1::{ClientConfig, ClientTimeouts, PoolLimits};
use diesel_proto::testkit::net::{Happened, PeerState};

use super::harness::*;

const POST: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";

#[track_caller]
fn assert_text(answer: &str, status: &str, reason: &str) {
    let text = format!("{status}: {reason}\n");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{text}")), "{answer}");
    assert!(!answer.contains("10.0.1."), "{answer}");
}

#[test]
fn a_client_learns_what_failed_and_not_where() {
    let mut world = World::new();
    let client = world.client(get(""));
    assert!(world.network.refuse(upstream(1)));
    world.turn();
    assert_text(&world.got(client), "502 Bad Gateway", "connecting: refused");

    for (response, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "waiting for the response: more than one Content-Length (RFC 9112, 6.3)",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "waiting for the response: both Content-Length and Transfer-Encoding (RFC 9112, 6.1)",
        ),
        (
            "SSH-2.0-OpenSSH_9.9\r\n",
            "waiting for the response: a version that is not HTTP/ and two digits (RFC 9112, 2.3)",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "waiting for the response: a switch of protocols that the request did not ask for (RFC 9110, 7.8)",
        ),
        // The first piece of a body, while the head can still be another one.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz",
            "reading the response: a chunk size that is not hexadecimal digits alone (RFC 9112, 7.1)",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "the upstream asks for Proxy-Authorization",
        ),
    ] {
        let mut world = World::new();
        let (_, answer) = world.exchange(&get(""), response);
        assert_text(&answer, "502 Bad Gateway", reason);
    }

    let mut world = World::new();
    let client = world.client(POST);
    let up = world.accepts();
    world.network.end(up);
    world.turn();
    let reason = "waiting for the response: the connection ended";
    assert_text(&world.got(client), "502 Bad Gateway", reason);
    let client = world.client(POST);
    let up = world.accepts();
    world.network.reset(up);
    world.turn();
    let reason = "waiting for the response: the connection was reset";
    assert_text(&world.got(client), "502 Bad Gateway", reason);
}

/// The notice says what the client is not told.
#[test]
fn a_notice_says_where() {
    let mut world = World::new();
    let notices = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let seen = std::rc::Rc::clone(&notices);
    world.network.watch(move |happening| {
        if let Happened::Notice(notice) = &happening.what {
            seen.borrow_mut().push_str(&notice.to_string());
        }
    });
    let client = world.client(get(""));
    world.network.refuse(upstream(1));
    world.turn();
    assert!(world.got(client).starts_with("HTTP/1.1 502 "));
    assert!(notices.borrow().contains("http://10.0.1.1"), "{}", notices.borrow());
}

#[test]
fn an_upstream_that_is_slow_is_504() {
    let timeouts = ClientTimeouts {
        connect: 2 * SECOND,
        first_byte: 3 * SECOND,
        between: 4 * SECOND,
        ..ClientTimeouts::default()
    };
    let slow = || {
        let config = ClientConfig { timeouts, ..ClientConfig::default() };
        World::with(1, |builder| builder.config(config))
    };
    let mut world = slow();
    let client = world.client(get(""));
    world.waits(2 * SECOND);
    assert_text(&world.got(client), "504 Gateway Timeout", "connecting: timed out");

    let mut world = slow();
    let client = world.client(get(""));
    let up = world.accepts();
    world.waits(2 * SECOND);
    assert_eq!(world.got(client), "");
    world.waits(SECOND);
    assert_text(&world.got(client), "504 Gateway Timeout", "waiting for the response: timed out");
    assert_ne!(world.state(up), PeerState::Open);

    // After the head, it can only be cut.
    let mut world = slow();
    let client = world.client(get(""));
    let up = world.accepts();
    world.sends(up, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    world.waits(5 * SECOND);
    assert!(world.got(client).ends_with("hello"));
    assert_eq!(world.state(client), PeerState::Ended);
    assert_ne!(world.state(up), PeerState::Open);
}

#[test]
fn more_requests_than_may_wait_are_503() {
    let pool = PoolLimits { per_origin: 1, waiting: 1, ..PoolLimits::default() };
    let timeouts = ClientTimeouts { queue: 2 * SECOND, ..ClientTimeouts::default() };
    let config = ClientConfig { pool, timeouts, ..ClientConfig::default() };
    let mut world = World::with(1, |builder| builder.config(config));
    let clients = [(); 3].map(|()| world.client(get("")));
    let reason = "waiting for a connection: too many requests wait";
    assert_text(&world.got(clients[2]), "503 Service Unavailable", reason);
    world.waits(2 * SECOND);
    assert_text(&world.got(clients[1]), "503 Service Unavailable", reason);
}

#[test]
fn upstreams_take_turns() {
    let mut world = World::with(3, |builder| builder);
    for n in [1, 2, 3, 1, 2, 3] {
        let client = world.client(get("Connection: close\r\n"));
        let up = world.accepts_at(n).unwrap_or_else(|| panic!("not {n}"));
        world.sends(up, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert!(world.got(client).starts_with("HTTP/1.1 200 OK"));
    }
}

/// What was not sent can be sent to another upstream, body and all; which is not asked for a while.
#[test]
fn another_upstream_is_asked_if_one_cannot_be_reached() {
    for request in [get("").as_str(), POST] {
        let mut world = World::with(2, |builder| builder.down_time(25 * SECOND));
        let client = world.client(request);
        assert!(world.network.refuse(upstream(1)));
        world.turn();
        let up = world.accepts_at(2).unwrap();
        assert!(request.ends_with("hi") == world.got(up).ends_with("\r\n\r\nhi"));
        world.sends(up, EMPTY);
        assert_eq!(world.got(client), EMPTY_ANSWER);
        // While it is down, the other one is asked, over the connection that is there.
        for wait in [0, 0, 0, 20] {
            world.waits(wait * SECOND);
            let client = world.client(request);
            world.sends(up, EMPTY);
            assert_eq!(world.got(client), EMPTY_ANSWER);
        }
        world.waits(5 * SECOND);
        let clients = [(); 2].map(|()| world.client(request));
        let again = world.accepts_at(1).unwrap();
        world.sends(again, EMPTY);
        world.sends(up, EMPTY);
        assert_eq!(clients.map(|client| world.got(client)), [EMPTY_ANSWER; 2]);
    }
}

#[test]
fn if_none_can_be_reached_all_are_asked() {
    let mut world = World::with(2, |builder| builder);
    for _ in 0..3 {
        let client = world.client(get(""));
        for _ in 0..2 {
            world.network.refuse(upstream(1));
            world.network.refuse(upstream(2));
            world.turn();
        }
        assert_text(&world.got(client), "502 Bad Gateway", "connecting: refused");
    }
}

/// OpenResty #190, APISIX #11359: what may have been carried out is not sent twice.
#[test]
fn only_what_is_harmless_is_sent_twice() {
    let harmless = get("");
    let cases = [
        (harmless.as_str(), true),
        ("DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n", true),
        (POST, false),
        ("POST /a HTTP/1.1\r\nHost: h\r\n\r\n", false),
        ("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", false),
        ("PATCH /a HTTP/1.1\r\nHost: h\r\n\r\n", false),
    ];
    for (request, is_repeated) in cases {
        let mut world = World::with(2, |builder| builder);
        let client = world.client(request);
        let up = world.accepts();
        world.network.reset(up);
        world.turn();
        let other = world.accepts_at(2);
        assert_eq!(other.is_some(), is_repeated, "{request}");
        match other {
            Some(other) => {
                world.sends(other, EMPTY);
                assert_eq!(world.got(client), EMPTY_ANSWER);
            }
            None => assert!(world.got(client).starts_with("HTTP/1.1 502 ")),
        }
    }
    // After a byte of a response, and after a timeout, nothing is.
    let mut world = World::with(2, |builder| builder);
    let client = world.client(get(""));
    let up = world.accepts();
    world.sends(up, "H");
    world.network.end(up);
    world.turn();
    assert_eq!(world.accepts_at(2), None);
    assert!(world.got(client).starts_with("HTTP/1.1 502 "));
}

/// A response, whatever its status, is an answer.
#[test]
fn an_error_of_an_upstream_is_passed_on() {
    let mut world = World::with(2, |builder| builder);
    let (_, answer) = world.exchange(
        &get(""),
        "HTTP/1.1 503 Busy\r\nDate: d\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n",
    );
    let expected = "HTTP/1.1 503 Service Unavailable\r\nDate: d\r\nRetry-After: 9\r\nVia: 1.1 p\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answer, expected);
}
