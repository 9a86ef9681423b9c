//! The inputs of a session, recorded as values and replayed through an equal hub, give the same
//! results, bytes and actions. The live hub gets them by its methods, the other one by
//! `Hub::handle`: so this also shows that both are equivalent.

mod harness;

use std::rc::Rc;

use diesel_proto::http1::{self, Request, Response};
use diesel_proto::hub::{Input, Outcome, Seed};
use diesel_proto::*;
use harness::{echo, seconds, settings};

/// Greets, and greets again every second.
async fn greeter(ctx: Ctx, said: Event<String>) -> Result<(), Error> {
    for n in 0.. {
        ctx.sleep(seconds(1)).await?;
        let mask: [u8; 4] = ctx.random();
        said.fire(format!("{n} at {:?}, {mask:?}\n", ctx.unix_seconds()));
    }
    Ok(())
}

/// Passes on what the greeter says, and what its peer says to another server.
async fn listener(mut conn: Conn, said: Event<String>) -> Result<(), Error> {
    let mut said = said.subscribe();
    let mut other =
        conn.ctx().connect("192.0.2.1:7".parse::<std::net::SocketAddr>().unwrap()).await?;
    loop {
        match first((conn.until_eol(), said.wait())).await {
            First2::A(line) => other.write(line?).await?,
            First2::B(said) => conn.write(said?).await?,
        }
    }
}

/// Sends more than its peer takes.
async fn flood(mut conn: Conn) -> Result<(), Error> {
    loop {
        conn.write(vec![b'x'; 10_000]).await?;
    }
}

/// A hub with all of these, and its services.
fn hub() -> (Hub, [ServiceId; 4]) {
    let config = Config { max_connections: 8, ..Config::default() };
    let mut hub = Hub::new(config);
    let said = hub.event();
    let (say, hear) = (said.clone(), said);
    let services = [
        hub.add_service(echo),
        hub.add_service(async move |conn: Conn| listener(conn, hear.clone()).await),
        hub.add_service(
            Service::new(flood).config(settings(|config| config.write_stall = seconds(64))),
        ),
        hub.add_service(http1::Service::new(async |request: Request| {
            Response::text(format!("{:?}", request.target()))
        })),
    ];
    hub.add_loop(async move |ctx: Ctx| greeter(ctx, say).await).unwrap();
    (hub, services)
}

/// Everything that can be seen of a hub.
#[derive(Debug, PartialEq)]
enum Seen {
    Outcome(Outcome),
    Actions(Vec<Action>),
    /// What was outgoing before some of it was sent.
    Bytes(ConnId, Vec<u8>),
}

/// An embedder that records all inputs of its hub.
struct Live {
    hub: Hub,
    now: Instant,
    recording: Vec<(Instant, Input<'static>)>,
    seen: Vec<Seen>,
    /// How many bytes each stream takes at a time.
    room: usize,
    connecting: Vec<ConnId>,
    halted: bool,
}

impl Live {
    fn note(&mut self, input: Input<'_>) {
        self.recording.push((self.now, input.into_owned()));
    }

    fn tell(&mut self, input: Input<'_>, call: impl FnOnce(&mut Hub, Instant)) {
        self.note(input);
        call(&mut self.hub, self.now);
        self.seen.push(Seen::Outcome(Outcome::Nothing));
    }

    fn accept(&mut self, service: ServiceId) -> Result<ConnId, Refused> {
        self.note(Input::Accept { service, peer: Address::Unnamed });
        let accepted = self.hub.accept(self.now, service, Address::Unnamed);
        self.seen.push(Seen::Outcome(Outcome::Accepted(accepted)));
        self.run();
        accepted
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        self.note(Input::Received { conn, bytes: bytes.into() });
        let taken = self.hub.received(self.now, conn, bytes);
        self.seen.push(Seen::Outcome(Outcome::Taken(taken)));
        self.run();
    }

    fn send(&mut self, conn: ConnId) {
        let Some(bytes) = outgoing(&mut self.hub, conn) else { return };
        let n = bytes.len().min(self.room) as u64;
        self.seen.push(Seen::Bytes(conn, bytes));
        self.note(Input::Sent { conn, n });
        let left = self.hub.sent(self.now, conn, n);
        self.seen.push(Seen::Outcome(Outcome::Left(left)));
    }

    fn run(&mut self) {
        while !self.halted {
            self.note(Input::Run);
            let mut actions = Vec::new();
            self.hub.run(self.now, &mut actions);
            self.seen.push(Seen::Outcome(Outcome::Nothing));
            self.seen.push(Seen::Actions(actions.clone()));
            for action in &actions {
                match *action {
                    Action::Send(conn) => self.send(conn),
                    Action::Connect(conn, _) => self.connecting.push(conn),
                    Action::ReportUnacked(conn) => {
                        let n = 5_000;
                        self.tell(Input::Unacked { conn, n }, |hub, now| hub.unacked(now, conn, n));
                    }
                    Action::Halt => self.halted = true,
                    _ => {}
                }
            }
            if actions.is_empty() && self.hub.next_wake().is_none_or(|at| at > self.now) {
                return;
            }
        }
    }

    fn waits(&mut self, n: u64) {
        for _ in 0..n {
            self.now += seconds(1);
            self.run();
        }
    }
}

fn outgoing(hub: &mut Hub, conn: ConnId) -> Option<Vec<u8>> {
    hub.outgoing(conn, |slices| slices.concat())
}

/// A session with every kind of input.
fn session() -> Live {
    let (hub, [echoes, listens, floods, serves]) = hub();
    let mut live = Live {
        hub,
        now: Instant::ORIGIN,
        recording: Vec::new(),
        seen: Vec::new(),
        room: 1000,
        connecting: Vec::new(),
        halted: false,
    };
    let seed = Seed::from_number(7);
    live.tell(Input::Seed(seed.clone()), |hub, _| hub.seed(seed));
    let unix_seconds = 1_700_000_000;
    live.tell(Input::TimeOfDay { unix_seconds }, |hub, now| hub.time_of_day(now, unix_seconds));
    live.run();
    let conn = live.accept(echoes).unwrap();
    live.received(conn, b"hello\r\nwor");
    let listening = live.accept(listens).unwrap();
    let refused = live.accept(listens).unwrap();
    let [made, failed] = live.connecting[..] else { panic!("two connect") };
    live.tell(Input::Connected(made), |hub, now| hub.connected(now, made));
    let why = ConnectErrorKind::Refused;
    let input = Input::ConnectFailed { conn: failed, why };
    live.tell(input, |hub, now| hub.connect_failed(now, failed, why));
    live.waits(3);
    live.received(refused, b"too late\n");
    live.received(listening, b"pass on\n");
    let flooded = live.accept(floods).unwrap();
    live.waits(70);
    live.note(Input::Take { conn: flooded, most: 100 });
    let mut segments = Vec::new();
    live.hub.take_segments(live.now, flooded, 100, &mut segments);
    live.seen.push(Seen::Outcome(Outcome::Segments(segments)));
    live.send(flooded);
    live.tell(Input::WriteFailed(flooded), |hub, now| hub.write_failed(now, flooded));
    live.run();
    live.tell(Input::Wake(conn), |hub, now| hub.wake(now, conn));
    live.tell(Input::Eof(conn), |hub, now| hub.eof(now, conn));
    live.waits(1);
    live.tell(Input::Reset(listening), |hub, now| hub.reset(now, listening));
    live.run();
    let kept = live.accept(serves).unwrap();
    live.received(kept, b"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n");
    live.waits(5);
    live.note(Input::MakeRoom);
    let made = live.hub.make_room(live.now);
    assert!(made, "one is kept alive");
    live.seen.push(Seen::Outcome(Outcome::MadeRoom(made)));
    live.run();
    let deadline = live.now + seconds(9);
    live.tell(Input::Drain { deadline }, |hub, now| hub.drain(now, deadline));
    live.run();
    live.waits(10);
    assert!(live.halted);
    live
}

fn replay(recording: Vec<(Instant, Input<'static>)>) -> Vec<Seen> {
    let (mut hub, _) = hub();
    let mut seen = Vec::new();
    for (now, input) in recording {
        let input = input.for_hub(&hub);
        if let Input::Sent { conn, .. } = input {
            seen.push(Seen::Bytes(conn, outgoing(&mut hub, conn).unwrap()));
        }
        let runs = input == Input::Run;
        let mut actions = Vec::new();
        seen.push(Seen::Outcome(hub.handle(now, input, &mut actions)));
        match runs {
            true => seen.push(Seen::Actions(actions)),
            false => assert_eq!(actions, []),
        }
    }
    seen
}

#[test]
fn what_is_replayed_happens_again_byte_for_byte() {
    let live = session();
    let kinds: Vec<_> = live.recording.iter().map(|(_, it)| std::mem::discriminant(it)).collect();
    let distinct = kinds.iter().enumerate().filter(|(at, kind)| !kinds[..*at].contains(kind));
    assert_eq!(distinct.count(), KINDS, "the session has every kind of input");
    assert_eq!(replay(live.recording), live.seen);
}

/// How many kinds of inputs there are.
const KINDS: usize = 16;

/// With an input left out, the outcome differs. (Otherwise the test above would prove nothing.)
#[test]
fn what_is_left_out_is_missed() {
    let live = session();
    let received = |it: &(_, Input<'_>)| matches!(it.1, Input::Received { .. });
    let at = live.recording.iter().position(received).unwrap();
    let mut recording = live.recording;
    recording.remove(at);
    let seen = Rc::new(live.seen);
    let replayed = std::panic::catch_unwind(|| replay(recording));
    assert!(replayed.is_err() || replayed.is_ok_and(|again| again != *seen));
}
