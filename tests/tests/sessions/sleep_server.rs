//! `sleep_server`: 0, 1, 2, 3, with a pause before each.

use std::time::Duration;

use diesel_driver::{Cause, Service, ServiceId};
use diesel_tests::{Session, at_every_cut};

use crate::programs::sleep_server::delayed_echo;

fn sleepy(session: &mut Session) -> ServiceId {
    let pause = Duration::from_secs(2);
    session.hub.add_service(Service::new(async move |conn| delayed_echo(conn, pause).await))
}

#[test]
fn it_counts_with_pauses_and_answers() {
    at_every_cut(|session| {
        let sleepy = sleepy(session);
        let ann = session.connect(sleepy);
        session.advance_secs(100);
        session.send(ann, "hello\r\nwhat comes after is not read");
        for n in 0..4 {
            session.expect(ann, "");
            session.advance(Duration::from_millis(1999));
            session.expect(ann, "");
            session.advance(Duration::from_millis(1));
            let answer = if n == 3 { "3\r\nyou said hello\r\n".into() } else { format!("{n}\r\n") };
            session.expect(ann, answer);
        }
        session.expect_close(ann, Cause::Done);
    });
}

#[test]
fn one_that_is_thought_over_holds_up_no_other() {
    at_every_cut(|session| {
        let sleepy = sleepy(session);
        let (ann, bob) = (session.connect(sleepy), session.connect(sleepy));
        session.send(ann, "ann\r\n");
        session.advance_secs(1);
        session.send(bob, "bob\r\n");
        session.advance_secs(7);
        session.expect(ann, "0\r\n1\r\n2\r\n3\r\nyou said ann\r\n");
        session.expect(bob, "0\r\n1\r\n2\r\n");
        session.advance_secs(1);
        session.expect(bob, "3\r\nyou said bob\r\n");
    });
}

#[test]
fn a_peer_that_ended_its_side_still_gets_its_answer() {
    at_every_cut(|session| {
        let sleepy = sleepy(session);
        let ann = session.connect(sleepy);
        session.send(ann, "hello\r\n");
        session.end(ann);
        session.advance_secs(8);
        session.expect(ann, "0\r\n1\r\n2\r\n3\r\nyou said hello\r\n");
        session.expect_close(ann, Cause::PeerClosed);
    });
}

#[test]
fn a_peer_that_resets_is_not_counted_for() {
    let mut session = Session::default();
    let sleepy = sleepy(&mut session);
    let ann = session.connect(sleepy);
    session.send(ann, "hello\r\n");
    session.advance_secs(3);
    session.reset(ann);
    assert_eq!(session.closed(ann), Some(Cause::Reset));
    session.advance_secs(1);
    assert_eq!(session.hub.counters().fibers, 0);
}

#[test]
fn a_shutdown_wakes_the_sleeper() {
    let mut session = Session::default();
    let sleepy = sleepy(&mut session);
    let ann = session.connect(sleepy);
    session.send(ann, "hello\r\n");
    session.advance_secs(3);
    session.expect(ann, "0\r\n");
    session.shut_down(Duration::from_secs(5));
    session.expect_close(ann, Cause::Shutdown);
    assert!(session.halted());
}
