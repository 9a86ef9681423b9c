//! The output for a request, and its order: interim responses, heads, refusals.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::http1::*;
use diesel_proto::{Cause, Error, LineEcho, Notice};
use harness::*;

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

fn hints() -> Headers {
    Headers::try_from([("Link", "</a>")]).unwrap()
}

/// What a handler says before its answer, in the order of its calls: `h` for 103, `c` for 100, `r`
/// for reading the body, `w` for a pause in which the machine looks.
fn saying(calls: &'static str) -> Service {
    Service::new(async move |mut request: Request| {
        for call in calls.chars() {
            match call {
                'h' => request.inform(Status::EARLY_HINTS, hints()),
                'c' => request.inform(Status::CONTINUE, Headers::new()),
                'w' => request.ctx().sleep(seconds(1)).await?,
                _ => drop(request.body().read(10).await?),
            }
        }
        Ok::<_, Error>("read")
    })
}

/// Whether the machine looks in between or not, and whether the body has come or not.
#[test]
fn interim_responses_go_out_in_the_order_of_the_calls_and_100_only_once() {
    for (calls, interim) in [
        ("r", [GO_ON].concat()),
        ("hr", [HINTS, GO_ON].concat()),
        ("rh", [GO_ON, HINTS].concat()),
        ("hwr", [HINTS, GO_ON].concat()),
        ("cr", [GO_ON].concat()),
        ("cwr", [GO_ON].concat()),
        ("rc", [GO_ON].concat()),
        ("ccr", [GO_ON].concat()),
        ("hchr", [HINTS, GO_ON, HINTS].concat()),
        ("crwc", [GO_ON].concat()),
    ] {
        for (head, body) in [(EXPECTING.to_owned(), "hello"), (EXPECTING.to_owned() + "hello", "")]
        {
            let (mut world, conn) = World::serving(saying(calls));
            world.sends(conn, head);
            world.waits(seconds(5));
            if !body.is_empty() {
                world.sends(conn, body);
            }
            world.waits(seconds(5));
            let received = world.receives(conn);
            let answer = received.strip_prefix(&interim);
            assert!(
                answer.is_some_and(|it| it.starts_with("HTTP/1.1 200 OK")),
                "{calls}: {received}"
            );
        }
    }
}

/// A handler may say so without having been asked: once.
#[test]
fn a_second_100_is_left_out_for_a_client_that_did_not_ask_too() {
    let (mut world, conn) = World::serving(saying("cc"));
    world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.receives(conn).matches("100 Continue").count(), 1);
    let (mut world, conn) = World::serving(saying("cchr"));
    world.sends(conn, "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    assert!(world.receives(conn).starts_with("HTTP/1.1 200 OK"));
}

/// The stream may read the body after the head was sent, so the interim response comes before it.
#[test]
fn a_100_continue_precedes_the_head_of_a_stream_that_reads_its_body() {
    let echo = |waits: bool| {
        Service::new(async move |request: Request| {
            let ctx = request.ctx();
            let mut body = request.into_body();
            Response::stream(async move |out: &mut BodyWriter| {
                if waits {
                    ctx.sleep(seconds(1)).await?;
                }
                while let Some(chunk) = body.some().await? {
                    out.write(chunk).await?;
                }
                Ok(())
            })
        })
    };
    for waits in [false, true] {
        let (mut world, conn) = World::serving(echo(waits));
        world.sends(conn, EXPECTING);
        world.waits(seconds(2));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(world.receives(conn), [GO_ON, head].concat());
        world.sends(conn, "hello");
        assert_eq!(world.receives(conn), "5\r\nhello\r\n0\r\n\r\n");
    }
}

/// Too late is too late, whether the machine has seen the answer yet or not.
#[test]
fn an_interim_response_behind_the_answer_is_left_out() {
    for waits in [false, true] {
        let (mut world, conn) = World::serving(Service::new(async move |request: Request| {
            Response::stream(async move |out: &mut BodyWriter| {
                if waits {
                    request.ctx().sleep(seconds(1)).await?;
                }
                request.inform(Status::EARLY_HINTS, hints());
                out.write("x").await
            })
        }));
        world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.waits(seconds(2));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(world.receives(conn), [head, "1\r\nx\r\n0\r\n\r\n"].concat());
    }
}

fn head_of(status: &str, fields: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}\r\n")
}

/// RFC 9110, 8.6: the length that GET would have, or none.
#[test]
fn a_head_without_content_announces_no_length_to_head() {
    let services = || {
        [
            Service::new(|_: Request| Response::new(Status::OK)),
            Service::new(async |_: Request| Response::new(Status::OK)),
            Service::new(|_: Request| Response::bytes("")),
            Service::new(|_: Request| Response::stream_exactly(0, async |_| Ok(()))),
        ]
    };
    for service in services() {
        let (mut world, conn) = World::serving(service);
        world.sends(conn, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.receives(conn), head_of("200 OK", ""));
        // What remembers the last head knows the difference.
        world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.receives(conn), head_of("200 OK", "Content-Length: 0\r\n"));
        world.sends(conn, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.receives(conn), head_of("200 OK", ""));
    }
    let (mut world, conn) = World::serving(Service::new(|request: Request| match request.path() {
        "/text" => Response::bytes("hello"),
        _ => Response::stream_exactly(7, async |_| Ok(())),
    }));
    for (path, n) in [("/text", 5), ("/stream", 7)] {
        world.sends(conn, format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(world.receives(conn), head_of("200 OK", &format!("Content-Length: {n}\r\n")));
    }
}

#[cfg(feature = "http")]
#[test]
fn the_length_that_an_http_response_announces_is_kept_where_its_content_is_left_out() {
    let answer = |status: u16| {
        Service::new(move |_: Request| {
            let response =
                http::Response::builder().status(status).header("content-length", "1234");
            Response::try_from(response.body("").unwrap()).unwrap()
        })
    };
    for (method, status, line, length) in [
        ("HEAD", 200, "200 OK", 1234),
        ("GET", 200, "200 OK", 0),
        ("GET", 304, "304 Not Modified", 1234),
        ("HEAD", 304, "304 Not Modified", 1234),
    ] {
        let (mut world, conn) = World::serving(answer(status));
        world.sends(conn, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let expected = head_of(line, &format!("Content-Length: {length}\r\n"));
        assert_eq!(world.receives(conn), expected, "{method} {status}");
        world.sends(conn, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(world.receives(conn), expected, "the connection goes on");
    }
}

const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers everything, and keeps the paths that it was asked for.
fn answering(status: Status, seen: &Rc<RefCell<Vec<String>>>) -> [Service; 2] {
    let (one, other) = (Rc::clone(seen), Rc::clone(seen));
    [
        Service::new(move |request: Request| {
            one.borrow_mut().push(request.target_text().to_owned());
            (status, "here")
        }),
        Service::new(async move |request: Request| {
            other.borrow_mut().push(request.target_text().to_owned());
            (status, "here")
        }),
    ]
}

#[test]
fn connect_is_not_implemented_unless_the_service_says_that_it_tunnels() {
    let seen = Rc::default();
    for service in answering(Status::OK, &seen) {
        let (mut world, conn) = World::serving(service);
        world.sends(conn, [CONNECT, SMUGGLED].concat());
        let received = world.receives(conn);
        assert!(received.starts_with("HTTP/1.1 501 Not Implemented\r\n"), "{received}");
        assert!(received.contains("Connection: close\r\n"), "{received}");
        assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{received}");
        world.ends(conn);
        let cause = Cause::Protocol(Rule::TunnelUnsupported.text());
        assert_eq!(world.closed(conn), Some(cause));
        assert!(world.notices().iter().all(|it| !matches!(it, Notice::Failed { .. })));
    }
    assert_eq!(*seen.borrow(), Vec::<String>::new());
}

/// What follows was meant for the other end of the tunnel.
#[test]
fn what_is_behind_a_refused_connect_is_no_request() {
    let seen = Rc::default();
    for parts in [vec![CONNECT.to_owned() + SMUGGLED], vec![CONNECT.into(), SMUGGLED.into()]] {
        for service in answering(Status::FORBIDDEN, &seen) {
            let (mut world, conn) = World::serving(service.tunnels());
            for part in &parts {
                world.sends(conn, part);
            }
            let received = world.receives(conn);
            assert!(
                received.starts_with("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"),
                "{received}"
            );
            assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{received}");
            world.ends(conn);
            assert_eq!(world.closed(conn), Some(Cause::Done));
        }
    }
    assert!(seen.borrow().iter().all(|target| target == "a:1"));
}

#[test]
fn a_service_that_tunnels_hands_over_what_is_behind_connect() {
    let (mut world, conn) = World::serving(
        Service::new(async |_: Request| Response::upgrade("", LineEcho::default())).tunnels(),
    );
    world.sends(conn, [CONNECT, "hello\r\n"].concat());
    assert_eq!(world.receives(conn), "HTTP/1.1 200 OK\r\n\r\nyou said: hello\r\n");
}

/// What is sent and what is reported are told apart.
#[test]
fn a_response_may_report_an_error_and_say_something_else() {
    let made: [fn() -> Response; 4] = [
        || Response::text("hi").reporting("first").reporting("second").header("A", "b"),
        || Response::text("hi".repeat(50_000)).reporting("first"),
        || Response::failed("first").reporting("second"),
        || Response::head_only(7).reporting("first"),
    ];
    for (n, make) in made.into_iter().enumerate() {
        let (mut world, conn) = World::serving(Service::new(move |_: Request| make()));
        let method = if n == 3 { "HEAD" } else { "GET" };
        world.sends(conn, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let received = world.receives(conn);
        let expected = match n {
            0 => {
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nA: b\r\nContent-Length: 2\r\n\r\nhi"
            }
            1 => "hihi",
            2 => "500 Internal Server Error\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
        };
        assert!(received.ends_with(expected), "{n}: {received:.300}");
        let notices = world.notices();
        let reported = notices.iter().filter_map(|notice| match notice {
            Notice::Failed { error, .. } => Some(error.as_str()),
            _ => None,
        });
        let expected: &[&str] = if n == 0 { &["second", "first"] } else { &["first"] };
        assert_eq!(reported.collect::<Vec<_>>(), expected, "{n}");
    }
    let stream = |_: Request| {
        Response::stream_exactly(2, async |out: &mut BodyWriter| out.write("hi").await)
            .reporting("first")
    };
    let (mut world, conn) = World::serving(Service::new(stream));
    world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.receives(conn).ends_with("Content-Length: 2\r\n\r\nhi"));
}

/// RFC 9110, 8.6.
#[test]
fn a_length_without_content_is_for_head_and_304() {
    for (method, status, length) in [
        ("HEAD", Status::OK, "Content-Length: 7"),
        ("GET", Status::NOT_MODIFIED, "Content-Length: 7"),
        ("GET", Status::OK, "Content-Length: 0"),
    ] {
        let service = Service::new(move |_: Request| Response::head_only(7).status(status));
        let (mut world, conn) = World::serving(service);
        world.sends(conn, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").repeat(2));
        let expected = format!("HTTP/1.1 {status}\r\n{length}\r\n\r\n").repeat(2);
        assert_eq!(world.receives(conn), expected);
    }
}

/// The head stays, and an informer works when the body is elsewhere, and does nothing too late.
#[test]
fn a_body_can_be_taken_from_its_head() {
    let service = Service::new(async move |mut request: Request| {
        let mut body = request.take_body();
        assert!(request.body().is_at_end() && !body.is_at_end());
        let informer = request.informer();
        informer.inform(Status::EARLY_HINTS, hints());
        assert_eq!((request.framing(), request.expects_continue()), (Framing::Length(5), true));
        let content = body.read(10).await?;
        let late = request.ctx();
        late.spawn(async move {
            informer.inform(Status::EARLY_HINTS, hints());
        })?;
        Ok::<_, Error>(format!("{} {}", request.method(), content.escape_ascii()))
    });
    let (mut world, conn) = World::serving(service);
    world.sends(conn, EXPECTING);
    assert_eq!(world.receives(conn), [HINTS, GO_ON].concat());
    world.sends(conn, "hello");
    world.waits(seconds(1));
    let received = world.receives(conn);
    assert!(received.ends_with("\r\n\r\nPOST hello"), "{received}");
}
