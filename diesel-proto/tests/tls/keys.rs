//! How much one key may encrypt: TLS 1.3 changes its keys in time, TLS 1.2 cannot and ends.
//!
//! The limit is a property of the cipher suite, so the tests lower it in the provider.

use diesel_proto::tls::rustls::crypto::{CryptoProvider, ring};
use diesel_proto::tls::rustls::{
    CipherSuiteCommon, Error, PeerMisbehaved, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};
use diesel_proto::{Cause, End, TlsError};

use super::harness::*;

/// The provider of the layer, with one cipher suite for each version, of which a key may encrypt
/// this many records. Suites live for ever.
fn limited(records: u64) -> CryptoProvider {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: records,
    };
    let mut provider = ring::default_provider();
    let suites = provider.cipher_suites.iter();
    provider.cipher_suites = suites
        .map(|suite| match *suite {
            SupportedCipherSuite::Tls12(suite) => {
                let suite: &'static _ = Box::leak(Box::new(Tls12CipherSuite {
                    common: common(&suite.common),
                    prf_provider: suite.prf_provider,
                    kx: suite.kx,
                    sign: suite.sign,
                    aead_alg: suite.aead_alg,
                }));
                SupportedCipherSuite::Tls12(suite)
            }
            SupportedCipherSuite::Tls13(suite) => {
                let suite: &'static _ = Box::leak(Box::new(Tls13CipherSuite {
                    common: common(&suite.common),
                    hkdf_provider: suite.hkdf_provider,
                    aead_alg: suite.aead_alg,
                    quic: None,
                }));
                SupportedCipherSuite::Tls13(suite)
            }
        })
        .collect();
    provider
}

/// Both ends after the handshake. One of them, or both, may encrypt this many records with a key.
fn open(versions: Versions, records: u64, limits: [bool; 2]) -> Pair {
    let provider = |is_limited| match is_limited {
        true => limited(records),
        false => ring::default_provider(),
    };
    let connector = connector_with(provider(limits[0]), versions);
    let acceptor = acceptor_with(provider(limits[1]), versions);
    let mut pair = Pair::new(&acceptor, &connector);
    pair.runs(NOW);
    assert!(pair.client.seen.borrow().started && pair.server.seen.borrow().started);
    pair
}

fn numbered(n: u32) -> Vec<u8> {
    format!("message {n}\n").into_bytes()
}

#[test]
fn tls_1_3_changes_its_keys_in_time_and_nothing_is_lost() {
    for limits in [[true, false], [false, true], [true, true]] {
        for piece in [7, 30, usize::MAX] {
            let mut pair = open(TLS13, 8, limits);
            pair.piece = piece;
            let mut said = [Vec::new(), Vec::new()];
            for n in 0..60 {
                for (side, said) in [&mut pair.client, &mut pair.server].into_iter().zip(&mut said)
                {
                    side.sends(NOW, numbered(n));
                    said.extend(numbered(n));
                }
                pair.runs(NOW);
            }
            // Also within one step, of many records.
            let large = vec![b'x'; 40_000];
            pair.client.does(NOW, [Do::Send(large.clone()), Do::HalfClose]);
            pair.server.does(NOW, [Do::Send(large.clone()), Do::HalfClose]);
            pair.runs(NOW);
            for (side, said) in [(&pair.server, &said[0]), (&pair.client, &said[1])] {
                assert!(side.got() == [&said[..], &large[..]].concat(), "{limits:?}, {piece}");
                assert!(side.seen.borrow().ended && side.cut().is_none());
            }
        }
    }
}

/// A side that only receives answers a request for a key update when it next sends something.
#[test]
fn a_side_that_says_nothing_may_be_asked_for_new_keys_again_and_again() {
    let mut pair = open(TLS13, 8, [false, true]);
    for n in 0..1000 {
        pair.server.sends(NOW, numbered(n));
    }
    // Each eighth record is a request for new keys.
    let records = pair.takes(false);
    assert!(record_sizes(&records).len() > 1000 + 1000 / 8);
    pair.receives(false, &records);
    assert_eq!(pair.client.got(), (0..1000).flat_map(numbered).collect::<Vec<_>>());
    pair.client.sends(NOW, "thanks");
    pair.runs(NOW);
    assert_eq!(pair.server.got(), b"thanks");
}

/// 24 records: 16 of them are kept for alerts.
#[test]
fn tls_1_2_ends_when_its_key_may_encrypt_no_more() {
    const RECORDS: usize = 24 - 16;
    let exhausted = Cause::Tls(TlsError::KeyExhausted);
    for of_client in [true, false] {
        let mut pair = open(TLS12, 24, [of_client, !of_client]);
        let sent: Vec<_> = (0..20).map(numbered).collect();
        for (n, message) in sent.iter().enumerate() {
            let side = if of_client { &mut pair.client } else { &mut pair.server };
            side.sends(NOW, message.clone());
            pair.runs(NOW);
            let side = if of_client { &mut pair.client } else { &mut pair.server };
            if n == RECORDS {
                assert_eq!(side.cut(), Some(exhausted));
                assert_eq!(side.endpoint.end(), Some(End::Abort(exhausted)));
                assert_eq!(side.endpoint.held(), 0);
                break;
            }
            assert_eq!((n, side.cut(), side.endpoint.end()), (n, None, None));
        }
        // What arrives is what was encrypted, and no end in order.
        let other = if of_client { &pair.server } else { &pair.client };
        assert_eq!(other.got(), sent[..RECORDS].concat());
        assert_eq!((other.seen.borrow().ended, other.cut()), (false, Some(Cause::Reset)));
        assert!(!TlsError::KeyExhausted.is_of_peer());
    }
}

#[test]
fn tls_1_2_ends_in_order_at_the_limit_if_all_was_said() {
    for half in [true, false] {
        let mut pair = open(TLS12, 24, [false, true]);
        for n in 0..8 {
            pair.server.sends(NOW, numbered(n));
        }
        pair.runs(NOW);
        assert_eq!((pair.server.cut(), pair.server.endpoint.end()), (None, None));
        // Receiving goes on.
        pair.client.sends(NOW, "still there?");
        pair.runs(NOW);
        assert_eq!(pair.server.got(), b"still there?");
        pair.server.does(NOW, [if half { Do::HalfClose } else { Do::Close }]);
        pair.runs(NOW);
        assert_eq!(pair.client.got(), (0..8).flat_map(numbered).collect::<Vec<_>>());
        assert!(pair.client.seen.borrow().ended && pair.client.cut().is_none());
    }
}

/// A large message needs more records than are left: the rest is not sent.
#[test]
fn tls_1_2_ends_within_a_message() {
    let mut pair = open(TLS12, 24, [true, false]);
    pair.client.does(NOW, [Do::Send(vec![b'x'; 1 << 20]), Do::Close]);
    pair.runs(NOW);
    let exhausted = Cause::Tls(TlsError::KeyExhausted);
    // The machine had closed: it is not told, the stream is.
    assert_eq!(pair.client.endpoint.end(), Some(End::Abort(exhausted)));
    assert!(!pair.server.seen.borrow().ended);
    assert_eq!(pair.server.cut(), Some(Cause::Reset));
}

#[test]
fn the_usual_limits_are_far_away() {
    for versions in [TLS12, TLS13] {
        let mut pair = open(versions, 0, [false, false]);
        for n in 0..1000 {
            pair.client.sends(NOW, numbered(n));
        }
        pair.runs(NOW);
        assert_eq!(pair.server.got(), (0..1000).flat_map(numbered).collect::<Vec<_>>());
    }
}

/// 32 requests in a row, without data between them.
#[test]
fn a_flood_of_key_updates_ends_the_connection() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    let mut refresh = |server: &mut Side| {
        bare.tls.refresh_traffic_keys().unwrap();
        let update = bare.takes();
        server.receives(NOW, &update);
        // It answers with the next data only, so a flood costs it nothing.
        assert_eq!(server.endpoint.take_outgoing(NOW), b"");
        assert!(server.endpoint.held() < 100);
    };
    for _ in 0..32 {
        refresh(&mut server);
        assert_eq!(server.endpoint.end(), None);
    }
    refresh(&mut server);
    let misbehaved = Cause::Tls(TlsError::Misbehaved);
    assert_eq!(server.cut(), Some(misbehaved));
    assert_eq!(server.endpoint.end(), Some(End::Close(misbehaved)));
    let error = Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests);
    assert_eq!(server.notices(), [format!("unnamed: TLS: {error}")]);
}
