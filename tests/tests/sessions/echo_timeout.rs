//! `echo_timeout`: a line, or three seconds.

use std::time::Duration;

use diesel_driver::Cause;
use diesel_tests::at_every_cut;

use crate::programs::echo_timeout::patient_echo;

#[test]
fn it_says_so_when_no_line_comes_and_goes_on() {
    at_every_cut(|session| {
        let ann = session.visit(patient_echo);
        session.send(ann, "hello\r\n");
        session.expect(ann, "you said: hello\r\n");
        session.advance(Duration::from_millis(2999));
        session.expect(ann, "");
        session.advance(Duration::from_millis(1));
        session.expect(ann, "timeout!\r\n");
        session.advance_secs(6);
        session.expect(ann, "timeout!\r\ntimeout!\r\n");
        session.send(ann, "still here\r\n");
        session.expect(ann, "you said: still here\r\n");
        session.end(ann);
        session.expect_close(ann, Cause::PeerClosed);
    });
}

#[test]
fn half_a_line_is_not_lost_when_the_time_is_up() {
    at_every_cut(|session| {
        let ann = session.visit(patient_echo);
        session.send(ann, "hel");
        session.advance_secs(3);
        session.expect(ann, "timeout!\r\n");
        session.send(ann, "lo\r\n");
        session.expect(ann, "you said: hello\r\n");
    });
}

#[test]
fn each_line_is_given_three_seconds_anew() {
    at_every_cut(|session| {
        let ann = session.visit(patient_echo);
        for _ in 0..4 {
            session.advance_secs(2);
            session.send(ann, "a\n");
            session.expect(ann, "you said: a\n");
        }
        assert_eq!(session.hub.counters().timers_fired, 0);
    });
}
