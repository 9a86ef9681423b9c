//! `echo`: lines come back; `quit` ends it.

use std::time::Duration;

use diesel_driver::{Cause, Limit, Service};
use diesel_tests::{Session, at_every_cut};

use crate::programs::echo::echo;

#[test]
fn lines_come_back_one_by_one() {
    at_every_cut(|session| {
        let ann = session.visit(echo);
        session.send(ann, "hello\r\n");
        session.expect(ann, "you said: hello\r\n");
        session.send(ann, "\r\n");
        session.expect(ann, "you said: \r\n");
        session.send(ann, "bare\n");
        session.expect(ann, "you said: bare\n");
        session.send(ann, b"\xff\0\r\n");
        session.expect(ann, b"you said: \xff\0\r\n");
        session.send(ann, "quit\r\n");
        session.expect_close(ann, Cause::Done);
    });
}

#[test]
fn lines_come_back_however_many_arrive_at_once() {
    at_every_cut(|session| {
        let ann = session.visit(echo);
        session.send(ann, "one\r\ntwo\nthree \r\n quit\r\nquit\r\nnobody reads this\r\n");
        session
            .expect(ann, "you said: one\r\nyou said: two\nyou said: three \r\nyou said:  quit\r\n");
        session.expect_close(ann, Cause::Done);
    });
}

#[test]
fn a_peer_that_ended_its_side_still_gets_its_answers() {
    at_every_cut(|session| {
        let ann = session.visit(echo);
        session.send(ann, "one\r\ntwo\r\nhalf a li");
        session.end(ann);
        session.expect(ann, "you said: one\r\nyou said: two\r\n");
        session.expect_close(ann, Cause::PeerClosed);
    });
}

#[test]
fn a_peer_that_resets_disturbs_nobody() {
    at_every_cut(|session| {
        let echo = session.hub.add_service(echo);
        let (ann, bob) = (session.connect(echo), session.connect(echo));
        session.send(ann, "hel");
        session.send(bob, "hel");
        session.reset(ann);
        assert_eq!(session.closed(ann), Some(Cause::Reset));
        session.send(bob, "lo\r\n");
        session.expect(bob, "you said: hello\r\n");
        session.expect_open(bob);
    });
}

#[test]
fn a_line_beyond_the_limit_ends_it_whatever_its_cut() {
    at_every_cut(|session| {
        let ann = session.visit(Service::new(echo).read_limit(8));
        session.send(ann, "123456\r\n");
        session.expect(ann, "you said: 123456\r\n");
        session.send(ann, "1234567\r\n");
        session.expect_close(ann, Cause::Limit(Limit::Line(8)));
    });
}

#[test]
fn who_never_closes_is_waited_for_two_seconds_and_no_longer() {
    let mut session = Session::default();
    let ann = session.visit(echo);
    session.send(ann, "quit\r\n");
    session.expect_end(ann);
    session.advance(Duration::from_millis(1999));
    assert_eq!(session.closed(ann), None);
    session.advance(Duration::from_millis(1));
    assert_eq!(session.closed(ann), Some(Cause::Done));
}

#[test]
fn a_shutdown_ends_it_and_what_was_answered_arrives() {
    at_every_cut(|session| {
        let ann = session.visit(echo);
        session.turn_deaf(ann);
        session.send(ann, "hello\r\nhalf");
        session.shut_down(Duration::from_secs(5));
        assert!(!session.halted());
        session.listen_again(ann);
        session.expect(ann, "you said: hello\r\n");
        session.expect_close(ann, Cause::Shutdown);
        assert!(session.halted());
    });
}
