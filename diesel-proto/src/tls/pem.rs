//! Certificates and keys from PEM text (RFC 7468): or what is wrong with it.
//!
//! It must never show what a key contains.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ConfigError;

/// The certificates of authorities in PEM text: for [`Connector::builder`](super::Connector::builder)
/// and [`ClientCertificates`](super::ClientCertificates).
///
/// # Errors
///
/// If the text has no certificate, or one that cannot be used.
///
/// ```
/// use diesel_proto::tls::{ConfigError, Connector, authorities};
///
/// /// Trusts what is in either text.
/// fn connector(own: &[u8], of_partner: &[u8]) -> Result<Connector, ConfigError> {
///     let mut roots = authorities(own)?;
///     roots.extend(authorities(of_partner)?.roots);
///     Connector::builder(roots).alpn(["http/1.1"]).build()
/// }
/// ```
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    chain_of_pem(pem)?.into_iter().try_for_each(|root| roots.add(root))?;
    Ok(roots)
}

/// The certificates in PEM text: at least one.
pub(super) fn chain_of_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| ConfigError::Pem(fault_of(error)))?;
    match chain.is_empty() {
        true if holds(text, "PRIVATE KEY-----") => Err(ConfigError::KeyForCertificate),
        true => Err(ConfigError::NoCertificate),
        false => Ok(chain),
    }
}

/// The first private key in PEM text.
pub(super) fn key_of_pem(text: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigError> {
    // PKCS #8 says so in the first line, older forms in a field (RFC 1421, 4.6.1.1).
    if holds(text, "BEGIN ENCRYPTED PRIVATE KEY") || holds(text, "Proc-Type: 4,ENCRYPTED") {
        return Err(ConfigError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if holds(text, "-----BEGIN CERTIFICATE-----") => {
            ConfigError::CertificateForKey
        }
        pem::Error::NoItemsFound => ConfigError::NoKey,
        other => ConfigError::Pem(fault_of(other)),
    })
}

fn holds(text: &[u8], words: &str) -> bool {
    memmem::find(text, words.as_bytes()).is_some()
}

fn fault_of(error: pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(&end_marker);
            format!("the section {label:?} has no end: the file is not complete")
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("{:?} begins no section", String::from_utf8_lossy(&line))
        }
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        other => format!("{other}"),
    }
}
