//! What an application may not have a connection do.

use core::fmt;

use crate::http1::Status;
use crate::http1::message::WriteError;
use crate::http1::state::OutOfOrder;

/// A command that the protocol forbids. Nothing was changed, nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// Not now.
    Order(OutOfOrder),
    /// This status cannot be sent by this command.
    Status(Status),
    /// A field that says how the message is delimited, or how the connection is used: that is
    /// written by the connection itself.
    FramingField,
    /// A response of this status has no body (RFC 9112, 6.3).
    ContentForbidden(Status),
    /// More data than the length that was announced; so many bytes are left of it.
    TooLong(u64),
    /// The end before so many bytes that were announced.
    TooShort(u64),
    /// Trailers behind a body that is not chunked.
    TrailersForbidden,
    /// A protocol that the client did not ask for, or none (RFC 9110, 7.8).
    Protocol,
    /// The [`Output`](super::Output) is closed: what the command sends would be lost.
    Closed,
}

impl From<OutOfOrder> for Misuse {
    fn from(error: OutOfOrder) -> Self {
        Misuse::Order(error)
    }
}

impl From<WriteError> for Misuse {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Closed => Misuse::Closed,
            WriteError::TooLong(left) => Misuse::TooLong(left),
            WriteError::TooShort(left) => Misuse::TooShort(left),
            WriteError::TrailersForbidden => Misuse::TrailersForbidden,
            WriteError::FramingField => Misuse::FramingField,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::Order(error) => error.fmt(f),
            Misuse::Status(status) => write!(f, "{status} cannot be sent by this command"),
            Misuse::FramingField => {
                f.write_str("fields for framing and for the connection are not the application's")
            }
            Misuse::ContentForbidden(status) => write!(f, "{status} has no body"),
            Misuse::TooLong(left) => {
                write!(f, "more data than announced: {left} bytes are left of that")
            }
            Misuse::TooShort(left) => {
                write!(f, "the end, but {left} bytes that were announced are missing")
            }
            Misuse::TrailersForbidden => f.write_str("trailers need a chunked body"),
            Misuse::Protocol => f.write_str("the client did not ask for this protocol"),
            Misuse::Closed => f.write_str("the output is closed and takes no more bytes"),
        }
    }
}

impl core::error::Error for Misuse {}

/// A handler passes it on with `?`.
impl From<Misuse> for crate::Error {
    fn from(error: Misuse) -> Self {
        crate::Error::application(error)
    }
}
