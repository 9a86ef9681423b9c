//! The error of settings that cannot be used.

use alloc::string::String;
use core::fmt;

use rustls::pki_types::pem;

/// Why certificates, keys or other settings cannot be used. The text names what to mend.
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
    /// The text is not correct PEM.
    Pem(String),
    /// The private key does not belong to the first certificate of the chain.
    KeyMismatch,
    /// rustls refuses the settings: a certificate that cannot be parsed, a kind of key that is not
    /// supported.
    Refused(rustls::Error),
    /// The verifier of certificates cannot be made.
    Verifier(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoCertificate => f.write_str("no certificate in the PEM text"),
            ConfigError::NoKey => f.write_str("no private key in the PEM text"),
            ConfigError::Pem(error) => write!(f, "not correct PEM: {error}"),
            ConfigError::KeyMismatch => {
                f.write_str("the private key does not belong to the first certificate")
            }
            ConfigError::Refused(error) => error.fmt(f),
            ConfigError::Verifier(error) => write!(f, "cannot verify certificates: {error}"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl From<rustls::Error> for ConfigError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => ConfigError::KeyMismatch,
            other => ConfigError::Refused(other),
        }
    }
}

/// Of a private key.
impl From<pem::Error> for ConfigError {
    fn from(error: pem::Error) -> Self {
        match error {
            pem::Error::NoItemsFound => ConfigError::NoKey,
            other => ConfigError::Pem(alloc::format!("{other}")),
        }
    }
}
