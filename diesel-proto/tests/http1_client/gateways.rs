//! What a gateway sends: the host and the target of another request, unchanged.

use diesel_proto::Service;
use diesel_proto::http1::{
    self, Client, ClientConfig, ClientError, InvalidRequest, Proxies, Proxy, Request,
};
use diesel_proto::testkit::net::Network;

use super::harness::*;

/// A gateway asks one server for what is another one's, in the form that its client chose.
#[test]
fn host_and_target_may_differ_from_the_url() {
    let mut network = Network::new(1);
    const MOVED: &[&str] = &["HTTP/1.1 307 Go\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"];
    let (handler, heads) = scripted(&[MOVED, MOVED, MOVED, MOVED]);
    serve(&mut network, Service::new(handler));
    run(&mut network, async |ctx| {
        let client = client(ctx, ClientConfig::default());
        let get = || client.get(format!("{URL}/page")).redirects(0);
        get().host("b.example:81").target("/a/../%7e?q").await.unwrap();
        client.request("OPTIONS", URL).target("*").redirects(0).await.unwrap();
        for request in
            [get().host("a b"), get().target("a"), get().target("*"), get().host("a\r\nX: y")]
        {
            let error = request.await.unwrap_err();
            assert!(matches!(error, ClientError::Request(InvalidRequest::Line(_))), "{error}");
        }
        // After a redirect, the URL is that of the server.
        assert!(client.get(URL).host("b.example").target("/b").redirects(1).await.is_err());
    });
    assert_eq!(
        *heads.borrow(),
        [
            "GET /a/../%7e?q HTTP/1.1\r\nHost: b.example:81\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
            "GET /b HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET /next HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
        ]
    );
}

/// A proxy gets a whole URL (RFC 9112, 3.2.2), and for `*` one without a path (3.2.4).
#[test]
fn a_proxy_gets_the_target_with_the_origin() {
    let mut network = Network::new(1);
    let echo = |request: Request| request.target_text().to_string();
    serve(&mut network, http1::Service::new(echo));
    run(&mut network, async |ctx| {
        let proxies = Proxies::all(Proxy::parse(URL).unwrap());
        let client = Client::builder(ctx).proxies(proxies).build();
        for (method, target, expected) in
            [("GET", "/a/../b", "http://a.example/a/../b"), ("OPTIONS", "*", "http://a.example")]
        {
            let mut response =
                client.request(method, "http://a.example").target(target).await.unwrap();
            assert_eq!(response.text().await.unwrap(), expected);
        }
    });
}
