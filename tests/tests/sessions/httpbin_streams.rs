//! `httpbin`: content that takes its time, and parts of it.

use diesel_proto::http1::Status;
use diesel_proto::testkit::script::assert_plays;
use diesel_proto::testkit::{Answered, Oneshot};

use crate::httpbin_service as service;
use crate::with;

fn got(target: &str, fields: &[(&str, &str)]) -> Answered {
    let request = fields
        .iter()
        .fold(Oneshot::get(target), |request, (name, value)| request.header(name, value));
    request.send(service())
}

/// Not an error of the server.
#[test]
fn a_status_without_a_body_does_not_drip() {
    for code in [204, 205] {
        let target = format!("/drip?duration=0&code={code}");
        let answer = Oneshot::get(target).send(service());
        assert_eq!(answer.status, Status::BAD_REQUEST, "{code}");
    }
}

#[test]
fn bytes_drip_over_their_duration() {
    assert_plays(
        r"
        ann> GET /drip?duration=3&numbytes=3&delay=1&code=203 HTTP/1.1\r\nHost: a\r\n\r\n
        +999ms
        +1ms
        ann< HTTP/1.1 203 Non-Authoritative Information\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n*
        +999ms
        +1ms
        ann< *
        +1s
        ann< *
        ann open
        ",
        || with(service()),
    );
}

#[test]
fn a_seed_makes_other_bytes_and_the_size_of_chunks_can_be_chosen() {
    let plain = got("/bytes/1000", &[]).body;
    assert_eq!(plain, got("/stream-bytes/1000?chunk_size=7", &[]).body);
    let seeded = got("/bytes/1000?seed=5", &[]).body;
    assert!(seeded.len() == 1000 && seeded != plain);
    assert_eq!(seeded, got("/stream-bytes/1000?seed=5", &[]).body);
    assert_plays(
        r"
        ann> GET /stream-bytes/3?chunk_size=2 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n
        ann< 2\r\n\xadv\r\n1\r\n6\r\n0\r\n\r\n
        ann open
        ",
        || with(service()),
    );
}

#[test]
fn a_range_is_a_part_of_the_alphabet() {
    let field = |answer: &Answered, name: &str| answer.headers.get_str(name).map(str::to_owned);
    for (range, status, text, content_range) in [
        ("", 200, "abcdefghijklmnopqrstuvwxyzabcd", None),
        ("bytes=1-3", 206, "bcd", Some("bytes 1-3/30")),
        ("bytes=28-", 206, "cd", Some("bytes 28-29/30")),
        ("bytes=-3", 206, "bcd", Some("bytes 27-29/30")),
        ("bytes=0-29", 206, "abcdefghijklmnopqrstuvwxyzabcd", Some("bytes 0-29/30")),
        ("bytes=0-99", 206, "abcdefghijklmnopqrstuvwxyzabcd", Some("bytes 0-29/30")),
        ("bytes=1-2, 4-5", 200, "abcdefghijklmnopqrstuvwxyzabcd", None),
        ("bytes=x", 200, "abcdefghijklmnopqrstuvwxyzabcd", None),
        ("bytes=30-", 416, "", Some("bytes */30")),
    ] {
        let answer = got("/range/30?chunk_size=4", &[("Range", range)]);
        assert_eq!((answer.status.code(), answer.text()), (status, text), "{range}");
        assert_eq!(field(&answer, "Content-Range").as_deref(), content_range, "{range}");
        assert_eq!(field(&answer, "ETag").as_deref(), Some("\"range30\""));
        assert_eq!(field(&answer, "Accept-Ranges").as_deref(), Some("bytes"));
    }
    let other = [("Range", "bytes=1-3"), ("If-Range", "\"range31\"")];
    assert_eq!(got("/range/30", &other).status.code(), 200);
    assert_eq!(got("/range/30", &[("If-None-Match", "\"range30\"")]).status.code(), 304);
    assert_eq!(got("/range/0", &[]).status.code(), 404);
}

#[test]
fn a_range_takes_as_long_as_is_asked_for() {
    assert_plays(
        r"
        ann> GET /range/4?duration=2&chunk_size=3 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-3\r\n\r\n
        ann< HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nETag: \qrange4\q\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\n
        +1.499s
        ann open
        +1ms
        ann< abc
        +499ms
        +1ms
        ann< d
        ann open
        "
        .replace(r"\q", "\"")
        .as_str(),
        || with(service()),
    );
}

#[test]
fn no_delay_is_longer_than_ten_seconds() {
    assert_plays(
        r"
        ann> POST /delay/1000000 HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi
        +9.999s
        ann open
        +1ms
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 240\r\n\r\n
        ann< {\n  \qargs\q: {},\n  \qdata\q: \qhi\q,\n  \qfiles\q: {},\n  \qform\q: {},\n  \qheaders\q: {\n    \qConnection\q: \qclose\q,\n
        ann<     \qContent-Length\q: \q2\q,\n    \qContent-Type\q: \qa/b\q,\n    \qHost\q: \qa\q\n  },\n
        ann<   \qorigin\q: \q172.16.0.1\q,\n  \qurl\q: \qhttp://a/delay/1000000\q\n}\n
        ann closed: done
        "
        .replace(r"\q", "\"")
        .as_str(),
        || with(service()),
    );
}
