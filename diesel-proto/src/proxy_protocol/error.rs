//! The error for a stream that does not begin with an accepted header.

use core::fmt;

use super::MAX_V1;
use crate::machine::{Cause, Limit};

/// The stream does not begin with an accepted header: what was expected, and at which byte.
///
/// Example: see [`parse`](super::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// What was expected at that byte.
    pub kind: HeaderErrorKind,
    /// The offset of the first wrong byte, from the beginning of the stream.
    pub offset: usize,
}

/// What was expected of a header; it names the rule that was broken.
///
/// Example: see [`parse`](super::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderErrorKind {
    /// The signature of an accepted version.
    NoSignature,
    /// More bytes: the stream ended before the header did.
    Incomplete,
    /// Version 1: CR LF within [`MAX_V1`] bytes, and no CR before it.
    NoEnd,
    /// Version 1: `TCP4`, `TCP6` or `UNKNOWN`.
    Protocol,
    /// Version 1: an address of the protocol's family.
    Address,
    /// Version 1: a number of 0 to 65535 without leading zeros.
    Port,
    /// Version 1: the line end behind the second port.
    Trailing,
    /// Version 2: the number 2.
    Version,
    /// Version 2: the command LOCAL or PROXY.
    Command,
    /// Version 2: a family of 0 to 3, and a protocol of 0 to 2.
    Family,
    /// Version 2: a length in which both addresses fit.
    AddressLength,
    /// Version 2: a vector that ends within the header; if it is a checksum, one of 4 bytes.
    Tlv,
    /// Version 2: the header's CRC32C.
    Checksum,
    /// Version 2: a header of at most this many bytes,
    /// [`HeaderConfig::max_v2`](super::HeaderConfig::max_v2).
    TooLong(usize),
}

impl HeaderErrorKind {
    /// A description of the rule that was broken.
    pub const fn rule(self) -> &'static str {
        match self {
            HeaderErrorKind::NoSignature => {
                "PROXY header: expected \"PROXY \" or the signature of version 2, as accepted here"
            }
            HeaderErrorKind::Incomplete => "PROXY header: the stream ended before the header did",
            HeaderErrorKind::NoEnd => "PROXY v1: expected CR LF within 107 bytes, and no other CR",
            HeaderErrorKind::Protocol => "PROXY v1: expected TCP4, TCP6 or UNKNOWN",
            HeaderErrorKind::Address => "PROXY v1: expected an address of the protocol's family",
            HeaderErrorKind::Port => {
                "PROXY v1: expected one space and a port, 0 to 65535 without leading zeros"
            }
            HeaderErrorKind::Trailing => "PROXY v1: expected CR LF behind the second port",
            HeaderErrorKind::Version => "PROXY v2: expected version 2",
            HeaderErrorKind::Command => "PROXY v2: expected the command LOCAL or PROXY",
            HeaderErrorKind::Family => "PROXY v2: expected a known address family and protocol",
            HeaderErrorKind::AddressLength => "PROXY v2: expected a length with room for addresses",
            HeaderErrorKind::Tlv => "PROXY v2: expected a vector that ends within the header",
            HeaderErrorKind::Checksum => "PROXY v2: expected the CRC32C of the header",
            HeaderErrorKind::TooLong(_) => "PROXY v2: the header exceeds the limit",
        }
    }
}

impl HeaderError {
    pub(super) const fn new(kind: HeaderErrorKind, offset: usize) -> Self {
        HeaderError { kind, offset }
    }

    /// The cause with which the connection is aborted: [`Cause::Limit`] if the header exceeds the
    /// limit, otherwise [`Cause::Protocol`].
    pub const fn cause(self) -> Cause {
        match self.kind {
            HeaderErrorKind::TooLong(limit) => Cause::Limit(Limit::ProxyHeader(limit)),
            kind => Cause::Protocol(kind.rule()),
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeaderError { kind, offset } = self;
        write!(f, "byte {offset}: {}", kind.rule())?;
        match kind {
            HeaderErrorKind::TooLong(limit) => {
                write!(f, " of {limit} bytes (HeaderConfig::max_v2)")
            }
            _ => Ok(()),
        }
    }
}

impl core::error::Error for HeaderError {}

const _: () = assert!(MAX_V1 == 107, "the text of `NoEnd` contains the number 107");
