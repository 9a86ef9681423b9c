//! Services and clients of hubs, joined by the simulated network.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::testkit::net::{Happened, HostId, LinkFault, LinkOptions, Network, PeerState};
use diesel_proto::tls::{Acceptor, Connector};
use diesel_proto::{
    Action, Address, Cause, CertificateFault, Client, Conn, ConnId, Ctx, Error, Hub, LineEcho,
    Notice, Reason, Service, TlsError, http1,
};

use super::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn address() -> SocketAddr {
    "10.0.0.1:443".parse().unwrap()
}

/// A hub that knows the time of day.
fn hub() -> Hub {
    let mut hub = Hub::default();
    hub.time_of_day(NOW, TODAY);
    hub
}

fn secured(service: impl Into<Service>, acceptor: Acceptor) -> Service {
    service.into().layer(move |ctx, inner| acceptor.layer(ctx, inner))
}

fn serving(network: &mut Network, service: impl Into<Service>, acceptor: Acceptor) -> HostId {
    let mut server = hub();
    let service = server.add_service(secured(service, acceptor));
    network.host(server, &[(service, address())]).unwrap()
}

async fn connects(ctx: &Ctx, connector: &Connector) -> Result<Conn, Error> {
    let connector = connector.clone();
    let connect = ctx.connect(address());
    connect.layer(move |ctx, inner| connector.layer(name("localhost"), ctx, inner)).await
}

/// Runs a client, and returns its result.
fn asks<T: 'static>(
    network: &mut Network,
    connector: Connector,
    ask: impl AsyncFnOnce(&Ctx, &Connector) -> Result<T, Error> + 'static,
) -> Result<T, Error> {
    let answer = Rc::new(Cell::new(None));
    let (mut client, told) = (hub(), Rc::clone(&answer));
    let ask = Cell::new(Some(ask));
    let body = async move |ctx: Ctx| {
        let Some(ask) = ask.take() else { return Ok(()) };
        told.set(Some(ask(&ctx, &connector).await));
        Ok(())
    };
    client.add_loop(body).unwrap();
    network.lone_host(client);
    network.run_for(30 * SECOND).unwrap();
    answer.take().expect("the client never ended")
}

/// Those of the server.
fn notices(network: &mut Network) -> Rc<RefCell<Vec<Notice>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&seen);
    network.watch(move |happening| {
        if let Happened::Notice(notice) = &happening.what {
            told.borrow_mut().push(Notice::clone(notice));
        }
    });
    seen
}

/// Greets with what it knows, then echoes.
async fn echo(mut conn: Conn) -> Result<(), Error> {
    let tls = conn.tls().expect("no TLS");
    conn.write(format!("for {:?}\n", tls.server_name())).await?;
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

async fn echoes(conn: &mut Conn) -> Result<String, Error> {
    let greeting = conn.until_eol().await?.trimmed().to_string();
    conn.write("hello\n").await?;
    let answer = conn.until_eol().await?.trimmed().to_string();
    Ok(format!("{greeting}, {answer}"))
}

#[test]
fn handlers_and_clients_talk_over_any_link() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.link(LinkOptions {
            latency: Duration::ZERO..=SECOND / 10,
            reads: 1..=if seed % 2 == 0 { 3 } else { 3000 },
            writes: 1..=5000,
            ..LinkOptions::default()
        });
        serving(&mut network, Service::new(echo), acceptor());
        let heard = asks(&mut network, connector(), async |ctx, connector| {
            let mut conn = connects(ctx, connector).await?;
            assert_eq!(conn.tls().unwrap().server_name(), Some("localhost"));
            echoes(&mut conn).await
        });
        assert_eq!(heard.unwrap(), "for Some(\"localhost\"), you said: hello");
    }
}

#[test]
fn a_client_connects_anew_and_resumes_its_session() {
    let mut network = Network::new(1);
    serving(&mut network, Service::new(echo), acceptor());
    let resumed = asks(&mut network, connector(), async |ctx, connector| {
        let connector = connector.clone();
        let client = Client::builder(ctx, address())
            .layer(move |ctx, inner| connector.layer(name("localhost"), ctx, inner))
            .reconnect(true)
            .build();
        let mut resumed = Vec::new();
        for _ in 0..3 {
            let call = async |conn: &mut Conn| {
                echoes(conn).await?;
                let resumed = conn.tls().unwrap().is_resumed();
                // Half a call, so that the connection is not used again.
                conn.half_close();
                Ok(resumed)
            };
            resumed.push(client.call(call).await?);
        }
        Ok(resumed)
    });
    assert_eq!(resumed.unwrap(), [false, true, true]);
}

#[test]
fn http_and_machines_know_what_was_negotiated() {
    let plain = http1::Service::new(|request: http1::Request| {
        http1::Response::text(format!("{:?}", request.tls().unwrap().server_name()))
    });
    let waits = http1::Service::new(async |request: http1::Request| {
        http1::Response::text(format!("{:?}", request.tls().unwrap().server_name()))
    });
    for service in [plain, waits] {
        let mut network = Network::new(1);
        serving(&mut network, service, acceptor());
        let answer = asks(&mut network, connector(), async |ctx, connector| {
            let mut conn = connects(ctx, connector).await?;
            conn.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
            Ok(conn.to_end(10_000).await?.to_vec())
        });
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("Some(\"localhost\")"));
    }
    let mut network = Network::new(1);
    let echo = Service::machine_with(|ctx| {
        LineEcho::default().max_line(ctx.tls().unwrap().server_name().unwrap().len())
    });
    serving(&mut network, echo, acceptor());
    let answer = asks(&mut network, connector(), async |ctx, connector| {
        let mut conn = connects(ctx, connector).await?;
        conn.write("localhos\n").await?;
        Ok(conn.until_eol().await?.trimmed().to_string())
    });
    assert_eq!(answer.unwrap(), "you said: localhos");
}

#[test]
fn a_handshake_that_fails_is_the_error_of_the_client_and_nothing_is_served() {
    let mut network = Network::new(1);
    let seen = notices(&mut network);
    let server = serving(&mut network, Service::new(async |_| panic!("served")), acceptor());
    let error = asks(&mut network, connector_trusting(STRANGER), async |ctx, connector| {
        connects(ctx, connector).await.map(drop)
    });
    let fault = TlsError::Certificate(CertificateFault::UnknownIssuer);
    assert!(matches!(error, Err(Error::Tls(error)) if error == fault), "{error:?}");
    assert_eq!(network.hub(server).unwrap().counters().open, 0);
    let told: Vec<_> = seen.borrow().iter().map(ToString::to_string).collect();
    let expected = ["TLS: the peer sent the alert unknown_ca (48)", "trusted authority"];
    for text in expected {
        assert!(told.iter().any(|it| it.contains(text)), "{told:?}");
    }
}

#[test]
fn a_certificate_expires_as_time_passes() {
    let mut network = Network::new(1);
    serving(&mut network, Service::new(echo), acceptor_showing(certificates(BRIEF)));
    let asks_each_day = asks_for(&mut network, 20, DAY);
    // From the 15th of January to the last second, which is the first of February.
    let valid = asks_each_day.iter().take_while(|it| it.is_ok()).count();
    assert_eq!(valid, 18);
    let expired = TlsError::Certificate(CertificateFault::Expired);
    assert!(asks_each_day[valid..].iter().all(|it| *it == Err(expired)), "{asks_each_day:?}");
}

/// Connects so many times, with a pause after each, without resuming.
fn asks_for(network: &mut Network, times: usize, pause: Duration) -> Vec<Result<(), TlsError>> {
    let results = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&results);
    let mut client = hub();
    let connector = Connector::builder(roots(AUTHORITY)).resumes(false).build().unwrap();
    let body = async move |ctx: Ctx| {
        for _ in 0..times {
            let connector = connector.clone();
            let connect = ctx.connect(address());
            let connect =
                connect.layer(move |ctx, inner| connector.layer(name("a.example"), ctx, inner));
            let result = match connect.await {
                Ok(_) => Ok(()),
                Err(Error::Tls(error)) => Err(error),
                Err(error) => panic!("{error}"),
            };
            told.borrow_mut().push(result);
            ctx.sleep(pause).await?;
        }
        Ok(())
    };
    client.add_loop(body).unwrap();
    network.lone_host(client);
    network.run_for(pause * u32::try_from(times).unwrap()).unwrap();
    results.take()
}

#[test]
fn plain_text_at_a_secured_service_gets_an_alert_and_no_answer_of_http() {
    let mut network = Network::new(1);
    let http = http1::Service::new(|_: http1::Request| -> &str { panic!("served") });
    serving(&mut network, http, acceptor());
    let peer = network.connect(address());
    network.send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    network.run_for(Duration::ZERO).unwrap();
    assert!(matches!(network.got(peer), [21, 3, _, 0, 2, 2, _]), "{:?}", network.got(peer));
    assert_eq!(network.peer_state(peer), PeerState::Ended);
}

#[test]
fn peers_that_stop_are_cut_with_the_reason() {
    let mut hello = Bare::client(&connector()).takes();
    let mut network = Network::new(1);
    let seen = notices(&mut network);
    let server = serving(&mut network, Service::new(echo), acceptor());
    let silent = network.connect(address());
    let whole = network.connect(address());
    network.send(whole, &hello);
    hello.truncate(100);
    let half = network.connect(address());
    network.send(half, &hello);
    network.run_for(Acceptor::WITHIN - SECOND / 10).unwrap();
    assert_eq!(network.hub(server).unwrap().counters().open, 3);
    network.run_for(SECOND).unwrap();
    assert_eq!(network.hub(server).unwrap().counters().open, 0);
    for peer in [silent, whole, half] {
        assert_eq!(network.peer_state(peer), PeerState::Reset);
    }
    let late = Cause::TimedOut(Reason::Handshake);
    let is_late = |it: &Notice| matches!(it, Notice::Cut { cause, .. } if *cause == late);
    assert_eq!(seen.borrow().iter().filter(|it| is_late(it)).count(), 3);
}

#[test]
fn a_drain_ends_handshakes_at_once_and_lets_others_finish() {
    async fn slow(mut conn: Conn) -> Result<(), Error> {
        let line = conn.until_eol().await?.to_vec();
        let _ = conn.ctx().sleep(SECOND).await;
        conn.write(line).await
    }
    let mut network = Network::new(1);
    let server = serving(&mut network, Service::new(slow), acceptor());
    let begun = network.connect(address());
    let sent = Rc::new(Cell::new(false));
    let got = Rc::new(RefCell::new(None));
    let (told, has_sent) = (Rc::clone(&got), Rc::clone(&sent));
    let mut client = hub();
    let connector = connector();
    client
        .add_loop(async move |ctx: Ctx| {
            let mut conn = connects(&ctx, &connector).await?;
            conn.write("last\n").await?;
            has_sent.set(true);
            *told.borrow_mut() = Some(conn.to_end(100).await.map(|it| it.to_vec()));
            Ok(())
        })
        .unwrap();
    network.lone_host(client);
    network.run_for(SECOND / 2).unwrap();
    assert!(sent.get());
    network.drain(server, 10 * SECOND);
    network.run_for(20 * SECOND).unwrap();
    assert_eq!(network.peer_state(begun), PeerState::Ended);
    // The sleep fails at the shutdown; the answer is sent, and the end is in order.
    let got = got.take().unwrap();
    assert_eq!(got.unwrap(), b"last\n");
}

#[test]
fn two_hundred_connections_carry_much_both_ways() {
    const EACH: usize = 50_000;
    let mut network = Network::new(5);
    network.link(LinkOptions {
        latency: Duration::ZERO..=SECOND / 20,
        reads: 1000..=9000,
        capacity: 20_000,
        ..LinkOptions::default()
    });
    async fn back(mut conn: Conn) -> Result<(), Error> {
        loop {
            match conn.some().await {
                Ok(bytes) => conn.write(bytes).await?,
                Err(Error::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
    serving(&mut network, Service::new(back), acceptor());
    let whole = Rc::new(Cell::new(0));
    let mut client = hub();
    let connector = connector();
    for i in 0..200_u8 {
        let (connector, whole) = (connector.clone(), Rc::clone(&whole));
        client
            .add_loop(async move |ctx: Ctx| {
                let sent: Vec<u8> = (0..EACH).map(|n| (n / 7) as u8 ^ i).collect();
                let (mut reader, mut writer) = connects(&ctx, &connector).await?.split();
                let bytes = sent.clone();
                ctx.spawn(async move { writer.write(bytes).await })?;
                let got = reader.to_end(2 * EACH).await?;
                assert!(got.to_vec() == sent);
                whole.set(whole.get() + 1);
                Ok(())
            })
            .unwrap();
    }
    network.lone_host(client);
    network.run_for(100 * SECOND).unwrap();
    assert_eq!(whole.get(), 200);
}

/// Whatever the network does: what arrives is the beginning of what was sent, and only all of it
/// ends in order.
#[test]
fn a_link_that_fails_is_told_apart_from_an_end() {
    let text: Vec<u8> = (0..3000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let mut ends = [0; 3];
    for seed in 0..150 {
        let mut network = Network::new(seed);
        network.link(LinkOptions {
            latency: Duration::ZERO..=SECOND / 10,
            reads: 1..=2000,
            half_closes: LinkFault::likely(30, 0..=20_000),
            resets: LinkFault::likely(30, 0..=20_000),
            ..LinkOptions::default()
        });
        let sent = text.clone();
        let service = Service::new(async move |mut conn: Conn| conn.write(sent.clone()).await);
        serving(&mut network, service, acceptor());
        let got = Rc::new(RefCell::new(Vec::new()));
        let reads = Rc::clone(&got);
        let result = asks(&mut network, connector(), async move |ctx, connector| {
            let mut conn = connects(ctx, connector).await?;
            loop {
                let bytes = conn.some().await?;
                reads.borrow_mut().extend_from_slice(&bytes);
            }
            #[allow(unreachable_code)]
            Ok(())
        });
        let got = got.borrow();
        assert!(text.starts_with(&got));
        let Err(error) = result else { panic!() };
        match error {
            Error::Closed => assert_eq!(got.len(), text.len(), "seed {seed}"),
            Error::Reset | Error::Tls(_) | Error::TimedOut(_) => {}
            error => panic!("seed {seed}: {error}"),
        }
        ends[match error {
            Error::Closed => 0,
            Error::Reset => 1,
            _ => 2,
        }] += 1;
    }
    assert!(ends.iter().all(|&n| n > 10), "{ends:?}");
}

#[test]
fn without_a_time_of_day_the_hub_says_what_is_missing() {
    let mut hub = Hub::default();
    let service = hub.add_service(secured(Service::new(echo), {
        Acceptor::from_pem(SERVER.0, SERVER.1).unwrap()
    }));
    let conn: ConnId = hub.accept(NOW, service, Address::Unnamed).unwrap();
    let mut client = Side::client(&connector(), name("localhost"), NOW);
    let mut actions = Vec::new();
    for _ in 0..3 {
        let there = client.endpoint.take_outgoing(NOW);
        assert_eq!(hub.received(NOW, conn, &there), there.len());
        hub.run(NOW, &mut actions);
        let back = hub.outgoing(conn, |slices| slices.concat()).unwrap_or_default();
        hub.sent(NOW, conn, back.len() as u64);
        client.receives(NOW, &back);
        hub.run(NOW, &mut actions);
    }
    let told = actions.iter().find_map(|it| match it {
        Action::Notice(_, Notice::Cut { cause, .. }) => Some(cause.to_string()),
        _ => None,
    });
    hub.eof(NOW, conn);
    hub.run(NOW, &mut actions);
    let told = told.or_else(|| {
        actions.iter().find_map(|it| match it {
            Action::Notice(_, Notice::Cut { cause, .. }) => Some(cause.to_string()),
            _ => None,
        })
    });
    let missing = "TLS: the time of day is not set (Hub::time_of_day; without a hub, Clock::set)";
    assert_eq!(told.as_deref(), Some(missing));
    // Once: the layer leaves it to the hub.
    let texts = actions.iter().filter(|it| matches!(it, Action::Notice(_, Notice::Text(_))));
    assert_eq!(texts.count(), 0);
}
