//! Peers that mean harm: each costs a bounded amount of memory, and ends with a cause.

use core::time::Duration;

use diesel_proto::{Cause, End, Reason, TlsError};

use super::harness::*;

const MISBEHAVED: Cause = Cause::Tls(TlsError::Misbehaved);

/// Feeds these records until the server ends the stream. Returns how many that took, and the most
/// that it held.
fn flood(record: &[u8], most: usize) -> (Side, usize, usize) {
    let mut server = Side::server(&acceptor(), NOW);
    let mut held = 0;
    for n in 1..=most {
        server.receives(NOW, record);
        held = held.max(server.endpoint.held());
        if server.cut().is_some() {
            return (server, n, held);
        }
    }
    panic!("not ended after {most} records, {held} bytes held");
}

/// One handshake message of 60 000 bytes, in records of one byte. Each is held with its header.
#[test]
fn a_message_in_tiny_records_is_refused_before_it_costs_much() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut held = 0;
    let message = [1, 0, 0xea, 0x60].into_iter().chain(core::iter::repeat(7));
    for byte in message.take(60_000) {
        server.receives(NOW, &[22, 3, 1, 0, 1, byte]);
        held = held.max(server.endpoint.held());
        if server.cut().is_some() {
            break;
        }
    }
    assert_eq!(
        (server.cut(), server.endpoint.end()),
        (Some(MISBEHAVED), Some(End::Close(MISBEHAVED)))
    );
    assert!(held < 70_000, "{held}");
    assert!(!server.seen.borrow().started);
}

#[test]
fn a_record_that_is_too_long_is_refused_by_its_header() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    let mut early = Side::server(&acceptor(), NOW);
    for (server, content) in [(&mut early, 22), (&mut server, 23)] {
        server.receives(NOW, &[content, 3, 3, 0xff]);
        assert_eq!(server.cut(), None);
        server.receives(NOW, &[0xff]);
        assert_eq!(server.cut(), Some(MISBEHAVED));
        assert!(!server.endpoint.take_outgoing(NOW).is_empty(), "no alert");
        assert_eq!(server.endpoint.end(), Some(End::Close(MISBEHAVED)));
    }
}

/// The longest record, byte by byte: what is held is what arrived, until the handshake is late.
#[test]
fn a_record_that_drips_in_is_held_until_the_deadline() {
    let mut server = Side::server(&acceptor(), NOW);
    let header = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc];
    for (n, byte) in header.into_iter().chain([0; 16_000]).enumerate() {
        server.receives(NOW, &[byte]);
        assert_eq!(server.endpoint.held(), n + 1);
    }
    let late = Cause::TimedOut(Reason::Handshake);
    server.endpoint.expired(NOW + Duration::from_secs(10));
    assert_eq!(server.endpoint.end(), Some(End::Abort(late)));
    assert_eq!(server.endpoint.held(), 0);
}

#[test]
fn empty_records_and_warnings_are_counted() {
    for (record, most) in [
        // Empty: a part of a handshake message, an alert, data.
        (&[22, 3, 1, 0, 0][..], 40),
        (&[21, 3, 1, 0, 0], 40),
        (&[23, 3, 1, 0, 0], 40),
        // A warning: user_canceled.
        (&[21, 3, 1, 0, 2, 1, 90], 5),
    ] {
        let (server, n, held) = flood(record, most);
        assert!(held < 1000, "{record:?}: {held}");
        assert_eq!(server.cut(), Some(MISBEHAVED), "{record:?}, after {n}");
    }
}
