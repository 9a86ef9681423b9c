//! Ids of closed or unknown connections: a call with one has no effect. Nor has a time that goes
//! backwards.

mod harness;

use std::time::Duration;

use diesel_proto::*;
use harness::*;
use quickcheck::{Arbitrary, Gen, quickcheck};

/// A hub that has had connections of each kind, and the names of those that are gone.
fn aged() -> (World, Vec<ConnId>) {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    let machine = world.hub.add_service(Service::machine(|_| LineEcho::default()));
    let gone = vec![world.accept(service), world.accept(machine)];
    world.turn();
    gone.iter().for_each(|&conn| world.resets(conn));
    (world, gone)
}

#[test]
fn every_call_with_a_stale_name_does_nothing() {
    let (mut world, gone) = aged();
    // New connections in the very places of the old ones.
    let service = world.hub.add_service(echo);
    let new: Vec<_> = gone.iter().map(|_| world.accept(service)).collect();
    world.turn();
    let (before, log) = (world.hub.counters(), world.log.len());
    let mut indices: Vec<_> = new.iter().map(|conn| conn.index()).collect();
    indices.sort_unstable();
    assert_eq!(indices, [0, 1]);
    for &conn in &gone {
        let (now, hub) = (world.now, &mut world.hub);
        assert_eq!(hub.received(now, conn, b"hello\n"), 6, "taken, and dropped");
        hub.eof(now, conn);
        hub.reset(now, conn);
        hub.sent(now, conn, 7);
        hub.connected(now, conn);
        hub.connect_failed(now, conn, ConnectErrorKind::Refused);
        hub.wake(now, conn);
        assert_eq!(hub.outgoing(conn, |_| ()), None);
        assert_eq!(hub.machine_deadline(conn), None);
    }
    world.turn();
    assert_eq!(world.hub.counters(), before);
    assert_eq!(world.log.len(), log);
    for conn in new {
        world.sends(conn, "hello\n");
        assert_eq!(world.receives(conn), "you said: hello\n");
    }
}

#[test]
fn a_service_that_never_was_has_no_connections() {
    let mut other = Hub::default();
    other.add_service(echo);
    let unknown = other.add_service(echo);
    let mut hub = Hub::default();
    let refused = hub.accept(Instant::ORIGIN, unknown, Address::Unnamed);
    assert_eq!(refused, Err(Refused::NoSuchService));
    assert_eq!(hub.service_name(unknown), None);
}

#[test]
fn time_does_not_go_backwards() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        loop {
            ctx.sleep(seconds(1)).await?;
            note.note(format!("{:?}", ctx.now()));
        }
    });
    world.waits(seconds(2));
    world.now = Instant::ORIGIN;
    for _ in 0..3 {
        world.step();
        assert_eq!(world.hub.ctx().now(), Instant::ORIGIN + seconds(2));
    }
    world.now = Instant::ORIGIN + seconds(3);
    world.turn();
    assert_eq!(diary.read(), ["1s", "2s", "3s"]);
}

/// An input of a hub, in any order, with ids of this hub and of another.
#[derive(Clone, Debug)]
enum Call {
    Accept(usize),
    Received(usize, usize),
    Eof(usize),
    Reset(usize),
    Sent(usize, u64),
    Outgoing(usize),
    Connected(usize),
    ConnectFailed(usize),
    Wake(usize),
    Run(i64),
    Halt,
}

impl Arbitrary for Call {
    fn arbitrary(g: &mut Gen) -> Self {
        let conn = usize::arbitrary(g) % 12;
        match u8::arbitrary(g) % 20 {
            0..=3 => Call::Accept(usize::arbitrary(g) % 5),
            4..=7 => Call::Received(conn, usize::arbitrary(g) % 5),
            8 => Call::Eof(conn),
            9 => Call::Reset(conn),
            10 => Call::Sent(conn, u64::arbitrary(g) % 40),
            11 => Call::Sent(conn, u64::MAX),
            12 => Call::Outgoing(conn),
            13 => Call::Connected(conn),
            14 => Call::ConnectFailed(conn),
            15 => Call::Wake(conn),
            16 if u8::arbitrary(g) < 8 => Call::Halt,
            _ => Call::Run(i64::arbitrary(g) % 10_000_000_000),
        }
    }
}

/// A hub with something of everything in it.
fn busy_hub() -> (Hub, Vec<ServiceId>) {
    let mut hub = Hub::new(config(|it| {
        it.max_connections = 6;
        it.max_spawned = 3;
        it.polls_per_run = 7;
        it.tokens_per_pass = 3;
    }));
    let event: Event<u32> = hub.event();
    let small = settings(|it| {
        it.read_limit = 8;
        it.read_ahead = 4;
        it.high_water = 10;
        it.low_water = 3;
        it.write_stall = seconds(2);
        it.idle = Some(seconds(5));
    });
    let firing = event.clone();
    let chat = Service::new(async move |mut conn: Conn| {
        let mut others = firing.subscribe();
        loop {
            match first((conn.until_eol(), others.wait())).await {
                First2::A(line) => others.fire(line?.len() as u32),
                First2::B(n) => conn.write(format_args!("{}\n", n?)).await?,
            }
        }
    });
    let relay = Service::new(async |conn: Conn| {
        let ctx = conn.ctx();
        let mut upstream = ctx.connect(Address::Unnamed).await?;
        let (mut reader, mut writer) = conn.split();
        let back = ctx.spawn(async move {
            let some = upstream.some().await?;
            upstream.write(&some).await?;
            upstream.flush().await?;
            writer.write(some).await
        })?;
        reader.some().await?;
        back.await?
    });
    let upgrading = Service::new(async |mut conn: Conn| {
        conn.bytes(1).await?;
        conn.upgrade(LineEcho::default());
        Ok(())
    });
    let proxied = Service::machine(|_| {
        ProxyProtocol::new(seconds(1), |_| {
            LineEcho::default().max_line(6).on_upgrade(|actions| {
                actions.upgrade(LineEcho::default());
            })
        })
    });
    let services = [chat, relay, upgrading, proxied, Service::new(echo)];
    let services = services.into_iter().map(|it| hub.add_service(it.config(small.clone())));
    let services = services.collect();
    hub.add_loop(async move |ctx| {
        let client = Client::builder(&ctx, Address::Unnamed).reconnect(true).build();
        loop {
            ctx.sleep(seconds(1)).await?;
            event.fire(1);
            let call = client.call(async |conn: &mut Conn| {
                conn.write("?").await?;
                conn.some().await.map(drop)
            });
            let _ = ctx.timeout(seconds(1), call).await;
        }
    })
    .unwrap();
    (hub, services)
}

const WORDS: [&[u8]; 5] = [b"", b"x", b"hi\n", b"PROXY UNKNOWN\r\na\n", b"a line too long\n"];

/// Any calls with any names: no panic; time only goes on; and a shutdown comes to its end.
fn survives(calls: Vec<Call>) -> bool {
    let (mut hub, services) = busy_hub();
    let mut now = Instant::ORIGIN + seconds(10);
    // Names of another hub's connections, which this one may or may not have.
    let mut foreign = Hub::default();
    let service = foreign.add_service(echo);
    let mut conns: Vec<ConnId> =
        (0..8).map(|_| foreign.accept(now, service, Address::Unnamed).unwrap()).collect();
    let mut actions = Vec::new();
    for call in calls {
        let conn = |n: usize| conns[(conns.len() - 1).saturating_sub(n)];
        match call {
            Call::Accept(n) => {
                conns.extend(hub.accept(now, services[n], Address::Unnamed));
            }
            Call::Received(n, word) => _ = hub.received(now, conn(n), WORDS[word]),
            Call::Eof(n) => hub.eof(now, conn(n)),
            Call::Reset(n) => hub.reset(now, conn(n)),
            Call::Sent(n, bytes) => _ = hub.sent(now, conn(n), bytes),
            Call::Outgoing(n) => _ = hub.outgoing(conn(n), |slices| slices.len()),
            Call::Connected(n) => hub.connected(now, conn(n)),
            Call::ConnectFailed(n) => {
                hub.connect_failed(now, conn(n), ConnectErrorKind::Refused);
            }
            Call::Wake(n) => hub.wake(now, conn(n)),
            Call::Run(nanos) => {
                now = Instant::from_nanos(now.as_nanos().saturating_add_signed(nanos));
                hub.run(now, &mut actions);
            }
            Call::Halt => hub.ctx().halt(),
        }
        for action in &actions {
            if let Action::Connect(conn, _) = action {
                conns.push(*conn);
            }
        }
        let counters = hub.counters();
        assert!(counters.open <= 6, "{counters:?}");
        assert!(counters.open <= counters.accepted + counters.connects);
    }
    // The shutdown: an embedder that does nothing but pass the time.
    let deadline = hub.next_wake().map_or(now, |at| at.max(now)) + seconds(5);
    hub.drain(now, deadline);
    for _ in 0..10_000 {
        if actions.contains(&Action::Halt) {
            let counters = hub.counters();
            assert_eq!((counters.open, counters.fibers), (0, 0));
            assert_eq!(actions.last(), Some(&Action::Halt));
            return true;
        }
        now = hub.next_wake().map_or(deadline, |at| at.max(now));
        hub.run(now, &mut actions);
    }
    false
}

quickcheck! {
    fn any_calls_with_any_names_leave_the_hub_whole(calls: Vec<Call>) -> bool {
        survives(calls)
    }

    /// The same inputs in the same order give the same actions.
    fn the_same_inputs_give_the_same_actions(words: Vec<(usize, usize, u16)>) -> bool {
        let play = || {
            let (mut hub, services) = busy_hub();
            let (mut now, mut actions, mut conns) = (Instant::ORIGIN, Vec::new(), Vec::new());
            for &(service, word, millis) in &words {
                let service = services[service % services.len()];
                conns.extend(hub.accept(now, service, Address::Unnamed));
                for &conn in &conns {
                    let _ = hub.received(now, conn, WORDS[word % WORDS.len()]);
                }
                now += Duration::from_millis(millis.into());
                hub.run(now, &mut actions);
            }
            (actions, hub.counters())
        };
        play() == play()
    }
}
