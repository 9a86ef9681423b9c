//! Answers that end early: those before them are sent, and the client notices that one was cut off.

mod harness;

use diesel_proto::http1::*;
use diesel_proto::{Action, Cause, ConnId, Error, Reason};
use harness::*;

fn serving(service: Service) -> (World, ConnId) {
    let mut world = World::new();
    world.hub.set_poll_hook(catch_panics());
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.turn();
    (world, conn)
}

/// How an answer fails, after it wrote `some`, if it does: `/error`, `/panic`, `/short`, `/long`.
async fn fails(path: &str, out: &mut BodyWriter) -> Result<(), Error> {
    match path {
        "/error" => Err("no more".into()),
        "/panic" => panic!("in a stream"),
        "/long" => out.write("more than was announced").await,
        _ => Ok(()),
    }
}

const FAILURES: [(&str, Cause); 4] = [
    ("/error", Cause::Failed),
    ("/panic", Cause::Panicked),
    ("/short", Cause::Failed),
    ("/long", Cause::Failed),
];

/// Answers `/good` and POST at once, and what is to fail with a stream that fails: at once, or a
/// second after its first piece was sent.
fn breaking(request: Request, at_once: bool) -> Response {
    let path = request.path().to_owned();
    if path == "/good" {
        return Response::bytes("good");
    }
    let is_exact = path == "/short" || path == "/long";
    let ctx = request.ctx();
    let write = async move |out: &mut BodyWriter| {
        if !at_once {
            out.write("some").await?;
            ctx.sleep(seconds(1)).await?;
        }
        fails(&path, out).await
    };
    if is_exact { Response::stream_exactly(9, write) } else { Response::stream(write) }
}

fn services(at_once: bool) -> [Service; 3] {
    [
        Service::new(move |request: Request| breaking(request, at_once)),
        Service::new(async move |request: Request| breaking(request, at_once)),
        // Its body is read, and it waits before each answer.
        Service::new(async move |mut request: Request| {
            request.body().read(100).await?;
            request.ctx().sleep(std::time::Duration::ZERO).await?;
            Ok::<_, Error>(breaking(request, at_once))
        }),
    ]
}

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/// Says it in these pieces, as a driver does: what is paused is not read.
fn sends_in(world: &mut World, conn: ConnId, pieces: &[&[u8]]) {
    let mut held = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        while !held.is_empty() && world.ended(conn).is_none() {
            let taken = world.hub.received(world.now, conn, &held);
            held.drain(..taken);
            world.turn();
            if taken == 0 {
                break;
            }
        }
    }
    while !held.is_empty() && world.ended(conn).is_none() {
        let taken = world.hub.received(world.now, conn, &held);
        held.drain(..taken);
        world.turn();
        assert!(taken > 0, "stuck");
    }
}

impl World {
    /// How the connection ended, if it has.
    fn ended(&self, conn: ConnId) -> Option<Action> {
        let ends = |action: &&Action| match action {
            Action::Close(it, _) | Action::Abort(it, _) => *it == conn,
            _ => false,
        };
        self.log.iter().find(ends).cloned()
    }
}

#[test]
fn what_was_complete_goes_out_before_an_answer_that_fails_at_once_at_every_cut() {
    let many = GOOD.repeat(20);
    for (before, n) in [("", 0), (GOOD, 1), (POST, 1), (many.as_str(), 20)] {
        for ((path, cause), version) in
            FAILURES.into_iter().flat_map(|it| [(it, "1.1"), (it, "1.0")])
        {
            let bytes = format!("{before}GET {path} HTTP/{version}\r\nHost: a\r\n\r\n");
            let bytes = bytes.as_bytes();
            let step = if n == 20 { 97 } else { 7 };
            for at in (0..bytes.len()).step_by(step) {
                for service in services(true) {
                    let (mut world, conn) = serving(service);
                    let (head, tail) = bytes.split_at(at);
                    sends_in(&mut world, conn, &[head, tail]);
                    let received = world.receives(conn);
                    world.ends(conn);
                    assert_eq!(received, ANSWER.repeat(n), "{path} {version} cut at {at}");
                    // Nothing of it went out: there is nothing to mistake.
                    assert_eq!(world.ended(conn), Some(Action::Close(conn, cause)), "{path}");
                }
            }
        }
    }
}

/// RFC 9112, 8: in chunks, or with a length, an early close shows. Until the end of the stream,
/// only a reset does.
#[test]
fn an_answer_that_ends_with_the_stream_is_reset_if_it_is_cut_and_others_are_closed() {
    for (path, cause) in FAILURES {
        for (version, more) in [("1.1", ""), ("1.1", "Connection: close\r\n"), ("1.0", "")] {
            for service in services(false) {
                let (mut world, conn) = serving(service);
                let request = format!("GET {path} HTTP/{version}\r\nHost: a\r\n{more}\r\n");
                world.sends(conn, [GOOD, &request].concat());
                let received = world.receives(conn);
                let rest = received.strip_prefix(ANSWER).unwrap();
                assert!(rest.trim_end().ends_with("some"), "{rest}");
                world.waits(seconds(1));
                assert_eq!(world.receives(conn), "", "{path} {version}");
                let is_exact = path == "/short" || path == "/long";
                let expected = match version == "1.0" && !is_exact {
                    true => Action::Abort(conn, cause),
                    false => {
                        assert!(world.half_closed(conn));
                        world.ends(conn);
                        Action::Close(conn, cause)
                    }
                };
                assert_eq!(world.ended(conn), Some(expected), "{path} {version}");
                assert_eq!(world.hub.counters().fibers, 0);
            }
        }
    }
}

/// What of it was not sent is dropped, however much that is; what is before it is not.
#[test]
fn what_is_queued_of_a_broken_answer_is_dropped_behind_the_complete_ones() {
    for (version, room) in [("1.1", 0), ("1.0", 0), ("1.1", 3), ("1.0", 3)] {
        let (mut world, conn) = serving(Service::new(async |request: Request| {
            if request.path() == "/good" {
                return Response::bytes("good");
            }
            Response::stream(async move |out: &mut BodyWriter| {
                out.write([b'x'; 10_000].as_slice()).await?;
                request.ctx().sleep(seconds(1)).await?;
                Err("no more".into())
            })
        }));
        world.takes_only(conn, if room == 0 { 5 } else { ANSWER.len() as u64 + room });
        world.sends(conn, format!("{GOOD}GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        world.waits(seconds(1));
        assert!(world.queued(conn) < ANSWER.len());
        world.takes(conn, 1_000_000);
        let began = &"HTTP/1.1 200 OK"[..room as usize];
        assert_eq!(world.receives(conn), format!("{ANSWER}{began}"));
        world.ends(conn);
        let expected = match (version, room) {
            ("1.0", 3) => Action::Abort(conn, Cause::Failed),
            _ => Action::Close(conn, Cause::Failed),
        };
        assert_eq!(world.ended(conn), Some(expected), "{version} {room}");
    }
}

/// A body that breaks a rule, or stops coming, while its answer goes out.
#[test]
fn a_client_that_spoils_its_request_cuts_the_answer_to_that_alone() {
    let echo = || {
        Service::new(async |request: Request| {
            if request.path() == "/good" {
                return Response::bytes("good");
            }
            let mut body = request.into_body();
            Response::stream(async move |out: &mut BodyWriter| {
                while let Some(chunk) = body.some().await? {
                    out.write(chunk).await?;
                }
                Ok(())
            })
        })
    };
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let by_length = "POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\nhello";
    let idle = Cause::TimedOut(Reason::BodyIdle);
    for (request, spoils, cause, is_reset) in [
        (chunked, "nonsense\r\n", Cause::Protocol(Rule::ChunkSizeSyntax.text()), false),
        (chunked, "", idle, false),
        (by_length, "", idle, true),
    ] {
        let (mut world, conn) = serving(echo());
        world.takes_only(conn, 0);
        world.sends(conn, [GOOD, request].concat());
        world.takes(conn, ANSWER.len() as u64 + 20);
        match spoils {
            "" => world.waits(seconds(30)),
            _ => world.sends(conn, spoils),
        }
        world.takes(conn, 1_000_000);
        let began = if is_reset { "Con" } else { "Tra" };
        assert_eq!(world.receives(conn), format!("{ANSWER}HTTP/1.1 200 OK\r\n{began}"));
        if !is_reset {
            world.ends(conn);
        }
        let end = if is_reset { Action::Abort } else { Action::Close };
        assert_eq!(world.ended(conn), Some(end(conn, cause)));
    }
}

/// A client that waits for its answer sends nothing meanwhile.
#[test]
fn what_holds_for_idle_connections_cuts_no_answer() {
    let config = settings(|it| it.idle = Some(seconds(2)));
    let (mut world, conn) = serving(
        Service::new(async |request: Request| {
            Response::stream(async move |out: &mut BodyWriter| {
                out.write("one ").await?;
                request.ctx().sleep(seconds(5)).await?;
                out.write("two").await
            })
        })
        .connections(config),
    );
    world.sends(conn, "GET / HTTP/1.0\r\n\r\n");
    world.waits(seconds(5));
    assert!(world.receives(conn).ends_with("one two"));
}
