//! Responses, and what is read of them: each at every cut.

use super::*;

/// The fields of a response of 200, and its body.
#[track_caller]
pub(super) fn ok(rest: &str, expected: &[&str]) {
    get(&format!("HTTP/1.1 200 OK\r\n{rest}"), After::More, expected);
}

/// What a client reads when it has sent this request.
#[track_caller]
pub(super) fn after(method: &'static str, bytes: &str, after: After, expected: &[&str]) {
    let log = answered(&ClientConnectionConfig::default(), &[(method, None)], bytes, after);
    assert_eq!(log, expected, "{method} {bytes:?}");
}

pub(super) const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// A response for each rule that one can break, and where it is broken.
const BROKEN: [(&str, Rule, u64); 38] = [
    ("HTTP/1.1 200 OK\n", Rule::BareLf, 15),
    ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", Rule::BareCr, 21),
    ("<html>", Rule::VersionSyntax, 0),
    ("HTTP/3.0 200 OK\r\n", Rule::VersionUnsupported, 0),
    ("HTTP/1.1 2OO OK\r\n", Rule::StatusCodeSyntax, 10),
    ("HTTP/1.1 999 OK\r\n", Rule::StatusCodeSyntax, 9),
    ("HTTP/1.1 200 O\x7fK\r\n", Rule::ReasonSyntax, 14),
    ("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", Rule::BlankBeforeFields, 17),
    ("HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", Rule::ObsFold, 23),
    ("HTTP/1.1 200 OK\r\nA\r\n\r\n", Rule::FieldWithoutColon, 18),
    ("HTTP/1.1 200 OK\r\nA(: b\r\n\r\n", Rule::FieldNameSyntax, 18),
    ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Rule::BlankBeforeColon, 18),
    ("HTTP/1.1 200 OK\r\nA: \0b\r\n\r\n", Rule::FieldValueSyntax, 20),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1 \t2\r\n\r\n", Rule::LengthSyntax, 33),
    ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Rule::LengthOverflow, 33),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n", Rule::LengthRepeated, 36),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        Rule::LengthAndCoding,
        66,
    ),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::CodingOnHttp10, 17),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", Rule::CodingSyntax, 36),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", Rule::CodingNotFinal, 48),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Rule::CodingRepeated, 36),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip;q=1, chunked\r\n\r\n", Rule::CodingUnknown, 57),
    ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Rule::FramingForbidden, 46),
    ("HTTP/1.1 101 \r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", Rule::SwitchUnrequested, 50),
    ("HTTP/1.1 204 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Rule::ResponseUnrequested, 17),
    ("5,\r\n", Rule::ChunkSizeSyntax, 1),
    ("10000000000000000\r\n", Rule::ChunkSizeOverflow, 16),
    ("5;=b\r\nhello", Rule::ChunkExtensionSyntax, 2),
    ("5\nhello", Rule::ChunkLineEnd, 1),
    ("5\r\nhello, world", Rule::ChunkDataEnd, 8),
    ("0\r\nA : b\r\n\r\n", Rule::BlankBeforeColon, 4),
    // With the limits below.
    ("HTTP/1.1 200 it has become quite long, it has\r\n\r\n", Rule::StatusLineTooLong, 40),
    (
        "HTTP/1.1 200 OK\r\nA: so has the value of this field, which does not come to its end\r\n\r\n",
        Rule::HeaderTooLarge,
        77,
    ),
    ("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n\r\n", Rule::TooManyFields, 29),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Rule::BodyTooLarge, 39),
    ("HTTP/1.1 102 \r\n\r\nHTTP/1.1 103 \r\n\r\n", Rule::TooManyInformational, 34),
    ("1;a=b;c=de\r\n", Rule::ChunkExtensionsTooLarge, 9),
    ("0\r\nA: 12345\r\nB: 12345\r\n\r\n", Rule::TrailersTooLarge, 23),
];

/// RFC 9112, 6.3: the connection is closed, and what was broken is not a response.
#[test]
fn each_rule_is_named_where_a_response_breaks_it() {
    let limits = ResponseLimits {
        status_line: 40,
        header_bytes: 60,
        header_count: 2,
        trailer_bytes: 20,
        chunk_extensions: 8,
        body: 9,
        informational: 1,
    };
    let limited = ClientConnectionConfig { limits, ..ClientConnectionConfig::default() };
    for (bytes, rule, offset) in BROKEN {
        let head = format!("HTTP/1.1 200 OK\r\n{CHUNKED}");
        let (bytes, start) = match bytes.starts_with(|c: char| c.is_ascii_digit()) {
            true => (format!("{head}{bytes}"), head.len() as u64),
            false => (bytes.into(), 0),
        };
        let log = answered(&limited, &[("GET", None)], &bytes, After::Eof);
        let last = log.last().map(String::as_str);
        assert_eq!(last, Some(&*format!("{rule:?} {}", start + offset)), "{bytes:?}");

        let mut http = asking(&limited, &[("GET", None)]);
        self::log(&mut http, &[bytes.as_bytes()], After::More);
        assert!(http.must_close() && !http.is_idle(), "{bytes:?}");
        assert_eq!(http.unanswered(), usize::from(rule != Rule::ResponseUnrequested), "{bytes:?}");
        let next =
            http.request_whole(&line("GET"), &Headers::new(), b"", &RequestOptions::default());
        assert!(matches!(next, Err(LocalProtocolError::Order(_))), "{bytes:?}");
    }
    // The others are broken by requests, by the end of the stream, or by time.
    let others = [
        Rule::MethodSyntax,
        Rule::RequestLineSyntax,
        Rule::TargetSyntax,
        Rule::TargetForMethod,
        Rule::Http2Preface,
        Rule::Http11Required,
        Rule::RequestLineTooLong,
        Rule::TunnelUnsupported,
        Rule::HostMissing,
        Rule::HostRepeated,
        Rule::HostSyntax,
        Rule::LengthRequired,
        Rule::ExpectationUnknown,
        Rule::HeadIncomplete,
        Rule::BodyIncomplete,
        Rule::ResponseMissing,
        Rule::HeadTimeout,
        Rule::BodyTimeout,
        Rule::BodyTooSlow,
    ];
    for rule in Rule::ALL {
        let is_broken = BROKEN.iter().any(|(_, broken, _)| broken == rule);
        assert!(is_broken != others.contains(rule), "{rule:?}");
    }
}

/// RFC 9112, 4: it is no channel of information.
#[test]
fn the_reason_phrase_changes_nothing() {
    for reason in ["", "OK", "404 Not Found", "HTTP/1.1 500 \t", "\u{e9}\u{2603}", "a: b"] {
        let bytes = format!("HTTP/1.1 200 {reason}\r\nContent-Length: 2\r\n\r\nhi");
        get(&bytes, After::More, &["=200", ":hi", "end"]);
    }
}

/// RFC 9110, 15: the first digit says what a code means.
#[test]
fn a_status_that_is_not_known_is_read_by_its_class() {
    for code in [200, 299, 300, 399, 418, 499, 500, 599] {
        let bytes = format!("HTTP/1.1 {code} \r\nContent-Length: 2\r\n\r\nhi");
        get(&bytes, After::More, &[&format!("={code}"), ":hi", "end"]);
    }
    for code in [100, 102, 103, 104, 199] {
        let bytes = format!("HTTP/1.1 {code} \r\nA: b\r\n\r\n{OK}");
        get(&bytes, After::More, &[&format!("{code}"), "=200", ":hi", "end"]);
    }
}

/// RFC 9110, 9.3.6; RFC 9112, 6.3.
#[test]
fn a_tunnel_has_neither_a_length_nor_a_coding() {
    for fields in [
        "",
        "Content-Length: 9\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        // What is refused in any other response.
        "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 9\r\nContent-Length: 8\r\n",
        "Content-Length: x\r\nConnection: close\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: ,\r\nContent-Length: 0\r\n",
    ] {
        for code in [200, 201, 204, 299] {
            let head = format!("HTTP/1.1 {code} \r\n{fields}\r\n");
            let bytes = format!("HTTP/1.1 100 \r\n\r\n{head}5\r\nhello");
            after("CONNECT", &bytes, After::Eof, &["100", &format!("!{code}")]);
            let mut http = asking(&ClientConnectionConfig::default(), &[("CONNECT", None)]);
            log(&mut http, &[bytes.as_bytes()], After::More);
            assert_eq!(http.take_input(), b"5\r\nhello"[..], "{fields:?}");
        }
    }
    after("CONNECT", "HTTP/1.0 200 \r\nTransfer-Encoding: x\r\n\r\n", After::More, &["!200"]);
    // Of any other status or method, they are refused, at the place in the stream.
    let both = "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n";
    let refused = format!("HTTP/1.1 100 \r\n\r\nHTTP/1.1 502 \r\n{both}");
    after("CONNECT", &refused, After::More, &["100", "LengthAndCoding 81"]);
    let granted = format!("HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 \r\n{both}");
    after("GET", &granted, After::More, &["100", "LengthAndCoding 81"]);
    after("HEAD", &granted, After::More, &["100", "LengthAndCoding 81"]);
    let repeated =
        "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 \r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n";
    after("GET", repeated, After::More, &["100", "LengthRepeated 51"]);
    after("CONNECT", "HTTP/1.1 502 \r\n\r\nno", After::Eof, &["=502", ":no", "end"]);
    // 101 needs an Upgrade that was asked for.
    after("CONNECT", "HTTP/1.1 101 \r\n\r\n", After::More, &["SwitchUnrequested 17"]);
}

/// RFC 9110, 7.8: a response that names several protocols switches to all of them.
#[test]
fn each_protocol_of_a_switch_is_one_that_was_asked_for() {
    let config = ClientConnectionConfig::default();
    for (fields, is_asked_for) in [
        ("Upgrade: a/1", true),
        ("Upgrade: A/1", true),
        ("Upgrade: b, a/1", true),
        ("Upgrade: b\r\nUpgrade: a/1", true),
        ("Upgrade: b\r\nUpgrade: c", false),
        ("Upgrade: c, a/1", false),
        ("Upgrade: a", false),
        ("Upgrade: a/2", false),
        ("Upgrade: a/1,", false),
        ("Upgrade:", false),
        ("A: a/1", false),
    ] {
        let bytes = format!("HTTP/1.1 101 \r\nConnection: upgrade\r\n{fields}\r\n\r\n");
        let refused = format!("SwitchUnrequested {}", bytes.len());
        let expected = if is_asked_for { "!101" } else { &*refused };
        let log = answered(&config, &[("GET", Some("a/1, b"))], &bytes, After::More);
        assert_eq!(log, [expected], "{fields:?}");
    }
    for head in [
        "HTTP/1.1 101 \r\nUpgrade: a\r\n\r\n",
        "HTTP/1.1 101 \r\nConnection: close\r\nUpgrade: a\r\n\r\n",
        "HTTP/1.0 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    ] {
        let log = answered(&config, &[("GET", Some("a"))], head, After::More);
        assert_eq!(log, [format!("SwitchUnrequested {}", head.len())], "{head:?}");
    }
}

/// RFC 9110, 15.2: a client need not expect them.
#[test]
fn informational_responses_come_before_the_one_that_counts() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n";
    for method in ["GET", "POST", "OPTIONS"] {
        let bytes = format!("{early}{go_on}{early}{OK}");
        after(method, &bytes, After::More, &["103", "100", "103", "=200", ":hi", "end"]);
    }
    // Its options are those of the final one.
    let bytes = format!("HTTP/1.1 100 \r\nConnection: close\r\n\r\n{OK}");
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    log(&mut http, &[bytes.as_bytes()], After::More);
    assert!(http.is_idle());
    let limit = ResponseLimits::default().informational as usize;
    let many = early.repeat(limit + 1);
    let mut expected = alloc::vec!["103".to_string(); limit];
    expected.push(format!("TooManyInformational {}", many.len()));
    assert_eq!(
        answered(&ClientConnectionConfig::default(), &[("GET", None)], &many, After::More),
        expected
    );
}

/// RFC 9112, 9.8: what came whole before an incomplete close is whole.
#[test]
fn an_end_that_is_not_orderly_ends_what_says_how_long_it_is() {
    let chunks = format!("HTTP/1.1 200 OK\r\n{CHUNKED}2\r\nhi\r\n0\r\n\r\n");
    get(&chunks, After::Cut, &["=200", ":hi", "end", "closed"]);
    get(&chunks[..chunks.len() - 2], After::Cut, &["=200", ":hi", "BodyIncomplete 57"]);
    get(&chunks[..chunks.len() - 2], After::Eof, &["=200", ":hi", "BodyIncomplete 57"]);
    get("HTTP/1.1 304 \r\n\r\n", After::Cut, &["=304", "end", "closed"]);
    after("HEAD", "HTTP/1.1 200 \r\n\r\n", After::Cut, &["=200", "end", "closed"]);
    // What follows the last response is not read, in whatever pieces it comes.
    let closing = "HTTP/1.0 200 \r\nContent-Length: 2\r\n\r\nhi, and more";
    get(closing, After::Eof, &["=200", ":hi", "end", "closed"]);
    get(closing, After::Cut, &["=200", ":hi", "end", "closed"]);
}

/// RFC 9112, 9.5, and RFC 9110, 7.5.
#[test]
fn a_response_may_come_before_the_request_is_complete() {
    let sending = || {
        let mut http = client();
        let none = RequestOptions::default();
        http.request(&line("POST"), &Headers::new(), BodyLength::Unknown, &none).unwrap();
        http.data(b"a").unwrap();
        http
    };
    let mut http = sending();
    assert_eq!(log(&mut http, &[OK.as_bytes()], After::More), ["=200", ":hi", "end"]);
    assert!(http.is_sending() && !http.is_idle() && !http.must_close());
    assert_eq!(http.unanswered(), 0);
    http.data(b"b").unwrap();
    http.end(&Headers::new()).unwrap();
    assert!(http.is_idle());

    // Bytes behind it answer no request, though one is incomplete.
    let mut http = sending();
    let two = format!("{OK}{OK}");
    assert_eq!(log(&mut http, &[two.as_bytes()], After::More)[3], "ResponseUnrequested 40");
    assert_eq!(http.unanswered(), 0);

    // The server does not want the rest.
    let mut http = sending();
    let closing = b"HTTP/1.1 413 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(log(&mut http, &[closing], After::Eof), ["=413", "end", "closed"]);
    assert!(http.must_close() && http.is_sending());

    // What breaks a rule ends the request, too: its end would look as if all had been sent.
    let mut http = sending();
    http.take_outgoing();
    log(&mut http, &[b"HTTP/2 200\r\n\r\n"], After::More);
    assert!(matches!(http.data(b"b"), Err(LocalProtocolError::Order(_))));
    assert!(matches!(http.end(&Headers::new()), Err(LocalProtocolError::Order(_))));
    assert_eq!(http.take_outgoing(), b"");
}

/// RFC 9112, 9.3: of a response that is not read to its end, bytes are left.
#[test]
fn a_request_waits_for_the_whole_response_before_it() {
    for at in 0..OK.len() {
        let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
        log(&mut http, &[&OK.as_bytes()[..at]], After::More);
        let next =
            http.request_whole(&line("GET"), &Headers::new(), b"", &RequestOptions::default());
        assert!(matches!(next, Err(LocalProtocolError::Order(_))), "{at}");
        assert!(!http.is_idle() && http.unanswered() == 1, "{at}");
    }
}

/// RFC 9112, 3.2, and RFC 9110, 4.2, 7.2 and 9.3.6.
#[test]
fn a_request_line_has_valid_parts_only() {
    let target = alloc::format!("/{}", "a".repeat(10_000));
    for (method, target, host, written) in [
        ("GET", "/", "a", "a"),
        ("get", "//", "[::1]:80", "[::1]:80"),
        ("GET", &*target, "a", "a"),
        ("OPTIONS", "*", "a", "a"),
        ("OPTIONS", "http://b", "a", "b"),
        ("GET", "https://b:444?c", "", "b:444"),
        ("CONNECT", "b:443", "", "b:443"),
    ] {
        let line = RequestLine::new(method, target, host).unwrap();
        assert_eq!((line.method(), line.target(), line.host()), (method, target, written));
    }
    for (method, target, host, rule, at) in [
        ("", "/", "a", Rule::MethodSyntax, 0),
        ("GE T", "/", "a", Rule::MethodSyntax, 2),
        ("GET\r\n", "/", "a", Rule::MethodSyntax, 3),
        ("GET", "", "a", Rule::TargetSyntax, 0),
        ("GET", "a", "a", Rule::TargetSyntax, 0),
        ("GET", "*", "a", Rule::TargetForMethod, 0),
        ("GET", "/a#b", "a", Rule::TargetSyntax, 2),
        ("GET", "/ HTTP/1.1\r\n", "a", Rule::TargetSyntax, 1),
        ("GET", "http://", "a", Rule::TargetSyntax, 7),
        ("GET", "https:///b", "a", Rule::TargetSyntax, 8),
        ("GET", "http://u@b/", "a", Rule::TargetSyntax, 8),
        ("GET", "/", "", Rule::HostSyntax, 0),
        ("GET", "/", "u@a", Rule::HostSyntax, 1),
        ("GET", "/", "a\r\nB: c", Rule::HostSyntax, 1),
        ("CONNECT", "b", "a", Rule::TargetSyntax, 1),
        ("CONNECT", "b:", "a", Rule::TargetSyntax, 2),
        ("CONNECT", "b:0", "a", Rule::TargetSyntax, 2),
        ("CONNECT", "/", "a", Rule::TargetForMethod, 0),
        ("CONNECT", "http://b:1/", "a", Rule::TargetForMethod, 0),
    ] {
        let refused = RequestLine::new(method, target, host).unwrap_err();
        assert_eq!((refused.rule, refused.offset), (rule, at), "{method:?} {target:?} {host:?}");
    }
}

/// RFC 9110, 9.2.2, and RFC 9112, 9.3.2.
#[test]
fn some_methods_are_idempotent() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let target = if method == "TRACE" { "/" } else { "/a" };
        assert!(RequestLine::new(method, target, "a").unwrap().is_idempotent(), "{method}");
    }
    for (method, target) in [("POST", "/"), ("PATCH", "/"), ("CONNECT", "a:1"), ("get", "/")] {
        assert!(!RequestLine::new(method, target, "a").unwrap().is_idempotent(), "{method}");
    }
}

/// RFC 9110, 6.5.1: of what the connection writes, nothing is written behind a body.
#[test]
fn no_trailer_is_one_that_the_connection_writes() {
    for name in ["Host", "Expect", "TE", "Content-Length", "Transfer-Encoding", "Connection"] {
        let mut http = client();
        let none = RequestOptions::default();
        http.request(&line("POST"), &Headers::new(), BodyLength::Unknown, &none).unwrap();
        http.take_outgoing();
        let trailers = Headers::try_from([(name, "1")]).unwrap();
        assert_eq!(http.end(&trailers), Err(LocalProtocolError::FramingField), "{name}");
        assert_eq!(http.take_outgoing(), b"");
    }
}

/// What other clients read in another way than their servers meant, each a fault that was found in
/// one of them, or in several.
#[test]
fn what_broke_other_clients_is_refused() {
    // A value that a number parser takes: signs, blanks, other bases, other digits.
    for length in ["+2", "-2", "0x2", "2_0", "2.0", "1 2", "\u{ff12}", "2;", "\x0b2"] {
        let at = format!("LengthSyntax {}", 33);
        let log = answered(
            &ClientConnectionConfig::default(),
            &[("GET", None)],
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhi"),
            After::More,
        );
        assert!(log == [at] || log[0].starts_with("FieldValueSyntax"), "{length:?}: {log:?}");
    }
    // The same for chunks.
    for size in ["0x2", "+2", "2 ", " 2", "2_", "-0", "\t2", ""] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{CHUNKED}{size}\r\nhi\r\n0\r\n\r\n");
        let log =
            answered(&ClientConnectionConfig::default(), &[("GET", None)], &bytes, After::More);
        assert!(log[1].starts_with("Chunk"), "{size:?}: {log:?}");
    }
    // A bare CR or LF that one takes for the end of a line, within a field, a chunk, its extension.
    ok("A: b\rTransfer-Encoding: chunked\r\n\r\n", &["BareCr 21"]);
    ok("A: b\nContent-Length: 2\r\n\r\nhi", &["BareLf 21"]);
    ok(&format!("{CHUNKED}2;a\nhi\r\n0\r\n\r\n"), &["=200", "ChunkLineEnd 50"]);
    ok(&format!("{CHUNKED}2\r\nhi\n0\r\n\r\n"), &["=200", ":hi", "ChunkDataEnd 52"]);
    ok(&format!("{CHUNKED}0\r\n\nA: b\r\n\r\n"), &["=200", "BareLf 50"]);
    // A name that one trims, or takes for another.
    ok("Content-Length : 2\r\n\r\nhi", &["BlankBeforeColon 31"]);
    ok("Content\u{2010}Length: 2\r\n\r\nhi", &["FieldNameSyntax 24"]);
    ok("\x0bContent-Length: 2\r\n\r\nhi", &["FieldNameSyntax 17"]);
    ok("Transfer-Encoding: \x0bchunked\r\n\r\n", &["FieldValueSyntax 36"]);
    // A field that begins in the line before, or in the status line.
    ok("X: y\r\n Transfer-Encoding: chunked\r\n\r\n", &["ObsFold 23"]);
    get("HTTP/1.1 200 OK\r\n\tContent-Length: 2\r\n\r\nhi", After::More, &["BlankBeforeFields 17"]);
    // Content behind a response that has none is no response, and no beginning of one.
    let smuggled = format!("HTTP/1.1 304 \r\nContent-Length: {}\r\n\r\n{OK}", OK.len());
    get(&smuggled, After::More, &["=304", "end", "ResponseUnrequested 37"]);
    let smuggled = format!("HTTP/1.1 204 \r\n\r\n{OK}");
    get(&smuggled, After::More, &["=204", "end", "ResponseUnrequested 17"]);
    after("HEAD", OK, After::More, &["=200", "end", "ResponseUnrequested 38"]);
    // A response without HTTP's first line, and one to a request of the next connection.
    get("hello", After::Eof, &["VersionSyntax 0"]);
    get("\r\nHTTP/1.1 200 OK\r\n\r\n", After::Eof, &["VersionSyntax 0"]);
    get("ICY 200 OK\r\n\r\n", After::Eof, &["VersionSyntax 0"]);
    // A body that the end of the stream cut, which is no end where the head tells another.
    ok(&format!("{CHUNKED}5\r\nhel"), &["=200", ":hel"]);
    let cut = format!("HTTP/1.1 200 OK\r\n{CHUNKED}2\r\nhi\r\n");
    get(&cut, After::Eof, &["=200", ":hi", "BodyIncomplete 54"]);
    // No end of lines, fields, interim responses, extensions, trailers: each has its limit.
    let endless = format!("HTTP/1.1 200 {}", "a".repeat(8 << 10));
    let config = ClientConnectionConfig::default();
    let mut http = asking(&config, &[("GET", None)]);
    assert_eq!(log(&mut http, &[endless.as_bytes()], After::More), ["StatusLineTooLong 8192"]);
}
