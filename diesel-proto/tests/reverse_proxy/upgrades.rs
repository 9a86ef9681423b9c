//! `websocket`, which becomes a tunnel after the upstream's 101, and other upgrades, which do not.

use diesel_proto::ServiceConfig;
use diesel_proto::testkit::net::{LinkOptions, Peer, PeerState};

use super::harness::*;

const ASKED: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
                     Sec-WebSocket-Version: 13\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: a\r\nDate: d\r\n\r\n";

fn open(world: &mut World) -> (Peer, Peer) {
    let client = world.client(get(ASKED));
    let up = world.accepts();
    world.got(up);
    world.sends(up, SWITCHED);
    assert!(world.got(client).starts_with("HTTP/1.1 101 "));
    (client, up)
}

#[test]
fn a_websocket_becomes_a_tunnel_after_the_101() {
    for at in 0..=SWITCHED.len() + 5 {
        let mut world = World::new();
        let client = world.client(get(ASKED));
        let up = world.accepts();
        assert_eq!(
            world.got(up),
            format!(
                "GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n{ADDED}\r\n"
            )
        );
        let sent = format!("{SWITCHED}early");
        world.sends(up, &sent[..at]);
        world.sends(up, &sent[at..]);
        assert_eq!(
            world.got(client),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: a\r\nDate: d\r\nVia: 1.1 p\r\n\r\nearly",
            "cut at {at}"
        );
        world.sends(client, "GET / HTTP/1.1\r\n\r\n");
        assert_eq!(world.got(up), "GET / HTTP/1.1\r\n\r\n");
        world.sends(up, "\x00\r\n");
        assert_eq!(world.got(client), "\x00\r\n");
    }
}

/// Each direction ends alone.
#[test]
fn an_end_of_one_side_is_passed_on() {
    let mut world = World::new();
    let (client, up) = open(&mut world);
    world.sends(client, "bye");
    world.network.end(client);
    world.turn();
    assert_eq!((world.got(up).as_str(), world.state(up)), ("bye", PeerState::Ended));
    world.sends(up, "one more");
    assert_eq!((world.got(client).as_str(), world.state(client)), ("one more", PeerState::Open));
    world.network.end(up);
    world.turn();
    assert_eq!(world.state(client), PeerState::Ended);
}

#[test]
fn a_side_that_breaks_breaks_the_other() {
    let mut world = World::new();
    let (client, up) = open(&mut world);
    world.network.reset(client);
    world.turn();
    assert_eq!(world.state(up), PeerState::Reset);
    let mut world = World::new();
    let (client, up) = open(&mut world);
    world.network.reset(up);
    world.turn();
    assert_eq!(world.state(client), PeerState::Reset);
}

#[test]
fn a_tunnel_has_back_pressure_both_ways() {
    const ALL: usize = 8 << 20;
    for is_upload in [true, false] {
        let mut world = World::new();
        let (client, up) = open(&mut world);
        let (from, to) = if is_upload { (client, up) } else { (up, client) };
        world.network.stop_reading(to);
        world.sends(from, vec![b'x'; ALL]);
        world.waits(SECOND);
        // The other way is free.
        world.sends(to, "still here");
        assert_eq!(world.got(from), "still here");
        world.network.read_again(to);
        world.waits(10 * SECOND);
        assert_eq!(world.got(to).len(), ALL);
    }
}

#[test]
fn a_tunnel_that_is_idle_is_reset() {
    let mut world = World::with(1, |builder| builder.tunnel_idle(10 * SECOND));
    let (client, up) = open(&mut world);
    for _ in 0..5 {
        world.waits(9 * SECOND);
        world.sends(client, "x");
        assert_eq!(world.got(up), "x");
    }
    world.waits(11 * SECOND);
    assert_eq!((world.state(client), world.state(up)), (PeerState::Reset, PeerState::Reset));
}

/// Its time begins with the last byte that came, and with the last that went on.
#[test]
fn a_tunnel_is_not_idle_while_it_has_bytes_to_deliver() {
    const PIECE: usize = 16 << 10;
    let room = LinkOptions::default().capacity + ServiceConfig::default().high_water as usize;
    // There is no room for the last piece of the last of these.
    for pieces in 1..=room / PIECE + 1 {
        let mut world = World::with(1, |builder| builder.tunnel_idle(10 * SECOND));
        let (client, up) = open(&mut world);
        world.network.stop_reading(up);
        for _ in 1..pieces {
            world.sends(client, [b'x'; PIECE]);
        }
        world.waits(9 * SECOND);
        world.sends(client, [b'x'; PIECE]);
        world.waits(9 * SECOND);
        assert_eq!(world.state(client), PeerState::Open, "{pieces}");
        world.network.read_again(up);
        world.turn();
        assert_eq!(world.got(up).len(), pieces * PIECE);
        world.waits(9 * SECOND);
        let is_open = world.state(client) == PeerState::Open;
        assert_eq!(is_open, pieces * PIECE > room, "{pieces}");
        world.waits(2 * SECOND);
        assert_eq!(world.state(client), PeerState::Reset, "{pieces}");
    }
}

/// Pingora, CVE-2026-2833: a request that only asks for an upgrade is no tunnel yet.
#[test]
fn what_is_sent_too_early_is_no_tunnel() {
    let early = get(ASKED) + "GET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut world = World::new();
    let client = world.client(&early);
    let up = world.accepts();
    assert!(!world.got(up).contains("/admin"));
    // If the upstream declines, it is the next request, which is passed on as any other.
    world.sends(up, EMPTY);
    assert_eq!(world.got(client), EMPTY_ANSWER);
    assert!(world.got(up).starts_with("GET /admin HTTP/1.1\r\nHost: h\r\nVia: 1.1 p\r\n"));
    // If it agrees, those are the first bytes of the tunnel.
    let mut world = World::new();
    let client = world.client(&early);
    let up = world.accepts();
    world.got(up);
    world.sends(up, SWITCHED);
    assert_eq!(world.got(up), "GET /admin HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(world.got(client).starts_with("HTTP/1.1 101 "));
}

/// h2c smuggling: a request that asks for another protocol is one without that.
#[test]
fn any_other_upgrade_is_dropped() {
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websockets\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        // Not asked for: the other field is missing.
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
    ] {
        let mut world = World::new();
        let (asked, answer) = world.exchange(&get(fields), EMPTY);
        assert_eq!(asked, format!("GET /a HTTP/1.1\r\nHost: h\r\n{ADDED}\r\n"), "{fields}");
        assert_eq!(answer, EMPTY_ANSWER);
    }
    // A POST, a request with a body, and HTTP/1.0 ask for nothing.
    for request in [
        format!("POST /a HTTP/1.1\r\nHost: h\r\n{ASKED}Content-Length: 2\r\n\r\nhi"),
        format!("POST /a HTTP/1.1\r\nHost: h\r\n{ASKED}Content-Length: 0\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: h\r\n{ASKED}Content-Length: 2\r\n\r\nhi"),
        format!("GET /a HTTP/1.0\r\nHost: h\r\n{ASKED}\r\n"),
    ] {
        let mut world = World::new();
        let (asked, _) = world.exchange(&request, EMPTY);
        assert!(!asked.to_lowercase().contains("upgrade"), "{asked}");
    }
    // Of several, it is asked for `websocket`.
    let mut world = World::new();
    let (asked, _) =
        world.exchange(&get("Connection: upgrade\r\nUpgrade: h2c, WebSocket\r\n"), EMPTY);
    assert!(asked.contains("Connection: upgrade\r\nUpgrade: websocket\r\n"), "{asked}");
}

#[test]
fn an_upstream_that_declines_answers_as_usual() {
    let mut world = World::new();
    let client = world.client(get(ASKED));
    let up = world.accepts();
    world.sends(up, "HTTP/1.1 403 Forbidden\r\nDate: d\r\nContent-Length: 2\r\n\r\nno");
    assert!(world.got(client).ends_with("\r\n\r\nno"));
    // Both connections are still of use.
    world.got(up);
    world.sends(client, get(""));
    assert!(world.got(up).starts_with("GET /a "));
}
