//! `chat`: what a friend says reaches all the others.

use std::time::Duration;

use diesel_driver::{Cause, Service, ServiceId};
use diesel_tests::{Session, at_every_cut};

use crate::programs::chat::chat;

fn room(session: &mut Session) -> ServiceId {
    let room = session.hub.event();
    session.hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await))
}

#[test]
fn friends_chat() {
    at_every_cut(|session| {
        let room = room(session);
        let (ann, bob, cat) = (session.connect(room), session.connect(room), session.connect(room));
        session.send(ann, "ann\r\n");
        session.send(bob, "bob\r\n");
        session.send(ann, "hi all\r\n");
        session.expect(ann, "");
        session.expect(bob, "<ann> hi all\r\n");
        // Who has not told a nick is not in the room yet.
        session.expect(cat, "");
        session.send(cat, " cat \r\n");
        session.send(bob, "hi ann\r\nhi cat\r\n");
        session.expect(ann, "<bob> hi ann\r\n<bob> hi cat\r\n");
        session.expect(bob, "");
        session.expect(cat, "<bob> hi ann\r\n<bob> hi cat\r\n");
        session.send(cat, "\r\n");
        session.expect(ann, "<cat> \r\n");
        session.expect(bob, "<cat> \r\n");
        session.expect(cat, "");
    });
}

#[test]
fn all_of_it_may_arrive_with_the_nick() {
    at_every_cut(|session| {
        let room = room(session);
        let ann = session.connect(room);
        session.send(ann, "ann\r\n");
        let bob = session.connect(room);
        session.send(bob, "bob\r\none\r\ntwo\r\nthr");
        session.expect(ann, "<bob> one\r\n<bob> two\r\n");
        session.send(bob, "ee\r\n");
        session.expect(ann, "<bob> three\r\n");
        session.expect(bob, "");
    });
}

#[test]
fn who_leaves_is_missed_by_nobody() {
    at_every_cut(|session| {
        let room = room(session);
        let (ann, bob, cat) = (session.connect(room), session.connect(room), session.connect(room));
        for (friend, nick) in [(ann, "ann\n"), (bob, "bob\n"), (cat, "cat\n")] {
            session.send(friend, nick);
        }
        session.send(bob, "bye\n");
        session.end(bob);
        session.expect_close(bob, Cause::PeerClosed);
        session.reset(cat);
        assert_eq!(session.closed(cat), Some(Cause::Reset));
        session.expect(ann, "<bob> bye\r\n");
        session.send(ann, "anybody?\n");
        session.expect(ann, "");
        session.expect_open(ann);
        let dan = session.connect(room);
        session.send(dan, "dan\nme\n");
        session.expect(ann, "<dan> me\r\n");
        // What was said before he came he does not hear.
        session.expect(dan, "");
    });
}

#[test]
fn a_friend_who_does_not_read_is_cut_at_last_and_holds_up_nobody() {
    let mut session = Session::default();
    let room = room(&mut session);
    let (ann, bob, cat) = (session.connect(room), session.connect(room), session.connect(room));
    for (friend, nick) in [(ann, "ann\n"), (bob, "bob\n"), (cat, "cat\n")] {
        session.send(friend, nick);
    }
    session.turn_deaf(cat);
    let line = format!("{}\n", "x".repeat(1000));
    let said = format!("<ann> {}\r\n", "x".repeat(1000));
    for _ in 0..60 {
        // More than the queue of cat's connection takes, and then her place in the event.
        for _ in 0..20 {
            session.send(ann, &line);
            session.expect(bob, &said);
        }
        session.advance_secs(1);
    }
    assert_eq!(session.closed(cat), Some(Cause::TimedOut(diesel_driver::Reason::WriteStall)));
    session.expect_open(ann);
    session.expect_open(bob);
}

#[test]
fn a_shutdown_wakes_who_listens() {
    at_every_cut(|session| {
        let room = room(session);
        let (ann, bob) = (session.connect(room), session.connect(room));
        session.send(ann, "ann\r\nhel");
        session.shut_down(Duration::from_secs(5));
        session.expect_close(ann, Cause::Shutdown);
        session.expect_close(bob, Cause::Shutdown);
        assert!(session.halted());
    });
}
