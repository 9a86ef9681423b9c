//! Requests and responses, whole and streamed, over links of any kind.

use std::cell::RefCell;
use std::error::Error as _;
use std::rc::Rc;

use diesel_proto::http1::{
    self, BodyWriter, Client, ClientConfig, ClientError, Headers, InvalidRequest, Request,
    RequestWriter, Response, Rule, Status,
};
use diesel_proto::testkit::net::{LinkOptions, Network, PeerState};
use diesel_proto::{Error, Service};

use super::harness::*;

#[test]
fn whole_requests_get_whole_responses_over_any_link() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        if seed > 0 {
            network.link(hostile());
        }
        serve(&mut network, http1::Service::new(mirror));
        let seen = run(&mut network, async |ctx| {
            let client = Client::new(ctx);
            let mut seen = vec![text(&client, "/a?b").await?];
            let post = client.post(format!("{URL}/p")).body("hello").header("X-Test", "1");
            seen.push(post.await?.text().await?);
            let form = client.put(URL).form([("a", "1 2"), ("b", "&")]).query("q", "\u{e9}");
            seen.push(form.await?.text().await?);
            seen.push(client.delete("http://u:p@10.0.0.1/d").await?.text().await?);
            let large = "x".repeat(20_000);
            let mut response = client.request("PATCH", URL).body(large.clone()).await?;
            assert_eq!(
                response.text().await?,
                format!("PATCH / host=10.0.0.1 content-length=20000 [{large}]")
            );
            let head = client.head(format!("{URL}/h")).await?;
            assert!(head.is_at_end() && head.content_length().is_some());
            assert_eq!(client.idle_connections(), 1);
            Ok::<_, ClientError>(seen)
        });
        assert_eq!(
            seen.unwrap(),
            [
                "GET /a?b host=10.0.0.1 []",
                "POST /p host=10.0.0.1 content-length=5 x-test=1 [hello]",
                "PUT /?q=%C3%A9 host=10.0.0.1 content-type=application/x-www-form-urlencoded \
                 content-length=11 [a=1+2&b=%26]",
                "DELETE /d host=10.0.0.1 authorization=Basic dTpw []",
            ]
        );
        assert_eq!(network.traffic().connections, 1);
    }
}

/// Sends back whatever comes, as it comes.
async fn echo(request: Request) -> Response {
    let mut body = request.into_body();
    Response::stream(async move |out: &mut BodyWriter| {
        while let Some(chunk) = body.some().await? {
            out.write(chunk).await?;
        }
        for (name, value) in body.trailers().iter() {
            out.trailer(name, value)?;
        }
        Ok(())
    })
}

#[test]
fn bodies_stream_both_ways_at_once() {
    for (seed, sized) in (0..10).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut network = Network::new(seed);
        // Far less than the bodies fits on the way.
        network.link(LinkOptions {
            capacity: 10_000,
            latency: SECOND / 100..=SECOND / 50,
            ..LinkOptions::default()
        });
        let limits = http1::Limits { body: u64::MAX, ..http1::Limits::default() };
        serve(&mut network, http1::Service::new(echo).limits(limits));
        let len = run(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let write = async |body: &mut RequestWriter| {
                for n in 0..3000u32 {
                    body.write(format_args!("{n:099}\n")).await?;
                }
                body.trailer("X-Sum", "42")?;
                Ok(())
            };
            let request = client.post(URL);
            let mut response = match sized {
                true => request.stream_sized(300_000, write).await?,
                false => request.stream(write).await?,
            };
            let mut got = Vec::new();
            while let Some(piece) = response.some().await? {
                got.extend_from_slice(&piece);
            }
            assert!(
                got.chunks(100)
                    .enumerate()
                    .all(|(n, line)| line == format!("{n:099}\n").as_bytes())
            );
            assert_eq!(response.trailers().get_str("x-sum"), (!sized).then_some("42"));
            // A server that answers before it knows that it can read all may not want another.
            let closes = response.header("connection").is_some();
            assert_eq!(client.idle_connections(), usize::from(!closes), "{response:?}");
            Ok::<_, ClientError>(got.len())
        });
        assert_eq!(len.unwrap(), 300_000);
    }
}

#[test]
fn a_function_that_writes_a_body_may_fail_or_miscount() {
    type Write = fn(u8) -> Result<(), Error>;
    let fails: Write = |_| Err(Error::application("no more"));
    let fine: Write = |_| Ok(());
    for (length, outcome, expected) in [
        (None, fails, "the body of the request failed: no more"),
        (Some(10), fine, "the body ends, but 8 bytes of the announced length are missing"),
        (Some(1), fine, "more data than announced: 1 bytes are left of the announced length"),
    ] {
        let mut network = Network::new(1);
        serve(&mut network, http1::Service::new(mirror));
        let error = run(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let write = async move |body: &mut RequestWriter| {
                body.write("ab").await?;
                outcome(0)
            };
            let request = client.post(URL);
            let error = match length {
                Some(length) => request.stream_sized(length, write).await.unwrap_err(),
                None => request.stream(write).await.unwrap_err(),
            };
            assert_eq!(client.idle_connections(), 0);
            error
        });
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_server_that_refuses_an_upload_does_not_get_the_rest() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.link(LinkOptions {
            capacity: 5000,
            latency: SECOND / 100..=SECOND / 50,
            ..LinkOptions::default()
        });
        let limits = http1::Limits { body: 20_000, ..http1::Limits::default() };
        serve(&mut network, http1::Service::new(mirror).limits(limits));
        let written = Rc::new(RefCell::new(0));
        let count = Rc::clone(&written);
        let status = run(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let write = async move |body: &mut RequestWriter| {
                for _ in 0..1_000_000 {
                    body.write(&[0; 1000]).await?;
                    *count.borrow_mut() += 1000;
                }
                Ok(())
            };
            let response = client.post(URL).stream(write).await?;
            Ok::<_, ClientError>(response.status())
        });
        assert_eq!(status.unwrap(), Status::CONTENT_TOO_LARGE, "{seed}");
        assert!(*written.borrow() < 500_000);
    }
}

#[test]
fn an_expectation_is_met_refused_or_ignored() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let cases: [(&'static [&'static [&'static str]], &str, usize); 4] = [
        (&[&["HTTP/1.1 100 Continue\r\n\r\n", "sleep", OK]], "200 ok", 1),
        (&[&["sleep", "sleep", OK]], "200 ok", 1),
        // Once more, without it, on another connection.
        (&[&["HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"]], "417 ", 2),
        (&[&["HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"]], "403 ", 1),
    ];
    for (answers, expected, requests) in cases {
        let mut network = Network::new(1);
        let (handler, heads) = scripted(answers);
        serve(&mut network, Service::new(handler));
        let got = run(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let mut response = client.post(URL).body("hello").expect_continue().await?;
            Ok::<_, ClientError>(format!("{} {}", response.status().code(), response.text().await?))
        });
        assert_eq!(got.unwrap(), expected);
        let heads = heads.borrow();
        assert_eq!(heads.len(), requests, "{heads:?}");
        assert!(heads[0].contains("Expect: 100-continue\r\n"));
        assert!(requests == 1 || !heads[1].contains("Expect"));
    }
}

#[cfg(feature = "json")]
#[test]
fn json_goes_both_ways() {
    let mut network = Network::new(1);
    let reflect = |request: Request| {
        let kind = request.header("content-type").unwrap().to_vec();
        Response::text(String::from_utf8_lossy(request.content()).into_owned()).header("Kind", kind)
    };
    serve(&mut network, http1::Service::new(reflect));
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        let mut response = client.post(URL).json(&("a", [1, 2])).await.unwrap();
        assert_eq!(response.header("kind"), Some(&b"application/json"[..]));
        assert_eq!(response.text().await.unwrap(), r#"["a",[1,2]]"#);
        let mut response = client.post(URL).json(&("a", [1, 2])).await.unwrap();
        assert_eq!(response.json::<(String, [u8; 2])>().await.unwrap(), ("a".into(), [1, 2]));
        let mut response = client.post(URL).json("a").await.unwrap();
        let error = response.json::<u8>().await.unwrap_err();
        assert!(matches!(error, ClientError::Content(..)) && error.is_of_server(), "{error}");
        let unequal = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = client.post(URL).json(&unequal).await.unwrap_err();
        assert!(matches!(error, ClientError::Request(InvalidRequest::Body(_))), "{error}");
    });
}

#[test]
fn interim_responses_are_shown() {
    let mut network = Network::new(1);
    let (handler, _) = scripted(&[&[
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ]]);
    serve(&mut network, Service::new(handler));
    let seen = run(&mut network, async |ctx| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&seen);
        let request = Client::new(ctx).get(URL).on_informational(move |head| {
            told.borrow_mut()
                .push((head.status().code(), head.fields().get("link").unwrap().to_vec()));
        });
        let status = request.await.unwrap().status();
        (status, seen.take())
    });
    assert_eq!(seen, (Status::OK, vec![(103, b"</a>".to_vec())]));
}

/// The memory of a request is kept for the next one, but nothing that user code gave it.
#[test]
fn nothing_of_a_request_outlives_it() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let (client, owned) = (Client::new(ctx), Rc::new(()));
        let (seen, written) = (Rc::clone(&owned), Rc::clone(&owned));
        let request = client.post(URL).on_informational(move |_| drop(Rc::clone(&seen)));
        let request = request.stream(async move |body: &mut RequestWriter| {
            let _written = written;
            body.write("hello").await
        });
        assert_eq!(Rc::strong_count(&owned), 3);
        let response = request.await.unwrap();
        assert_eq!((response.status(), Rc::strong_count(&owned)), (Status::OK, 1));
    });
}

#[test]
fn what_a_server_does_wrong_is_named() {
    let cases: [(&'static [&'static str], &str); 8] = [
        (
            &["HTTP/1.1 2000 OK\r\n\r\n"],
            "at byte 12: a status code that is not three digits, from 100 to 599, with one space before and after (RFC 9112, 4)",
        ),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"],
            "at byte 40: the end of the stream within a body (RFC 9112, 8)",
        ),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "sleep", "reset"],
            "reading the response: the connection was reset",
        ),
        (
            &["HTTP/1.1 200 OK\r\n\r\nhi", "sleep", "reset"],
            "reading the response: the connection was reset",
        ),
        (&["HTTP/1.1 20"], "at byte 11: the end of the stream within a head (RFC 9112, 8)"),
        (&[], "waiting for the response: the connection is closed"),
        (&["reset"], "waiting for the response: the connection was reset"),
        (
            &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx"],
            "at byte 54: a chunk size that is not hexadecimal digits alone (RFC 9112, 7.1)",
        ),
    ];
    for (answer, expected) in cases {
        let mut network = Network::new(1);
        let answers: &'static [&'static [&'static str]] = Box::leak(Box::new([answer]));
        let (handler, _) = scripted(answers);
        serve(&mut network, Service::new(handler));
        let error = run(&mut network, async |ctx| text(&Client::new(ctx), "/").await.unwrap_err());
        assert_eq!(error.to_string(), format!("http://10.0.0.1 (10.0.0.1:80): {expected}"));
        assert!(error.is_of_server());
    }
}

#[test]
fn a_body_may_end_with_the_stream() {
    let mut network = Network::new(1);
    let (handler, _) = scripted(&[&["HTTP/1.0 200 OK\r\n\r\nhel", "sleep", "lo"]]);
    serve(&mut network, Service::new(handler));
    let body = run(&mut network, async |ctx| text(&Client::new(ctx), "/").await);
    assert_eq!(body.unwrap(), "hello");
}

#[test]
fn limits_hold() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(|_: Request| "0123456789"));
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        let mut response = client.get(URL).await.unwrap();
        assert!(matches!(response.read(9).await, Err(ClientError::BodyTooLong(_, 9))));
        assert_eq!(client.idle_connections(), 0);
        assert_eq!(client.get(URL).await.unwrap().read(10).await.unwrap(), "0123456789");

        let limits = http1::ResponseLimits { body: 9, ..http1::ResponseLimits::default() };
        let client = self::client(ctx, ClientConfig { limits, ..ClientConfig::default() });
        let error = client.get(URL).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Response(_, rejection) if rejection.rule == Rule::BodyTooLarge)
        );
    });
}

/// Its connection is gone, even while the response is kept.
#[test]
fn nothing_follows_an_error_of_a_body() {
    for (rest, limit) in [
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx", 100),
        ("Content-Length: 9\r\n\r\nhi", 1),
        ("Content-Length: 2\r\n\r\nhi", 1),
    ] {
        let mut network = Network::new(1);
        network.listen(address()).unwrap();
        let (_, ended) = start(&mut network, async move |ctx| {
            let mut response = Client::new(ctx).get(URL).await.unwrap();
            response.read(limit).await.unwrap_err();
            assert!(response.some().await.unwrap().is_none());
            ctx.sleep(10 * SECOND).await.unwrap();
            assert!(response.trailers().is_empty());
        });
        network.run_for(SECOND).unwrap();
        let peer = network.accept(address()).unwrap();
        network.run_for(SECOND).unwrap();
        network.send(peer, format!("HTTP/1.1 200 \r\n{rest}"));
        network.run_for(SECOND).unwrap();
        assert_eq!(network.peer_state(peer), PeerState::Reset, "{rest}");
        network.run_for(10 * SECOND).unwrap();
        assert!(ended.take().is_some());
    }
}

#[test]
fn a_request_that_cannot_be_sent_is_the_callers_fault() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        for (request, expected) in [
            (client.get("gopher://a"), "the URL \"gopher://a\" is not of the scheme http or https"),
            (
                client.get(URL).header("a b", ""),
                "byte 1 of a field name, 0x20, is not allowed in a token (RFC 9110, 5.6.2)",
            ),
            (
                client.get(URL).header("a", "\n"),
                "byte 0 of a field value, 0x0a, is a control character (RFC 9110, 5.5)",
            ),
            (client.get(URL).header("Host", "a"), "the field Host is written by the client"),
            (client.request("A B", URL), "at byte 1: a method that is not a token (RFC 9110, 9.1)"),
            (
                client.request("CONNECT", URL),
                "at byte 0: a form of request target that the method does not allow (RFC 9112, 3.2)",
            ),
            (client.request("TRACE", URL).body("a"), "a request of this method has no content"),
            (
                client.request("TRACE", URL).stream(async |_| Ok(())),
                "a request of this method has no content",
            ),
            (
                client.get("https://10.0.0.1/"),
                "an https URL, but the client has no settings for TLS",
            ),
        ] {
            let error = request.await.unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(matches!(error, ClientError::Request(_)) && !error.is_of_server());
            assert_eq!((client.idle_connections(), client.origins()), (0, 0), "{error}");
        }
        let error = client.get("http://10.0.0.2/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://10.0.0.2: cannot connect to 10.0.0.2:80: connection refused"
        );
        assert!(matches!(client.get("").await, Err(ClientError::Request(InvalidRequest::Url(_)))));
    });
    assert_eq!(network.traffic().connections, 0);
}

#[test]
fn errors_of_other_tokens_pass_through() {
    let mut network = Network::new(1);
    run(&mut network, async |ctx| {
        async fn nothing(result: Result<(), Error>) -> Result<(), ClientError> {
            Ok(result?)
        }
        async fn back(result: Result<(), ClientError>) -> Result<(), Error> {
            Ok(result?)
        }
        let other = nothing(Err(Error::Aborted)).await.unwrap_err();
        assert!(matches!(other, ClientError::Other(Error::Aborted)), "{other:?}");
        assert_eq!(other.to_string(), Error::Aborted.to_string());
        assert!(other.at().is_none() && !other.is_of_server());
        assert!(other.source().is_some());
        assert!(matches!(back(Err(other)).await, Err(Error::Aborted)));
        let text = nothing(Err(Error::application("text"))).await.unwrap_err();
        assert!(matches!(text, ClientError::Other(Error::Application(_))), "{text:?}");
        // One that passes through a function with the other type is the same again.
        let error = Client::new(ctx).get("http://10.0.0.2/").await.unwrap_err();
        let again = nothing(back(Err(error)).await).await.unwrap_err();
        assert!(matches!(again, ClientError::Connect(..)), "{again:?}");
        let again = nothing(back(Err(ClientError::Shutdown)).await).await.unwrap_err();
        assert!(matches!(again, ClientError::Shutdown), "{again:?}");
    });
}

#[test]
fn a_field_that_the_client_writes_is_refused_before_a_connection_is_made() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "Connection",
            "TE",
            "Expect",
            "Keep-Alive",
            "Upgrade",
        ] {
            let error = client.get(URL).header(name, "x").await.unwrap_err();
            assert_eq!(error.to_string(), format!("the field {name} is written by the client"));
            let ClientError::Request(InvalidRequest::WrittenByClient(it)) = error else { panic!() };
            assert_eq!(&*it, name);
        }
    });
    assert_eq!(network.traffic().connections, 0);
}

#[test]
fn fields_of_the_client_are_defaults() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let fields = Headers::try_from([("X-Test", "client"), ("Cookie", "a=1")]).unwrap();
        let client = Client::builder(ctx).headers(&fields).build();
        assert_eq!(
            text(&client, "/").await.unwrap(),
            "GET / host=10.0.0.1 cookie=a=1 x-test=client []"
        );
        let mut response = client.get(URL).header("x-test", "own").await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET / host=10.0.0.1 cookie=a=1 x-test=own []");
    });
}

#[test]
fn hosts_have_names() {
    let mut network = Network::new(1);
    network.name("a.example", ["10.0.0.9".parse().unwrap(), "10.0.0.1".parse().unwrap()]);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        let mut response = client.get("http://A.example/").await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET / host=a.example []");
        assert_eq!(response.peer(), Some(address().into()));
        let error = client.get("http://b.example/").await.unwrap_err();
        let expected = "http://b.example: cannot resolve b.example: no such name, or no address";
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn hosts_have_addresses() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    run(&mut network, async |ctx| {
        let client = Client::builder(ctx).host("example.org:81", address()).build();
        let mut response = client.get("http://Example.org:81/").await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET / host=example.org:81 []");
    });
}
