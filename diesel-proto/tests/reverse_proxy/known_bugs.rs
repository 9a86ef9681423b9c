//! How other proxies broke, each as a test that this one does not. Others are beside what they
//! concern, with the name of the report.

use diesel_proto::testkit::net::PeerState;

use super::harness::*;

/// CL.TE and TE.CL, in the spellings that got through LiteSpeed (#392), sozu (#726), tinyproxy (#609,
/// #616) and HAProxy (#2237): what can be read in two ways is refused, and is not passed on.
#[test]
fn framing_with_two_readings_is_refused() {
    for fields in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length:\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5\r\n x: y\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding\r\n : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: \0\r\n",
    ] {
        let mut world = World::new();
        let request = format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = world.refused(&request);
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 501 "),
            "{fields}: {answer}"
        );
        // Nothing behind it is taken for a request.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    }
    // This is `chunked` to every reader, once the blanks are gone; and they are.
    let mut world = World::new();
    let request = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tChunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let (asked, _) = world.exchange(request, EMPTY);
    assert_eq!(
        asked,
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\n{ADDED}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
    );
}

/// http-proxy #1721 (CVE-2026-29057): methods that seldom have a body keep theirs.
#[test]
fn every_method_keeps_its_body() {
    for method in ["DELETE", "OPTIONS", "GET", "PROPFIND"] {
        let mut world = World::new();
        let smuggled = "GET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
        let body = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        let request =
            format!("{method} /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let (asked, answer) = world.exchange(&request, EMPTY);
        assert_eq!(
            asked,
            format!(
                "{method} /a HTTP/1.1\r\nHost: h\r\n{ADDED}Transfer-Encoding: chunked\r\n\r\n{body}"
            )
        );
        assert_eq!(answer, EMPTY_ANSWER);
    }
    let mut world = World::new();
    let trace = "TRACE /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert!(world.refused(trace).starts_with("HTTP/1.1 400 "));
}

/// Go #46313 (CVE-2021-33197): an empty Connection before another one hides nothing.
#[test]
fn an_empty_connection_hides_no_other() {
    let mut world = World::new();
    let fields = "Connection:\r\nConnection: , X-Hop ,\r\nX-Hop: 1\r\n";
    let (asked, _) = world.exchange(&get(fields), EMPTY);
    assert_eq!(asked, format!("GET /a HTTP/1.1\r\nHost: h\r\n{ADDED}\r\n"));
}

/// Go #50580, and `hop-by-hop` attacks: what the proxy says cannot be removed.
#[test]
fn the_address_of_a_client_cannot_be_hidden() {
    let mut world = World::new();
    let fields = "Connection: close, X-Forwarded-For, Forwarded\r\nX-Forwarded-For: 1.1.1.1\r\n";
    let (asked, _) = world.exchange(&get(fields), EMPTY);
    assert_eq!(asked, format!("GET /a HTTP/1.1\r\nHost: h\r\n{ADDED}\r\n"));
}

/// h2o #182: an upstream that answers more than it was asked. The rest is no answer for the next
/// client.
#[test]
fn bytes_that_answer_nothing_reach_nobody() {
    for at in ["with the response", "later"] {
        let mut world = World::new();
        let client = world.client(get(""));
        let up = world.accepts();
        let extra = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
        match at {
            "later" => {
                world.sends(up, EMPTY);
                world.sends(up, extra);
            }
            _ => world.sends(up, format!("{EMPTY}{extra}")),
        }
        assert_eq!(world.got(client), EMPTY_ANSWER);
        let other = world.client(get(""));
        assert_eq!(world.got(other), "", "{at}");
        let fresh = world.accepts();
        assert_ne!(fresh, up);
        world.sends(fresh, EMPTY);
        assert_eq!(world.got(other), EMPTY_ANSWER);
        assert_ne!(world.state(up), PeerState::Open);
    }
}

/// One client's call that was dropped, or whose response was not read, is never another's answer.
#[test]
fn a_response_that_was_not_read_reaches_nobody() {
    let mut world = World::new();
    let client = world.client(get(""));
    let up = world.accepts();
    world.network.reset(client);
    world.turn();
    let other = world.client(get(""));
    let fresh = world.accepts();
    world.sends(up, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    world.sends(fresh, EMPTY);
    assert_eq!(world.got(other), EMPTY_ANSWER);
}

/// Two clients that ask at once, over one connection each, and then over those that are kept.
#[test]
fn each_client_gets_its_own_answer() {
    let mut world = World::new();
    let clients = ["a", "b", "c"]
        .map(|name| world.client(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n")));
    let ups = [(); 3].map(|()| world.accepts());
    for round in 0..3 {
        for up in ups.iter().rev() {
            let asked = world.got(*up);
            let path = asked.split(' ').nth(1).unwrap().to_string();
            world.sends(
                *up,
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()),
            );
        }
        for (client, name) in clients.iter().zip(["a", "b", "c"]) {
            let answer = world.got(*client);
            assert!(answer.ends_with(&format!("\r\n\r\n/{name}{}", "x".repeat(round))), "{answer}");
            world.sends(
                *client,
                format!("GET /{name}{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(round + 1)),
            );
        }
    }
}

/// A cookie of an upstream is that of one client.
#[test]
fn no_cookie_is_kept() {
    let mut world = World::new();
    let client = world.client(get(""));
    let up = world.accepts();
    world.got(up);
    world.sends(up, EMPTY.replace("Date: d\r\n", "Date: d\r\nSet-Cookie: id=secret; Path=/\r\n"));
    assert!(world.got(client).contains("Set-Cookie: id=secret; Path=/\r\n"));
    let other = world.client(get(""));
    let asked = world.got(up);
    assert!(asked.starts_with("GET /a ") && !asked.contains("secret"), "{asked}");
    world.sends(up, EMPTY);
    assert_eq!(world.got(other), EMPTY_ANSWER);
}

/// A redirect is for the client, who may not be able to ask what the proxy can.
#[test]
fn no_redirect_is_followed() {
    let mut world = World::new();
    let (_, answer) = world.exchange(&get(""), "HTTP/1.1 302 Found\r\nDate: d\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
    assert!(answer.contains("Location: http://169.254.169.254/\r\n"));
    assert_eq!(world.network.traffic().connections, 2);
}

/// Fields that would end a line are not passed on, neither from a client nor from an upstream.
#[test]
fn no_line_can_be_injected() {
    let mut world = World::new();
    let (_, answer) = world
        .exchange(&get(""), "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    for target in ["/a\tb", "/a\u{0}b", "http://h@evil.example/", "//\\evil", "/a b"] {
        let mut world = World::new();
        let answer = world.refused(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    let mut world = World::new();
    let answer = world.refused("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
}
