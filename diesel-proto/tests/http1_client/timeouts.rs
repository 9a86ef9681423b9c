//! Each timeout, and that it ends in its time with its name.

use std::time::Duration;

use diesel_proto::http1::{
    self, ClientConfig, ClientError, ClientTimeouts, Phase, PoolLimits, RequestWriter, Timeout,
};
use diesel_proto::testkit::net::{LinkOptions, NameAnswer, Network};
use diesel_proto::{Conn, Ctx, Error, Instant, IntoService, Service};

use super::harness::*;

fn timeouts(timeouts: ClientTimeouts) -> ClientConfig {
    ClientConfig { timeouts, ..ClientConfig::default() }
}

/// The phase, the timeout, and how long the call took in all.
async fn timed_out(ctx: &Ctx, config: ClientConfig) -> (Phase, Timeout, Duration) {
    let client = client(ctx, config);
    let start = ctx.now();
    match text(&client, "/").await {
        Err(error) if !error.is_timeout() => panic!("{error:?}"),
        Err(ClientError::TimedOut(at, timeout, after)) => {
            assert_eq!(client.idle_connections(), 0);
            let took = Duration::from_nanos(ctx.now().as_nanos() - start.as_nanos());
            assert!(took >= after);
            (at.phase, timeout, took)
        }
        other => panic!("{other:?}"),
    }
}

type Answer = &'static [&'static str];

#[test]
fn each_phase_has_its_timeout() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let base = ClientTimeouts::default();
    let cases: [(Answer, ClientTimeouts, (Phase, Timeout, u64)); 7] = [
        (
            &["stall"],
            ClientTimeouts { first_byte: 3 * SECOND, ..base },
            (Phase::Head, Timeout::FirstByte, 3),
        ),
        (
            &["HTTP/1.1 2", "sleep", "0", "sleep", "0", "stall"],
            ClientTimeouts { first_byte: 5 * SECOND, ..base },
            (Phase::Head, Timeout::FirstByte, 5),
        ),
        (
            &[HEAD, "12", "sleep", "34", "sleep", "56", "stall"],
            ClientTimeouts { between: 3 * SECOND, ..base },
            (Phase::Body, Timeout::Between, 5),
        ),
        (
            &[HEAD, "stall"],
            ClientTimeouts { between: 3 * SECOND, ..base },
            (Phase::Body, Timeout::Between, 3),
        ),
        (
            &["stall"],
            ClientTimeouts { total: 4 * SECOND, ..base },
            (Phase::Head, Timeout::Total, 4),
        ),
        // Of two that end at the same time, that of the call.
        (
            &["stall"],
            ClientTimeouts { first_byte: 4 * SECOND, total: 4 * SECOND, ..base },
            (Phase::Head, Timeout::Total, 4),
        ),
        (
            &[HEAD, "1", "sleep", "2", "sleep", "3", "sleep", "4", "stall"],
            ClientTimeouts { between: 2 * SECOND, total: 3 * SECOND + SECOND / 2, ..base },
            (Phase::Body, Timeout::Total, 3),
        ),
    ];
    for (answer, limits, expected) in cases {
        let mut network = Network::new(1);
        let answers: &'static [&'static [&'static str]] = Box::leak(Box::new([answer]));
        let (handler, _) = scripted(answers);
        serve(&mut network, Service::new(handler));
        let (phase, timeout, took) =
            run(&mut network, async move |ctx: &Ctx| timed_out(ctx, timeouts(limits)).await);
        assert_eq!((phase, timeout, took.as_secs()), expected);
    }
}

#[test]
fn a_request_may_have_its_own_timeouts() {
    let mut network = Network::new(1);
    let (handler, _) = scripted(&[&["stall"]]);
    serve(&mut network, Service::new(handler));
    run(&mut network, async |ctx: &Ctx| {
        let own = ClientTimeouts { first_byte: 2 * SECOND, ..ClientTimeouts::default() };
        let error = client(ctx, ClientConfig::default()).get(URL).timeouts(own).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(_, Timeout::FirstByte, _)), "{error}");
        assert_eq!(ctx.now(), Instant::ORIGIN + 2 * SECOND);
    });
}

#[test]
fn connecting_has_a_timeout() {
    for (connect, total, expected) in [
        (2, 100, (Phase::Connect, Timeout::Connect, 2)),
        (9, 3, (Phase::Connect, Timeout::Total, 3)),
    ] {
        let mut network = Network::new(1);
        network.link(LinkOptions { latency: 20 * SECOND..=20 * SECOND, ..LinkOptions::default() });
        serve(&mut network, http1::Service::new(mirror));
        let (phase, timeout, took) = run(&mut network, async move |ctx: &Ctx| {
            let (connect, total) = (connect * SECOND, total * SECOND);
            let limits = ClientTimeouts { connect, total, ..ClientTimeouts::default() };
            timed_out(ctx, timeouts(limits)).await
        });
        assert_eq!((phase, timeout, took.as_secs()), expected);
    }
}

#[test]
fn a_look_up_has_a_timeout() {
    let mut network = Network::new(1);
    network.name("a.example", NameAnswer::NEVER);
    run(&mut network, async |ctx: &Ctx| {
        let limits = ClientTimeouts { resolve: 2 * SECOND, ..ClientTimeouts::default() };
        let client = client(ctx, timeouts(limits));
        let error = client.get("http://a.example/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://a.example: looking up the host: timed out after 2s (ClientTimeouts::resolve)"
        );
    });
}

#[test]
fn waiting_for_a_connection_has_a_timeout() {
    let mut network = Network::new(1);
    let (handler, _) = scripted(&[&["stall"]]);
    serve(&mut network, Service::new(handler));
    run(&mut network, async |ctx: &Ctx| {
        let limits = ClientTimeouts { queue: 2 * SECOND, ..ClientTimeouts::default() };
        let pool = PoolLimits { per_origin: 1, ..PoolLimits::default() };
        let client = client(ctx, ClientConfig { pool, ..timeouts(limits) });
        let first = client.clone();
        let first = ctx.spawn(async move { text(&first, "/").await }).unwrap();
        ctx.sleep(SECOND).await.unwrap();
        let error = text(&client, "/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://10.0.0.1: waiting for a connection: timed out after 2s (ClientTimeouts::queue)"
        );
        assert!(matches!(
            first.await.unwrap(),
            Err(ClientError::TimedOut(_, Timeout::FirstByte, _))
        ));
    });
}

/// A call that waited, and then has to connect, has the whole time for that.
#[test]
fn the_time_for_waiting_ends_with_the_wait() {
    let mut network = Network::new(1);
    // Two seconds to connect, one for each way of a message.
    network.link(LinkOptions { latency: SECOND..=SECOND, ..LinkOptions::default() });
    let (handler, _) = scripted(&[&[
        "sleep",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ]]);
    serve(&mut network, Service::new(handler));
    run(&mut network, async |ctx: &Ctx| {
        let limits = ClientTimeouts { queue: 6 * SECOND, ..ClientTimeouts::default() };
        let pool = PoolLimits { per_origin: 1, ..PoolLimits::default() };
        let client = client(ctx, ClientConfig { pool, ..timeouts(limits) });
        let second = client.clone();
        let second = ctx.spawn(async move { text(&second, "/").await }).unwrap();
        let start = ctx.now();
        assert_eq!(text(&client, "/").await.unwrap(), "ok");
        assert_eq!(ctx.now(), start + 5 * SECOND);
        // It waited for these five seconds, and was connecting at the sixth.
        assert_eq!(second.await.unwrap().unwrap(), "ok");
        assert_eq!(ctx.now(), start + 10 * SECOND);
    });
}

#[test]
fn an_upload_that_stalls_ends_with_the_total_timeout() {
    let mut network = Network::new(1);
    network.link(LinkOptions { capacity: 1000, ..LinkOptions::default() });
    let (handler, _) = scripted(&[&["stall"]]);
    serve(&mut network, Service::new(handler));
    let error = run(&mut network, async |ctx: &Ctx| {
        let client = client(ctx, ClientConfig::default());
        let write = async |body: &mut RequestWriter| {
            loop {
                body.write(&[0; 10_000]).await?;
            }
        };
        client.post(URL).stream(write).timeout(5 * SECOND).await.unwrap_err()
    });
    let ClientError::TimedOut(at, Timeout::Total, _) = error else { panic!("{error}") };
    assert_eq!(at.phase, Phase::Send);
}

#[test]
fn a_server_that_stops_reading_is_a_timeout() {
    for given in [Given::Whole, Given::Streamed] {
        let mut network = Network::new(1);
        network.link(LinkOptions { capacity: 1000, ..LinkOptions::default() });
        let (handler, heads) = scripted(&[&["stall"]]);
        serve(&mut network, Service::new(handler));
        let error = run(&mut network, async move |ctx: &Ctx| {
            let request = client(ctx, ClientConfig::default()).put(URL);
            let request = match given {
                Given::Streamed => request.stream(async |body: &mut RequestWriter| {
                    loop {
                        body.write(&[0; 10_000]).await?;
                    }
                }),
                _ => request.body(vec![0; 1 << 20]),
            };
            request.await.unwrap_err()
        });
        assert!(error.is_timeout() && error.is_of_server(), "{error}");
        let ClientError::TimedOut(at, Timeout::WriteStall, after) = &error else {
            panic!("{error}")
        };
        assert_eq!((at.phase, after.as_secs()), (Phase::Send, 60), "{error}");
        assert_eq!(heads.borrow().len(), 1);
    }
}

/// How a body of a mebibyte is given to a request.
#[derive(Clone, Copy, Debug)]
enum Given {
    Whole,
    Expected,
    Streamed,
}

/// PUTs a mebibyte over a link that needs 64 s for it. Returns the result, and how long it took.
fn slow_upload<K>(
    given: Given,
    service: impl IntoService<K>,
) -> (Result<String, ClientError>, Duration) {
    const LEN: usize = 1 << 20;
    let mut network = Network::new(1);
    network.link(LinkOptions {
        bandwidth: Some(16 << 10),
        capacity: 32 << 10,
        ..LinkOptions::default()
    });
    serve(&mut network, service);
    run(&mut network, async move |ctx: &Ctx| {
        let client = client(ctx, ClientConfig::default());
        let request = client.put(URL);
        let request = match given {
            Given::Whole => request.body(vec![b'.'; LEN]),
            Given::Expected => request.body(vec![b'.'; LEN]).expect_continue(),
            Given::Streamed => request.stream(async |body: &mut RequestWriter| {
                for _ in 0..LEN / (16 << 10) {
                    body.write(&[b'.'; 16 << 10]).await?;
                }
                Ok(())
            }),
        };
        let start = ctx.now();
        let answer = async { request.await?.text().await }.await;
        (answer, Duration::from_nanos(ctx.now().as_nanos() - start.as_nanos()))
    })
}

#[test]
fn the_time_for_the_response_begins_after_the_request() {
    for given in [Given::Whole, Given::Expected, Given::Streamed] {
        let count = async |mut request: http1::Request| {
            Ok::<_, Error>(request.body().read(2 << 20).await?.len().to_string())
        };
        let (answer, took) = slow_upload(given, http1::Service::new(count));
        assert_eq!(answer.unwrap(), (1 << 20).to_string(), "{given:?}");
        assert!(took > 60 * SECOND, "{given:?}: {took:?}");

        // It has its end all the same.
        let stall = async |mut conn: Conn| {
            conn.until(b"\r\n\r\n").await?;
            loop {
                conn.some().await?;
            }
        };
        let (answer, took) = slow_upload(given, stall);
        let Err(ClientError::TimedOut(at, Timeout::FirstByte, _)) = answer else {
            panic!("{given:?}: {answer:?}")
        };
        assert_eq!(at.phase, Phase::Head, "{given:?}");
        assert!(took > 90 * SECOND && took < 100 * SECOND, "{given:?}: {took:?}");
    }
}

/// A write that fails ends the upload. The server may have answered before: it has the time that it
/// has for any response.
#[test]
fn a_write_that_fails_leaves_the_server_time_to_answer() {
    const REFUSAL: &str = "HTTP/1.1 413 \r\nContent-Length: 2\r\n\r\nno";
    for (given, answers) in [Given::Whole, Given::Expected, Given::Streamed]
        .into_iter()
        .flat_map(|given| [(given, false), (given, true)])
    {
        let mut network = Network::new(1);
        network.link(LinkOptions { capacity: 1000, ..LinkOptions::default() });
        network.listen(address()).unwrap();
        let (_, answer) = start(&mut network, async move |ctx: &Ctx| {
            let request = client(ctx, ClientConfig::default()).put(URL);
            let later = ctx.clone();
            let request = match given {
                Given::Whole => request.body(vec![b'.'; 1 << 20]),
                Given::Expected => request.body(vec![b'.'; 1 << 20]).expect_continue(),
                Given::Streamed => request.stream(async move |body: &mut RequestWriter| {
                    later.sleep(SECOND).await?;
                    body.write("late").await
                }),
            };
            let start = ctx.now();
            let answer = async { request.await?.text().await }.await;
            (answer, Duration::from_nanos(ctx.now().as_nanos() - start.as_nanos()))
        });
        network.run_for(SECOND / 2).unwrap();
        let peer = network.accept(address()).unwrap();
        network.stop_reading(peer);
        network.run_for(SECOND / 4).unwrap();
        let (host, conn) = network.far_end(peer).unwrap();
        let now = network.now();
        network.hub_mut(host).unwrap().write_failed(now, conn);
        network.run_for(SECOND).unwrap();
        if answers {
            network.send(peer, REFUSAL);
        }
        network.run_for(60 * SECOND).unwrap();
        let (answer, took) = answer.take().unwrap();
        if answers {
            assert_eq!(answer.unwrap(), "no", "{given:?}");
            continue;
        }
        let Err(ClientError::TimedOut(at, Timeout::FirstByte, _)) = answer else {
            panic!("{given:?}: {answer:?}")
        };
        assert_eq!(at.phase, Phase::Head, "{given:?}");
        assert!(took >= 30 * SECOND && took <= 32 * SECOND, "{given:?}: {took:?}");
    }
}

#[test]
fn a_timeout_counts_for_one_call() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx: &Ctx| {
        let limits = ClientTimeouts { total: 2 * SECOND, ..ClientTimeouts::default() };
        let client = client(ctx, timeouts(limits));
        for _ in 0..5 {
            text(&client, "/").await.unwrap();
            ctx.sleep(SECOND).await.unwrap();
        }
    });
}

#[test]
fn defaults_are_those_of_the_docs() {
    let ClientConfig { timeouts, pool, whole_body, redirects, .. } = ClientConfig::default();
    for (timeout, seconds) in [
        (timeouts.queue, 30),
        (timeouts.resolve, 10),
        (timeouts.connect, 10),
        (timeouts.tls, 10),
        (timeouts.expect, 1),
        (timeouts.first_byte, 30),
        (timeouts.between, 30),
        (pool.idle_time, 30),
        (pool.lifetime, 600),
    ] {
        assert_eq!(timeout, seconds * SECOND);
    }
    assert_eq!(timeouts.total, Duration::MAX);
    assert_eq!((pool.per_origin, pool.waiting, pool.idle, pool.idle_in_all), (64, 1024, 16, 256));
    assert_eq!((whole_body, redirects), (8 << 20, 10));
}
