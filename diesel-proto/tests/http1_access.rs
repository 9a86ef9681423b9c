//! The duration of a request in an access notice includes a handler's computing time, although the
//! clock of a step stands still meanwhile. In these tests, computing advances the virtual clock.
#![cfg(feature = "testkit")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::*;
use diesel_proto::testkit::HubMachine;
use diesel_proto::{Action, Address, Endpoint, Hub, Instant, Notice};

const COMPUTED: Duration = Duration::from_millis(300);
const SLEPT: Duration = Duration::from_secs(1);

/// A clock that an embedder reads when it likes.
#[derive(Clone)]
struct Clock(Rc<Cell<Instant>>);

impl Clock {
    fn start() -> Self {
        Clock(Rc::new(Cell::new(Instant::ORIGIN + Duration::from_secs(100))))
    }

    fn now(&self) -> Instant {
        self.0.get()
    }

    fn passes(&self, time: Duration) {
        self.0.set(self.now() + time);
    }

    /// What a handler does that computes.
    fn compute(&self) {
        self.passes(COMPUTED);
    }
}

/// Plain and `async`, whole and streamed, computing before, between and after what they wait for;
/// and how long each takes at least: while one computes, what it waits for next may come nearer.
fn services(clock: &Clock) -> Vec<(&'static str, Service, Duration)> {
    let handle = || clock.clone();
    let (a, b, c, d, e) = (handle(), handle(), handle(), handle(), handle());
    let plain = Service::new(move |_: Request| {
        a.compute();
        "whole"
    });
    let plain_stream = Service::new(move |_: Request| {
        b.compute();
        let clock = b.clone();
        Response::stream(async move |out| {
            clock.compute();
            out.write("streamed").await
        })
    });
    let fiber = Service::new(async move |_: Request| {
        c.compute();
        "whole"
    });
    let later = Service::new(async move |request: Request| {
        d.compute();
        request.ctx().sleep(SLEPT).await?;
        d.compute();
        Ok::<_, diesel_proto::Error>("whole")
    });
    let fiber_stream = Service::new(async move |request: Request| {
        e.compute();
        let (clock, ctx) = (e.clone(), request.ctx());
        Response::stream(async move |out| {
            out.write("stre").await?;
            clock.compute();
            ctx.sleep(SLEPT).await?;
            clock.compute();
            out.write("amed").await
        })
    });
    vec![
        ("plain, whole", plain, COMPUTED),
        ("plain, streamed", plain_stream, 2 * COMPUTED),
        ("async, whole", fiber, COMPUTED),
        ("async, later", later, COMPUTED + SLEPT),
        ("async, streamed", fiber_stream, COMPUTED + SLEPT),
    ]
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The embedder reads the clock when it waited, and once after each run.
#[test]
fn what_a_handler_computes_is_in_the_time_that_its_request_took() {
    let clock = Clock::start();
    for (name, service, at_least) in services(&clock) {
        let began = clock.now();
        let mut hub = Hub::default();
        let service = hub.add_service(service.access_notices(true));
        let conn = hub.accept(clock.now(), service, Address::Unnamed).unwrap();
        assert_eq!(hub.received(clock.now(), conn, GET), GET.len());
        let (mut actions, mut took) = (Vec::new(), Vec::new());
        while took.is_empty() {
            hub.run(clock.now(), &mut actions);
            let now = clock.now();
            for action in actions.drain(..) {
                match action {
                    Action::Notice(_, Notice::Access(access)) => took.push(access.took(now)),
                    Action::Send(conn) => {
                        let n = hub.outgoing(conn, |slices| slices.concat().len());
                        hub.sent(now, conn, n.unwrap_or(0) as u64);
                    }
                    _ => {}
                }
            }
            if let Some(wake) = hub.next_wake().filter(|_| took.is_empty()) {
                clock.passes(wake - clock.now());
            }
        }
        let [took] = took[..] else { panic!("{name}: {took:?}") };
        assert_eq!(took, clock.now() - began, "{name}");
        assert!(took >= at_least, "{name}: {took:?}");
    }
}

#[test]
fn an_endpoint_reports_the_same_access() {
    let clock = Clock::start();
    for (name, service, at_least) in services(&clock) {
        let began = clock.now();
        let mut hub = Hub::default();
        let service = hub.add_service(service.access_notices(true));
        let mut endpoint = Endpoint::new(HubMachine::new(hub, service), clock.now());
        assert_eq!(endpoint.received(clock.now(), GET), GET.len());
        loop {
            let now = clock.now();
            let notice = endpoint.drain_notices().next();
            if let Some(Notice::Access(access)) = notice {
                assert_eq!(access.took(now), now - began, "{name}");
                assert!(now - began >= at_least, "{name}: {:?}", now - began);
                break;
            }
            endpoint.take_outgoing(now);
            if let Some(deadline) = endpoint.next_deadline() {
                clock.passes(deadline.at - clock.now());
                endpoint.expired(clock.now());
            }
        }
    }
}

/// Requests that come together are answered one after the other: the last waits for all.
#[test]
fn what_came_before_is_in_the_time_that_a_request_took() {
    let clock = Clock::start();
    let (name, service, _) = services(&clock).swap_remove(0);
    let mut hub = Hub::default();
    let service = hub.add_service(service.access_notices(true));
    let conn = hub.accept(clock.now(), service, Address::Unnamed).unwrap();
    assert_eq!(hub.received(clock.now(), conn, &GET.repeat(3)), 3 * GET.len());
    let mut actions = Vec::new();
    hub.run(clock.now(), &mut actions);
    let now = clock.now();
    let accesses = actions.iter().filter_map(|action| match action {
        Action::Notice(_, Notice::Access(access)) => Some(access.took(now)),
        _ => None,
    });
    assert_eq!(accesses.collect::<Vec<_>>(), [3 * COMPUTED; 3], "{name}");
}
