use super::*;
use crate::http1::syntax::Rule;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The result of reading a head, in values that can be compared.
#[derive(Debug, PartialEq)]
enum Verdict {
    Head(ResponseMap, Vec<(String, Vec<u8>)>),
    More,
    Refused(Rule, u64),
}

fn verdict(found: Result<bool, Rejection>, bytes: &[u8], spans: &FieldSpans) -> Verdict {
    match found {
        Ok(true) => {
            if let Some(fault) = spans.response_map().fault {
                return Verdict::Refused(fault.rule, fault.offset);
            }
            let fields = spans.view(bytes).iter();
            let fields = fields.map(|(name, value)| (name.into(), value.into())).collect();
            Verdict::Head(*spans.response_map(), fields)
        }
        Ok(false) => Verdict::More,
        Err(rejection) => Verdict::Refused(rejection.rule, rejection.offset),
    }
}

/// Reads the bytes before each end in turn.
fn read_at(bytes: &[u8], ends: &[usize], limits: &Limits) -> Verdict {
    let mut reader = ResponseReader::default();
    let mut spans = FieldSpans::new();
    for &end in ends {
        let verdict = verdict(reader.read(&bytes[..end], limits, &mut spans), bytes, &spans);
        if verdict != Verdict::More {
            return verdict;
        }
    }
    Verdict::More
}

/// Reads the head whole, at every two-way cut and byte by byte: the result is always the same.
#[track_caller]
fn read(bytes: &[u8], limits: &ResponseLimits) -> Verdict {
    let limits = &limits.for_reader();
    let verdict = read_at(bytes, &[bytes.len()], limits);
    for at in 0..=bytes.len() {
        assert_eq!(read_at(bytes, &[at, bytes.len()], limits), verdict, "cut at {at}");
    }
    let each: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(read_at(bytes, &each, limits), verdict, "byte by byte");
    verdict
}

#[track_caller]
fn refused(head: &str, rule: Rule, offset: u64) {
    let verdict = read(head.as_bytes(), &ResponseLimits::default());
    assert_eq!(verdict, Verdict::Refused(rule, offset), "{head:?}");
}

#[track_caller]
fn accepted(head: &str) -> ResponseMap {
    match read(head.as_bytes(), &ResponseLimits::default()) {
        Verdict::Head(map, _) => map,
        other => panic!("{head:?}: {other:?}"),
    }
}

#[test]
fn a_head_gives_status_reason_and_fields() {
    let bytes = b"HTTP/1.1 404 Not \xe9 Here\r\nA:  b\t\r\nConnection: close, upgrade\r\n\
        Upgrade: c\r\nContent-Length: 3\r\n\r\nabc";
    assert!(matches!(read(bytes, &ResponseLimits::default()), Verdict::Head(..)));
    let mut spans = FieldSpans::new();
    let head = parse_response(bytes, &ResponseLimits::default(), &mut spans).unwrap().unwrap();
    assert_eq!((head.status(), head.version()), (Status::NOT_FOUND, Version::Http11));
    assert_eq!(head.reason(), b"Not \xe9 Here");
    assert_eq!(head.fields().get("a"), Some(&b"b"[..]));
    assert_eq!(head.upgrade(), Some(&b"c"[..]));
    assert_eq!((head.content_length(), head.len()), (Some(3), bytes.len() - 3));
    assert!(head.map().options.close && !head.map().options.keep_alive);
    assert_eq!(
        format!("{head:?}"),
        "ResponseHead { status: Status(404), version: Http11, fields: {\"A\": \"b\", \
         \"Connection\": \"close, upgrade\", \"Upgrade\": \"c\", \"Content-Length\": \"3\"}, .. }"
    );
}

/// RFC 9112, 4, and 2.3.
#[test]
fn a_status_line_has_one_form_and_may_lack_the_reason() {
    for (line, reason) in [
        ("HTTP/1.1 200 OK", "OK"),
        ("HTTP/1.1 200 ", ""),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 200  two\t", " two\t"),
    ] {
        let text = format!("{line}\r\n\r\n");
        accepted(&text);
        let mut spans = FieldSpans::new();
        let limits = ResponseLimits::default();
        let head = parse_response(text.as_bytes(), &limits, &mut spans).unwrap().unwrap();
        assert_eq!(head.reason(), reason.as_bytes(), "{line:?}");
    }
    assert_eq!(accepted("HTTP/1.0 200 OK\r\n\r\n").version, Version::Http10);
    assert_eq!(accepted("HTTP/1.7 200 OK\r\n\r\n").version, Version::Http11);
    for (line, rule, at) in [
        ("\r\nHTTP/1.1 200 OK", Rule::VersionSyntax, 0),
        (" HTTP/1.1 200 OK", Rule::VersionSyntax, 0),
        ("220 mail.example.org", Rule::VersionSyntax, 0),
        ("HTTP/2 200 OK", Rule::VersionSyntax, 6),
        ("http/1.1 200 OK", Rule::VersionSyntax, 0),
        ("HTTP/1.1.1 200 OK", Rule::StatusCodeSyntax, 8),
        ("HTTP/2.0 200 OK", Rule::VersionUnsupported, 0),
        ("HTTP/0.9 200 OK", Rule::VersionUnsupported, 0),
        ("HTTP/1.1  200 OK", Rule::StatusCodeSyntax, 9),
        ("HTTP/1.1\t200 OK", Rule::StatusCodeSyntax, 8),
        ("HTTP/1.1", Rule::StatusCodeSyntax, 8),
        ("HTTP/1.1 20 OK", Rule::StatusCodeSyntax, 11),
        ("HTTP/1.1 2000 OK", Rule::StatusCodeSyntax, 12),
        ("HTTP/1.1 200\tOK", Rule::StatusCodeSyntax, 12),
        ("HTTP/1.1 099 OK", Rule::StatusCodeSyntax, 9),
        ("HTTP/1.1 600 OK", Rule::StatusCodeSyntax, 9),
        ("HTTP/1.1 -20 OK", Rule::StatusCodeSyntax, 9),
        ("HTTP/1.1 200 O\0K", Rule::ReasonSyntax, 14),
        ("HTTP/1.1 200 O\rK", Rule::BareCr, 14),
    ] {
        refused(&format!("{line}\r\n\r\n"), rule, at);
    }
    refused("HTTP/1.1 200 OK\n\r\n", Rule::BareLf, 15);
    refused("HTTP/1.1 200\n\r\n", Rule::BareLf, 12);
    refused("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", Rule::BlankBeforeFields, 17);
    refused("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Rule::ObsFold, 23);
    refused("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Rule::BlankBeforeColon, 18);
}

/// RFC 9112, 6.3.
#[test]
fn the_head_and_the_method_delimit_the_body() {
    let all = |head: &str| {
        let bytes = format!("HTTP/1.1 {head}\r\n\r\n");
        accepted(&bytes);
        let (mut spans, limits) = (FieldSpans::new(), ResponseLimits::default());
        let head = parse_response(bytes.as_bytes(), &limits, &mut spans).unwrap().unwrap();
        ["GET", "HEAD", "CONNECT"].map(|method| head.framing(method))
    };
    use ResponseFraming::{Chunked, Empty, Length, Tunnel, UntilClose};
    assert_eq!(all("200 OK"), [UntilClose, Empty, Tunnel]);
    assert_eq!(all("404 Not Found"), [UntilClose, Empty, UntilClose]);
    assert_eq!(all("200 OK\r\nContent-Length: 0"), [Length(0), Empty, Tunnel]);
    assert_eq!(all("200 OK\r\nContent-Length: 7"), [Length(7), Empty, Tunnel]);
    assert_eq!(all("200 OK\r\nTransfer-Encoding: chunked"), [Chunked, Empty, Tunnel]);
    assert_eq!(all("304 Not Modified\r\nContent-Length: 7"), [Empty; 3]);
    assert_eq!(all("304 Not Modified\r\nTransfer-Encoding: chunked"), [Empty; 3]);
    assert_eq!(all("204 No Content"), [Empty, Empty, Tunnel]);
    assert_eq!(all("204 No Content\r\nContent-Length: 0"), [Empty, Empty, Tunnel]);
    assert_eq!(all("100 Continue"), [Empty; 3]);
}

#[test]
fn what_two_recipients_could_read_in_two_ways_is_refused() {
    for (fields, rule, at) in [
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Rule::LengthRepeated, 36),
        ("Content-Length: 1, 1\r\n", Rule::LengthSyntax, 33),
        ("Content-Length: +1\r\n", Rule::LengthSyntax, 33),
        ("Content-Length: 18446744073709551616\r\n", Rule::LengthOverflow, 33),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", Rule::LengthAndCoding, 66),
        ("Transfer-Encoding: gzip\r\n", Rule::CodingNotFinal, 44),
        ("Transfer-Encoding: gzip, chunked\r\n", Rule::CodingUnknown, 53),
        ("Transfer-Encoding: chunked, chunked\r\n", Rule::CodingRepeated, 36),
        ("Transfer-Encoding:\r\n", Rule::CodingSyntax, 35),
    ] {
        refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), rule, at);
    }
    refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::CodingOnHttp10, 17);
    for (code, fields) in [
        (204, "Content-Length: 1\r\n"),
        (204, "Transfer-Encoding: chunked\r\n"),
        (100, "Content-Length: 1\r\n"),
        (101, "Transfer-Encoding: chunked\r\n"),
    ] {
        let head = format!("HTTP/1.1 {code} \r\n{fields}\r\n");
        refused(&head, Rule::FramingForbidden, head.len() as u64);
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let head = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    let exact = ResponseLimits {
        status_line: 17,
        header_bytes: 14,
        header_count: 2,
        ..ResponseLimits::default()
    };
    assert!(matches!(read(head.as_bytes(), &exact), Verdict::Head(..)));
    for (limits, rule, at) in [
        (ResponseLimits { status_line: 16, ..exact }, Rule::StatusLineTooLong, 16),
        (ResponseLimits { header_bytes: 13, ..exact }, Rule::HeaderTooLarge, 30),
        (ResponseLimits { header_count: 1, ..exact }, Rule::TooManyFields, 23),
    ] {
        assert_eq!(read(head.as_bytes(), &limits), Verdict::Refused(rule, at));
    }
}

#[test]
fn the_fast_path_agrees_with_the_reference() {
    fn agrees(picks: Vec<u8>, changes: Vec<(u16, u8)>) -> bool {
        const PARTS: [&[u8]; 20] = [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 204 \r\n",
            b"HTTP/1.1 304\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: 0\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"Host: a\r\n",
            b"Expect: x\r\n",
            b"A:\r\n",
            b"B: c \r\n",
            b"\n",
            b"\r",
            b" ",
            b":",
            b"\t",
            b"\0",
            b"\x80",
            b"\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n",
        ];
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        if picks.len().is_multiple_of(3) {
            bytes.clear();
        }
        picks.iter().for_each(|pick| bytes.extend(PARTS[usize::from(*pick) % PARTS.len()]));
        bytes.extend(b"\r\n\r\n");
        for (at, byte) in changes.into_iter().take(2) {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let limits = ResponseLimits::default().for_reader();
        let (mut fast, mut slow) = (FieldSpans::new(), FieldSpans::new());
        let found = fast_path::read_response(&bytes, &limits, &mut fast);
        let found = found.map(|()| *fast.response_map());
        let read = ResponseReader::default().read_lines(&bytes, &limits, &mut slow);
        let read = matches!(read, Ok(true)).then(|| *slow.response_map());
        // The fast path leaves faults to the reference.
        let read = read.filter(|map| map.fault.is_none());
        // The fast path may leave a minor version beyond 1.1 to the reference.
        let is_later = bytes.starts_with(b"HTTP/1.") && !matches!(bytes[7], b'0' | b'1');
        let same = (found == read || (found.is_none() && is_later))
            && (found.is_none() || fast.view(&bytes).iter().eq(slow.view(&bytes).iter()));
        if !same {
            panic!("{:?}\n{found:?}\n{read:?}", bytes.escape_ascii().collect::<Vec<_>>());
        }
        true
    }
    let mut check = quickcheck::QuickCheck::new().tests(20_000);
    check.quickcheck(agrees as fn(Vec<u8>, Vec<(u16, u8)>) -> bool);
}

/// A head of one kind that is kept must not be taken for the other kind: its map is another's.
#[test]
fn a_kept_response_is_no_request() {
    let mut spans = FieldSpans::new();
    let limits = Limits::default();
    let bytes = b"HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(ResponseReader::default().read(bytes, &limits, &mut spans), Ok(true));
    spans.keep_response(bytes);
    assert!(spans.recall_response(bytes, &limits));
    assert!(!spans.recall(bytes, &limits));
    spans.keep_request(bytes);
    assert!(!spans.recall_response(bytes, &limits));
}
