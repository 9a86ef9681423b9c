//! [`TlsError`]: why a TLS connection failed, as a small value for causes, errors and tests.
//!
//! It is here, and not in `tls`, so that [`Cause`](super::reason::Cause) is the same whatever the
//! features are. It must never know the library that does TLS.

use core::fmt;

/// Why a TLS connection failed. Told apart by blame: the peer, the path between, or this side.
///
/// ```
/// use diesel_proto::machine::{CertificateFault, TlsError};
///
/// let error = TlsError::Certificate(CertificateFault::Expired);
/// assert_eq!(error.to_string(), "TLS: the peer's certificate has expired");
/// assert!(error.is_of_peer());
///
/// let error = TlsError::Alert(48);
/// assert_eq!(error.to_string(), "TLS: the peer sent the alert unknown_ca (48)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsError {
    /// The first bytes of the peer are not TLS: it sent plain text, perhaps.
    NotTls,
    /// The peer closed the stream before the handshake was complete.
    ClosedInHandshake,
    /// The stream ended without the peer's `close_notify`. What arrived may not be all that was
    /// sent: someone on the path may have cut it.
    Truncated,
    /// The peer ended the connection with a fatal alert. The number is that of RFC 8446, 6.2.
    Alert(u8),
    /// The peer's certificate was not accepted.
    Certificate(CertificateFault),
    /// Both sides have no version, cipher suite, group or application protocol in common.
    Incompatible,
    /// The peer broke the TLS protocol.
    Misbehaved,
    /// A record could not be decrypted: it was changed on its way, or the peer is at fault.
    Decrypt,
    /// This side has no certificate for the name that the client asked for, or none that the
    /// client can verify.
    NoCertificate,
    /// The time of day is not known, and certificates cannot be checked without it: call
    /// [`Hub::time_of_day`](crate::hub::Hub::time_of_day), or set the clock of the settings:
    /// [`Acceptor::clock`](crate::tls::Acceptor::clock),
    /// [`Connector::clock`](crate::tls::Connector::clock).
    NoTime,
    /// More was sent than may be encrypted with one key, and this version of TLS cannot change it.
    KeyExhausted,
    /// The settings are not usable, or the provider failed: a notice says how.
    Settings,
}

/// Why a certificate was not accepted. Example: see [`TlsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateFault {
    /// The peer sent none, and must.
    Missing,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is not issued by one of the trusted authorities.
    UnknownIssuer,
    /// It is for other names than the one that was asked for.
    OtherName,
    /// It was revoked, or it is unknown whether it was.
    Revoked,
    /// It is for another purpose.
    Purpose,
    /// It is the certificate of an authority, which cannot be shown itself: what `openssl req -x509`
    /// makes, without `-addext basicConstraints=critical,CA:FALSE`.
    Authority,
    /// It, or the signature made with it, is not correct.
    Invalid,
}

impl TlsError {
    /// Whether the peer is to blame, or the path to it. If not, it is this side's settings.
    pub const fn is_of_peer(self) -> bool {
        !matches!(
            self,
            TlsError::NoCertificate
                | TlsError::NoTime
                | TlsError::KeyExhausted
                | TlsError::Settings
        )
    }

    /// Whether this is an ordinary end, as seen from peers that leave: it is not logged.
    pub const fn is_ordinary(self) -> bool {
        matches!(self, TlsError::ClosedInHandshake | TlsError::Truncated)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS: ")?;
        f.write_str(match self {
            TlsError::NotTls => "the peer does not speak TLS: it sent plain text",
            TlsError::ClosedInHandshake => "the peer closed the stream during the handshake",
            TlsError::Truncated => "the stream ended without close_notify: it may be truncated",
            TlsError::Alert(number) => {
                let name = alert_name(*number);
                return write!(f, "the peer sent the alert {name} ({number})");
            }
            TlsError::Certificate(fault) => return fault.fmt(f),
            TlsError::Incompatible => "no version, cipher suite or protocol in common",
            TlsError::Misbehaved => "the peer broke the protocol",
            TlsError::Decrypt => "a record could not be decrypted",
            TlsError::NoCertificate => "no certificate for what the client asked for",
            TlsError::NoTime => {
                "the time of day is not set (Hub::time_of_day; without a hub, Clock::set)"
            }
            TlsError::KeyExhausted => "more was sent than one key may encrypt",
            TlsError::Settings => "the settings are not usable",
        })
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateFault::Missing => "the peer sent no certificate",
            CertificateFault::Expired => "the peer's certificate has expired",
            CertificateFault::NotYetValid => "the peer's certificate is not valid yet",
            CertificateFault::UnknownIssuer => {
                "the peer's certificate is not issued by a trusted authority"
            }
            CertificateFault::OtherName => "the peer's certificate is for another name",
            CertificateFault::Revoked => "the peer's certificate was revoked, or may have been",
            CertificateFault::Purpose => "the peer's certificate is for another purpose",
            CertificateFault::Authority => {
                "the peer's certificate is that of an authority: make one with \
                 basicConstraints=critical,CA:FALSE"
            }
            CertificateFault::Invalid => "the peer's certificate or its signature is not correct",
        })
    }
}

impl core::error::Error for TlsError {}

/// The name of an alert (RFC 8446, 6, and the registry of IANA).
const fn alert_name(number: u8) -> &'static str {
    match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown",
    }
}
