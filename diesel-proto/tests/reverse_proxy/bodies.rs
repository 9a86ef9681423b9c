//! Bodies, both ways: their framing, back-pressure, and ends that come too early.

use diesel_proto::testkit::net::PeerState;

use super::harness::*;

fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

fn asked(framing: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: h\r\n{ADDED}{framing}\r\n{body}")
}

#[test]
fn a_request_keeps_its_framing() {
    for (request, expected) in [
        (post("Content-Length: 5\r\n", "hello"), asked("Content-Length: 5\r\n", "hello")),
        (post("Content-Length: 0\r\n", ""), asked("Content-Length: 0\r\n", "")),
        (post("", ""), asked("Content-Length: 0\r\n", "")),
        (
            post(
                "Transfer-Encoding: chunked\r\n",
                "3;x=y\r\nhel\r\n002\r\nlo\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\nHost: b\r\n\r\n",
            ),
            asked("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"),
        ),
    ] {
        let mut world = World::new();
        let (asked, answer) = world.exchange(&request, EMPTY);
        assert_eq!(asked, expected);
        assert_eq!(answer, EMPTY_ANSWER);
    }
}

#[test]
fn a_response_keeps_its_framing() {
    for (response, framing) in [
        ("Content-Length: 5\r\n\r\nhello", "Content-Length: 5\r\n\r\nhello"),
        ("Content-Length: 0\r\n\r\n", "Content-Length: 0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: a\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        ),
    ] {
        for at in 0..=response.len() {
            let mut world = World::new();
            let client = world.client(get(""));
            let up = world.accepts();
            world.sends(up, "HTTP/1.1 200 OK\r\nDate: d\r\n");
            world.sends(up, &response[..at]);
            world.sends(up, &response[at..]);
            let answer = world.got(client);
            // However a body arrives, it is the same one.
            let same = answer.replace("\r\n\r\n1\r\nh\r\n4\r\nello", "\r\n\r\n5\r\nhello");
            let joined = joined(&same);
            let expected = format!("HTTP/1.1 200 OK\r\nDate: d\r\nVia: 1.1 p\r\n{framing}");
            assert_eq!(joined, self::joined(&expected), "cut at {at}");
        }
    }
    // Up to the end of the stream: then it is chunked, so that the client sees its end.
    let mut world = World::new();
    let client = world.client(get(""));
    let up = world.accepts();
    world.sends(up, "HTTP/1.0 200 OK\r\nDate: d\r\n\r\nhello");
    world.network.end(up);
    world.turn();
    let answer = world.got(client);
    assert!(
        answer.ends_with("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{answer}"
    );
}

/// The head, and the content without its chunks.
fn joined(response: &str) -> (String, String) {
    let (head, mut rest) = response.split_once("\r\n\r\n").unwrap();
    if !head.contains("chunked") {
        return (head.into(), rest.into());
    }
    let mut content = String::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            rest = behind;
            break;
        }
        content += &behind[..size];
        rest = &behind[size + 2..];
    }
    (head.into(), content + "|" + rest)
}

/// RFC 9110, 8.6: the length is that of what GET would have. node's http-proxy-middleware #1121 lost
/// it, HAProxy #2836 announced another framing.
#[test]
fn lengths_of_bodies_that_are_not_sent_are_kept() {
    for (method, response, expected) in [
        (
            "HEAD",
            "200 OK\r\nContent-Length: 5\r\n\r\n",
            "200 OK\r\nVia: 1.1 p\r\nContent-Length: 5\r\n\r\n",
        ),
        ("HEAD", "200 OK\r\n\r\n", "200 OK\r\nVia: 1.1 p\r\n\r\n"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK\r\nVia: 1.1 p\r\n\r\n"),
        (
            "GET",
            "304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
            "304 Not Modified\r\nETag: \"a\"\r\nVia: 1.1 p\r\nContent-Length: 5\r\n\r\n",
        ),
        ("GET", "304 Not Modified\r\n\r\n", "304 Not Modified\r\nVia: 1.1 p\r\n\r\n"),
        ("GET", "204 No Content\r\n\r\n", "204 No Content\r\nVia: 1.1 p\r\n\r\n"),
    ] {
        let mut world = World::new();
        let request = format!("{method} /a HTTP/1.1\r\nHost: h\r\n\r\n");
        let client = world.client(request.repeat(2));
        let up = world.accepts();
        for _ in 0..2 {
            world.sends(up, format!("HTTP/1.1 {response}"));
        }
        let expected = format!("HTTP/1.1 {expected}").repeat(2);
        assert_eq!(world.got(client), expected, "{response}");
    }
}

#[test]
fn a_client_of_http_1_0_gets_a_body_up_to_the_end() {
    let mut world = World::new();
    let client = world.client("GET /a HTTP/1.0\r\nHost: h\r\n\r\n");
    let up = world.accepts();
    world.sends(
        up,
        "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(
        world.got(client),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: d\r\nVia: 1.1 p\r\n\r\nhello"
    );
    assert_eq!(world.state(client), PeerState::Ended);
}

/// The expectation goes the whole way: no upload if the upstream refuses it.
#[test]
fn an_expectation_is_that_of_the_upstream() {
    let request = post("Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    let mut world = World::new();
    let client = world.client(&request);
    let up = world.accepts();
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{ADDED}Content-Length: 5\r\n\r\n"
    );
    assert_eq!(world.got(up), head);
    assert_eq!(world.got(client), "");
    world.sends(up, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(world.got(client), "HTTP/1.1 100 Continue\r\n\r\n");
    world.sends(client, "hello");
    assert_eq!(world.got(up), "hello");
    world.sends(up, EMPTY);
    assert_eq!(world.got(client), EMPTY_ANSWER);

    let mut world = World::new();
    let client = world.client(&request);
    let up = world.accepts();
    world.sends(up, "HTTP/1.1 413 Too Large\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
    let answer = world.got(client);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!answer.contains("100 Continue"));
    // Neither is the body awaited, nor is what follows taken for the next request of the upstream.
    assert!(world.got(up).ends_with("Content-Length: 5\r\n\r\n"));
    assert_ne!(world.state(up), PeerState::Open);
}

/// The bytes that a peer gets while another one sends without end are bounded.
#[test]
fn who_does_not_read_stops_who_sends() {
    const ALL: usize = 8 << 20;
    let most = 1 << 20;
    for framing in [format!("Content-Length: {ALL}\r\n\r\n"), "\r\n".into()] {
        let mut world = World::new();
        let client = world.client(get(""));
        let up = world.accepts();
        world.network.stop_reading(client);
        world.sends(up, format!("HTTP/1.1 200 OK\r\n{framing}"));
        world.sends(up, vec![b'x'; ALL]);
        world.network.end(up);
        world.waits(SECOND);
        let held = world.held();
        assert!(held < most, "{held} bytes are held");
        world.network.read_again(client);
        world.waits(10 * SECOND);
        let got = world.got(client);
        assert_eq!(got.bytes().filter(|&byte| byte == b'x').count(), ALL);
    }
    let mut world = World::new();
    let client = world.client(post(&format!("Content-Length: {ALL}\r\n"), ""));
    let up = world.accepts();
    world.network.stop_reading(up);
    world.sends(client, vec![b'x'; ALL]);
    world.waits(SECOND);
    let held = world.held();
    assert!(held < most, "{held} bytes are held");
    world.network.read_again(up);
    world.waits(10 * SECOND);
    assert_eq!(world.got(up).bytes().filter(|&byte| byte == b'x').count(), ALL);
    world.sends(up, EMPTY);
    assert_eq!(world.got(client), EMPTY_ANSWER);
}

/// Caddy #7845, hyper-reverse-proxy: what is cut must look cut.
#[test]
fn a_response_that_breaks_off_is_cut() {
    for (head, version) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "1.1"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "1.1"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz", "1.1"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.0"),
    ] {
        let mut world = World::new();
        let client = world.client(format!("GET /a HTTP/{version}\r\nHost: h\r\n\r\n"));
        let up = world.accepts();
        world.sends(up, head);
        let got = world.got(client);
        // What is wrong at once is not begun.
        assert!(got.contains("hello") || head.ends_with('z') && got.is_empty(), "{head}: {got}");
        world.network.end(up);
        world.turn();
        assert_eq!(world.got(client), "");
        let expected = if version == "1.0" { PeerState::Reset } else { PeerState::Ended };
        assert_eq!(world.state(client), expected, "{head}");
        // Nothing of this connection is used again.
        let client = world.client(get(""));
        assert!(world.accepts_at(1).is_some());
        assert_eq!(world.got(client), "");
    }
}

/// nghttp2 #156, httpxy #85: the upstream learns that the client has left.
#[test]
fn a_client_that_leaves_ends_the_call() {
    // While the request is sent, while the response is awaited, while it is read.
    let upload = post("Content-Length: 9\r\n", "hello");
    for (request, response) in [
        (upload.as_str(), ""),
        (&get(""), ""),
        (&get(""), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
    ] {
        let mut world = World::new();
        let client = world.client(request);
        let up = world.accepts();
        world.sends(up, response);
        assert_eq!(world.state(up), PeerState::Open);
        world.network.reset(client);
        world.waits(SECOND);
        assert_eq!(world.state(up), PeerState::Reset, "{request} {response}");
    }
}

/// An upstream that refuses an upload early is heard, and the rest is not sent on.
#[test]
fn an_early_refusal_ends_an_upload() {
    let mut world = World::new();
    let client = world.client(post("Content-Length: 9\r\n", "hello"));
    let up = world.accepts();
    world.sends(up, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert!(world.got(client).ends_with("\r\n\r\nno"));
    world.waits(SECOND);
    assert_ne!(world.state(up), PeerState::Open);
}

/// While one half of the exchange goes on, so does the other.
#[test]
fn a_response_may_come_before_the_request_ends() {
    let mut world = World::new();
    let client = world.client(post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n"));
    let up = world.accepts();
    world.got(up);
    world.sends(up, "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n");
    assert!(world.got(client).ends_with("\r\n\r\n1\r\nA\r\n"));
    world.sends(client, "1\r\nb\r\n");
    assert_eq!(world.got(up), "1\r\nb\r\n");
    world.sends(up, "1\r\nB\r\n");
    assert_eq!(world.got(client), "1\r\nB\r\n");
    world.sends(client, "0\r\n\r\n");
    assert_eq!(world.got(up), "0\r\n\r\n");
    world.sends(up, "0\r\n\r\n");
    assert_eq!(world.got(client), "0\r\n\r\n");
}

/// A request that has begun is finished when the proxy shuts down.
#[test]
fn a_drain_lets_requests_finish() {
    let mut world = World::new();
    let client = world.client(post("Content-Length: 5\r\n", "he"));
    let up = world.accepts();
    world.network.drain(world.proxy, 10 * SECOND);
    world.waits(SECOND);
    world.sends(client, "llo");
    assert!(world.got(up).ends_with("\r\n\r\nhello"));
    world.waits(SECOND);
    world.sends(up, "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\n\r\nhe");
    world.waits(SECOND);
    world.sends(up, "llo");
    let answer = world.got(client);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"),
        "{answer}"
    );
    assert_eq!(world.state(client), PeerState::Ended);
    for peer in [client, up] {
        world.network.close(peer);
    }
    world.waits(SECOND);
    assert!(world.network.has_halted(world.proxy));
}
