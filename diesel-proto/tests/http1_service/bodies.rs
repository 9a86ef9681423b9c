//! Bodies in both directions, streams, upgrades, rejections.

use super::*;

/// 64 and 16 KiB.
pub(super) fn low_marks() -> ServiceConfig {
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
    world.sends(conn, get("/"));
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
    world.sends(conn, get("/"));
    assert_eq!(diary.read(), Vec::<String>::new());
    world.takes(conn, 1000);
    assert_eq!(diary.read(), ["began", "sent"]);
}

/// A body of any size is echoed, chunk by chunk; if the handler does not read, the client stalls.
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
    world.sends(conn, format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {total}\r\n\r\n"));
    world.takes_only(conn, 0);
    let mut sent = 0;
    while !world.paused(conn) {
        world.sends(conn, &piece);
        sent += piece.len();
        assert!(sent < 400_000, "nobody stops the client");
    }
    world.takes(conn, u64::MAX / 2);
    while sent < total {
        assert!(!world.paused(conn));
        world.sends(conn, &piece);
        sent += piece.len();
    }
    let received = world.receives(conn);
    assert_eq!(received.matches('x').count(), total);
    assert!(received.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(world.closed(conn), None);
}

#[test]
fn a_100_continue_is_sent_when_the_handler_reads_the_body() {
    const HEAD: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    for service in both() {
        let (mut world, conn) = serving(service);
        world.sends(conn, HEAD);
        assert_eq!(world.receives(conn), GO_ON);
        world.sends(conn, "hello");
        assert_eq!(world.receives(conn), ok("POST / hello\n"));
    }
    // The handler does not read the body: no 100 is sent, and the connection closes, because it is
    // unknown whether the body follows.
    let (mut world, conn) = serving(Service::new(async |_: Request| Status::FORBIDDEN));
    world.sends(conn, HEAD);
    let head = format!("HTTP/1.1 403 Forbidden\r\n{DATE}{CLOSE}Content-Length: 0\r\n\r\n");
    assert_eq!(world.receives(conn), head);
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

#[test]
fn an_unread_request_body_is_drained_within_a_bound() {
    let service = || Service::new(async |_: Request| "no thanks");
    let (mut world, conn) = serving(service());
    let post = |n: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n");
    world.sends(conn, post(50_000));
    assert_eq!(world.receives(conn), ok("no thanks"));
    world.sends(conn, "x".repeat(50_000) + &get("/"));
    assert_eq!(world.receives(conn), ok("no thanks"));

    world.sends(conn, post(70_000));
    assert_eq!(world.receives(conn), answer("200 OK", CLOSE, "no thanks"));
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}

#[test]
fn a_body_beyond_the_limit_of_the_handler_is_refused() {
    let (mut world, conn) = serving(Service::new(async |mut request: Request| {
        Ok::<_, Error>(request.body().read(4).await?.to_bytes())
    }));
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let text = "413 Content Too Large";
    assert_eq!(world.receives(conn), answer(text, "", &format!("{text}\n")));
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhell");
    assert!(world.receives(conn).ends_with("hell"));
}

#[test]
fn trailers_are_there_at_the_end_of_the_body() {
    fn checksum(trailers: &Headers) -> String {
        format!("{:?}", trailers.get_str("x-sum"))
    }
    let services = [
        Service::new(|request: Request| checksum(&request.trailers())),
        Service::new(async |request: Request| {
            let mut body = request.into_body();
            assert!(!body.is_at_end());
            while body.some().await?.is_some() {}
            assert!(body.is_at_end());
            Ok::<_, Error>(checksum(&body.trailers()))
        }),
    ];
    for service in services {
        let (mut world, conn) = serving(service);
        world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n");
        world.sends(conn, "x\r\n0\r\nX-Sum: 7\r\n\r\n");
        assert_eq!(world.receives(conn), ok("Some(\"7\")"));
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
    world.sends(conn, get("/"));
    assert_eq!(world.receives(conn), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    world.waits(seconds(1));
    assert!(world.receives(conn).ends_with("\r\n\r\nthere"));
}

/// Sends back in capitals, and ends with its peer.
pub(super) struct Shout;

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

/// With either kind of handler, and at every cut, the next machine gets the bytes behind the
/// request.
#[test]
fn an_upgrade_hands_over_what_is_left() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n";
    let bytes = format!("{head}hello\n");
    let received = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n\
                 loud now\nHELLO\n";
    for (first, rest) in two_way_cuts(bytes.as_bytes()) {
        for kind in 0..2 {
            let (mut world, conn) = serving(match kind {
                0 => Service::new(|_: Request| Response::upgrade("shout", Shout)),
                _ => Service::new(async |_: Request| Response::upgrade("shout", Shout)),
            });
            if !first.is_empty() {
                world.sends(conn, first);
            }
            if !rest.is_empty() {
                world.sends(conn, rest);
            }
            assert_eq!(world.receives(conn), received, "kind {kind}, cut at {}", first.len());
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
        world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\nGET / HTTP/1.1\r\n");
        let text = "at byte 26: a blank between a field name and its colon (RFC 9112, 5.1)\n";
        let received = world.receives(conn);
        assert!(received.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{received}");
        assert!(received.contains(CLOSE) && received.ends_with(text), "{received}");
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
    world.sends(conn, broken);
    let received = world.receives(conn);
    assert!(received.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{received}");
    assert!(received.contains("X-Own: yes\r\n") && received.ends_with("HostMissing"), "{received}");
    // What is no answer to that, or none at all: then as usual.
    let no_answers: [fn(&Rejection) -> Response; 3] = [
        |_| panic!("in a hook"),
        |_| Response::stream(async |_| Ok(())),
        |_| Response::text("x").header("Content-Length", "1"),
    ];
    for answer in no_answers {
        let (mut world, conn) = serving(service(answer));
        world.sends(conn, broken);
        let received = world.receives(conn);
        assert!(received.contains("no Host in a request"), "{received}");
        world.ends(conn);
        assert!(world.closed(conn).is_some());
    }
}

/// A body breaks a rule while its handler waits for it: the client gets an error response, and the
/// handler is dropped.
#[test]
fn a_body_that_breaks_a_rule_ends_its_handler() {
    let (mut world, conn) = serving(Service::new(fiber));
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx");
    assert_eq!(world.hub.counters().fibers, 1);
    world.sends(conn, "y\r\n");
    assert!(world.receives(conn).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert_eq!(world.hub.counters().fibers, 0);
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::ChunkDataEnd.text())));
}

#[test]
fn a_body_cut_short_is_an_error() {
    for service in both() {
        let (mut world, conn) = serving(service);
        world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
        world.ends(conn);
        assert!(world.receives(conn).starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::BodyIncomplete.text())));
        assert_eq!(world.hub.counters().fibers, 0);
    }
}
