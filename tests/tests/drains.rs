//! Graceful shutdowns at random moments, over a simulated network that is slow, cuts and breaks:
//! every host halts by its deadline, whatever was on its way.

use std::net::SocketAddr;
use std::time::Duration;

use diesel_driver::http1::{Request, Response};
use diesel_driver::{Client, Config, Conn, Ctx, Error, Event, First2, Hub, Service, first, http1};
use diesel_proto::testkit::Random;
use diesel_proto::testkit::net::{LinkFault, LinkOptions, Network, Stalls, explore};

const SEEDS: u64 = 1000;
const GRACE: Duration = Duration::from_secs(2);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

async fn chat(mut conn: Conn, room: Event<String>) -> Result<(), Error> {
    let mut others = room.subscribe();
    loop {
        match first((conn.until_eol(), others.wait())).await {
            First2::A(line) => others.fire(line?.trimmed().into_owned()),
            First2::B(said) => conn.write((said?, "\n")).await?,
        }
    }
}

async fn answer(mut request: Request, client: Client) -> Result<Response, Error> {
    match request.path() {
        "/body" => {
            let n = request.body().read(100_000).await?.len();
            return Ok(Response::text(format!("{n} bytes")));
        }
        "/ask" => {
            let call = async |conn: &mut Conn| {
                conn.write("is anybody there?\n").await?;
                conn.until_eol().await
            };
            client.call(call).await?;
        }
        "/slow" => request.ctx().sleep(ms(300)).await?,
        _ => {}
    }
    Ok(Response::text("hello"))
}

/// A server of a chat and of HTTP, whose handlers call another host.
fn server() -> (Hub, [(diesel_driver::ServiceId, SocketAddr); 2]) {
    let mut hub = Hub::new({
        let mut config = Config::default();
        config.grace = GRACE;
        config
    });
    let room = hub.event();
    let chat = Service::new(async move |conn| chat(conn, room.clone()).await);
    let chat = hub.add_service(chat);
    let client = Client::builder(&hub.ctx(), address(9)).reconnect(true).build();
    let web = http1::Service::new(async move |request| answer(request, client.clone()).await);
    let web = hub.add_service(web);
    (hub, [(chat, address(7)), (web, address(8))])
}

/// The host that the server calls: it echoes, and has a loop that sleeps.
fn other() -> (Hub, [(diesel_driver::ServiceId, SocketAddr); 1]) {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        loop {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
        }
    });
    hub.add_loop(async |ctx: Ctx| {
        loop {
            ctx.sleep(ms(700)).await?;
        }
    })
    .unwrap();
    (hub, [(service, address(9))])
}

const SAID: [&str; 6] = ["hello\n", "hel", "lo\nand\nmore\n", "x\nx\nx\nx\nx\nx\n", "\n", "bye"];
const ASKED: [&str; 6] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /ask HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
    "there",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "GET /slow HTTP/1.1\r\nHo",
];

fn drains_at_some_moment(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut network = Network::new(random.next_u64());
    let slow = random.between(0, 80);
    network.link(LinkOptions {
        latency: ms(0)..=ms(slow),
        reads: 1..=random.between(1, 3000) as usize,
        writes: 1..=random.between(1, 3000) as usize,
        stalls: Stalls { percent: 3, length: ms(1)..=ms(1500) },
        half_closes: LinkFault::likely(10, 0..=200),
        resets: LinkFault::likely(10, 0..=200),
        ..LinkOptions::default()
    });
    let (hub, listens) = other();
    let asked = network.host(hub, &listens).map_err(|error| error.to_string())?;
    let (hub, listens) = server();
    let server = network.host(hub, &listens).map_err(|error| error.to_string())?;
    let mut peers = Vec::new();
    let mut begun = [None, None];
    let first_drain = random.below(80);
    let second_drain = random.below(120);
    for step in 0..120 {
        for (at, host) in [(first_drain, server), (second_drain, asked)] {
            if step == at {
                network.drain(host, GRACE);
                begun[usize::from(host == asked)] = Some(network.now());
            }
        }
        match random.below(12) {
            0..=2 => {
                let (port, says) = if random.chance(50) { (7, SAID) } else { (8, ASKED) };
                peers.push((network.connect(address(port)), says));
            }
            what if !peers.is_empty() => {
                let (peer, says) = peers[random.below(peers.len() as u64) as usize];
                match what {
                    3..=7 => network.send(peer, says[random.below(6) as usize]),
                    8 => network.end(peer),
                    9 => network.reset(peer),
                    10 => network.stop_reading(peer),
                    _ => network.read_again(peer),
                }
            }
            _ => {}
        }
        let time = if random.chance(30) { 0 } else { random.below(60) };
        network.run_for(ms(time)).map_err(|error| error.to_string())?;
        for (begun, host) in begun.into_iter().zip([server, asked]) {
            let late = begun.is_some_and(|begun| network.now() > begun + GRACE);
            if late && !network.has_halted(host) {
                return Err(format!("{host:?} has not halted at {:?}", network.now()));
            }
        }
    }
    network.run_for(GRACE).map_err(|error| error.to_string())?;
    match network.has_halted(server) && network.has_halted(asked) {
        true => Ok(()),
        false => Err("a host has not halted at all".into()),
    }
}

#[test]
fn every_host_halts_by_its_deadline_whenever_its_shutdown_begins() {
    assert_eq!(explore(0..SEEDS, drains_at_some_moment).unwrap(), SEEDS);
}
