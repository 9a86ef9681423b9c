//! When the body of a request is sent, and when no more of it is.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use diesel_proto::http1::{self, Client, RequestWriter};
use diesel_proto::testkit::net::{LinkOptions, Network};

use super::harness::*;

const ANSWER: &str = "Content-Length: 10\r\n\r\n12345";

/// RFC 9112, 9.5: a server that has answered with an error does not want the rest. One that reads on
/// gets no more of it, even while its response takes its time.
#[test]
fn an_upload_stops_when_the_server_answers_with_an_error() {
    for (status, stops) in [(200, false), (299, false), (300, true), (413, true), (500, true)] {
        let mut network = Network::new(1);
        network.listen(address()).unwrap();
        let ended = Rc::new(Cell::new(None));
        let told = Rc::clone(&ended);
        let (_, answer) = start(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let ctx = ctx.clone();
            let request = client.post(URL).stream(async move |body: &mut RequestWriter| {
                let mut result = Ok(());
                for _ in 0..40 {
                    ctx.sleep(SECOND / 10).await?;
                    result = body.write(&[b'.'; 100]).await;
                    if result.is_err() {
                        break;
                    }
                }
                told.set(Some(result.is_err()));
                result
            });
            let mut response = request.await.unwrap();
            let text = response.text().await.unwrap();
            (response.status().code(), text, client.idle_connections())
        });
        network.run_for(SECOND / 20).unwrap();
        let peer = network.accept(address()).unwrap();
        network.run_for(SECOND).unwrap();
        network.send(peer, format!("HTTP/1.1 {status} \r\n{ANSWER}"));
        network.run_for(SECOND / 20).unwrap();
        let got = network.got(peer).len();
        assert!(got > 500, "{got}");
        network.run_for(5 * SECOND).unwrap();
        assert_eq!(network.got(peer).len() == got, stops, "{status}");
        network.send(peer, "67890");
        network.run_for(SECOND).unwrap();
        let idle = usize::from(!stops);
        assert_eq!(answer.take(), Some((status, "1234567890".into(), idle)));
        // A function that is stopped is dropped.
        assert_eq!(ended.get(), (!stops).then_some(false), "{status}");
    }
}

/// The function that writes is done, with a part of the body behind what the connection does not take
/// yet: before the response, and while that is read.
#[test]
fn the_end_of_an_upload_is_sent_when_the_server_reads_again() {
    const PIECE: usize = 100_000;
    for is_answered in [false, true] {
        let mut network = Network::new(1);
        network.link(LinkOptions { capacity: 1000, ..LinkOptions::default() });
        network.listen(address()).unwrap();
        let (_, answer) = start(&mut network, async |ctx| {
            let request = Client::new(ctx).put(URL).stream(async |body: &mut RequestWriter| {
                for _ in 0..3 {
                    body.write(&[b'.'; PIECE]).await?;
                }
                Ok(())
            });
            request.await.unwrap().text().await.unwrap()
        });
        network.run_for(SECOND).unwrap();
        let peer = network.accept(address()).unwrap();
        network.stop_reading(peer);
        let response = format!("HTTP/1.1 200 \r\n{ANSWER}");
        if is_answered {
            network.send(peer, &response);
        }
        network.run_for(SECOND).unwrap();
        network.read_again(peer);
        network.run_for(SECOND).unwrap();
        let sent = network.got(peer).iter().filter(|&&byte| byte == b'.').count();
        // Four are in the head.
        assert_eq!(sent, 3 * PIECE + "10.0.0.1 HTTP/1.1".matches('.').count());
        assert!(network.got(peer).ends_with(b"\r\n0\r\n\r\n"));
        if !is_answered {
            network.send(peer, &response);
        }
        network.send(peer, "67890");
        network.run_for(SECOND).unwrap();
        assert_eq!(answer.take().as_deref(), Some("1234567890"), "{is_answered}");
    }
}

/// Polls a future again only when its own waker was woken, as a set of futures does.
struct OnlyWoken<F> {
    future: Pin<Box<F>>,
    flag: Arc<Flag>,
}

struct Flag {
    is_woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.outer.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    }
}

impl<F: Future> OnlyWoken<F> {
    fn new(future: F) -> Self {
        let flag = Flag { is_woken: AtomicBool::new(true), outer: Mutex::default() };
        OnlyWoken { future: Box::pin(future), flag: Arc::new(flag) }
    }
}

impl<F: Future> Future for OnlyWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.flag.outer.lock().unwrap() = Some(cx.waker().clone());
        if !self.flag.is_woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn a_write_that_waits_wakes_its_own_waker() {
    const PIECE: usize = 100_000;
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(mirror));
    let text = run(&mut network, async |ctx| {
        let request = Client::new(ctx).put(URL).stream(async |body: &mut RequestWriter| {
            for _ in 0..5 {
                OnlyWoken::new(body.write(&[b'.'; PIECE])).await?;
            }
            Ok(())
        });
        request.await.unwrap().text().await.unwrap()
    });
    assert!(text.len() > 5 * PIECE, "{}", text.len());
}

#[test]
fn a_body_that_the_server_did_not_ask_for_is_not_sent() {
    for streams in [false, true] {
        let mut network = Network::new(1);
        network.listen(address()).unwrap();
        let (_, answer) = start(&mut network, async move |ctx| {
            let client = Client::new(ctx);
            let request = client.post(URL).expect_continue();
            let request = match streams {
                false => request.body("hello"),
                true => request.stream(async |body: &mut RequestWriter| body.write("hello").await),
            };
            let mut response = request.await.unwrap();
            (response.text().await.unwrap(), client.idle_connections())
        });
        network.run_for(SECOND / 2).unwrap();
        let peer = network.accept(address()).unwrap();
        network.run_for(SECOND / 4).unwrap();
        network.send(peer, format!("HTTP/1.1 403 \r\n{ANSWER}"));
        network.run_for(5 * SECOND).unwrap();
        network.send(peer, "67890");
        network.run_for(SECOND).unwrap();
        assert_eq!(answer.take(), Some(("1234567890".into(), 0)));
        let got = String::from_utf8_lossy(network.got(peer)).into_owned();
        assert!(got.ends_with("\r\n\r\n") && !got.contains("hello"), "{got}");
    }
}

#[test]
fn a_body_is_sent_as_soon_as_the_server_asks_for_it() {
    for streams in [false, true] {
        let mut network = Network::new(1);
        network.listen(address()).unwrap();
        let (_, answer) = start(&mut network, async move |ctx| {
            let request = Client::new(ctx).post(URL).expect_continue();
            let request = match streams {
                false => request.body("hello"),
                true => request.stream(async |body: &mut RequestWriter| body.write("hello").await),
            };
            request.await.map(|response| response.status().code()).unwrap()
        });
        network.run_for(SECOND / 4).unwrap();
        let peer = network.accept(address()).unwrap();
        network.run_for(SECOND / 4).unwrap();
        let has_body =
            |network: &Network| String::from_utf8_lossy(network.got(peer)).contains("hello");
        assert!(!has_body(&network));
        network.send(peer, "HTTP/1.1 100 \r\n\r\n");
        // Before the time that it would wait at most.
        network.run_for(SECOND / 4).unwrap();
        assert!(has_body(&network));
        network.send(peer, "HTTP/1.1 204 \r\n\r\n");
        network.run_for(SECOND).unwrap();
        assert_eq!(answer.take(), Some(204));
    }
}
