//! Requests and the handlers that answer them, in a hub, in virtual time.

mod harness;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use diesel_proto::http1::*;
use diesel_proto::{
    Access, Address, Cause, ConnId, Error, Input, Instant, Limit, Machine, Notice, Pipeline,
    Reason, ServiceConfig,
};
use harness::*;

/// A world that serves these with HTTP, catches panics, and knows the time.
fn serving(service: Service) -> (World, ConnId) {
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    world.hub.time_of_day(Instant::ORIGIN, 784_111_777);
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.turn();
    (world, conn)
}

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// 200 with this text.
fn ok(text: &str) -> String {
    answer("200 OK", "", text)
}

fn answer(status: &str, connection: &str, text: &str) -> String {
    let length = text.len();
    let text_type = "Content-Type: text/plain; charset=utf-8\r\n";
    format!(
        "HTTP/1.1 {status}\r\n{DATE}{connection}{text_type}Content-Length: {length}\r\n\r\n{text}"
    )
}

const CLOSE: &str = "Connection: close\r\n";

fn plain(request: Request) -> String {
    let content = String::from_utf8_lossy(request.content());
    format!("{} {} {content}\n", request.method(), request.path())
}

async fn fiber(mut request: Request) -> Result<String, Error> {
    let content = request.body().read(1 << 20).await?;
    Ok(format!("{} {} {}\n", request.method(), request.path(), content.escape_ascii()))
}

/// Both kinds.
fn both() -> [Service; 2] {
    [Service::new(plain), Service::new(fiber)]
}

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    for service in both() {
        let (mut world, conn) = serving(service);
        for path in ["/a", "/b?c"] {
            world.says(conn, get(path));
            let path = path.trim_end_matches("?c");
            assert_eq!(world.hears(conn), ok(&format!("GET {path} \n")));
        }
        assert_eq!(world.closed(conn), None);
        assert_eq!(world.hub.counters().fibers, 0);
    }
}

/// However the bytes are cut: a body by length, one in chunks, pipelined, and the end.
#[test]
fn at_every_cut_the_same_answers_come_in_the_same_order() {
    let bytes = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nwor\r\n2;x=y\r\nld\r\n0\r\nT: 1\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n\r\n";
    let expected =
        ok("POST /a hello\n") + &ok("POST /b world\n") + &answer("200 OK", CLOSE, "GET /c \n");
    for kind in 0..2 {
        let make = || both().into_iter().nth(kind).unwrap();
        let mut cuts: Vec<Vec<&[u8]>> =
            two_way_cuts(bytes.as_bytes()).map(|(head, tail)| vec![head, tail]).collect();
        cuts.push(bytes.as_bytes().chunks(1).collect());
        for parts in cuts {
            for at_once in [false, true] {
                let (mut world, conn) = serving(make());
                let mut held = Vec::new();
                for part in &parts {
                    held.extend_from_slice(part);
                    // As a driver does: what is paused is not read.
                    if world.closed(conn).is_none() && !held.is_empty() {
                        let taken = world.hub.received(world.now, conn, &held);
                        held.drain(..taken);
                    }
                    if !at_once {
                        world.turn();
                    }
                }
                world.turn();
                while !held.is_empty() && world.closed(conn).is_none() {
                    let taken = world.hub.received(world.now, conn, &held);
                    assert!(taken > 0, "stuck");
                    held.drain(..taken);
                    world.turn();
                }
                world.ends(conn);
                let cut = parts[0].len();
                assert_eq!(world.hears(conn), expected, "kind {kind} cut at {cut} {at_once}");
                assert_eq!(world.closed(conn), Some(Cause::Done), "kind {kind} cut at {cut}");
                assert_eq!(world.hub.counters().fibers, 0);
            }
        }
    }
}

#[test]
fn a_request_has_everything_that_the_client_said() {
    let seen = Rc::new(RefCell::new(String::new()));
    let note = Rc::clone(&seen);
    let (mut world, conn) = serving(Service::new(move |request: Request| {
        *note.borrow_mut() = format!(
            "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {}",
            request.method(),
            request.target_text(),
            request.upgrade(),
            request.path(),
            request.query(),
            request.host(),
            request.header_str("X-Two"),
            request.headers().get_all("x-two").count(),
            request.peer(),
            request.version(),
            request.ctx().unix_seconds().unwrap(),
        );
        Status::NO_CONTENT
    }));
    world.says(conn, "QUERY /p%20q?r=s HTTP/1.1\r\nhost: b:8\r\nx-two: 1\r\nX-TWO:  2 \r\n\r\n");
    assert_eq!(world.hears(conn), format!("HTTP/1.1 204 No Content\r\n{DATE}\r\n"));
    assert_eq!(
        *seen.borrow(),
        r#"QUERY "/p%20q?r=s" None "/p%20q" Some("r=s") Some("b:8") Some("1") 2 unnamed Http11 784111777"#
    );
}

#[test]
fn a_request_may_ask_to_speak_another_protocol_and_is_shown_with_its_fields() {
    let seen = Rc::new(RefCell::new(String::new()));
    let note = Rc::clone(&seen);
    let (mut world, conn) = serving(Service::new(move |request: Request| {
        *note.borrow_mut() = format!("{:?} {request:?}", request.upgrade().map(<[u8]>::len));
        Status::NO_CONTENT
    }));
    world.says(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let shown = r#"RequestHead { method: "GET", target: "/", version: Http11, fields: {"#;
    assert!(seen.borrow().starts_with(&format!("Some(4) {shown}")), "{}", seen.borrow());
}

/// A fiber may wait on anything; meanwhile the next requests wait, and the peer is not told to go.
#[test]
fn an_async_handler_waits_as_it_likes_and_the_next_request_for_its_turn() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>(format!("{}\n", request.path()))
    }));
    world.delivers(conn, get("/a") + &get("/b") + &get("/c"));
    for path in ["/a\n", "/b\n", "/c\n"] {
        world.turn();
        assert_eq!(world.hears(conn), "");
        world.waits(seconds(1));
        let heard = world.hears(conn);
        assert!(heard.ends_with(path), "{heard}");
    }
    assert_eq!(world.closed(conn), None);
}

#[test]
fn an_async_handler_is_dropped_when_its_peer_goes_away() {
    struct Noted(Rc<Cell<u32>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let shared = Rc::clone(&dropped);
    let (mut world, conn) = serving(Service::new(async move |request: Request| {
        let _noted = Noted(Rc::clone(&shared));
        request.ctx().sleep(seconds(9)).await?;
        Ok::<_, Error>("late")
    }));
    world.says(conn, get("/"));
    assert_eq!((world.hub.counters().fibers, dropped.get()), (1, 0));
    world.resets(conn);
    assert_eq!((world.hub.counters().fibers, dropped.get()), (0, 1));
    assert_eq!(world.closed(conn), Some(Cause::Reset));
    assert_eq!(world.hub.counters().failures, 0);
}

/// A peer that has only ended its side still wants its answer.
#[test]
fn who_ends_its_side_is_still_answered() {
    for service in both() {
        let (mut world, conn) = serving(service);
        world.delivers(conn, get("/"));
        world.hub.eof(world.now, conn);
        world.turn();
        let heard = world.hears(conn);
        assert!(heard.ends_with("GET / \n"), "{heard}");
        assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
    }
}

#[test]
fn what_a_handler_returns_is_the_answer() {
    let (mut world, conn) = serving(Service::new(|request: Request| match request.path() {
        "/text" => Response::text("hello"),
        "/html" => Response::html(format!("<p>{}</p>", 7)),
        "/bytes" => Response::bytes(&b"\0"[..]).content_type("image/png"),
        "/empty" => Response::empty(),
        "/large" => Response::bytes(vec![b'x'; 100_000]),
        _ => Response::text("what?").status(Status::NOT_FOUND).header("X-Why", "not there"),
    }));
    let mut ask = |path: &str| {
        world.says(conn, get(path));
        world.hears(conn).replace(DATE, "")
    };
    assert_eq!(
        ask("/text"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(
        ask("/html"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 8\r\n\r\n<p>7</p>"
    );
    assert_eq!(
        ask("/bytes"),
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1\r\n\r\n\0"
    );
    assert_eq!(ask("/empty"), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(
        ask("/large").len(),
        100_000 + "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".len()
    );
    assert_eq!(
        ask("/other"),
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nX-Why: not there\r\n\
         Content-Length: 5\r\n\r\nwhat?"
    );
}

#[test]
fn an_answer_to_head_has_no_body_and_no_stream_is_written_for_it() {
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let (mut world, conn) = serving(Service::new(move |request: Request| match request.path() {
        "/stream" => {
            let count = Rc::clone(&count);
            Response::stream(async move |out: &mut BodyWriter| {
                count.set(count.get() + 1);
                out.write("never\n").await
            })
        }
        _ => Response::text("hello"),
    }));
    world.says(conn, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.hears(conn), ok("hello").trim_end_matches("hello"));
    world.says(conn, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        world.hears(conn),
        format!("HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n")
    );
    assert_eq!(written.get(), 0);
    world.says(conn, get("/"));
    assert_eq!(world.hears(conn), ok("hello"));
}

/// Each with its own answer, of either kind; and the connection goes on.
#[test]
fn a_handler_that_fails_or_panics_is_answered_for() {
    fn fragile(path: &str) -> Result<Response, Error> {
        match path {
            "/error" => Err("no answer".into()),
            "/panic" => panic!("in a handler"),
            "/field" => Ok(Response::text("x").header("X-Name", "Ada\r\nX-Admin: yes")),
            "/framing" => Ok(Response::text("x").header("Content-Length", "9")),
            "/content" => Ok(Response::text("x").status(Status::NO_CONTENT)),
            "/upgrade" => Ok(Response::upgrade("x", Shout)),
            "/shutdown" => Err(Error::Shutdown),
            "/body" => Err(Error::Limit(Limit::Body(7))),
            _ => Ok(Response::text("fine")),
        }
    }
    let failed = |error: &str| {
        Some(Notice::Failed { peer: Some(Address::Unnamed), error: error.to_owned() })
    };
    let cases = [
        ("/error", "500 Internal Server Error", failed("no answer")),
        (
            "/panic",
            "500 Internal Server Error",
            Some(Notice::Panicked { peer: Some(Address::Unnamed) }),
        ),
        ("/field", "500 Internal Server Error", failed("")),
        ("/framing", "500 Internal Server Error", failed("")),
        ("/content", "500 Internal Server Error", failed("")),
        ("/upgrade", "500 Internal Server Error", failed("")),
        ("/shutdown", "503 Service Unavailable", None),
        ("/body", "413 Content Too Large", None),
    ];
    for kind in 0..2 {
        for (path, status, notice) in &cases {
            let (mut world, conn) = serving(match kind {
                0 => Service::new(|request: Request| fragile(request.path())),
                _ => Service::new(async |request: Request| fragile(request.path())),
            });
            world.says(conn, get(path));
            let text = format!("{status}\n");
            assert_eq!(world.hears(conn), answer(status, "", &text), "{path}");
            match (notice, &*world.notices()) {
                (None, []) => {}
                (Some(Notice::Failed { error, .. }), [Notice::Failed { peer, error: told }]) => {
                    assert_eq!(*peer, Some(Address::Unnamed));
                    assert!(told.contains(error), "{told}");
                    assert_eq!(world.hub.counters().failures, 1);
                }
                (Some(notice), [told]) => {
                    assert_eq!(told, notice);
                    assert_eq!(world.hub.counters().panics, 1);
                }
                other => panic!("{path}: {other:?}"),
            }
            world.says(conn, get("/"));
            assert_eq!(world.hears(conn), ok("fine"));
            assert_eq!(world.hub.counters().fibers, 0);
        }
    }
}

/// All handlers of a step run behind one guard.
#[test]
fn a_plain_handler_that_panics_takes_nothing_from_the_requests_around_it() {
    let (mut world, conn) = serving(Service::new(|request: Request| match request.path() {
        "/panic" => panic!("in a handler"),
        path => Response::text(format!("{path} {}", request.content().escape_ascii())),
    }));
    let post =
        |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    let paths = ["/a", "/panic", "/panic", "/b", "/panic"];
    let failed = answer("500 Internal Server Error", "", "500 Internal Server Error\n");
    for (request, content) in [(&get as &dyn Fn(&str) -> String, ""), (&post, "hi")] {
        world.says(conn, paths.map(request).concat());
        let expected = paths.map(|path| match path {
            "/panic" => failed.clone(),
            path => ok(&format!("{path} {content}")),
        });
        assert_eq!(world.hears(conn), expected.concat());
    }
    assert_eq!(world.hub.counters().panics, 6);
    assert_eq!(world.notices().len(), 6);
}

/// A guard may be anything. One that runs nothing must not be asked for ever.
#[test]
fn a_guard_that_runs_nothing_costs_the_connection() {
    let (mut world, conn) = serving(Service::new(plain));
    let runs = Rc::new(Cell::new(0));
    let counted = Rc::clone(&runs);
    world.hub.set_poll_hook(Box::new(move |_, run| {
        counted.set(counted.get() + 1);
        if counted.get() == 1 {
            run();
        }
    }));
    world.says(conn, get("/a"));
    assert!(runs.get() < 5, "{}", runs.get());
}

#[test]
fn if_the_head_is_out_already_the_connection_is_cut() {
    for (path, cause) in [
        ("/error", Cause::Failed),
        ("/panic", Cause::Panicked),
        ("/more", Cause::Failed),
        ("/less", Cause::Failed),
    ] {
        let (mut world, conn) = serving(Service::new(|request: Request| {
            let path = request.path().to_owned();
            let ctx = request.ctx();
            let write = async move |out: &mut BodyWriter| {
                out.write("some").await?;
                ctx.sleep(seconds(1)).await?;
                match &*path {
                    "/error" => Err("no more".into()),
                    "/panic" => panic!("in a stream"),
                    "/more" => out.write("more than that").await,
                    _ => Ok(()),
                }
            };
            Response::stream_exactly(8, write)
        }));
        world.says(conn, get(path));
        assert!(world.hears(conn).ends_with("Content-Length: 8\r\n\r\nsome"), "{path}");
        world.waits(seconds(1));
        assert_eq!(world.hears(conn), "", "{path}");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(cause), "{path}");
        assert_eq!(world.hub.counters().fibers, 0);
    }
}

#[test]
fn a_stream_goes_out_in_chunks_with_trailers_behind() {
    for kind in 0..2 {
        fn tale(request: Request) -> Response {
            Response::stream(async move |out: &mut BodyWriter| {
                out.write("once ").await?;
                out.write(format_args!("upon {}", 'a')).await?;
                request.ctx().sleep(seconds(1)).await?;
                out.write(Bytes::from(vec![b'x'; 5000])).await?;
                out.trailer("X-Sum", "42")?;
                Ok(())
            })
        }
        let (mut world, conn) = serving(match kind {
            0 => Service::new(tale),
            _ => Service::new(async |request: Request| tale(request)),
        });
        world.says(conn, get("/"));
        assert_eq!(
            world.hears(conn),
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n5\r\nonce \r\n6\r\nupon a\r\n"
            )
        );
        world.waits(seconds(1));
        let rest = format!("1388\r\n{}\r\n0\r\nX-Sum: 42\r\n\r\n", "x".repeat(5000));
        assert_eq!(world.hears(conn), rest);
        // To a client of HTTP/1.0, until the connection is closed.
        world.says(conn, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        world.waits(seconds(1));
        let heard = world.hears(conn);
        assert!(heard.contains(&format!("GMT\r\n{CLOSE}\r\nonce upon ax")), "{heard}");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}

/// 64 and 16 KiB.
fn low_marks() -> ServiceConfig {
    ServiceConfig { high_water: 64 << 10, low_water: 16 << 10, ..ServiceConfig::default() }
}

/// The writer waits above the high-water mark, and holds no more than that and one write.
#[test]
fn a_client_that_does_not_read_stops_the_stream() {
    let written = Rc::new(Cell::new(0_usize));
    let count = Rc::clone(&written);
    let service = Service::new(move |_: Request| {
        let count = Rc::clone(&count);
        Response::stream(async move |out: &mut BodyWriter| {
            loop {
                out.write([b'x'; 1000].as_slice()).await?;
                count.set(count.get() + 1);
            }
        })
    });
    let (mut world, conn) = serving(service.connections(low_marks()));
    world.takes_only(conn, 0);
    world.says(conn, get("/"));
    let high_water = 64 << 10;
    assert!((64..=67).contains(&written.get()), "{}", written.get());
    let before = written.get();
    world.takes(conn, 1000);
    assert_eq!(written.get(), before);
    world.takes(conn, 2 * high_water);
    assert!(written.get() > before);
}

#[test]
fn flush_waits_until_all_is_sent() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = serving(Service::new(move |_: Request| {
        let note = note.clone();
        Response::stream(async move |out: &mut BodyWriter| {
            out.flush().await?;
            note.note("began");
            out.write("hello").await?;
            out.flush().await?;
            note.note("sent");
            Ok(())
        })
    }));
    world.takes_only(conn, 10);
    world.says(conn, get("/"));
    assert_eq!(diary.read(), Vec::<String>::new());
    world.takes(conn, 1000);
    assert_eq!(diary.read(), ["began", "sent"]);
}

/// The body of any size comes back, chunk by chunk; whoever does not read stops the client.
#[test]
fn a_large_body_is_echoed_with_back_pressure() {
    let (mut world, conn) = serving(
        Service::new(async |request: Request| {
            let mut body = request.into_body();
            Response::stream(async move |out: &mut BodyWriter| {
                while let Some(chunk) = body.some().await? {
                    out.write(chunk).await?;
                }
                Ok(())
            })
        })
        .limits(Limits { body: u64::MAX, ..Limits::default() })
        .connections(low_marks()),
    );
    let (piece, total) = (vec![b'x'; 60_000], 40 * 60_000);
    world.says(conn, format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {total}\r\n\r\n"));
    world.takes_only(conn, 0);
    let mut sent = 0;
    while !world.paused(conn) {
        world.says(conn, &piece);
        sent += piece.len();
        assert!(sent < 400_000, "nobody stops the client");
    }
    world.takes(conn, u64::MAX / 2);
    while sent < total {
        assert!(!world.paused(conn));
        world.says(conn, &piece);
        sent += piece.len();
    }
    let heard = world.hears(conn);
    assert_eq!(heard.matches('x').count(), total);
    assert!(heard.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(world.closed(conn), None);
}

#[test]
fn a_client_that_waits_for_it_is_told_to_go_on_when_the_body_is_wanted() {
    const HEAD: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    for service in both() {
        let (mut world, conn) = serving(service);
        world.says(conn, HEAD);
        assert_eq!(world.hears(conn), GO_ON);
        world.says(conn, "hello");
        assert_eq!(world.hears(conn), ok("POST / hello\n"));
    }
    // Nobody wants it: it is not told, and there is no telling what comes next.
    let (mut world, conn) = serving(Service::new(async |_: Request| Status::FORBIDDEN));
    world.says(conn, HEAD);
    let head = format!("HTTP/1.1 403 Forbidden\r\n{DATE}{CLOSE}Content-Length: 0\r\n\r\n");
    assert_eq!(world.hears(conn), head);
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

#[test]
fn a_body_that_nobody_reads_is_drained_within_a_bound() {
    let service = || Service::new(async |_: Request| "no thanks");
    let (mut world, conn) = serving(service());
    let post = |n: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n");
    world.says(conn, post(50_000));
    assert_eq!(world.hears(conn), ok("no thanks"));
    world.says(conn, "x".repeat(50_000) + &get("/"));
    assert_eq!(world.hears(conn), ok("no thanks"));

    world.says(conn, post(70_000));
    assert_eq!(world.hears(conn), answer("200 OK", CLOSE, "no thanks"));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

#[test]
fn a_body_beyond_the_limit_of_the_handler_is_refused() {
    let (mut world, conn) = serving(Service::new(async |mut request: Request| {
        Ok::<_, Error>(request.body().read(4).await?.to_bytes())
    }));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let text = "413 Content Too Large";
    assert_eq!(world.hears(conn), answer(text, "", &format!("{text}\n")));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhell");
    assert!(world.hears(conn).ends_with("hell"));
}

#[test]
fn trailers_are_there_at_the_end_of_the_body() {
    fn told(trailers: &Headers) -> String {
        format!("{:?}", trailers.get_str("x-sum"))
    }
    let services = [
        Service::new(|request: Request| told(&request.trailers())),
        Service::new(async |request: Request| {
            let mut body = request.into_body();
            assert!(!body.is_at_end());
            while body.some().await?.is_some() {}
            assert!(body.is_at_end());
            Ok::<_, Error>(told(&body.trailers()))
        }),
    ];
    for service in services {
        let (mut world, conn) = serving(service);
        world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n");
        world.says(conn, "x\r\n0\r\nX-Sum: 7\r\n\r\n");
        assert_eq!(world.hears(conn), ok("Some(\"7\")"));
    }
}

#[test]
fn interim_responses_go_out_at_once() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        let links = Headers::try_from([("Link", "</a>")])?;
        request.inform(Status::EARLY_HINTS, links);
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>("there")
    }));
    world.says(conn, get("/"));
    assert_eq!(world.hears(conn), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    world.waits(seconds(1));
    assert!(world.hears(conn).ends_with("\r\n\r\nthere"));
}

/// Sends back in capitals, and ends with its peer.
struct Shout;

impl Machine for Shout {
    fn step(
        &mut self,
        _: Instant,
        input: Input<'_>,
        actions: &mut diesel_proto::Actions<'_>,
    ) -> usize {
        match input {
            Input::Start => actions.send(b"loud now\n"),
            Input::Bytes(bytes) => {
                actions.send(&bytes.to_ascii_uppercase());
                return bytes.len();
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

/// Whoever answers, and however the bytes are cut: what is behind the request is the next
/// machine's.
#[test]
fn an_upgrade_hands_over_what_is_left() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n";
    let bytes = format!("{head}hello\n");
    let heard = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n\
                 loud now\nHELLO\n";
    for (first, rest) in two_way_cuts(bytes.as_bytes()) {
        for kind in 0..2 {
            let (mut world, conn) = serving(match kind {
                0 => Service::new(|_: Request| Response::upgrade("shout", Shout)),
                _ => Service::new(async |_: Request| Response::upgrade("shout", Shout)),
            });
            if !first.is_empty() {
                world.says(conn, first);
            }
            if !rest.is_empty() {
                world.says(conn, rest);
            }
            assert_eq!(world.hears(conn), heard, "kind {kind}, cut at {}", first.len());
            world.ends(conn);
            assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
        }
    }
}

/// What broke a rule is answered with what it deserves, and nothing more is read.
#[test]
fn a_rejection_is_answered_and_the_connection_closed() {
    for service in both() {
        let (mut world, conn) = serving(service);
        world.says(conn, "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\nGET / HTTP/1.1\r\n");
        let text = "at byte 26: a blank between a field name and its colon (RFC 9112, 5.1)\n";
        let heard = world.hears(conn);
        assert!(heard.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{heard}");
        assert!(heard.contains(CLOSE) && heard.ends_with(text), "{heard}");
        assert!(world.half_closed(conn));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::BlankBeforeColon.text())));
    }
}

#[test]
fn the_application_may_answer_rejections_itself() {
    let service = |answer: fn(&Rejection) -> Response| Service::new(plain).on_rejection(answer);
    let broken = "GET / HTTP/1.1\r\n\r\n";
    let (mut world, conn) = serving(service(|rejection| {
        Response::text(format!("{:?}", rejection.rule)).header("X-Own", "yes")
    }));
    world.says(conn, broken);
    let heard = world.hears(conn);
    assert!(heard.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{heard}");
    assert!(heard.contains("X-Own: yes\r\n") && heard.ends_with("HostMissing"), "{heard}");
    // What is no answer to that, or none at all: then as usual.
    let no_answers: [fn(&Rejection) -> Response; 3] = [
        |_| panic!("in a hook"),
        |_| Response::stream(async |_| Ok(())),
        |_| Response::text("x").header("Content-Length", "1"),
    ];
    for answer in no_answers {
        let (mut world, conn) = serving(service(answer));
        world.says(conn, broken);
        let heard = world.hears(conn);
        assert!(heard.contains("no Host in a request"), "{heard}");
        world.ends(conn);
        assert!(world.closed(conn).is_some());
    }
}

/// A body that goes wrong while its handler waits for it: the client is told, the handler dropped.
#[test]
fn a_body_that_breaks_a_rule_ends_its_handler() {
    let (mut world, conn) = serving(Service::new(fiber));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx");
    assert_eq!(world.hub.counters().fibers, 1);
    world.says(conn, "y\r\n");
    assert!(world.hears(conn).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert_eq!(world.hub.counters().fibers, 0);
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::ChunkDataEnd.text())));
}

#[test]
fn what_is_cut_short_is_told_so() {
    for service in both() {
        let (mut world, conn) = serving(service);
        world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
        world.ends(conn);
        assert!(world.hears(conn).starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::BodyIncomplete.text())));
        assert_eq!(world.hub.counters().fibers, 0);
    }
}

#[test]
fn each_deadline_has_its_reason() {
    let timed_out = |reason| Some(Cause::TimedOut(reason));
    for service in [|| Service::new(plain), || Service::new(fiber)] {
        // Nothing ever comes.
        let (mut world, conn) = serving(service());
        world.waits(seconds(74));
        assert_eq!(world.closed(conn), None);
        world.waits(seconds(1));
        assert!(world.half_closed(conn));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::KeepAlive));

        // No further request comes; the time counts from the last answer.
        let (mut world, conn) = serving(service());
        world.waits(seconds(50));
        world.says(conn, get("/"));
        world.hears(conn);
        world.waits(seconds(74));
        assert_eq!((world.half_closed(conn), world.closed(conn)), (false, None));
        world.waits(seconds(1));
        assert_eq!((world.half_closed(conn), world.hears(conn)), (true, String::new()));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::KeepAlive));

        // A head dribbles.
        let (mut world, conn) = serving(service());
        for byte in get("/").as_bytes().chunks(1).take(11) {
            world.says(conn, byte);
            world.waits(seconds(1));
        }
        assert!(world.hears(conn).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::Head));

        // A body stops coming.
        let (mut world, conn) = serving(service());
        world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
        world.waits(seconds(29));
        world.says(conn, "x");
        assert_eq!(world.hears(conn), "");
        world.waits(seconds(30));
        assert!(world.hears(conn).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::BodyIdle));
        assert_eq!(world.hub.counters().fibers, 0);
    }
    // A handler may take as long as it likes.
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1000)).await?;
        Ok::<_, Error>("at last")
    }));
    world.says(conn, get("/"));
    world.waits(seconds(1000));
    assert!(world.hears(conn).ends_with("at last"));
}

/// Who is not read cannot be late.
#[test]
fn a_body_that_is_held_back_is_not_late() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(100)).await?;
        let mut body = request.into_body();
        let mut n = 0;
        while let Some(chunk) = body.some().await? {
            n += chunk.len();
        }
        Ok::<_, Error>(format!("{n}"))
    }));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    world.says(conn, "x".repeat(70_000));
    assert!(world.paused(conn), "nobody asked for it yet");
    world.waits(seconds(100));
    assert!(!world.paused(conn));
    world.waits(seconds(29));
    world.says(conn, "x".repeat(30_000));
    assert_eq!(
        world.hears(conn),
        format!(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:51:46 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\n100000"
        )
    );
}

/// Many requests at once: others have their turn in between, and a client that does not read its
/// answers is not read either.
#[test]
fn pipelined_requests_give_way_and_stop_at_the_high_water_mark() {
    let (mut world, conn) =
        serving(Service::new(plain).limits(Limits { pipelined: 3, ..Limits::default() }));
    let turns = Rc::new(Cell::new(0));
    let count = Rc::clone(&turns);
    world
        .hub
        .add_loop(async move |ctx| {
            for _ in 0..10 {
                ctx.sleep(Duration::ZERO).await?;
                count.set(count.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    world.delivers(conn, get("/").repeat(10));
    assert_eq!(turns.get(), 0);
    let before = world.queued(conn);
    assert_eq!(before, 3 * ok("GET / \n").len());
    world.turn();
    assert_eq!(world.hears(conn), ok("GET / \n").repeat(10));

    let service = Service::new(|_: Request| "x".repeat(10_000));
    let (mut world, conn) = serving(service.connections(low_marks()));
    world.takes_only(conn, 0);
    world.says(conn, get("/").repeat(20));
    assert!(world.paused(conn));
    let queued = world.queued(conn);
    assert!((60_000..90_000).contains(&queued), "{queued}");
    world.takes(conn, u64::MAX / 2);
    assert!(!world.paused(conn));
    assert_eq!(world.hears(conn).matches("HTTP/1.1 200 OK").count(), 20);
}

#[test]
fn the_last_request_that_a_connection_may_make_closes_it() {
    let limits = Limits { requests: 2, ..Limits::default() };
    for service in both() {
        let (mut world, conn) = serving(service.limits(limits));
        world.says(conn, get("/"));
        assert_eq!(world.hears(conn), ok("GET / \n"));
        world.says(conn, get("/"));
        assert_eq!(world.hears(conn), answer("200 OK", CLOSE, "GET / \n"));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}

#[test]
fn a_shutdown_closes_what_is_idle_and_finishes_what_is_active() {
    let mut world = World::new();
    world.hub.time_of_day(Instant::ORIGIN, 784_111_777);
    let service = world.hub.add_service(Service::new(async |request: Request| {
        let mut body = request.into_body();
        let mut n = 0;
        while let Some(chunk) = body.some().await? {
            n += chunk.len();
        }
        Ok::<_, Error>(format!("{n}"))
    }));
    let (fresh, idle, active, head) = (
        world.accept(service),
        world.accept(service),
        world.accept(service),
        world.accept(service),
    );
    world.says(idle, get("/"));
    world.says(active, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    world.says(head, "GET / HTTP/1.1\r\nHost");
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    for conn in [fresh, idle] {
        assert!(world.half_closed(conn));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Shutdown));
    }
    world.says(active, "llo");
    world.says(head, ": a\r\n\r\n");
    for (conn, text) in [(active, "5"), (head, "0")] {
        assert_eq!(world.hears(conn), answer("200 OK", CLOSE, text));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Shutdown));
    }
    world.turn();
    assert!(world.halted());
}

/// Whatever it waits for, as long as that may come in time.
#[test]
fn a_handler_that_waits_is_finished_within_the_grace() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        let ctx = request.ctx();
        let child = ctx.clone();
        let begun = ctx.spawn(async move { child.sleep(seconds(1)).await })?;
        ctx.sleep(seconds(3)).await?;
        ctx.sleep(Duration::ZERO).await?;
        let unwatched = matches!(begun.await, Ok(Err(Error::Shutdown)));
        let refused = matches!(ctx.spawn(async {}), Err(Error::Shutdown));
        let news = ctx.event::<()>().subscribe().wait().await;
        Ok::<_, Error>(format!("{unwatched} {refused} {news:?}"))
    }));
    world.says(conn, get("/"));
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    assert_eq!(world.hears(conn), "");
    world.waits(seconds(3));
    let later = answer("200 OK", CLOSE, "true true Err(Shutdown)").replace(":37 GMT", ":40 GMT");
    assert_eq!(world.hears(conn), later);
}

/// What waits for longer is told that the hub shuts down.
#[test]
fn a_handler_that_would_have_to_wait_for_more_than_the_grace_is_answered_for() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(100)).await?;
        Ok::<_, Error>("never")
    }));
    world.says(conn, get("/"));
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    let text = "503 Service Unavailable";
    assert_eq!(world.hears(conn), answer(text, CLOSE, &format!("{text}\n")));
    assert_eq!(world.hub.counters().failures, 0);
}

#[test]
fn each_request_is_told_of_if_somebody_wants_to_know() {
    let service = || {
        Service::new(async |request: Request| {
            request.ctx().sleep(seconds(2)).await?;
            match request.path() {
                "/stream" => {
                    Ok(Response::stream(async |out: &mut BodyWriter| out.write("x").await))
                }
                "/cut" => Ok(Response::stream(async |_: &mut BodyWriter| Err("no".into()))),
                _ => Err(Error::application("no answer")),
            }
        })
        .access_notices(true)
    };
    let accesses = |world: &World| -> Vec<Access> {
        let notices = world.notices().into_iter();
        notices
            .filter_map(|notice| match notice {
                Notice::Access(access) => Some(*access),
                _ => None,
            })
            .collect()
    };
    let access = |target: &str, status, sent, began| Access {
        peer: Address::Unnamed,
        method: "GET".into(),
        target: target.into(),
        status,
        sent,
        began: Instant::ORIGIN + seconds(began),
    };
    let (mut world, conn) = serving(service());
    world.delivers(conn, get("/stream?a") + &get("/fail") + &get("/cut"));
    world.waits(seconds(4));
    let heard = world.hears(conn).len() as u64;
    let told = accesses(&world);
    assert_eq!(told[0], access("/stream?a", 200, told[0].sent, 0));
    assert_eq!(told[1], access("/fail", 500, heard - told[0].sent, 2));
    world.waits(seconds(2));
    let told = accesses(&world);
    assert_eq!(told[2], access("/cut", 200, told[2].sent, 4));

    // What is no request at all, and one whose peer goes away.
    let (mut world, conn) = serving(service());
    world.says(conn, "nonsense\r\n\r\n");
    let refused = Access { method: "-".into(), target: "-".into(), ..access("", 400, 0, 0) };
    let told = accesses(&world);
    assert_eq!(told, [Access { sent: told[0].sent, ..refused }]);
    let (mut world, conn) = serving(service());
    world.says(conn, get("/"));
    world.waits(seconds(1));
    world.resets(conn);
    assert_eq!(accesses(&world), [access("/", 0, 0, 0)]);

    let (mut world, conn) = serving(Service::new(plain));
    world.says(conn, get("/"));
    assert_eq!(world.notices(), []);
}

/// A part of a request that outlives its answer is harmless, and never sees the next request's.
#[test]
fn a_body_that_outlives_its_request_gets_no_more() {
    let shelf: Rc<RefCell<Vec<Body>>> = Rc::default();
    let kept = Rc::clone(&shelf);
    let (mut world, conn) = serving(Service::new(async move |request: Request| {
        if request.path() == "/keep" {
            kept.borrow_mut().push(request.into_body());
            return Ok("kept".to_owned());
        }
        let mut body = kept.borrow_mut().pop().unwrap();
        let outcome = body.some().await;
        drop(request);
        Ok::<_, Error>(format!("{outcome:?}"))
    }));
    world.says(conn, "POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(world.hears(conn), ok("kept"));
    world.says(conn, "abc");
    world.says(conn, "POST /use HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz");
    assert_eq!(world.hears(conn), ok("Err(Closed)"));
    assert!(shelf.borrow().is_empty());
}

#[test]
fn at_the_limit_on_fibers_a_request_is_answered_with_503() {
    let mut world = World::with(config(|config| config.max_fibers = 1));
    world.hub.time_of_day(Instant::ORIGIN, 784_111_777);
    let service = world.hub.add_service(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>("done")
    }));
    let (one, other) = (world.accept(service), world.accept(service));
    world.says(one, get("/"));
    world.says(other, get("/"));
    let text = "503 Service Unavailable";
    assert_eq!(world.hears(other), answer(text, "", &format!("{text}\n")));
    world.waits(seconds(1));
    assert!(world.hears(one).ends_with("done"));
    world.says(other, get("/"));
    world.waits(seconds(1));
    assert!(world.hears(other).ends_with("done"));
}

#[test]
fn dropping_the_hub_frees_everything() {
    let value = Rc::new(());
    let weak = Rc::downgrade(&value);
    let (mut world, conn) = serving(Service::new(async move |mut request: Request| {
        let _value = Rc::clone(&value);
        request.body().some().await?;
        request.ctx().sleep(seconds(9)).await?;
        Ok::<_, Error>("never")
    }));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhel");
    assert_eq!(world.hub.counters().fibers, 1);
    drop(world);
    assert_eq!(weak.strong_count(), 0);
}

/// The last bytes of a body fill what is read ahead: no more come that its end could come with.
#[test]
fn a_body_that_fills_what_is_read_ahead_ends() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        let mut body = request.into_body();
        let mut n = 0;
        while let Some(chunk) = body.some().await? {
            n += chunk.len();
        }
        Ok::<_, Error>(format!("{n}"))
    }));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
    world.says(conn, "x".repeat(70_000));
    assert_eq!(world.hears(conn), ok("70000"));
}

/// The writer waits until no more than that is queued.
#[test]
fn a_stream_goes_on_at_the_low_water_mark() {
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let marks = settings(|it| (it.high_water, it.low_water) = (10_000, 5_000));
    let service = Service::new(move |_: Request| {
        let count = Rc::clone(&count);
        Response::stream(async move |out: &mut BodyWriter| {
            loop {
                out.write([b'x'; 1000].as_slice()).await?;
                count.set(count.get() + 1);
            }
        })
    });
    let (mut world, conn) = serving(service.connections(marks));
    world.takes_only(conn, 0);
    world.says(conn, get("/"));
    let (before, queued) = (written.get(), world.queued(conn));
    world.takes(conn, queued as u64 - 5_001);
    assert_eq!(written.get(), before);
    world.takes(conn, 1);
    assert!(written.get() > before);
}

/// Who does not take its answers gets no more of them than the marks say, to the byte.
#[test]
fn plain_handlers_wait_from_the_high_water_mark_to_the_low_one() {
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let answer = ok("GET / \n").len() as u64;
    let marks = settings(|it| (it.high_water, it.low_water) = (3 * answer, answer));
    let service = Service::new(move |request: Request| {
        count.set(count.get() + 1);
        plain(request)
    });
    let (mut world, conn) = serving(service.connections(marks));
    world.takes_only(conn, 0);
    world.says(conn, get("/").repeat(9));
    assert_eq!((calls.get(), world.queued(conn) as u64), (3, 3 * answer));
    world.takes(conn, 2 * answer - 1);
    assert_eq!(calls.get(), 3);
    world.takes(conn, 1);
    assert_eq!((calls.get(), world.queued(conn) as u64), (5, 3 * answer));
}

/// What waits for its answer is not read further, but is not paused either.
#[test]
fn a_client_that_waits_for_its_answer_is_not_paused() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>("at last")
    }));
    world.says(conn, get("/"));
    assert!(!world.paused(conn));
}

/// Each head has its time from its own first byte.
#[test]
fn the_time_of_a_head_that_follows_another_counts_from_its_own_beginning() {
    let (mut world, conn) = serving(Service::new(plain));
    let whole = get("/");
    let (front, back) = whole.split_at(9);
    world.says(conn, front);
    world.waits(seconds(8));
    world.says(conn, format!("{back}{front}"));
    assert_eq!(world.hears(conn), ok("GET / \n").replace(":37 ", ":45 "));
    world.waits(seconds(9));
    world.says(conn, back);
    assert_eq!(world.hears(conn), ok("GET / \n").replace(":37 ", ":54 "));
}

/// A client that read its answer late has as long for the next request as any other.
#[test]
fn what_was_paused_for_its_answer_is_waited_on_again() {
    let marks = settings(|it| (it.high_water, it.low_water) = (20, 10));
    let (mut world, conn) = serving(Service::new(plain).connections(marks));
    world.takes_only(conn, 0);
    world.says(conn, get("/"));
    assert!(world.paused(conn));
    world.takes(conn, 1000);
    assert!(!world.paused(conn));
    world.waits(seconds(75));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::KeepAlive)));
}

/// The answer is out: it must not be lost because of what came behind it.
#[test]
fn a_body_that_breaks_a_rule_after_the_answer_ends_the_connection_and_no_more() {
    let (mut world, conn) = serving(Service::new(async |_: Request| "enough").access_notices(true));
    world.says(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(world.hears(conn), ok("enough"));
    world.says(conn, "nonsense\r\n");
    assert_eq!((world.half_closed(conn), world.closed(conn)), (true, None));
    assert_eq!(world.hears(conn), "");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::ChunkSizeSyntax.text())));
}

#[test]
fn a_rejection_is_told_of_as_the_request_that_it_ends_and_only_if_somebody_wants_to_know() {
    let bad = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    for (tells, bytes, told) in [
        (true, bad, vec!["POST /a 400"]),
        (true, "nonsense\r\n\r\n", vec!["- - 400"]),
        (false, bad, vec![]),
        (false, "nonsense\r\n\r\n", vec![]),
    ] {
        let (mut world, conn) = serving(Service::new(plain).access_notices(tells));
        world.says(conn, bytes);
        let accesses = world.notices().into_iter().filter_map(|notice| match notice {
            Notice::Access(it) => Some(format!("{} {} {}", it.method, it.target, it.status)),
            _ => None,
        });
        assert_eq!(accesses.collect::<Vec<_>>(), told);
    }
}

/// Between two requests nothing is held but how many bytes and requests there were.
#[test]
fn what_rested_goes_on_where_it_was() {
    for service in both() {
        let limits = Limits { requests: 3, ..Limits::default() };
        let (mut world, conn) = serving(service.limits(limits));
        world.says(conn, get("/"));
        world.says(conn, get("/"));
        assert!(!world.hears(conn).contains(CLOSE));
        world.says(conn, get("/"));
        assert!(world.hears(conn).contains(CLOSE), "the last");
    }
    let mut world = World::new();
    let service = world.hub.add_service(Service::new(plain));
    let (one, other) = (world.accept(service), world.accept(service));
    world.says(one, get("/"));
    world.hears(one);
    for (conn, at) in [(other, 0), (one, get("/").len())] {
        world.says(conn, "(");
        assert!(world.hears(conn).contains(&format!("at byte {at}: ")));
    }
}

/// What is small is copied behind the head, so that both go out in one piece.
#[test]
fn large_content_goes_out_where_it_lies() {
    static PAGE: [u8; Pipeline::BY_REFERENCE + 1] = [b'x'; Pipeline::BY_REFERENCE + 1];
    let page = |n| std::str::from_utf8(&PAGE[..n]).unwrap();
    for n in [Pipeline::BY_REFERENCE - 1, Pipeline::BY_REFERENCE, Pipeline::BY_REFERENCE + 1] {
        for service in [
            Service::new(move |_: Request| Response::text(page(n))),
            Service::new(move |_: Request| Bytes::from_static(&PAGE[..n])),
        ] {
            let (mut world, conn) = serving(service);
            world.takes_only(conn, 0);
            world.says(conn, get("/"));
            let is_shared = world.hub.outgoing(conn, |slices| {
                assert!(slices.concat().ends_with(&[b"\r\n\r\n", &PAGE[..n]].concat()));
                slices.iter().any(|slice| slice.as_ptr() == PAGE.as_ptr())
            });
            assert_eq!(is_shared, Some(n >= Pipeline::BY_REFERENCE), "{n}");
        }
    }
}

/// The words of the last answer are said again, if they are the same.
#[test]
fn answers_that_differ_in_their_type_alone_are_told_apart() {
    let (mut world, conn) = serving(Service::new(|request: Request| match request.path() {
        "/text" => Response::text("x"),
        "/html" => Response::html("x"),
        "/own" => Response::bytes("x").content_type("text/plain; charset=UTF-8"),
        _ => Response::bytes("x"),
    }));
    for (path, content_type) in [
        ("/text", Some("text/plain; charset=utf-8")),
        ("/html", Some("text/html; charset=utf-8")),
        ("/own", Some("text/plain; charset=UTF-8")),
        ("/none", None),
        ("/html", Some("text/html; charset=utf-8")),
        ("/html", Some("text/html; charset=utf-8")),
    ] {
        world.says(conn, get(path));
        let field = content_type.map(|it| format!("Content-Type: {it}\r\n")).unwrap_or_default();
        let answer = format!("HTTP/1.1 200 OK\r\n{DATE}{field}Content-Length: 1\r\n\r\nx");
        assert_eq!(world.hears(conn), answer, "{path}");
    }
}
