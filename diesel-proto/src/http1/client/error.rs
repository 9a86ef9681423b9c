//! [`ClientError`]: why a call failed, told apart by blame.
//!
//! It must never know how a call is made.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use super::proxy::InvalidProxy;
use super::url::InvalidUrl;
use crate::http1::connection::LocalProtocolError;
use crate::http1::service::{IntoResponse, Response};
use crate::http1::syntax::{InvalidField, Rejection, Status};
use crate::machine::{Address, Error};

/// Why a call failed. A response with a status of 400 and above is none of these: it is a response.
///
/// ```
/// use diesel_proto::http1::{ClientError, InvalidRequest, Url};
///
/// let error = ClientError::from(Url::parse("ftp://example.org/").unwrap_err());
/// assert!(matches!(error, ClientError::Request(InvalidRequest::Url(_))));
/// assert!(!error.is_of_server());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The request cannot be sent as it is. No connection was made, unless it is a streamed body that
    /// turned out wrong.
    Request(InvalidRequest),
    /// The function that writes the body of the request failed. The connection was closed.
    Upload(Error),
    /// No connection could be made: the error is that of [`Ctx::connect`](crate::fiber::Ctx::connect),
    /// or of TLS.
    Connect(Box<FailedAt>, Error),
    /// The proxy made no tunnel to the server, and answered with this status (RFC 9110, 9.3.6). With
    /// 407 it asks for credentials.
    Tunnel(Box<FailedAt>, Status),
    /// The connection ended or broke before the response was complete.
    Broken(Box<FailedAt>, Error),
    /// The server broke a rule of HTTP, or sent more than it may.
    Response(Box<FailedAt>, Rejection),
    /// A timeout passed.
    TimedOut(Box<FailedAt>, Timeout, Duration),
    /// The body of the response is longer than this: the limit of
    /// [`ClientResponse::read`](super::ClientResponse::read), or
    /// [`ClientConfig::whole_body`](super::ClientConfig::whole_body).
    BodyTooLong(Box<FailedAt>, usize),
    /// The body, which was compressed, is longer than this once it is decoded: the limit that was
    /// given to `ClientBuilder::gzip`, in bytes.
    InflatedTooLong(Box<FailedAt>, u64),
    /// The body cannot be decoded: it is not UTF-8, not JSON, or not what its Content-Encoding says
    /// (then the error is a `GzipError`).
    Content(Box<FailedAt>, Box<dyn core::error::Error>),
    /// A redirect that is not followed.
    Redirect(Box<FailedAt>, RefusedRedirect),
    /// This many calls wait for a connection to the origin already:
    /// [`PoolLimits::waiting`](super::PoolLimits::waiting).
    Queue(Box<FailedAt>, usize),
    /// The hub is shutting down, and the call would have had to wait.
    Shutdown,
    /// No call failed: user code that returns this type passed on an error of something else, such as
    /// a sleep between two calls.
    Other(Error),
}

/// Where a call failed.
///
/// Example: see [`ClientError::at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAt {
    /// What the call was doing.
    pub phase: Phase,
    /// The origin of the URL: scheme, host and port.
    pub origin: String,
    /// The address of the server, or of the proxy, if there was a connection.
    pub peer: Option<Address>,
    /// The host and the port of the proxy, if it was the proxy that could not be reached.
    pub proxy: Option<String>,
}

/// What a call does, in this order.
///
/// Example: see [`ClientError::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waits for a connection that others use.
    Queue,
    /// Looks up the address of the host.
    Resolve,
    /// Makes a connection.
    Connect,
    /// Waits for a proxy to make a tunnel to the server.
    Tunnel,
    /// Makes the connection secure.
    Tls,
    /// Sends the request.
    Send,
    /// Waits for the response.
    Head,
    /// Reads the body of the response.
    Body,
}

/// The timeouts of a call: the fields of [`ClientTimeouts`](super::ClientTimeouts), and the write
/// timeout of the hub.
///
/// Example: see [`ClientError::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// [`ClientTimeouts::queue`](super::ClientTimeouts::queue).
    Queue,
    /// [`ClientTimeouts::resolve`](super::ClientTimeouts::resolve).
    Resolve,
    /// [`ClientTimeouts::connect`](super::ClientTimeouts::connect).
    Connect,
    /// [`ClientTimeouts::tls`](super::ClientTimeouts::tls).
    Tls,
    /// [`ClientTimeouts::first_byte`](super::ClientTimeouts::first_byte).
    FirstByte,
    /// [`ClientTimeouts::between`](super::ClientTimeouts::between).
    Between,
    /// The server stopped reading the request: the write timeout of the hub's clients,
    /// [`ServiceConfig::write_stall`](crate::hub::ServiceConfig::write_stall) in
    /// [`Config::client`](crate::hub::Config::client). The time with it is how long the request was
    /// being sent.
    WriteStall,
    /// [`ClientTimeouts::total`](super::ClientTimeouts::total).
    Total,
}

/// Why a request cannot be sent.
///
/// Example: see [`ClientError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The URL.
    Url(InvalidUrl),
    /// The name or the value of a field.
    Field(InvalidField),
    /// The method, the target or the host.
    Line(Rejection),
    /// A field of this name, which only the client writes: see
    /// [`ClientRequest::header`](super::ClientRequest::header). No connection was made.
    WrittenByClient(Box<str>),
    /// What the protocol forbids: a trailer that only the connection writes, content for a method
    /// that has none, more or less of a body than was announced.
    Forbidden(LocalProtocolError),
    /// The body cannot be written in this form.
    Body(Box<dyn core::error::Error>),
    /// The variable that names the proxy for the URL does not name one.
    Proxy(InvalidProxy),
    /// An `https` URL, but the client has no settings for TLS.
    NoTls,
    /// TLS has no name for the host of the URL: it is neither a DNS name nor an IP address.
    TlsName,
}

/// Why a redirect is not followed. The response with the redirect is gone.
///
/// Example: see [`ClientError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedRedirect {
    /// There were this many already: [`ClientConfig::redirects`](super::ClientConfig::redirects).
    TooMany(u32),
    /// Its Location is no URL of a request.
    Location(InvalidUrl),
    /// It has several Location fields, whose values differ (RFC 9110, 10.2.2).
    Locations,
    /// From `https` to `http`: [`ClientConfig::allow_downgrade`](super::ClientConfig::allow_downgrade).
    Downgrade,
    /// The body would have to be sent again, and cannot be: it was streamed.
    Body,
}

impl ClientError {
    /// Where the call failed, if it got so far.
    ///
    /// ```
    /// use diesel_proto::http1::{ClientError, Phase, Timeout};
    ///
    /// fn report(error: &ClientError) -> String {
    ///     match error {
    ///         ClientError::TimedOut(_, Timeout::Total, after) => format!("gave up after {after:?}"),
    ///         error if error.at().is_some_and(|at| at.phase == Phase::Connect) => "is it up?".into(),
    ///         error => error.to_string(),
    ///     }
    /// }
    /// ```
    pub fn at(&self) -> Option<&FailedAt> {
        match self {
            ClientError::Connect(at, _)
            | ClientError::Tunnel(at, _)
            | ClientError::Broken(at, _)
            | ClientError::Response(at, _)
            | ClientError::TimedOut(at, ..)
            | ClientError::BodyTooLong(at, _)
            | ClientError::InflatedTooLong(at, _)
            | ClientError::Content(at, _)
            | ClientError::Redirect(at, _)
            | ClientError::Queue(at, _) => Some(at),
            ClientError::Request(_)
            | ClientError::Upload(_)
            | ClientError::Shutdown
            | ClientError::Other(_) => None,
        }
    }

    /// Whether the server is to blame, or the way to it, and not this program.
    pub fn is_of_server(&self) -> bool {
        match self {
            ClientError::Connect(_, error) | ClientError::Broken(_, error) => match error {
                Error::Tls(error) => error.is_of_peer(),
                Error::Limit(_) | Error::Shutdown => false,
                _ => true,
            },
            ClientError::Tunnel(..)
            | ClientError::Response(..)
            | ClientError::BodyTooLong(..)
            | ClientError::InflatedTooLong(..)
            | ClientError::Content(..)
            | ClientError::Redirect(..) => true,
            ClientError::TimedOut(_, timeout, _) => *timeout != Timeout::Queue,
            _ => false,
        }
    }

    /// Whether a timeout passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, ClientError::TimedOut(..))
    }
}

impl fmt::Display for FailedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through the proxy {proxy}")?;
        }
        match self.peer {
            Some(peer @ Address::Socket(_)) => write!(f, " ({peer})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Queue => "waiting for a connection",
            Phase::Resolve => "looking up the host",
            Phase::Connect => "connecting",
            Phase::Tunnel => "waiting for the tunnel of the proxy",
            Phase::Tls => "making the connection secure",
            Phase::Send => "sending the request",
            Phase::Head => "waiting for the response",
            Phase::Body => "reading the response",
        })
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timeout::Queue => "ClientTimeouts::queue",
            Timeout::Resolve => "ClientTimeouts::resolve",
            Timeout::Connect => "ClientTimeouts::connect",
            Timeout::Tls => "ClientTimeouts::tls",
            Timeout::FirstByte => "ClientTimeouts::first_byte",
            Timeout::Between => "ClientTimeouts::between",
            Timeout::WriteStall => "ServiceConfig::write_stall",
            Timeout::Total => "ClientTimeouts::total",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Request(error) => error.fmt(f),
            ClientError::Upload(error) => write!(f, "the body of the request failed: {error}"),
            // These say all by themselves.
            ClientError::Connect(
                at,
                error @ (Error::Connect(_) | Error::Resolve(_) | Error::Target(_)),
            ) => {
                let text = error.to_string();
                // Of which host that is.
                let of_proxy = at.proxy.as_ref().and_then(|_| {
                    let connect = text.strip_prefix("cannot connect to ");
                    let connect = connect.map(|rest| ("cannot connect to the proxy", rest));
                    let resolve = text.strip_prefix("cannot resolve ");
                    connect.or(resolve.map(|rest| ("cannot resolve the proxy's name", rest)))
                });
                match of_proxy {
                    Some((what, rest)) => write!(f, "{}: {what} {rest}", at.origin),
                    None => write!(f, "{}: {text}", at.origin),
                }
            }
            ClientError::Connect(at, error) | ClientError::Broken(at, error) => {
                write!(f, "{at}: {}: {error}", at.phase)
            }
            ClientError::Tunnel(at, status) => {
                write!(f, "{at}: the proxy refused a tunnel: {status}")
            }
            ClientError::Response(at, rejection) => write!(f, "{at}: {rejection}"),
            ClientError::TimedOut(at, timeout, after) => {
                write!(f, "{at}: {}: timed out after {after:?} ({timeout})", at.phase)
            }
            ClientError::BodyTooLong(at, limit) => {
                write!(f, "{at}: the body is longer than the limit of {limit} bytes")
            }
            ClientError::InflatedTooLong(at, limit) => write!(
                f,
                "{at}: the decoded body is longer than the limit of {limit} bytes \
                 (ClientBuilder::gzip)"
            ),
            ClientError::Content(at, error) => write!(f, "{at}: cannot decode the body: {error}"),
            ClientError::Redirect(at, refused) => write!(f, "{at}: {refused}"),
            ClientError::Queue(at, limit) => {
                write!(f, "{at}: at the limit of {limit} calls waiting (PoolLimits::waiting)")
            }
            ClientError::Shutdown => f.write_str("shutting down"),
            ClientError::Other(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidRequest::Url(error) => error.fmt(f),
            InvalidRequest::Field(error) => error.fmt(f),
            InvalidRequest::Line(error) => error.fmt(f),
            InvalidRequest::WrittenByClient(name) => {
                write!(f, "the field {name} is written by the client")
            }
            InvalidRequest::Forbidden(error) => error.fmt(f),
            InvalidRequest::Body(error) => error.fmt(f),
            InvalidRequest::Proxy(error) => error.fmt(f),
            InvalidRequest::NoTls => {
                f.write_str("an https URL, but the client has no settings for TLS")
            }
            InvalidRequest::TlsName => f.write_str("the host of the URL is no name for TLS"),
        }
    }
}

impl fmt::Display for RefusedRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedRedirect::TooMany(limit) => {
                write!(f, "more redirects than the limit of {limit} (ClientConfig::redirects)")
            }
            RefusedRedirect::Location(error) => {
                write!(f, "a redirect whose Location is refused: {error}")
            }
            RefusedRedirect::Locations => f.write_str("a redirect with several Locations"),
            RefusedRedirect::Downgrade => {
                f.write_str("a redirect from https to http (ClientConfig::allow_downgrade)")
            }
            RefusedRedirect::Body => {
                f.write_str("a redirect that asks for the body again, which was streamed")
            }
        }
    }
}

impl core::error::Error for InvalidRequest {}

impl core::error::Error for RefusedRedirect {}

impl core::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ClientError::Request(error) => Some(error),
            ClientError::Upload(error)
            | ClientError::Connect(_, error)
            | ClientError::Broken(_, error)
            | ClientError::Other(error) => Some(error),
            ClientError::Response(_, error) => Some(error),
            ClientError::Redirect(_, error) => Some(error),
            ClientError::Content(_, error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<InvalidRequest> for ClientError {
    fn from(error: InvalidRequest) -> Self {
        ClientError::Request(error)
    }
}

impl From<InvalidUrl> for ClientError {
    fn from(error: InvalidUrl) -> Self {
        InvalidRequest::Url(error).into()
    }
}

impl From<InvalidField> for ClientError {
    fn from(error: InvalidField) -> Self {
        InvalidRequest::Field(error).into()
    }
}

impl From<LocalProtocolError> for ClientError {
    fn from(error: LocalProtocolError) -> Self {
        InvalidRequest::Forbidden(error).into()
    }
}

/// User code that returns a `ClientError` passes on errors of other tokens with `?`. One that was a
/// `ClientError` before is that one again.
impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        match error {
            Error::Shutdown => ClientError::Shutdown,
            Error::Application(error) => match error.downcast() {
                Ok(error) => *error,
                Err(error) => ClientError::Other(Error::Application(error)),
            },
            error => ClientError::Other(error),
        }
    }
}

/// User code returns it with `?`.
impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Shutdown => Error::Shutdown,
            ClientError::Other(error) => error,
            error => Error::application(error),
        }
    }
}

/// A handler returns it as its error: a [failed](Response::failed) response.
impl IntoResponse for ClientError {
    fn into_response(self) -> Response {
        Response::failed(self)
    }
}
