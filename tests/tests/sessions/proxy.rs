//! `proxy`: both ways at once, with back-pressure, half-close and resets passed through.

use std::net::SocketAddr;
use std::time::Duration;

use diesel_driver::{Address, Cause, Service};
use diesel_tests::{Peer, Session, at_every_cut};

use crate::programs::proxy::proxy;

fn target() -> Address {
    SocketAddr::from(([127, 0, 0, 1], 7050)).into()
}

/// A peer, and the target that it is passed on to.
fn pair(session: &mut Session) -> (Peer, Peer) {
    let peer = session.visit(Service::new(async |conn| proxy(conn, target()).await));
    (peer, session.accept(target()))
}

#[test]
fn what_one_says_the_other_gets() {
    at_every_cut(|session| {
        let (peer, target) = pair(session);
        session.send(peer, "hello");
        session.expect(target, "hello");
        session.send(target, "who\r\nis it?");
        session.expect(peer, "who\r\nis it?");
        session.send(peer, b"\0\xff");
        session.expect(target, b"\0\xff");
        session.expect(peer, "");
    });
}

#[test]
fn what_came_before_the_connection_was_made_is_passed_on() {
    at_every_cut(|session| {
        let peer = session.visit(Service::new(async |conn| proxy(conn, target()).await));
        session.send(peer, "hello");
        session.end(peer);
        session.advance_secs(5);
        let target = session.accept(target());
        session.expect(target, "hello");
        session.expect_end(target);
        session.send(target, "goodbye");
        session.end(target);
        session.expect(peer, "goodbye");
        session.expect_close(peer, Cause::PeerClosed);
    });
}

#[test]
fn a_side_that_has_ended_still_hears_the_other() {
    for first_to_end in ["peer", "target"] {
        at_every_cut(|session| {
            let (peer, target) = pair(session);
            let (ending, other) =
                if first_to_end == "peer" { (peer, target) } else { (target, peer) };
            session.send(ending, "question");
            session.end(ending);
            session.expect(other, "question");
            session.expect_end(other);
            session.send(other, "answer");
            session.expect(ending, "answer");
            session.expect_open(ending);
            session.send(other, ", and more");
            session.end(other);
            session.expect(ending, ", and more");
            session.expect_close(ending, Cause::PeerClosed);
            assert_eq!(session.closed(other), Some(Cause::PeerClosed));
            assert_eq!(session.hub.counters().fibers, 0);
        });
    }
}

#[test]
fn a_side_that_resets_takes_the_other_with_it() {
    for first_to_go in ["peer", "target"] {
        at_every_cut(|session| {
            let (peer, target) = pair(session);
            let (going, other) =
                if first_to_go == "peer" { (peer, target) } else { (target, peer) };
            session.send(going, "hello");
            session.expect(other, "hello");
            session.reset(going);
            assert_eq!(session.closed(going), Some(Cause::Reset));
            session.expect_end(other);
            session.end(other);
            assert!(session.closed(other).is_some());
            assert_eq!(session.hub.counters().fibers, 0);
        });
    }
}

#[test]
fn a_target_that_is_not_there_ends_it() {
    let mut session = Session::default();
    let peer = session.visit(Service::new(async |conn| proxy(conn, target()).await));
    session.send(peer, "hello");
    session.refuse(target());
    session.expect_close(peer, Cause::Failed);
}

#[test]
fn a_side_that_does_not_read_holds_the_other_up_and_nothing_is_lost() {
    const MIB: usize = 1 << 20;
    let bytes: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8).collect();
    let mut session = Session::default();
    let (peer, target) = pair(&mut session);
    session.turn_deaf(target);
    for piece in bytes.chunks(1000) {
        session.send(peer, piece);
    }
    // Read: no more than what waits to be written (64 KiB and the piece that passed it by), what
    // is read ahead (the same), and the piece that is being written.
    let read = MIB - session.unread(peer);
    assert!((64 << 10..200 << 10).contains(&read), "{read} bytes were read");
    // Back-pressure is one way only.
    session.send(target, "the other way");
    session.expect(peer, "the other way");
    session.advance_secs(10);
    session.narrow(10_000);
    session.listen_again(target);
    assert_eq!(session.unread(peer), 0);
    assert!(session.take_got(target) == bytes);
}

#[test]
fn a_shutdown_ends_both_sides() {
    let mut session = Session::default();
    let (peer, target) = pair(&mut session);
    session.send(peer, "hello");
    session.shut_down(Duration::from_secs(5));
    session.expect(target, "hello");
    session.expect_end(peer);
    session.expect_end(target);
    session.end(peer);
    session.end(target);
    assert!(session.halted());
}
