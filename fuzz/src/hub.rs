//! A whole hub under a hostile embedder: inputs in any order, stale and foreign ids, wrong counts,
//! time that stands still, jumps, or goes back. Nothing panics or hangs, the actions are
//! consistent, and `Halt` follows `drain`. The same inputs give the same actions.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::proxy_protocol::ProxyProtocol;
use diesel_proto::{
    Action, Address, Client, Config, ConnId, ConnectErrorKind, Hub, Instant, LineEcho, Service,
    ServiceId, Shed,
};

use super::handlers::{self, gossip, obedient_to_death, sociable, somewhere, ticker};
use super::shadow::Shadow;

const MOST_OPS: usize = 150;
/// The number of runs in which a hub must come to rest.
const RUNS: usize = 50_000;

#[derive(Arbitrary, Debug)]
struct Setting {
    max_connections: u8,
    max_fibers: u8,
    max_spawned: u8,
    tokens: u8,
    polls: u8,
    own_limit: u8,
    read_limit: u8,
    read_ahead: u8,
    high_water: u16,
    low_water: u16,
    write_stall: u16,
    idle: Option<u16>,
    linger: u16,
    connect: u16,
    reconnect: bool,
}

#[derive(Arbitrary, Debug)]
enum Op<'a> {
    Accept(u8),
    Words(u8, Vec<u8>),
    Received(u8, &'a [u8]),
    Flood(u8, u8, u16),
    Eof(u8),
    Reset(u8),
    /// Writes part of what is offered, and reports it.
    Send(u8, u16),
    /// Reports more bytes as sent than there were.
    Lie(u8, u64),
    Connected(u8),
    ConnectFailed(u8),
    Wake(u8),
    Wait(u16),
    WaitLong(u32),
    /// Sets the clock to any value.
    Now(u64),
    /// Sleeps until the hub wants to be woken.
    Sleep,
    Run,
    /// Carries out actions like a driver, until there are no more.
    Settle,
    Drain(u32),
    DrainAt(u64),
}

/// A hub and its embedder.
struct World {
    hub: Hub,
    services: Vec<ServiceId>,
    /// Every id there ever was, and some ids of another hub.
    names: Vec<ConnId>,
    shadow: Shadow,
    now: Instant,
    accepted: u64,
    refused: u64,
    received: u64,
    /// The actions in order.
    log: Vec<Out>,
}

#[derive(Debug, PartialEq)]
enum Out {
    Action(Action),
    Bytes(Vec<u8>),
}

/// Takes a setting, then the steps of the embedder.
pub fn hub(data: &[u8]) {
    let first = live(data);
    let second = live(data);
    assert!(first == second, "the same inputs gave other actions");
}

fn live(data: &[u8]) -> Vec<Out> {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return Vec::new() };
    let mut world = World::new(&setting);
    for _ in 0..MOST_OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        world.apply(op);
    }
    world.end();
    world.log
}

impl World {
    fn new(setting: &Setting) -> World {
        let ms = |n: u16| Duration::from_millis(n.into());
        let mut config = Config::default();
        config.max_connections = usize::from(setting.max_connections % 16);
        config.max_fibers = usize::from(setting.max_fibers % 32);
        config.max_spawned = usize::from(setting.max_spawned % 8);
        config.tokens_per_pass = u32::from(setting.tokens % 8);
        config.polls_per_run = u32::from(setting.polls % 16);
        let served = &mut config.client;
        served.read_limit = setting.read_limit.into();
        served.read_ahead = setting.read_ahead.into();
        served.high_water = setting.high_water.into();
        served.low_water = setting.low_water.into();
        served.write_stall = ms(setting.write_stall);
        served.write_rate = u64::from(setting.low_water);
        served.shed = if setting.reconnect { Shed::Idle } else { Shed::KeepAlive };
        served.idle = setting.idle.map(ms);
        served.linger = ms(setting.linger);
        served.connect = ms(setting.connect);
        let served = served.clone();

        let mut hub = Hub::new(config);
        let room = hub.ctx().event_with_capacity(4);
        let client = Client::builder(&hub.ctx(), somewhere())
            .reconnect(setting.reconnect)
            .max_waiting(2)
            .on_connect(async |conn| conn.write("hello\n").await)
            .on_close(|_| {})
            .build();
        let own_limit = usize::from(setting.own_limit % 4);
        let talk = {
            let room = room.clone();
            Service::new(async move |conn| sociable(conn, room.clone(), client.clone()).await)
        };
        let echo = |_| LineEcho::default().max_line(40).on_upgrade(handlers::upgrade);
        let proxied = move |peer| ProxyProtocol::new(Duration::from_secs(3), move |_| echo(peer));
        let mut services = Vec::new();
        for service in [
            Service::new(obedient_to_death).config(served.clone()),
            talk.config(served.clone()),
            Service::machine(echo).config(served.clone()),
            Service::machine(proxied).config(served.clone()),
            Service::new(gossip).config(served.clone()).max_connections(own_limit),
        ] {
            services.push(hub.add_service(service));
        }
        // This fails at the limit on fibers.
        let _ = hub.add_loop(async move |ctx| ticker(ctx, room).await);
        World {
            hub,
            services,
            names: foreign(),
            shadow: Shadow::default(),
            now: Instant::ORIGIN,
            accepted: 0,
            refused: 0,
            received: 0,
            log: Vec::new(),
        }
    }

    fn apply(&mut self, op: Op<'_>) {
        let now = self.now;
        match op {
            Op::Accept(which) => self.accept(which),
            Op::Words(conn, which) => {
                let words = which.iter().map(|&n| handlers::WORDS[usize::from(n) % 36]);
                self.received(conn, &words.collect::<Vec<_>>().concat());
            }
            Op::Received(conn, bytes) => self.received(conn, bytes),
            Op::Flood(conn, byte, n) => self.received(conn, &vec![byte; usize::from(n) % 2048]),
            Op::Eof(conn) => self.hub.eof(now, self.name(conn)),
            Op::Reset(conn) => self.hub.reset(now, self.name(conn)),
            Op::Send(conn, most) => self.send(self.name(conn), most.into()),
            Op::Lie(conn, n) => self.sent(self.name(conn), n),
            Op::Connected(conn) => {
                let conn = self.name(conn);
                self.connect_settled(conn);
                self.hub.connected(now, conn);
            }
            Op::ConnectFailed(conn) => {
                let conn = self.name(conn);
                self.connect_settled(conn);
                self.hub.connect_failed(now, conn, ConnectErrorKind::Refused);
            }
            Op::Wake(conn) => self.hub.wake(now, self.name(conn)),
            Op::Wait(ms) => self.now += Duration::from_millis(ms.into()),
            Op::WaitLong(s) => self.now += Duration::from_secs(s.into()),
            Op::Now(nanos) => self.now = Instant::from_nanos(nanos),
            Op::Sleep => {
                if self.accepted % 4 == 3 {
                    let open = self.hub.counters().open;
                    let left = u64::from(self.hub.make_room(now));
                    assert_eq!(self.hub.counters().open, open - left);
                }
                if let Some(at) = self.hub.next_wake() {
                    self.now = self.now.max(at);
                }
                self.run();
            }
            Op::Run => self.run(),
            Op::Settle => self.settle(),
            Op::Drain(ms) => self.hub.drain(now, now + Duration::from_millis(ms.into())),
            Op::DrainAt(nanos) => self.hub.drain(now, Instant::from_nanos(nanos)),
        }
    }

    /// The latest time that the hub ever got: for the hub, time does not go back.
    fn hub_now(&self) -> Instant {
        self.hub.ctx().now()
    }

    fn name(&self, which: u8) -> ConnId {
        // The newest ids are the likeliest.
        let last = self.names.len() - 1;
        self.names[last - usize::from(which) % self.names.len()]
    }

    fn accept(&mut self, which: u8) {
        let service = self.services[usize::from(which) % self.services.len()];
        match self.hub.accept(self.now, service, Address::Unnamed) {
            Ok(conn) => {
                self.accepted += 1;
                self.shadow.accepted(conn);
                self.names.push(conn);
            }
            Err(_) => self.refused += 1,
        }
    }

    fn received(&mut self, conn: u8, bytes: &[u8]) {
        let conn = self.name(conn);
        let taken = self.hub.received(self.now, conn, bytes);
        assert!(taken == bytes.len() || taken == 0, "all or nothing");
        self.received += taken as u64;
        if let Some(told) = self.shadow.open.get_mut(&conn) {
            told.owes_pause |= taken < bytes.len() && !told.paused;
        }
    }

    fn send(&mut self, conn: ConnId, most: usize) {
        let offered = self.hub.outgoing(conn, |slices| {
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            slices.concat()
        });
        let Some(mut bytes) = offered else { return };
        bytes.truncate(most);
        self.sent(conn, bytes.len() as u64);
        self.log.push(Out::Bytes(bytes));
    }

    fn sent(&mut self, conn: ConnId, n: u64) {
        let left = self.hub.sent(self.now, conn, n);
        if let Some(told) = self.shadow.open.get_mut(&conn) {
            told.sending &= left > 0;
        }
        assert_eq!(left > 0, self.hub.outgoing(conn, |_| ()).is_some());
    }

    fn connect_settled(&mut self, conn: ConnId) {
        if let Some(told) = self.shadow.open.get_mut(&conn) {
            told.connecting = false;
        }
    }

    fn run(&mut self) {
        let mut actions = Vec::new();
        self.hub.run(self.now, &mut actions);
        for action in actions {
            match action {
                Action::Connect(conn, _) => self.names.push(conn),
                // Answered two times of three; the number may be larger than the bytes sent.
                Action::ReportUnacked(conn) if !self.received.is_multiple_of(3) => {
                    let unacked =
                        if self.received.is_multiple_of(2) { u64::MAX } else { self.received };
                    self.hub.unacked(self.now, conn, unacked);
                }
                _ => {}
            }
            self.shadow.told(&action);
            self.log.push(Out::Action(action));
        }
        let counters = self.hub.counters();
        assert_eq!(counters.open, self.shadow.open.len() as u64);
        assert_eq!(counters.accepted, self.accepted);
        assert_eq!(counters.refused, self.refused);
        assert!(counters.bytes_in <= self.received);
        for (conn, told) in &mut self.shadow.open {
            let owes = std::mem::take(&mut told.owes_pause);
            assert!(!owes, "{conn:?} refused bytes without a Pause");
        }
    }

    /// Carries out all actions until there are no more.
    fn settle(&mut self) {
        for _ in 0..RUNS {
            self.run();
            let sending = self.shadow.open.iter().filter(|(_, told)| told.sending);
            for conn in sending.map(|(&conn, _)| conn).collect::<Vec<_>>() {
                self.send(conn, usize::MAX);
            }
            let more = self.hub.next_wake().is_some_and(|at| at <= self.hub_now());
            if !more && !self.hub.has_more() {
                return;
            }
        }
        panic!("the hub is not idle after {RUNS} runs at {:?}: {:?}", self.hub_now(), self.hub);
    }

    /// After `drain`, `Halt` follows by the deadline, and nothing is left.
    fn end(&mut self) {
        let by = self.hub_now() + Duration::from_secs(1);
        self.hub.drain(self.now, by);
        self.settle();
        self.now = by;
        self.run();
        assert!(self.shadow.halted, "no Halt at the deadline");
        let counters = self.hub.counters();
        assert_eq!((counters.open, counters.fibers), (0, 0));
        assert_eq!(self.hub.next_wake(), None);
        self.accept(0);
        for conn in self.names.clone() {
            self.hub.eof(by, conn);
            self.hub.reset(by, conn);
        }
        self.settle();
    }
}

/// Ids of another hub: some may have the same numbers as ours.
fn foreign() -> Vec<ConnId> {
    let mut hub = Hub::default();
    let service = hub.add_service(Service::machine(|_| LineEcho::default()));
    let mut accept = || hub.accept(Instant::ORIGIN, service, Address::Unnamed);
    (0..3).filter_map(|_| accept().ok()).collect()
}
