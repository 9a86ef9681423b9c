use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::SocketAddr;
use core::time::Duration;

use super::*;
use crate::fiber::{Conn, Ctx};
use crate::hub::{Config, Service};
use crate::machine::{Cause, Error};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

/// A network in which one host echoes lines, with this link.
fn echoing(seed: u64, options: LinkOptions) -> (Network, HostId) {
    let mut hub = Hub::default();
    let service = hub.add_service(echo);
    let mut network = Network::new(seed);
    network.link(options);
    let host = network.host(hub, &[(service, address(7))]).unwrap();
    (network, host)
}

/// All that happens, as lines.
fn watched(network: &mut Network) -> Rc<RefCell<Vec<String>>> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let written = Rc::clone(&lines);
    network.watch(move |happening| written.borrow_mut().push(happening.to_string()));
    lines
}

#[test]
fn a_perfect_link_takes_no_time() {
    let (mut network, _) = echoing(1, LinkOptions::default());
    let lines = watched(&mut network);
    let peer = network.connect(address(7));
    network.send(peer, "hello\r\n");
    network.run_for(ms(0)).unwrap();
    assert_eq!(network.got(peer), b"hello\r\n");
    network.end(peer);
    network.run_until_idle().unwrap();
    assert_eq!(network.peer_state(peer), PeerState::Ended);
    assert_eq!(network.now(), Instant::ORIGIN);
    let expected = [
        "0ns 0/0 accepted 172.16.0.1:49152",
        "0ns 0/0 < \"hello\\r\\n\"",
        "0ns 0/0 > \"hello\\r\\n\"",
        "0ns 0/0 peer ended",
        "0ns 0/0 closed: the peer closed",
    ];
    assert_eq!(*lines.borrow(), expected);
    assert!(network.wires.len() <= 1);
}

#[test]
fn latency_and_bandwidth_take_their_time() {
    let options =
        LinkOptions { latency: ms(10)..=ms(10), bandwidth: Some(1000), ..LinkOptions::default() };
    let (mut network, _) = echoing(1, options);
    let lines = watched(&mut network);
    let peer = network.connect(address(7));
    network.send(peer, "x".repeat(100));
    network.send(peer, "\n");
    network.run_until_idle().unwrap();
    // There 10 ms, back 10 ms; 101 ms for the bytes, there 10 ms; the same again, back.
    let at = |n: usize| lines.borrow()[n].split(' ').next().unwrap().to_string();
    assert_eq!([at(0), at(1), at(2)], ["10ms", "131ms", "131ms"]);
    assert_eq!(network.now(), Instant::ORIGIN + ms(131 + 101 + 10));
    assert_eq!(network.got(peer).len(), 101);
}

#[test]
fn what_is_cut_and_shortened_comes_whole() {
    for seed in 0..20 {
        let options = LinkOptions {
            latency: ms(0)..=ms(30),
            reads: 1..=5,
            writes: 1..=7,
            capacity: 9,
            stalls: Stalls { percent: 10, length: ms(1)..=ms(100) },
            ..LinkOptions::default()
        };
        let (mut network, _) = echoing(seed, options);
        let peers: Vec<_> = (0..5).map(|_| network.connect(address(7))).collect();
        let text: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
        for peer in &peers {
            network.send(*peer, &text);
        }
        network.run_until_idle().unwrap();
        for peer in &peers {
            assert!(network.got(*peer) == text.as_bytes(), "seed {seed}");
        }
        assert!(network.traffic().stalls > 0);
        assert!(network.traffic().reads * 5 >= text.len() as u64);
    }
}

#[test]
fn small_writes_coalesce() {
    let run = |coalesce| {
        let (mut network, _) = echoing(1, LinkOptions { coalesce, ..LinkOptions::default() });
        let peer = network.connect(address(7));
        for _ in 0..50 {
            network.send(peer, "x\n");
            network.run_for(ms(1)).unwrap();
        }
        network.run_for(ms(100)).unwrap();
        assert_eq!(network.got(peer).len(), 100);
        network.traffic().reads
    };
    assert_eq!(run(ms(0)), 50);
    assert!(run(ms(10)) <= 10);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let options = LinkOptions {
            latency: ms(1)..=ms(50),
            reads: 1..=9,
            resets: LinkFault::likely(50, 0..=200),
            ..LinkOptions::default()
        };
        let (mut network, _) = echoing(seed, options);
        for n in 0..20 {
            let peer = network.connect(address(7));
            network.send(peer, format!("this is peer {n}\r\n").repeat(5));
        }
        network.run_until_idle().unwrap();
        (network.hash(), network.traffic())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
    assert!((3..18).contains(&run(7).1.resets), "{:?}", run(7).1);
}

#[test]
fn a_link_breaks_at_the_configured_byte() {
    for byte in 0..10 {
        let there = LinkOptions { resets: LinkFault::at(byte), ..LinkOptions::default() };
        let (mut network, _) = echoing(1, LinkOptions::default());
        network.link(Link { there, back: LinkOptions::default() });
        let lines = watched(&mut network);
        let peer = network.connect(address(7));
        network.send(peer, "abc\ndefgh\n");
        network.run_until_idle().unwrap();
        assert_eq!(network.peer_state(peer), PeerState::Reset);
        let lines = lines.borrow();
        let received: u64 = lines.iter().filter(|line| line.contains(" < ")).count() as u64;
        assert_eq!(received, u64::from(byte > 0), "{lines:?}");
        let cut = &"abc\ndefgh\n"[..byte as usize];
        assert!(byte == 0 || lines[1].contains(&format!("{cut:?}")), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with(" reset")), "{lines:?}");
        assert_eq!(network.wires.len(), 0);
    }
}

#[test]
fn a_link_ends_one_way_and_the_other_goes_on() {
    let there = LinkOptions { half_closes: LinkFault::at(4), ..LinkOptions::default() };
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        let all = conn.to_end(100).await?;
        conn.write(format!("{} bytes", all.len())).await
    });
    let mut network = Network::new(1);
    let host = network.host(hub, &[]).unwrap();
    network.link(Link { there, back: LinkOptions::default() });
    let peer = network.connect_to(host, service);
    network.send(peer, "abcdefgh");
    network.run_until_idle().unwrap();
    assert_eq!(network.got(peer), b"4 bytes");
    assert_eq!(network.traffic().half_closes, 1);
    assert_eq!(network.peer_state(peer), PeerState::Ended);
}

#[test]
fn a_peer_that_does_not_read_stalls_the_writer() {
    let (mut network, host) = echoing(1, LinkOptions { capacity: 1000, ..LinkOptions::default() });
    let peer = network.connect(address(7));
    network.run_for(ms(0)).unwrap();
    network.stop_reading(peer);
    network.send(peer, "0123456789abcd\r\n".repeat(20_000));
    network.run_for(ms(1000)).unwrap();
    let received = network.hub(host).unwrap().counters().bytes_in;
    assert!(received < 200_000, "{received}");
    network.read_again(peer);
    network.run_for(ms(1000)).unwrap();
    assert_eq!(network.got(peer).len(), 320_000);
    // And at last it is cut.
    network.stop_reading(peer);
    network.send(peer, "0123456789abcd\r\n".repeat(20_000));
    network.run_for(Duration::from_secs(100)).unwrap();
    assert_eq!(network.hub(host).unwrap().counters().open, 0);
}

#[test]
fn sending_to_a_closed_stream_resets_the_sender() {
    let mut hub = Hub::default();
    let mut options = Config::default().client;
    options.linger = Duration::ZERO;
    let service = hub.add_service(Service::new(async |_| Ok(())).config(options));
    let mut network = Network::new(1);
    let host = network.host(hub, &[]).unwrap();
    let peer = network.connect_to(host, service);
    network.run_until_idle().unwrap();
    assert_eq!(network.peer_state(peer), PeerState::Ended);
    network.send(peer, "is anybody there?");
    network.run_until_idle().unwrap();
    assert_eq!(network.peer_state(peer), PeerState::Reset);
    assert_eq!(network.wires.len(), 0);
}

#[test]
fn hubs_connect_to_each_other_or_get_the_error() {
    let (mut network, server) =
        echoing(1, LinkOptions { latency: ms(5)..=ms(5), ..Default::default() });
    let said = Rc::new(RefCell::new(Vec::new()));
    let mut hub = Hub::default();
    let say = Rc::clone(&said);
    hub.add_loop(async move |ctx: Ctx| {
        let refused = ctx.connect(address(8)).await.map(|_| ()).unwrap_err();
        say.borrow_mut().push(format!("{:?} {refused}", ctx.now()));
        let mut conn = ctx.connect(address(7)).await?;
        conn.write("hi\n").await?;
        let line = conn.until_eol().await?.trimmed().to_string();
        say.borrow_mut().push(format!("{:?} {line}", ctx.now()));
        conn.half_close();
        let end = conn.until_eol().await.map(|_| ()).unwrap_err();
        say.borrow_mut().push(format!("{:?} {end}", ctx.now()));
        ctx.halt();
        Ok(())
    })
    .unwrap();
    let client = network.host(hub, &[]).unwrap();
    network.run_until_idle().unwrap();
    let expected = [
        "10ms cannot connect to 10.0.0.1:8: connection refused",
        "30ms hi",
        "40ms the connection is closed",
    ];
    assert_eq!(*said.borrow(), expected);
    assert!(network.has_halted(client) && !network.has_halted(server));
    network.drain(server, ms(1));
    network.run_until_idle().unwrap();
    assert!(network.has_halted(server));
    let late = network.connect(address(7));
    network.run_until_idle().unwrap();
    assert_eq!(network.peer_state(late), PeerState::Refused);
    assert_eq!(network.wires.len(), 0);
}

#[test]
fn the_test_listens_accepts_and_refuses() {
    let mut hub = Hub::default();
    for _ in 0..2 {
        hub.add_loop(async |ctx: Ctx| {
            let mut conn = ctx.connect(address(9)).await?;
            conn.write("hi\n").await?;
            conn.until_eol().await.map(|_| ())
        })
        .unwrap();
    }
    let mut network = Network::new(1);
    network.listen(address(9)).unwrap();
    assert_eq!(network.listen(address(9)), Err(AddressInUse(address(9))));
    let host = network.host(hub, &[]).unwrap();
    network.run_for(ms(0)).unwrap();
    let peer = network.accept(address(9)).unwrap();
    assert!(network.refuse(address(9)));
    assert_eq!(network.accept(address(9)), None);
    network.run_for(ms(0)).unwrap();
    assert_eq!(network.got(peer), b"hi\n");
    let counters = network.hub(host).unwrap().counters();
    assert_eq!((counters.failures, counters.fibers), (1, 1));
    network.send(peer, "hello\n");
    network.run_for(ms(0)).unwrap();
    assert_eq!(network.peer_state(peer), PeerState::Ended);
    assert_eq!(network.hub(host).unwrap().counters().fibers, 0);
}

#[test]
fn a_full_service_lets_others_wait() {
    let mut hub = Hub::default();
    let mut config = Config::default().client;
    config.max_connections = 1;
    let service = hub.add_service(Service::new(echo).config(config));
    let mut network = Network::new(1);
    network.host(hub, &[(service, address(7))]).unwrap();
    let peers = [network.connect(address(7)), network.connect(address(7))];
    for peer in peers {
        network.send(peer, "x\n");
    }
    network.run_until_idle().unwrap();
    let states = |network: &Network| peers.map(|peer| network.peer_state(peer));
    // Refused or waiting: both came at one instant, so the hub was asked before it could say no.
    assert_eq!(states(&network)[0], PeerState::Open);
    assert_eq!(network.got(peers[0]), b"x\n");
    let late = network.connect(address(7));
    network.send(late, "y\n");
    network.run_until_idle().unwrap();
    assert_eq!(network.peer_state(late), PeerState::Connecting);
    network.end(peers[0]);
    network.run_until_idle().unwrap();
    assert_eq!(network.got(late), b"y\n");
}

#[test]
fn an_application_that_never_rests_is_reported() {
    let mut hub = Hub::default();
    hub.add_loop(async |ctx: Ctx| {
        loop {
            ctx.sleep(Duration::ZERO).await?;
        }
    })
    .unwrap();
    let mut network = Network::new(1);
    network.set_patience(1000);
    let host = network.host(hub, &[]).unwrap();
    let restless = Restless { at: Instant::ORIGIN, host };
    assert_eq!(network.run_for(ms(1)), Err(restless));
    assert_eq!(network.run_until_idle(), Err(restless));
}

#[test]
fn a_peer_that_resets_is_gone() {
    let (mut network, _) = echoing(1, LinkOptions::default());
    let closes = Rc::new(RefCell::new(vec![]));
    let seen = Rc::clone(&closes);
    network.watch(move |happening| {
        if let Happened::Closed(cause) = happening.what {
            seen.borrow_mut().push(cause);
        }
    });
    let peer = network.connect(address(7));
    network.run_for(ms(0)).unwrap();
    network.reset(peer);
    network.run_for(ms(0)).unwrap();
    assert_eq!(*closes.borrow(), [Cause::Reset]);
    assert_eq!(network.peer_state(peer), PeerState::Left);
    assert_eq!(network.wires.len(), 0);
}

#[test]
fn an_end_arrives_once_however_often_it_is_sent() {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        conn.to_end(9).await?;
        conn.ctx().sleep(ms(5)).await
    });
    let mut network = Network::new(1);
    let host = network.lone_host(hub);
    let lines = watched(&mut network);
    let peer = network.connect_to(host, service);
    for _ in 0..3 {
        network.end(peer);
        network.run_for(ms(1)).unwrap();
    }
    let ends = lines.borrow().iter().filter(|line| line.contains("peer ended")).count();
    assert_eq!(ends, 1, "{lines:?}");
}

#[test]
fn the_test_may_listen_everywhere() {
    let mut hub = Hub::default();
    hub.add_loop(async |ctx: Ctx| ctx.connect(address(9)).await?.write("hi").await).unwrap();
    let mut network = Network::new(1);
    network.listen_everywhere();
    network.lone_host(hub);
    network.run_for(ms(1)).unwrap();
    let peer = network.accept(address(9)).unwrap();
    network.run_for(ms(0)).unwrap();
    assert_eq!(network.got(peer), b"hi");
}

#[test]
fn names_of_another_network_do_nothing() {
    let (mut network, host) = echoing(1, LinkOptions::default());
    let service = network.hub_mut(HostId(0)).unwrap().add_service(echo);
    let peer = network.connect_to(host, service);
    let mut other = Network::new(1);
    let lost = other.connect_to(host, service);
    other.run_until_idle().unwrap();
    assert_eq!(other.peer_state(lost), PeerState::Refused);
    let mut third = Network::new(1);
    third.send(peer, "x");
    third.end(peer);
    third.reset(peer);
    third.stop_reading(peer);
    third.read_again(peer);
    third.drain(host, ms(1));
    third.link_from(host, LinkOptions::default());
    assert_eq!(third.got(peer), b"");
    assert_eq!(third.take_got(peer, 1), b"");
    assert_eq!((third.far_end(peer), third.peer_state(peer)), (None, PeerState::Left));
    assert!(third.hub(host).is_none() && !third.has_halted(host));
}

#[test]
fn every_peer_has_an_address_of_its_own() {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        let peer = conn.peer().to_string();
        conn.write(peer).await
    });
    let mut network = Network::new(1);
    let host = network.host(hub, &[(service, address(7))]).unwrap();
    let peers: Vec<_> = (0..300)
        .map(|n| match n % 2 {
            0 => network.connect(address(7)),
            _ => network.connect_to(host, service),
        })
        .collect();
    network.run_until_idle().unwrap();
    let mut seen = Vec::new();
    for peer in peers {
        let at = network.address_of(peer).unwrap().to_string();
        assert_eq!(network.got(peer), at.as_bytes());
        seen.push(at);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);

    // One that the test accepts is where it was connected to.
    let mut client = Hub::default();
    let to = address(80);
    client.add_loop(async move |ctx: Ctx| ctx.connect(to).await.map(drop)).unwrap();
    network.listen(to).unwrap();
    network.lone_host(client);
    network.run_for(ms(0)).unwrap();
    let peer = network.accept(to).unwrap();
    assert_eq!(network.address_of(peer), Some(to));
    assert_eq!(Network::new(1).address_of(peer), None);
}

/// Answers the first line at once, a second line a second later; notes how it ends.
fn noting(notes: &Rc<RefCell<Vec<String>>>) -> Service {
    let notes = Rc::clone(notes);
    Service::new(async move |mut conn: Conn| {
        let mut serve = async || {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
            conn.ctx().sleep(ms(1000)).await?;
            conn.write("late\n").await?;
            conn.flush().await?;
            conn.until_eol().await
        };
        let ended = serve().await;
        notes.borrow_mut().push(format!("{:?}", ended.map(|line| line.to_bytes())));
        Ok(())
    })
}

#[test]
fn a_peer_that_closes_ends_its_side_and_resets_what_comes() {
    let notes = Rc::new(RefCell::new(Vec::new()));
    let mut hub = Hub::default();
    let service = hub.add_service(noting(&notes));
    let mut network = Network::new(1);
    let options = LinkOptions { latency: ms(10)..=ms(10), ..LinkOptions::default() };
    network.link(options);
    network.host(hub, &[(service, address(7))]).unwrap();
    let lines = watched(&mut network);
    let peer = network.connect(address(7));
    network.run_for(ms(100)).unwrap();
    network.send(peer, "hello\n");
    network.close(peer);
    network.send(peer, "after that, nothing\n");
    assert_eq!(network.peer_state(peer), PeerState::Left);
    network.run_until_idle().unwrap();
    let lines: Vec<_> = lines.borrow().iter().map(|line| line.replace("0/0 ", "")).collect();
    assert_eq!(
        lines,
        [
            "10ms accepted 172.16.0.1:49152",
            "110ms < \"hello\\n\"",
            "110ms > \"hello\\n\"",
            "110ms peer ended",
            // 10 ms there, 10 ms back.
            "130ms reset",
            "130ms closed: the peer reset the connection",
        ]
    );
    assert_eq!(network.got(peer), b"");
    assert!(network.wires.is_empty());
}

#[test]
fn a_peer_that_closes_with_something_unread_resets_at_once() {
    let (mut network, _) = echoing(1, LinkOptions::default());
    let lines = watched(&mut network);
    let peer = network.connect(address(7));
    network.stop_reading(peer);
    network.send(peer, "hello\n");
    network.run_for(ms(0)).unwrap();
    network.close(peer);
    network.run_until_idle().unwrap();
    let last = lines.borrow().last().cloned();
    assert_eq!(last.as_deref(), Some("0ns 0/0 closed: the peer reset the connection"));
}

#[test]
fn a_peer_that_closes_sends_all_it_was_given() {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        conn.ctx().sleep(ms(1000)).await?;
        let all = conn.to_end(usize::MAX).await?;
        assert_eq!(all.len(), 300_000);
        conn.ctx().halt();
        Ok(())
    });
    let mut network = Network::new(1);
    let host = network.host(hub, &[(service, address(7))]).unwrap();
    let peer = network.connect(address(7));
    network.send(peer, "x".repeat(300_000));
    network.close(peer);
    network.run_for(ms(2000)).unwrap();
    assert!(network.has_halted(host), "all came");
    assert_eq!(network.peer_state(peer), PeerState::Left);
}

#[test]
fn what_hubs_draw_follows_from_the_seed_of_the_network() {
    let drawn = |seed| -> Vec<[u8; 16]> {
        let mut network = Network::new(seed);
        let hosts: Vec<_> = (0..3).map(|_| network.lone_host(Hub::default())).collect();
        hosts.iter().map(|&host| network.hub(host).unwrap().ctx().random()).collect()
    };
    let (first, other) = (drawn(7), drawn(8));
    assert_eq!(drawn(7), first);
    let mut all = [first, other].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
}
