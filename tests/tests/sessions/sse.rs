//! `sse`: a clock.

use diesel_driver::{Ctx, Hub};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::sse::{service, tick};

fn served() -> Hub {
    let mut hub = Hub::default();
    let ticks = hub.event();
    hub.add_service(service(ticks.clone()));
    hub.add_loop(async move |ctx: Ctx| tick(ctx, ticks.clone()).await).unwrap();
    hub
}

#[test]
fn a_browser_that_comes_back_is_told_what_it_missed() {
    assert_plays(
        r"
        +500ms
        ann> GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n
        +500ms
        ann< 12\r\ndata: 0:01\nid: 1\n\n\r\n
        +1s
        ann< 12\r\ndata: 0:02\nid: 2\n\n\r\n
        ann closes
        +3.5s
        bob> GET /ticks HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 2\r\n\r\n
        bob< HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n
        +500ms
        bob< 17\r\ndata: 3\nevent: missed\n\n\r\n12\r\ndata: 0:06\nid: 6\n\n\r\n
        +1s
        bob< 12\r\ndata: 0:07\nid: 7\n\n\r\n
        ",
        served,
    );
}
