use super::*;
use crate::buf::{Blocks, Pipeline};
use crate::http1::message::BodyLength;
use crate::http1::message::{HeadCache, MessageOutput, ResponseHead};
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{FieldSpans, Headers, HttpDate, Status};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A connection, what it sent, and what it said, in words.
struct MachineCtx {
    connection: SharedServerConnection,
    blocks: Blocks,
    pipeline: Pipeline,
    log: Vec<String>,
    answer: fn(&mut MachineCtx, &str),
    target: String,
}

/// Answers a request when it is complete, with its method and target.
fn when_complete(ctx: &mut MachineCtx, what: &str) {
    if what == "complete" {
        let body = ctx.target.clone();
        ctx.respond(Status::OK, BodyLength::Exactly(body.len() as u64)).unwrap();
        ctx.command(|connection, out| connection.data(body.as_bytes(), out)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
}

/// Answers as soon as the head is there, and reads no body.
fn at_once(ctx: &mut MachineCtx, what: &str) {
    if what == "head" {
        ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
}

fn never(_: &mut MachineCtx, _: &str) {}

impl MachineCtx {
    fn new(config: ConnectionConfig, answer: fn(&mut MachineCtx, &str)) -> Self {
        MachineCtx {
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

    fn say(&mut self, what: String) {
        // Data that follows data is one piece, however it was cut.
        match self.log.last_mut() {
            Some(last) if last.starts_with("data ") && what.starts_with("data ") => {
                last.push_str(&what["data ".len()..]);
            }
            _ => self.log.push(what),
        }
    }

    /// Gives it all bytes, those before each cut first. Returns how many it did not take.
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
                let (said, what) = match event {
                    Received::Request(head) => {
                        self.target = head.target_text().to_string();
                        (format!("{} {}", head.method(), head.target_text()), "head")
                    }
                    Received::Data(data) => (format!("data {}", data.escape_ascii()), "data"),
                    Received::End(trailers) => (format!("end {trailers:?}"), "complete"),
                };
                let answer = self.answer;
                self.say(said);
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

/// What is said and sent, whole; checked to be the same at every two-way cut and byte by byte.
#[track_caller]
fn converse(
    input: &str,
    config: &ConnectionConfig,
    answer: fn(&mut MachineCtx, &str),
) -> (Vec<String>, String, bool) {
    let run = |cuts: &[usize]| {
        let mut ctx = MachineCtx::new(config.clone(), answer);
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

fn plain(input: &str, answer: fn(&mut MachineCtx, &str)) -> (Vec<String>, String) {
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
fn nothing_more_is_read_while_an_answer_is_owed() {
    let input = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
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
        // The end of the stream closes it in the end; what matters is whether the next was read.
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
fn the_last_request_of_a_connection_is_told_so() {
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
fn a_body_that_nobody_reads_is_drained_within_the_limit() {
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
fn a_violation_is_answered_and_nothing_more_is_parsed() {
    let (log, sent, closes) = converse(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
        &ConnectionConfig::default(),
        when_complete,
    );
    let said = "at byte 47: no Host in a request of HTTP/1.1 (RFC 9112, 3.2)";
    assert_eq!(log, ["GET /a", said]);
    let body = format!("{said}\n");
    assert!(sent.ends_with(&format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )));
    assert!(closes);
}

/// Whatever came in pieces before it.
#[test]
fn a_violation_is_placed_in_bytes_since_the_stream_began() {
    let head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let (log, ..) =
        converse(&format!("{head}A: b\r\nC d\r\n"), &ConnectionConfig::default(), when_complete);
    let said = format!("at byte {}: a field name that is not a token", head.len() + 7);
    assert!(log[1].starts_with(&said), "{log:?}");
    let (log, ..) = converse(
        &format!("{head}A: b\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
        &ConnectionConfig::default(),
        when_complete,
    );
    let said = format!("at byte {}: no Host", head.len() + 27);
    assert!(log[2].starts_with(&said), "{log:?}");
}

/// Each with a request behind it, which is not read: whatever framing was in doubt, nothing can be
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

/// RFC 9110, 9.3.2: HEAD is answered without content. What the request before it was does not
/// matter.
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
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), when_complete);
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
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
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
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), when_complete);
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

/// Answers with whatever the target asks for: `/STATUS/LENGTH`, `/200/chunked`.
fn as_asked(ctx: &mut MachineCtx, what: &str) {
    if what != "complete" {
        return;
    }
    let target = ctx.target.clone();
    let mut parts = target.split('/').skip(1);
    let status = Status::new(parts.next().unwrap().parse().unwrap()).unwrap();
    let length = match parts.next().unwrap().parse() {
        Ok(n) => BodyLength::Exactly(n),
        Err(_) => BodyLength::Unknown,
    };
    ctx.respond(status, length).unwrap();
    ctx.command(|connection, out| connection.data(b"hel", out)).ok();
    ctx.command(|connection, out| connection.data(b"", out)).ok();
    ctx.command(|connection, out| connection.data(b"lo", out)).ok();
    let mut trailers = Headers::new();
    if length == BodyLength::Unknown {
        trailers.add("Digest", "x").unwrap();
    }
    ctx.command(|connection, out| connection.end(&trailers, out)).unwrap();
}

#[test]
fn a_response_is_delimited_in_one_way() {
    let sent = |request: &str| plain(&format!("{request}\r\n\r\n"), as_asked).1;
    let http11 =
        |method: &str, target: &str| sent(&format!("{method} {target} HTTP/1.1\r\nHost: x"));
    assert_eq!(http11("GET", "/200/5"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(
        http11("GET", "/200/chunked"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nhel\r\n2\r\nlo\r\n0\r\nDigest: x\r\n\r\n"
    );
    assert_eq!(http11("HEAD", "/200/5"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(
        http11("HEAD", "/200/chunked"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(http11("GET", "/204/0"), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(http11("GET", "/205/0"), "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(http11("GET", "/304/0"), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_eq!(http11("GET", "/304/5"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(http11("GET", "/299/0"), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        sent("GET /200/chunked HTTP/1.0\r\nConnection: keep-alive"),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
    );
}

#[test]
fn a_command_that_is_refused_changes_nothing() {
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
    let mut framing = Headers::new();
    framing.add("Content-Length", "5").unwrap();
    let none = Headers::new();
    let before = ctx.connection.state();

    let respond = |ctx: &mut MachineCtx, status, headers: &Headers, n| {
        let length = BodyLength::Exactly(n);
        ctx.command(|connection, out| connection.respond(status, headers, length, None, out))
    };
    assert_eq!(respond(&mut ctx, Status::OK, &framing, 0), Err(LocalProtocolError::FramingField));
    assert_eq!(
        respond(&mut ctx, Status::CONTINUE, &none, 0),
        Err(LocalProtocolError::Status(Status::CONTINUE))
    );
    let refused = respond(&mut ctx, Status::NO_CONTENT, &none, 1);
    assert_eq!(refused, Err(LocalProtocolError::ContentForbidden(Status::NO_CONTENT)));
    let refused = ctx.command(|connection, out| connection.switch(&none, "x", None, out));
    assert_eq!(refused, Err(LocalProtocolError::Status(Status::SWITCHING_PROTOCOLS)));
    let refused = ctx.command(|connection, out| connection.data(b"x", out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    let refused = ctx.command(|connection, out| connection.end(&none, out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    assert_eq!(ctx.connection.state(), before);
    assert_eq!(ctx.sent(), "");

    respond(&mut ctx, Status::OK, &none, 3).unwrap();
    let refused = ctx.command(|connection, out| connection.data(b"four", out));
    assert_eq!(refused, Err(LocalProtocolError::TooLong(3)));
    let refused = ctx.command(|connection, out| connection.end(&none, out));
    assert_eq!(refused, Err(LocalProtocolError::TooShort(3)));
    ctx.command(|connection, out| connection.data(b"six", out)).unwrap();
    let mut trailers = Headers::new();
    trailers.add("Digest", "x").unwrap();
    let refused = ctx.command(|connection, out| connection.end(&trailers, out));
    assert_eq!(refused, Err(LocalProtocolError::TrailersForbidden));
    ctx.command(|connection, out| connection.end(&none, out)).unwrap();
    assert!(ctx.connection.is_idle());
    assert!(respond(&mut ctx, Status::OK, &none, 0).is_err());
    // What is left of the length of an answer that ended does not matter.
    let refused = ctx.command(|connection, out| connection.data(b"x", out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    let refused = ctx.command(|connection, out| connection.end(&trailers, out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    assert_eq!(ctx.sent(), format!("{OK}3\r\n\r\nsix"));
}

#[test]
fn a_misuse_says_what_is_wrong() {
    for (local_error, text) in [
        (
            LocalProtocolError::Status(Status::CONTINUE),
            "100 Continue cannot be sent by this command",
        ),
        (LocalProtocolError::ContentForbidden(Status::NO_CONTENT), "204 No Content has no body"),
        (LocalProtocolError::TooLong(3), "more data than announced: 3 bytes are left of that"),
        (LocalProtocolError::TrailersForbidden, "trailers need a chunked body"),
    ] {
        assert_eq!(local_error.to_string(), text);
    }
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    let early = ctx.respond(Status::OK, BodyLength::Unknown).unwrap_err();
    assert_eq!(early.to_string(), "not now: the client is Idle, the server is Idle");
}

/// RFC 9112, 6.1 and 6.2: no coding twice, none with a length, neither in 1xx and 204.
#[test]
fn framing_is_never_written_by_the_application() {
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    for name in ["Content-Length", "transfer-encoding", "Connection", "Keep-Alive", "TE"] {
        let mut fields = Headers::new();
        fields.add(name, "5").unwrap();
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        ctx.feed(head, &[]);
        let before = ctx.connection.state();
        let refused = [
            ctx.command(|c, out| c.inform(Status::EARLY_HINTS, &fields, out)),
            ctx.command(|c, out| c.switch(&fields, "echo", None, out)),
            ctx.command(|c, out| c.respond(Status::OK, &fields, BodyLength::Unknown, None, out)),
        ];
        assert_eq!(refused, [const { Err(LocalProtocolError::FramingField) }; 3], "{name}");
        assert_eq!((ctx.sent().as_str(), ctx.connection.state()), ("", before));
        ctx.respond(Status::OK, BodyLength::Unknown).unwrap();
        let refused = ctx.command(|connection, out| connection.end(&fields, out));
        assert_eq!(refused, Err(LocalProtocolError::FramingField), "{name}");
    }
}

#[test]
fn continue_is_sent_when_the_body_is_asked_for() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    ctx.feed(head, &[]);
    ctx.command(|connection, out| connection.ask_for_body(out));
    ctx.command(|connection, out| connection.ask_for_body(out));
    assert_eq!(ctx.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    ctx.feed(b"hi", &[]);
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    assert!(!ctx.sent().contains("close"));

    let mut refused = MachineCtx::new(ConnectionConfig::default(), never);
    refused.feed(head, &[]);
    refused.respond(Status::FORBIDDEN, BodyLength::Exactly(0)).unwrap();
    refused.command(|connection, out| connection.ask_for_body(out));
    assert!(refused.sent().contains("Connection: close"), "the next bytes may be a body");
    assert!(!refused.sent().contains("100"));
}

#[test]
fn interim_responses_come_before_the_final_one() {
    let early = |ctx: &mut MachineCtx| {
        let mut links = Headers::new();
        links.add("Link", "</a.css>; rel=preload").unwrap();
        ctx.command(|connection, out| connection.inform(Status::EARLY_HINTS, &links, out))
    };
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    assert!(matches!(early(&mut ctx), Err(LocalProtocolError::Order(_))));
    ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
    early(&mut ctx).unwrap();
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    assert!(early(&mut ctx).is_err());
    assert_eq!(
        ctx.sent(),
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n{OK}0\r\n\r\n")
    );
    let mut old = MachineCtx::new(ConnectionConfig::default(), never);
    old.feed(b"GET / HTTP/1.0\r\n\r\n", &[]);
    early(&mut old).unwrap();
    assert_eq!(old.sent(), "", "RFC 9110, 15.2");
    for status in [Status::OK, Status::NOT_FOUND, Status::SWITCHING_PROTOCOLS] {
        let refused = old.command(|c, out| c.inform(status, &Headers::new(), out));
        assert_eq!(refused, Err(LocalProtocolError::Status(status)));
    }
}

/// RFC 9110, 10.1.1: the client waits for that one alone, and once.
#[test]
fn only_100_tells_the_client_to_go_on() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    for (status, sent) in [
        (Status::CONTINUE, "HTTP/1.1 100 Continue\r\n\r\n"),
        (Status::EARLY_HINTS, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        ctx.feed(head, &[]);
        ctx.command(|connection, out| connection.inform(status, &Headers::new(), out)).unwrap();
        ctx.command(|connection, out| connection.ask_for_body(out));
        assert_eq!(ctx.sent(), sent);
    }
}

#[test]
fn what_follows_an_upgrade_is_left_for_the_new_protocol() {
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), |ctx, what| {
        if what == "complete" {
            ctx.command(|c, out| c.switch(&Headers::new(), "echo", None, out)).unwrap();
        }
    });
    let head =
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nnew words";
    assert_eq!(ctx.feed(head, &[]), b"new words".len());
    assert!(ctx.connection.is_switched());
    assert_eq!(
        ctx.sent(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    );
}

#[test]
fn a_protocol_that_was_not_asked_for_is_not_spoken() {
    let switch = |protocol: &str| {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\
                    Upgrade: chat/2, IRC/6.9\r\nUpgrade: echo\r\n\r\n";
        ctx.feed(head.as_bytes(), &[]);
        let switched = ctx.command(|c, out| c.switch(&Headers::new(), protocol, None, out));
        match switched {
            Ok(()) => Ok(ctx.sent()),
            Err(refused) => {
                assert_eq!((ctx.sent().as_str(), ctx.connection.is_switched()), ("", false));
                Err(refused)
            }
        }
    };
    for protocol in ["chat/2", "irc/6.9", "ECHO", "irc/6.9, echo"] {
        let sent = switch(protocol).unwrap();
        assert!(sent.contains(&format!("\r\nUpgrade: {protocol}\r\n")), "{sent}");
    }
    for protocol in ["", ",", "echo,", "chat", "chat/2/2", "h2c", "echo\r\nA: b", "echo, h2c"] {
        assert_eq!(switch(protocol), Err(LocalProtocolError::Protocol), "{protocol:?}");
    }
}

/// RFC 9110, 6.6.1.
#[test]
fn each_answer_has_the_date_once() {
    let date = HttpDate::from_unix(784_111_777);
    let line = format!("Date: {date}\r\n");
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    for own in ["", "Mon, 07 Nov 1994 08:49:37 GMT"] {
        let mut fields = Headers::new();
        if !own.is_empty() {
            fields.add("date", own).unwrap();
        }
        ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
        let length = BodyLength::Exactly(0);
        ctx.command(|c, out| c.respond(Status::OK, &fields, length, Some(&date), out)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
    let sent = ctx.sent();
    let head = "HTTP/1.1 200 OK\r\n";
    let own = "date: Mon, 07 Nov 1994 08:49:37 GMT\r\n";
    let rest = "Content-Length: 0\r\n\r\n";
    assert_eq!(sent, format!("{head}{line}{rest}{head}{own}{rest}"));

    let mut refused = MachineCtx::new(ConnectionConfig::default(), never);
    let mut spans = FieldSpans::new();
    refused.connection.receive(b"GET\r\n", &mut spans, &mut refused.blocks).unwrap_err();
    refused.command(|connection, out| connection.reject(Some(&date), out));
    assert_eq!(refused.sent().matches(&line).count(), 1);
}

/// RFC 9110, 7.8 and 15.5.22.
#[test]
fn what_else_is_spoken_may_be_said_and_426_says_it() {
    let respond = |request: &[u8], status, upgrade: Option<&str>| {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        ctx.feed(request, &[]);
        let mut fields = Headers::new();
        upgrade.into_iter().for_each(|protocol| fields.add("upgrade", protocol).unwrap());
        let length = BodyLength::Exactly(0);
        ctx.command(|c, out| c.respond(status, &fields, length, None, out)).unwrap();
        let sent = ctx.sent();
        sent.split_once("\r\n").unwrap().1.trim_end().to_string()
    };
    let new = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(respond(new, Status::OK, None), "Content-Length: 0");
    assert_eq!(
        respond(new, Status::OK, Some("h2c")),
        "Connection: upgrade\r\nupgrade: h2c\r\nContent-Length: 0"
    );
    assert_eq!(
        respond(new, Status::UPGRADE_REQUIRED, Some("websocket")),
        "Connection: upgrade\r\nupgrade: websocket\r\nContent-Length: 0"
    );
    assert_eq!(
        respond(new, Status::UPGRADE_REQUIRED, None),
        "Connection: upgrade\r\nUpgrade: HTTP/1.1\r\nContent-Length: 0"
    );
    let old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(
        respond(old, Status::UPGRADE_REQUIRED, None),
        "Connection: keep-alive, upgrade\r\nUpgrade: HTTP/1.1\r\nContent-Length: 0"
    );
    let last = b"GET / HTTP/1.0\r\n\r\n";
    assert_eq!(
        respond(last, Status::OK, Some("a")),
        "Connection: close, upgrade\r\nupgrade: a\r\nContent-Length: 0"
    );
}

/// RFC 9110, 7.8, whether or not the client has waited for it.
#[test]
fn who_expects_to_go_on_is_told_so_before_the_protocol_changes() {
    let switched = |fields: &str, asks: bool| {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n";
        ctx.feed(format!("{head}{fields}\r\n").as_bytes(), &[]);
        if asks {
            ctx.command(|connection, out| connection.ask_for_body(out));
        }
        ctx.feed(b"hi", &[]);
        ctx.command(|c, out| c.switch(&Headers::new(), "echo", None, out)).unwrap();
        let statuses = ctx.sent();
        statuses
            .lines()
            .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let both: Vec<String> = ["100 Continue", "101 Switching Protocols"].map(String::from).into();
    assert_eq!(switched("Content-Length: 2\r\nExpect: 100-continue\r\n", true), both);
    assert_eq!(switched("Content-Length: 2\r\nExpect: 100-continue\r\n", false), both);
    assert_eq!(switched("Expect: 100-continue\r\n", false), both);
    assert_eq!(switched("Content-Length: 2\r\n", true), both[1..]);
}

#[test]
fn a_tunnel_is_opened_with_200_and_no_length() {
    let config = ConnectionConfig { tunnels: true, ..ConnectionConfig::default() };
    let mut ctx = MachineCtx::new(config.clone(), |ctx, what| {
        if what == "complete" {
            assert!(ctx.respond(Status::OK, BodyLength::Exactly(0)).is_err());
            ctx.command(|c, out| c.switch(&Headers::new(), "", None, out)).unwrap();
        }
    });
    let head = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n\x16\x03";
    assert_eq!(ctx.feed(head, &[]), 2);
    assert_eq!(ctx.sent(), "HTTP/1.1 200 OK\r\n\r\n");

    let mut dated = MachineCtx::new(config, never);
    dated.feed(head, &[]);
    let date = HttpDate::from_unix(0);
    dated.command(|c, out| c.switch(&Headers::new(), "", Some(&date), out)).unwrap();
    assert_eq!(dated.sent(), format!("HTTP/1.1 200 OK\r\nDate: {date}\r\n\r\n"));
}

#[test]
fn what_takes_too_long_is_told_apart() {
    let timed_out = |input: &[u8]| {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        ctx.feed(input, &[]);
        let rule = ctx.connection.timed_out().map(|rejection| rejection.rule);
        ctx.command(|connection, out| connection.reject(None, out));
        (rule, ctx.sent().get(..12).map(String::from), ctx.connection.must_close())
    };
    let answered = Some(String::from("HTTP/1.1 408"));
    assert_eq!(timed_out(b"GET"), (Some(Rule::HeadTimeout), answered.clone(), true));
    assert_eq!(timed_out(b""), (None, None, true));
    assert_eq!(timed_out(b"\r\n"), (None, None, true));
    let body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1";
    assert_eq!(timed_out(body), (Some(Rule::BodyTimeout), answered, true));
}

#[test]
fn giving_up_lets_what_has_begun_finish() {
    let mut idle = MachineCtx::new(ConnectionConfig::default(), when_complete);
    idle.connection.give_up();
    assert!(idle.connection.must_close() && !idle.connection.is_idle());

    let mut begun = MachineCtx::new(ConnectionConfig::default(), when_complete);
    begun.feed(b"GET /a HTTP/1.1\r\n", &[]);
    assert!(begun.connection.is_in_head() && !begun.connection.is_idle());
    begun.connection.give_up();
    assert!(!begun.connection.must_close());
    begun.feed(b"Host: x\r\n\r\n", &[]);
    assert!(begun.sent().contains("Connection: close"));
    assert!(begun.connection.must_close());
}

#[test]
fn what_is_shown_is_where_things_are_and_no_bytes() {
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET /secret HTTP/1.1\r\n", &[]);
    assert_eq!(
        format!("{:?}", ctx.connection),
        "SharedServerConnection { state: ConnectionState { client: Idle, server: Idle, keep_alive: true }, \
         taken: 22, rejection: None, .. }"
    );
}

#[test]
fn what_is_held_is_let_go() {
    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET / HTTP/1.1\r\nHo", &[]);
    assert_eq!(ctx.connection.held(), 18);
    ctx.feed(b"st: x\r\n\r\n", &[]);
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    ctx.feed(b"", &[]);
    assert_eq!(ctx.connection.held(), 0);
}

#[test]
fn it_is_small_and_can_be_sent() {
    fn assert_send<T: Send>() {}
    assert_send::<SharedServerConnection>();
    assert!(size_of::<SharedServerConnection>() <= 160, "{}", size_of::<SharedServerConnection>());
}

/// Memory that has seen other heads before must not change what is read.
#[test]
fn a_head_that_comes_again_means_what_it_meant() {
    let requests: [&[u8]; 8] = [
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nDigest: y\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    let read = |spans: &mut FieldSpans, request: &[u8]| {
        let mut connection = SharedServerConnection::new(Arc::default());
        let mut blocks = Blocks::new();
        let mut log = String::new();
        let mut rest = request;
        loop {
            let (taken, event) = connection.receive(rest, spans, &mut blocks).unwrap();
            rest = &rest[taken..];
            match event {
                Some(event) => log += &format!("{event:?} "),
                None => return (log, rest.len(), connection.state()),
            }
        }
    };
    let mut used = FieldSpans::new();
    for before in requests {
        for request in requests {
            let fresh = read(&mut FieldSpans::new(), request);
            read(&mut used, before);
            assert_eq!(read(&mut used, request), fresh);
            assert_eq!(read(&mut used, request), fresh);
        }
    }
}

#[test]
fn a_head_that_comes_again_is_held_to_the_limits_of_each_connection() {
    let head = b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    let mut spans = FieldSpans::new();
    let mut refused = |limits: Limits| {
        let mut connection = SharedServerConnection::new(Arc::new(ConnectionConfig {
            limits,
            ..ConnectionConfig::default()
        }));
        connection.receive(head, &mut spans, &mut Blocks::new()).err().map(|refused| refused.rule)
    };
    let limits = Limits::default();
    let shorter = Limits { request_line: 16, ..limits };
    let smaller = Limits { header_bytes: 16, ..limits };
    let fewer = Limits { header_count: 1, ..limits };
    for (narrow, rule) in [
        (shorter, Rule::RequestLineTooLong),
        (smaller, Rule::HeaderTooLarge),
        (fewer, Rule::TooManyFields),
    ] {
        assert_eq!(refused(limits), None);
        assert_eq!(refused(narrow), Some(rule));
    }
}

/// RFC 9112, 6.1; RFC 9110, 15.2. It was answered in chunks.
#[test]
fn who_did_not_say_http11_gets_no_chunks_and_no_interim_response_if_the_head_is_refused() {
    fn in_chunks(input: &str, cuts: &[usize]) -> String {
        let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
        let mut spans = FieldSpans::new();
        let mut from = 0;
        for &end in cuts.iter().chain([&input.len()]) {
            let piece = &input.as_bytes()[from..end];
            match ctx.connection.receive(piece, &mut spans, &mut ctx.blocks) {
                Ok((taken, _)) => from += taken,
                Err(_) => break,
            }
        }
        assert!(ctx.connection.rejection().is_some());
        let headers = Headers::new();
        ctx.command(|it, out| it.inform(Status::EARLY_HINTS, &headers, out)).unwrap();
        ctx.respond(Status::BAD_REQUEST, BodyLength::Unknown).unwrap();
        ctx.command(|connection, out| connection.data(b"no", out)).unwrap();
        ctx.command(|connection, out| connection.end(&headers, out)).unwrap();
        ctx.sent()
    }
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n";
    let until_close = format!("{head}\r\nno");
    let chunked = format!("{hints}{head}Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    for (input, expected) in [
        ("GET / HTTP/1.0\r\nHost: a,b\r\n\r\n", &until_close),
        ("GET / HTTP/1.0\r\nA : b\r\n", &until_close),
        ("G(T / HTTP/1.1\r\n", &until_close),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", &chunked),
        ("GET / HTTP/1.1\r\nA : b\r\n", &chunked),
    ] {
        for at in 0..=input.len() {
            assert_eq!(in_chunks(input, &[at]), *expected, "{input:?} cut at {at}");
        }
    }
}

/// All of a piece was held, however long it was, until it was judged; and what was refused, until
/// the connection was closed.
#[test]
fn no_more_is_held_than_the_limits_and_nothing_of_what_is_refused() {
    let limits =
        Limits { request_line: 20, header_bytes: 20, trailer_bytes: 10, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    let held = |input: &str, cut: usize| {
        let mut ctx = MachineCtx::new(config.clone(), never);
        ctx.feed(&input.as_bytes()[..cut], &[]);
        assert!(ctx.connection.held() > 0);
        ctx.feed(&input.as_bytes()[cut..], &[]);
        (ctx.connection.held(), ctx.connection.rejection().map(|rejection| rejection.rule))
    };
    let much = "x".repeat(1000);
    let long_line = format!("GET /{much}");
    assert_eq!(held(&long_line, 4), (0, Some(Rule::RequestLineTooLong)));
    let long_field = format!("GET / HTTP/1.1\r\nHost: {much}");
    assert_eq!(held(&long_field, 4), (0, Some(Rule::HeaderTooLarge)));
    let wrong = format!("GET / HTTP/1.1\r\nA : b\r\n{much}");
    assert_eq!(held(&wrong, 4), (0, Some(Rule::BlankBeforeColon)));
    let right = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{much}");
    assert_eq!(held(&right, 4), (0, None));

    let mut ctx = MachineCtx::new(config, never);
    ctx.feed(b"GET / HT", &[]);
    ctx.eof();
    assert_eq!(ctx.connection.held(), 0);

    let limits = Limits { trailer_bytes: 10, ..Limits::default() };
    let mut ctx =
        MachineCtx::new(ConnectionConfig { limits, ..ConnectionConfig::default() }, never);
    ctx.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", &[]);
    ctx.feed(b"A: b", &[]);
    assert_eq!(ctx.connection.held(), 4);
    ctx.feed(much.as_bytes(), &[]);
    assert_eq!(ctx.connection.held(), 0);
    assert_eq!(ctx.connection.rejection().unwrap().rule, Rule::TrailersTooLarge);
}

/// `respond`, `data` and `end` one after the other are what the two quicker ways are measured by.
#[test]
fn a_whole_response_is_what_its_parts_are() {
    let requests: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let fields = |names: &[&str]| {
        let mut headers = Headers::new();
        names.iter().for_each(|name| headers.add(name, "a").unwrap());
        headers
    };
    let headers = [&[][..], &["X"], &["Date"], &["Upgrade"], &["X", "Connection"]].map(fields);
    let statuses = [100, 200, 204, 304, 404, 426, 599].map(|code| Status::new(code).unwrap());
    let dates = [Some(HttpDate::from_unix(0)), None, Some(HttpDate::from_unix(1))];
    // One memory for all: what it remembers of another response must not show.
    let mut head_cache = HeadCache::default();
    let mut sent_in_all = 0;
    for (request, headers) in requests.iter().flat_map(|it| headers.iter().map(move |h| (it, h))) {
        for (status, date) in statuses.iter().flat_map(|it| dates.iter().map(move |d| (*it, d))) {
            for (content_type, content) in [
                (None, ""),
                (None, "hello"),
                (Some(ContentType::TEXT), "hello"),
                (None, "good day"),
            ] {
                let response_head = ResponseHead { status, content_type, headers };
                let (date, content) = (date.as_ref(), content.as_bytes());
                let length = BodyLength::Exactly(content.len() as u64);
                head_cache.refresh(date.map(HttpDate::unix));
                let run = |respond: &mut dyn FnMut(
                    &mut SharedServerConnection,
                    &mut MessageOutput<'_>,
                )
                    -> Result<(), LocalProtocolError>| {
                    let mut ctx = MachineCtx::new(ConnectionConfig::default(), never);
                    ctx.feed(request, &[]);
                    let result = ctx.command(|connection, out| respond(connection, out));
                    (result, ctx.sent(), ctx.connection.state())
                };
                let parts = run(&mut |connection, out| {
                    connection.respond_with(&response_head, length, date, out)?;
                    connection.data(content, out)?;
                    connection.end(&Headers::new(), out)
                });
                for _ in 0..2 {
                    let words = run(&mut |connection, out| {
                        connection.respond_in_words(&response_head, content, &mut head_cache, out)
                    });
                    assert_eq!(words, parts);
                }
                if content_type.is_none() {
                    let whole = run(&mut |connection, out| {
                        connection.respond_whole(status, headers, content, date, out)
                    });
                    assert_eq!(whole, parts);
                }
                sent_in_all += parts.1.len();
            }
        }
    }
    assert!(sent_in_all > 50_000, "{sent_in_all}");
}

/// Found by fuzzing: it was told to go on with the body that had been refused.
#[test]
fn who_is_refused_is_not_told_to_go_on() {
    let limits = Limits { body: 4, ..Limits::default() };
    let mut ctx =
        MachineCtx::new(ConnectionConfig { limits, ..ConnectionConfig::default() }, never);
    let head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut spans = FieldSpans::new();
    let received = ctx.connection.receive(head, &mut spans, &mut ctx.blocks);
    assert_eq!(received.unwrap_err().rule, Rule::BodyTooLarge);
    ctx.command(|connection, out| connection.ask_for_body(out));
    assert_eq!(ctx.sent(), "");
    ctx.command(|connection, out| connection.reject(None, out));
    assert!(ctx.sent().starts_with("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"));
}
