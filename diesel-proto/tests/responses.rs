//! Whole responses, valid and broken: the same events and the same verdict at every cut, and the
//! same as those of another implementation, unless there is a known reason.

#[path = "responses/peer.rs"]
mod peer;

use std::collections::BTreeMap;

use diesel_proto::http1::{ResponseLimits, Rule};
use diesel_proto::testkit::{Random, cuts};
use peer::{Asked, Verdict, compare, ours, theirs};

/// What a response is made of, and what breaks it. The first of each list are valid.
const STARTS: [&str; 26] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 500 ",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 299 \u{e9}\t.",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 103 Early Hints",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 599 x",
    "HTTP/1.2 200 OK",
    "HTTP/1.1 200",
    "HTTP/1.1 600 OK",
    "HTTP/1.1 999 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1  200 OK",
    "HTTP/2.0 200 OK",
    "HTTP/2 200",
    "http/1.1 200 OK",
    "HTTP/1.1 200 O\x01K",
    "ICY 200 OK",
];
const LENGTHS: [&str; 14] = [
    "0",
    "5",
    "5",
    "5",
    "05",
    "7",
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
const OTHERS: [&str; 21] = [
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Keep-Alive, x",
    "connection:,, upgrade ,",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Upgrade: H2C, websocket",
    "Host: a b",
    "Expect: else",
    "A:",
    "A:\t b  c \t",
    "A: \u{e9}",
    "Upgrade: other",
    "A : b",
    "A",
    ": a",
    " A: b",
    "A: \x01",
    "A: b\rc",
    "A(b: c",
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
const BYTES: &[u8] = b"aA1059 \t\r\n\r\n\0\x7f\x80\xff:;,/H-+\"\\.";

fn asked(random: &mut Random) -> Vec<Asked> {
    if random.chance(20) {
        return vec![if random.chance(50) { Asked::Connect } else { Asked::Upgrade }];
    }
    let one = |random: &mut Random| if random.chance(25) { Asked::Head } else { Asked::Get };
    (0..random.between(1, 3)).map(|_| one(random)).collect()
}

/// A few responses, one behind the other.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.between(1, 4) {
        response(random, &mut bytes);
    }
    bytes
}

/// A response that is valid for the most part.
fn response(random: &mut Random, bytes: &mut Vec<u8>) {
    let wild = random.chance(30);
    let mut pick = |from: &[&'static str], sound: usize| {
        let n = if wild { from.len() } else { sound };
        from[random.below(n as u64) as usize]
    };
    let mut lines = vec![pick(&STARTS, 14).to_string()];
    let length = pick(&LENGTHS, 5);
    let coding = pick(&CODINGS, 4);
    let chunks = pick(&CHUNKS, 4);
    let others = [pick(&OTHERS, 13), pick(&OTHERS, 13), pick(&OTHERS, 13)];
    let mut body: &[u8] = b"";
    if random.chance(50) {
        lines.push(format!("Content-Length: {length}"));
        let n = length.parse().unwrap_or(0);
        body = &b"HTTP/1."[..7.min(n)];
    }
    if random.chance(if body.is_empty() { 30 } else { 3 }) {
        lines.push(format!("Transfer-Encoding: {coding}"));
        body = chunks.as_bytes();
    }
    let is_bodiless = ["204", "304", " 10"].iter().any(|code| lines[0].contains(code));
    if is_bodiless && !wild {
        lines.truncate(1);
        body = b"";
    }
    lines.extend(others[..random.below(4) as usize].iter().map(|&line| line.into()));
    if wild && random.chance(30) {
        let n = random.below(lines.len() as u64) as usize;
        let line = lines[n].clone();
        lines.push(line);
    }
    if random.chance(2) {
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

fn limits(random: &mut Random) -> ResponseLimits {
    if random.chance(70) {
        return ResponseLimits { informational: 2, ..ResponseLimits::default() };
    }
    // The smallest that the other one takes are 16 and 2.
    ResponseLimits {
        status_line: random.between(16, 40) as usize,
        header_bytes: random.between(2, 90) as usize,
        header_count: random.below(6) as usize,
        body: random.below(12),
        trailer_bytes: random.between(2, 40) as usize,
        informational: 2,
        ..ResponseLimits::default()
    }
}

#[test]
fn cuts_do_not_matter() {
    let random = &mut Random::new(5);
    for _ in 0..500 {
        let asked = asked(random);
        let bytes = stream(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let eof = random.chance(50);
        let whole = ours(&asked, &bytes, &[], eof, &limits);
        for cut in cuts::all(bytes.len(), &[], random) {
            assert_eq!(
                ours(&asked, &bytes, &cut, eof, &limits),
                whole,
                "{asked:?} \"{}\" under {limits:?}, cut at {cut:?}",
                bytes.escape_ascii()
            );
        }
    }
}

#[test]
fn another_implementation_agrees_or_there_is_a_reason() {
    let random = &mut Random::new(9110);
    let mut seen = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    for _ in 0..25_000 {
        let asked = asked(random);
        let bytes = stream(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let eof = random.chance(50);
        let (ours, reason) = compare(&asked, &bytes, eof, &limits);
        let kind = match ours.verdict {
            Verdict::Refused(rule) => format!("{rule:?}"),
            other => format!("{other:?} after {}", ours.messages.len()),
        };
        *seen.entry(kind).or_insert(0) += 1;
        if let Some(reason) = reason {
            *reasons.entry(reason).or_insert(0) += 1;
        }
        let cut = cuts::several(bytes.len(), random);
        assert_eq!(
            theirs(&asked, &bytes, &cut, eof, &limits),
            theirs(&asked, &bytes, &[], eof, &limits)
        );
    }
    // Nearly everything was compared.
    let rules = [
        Rule::BareLf,
        Rule::BareCr,
        Rule::VersionSyntax,
        Rule::VersionUnsupported,
        Rule::StatusCodeSyntax,
        Rule::ReasonSyntax,
        Rule::StatusLineTooLong,
        Rule::BlankBeforeFields,
        Rule::ObsFold,
        Rule::FieldWithoutColon,
        Rule::FieldNameSyntax,
        Rule::BlankBeforeColon,
        Rule::FieldValueSyntax,
        Rule::HeaderTooLarge,
        Rule::TooManyFields,
        Rule::LengthSyntax,
        Rule::LengthOverflow,
        Rule::LengthRepeated,
        Rule::LengthAndCoding,
        Rule::CodingOnHttp10,
        Rule::CodingSyntax,
        Rule::CodingNotFinal,
        Rule::CodingRepeated,
        Rule::CodingUnknown,
        Rule::BodyTooLarge,
        Rule::FramingForbidden,
        Rule::TooManyInformational,
        Rule::SwitchUnrequested,
        Rule::ResponseUnrequested,
        Rule::ChunkSizeSyntax,
        Rule::ChunkExtensionSyntax,
        Rule::ChunkLineEnd,
        Rule::ChunkDataEnd,
        Rule::TrailersTooLarge,
        Rule::HeadIncomplete,
        Rule::BodyIncomplete,
        Rule::ResponseMissing,
    ];
    let others = ["Waiting after 1", "Closed after 1", "Idle after 3", "Switched after 1"];
    let others = others.map(String::from);
    for kind in others.into_iter().chain(rules.map(|rule| format!("{rule:?}"))) {
        assert!(seen.contains_key(&kind), "{kind}: {seen:?}");
    }
    // And each reason is needed.
    assert_eq!(reasons.len(), peer::REASONS, "{reasons:#?}");
}
