//! Which connection a call gets, and what happens to connections between calls.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{
    self, Client, ClientConfig, ClientError, Phase, PoolLimits, Request, Response,
};
use diesel_proto::testkit::net::{LinkFault, LinkOptions, Network, PeerState};
use diesel_proto::{Action, Config, Conn, Ctx, Error, Hub, Instant, Service};

use super::harness::*;

fn pool(limits: PoolLimits) -> ClientConfig {
    ClientConfig { pool: limits, ..ClientConfig::default() }
}

/// Answers with its number in order of arrival, and the target, after a second.
async fn slow(request: Request) -> Result<Response, Error> {
    request.ctx().sleep(SECOND).await?;
    Ok(Response::text(request.target_text().to_string()))
}

#[test]
fn two_hundred_calls_share_a_few_connections() {
    for per_origin in [1, 7, 64, 500] {
        let mut network = Network::new(per_origin as u64);
        network.link(hostile());
        serve(&mut network, http1::Service::new(slow));
        run(&mut network, async move |ctx: &Ctx| {
            let limits =
                PoolLimits { per_origin, idle: 500, idle_in_all: 500, ..PoolLimits::default() };
            let config = ClientConfig {
                timeouts: http1::ClientTimeouts { queue: Duration::MAX, ..Default::default() },
                ..pool(limits)
            };
            let client = client(ctx, config);
            let mut calls = Vec::new();
            for n in 0..200 {
                let client = client.clone();
                calls
                    .push(ctx.spawn(async move { text(&client, &format!("/{n}")).await }).unwrap());
            }
            for (n, call) in calls.into_iter().enumerate() {
                assert_eq!(call.await.unwrap().unwrap(), format!("/{n}"));
            }
            assert_eq!((client.idle_connections(), client.origins()), (per_origin.min(200), 1));
            ctx.sleep(31 * SECOND).await.unwrap();
            assert_eq!((client.idle_connections(), client.origins()), (0, 0));
        });
        assert_eq!(network.traffic().connections, per_origin.min(200) as u64);
    }
}

#[test]
fn waiting_is_limited() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(slow));
    run(&mut network, async |ctx: &Ctx| {
        let client =
            client(ctx, pool(PoolLimits { per_origin: 1, waiting: 1, ..PoolLimits::default() }));
        let (a, b) = (client.clone(), client.clone());
        let a = ctx.spawn(async move { text(&a, "/a").await }).unwrap();
        let b = ctx.spawn(async move { text(&b, "/b").await }).unwrap();
        ctx.sleep(SECOND / 10).await.unwrap();
        let error = text(&client, "/c").await.unwrap_err();
        assert!(matches!(error, ClientError::Queue(_, 1)), "{error}");
        assert_eq!(
            (a.await.unwrap().unwrap(), b.await.unwrap().unwrap()),
            ("/a".into(), "/b".into())
        );
        // Every request has got its connection, or has given up.
        for is_dropped in [true, false] {
            let (c, d) = (client.clone(), client.clone());
            let c = ctx.spawn(async move { text(&c, "/c").await }).unwrap();
            let d = ctx.spawn(async move { text(&d, "/d").await }).unwrap();
            ctx.sleep(SECOND / 10).await.unwrap();
            if is_dropped {
                d.abort();
            } else {
                assert_eq!(d.await.unwrap().unwrap(), "/d");
            }
            assert_eq!(c.await.unwrap().unwrap(), "/c");
        }
        // One of two leaves: one place is free.
        let limits = PoolLimits { per_origin: 1, waiting: 2, ..PoolLimits::default() };
        let client = self::client(ctx, pool(limits));
        let call = |path: &'static str| {
            let client = client.clone();
            ctx.spawn(async move { text(&client, path).await }).unwrap()
        };
        let calls = ["/e", "/f", "/g"].map(call);
        ctx.sleep(SECOND / 10).await.unwrap();
        calls[2].abort();
        ctx.sleep(SECOND / 10).await.unwrap();
        let last = [call("/h"), call("/i")];
        ctx.sleep(SECOND / 10).await.unwrap();
        let [h, i] = last;
        assert!(matches!(i.await.unwrap(), Err(ClientError::Queue(_, 2))));
        assert_eq!(h.await.unwrap().unwrap(), "/h");
    });
}

/// A call that has to have a new connection waits for its turn again; meanwhile another one may have
/// left one idle, which counts.
#[test]
fn a_new_connection_replaces_an_idle_one_at_the_limit() {
    let mut network = Network::new(1);
    let accepted = Cell::new(0);
    let handler = async move |mut conn: Conn| {
        accepted.set(accepted.get() + 1);
        let is_first = accepted.get() == 1;
        loop {
            let head = conn.until(b"\r\n\r\n").await?;
            if is_first && !head.starts_with(b"GET /first") {
                return Ok::<(), Error>(());
            }
            conn.ctx().sleep(SECOND).await?;
            conn.write(OK).await?;
        }
    };
    serve(&mut network, Service::new(handler));
    serve_at(&mut network, http1::Service::new(mirror), "10.0.0.2:80".parse().unwrap());
    let (host, ended) = start(&mut network, async |ctx: &Ctx| {
        let client = client(ctx, pool(PoolLimits { per_origin: 1, ..PoolLimits::default() }));
        client.get("http://10.0.0.2/").await.unwrap().text().await.unwrap();
        text(&client, "/first").await.unwrap();
        let calls = ["/a", "/b"].map(|path| {
            let client = client.clone();
            ctx.spawn(async move { text(&client, path).await.unwrap() }).unwrap()
        });
        for call in calls {
            assert_eq!(call.await.unwrap(), "ok");
        }
        client.idle_connections()
    });
    for _ in 0..40 {
        network.run_for(SECOND / 10).unwrap();
        // One to each origin.
        assert!(network.hub(host).unwrap().counters().open <= 2);
    }
    assert_eq!(ended.take(), Some(2));
    assert_eq!(network.traffic().connections, 4);
}

/// Those that are idle close at once, and one that is in use does after its response.
#[test]
fn a_client_that_is_closed_keeps_no_connection() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(slow));
    let (host, ended) = start(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        let call = |path: &'static str| {
            let client = client.clone();
            ctx.spawn(async move { text(&client, path).await.unwrap() }).unwrap()
        };
        for call in [call("/1"), call("/2"), call("/3")] {
            call.await.unwrap();
        }
        assert_eq!(client.idle_connections(), 3);
        let in_use = call("/used");
        ctx.sleep(SECOND / 2).await.unwrap();
        assert_eq!(client.idle_connections(), 2);
        client.close();
        assert_eq!(client.idle_connections(), 0);
        // It makes new ones, and keeps none.
        let more = call("/more");
        assert_eq!(in_use.await.unwrap(), "/used");
        assert_eq!((client.idle_connections(), client.origins()), (0, 1));
        assert_eq!(more.await.unwrap(), "/more");
        assert_eq!((client.idle_connections(), client.origins()), (0, 0));
        client
    });
    network.run_for(SECOND * 7 / 4).unwrap();
    assert_eq!(network.hub(host).unwrap().counters().open, 2);
    network.run_for(10 * SECOND).unwrap();
    assert!(ended.take().is_some());
    assert_eq!(network.hub(host).unwrap().counters().open, 0);
    assert_eq!(network.traffic().connections, 4);
}

#[test]
fn idle_connections_and_old_ones_are_closed() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx: &Ctx| {
        let limits =
            PoolLimits { idle_time: 10 * SECOND, lifetime: 25 * SECOND, ..PoolLimits::default() };
        let client = client(ctx, pool(limits));
        for (sleeps, connections) in [(9, 1), (9, 1), (6, 1), (2, 0), (0, 1), (10, 0)] {
            if connections == 1 {
                text(&client, "/").await.unwrap();
            }
            ctx.sleep(sleeps * SECOND).await.unwrap();
            assert_eq!(client.idle_connections(), connections, "{sleeps}");
        }
    });
    assert_eq!(network.traffic().connections, 2);

    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx: &Ctx| {
        let client = client(ctx, pool(PoolLimits { idle: 0, ..PoolLimits::default() }));
        for _ in 0..3 {
            text(&client, "/").await.unwrap();
            assert_eq!(client.idle_connections(), 0);
        }
    });
    assert_eq!(network.traffic().connections, 3);
}

#[test]
fn idle_connections_to_all_origins_are_limited() {
    let mut network = Network::new(1);
    let addresses = [1, 2, 3].map(|n| format!("10.0.0.{n}"));
    for address in &addresses {
        let address = format!("{address}:80").parse().unwrap();
        serve_at(&mut network, http1::Service::new(mirror), address);
    }
    run(&mut network, async move |ctx: &Ctx| {
        let client = client(ctx, pool(PoolLimits { idle_in_all: 2, ..PoolLimits::default() }));
        for (address, idle) in addresses.iter().zip([1, 2, 2]) {
            client.get(format!("http://{address}/")).await.unwrap().text().await.unwrap();
            assert_eq!((client.idle_connections(), client.origins()), (idle, idle));
        }
        // Each is idle for its own time.
        ctx.sleep(20 * SECOND).await.unwrap();
        client.get("http://10.0.0.2/").await.unwrap().text().await.unwrap();
        ctx.sleep(20 * SECOND).await.unwrap();
        assert_eq!((client.idle_connections(), client.origins()), (1, 1));
    });
}

#[test]
fn a_connection_that_the_server_closes_leaves_the_pool() {
    let deadlines = http1::Deadlines { keep_alive: 5 * SECOND, ..http1::Deadlines::default() };
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror).deadlines(deadlines));
    run(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        text(&client, "/").await.unwrap();
        ctx.sleep(4 * SECOND).await.unwrap();
        assert_eq!(client.idle_connections(), 1);
        ctx.sleep(2 * SECOND).await.unwrap();
        assert_eq!((client.idle_connections(), client.origins()), (0, 0));
        text(&client, "/").await.unwrap();
    });
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn surplus_bytes_poison_the_connection_and_not_the_answer() {
    let surplus: [&'static [&'static [&'static str]]; 3] = [
        &[&[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        ]],
        &[&[OK, "sleep", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", "sleep"]],
        &[&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", "stall"]],
    ];
    for answers in surplus {
        let mut network = Network::new(1);
        let (handler, heads) = scripted(answers);
        serve(&mut network, Service::new(handler));
        run(&mut network, async |ctx: &Ctx| {
            let client = Client::new(ctx);
            for _ in 0..3 {
                let body = text(&client, "/").await.unwrap();
                assert!(body == "ok" || body.is_empty());
                ctx.sleep(2 * SECOND).await.unwrap();
                assert_eq!(client.idle_connections(), 0);
            }
        });
        assert_eq!(heads.borrow().len(), 3);
    }
}

/// Answers the first request of a connection, and closes it at the second.
async fn once(mut conn: Conn) -> Result<(), Error> {
    conn.until(b"\r\n\r\n").await?;
    conn.write(OK).await?;
    conn.until(b"\r\n\r\n").await?;
    Ok(())
}

#[test]
fn a_stale_connection_is_replaced_once_if_that_is_safe() {
    let mut network = Network::new(1);
    serve(&mut network, Service::new(once));
    run(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        for method in ["GET", "PUT", "HEAD", "DELETE"] {
            text(&client, "/").await.unwrap();
            assert_eq!(client.idle_connections(), 1);
            let status = client.request(method, URL).body("").await.map(|it| it.status().code());
            assert_eq!(status.unwrap(), 200, "{method}");
        }
        for method in ["POST", "PATCH"] {
            text(&client, "/").await.unwrap();
            let error = client.request(method, URL).body("a").await.unwrap_err();
            assert!(matches!(error, ClientError::Broken(_, Error::Closed)), "{method}: {error}");
        }
    });
}

#[test]
fn a_new_connection_that_fails_is_not_replaced() {
    let mut network = Network::new(1);
    let (handler, heads) = scripted(&[&["reset"]]);
    serve(&mut network, Service::new(handler));
    let error =
        run(&mut network, async |ctx: &Ctx| text(&Client::new(ctx), "/").await.unwrap_err());
    assert!(matches!(error, ClientError::Broken(_, Error::Reset)), "{error}");
    assert_eq!(heads.borrow().len(), 1);
}

#[test]
fn a_server_that_shuts_down_answers_what_it_has_begun() {
    for seed in 0..50 {
        let mut network = Network::new(seed);
        network
            .link(LinkOptions { latency: Duration::ZERO..=SECOND / 10, ..LinkOptions::default() });
        let server = serve(&mut network, http1::Service::new(slow));
        let answers = Rc::new(Cell::new((0, 0)));
        let counted = Rc::clone(&answers);
        let (_, ended) = start(&mut network, async move |ctx: &Ctx| {
            let client = Client::new(ctx);
            loop {
                let (whole, failed) = counted.get();
                match text(&client, "/x").await {
                    Ok(body) => {
                        assert_eq!(body, "/x");
                        counted.set((whole + 1, failed));
                    }
                    Err(error) => {
                        counted.set((whole, failed + 1));
                        return error;
                    }
                }
            }
        });
        network.run_for(SECOND * 5 / 2).unwrap();
        network.drain(server, 5 * SECOND);
        network.run_for(20 * SECOND).unwrap();
        // The one that was in progress is answered; the next one finds nobody.
        let ended = ended.take();
        assert!(
            // Nothing accepts connections any more.
            matches!(&ended, Some(error) if error.at().is_some_and(|at| at.phase <= Phase::Head)),
            "seed {seed}: {ended:?}, {:?}",
            answers.get()
        );
        assert!(answers.get().0 >= 2 && answers.get().1 == 1, "{:?}", answers.get());
    }
}

#[test]
fn a_client_that_shuts_down_ends_its_calls() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(slow));
    let (host, ended) = start(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        text(&client, "/").await.unwrap();
        text(&client, "/").await.unwrap_err()
    });
    network.run_for(SECOND * 3 / 2).unwrap();
    network.drain(host, 10 * SECOND);
    network.run_for(SECOND * 3).unwrap();
    assert!(matches!(ended.take(), Some(ClientError::Shutdown)));
    assert!(network.has_halted(host));
}

#[test]
fn links_that_break_never_mix_answers() {
    for seed in 0..200 {
        let mut network = Network::new(seed);
        network.link(LinkOptions {
            latency: Duration::ZERO..=SECOND / 10,
            reads: 1..=20,
            resets: LinkFault::likely(50, 0..=500),
            half_closes: LinkFault::likely(20, 0..=500),
            ..LinkOptions::default()
        });
        serve(&mut network, http1::Service::new(mirror));
        run(&mut network, async move |ctx: &Ctx| {
            let client = client(ctx, pool(PoolLimits { per_origin: 2, ..PoolLimits::default() }));
            for n in 0..20 {
                let response = client.get(format!("{URL}/{n}")).await;
                let Ok(mut response) = response else { continue };
                // The server answers a request that was cut off with a 400.
                match (response.text().await, response.status().code()) {
                    (Ok(body), 200) => assert_eq!(body, format!("GET /{n} host=10.0.0.1 []")),
                    (Err(_), 200 | 400) | (Ok(_), 400) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
}

/// Bytes that answer no request arrive in the same pass of the hub as what wakes the next caller,
/// which runs before the watcher of the connection.
#[test]
fn bytes_that_arrive_between_requests_are_no_answer() {
    const STRAY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
    for is_stray_first in [false, true] {
        let mut network = Network::new(1);
        let parked = Rc::new(Cell::new(None));
        let handler = async move |mut conn: Conn| {
            if *conn.peek(1).await? == *b"!" {
                parked.set(Some(conn));
                return Ok(());
            }
            while let Ok(head) = conn.until(b"\r\n\r\n").await {
                let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap().to_string();
                let len = path.len();
                conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{path}"))
                    .await?;
                let Some(mut parked) = parked.take() else { continue };
                conn.ctx().sleep(SECOND).await?;
                if is_stray_first {
                    conn.write(STRAY).await?;
                }
                parked.write("go").await?;
                if !is_stray_first {
                    conn.write(STRAY).await?;
                }
            }
            Ok(())
        };
        serve(&mut network, Service::new(handler));
        run(&mut network, async |ctx: &Ctx| {
            let client = Client::new(ctx);
            let mut signal = ctx.connect(address()).await.unwrap();
            signal.write("!").await.unwrap();
            ctx.sleep(SECOND).await.unwrap();
            assert_eq!(text(&client, "/1").await.unwrap(), "/1");
            assert_eq!(client.idle_connections(), 1);
            signal.some().await.unwrap();
            // Nothing of it was sent: so it is sent again, even if it is not idempotent.
            let post = client.post(format!("{URL}/2"));
            assert_eq!(post.await.unwrap().text().await.unwrap(), "/2");
            assert_eq!(text(&client, "/3").await.unwrap(), "/3");
        });
        assert_eq!(network.traffic().connections, 3);
    }
}

/// The answer is complete, and the rest of the request has no reader.
#[test]
fn a_server_that_answers_and_reads_no_more_gets_a_reset() {
    const ANSWER: &str = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\
                          Content-Length: 2\r\n\r\nno";
    let mut network = Network::new(1);
    network.listen(address()).unwrap();
    let (host, answer) = start(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        let request = client.post(URL).body(vec![b'.'; 1 << 20]);
        let mut response = request.await.unwrap();
        assert_eq!(response.status().code(), 413);
        response.text().await.unwrap()
    });
    network.run_for(SECOND).unwrap();
    let peer = network.accept(address()).unwrap();
    network.stop_reading(peer);
    network.send(peer, ANSWER);
    network.run_for(SECOND).unwrap();
    assert_eq!(answer.take().as_deref(), Some("no"));
    assert_eq!(network.peer_state(peer), PeerState::Reset);
    assert_eq!(network.hub(host).unwrap().counters().open, 0);
}

/// A reset is for what was cut off, or not read.
#[test]
fn a_connection_that_cannot_be_kept_ends_in_order() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    for (body, surplus, state) in [
        (0, "", PeerState::Ended),
        (1 << 20, "", PeerState::Ended),
        (0, "more", PeerState::Reset),
        (1 << 20, "more", PeerState::Reset),
    ] {
        let mut network = Network::new(1);
        network.link(LinkOptions { capacity: 10_000, ..LinkOptions::default() });
        network.listen(address()).unwrap();
        let (_, answer) = start(&mut network, async move |ctx: &Ctx| {
            let request = Client::new(ctx).post(URL).body(vec![b'.'; body]);
            request.await.unwrap().text().await.unwrap()
        });
        network.run_for(SECOND).unwrap();
        let peer = network.accept(address()).unwrap();
        network.run_for(SECOND).unwrap();
        network.send(peer, format!("{LAST}{surplus}"));
        network.run_for(SECOND).unwrap();
        assert_eq!(answer.take().as_deref(), Some("ok"));
        assert_eq!(network.peer_state(peer), state, "{body} {surplus}");
    }
}

/// Without a connection, there is no server to blame.
#[test]
fn the_limit_of_the_hub_is_not_the_servers_fault() {
    let told = Rc::new(Cell::new(None));
    let tell = Rc::clone(&told);
    let mut hub = Hub::new(Config { max_connections: 0, ..Config::default() });
    hub.add_loop(async move |ctx: Ctx| {
        tell.set(Some(text(&Client::new(&ctx), "/").await.unwrap_err()));
        Ok(())
    })
    .unwrap();
    hub.run(Instant::ORIGIN, &mut Vec::new());
    let error = told.take().unwrap();
    assert!(matches!(error, ClientError::Connect(_, Error::Limit(_))), "{error}");
    assert!(!error.is_of_server() && !error.is_timeout());
}

/// In one turn, a connection is made, and what is no answer arrives: nothing is sent.
#[test]
fn a_server_that_speaks_first_gets_no_request() {
    let told = Rc::new(Cell::new(None));
    let tell = Rc::clone(&told);
    let mut hub = Hub::default();
    hub.add_loop(async move |ctx: Ctx| {
        tell.set(Some(text(&Client::new(&ctx), "/").await.unwrap_err()));
        Ok(())
    })
    .unwrap();
    let (now, mut actions) = (Instant::ORIGIN, Vec::new());
    hub.run(now, &mut actions);
    let [Action::Connect(conn, _)] = actions[..] else { panic!("{actions:?}") };
    hub.connected(now, conn);
    assert_eq!(hub.received(now, conn, b"SSH-2.0-x\r\n"), 11);
    while hub.next_wake() == Some(now) {
        hub.run(now, &mut actions);
    }
    let error = told.take().unwrap().to_string();
    assert_eq!(
        error,
        "http://10.0.0.1 (10.0.0.1:80): sending the request: the connection is closed"
    );
    assert!(!actions.contains(&Action::Send(conn)), "{actions:?}");
}
