//! How long a session can be resumed: no longer than the certificates that it rests on.

use core::time::Duration;

use diesel_proto::tls::rustls::crypto::ring;
use diesel_proto::tls::{Acceptor, ClientCertificates, Connector};
use diesel_proto::{Cause, CertificateFault, TlsError};

use super::harness::*;

const HOUR: u64 = 3600;
/// The last second of the certificates of January.
const ENDS: u64 = 1_706_745_600;
const EXPIRED: Cause = Cause::Tls(TlsError::Certificate(CertificateFault::Expired));
/// `certificate_expired`
const ALERT: Cause = Cause::Tls(TlsError::Alert(45));

/// Connects at this time.
fn connects(acceptor: &Acceptor, connector: &Connector, at: u64) -> Pair {
    acceptor.clock().set(at);
    connector.clock().set(at);
    let mut pair = Pair::at(NOW, acceptor, connector, name("a.example"));
    pair.runs(NOW);
    pair
}

/// Connects at this time, and returns whether a session was resumed.
fn resumes(acceptor: &Acceptor, connector: &Connector, at: u64) -> bool {
    let pair = connects(acceptor, connector, at);
    assert_eq!((pair.client.cut(), pair.server.cut()), (None, None), "{at}");
    pair.server.info().resumed
}

fn accepting(shows: Pem, clients: ClientCertificates, lifetime: u64) -> Acceptor {
    Acceptor::builder(certificates(shows))
        .client_certificates(clients)
        .sessions(100, Duration::from_secs(lifetime))
        .build()
        .unwrap()
}

#[test]
fn a_session_that_is_in_use_ends_with_its_lifetime() {
    for connector in [connector(), connector_of(TLS12)] {
        let acceptor = accepting(SERVER, ClientCertificates::None, HOUR);
        let times = (0..8).map(|n| TODAY + n * 25 * 60);
        let resumed: Vec<_> = times.map(|at| resumes(&acceptor, &connector, at)).collect();
        assert_eq!(resumed, [false, true, true, false, true, true, false, true]);
    }
}

#[test]
fn a_session_does_not_outlive_the_certificate_of_the_client() {
    let own = Connector::builder(roots(AUTHORITY)).identity_pem(MEMBER.0, MEMBER.1);
    let own = own.unwrap().build().unwrap();
    for connector in [own, connector_showing(TLS13, MEMBER), connector_showing(TLS12, MEMBER)] {
        let members = ClientCertificates::authorities(AUTHORITY).unwrap();
        let members = ClientCertificates::Required(members);
        let acceptor = accepting(SERVER, members, 10_000 * HOUR);
        assert!(!resumes(&acceptor, &connector, TODAY));
        let mut at = TODAY;
        while at + 20 * HOUR <= ENDS {
            at += 20 * HOUR;
            assert!(resumes(&acceptor, &connector, at));
        }
        for at in [ENDS + 1, ENDS + HOUR] {
            let pair = connects(&acceptor, &connector, at);
            assert_eq!((pair.client.cut(), pair.server.cut()), (Some(ALERT), Some(EXPIRED)));
            assert_eq!(pair.server.got(), b"");
        }
    }
}

#[test]
fn a_session_does_not_outlive_the_certificate_of_the_server() {
    for versions in [TLS13, TLS12] {
        // rustls' own store has no end for a session.
        let acceptor = acceptor_with_rustls(ring::default_provider(), versions, BRIEF);
        let connector = connector();
        assert!(!resumes(&acceptor, &connector, TODAY));
        let mut at = TODAY;
        while at + 20 * HOUR <= ENDS {
            at += 20 * HOUR;
            assert!(resumes(&acceptor, &connector, at));
        }
        for at in [ENDS + 1, ENDS + HOUR] {
            let pair = connects(&acceptor, &connector, at);
            assert_eq!((pair.client.cut(), pair.server.cut()), (Some(EXPIRED), Some(ALERT)));
        }
    }
}

#[test]
fn no_session_is_resumed_once_the_certificates_are_replaced() {
    for connector in [connector(), connector_of(TLS12)] {
        let acceptor = accepting(SERVER, ClientCertificates::None, 100 * HOUR);
        let reload = acceptor.reload().unwrap();
        assert!(!resumes(&acceptor, &connector, TODAY));
        assert!(resumes(&acceptor, &connector, TODAY));
        reload.replace(certificates(BRIEF));
        assert!(!resumes(&acceptor, &connector, TODAY));
        assert!(resumes(&acceptor, &connector, TODAY));
        // The handshake began before, and its session counts as a former one.
        let mut pair = Pair::at(NOW, &acceptor, &connector, name("a.example"));
        reload.replace(certificates(SERVER));
        pair.runs(NOW);
        assert!(!resumes(&acceptor, &connector, TODAY));
    }
}

#[test]
fn sessions_are_kept_for_as_many_servers_as_promised() {
    const SERVERS: usize = 256;
    let acceptor = Acceptor::builder(certificates(OTHER)).sessions(1000, Duration::from_secs(HOUR));
    let (acceptor, connector) = (acceptor.build().unwrap(), connector());
    acceptor.clock().set(TODAY);
    connector.clock().set(TODAY);
    let resumes = |nth: usize| {
        let server = format!("s{nth}.b.example").try_into().unwrap();
        let mut pair = Pair::at(NOW, &acceptor, &connector, server);
        pair.runs(NOW);
        pair.client.info().resumed
    };
    assert!((0..2).all(|nth| !resumes(nth)));
    assert!(resumes(0) && resumes(1));
    assert!((2..=SERVERS).all(|nth| !resumes(nth)));
    // The first gave way to the last.
    assert!(!resumes(0));
    assert!(resumes(SERVERS) && resumes(2));
}
