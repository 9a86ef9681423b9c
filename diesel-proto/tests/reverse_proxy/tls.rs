//! TLS on either side, and on both.

use diesel_proto::http1::{self, Client, Request, Response, Service};
use diesel_proto::testkit::net::{LinkOptions, Network};
use diesel_proto::tls::{Acceptor, Connector};
use diesel_proto::web::ReverseProxy;
use diesel_proto::{Conn, Ctx, Error, Hub};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::harness::SECOND;

const TODAY: u64 = 1_705_276_800;

macro_rules! certificate {
    ($name:literal) => {
        include_bytes!(concat!("../certificates/", $name))
    };
}

fn connector() -> Connector {
    let connector = Connector::from_pem(certificate!("authority.pem")).unwrap();
    connector.clock().set(TODAY);
    connector
}

fn secure(service: impl Into<diesel_proto::Service>, is_secure: bool) -> diesel_proto::Service {
    let acceptor =
        Acceptor::from_pem(certificate!("server.pem"), certificate!("server.key")).unwrap();
    acceptor.clock().set(TODAY);
    let service = service.into();
    match is_secure {
        true => service.layer(move |ctx, inner| acceptor.layer(ctx, inner)),
        false => service,
    }
}

/// Sends the body back, with what the proxy said; or doubles bytes, after an upgrade.
async fn upstream(mut request: Request) -> Result<Response, Error> {
    if request.upgrade() == Some(b"websocket") {
        return Ok(Response::upgrade("websocket", async |mut conn: Conn| {
            while let Ok(piece) = conn.some().await {
                conn.write((piece.clone(), piece)).await?;
            }
            Ok(())
        }));
    }
    let said = request.header_str("forwarded").unwrap_or_default().to_string();
    let host = request.host().unwrap_or_default().to_string();
    let body = request.body().read(1 << 20).await?;
    Ok(Response::bytes(body.to_vec()).header("X-Said", said).header("X-Host", host))
}

fn address(n: u8) -> SocketAddr {
    ([10, 0, 0, n], 443).into()
}

#[test]
fn either_side_may_be_secure() {
    for (seed, (is_outer, is_inner)) in
        [(true, true), (true, false), (false, true), (false, false)].into_iter().enumerate()
    {
        let mut network = Network::new(seed as u64);
        network.link(LinkOptions { reads: 1..=500, writes: 1..=500, ..LinkOptions::default() });
        let mut hub = Hub::default();
        let service = hub.add_service(secure(Service::new(upstream), is_inner));
        network.host(hub, &[(service, address(1))]).unwrap();

        let mut hub = Hub::default();
        let inner = if is_inner { "https://a.example" } else { "http://a.example:443" };
        network.name("a.example", [address(1).ip()]);
        let builder = ReverseProxy::to([inner]).unwrap().tls(connector());
        let proxy = builder.build(&hub.ctx());
        let forward = async move |request: Request| proxy.forward(request).await;
        let limits = http1::Limits { body: 1 << 20, ..http1::Limits::default() };
        let service = hub.add_service(secure(Service::new(forward).limits(limits), is_outer));
        network.host(hub, &[(service, address(2))]).unwrap();

        let done = Rc::new(Cell::new(false));
        let (mut hub, told) = (Hub::default(), Rc::clone(&done));
        hub.add_loop(async move |ctx: Ctx| {
            let builder = Client::builder(&ctx).tls(connector());
            let client =
                builder.host("localhost", address(2)).host("localhost:443", address(2)).build();
            let url = if is_outer { "https://localhost" } else { "http://localhost:443" };
            let body = "x".repeat(100_000);
            for _ in 0..3 {
                let mut response = client.post(url).body(body.clone()).await?;
                let proto = if is_outer { "https" } else { "http" };
                let said = response.header_str("x-said").unwrap_or("nothing");
                assert!(said.ends_with(&format!("proto={proto}")), "{said}");
                assert!(response.header_str("x-host").unwrap().starts_with("localhost"));
                assert!(response.text().await? == body);
            }
            let mut response = client.get(url).upgrade("websocket").await?;
            let mut conn = response.upgraded().unwrap();
            conn.write("abc").await?;
            conn.half_close();
            assert_eq!(&*conn.to_end(100).await?, b"abcabc");
            told.set(true);
            Ok::<(), Error>(())
        })
        .unwrap();
        network.lone_host(hub);
        network.run_for(100 * SECOND).unwrap();
        assert!(done.get(), "{is_outer} {is_inner}");
    }
}
