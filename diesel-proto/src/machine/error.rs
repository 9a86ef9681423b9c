//! [`Error`]: what a token can fail with. It tells whether the peer or the application is to blame.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::connect_error::ConnectError;
use super::file::FileErrorKind;
use super::job_error::JobError;
use super::name::{ResolveError, ResolveErrorKind};
use super::reason::{Limit, Reason};
use super::refused::Refused;
use super::target_error::TargetError;
use super::tls_error::TlsError;
use crate::buf::TooLong;

/// Why a token failed. `?` passes it on; a handler that returns it closes its connection.
///
/// `?` also converts common errors of `core`, strings, boxed errors and, with the feature `std`,
/// `std::io::Error`, to [`Error::Application`]. For any other error use
/// [`map_err(Error::application)`](Error::application).
///
/// ```
/// use diesel_proto::{Conn, Error};
///
/// async fn motd(mut conn: Conn) -> Result<(), Error> {
/// # #[cfg(feature = "std")] {
///     let text = std::fs::read_to_string("/etc/motd")?;
///     conn.write(text).await?;
/// # }
///     conn.flush().await
/// }
/// # diesel_proto::Hub::default().add_service(motd);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer ended its side (or our side is closed already), so what was awaited cannot come.
    /// Bytes that arrived before can still be read.
    Closed,
    /// The connection broke: RST, EPIPE, or our own abort.
    Reset,
    /// A deadline passed.
    TimedOut(Reason),
    /// A limit was reached.
    Limit(Limit),
    /// TLS failed, or refused the peer.
    Tls(TlsError),
    /// This subscription fell behind and missed this many messages. The next wait continues with
    /// the oldest message that is left.
    Lagged(u64),
    /// A connection could not be made. (Boxed to keep errors small: every token returns them.)
    Connect(Box<ConnectError>),
    /// What was to be connected to is neither an address nor a name, with a port.
    Target(Box<TargetError>),
    /// A name could not be resolved.
    Resolve(Box<ResolveError>),
    /// A [job](crate::fiber::Ctx::unblock) has no result.
    Job(JobError),
    /// A file could not be [opened](crate::fiber::Ctx::open) or read, or a directory not be listed.
    File(FileErrorKind),
    /// The hub is shutting down, and this operation would have had to wait.
    Shutdown,
    /// The future was polled again after it had completed.
    AlreadyDone,
    /// The future belongs to another hub than the fiber that awaits it, or it is polled outside of
    /// a fiber.
    OtherHub,
    /// The fiber that should have given the result was aborted.
    Aborted,
    /// The fiber that should have given the result panicked.
    Panicked,
    /// An earlier call on this client ended before its answer was read, so the connection cannot be
    /// used any more.
    CallAbandoned,
    /// An error of the application.
    Application(Box<dyn core::error::Error>),
}

impl Error {
    /// Wraps an error of the application: any error, or a string.
    ///
    /// ```
    /// use diesel_proto::Error;
    ///
    /// let error = Error::application("no such room");
    /// assert_eq!(error.to_string(), "no such room");
    /// ```
    pub fn application(error: impl Into<Box<dyn core::error::Error>>) -> Self {
        Error::Application(error.into())
    }

    /// Whether the peer of a connection is to blame: it took too long, or sent more than it may. A
    /// handler that returns such an error did not fail; its connection was cut, and that is
    /// reported as [`Notice::Cut`](super::notice::Notice::Cut).
    ///
    /// [`Limit::Count`] is not the peer's fault: the application asked for that count.
    ///
    /// ```
    /// use diesel_proto::{Error, Limit, Reason};
    ///
    /// assert!(Error::TimedOut(Reason::Idle).is_of_peer());
    /// assert!(Error::Limit(Limit::Line(80)).is_of_peer());
    /// assert!(!Error::Limit(Limit::Calls(10)).is_of_peer());
    /// assert!(!Error::application("no such room").is_of_peer());
    /// ```
    pub fn is_of_peer(&self) -> bool {
        match self {
            Error::TimedOut(_) => true,
            Error::Tls(error) => error.is_of_peer(),
            Error::Limit(limit) => {
                matches!(limit, Limit::Line(_) | Limit::ToEnd(_) | Limit::Body(_))
            }
            _ => false,
        }
    }

    /// What timed out, if this is the error of a deadline: of a name that was not
    /// [resolved](Self::Resolve) in time ([`Reason::Resolve`]), of a connection that was not
    /// [made](Self::Connect) in time ([`Reason::Connect`]), or of [any other](Self::TimedOut).
    ///
    /// ```
    /// use diesel_proto::{Address, ConnectError, ConnectErrorKind, Error, Reason};
    ///
    /// let error = ConnectError::new(Address::Unnamed, ConnectErrorKind::TimedOut);
    /// assert_eq!(Error::from(error).timed_out(), Some(Reason::Connect));
    /// assert_eq!(Error::TimedOut(Reason::Idle).timed_out(), Some(Reason::Idle));
    /// assert_eq!(Error::Closed.timed_out(), None);
    /// ```
    pub fn timed_out(&self) -> Option<Reason> {
        match self {
            Error::TimedOut(reason) => Some(*reason),
            Error::Resolve(error) => {
                (error.kind == ResolveErrorKind::TimedOut).then_some(Reason::Resolve)
            }
            Error::Connect(error) => error.timed_out().then_some(Reason::Connect),
            _ => None,
        }
    }

    /// Whether this is an ordinary end of a connection, which is not reported.
    pub fn is_ordinary(&self) -> bool {
        match self {
            Error::Closed | Error::Reset | Error::Shutdown => true,
            Error::Tls(error) => error.is_ordinary(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Closed => f.write_str("the connection is closed"),
            Error::Reset => f.write_str("the connection was reset"),
            Error::TimedOut(reason) => write!(f, "timed out: {reason}"),
            Error::Limit(limit) => limit.fmt(f),
            Error::Tls(error) => error.fmt(f),
            Error::Lagged(n) => write!(f, "fell behind and missed {n} messages"),
            Error::Connect(error) => error.fmt(f),
            Error::Target(error) => error.fmt(f),
            Error::Resolve(error) => error.fmt(f),
            Error::Job(error) => error.fmt(f),
            Error::File(error) => error.fmt(f),
            Error::Shutdown => f.write_str("shutting down"),
            Error::AlreadyDone => f.write_str("polled again after it had completed"),
            Error::OtherHub => f.write_str("awaited outside of the fibers of its hub"),
            Error::Aborted => f.write_str("the fiber was aborted"),
            Error::Panicked => f.write_str("the fiber panicked"),
            Error::CallAbandoned => f.write_str("an earlier call ended before its answer was read"),
            Error::Application(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Error::Connect(error) => Some(&**error),
            Error::Target(error) => Some(&**error),
            Error::Resolve(error) => Some(&**error),
            Error::Job(error) => Some(error),
            Error::File(error) => Some(error),
            Error::Tls(error) => Some(error),
            Error::Application(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<TooLong> for Error {
    fn from(error: TooLong) -> Self {
        Error::Limit(Limit::Line(error.limit))
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Error::Connect(Box::new(error))
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Error::Target(Box::new(error))
    }
}

impl From<ResolveError> for Error {
    fn from(error: ResolveError) -> Self {
        Error::Resolve(Box::new(error))
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        Error::Job(error)
    }
}

impl From<FileErrorKind> for Error {
    fn from(error: FileErrorKind) -> Self {
        Error::File(error)
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Error::Limit(limit)
    }
}

impl From<Refused> for Error {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Limit(limit) => Error::Limit(limit),
            Refused::Shutdown => Error::Shutdown,
            other => Error::application(other),
        }
    }
}

impl From<Box<dyn core::error::Error>> for Error {
    fn from(error: Box<dyn core::error::Error>) -> Self {
        Error::Application(error)
    }
}

impl From<Box<dyn core::error::Error + Send + Sync>> for Error {
    fn from(error: Box<dyn core::error::Error + Send + Sync>) -> Self {
        Error::Application(error)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error::application(text)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::application(text)
    }
}

macro_rules! from_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::application(error)
            }
        })*
    };
}

from_errors!(
    core::str::Utf8Error,
    alloc::string::FromUtf8Error,
    core::num::ParseIntError,
    core::num::ParseFloatError,
    core::num::TryFromIntError,
    core::net::AddrParseError,
    core::str::ParseBoolError,
    core::char::ParseCharError,
    core::array::TryFromSliceError,
    fmt::Error
);

/// Conversions from errors of `std`. The name `std` is in scope in this module only, so that the
/// rest of the crate stays `no_std` whatever the features are.
#[cfg(feature = "std")]
mod of_std {
    extern crate std;

    use super::Error;

    from_errors!(
        std::io::Error,
        std::env::VarError,
        std::time::SystemTimeError,
        std::sync::mpsc::RecvError
    );
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    /// What `?` converts it to.
    fn passed_on<E>(error: E) -> Error
    where
        Error: From<E>,
    {
        Error::from(error)
    }

    #[test]
    fn a_limit_stays_a_limit() {
        let limit = Limit::Connections(10);
        assert!(matches!(passed_on(limit), Error::Limit(it) if it == limit));
        assert!(matches!(passed_on(Refused::Limit(limit)), Error::Limit(it) if it == limit));
        assert!(matches!(passed_on(Refused::Shutdown), Error::Shutdown));
        assert_eq!(passed_on(Refused::NoSuchService).to_string(), "no such service");
    }

    #[test]
    fn errors_of_others_are_of_the_application() {
        let boxed: Box<dyn core::error::Error + Send + Sync> = "boxed".into();
        let address = "7050".parse::<core::net::SocketAddr>().unwrap_err();
        let number = u8::try_from(256).unwrap_err();
        for error in [passed_on(boxed), passed_on(address), passed_on(number)] {
            assert!(matches!(error, Error::Application(_)), "{error:?}");
            assert!(!error.is_ordinary() && !error.is_of_peer());
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_io_error_keeps_its_text_and_its_type() {
        extern crate std;
        use core::error::Error as _;

        let error = passed_on(std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "disk on fire");
        assert!(error.source().is_some_and(|error| error.is::<std::io::Error>()));
    }

    #[test]
    fn it_is_small_enough_to_pass_through_every_token() {
        assert!(size_of::<Error>() <= 24);
    }
}
