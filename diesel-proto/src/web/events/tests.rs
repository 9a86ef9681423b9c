//! Events as browsers parse them, and a stream of them through a hub, in virtual time.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::fiber::Event;
use crate::http1::Service;
use crate::hub::Hub;
use crate::machine::{Address, ConnId};
use crate::time::Instant;

/// The data, the type and the id of each event, as the HTML Standard (9.2.6) parses them.
fn parsed(text: &str) -> Vec<(String, String, String)> {
    let (mut events, mut id) = (Vec::new(), String::new());
    let (mut data, mut kind) = (None::<String>, String::new());
    for line in text.split_terminator(['\n', '\r']) {
        if line.is_empty() {
            if let Some(data) = data.take() {
                events.push((data, core::mem::take(&mut kind), id.clone()));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => data = Some(value.into()),
            },
            "event" => kind = value.into(),
            "id" => id = value.into(),
            _ => {}
        }
    }
    events
}

#[test]
fn data_comes_out_as_it_went_in_except_for_the_ends_of_lines() {
    for data in ["", "a", " a", ": a", "a\nb", "a\n\nb\n", "data: x\n\ndata: y", "id: 7", "\u{e9}"]
    {
        let event = ServerEvent::new(data).named("n").unwrap().id("7").unwrap();
        let text = format!("{}\n", event.as_str());
        assert_eq!(parsed(&text), [(data.into(), "n".into(), "7".into())], "{data:?}");
    }
    for data in ["a\r\nb", "a\rb", "a\nb"] {
        assert_eq!(ServerEvent::new(data).as_str(), "data: a\ndata: b\n");
    }
    assert_eq!(ServerEvent::new("a\n\r\r\n").as_str(), "data: a\ndata: \ndata: \ndata: \n");
}

#[test]
fn a_type_or_an_id_cannot_end_the_event() {
    for (value, byte, at) in [("a\nb", b'\n', 1), ("\r", b'\r', 0), ("ab\0", 0, 2)] {
        let invalid = InvalidField::Value { byte, at };
        assert_eq!(ServerEvent::new("").named(value), Err(invalid));
        assert_eq!(ServerEvent::new("").id(value), Err(invalid));
    }
}

struct Browser {
    hub: Hub,
    news: Event<String>,
    conn: ConnId,
    now: Instant,
}

impl Browser {
    fn new(fields: &str) -> Self {
        let mut hub = Hub::default();
        let news = hub.event();
        let fired = news.clone();
        let serve = move |request: Request| {
            let mut news = fired.subscribe();
            let since = last_event_id(&request).unwrap_or("none").to_string();
            let every = request.header_str("X-Every").map(|text| text.parse().unwrap());
            event_stream(async move |events| {
                if let Some(seconds) = every {
                    events.keep_alive(Duration::from_secs(seconds));
                }
                events.send(&ServerEvent::new(since)).await?;
                loop {
                    let text = events.wait(news.wait()).await??;
                    events.send(&ServerEvent::new(text)).await?;
                }
            })
        };
        let service = hub.add_service(Service::new(serve));
        let now = Instant::ORIGIN;
        let conn = hub.accept(now, service, Address::Unnamed).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(hub.received(now, conn, request.as_bytes()), request.len());
        Browser { hub, news, conn, now }
    }

    fn run(&mut self, wait: Duration) -> String {
        self.now += wait;
        let mut text = String::new();
        for _ in 0..3 {
            self.hub.run(self.now, &mut Vec::new());
            let bytes = self.hub.outgoing(self.conn, |slices| slices.concat()).unwrap_or_default();
            self.hub.sent(self.now, self.conn, bytes.len() as u64);
            text.push_str(core::str::from_utf8(&bytes).unwrap());
        }
        text
    }
}

#[test]
fn events_are_sent_at_once_and_comments_meanwhile() {
    let mut browser = Browser::new("Last-Event-ID: 41\r\n");
    let start = browser.run(Duration::ZERO);
    assert!(start.contains("Content-Type: text/event-stream\r\n"), "{start}");
    assert!(start.ends_with("\r\n\r\na\r\ndata: 41\n\n\r\n"), "{start}");
    assert_eq!(browser.run(Duration::from_secs(14)), "");
    assert_eq!(browser.run(Duration::from_secs(1)), "3\r\n:\n\n\r\n");
    browser.news.fire("hi".into());
    assert_eq!(browser.run(Duration::from_secs(1)), "a\r\ndata: hi\n\n\r\n");
    // The time starts again.
    assert_eq!(browser.run(Duration::from_secs(14)), "");
    assert_eq!(browser.run(Duration::from_secs(1)), "3\r\n:\n\n\r\n");
}

#[test]
fn how_often_comments_are_sent_can_be_chosen() {
    let mut browser = Browser::new("X-Every: 40\r\n");
    browser.run(Duration::ZERO);
    assert_eq!(browser.run(Duration::from_secs(39)), "");
    assert_eq!(browser.run(Duration::from_secs(1)), "3\r\n:\n\n\r\n");
}

#[test]
fn a_browser_that_leaves_ends_the_stream() {
    let mut browser = Browser::new("");
    assert!(browser.run(Duration::ZERO).ends_with("data: none\n\n\r\n"));
    let (conn, now) = (browser.conn, browser.now);
    browser.hub.eof(now, conn);
    assert_eq!(browser.run(Duration::ZERO), "0\r\n\r\n");
}

/// What waits for room for a comment still waits for its event, and for the browser to leave.
#[test]
fn a_browser_that_does_not_read_is_seen_to_leave() {
    for leaves in [true, false] {
        let mut browser = Browser::new("");
        browser.run(Duration::ZERO);
        browser.news.fire("x".repeat(1 << 20));
        browser.hub.run(browser.now, &mut Vec::new());
        browser.now += Duration::from_secs(16);
        browser.hub.run(browser.now, &mut Vec::new());
        match leaves {
            true => browser.hub.eof(browser.now, browser.conn),
            false => browser.news.fire("hi".into()),
        }
        browser.hub.run(browser.now, &mut Vec::new());
        let mut rest = String::new();
        while !rest.ends_with("\r\n\r\n") && !rest.contains("hi") {
            rest = browser.run(Duration::ZERO);
        }
        let end = if leaves { "x\n\n\r\n0\r\n\r\n" } else { "x\n\n\r\na\r\ndata: hi\n\n\r\n" };
        assert!(rest.ends_with(end), "{:?}", &rest[rest.len() - 40..]);
    }
}
