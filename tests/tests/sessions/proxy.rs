//! `proxy`: copies both directions at once, and passes on back-pressure, half-close and resets.

use std::net::SocketAddr;
use std::time::Duration;

use diesel_driver::{Hub, Service};
use diesel_proto::testkit::net::{HostId, LinkOptions, Network, Peer, PeerState};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::proxy::proxy;
use crate::with;

fn target() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7050))
}

fn passing_on() -> Service {
    Service::new(async |conn| proxy(conn, target().into()).await)
}

#[test]
fn what_one_says_the_other_gets() {
    assert_plays(
        r"
        peer connects
        target accepts 127.0.0.1:7050
        peer> hello
        target< hello
        target> who\r\nis it?
        peer< who\r\nis it?
        peer> \0\xff
        target< \0\xff
        ",
        || with(passing_on()),
    );
}

#[test]
fn what_came_before_the_connection_was_made_is_passed_on() {
    assert_plays(
        r"
        peer> hello
        peer ends
        +5s
        target accepts 127.0.0.1:7050
        target< hello
        target> goodbye
        peer< goodbye
        target ends
        peer closed: the peer closed
        target closed: the peer closed
        ",
        || with(passing_on()),
    );
}

#[test]
fn a_side_that_has_ended_still_hears_the_other() {
    for (ending, other) in [("peer", "target"), ("target", "peer")] {
        let script = format!(
            r"
            peer connects
            target accepts 127.0.0.1:7050
            {ending}> question
            {other}< question
            {ending} ends
            {ending} open
            {other}> answer
            {ending}< answer
            {ending} open
            {other}> , and more
            {ending}< , and more
            {other} ends
            {ending} closed: the peer closed
            {other} closed: the peer closed
            "
        );
        assert_plays(&script, || with(passing_on()));
    }
}

#[test]
fn a_side_that_resets_takes_the_other_with_it() {
    for (going, other) in [("peer", "target"), ("target", "peer")] {
        let script = format!(
            r"
            peer connects
            target accepts 127.0.0.1:7050
            {going}> hello
            {other}< hello
            {going} resets
            {going} closed: the peer reset the connection
            {other} closed
            "
        );
        assert_plays(&script, || with(passing_on()));
    }
}

#[test]
fn a_target_that_is_not_there_ends_it() {
    assert_plays(
        r"
        peer> hello
        target refuses 127.0.0.1:7050
        peer closed: the handler failed
        ",
        || with(passing_on()),
    );
}

#[test]
fn a_shutdown_ends_both_sides() {
    assert_plays(
        r"
        peer connects
        target accepts 127.0.0.1:7050
        peer> hello
        target< hello
        shut down within 5s
        peer closed
        target closed
        halted
        ",
        || with(passing_on()),
    );
}

/// A peer and the target that it is forwarded to, over links like this.
fn pair(link: LinkOptions) -> (Network, HostId, Peer, Peer) {
    let mut hub = Hub::default();
    let service = hub.add_service(passing_on());
    let mut network = Network::new(1);
    network.link(link);
    network.listen(target()).unwrap();
    let host = network.lone_host(hub);
    let peer = network.connect_to(host, service);
    network.run_for(Duration::ZERO).unwrap();
    let target = network.accept(target()).unwrap();
    network.run_for(Duration::ZERO).unwrap();
    (network, host, peer, target)
}

#[test]
fn nothing_is_left_when_both_are_gone() {
    for is_reset in [false, true] {
        let (mut network, host, peer, target) = pair(LinkOptions::default());
        match is_reset {
            true => network.reset(peer),
            false => network.end(peer),
        }
        network.end(target);
        network.run_for(Duration::ZERO).unwrap();
        let counters = network.hub(host).unwrap().counters();
        assert_eq!((counters.open, counters.fibers), (0, 0));
    }
}

/// A half-close of one side is passed on to the other, which may answer for any time; but when one
/// direction fails, both connections close.
#[test]
fn nothing_is_left_of_a_hundred_peers_that_reset_while_the_other_side_is_silent() {
    for target_resets in [false, true] {
        let mut hub = Hub::default();
        let service = hub.add_service(passing_on());
        let mut network = Network::new(1);
        network.listen(target()).unwrap();
        let host = network.lone_host(hub);
        let peers: Vec<_> = (0..100).map(|_| network.connect_to(host, service)).collect();
        network.run_for(Duration::ZERO).unwrap();
        let targets: Vec<_> = std::iter::from_fn(|| network.accept(target())).collect();
        peers.iter().for_each(|&peer| network.send(peer, "hello"));
        network.run_for(Duration::ZERO).unwrap();
        assert_eq!(network.hub(host).unwrap().counters().open, 200);
        let (going, staying) = if target_resets { (targets, peers) } else { (peers, targets) };
        going.iter().for_each(|&peer| network.reset(peer));
        // The other ends neither send nor close: our side lingers, and closes.
        network.run_for(Duration::from_secs(3)).unwrap();
        let counters = network.hub(host).unwrap().counters();
        assert_eq!((counters.open, counters.fibers), (0, 0));
        for peer in staying {
            assert_eq!(network.peer_state(peer), PeerState::Reset);
        }
    }
}

#[test]
fn a_side_that_does_not_read_holds_the_other_up_and_nothing_is_lost() {
    const MIB: usize = 1 << 20;
    const ON_THE_WAY: usize = 10_000;
    let bytes: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8).collect();
    let (mut network, _, peer, target) =
        pair(LinkOptions { capacity: ON_THE_WAY, reads: 1..=1000, ..LinkOptions::default() });
    network.stop_reading(target);
    network.send(peer, &bytes);
    network.run_for(Duration::ZERO).unwrap();
    // The bytes that were read are: on their way to the target; queued (64 KiB, and the piece that
    // exceeded it); read ahead (the same); and the piece that is being written.
    let read = network.traffic().bytes as usize - ON_THE_WAY;
    assert!((64 << 10..200 << 10).contains(&read), "{read} bytes were read");
    // Back-pressure affects one direction only.
    network.send(target, "the other way");
    network.run_for(Duration::from_secs(10)).unwrap();
    assert_eq!(network.got(peer), b"the other way");
    network.read_again(target);
    network.run_for(Duration::ZERO).unwrap();
    assert!(network.got(target) == bytes);
}
