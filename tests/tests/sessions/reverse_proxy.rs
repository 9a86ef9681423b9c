//! `reverse_proxy`: what an upstream gets, and what the client gets back.

use diesel_driver::Hub;
use diesel_driver::web::ReverseProxy;
use diesel_proto::testkit::script::assert_plays;

use crate::programs::reverse_proxy::service;

fn passing_on() -> Hub {
    let mut hub = Hub::default();
    let upstreams = ["http://127.0.0.1:8089", "http://127.0.0.1:8090"];
    let proxy = ReverseProxy::to(upstreams).unwrap().name("p").unwrap().build(&hub.ctx());
    hub.add_service(service(proxy));
    hub
}

#[test]
fn a_request_goes_to_an_upstream_and_its_response_comes_back() {
    assert_plays(
        r#"
        peer> POST /a HTTP/1.1\r\nhost: h\r\nConnection: X\r\nX: y\r\nContent-Length: 2\r\n\r\nhi
        target accepts 127.0.0.1:8089
        target< POST /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 p\r\n
        target< Forwarded: for=172.16.0.1;host=\"h\";proto=http\r\n
        target< X-Forwarded-For: 172.16.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\n
        target< Content-Length: 2\r\n\r\nhi
        target> HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 3\r\n\r\nyes
        peer< HTTP/1.1 200 OK\r\nDate: d\r\nVia: 1.1 p\r\nContent-Length: 3\r\n\r\nyes
        peer ends
        peer closed: the peer closed
        "#,
        passing_on,
    );
}

#[test]
fn a_websocket_becomes_a_tunnel() {
    assert_plays(
        r#"
        peer> GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n
        target accepts 127.0.0.1:8089
        target< GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n
        target< Via: 1.1 p\r\n
        target< Forwarded: for=172.16.0.1;host=\"h\";proto=http\r\n
        target< X-Forwarded-For: 172.16.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\n\r\n
        target> HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n
        target> Date: d\r\n\r\nhi
        peer< HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n
        peer< Date: d\r\nVia: 1.1 p\r\n\r\nhi
        peer> \0\xff
        target< \0\xff
        target ends
        peer ends
        peer closed: the peer closed
        target closed: the peer closed
        "#,
        passing_on,
    );
}
