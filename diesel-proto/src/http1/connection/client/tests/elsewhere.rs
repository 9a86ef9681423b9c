//! Responses that other clients read in another way than their servers meant, or that never end:
//! what their security advisories, issues and tests show. Each at every cut.
//!
//! Where other clients are more lenient, on purpose (llhttp and curl, by their own tests):
//!
//! | what | others | here, and why |
//! | --- | --- | --- |
//! | no status line | HTTP/0.9: a body | `VersionSyntax`: what fails to be HTTP would be content |
//! | `ICE/1.1`, `RTSP/1.1`, `HTTP/0.9`, `HTTP/9.9` | read as HTTP | refused: other protocols |
//! | empty lines before a status line | skipped | `VersionSyntax`: RFC 9112, 2.2 allows it to servers only |
//! | a status from 600 to 999 | read | `StatusCodeSyntax`: outside of RFC 9110, 15 |
//! | LF without CR | read as CR LF | `BareLf`: RFC 9112, 2.2 leaves the choice, and others do not |
//! | LF alone in chunks | read as CR LF | `ChunkLineEnd`: no choice is left in RFC 9112, 7.1 |
//! | a folded line | a space | `ObsFold`: RFC 9112, 5.2 leaves the choice to a user agent |
//! | blanks before the first field | dropped | `BlankBeforeFields`: could hide a field |
//! | two equal lengths; `5, 5` | once | `LengthRepeated`, `LengthSyntax`: RFC 9110, 8.6 leaves the choice |
//! | a length beyond 64 bits | the greatest | `LengthOverflow`: it would be another length |
//! | a length, and a coding | the coding | `LengthAndCoding`: RFC 9112, 6.1 and 11.2 |
//! | `gzip, chunked` | decoded | `CodingUnknown`: nothing asked for it (RFC 9112, 7.4) |
//! | `identity`, `chunked, identity` | until the end of the stream | `CodingNotFinal`: `identity` is no coding any more |
//! | `chunked`, twice | once, or twice | `CodingRepeated`: RFC 9112, 7.1 |
//! | a 101 or 204 with a body | none, or one | `FramingForbidden`: the two readings |
//! | bytes behind a 204, a 304, a response to HEAD | dropped, or the next response | `ResponseUnrequested` |
//!
//! curl refuses two things that are accepted here: HTTP/1.2, which RFC 9110, 2.5 makes readable as
//! 1.1, and two `Location` fields, which are not the connection's.

use super::vectors::{CHUNKED, after, ok};
use super::*;

/// What pipelined requests of these methods read.
#[track_caller]
fn pipelined(methods: &[&'static str], bytes: &str, expected: &[&str]) {
    let config = ClientConnectionConfig { pipelined: 4, ..ClientConnectionConfig::default() };
    let requests: Vec<_> = methods.iter().map(|&method| (method, None)).collect();
    assert_eq!(answered(&config, &requests, bytes, After::More), expected, "{methods:?} {bytes:?}");
}

/// RFC 9112, 4.
#[test]
fn a_status_line_has_one_form() {
    for (line, rule, at) in [
        ("", "VersionSyntax", 0),
        ("HTTP", "VersionSyntax", 4),
        ("HTTP/1.1", "StatusCodeSyntax", 8),
        ("HTTP/1.1 ", "StatusCodeSyntax", 9),
        ("HTTP/1.1 20", "StatusCodeSyntax", 11),
        ("HTTP/1.1 2000", "StatusCodeSyntax", 12),
        ("HTTP/1.1 200OK", "StatusCodeSyntax", 12),
        ("HTTP/1.1 200\tOK", "StatusCodeSyntax", 12),
        ("HTTP/1.1 +200 OK", "StatusCodeSyntax", 9),
        ("HTTP/1.1 -20 OK", "StatusCodeSyntax", 9),
        ("HTTP/1.1 099 OK", "StatusCodeSyntax", 9),
        ("HTTP/1.1 600 OK", "StatusCodeSyntax", 9),
        ("HTTP/1.1  200 OK", "StatusCodeSyntax", 9),
        ("HTTP/1.1\t200 OK", "StatusCodeSyntax", 8),
        ("HTTP/1.10 200 OK", "StatusCodeSyntax", 8),
        ("HTTP/1.1200 OK", "StatusCodeSyntax", 8),
        ("HTTP/1.1 \u{ff12}00 OK", "StatusCodeSyntax", 9),
        ("HTTP/01.1 200 OK", "VersionSyntax", 6),
        ("HTTP/11.1 200 OK", "VersionSyntax", 6),
        ("HTTP/1,1 200 OK", "VersionSyntax", 6),
        ("HTTP/2 200 OK", "VersionSyntax", 6),
        ("HTTP/2.0 200 OK", "VersionUnsupported", 0),
        ("HTTP/0.9 200 OK", "VersionUnsupported", 0),
        ("HTTP/9.9 200 OK", "VersionUnsupported", 0),
        ("HTTPS/1.1 200 OK", "VersionSyntax", 4),
        ("Http/1.1 200 OK", "VersionSyntax", 1),
        ("http/1.1 200 OK", "VersionSyntax", 0),
        (" HTTP/1.1 200 OK", "VersionSyntax", 0),
        ("RTSP/1.1 200 OK", "VersionSyntax", 0),
        ("HTTP/1.1 200 OK\0", "ReasonSyntax", 15),
        ("HTTP/1.1 200 \x1b[2J", "ReasonSyntax", 13),
        ("HTTP/1.1 200 O\rK", "BareCr", 14),
        ("HTTP/1.1 200\rOK", "BareCr", 12),
        ("HTTP/1.1\r 200 OK", "BareCr", 8),
    ] {
        get(&format!("{line}\r\n\r\n"), After::More, &[&format!("{rule} {at}")]);
    }
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200  OK ", "HTTP/1.2 200 OK"] {
        get(&format!("{line}\r\nContent-Length: 0\r\n\r\n"), After::More, &["=200", "end"]);
    }
}

/// A second length or coding, which one recipient prefers and another does not see.
#[test]
fn a_body_is_delimited_in_one_way() {
    for (fields, rule, at) in [
        ("Content-Length: 2\r\nContent-Length: 2", "LengthRepeated", 36),
        ("Content-Length: 2, 2", "LengthSyntax", 33),
        ("Content-Length: 2,", "LengthSyntax", 33),
        ("Content-Length:", "LengthSyntax", 32),
        ("Content-Length: 2\u{a0}", "LengthSyntax", 33),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", "LengthAndCoding", 66),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", "LengthAndCoding", 66),
        ("Content-Length: 2\r\nTransfer-Encoding: identity", "LengthAndCoding", 67),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "CodingRepeated", 64),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "CodingUnknown", 76),
        ("Transfer-Encoding: identity, chunked", "CodingUnknown", 57),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "CodingNotFinal", 64),
        ("Transfer-Encoding: chunkedchunked", "CodingNotFinal", 54),
        ("Transfer-Encoding: \"chunked\"", "CodingSyntax", 36),
        ("Transfer-Encoding: chunked;", "CodingSyntax", 36),
        ("Transfer-Encoding:", "CodingSyntax", 35),
        ("Transfer_Encoding: chunked\r\nContent-Length: +2", "LengthSyntax", 61),
    ] {
        ok(&format!("{fields}\r\n\r\nhi"), &[&format!("{rule} {at}")]);
    }
    // Zeros lead nowhere, and what only looks like a name is another.
    ok("Content-Length: 0000000000000000000002\r\n\r\nhi", &["=200", ":hi", "end"]);
    ok("Content-Length-X: 9\r\nContent-Length: 2\r\n\r\nhi", &["=200", ":hi", "end"]);
    ok("Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", &["=200", ":hi", "end"]);
}

/// RFC 9112, 6.3: a body behind one of these would be the next response to another recipient, and
/// the next response a body.
#[test]
fn a_response_without_a_body_announces_none() {
    for code in [100, 103, 199, 204] {
        for (fields, rule) in [
            ("Content-Length: 2", "FramingForbidden"),
            ("Transfer-Encoding: chunked", "FramingForbidden"),
            ("Content-Length: 0\r\nTransfer-Encoding: chunked", "LengthAndCoding"),
        ] {
            let head = format!("HTTP/1.1 {code} \r\n{fields}\r\n\r\n");
            get(&format!("{head}{OK}"), After::More, &[&format!("{rule} {}", head.len())]);
        }
    }
    // A switch that was asked for, too.
    for fields in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        let head =
            format!("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n{fields}\r\n\r\n");
        let config = ClientConnectionConfig::default();
        let log = answered(&config, &[("GET", Some("a"))], &format!("{head}hi"), After::More);
        assert_eq!(log, [format!("FramingForbidden {}", head.len())]);
    }
    // What these announce is the length of another response.
    let chunks = "2\r\nhi\r\n0\r\n\r\n";
    let head = format!("HTTP/1.1 304 \r\n{CHUNKED}");
    let surplus = format!("ResponseUnrequested {}", head.len());
    get(&format!("{head}{chunks}"), After::More, &["=304", "end", &surplus]);
    let head = format!("HTTP/1.1 200 \r\n{CHUNKED}");
    let surplus = format!("ResponseUnrequested {}", head.len());
    after("HEAD", &format!("{head}{chunks}"), After::More, &["=200", "end", &surplus]);
}

/// A server, or a cache between, that gives one answer too many or too few.
#[test]
fn each_answer_belongs_to_one_request() {
    let no_content = "HTTP/1.1 204 \r\n\r\n";
    let (early, last) = ("HTTP/1.1 103 \r\n\r\n", "HTTP/1.1 200 \r\nConnection: close\r\n");
    pipelined(
        &["GET", "HEAD"],
        &format!("{OK}{no_content}"),
        &["=200", ":hi", "end", "=204", "end"],
    );
    // The body of a response to HEAD is no response to GET.
    pipelined(&["HEAD", "GET"], &format!("{OK}{OK}"), &["=200", "end", "VersionSyntax 38"]);
    // Interim responses are those of the request whose turn it is.
    pipelined(
        &["GET", "GET"],
        &format!("{early}{OK}{early}{early}{no_content}"),
        &["103", "=200", ":hi", "end", "103", "103", "=204", "end"],
    );
    pipelined(&["GET"], &format!("{OK}{early}"), &["=200", ":hi", "end", "ResponseUnrequested 40"]);
    // What comes between two responses is part of neither.
    for between in ["\r\n", "\n", " ", "\0", "0\r\n\r\n"] {
        let bytes = format!("{OK}{between}{no_content}");
        pipelined(&["GET", "GET"], &bytes, &["=200", ":hi", "end", "VersionSyntax 40"]);
        let surplus = ["=200", ":hi", "end", "ResponseUnrequested 40"];
        get(&format!("{OK}{between}"), After::More, &surplus);
    }
    // Nothing is read behind the last response, whatever was asked for.
    let bytes = format!("{last}Content-Length: 0\r\n\r\n{OK}");
    pipelined(&["GET", "GET"], &bytes, &["=200", "end"]);
    pipelined(&["GET", "GET"], &format!("{last}\r\n{OK}"), &["=200", &format!(":{OK}")]);
}

/// RFC 9112, 9.3: HTTP/1.0 delimits a body by a length or by its end.
#[test]
fn an_answer_of_http_1_0_keeps_the_connection_only_with_a_length() {
    let head = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n";
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    let read = log(&mut http, &[head.as_bytes(), b"\r\n", OK.as_bytes()], After::Eof);
    assert_eq!(read, ["=200", &format!(":{OK}"), "end"]);
    assert!(http.must_close());
    get(&format!("{head}Content-Length: 2\r\n\r\nhi"), After::More, &["=200", ":hi", "end"]);
    get(&format!("{head}{CHUNKED}"), After::More, &["CodingOnHttp10 41"]);
    // Only with an option of this name: `Proxy-Connection` was never one.
    let bytes = "HTTP/1.0 200 OK\r\nProxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    log(&mut http, &[bytes.as_bytes()], After::More);
    assert!(http.must_close());
}

/// RFC 9110, 6.5.1: trailers delimit nothing.
#[test]
fn trailers_change_nothing_about_the_message() {
    let fields = [
        ("Content-Length: 5", "Content-Length\": \"5"),
        ("Transfer-Encoding: gzip", "Transfer-Encoding\": \"gzip"),
        ("Connection: close", "Connection\": \"close"),
    ];
    for (field, shown) in fields {
        let bytes = format!("HTTP/1.1 200 OK\r\n{CHUNKED}2\r\nhi\r\n0\r\n{field}\r\n\r\n");
        get(&bytes, After::More, &["=200", ":hi", &format!("end {{\"{shown}\"}}")]);
        let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
        log(&mut http, &[bytes.as_bytes()], After::More);
        assert!(http.is_idle(), "{field}");
    }
    ok(&format!("{CHUNKED}0\r\nA: b\r\n c\r\n\r\n"), &["=200", "ObsFold 56"]);
    ok(&format!("{CHUNKED}0\r\n A: b\r\n\r\n"), &["=200", "ObsFold 50"]);
    ok(&format!("{CHUNKED}0\r\nA: \0\r\n\r\n"), &["=200", "FieldValueSyntax 53"]);
    ok(&format!("{CHUNKED}0\r\nHTTP/1.1 200 OK\r\n\r\n"), &["=200", "FieldNameSyntax 54"]);
}

/// Framing and heads that bring no content, for ever: each ends at its limit, and no sooner.
#[test]
fn what_goes_on_for_ever_is_cut_off() {
    let limits = ResponseLimits {
        header_count: 3,
        trailer_bytes: 60,
        chunk_extensions: 30,
        ..ResponseLimits::default()
    };
    let limited = ClientConnectionConfig { limits, ..ClientConnectionConfig::default() };
    let read = |rest: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{CHUNKED}");
        let log = answered(&limited, &[("GET", None)], &format!("{head}{rest}"), After::More);
        (log.concat(), head.len())
    };
    // Extensions of many chunks: five are 30 bytes, and the sixth begins behind them.
    let chunk = "1;abcd\r\nx\r\n";
    let (log, _) = read(&chunk.repeat(6));
    assert_eq!(log, "=200:xxxxxx");
    let (log, head) = read(&chunk.repeat(7));
    assert_eq!(log, format!("=200:xxxxxxChunkExtensionsTooLarge {}", head + 6 * chunk.len() + 1));
    // Zeros before a size.
    let (log, _) = read(&format!("{}2\r\nhi\r\n", "0".repeat(31)));
    assert_eq!(log, "=200:hi");
    let (log, head) = read(&"0".repeat(40));
    assert_eq!(log, format!("=200ChunkSizeOverflow {}", head + 32));
    // Trailers, by number and by length.
    let (log, head) = read(&format!("0\r\n{}", "A: b\r\n".repeat(4)));
    assert_eq!(log, format!("=200TooManyFields {}", head + 3 + 18));
    let (log, head) = read(&format!("0\r\nA: {}", "b".repeat(90)));
    assert_eq!(log, format!("=200TrailersTooLarge {}", head + 3 + 60));
    // The greatest lengths are lengths.
    for length in [u64::MAX, u64::MAX - 1] {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhi");
        let refused = format!("BodyIncomplete {}", bytes.len());
        get(&bytes, After::Eof, &["=200", ":hi", &refused]);
        let bytes = format!("HTTP/1.1 200 OK\r\n{CHUNKED}{length:x}\r\nhi");
        let refused = format!("BodyIncomplete {}", bytes.len());
        get(&bytes, After::Eof, &["=200", ":hi", &refused]);
    }
}

/// Only a 101 switches, and only over HTTP/1.1.
#[test]
fn an_upgrade_that_is_offered_switches_nothing() {
    let config = ClientConnectionConfig::default();
    let offer = "Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 2\r\n\r\nhi";
    for code in [200, 426, 500] {
        let bytes = format!("HTTP/1.1 {code} \r\n{offer}");
        let log = answered(&config, &[("GET", Some("a"))], &bytes, After::More);
        assert_eq!(log, [&*format!("={code}"), ":hi", "end"]);
    }
    // A switch behind the response is no response.
    let switch = "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n";
    let log = answered(&config, &[("GET", Some("a"))], &format!("{OK}{switch}"), After::More);
    assert_eq!(log, ["=200", ":hi", "end", "ResponseUnrequested 40"]);
    // Nor behind another interim response that names no protocol.
    let bytes = format!("HTTP/1.1 103 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n{switch}");
    let log = answered(&config, &[("GET", Some("a"))], &bytes, After::More);
    assert_eq!(log, ["103", "!101"]);
}

/// NUL and other bytes that end a text in some languages.
#[test]
fn no_byte_ends_a_text_early() {
    for (fields, rule, at) in [
        ("A\0: b", "FieldNameSyntax", 18),
        ("A: b\0", "FieldValueSyntax", 21),
        ("A: \0", "FieldValueSyntax", 20),
        ("Content-Length: 2\0", "FieldValueSyntax", 34),
        ("Transfer-Encoding: chunked\0", "FieldValueSyntax", 43),
        ("A: b\x1a", "FieldValueSyntax", 21),
        ("A: b\x7f", "FieldValueSyntax", 21),
        ("A\u{85}: b", "FieldNameSyntax", 18),
        ("\r\rContent-Length: 2", "BareCr", 17),
    ] {
        ok(&format!("{fields}\r\n\r\nhi"), &[&format!("{rule} {at}")]);
    }
    ok("A: \u{85}\r\nContent-Length: 2\r\n\r\nhi", &["=200", ":hi", "end"]);
}
