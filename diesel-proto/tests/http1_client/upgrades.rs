//! Upgrades: the connection is handed over after a 101, with every byte behind it.

use diesel_proto::http1::{
    self, ClientConfig, ClientError, ClientTimeouts, InvalidRequest, Phase, PoolLimits, Response,
    Status, Timeout,
};
use diesel_proto::testkit::net::Network;
use diesel_proto::{Conn, Ctx, Error, First2, Service, first};

use super::harness::*;

const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

/// Agrees to the protocol `x`, which sends each byte back, doubled.
async fn doubling(request: http1::Request) -> Response {
    if request.upgrade() != Some(b"x") {
        return Response::text("as usual");
    }
    Response::upgrade("x", async |mut conn: Conn| {
        conn.write("hi,").await?;
        while let Ok(piece) = conn.some().await {
            for &byte in piece.iter() {
                conn.write(&[byte, byte]).await?;
            }
        }
        conn.write("!").await
    })
}

async fn read_all(conn: &mut Conn) -> String {
    String::from_utf8(conn.to_end(1 << 20).await.unwrap().to_vec()).unwrap()
}

#[test]
fn the_connection_is_handed_over() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve(&mut network, http1::Service::new(doubling));
        let got = run(&mut network, async |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            let mut response = client.get(URL).upgrade("x").await.unwrap();
            assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS);
            assert_eq!(response.header("upgrade"), Some(&b"x"[..]));
            assert!(response.is_at_end());
            let mut conn = response.upgraded().unwrap();
            assert!(response.upgraded().is_none());
            drop(response);
            conn.write("abc").await.unwrap();
            conn.half_close();
            let got = read_all(&mut conn).await;
            assert_eq!((client.idle_connections(), client.origins()), (0, 0));
            got
        });
        assert_eq!(got, "hi,aabbcc!");
    }
}

/// The bytes behind the 101 may arrive with it, or with any part of it.
#[test]
fn no_byte_behind_the_101_is_lost() {
    let sent =
        format!("HTTP/1.1 103 Early Hints\r\n\r\n{SWITCHED}first\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    for at in 0..=sent.len() {
        let (head, tail) = sent.split_at(at);
        let pieces: [&'static str; 3] =
            [String::from(head).leak(), "sleep", String::from(tail).leak()];
        let pieces: &'static [&'static str] = Box::leak(Box::new(pieces));
        let answers: &'static [&'static [&'static str]] = Box::leak(Box::new([pieces]));
        let mut network = Network::new(1);
        let (handler, heads) = scripted(answers);
        serve(&mut network, Service::new(handler));
        let got = run(&mut network, async |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            let mut response = client.get(URL).upgrade("x, y").await.unwrap();
            read_all(&mut response.upgraded().unwrap()).await
        });
        assert_eq!(got, "first\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "cut at {at}");
        let head =
            "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: upgrade\r\nUpgrade: x, y\r\n\r\n";
        assert_eq!(*heads.borrow(), [head]);
    }
}

#[test]
fn any_other_response_is_one_like_all() {
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve(&mut network, http1::Service::new(doubling));
        run(&mut network, async |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            let mut response = client.get(URL).upgrade("y").await.unwrap();
            assert!(response.upgraded().is_none());
            assert_eq!(response.text().await.unwrap(), "as usual");
            // Its connection is kept, and may be upgraded later.
            assert_eq!(client.idle_connections(), 1);
            let mut response = client.get(URL).upgrade("x").await.unwrap();
            let mut conn = response.upgraded().unwrap();
            // The call does not count any more: another one finds no connection, and makes one.
            assert_eq!(client.get(URL).await.unwrap().text().await.unwrap(), "as usual");
            conn.half_close();
            assert_eq!(read_all(&mut conn).await, "hi,!");
            assert_eq!(client.idle_connections(), 1);
        });
        assert_eq!(network.traffic().connections, 2);
    }
}

/// An upgraded connection gives its place back: it is none of the pool.
#[test]
fn an_upgraded_connection_leaves_the_pool() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(doubling));
    run(&mut network, async |ctx: &Ctx| {
        let pool = PoolLimits { per_origin: 1, ..PoolLimits::default() };
        let client = client(ctx, ClientConfig { pool, ..ClientConfig::default() });
        let mut conns = Vec::new();
        for _ in 0..3 {
            conns.push(client.get(URL).upgrade("x").await.unwrap().upgraded().unwrap());
        }
        for mut conn in conns {
            conn.half_close();
            assert_eq!(read_all(&mut conn).await, "hi,!");
        }
    });
}

#[test]
fn a_server_must_not_switch_unasked() {
    for (protocols, answer) in [
        (None, SWITCHED),
        (Some("y"), SWITCHED),
        (Some("x"), "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (
            Some("x"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x, y\r\n\r\n",
        ),
    ] {
        let mut network = Network::new(1);
        let pieces: &'static [&'static str] = Box::leak(Box::new([answer]));
        let (handler, _) = scripted(Box::leak(Box::new([pieces])));
        serve(&mut network, Service::new(handler));
        let error = run(&mut network, async move |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            let request = client.get(URL);
            let request = match protocols {
                Some(protocols) => request.upgrade(protocols),
                None => request,
            };
            request.await.unwrap_err()
        });
        assert!(matches!(error, ClientError::Response(..)), "{protocols:?}: {error}");
    }
}

#[test]
fn protocols_are_checked_before_anything_is_sent() {
    for protocols in ["", "a b", "x\r\nHost: b", "x,,\u{e9}"] {
        let mut network = Network::new(1);
        let (handler, heads) = scripted(&[&["never"]]);
        serve(&mut network, Service::new(handler));
        let error = run(&mut network, async move |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            client.get(URL).upgrade(protocols).await.unwrap_err()
        });
        let ClientError::Request(InvalidRequest::Forbidden(_)) = error else { panic!("{error}") };
        assert!(heads.borrow().is_empty());
    }
}

/// The body is sent first: a server switches after it (RFC 9110, 7.8).
#[test]
fn a_request_with_a_body_may_ask_for_an_upgrade() {
    let collecting = async |mut request: http1::Request| {
        let body = request.body().read(1 << 20).await?;
        Ok::<_, Error>(Response::upgrade("x", async move |mut conn: Conn| {
            conn.write(body.to_vec()).await
        }))
    };
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve(&mut network, http1::Service::new(collecting));
        let got = run(&mut network, async |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            let request = client.post(URL).upgrade("x").stream(async |body| {
                body.write("some ").await?;
                body.write("body").await
            });
            let mut response = request.await.unwrap();
            read_all(&mut response.upgraded().unwrap()).await
        });
        assert_eq!(got, "some body");
    }
}

#[test]
fn a_call_that_waits_for_a_101_may_be_dropped_or_time_out() {
    let mut network = Network::new(1);
    let (handler, heads) = scripted(&[&["HTTP/1.1 101 Switching Pro", "stall"]]);
    serve(&mut network, Service::new(handler));
    run(&mut network, async |ctx: &Ctx| {
        let timeouts = ClientTimeouts { first_byte: 3 * SECOND, ..ClientTimeouts::default() };
        let client = client(ctx, ClientConfig { timeouts, ..ClientConfig::default() });
        let waited = first((client.get(URL).upgrade("x").into_future(), ctx.sleep(SECOND))).await;
        assert!(matches!(waited, First2::B(_)));
        let error = client.get(URL).upgrade("x").await.unwrap_err();
        let ClientError::TimedOut(at, Timeout::FirstByte, _) = &error else { panic!("{error}") };
        assert_eq!(at.phase, Phase::Head);
        assert_eq!(client.idle_connections(), 0);
    });
    assert_eq!(heads.borrow().len(), 2);
}

/// The timeouts of the call end with it.
#[test]
fn no_timeout_of_the_call_outlives_the_upgrade() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(doubling));
    run(&mut network, async |ctx: &Ctx| {
        let timeouts = ClientTimeouts {
            first_byte: SECOND,
            between: SECOND,
            total: 2 * SECOND,
            ..ClientTimeouts::default()
        };
        let client = client(ctx, ClientConfig { timeouts, ..ClientConfig::default() });
        let mut conn = client.get(URL).upgrade("x").await.unwrap().upgraded().unwrap();
        ctx.sleep(100 * SECOND).await.unwrap();
        conn.write("z").await.unwrap();
        conn.half_close();
        assert_eq!(read_all(&mut conn).await, "hi,zz!");
    });
}

/// Dropping the response closes the connection.
#[test]
fn a_connection_that_is_not_taken_is_closed() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(doubling));
    let open = run(&mut network, async |ctx: &Ctx| {
        let client = client(ctx, ClientConfig::default());
        drop(client.get(URL).upgrade("x").await.unwrap());
        ctx.sleep(10 * SECOND).await.unwrap();
        client.idle_connections()
    });
    assert_eq!((open, network.traffic().connections), (0, 1));
}

#[cfg(feature = "tls")]
#[test]
fn a_secure_connection_is_handed_over_with_its_layer() {
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(hostile());
        super::tls::serve_tls(&mut network, http1::Service::new(doubling));
        let got = run(&mut network, async |ctx: &Ctx| {
            let client = super::tls::client(ctx, ClientConfig::default());
            let mut response = client.get("https://localhost/").upgrade("x").await.unwrap();
            let mut conn = response.upgraded().unwrap();
            conn.write("abc").await.unwrap();
            conn.half_close();
            read_all(&mut conn).await
        });
        assert_eq!(got, "hi,aabbcc!");
    }
}
