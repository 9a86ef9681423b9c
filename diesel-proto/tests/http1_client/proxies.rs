//! Requests through a proxy: what it sees, and what the server sees.

use std::net::SocketAddr;

use diesel_proto::http1::{
    self, Client, ClientError, InvalidRequest, Proxies, Proxy, Request, Response, Status,
};
use diesel_proto::testkit::net::Network;
use diesel_proto::{Conn, Ctx, Error, First2, Service, first};

use super::harness::*;

const PROXY: &str = "10.0.0.9:3128";

fn at_proxy() -> SocketAddr {
    PROXY.parse().unwrap()
}

fn proxied(ctx: &Ctx) -> Client {
    let proxy = Proxy::parse(&format!("http://user:secret@{PROXY}")).unwrap();
    Client::builder(ctx).proxies(Proxies::all(proxy).except("10.0.0.1")).build()
}

/// Answers with what it was asked, and with whose credentials.
async fn seen(request: Request) -> Result<String, Error> {
    let field = |name| {
        let value = request.header(name).unwrap_or(b"-");
        String::from_utf8_lossy(value).into_owned()
    };
    let (host, credentials) = (field("host"), field("proxy-authorization"));
    Ok(format!("{} {} {host} {credentials}", request.method(), request.target_text()))
}

#[test]
fn a_proxy_for_http_gets_the_whole_url_and_its_credentials() {
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve_at(&mut network, http1::Service::new(seen), at_proxy());
        serve(&mut network, http1::Service::new(seen));
        run(&mut network, async |ctx: &Ctx| {
            let client = proxied(ctx);
            let ask = async |url: &str| client.get(url).await?.text().await;
            let basic = "Basic dXNlcjpzZWNyZXQ=";
            for host in ["a.example", "b.example:8080"] {
                let url = format!("http://{host}/x?y");
                let expected = format!("GET {url} {host} {basic}");
                assert_eq!(ask(&url).await.unwrap(), expected);
            }
            // Both went over one connection, which no direct request uses.
            assert_eq!((client.idle_connections(), client.origins()), (1, 1));
            assert_eq!(ask("http://10.0.0.1/").await.unwrap(), "GET / 10.0.0.1 -");
            assert_eq!((client.idle_connections(), client.origins()), (2, 2));
            let direct = Client::builder(ctx).build();
            let expected = format!("GET / {PROXY} -");
            let mut response = direct.get(format!("http://{PROXY}/")).await.unwrap();
            assert_eq!(response.text().await.unwrap(), expected);
            // What the request itself says is for proxies only, too.
            for (url, credentials) in [("http://a.example/", "mine"), ("http://10.0.0.1/", "-")] {
                let request = client.get(url).header("Proxy-Authorization", "mine");
                let text = request.await.unwrap().text().await.unwrap();
                assert!(text.ends_with(&format!(" {credentials}")), "{text}");
            }
        });
        assert_eq!(network.traffic().connections, 3);
    }
}

#[test]
fn a_redirect_away_from_the_proxy_has_no_credentials_of_it() {
    let mut network = Network::new(1);
    let moved = |_: Request| {
        Response::text("")
            .status(Status::new(302).unwrap())
            .header("Location", "http://10.0.0.1/to")
    };
    serve_at(&mut network, http1::Service::new(moved), at_proxy());
    serve(&mut network, http1::Service::new(seen));
    run(&mut network, async |ctx: &Ctx| {
        let mut response = proxied(ctx).get("http://a.example/").await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET /to 10.0.0.1 -");
    });
}

#[test]
fn an_error_says_that_it_is_the_proxy() {
    let mut network = Network::new(1);
    run(&mut network, async |ctx: &Ctx| {
        for (proxy, told) in [
            (PROXY, "cannot connect to the proxy 10.0.0.9:3128: connection refused"),
            (
                "p.example:1",
                "cannot resolve the proxy's name p.example: no such name, or no address",
            ),
        ] {
            let client = Client::builder(ctx).proxy(Proxy::parse(proxy).unwrap()).build();
            let error = client.get("http://a.example/").await.unwrap_err();
            assert_eq!(error.to_string(), format!("http://a.example: {told}"));
            assert_eq!(error.at().unwrap().proxy.as_deref(), Some(proxy));
        }
    });
}

#[test]
fn a_variable_that_names_no_proxy_fails_only_the_requests_that_would_use_it() {
    let mut network = Network::new(1);
    let server = http1::Service::new(seen);
    serve(&mut network, server);
    run(&mut network, async |ctx: &Ctx| {
        let client = |variables: &'static [(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| value.to_string())
            };
            Client::builder(ctx).proxies(Proxies::from_variables(variable)).build()
        };
        let answers = async |client: &Client| {
            let mut response = client.get("http://10.0.0.1/").await.unwrap();
            assert_eq!(response.text().await.unwrap(), "GET / 10.0.0.1 -");
        };
        let told = "is not of the scheme http, the only one for proxies";
        let refused = async |client: &Client, url: &str, variable: &str| {
            let error = client.get(url).await.unwrap_err();
            assert!(matches!(error, ClientError::Request(InvalidRequest::Proxy(_))), "{error:?}");
            assert!(!error.is_of_server());
            let expected = format!("{variable}: the proxy \"socks5://10.0.0.9:1080\" {told}");
            assert_eq!(error.to_string(), expected);
        };
        let https = client(&[("https_proxy", "socks5://u:secret@10.0.0.9:1080")]);
        answers(&https).await;
        refused(&https, "https://10.0.0.1/", "https_proxy").await;
        // It does not go past the proxy, even though the server is there.
        let all = &[("all_proxy", "socks5://10.0.0.9:1080"), ("no_proxy", "10.0.0.1:80")];
        let all = client(all);
        answers(&all).await;
        refused(&all, "http://10.0.0.1:8080/", "all_proxy").await;
        assert_eq!((all.idle_connections(), all.origins()), (1, 1));
    });
    assert_eq!(network.traffic().connections, 2);
}

#[cfg(feature = "tls")]
mod tunnels {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use diesel_proto::fiber::{Reader, Writer};
    use diesel_proto::http1::{ClientConfig, ClientTimeouts, Phase, Timeout};
    use diesel_proto::testkit::net::LinkOptions;

    use super::super::tls::{connector, serve_tls};
    use super::*;

    fn secured(ctx: &Ctx, config: ClientConfig) -> Client {
        let proxy = Proxy::parse(&format!("user:secret@{PROXY}")).unwrap();
        let tls = connector(include_bytes!("../certificates/authority.pem"));
        Client::builder(ctx).config(config).tls(tls).proxy(proxy).build()
    }

    async fn copy(mut from: Reader, mut to: Writer) -> Result<(), Error> {
        while let Ok(bytes) = from.some().await {
            to.write(bytes).await?;
        }
        Ok(())
    }

    /// A proxy that makes a tunnel to the only server.
    async fn tunnel_to_server(conn: Conn) -> Result<(), Error> {
        tunnel_telling(conn, |_| ()).await
    }

    async fn tunnel_telling(mut conn: Conn, tell: impl FnOnce(String)) -> Result<(), Error> {
        let head = conn.until(b"\r\n\r\n").await?;
        tell(String::from_utf8_lossy(&head).into_owned());
        let server: SocketAddr = "10.0.0.1:443".parse().unwrap();
        let there = conn.ctx().connect(server).await?;
        conn.write("HTTP/1.1 200 Connection established\r\n\r\n").await?;
        let ctx = conn.ctx();
        let ((a, b), (c, d)) = (conn.split(), there.split());
        let back = ctx.spawn(copy(c, b))?;
        copy(a, d).await?;
        back.await?
    }

    #[test]
    fn a_tunnel_carries_tls_and_is_kept() {
        for seed in 0..5 {
            let mut network = Network::new(seed);
            network.link(LinkOptions { reads: 1..=50, ..hostile() });
            let heads = Rc::new(RefCell::new(Vec::new()));
            let told = Rc::clone(&heads);
            let tunnel = async move |conn: Conn| {
                let told = Rc::clone(&told);
                tunnel_telling(conn, move |head| told.borrow_mut().push(head)).await
            };
            serve_at(&mut network, Service::new(tunnel), at_proxy());
            serve_tls(&mut network, http1::Service::new(seen));
            run(&mut network, async |ctx: &Ctx| {
                let client = secured(ctx, ClientConfig::default());
                for n in 0..3 {
                    let request = client.get(format!("https://localhost/{n}"));
                    let mut response = request.header("Proxy-Authorization", "mine").await.unwrap();
                    let text = response.text().await.unwrap();
                    assert_eq!(text, format!("GET /{n} localhost -"));
                    assert_eq!((client.idle_connections(), client.origins()), (1, 1));
                }
            });
            let heads = heads.borrow();
            let [head] = &heads[..] else { panic!("{heads:?}") };
            assert!(head.starts_with("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n"));
            assert!(head.contains("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{head}");
        }
    }

    /// The error of a client whose proxy answers so, and how long the call took.
    fn failed(
        answer: &'static [&'static str],
        timeouts: ClientTimeouts,
        expected: Phase,
    ) -> (ClientError, u64) {
        let link = LinkOptions { reads: 1..=7, writes: 1..=100, ..LinkOptions::default() };
        failed_over(link, answer, timeouts, expected)
    }

    fn failed_over(
        link: LinkOptions,
        answer: &'static [&'static str],
        timeouts: ClientTimeouts,
        expected: Phase,
    ) -> (ClientError, u64) {
        let mut network = Network::new(1);
        network.link(link);
        let answers: &'static [&'static [&'static str]] = Box::leak(Box::new([answer]));
        serve_at(&mut network, Service::new(scripted(answers).0), at_proxy());
        run(&mut network, async move |ctx: &Ctx| {
            let client = secured(ctx, ClientConfig { timeouts, ..ClientConfig::default() });
            let start = ctx.now();
            let error = client.get("https://localhost/").await.unwrap_err();
            assert_eq!((client.idle_connections(), client.origins()), (0, 0));
            let at = error.at().unwrap();
            assert_eq!((at.phase, at.peer), (expected, Some(at_proxy().into())), "{error}");
            assert!(error.is_of_server(), "{error}");
            (error, (ctx.now().as_nanos() - start.as_nanos()) / 1_000_000_000)
        })
    }

    fn error(answer: &'static [&'static str]) -> ClientError {
        failed(answer, ClientTimeouts::default(), Phase::Tunnel).0
    }

    #[test]
    fn why_there_is_no_tunnel() {
        for (answer, status) in [
            ("HTTP/1.1 407 \r\nContent-Length: 2\r\n\r\nno", 407),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502),
            ("HTTP/1.1 302 \r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", 302),
        ] {
            let error = error(Box::leak(Box::new([answer])));
            let ClientError::Tunnel(_, found) = &error else { panic!("{error}") };
            assert_eq!(found.code(), status);
            let told = format!("https://localhost ({PROXY}): the proxy refused a tunnel: {status}");
            assert!(error.to_string().starts_with(&told), "{error}");
            assert!(!error.is_timeout());
        }
        let found = error(&["HTTP/1.1 200 OK\n\n"]);
        assert!(matches!(found, ClientError::Response(..)), "{found}");
        let found = error(&["HTTP/1.1 2", "sleep"]);
        assert!(matches!(found, ClientError::Broken(..)), "{found}");
        let found = error(&["HTTP/1.1 2", "reset"]);
        assert!(matches!(found, ClientError::Broken(..)), "{found}");
        let open = &["HTTP/1.1 200 OK\r\n\r\n", "sleep", "reset"];
        let (found, _) = failed(open, ClientTimeouts::default(), Phase::Tls);
        assert!(matches!(found, ClientError::Connect(_, Error::Reset)), "{found}");
    }

    #[test]
    fn each_phase_of_a_tunnel_has_its_timeout() {
        let base = ClientTimeouts::default();
        let first_byte = ClientTimeouts { first_byte: 3 * SECOND, ..base };
        let total = ClientTimeouts { total: 4 * SECOND, ..base };
        let tls = ClientTimeouts { tls: 5 * SECOND, ..base };
        const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\n";
        let cases: [(&'static [&'static str], _, _, _); 6] = [
            (&["stall"], first_byte, (Phase::Tunnel, Timeout::FirstByte), 3),
            // An interim response does not begin it anew.
            (
                &["HTTP/1.1 100 \r\n\r\n", "sleep", "HTTP/1.1 2", "stall"],
                first_byte,
                (Phase::Tunnel, Timeout::FirstByte),
                3,
            ),
            (&["stall"], total, (Phase::Tunnel, Timeout::Total), 4),
            (&["sleep", OPEN, "stall"], total, (Phase::Tls, Timeout::Total), 4),
            (&["sleep", OPEN, "stall"], tls, (Phase::Tls, Timeout::Tls), 6),
            // That of the tunnel is over once there is one.
            (
                &["sleep", OPEN, "stall"],
                ClientTimeouts { tls: 9 * SECOND, ..first_byte },
                (Phase::Tls, Timeout::Tls),
                10,
            ),
        ];
        for (answer, timeouts, (phase, timeout), seconds) in cases {
            let (error, took) = failed(answer, timeouts, phase);
            let ClientError::TimedOut(_, found, _) = &error else { panic!("{error}") };
            assert_eq!((*found, took), (timeout, seconds), "{error}");
        }
    }

    /// RFC 9110, 9.3.6: they are in the tunnel, where TLS refuses them. They are never an answer.
    #[test]
    fn bytes_behind_the_head_are_not_taken_for_an_answer() {
        // They are refused as they are, and not because the proxy closes.
        for surplus in ["\0\0\0\0\0", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nowned"] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{surplus}");
            let answer: &'static str = Box::leak(answer.into());
            for answer in
                [vec![answer, "stall"], vec![&answer[..38], "sleep", &answer[38..], "stall"]]
            {
                let answer: &'static [_] = Box::leak(answer.into());
                let timeouts = ClientTimeouts::default();
                // In one read with the head, too.
                for (error, _) in [
                    failed(answer, timeouts, Phase::Tls),
                    failed_over(LinkOptions::default(), answer, timeouts, Phase::Tls),
                ] {
                    assert!(matches!(error, ClientError::Connect(_, Error::Tls(_))), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_call_can_be_dropped_while_a_tunnel_is_made() {
        let mut after = Duration::ZERO;
        loop {
            after += SECOND / 50;
            let mut network = Network::new(1);
            network.link(hostile());
            serve_at(&mut network, Service::new(tunnel_to_server), at_proxy());
            serve_tls(&mut network, http1::Service::new(seen));
            let is_done = run(&mut network, async move |ctx: &Ctx| {
                let client = secured(ctx, ClientConfig::default());
                let call = client.get("https://localhost/first").send();
                let is_done = match first((call, ctx.sleep(after))).await {
                    First2::A(answer) => answer.is_ok(),
                    First2::B(_) => false,
                };
                // Neither a permit nor a connection is lost, and no answer reaches another call.
                if !is_done {
                    assert_eq!((client.idle_connections(), client.origins()), (0, 0));
                }
                let mut response = client.get("https://localhost/second").await.unwrap();
                assert_eq!(response.text().await.unwrap(), "GET /second localhost -");
                assert_eq!((client.idle_connections(), client.origins()), (1, 1));
                is_done
            });
            if is_done {
                break;
            }
        }
        assert!(after > SECOND / 2, "{after:?}");
    }
}
