mod limits;
mod responses;

use super::super::local_error::LocalProtocolError;
use super::*;
use crate::buf::{Blocks, Pipeline};
use crate::http1::message::BodyLength;
use crate::http1::message::{HeadCache, MessageOutput, OutgoingHead};
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{FieldSpans, Headers, HttpDate, Status};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A connection, what it sent, and a log of its events as text.
struct Session {
    connection: SharedServerConnection,
    blocks: Blocks,
    pipeline: Pipeline,
    log: Vec<String>,
    answer: fn(&mut Session, &str),
    target: String,
}

/// Answers a request when it is complete, with its target.
fn when_complete(ctx: &mut Session, what: &str) {
    if what == "complete" {
        let body = ctx.target.clone();
        ctx.respond(Status::OK, BodyLength::Exactly(body.len() as u64)).unwrap();
        ctx.command(|connection, out| connection.data(body.as_bytes(), out)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
}

/// Answers as soon as the head has arrived, and reads no body.
fn at_once(ctx: &mut Session, what: &str) {
    if what == "head" {
        ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
}

fn never(_: &mut Session, _: &str) {}

impl Session {
    fn new(config: ConnectionConfig, answer: fn(&mut Session, &str)) -> Self {
        Session {
            connection: SharedServerConnection::new(Arc::new(config)),
            blocks: Blocks::new(),
            pipeline: Pipeline::new(),
            log: Vec::new(),
            answer,
            target: String::new(),
        }
    }

    fn command<R>(
        &mut self,
        f: impl FnOnce(&mut SharedServerConnection, &mut MessageOutput<'_>) -> R,
    ) -> R {
        f(&mut self.connection, &mut MessageOutput::new(&mut self.pipeline, &mut self.blocks))
    }

    fn respond(&mut self, status: Status, length: BodyLength) -> Result<(), LocalProtocolError> {
        self.command(|connection, out| {
            connection.respond(status, &Headers::new(), length, None, out)
        })
    }

    fn record(&mut self, what: String) {
        // Consecutive data are joined, however they were split.
        match self.log.last_mut() {
            Some(last) if last.starts_with("data ") && what.starts_with("data ") => {
                last.push_str(&what["data ".len()..]);
            }
            _ => self.log.push(what),
        }
    }

    /// Feeds all bytes, first those before each cut. Returns how many were not taken.
    fn feed(&mut self, bytes: &[u8], cuts: &[usize]) -> usize {
        let mut spans = FieldSpans::new();
        let mut from = 0;
        for &end in cuts.iter().chain([&bytes.len()]) {
            loop {
                let received =
                    self.connection.receive(&bytes[from..end], &mut spans, &mut self.blocks);
                let (taken, event) = match received {
                    Ok(received) => received,
                    Err(rejection) => {
                        self.log.push(rejection.to_string());
                        self.command(|connection, out| connection.reject(None, out));
                        return 0;
                    }
                };
                from += taken;
                let Some(event) = event else { break };
                let (entry, what) = match event {
                    Received::Request(head) => {
                        self.target = head.target_text().to_string();
                        (format!("{} {}", head.method(), head.target_text()), "head")
                    }
                    Received::Data(data) => (format!("data {}", data.escape_ascii()), "data"),
                    Received::End(trailers) => (format!("end {trailers:?}"), "complete"),
                };
                let answer = self.answer;
                self.record(entry);
                answer(self, what);
                if what == "head" && self.connection.request_is_complete() {
                    answer(self, "complete");
                }
            }
        }
        bytes.len() - from
    }

    fn eof(&mut self) {
        if let Err(rejection) = self.connection.eof() {
            self.log.push(rejection.to_string());
            self.command(|connection, out| connection.reject(None, out));
        }
    }

    fn sent(&mut self) -> String {
        let mut slices = [&[][..]; 64];
        let n = self.pipeline.slices(&mut slices);
        String::from_utf8(slices[..n].concat()).unwrap()
    }
}

/// The events and the output, checked to be the same for the whole input, every two-way cut, and
/// byte by byte.
#[track_caller]
fn converse(
    input: &str,
    config: &ConnectionConfig,
    answer: fn(&mut Session, &str),
) -> (Vec<String>, String, bool) {
    let run = |cuts: &[usize]| {
        let mut ctx = Session::new(config.clone(), answer);
        let left = ctx.feed(input.as_bytes(), cuts);
        if left == 0 && ctx.connection.rejection().is_none() {
            ctx.eof();
        }
        (ctx.log.clone(), ctx.sent(), ctx.connection.must_close())
    };
    let whole = run(&[]);
    for at in 0..=input.len() {
        assert_eq!(run(&[at]), whole, "cut at {at}");
    }
    let each: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(run(&each), whole, "byte by byte");
    whole
}

fn plain(input: &str, answer: fn(&mut Session, &str)) -> (Vec<String>, String) {
    let (log, sent, _) = converse(input, &ConnectionConfig::default(), answer);
    (log, sent)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: ";

#[test]
fn a_request_is_answered_and_the_next_one_is_read() {
    let (log, sent) = plain(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /bc HTTP/1.1\r\nHost: x\r\n\r\n",
        when_complete,
    );
    assert_eq!(log, ["GET /a", "GET /bc"]);
    assert_eq!(sent, format!("{OK}2\r\n\r\n/a{OK}3\r\n\r\n/bc"));
}

#[test]
fn a_body_is_handed_out_where_it_lies_and_ends() {
    let (log, sent) = plain(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        when_complete,
    );
    assert_eq!(log, ["POST /a", "data hello", "end {}", "GET /b"]);
    assert_eq!(sent, format!("{OK}2\r\n\r\n/a{OK}2\r\n\r\n/b"));
}

#[test]
fn chunks_are_joined_and_trailers_come_with_the_end() {
    let (log, _) = plain(
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nDigest: y\r\nAuthorization: z\r\n\r\n\
         GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        when_complete,
    );
    assert_eq!(
        log,
        [
            "POST /a",
            "data hello world",
            "end {\"Digest\": \"y\", \"Authorization\": (redacted)}",
            "GET /b"
        ]
    );
}

#[test]
fn an_empty_body_of_a_stated_length_is_complete_with_the_head() {
    let (log, _) = plain(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        when_complete,
    );
    assert_eq!(log, ["POST /a", "GET /b"]);
}

#[test]
fn the_next_request_is_not_read_before_the_response_is_sent() {
    let input = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    assert_eq!(ctx.feed(input.as_bytes(), &[]), input.len() / 2);
    assert_eq!(ctx.log, ["GET /a"]);
    assert!(!ctx.connection.is_idle());
}

#[test]
fn whether_the_connection_is_kept_is_asked_by_the_client() {
    let keeps = |head: &str| {
        let (_, sent, closes) = converse(
            &format!("{head}\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n"),
            &ConnectionConfig::default(),
            when_complete,
        );
        // The end of the stream closes the connection in any case; what matters is whether the next
        // request was read.
        assert!(closes || sent.contains("/next"));
        let says = (sent.contains("Connection: close"), sent.contains("Connection: keep-alive"));
        (sent.contains("/next"), says)
    };
    assert_eq!(keeps("GET / HTTP/1.1\r\nHost: x"), (true, (false, false)));
    assert_eq!(keeps("GET / HTTP/1.1\r\nHost: x\r\nConnection: close"), (false, (true, false)));
    assert_eq!(keeps("GET / HTTP/1.0"), (false, (true, false)));
    assert_eq!(keeps("GET / HTTP/1.0\r\nConnection: keep-alive"), (true, (false, true)));
    assert_eq!(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close"), (false, (true, false)));
}

#[test]
fn the_last_response_of_a_connection_has_connection_close() {
    let limits = Limits { requests: 2, ..Limits::default() };
    let request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let (log, sent, closes) = converse(
        &request.repeat(3),
        &ConnectionConfig { limits, ..ConnectionConfig::default() },
        when_complete,
    );
    assert_eq!(log, ["GET /a", "GET /a"]);
    assert_eq!(sent.matches("Connection: close").count(), 1);
    assert!(closes);
}

#[test]
fn an_unread_body_is_drained_within_the_limit() {
    let limits = Limits { drain: 5, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    let next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = |n: usize| {
        format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {n}\r\n\r\n{}{next}", "x".repeat(n))
    };
    let (log, sent, _) = converse(&length(5), &config, at_once);
    assert_eq!(log, ["POST /a", "GET /next"]);
    assert!(!sent.contains("close"));
    let (log, sent, closes) = converse(&length(6), &config, at_once);
    assert_eq!(log, ["POST /a"]);
    assert!(sent.contains("Connection: close") && closes);

    let chunked = |data: &str| {
        format!(
            "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{data}\r\n\
             0\r\nA: b\r\n\r\n{next}",
            data.len()
        )
    };
    let (log, ..) = converse(&chunked("hello"), &config, at_once);
    assert_eq!(log, ["POST /a", "GET /next"]);
    let (log, _, closes) = converse(&chunked("hello!"), &config, at_once);
    assert_eq!(log, ["POST /a"]);
    assert!(closes);
}

#[test]
fn after_a_violation_is_answered_parsing_stops() {
    let (log, sent, closes) = converse(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
        &ConnectionConfig::default(),
        when_complete,
    );
    let entry = "at byte 47: no Host in a request of HTTP/1.1 (RFC 9112, 3.2)";
    assert_eq!(log, ["GET /a", entry]);
    let body = format!("{entry}\n");
    assert!(sent.ends_with(&format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )));
    assert!(closes);
}

/// However the bytes before it were split.
#[test]
fn a_violation_is_placed_in_bytes_since_the_stream_began() {
    let head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let (log, ..) =
        converse(&format!("{head}A: b\r\nC d\r\n"), &ConnectionConfig::default(), when_complete);
    let entry = format!("at byte {}: a field name that is not a token", head.len() + 7);
    assert!(log[1].starts_with(&entry), "{log:?}");
    let (log, ..) = converse(
        &format!("{head}A: b\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
        &ConnectionConfig::default(),
        when_complete,
    );
    let entry = format!("at byte {}: no Host", head.len() + 27);
    assert!(log[2].starts_with(&entry), "{log:?}");
}

/// Each is followed by a request, which must not be read: if framing is in doubt, nothing can be
/// smuggled.
#[test]
fn what_breaks_the_protocol_gets_its_status_and_the_connection_closes() {
    let limits = Limits { request_line: 60, header_bytes: 120, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    let long = "a".repeat(120);
    for (head, status) in [
        ("\x16\x03\x01\x02", 400),
        ("G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: x/y\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), 431),
    ] {
        let input = format!("{head}GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
        let (log, sent, closes) = converse(&input, &config, when_complete);
        assert_eq!(log.len(), 1, "{head:?}: {log:?}");
        let answers = sent.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count();
        assert_eq!(answers, 1, "{head:?}: {sent}");
        assert!(sent.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {sent}");
        assert!(sent.contains("\r\nConnection: close\r\n") && closes, "{head:?}: {sent}");
    }
}

/// RFC 9110, 9.3.2: HEAD is answered without content. The request before it does not matter.
#[test]
fn a_head_that_is_refused_is_answered_as_its_own_method_asks() {
    let (good, bad) = (" / HTTP/1.1\r\nHost: x\r\n\r\n", " / HTTP/1.1\r\n\r\n");
    let answer = |first: &str, then: &str| {
        let sent = plain(&format!("{first}{good}\r\n{then}{bad}"), when_complete).1;
        sent.split_once("HTTP/1.1 400 ").unwrap().1.to_string()
    };
    for first in ["GET", "HEAD"] {
        let get = answer(first, "GET");
        assert!(get.ends_with("no Host in a request of HTTP/1.1 (RFC 9112, 3.2)\n"), "{get}");
        let head = answer(first, "HEAD");
        assert!(head.ends_with("\r\n\r\n") && head.contains("\r\nContent-Length: 6"), "{head}");
    }
    let late = |input: &[u8]| {
        let mut ctx = Session::new(ConnectionConfig::default(), when_complete);
        ctx.feed(input, &[]);
        assert!(ctx.connection.timed_out().is_some());
        ctx.command(|connection, out| connection.reject(None, out));
        ctx.sent()
    };
    assert!(late(b"HEAD / HTTP/1.1\r\nHo").ends_with("\r\n\r\n"));
    assert!(late(format!("HEAD{good}GET /").as_bytes()).ends_with("\n"));
    assert!(!late(format!("HEAD{good}GET /").as_bytes()).ends_with("\r\n\r\n"));
}

#[test]
fn the_same_rejection_comes_again() {
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    let mut spans = FieldSpans::new();
    let mut receive = |bytes: &[u8]| {
        ctx.connection.receive(bytes, &mut spans, &mut ctx.blocks).map(|_| ()).unwrap_err()
    };
    let first = receive(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), first);
    assert_eq!(ctx.connection.eof(), Err(first));
}

#[test]
fn the_end_of_the_stream_within_a_message_is_a_violation() {
    for (input, rule) in [
        ("GET / HT", Some(Rule::HeadIncomplete)),
        ("\r\n\r\nG", Some(Rule::HeadIncomplete)),
        ("\r\n", None),
        ("", None),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", Some(Rule::BodyIncomplete)),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
            Some(Rule::BodyIncomplete),
        ),
    ] {
        let mut ctx = Session::new(ConnectionConfig::default(), when_complete);
        ctx.feed(input.as_bytes(), &[]);
        ctx.eof();
        let rejection = ctx.connection.rejection();
        assert_eq!(rejection.map(|rejection| rejection.rule), rule, "{input:?}");
        assert!(ctx.connection.must_close(), "{input:?}");
        let client = if rule.is_some() { ClientState::Failed } else { ClientState::Closed };
        assert_eq!(ctx.connection.state().client, client, "{input:?}");
    }
}

#[test]
fn what_a_service_asks_for_is_refused_without() {
    let config = ConnectionConfig {
        require_http11: true,
        require_length: true,
        ..ConnectionConfig::default()
    };
    let refused = |input: &str| converse(input, &config, when_complete).1;
    let sent = refused("GET / HTTP/1.0\r\n\r\n");
    assert!(sent.starts_with(
        "HTTP/1.1 426 Upgrade Required\r\nConnection: close, upgrade\r\nUpgrade: HTTP/1.1\r\n"
    ));
    let sent = refused("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(sent.starts_with("HTTP/1.1 411 Length Required\r\n"));
    let sent = refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(sent.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_body_beyond_the_limit_is_refused_to_the_byte() {
    let limits = Limits { body: 5, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    let length = |n| format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {n}\r\n\r\nhello!");
    assert!(converse(&length(5), &config, when_complete).1.starts_with("HTTP/1.1 200"));
    assert!(converse(&length(6), &config, when_complete).1.starts_with("HTTP/1.1 413"));
    let chunked = |chunks| {
        format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    let sent = converse(&chunked("4\r\nhell\r\n1\r\no\r\n"), &config, when_complete).1;
    assert!(sent.starts_with("HTTP/1.1 200"));
    let sent = converse(&chunked("4\r\nhell\r\n2\r\no!\r\n"), &config, when_complete).1;
    assert!(sent.starts_with("HTTP/1.1 413"));
}
