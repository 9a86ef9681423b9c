//! `chat`: the lines of a user reach all others.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use diesel_driver::{Cause, Hub, Reason, Service};
use diesel_proto::testkit::net::{Happened, LinkOptions, Network, PeerState};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::chat::chat;

fn room() -> Hub {
    let mut hub = Hub::default();
    let room = hub.event();
    hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
    hub
}

#[test]
fn friends_chat() {
    assert_plays(
        r"
        cat connects
        ann> ann\r\n
        bob> bob\r\n
        ann> hi all\r\n
        bob< <ann> hi all\r\n
        # Who has not told a nick is not in the room yet.
        cat>  cat \r\n
        bob> hi ann\r\nhi cat\r\n
        ann< <bob> hi ann\r\n<bob> hi cat\r\n
        cat< <bob> hi ann\r\n<bob> hi cat\r\n
        cat> \r\n
        ann< <cat> \r\n
        bob< <cat> \r\n
        ",
        room,
    );
}

#[test]
fn all_of_it_may_arrive_with_the_nick() {
    assert_plays(
        r"
        ann> ann\r\n
        bob> bob\r\none\r\ntwo\r\nthr
        ann< <bob> one\r\n<bob> two\r\n
        bob> ee\r\n
        ann< <bob> three\r\n
        ",
        room,
    );
}

#[test]
fn a_friend_that_leaves_disturbs_no_other() {
    assert_plays(
        r"
        ann> ann\n
        bob> bob\n
        cat> cat\n
        bob> bye\n
        ann< <bob> bye\r\n
        cat< <bob> bye\r\n
        bob ends
        bob closed: the peer closed
        cat resets
        cat closed: the peer reset the connection
        ann> anybody?\n
        ann open
        # Happened was said before he came he does not hear.
        dan> dan\nme\n
        ann< <dan> me\r\n
        ",
        room,
    );
}

#[test]
fn a_friend_that_does_not_read_is_cut_and_delays_no_other() {
    let mut hub = Hub::default();
    let room = hub.event();
    let chat = hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
    let mut network = Network::new(1);
    network.link(LinkOptions { capacity: 10_000, ..LinkOptions::default() });
    let closed = Rc::new(RefCell::new(Vec::new()));
    let causes = Rc::clone(&closed);
    network.watch(move |happening| {
        if let Happened::Closed(cause) | Happened::Aborted(cause) = happening.what {
            causes.borrow_mut().push((happening.conn, cause));
        }
    });
    let host = network.lone_host(hub);
    let [ann, bob, cat] = ["ann\n", "bob\n", "cat\n"].map(|nick| {
        let friend = network.connect_to(host, chat);
        network.send(friend, nick);
        friend
    });
    network.stop_reading(cat);
    network.run_for(Duration::ZERO).unwrap();
    let line = format!("{}\n", "x".repeat(1000));
    let said = format!("<ann> {}\r\n", "x".repeat(1000));
    for _ in 0..65 {
        // More than the queue of cat's connection and her subscription can hold.
        for _ in 0..20 {
            network.send(ann, &line);
            network.run_for(Duration::ZERO).unwrap();
            assert_eq!(network.take_got(bob, usize::MAX), said.as_bytes());
        }
        network.run_for(Duration::from_secs(1)).unwrap();
    }
    let cat = network.far_end(cat).map(|(_, conn)| conn);
    assert_eq!(*closed.borrow(), [(cat, Cause::TimedOut(Reason::WriteStall))]);
}

/// A subscriber gets its turn before the capacity of the room is exceeded.
#[test]
fn five_thousand_lines_at_once_reach_every_friend() {
    for friends in [2, 10, 100] {
        let mut network = Network::new(1);
        let mut hub = Hub::default();
        let room = hub.event();
        let chat = hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
        let host = network.lone_host(hub);
        let friends: Vec<_> = (0..friends)
            .map(|n| {
                let friend = network.connect_to(host, chat);
                network.send(friend, format!("friend {n}\n"));
                friend
            })
            .collect();
        network.run_for(Duration::ZERO).unwrap();
        let loud = friends[friends.len() / 2];
        network.send(loud, "x\r\n".repeat(5000));
        network.run_for(Duration::ZERO).unwrap();
        let said = format!("<friend {}> x\r\n", friends.len() / 2).repeat(5000);
        for &friend in friends.iter().filter(|&&friend| friend != loud) {
            assert!(network.got(friend) == said.as_bytes());
            assert_eq!(network.peer_state(friend), PeerState::Open);
        }
    }
}

#[test]
fn a_friend_that_reads_too_late_gets_the_count_of_missed_lines() {
    let mut hub = Hub::default();
    let room = hub.event();
    let chat = hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
    let mut network = Network::new(1);
    network.link(LinkOptions { capacity: 10_000, ..LinkOptions::default() });
    let host = network.lone_host(hub);
    let [ann, bob, cat] = ["ann\n", "bob\n", "cat\n"].map(|nick| {
        let friend = network.connect_to(host, chat);
        network.send(friend, nick);
        friend
    });
    network.stop_reading(cat);
    network.run_for(Duration::ZERO).unwrap();
    for n in 0..1300 {
        network.send(ann, format!("{n} {}\n", "x".repeat(1000)));
        network.run_for(Duration::ZERO).unwrap();
    }
    network.read_again(cat);
    network.run_for(Duration::ZERO).unwrap();
    network.send(bob, "did you get that?\n");
    network.run_for(Duration::ZERO).unwrap();

    let got = String::from_utf8(network.take_got(cat, usize::MAX)).unwrap();
    let (before, after) = got.split_once('(').expect("lines are missing");
    let (missing, after) = after.split_once(" lines are missing)\r\n").unwrap();
    let missing: usize = missing.parse().unwrap();
    let (before, after) = (before.lines().count(), after.lines().count());
    assert!(before > 60, "{before}");
    assert_eq!(before + missing + after, 1301);
    assert_eq!(after, 1024 + 1, "as many as the room remembers, and what was said later");
    assert_eq!(network.peer_state(cat), PeerState::Open);
}

#[test]
fn a_shutdown_wakes_the_listeners() {
    assert_plays(
        r"
        ann> ann\r\nhel
        bob connects
        shut down within 5s
        ann closed: shut down
        bob closed: shut down
        halted
        ",
        room,
    );
}
