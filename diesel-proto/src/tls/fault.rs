//! What rustls reports, as a cause, and as a line for a log where that says more.

use alloc::string::ToString;

use rustls::{CertificateError, Error, InvalidMessage};

use crate::machine::{CertificateFault, TlsError};

/// The cause for an error of rustls. `first`: it is about the first bytes of the peer.
pub(super) fn of(error: &Error, first: bool) -> TlsError {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) if first => TlsError::NotTls,
        Error::AlertReceived(alert) => TlsError::Alert((*alert).into()),
        Error::InvalidCertificate(error) => TlsError::Certificate(fault_of(error)),
        Error::NoCertificatesPresented => TlsError::Certificate(CertificateFault::Missing),
        Error::InvalidCertRevocationList(_) => TlsError::Certificate(CertificateFault::Revoked),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsError::Incompatible,
        Error::DecryptError => TlsError::Decrypt,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidMessage(_)
        | Error::InvalidEncryptedClientHello(_)
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord => TlsError::Misbehaved,
        Error::FailedToGetCurrentTime => TlsError::NoTime,
        // What rustls says when a resolver has none.
        Error::General(text) if text.contains("no server certificate chain resolved") => {
            TlsError::NoCertificate
        }
        _ => TlsError::Settings,
    }
}

fn fault_of(error: &CertificateError) -> CertificateFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::OtherName
        }
        CertificateError::Revoked
        | CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => CertificateFault::Revoked,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateFault::Purpose
        }
        // The verifier has no public name for it.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            CertificateFault::Authority
        }
        _ => CertificateFault::Invalid,
    }
}

/// Whether the text of the error tells a person more than the cause does: names, times, the
/// message that was wrong.
pub(super) fn has_more_to_tell(error: &Error) -> bool {
    !matches!(
        error,
        Error::AlertReceived(_)
            | Error::DecryptError
            | Error::NoCertificatesPresented
            | Error::FailedToGetCurrentTime
            | Error::InvalidMessage(InvalidMessage::InvalidContentType)
    )
}
