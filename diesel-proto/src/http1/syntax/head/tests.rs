use super::map::ConnectionOptions;
use super::*;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The result of reading a head, in values that can be compared.
#[derive(Debug, PartialEq)]
enum Verdict {
    Head(HeadMap, Vec<(String, Vec<u8>)>),
    More,
    Refused(Rule, u64),
}

fn verdict(found: Result<bool, Rejection>, bytes: &[u8], spans: &FieldSpans) -> Verdict {
    match found {
        Ok(true) => {
            let fields = spans.view(bytes).iter();
            Verdict::Head(
                *spans.map(),
                fields.map(|(name, value)| (name.into(), value.into())).collect(),
            )
        }
        Ok(false) => Verdict::More,
        Err(rejection) => Verdict::Refused(rejection.rule, rejection.offset),
    }
}

fn whole(bytes: &[u8], limits: &Limits) -> Verdict {
    let mut spans = FieldSpans::new();
    verdict(HeadReader::default().read(bytes, limits, &mut spans), bytes, &spans)
}

/// Reads the bytes before each cut first, then all.
fn cut(bytes: &[u8], cuts: &[usize], limits: &Limits) -> Verdict {
    let mut reader = HeadReader::default();
    let mut spans = FieldSpans::new();
    for &end in cuts.iter().chain([&bytes.len()]) {
        let verdict = verdict(reader.read(&bytes[..end], limits, &mut spans), bytes, &spans);
        if verdict != Verdict::More || end == bytes.len() {
            return verdict;
        }
    }
    Verdict::More
}

/// Reads the head whole, at every two-way cut and byte by byte: the result is always the same.
#[track_caller]
fn judge(bytes: &[u8], limits: &Limits) -> Verdict {
    let verdict = whole(bytes, limits);
    for at in 0..=bytes.len() {
        assert_eq!(cut(bytes, &[at], limits), verdict, "cut at {at}");
    }
    let each: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(cut(bytes, &each, limits), verdict, "byte by byte");
    verdict
}

#[track_caller]
fn refused(head: &str, rule: Rule, offset: u64) {
    let verdict = judge(head.as_bytes(), &Limits::default());
    assert_eq!(verdict, Verdict::Refused(rule, offset), "{head:?}");
}

#[track_caller]
fn accepted(head: &str) -> HeadMap {
    match judge(head.as_bytes(), &Limits::default()) {
        Verdict::Head(map, _) => map,
        other => panic!("{head:?}: {other:?}"),
    }
}

#[test]
fn a_head_is_found_where_it_lies() {
    let head = "GET /a?b HTTP/1.1\r\nHost: example.org:80\r\nX:\r\nY: \t \r\nZ: 1  2\t\r\n\r\nbody";
    let Verdict::Head(map, fields) = judge(head.as_bytes(), &Limits::default()) else {
        panic!("refused")
    };
    assert_eq!(&head[map.method()], "GET");
    assert_eq!(&head[map.target()], "/a?b");
    assert_eq!(map.version(), Version::Http11);
    assert_eq!(&head[map.len()..], "body");
    let fields: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    let expected: [(&str, &[u8]); 4] =
        [("Host", b"example.org:80"), ("X", b""), ("Y", b""), ("Z", b"1  2")];
    assert_eq!(fields, expected);
}

#[test]
fn what_a_head_says_is_read_from_it() {
    let bytes = b"\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: c\r\n\
        Expect: 100-continue\r\nContent-Length: 1\r\n\r\nd";
    let mut spans = FieldSpans::new();
    let head = parse_request(bytes, &Limits::default(), &mut spans).unwrap().unwrap();
    assert_eq!((head.method(), head.target_text()), ("POST", "/a?b"));
    assert_eq!((head.version(), head.framing()), (Version::Http11, Framing::Length(1)));
    assert_eq!((head.expects_continue(), head.upgrade()), (true, Some(&b"c"[..])));
    assert_eq!((head.len(), head.fields().len()), (bytes.len() - 1, 5));
    assert!(!head.fields().is_empty());
    assert_eq!(
        format!("{head:?}"),
        r#"RequestHead { method: "POST", target: "/a?b", version: Http11, fields: {"Host": "a", "#
            .to_owned()
            + r#""Connection": "upgrade", "Upgrade": "c", "Expect": "100-continue", "#
            + r#""Content-Length": "1"}, .. }"#
    );

    let bytes = b"GET / HTTP/1.0\r\n\r\n";
    let head = parse_request(bytes, &Limits::default(), &mut spans).unwrap().unwrap();
    assert_eq!((head.method(), head.target_text()), ("GET", "/"));
    assert_eq!((head.version(), head.framing()), (Version::Http10, Framing::Empty));
    assert_eq!((head.expects_continue(), head.upgrade()), (false, None));
    assert_eq!((head.len(), head.fields().len()), (bytes.len(), 0));
    assert!(head.fields().is_empty());
}

#[test]
fn a_request_is_for_whom_the_target_names_or_else_the_host_field() {
    let host = |head: &str| {
        let mut spans = FieldSpans::new();
        let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans).unwrap().unwrap();
        head.host().map(|authority| String::from(authority.as_str()))
    };
    let named = |name: &str| Some(String::from(name));
    assert_eq!(host("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n"), named("a:80"));
    assert_eq!(host("GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n"), named("b"));
    assert_eq!(host("CONNECT c:1 HTTP/1.1\r\nHost: a\r\n\r\n"), named("c:1"));
    assert_eq!(host("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), named("a"));
    assert_eq!(host("GET / HTTP/1.1\r\nHost:\r\n\r\n"), None);
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n"), None);
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let map = accepted("\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_eq!((map.lines.start, map.lines.fields_start, map.len()), (4, 20, 22));
}

#[test]
fn what_is_wrong_with_a_line_is_named_at_its_first_wrong_byte() {
    for (head, rule, offset) in [
        ("\nGET / HTTP/1.1\r\n", Rule::BareLf, 0),
        ("\r\n\nGET / HTTP/1.1\r\n", Rule::BareLf, 2),
        ("\rGET / HTTP/1.1\r\n", Rule::BareCr, 0),
        (" GET / HTTP/1.1\r\n", Rule::MethodSyntax, 0),
        ("\r\n GET / HTTP/1.1\r\n", Rule::MethodSyntax, 2),
        ("\x16\x03\x01", Rule::MethodSyntax, 0),
        ("G(T / HTTP/1.1\r\n", Rule::MethodSyntax, 1),
        ("GET\t/ HTTP/1.1\r\n", Rule::MethodSyntax, 3),
        ("GET\r\n", Rule::RequestLineSyntax, 3),
        ("GET \r\n", Rule::RequestLineSyntax, 4),
        ("GET  / HTTP/1.1\r\n", Rule::RequestLineSyntax, 4),
        ("GET / \r\n", Rule::VersionSyntax, 6),
        ("GET /\r\n", Rule::RequestLineSyntax, 5),
        ("GET /\n", Rule::BareLf, 5),
        ("GET / HTTP/1.1\n", Rule::BareLf, 14),
        ("GET / HTTP/1.1\r\r\n", Rule::BareCr, 14),
        ("GET / HTTP/1.1 \r\n", Rule::RequestLineSyntax, 14),
        ("GET /  HTTP/1.1\r\n", Rule::VersionSyntax, 6),
        ("GET / x HTTP/1.1\r\n", Rule::VersionSyntax, 6),
        ("GET / http/1.1\r\n", Rule::VersionSyntax, 6),
        ("GET / HTTP/11\r\n", Rule::VersionSyntax, 12),
        ("GET / HTTP/1.10\r\n", Rule::RequestLineSyntax, 14),
        ("GET / HTTP/1.2\n", Rule::BareLf, 14),
        ("GET / HTTP/1.2 \r\n", Rule::RequestLineSyntax, 14),
        ("GET / HTTP/1.:\r\n", Rule::VersionSyntax, 13),
        ("GET / HTTP/3.1\r\n", Rule::VersionUnsupported, 6),
        ("GET / HTTP/0.9\r\n", Rule::VersionUnsupported, 6),
        ("GET / HTTP/2.0\r\n", Rule::VersionUnsupported, 6),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Rule::Http2Preface, 0),
        ("GET /\0 HTTP/1.1\r\n", Rule::TargetSyntax, 5),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Rule::BlankBeforeFields, 16),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Rule::ObsFold, 25),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", Rule::BareLf, 23),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", Rule::BareLf, 25),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Rule::BlankBeforeColon, 20),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", Rule::FieldWithoutColon, 20),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", Rule::FieldNameSyntax, 16),
        ("GET / HTTP/1.1\r\nA: \x01\r\n\r\n", Rule::FieldValueSyntax, 19),
        ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Rule::BareCr, 20),
    ] {
        refused(head, rule, offset);
    }
}

/// RFC 9110, 2.5 and 6.2: in everything that depends on the version.
#[test]
fn a_higher_minor_version_is_read_as_the_highest_that_is_known() {
    let fields = "Host: a\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: b\r\n\
        Transfer-Encoding: chunked\r\n";
    let known = accepted(&format!("POST / HTTP/1.1\r\n{fields}\r\n"));
    for minor in 2..=9 {
        let head = format!("POST / HTTP/1.{minor}\r\n{fields}\r\n");
        assert_eq!(accepted(&head), known, "{minor}");
        let head = format!("GET / HTTP/1.{minor}\r\n\r\n");
        refused(&head, Rule::HostMissing, head.len() as u64);
    }
}

#[test]
fn faults_of_the_whole_head_are_reported_at_its_end() {
    for (head, rule, offset) in [
        ("GET / HTTP/1.1\r\n\r\n", Rule::HostMissing, 18),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Rule::HostRepeated, 25),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Rule::HostSyntax, 23),
        (
            "GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            Rule::LengthRepeated,
            35,
        ),
        ("GET / HTTP/1.0\r\nContent-Length: 1, 1\r\n\r\n", Rule::LengthSyntax, 32),
        (
            "GET / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
            Rule::LengthOverflow,
            32,
        ),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::CodingOnHttp10, 16),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", Rule::ExpectationUnknown, 33),
    ] {
        refused(head, rule, offset);
    }
    let both =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(both, Rule::LengthAndCoding, both.len() as u64);
    let gzip = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n";
    refused(gzip, Rule::CodingNotFinal, gzip.len() as u64);
}

#[test]
fn the_body_is_delimited_in_one_way() {
    let framing =
        |fields: &str| accepted(&format!("PUT / HTTP/1.1\r\nHost:\r\n{fields}\r\n")).framing;
    assert_eq!(framing(""), Framing::Empty);
    assert_eq!(framing("Content-Length: 0\r\n"), Framing::Length(0));
    assert_eq!(framing("content-length:  42 \r\n"), Framing::Length(42));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Framing::Chunked);
}

#[test]
fn options_of_the_connection_are_read_from_lists() {
    let options =
        |fields: &str| accepted(&format!("GET / HTTP/1.1\r\nHost:\r\n{fields}\r\n")).options;
    assert_eq!(options(""), ConnectionOptions::default());
    assert!(options("Connection: close\r\n").close);
    assert!(options("Connection: x, ,Close\t,y\r\n").close);
    assert!(options("connection: x\r\nCONNECTION: Keep-Alive\r\n").keep_alive);
    assert!(!options("Connection: closed\r\n").close);
    assert!(!options("Connection: upgrade\r\n").upgrade, "to nothing");
    assert!(!options("Upgrade: h2c\r\n").upgrade, "not asked for");
    assert!(options("Connection: Upgrade\r\nUpgrade: websocket\r\n").upgrade);
    assert!(options("Expect: 100-Continue\r\n").expects_continue);
    let old = accepted(
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    );
    assert_eq!(old.options, ConnectionOptions::default(), "RFC 9110, 7.8 and 10.1.1");
}

/// Names of the same length, with the same first letter.
#[test]
fn a_field_whose_name_is_only_like_another_says_nothing() {
    let head = "GET / HTTP/1.1\r\nHost:\r\nHash: a b\r\nExpert: tea\r\nConnectors: close\r\n\
        Content-Weight: x\r\nTransfer-Envelope: gzip\r\n";
    let map = accepted(&format!("{head}\r\n"));
    assert_eq!((map.framing, map.options), (Framing::Empty, ConnectionOptions::default()));
    let map = accepted(&format!("{head}Connection: upgrade\r\nUrgency: a\r\n\r\n"));
    assert_eq!(map.options, ConnectionOptions::default());
}

#[test]
fn limits_hold_to_the_byte() {
    let head = "\r\nGET /abc HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    let (line, fields) = (21, head.len() - 21);
    let exact =
        Limits { request_line: line, header_bytes: fields, header_count: 2, ..Limits::default() };
    assert!(matches!(judge(head.as_bytes(), &exact), Verdict::Head(..)));
    let refused = |limits| match judge(head.as_bytes(), &limits) {
        Verdict::Refused(rule, offset) => (rule, offset as usize),
        other => panic!("{other:?}"),
    };
    let limits = Limits { request_line: line - 1, ..exact };
    assert_eq!(refused(limits), (Rule::RequestLineTooLong, line - 1));
    let limits = Limits { header_bytes: fields - 1, ..exact };
    assert_eq!(refused(limits), (Rule::HeaderTooLarge, line + fields - 1));
    let limits = Limits { header_count: 1, ..exact };
    assert_eq!(refused(limits), (Rule::TooManyFields, 30));
}

/// RFC 9112, 3, and RFC 9110, 4.1: a server should support at least this length.
#[test]
fn a_target_of_8000_bytes_is_read_by_default() {
    let target = format!("/{}", "a".repeat(7999));
    let map = accepted(&format!("OPTIONS {target} HTTP/1.1\r\nHost:\r\n\r\n"));
    assert_eq!(map.target().len(), 8000);
}

#[test]
fn more_fields_than_the_fast_path_holds_are_read_as_well() {
    let fields: String = (0..150).map(|n| format!("F{n}: {n}\r\n")).collect();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let limits = Limits { header_count: 151, ..Limits::default() };
    let Verdict::Head(_, found) = whole(head.as_bytes(), &limits) else { panic!("refused") };
    assert_eq!(found.len(), 151);
    assert_eq!(found[150], (String::from("F149"), b"149".to_vec()));
}

/// The input for `httparse`, which knows no version beyond 1.1.
fn as_known_version(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes.windows(3).position(|it| it[0].is_ascii_digit() && it.ends_with(b"\r\n"));
    let line = end.and_then(|at| bytes.get_mut(..=at));
    if let Some([.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9']) = line {
        *minor = b'1';
    }
    bytes
}

/// The fast path accepts what the reference accepts, and nothing else: heads from a small alphabet,
/// with some bytes changed.
#[test]
fn the_fast_path_agrees_with_the_reference() {
    fn agrees(picks: Vec<u8>, changes: Vec<(u16, u8)>) -> bool {
        const PARTS: [&[u8]; 17] = [
            b"\r\n",
            b"GET / HTTP/1.1\r\n",
            b"Host: a\r\n",
            b"A:\r\n",
            b"B: c \r\n",
            b"\n",
            b"\r",
            b" ",
            b":",
            b"\t",
            b"POST /x HTTP/1.0\r\n",
            b"Content-Length: 1\r\n",
            b"\0",
            b"\x80",
            b"C: \td\r\n",
            b"\r\n\r\n",
            b"GET / HTTP/1.7\r\n",
        ];
        let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        if picks.len().is_multiple_of(3) {
            bytes.clear();
        }
        picks.iter().for_each(|pick| bytes.extend(PARTS[usize::from(*pick) % PARTS.len()]));
        bytes.extend(b"\r\n\r\n");
        for (at, byte) in changes.into_iter().take(2) {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let limits = Limits::default();
        let (mut fast, mut slow) = (FieldSpans::new(), FieldSpans::new());
        let known = as_known_version(&bytes);
        let found = fast_path::read(&known, &limits, &mut fast).map(|()| *fast.map());
        let judged = HeadReader::default().read_lines(&bytes, &limits, &mut slow);
        let judged = matches!(judged, Ok(true)).then(|| *slow.map());
        let same = found == judged
            && (found.is_none() || fast.view(&bytes).iter().eq(slow.view(&bytes).iter()));
        if !same {
            panic!("{:?}\n{found:?}\n{judged:?}", bytes.escape_ascii().collect::<Vec<_>>());
        }
        true
    }
    let mut check = quickcheck::QuickCheck::new().tests(20_000);
    check.quickcheck(agrees as fn(Vec<u8>, Vec<(u16, u8)>) -> bool);
}
