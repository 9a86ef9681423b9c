//! Cancel safety: a call that is dropped at any of its await points never leaves its answer to the
//! next call.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use diesel_proto::http1::{
    self, BodyWriter, Client, ClientConfig, ClientError, PoolLimits, Request, RequestWriter,
    Response,
};
use diesel_proto::testkit::net::{LinkOptions, Network};
use diesel_proto::{Ctx, Error};

use super::harness::*;

/// Answers with the target, in the way that it names.
async fn answer(mut request: Request) -> Result<Response, Error> {
    request.body().read(100_000).await?;
    let target = request.target_text().to_string();
    match request.path() {
        "/stream" => Ok(Response::stream(async move |out: &mut BodyWriter| {
            for byte in target.bytes() {
                out.write(&[byte]).await?;
                out.flush().await?;
            }
            Ok(())
        })),
        "/parts" => Ok(Response::stream(async move |out: &mut BodyWriter| {
            for _ in 0..2 {
                out.write("part").await?;
                request.ctx().sleep(SECOND).await?;
            }
            Ok(())
        })),
        "/slow" => {
            request.ctx().sleep(SECOND / 20).await?;
            Ok(Response::text(target))
        }
        "/moved" => Ok(Response::text("elsewhere")
            .status(http1::Status::new(307).unwrap())
            .header("Location", target.replace("moved", "end"))),
        _ => Ok(Response::text(target)),
    }
}

/// A call of any kind; returns the body, and what it must be.
async fn call(client: &Client, kind: u64, n: u64) -> Result<(String, String), ClientError> {
    let url = |path: &str| format!("{URL}{path}?{n}");
    let (request, expected) = match kind % 6 {
        0 => (client.get(url("/")), format!("/?{n}")),
        1 => (client.get(url("/stream")), format!("/stream?{n}")),
        2 => (client.post(url("/slow")).body("x".repeat(300)), format!("/slow?{n}")),
        3 => (client.get(url("/moved")), format!("/end?{n}")),
        4 => (client.put(url("/")).body("abc").expect_continue(), format!("/?{n}")),
        _ => {
            let write = async |body: &mut RequestWriter| {
                for _ in 0..5 {
                    body.write("0123456789").await?;
                }
                Ok(())
            };
            (client.post(url("/stream")).stream(write), format!("/stream?{n}"))
        }
    };
    Ok((request.await?.text().await?, expected))
}

/// Polls a future so many times, and drops it then. Returns whether it was complete before.
async fn polled<T>(times: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(cx).map(Some);
        if polled.is_pending() && left == 0 {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

#[test]
fn a_dropped_call_never_leaves_its_answer_to_the_next() {
    let dropped = Rc::new(Cell::new(0u64));
    let kept = Rc::new(Cell::new(0u64));
    for seed in 0..1000u64 {
        let mut network = Network::new(seed);
        network.link(LinkOptions {
            latency: Duration::ZERO..=SECOND / 50,
            reads: 1..=1 + (seed as usize % 60),
            writes: 1..=2000,
            ..LinkOptions::default()
        });
        serve(&mut network, http1::Service::new(answer));
        let (dropped, kept) = (Rc::clone(&dropped), Rc::clone(&kept));
        run(&mut network, async move |ctx: &Ctx| {
            let pool = PoolLimits { per_origin: 1 + seed as usize % 2, ..PoolLimits::default() };
            let client = client(ctx, ClientConfig { pool, ..ClientConfig::default() });
            for n in 0..5u64 {
                let random = u64::from_le_bytes(ctx.random());
                // Another await point for each seed and round; sometimes it is complete before.
                let times = (seed / 6 + n * 8) % 40;
                if let Some(result) = polled(times, call(&client, seed, 2 * n)).await {
                    let (body, expected) = result.unwrap();
                    assert_eq!(body, expected);
                } else {
                    dropped.set(dropped.get() + 1);
                }
                if random.is_multiple_of(2) {
                    ctx.sleep(Duration::from_millis(random % 50)).await.unwrap();
                }
                let (body, expected) = call(&client, random, 2 * n + 1).await.unwrap();
                assert_eq!(body, expected, "seed {seed}, round {n}");
            }
            kept.set(kept.get() + client.idle_connections() as u64);
        });
    }
    // Both happened.
    assert!(dropped.get() > 1000, "{dropped:?}");
    assert!(kept.get() >= 900, "{kept:?}");
}

#[test]
fn a_response_that_is_dropped_keeps_its_connection_only_if_all_of_it_is_there() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(answer));
    run(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        drop(client.get(format!("{URL}/")).await.unwrap());
        assert_eq!(client.idle_connections(), 1);
        let mut response = client.get(format!("{URL}/parts")).await.unwrap();
        assert_eq!(client.idle_connections(), 0);
        response.some().await.unwrap();
        drop(response);
        assert_eq!(client.idle_connections(), 0);
    });
}
