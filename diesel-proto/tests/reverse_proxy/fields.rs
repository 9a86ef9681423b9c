//! Which fields are passed on, and in which form.

use diesel_proto::web::{InvalidUpstream, ReverseProxy};

use super::harness::*;

/// What the upstream gets of a request with these fields, without what is always added.
#[track_caller]
fn passed_on(world: &mut World, fields: &str) -> String {
    let (asked, answer) = world.exchange(&get(fields), EMPTY);
    assert_eq!(answer, EMPTY_ANSWER);
    let head =
        asked.strip_prefix("GET /a HTTP/1.1\r\nHost: h\r\n").unwrap_or_else(|| panic!("{asked}"));
    head.strip_suffix("\r\n").unwrap().to_string()
}

#[test]
fn a_request_is_written_anew_in_one_form() {
    let mut world = World::new();
    let request =
        "\r\nGET http://other:81/a/../b?c=d%20 HTTP/1.1\r\nhOsT: h\r\nX:   y \t\r\nA:\r\n\r\n";
    let (asked, answer) = world.exchange(request, EMPTY);
    assert_eq!(
        asked,
        "GET /a/../b?c=d%20 HTTP/1.1\r\nHost: other:81\r\nX: y\r\nA: \r\nVia: 1.1 p\r\n\
         Forwarded: for=172.16.0.1;host=\"other:81\";proto=http\r\nX-Forwarded-For: 172.16.0.1\r\n\
         X-Forwarded-Host: other:81\r\nX-Forwarded-Proto: http\r\n\r\n"
    );
    assert_eq!(answer, EMPTY_ANSWER);
}

#[test]
fn fields_for_one_hop_end_here() {
    for dropped in [
        "Connection: keep-alive\r\n",
        "Connection: x-one, X-Two\r\nX-One: 1\r\nx-two: 2\r\n",
        "Connection: d, B, a\r\nConnection: c, b\r\nA: 1\r\nb: 2\r\nC: 3\r\nD: 4\r\n",
        "Keep-Alive: timeout=5\r\n",
        "TE: trailers\r\n",
        "Trailer: X\r\n",
        "Upgrade: h2c\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Proxy-Authorization: Basic eDp5\r\n",
        "Proxy-Connection: keep-alive\r\n",
        "Proxy-Something: x\r\n",
        "Proxy: http://evil.example\r\n",
    ] {
        let mut world = World::new();
        let kept = format!("Accept: a\r\n{dropped}Accept: b\r\n");
        let expected = format!("Accept: a\r\nAccept: b\r\n{ADDED}");
        assert_eq!(passed_on(&mut world, &kept), expected, "{dropped}");
    }
}

/// What the proxy writes, no Connection can remove.
#[test]
fn connection_cannot_name_what_the_proxy_writes() {
    let names = "Host, Content-Length, Transfer-Encoding, X-Forwarded-For, Forwarded, Via, \
                 X-Forwarded-Host, X-Forwarded-Proto, Expect, Connection";
    let mut world = World::new();
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: h\r\nConnection: {names}\r\nVia: 1.1 before\r\nContent-Length: 2\r\n\r\nhi"
    );
    let (asked, _) = world.exchange(&request, EMPTY);
    assert_eq!(
        asked,
        format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 before\r\n{ADDED}Content-Length: 2\r\n\r\nhi"
        )
    );
}

#[test]
fn what_a_stranger_says_of_its_client_is_dropped() {
    for fields in [
        "Forwarded: for=1.1.1.1\r\n",
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n",
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n",
        "X-Real-IP: 1.1.1.1\r\n",
        "X_Forwarded_For: 1.1.1.1\r\n",
        "X-Forwarded_For: 1.1.1.1\r\nx_real_ip: 1.1.1.1\r\nX_FORWARDED_PROTO: https\r\n",
        "Content_Length: 5\r\nTransfer_Encoding: chunked\r\n",
    ] {
        let mut world = World::new();
        assert_eq!(passed_on(&mut world, fields), ADDED, "{fields}");
    }
}

#[test]
fn what_a_trusted_peer_says_comes_first() {
    let trusting = || World::with(1, |builder| builder.trust("172.16.0.0/12".parse().unwrap()));
    let fields = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\
                  X-Forwarded-Host: public.example\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Port: 443\r\nX_Forwarded_For: 3.3.3.3\r\n\
                  Forwarded: for=1.1.1.1;host=\"a,b\"\r\nForwarded: for=2.2.2.2\r\n";
    assert_eq!(
        passed_on(&mut trusting(), fields),
        "X-Forwarded-Port: 443\r\nVia: 1.1 p\r\n\
         Forwarded: for=1.1.1.1;host=\"a,b\", for=2.2.2.2, for=172.16.0.1;host=\"h\";proto=http\r\n\
         X-Forwarded-For: 1.1.1.1, 2.2.2.2, 172.16.0.1\r\n\
         X-Forwarded-Host: public.example\r\nX-Forwarded-Proto: https\r\n"
    );
    // An open quote would swallow what this proxy says.
    assert_eq!(passed_on(&mut trusting(), "Forwarded: for=\"1.1.1.1\r\n"), ADDED);
    let mut world = World::with(1, |builder| builder.trust("10.0.0.0/8".parse().unwrap()));
    assert_eq!(passed_on(&mut world, fields), ADDED);
    let mut world = World::with(1, |builder| builder.trust_if(|_| true));
    assert!(passed_on(&mut world, fields).contains("X-Forwarded-Port: 443"));
}

#[test]
fn what_is_said_can_be_chosen() {
    let mut world = World::with(1, |builder| builder.forwarded(false));
    assert!(!passed_on(&mut world, "").contains("\r\nForwarded"));
    let mut world = World::with(1, |builder| builder.x_forwarded(false));
    let expected = "Via: 1.1 p\r\nForwarded: for=172.16.0.1;host=\"h\";proto=http\r\n";
    assert_eq!(passed_on(&mut world, "X-Forwarded-For: 1.1.1.1\r\n"), expected);
    let mut world = World::with(1, |builder| builder.upstream_host(true));
    let (asked, _) = world.exchange(&get(""), EMPTY);
    assert!(asked.starts_with("GET /a HTTP/1.1\r\nHost: 10.0.1.1\r\n"), "{asked}");
    assert!(asked.contains("X-Forwarded-Host: h\r\n"));
}

#[test]
fn a_client_of_http_1_0_is_passed_on_as_http_1_1() {
    let mut world = World::new();
    let (asked, answer) = world.exchange("GET / HTTP/1.0\r\n\r\n", EMPTY);
    assert_eq!(
        asked,
        "GET / HTTP/1.1\r\nHost: 10.0.1.1\r\nVia: 1.0 p\r\nForwarded: for=172.16.0.1;proto=http\r\n\
         X-Forwarded-For: 172.16.0.1\r\nX-Forwarded-Proto: http\r\n\r\n"
    );
    let expected = EMPTY_ANSWER.replace("Date: d\r\n", "Connection: close\r\nDate: d\r\n");
    assert_eq!(answer, expected);
}

#[test]
fn a_response_keeps_what_is_for_every_recipient() {
    let mut world = World::new();
    let response = "HTTP/1.0 404 Nothing\r\nDate: d\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\
                    Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                    Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nServer: s\r\nVia: 1.1 inner\r\n\
                    Trailer: x\r\nContent-Length: 2\r\n\r\nno";
    let (_, answer) = world.exchange(&get(""), response);
    assert_eq!(
        answer,
        "HTTP/1.1 404 Not Found\r\nDate: d\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nServer: s\r\n\
         Via: 1.1 inner\r\nVia: 1.0 p\r\nContent-Length: 2\r\n\r\nno"
    );
}

#[test]
fn interim_responses_are_passed_on_without_what_is_for_one_hop() {
    let mut world = World::new();
    let response = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                    Keep-Alive: x\r\nProxy-Authenticate: y\r\n\r\n\
                    HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        .to_string()
        + EMPTY;
    let (_, answer) = world.exchange(&get(""), &response);
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 p\r\n\r\n\
             HTTP/1.1 102 Processing\r\nVia: 1.1 p\r\n\r\n{EMPTY_ANSWER}"
        )
    );
    // HTTP/1.0 has none (RFC 9110, 15.2).
    let client = world.client("GET /a HTTP/1.0\r\nHost: h\r\n\r\n");
    let up = world.accepts_at(1);
    assert_eq!(up, None, "the first connection is kept");
    assert_eq!(world.got(client), "");
}

#[test]
fn a_loop_is_found() {
    let mut world = World::new();
    for via in ["1.1 p", "1.0 x, 1.1 P (comment)", "HTTP/1.1  p ,1.1 y"] {
        let answer = world.refused(&get(&format!("Via: {via}\r\n")));
        assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    }
    assert!(
        passed_on(&mut world, "Via: 1.1 pp, 1.1 q\r\n")
            .starts_with("Via: 1.1 pp, 1.1 q\r\nVia: 1.1 p\r\n")
    );
    // A proxy whose upstream is itself.
    let builder = ReverseProxy::to(["http://10.0.0.1"]).unwrap();
    let mut world = World::of(diesel_proto::testkit::net::Network::new(1), builder);
    let client = world.client(get(""));
    assert!(world.got(client).starts_with("HTTP/1.1 508 "));
    assert_eq!(world.network.traffic().connections, 2);
}

/// RFC 9110, 7.6.2.
#[test]
fn max_forwards_is_counted_down() {
    let options = |fields: &str| format!("OPTIONS * HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let mut world = World::new();
    let (asked, _) = world.exchange(&options("Max-Forwards: 3\r\n"), EMPTY);
    assert!(asked.starts_with("OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 2\r\n"), "{asked}");
    let mut world = World::new();
    assert!(world.refused(&options("Max-Forwards: 0\r\n")).starts_with("HTTP/1.1 204 "));
    let trace = options("Max-Forwards: 0\r\n").replace("OPTIONS *", "TRACE /");
    assert!(world.refused(&trace).starts_with("HTTP/1.1 403 "));
    for wrong in [
        "-1\r\n",
        "+1\r\n",
        "1\r\nMax-Forwards: 2\r\n",
        "\r\n",
        "1 1\r\n",
        "99999999999999999999\r\n",
    ] {
        let wrong = &format!("Max-Forwards: {wrong}");
        assert!(world.refused(&options(wrong)).starts_with("HTTP/1.1 400 "), "{wrong}");
    }
    // It means nothing for other methods.
    let mut world = World::new();
    let expected = format!("Max-Forwards: 0\r\n{ADDED}");
    assert_eq!(passed_on(&mut world, "Max-Forwards: 0\r\n"), expected);
}

#[test]
fn an_upstream_is_a_server_and_nothing_more() {
    for (url, is_path) in
        [("http://a/b", true), ("http://a?c", true), ("http://u:p@a", true), ("ftp://a", false)]
    {
        let error = ReverseProxy::to([url]).unwrap_err();
        assert_eq!(matches!(error, InvalidUpstream::Path(_)), is_path, "{error}");
    }
    assert_eq!(ReverseProxy::to::<&str>([]).unwrap_err(), InvalidUpstream::None);
    assert!(ReverseProxy::to(["http://a"]).unwrap().name("a b").is_err());
}
