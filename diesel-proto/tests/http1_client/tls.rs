//! `https`: what is trusted, what is not, and what an end without `close_notify` means.

use diesel_proto::http1::{
    self, Client, ClientConfig, ClientError, ClientTimeouts, Phase, RefusedRedirect, Request,
    Response, Status, Timeout,
};
use diesel_proto::testkit::net::{LinkFault, LinkOptions, Network};
use diesel_proto::tls::{Acceptor, Connector};
use diesel_proto::{CertificateFault, Conn, Ctx, Error, Service, TlsError};

use super::harness::*;

/// Within the time of all certificates but those that have expired.
const TODAY: u64 = 1_705_276_800;

macro_rules! certificate {
    ($name:literal) => {
        include_bytes!(concat!("../certificates/", $name))
    };
}

pub(super) fn connector(authority: &[u8]) -> Connector {
    let connector = Connector::from_pem(authority).unwrap();
    connector.clock().set(TODAY);
    connector
}

pub(super) fn client(ctx: &Ctx, config: ClientConfig) -> Client {
    let tls = connector(certificate!("authority.pem"));
    let builder = Client::builder(ctx).config(config).tls(tls);
    let address = "10.0.0.1:443".parse::<std::net::SocketAddr>().unwrap();
    builder.host("localhost", address).host("b.example", address).build()
}

pub(super) fn serve_tls(network: &mut Network, service: impl Into<Service>) {
    let (chain, key) = (certificate!("server.pem"), certificate!("server.key"));
    let acceptor = Acceptor::from_pem(chain, key).unwrap();
    acceptor.clock().set(TODAY);
    let service = service.into().layer(move |ctx, inner| acceptor.layer(ctx, inner));
    serve_at(network, service, "10.0.0.1:443".parse().unwrap());
}

#[test]
fn a_secure_connection_is_kept_like_any_other() {
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(LinkOptions { reads: 1..=100, ..hostile() });
        serve_tls(&mut network, http1::Service::new(mirror));
        run(&mut network, async |ctx: &Ctx| {
            let client = client(ctx, ClientConfig::default());
            for n in 0..3 {
                let mut response = client.get(format!("https://localhost/{n}")).await.unwrap();
                assert_eq!(response.text().await.unwrap(), format!("GET /{n} host=localhost []"));
                assert_eq!(client.idle_connections(), 1);
            }
        });
        assert_eq!(network.traffic().connections, 1);
    }
}

/// Routes, compressed, which the client decodes.
#[cfg(all(feature = "web", feature = "gzip"))]
#[test]
fn routes_are_served_over_tls() {
    use diesel_proto::web::{Path, Router, get, gzip, post};

    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(LinkOptions { reads: 1..=100, ..hostile() });
        let long = get(|Path(n): Path<usize>| "a line\n".repeat(n));
        let routes = Router::new().route("/{n}", long).route("/", post(async |body: String| body));
        serve_tls(&mut network, routes.layer(gzip).build().unwrap());
        run(&mut network, async |ctx: &Ctx| {
            let tls = connector(certificate!("authority.pem"));
            let address = "10.0.0.1:443".parse::<std::net::SocketAddr>().unwrap();
            let builder = Client::builder(ctx).tls(tls).host("localhost", address);
            let client = builder.gzip(1 << 20).build();
            let mut response = client.get("https://localhost/1000").await.unwrap();
            assert_eq!(response.text().await.unwrap(), "a line\n".repeat(1000));
            let body = "x".repeat(100_000);
            let echo = client.post("https://localhost/").body(body.clone()).await;
            assert_eq!(echo.unwrap().text().await.unwrap(), body);
            let missing = client.get("https://localhost/a/b").await.unwrap();
            assert_eq!(missing.status(), Status::NOT_FOUND);
        });
        assert_eq!(network.traffic().connections, 1);
    }
}

#[test]
fn a_server_that_is_not_trusted_gets_no_request() {
    let mut network = Network::new(1);
    serve_tls(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx: &Ctx| {
        let stranger = Client::builder(ctx).tls(connector(certificate!("stranger.pem")));
        let address = "10.0.0.1:443".parse::<std::net::SocketAddr>().unwrap();
        let stranger = stranger.host("localhost", address).build();
        let ours = client(ctx, ClientConfig::default());
        for (client, url, fault) in [
            (&stranger, "https://localhost/", CertificateFault::UnknownIssuer),
            (&ours, "https://b.example/", CertificateFault::OtherName),
        ] {
            let error = client.get(url).await.unwrap_err();
            let ClientError::Connect(at, Error::Tls(TlsError::Certificate(found))) = &error else {
                panic!("{error}")
            };
            assert_eq!((at.phase, *found), (Phase::Tls, fault));
            assert!(error.is_of_server());
        }
    });
}

#[test]
fn a_handshake_has_a_timeout() {
    let mut network = Network::new(1);
    let silent = async |mut conn: Conn| {
        conn.ctx().sleep(100 * SECOND).await?;
        conn.flush().await
    };
    serve_at(&mut network, Service::new(silent), "10.0.0.1:443".parse().unwrap());
    run(&mut network, async |ctx: &Ctx| {
        let timeouts = ClientTimeouts { tls: 3 * SECOND, ..ClientTimeouts::default() };
        let client = client(ctx, ClientConfig { timeouts, ..ClientConfig::default() });
        let error = client.get("https://localhost/").await.unwrap_err();
        let ClientError::TimedOut(at, Timeout::Tls, _) = &error else { panic!("{error}") };
        assert_eq!(at.phase, Phase::Tls);
    });
}

#[test]
fn a_body_that_ends_with_the_stream_needs_a_close_notify() {
    let until_close = async |mut conn: Conn| {
        conn.until(b"\r\n\r\n").await?;
        conn.write("HTTP/1.0 200 OK\r\n\r\n").await?;
        for _ in 0..10 {
            conn.write("hello ".repeat(50)).await?;
            conn.flush().await?;
        }
        Ok(())
    };
    let mut network = Network::new(1);
    serve_tls(&mut network, Service::new(until_close));
    run(&mut network, async |ctx: &Ctx| {
        let mut response =
            client(ctx, ClientConfig::default()).get("https://localhost/").await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello ".repeat(500));
    });
    // The same, cut anywhere behind the head: never a whole body.
    let mut cut = 0;
    for at in (500..6000).step_by(23) {
        let mut network = Network::new(1);
        let back = LinkOptions { half_closes: LinkFault::at(at), ..LinkOptions::default() };
        network.link(diesel_proto::testkit::net::Link { back, ..Default::default() });
        serve_tls(&mut network, Service::new(until_close));
        let outcome = run(&mut network, async |ctx: &Ctx| {
            let mut response =
                client(ctx, ClientConfig::default()).get("https://localhost/").await?;
            response.text().await
        });
        match outcome {
            Ok(body) => assert_eq!(body.len(), 3000),
            Err(ClientError::Broken(at, Error::Tls(TlsError::Truncated))) => {
                cut += usize::from(at.phase == Phase::Body);
            }
            Err(error) => assert!(error.is_of_server(), "{error}"),
        }
    }
    assert!(cut > 0);
}

#[test]
fn a_redirect_to_plain_text_is_refused_unless_it_is_allowed() {
    let moved = |request: Request| {
        let seen = request.header("authorization").is_some();
        Response::text(format!("{seen}"))
            .status(Status::new(302).unwrap())
            .header("Location", "http://10.0.0.1/plain")
    };
    let mut network = Network::new(1);
    serve_tls(&mut network, http1::Service::new(moved));
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx: &Ctx| {
        let error =
            client(ctx, ClientConfig::default()).get("https://localhost/").await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect(_, RefusedRedirect::Downgrade)), "{error}");
        let config = ClientConfig { allow_downgrade: true, ..ClientConfig::default() };
        let request = client(ctx, config).get("https://localhost/").basic_auth("u", "p");
        let mut response = request.await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET /plain host=10.0.0.1 []");
    });
}
