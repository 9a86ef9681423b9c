//! The HTTP connection of a server: requests, cuts, commands and limits that the fuzzer chooses.
//!
//! Its events are compared with the results of the standalone parsers for the same bytes; its
//! output is read as by a client.

mod vocabulary;
mod wire;

use std::sync::Arc;

use self::vocabulary::{NAMES, PROTOCOLS, STATUSES};
use self::wire::{Asked, Head, Observed, Sent, body, is, is_framing};
use diesel_proto::http1::{
    BodyLength, ChunkedDecoder, ClientState, ConnectionConfig, Decoded, FieldSpans, FieldsView,
    Framing, Headers, HttpDate, Limits, LocalProtocolError, MessageOutput, Received, Rejection,
    RequestHead, Rule, ServerState, SharedServerConnection, Status, TrailerReader, Version,
    parse_request,
};
use diesel_proto::{Blocks, Pipeline};

/// Takes ten bytes of limits, of which the last is the number of commands, the commands, and then
/// the bytes that the client sends.
pub fn server(data: &[u8]) {
    let Some((setting, rest)) = data.split_first_chunk::<10>() else { return };
    let [line, header, fields, body, trailers, extensions, drain, requests, flags, n] = *setting;
    let scale = flags & 7;
    let limits = Limits {
        request_line: usize::from(line) << scale,
        header_bytes: usize::from(header) << scale,
        header_count: fields.into(),
        body: u64::from(body) << scale,
        // The smallest limit is 2.
        trailer_bytes: usize::from(trailers) + 2,
        chunk_extensions: usize::from(extensions) + 2,
        drain: drain.into(),
        requests: requests.into(),
        ..Limits::default()
    };
    let config = ConnectionConfig {
        limits,
        require_http11: flags & 8 != 0,
        require_length: flags & 16 != 0,
        tunnels: flags & 32 == 0,
    };
    let (commands, stream) = rest.split_at(rest.len().min(n.into()));
    let mut ctx = Session::new(config, stream);
    let mut commands = commands.iter().copied();
    while let Some(command) = commands.next() {
        ctx.step(command & 15, usize::from(command >> 4), &mut commands);
        ctx.check();
    }
    // Then takes and answers everything that is left.
    for _ in 0..stream.len() + 16 {
        let before = (ctx.taken, ctx.connection.state());
        ctx.receive(usize::MAX);
        ctx.answer(3);
        ctx.check();
        if before == (ctx.taken, ctx.connection.state()) {
            break;
        }
    }
    ctx.check_wire();
    super::one_object::says_the_same(&ctx.config, stream);
}

/// A connection, and a model of its state.
struct Session<'a> {
    config: ConnectionConfig,
    connection: SharedServerConnection,
    blocks: Blocks,
    spans: FieldSpans,
    pipeline: Pipeline,
    stream: &'a [u8],
    /// How much of the stream was offered, and taken: `taken <= given`.
    given: usize,
    taken: usize,
    ended: bool,
    /// Where the next head begins.
    next: usize,
    request: Asked,
    requests: u64,
    /// The bytes of the body that were not received yet.
    body: Vec<u8>,
    end: End,
    /// What may still be sent of the response. None if it is not of a known length.
    left: Option<u64>,
    wire: Vec<u8>,
    /// The final responses that were sent.
    sent: Vec<Sent>,
    was_rejected: Option<Rejection>,
}

/// How a body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    At(usize, Vec<(String, Vec<u8>)>),
    Refused(Rejection),
    Never,
}

impl<'a> Session<'a> {
    fn new(config: ConnectionConfig, stream: &'a [u8]) -> Self {
        Session {
            connection: SharedServerConnection::new(Arc::new(config.clone())),
            config,
            blocks: Blocks::new(),
            spans: FieldSpans::new(),
            pipeline: Pipeline::new(),
            stream,
            given: 0,
            taken: 0,
            ended: false,
            next: 0,
            request: Asked::default(),
            requests: 0,
            body: Vec::new(),
            end: End::Never,
            left: None,
            wire: Vec::new(),
            sent: Vec::new(),
            was_rejected: None,
        }
    }

    fn step(&mut self, command: u8, arg: usize, more: &mut impl Iterator<Item = u8>) {
        match command {
            0..=4 => {
                self.receive(
                    [0, 1, 2, 3, 5, 8, 13, 17, 20, 31, 40, 64, 100, 200, 400, 1 << 20][arg],
                );
            }
            5 => {
                let status = Status::new(STATUSES[arg]).unwrap();
                let how = more.next().unwrap_or_default();
                let headers = self.headers(more.next().unwrap_or_default());
                let length = match how & 15 {
                    15 => BodyLength::Unknown,
                    14 => BodyLength::Exactly(u64::MAX),
                    n => BodyLength::Exactly(n.into()),
                };
                self.respond(status, &headers, length, how & 16 != 0);
            }
            6 => self.data(arg, false),
            7 => {
                let trailers = match arg {
                    0..=7 => Headers::new(),
                    _ => self.headers(more.next().unwrap_or_default()),
                };
                self.end(&trailers);
            }
            8 => {
                let headers = self.headers(more.next().unwrap_or_default());
                self.inform(Status::new(STATUSES[arg]).unwrap(), &headers);
            }
            9 => self.ask_for_body(),
            10 => {
                let headers = self.headers(more.next().unwrap_or_default());
                self.switch(&headers, PROTOCOLS[arg % PROTOCOLS.len()]);
            }
            11 => self.connection.give_up(),
            12 if self.taken == self.given => self.eof(),
            12 => self.data(arg, true),
            13 => self.timed_out(),
            14 => self.reject(),
            _ => self.answer(arg),
        }
    }

    /// Up to two fields, whose values are bytes of the client.
    fn headers(&mut self, draw: u8) -> Headers {
        let mut headers = Headers::new();
        for n in 0..draw >> 6 {
            let name = NAMES[usize::from(draw & 63).wrapping_add(n.into()) % NAMES.len()];
            let at = usize::from(draw) * 7 % (self.stream.len() + 1);
            let value = &self.stream[at..self.stream.len().min(at + 11)];
            let is_sound = !name.is_empty()
                && !name.contains('\r')
                && value.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
            assert_eq!(headers.add(name, value).is_ok(), is_sound);
        }
        headers
    }

    // Steps of the client.

    fn receive(&mut self, n: usize) {
        if !self.ended {
            let most = self.taken.saturating_add(n).min(self.stream.len());
            self.given = self.given.max(most);
        }
        let before = self.connection.state();
        let offered = &self.stream[self.taken..self.given];
        let received = self.connection.receive(offered, &mut self.spans, &mut self.blocks);
        let (taken, event) = match received {
            Ok((taken, event)) => {
                assert_eq!(self.was_rejected, None);
                (taken, event.map(Observed::of))
            }
            Err(rejection) => return self.rejected(rejection),
        };
        assert!(taken <= offered.len());
        let is_read = match before.client {
            ClientState::Idle => before.keep_alive,
            ClientState::Sending => before.server != ServerState::MustClose,
            _ => false,
        };
        assert!(is_read || taken == 0, "{before:?}");
        self.taken += taken;
        match event {
            None => {
                if self.connection.state().client != ClientState::Sending {
                    self.drained(before.client);
                }
            }
            Some(Observed::Request(asked, len, framing)) => {
                self.drained(before.client);
                self.requests += 1;
                assert!(self.requests <= self.config.limits.requests.max(1));
                // Empty lines before it are no part of it.
                let len = self.empty_lines() + len;
                assert_eq!(self.expected_head(), Ok(Some(len)));
                assert_eq!(self.taken, self.next + len);
                self.request = asked;
                let start = self.next + len;
                (self.body, self.end) =
                    body(&self.stream[start..], start, framing, &self.config.limits);
                self.next = match &self.end {
                    End::At(at, _) => *at,
                    _ => usize::MAX,
                };
            }
            Some(Observed::Data(data)) => {
                assert!(!data.is_empty());
                assert!(self.body.starts_with(&data));
                self.body.drain(..data.len());
            }
            Some(Observed::End(fields)) => {
                assert!(self.body.is_empty());
                assert_eq!(self.end, End::At(self.taken, fields));
            }
        }
    }

    /// If a body was read for the sake of what follows it: that is behind its end.
    fn drained(&mut self, before: ClientState) {
        if let (ClientState::Sending, End::At(at, _)) = (before, &self.end) {
            assert!(*at <= self.taken || self.connection.must_close());
        }
    }

    fn rejected(&mut self, rejection: Rejection) {
        if let Some(earlier) = self.was_rejected {
            return assert_eq!(earlier, rejection, "the same again");
        }
        self.was_rejected = Some(rejection);
        match &self.end {
            End::Refused(expected) => return assert_eq!(*expected, rejection),
            End::At(..) => {}
            End::Never => assert_ne!(self.next, usize::MAX, "it has not come to its end"),
        }
        // Of a head, which may be complete.
        assert_eq!(self.expected_head(), Err(rejection));
        self.begun(self.given);
    }

    /// The number of bytes of empty lines that follow.
    fn empty_lines(&self) -> usize {
        let bytes = &self.stream[self.next..self.given];
        2 * bytes.chunks(2).take_while(|line| line == b"\r\n").count()
    }

    /// The expected result of the next head: its length, if it is valid and complete.
    fn expected_head(&self) -> Result<Option<usize>, Rejection> {
        let start = self.next;
        let moved = |wrong: Rejection| Rejection::new(wrong.rule, wrong.offset + start as u64);
        let bytes = &self.stream[start..self.given];
        let mut spans = FieldSpans::new();
        let head = parse_request(bytes, &self.config.limits, &mut spans).map_err(moved)?;
        let Some(head) = head else { return Ok(None) };
        let sends = matches!(head.method(), "POST" | "PUT" | "PATCH");
        let refused = match head.framing() {
            _ if self.config.require_http11 && head.version() == Version::Http10 => {
                Some(Rule::Http11Required)
            }
            _ if head.method() == "CONNECT" && !self.config.tunnels => {
                Some(Rule::TunnelUnsupported)
            }
            Framing::Empty if sends && self.config.require_length => Some(Rule::LengthRequired),
            Framing::Length(n) if n > self.config.limits.body => Some(Rule::BodyTooLarge),
            _ => None,
        };
        match refused {
            Some(rule) => Err(Rejection::new(rule, (start + head.len()) as u64)),
            None => Ok(Some(head.len())),
        }
    }

    /// Handles a refused head, of which `seen` bytes were received.
    fn begun(&mut self, seen: usize) {
        let mut head = &self.stream[self.next..seen.max(self.next)];
        while let Some(rest) = head.strip_prefix(b"\r\n") {
            head = rest;
        }
        let line = head.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
        self.request = Asked {
            is_head: head.starts_with(b"HEAD "),
            is_connect: head.starts_with(b"CONNECT "),
            is_http11: matches!(
                line,
                [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9', b'\r', b'\n']
            ),
            ..Asked::default()
        };
    }

    fn eof(&mut self) {
        self.ended = true;
        let before = self.connection.state();
        if let Err(rejection) = self.connection.eof() {
            self.gone(rejection, before.client, Rule::HeadIncomplete, Rule::BodyIncomplete);
        }
    }

    fn timed_out(&mut self) {
        let before = self.connection.state();
        if let Some(rejection) = self.connection.timed_out() {
            self.gone(rejection, before.client, Rule::HeadTimeout, Rule::BodyTimeout);
        }
    }

    fn gone(&mut self, rejection: Rejection, client: ClientState, head: Rule, body: Rule) {
        if let Some(earlier) = self.was_rejected {
            return assert_eq!(earlier, rejection);
        }
        self.was_rejected = Some(rejection);
        let rule = if client == ClientState::Sending { body } else { head };
        assert_eq!(rejection, Rejection::new(rule, self.taken as u64));
        if rule == head {
            self.begun(self.taken);
        }
    }

    // Steps of the server.

    /// Executes a command, and returns what it wrote. A refused command changes nothing.
    fn command(
        &mut self,
        f: impl FnOnce(
            &mut SharedServerConnection,
            &mut MessageOutput<'_>,
        ) -> Result<(), LocalProtocolError>,
    ) -> Option<Vec<u8>> {
        let before = (format!("{:?}", self.connection), self.connection.held());
        let result =
            f(&mut self.connection, &mut MessageOutput::new(&mut self.pipeline, &mut self.blocks));
        let mut slices = [&[][..]; 64];
        let n = self.pipeline.slices(&mut slices);
        let written = slices[..n].concat();
        assert_eq!(written.len() as u64, self.pipeline.len());
        self.pipeline.advance(u64::MAX, &mut self.blocks);
        self.wire.extend_from_slice(&written);
        match result {
            Ok(()) => Some(written),
            Err(_) => {
                assert!(written.is_empty());
                let after = (format!("{:?}", self.connection), self.connection.held());
                assert_eq!(after, before);
                None
            }
        }
    }

    fn respond(&mut self, status: Status, headers: &Headers, length: BodyLength, dated: bool) {
        let before = self.connection.state();
        let date = HttpDate::from_unix(1_000_000_000);
        let date = dated.then_some(&date);
        let written = self.command(|it, out| it.respond(status, headers, length, date, out));
        let is_allowed = before.server == ServerState::SendResponse
            && !status.is_informational()
            && !(self.request.is_connect && self.was_rejected.is_none() && status.is_success())
            && !(matches!(status.code(), 204 | 205) && length != BodyLength::Exactly(0))
            && headers.iter().all(|(name, _)| !is_framing(name) || is(name, "upgrade"));
        // Of CONNECT, if its head was refused, it may be known or not.
        if !(self.request.is_connect && self.was_rejected.is_some()) {
            assert_eq!(written.is_some(), is_allowed, "{before:?}");
        }
        let Some(written) = written else { return };
        let is_last = !self.connection.state().keep_alive;
        let head = Head::read(&written).expect("a whole head");
        assert_eq!((head.len, head.status), (written.len(), status.code()));
        assert!(headers.iter().all(|(name, value)| head.fields.contains(&(name, value))));
        assert!(head.fields.iter().filter(|(name, _)| is(name, "date")).count() < 3);
        assert_eq!(head.has_option("close"), is_last);
        let expected = match length {
            _ if status.code() == 204 => (None, false),
            BodyLength::Exactly(0) if status.code() == 304 || self.request.is_head => (None, false),
            BodyLength::Exactly(n) => (Some(n), false),
            BodyLength::Unknown => (None, head.is_chunked()),
        };
        assert_eq!((head.length(), head.is_chunked()), expected);
        assert!(self.request.is_http11 || !head.is_chunked(), "RFC 9112, 6.1");
        assert!(head.is_chunked() || is_last || length != BodyLength::Unknown);
        let is_empty = self.request.is_head || status.code() == 304;
        self.left = match length {
            BodyLength::Exactly(n) if !is_empty => Some(n),
            _ => None,
        };
        self.sent.push(Sent {
            is_head: self.request.is_head,
            is_http11: self.request.is_http11,
            is_switch: false,
            is_ended: false,
            is_last,
        });
    }

    fn data(&mut self, n: usize, by_reference: bool) {
        let is_sending = self.connection.state().server == ServerState::Sending;
        let data = vec![b'\n'; n];
        let written = self.command(|it, out| match by_reference {
            true => it.data_bytes(data.into(), out),
            false => it.data(&vec![b'\n'; n], out),
        });
        let fits = self.left.is_none_or(|left| n as u64 <= left);
        assert_eq!(written.is_some(), is_sending && fits);
        if let (Some(_), Some(left)) = (written, &mut self.left) {
            *left -= n as u64;
        }
    }

    fn end(&mut self, trailers: &Headers) {
        let is_sending = self.connection.state().server == ServerState::Sending;
        let written = self.command(|it, out| it.end(trailers, out));
        let is_allowed = is_sending
            && trailers.iter().all(|(name, _)| !is_framing(name))
            && self.left.is_none_or(|left| left == 0 && trailers.is_empty());
        assert_eq!(written.is_some(), is_allowed);
        if let (Some(_), Some(sent)) = (written, self.sent.last_mut()) {
            sent.is_ended = true;
        }
    }

    fn inform(&mut self, status: Status, headers: &Headers) {
        let is_owing = self.connection.state().server == ServerState::SendResponse;
        let written = self.command(|it, out| it.inform(status, headers, out));
        let is_allowed = is_owing
            && status.is_informational()
            && status.code() != 101
            && headers.iter().all(|(name, _)| !is_framing(name));
        assert_eq!(written.is_some(), is_allowed);
        let Some(written) = written else { return };
        if status == Status::CONTINUE {
            self.request.waits = false;
        }
        assert!(written.is_empty() || self.request.is_http11, "RFC 9110, 15.2");
    }

    fn ask_for_body(&mut self) {
        let is_owing = self.connection.state().server == ServerState::SendResponse;
        let written = self.command(|it, out| {
            it.ask_for_body(out);
            Ok(())
        });
        let goes_on: &[u8] = match is_owing && self.request.waits {
            true => b"HTTP/1.1 100 Continue\r\n\r\n",
            false => b"",
        };
        assert_eq!(written.as_deref(), Some(goes_on));
        self.request.waits &= !is_owing;
    }

    fn switch(&mut self, headers: &Headers, protocol: &str) {
        let before = self.connection.state();
        let written = self.command(|it, out| it.switch(headers, protocol, None, out));
        let asked_for = |wanted: &Vec<u8>| {
            let wanted = String::from_utf8_lossy(wanted).to_ascii_lowercase();
            let mut wanted = wanted.split(',').map(|one| one.trim_matches([' ', '\t']).to_owned());
            let wanted: Vec<String> = wanted.by_ref().collect();
            protocol.to_ascii_lowercase().split(',').all(|name| {
                let name = name.trim_matches([' ', '\t']);
                !name.is_empty() && wanted.iter().any(|one| one == name)
            })
        };
        let is_allowed = before.server == ServerState::SendResponse
            && before.client == ClientState::Done
            && (self.request.is_connect || self.request.upgrade.as_ref().is_some_and(asked_for))
            && headers.iter().all(|(name, _)| !is_framing(name));
        assert_eq!(written.is_some(), is_allowed);
        let Some(_) = written else { return };
        assert!(self.connection.is_switched());
        self.sent.push(Sent {
            is_head: false,
            is_http11: self.request.is_http11,
            is_switch: true,
            is_ended: true,
            is_last: true,
        });
    }

    fn reject(&mut self) {
        let is_due = self.was_rejected.is_some()
            && self.connection.state().server == ServerState::SendResponse;
        let written = self.command(|it, out| {
            it.reject(None, out);
            Ok(())
        });
        let written = written.unwrap();
        assert_eq!(!written.is_empty(), is_due);
        let (true, Some(rejection)) = (is_due, self.was_rejected) else { return };
        let head = Head::read(&written).expect("a whole head");
        assert_eq!(head.status, rejection.status().code());
        assert!(head.has_option("close") && self.connection.must_close());
        self.sent.push(Sent {
            is_head: self.request.is_head,
            is_http11: self.request.is_http11,
            is_switch: false,
            is_ended: true,
            is_last: true,
        });
    }

    /// A whole answer, if one is owed.
    fn answer(&mut self, n: usize) {
        if self.connection.state().server != ServerState::SendResponse {
            return;
        }
        self.reject();
        self.respond(Status::NOT_FOUND, &Headers::new(), BodyLength::Exactly(n as u64), false);
        self.data(n, false);
        self.end(&Headers::new());
    }

    // Invariants.

    fn check(&self) {
        let limits = &self.config.limits;
        let held = self.connection.held();
        let most = limits.request_line.saturating_add(limits.header_bytes);
        assert!(held <= most.max(limits.trailer_bytes), "{held} bytes are held");
        assert!(held == 0 || self.was_rejected.is_none());
        assert_eq!(self.connection.rejection(), self.was_rejected);
        let state = self.connection.state();
        if self.was_rejected.is_some() {
            assert!(state.client == ClientState::Failed && !state.keep_alive, "{state:?}");
        }
        assert_eq!(self.connection.must_close(), state.server == ServerState::MustClose);
    }

    /// Reads the output like a client, which knows only its requests.
    fn check_wire(&self) {
        let mut wire = &self.wire[..];
        let mut sent = self.sent.iter().peekable();
        while !wire.is_empty() {
            let head = Head::read(wire).expect("a whole head");
            wire = &wire[head.len..];
            if (100..200).contains(&head.status) && head.status != 101 {
                assert!(head.length().is_none() && !head.is_chunked());
                continue;
            }
            let sent = sent.next().expect("no response that was not given");
            assert!(!head.is_chunked() || head.length().is_none());
            assert!(!head.is_chunked() || sent.is_http11);
            if sent.is_switch {
                assert!(head.length().is_none() && !head.is_chunked());
            } else if sent.is_head || matches!(head.status, 204 | 304) {
            } else if let Some(n) = head.length() {
                let n = usize::try_from(n).unwrap_or(usize::MAX).min(wire.len());
                assert!(n as u64 == head.length().unwrap() || !sent.is_ended);
                wire = &wire[n..];
            } else if head.is_chunked() {
                let limits = Limits { trailer_bytes: 1 << 20, ..Limits::default() };
                let (_, end) = body(wire, 0, Framing::Chunked, &limits);
                match end {
                    End::At(at, _) => wire = &wire[at..],
                    End::Never => {
                        assert!(!sent.is_ended);
                        wire = &[];
                    }
                    End::Refused(wrong) => panic!("{wrong}"),
                }
            } else {
                assert!(sent.is_last);
                wire = &[];
            }
            assert!(wire.is_empty() || sent.is_ended && !sent.is_last);
        }
        assert!(sent.next().is_none());
    }
}
