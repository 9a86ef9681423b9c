//! Requests and the handlers that answer them, in a hub, in virtual time.

mod bodies;
#[path = "../harness/mod.rs"]
mod harness;
mod time_and_limits;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bodies::{Shout, low_marks};
use bytes::Bytes;
use diesel_proto::http1::*;
use diesel_proto::{
    Access, Address, Cause, ConnId, Error, Input, Instant, Limit, Machine, Notice, Pipeline,
    Reason, ServiceConfig,
};
use harness::*;

/// A harness that serves these by HTTP, catches panics, and knows the time of day.
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
            world.sends(conn, get(path));
            let path = path.trim_end_matches("?c");
            assert_eq!(world.receives(conn), ok(&format!("GET {path} \n")));
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
                assert_eq!(world.receives(conn), expected, "kind {kind} cut at {cut} {at_once}");
                assert_eq!(world.closed(conn), Some(Cause::Done), "kind {kind} cut at {cut}");
                assert_eq!(world.hub.counters().fibers, 0);
            }
        }
    }
}

#[test]
fn a_request_has_everything_that_the_client_sent() {
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
    world.sends(conn, "QUERY /p%20q?r=s HTTP/1.1\r\nhost: b:8\r\nx-two: 1\r\nX-TWO:  2 \r\n\r\n");
    assert_eq!(world.receives(conn), format!("HTTP/1.1 204 No Content\r\n{DATE}\r\n"));
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
    world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let shown = r#"RequestHead { method: "GET", target: "/", version: Http11, fields: {"#;
    assert!(seen.borrow().starts_with(&format!("Some(4) {shown}")), "{}", seen.borrow());
}

/// A handler may await anything. Meanwhile the next requests wait, and the connection stays open.
#[test]
fn an_async_handler_waits_as_it_likes_and_the_next_request_for_its_turn() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1)).await?;
        Ok::<_, Error>(format!("{}\n", request.path()))
    }));
    world.delivers(conn, get("/a") + &get("/b") + &get("/c"));
    for path in ["/a\n", "/b\n", "/c\n"] {
        world.turn();
        assert_eq!(world.receives(conn), "");
        world.waits(seconds(1));
        let received = world.receives(conn);
        assert!(received.ends_with(path), "{received}");
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
    world.sends(conn, get("/"));
    assert_eq!((world.hub.counters().fibers, dropped.get()), (1, 0));
    world.resets(conn);
    assert_eq!((world.hub.counters().fibers, dropped.get()), (0, 1));
    assert_eq!(world.closed(conn), Some(Cause::Reset));
    assert_eq!(world.hub.counters().failures, 0);
}

/// A peer that has only ended its side still wants its answer.
#[test]
fn a_half_closed_client_is_still_answered() {
    for service in both() {
        let (mut world, conn) = serving(service);
        world.delivers(conn, get("/"));
        world.hub.eof(world.now, conn);
        world.turn();
        let received = world.receives(conn);
        assert!(received.ends_with("GET / \n"), "{received}");
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
        world.sends(conn, get(path));
        world.receives(conn).replace(DATE, "")
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
    world.sends(conn, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.receives(conn), ok("hello").trim_end_matches("hello"));
    world.sends(conn, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        world.receives(conn),
        format!("HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n")
    );
    assert_eq!(written.get(), 0);
    world.sends(conn, get("/"));
    assert_eq!(world.receives(conn), ok("hello"));
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
            world.sends(conn, get(path));
            let text = format!("{status}\n");
            assert_eq!(world.receives(conn), answer(status, "", &text), "{path}");
            match (notice, &*world.notices()) {
                (None, []) => {}
                (
                    Some(Notice::Failed { error, .. }),
                    [Notice::Failed { peer, error: reported }],
                ) => {
                    assert_eq!(*peer, Some(Address::Unnamed));
                    assert!(reported.contains(error), "{reported}");
                    assert_eq!(world.hub.counters().failures, 1);
                }
                (Some(notice), [reported]) => {
                    assert_eq!(reported, notice);
                    assert_eq!(world.hub.counters().panics, 1);
                }
                other => panic!("{path}: {other:?}"),
            }
            world.sends(conn, get("/"));
            assert_eq!(world.receives(conn), ok("fine"));
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
        world.sends(conn, paths.map(request).concat());
        let expected = paths.map(|path| match path {
            "/panic" => failed.clone(),
            path => ok(&format!("{path} {content}")),
        });
        assert_eq!(world.receives(conn), expected.concat());
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
    world.sends(conn, get("/a"));
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
        world.sends(conn, get(path));
        assert!(world.receives(conn).ends_with("Content-Length: 8\r\n\r\nsome"), "{path}");
        world.waits(seconds(1));
        assert_eq!(world.receives(conn), "", "{path}");
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
        world.sends(conn, get("/"));
        assert_eq!(
            world.receives(conn),
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n5\r\nonce \r\n6\r\nupon a\r\n"
            )
        );
        world.waits(seconds(1));
        let rest = format!("1388\r\n{}\r\n0\r\nX-Sum: 42\r\n\r\n", "x".repeat(5000));
        assert_eq!(world.receives(conn), rest);
        // To a client of HTTP/1.0, until the connection is closed.
        world.sends(conn, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        world.waits(seconds(1));
        let received = world.receives(conn);
        assert!(received.contains(&format!("GMT\r\n{CLOSE}\r\nonce upon ax")), "{received}");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}
