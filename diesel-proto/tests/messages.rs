//! Whole requests, valid and broken: the same messages and the same verdict at every cut, and the
//! same as those of another implementation, unless there is a known reason.

#[path = "messages/peer.rs"]
mod peer;

use std::collections::BTreeMap;

use diesel_proto::http1::{Limits, Rule};
use diesel_proto::testkit::{Random, cuts};
use peer::{Verdict, compare, ours, theirs};

/// What a request is made of, and what breaks it.
const METHODS: [&str; 12] = [
    "GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "OPTIONS", "CONNECT", "X-y.z", "G(T", "get",
];
const TARGETS: [&str; 30] = [
    "/",
    "/",
    "/",
    "/",
    "/a/b?c=d&e",
    "/%41%2f",
    "/%4",
    "/a?[x]{y}|^`\\",
    "/a[b]|c^d",
    "/a\\b",
    "/a#b",
    "/\u{e9}",
    "/a\"<>",
    "*",
    "http://a",
    "http://a/b?c",
    "https://a:8443/",
    "HTTP://[::1]/",
    "ftp://a/b",
    "http://u@a/",
    "http:///a",
    "http:/a",
    "http://a?b",
    "a:80",
    "a:0",
    "a:65536",
    "a",
    "[::1]:443",
    "a:",
    "//a",
];
const VERSIONS: [&str; 14] = [
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "http/1.1",
    "HTTP/1.10",
    "HTTP/1,1",
];
const HOSTS: [&str; 20] = [
    "a",
    "a",
    "a",
    "a:80",
    "",
    "example.org:8080",
    "[::1]",
    "[::1]:1",
    "[:::]",
    "[v1.a]",
    "a:",
    "a:x",
    ":80",
    "a,b",
    "%41",
    "%e9",
    "%4",
    "a:65536",
    "a b",
    "u@a",
];
const LENGTHS: [&str; 14] = [
    "0",
    "3",
    "5",
    "5",
    "5",
    "07",
    "+5",
    "-1",
    "5, 5",
    "0x5",
    "",
    "18446744073709551615",
    "18446744073709551616",
    "5 5",
];
const CODINGS: [&str; 14] = [
    "chunked",
    "chunked",
    "chunked",
    "Chunked",
    "gzip, chunked",
    "gzip",
    "chunked, chunked",
    "chunked,",
    ", chunked",
    "",
    "chunked;a=b",
    "\"chunked\"",
    "identity",
    "chunked, gzip",
];
const OTHERS: [&str; 23] = [
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Keep-Alive, x",
    "Connection: close, keep-alive",
    "connection:,, close ,",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: else",
    "Expect:",
    "A:",
    "A:\t b  c \t",
    "A: \u{e9}",
    "A : b",
    "A",
    ": a",
    " A: b",
    "A: \x01",
    "A: b\rc",
    "A(b: c",
    "Trailer: Digest",
    "Connection: \"a, close, b\"",
];
const CHUNKS: [&str; 8] = [
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n000\r\nDigest: x\r\nA: y\r\n\r\n",
    "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "x\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "0\r\nA : b\r\n\r\n",
];
const BYTES: &[u8] = b"aA1059 \t\r\n\r\n\0\x7f\x80\xff:;,/?%[]@-+\"\\.";

/// A few requests, one behind the other.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.between(1, 3) {
        request(random, &mut bytes);
    }
    bytes
}

/// One that is right for the most part.
fn request(random: &mut Random, bytes: &mut Vec<u8>) {
    let wild = random.chance(30);
    // The first of a list are right.
    let mut pick = |from: &[&'static str], sound: usize| {
        let n = if wild { from.len() } else { sound };
        from[random.below(n as u64) as usize]
    };
    let mut lines = Vec::new();
    let method = pick(&METHODS, 7);
    lines.push(format!("{method} {} {}", pick(&TARGETS, 6), pick(&VERSIONS, 8)));
    lines.push(format!("Host: {}", pick(&HOSTS, 8)));
    let length = pick(&LENGTHS, 6);
    let coding = pick(&CODINGS, 4);
    let chunks = pick(&CHUNKS, 4);
    let others = [pick(&OTHERS, 9), pick(&OTHERS, 9), pick(&OTHERS, 9)];
    let mut body: &[u8] = b"";
    if random.chance(30) {
        lines.push(format!("Content-Length: {length}"));
        let n = length.parse().unwrap_or(0);
        body = &b"GET / H"[..7.min(n)];
    }
    if random.chance(if body.is_empty() { 30 } else { 3 }) {
        lines.push(format!("Transfer-Encoding: {coding}"));
        body = chunks.as_bytes();
    }
    lines.extend(others[..random.below(4) as usize].iter().map(|&line| line.into()));
    if wild && random.chance(30) {
        let n = random.below(lines.len() as u64) as usize;
        let line = lines[n].clone();
        lines.push(line);
    }
    if wild && random.chance(10) && lines.len() > 1 {
        lines.remove(1);
    }
    if random.chance(5) {
        bytes.extend_from_slice(b"\r\n");
    }
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
}

fn broken(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.below(6).saturating_sub(2) {
        let at = random.below(bytes.len() as u64) as usize;
        let end = (at + random.below(6) as usize).min(bytes.len());
        let byte = BYTES[random.below(BYTES.len() as u64) as usize];
        match random.below(5) {
            0 if at > 0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(end..end, bytes[at..end].to_vec())),
            3 => bytes.insert(at, byte),
            _ => {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
        }
    }
    bytes
}

fn limits(random: &mut Random) -> Limits {
    if random.chance(70) {
        return Limits { body: u64::MAX, ..Limits::default() };
    }
    // The least of theirs are 16 and 2.
    Limits {
        request_line: random.between(16, 40) as usize,
        header_bytes: random.between(2, 90) as usize,
        header_count: random.below(6) as usize,
        body: random.below(12),
        trailer_bytes: random.between(2, 40) as usize,
        ..Limits::default()
    }
}

#[test]
fn the_cuts_do_not_matter() {
    let random = &mut Random::new(4);
    for _ in 0..1_000 {
        let bytes = stream(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let whole = ours(&bytes, &[], &limits);
        for cut in cuts::all(bytes.len(), &[], random) {
            assert_eq!(
                ours(&bytes, &cut, &limits),
                whole,
                "\"{}\" under {limits:?}, cut at {cut:?}",
                bytes.escape_ascii()
            );
        }
    }
}

#[test]
fn another_implementation_agrees_or_there_is_a_reason() {
    let random = &mut Random::new(9112);
    let mut seen = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    for _ in 0..60_000 {
        let bytes = stream(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let (ours, reason) = compare(&bytes, &limits);
        let kind = match ours.verdict {
            Verdict::Refused(rule) => format!("{rule:?}"),
            other => format!("{other:?} after {}", ours.messages.len()),
        };
        *seen.entry(kind).or_insert(0) += 1;
        if let Some(reason) = reason {
            *reasons.entry(reason).or_insert(0) += 1;
        }
        let cut = cuts::several(bytes.len(), random);
        assert_eq!(theirs(&bytes, &cut, &limits), theirs(&bytes, &[], &limits));
    }
    // It was about nearly all that there is.
    let rules = [
        Rule::BareLf,
        Rule::BareCr,
        Rule::MethodSyntax,
        Rule::RequestLineSyntax,
        Rule::TargetSyntax,
        Rule::TargetForMethod,
        Rule::VersionSyntax,
        Rule::VersionUnsupported,
        Rule::RequestLineTooLong,
        Rule::BlankBeforeFields,
        Rule::ObsFold,
        Rule::FieldWithoutColon,
        Rule::FieldNameSyntax,
        Rule::BlankBeforeColon,
        Rule::FieldValueSyntax,
        Rule::HeaderTooLarge,
        Rule::TooManyFields,
        Rule::HostMissing,
        Rule::HostRepeated,
        Rule::HostSyntax,
        Rule::LengthSyntax,
        Rule::LengthOverflow,
        Rule::LengthRepeated,
        Rule::LengthAndCoding,
        Rule::CodingOnHttp10,
        Rule::CodingSyntax,
        Rule::CodingNotFinal,
        Rule::CodingRepeated,
        Rule::CodingUnknown,
        Rule::ExpectationUnknown,
        Rule::BodyTooLarge,
        Rule::ChunkSizeSyntax,
        Rule::ChunkExtensionSyntax,
        Rule::ChunkLineEnd,
        Rule::ChunkDataEnd,
        Rule::TrailersTooLarge,
    ];
    let others = ["Waiting after 3", "Closed after 1", "Closed after 3"].map(String::from);
    for kind in others.into_iter().chain(rules.map(|rule| format!("{rule:?}"))) {
        assert!(seen.contains_key(&kind), "{kind}: {seen:?}");
    }
    // And each reason is needed.
    assert_eq!(reasons.len(), peer::REASONS, "{reasons:#?}");
}
