//! The HTTP connection of a client: requests, commands, responses, cuts and limits that the fuzzer
//! chooses.
//!
//! What it reads is compared with what the standalone parsers find in the same bytes
//! ([`expected`]); what it sends is read by a server.

mod commands;
mod expected;

use std::fmt::Write;
use std::sync::Arc;

use diesel_proto::http1::{
    ClientConnection, ClientConnectionConfig, FieldSpans, FieldsView, Headers, MessageOutput,
    Rejection, RequestLine, RequestOptions, ResponseEvent, ResponseHead, ResponseLimits,
    ResponsePart, SharedClientConnection,
};
use diesel_proto::testkit::{Random, cuts};
use diesel_proto::{Blocks, Pipeline};

/// A stream up to this length is cut at every position.
const SHORT: usize = 64;

/// A request, by its properties that affect the reading of its response.
#[derive(Clone, Copy, Debug)]
struct Asked {
    method: &'static str,
    upgrade: Option<&'static str>,
    close: bool,
}

impl Asked {
    const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "CONNECT", "POST", "TRACE", "OPTIONS", "X"];
    const PROTOCOLS: [&str; 2] = ["websocket, h2c", "a/1"];

    fn of(draw: u8) -> Self {
        Asked {
            method: Self::METHODS[usize::from(draw & 7)],
            upgrade: Self::PROTOCOLS.get(usize::from(draw >> 3 & 3)).copied(),
            close: draw & 0xe0 == 0xe0,
        }
    }

    fn line(self) -> RequestLine<'static> {
        let target = if self.method == "CONNECT" { "b:1" } else { "/" };
        RequestLine::new(self.method, target, "a").unwrap()
    }

    fn options(self) -> RequestOptions<'static> {
        RequestOptions { upgrade: self.upgrade, close: self.close, ..RequestOptions::default() }
    }

    /// Whether it may be sent behind others, and others behind it, before their responses.
    fn is_plain(self) -> bool {
        !matches!(self.method, "CONNECT" | "POST" | "X") && self.upgrade.is_none()
    }
}

/// What follows the bytes of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    More,
    Eof,
    Cut,
}

/// What was read, as text, and how many requests have no complete response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Log {
    text: String,
    unanswered: usize,
    is_in_data: bool,
    rejection: Option<Rejection>,
}

impl Log {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let separator = if std::mem::take(&mut self.is_in_data) { "\n" } else { "" };
        let _ = writeln!(self.text, "{separator}{line}");
    }

    fn head(&mut self, kind: &str, head: &ResponseHead<'_>) {
        let reason = head.reason().escape_ascii();
        self.line(format_args!("{kind} {head:?} {reason} {}", head.len()));
    }

    fn data(&mut self, data: &[u8]) {
        assert!(!data.is_empty());
        let _ = write!(self.text, "{}", data.escape_ascii());
        self.is_in_data = true;
    }

    fn end(&mut self, trailers: FieldsView<'_>) {
        self.line(format_args!("end {trailers:?}"));
    }

    fn event(&mut self, event: &ResponseEvent) {
        match event {
            ResponseEvent::Informational(head) => self.head("interim", &head.view()),
            ResponseEvent::Response(head) => self.head("response", &head.view()),
            ResponseEvent::Data(data) => self.data(data),
            ResponseEvent::End(trailers) => self.line(format_args!("end {trailers:?}")),
            ResponseEvent::Switched(head) => self.head("switched", &head.view()),
            ResponseEvent::Closed => self.line(format_args!("closed")),
        }
    }

    fn refused(&mut self, rejection: Rejection) {
        self.rejection = Some(rejection);
        self.line(format_args!("{:?} {}", rejection.rule, rejection.offset));
    }
}

/// What is read, under which limits, after which requests.
struct Session<'a> {
    config: ClientConnectionConfig,
    requests: Vec<Asked>,
    stream: &'a [u8],
    after: After,
}

/// Takes ten bytes of limits and lengths, the requests, the commands, and then the bytes that the
/// server sends.
pub fn client(data: &[u8]) {
    let Some((setting, rest)) = data.split_first_chunk::<10>() else { return };
    let [seed, line, header, fields, body, trailers, extensions, flags, n, asked] = *setting;
    let scale = flags & 7;
    let limits = ResponseLimits {
        status_line: usize::from(line) << scale,
        header_bytes: usize::from(header) << scale,
        header_count: fields.into(),
        body: if body == u8::MAX { u64::MAX } else { u64::from(body) << scale },
        // The smallest limit is 2.
        trailer_bytes: usize::from(trailers) + 2,
        chunk_extensions: usize::from(extensions) + 2,
        informational: u32::from(flags >> 3 & 3),
    };
    let (commands, stream) = rest.split_at(rest.len().min(n.into()));
    let pipelined = usize::from(asked & 3) + 1;
    let config = ClientConnectionConfig { limits, pipelined };
    let requests = match pipelined {
        1 => vec![Asked::of(commands.first().copied().unwrap_or_default())],
        // The first of these may be any, if it is the only one.
        _ => {
            let draws = commands.iter().take(pipelined).map(|&draw| Asked::of(draw));
            draws.filter(|asked| asked.is_plain()).collect()
        }
    };
    let after = [After::More, After::Eof, After::Cut, After::Cut][usize::from(asked >> 2 & 3)];
    let session = Session { config, requests, stream, after };
    session.check_cuts(seed);
    commands::check(&session, commands);
}

impl Session<'_> {
    /// Both connections read what the standalone parsers find, whatever the cut.
    fn check_cuts(&self, seed: u8) {
        let len = self.stream.len();
        let random = &mut Random::new(seed.into());
        let mut ways = vec![vec![], cuts::bytewise(len)];
        ways.extend((0..2).map(|_| cuts::several(len, random)));
        if len <= SHORT {
            ways.extend((1..len).map(|at| vec![at]));
        }
        let mut spans = FieldSpans::new();
        let expected = self.expected().unwrap_or_else(|| self.with_memory_lent(&[], &mut spans));
        for cut in ways {
            let lent = self.with_memory_lent(&cut, &mut spans);
            assert_eq!(lent, expected, "memory lent, cut at {cut:?}");
            let own = self.with_its_memory(&cut);
            assert_eq!(own, expected, "its memory, cut at {cut:?}");
        }
    }

    /// The requests that were sent: none is behind one that asks to close.
    fn sent(&self) -> &[Asked] {
        let last = self.requests.iter().position(|asked| asked.close);
        &self.requests[..last.map_or(self.requests.len(), |last| last + 1)]
    }

    /// How many bytes a connection may buffer.
    fn most_held(&self) -> usize {
        let limits = &self.config.limits;
        limits.status_line.saturating_add(limits.header_bytes).max(limits.trailer_bytes)
    }

    fn with_memory_lent(&self, cut: &[usize], spans: &mut FieldSpans) -> Log {
        let mut connection = SharedClientConnection::new(Arc::new(self.config.clone()));
        let (mut blocks, mut pipeline) = (Blocks::new(), Pipeline::new());
        for (n, asked) in self.requests.iter().enumerate() {
            let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
            let (line, options) = (asked.line(), asked.options());
            let sent = connection.request_whole(&line, &Headers::new(), b"", &options, out);
            assert_eq!(sent.is_ok(), n < self.sent().len());
        }
        let mut log = Log::default();
        'pieces: for mut piece in cuts::pieces(self.stream, cut) {
            loop {
                let (taken, part) = match connection.receive(piece, spans, &mut blocks) {
                    Ok(received) => received,
                    Err(rejection) => {
                        log.refused(rejection);
                        break 'pieces;
                    }
                };
                piece = &piece[taken..];
                match part {
                    Some(ResponsePart::Informational(head)) => log.head("interim", &head),
                    Some(ResponsePart::Response(head)) => log.head("response", &head),
                    Some(ResponsePart::WholeResponse(head)) => {
                        log.head("response", &head);
                        log.end(FieldsView::default());
                    }
                    Some(ResponsePart::Data(data)) => log.data(data),
                    Some(ResponsePart::End(trailers)) => log.end(trailers),
                    Some(ResponsePart::Switched(head)) => log.head("switched", &head),
                    None if piece.is_empty() => break,
                    None => {
                        assert!(connection.must_close() || connection.is_switched());
                        break 'pieces;
                    }
                }
                assert!(connection.held() <= self.most_held());
            }
            assert!(connection.held() <= self.most_held());
        }
        let is_over = connection.is_switched() || connection.rejection().is_some();
        let ended = match self.after {
            _ if is_over => Ok(None),
            After::More => Ok(None),
            After::Eof => connection.eof().map(Some),
            After::Cut => connection.cut().map(|()| Some(false)),
        };
        match ended {
            Ok(Some(true)) => log.end(FieldsView::default()),
            Ok(Some(false)) => log.line(format_args!("closed")),
            Ok(None) => {}
            Err(rejection) => log.refused(rejection),
        }
        log.unanswered = connection.unanswered();
        log
    }

    fn with_its_memory(&self, cut: &[usize]) -> Log {
        let mut connection = ClientConnection::new(self.config.clone());
        for asked in self.sent() {
            let (line, options) = (asked.line(), asked.options());
            connection.request_whole(&line, &Headers::new(), b"", &options).unwrap();
        }
        connection.take_outgoing();
        let mut log = Log::default();
        for piece in cuts::pieces(self.stream, cut).filter(|piece| !piece.is_empty()) {
            let taken = connection.received(piece);
            assert!(taken == piece.len() || connection.is_switched());
            assert!(connection.held() <= self.most_held() + piece.len());
            self.read(&mut connection, &mut log);
        }
        match self.after {
            After::More => {}
            After::Eof => connection.eof(),
            After::Cut => connection.cut(),
        }
        self.read(&mut connection, &mut log);
        if connection.is_idle() || connection.must_close() {
            assert_eq!(connection.held(), 0);
        }
        log.unanswered = connection.unanswered();
        log
    }

    fn read(&self, connection: &mut ClientConnection, log: &mut Log) {
        loop {
            match connection.next_event() {
                Ok(None) => return,
                Ok(Some(event)) => log.event(&event),
                Err(rejection) => {
                    assert!(connection.must_close());
                    // The same again, whatever came since.
                    if log.rejection.is_none() {
                        log.refused(rejection);
                    }
                    assert_eq!(log.rejection, Some(rejection));
                    return;
                }
            }
        }
    }
}
