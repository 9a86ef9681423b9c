//! Settings of TLS for the targets: two versions, and keys that may encrypt few records.

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use diesel_proto::tls::rustls::crypto::{CryptoProvider, ring};
use diesel_proto::tls::rustls::pki_types::pem::PemObject;
use diesel_proto::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use diesel_proto::tls::rustls::version::{TLS12, TLS13};
use diesel_proto::tls::rustls::{
    CipherSuiteCommon, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion, Tls12CipherSuite, Tls13CipherSuite,
};
use diesel_proto::tls::{Acceptor, Clock, Connector};

const TODAY: u64 = 1_705_276_800;

/// What is negotiated, and how many records one key may encrypt.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Keys {
    Usual,
    /// TLS 1.3, which changes its keys, here after each few records.
    Few13,
    /// TLS 1.2, which cannot: the connection ends.
    Few12,
    Many12,
}

impl Keys {
    pub(super) fn sides(self) -> &'static (Acceptor, Connector) {
        &SIDES[self as usize]
    }
}

macro_rules! certificate {
    ($name:literal) => {
        include_bytes!(concat!("../../diesel-proto/tests/certificates/", $name))
    };
}

/// The settings for each kind of [`Keys`].
static SIDES: LazyLock<[(Acceptor, Connector); 4]> = LazyLock::new(|| {
    let usual = (
        Acceptor::from_pem(certificate!("server.pem"), certificate!("server.key")).unwrap(),
        Connector::from_pem(certificate!("authority.pem")).unwrap(),
    );
    usual.0.clock().set(TODAY);
    usual.1.clock().set(TODAY);
    [usual, sides(&TLS13, 4), sides(&TLS12, 24), sides(&TLS12, 1 << 24)]
});

/// Settings of rustls with this version alone, whose keys may encrypt `records` records.
fn sides(version: &'static SupportedProtocolVersion, records: u64) -> (Acceptor, Connector) {
    let clock = Clock::new();
    clock.set(TODAY);
    let provider = Arc::new(limited(records));
    let chain = CertificateDer::from_pem_slice(certificate!("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate!("server.key")).unwrap();
    let server = ServerConfig::builder_with_details(provider.clone(), Arc::new(clock.clone()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate!("authority.pem")).unwrap()).unwrap();
    let client = ClientConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let acceptor = Acceptor::from_config(Arc::new(server), clock.clone());
    (acceptor, Connector::from_config(Arc::new(client), clock))
}

/// The provider, with a lower limit for each cipher suite. Suites live for ever.
fn limited(records: u64) -> CryptoProvider {
    let mut provider = ring::default_provider();
    for suite in &mut provider.cipher_suites {
        let common = CipherSuiteCommon {
            suite: suite.suite(),
            hash_provider: match suite {
                SupportedCipherSuite::Tls12(it) => it.common.hash_provider,
                SupportedCipherSuite::Tls13(it) => it.common.hash_provider,
            },
            confidentiality_limit: records,
        };
        *suite = match *suite {
            SupportedCipherSuite::Tls12(it) => {
                SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                    common,
                    prf_provider: it.prf_provider,
                    kx: it.kx,
                    sign: it.sign,
                    aead_alg: it.aead_alg,
                })))
            }
            SupportedCipherSuite::Tls13(it) => {
                SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                    common,
                    hkdf_provider: it.hkdf_provider,
                    aead_alg: it.aead_alg,
                    quic: None,
                })))
            }
        };
    }
    provider
}
