//! Routes on a connection: pipelined requests, a graceful shutdown, a client that leaves; played with
//! the input cut in two at every position.

use alloc::rc::Rc;
use core::cell::Cell;
use core::time::Duration;

use crate::http1::{Request, Response};
use crate::hub::Hub;
use crate::machine::Error;
use crate::testkit::script::{Script, assert_plays};
use crate::web::{Next, Path, Router, Routes, get, post};

fn routes() -> Routes {
    let wait = async |Path(seconds): Path<u64>, request: Request| {
        request.ctx().sleep(Duration::from_secs(seconds)).await?;
        Ok::<_, Error>("waited")
    };
    Router::new()
        .route("/plain/{x}", get(|Path(x): Path<u32>| alloc::format!("plain {x}")))
        .route("/wait/{seconds}", get(wait))
        .route("/echo", post(|body: alloc::string::String| body))
        .layer(async |request: Request, next: Next| next.run(request).await.header("X", "y"))
        .build()
        .unwrap()
}

fn served() -> Hub {
    let mut hub = Hub::default();
    hub.add_service(routes());
    hub
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    assert_plays(
        r"
        ann> GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /plain/7 HTTP/1.1\r\nHost: a\r\n\r\n
        ann> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiHEAD /plain/8 HTTP/1.1\r\nHost: a\r\n\r\n
        ann> GET /plain/x HTTP/1.1\r\nHost: a\r\n\r\n
        +1s
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 6\r\n\r\nwaited
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 7\r\n\r\nplain 7
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 2\r\n\r\nhi
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 7\r\n\r\n
        ann< HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 66\r\n\r\nthe parameter x of the path is \x22x\x22: invalid digit found in string\n
        ann open
        ",
        served,
    );
}

#[test]
fn a_request_that_was_begun_is_answered_during_a_shutdown() {
    assert_plays(
        r"
        ann> GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n
        bob> GET /wait/60 HTTP/1.1\r\nHost: a\r\n\r\n
        cat> POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh
        shut down within 5s
        bob< HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 24\r\n\r\n503 Service Unavailable\n
        bob closed
        cat> i
        cat< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 2\r\n\r\nhi
        cat closed
        +1s
        ann< HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nX: y\r\nContent-Length: 6\r\n\r\nwaited
        ann closed
        halted
        ",
        served,
    );
}

#[test]
fn a_client_that_leaves_drops_the_handler_and_its_middleware() {
    struct Guard(Rc<Cell<u32>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let counts = Rc::clone(&dropped);
    let mut hub = Hub::default();
    let inner = Rc::clone(&counts);
    let waits = get(async move |request: Request| {
        let _guard = Guard(Rc::clone(&inner));
        let _ = request.ctx().sleep(Duration::from_secs(60)).await;
        Response::empty()
    });
    let guarded = async move |request: Request, next: Next| {
        let _guard = Guard(Rc::clone(&counts));
        next.run(request).await
    };
    hub.add_service(Router::new().route("/", waits).layer(guarded).build().unwrap());
    let script = Script::parse(
        r"
        ann> GET / HTTP/1.1\r\nHost: a\r\n\r\n
        +1s
        ann resets
        +1s
        ",
    );
    script.unwrap().play(|| hub).unwrap();
    assert_eq!(dropped.get(), 2);
}
