//! `oops`: a handler that notices how its peer goes.

use std::time::Duration;

use diesel_driver::{Cause, Limit, Service};
use diesel_tests::{Peer, Session, at_every_cut};

use crate::Said;
use crate::programs::oops::oops;

fn visit(session: &mut Session, said: &Said) -> Peer {
    let said = said.clone();
    session.visit(Service::new(async move |conn| oops(conn, said.say()).await).read_limit(16))
}

#[test]
fn the_peer_closes() {
    at_every_cut(|session| {
        let said = Said::default();
        let ann = visit(session, &said);
        session.send(ann, "hello\r\nhal");
        session.expect(ann, "you said: hello\r\n");
        assert_eq!(said.take(), [""; 0]);
        session.end(ann);
        assert_eq!(said.take(), ["oops! unnamed is gone after 1 line"]);
        session.expect_close(ann, Cause::PeerClosed);
    });
}

#[test]
fn the_peer_resets() {
    at_every_cut(|session| {
        let said = Said::default();
        let ann = visit(session, &said);
        session.send(ann, "a\r\nb\r\n");
        session.reset(ann);
        assert_eq!(said.take(), ["oops! unnamed is gone after 2 lines"]);
        assert_eq!(session.closed(ann), Some(Cause::Reset));
    });
}

#[test]
fn what_is_not_the_peers_leaving_is_passed_on() {
    at_every_cut(|session| {
        let said = Said::default();
        let ann = visit(session, &said);
        session.send(ann, "more than sixteen bytes in one line\r\n");
        session.expect_close(ann, Cause::Limit(Limit::Line(16)));
        let bob = visit(session, &said);
        session.shut_down(Duration::from_secs(5));
        session.expect_close(bob, Cause::Shutdown);
        assert_eq!(said.take(), [""; 0]);
    });
}
