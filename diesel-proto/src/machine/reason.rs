//! Why things end: the reasons of deadlines, limits and closes. They tell whether the peer or the
//! application is to blame.
//!
//! Every value here is small, comparable, and holds no allocated text: it is passed in actions,
//! counters and logs, and a test compares it with `==`.

use core::fmt;

use super::address::ConnectErrorKind;
use super::file::FileErrorKind;
use super::tls_error::TlsError;
use crate::time::Instant;

/// What a deadline is for: tells a log, a metric or a test why something timed out.
///
/// ```
/// use diesel_proto::Reason;
///
/// assert_eq!(Reason::Idle.to_string(), "the peer sent nothing");
/// assert_eq!(Reason::Application("login").to_string(), "login");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A name was not resolved in time.
    Resolve,
    /// A connection was not made in time.
    Connect,
    /// The head of a message (or a preamble before it) did not arrive in time.
    Head,
    /// The TLS handshake was not complete in time.
    Handshake,
    /// The body of a message stopped arriving.
    BodyIdle,
    /// The body of a message arrived too slowly as a whole.
    BodyRate,
    /// No further request arrived on a connection kept alive.
    KeepAlive,
    /// The peer half-closed its side, and its request was not answered in time.
    HalfClose,
    /// The peer sent nothing for as long as the service allows.
    Idle,
    /// The peer stopped taking what we send.
    WriteStall,
    /// The peer did not close its side after we closed ours.
    Linger,
    /// The grace period of a graceful shutdown ended.
    Drain,
    /// A deadline of the application, with a name that the application chose.
    Application(&'static str),
}

/// Defines [`CommonReason`] and its conversions from one list of names.
macro_rules! common_reasons {
    ($($name:ident),+ $(,)?) => {
        /// A [`Reason`] other than [`Reason::Application`]: one byte.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum CommonReason {
            $($name),+
        }

        impl CommonReason {
            #[inline]
            pub(crate) fn of(reason: Reason) -> Option<Self> {
                Some(match reason {
                    $(Reason::$name => CommonReason::$name,)+
                    Reason::Application(_) => return None,
                })
            }
        }

        impl From<CommonReason> for Reason {
            #[inline]
            fn from(reason: CommonReason) -> Self {
                match reason {
                    $(CommonReason::$name => Reason::$name),+
                }
            }
        }
    };
}

common_reasons!(
    Resolve, Connect, Head, Handshake, BodyIdle, BodyRate, KeepAlive, HalfClose, Idle, WriteStall,
    Linger, Drain,
);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Resolve => "the name was not resolved in time",
            Reason::Connect => "the connection was not made in time",
            Reason::Head => "the head did not arrive in time",
            Reason::Handshake => "the TLS handshake was not complete in time",
            Reason::BodyIdle => "the body stopped arriving",
            Reason::BodyRate => "the body arrived too slowly",
            Reason::KeepAlive => "no further request arrived",
            Reason::HalfClose => {
                "the peer half-closed its side, and its request was not answered in time"
            }
            Reason::Idle => "the peer sent nothing",
            Reason::WriteStall => "the peer stopped taking what was sent",
            Reason::Linger => "the peer did not close its side",
            Reason::Drain => "the grace period of the shutdown ended",
            Reason::Application(name) => name,
        })
    }
}

/// A point in time and what it is for.
///
/// Example: see [`Linger`](super::linger::Linger).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The instant.
    pub at: Instant,
    /// What it is for.
    pub reason: Reason,
}

/// A limit that was reached, by name, with its value. The text names the setting that changes it.
///
/// ```
/// use diesel_proto::Limit;
///
/// assert_eq!(Limit::Fibers(3).to_string(), "at the limit of 3 fibers (Config::max_fibers)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes up to and including a sentinel. For handlers:
    /// [`ServiceConfig::read_limit`](crate::hub::ServiceConfig::read_limit), or
    /// [`Read::limit`](crate::fiber::Read::limit) for one call.
    Line(usize),
    /// Bytes asked for by count: [`ServiceConfig::read_limit`](crate::hub::ServiceConfig::read_limit),
    /// or [`Read::limit`](crate::fiber::Read::limit) for one call.
    Count(usize),
    /// Bytes up to the end of the stream: the argument of
    /// [`Conn::to_end`](crate::fiber::Conn::to_end).
    ToEnd(usize),
    /// Bytes of a request's body: the argument of [`Body::read`](crate::http1::Body::read).
    Body(usize),
    /// Bytes of all bodies that an HTTP service holds:
    /// [`Limits::held_bodies`](crate::http1::Limits::held_bodies).
    HeldBodies(usize),
    /// Connections of the whole hub:
    /// [`Config::max_connections`](crate::hub::Config::max_connections).
    Connections(usize),
    /// Connections of one service:
    /// [`ServiceConfig::max_connections`](crate::hub::ServiceConfig::max_connections).
    ServiceConnections(usize),
    /// Fibers of the whole hub: handlers, loops and what they spawned:
    /// [`Config::max_fibers`](crate::hub::Config::max_fibers).
    Fibers(usize),
    /// Fibers that were spawned by others:
    /// [`Config::max_spawned`](crate::hub::Config::max_spawned).
    Spawned(usize),
    /// Look-ups and jobs that the embedder was asked for and that are awaited:
    /// [`Config::max_jobs`](crate::hub::Config::max_jobs).
    Jobs(usize),
    /// Files that are open: [`Config::max_files`](crate::hub::Config::max_files).
    Files(usize),
    /// Requests for files that the embedder was asked for and that are awaited:
    /// [`Config::max_file_requests`](crate::hub::Config::max_file_requests).
    FileRequests(usize),
    /// Calls that wait for their turn on one [`Client`](crate::fiber::Client):
    /// [`ClientBuilder::max_waiting`](crate::fiber::ClientBuilder::max_waiting).
    Calls(usize),
    /// Bytes of a PROXY header of version 2:
    /// [`HeaderConfig::max_v2`](crate::proxy_protocol::HeaderConfig::max_v2).
    ProxyHeader(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A machine that is no handler has its own setting.
            Limit::Line(n) => write!(
                f,
                "no sentinel within the line limit of {n} bytes \
                 (handlers: ServiceConfig::read_limit or Read::limit)"
            ),
            Limit::Count(n) => write!(
                f,
                "asked for more bytes than the limit of {n} \
                 (ServiceConfig::read_limit or Read::limit)"
            ),
            Limit::ToEnd(n) => {
                write!(f, "the stream is longer than the limit of {n} bytes (Conn::to_end)")
            }
            Limit::Body(n) => {
                write!(f, "the body is longer than the limit of {n} bytes (Body::read)")
            }
            Limit::HeldBodies(n) => write!(
                f,
                "the bodies held exceed the service's limit of {n} bytes \
                 (http1::Limits::held_bodies)"
            ),
            Limit::Connections(n) => {
                write!(f, "at the limit of {n} connections (Config::max_connections)")
            }
            Limit::ServiceConnections(n) => write!(
                f,
                "at the service's limit of {n} connections (ServiceConfig::max_connections)"
            ),
            Limit::Fibers(n) => write!(f, "at the limit of {n} fibers (Config::max_fibers)"),
            Limit::Spawned(n) => {
                write!(f, "at the limit of {n} spawned fibers (Config::max_spawned)")
            }
            Limit::Jobs(n) => {
                write!(f, "at the limit of {n} look-ups and jobs (Config::max_jobs)")
            }
            Limit::Files(n) => write!(f, "at the limit of {n} open files (Config::max_files)"),
            Limit::FileRequests(n) => {
                write!(f, "at the limit of {n} requests for files (Config::max_file_requests)")
            }
            Limit::Calls(n) => write!(
                f,
                "at the limit of {n} calls waiting on one client (ClientBuilder::max_waiting)"
            ),
            Limit::ProxyHeader(n) => write!(
                f,
                "the PROXY header is longer than the limit of {n} bytes (HeaderConfig::max_v2)"
            ),
        }
    }
}

impl core::error::Error for Limit {}

/// Why a connection was closed.
///
/// ```
/// use diesel_proto::{Cause, Reason};
///
/// let cause = Cause::TimedOut(Reason::Idle);
/// assert_eq!(cause.to_string(), "timed out: the peer sent nothing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The application closed it.
    Done,
    /// The peer ended its side first, and nothing was left to do.
    PeerClosed,
    /// The peer reset the connection.
    Reset,
    /// A deadline passed.
    TimedOut(Reason),
    /// A limit was reached.
    Limit(Limit),
    /// The peer broke the protocol; the text names the rule.
    Protocol(&'static str),
    /// The peer's address is not among those that are trusted to send a PROXY header.
    Untrusted,
    /// The handler returned an error.
    Failed,
    /// The handler panicked.
    Panicked,
    /// A client call ended before its answer was read: it was dropped, it failed, or it left
    /// something unread. That must not reach the next call.
    CallAbandoned,
    /// Bytes arrived on a client's connection that no call had asked for. The next call would take
    /// them for its answer.
    Unasked,
    /// TLS failed, or refused the peer.
    Tls(TlsError),
    /// The connection could not be made.
    Connect(ConnectErrorKind),
    /// A file that was being sent could not be read on.
    File(FileErrorKind),
    /// It was idle, and was closed to make room for another connection:
    /// [`ServiceConfig::shed`](crate::hub::ServiceConfig::shed).
    Shed,
    /// The hub shut down.
    Shutdown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Done => f.write_str("done"),
            Cause::PeerClosed => f.write_str("the peer closed"),
            Cause::Reset => f.write_str("the peer reset the connection"),
            Cause::TimedOut(reason) => write!(f, "timed out: {reason}"),
            Cause::Limit(limit) => limit.fmt(f),
            Cause::Protocol(rule) => write!(f, "the peer broke the protocol: {rule}"),
            Cause::Untrusted => f.write_str("not trusted to send a PROXY header"),
            Cause::Failed => f.write_str("the handler failed"),
            Cause::Panicked => f.write_str("the handler panicked"),
            Cause::CallAbandoned => f.write_str("a call ended before its answer was read"),
            Cause::Unasked => f.write_str("received bytes that no call had asked for"),
            Cause::Tls(error) => error.fmt(f),
            Cause::Connect(kind) => write!(f, "could not connect: {kind}"),
            Cause::File(kind) => write!(f, "the file that was sent could not be read on: {kind}"),
            Cause::Shed => f.write_str("idle, and closed to make room"),
            Cause::Shutdown => f.write_str("shut down"),
        }
    }
}

/// How a stream ends, and why.
///
/// The difference matters to the peer: a peer that reads until the end of the stream takes a close
/// for the end of the data. A stream that was cut off must not look complete.
///
/// ```
/// use diesel_proto::{Cause, End};
///
/// let end = End::Abort(Cause::Reset);
/// assert_eq!(end.cause(), Cause::Reset);
/// assert!(end.is_abort());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// An orderly close: everything that was queued was sent, and our side ends with FIN.
    Close(Cause),
    /// A cut: the peer sees a reset (RST; on a socket, close with `SO_LINGER` of zero).
    Abort(Cause),
}

impl End {
    /// Why.
    pub const fn cause(self) -> Cause {
        match self {
            End::Close(cause) | End::Abort(cause) => cause,
        }
    }

    /// Whether the peer is to see a reset.
    pub const fn is_abort(self) -> bool {
        matches!(self, End::Abort(_))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::string::ToString;

    #[test]
    fn a_limit_is_an_error_like_any_other() {
        let error: Box<dyn core::error::Error> = Limit::Fibers(3).into();
        assert_eq!(error.to_string(), "at the limit of 3 fibers (Config::max_fibers)");
    }
}
