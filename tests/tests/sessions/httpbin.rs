//! `httpbin`: describes requests, and answers as they ask.

use std::time::Duration;

use diesel_driver::Hub;
use diesel_driver::http1::Status;
use diesel_proto::testkit::Oneshot;
use diesel_proto::testkit::net::{LinkOptions, Network, Peer, explore};
use diesel_proto::testkit::script::assert_plays;

use crate::httpbin_service as service;
use crate::with;

fn served() -> Hub {
    with(service())
}

#[test]
fn elsewhere_is_nothing() {
    assert_plays(
        r"
        ann> GET /get/more HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n
        ann> GET /status HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n
        ann> HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n
        ann open
        ",
        served,
    );
}

#[test]
fn an_unsupported_method_gets_405_with_allow() {
    assert_plays(
        r"
        ann> PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi
        ann< HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: POST, OPTIONS\r\nContent-Length: 23\r\n\r\n405 Method Not Allowed\n
        ann> DELETE /get HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: GET, HEAD, OPTIONS\r\nContent-Length: 23\r\n\r\n405 Method Not Allowed\n
        ann> BREW /get HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n\r\n501 Not Implemented\n
        ann> get /get HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n\r\n501 Not Implemented\n
        ann open
        ",
        served,
    );
}

#[test]
fn the_response_echoes_the_request() {
    assert_plays(
        r#"
        ann> GET /get?b=2&a=1%262&a=x+%2B%C3%A9&&c HTTP/1.1\r\nHost: a:8089\r\nX-Twice: 1\r\nAccept: */*\r\nx-twice: 2\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 260\r\n\r\n
        ann< {\n  "args": {\n    "a": [\n      "1&2",\n      "x +\xc3\xa9"\n    ],\n    "b": "2",\n    "c": ""\n  },\n
        ann<   "headers": {\n    "Accept": "*/*",\n    "Host": "a:8089",\n    "X-Twice": "1,2"\n  },\n
        ann<   "origin": "172.16.0.1",\n  "url": "http://a:8089/get?b=2&a=1%262&a=x+%2B%C3%A9&&c"\n}\n
        ann> HEAD /get HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104\r\n\r\n
        ann> GET /headers HTTP/1.1\r\nHost: a\r\nX-Latin: \xe9\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 61\r\n\r\n
        ann< {\n  "headers": {\n    "Host": "a",\n    "X-Latin": "\xef\xbf\xbd"\n  }\n}\n
        ann open
        "#,
        served,
    );
}

#[test]
fn anything_tells_the_method_and_the_body_too() {
    assert_plays(
        r#"
        ann> PATCH /anything/at/all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;why=not\r\n!\r\n0\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 235\r\n\r\n
        ann< {\n  "args": {},\n  "data": "hi!",\n  "files": {},\n  "form": {},\n
        ann<   "headers": {\n    "Host": "a",\n    "Transfer-Encoding": "chunked"\n  },\n  "json": null,\n  "method": "PATCH",\n
        ann<   "origin": "172.16.0.1",\n  "url": "http://a/anything/at/all"\n}\n
        ann> GET /anything HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 187\r\n\r\n
        ann< {\n  "args": {},\n  "data": "",\n  "files": {},\n  "form": {},\n  "headers": {\n    "Host": "a"\n  },\n  "json": null,\n  "method": "GET",\n
        ann<   "origin": "172.16.0.1",\n  "url": "http://a/anything"\n}\n
        ann open
        "#,
        served,
    );
}

#[test]
fn a_small_body_comes_back_of_known_length_however_it_came() {
    assert_plays(
        r"
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/x-own\r\nContent-Length: 5\r\n\r\nhello
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/x-own\r\nContent-Length: 5\r\n\r\nhello
        ann> POST /echo HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n
        ann> 3\r\n\0\r\n\r\n2;a=b\r\nlo\r\n0\r\nX-Sum: 5\r\n\r\nPOST /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\n!
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\n\0\r\nlo
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\n!
        ann closed: done
        ",
        served,
    );
}

/// Beyond 64 KiB, the body is echoed before its end.
#[test]
fn a_large_body_is_on_its_way_back_while_it_comes() {
    let (mut network, ann) = connected(1, LinkOptions::default());
    let body = noise(100_000);
    network.send(ann, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (came, is_back) in [(0..65_535, 0), (65_535..65_536, 65_536), (65_536..99_999, 99_999)] {
        network.send(ann, &body[came]);
        network.run_for(Duration::ZERO).unwrap();
        assert_eq!(content(network.got(ann)).len(), is_back);
    }
    network.send(ann, &body[99_999..]);
    network.run_for(Duration::ZERO).unwrap();
    assert!(network.got(ann).ends_with(b"\r\n0\r\n\r\n"));
    assert!(content(network.got(ann)) == body);
}

/// Over links with random cuts, to a client that reads or does not.
#[test]
fn a_large_body_comes_back_byte_for_byte() {
    let body = noise(150_000);
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let whole = [length.as_bytes(), &body].concat();
    let mut chunks = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7001) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\nX-Sum: 1\r\n\r\n");
    let scenario = |seed: u64| {
        let link = LinkOptions {
            reads: 1..=64 << (seed % 11),
            writes: 1..=64 << (seed / 2 % 11),
            capacity: 4 << 10 << (seed % 7),
            ..LinkOptions::default()
        };
        let (mut network, ann) = connected(seed, link);
        network.stop_reading(ann);
        network.send(ann, "POST /echo HTTP/1.1\r\nHost: a\r\n");
        network.send(ann, if seed.is_multiple_of(2) { &whole } else { &chunks });
        network.run_for(Duration::ZERO).unwrap();
        network.read_again(ann);
        network.run_for(Duration::ZERO).unwrap();
        match network.got(ann) {
            got if !got.ends_with(b"\r\n0\r\n\r\n") => Err("it does not come to its end"),
            got if content(got) != body => Err("something else comes back"),
            _ => Ok(()),
        }
    };
    explore(0..44, scenario).unwrap();
}

#[test]
fn a_100_continue_is_sent_where_the_body_is_read() {
    assert_plays(
        r"
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n
        ann< HTTP/1.1 100 Continue\r\n\r\n
        ann> hello
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello
        ann open

        bob> POST /get HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n
        bob< HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: GET, HEAD, OPTIONS\r\nContent-Length: 23\r\n\r\n405 Method Not Allowed\n
        bob closed: done
        ",
        served,
    );
}

#[test]
fn a_body_that_breaks_off_is_no_answer() {
    assert_plays(
        r"
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell
        ann ends
        ann< HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 62\r\n\r\n
        ann< at byte 55: the end of the stream within a body (RFC 9112, 8)\n
        ann closed: the peer broke the protocol: the end of the stream within a body
        ",
        served,
    );
    assert_plays(
        r"
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx
        ann< HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 78\r\n\r\n
        ann< at byte 67: a chunk size that is not hexadecimal digits alone (RFC 9112, 7.1)\n
        ann closed: the peer broke the protocol: a chunk size that is not hexadecimal digits alone
        ",
        served,
    );
    assert_plays(
        r"
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell
        ann resets
        ann closed: the peer reset the connection
        ",
        served,
    );
}

#[test]
fn any_final_status_may_be_had() {
    assert_plays(
        r"
        ann> GET /status/200 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n
        ann> DELETE /status/204 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 204 No Content\r\n\r\n
        ann> GET /status/304 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 304 Not Modified\r\n\r\n
        ann> HEAD /status/418 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 418 \r\n\r\n
        ann> POST /status/503 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi
        ann< HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n
        ann open
        ",
        served,
    );
}

#[test]
fn a_status_comes_with_the_field_that_it_needs() {
    for (code, lines) in [
        (
            "206",
            r"206 Partial Content\r\nContent-Range: bytes 0-0/13\r\nContent-Length: 1\r\n\r\nh",
        ),
        ("300", r"300 Multiple Choices\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        ("301", r"301 Moved Permanently\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        ("302", r"302 Found\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        ("303", r"303 See Other\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        ("307", r"307 Temporary Redirect\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        ("308", r"308 Permanent Redirect\r\nLocation: /redirect/1\r\nContent-Length: 0\r\n\r\n"),
        (
            "401",
            "401 Unauthorized\\r\\nWWW-Authenticate: Basic realm=\"httpbin\"\\r\\n\
             Content-Length: 0\\r\\n\\r\\n",
        ),
        (
            "405",
            r"405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "407",
            "407 Proxy Authentication Required\\r\\nProxy-Authenticate: Basic realm=\"httpbin\"\\r\\n\
             Content-Length: 0\\r\\n\\r\\n",
        ),
        (
            "416",
            r"416 Range Not Satisfiable\r\nContent-Range: bytes */13\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "426",
            r"426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ),
    ] {
        let script = format!(
            r"
            ann> GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n
            ann< HTTP/1.1 {lines}
            ann open
            "
        );
        assert_plays(&script, served);
    }
}

#[test]
fn what_is_no_number_is_a_bad_request() {
    for path in [
        "/status/100",
        "/status/101",
        "/status/99",
        "/status/600",
        "/status/-200",
        "/status/99999999999999999999",
        "/status/200,",
        "/status/200:-1",
        "/status/200:0,404:0",
        "/bytes/x",
        "/bytes/104857601",
        "/chunked/0x1",
        "/chunked/104857601",
        "/stream/1.5",
        "/delay/-1",
        "/delay/nan",
        "/delay/1s",
        "/redirect/0",
        "/drip?numbytes=0",
        "/drip?duration=inf",
        "/drip?code=100",
    ] {
        let answer = Oneshot::get(path).send(service());
        assert_eq!(answer.status, Status::BAD_REQUEST, "{path}");
    }
}

#[test]
fn bytes_come_at_once_or_in_chunks() {
    assert_plays(
        r"
        ann> GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n\xadv6
        ann> GET /bytes/0 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /bytes/104857600 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 104857600\r\n\r\n
        ann> GET /chunked/3 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\xadv6\r\n0\r\n\r\n
        ann> GET /chunked/0 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked/3 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n
        ann> GET /chunked/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n\r\n\xadv6
        ann closed: done
        ",
        served,
    );
}

#[test]
fn however_many_come_they_are_the_same() {
    let answer = |path: &str| {
        let (mut network, ann) = connected(1, LinkOptions::default());
        network.send(ann, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        network.run_for(Duration::ZERO).unwrap();
        let got = network.got(ann);
        let head = String::from_utf8_lossy(&got[..got.len().min(120)]).into_owned();
        (head, content(got))
    };
    let (head, bytes) = answer("/bytes/500000");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 500000\r\n\r\n"), "{head}");
    let (head, chunked) = answer("/chunked/500000");
    let start = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n";
    assert!(head.starts_with(start), "{head}");
    assert_eq!(bytes.len(), 500_000);
    assert!(chunked == bytes);
    assert!(bytes.starts_with(&answer("/bytes/1025").1));
}

#[test]
fn lines_come_one_in_a_chunk() {
    assert_plays(
        r#"
        ann> GET /stream/2?x=y HTTP/1.1\r\nHost: a\r\n\r\nGET /stream/0 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n
        ann< 65\r\n{"args":{"x":"y"},"headers":{"Host":"a"},"id":0,"origin":"172.16.0.1","url":"http://a/stream/2?x=y"}\n\r\n
        ann< 65\r\n{"args":{"x":"y"},"headers":{"Host":"a"},"id":1,"origin":"172.16.0.1","url":"http://a/stream/2?x=y"}\n\r\n
        ann< 0\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
        ann open
        "#,
        served,
    );
}

#[test]
fn a_delayed_response_delays_no_other() {
    assert_plays(
        r#"
        ann> GET /delay/1.5 HTTP/1.1\r\nHost: a\r\n\r\nGET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n
        +1s
        bob> GET /delay/0 HTTP/1.1\r\nHost: a\r\n\r\n
        bob< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 151\r\n\r\n
        bob< {\n  "args": {},\n  "data": "",\n  "files": {},\n  "form": {},\n  "headers": {\n    "Host": "a"\n  },\n  "origin": "172.16.0.2",\n  "url": "http://a/delay/0"\n}\n
        +499ms
        +1ms
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 153\r\n\r\n
        ann< {\n  "args": {},\n  "data": "",\n  "files": {},\n  "form": {},\n  "headers": {\n    "Host": "a"\n  },\n  "origin": "172.16.0.1",\n  "url": "http://a/delay/1.5"\n}\n
        ann< HTTP/1.1 204 No Content\r\n\r\n
        ann open
        "#,
        served,
    );
}

#[test]
fn a_half_closed_client_is_answered_and_a_reset_one_is_dropped() {
    assert_plays(
        r#"
        ann> GET /delay/1.5 HTTP/1.1\r\nHost: a\r\n\r\n
        ann ends
        +1.499s
        ann open
        +1ms
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 153\r\n\r\n
        ann< {\n  "args": {},\n  "data": "",\n  "files": {},\n  "form": {},\n  "headers": {\n    "Host": "a"\n  },\n  "origin": "172.16.0.1",\n  "url": "http://a/delay/1.5"\n}\n
        ann closed: the peer closed
        "#,
        served,
    );
    let (mut network, ann) = connected(1, LinkOptions::default());
    network.send(ann, "GET /delay/1.5 HTTP/1.1\r\nHost: a\r\n\r\n");
    network.run_for(Duration::from_secs(1)).unwrap();
    let (host, _) = network.far_end(ann).unwrap();
    let counters = |network: &Network| {
        let counters = network.hub(host).unwrap().counters();
        (counters.open, counters.fibers)
    };
    assert_eq!(counters(&network), (1, 1));
    network.reset(ann);
    network.run_for(Duration::ZERO).unwrap();
    assert_eq!(counters(&network), (0, 0));
}

#[test]
fn a_shutdown_waits_for_what_will_be_answered_in_time() {
    assert_plays(
        r#"
        ann> GET /delay/1.5 HTTP/1.1\r\nHost: a\r\n\r\nGET /unread HTTP/1.1\r\nHost: a\r\n\r\n
        +1s
        shut down within 5s
        +500ms
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 153\r\n\r\n
        ann< {\n  "args": {},\n  "data": "",\n  "files": {},\n  "form": {},\n  "headers": {\n    "Host": "a"\n  },\n  "origin": "172.16.0.1",\n  "url": "http://a/delay/1.5"\n}\n
        ann closed: shut down
        halted
        "#,
        served,
    );
}

#[test]
fn a_shutdown_cuts_the_wait_short_that_would_be_longer() {
    assert_plays(
        r"
        ann> GET /delay/10 HTTP/1.1\r\nHost: a\r\n\r\nGET /unread HTTP/1.1\r\nHost: a\r\n\r\n
        +1s
        shut down within 5s
        ann< HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\n503 Service Unavailable\n
        ann closed: shut down
        halted
        ",
        served,
    );
}

#[test]
fn a_shutdown_ends_what_is_idle_and_finishes_what_is_under_way() {
    assert_plays(
        r"
        idle> GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n
        idle< HTTP/1.1 204 No Content\r\n\r\n
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel
        bob> POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel
        shut down within 5s
        idle closed: shut down
        +4s
        ann> lo
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello
        ann closed: shut down
        +999ms
        bob open
        +1ms
        halted
        bob closed: timed out: the grace period of the shutdown ended
        ",
        served,
    );
}

/// A peer of `httpbin`, over a link of this kind.
fn connected(seed: u64, link: LinkOptions) -> (Network, Peer) {
    let mut hub = Hub::default();
    let service = hub.add_service(service());
    let mut network = Network::new(seed);
    network.link(link);
    let host = network.lone_host(hub);
    let peer = network.connect_to(host, service);
    (network, peer)
}

/// Pseudo-random bytes.
fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The content of the first response, as far as it has arrived.
fn content(got: &[u8]) -> Vec<u8> {
    let after = |bytes: &[u8], mark: &[u8]| {
        bytes.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len())
    };
    let Some(head) = after(got, b"\r\n\r\n") else { return Vec::new() };
    let (head, mut rest) = got.split_at(head);
    if after(head, b"\r\nTransfer-Encoding: chunked\r\n").is_none() {
        return rest.to_vec();
    }
    let mut content = Vec::new();
    while let Some(line) = after(rest, b"\r\n") {
        let digits = std::str::from_utf8(&rest[..line - 2]).unwrap();
        let size = usize::from_str_radix(digits, 16).expect("a size");
        if size == 0 {
            break;
        }
        content.extend_from_slice(&rest[line..line + size]);
        assert_eq!(&rest[line + size..line + size + 2], b"\r\n");
        rest = &rest[line + size + 2..];
    }
    content
}
