//! `comet`: rooms, and who is here.

use diesel_driver::Hub;
use diesel_proto::testkit::script::assert_plays;

use crate::programs::comet::routes;
use crate::with;

fn served() -> Hub {
    with(routes().unwrap())
}

#[test]
fn two_windows_chat_and_one_sees_the_other_leave() {
    assert_plays(
        r#"
        ann> GET /rooms/hall/news?id=1&name=Ann&since=0 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 73\r\n\r\n{"next":1,"here":["Ann"],"messages":[{"from":null,"text":"Ann is here"}]}
        ann> GET /rooms/hall/news?id=1&name=Ann&since=1 HTTP/1.1\r\nHost: a\r\n\r\n
        bob> GET /rooms/hall/news?id=2&name=Bob&since=0 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 79\r\n\r\n{"next":2,"here":["Ann","Bob"],"messages":[{"from":null,"text":"Bob is here"}]}
        bob< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 114\r\n\r\n{"next":2,"here":["Ann","Bob"],"messages":[{"from":null,"text":"Ann is here"},{"from":null,"text":"Bob is here"}]}
        ann> GET /rooms/hall/news?id=1&name=Ann&since=2 HTTP/1.1\r\nHost: a\r\n\r\n
        bob> GET /rooms/hall/news?id=2&name=Bob&since=2 HTTP/1.1\r\nHost: a\r\n\r\n
        window> POST /rooms/hall/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{"id":"2","text":"hi <all>"}
        window< HTTP/1.1 204 No Content\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 77\r\n\r\n{"next":3,"here":["Ann","Bob"],"messages":[{"from":"Bob","text":"hi <all>"}]}
        bob< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 77\r\n\r\n{"next":3,"here":["Ann","Bob"],"messages":[{"from":"Bob","text":"hi <all>"}]}
        ann> GET /rooms/hall/news?id=1&name=Ann&since=3 HTTP/1.1\r\nHost: a\r\n\r\n
        bob> GET /rooms/hall/news?id=2&name=Bob&since=3 HTTP/1.1\r\nHost: a\r\n\r\n
        +24s
        # The window is closed.
        bob closes
        +499ms
        +1ms
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 70\r\n\r\n{"next":4,"here":["Ann"],"messages":[{"from":null,"text":"Bob left"}]}
        "#,
        served,
    );
}

#[test]
fn an_answer_without_news_comes_in_time_for_proxies() {
    assert_plays(
        r#"
        ann> GET /rooms/hall/news?id=1&name=Ann&since=0 HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 73\r\n\r\n{"next":1,"here":["Ann"],"messages":[{"from":null,"text":"Ann is here"}]}
        ann> GET /rooms/hall/news?id=1&name=Ann&since=1 HTTP/1.1\r\nHost: a\r\n\r\n
        +24.999s
        +1ms
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{"next":1,"here":[],"messages":[]}
        # It asks again in time.
        +400ms
        ann> GET /rooms/hall/news?id=1&name=Ann&since=1 HTTP/1.1\r\nHost: a\r\n\r\n
        +10s
        ann open
        "#,
        served,
    );
}

#[test]
fn strangers_say_nothing_and_names_are_short() {
    assert_plays(
        r#"
        cy> POST /rooms/hall/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{"id":"2","text":"hi <all>"}
        cy< HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 25\r\n\r\nyou are not in this room\n
        cy> GET /rooms/hall/news?id=3&name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx&since=0 HTTP/1.1\r\nHost: a\r\n\r\n
        cy< HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 17\r\n\r\nthat is too long\n
        "#,
        served,
    );
}
