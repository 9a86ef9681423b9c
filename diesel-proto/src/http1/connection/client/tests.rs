mod elsewhere;
mod embedder;
mod vectors;

use super::super::local_error::LocalProtocolError;
use super::*;
use crate::http1::message::BodyLength;
use crate::http1::syntax::{Headers, Status};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;

fn line(method: &'static str) -> RequestLine<'static> {
    let target = if method == "CONNECT" { "b:1" } else { "/" };
    RequestLine::new(method, target, "a").unwrap()
}

fn client() -> ClientConnection {
    ClientConnection::new(ClientConnectionConfig::default())
}

/// A client that has sent these requests, without content.
fn asking(
    config: &ClientConnectionConfig,
    requests: &[(&'static str, Option<&str>)],
) -> ClientConnection {
    let mut http = ClientConnection::new(config.clone());
    for (method, upgrade) in requests {
        let options = RequestOptions { upgrade: *upgrade, ..RequestOptions::default() };
        http.request_whole(&line(method), &Headers::new(), b"", &options).unwrap();
    }
    http
}

/// What follows the bytes of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    More,
    Eof,
    Cut,
}

/// A log of the events that follow from these pieces, with adjacent data joined.
fn log(http: &mut ClientConnection, pieces: &[&[u8]], after: After) -> Vec<String> {
    let mut log: Vec<String> = Vec::new();
    let mut events = |http: &mut ClientConnection| loop {
        let text = match http.next_event() {
            Ok(None) => return true,
            Ok(Some(ResponseEvent::Informational(head))) => {
                format!("{}", head.view().status().code())
            }
            Ok(Some(ResponseEvent::Response(head))) => format!("={}", head.view().status().code()),
            Ok(Some(ResponseEvent::Switched(head))) => format!("!{}", head.view().status().code()),
            Ok(Some(ResponseEvent::Data(data))) => {
                let data = String::from_utf8_lossy(&data).into_owned();
                match log.last_mut() {
                    Some(last) if last.starts_with(':') => last.push_str(&data),
                    _ => log.push(format!(":{data}")),
                }
                continue;
            }
            Ok(Some(ResponseEvent::End(fields))) => match fields.is_empty() {
                true => "end".into(),
                false => format!("end {fields:?}"),
            },
            Ok(Some(ResponseEvent::Closed)) => "closed".into(),
            Err(rejection) => {
                assert_eq!(http.next_event().unwrap_err(), rejection, "the same again");
                log.push(format!("{:?} {}", rejection.rule, rejection.offset));
                return false;
            }
        };
        log.push(text);
    };
    for piece in pieces {
        if !piece.is_empty() {
            let taken = http.received(piece);
            assert!(taken == piece.len() || http.is_switched());
        }
        if !events(http) {
            return log;
        }
    }
    match after {
        After::More => return log,
        After::Eof => http.eof(),
        After::Cut => http.cut(),
    }
    events(http);
    log
}

/// The log of a client that sent these requests, whatever the cut.
#[track_caller]
fn answered(
    config: &ClientConnectionConfig,
    requests: &[(&'static str, Option<&str>)],
    bytes: &str,
    after: After,
) -> Vec<String> {
    let bytes = bytes.as_bytes();
    let whole = log(&mut asking(config, requests), &[bytes], after);
    for at in 0..=bytes.len() {
        let pieces = [&bytes[..at], &bytes[at..]];
        assert_eq!(log(&mut asking(config, requests), &pieces, after), whole, "cut at {at}");
    }
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(log(&mut asking(config, requests), &each, after), whole, "byte by byte");
    whole
}

#[track_caller]
fn get(bytes: &str, after: After, expected: &[&str]) {
    let log = answered(&ClientConnectionConfig::default(), &[("GET", None)], bytes, after);
    assert_eq!(log, expected, "{bytes:?}");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn a_request_is_written_in_one_way() {
    let sent = |method, target, length, options: RequestOptions<'_>| {
        let mut http = client();
        let line = RequestLine::new(method, target, "a:81").unwrap();
        let headers = Headers::try_from([("Accept", "*/*")]).unwrap();
        http.request(&line, &headers, length, &options).unwrap();
        String::from_utf8(http.take_outgoing()).unwrap()
    };
    let none = RequestOptions::default();
    let (zero, two) = (BodyLength::Exactly(0), BodyLength::Exactly(2));
    let rest = "Accept: */*\r\n";
    assert_eq!(
        sent("GET", "/b?c", zero, none),
        format!("GET /b?c HTTP/1.1\r\nHost: a:81\r\n{rest}\r\n")
    );
    assert_eq!(
        sent("POST", "/", zero, none),
        format!("POST / HTTP/1.1\r\nHost: a:81\r\n{rest}Content-Length: 0\r\n\r\n")
    );
    assert_eq!(
        sent("POST", "/", BodyLength::Unknown, RequestOptions { close: true, ..none }),
        format!(
            "POST / HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\n{rest}Transfer-Encoding: chunked\r\n\r\n"
        )
    );
    let both = RequestOptions { expects_continue: true, upgrade: Some("a/1, b"), close: true };
    assert_eq!(
        sent("PUT", "/", two, both),
        format!(
            "PUT / HTTP/1.1\r\nHost: a:81\r\nConnection: close, upgrade\r\nUpgrade: a/1, b\r\n\
            Expect: 100-continue\r\n{rest}Content-Length: 2\r\n\r\n"
        )
    );
    // A target with an authority names the host itself (RFC 9112, 3.2.2 and 3.2.3).
    assert!(
        sent("GET", "http://x/y", zero, none).starts_with("GET http://x/y HTTP/1.1\r\nHost: x\r\n")
    );
    assert!(
        sent("CONNECT", "x:1", zero, none).starts_with("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n")
    );
    // What is not sent needs no promise.
    let expects = RequestOptions { expects_continue: true, ..none };
    assert!(!sent("GET", "/", zero, expects).contains("Expect"));
}

#[test]
fn a_body_is_as_long_as_announced() {
    let mut http = client();
    let none = RequestOptions::default();
    http.request(&line("POST"), &Headers::new(), BodyLength::Exactly(3), &none).unwrap();
    http.take_outgoing();
    assert_eq!(http.data(b"abcd"), Err(LocalProtocolError::TooLong(3)));
    http.data(b"ab").unwrap();
    assert_eq!(http.end(&Headers::new()), Err(LocalProtocolError::TooShort(1)));
    http.data_bytes(Bytes::from_static(b"c")).unwrap();
    let trailers = Headers::try_from([("A", "b")]).unwrap();
    assert_eq!(http.end(&trailers), Err(LocalProtocolError::TrailersForbidden));
    http.end(&Headers::new()).unwrap();
    assert_eq!(http.take_outgoing(), b"abc");
    assert!(matches!(http.data(b"x"), Err(LocalProtocolError::Order(_))));

    let mut http = client();
    http.request(&line("POST"), &Headers::new(), BodyLength::Unknown, &none).unwrap();
    http.take_outgoing();
    http.data(b"abc").unwrap();
    http.data(b"").unwrap();
    http.end(&trailers).unwrap();
    assert_eq!(http.take_outgoing(), b"3\r\nabc\r\n0\r\nA: b\r\n\r\n");
}

#[test]
fn a_command_that_is_not_allowed_sends_nothing() {
    let none = RequestOptions::default();
    let mut http = client();
    for name in
        ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE"]
    {
        let headers = Headers::try_from([(name, "1")]).unwrap();
        let refused = http.request_whole(&line("GET"), &headers, b"", &none);
        assert_eq!(refused, Err(LocalProtocolError::FramingField), "{name}");
    }
    for protocols in ["", "a,", "a b", "a//b", "a\r\nB: c"] {
        let options = RequestOptions { upgrade: Some(protocols), ..none };
        let refused = http.request_whole(&line("GET"), &Headers::new(), b"", &options);
        assert_eq!(refused, Err(LocalProtocolError::Protocol), "{protocols:?}");
    }
    for method in ["CONNECT", "TRACE"] {
        let refused = http.request_whole(&line(method), &Headers::new(), b"x", &none);
        assert_eq!(refused, Err(LocalProtocolError::MethodForbidsContent));
    }
    assert!(matches!(http.data(b"x"), Err(LocalProtocolError::Order(_))));
    assert!(matches!(http.end(&Headers::new()), Err(LocalProtocolError::Order(_))));
    assert!(http.is_idle());
    assert_eq!(http.take_outgoing(), b"");
    http.request_whole(&line("GET"), &Headers::new(), b"", &none).unwrap();
    let second = http.request_whole(&line("GET"), &Headers::new(), b"", &none);
    assert!(matches!(second, Err(LocalProtocolError::Order(_))));
}

#[test]
fn a_response_is_read_to_its_end() {
    get(OK, After::More, &["=200", ":hi", "end"]);
    get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", After::More, &["=200", "end"]);
    get("HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n", After::More, &["=304", "end"]);
    get("HTTP/1.1 204 \r\n\r\n", After::Eof, &["=204", "end", "closed"]);
    get(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
        After::More,
        &["=200", ":hi", "end {\"A\": \"b\"}"],
    );
    get(
        "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        After::More,
        &["100", "103", "=200", "end"],
    );
    let head = answered(
        &ClientConnectionConfig::default(),
        &[("HEAD", None)],
        "HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n",
        After::More,
    );
    assert_eq!(head, ["=200", "end"]);
}

/// RFC 9112, 8: only an orderly end of the stream ends a body that it delimits.
#[test]
fn a_body_until_the_end_of_the_stream_is_told_from_one_that_is_cut() {
    let text = "HTTP/1.1 200 OK\r\n\r\nhi";
    get(text, After::More, &["=200", ":hi"]);
    get(text, After::Eof, &["=200", ":hi", "end"]);
    get(text, After::Cut, &["=200", ":hi", "BodyIncomplete 21"]);
    get(&OK[..OK.len() - 1], After::Eof, &["=200", ":h", "BodyIncomplete 39"]);
    get(&OK[..20], After::Eof, &["HeadIncomplete 20"]);
    get("", After::Eof, &["ResponseMissing 0"]);
    get("HTTP/1.1 100 \r\n\r\n", After::Cut, &["100", "ResponseMissing 17"]);
    get(OK, After::Cut, &["=200", ":hi", "end", "closed"]);
}

/// RFC 9112, 9.2: the answer before them is sound.
#[test]
fn bytes_that_answer_no_request_are_refused() {
    get(&format!("{OK}x"), After::More, &["=200", ":hi", "end", "ResponseUnrequested 40"]);
    get(&format!("{OK}{OK}"), After::More, &["=200", ":hi", "end", "ResponseUnrequested 40"]);
    let before = answered(&ClientConnectionConfig::default(), &[], OK, After::More);
    assert_eq!(before, ["ResponseUnrequested 0"]);
    // The connection is closed after such a response, whatever follows it.
    let closing = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{}x", &OK[17..]);
    get(&closing, After::More, &["=200", ":hi", "end"]);
}

#[test]
fn what_a_response_says_decides_about_the_next_request() {
    for (head, persists) in [
        ("HTTP/1.1 200 OK", true),
        ("HTTP/1.1 200 OK\r\nConnection: close", false),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive, Close", false),
        ("HTTP/1.0 200 OK", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive", true),
    ] {
        let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
        log(&mut http, &[format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes()], After::More);
        assert_eq!((http.is_idle(), http.must_close()), (persists, !persists), "{head:?}");
    }
    let mut http = client();
    let last = RequestOptions { close: true, ..RequestOptions::default() };
    http.request_whole(&line("GET"), &Headers::new(), b"", &last).unwrap();
    log(&mut http, &[OK.as_bytes()], After::More);
    assert!(http.must_close());
}

#[test]
fn a_switch_needs_a_request_for_it() {
    let config = ClientConnectionConfig::default();
    let switch = "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nxyz";
    let asked = Some("h2c, websocket");
    assert_eq!(answered(&config, &[("GET", asked)], switch, After::More), ["!101"]);
    let mut http = asking(&config, &[("GET", asked)]);
    log(&mut http, &[switch.as_bytes()], After::More);
    assert!(http.is_switched());
    assert_eq!(http.take_input(), b"xyz"[..]);

    let len = switch.len() - 3;
    let refused = format!("SwitchUnrequested {len}");
    assert_eq!(answered(&config, &[("GET", None)], switch, After::More), [&*refused]);
    assert_eq!(answered(&config, &[("GET", Some("h2c"))], switch, After::More), [&*refused]);
    let none = "HTTP/1.1 101 \r\n\r\n";
    assert_eq!(answered(&config, &[("GET", asked)], none, After::More), ["SwitchUnrequested 17"]);
    let other = answered(&config, &[("GET", asked)], OK, After::More);
    assert_eq!(other, ["=200", ":hi", "end"]);

    let tunnel = "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nxyz";
    assert_eq!(answered(&config, &[("CONNECT", None)], tunnel, After::More), ["!200"]);
    let refusal = "HTTP/1.1 407 \r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(
        answered(&config, &[("CONNECT", None)], refusal, After::More),
        ["=407", ":no", "end"]
    );
}

/// RFC 9110, 7.8.
#[test]
fn a_switch_before_the_whole_request_is_refused() {
    let asking = |length| {
        let mut http = client();
        let options = RequestOptions { upgrade: Some("a"), ..RequestOptions::default() };
        http.request(&line("POST"), &Headers::new(), length, &options).unwrap();
        http
    };
    let switch: &[&[u8]] = &[b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"];
    for length in [BodyLength::Exactly(1), BodyLength::Unknown] {
        assert_eq!(log(&mut asking(length), switch, After::More), ["SwitchUnrequested 50"]);
    }
    // It is whole with its last byte, though the caller has not ended it.
    let mut http = asking(BodyLength::Exactly(1));
    http.data(b"x").unwrap();
    assert_eq!(log(&mut http, switch, After::More), ["!101"]);
    assert!(http.is_switched() && !http.is_sending());
    let trailers = Headers::try_from([("A", "b")]).unwrap();
    assert!(http.data(b"x").is_err() && http.end(&trailers).is_err());
    http.end(&Headers::new()).unwrap();
    assert!(http.end(&Headers::new()).is_err(), "once");
}

#[test]
fn an_expectation_ends_with_continue_or_an_answer() {
    let expecting = || {
        let mut http = client();
        let options = RequestOptions { expects_continue: true, ..RequestOptions::default() };
        http.request(&line("POST"), &Headers::new(), BodyLength::Exactly(1), &options).unwrap();
        assert!(http.awaits_continue() && http.is_sending());
        http
    };
    let mut http = expecting();
    assert_eq!(log(&mut http, &[b"HTTP/1.1 100 \r\n\r\n"], After::More), ["100"]);
    assert!(!http.awaits_continue());
    http.data(b"x").unwrap();
    http.end(&Headers::new()).unwrap();
    assert_eq!(log(&mut http, &[OK.as_bytes()], After::More), ["=200", ":hi", "end"]);
    assert!(http.is_idle());

    // An answer instead: the body is not sent, and so the connection ends.
    let mut http = expecting();
    log(&mut http, &[b"HTTP/1.1 417 \r\nContent-Length: 0\r\n\r\n"], After::More);
    assert!(!http.awaits_continue() && http.is_sending() && !http.must_close());
    http.give_up();
    assert!(http.must_close());

    // Or it is sent nevertheless.
    let mut http = expecting();
    log(&mut http, &[b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"], After::More);
    http.data(b"x").unwrap();
    http.end(&Headers::new()).unwrap();
    assert!(http.is_idle());
}

#[test]
fn limits_hold_to_the_byte() {
    let limited = |body, bytes: &str| {
        let limits = ResponseLimits { body, informational: 1, ..ResponseLimits::default() };
        let config = ClientConnectionConfig { limits, ..ClientConnectionConfig::default() };
        answered(&config, &[("GET", None)], bytes, After::More)
    };
    assert_eq!(limited(2, OK), ["=200", ":hi", "end"]);
    assert_eq!(limited(1, OK), ["BodyTooLarge 38"]);
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhi";
    assert_eq!(limited(2, until_close), ["=200", ":hi"]);
    assert_eq!(limited(1, until_close), ["=200", ":h", "BodyTooLarge 20"]);
    let interim = "HTTP/1.1 102 \r\n\r\n";
    assert_eq!(limited(2, interim), ["102"]);
    assert_eq!(limited(2, &format!("{interim}{interim}")), ["102", "TooManyInformational 34"]);
}

/// RFC 9112, 9.3.2.
#[test]
fn idempotent_requests_may_be_sent_ahead() {
    let config = ClientConnectionConfig { pipelined: 3, ..ClientConnectionConfig::default() };
    let three = [("GET", None), ("HEAD", None), ("GET", None)];
    let head = "HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n";
    let log = answered(&config, &three, &format!("{OK}{head}{OK}"), After::Eof);
    assert_eq!(log, ["=200", ":hi", "end", "=200", "end", "=200", ":hi", "end", "closed"]);

    let mut http = asking(&config, &three);
    assert_eq!(http.unanswered(), 3);
    let none = RequestOptions::default();
    let fourth = http.request_whole(&line("GET"), &Headers::new(), b"", &none);
    assert!(matches!(fourth, Err(LocalProtocolError::Order(_))));
    self::log(&mut http, &[OK.as_bytes()], After::More);
    assert_eq!(http.unanswered(), 2);
    http.request_whole(&line("GET"), &Headers::new(), b"", &none).unwrap();
    // The server closes: what is unanswered is known.
    let closing = b"HTTP/1.1 200 \r\nConnection: close\r\n\r\n";
    self::log(&mut http, &[closing], After::Eof);
    assert!(http.must_close());
    assert_eq!(http.unanswered(), 2);

    for (first, second, close) in [
        ("POST", "GET", false),
        ("GET", "POST", false),
        ("GET", "CONNECT", false),
        ("GET", "GET", true),
    ] {
        let mut http = ClientConnection::new(config.clone());
        let options = RequestOptions { close, ..none };
        http.request_whole(&line(first), &Headers::new(), b"", &options).unwrap();
        let refused = http.request_whole(&line(second), &Headers::new(), b"", &none);
        assert!(matches!(refused, Err(LocalProtocolError::Order(_))), "{first} {second}");
    }
}

#[test]
fn an_idle_connection_has_no_memory() {
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    http.take_outgoing();
    let cut = OK.len() - 5;
    log(&mut http, &[&OK.as_bytes()[..cut], &OK.as_bytes()[cut..]], After::More);
    assert!(http.is_idle());
    assert_eq!((http.held(), http.queued()), (0, 0));
}

#[test]
fn it_is_send_and_shown_without_secrets() {
    fn is_send<T: Send>(_: &T) {}
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    is_send(&http);
    assert!(format!("{http:?}").contains("unanswered: 1"));
    log(&mut http, &[b"HTTP/1.1 200 \r\nSet-Cookie: secret\r\n\r\n"], After::More);
    assert!(!format!("{http:?}").contains("secret"));
    assert_eq!(Status::OK.to_string(), "200 OK");
}
