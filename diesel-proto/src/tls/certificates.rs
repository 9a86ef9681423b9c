//! What a server shows to its clients: certificates by name, and a handle that replaces them while
//! the server runs.

extern crate std;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{PoisonError, RwLock};

use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ConfigError;
use super::pem::{chain_of_pem, key_of_pem};

/// Certificate chains and their keys: what a server shows.
///
/// A client that names the server it wants (SNI) is shown the first certificate that is valid for
/// that name; a client that names none, or one that no certificate is for, the first of all.
///
/// ```
/// use diesel_proto::tls::{Acceptor, Certificates, ConfigError};
///
/// /// For two sites: each pair is a chain and its key, as PEM text.
/// fn accepting(one: (&[u8], &[u8]), two: (&[u8], &[u8])) -> Result<Acceptor, ConfigError> {
///     let certificates = Certificates::from_pem(one.0, one.1)?.and_pem(two.0, two.1)?;
///     Acceptor::builder(certificates).build()
/// }
/// ```
#[derive(Clone, Default)]
pub struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    /// One certificate with its chain, and its private key, as PEM text: the contents of
    /// `fullchain.pem` and `privkey.pem`.
    ///
    /// # Errors
    ///
    /// If the text is not PEM, the key does not belong to the first certificate, or its kind is not
    /// supported.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        Certificates::default().and_pem(chain, key)
    }

    /// One certificate with its chain, and its private key.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, ConfigError> {
        Certificates::default().and(chain, key)
    }

    /// A further certificate, as PEM text.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn and_pem(self, chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        self.and(chain_of_pem(chain)?, key_of_pem(key)?)
    }

    /// A further certificate.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn and(
        mut self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, ConfigError> {
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        self.0.push(Arc::new(certified));
        Ok(self)
    }

    fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let first = self.0.first()?;
        if self.0.len() == 1 {
            return Some(Arc::clone(first));
        }
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.0.iter().find(|it| is_for(it, &name)));
        Some(Arc::clone(named.unwrap_or(first)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.len())
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

/// Replaces the certificates of an [`Acceptor`](super::Acceptor) while it runs, from any thread.
/// Handshakes that begin later show the new ones; connections that exist are not affected. No session
/// of the former ones is resumed: each client makes a full handshake once.
///
/// Clones are the same handle.
///
/// ```
/// use diesel_proto::tls::{Certificates, ConfigError, Reload};
///
/// fn renew(reload: &Reload, chain: &[u8], key: &[u8]) -> Result<(), ConfigError> {
///     // If the new files are not correct, the server keeps the old certificates.
///     reload.replace(Certificates::from_pem(chain, key)?);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Reload(Arc<RwLock<Shown>>);

struct Shown {
    certificates: Certificates,
    /// How often they were replaced.
    generation: u64,
}

impl Reload {
    pub(super) fn new(certificates: Certificates) -> Self {
        Reload(Arc::new(RwLock::new(Shown { certificates, generation: 0 })))
    }

    /// Replaces all certificates.
    pub fn replace(&self, certificates: Certificates) {
        // Nothing panics while the lock is held; certificates are whole in any case.
        let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown { certificates, generation: shown.generation.wrapping_add(1) };
    }

    /// Changes when the certificates are replaced.
    pub(super) fn generation(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).generation
    }
}

impl ResolvesServerCert for Reload {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shown.certificates.for_name(hello.server_name())
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}
