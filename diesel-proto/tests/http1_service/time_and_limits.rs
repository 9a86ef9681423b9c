//! Deadlines, pipelining, shutdown, limits.

use super::*;

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
        world.sends(conn, get("/"));
        world.receives(conn);
        world.waits(seconds(74));
        assert_eq!((world.half_closed(conn), world.closed(conn)), (false, None));
        world.waits(seconds(1));
        assert_eq!((world.half_closed(conn), world.receives(conn)), (true, String::new()));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::KeepAlive));

        // A head dribbles.
        let (mut world, conn) = serving(service());
        for byte in get("/").as_bytes().chunks(1).take(11) {
            world.sends(conn, byte);
            world.waits(seconds(1));
        }
        assert!(world.receives(conn).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::Head));

        // A body stops coming.
        let (mut world, conn) = serving(service());
        world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
        world.waits(seconds(29));
        world.sends(conn, "x");
        assert_eq!(world.receives(conn), "");
        world.waits(seconds(30));
        assert!(world.receives(conn).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        world.ends(conn);
        assert_eq!(world.closed(conn), timed_out(Reason::BodyIdle));
        assert_eq!(world.hub.counters().fibers, 0);
    }
    // A handler may take as long as it likes.
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(1000)).await?;
        Ok::<_, Error>("at last")
    }));
    world.sends(conn, get("/"));
    world.waits(seconds(1000));
    assert!(world.receives(conn).ends_with("at last"));
}

/// No read deadline applies while reading is paused.
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
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    world.sends(conn, "x".repeat(70_000));
    assert!(world.paused(conn), "nobody asked for it yet");
    world.waits(seconds(100));
    assert!(!world.paused(conn));
    world.waits(seconds(29));
    world.sends(conn, "x".repeat(30_000));
    assert_eq!(
        world.receives(conn),
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
    assert_eq!(world.receives(conn), ok("GET / \n").repeat(10));

    let service = Service::new(|_: Request| "x".repeat(10_000));
    let (mut world, conn) = serving(service.connections(low_marks()));
    world.takes_only(conn, 0);
    world.sends(conn, get("/").repeat(20));
    assert!(world.paused(conn));
    let queued = world.queued(conn);
    assert!((60_000..90_000).contains(&queued), "{queued}");
    world.takes(conn, u64::MAX / 2);
    assert!(!world.paused(conn));
    assert_eq!(world.receives(conn).matches("HTTP/1.1 200 OK").count(), 20);
}

#[test]
fn the_last_request_that_a_connection_may_make_closes_it() {
    let limits = Limits { requests: 2, ..Limits::default() };
    for service in both() {
        let (mut world, conn) = serving(service.limits(limits));
        world.sends(conn, get("/"));
        assert_eq!(world.receives(conn), ok("GET / \n"));
        world.sends(conn, get("/"));
        assert_eq!(world.receives(conn), answer("200 OK", CLOSE, "GET / \n"));
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
    world.sends(idle, get("/"));
    world.sends(active, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    world.sends(head, "GET / HTTP/1.1\r\nHost");
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    for conn in [fresh, idle] {
        assert!(world.half_closed(conn));
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::Shutdown));
    }
    world.sends(active, "llo");
    world.sends(head, ": a\r\n\r\n");
    for (conn, text) in [(active, "5"), (head, "0")] {
        assert_eq!(world.receives(conn), answer("200 OK", CLOSE, text));
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
    world.sends(conn, get("/"));
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    assert_eq!(world.receives(conn), "");
    world.waits(seconds(3));
    let later = answer("200 OK", CLOSE, "true true Err(Shutdown)").replace(":37 GMT", ":40 GMT");
    assert_eq!(world.receives(conn), later);
}

/// A token that would wait for longer fails with `Error::Shutdown`.
#[test]
fn a_handler_that_would_have_to_wait_for_more_than_the_grace_is_answered_for() {
    let (mut world, conn) = serving(Service::new(async |request: Request| {
        request.ctx().sleep(seconds(100)).await?;
        Ok::<_, Error>("never")
    }));
    world.sends(conn, get("/"));
    let now = world.now;
    world.hub.drain(now, now + seconds(5));
    world.turn();
    let text = "503 Service Unavailable";
    assert_eq!(world.receives(conn), answer(text, CLOSE, &format!("{text}\n")));
    assert_eq!(world.hub.counters().failures, 0);
}

#[test]
fn each_request_is_reported_if_the_access_log_is_on() {
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
    let received = world.receives(conn).len() as u64;
    let reported = accesses(&world);
    assert_eq!(reported[0], access("/stream?a", 200, reported[0].sent, 0));
    assert_eq!(reported[1], access("/fail", 500, received - reported[0].sent, 2));
    world.waits(seconds(2));
    let reported = accesses(&world);
    assert_eq!(reported[2], access("/cut", 200, reported[2].sent, 4));

    // What is no request at all, and one whose peer goes away.
    let (mut world, conn) = serving(service());
    world.sends(conn, "nonsense\r\n\r\n");
    let refused = Access { method: "-".into(), target: "-".into(), ..access("", 400, 0, 0) };
    let reported = accesses(&world);
    assert_eq!(reported, [Access { sent: reported[0].sent, ..refused }]);
    let (mut world, conn) = serving(service());
    world.sends(conn, get("/"));
    world.waits(seconds(1));
    world.resets(conn);
    assert_eq!(accesses(&world), [access("/", 0, 0, 0)]);

    let (mut world, conn) = serving(Service::new(plain));
    world.sends(conn, get("/"));
    assert_eq!(world.notices(), []);
}

/// A body that a handler keeps after its response yields no bytes of the next request.
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
    world.sends(conn, "POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(world.receives(conn), ok("kept"));
    world.sends(conn, "abc");
    world.sends(conn, "POST /use HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz");
    assert_eq!(world.receives(conn), ok("Err(Closed)"));
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
    world.sends(one, get("/"));
    world.sends(other, get("/"));
    let text = "503 Service Unavailable";
    assert_eq!(world.receives(other), answer(text, "", &format!("{text}\n")));
    world.waits(seconds(1));
    assert!(world.receives(one).ends_with("done"));
    world.sends(other, get("/"));
    world.waits(seconds(1));
    assert!(world.receives(other).ends_with("done"));
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
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhel");
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
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
    world.sends(conn, "x".repeat(70_000));
    assert_eq!(world.receives(conn), ok("70000"));
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
    world.sends(conn, get("/"));
    let (before, queued) = (written.get(), world.queued(conn));
    world.takes(conn, queued as u64 - 5_001);
    assert_eq!(written.get(), before);
    world.takes(conn, 1);
    assert!(written.get() > before);
}

/// A client that does not take its answers gets no more of them than the marks allow, to the byte.
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
    world.sends(conn, get("/").repeat(9));
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
    world.sends(conn, get("/"));
    assert!(!world.paused(conn));
}

/// Each head has its time from its own first byte.
#[test]
fn the_time_of_a_head_that_follows_another_counts_from_its_own_beginning() {
    let (mut world, conn) = serving(Service::new(plain));
    let whole = get("/");
    let (front, back) = whole.split_at(9);
    world.sends(conn, front);
    world.waits(seconds(8));
    world.sends(conn, format!("{back}{front}"));
    assert_eq!(world.receives(conn), ok("GET / \n").replace(":37 ", ":45 "));
    world.waits(seconds(9));
    world.sends(conn, back);
    assert_eq!(world.receives(conn), ok("GET / \n").replace(":37 ", ":54 "));
}

/// A client that read its answer late has as long for the next request as any other.
#[test]
fn what_was_paused_for_its_answer_is_waited_on_again() {
    let marks = settings(|it| (it.high_water, it.low_water) = (20, 10));
    let (mut world, conn) = serving(Service::new(plain).connections(marks));
    world.takes_only(conn, 0);
    world.sends(conn, get("/"));
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
    world.sends(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(world.receives(conn), ok("enough"));
    world.sends(conn, "nonsense\r\n");
    assert_eq!((world.half_closed(conn), world.closed(conn)), (true, None));
    assert_eq!(world.receives(conn), "");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Protocol(Rule::ChunkSizeSyntax.text())));
}

#[test]
fn a_rejection_is_reported_once_as_its_request_if_the_access_log_is_on() {
    let bad = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    for (tells, bytes, reported) in [
        (true, bad, vec!["POST /a 400"]),
        (true, "nonsense\r\n\r\n", vec!["- - 400"]),
        (false, bad, vec![]),
        (false, "nonsense\r\n\r\n", vec![]),
    ] {
        let (mut world, conn) = serving(Service::new(plain).access_notices(tells));
        world.sends(conn, bytes);
        let accesses = world.notices().into_iter().filter_map(|notice| match notice {
            Notice::Access(it) => Some(format!("{} {} {}", it.method, it.target, it.status)),
            _ => None,
        });
        assert_eq!(accesses.collect::<Vec<_>>(), reported);
    }
}

/// Between two requests nothing is held but how many bytes and requests there were.
#[test]
fn what_rested_goes_on_where_it_was() {
    for service in both() {
        let limits = Limits { requests: 3, ..Limits::default() };
        let (mut world, conn) = serving(service.limits(limits));
        world.sends(conn, get("/"));
        world.sends(conn, get("/"));
        assert!(!world.receives(conn).contains(CLOSE));
        world.sends(conn, get("/"));
        assert!(world.receives(conn).contains(CLOSE), "the last");
    }
    let mut world = World::new();
    let service = world.hub.add_service(Service::new(plain));
    let (one, other) = (world.accept(service), world.accept(service));
    world.sends(one, get("/"));
    world.receives(one);
    for (conn, at) in [(other, 0), (one, get("/").len())] {
        world.sends(conn, "(");
        assert!(world.receives(conn).contains(&format!("at byte {at}: ")));
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
            world.sends(conn, get("/"));
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
fn responses_that_differ_only_in_content_type_do_not_share_a_cached_head() {
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
        world.sends(conn, get(path));
        let field = content_type.map(|it| format!("Content-Type: {it}\r\n")).unwrap_or_default();
        let answer = format!("HTTP/1.1 200 OK\r\n{DATE}{field}Content-Length: 1\r\n\r\nx");
        assert_eq!(world.receives(conn), answer, "{path}");
    }
}
