//! Graceful shutdowns at random moments, with many seeds: a hub with every kind of service, in a
//! minimal loop. The loop runs the hub only when [`Hub::next_wake`] requires it.
//!
//! Whatever was under way, the hub halts by the deadline; and at once when nothing is left.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use diesel_proto::*;

const SEEDS: u64 = 1500;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the handlers share.
#[derive(Clone)]
struct Common {
    room: Event<u64>,
    client: Client,
    /// Wakers that code outside of the hub holds, and may wake or forget.
    outside: Rc<RefCell<Vec<Waker>>>,
}

fn somewhere() -> Address {
    SocketAddr::from(([192, 0, 2, 1], 7)).into()
}

/// Waits once for an event outside of this hub, which may never happen.
async fn foreign(common: &Common) {
    let mut asked = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        common.outside.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

async fn ask(conn: &mut Conn) -> Result<usize, Error> {
    conn.write("question\n").await?;
    Ok(conn.until_eol().await?.len())
}

/// Executes the commands of its peer, line by line.
async fn obey(mut conn: Conn, common: Common) -> Result<(), Error> {
    let ctx = conn.ctx();
    let mut said = common.room.subscribe();
    loop {
        let line = match first((conn.until_eol(), said.wait(), ctx.sleep(ms(900)))).await {
            First3::A(line) => line?,
            First3::B(n) => {
                conn.write(format!("{n:?}\n")).await?;
                continue;
            }
            First3::C(slept) => {
                slept?;
                conn.write("still there?\n").await?;
                continue;
            }
        };
        match line.trimmed().as_ref() {
            "fire" => said.fire(1),
            "big" => conn.write(vec![b'x'; 50_000]).await?,
            "flush" => conn.flush().await?,
            "half" => conn.half_close(),
            "call" => _ = common.client.call(ask).await,
            "connect" => _ = ctx.connect(somewhere()).await?,
            "foreign" => foreign(&common).await,
            "stubborn" => {
                // Ignores errors, as long as it may wait at all.
                for _ in 0..5 {
                    let _ = ctx.sleep(ms(300)).await;
                    ctx.sleep(Duration::ZERO).await?;
                }
            }
            "give" => {
                let spawned = ctx.spawn(async move {
                    let _ = conn.until_eol().await;
                    conn.flush().await
                })?;
                return spawned.await?;
            }
            "detach" => {
                let later = ctx.clone();
                ctx.spawn(async move {
                    let _ = later.sleep(ms(500)).await;
                    conn.write("detached\n").await
                })?;
                return Ok(());
            }
            "upgrade" => {
                conn.upgrade(LineEcho::default());
                return Ok(());
            }
            "split" => {
                let (mut reader, mut writer) = conn.split();
                let back = ctx.spawn(async move {
                    loop {
                        writer.write(reader.until_eol().await?).await?;
                    }
                })?;
                return back.await?;
            }
            "halt" => ctx.halt(),
            "quit" => return Ok(()),
            "abort" => {
                conn.abort();
                return Ok(());
            }
            _ => conn.write(line).await?,
        }
    }
}

async fn answer(mut request: http1::Request, common: Common) -> Result<http1::Response, Error> {
    let ctx = request.ctx();
    match request.path() {
        "/body" => _ = request.body().read(1000).await?,
        "/sleep" => ctx.sleep(ms(700)).await?,
        "/room" => _ = common.room.subscribe().wait().await?,
        "/call" => _ = common.client.call(ask).await?,
        "/connect" => _ = ctx.connect(somewhere()).await?,
        "/foreign" => foreign(&common).await,
        "/join" => {
            let sleeper = ctx.clone();
            let handle = ctx.spawn(async move { sleeper.sleep(ms(400)).await })?;
            handle.await??;
        }
        "/stream" => {
            return Ok(http1::Response::stream(async move |body| {
                for _ in 0..5 {
                    body.write("some").await?;
                    body.flush().await?;
                    ctx.sleep(ms(200)).await?;
                }
                Ok(())
            }));
        }
        _ => {}
    }
    Ok(http1::Response::text("hello"))
}

const LINES: [&[u8]; 19] = [
    b"hello\n",
    b"hel",
    b"fire\n",
    b"big\n",
    b"big\nbig\nbig\n",
    b"flush\n",
    b"half\n",
    b"call\n",
    b"connect\n",
    b"foreign\n",
    b"stubborn\n",
    b"give\nmore\n",
    b"detach\n",
    b"upgrade\nmore\n",
    b"split\nmore\n",
    b"quit\n",
    b"abort\n",
    b"halt\n",
    b"UPGRADE\n",
];

const REQUESTS: [&[u8]; 12] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHo",
    b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhe",
    b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /room HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /call HTTP/1.1\r\nHost: a\r\n\r\nGET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /connect HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /foreign HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /join HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// One stream as the loop around the hub sees it.
#[derive(Default)]
struct Far {
    lines: Vec<&'static [u8]>,
    unsent: Vec<u8>,
    paused: bool,
    connecting: bool,
    ended: bool,
    /// It takes no output.
    deaf: bool,
    wants_write: bool,
}

struct World {
    hub: Hub,
    now: Instant,
    random: Random,
    services: Vec<(ServiceId, Vec<&'static [u8]>)>,
    far: BTreeMap<ConnId, Far>,
    common: Common,
    halted: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut config = Config::default();
        config.polls_per_run = *random.of(&[1, 2, 5, 256]);
        config.tokens_per_pass = *random.of(&[1, 3, 128]);
        config.grace = ms(2000);
        let mut hub = Hub::new(config);
        let client = Client::builder(&hub.ctx(), somewhere()).reconnect(true).build();
        let common = Common { room: hub.event(), client, outside: Rc::default() };
        let mut services = Vec::new();
        let mut settings = ServiceConfig::default();
        settings.linger = *random.of(&[Duration::ZERO, ms(1), ms(3000)]);
        settings.idle = *random.of(&[None, Some(ms(400))]);
        settings.read_ahead = *random.of(&[8, 64 << 10]);
        settings.write_stall = *random.of(&[ms(200), ms(60_000)]);
        let shared = common.clone();
        let obeys = Service::new(async move |conn| obey(conn, shared.clone()).await);
        services.push((hub.add_service(obeys.config(settings.clone())), LINES.to_vec()));
        let echo = Service::machine(|_| LineEcho::default()).config(settings.clone());
        services.push((hub.add_service(echo), LINES.to_vec()));
        let shared = common.clone();
        let answers = async move |request| answer(request, shared.clone()).await;
        let web = http1::Service::new(answers).connections(settings.clone());
        services.push((hub.add_service(web), REQUESTS.to_vec()));
        let plain = |_: http1::Request| http1::Response::text("hello");
        let web = http1::Service::new(plain).connections(settings);
        services.push((hub.add_service(web), REQUESTS.to_vec()));
        if random.chance(50) {
            let shared = common.clone();
            hub.add_loop(async move |ctx: Ctx| {
                loop {
                    ctx.sleep(ms(350)).await?;
                    shared.room.fire(2);
                }
            })
            .unwrap();
        }
        let far = BTreeMap::new();
        World { hub, now: Instant::ORIGIN, random, services, far, common, halted: false }
    }

    /// Runs the hub if `next_wake` is due.
    fn turn(&mut self) {
        for _ in 0..100_000 {
            if self.hub.next_wake().is_none_or(|at| at > self.now) {
                return;
            }
            let mut actions = Vec::new();
            self.hub.run(self.now, &mut actions);
            for action in actions {
                self.obey(action);
            }
        }
        panic!("the hub never rests");
    }

    fn obey(&mut self, action: Action) {
        assert!(!self.halted, "{action:?} after the halt");
        match action {
            Action::Send(conn) => self.write(conn),
            Action::Pause(conn) => self.far.entry(conn).or_default().paused = true,
            Action::Resume(conn) => self.far.entry(conn).or_default().paused = false,
            Action::Close(conn, _) | Action::Abort(conn, _) => _ = self.far.remove(&conn),
            Action::Connect(conn, _) => {
                let far = Far { connecting: true, lines: LINES[..2].to_vec(), ..Far::default() };
                self.far.insert(conn, far);
            }
            Action::Halt => self.halted = true,
            _ => {}
        }
    }

    fn write(&mut self, conn: ConnId) {
        let Some(far) = self.far.get_mut(&conn) else { return };
        loop {
            let room = match far.deaf {
                true => 0,
                false => *self.random.of(&[0, 1, 1000, 1_000_000]),
            };
            let mut all = 0;
            let taken = self.hub.outgoing(conn, |slices| {
                all = slices.iter().map(|slice| slice.len() as u64).sum();
                all.min(room)
            });
            let Some(taken) = taken else {
                far.wants_write = false;
                return;
            };
            self.hub.sent(self.now, conn, taken);
            far.wants_write = taken < all;
            if taken < all {
                return;
            }
        }
    }

    /// Bytes that were not taken are kept.
    fn read(&mut self, conn: ConnId) {
        let Some(far) = self.far.get_mut(&conn) else { return };
        if far.paused || far.unsent.is_empty() {
            return;
        }
        let n = far.unsent.len().min(*self.random.of(&[1, 7, 10_000]));
        let taken = self.hub.received(self.now, conn, &far.unsent[..n]);
        far.unsent.drain(..taken);
        far.paused |= taken == 0;
    }

    /// One thing happens, or a little time passes.
    fn happens(&mut self) {
        let conns: Vec<_> = self.far.keys().copied().collect();
        if conns.is_empty() || self.random.chance(10) {
            let at = self.random.below(self.services.len() as u64) as usize;
            let (service, lines) = self.services[at].clone();
            if let Ok(conn) = self.hub.accept(self.now, service, Address::Unnamed) {
                let deaf = self.random.chance(10);
                self.far.insert(conn, Far { lines, deaf, ..Far::default() });
            }
            return;
        }
        let conn = *self.random.of(&conns);
        let what = self.random.below(100);
        let far = self.far.get_mut(&conn).unwrap();
        match what {
            _ if far.connecting => {
                if self.random.chance(50) {
                    return;
                }
                far.connecting = false;
                match self.random.chance(70) {
                    true => self.hub.connected(self.now, conn),
                    false => {
                        self.hub.connect_failed(self.now, conn, ConnectErrorKind::Refused);
                    }
                }
            }
            0..40 if !far.ended => {
                let line = *self.random.of(&far.lines);
                far.unsent.extend_from_slice(line);
                self.read(conn);
            }
            40..60 => self.read(conn),
            60..75 => {
                if far.wants_write {
                    self.write(conn);
                }
            }
            75..80 => {
                if !far.paused && far.unsent.is_empty() && !std::mem::replace(&mut far.ended, true)
                {
                    self.hub.eof(self.now, conn);
                }
            }
            80..83 => {
                self.hub.reset(self.now, conn);
            }
            83..86 => far.deaf ^= true,
            86..90 => {
                let wakers = std::mem::take(&mut *self.common.outside.borrow_mut());
                wakers.into_iter().for_each(Waker::wake);
            }
            90..92 => self.hub.wake(self.now, conn),
            92..93 => self.hub.time_of_day(self.now, 784_111_777),
            _ => self.passes(ms(self.random.0 % 300)),
        }
    }

    /// Time passes, and what falls due happens on time.
    fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.hub.next_wake().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.turn();
            if self.halted {
                return;
            }
        }
        self.now = end;
    }

    /// The hub halts when nothing is left, and it halts only once.
    fn look(&self, seed: u64) {
        let counters = self.hub.counters();
        let is_left = counters.open > 0 || counters.fibers > 0;
        assert!(is_left || self.halted || !self.hub.ctx().draining(), "seed {seed}");
    }
}

fn drains_at_some_moment(seed: u64) {
    let mut world = World::new(seed);
    // Now and then nothing ever happened.
    let before = world.random.below(60);
    for _ in 0..before {
        world.happens();
        // An embedder may take several inputs in at once.
        if world.random.chance(70) {
            world.turn();
        }
        if world.halted {
            return;
        }
    }
    if world.random.chance(70) {
        world.turn();
    }
    let grace = ms(*world.random.of(&[0, 1, 500, 5000]));
    let deadline = world.now + grace;
    world.hub.drain(world.now, deadline);
    world.turn();
    world.look(seed);
    // Then every external event happens, or none ever does.
    let after = *world.random.of(&[0, 0, 10, 200]);
    for _ in 0..after {
        if world.halted || world.now >= deadline {
            break;
        }
        world.happens();
        world.turn();
        world.look(seed);
    }
    while !world.halted {
        let at = world.hub.next_wake();
        let at = at.unwrap_or_else(|| panic!("seed {seed}: waits for nothing, and has not halted"));
        assert!(at <= deadline.max(world.now), "seed {seed}: would wait until {at:?}");
        world.now = world.now.max(at);
        world.turn();
    }
    let counters = world.hub.counters();
    assert_eq!((counters.open, counters.fibers), (0, 0), "seed {seed}");
    assert!(world.far.is_empty(), "seed {seed}");
    assert_eq!(world.hub.next_wake(), None, "seed {seed}");
}

#[test]
fn a_hub_halts_whenever_its_shutdown_begins_and_whatever_was_under_way() {
    (0..SEEDS).for_each(drains_at_some_moment);
}
