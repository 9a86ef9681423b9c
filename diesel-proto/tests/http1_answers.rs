//! What goes out for a request, and in which order: interim responses, heads, refusals.

mod harness;

use diesel_proto::http1::*;
use diesel_proto::{ConnId, Error};
use harness::*;

fn serving(service: Service) -> (World, ConnId) {
    let mut world = World::new();
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.turn();
    (world, conn)
}

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
            let (mut world, conn) = serving(saying(calls));
            world.says(conn, head);
            world.waits(seconds(5));
            if !body.is_empty() {
                world.says(conn, body);
            }
            world.waits(seconds(5));
            let heard = world.hears(conn);
            let answer = heard.strip_prefix(&interim);
            assert!(answer.is_some_and(|it| it.starts_with("HTTP/1.1 200 OK")), "{calls}: {heard}");
        }
    }
}

/// A handler may say so without having been asked: once.
#[test]
fn a_second_100_is_left_out_for_a_client_that_did_not_ask_too() {
    let (mut world, conn) = serving(saying("cc"));
    world.says(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.hears(conn).matches("100 Continue").count(), 1);
    let (mut world, conn) = serving(saying("cchr"));
    world.says(conn, "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    assert!(world.hears(conn).starts_with("HTTP/1.1 200 OK"));
}

/// The head of the answer goes out before the stream reads: whoever still has the body may read it.
#[test]
fn a_client_is_told_to_go_on_before_the_head_of_a_stream_that_reads_its_body() {
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
        let (mut world, conn) = serving(echo(waits));
        world.says(conn, EXPECTING);
        world.waits(seconds(2));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(world.hears(conn), [GO_ON, head].concat());
        world.says(conn, "hello");
        assert_eq!(world.hears(conn), "5\r\nhello\r\n0\r\n\r\n");
    }
}

/// Too late is too late, whether the machine has seen the answer yet or not.
#[test]
fn an_interim_response_behind_the_answer_is_left_out() {
    for waits in [false, true] {
        let (mut world, conn) = serving(Service::new(async move |request: Request| {
            Response::stream(async move |out: &mut BodyWriter| {
                if waits {
                    request.ctx().sleep(seconds(1)).await?;
                }
                request.inform(Status::EARLY_HINTS, hints());
                out.write("x").await
            })
        }));
        world.says(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.waits(seconds(2));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(world.hears(conn), [head, "1\r\nx\r\n0\r\n\r\n"].concat());
    }
}
