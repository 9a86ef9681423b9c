//! Commands in any order, while a stream arrives.

use super::*;
use diesel_proto::http1::{
    BodyLength, ClientState, ConnectionConfig, LocalProtocolError, Received, ServerState,
    SharedServerConnection, Status,
};

const NAMES: [&str; 8] = ["A", "Host", "te", "Expect", "Content-Length", "Upgrade", "X", "Trailer"];

/// A connection, and a model of its state.
struct Run<'a> {
    session: &'a Session<'a>,
    connection: SharedClientConnection,
    blocks: Blocks,
    spans: FieldSpans,
    pipeline: Pipeline,
    given: usize,
    taken: usize,
    ended: bool,
    /// The requests that were sent, the last of which may be incomplete.
    sent: Vec<Asked>,
    /// How many responses are complete.
    answered: usize,
    /// Whether the head of the next response has arrived.
    is_reading: bool,
    is_switched: bool,
    /// What may still be sent of the request. `None` if it is not of a known length.
    left: Option<u64>,
    gave_up: bool,
    rejection: Option<Rejection>,
    wire: Vec<u8>,
}

pub(super) fn check(session: &Session<'_>, commands: &[u8]) {
    let mut run = Run {
        session,
        connection: SharedClientConnection::new(Arc::new(session.config.clone())),
        blocks: Blocks::new(),
        spans: FieldSpans::new(),
        pipeline: Pipeline::new(),
        given: 0,
        taken: 0,
        ended: false,
        sent: Vec::new(),
        answered: 0,
        is_reading: false,
        is_switched: false,
        left: None,
        gave_up: false,
        rejection: None,
        wire: Vec::new(),
    };
    let mut commands = commands.iter().copied();
    while let Some(command) = commands.next() {
        run.step(command & 15, usize::from(command >> 4), &mut commands);
        run.check();
    }
    run.receive(usize::MAX);
    run.check();
    run.check_wire();
}

impl Run<'_> {
    fn step(&mut self, command: u8, arg: usize, more: &mut impl Iterator<Item = u8>) {
        match command {
            0..=3 => self
                .receive([0, 1, 2, 3, 5, 8, 13, 17, 20, 31, 40, 64, 100, 200, 400, 1 << 20][arg]),
            4..=6 => {
                let asked = Asked::of(more.next().unwrap_or_default());
                let how = more.next().unwrap_or_default();
                let headers = headers(how >> 5);
                match command {
                    4 => {
                        let length = match how & 7 {
                            7 => BodyLength::Unknown,
                            6 => BodyLength::Exactly(u64::MAX),
                            n => BodyLength::Exactly(n.into()),
                        };
                        self.request(asked, &headers, length, arg & 1 != 0);
                    }
                    _ => self.request_whole(asked, &headers, &b"hello"[..arg.min(5)], how & 1 != 0),
                }
            }
            7..=9 => self.data(arg, command == 9),
            10 | 11 => self.end(&headers(if arg < 12 { 7 } else { arg as u8 & 7 })),
            12 => {
                self.connection.give_up();
                self.gave_up = true;
            }
            13 if arg > 12 && self.taken == self.given => self.over(arg == 13),
            _ => self.receive(1),
        }
    }

    fn is_complete(&self) -> bool {
        !self.connection.is_sending()
    }

    fn unanswered(&self) -> usize {
        self.sent.len() - self.answered - usize::from(self.is_switched)
    }

    /// Executes a command, and returns whether it was accepted. A refused command changes nothing.
    fn command(
        &mut self,
        f: impl FnOnce(
            &mut SharedClientConnection,
            &mut MessageOutput<'_>,
        ) -> Result<(), LocalProtocolError>,
    ) -> bool {
        let before = self.shown();
        let result =
            f(&mut self.connection, &mut MessageOutput::new(&mut self.pipeline, &mut self.blocks));
        let mut slices = [&[][..]; 64];
        let n = self.pipeline.slices(&mut slices);
        let written = slices[..n].concat();
        assert_eq!(written.len() as u64, self.pipeline.len());
        self.pipeline.advance(u64::MAX, &mut self.blocks);
        self.wire.extend_from_slice(&written);
        if result.is_err() {
            assert!(written.is_empty());
            assert_eq!(self.shown(), before);
        }
        result.is_ok()
    }

    fn shown(&self) -> String {
        let Run { connection, .. } = self;
        format!("{connection:?} {} {}", connection.held(), connection.awaits_continue())
    }

    fn may_begin(&self) -> bool {
        self.unanswered() == 0
            && self.is_complete()
            && !self.is_switched
            && !self.connection.must_close()
    }

    fn request(&mut self, asked: Asked, headers: &Headers, length: BodyLength, expects: bool) {
        let is_empty = length == BodyLength::Exactly(0);
        let is_allowed = self.may_begin()
            && are_allowed(headers)
            && (is_empty || !matches!(asked.method, "CONNECT" | "TRACE"));
        let options = RequestOptions { expects_continue: expects, ..asked.options() };
        let line = asked.line();
        let done = self.command(|it, out| it.request(&line, headers, length, &options, out));
        assert_eq!(done, is_allowed);
        if done {
            assert_eq!(self.connection.awaits_continue(), expects && !is_empty);
            assert!(self.connection.is_sending());
            self.sent.push(asked);
            self.left = match length {
                BodyLength::Exactly(n) => Some(n),
                BodyLength::Unknown => None,
            };
        }
    }

    fn request_whole(&mut self, asked: Asked, headers: &Headers, content: &[u8], expects: bool) {
        let is_possible = are_allowed(headers)
            && (content.is_empty() || !matches!(asked.method, "CONNECT" | "TRACE"));
        let may_pipeline = !self.connection.must_close()
            && self.rejection.is_none()
            && !self.is_switched
            && self.is_complete()
            && self.connection.state().keep_alive
            && self.unanswered() > 0
            && self.unanswered() < self.session.config.pipelined
            && self.sent.last().is_some_and(|last| last.is_plain() && !last.close)
            && asked.is_plain();
        let is_allowed = is_possible && (self.may_begin() || may_pipeline);
        let options = RequestOptions { expects_continue: expects, ..asked.options() };
        let line = asked.line();
        let done = self.command(|it, out| it.request_whole(&line, headers, content, &options, out));
        assert_eq!(done, is_allowed);
        if done {
            assert!(!self.connection.is_sending());
            self.sent.push(asked);
        }
    }

    fn data(&mut self, n: usize, by_reference: bool) {
        let may = self.connection.is_sending()
            && self.rejection.is_none()
            && self.left.is_none_or(|left| n as u64 <= left);
        let data = vec![b'\n'; n];
        let done = self.command(|it, out| match by_reference {
            true => it.data_bytes(data.into(), out),
            false => it.data(&data, out),
        });
        assert_eq!(done, may);
        if let (true, Some(left)) = (done, &mut self.left) {
            *left -= n as u64;
        }
    }

    fn end(&mut self, trailers: &Headers) {
        let may = self.connection.is_sending()
            && self.rejection.is_none()
            && match self.left {
                Some(left) => left == 0 && trailers.is_empty(),
                None => true,
            }
            && are_allowed(trailers);
        let done = self.command(|it, out| it.end(trailers, out));
        assert_eq!(done, may);
        assert!(!done || !self.connection.is_sending());
    }

    fn receive(&mut self, n: usize) {
        let stream = self.session.stream;
        if !self.ended {
            self.given = self.given.max(self.taken.saturating_add(n).min(stream.len()));
        }
        let offered = &stream[self.taken..self.given];
        let is_over = self.connection.must_close() || self.is_switched;
        let received = self.connection.receive(offered, &mut self.spans, &mut self.blocks);
        let (taken, part) = match received {
            Ok(received) => received,
            Err(rejection) => return self.refused(rejection),
        };
        assert_eq!(self.rejection, None);
        assert!(taken <= offered.len());
        assert!(!is_over || taken == 0 && part.is_none());
        self.taken += taken;
        match part {
            None => return,
            Some(ResponsePart::Informational(head)) => {
                assert!(head.status().is_informational() && !self.is_reading);
            }
            Some(ResponsePart::Response(_)) => {
                assert!(!self.is_reading);
                self.is_reading = true;
            }
            Some(ResponsePart::WholeResponse(_)) => {
                assert!(!self.is_reading);
                self.answered += 1;
            }
            Some(ResponsePart::Data(data)) => {
                assert!(self.is_reading && !data.is_empty() && offered[..taken].ends_with(data));
            }
            Some(ResponsePart::End(_)) => {
                assert!(self.is_reading);
                self.is_reading = false;
                self.answered += 1;
            }
            Some(ResponsePart::Switched(_)) => {
                self.is_switched = true;
                assert!(self.connection.is_switched());
            }
        }
        assert!(self.answered <= self.sent.len());
    }

    fn refused(&mut self, rejection: Rejection) {
        assert!(rejection.offset <= self.given as u64);
        assert_eq!(*self.rejection.get_or_insert(rejection), rejection, "the same again");
        self.is_reading = false;
    }

    fn over(&mut self, is_orderly: bool) {
        self.ended = true;
        let ends_body = self.connection.ends_with_stream();
        let ended = match is_orderly {
            true => self.connection.eof(),
            false => self.connection.cut().map(|()| false),
        };
        match ended {
            Ok(ends) => {
                assert_eq!(ends, ends_body && is_orderly);
                self.answered += usize::from(ends);
                self.is_reading &= !ends;
                assert!(self.connection.must_close() || self.is_switched);
            }
            Err(rejection) => self.refused(rejection),
        }
    }

    /// What is true at any time.
    fn check(&self) {
        let Run { connection, .. } = self;
        let state = connection.state();
        assert_eq!(connection.unanswered(), self.unanswered(), "{connection:?}");
        assert_eq!(connection.rejection(), self.rejection);
        assert!(connection.held() <= self.session.most_held());
        assert!(!connection.is_idle() || (self.unanswered() == 0 && self.is_complete()));
        assert!(!connection.is_idle() || !connection.must_close());
        assert!(!connection.awaits_continue() || connection.is_sending());
        if self.gave_up && self.unanswered() == 0 && !self.is_switched {
            assert!(connection.must_close(), "{connection:?}");
        }
        if self.rejection.is_some() {
            assert!(connection.must_close());
            assert_eq!(state.server, ServerState::Failed);
        }
        assert_ne!(state.client, ClientState::Failed);
    }

    /// A server reads what was sent.
    fn check_wire(&self) {
        let config = ConnectionConfig { tunnels: true, ..ConnectionConfig::default() };
        let mut server = SharedServerConnection::new(Arc::new(config));
        let (mut blocks, mut spans, mut pipeline) =
            (Blocks::new(), FieldSpans::new(), Pipeline::new());
        let mut rest = &self.wire[..];
        let mut read = 0;
        loop {
            let received = server.receive(rest, &mut spans, &mut blocks);
            let (taken, event) = match received {
                Ok(received) => received,
                // The length is announced, and is beyond the server's limit.
                Err(rejection) => {
                    assert_eq!(rejection.rule, diesel_proto::http1::Rule::BodyTooLarge);
                    assert_eq!(self.left.map(|left| left > 1 << 20), Some(true));
                    return;
                }
            };
            rest = &rest[taken..];
            let is_event = event.is_some();
            if let Some(Received::Request(head)) = event {
                let asked = self.sent[read];
                read += 1;
                assert_eq!(head.method(), asked.method);
                assert_eq!(head.upgrade().is_some(), asked.upgrade.is_some());
                assert_eq!(head.fields().get("host"), Some(asked.line().host().as_bytes()));
            }
            let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
            server.ask_for_body(out);
            if server.request_is_complete() && server.state().server == ServerState::SendResponse {
                server.respond_whole(Status::NOT_FOUND, &Headers::new(), b"", None, out).unwrap();
            } else if !is_event {
                break;
            }
        }
        assert_eq!(read, self.sent.len());
        assert!(rest.is_empty(), "nothing follows the last request");
    }
}

/// No fields, or one.
fn headers(draw: u8) -> Headers {
    let mut headers = Headers::new();
    if draw < 7 {
        headers.add(NAMES[usize::from(draw)], "v").unwrap();
    }
    headers
}

fn are_allowed(headers: &Headers) -> bool {
    let ours = ["te", "Content-Length", "Upgrade", "Host", "Expect"];
    headers.iter().all(|(name, _)| !ours.contains(&name))
}
