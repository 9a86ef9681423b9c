//! The event loop over a transport in memory that logs each call, and fails as the test says.

mod regions;

use super::*;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::config::{Config, ServiceConfig, Shed};
use super::super::service::Service;
use crate::fiber::Conn;
use crate::machine::{Actions, Cause, Error, Input, LineEcho, Machine};

const NOW: Instant = Instant::ORIGIN;
const BOTH: Ready =
    Ready { readable: true, writable: true, ends: false, disarmed: false, hung_up: false };

#[derive(Default)]
struct Fake {
    log: Vec<String>,
    /// The connections to accept.
    backlog: VecDeque<AcceptOutcome<Wire>>,
    scratch: Vec<u8>,
    connects: VecDeque<Result<(), ConnectErrorKind>>,
    /// What is not scripted is sent.
    regions: VecDeque<RegionOutcome>,
}

/// One stream. What is not scripted succeeds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wire {
    name: &'static str,
    reads: VecDeque<Seen>,
    writes: VecDeque<WriteOutcome>,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Bytes(&'static str),
    /// A read that fills the buffer with this many bytes.
    Full(usize),
    Eof,
    Reset,
}

impl Fake {
    fn note(&mut self, wire: &Wire, what: impl core::fmt::Display) {
        self.log.push(format!("{} {what}", wire.name));
    }

    /// The calls since the last call of this.
    fn log(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }
}

impl Transport for Fake {
    type Stream = Wire;
    type Incoming = Wire;

    fn read(&mut self, wire: &mut Wire) -> ReadOutcome<'_> {
        let read = wire.reads.pop_front();
        self.note(wire, "read");
        let (bytes, filled) = match read {
            Some(Seen::Bytes(bytes)) => (bytes.as_bytes().to_vec(), false),
            Some(Seen::Full(n)) => (vec![b'\n'; n], true),
            Some(Seen::Eof) => return ReadOutcome::Eof,
            Some(Seen::Reset) => return ReadOutcome::Reset,
            None => return ReadOutcome::Nothing,
        };
        self.scratch = bytes;
        ReadOutcome::Bytes { bytes: &self.scratch, filled }
    }

    fn write(&mut self, wire: &mut Wire, slices: &[&[u8]]) -> WriteOutcome {
        let all = slices.iter().map(|slice| slice.len()).sum();
        self.note(wire, format_args!("write {all}"));
        wire.writes.pop_front().unwrap_or(WriteOutcome::Took(all))
    }

    fn write_region(&mut self, _: ConnId, wire: &mut Wire, region: FileRegion) -> RegionOutcome {
        let FileRegion { id, offset, len } = region;
        self.note(wire, format_args!("region {id}: {len} at {offset}"));
        match self.regions.pop_front() {
            Some(outcome) => outcome,
            None => RegionOutcome::Wrote(WriteOutcome::Took(len as usize)),
        }
    }

    fn shut_down(&mut self, _: ConnId, wire: &mut Wire) -> Result<(), Lost> {
        self.note(wire, "shut down");
        if wire.lost { Err(Lost) } else { Ok(()) }
    }

    fn watch(
        &mut self,
        _: ConnId,
        wire: &mut Wire,
        Interest { readable, writable }: Interest,
    ) -> Result<(), Lost> {
        let (r, w) = (if readable { "r" } else { "-" }, if writable { "w" } else { "-" });
        self.note(wire, format_args!("watch {r}{w}"));
        if wire.lost { Err(Lost) } else { Ok(()) }
    }

    fn close(&mut self, _: Instant, _: ConnId, wire: Option<Wire>, end: End) {
        let name = wire.map_or("none", |wire| wire.name);
        self.log.push(format!("{name} {end:?}"));
    }

    fn accept(&mut self, _: Instant, _: ServiceId) -> AcceptOutcome<Wire> {
        self.log.push("accept".to_string());
        self.backlog.pop_front().unwrap_or(AcceptOutcome::Nothing)
    }

    fn open(&mut self, _: ConnId, wire: Wire) -> Result<Wire, Lost> {
        if wire.lost { Err(Lost) } else { Ok(wire) }
    }

    fn connect(&mut self, _: ConnId, _: Address) -> Result<Wire, ConnectErrorKind> {
        self.log.push("connect".to_string());
        self.connects.pop_front().unwrap_or(Ok(()))?;
        Ok(wire("out", []))
    }

    fn connected(&mut self, wire: &mut Wire, _: bool) -> ConnectOutcome {
        self.note(wire, "connected");
        ConnectOutcome::Done
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, accepts: bool) {
        self.log.push(format!("accepts {accepts}"));
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        if let Notice::Text(text) = notice {
            self.log.push(format!("told {text}"));
        }
    }

    fn now(&mut self) -> Instant {
        NOW
    }
}

fn wire(name: &'static str, reads: impl Into<VecDeque<Seen>>) -> Wire {
    Wire { name, reads: reads.into(), ..Wire::default() }
}

struct World {
    hub: Hub,
    fake: Fake,
    streams: Streams<Wire>,
    service: ServiceId,
}

impl World {
    fn new<Kind>(service: impl crate::hub::IntoService<Kind>) -> World {
        World::with(Config::default(), service)
    }

    fn with<Kind>(config: Config, service: impl crate::hub::IntoService<Kind>) -> World {
        let mut hub = Hub::new(config);
        let service = hub.add_service(service);
        let streams =
            Streams::new(Budgets { sent: 128 << 10, received: 256 << 10, ..Budgets::default() });
        World { hub, fake: Fake::default(), streams, service }
    }

    fn accept(&mut self, wire: Wire) -> ConnId {
        let World { hub, fake, streams, service } = self;
        let accepted = streams.accept_one(hub, fake, NOW, *service, Address::Unnamed, wire);
        self.turn();
        accepted.unwrap()
    }

    fn ready(&mut self, conn: ConnId, ready: Ready) {
        let World { hub, fake, streams, .. } = self;
        streams.ready(hub, fake, NOW, conn, ready);
    }

    fn turn(&mut self) {
        let World { hub, fake, streams, .. } = self;
        streams.turn(hub, fake, NOW);
    }

    /// Runs a round in which these streams are ready.
    fn round(&mut self, conns: &[ConnId]) -> Vec<String> {
        self.streams.begin_round();
        conns.iter().for_each(|&conn| self.ready(conn, BOTH));
        loop {
            self.turn();
            let World { hub, fake, streams, .. } = self;
            if !streams.read_on(hub, fake, NOW) {
                return self.fake.log();
            }
        }
    }

    fn accept_all(&mut self) -> Vec<String> {
        let World { hub, fake, streams, service } = self;
        streams.accept(hub, fake, NOW, *service);
        self.turn();
        self.fake.log()
    }
}

/// Takes all bytes.
async fn sink(mut conn: Conn) -> Result<(), Error> {
    loop {
        conn.some().await?;
    }
}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

/// Sends `n` bytes at once, and then waits.
fn sends(n: usize) -> Service {
    Service::new(async move |mut conn: Conn| {
        conn.write(vec![b'x'; n]).await?;
        conn.until_eol().await.map(|_| ())
    })
}

#[test]
fn a_stream_that_is_ready_for_both_is_written_first() {
    let mut world = World::new(echo);
    let mut wire = wire("a", [Seen::Bytes("one\n"), Seen::Bytes("two\n")]);
    wire.writes.push_back(WriteOutcome::Took(1));
    let conn = world.accept(wire);
    assert_eq!(world.round(&[conn]), ["a read", "a write 4", "a watch rw"]);
    let expected = ["a write 3", "a watch r-", "a read", "a write 4"];
    assert_eq!(world.round(&[conn]), expected);
}

#[test]
fn a_read_that_filled_the_buffer_is_followed_by_another_and_all_that_were_ready_come_before() {
    let mut world = World::new(sink);
    let big = world.accept(wire("big", [Seen::Full(10_000), Seen::Full(10_000), Seen::Bytes("x")]));
    let small = world.accept(wire("small", [Seen::Bytes("x"), Seen::Bytes("y")]));
    let expected = ["big read", "small read", "big read", "big read"];
    assert_eq!(world.round(&[big, small]), expected);
    // The last read did not fill the buffer: the poller reports whether there is more.
    assert_eq!(world.round(&[small]), ["small read"]);
}

#[test]
fn a_stream_that_always_has_more_is_read_up_to_the_budget_of_a_round() {
    let mut world = World::new(sink);
    world.streams.budgets.received = 35_000;
    let reads = VecDeque::from([Seen::Full(10_000); 20]);
    let big = world.accept(wire("big", reads));
    for _ in 0..2 {
        // An edge-triggered poller must report it again: there is more.
        let read_four_times = ["big read", "big read", "big read", "big read", "big watch r-"];
        assert_eq!(world.round(&[big]), read_four_times);
    }
    // A stream that the application does not read is not read again, though its read filled the
    // buffer.
    let mut world = World::new(async |conn: Conn| {
        let ctx = conn.ctx();
        ctx.sleep(Duration::from_secs(1)).await
    });
    let conn = world.accept(wire("idle", [Seen::Full(70_000), Seen::Full(70_000)]));
    assert_eq!(world.round(&[conn]), ["idle read", "idle watch --"]);
}

/// An embedder with a level-triggered poller need not call `read_on`.
#[test]
fn what_is_not_read_on_in_its_round_is_forgotten() {
    let mut world = World::new(sink);
    let conn = world.accept(wire("a", [Seen::Full(10), Seen::Full(10), Seen::Full(10)]));
    for _ in 0..2 {
        world.streams.begin_round();
        world.ready(conn, BOTH);
        world.turn();
    }
    assert_eq!(world.fake.log(), ["a read", "a read"]);
    world.streams.begin_round();
    let World { hub, fake, streams, .. } = &mut world;
    assert!(!streams.read_on(hub, fake, NOW));
}

#[test]
fn a_stream_that_is_disarmed_by_an_event_is_watched_again() {
    let mut world = World::new(sink);
    let conn = world.accept(wire("a", [Seen::Bytes("x")]));
    world.ready(conn, Ready { disarmed: true, ..BOTH });
    assert_eq!(world.fake.log(), ["a read", "a watch r-"]);
}

/// The end has no edge of its own.
#[test]
fn a_stream_whose_end_was_reported_is_read_to_its_end() {
    let mut world = World::new(sink);
    let conn = world.accept(wire("a", [Seen::Bytes("x"), Seen::Bytes("y"), Seen::Eof]));
    world.streams.begin_round();
    world.ready(conn, Ready { ends: true, ..BOTH });
    world.turn();
    let World { hub, fake, streams, .. } = &mut world;
    while streams.read_on(hub, fake, NOW) {
        streams.turn(hub, fake, NOW);
    }
    assert_eq!(world.fake.log()[..4], ["a read", "a read", "a read", "a watch --"]);
}

#[test]
fn a_stream_that_always_has_room_is_written_up_to_the_budget_of_a_round() {
    let mut world = World::new(sends(300_000));
    let conn = world.accept(wire("a", []));
    let budget = 128 << 10;
    assert_eq!(world.fake.log(), [format!("a write {budget}"), "a watch rw".to_string()]);
    assert_eq!(
        world.round(&[conn]),
        [format!("a write {budget}"), "a watch rw".into(), "a read".into()]
    );
    assert_eq!(world.round(&[conn])[..2], ["a write 37856", "a watch r-"]);
}

/// Each stream is sent its share, and once more than the budget of all was sent, the least. Streams
/// that have little to send take no share.
#[test]
fn many_that_take_whatever_comes_share_what_is_sent_in_a_round() {
    let sent_in = |log: Vec<String>, name: &str| -> usize {
        let writes = log.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" write "));
        writes.map(|n| n.parse::<usize>().unwrap()).sum()
    };
    let mut world = World::new(sends(1_000_000));
    world.streams.budgets = Budgets {
        sent: 100_000,
        sent_by_all: 160_000,
        sent_at_least: 10_000,
        ..world.streams.budgets
    };
    world.streams.begin_round();
    let names = ["a", "b", "c", "d"];
    let conns = names.map(|name| world.accept(wire(name, [])));
    let log = world.fake.log();
    assert_eq!(names.map(|name| sent_in(log.clone(), name)), [100_000, 100_000, 10_000, 10_000]);
    for _ in 0..2 {
        let log = world.round(&conns);
        assert_eq!(names.map(|name| sent_in(log.clone(), name)), [40_000; 4]);
    }
    let log = world.round(&conns[..1]);
    assert_eq!(sent_in(log, "a"), 40_000, "as the round before");
    let log = world.round(&conns[..1]);
    assert_eq!(sent_in(log, "a"), 100_000);
}

#[test]
fn many_that_always_have_more_are_read_again_up_to_the_budget_of_all() {
    let mut world = World::new(sink);
    world.streams.budgets.received_by_all = 35_000;
    let conns = ["a", "b", "c"].map(|name| {
        let reads = VecDeque::from([Seen::Full(10_000); 20]);
        world.accept(wire(name, reads))
    });
    for _ in 0..2 {
        assert_eq!(
            world.round(&conns),
            "a read, b read, c read, a read, a watch r-, b read, b watch r-, c read, c watch r-"
                .split(", ")
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_the_hub_refuses_is_kept_and_comes_first_when_it_resumes() {
    let mut world = World::new(async |mut conn: Conn| {
        let line = conn.until_eol().await?.len();
        conn.ctx().sleep(Duration::from_secs(1)).await?;
        let rest = conn.bytes(60_000).await?.len();
        let last = conn.bytes(10_000).await?;
        assert_eq!(last[9_989..], *b"\n0123456789");
        conn.write(format!("{line} {rest}")).await
    });
    let conn = world.accept(wire("a", [Seen::Bytes("hello\n"), Seen::Full(69_990)]));
    world.round(&[conn]);
    world.round(&[conn]);
    assert_eq!(world.streams.kept(conn), 0);
    let World { hub, fake, streams, .. } = &mut world;
    streams.received(hub, fake, NOW, conn, b"0123456789");
    assert_eq!(streams.kept(conn), 10);
    assert_eq!(world.round(&[conn]), [""; 0], "paused: nothing is read");
    let later = NOW + Duration::from_secs(2);
    let World { hub, fake, streams, .. } = &mut world;
    streams.turn(hub, fake, later);
    assert_eq!(streams.kept(conn), 0);
    assert!(world.fake.log().contains(&"a write 7".to_string()));
}

#[test]
fn what_was_sent_before_a_write_failed_is_still_read_and_then_it_is_a_reset() {
    // A broken pipe alone does not mean that the peer had reset the stream.
    for (reset, told) in [(true, "Cut(Reset)"), (false, "Eof")] {
        let mut world = World::new(Service::machine(|_| Reads));
        let mut wire = wire("a", [Seen::Bytes("last words"), Seen::Eof]);
        wire.writes.push_back(WriteOutcome::Failed { reset });
        let conn = world.accept(wire);
        assert_eq!(world.fake.log(), ["a write 5", "told WriteFailed"]);
        assert_eq!(world.round(&[conn]), ["a read", "told last words"]);
        let closed = format!("a {:?}", End::Close(Cause::Reset));
        let log = world.round(&[conn]);
        assert_eq!(log[..3], ["a read", "a watch --", &format!("told {told}")]);
        assert_eq!(log.last(), Some(&closed));
    }
}

/// Sends a greeting, and reports each input as a notice.
struct Reads;

impl Machine for Reads {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"hello"),
            Input::Bytes(bytes) => {
                actions.notice(Notice::Text(String::from_utf8_lossy(bytes).into()));
                return bytes.len();
            }
            other => actions.notice(Notice::Text(format!("{other:?}"))),
        }
        0
    }
}

#[test]
fn a_stream_that_is_lost_is_lost_alone() {
    let mut world = World::new(async |mut conn: Conn| {
        conn.write("bye").await?;
        conn.half_close();
        conn.to_end(100).await.map(|_| ())
    });
    let other = world.accept(wire("other", [Seen::Bytes("x")]));
    assert_eq!(world.fake.log(), ["other write 3", "other shut down"]);
    world.streams.stream(other).unwrap().lost = false;
    let service = world.service;
    let World { hub, fake, streams, .. } = &mut world;
    let lost = Wire { lost: true, ..wire("lost", []) };
    // A stream that cannot be opened.
    streams.accept_one(hub, fake, NOW, service, Address::Unnamed, lost).unwrap();
    world.turn();
    assert_eq!(world.fake.log(), [format!("none {:?}", End::Close(Cause::Reset))]);
    // A stream that is opened, and then cannot be shut down.
    let World { hub, fake, streams, .. } = &mut world;
    let late = wire("late", []);
    let conn = streams.accept_one(hub, fake, NOW, service, Address::Unnamed, late).unwrap();
    streams.stream(conn).unwrap().lost = true;
    world.turn();
    let closed = format!("late {:?}", End::Close(Cause::Reset));
    assert_eq!(world.fake.log(), ["late write 3".to_string(), "late shut down".into(), closed]);
    assert_eq!(world.round(&[other]), ["other read"]);
}

#[test]
fn nothing_is_accepted_that_the_hub_would_refuse() {
    let config = Config { max_connections: 2, ..Config::default() };
    let mut world = World::with(config, Service::new(sink).shed(Shed::Never));
    for name in ["a", "b", "c"] {
        world.fake.backlog.push_back(AcceptOutcome::One(wire(name, []), Address::Unnamed));
    }
    world.fake.backlog.insert(1, AcceptOutcome::Gone);
    assert_eq!(world.accept_all(), ["accept", "accept", "accept", "accepts false"]);
    assert_eq!(world.accept_all(), [""; 0]);
    assert_eq!(world.fake.backlog.len(), 1);
}

#[test]
fn where_the_system_lacks_something_one_that_is_idle_makes_room() {
    let config = ServiceConfig { shed: Shed::Idle, ..ServiceConfig::default() };
    let mut world = World::new(Service::new(sink).config(config));
    let idle = world.accept(wire("idle", [Seen::Bytes("hello")]));
    world.round(&[idle]);
    let later = NOW + Duration::from_secs(5);
    world.fake.backlog =
        [AcceptOutcome::Exhausted, AcceptOutcome::One(wire("new", []), Address::Unnamed)].into();
    let World { hub, fake, streams, service } = &mut world;
    hub.run(later, &mut Vec::new());
    streams.accept(hub, fake, later, *service);
    let shed = format!("idle {:?}", End::Close(Cause::Shed));
    assert_eq!(world.fake.log(), ["accept".to_string(), shed, "accept".into(), "accept".into()]);
}

#[test]
fn where_nothing_can_make_room_accepting_resumes_when_a_stream_is_closed() {
    let mut world = World::new(sink);
    let conn = world.accept(wire("a", [Seen::Eof]));
    world.fake.backlog = [AcceptOutcome::Exhausted].into();
    let World { hub, fake, streams, service } = &mut world;
    streams.accept(hub, fake, NOW, *service);
    assert_eq!(fake.log(), ["accept"]);
    let log = world.round(&[conn]);
    let closed = format!("a {:?}", End::Close(Cause::PeerClosed));
    assert_eq!(log[log.len() - 2..], [closed, "accepts true".to_string()]);
}

#[test]
fn a_connection_for_which_something_lacked_is_begun_again_once_another_one_is_closed() {
    let config = ServiceConfig { shed: Shed::Idle, ..ServiceConfig::default() };
    let mut world = World::new(Service::new(sink).config(config));
    let idle = world.accept(wire("idle", [Seen::Bytes("hello")]));
    world.round(&[idle]);
    let lacking = Err(ConnectErrorKind::OutOfResources);
    world.fake.connects = [lacking].into();
    world
        .hub
        .add_loop(async |ctx: crate::fiber::Ctx| {
            ctx.sleep(Duration::from_secs(5)).await?;
            let address: core::net::SocketAddr = "192.0.2.1:7".parse().unwrap();
            ctx.connect(address).await?.write("hello").await
        })
        .unwrap();
    world.turn();
    let World { hub, fake, streams, .. } = &mut world;
    streams.turn(hub, fake, NOW + Duration::from_secs(6));
    let shed = format!("idle {:?}", End::Close(Cause::Shed));
    assert_eq!(world.fake.log(), ["connect".to_string(), shed, "connect".into()]);
    let (conn, _) = world.streams.iter().next().unwrap();
    world.ready(conn, BOTH);
    world.turn();
    assert_eq!(world.fake.log()[..2], ["out connected", "out write 5"]);
}

/// An id's index is reused before the embedder has seen the end of the former stream.
#[test]
fn a_stream_whose_place_is_taken_still_ends_as_the_hub_asked() {
    let mut world = World::new(Service::machine(|_| LineEcho::default()));
    let first = world.accept(wire("first", [Seen::Reset]));
    world.ready(first, BOTH);
    let World { hub, fake, streams, service } = &mut world;
    let second =
        streams.accept_one(hub, fake, NOW, *service, Address::Unnamed, wire("second", [])).unwrap();
    assert_eq!(first.index(), second.index());
    assert_eq!(fake.log(), ["first read"]);
    world.turn();
    assert_eq!(world.fake.log(), [format!("first {:?}", End::Close(Cause::Reset))]);
    assert_eq!(world.streams.stream(second).unwrap().name, "second");
}
