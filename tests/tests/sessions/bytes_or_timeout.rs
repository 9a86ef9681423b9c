//! `bytes_or_timeout`: two bytes, or three seconds.

use diesel_driver::Cause;
use diesel_tests::{Session, at_every_cut};

use crate::programs::bytes_or_timeout::bytes_or_timeout;

#[test]
fn two_bytes_come() {
    at_every_cut(|session| {
        let ann = session.visit(bytes_or_timeout);
        session.advance_secs(2);
        session.send(ann, "hi");
        session.expect(ann, "got two bytes!\r\n");
        session.expect_close(ann, Cause::Done);
    });
}

#[test]
fn more_come_and_nobody_wants_them() {
    at_every_cut(|session| {
        let ann = session.visit(bytes_or_timeout);
        session.send(ann, "hello\r\n");
        session.expect(ann, "got two bytes!\r\n");
        session.expect_close(ann, Cause::Done);
    });
}

#[test]
fn one_byte_is_not_enough() {
    let mut session = Session::default();
    let ann = session.visit(bytes_or_timeout);
    session.send(ann, "h");
    session.advance_secs(3);
    session.expect(ann, "timeout\r\n");
    session.expect_close(ann, Cause::Done);
}

#[test]
fn the_peer_ends_before_either() {
    let mut session = Session::default();
    let ann = session.visit(bytes_or_timeout);
    session.send(ann, "h");
    session.end(ann);
    session.expect_close(ann, Cause::PeerClosed);
    session.advance_secs(3);
    session.expect(ann, "");
}
