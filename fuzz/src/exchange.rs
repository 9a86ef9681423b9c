//! A client wired to a server: what either side gets is what the other one sent, whatever the cuts
//! and whichever side is ahead. Exchanges, cuts and turns are chosen by the fuzzer.

use diesel_proto::http1::{
    BodyLength, ClientConnection, ClientConnectionConfig, ClientState, ConnectionConfig, Headers,
    LocalProtocolError, RequestEvent, RequestLine, RequestOptions, ResponseEvent, ServerConnection,
    ServerState, Status,
};

const METHODS: [(&str, &str); 8] = [
    ("GET", "/"),
    ("GET", "/a?b=c"),
    ("HEAD", "/%41"),
    ("PUT", "http://h:81/x"),
    ("POST", "/form"),
    ("OPTIONS", "*"),
    ("CONNECT", "b:1"),
    ("X-y", "//"),
];
const STATUSES: [u16; 8] = [200, 404, 204, 304, 206, 500, 205, 599];
const FIELDS: [(&str, &str); 6] = [
    ("A", "v"),
    ("Set-Cookie", "a=b; c"),
    ("X", ""),
    ("A", "\u{e9}"),
    ("Date", "x\ty"),
    ("Age", "1, 2"),
];
const WRITTEN: [&str; 6] =
    ["host", "connection", "upgrade", "expect", "content-length", "transfer-encoding"];

/// What the fuzzer chooses next; zero behind the end.
struct Draws<'a>(std::slice::Iter<'a, u8>);

impl Draws<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.next()) % n
    }

    fn headers(&mut self) -> Fields {
        let draw = usize::from(self.next());
        (0..draw & 3).map(|n| FIELDS[(draw / 4 + n) % FIELDS.len()]).collect()
    }

    fn body(&mut self) -> Body {
        let draw = self.next();
        let n = [0, 0, 1, 5, 17, 300, 4096, 2][usize::from(draw & 7)];
        let content: Vec<u8> = (0..n).map(|n: u32| b"\r\n0aHTTP/1.1"[n as usize % 12]).collect();
        match draw >> 3 & 3 {
            0 => Body { content, is_whole: true, length: None, trailers: Fields::new() },
            1 => {
                let length = Some(content.len());
                Body { content, is_whole: false, length, trailers: Fields::new() }
            }
            _ => Body { content, is_whole: false, length: None, trailers: self.headers() },
        }
    }
}

type Fields = Vec<(&'static str, &'static str)>;

struct Body {
    content: Vec<u8>,
    is_whole: bool,
    length: Option<usize>,
    trailers: Fields,
}

/// A request, and the response to it.
struct Exchange {
    method: &'static str,
    target: &'static str,
    fields: Fields,
    body: Body,
    upgrade: bool,
    expects: bool,
    close: bool,
    informational: usize,
    /// The server answers before it has read the request.
    is_early: bool,
    switches: bool,
    status: Status,
    response_fields: Fields,
    response_body: Body,
}

impl Exchange {
    fn draw(draws: &mut Draws<'_>) -> Self {
        let (method, target) = METHODS[draws.below(METHODS.len())];
        let flags = draws.next();
        let is_connect = method == "CONNECT";
        let fields = draws.headers();
        let mut body = draws.body();
        if is_connect {
            body = Body { content: Vec::new(), is_whole: true, length: None, trailers: Vec::new() };
        }
        let status = Status::new(STATUSES[draws.below(STATUSES.len())]).unwrap();
        let response_fields = draws.headers();
        let mut response_body = draws.body();
        if matches!(status.code(), 204 | 205) {
            response_body =
                Body { content: Vec::new(), is_whole: true, length: None, trailers: Vec::new() };
        }
        // The server refuses to answer a CONNECT with a 2xx, except by a switch.
        let switches = flags & 0x30 == 0x30 || (is_connect && status.is_success());
        Exchange {
            method,
            target,
            fields,
            upgrade: flags & 0x10 != 0 && !is_connect,
            expects: flags & 4 != 0,
            close: flags & 0x0f == 0x0f,
            informational: usize::from(flags >> 6),
            is_early: flags & 8 != 0 && !switches,
            switches: switches && (is_connect || flags & 0x10 != 0),
            status,
            response_fields,
            body,
            response_body,
        }
    }

    /// Whether the response has a body on the wire.
    fn has_content(&self) -> bool {
        self.method != "HEAD" && !matches!(self.status.code(), 204 | 304)
    }
}

/// What one side got of a message.
#[derive(Debug, Default)]
struct Got {
    method: String,
    target: String,
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
    trailers: Option<Vec<(String, Vec<u8>)>>,
    informational: usize,
}

/// How much of a message was sent.
#[derive(Default)]
struct Progress {
    informed: usize,
    has_begun: bool,
    sent: usize,
}

/// Takes a byte of settings, the exchanges, then the turns.
pub fn exchange(data: &[u8]) {
    let mut draws = Draws(data.iter());
    let setting = draws.next();
    let pipelined = usize::from(setting & 3) + 1;
    let exchanges = (0..1 + (setting >> 2 & 7)).map(|_| Exchange::draw(&mut draws)).collect();
    let config = ClientConnectionConfig { pipelined, ..ClientConnectionConfig::default() };
    let tunnels = ConnectionConfig { tunnels: true, ..ConnectionConfig::default() };
    let mut wired = Wired {
        exchanges,
        client: ClientConnection::new(config),
        server: ServerConnection::new(tunnels),
        to_server: Vec::new(),
        to_client: Vec::new(),
        requesting: 0,
        request: Progress::default(),
        responding: 0,
        response: Progress::default(),
        requests: Vec::new(),
        responses: vec![Got::default()],
        is_over: false,
    };
    for _ in 0..10_000 {
        let Some(&turn) = draws.0.next() else { break };
        let n = [1, 2, 3, 7, 20, 100, 1000, usize::MAX][usize::from(turn >> 2 & 7)];
        wired.turn(turn & 3, n);
    }
    loop {
        let before = wired.progress();
        (0..4).for_each(|turn| wired.turn(turn, usize::MAX));
        if wired.progress() == before {
            break;
        }
    }
    wired.check();
}

struct Wired {
    exchanges: Vec<Exchange>,
    client: ClientConnection,
    server: ServerConnection,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// The exchange whose request is sent now, and the one whose response is.
    requesting: usize,
    request: Progress,
    responding: usize,
    response: Progress,
    requests: Vec<Got>,
    /// The last one has not begun.
    responses: Vec<Got>,
    /// The server has ended the stream.
    is_over: bool,
}

impl Wired {
    /// All that changes when something is done.
    fn progress(&self) -> (usize, usize, [usize; 6], String) {
        let lens = [
            self.to_server.len(),
            self.to_client.len(),
            self.request.sent,
            self.response.sent + self.response.informed,
            self.requests.iter().map(|got| got.content.len()).sum(),
            self.responses.iter().map(|got| got.content.len()).sum(),
        ];
        let states = format!("{:?} {:?} {}", self.client, self.server, self.is_over);
        (self.requesting, self.responding, lens, states)
    }

    fn turn(&mut self, turn: u8, n: usize) {
        match turn {
            0 => self.ask(n),
            1 => self.carry_to_server(n),
            2 => self.answer(n),
            _ => self.carry_to_client(n),
        }
        self.to_server.extend(self.client.take_outgoing());
        self.to_client.extend(self.server.take_outgoing());
    }

    fn ask(&mut self, n: usize) {
        let Some(it) = self.exchanges.get(self.requesting) else { return };
        if self.client.must_close() || self.client.is_switched() {
            return;
        }
        let line = RequestLine::new(it.method, it.target, "h:80").unwrap();
        let options = RequestOptions {
            close: it.close,
            expects_continue: it.expects,
            upgrade: it.upgrade.then_some("a, websocket"),
        };
        let headers = written(&it.fields);
        let body = &it.body;
        if !self.request.has_begun {
            if body.is_whole {
                let sent = self.client.request_whole(&line, &headers, &body.content, &options);
                match sent {
                    Ok(()) => self.requesting += 1,
                    Err(LocalProtocolError::Order(_) | LocalProtocolError::Unread) => {
                        assert!(!self.client.is_idle());
                    }
                    Err(error) => panic!("{error}"),
                }
                return;
            }
            if !self.client.is_idle() {
                return;
            }
            let length = body.length.map_or(BodyLength::Unknown, |n| BodyLength::Exactly(n as u64));
            self.client.request(&line, &headers, length, &options).unwrap();
            self.request.has_begun = true;
        } else if self.client.awaits_continue() {
            // The server says it, or answers: both come.
        } else if self.request.sent < body.content.len() {
            let end = body.content.len().min(self.request.sent.saturating_add(n));
            self.client.data(&body.content[self.request.sent..end]).unwrap();
            self.request.sent = end;
        } else {
            self.client.end(&written(&body.trailers)).unwrap();
            self.request = Progress::default();
            self.requesting += 1;
        }
    }

    fn carry_to_server(&mut self, n: usize) {
        let n = n.min(self.to_server.len());
        if n > 0 && self.server.received(&self.to_server[..n]) == n {
            self.to_server.drain(..n);
        }
        loop {
            match self.server.next_event().expect("a client sends what a server reads") {
                None => return,
                Some(RequestEvent::Request(head)) => {
                    let head = head.view();
                    let it = &self.exchanges[self.requests.len()];
                    let expects = it.expects && !it.body.is_whole && it.body.length != Some(0);
                    assert_eq!(head.expects_continue(), expects);
                    assert_eq!(head.upgrade().is_some(), it.upgrade);
                    self.requests.push(Got {
                        method: head.method().into(),
                        target: head.target_text().into(),
                        fields: of_application(head.fields().iter()),
                        ..Got::default()
                    });
                    if !it.is_early {
                        self.server.ask_for_body();
                    }
                }
                Some(RequestEvent::Data(data)) => {
                    self.requests.last_mut().unwrap().content.extend_from_slice(&data);
                }
                Some(RequestEvent::End(trailers)) => {
                    let trailers = of_application(trailers.iter());
                    self.requests.last_mut().unwrap().trailers = Some(trailers);
                }
                Some(RequestEvent::Closed) => panic!("the client does not close"),
            }
        }
    }

    fn answer(&mut self, n: usize) {
        let state = self.server.state();
        let Some(it) = self.exchanges.get(self.responding) else { return };
        let Some(request) = self.requests.get(self.responding) else { return };
        if !it.is_early && request.trailers.is_none() || self.server.must_close() {
            return;
        }
        let headers = written(&it.response_fields);
        let body = &it.response_body;
        match state.server {
            ServerState::SendResponse if self.response.informed < it.informational => {
                let status = [Status::new(102).unwrap(), Status::new(103).unwrap()];
                self.server.inform(status[self.response.informed & 1], &headers).unwrap();
                self.response.informed += 1;
                return;
            }
            ServerState::SendResponse if it.switches => {
                let protocol = if it.upgrade { "websocket" } else { "" };
                self.server.switch(&headers, protocol).unwrap();
            }
            ServerState::SendResponse if body.is_whole => {
                self.server.respond_whole(it.status, &headers, &body.content).unwrap();
            }
            ServerState::SendResponse => {
                let length =
                    body.length.map_or(BodyLength::Unknown, |n| BodyLength::Exactly(n as u64));
                self.server.respond(it.status, &headers, length).unwrap();
                return;
            }
            ServerState::Sending if self.response.sent < body.content.len() => {
                let end = body.content.len().min(self.response.sent.saturating_add(n));
                self.server.data(&body.content[self.response.sent..end]).unwrap();
                self.response.sent = end;
                return;
            }
            ServerState::Sending => {
                let trailers = written(&body.trailers);
                self.server.end(&trailers).unwrap();
            }
            _ => return,
        }
        self.response = Progress::default();
        self.responding += 1;
    }

    fn carry_to_client(&mut self, n: usize) {
        let n = n.min(self.to_client.len());
        if n > 0 && self.client.received(&self.to_client[..n]) == n {
            self.to_client.drain(..n);
        } else if n == 0 && self.server.must_close() && !self.is_over {
            self.is_over = true;
            self.client.eof();
        }
        loop {
            let got = self.responses.last_mut().unwrap();
            match self.client.next_event().expect("a server sends what a client reads") {
                None => return,
                Some(ResponseEvent::Informational(head)) => {
                    assert!(head.view().status().is_informational());
                    got.informational += usize::from(head.view().status() != Status::CONTINUE);
                }
                Some(ResponseEvent::Response(head) | ResponseEvent::Switched(head)) => {
                    got.status = head.view().status().code();
                    got.fields = of_application(head.view().fields().iter());
                }
                Some(ResponseEvent::Data(data)) => got.content.extend_from_slice(&data),
                Some(ResponseEvent::End(trailers)) => {
                    got.trailers = Some(of_application(trailers.iter()));
                    self.responses.push(Got::default());
                }
                Some(ResponseEvent::Closed) => assert!(self.is_over),
            }
        }
    }

    fn check(&mut self) {
        let Wired { client, server, exchanges, .. } = self;
        assert!(self.to_server.is_empty() || server.must_close() || server.is_switched());
        assert!(self.to_client.is_empty());
        for (it, got) in exchanges.iter().zip(&self.requests) {
            assert_eq!((it.method, it.target), (&*got.method, &*got.target));
            assert_eq!(owned(&it.fields), got.fields);
            match &got.trailers {
                Some(trailers) => {
                    assert_eq!(it.body.content, got.content);
                    assert_eq!(owned(&it.body.trailers), *trailers);
                }
                None => assert!(it.is_early && it.body.content.starts_with(&got.content)),
            }
        }
        for (it, got) in exchanges.iter().zip(&self.responses) {
            if got.status == 0 {
                break;
            }
            assert_eq!(it.informational, got.informational);
            assert_eq!(owned(&it.response_fields), got.fields);
            if it.switches {
                assert_eq!(got.status, if it.upgrade { 101 } else { 200 });
                assert!(client.is_switched() && server.is_switched());
                continue;
            }
            assert_eq!(it.status.code(), got.status);
            let content = if it.has_content() { &it.response_body.content[..] } else { b"" };
            assert_eq!(content, got.content);
            let trailers = got.trailers.as_ref().expect("a whole response");
            let sent =
                if it.has_content() { owned(&it.response_body.trailers) } else { Vec::new() };
            assert_eq!(sent, *trailers);
        }
        // All were answered, unless the connection ended before.
        let complete = self.responses.iter().filter(|got| got.trailers.is_some()).count();
        let switched = usize::from(client.is_switched());
        assert_eq!(client.is_switched(), server.is_switched());
        if switched == 0 && !client.must_close() {
            assert_eq!(complete, exchanges.len());
            assert!(client.is_idle());
            assert!(server.is_idle() && server.state().client == ClientState::Idle);
        }
        let begun = self.requesting + usize::from(self.request.has_begun);
        assert_eq!(client.unanswered() + complete + switched, begun);
        assert_eq!(self.responding, complete + switched);
    }
}

fn written(fields: &Fields) -> Headers {
    let mut headers = Headers::new();
    fields.iter().for_each(|(name, value)| headers.add(name, value).unwrap());
    headers
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into())).collect()
}

/// Those that the connection does not write.
fn of_application<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    fields
        .filter(|(name, _)| !WRITTEN.iter().any(|written| name.eq_ignore_ascii_case(written)))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
