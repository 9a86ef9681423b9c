//! A user's protocol after an upgrade of HTTP: its machine and its layer under the laws at every
//! cut, alone and in a hub, and whole conversations over a random network.

use core::time::Duration;
use std::net::SocketAddr;

use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::layer_laws::LayerLaws;
use diesel_proto::testkit::net::{LinkOptions, Network, explore};
use diesel_proto::testkit::{HubMachine, Stimulus};
use diesel_proto::{
    Actions, Cause, Conn, Ctx, End, Endpoint, Error, Hub, Input, Instant, LineEcho, Machine,
    Reason, http1,
};
use diesel_tests::toy_frames::echo::{ANSWER, FrameEcho, IDLE};
use diesel_tests::toy_frames::frame::{Frame, FrameReader, Kind, MAX_PAYLOAD};
use diesel_tests::toy_frames::layer::Frames;
use diesel_tests::toy_frames::{accept, request, service};

const NOW: Instant = Instant::ORIGIN;
const KEY: [u8; 4] = [0x12, 0x00, 0xff, 0x7e];

fn masked(kind: Kind, payload: impl Into<Vec<u8>>) -> Vec<u8> {
    Frame::new(kind, payload).encode(Some(KEY))
}

fn text(payload: &str) -> Vec<u8> {
    masked(Kind::Text, payload)
}

fn close() -> Vec<u8> {
    Frame::close(1000).encode(Some(KEY))
}

/// Whole frames of a server.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let (mut frames, mut reader) = (Vec::new(), FrameReader::of_server());
    while let Ok((n, Some(frame))) = reader.read(bytes) {
        frames.push(frame);
        bytes = &bytes[n..];
    }
    frames
}

/// The frames that a peer of the layer sends for these bytes, with a ping in between.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let messages = bytes.chunks(MAX_PAYLOAD).map(|bytes| masked(Kind::Binary, bytes));
    messages.flat_map(|message| [message, masked(Kind::Ping, "?")].concat()).collect()
}

/// The bytes that the peer reads: without pongs, and with nothing after the closing frame.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let frames = frames(bytes).into_iter().take_while(|frame| frame.kind != Kind::Close);
    let messages = frames.filter(|frame| frame.kind == Kind::Binary);
    messages.flat_map(|frame| frame.payload).collect()
}

#[test]
fn a_frame_is_read_as_it_was_written() {
    for len in [0, 1, 125, 126, 127, MAX_PAYLOAD] {
        for key in [None, Some(KEY)] {
            let frame = Frame::new(Kind::Binary, vec![0xa5; len]);
            let mut reader =
                if key.is_some() { FrameReader::of_client() } else { FrameReader::of_server() };
            let bytes = frame.encode(key);
            for cut in 0..bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(reader.read(head), Ok((cut, None)));
                assert_eq!(reader.read(tail), Ok((tail.len(), Some(frame.clone()))));
            }
        }
    }
}

fn sessions() -> Vec<Vec<Stimulus>> {
    let bytes = |parts: &[&[u8]]| Stimulus::bytes(parts.concat());
    let wait = |time: Duration| Stimulus::Wait(time);
    vec![
        vec![bytes(&[&text("hello"), &masked(Kind::Ping, "x"), &close(), b"more"]), Stimulus::Eof],
        vec![bytes(&[&text("one"), &masked(Kind::Binary, "two"), &text("")]), Stimulus::Eof],
        vec![
            bytes(&[&text("one")]),
            wait(IDLE),
            bytes(&[&masked(Kind::Pong, "there?")]),
            wait(IDLE),
        ],
        vec![bytes(&[&text("one")]), wait(IDLE + ANSWER), bytes(&[&text("late")])],
        vec![bytes(&[&text("one"), &text("two")[..4]]), Stimulus::Shutdown, bytes(&[b"more"])],
        vec![bytes(&[&text(&"x".repeat(300)), &text("y")]), Stimulus::Reset],
        // Not masked; of no kind; a fragment; too long; a long control frame.
        vec![bytes(&[&Frame::new(Kind::Text, "hello").encode(None)])],
        vec![bytes(&[&text("one"), &[0x83, 0x80], b"rest"])],
        vec![bytes(&[&[0x01, 0x80]])],
        vec![bytes(&[&text("one"), &[0x82, 0xff], b"rest"])],
        vec![bytes(&[&[0x82, 0xfe, 0x03, 0xe9], b"rest"])],
        vec![bytes(&[&[0x89, 0xfe, 0x00, 0x7e], b"rest"])],
        vec![Stimulus::Blocked, bytes(&[&text(&"z".repeat(900)).repeat(9)]), Stimulus::Writable],
        vec![Stimulus::Blocked, bytes(&[&text("one"), &close()]), Stimulus::WriteFailed],
    ]
}

#[test]
fn the_machine_keeps_the_laws() {
    for session in sessions() {
        Laws::of(FrameEcho::default).max_held(MAX_PAYLOAD + 8).assert(&session);
    }
}

#[test]
fn the_layer_keeps_the_laws_of_layers() {
    LayerLaws::of(Frames::new)
        .framed_by(encode, decode)
        .goodbye(&close())
        .max_held(2 * (MAX_PAYLOAD + 8))
        .sessions(60)
        .assert();
    let echo = || {
        LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(12)))
    };
    let session = ["hello\r\nUPGR", "ADE\r\nworld\r\nquit\r\n"].map(Stimulus::bytes).into_iter();
    LayerLaws::around(echo, Frames::new)
        .framed_by(encode, decode)
        .goodbye(&close())
        .assert_on(&session.chain([Stimulus::Eof]).collect::<Vec<_>>());
}

#[test]
fn an_echo_of_lines_under_the_layer_keeps_the_laws() {
    for session in sessions() {
        Laws::of(|| Frames::new(LineEcho::default().max_line(400))).assert(&session);
    }
}

/// The inputs of the machine inside the layer.
struct Told(std::sync::Arc<std::sync::Mutex<Vec<Cause>>>);

impl Machine for Told {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                actions.send(bytes);
                return bytes.len();
            }
            Input::Cut(cause) => self.0.lock().unwrap().push(cause),
            _ => {}
        }
        0
    }
}

#[test]
fn both_sides_get_the_reason_why_the_layer_ends_the_stream() {
    let told = std::sync::Arc::default();
    let mut endpoint = Endpoint::new(Frames::new(Told(std::sync::Arc::clone(&told))), NOW);
    let bytes = [text("last words"), vec![0x83]].concat();
    assert_eq!(endpoint.received(NOW, &bytes), bytes.len());
    let heard = frames(&endpoint.take_outgoing(NOW));
    assert_eq!(heard, [Frame::new(Kind::Binary, "last words"), Frame::close(1002)]);
    let Some(End::Close(cause @ Cause::Protocol(_))) = endpoint.end() else {
        panic!("{:?}", endpoint.end())
    };
    assert_eq!(*told.lock().unwrap(), [cause]);

    let mut endpoint = Endpoint::new(Frames::new(Told(std::sync::Arc::clone(&told))), NOW);
    endpoint.eof(NOW);
    let Some(End::Abort(cause @ Cause::Protocol(_))) = endpoint.end() else {
        panic!("{:?}", endpoint.end())
    };
    assert_eq!(told.lock().unwrap()[1..], [cause]);
}

#[test]
fn a_request_without_the_upgrade_gets_an_http_response() {
    let served = |head: &str| {
        let mut hub = Hub::default();
        let service = hub.add_service(service(FrameEcho::default));
        let mut endpoint = Endpoint::new(HubMachine::new(hub, service), NOW);
        assert_eq!(endpoint.received(NOW, head.as_bytes()), head.len());
        String::from_utf8(endpoint.take_outgoing(NOW)).unwrap()
    };
    let answer = served(&request("abc"));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.to_lowercase().contains("toy-accept: cba\r\n"), "{answer}");
    for head in [
        request("abc").replace("Toy-Key", "X-Key"),
        request("abc").replace("toy-frames", "websocket"),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] {
        let answer = served(&head);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

/// The request, frames that arrive in the same read, and every cut of both.
#[test]
fn the_whole_service_keeps_the_laws() {
    fn lawful(serve: fn() -> http1::Service) {
        for (index, session) in sessions().into_iter().enumerate() {
            let mut session = session;
            session.insert(index % 2, Stimulus::bytes(request("key")));
            let served = || {
                let mut hub = Hub::default();
                let service = hub.add_service(serve());
                HubMachine::new(hub, service).room(2000)
            };
            Laws::of(served).early_deadlines().assert(&session);
        }
    }
    lawful(|| service(FrameEcho::default));
    lawful(|| service(|| Frames::new(LineEcho::default().max_line(400))));
}

/// A client, in blocking style.
struct Client {
    conn: Conn,
    reader: FrameReader,
}

impl Client {
    async fn connect(ctx: &Ctx, address: SocketAddr) -> Result<Client, Error> {
        let mut conn = ctx.connect(address).await?;
        conn.write(request("a key")).await?;
        let mut accepted = false;
        loop {
            let line = conn.until(b"\r\n").await?.to_ascii_lowercase();
            accepted |= line == format!("toy-accept: {}\r\n", accept("a key")).into_bytes();
            if line == b"\r\n" {
                break;
            }
        }
        match accepted {
            true => Ok(Client { conn, reader: FrameReader::of_server() }),
            false => Err(Error::application("not accepted")),
        }
    }

    async fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        self.conn.write(masked(kind, payload)).await
    }

    async fn receive(&mut self) -> Result<Frame, Error> {
        loop {
            let byte = self.conn.bytes(1).await?;
            let read = self.reader.read(&byte);
            let (_, frame) = read.map_err(|_| Error::application("broken frames"))?;
            if let Some(frame) = frame {
                return Ok(frame);
            }
        }
    }

    async fn expect(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        match self.receive().await? {
            frame if frame == Frame::new(kind, payload) => Ok(()),
            frame => Err(Error::application(format!("{frame:?}"))),
        }
    }

    /// Sends a closing frame, and waits for the peer's.
    async fn close(mut self) -> Result<(), Error> {
        self.conn.write(close()).await?;
        self.expect(Kind::Close, &1000_u16.to_be_bytes()).await?;
        match self.conn.to_end(10).await?.is_empty() {
            true => Ok(()),
            false => Err(Error::application("more behind the closing frame")),
        }
    }
}

/// Sends messages and pings, in small pieces, over slow links; after a silence it gets a ping.
async fn with_the_machine(ctx: &Ctx, address: SocketAddr) -> Result<(), Error> {
    let mut client = Client::connect(ctx, address).await?;
    for n in 0..5_usize {
        let message = vec![b'a' + n as u8; n * 100];
        client.send(Kind::Text, &message).await?;
        client.send(Kind::Ping, b"p").await?;
        client.expect(Kind::Text, &message).await?;
        client.expect(Kind::Pong, b"p").await?;
    }
    client.expect(Kind::Ping, b"there?").await?;
    client.send(Kind::Pong, b"there?").await?;
    client.close().await
}

/// Talks to an echo of lines without frames. The layer decides how its output is framed.
async fn with_the_layer(ctx: &Ctx, address: SocketAddr) -> Result<(), Error> {
    let mut client = Client::connect(ctx, address).await?;
    client.send(Kind::Binary, b"hello\nwor").await?;
    client.send(Kind::Ping, b"still there?").await?;
    client.send(Kind::Binary, b"ld\n").await?;
    let (mut heard, mut pongs) = (Vec::new(), 0);
    while heard.len() < b"you said: hello\nyou said: world\n".len() || pongs == 0 {
        match client.receive().await? {
            Frame { kind: Kind::Pong, payload } if payload == b"still there?" => pongs += 1,
            Frame { kind: Kind::Binary, payload } => heard.extend(payload),
            frame => return Err(Error::application(format!("{frame:?}"))),
        }
    }
    if heard != b"you said: hello\nyou said: world\n" {
        return Err(Error::application("not what was said"));
    }
    client.close().await
}

#[test]
fn conversations_over_networks_that_are_drawn() {
    let address: SocketAddr = "10.0.0.1:80".parse().unwrap();
    type Conversation =
        for<'a> fn(
            &'a Ctx,
            SocketAddr,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    let conversation = |seed, serve: fn() -> http1::Service, client: Conversation| {
        let (mut network, mut server, mut hub) =
            (Network::new(seed), Hub::default(), Hub::default());
        network.link(LinkOptions {
            latency: Duration::from_millis(1)..=Duration::from_millis(300),
            reads: 1..=1 + seed as usize % 40,
            ..LinkOptions::default()
        });
        let service = server.add_service(serve());
        network.host(server, &[(service, address)]).unwrap();
        let (told, outcome) = (std::rc::Rc::new(std::cell::RefCell::new(None)), 120);
        let tells = std::rc::Rc::clone(&told);
        let talks = async move |ctx: Ctx| {
            let result = client(&ctx, address).await.map_err(|error| error.to_string());
            *tells.borrow_mut() = Some(result);
            ctx.halt();
            Ok(())
        };
        hub.add_loop(talks).map_err(|limit| limit.to_string())?;
        network.lone_host(hub);
        network.run_for(Duration::from_secs(outcome)).map_err(|error| error.to_string())?;
        told.take().unwrap_or(Err("it never ended".into()))
    };
    explore(0..60, |seed| {
        conversation(
            seed,
            || service(FrameEcho::default),
            |ctx, address| Box::pin(with_the_machine(ctx, address)),
        )
    })
    .unwrap();
    let layered = || service(|| Frames::new(LineEcho::default()));
    explore(0..60, |seed| {
        conversation(seed, layered, |ctx, address| Box::pin(with_the_layer(ctx, address)))
    })
    .unwrap();
}

#[test]
fn a_silent_client_is_asked_and_then_left() {
    let mut endpoint = Endpoint::new(FrameEcho::default(), NOW);
    endpoint.expired(NOW + IDLE);
    assert_eq!(frames(&endpoint.take_outgoing(NOW)), [Frame::new(Kind::Ping, "there?")]);
    endpoint.expired(NOW + IDLE + ANSWER);
    assert_eq!(frames(&endpoint.take_outgoing(NOW)), [Frame::close(1001)]);
    assert_eq!(endpoint.closed(), Some(Cause::TimedOut(Reason::Idle)));
}
