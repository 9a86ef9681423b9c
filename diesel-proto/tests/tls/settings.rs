//! Settings: certificates, names, protocols, sessions, times.

use core::time::Duration;

use diesel_proto::tls::rustls::{ProtocolVersion, RootCertStore};
use diesel_proto::tls::{
    Acceptor, Certificates, ClientCertificates, ConfigError, Connector, ServerName, authorities,
};
use diesel_proto::{Cause, CertificateFault, TlsError};

use super::harness::*;

fn shown(pair: &Pair) -> Vec<u8> {
    pair.client.peer_certificates().first().expect("no certificate").to_vec()
}

fn asks(acceptor: &Acceptor, connector: &Connector, server: ServerName<'static>) -> Pair {
    let mut pair = Pair::at(NOW, acceptor, connector, server);
    pair.runs(NOW);
    pair
}

fn faults(pair: &Pair) -> (Option<TlsError>, Option<TlsError>) {
    let [client, server] = [&pair.client, &pair.server].map(|side| match side.cut() {
        None => None,
        Some(Cause::Tls(error)) => Some(error),
        other => panic!("{other:?}"),
    });
    (client, server)
}

#[test]
fn a_client_gets_the_certificate_for_the_name_that_it_asks_for() {
    let certificates = certificates(SERVER).and_pem(OTHER.0, OTHER.1).unwrap();
    let acceptor = Acceptor::builder(certificates).build().unwrap();
    acceptor.clock().set(TODAY);
    let [server, other] = [SERVER, OTHER].map(|pem| der(pem.0));
    for (asked, expected) in [
        ("localhost", &server),
        ("a.example", &server),
        ("x.b.example", &other),
        ("y.b.example", &other),
        ("127.0.0.1", &server),
    ] {
        let pair = asks(&acceptor, &connector(), name(asked));
        assert_eq!(shown(&pair), *expected, "{asked}");
        let sni = (asked != "127.0.0.1").then(|| asked.to_owned());
        assert_eq!(pair.server.info().server_name, sni);
    }
    let mut pair = asks(&acceptor, &connector(), name("c.example"));
    let fault = TlsError::Certificate(CertificateFault::OtherName);
    assert_eq!(faults(&pair), (Some(fault), Some(TlsError::Alert(42))));
    let told = pair.client.notices();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("c.example") && told[0].contains("a.example"), "{told:?}");
    assert_eq!(pair.server.notices(), Vec::<String>::new());
}

#[test]
fn certificates_are_replaced_while_the_server_runs() {
    let acceptor = acceptor();
    let reload = acceptor.reload().unwrap();
    let mut before = asks(&acceptor, &connector(), name("a.example"));
    std::thread::spawn(move || reload.replace(certificates(BRIEF))).join().unwrap();
    let after = asks(&acceptor, &connector(), name("a.example"));
    assert_eq!((shown(&before), shown(&after)), (der(SERVER.0), der(BRIEF.0)));
    before.client.sends(NOW, "still here");
    before.runs(NOW);
    assert_eq!(before.server.got(), b"still here");
}

#[test]
fn what_cannot_be_used_is_an_error_that_says_what_it_is() {
    let error = |chain: &[u8], key: &[u8]| Certificates::from_pem(chain, key).unwrap_err();
    assert_eq!(error(SERVER.0, OTHER.1), ConfigError::KeyMismatch);
    assert_eq!(error(SERVER.1, SERVER.0), ConfigError::KeyForCertificate);
    assert_eq!(error(SERVER.0, SERVER.0), ConfigError::CertificateForKey);
    assert_eq!(error(b"x", SERVER.1), ConfigError::NoCertificate);
    assert_eq!(error(SERVER.0, b"x"), ConfigError::NoKey);
    assert_eq!(error(SERVER.0, ENCRYPTED_KEY), ConfigError::EncryptedKey);
    let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA";
    assert_eq!(error(SERVER.0, old), ConfigError::EncryptedKey);
    assert_eq!(error(SERVER.0, P521_KEY), ConfigError::UnsupportedKey);
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(error(junk, SERVER.1), ConfigError::BadCertificate);
    assert_eq!(authorities(junk).unwrap_err(), ConfigError::BadCertificate);
    let identity = Connector::builder(roots(AUTHORITY)).identity_pem(junk, SERVER.1).unwrap();
    assert_eq!(identity.build().unwrap_err(), ConfigError::BadCertificate);
    for (chain, key, text) in [
        (SERVER.0, OTHER.1, "the private key does not belong to the first certificate"),
        (
            &SERVER.0[..200],
            SERVER.1,
            "not correct PEM: the section \"CERTIFICATE\" has no end: the file is not complete",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n",
            SERVER.1,
            "not correct PEM: a section is not base64",
        ),
    ] {
        assert_eq!(error(chain, key).to_string(), text);
    }
    let nobody = ClientCertificates::Required(RootCertStore::empty().into());
    let built = Acceptor::builder(certificates(SERVER)).client_certificates(nobody).build();
    assert!(matches!(built, Err(ConfigError::Verifier(_))));
    let built = Connector::builder(RootCertStore::empty()).build();
    assert!(matches!(built, Err(ConfigError::Verifier(_))));
    let pair = asks(&acceptor_showing(Certificates::default()), &connector(), name("localhost"));
    assert_eq!(faults(&pair), (Some(TlsError::Alert(49)), Some(TlsError::NoCertificate)));
}

#[test]
fn a_certificate_is_valid_at_its_time() {
    const JANUARY: u64 = 1_704_067_200;
    const FEBRUARY: u64 = 1_706_745_600;
    let expired = TlsError::Certificate(CertificateFault::Expired);
    let early = TlsError::Certificate(CertificateFault::NotYetValid);
    let acceptor = acceptor_showing(certificates(BRIEF));
    for (now, fault) in [
        (JANUARY - 1, Some(early)),
        (JANUARY, None),
        (FEBRUARY, None),
        (FEBRUARY + 1, Some(expired)),
    ] {
        let connector = connector();
        connector.clock().set(now);
        let pair = asks(&acceptor, &connector, name("a.example"));
        assert_eq!(faults(&pair).0, fault, "{now}");
        assert_eq!(faults(&pair).1, fault.map(|_| TlsError::Alert(45)), "{now}");
    }
}

#[test]
fn without_a_time_of_day_nothing_is_checked_and_nothing_is_accepted() {
    let connector = Connector::from_pem(AUTHORITY).unwrap();
    assert_eq!(connector.clock().unix_seconds(), None);
    let mut pair = asks(&acceptor(), &connector, name("localhost"));
    assert_eq!(faults(&pair).0, Some(TlsError::NoTime));
    let missing = "unnamed: TLS: the time of day is not set (Hub::time_of_day; without a hub, \
                   Clock::set)";
    assert_eq!(pair.client.notices(), [missing]);
    let acceptor = Acceptor::from_pem(SERVER.0, SERVER.1).unwrap();
    let mut pair = asks(&acceptor, &super::harness::connector(), name("localhost"));
    assert_eq!(faults(&pair).1, Some(TlsError::NoTime));
    assert_eq!(pair.server.notices(), [missing]);
}

#[test]
fn a_certificate_of_an_authority_is_told_apart() {
    let acceptor = acceptor_showing(certificates(SELF));
    let pair = asks(&acceptor, &connector_trusting(SELF.0), name("localhost"));
    let fault = TlsError::Certificate(CertificateFault::Authority);
    assert_eq!(faults(&pair), (Some(fault), Some(TlsError::Alert(46))));
    assert!(fault.to_string().contains("CA:FALSE"), "{fault}");
}

#[test]
fn clients_show_a_certificate_if_they_must() {
    let identified = || {
        let connector = Connector::builder(roots(AUTHORITY));
        let connector = connector.identity_pem(CLIENT.0, CLIENT.1).unwrap().build().unwrap();
        connector.clock().set(TODAY);
        connector
    };
    let known = identified();
    let authorities = |pem| ClientCertificates::authorities(pem).unwrap();
    let asking = |clients| {
        let acceptor = Acceptor::builder(certificates(SERVER)).client_certificates(clients);
        let acceptor = acceptor.build().unwrap();
        acceptor.clock().set(TODAY);
        acceptor
    };
    let required = asking(ClientCertificates::Required(authorities(AUTHORITY)));
    let optional = asking(ClientCertificates::Optional(authorities(AUTHORITY)));
    let of_others = asking(ClientCertificates::Required(authorities(STRANGER)));
    for acceptor in [&required, &optional] {
        let pair = asks(acceptor, &known, name("localhost"));
        assert_eq!(pair.server.peer_certificates()[0].to_vec(), der(CLIENT.0));
    }
    assert_eq!(asks(&acceptor(), &known, name("localhost")).server.peer_certificates(), []);
    let pair = asks(&optional, &connector(), name("localhost"));
    assert_eq!(pair.server.peer_certificates(), []);
    let pair = asks(&required, &connector(), name("localhost"));
    let missing = TlsError::Certificate(CertificateFault::Missing);
    assert_eq!(faults(&pair), (Some(TlsError::Alert(116)), Some(missing)));
    let pair = asks(&of_others, &known, name("localhost"));
    let unknown = TlsError::Certificate(CertificateFault::UnknownIssuer);
    assert_eq!(faults(&pair), (Some(TlsError::Alert(48)), Some(unknown)));
    // With a session that is resumed, the certificate is known as well.
    let known = identified();
    assert!(!asks(&required, &known, name("localhost")).server.info().resumed);
    let pair = asks(&required, &known, name("localhost"));
    assert!(pair.server.info().resumed);
    assert_eq!(pair.server.peer_certificates()[0].to_vec(), der(CLIENT.0));
}

#[test]
fn a_protocol_is_chosen_that_both_speak() {
    let accepting = |protocols: &[&str]| {
        let acceptor = Acceptor::builder(certificates(SERVER)).alpn(protocols).build().unwrap();
        acceptor.clock().set(TODAY);
        acceptor
    };
    let offering = |protocols: &[&str]| {
        let connector = Connector::builder(roots(AUTHORITY)).alpn(protocols).build().unwrap();
        connector.clock().set(TODAY);
        connector
    };
    let chosen = |server: &[&str], client: &[&str]| {
        let pair = asks(&accepting(server), &offering(client), name("localhost"));
        match pair.client.cut() {
            None => {
                assert_eq!(pair.client.info().alpn, pair.server.info().alpn);
                Ok(pair.client.info().alpn)
            }
            Some(_) => Err(faults(&pair)),
        }
    };
    let http = || Ok(Some(b"http/1.1".to_vec()));
    assert_eq!(chosen(&["http/1.1"], &["h2", "http/1.1"]), http());
    assert_eq!(chosen(&["http/1.1", "x"], &["x", "http/1.1"]), http());
    assert_eq!(chosen(&[], &["h2"]), Ok(None));
    assert_eq!(chosen(&["http/1.1"], &[]), Ok(None));
    let refused = (Some(TlsError::Alert(120)), Some(TlsError::Incompatible));
    assert_eq!(chosen(&["http/1.1"], &["h2"]), Err(refused));
}

#[test]
fn sides_without_a_version_in_common_say_so() {
    let pair = asks(&acceptor_of(TLS12), &connector_of(TLS12), name("localhost"));
    assert_eq!(pair.server.info().version, ProtocolVersion::TLSv1_2);
    let pair = asks(&acceptor_of(TLS13), &connector_of(TLS12), name("localhost"));
    let refused = (Some(TlsError::Alert(70)), Some(TlsError::Incompatible));
    assert_eq!(faults(&pair), refused);
}

/// A session can be resumed for as long as either side keeps it.
#[test]
fn a_session_is_resumed_until_its_end() {
    let resumed = |acceptor: &Acceptor, connector: &Connector, at: u64| {
        acceptor.clock().set(at);
        connector.clock().set(at);
        let pair = asks(acceptor, connector, name("localhost"));
        assert_eq!(pair.client.info(), pair.server.info());
        pair.server.info().resumed
    };
    let hours = |n: u64| n * 3600;
    let lasting = |most, lifetime| {
        let acceptor = Acceptor::builder(certificates(SERVER));
        acceptor.sessions(most, Duration::from_secs(lifetime)).build().unwrap()
    };
    for versions in [None, Some(TLS12)] {
        let connector = || versions.map_or_else(connector, connector_of);
        let (acceptor, client) = (lasting(100, hours(6)), connector());
        assert!(!resumed(&acceptor, &client, TODAY));
        assert!(resumed(&acceptor, &client, TODAY + hours(5)));
        // The server has forgotten: by its clock alone.
        let (acceptor, client) = (lasting(100, hours(6)), connector());
        assert!(!resumed(&acceptor, &client, TODAY));
        assert!(!resumed(&acceptor, &client, TODAY + hours(6)));
        // A client keeps it for as long as the server says, which is a day; in TLS 1.2 nothing is
        // said.
        let (acceptor, client) = (lasting(100, hours(1000)), connector());
        assert!(!resumed(&acceptor, &client, TODAY));
        assert_eq!(resumed(&acceptor, &client, TODAY + hours(25)), versions.is_some());
        // Neither does.
        let (acceptor, client) = (lasting(0, hours(6)), connector());
        assert!(!resumed(&acceptor, &client, TODAY));
        assert!(!resumed(&acceptor, &client, TODAY));
        let forgets = Connector::builder(roots(AUTHORITY)).resumes(false).build().unwrap();
        let acceptor = lasting(100, hours(6));
        assert!(!resumed(&acceptor, &forgets, TODAY));
        assert!(!resumed(&acceptor, &forgets, TODAY));
    }
    // The oldest gives way: two tickets for each handshake.
    let acceptor = lasting(4, hours(6));
    let clients: Vec<_> = (0..3).map(|_| connector()).collect();
    assert!(clients.iter().all(|client| !resumed(&acceptor, client, TODAY)));
    assert!(!resumed(&acceptor, &clients[0], TODAY));
    assert!(resumed(&acceptor, &clients[2], TODAY));
}

#[test]
fn early_data_is_not_accepted() {
    let (acceptor, connector) = (acceptor(), connector_with_early_data());
    for _ in 0..2 {
        let mut server = Side::server(&acceptor, NOW);
        let mut bare = Bare::client(&connector);
        assert!(bare.early_data().is_none());
        bare.runs(NOW, &mut server);
    }
}
