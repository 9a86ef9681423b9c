//! The error of settings that cannot be used.

use alloc::string::String;
use core::fmt;

/// Why certificates, keys or other settings cannot be used. The text says what to do about it; it
/// cannot name a file, so the caller should.
///
/// ```
/// use diesel_proto::tls::{Certificates, ConfigError};
///
/// let error = Certificates::from_pem(b"", b"").unwrap_err();
/// assert_eq!(error, ConfigError::NoCertificate);
/// assert_eq!(error.to_string(), "no certificate in the PEM text");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The PEM text has no certificate.
    NoCertificate,
    /// The PEM text has no private key.
    NoKey,
    /// A private key is where the certificate should be.
    KeyForCertificate,
    /// A certificate is where the private key should be.
    CertificateForKey,
    /// The text is not correct PEM.
    Pem(String),
    /// A certificate cannot be parsed.
    BadCertificate,
    /// The private key has a passphrase.
    EncryptedKey,
    /// The private key cannot be parsed, or its kind is not supported.
    UnsupportedKey,
    /// The private key does not belong to the first certificate of the chain.
    KeyMismatch,
    /// rustls refuses the settings.
    Refused(rustls::Error),
    /// The verifier of certificates cannot be made.
    Verifier(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::NoCertificate => "no certificate in the PEM text",
            ConfigError::NoKey => "no private key in the PEM text",
            ConfigError::KeyForCertificate => {
                "a private key, and no certificate, is where the certificate should be: are the \
                 files swapped?"
            }
            ConfigError::CertificateForKey => {
                "a certificate, and no private key, is where the private key should be: are the \
                 files swapped?"
            }
            ConfigError::Pem(error) => return write!(f, "not correct PEM: {error}"),
            ConfigError::BadCertificate => {
                "the PEM text has a certificate that is not X.509: make it anew"
            }
            ConfigError::EncryptedKey => {
                "the private key is encrypted: store it without a passphrase (openssl pkey -in OLD \
                 -out NEW)"
            }
            ConfigError::UnsupportedKey => {
                "the private key is damaged or of an unsupported kind: use RSA of at least 2048 \
                 bits, ECDSA on P-256 or P-384, or Ed25519"
            }
            ConfigError::KeyMismatch => "the private key does not belong to the first certificate",
            ConfigError::Refused(error) => return error.fmt(f),
            ConfigError::Verifier(error) => {
                return write!(f, "cannot verify certificates: {error}");
            }
        })
    }
}

impl core::error::Error for ConfigError {}

impl From<rustls::Error> for ConfigError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => ConfigError::KeyMismatch,
            // There is no peer yet: it is a certificate of the settings.
            rustls::Error::InvalidCertificate(_) => ConfigError::BadCertificate,
            // What the provider says of a key that it cannot load.
            rustls::Error::General(text) if text.contains("private key") => {
                ConfigError::UnsupportedKey
            }
            other => ConfigError::Refused(other),
        }
    }
}
