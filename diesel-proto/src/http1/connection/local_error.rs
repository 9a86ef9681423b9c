//! Errors of the local side: commands that the protocol forbids.

use core::fmt;

use super::state::OutOfOrder;
use crate::http1::message::{RequestHeadError, WriteError};
use crate::http1::syntax::Status;

/// A command that the protocol forbids. Nothing was changed, nothing was sent.
///
/// ```
/// use diesel_proto::http1::{ConnectionConfig, Headers, LocalProtocolError, ServerConnection, Status};
///
/// let mut http = ServerConnection::new(ConnectionConfig::default());
/// // There is no request to answer yet.
/// let error = http.respond_whole(Status::OK, &Headers::new(), b"hello").unwrap_err();
/// assert!(matches!(error, LocalProtocolError::Order(_)));
/// assert_eq!(http.queued(), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalProtocolError {
    /// The command is not allowed in this state.
    Order(OutOfOrder),
    /// This status cannot be sent by this command.
    Status(Status),
    /// A field that delimits the message, or controls the connection: only the connection writes
    /// those.
    FramingField,
    /// A response of this status has no body (RFC 9112, 6.3).
    ContentForbidden(Status),
    /// More data than the announced length, of which this many bytes are left.
    TooLong(u64),
    /// The end of the body, but this many bytes of the announced length are missing.
    TooShort(u64),
    /// Trailers after a body that is not chunked.
    TrailersForbidden,
    /// A protocol that the client did not ask for, or that is not a name (RFC 9110, 7.8).
    Protocol,
    /// Content in a request whose method allows none (RFC 9110, 9.3.6 and 9.3.8).
    MethodForbidsContent,
    /// A request, while bytes that arrived before it are unread. They do not answer it: read them
    /// first, with [`next_event`](crate::http1::ClientConnection::next_event).
    Unread,
    /// The [`MessageOutput`](crate::http1::MessageOutput) is closed: what the command sends would
    /// be lost.
    Closed,
}

impl From<OutOfOrder> for LocalProtocolError {
    fn from(error: OutOfOrder) -> Self {
        LocalProtocolError::Order(error)
    }
}

impl From<WriteError> for LocalProtocolError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Closed => LocalProtocolError::Closed,
            WriteError::TooLong(left) => LocalProtocolError::TooLong(left),
            WriteError::TooShort(left) => LocalProtocolError::TooShort(left),
            WriteError::TrailersForbidden => LocalProtocolError::TrailersForbidden,
            WriteError::FramingField => LocalProtocolError::FramingField,
        }
    }
}

impl From<RequestHeadError> for LocalProtocolError {
    fn from(error: RequestHeadError) -> Self {
        match error {
            RequestHeadError::FramingField => LocalProtocolError::FramingField,
            RequestHeadError::Protocol => LocalProtocolError::Protocol,
            RequestHeadError::ContentForbidden => LocalProtocolError::MethodForbidsContent,
        }
    }
}

impl fmt::Display for LocalProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalProtocolError::Order(error) => error.fmt(f),
            LocalProtocolError::Status(status) => {
                write!(f, "{status} cannot be sent by this command")
            }
            LocalProtocolError::FramingField => {
                f.write_str("only the connection may write framing and connection fields")
            }
            LocalProtocolError::ContentForbidden(status) => write!(f, "{status} has no body"),
            LocalProtocolError::TooLong(left) => {
                write!(f, "more data than announced: {left} bytes are left of the announced length")
            }
            LocalProtocolError::TooShort(left) => {
                write!(f, "the body ends, but {left} bytes of the announced length are missing")
            }
            LocalProtocolError::TrailersForbidden => f.write_str("trailers need a chunked body"),
            LocalProtocolError::Protocol => f.write_str(
                "the client did not ask for this protocol, or it is not the name of a protocol",
            ),
            LocalProtocolError::MethodForbidsContent => {
                f.write_str("a request of this method has no content")
            }
            LocalProtocolError::Unread => {
                f.write_str("a request is sent only after all received bytes were read")
            }
            LocalProtocolError::Closed => {
                f.write_str("the output is closed and takes no more bytes")
            }
        }
    }
}

impl core::error::Error for LocalProtocolError {}

/// User code returns it with `?`.
impl From<LocalProtocolError> for crate::machine::Error {
    fn from(error: LocalProtocolError) -> Self {
        crate::machine::Error::application(error)
    }
}
