use alloc::vec;

use super::super::super::builder::Service;
use super::super::super::request::Request;
use super::super::HttpMachine;
use super::*;
use crate::http1::syntax::Status;
use crate::hub::{self, Action, ConnId, Hub};
use crate::machine::{Address, Error};
use crate::time::Instant;

const NOW: Instant = Instant::ORIGIN;

fn serving(service: Service) -> (Hub, ConnId, Rc<ServiceShared>) {
    let shared = Rc::new(service.into_shared());
    let mut hub = Hub::default();
    let served = Rc::clone(&shared);
    let service = hub.add_service(hub::Service::machine_with(move |ctx| {
        HttpMachine::new(ctx, Rc::clone(&served))
    }));
    let conn = hub.accept(NOW, service, Address::Unnamed).unwrap();
    (hub, conn, shared)
}

/// Delivers bytes, and sends everything that follows.
fn says(hub: &mut Hub, conn: ConnId, text: &str) {
    assert_eq!(hub.received(NOW, conn, text.as_bytes()), text.len());
    let mut actions = vec![Action::Send(conn)];
    while !actions.is_empty() {
        if actions.contains(&Action::Send(conn)) {
            let n = hub.outgoing(conn, |slices| slices.concat().len());
            hub.sent(NOW, conn, n.unwrap_or(0) as u64);
        }
        actions.clear();
        hub.run(NOW, &mut actions);
    }
}

fn plain(_: Request) -> Status {
    Status::NO_CONTENT
}

async fn fiber(mut request: Request) -> Result<Status, Error> {
    request.body().read(10).await?;
    Ok(Status::NO_CONTENT)
}

#[test]
fn what_is_idle_holds_nothing_and_what_it_had_is_used_again() {
    for (service, kept) in [(Service::new(plain), (1, 1, 0)), (Service::new(fiber), (1, 1, 1))] {
        let (mut hub, conn, shared) = serving(service);
        for _ in 0..3 {
            says(&mut hub, conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let spare = shared.spare.borrow();
            let spare = (shared.heads.len(), spare.active.len(), spare.exchanges.len());
            assert_eq!(spare, kept);
        }
        says(&mut hub, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        let spare = shared.spare.borrow();
        assert_eq!((spare.active.len(), spare.exchanges.len()), (0, 0));
    }
}

#[test]
fn no_more_is_kept_than_so_many() {
    let shared = Service::new(plain).into_shared();
    let heads: Vec<_> = (0..KEEP + 1).map(|_| shared.heads.lend()).collect();
    heads.into_iter().for_each(|head| shared.heads.give_back(head));
    let active: Vec<_> = (0..KEEP + 1).map(|_| shared.lend_active()).collect();
    active.into_iter().for_each(|active| shared.give_back_active(active));
    let exchanges: Vec<_> = (0..KEEP + 1).map(|_| shared.lend_exchange()).collect();
    shared.give_back_exchange(Rc::clone(&exchanges[0]));
    exchanges.into_iter().for_each(|exchange| shared.give_back_exchange(exchange));
    let spare = shared.spare.borrow();
    let kept = (shared.heads.len(), spare.active.len(), spare.exchanges.len());
    assert_eq!(kept, (KEEP, KEEP, KEEP));
}

#[test]
fn no_head_or_content_is_kept_that_needed_more_memory_than_usual() {
    for (n, kept) in [(KEEP_BYTES, 1), (KEEP_BYTES + 1, 0)] {
        let shared = Service::new(plain).into_shared();
        let mut head = shared.heads.lend();
        head.content = Vec::with_capacity(n);
        shared.heads.give_back(head);
        assert_eq!(shared.heads.len(), kept, "{n} bytes of content");
        let shared = Service::new(plain).into_shared();
        let mut head = shared.heads.lend();
        head.spans.keep_request(&vec![b'x'; n]);
        shared.heads.give_back(head);
        assert_eq!(shared.heads.len(), kept, "{n} bytes of a head");
    }
}

#[cfg(feature = "testkit")]
#[test]
fn what_is_held_is_counted_wherever_it_is() {
    for service in [Service::new(plain), Service::new(fiber)] {
        let (mut hub, conn, _) = serving(service);
        let held = |hub: &Hub| hub.held_and_scanned(conn).map(|(held, _)| held);
        assert_eq!(held(&hub), Some(0));
        says(&mut hub, conn, "POST / HT");
        assert_eq!(held(&hub), Some(9));
        says(&mut hub, conn, "TP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        says(&mut hub, conn, "hel");
        assert_eq!(held(&hub), Some(3));
        says(&mut hub, conn, "lo");
        assert_eq!(held(&hub), Some(0));
    }
}
