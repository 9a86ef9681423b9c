//! The address of a peer, and why a connection to it could not be made.

use core::fmt;
use core::net::SocketAddr;

/// The address to connect to, or that of the peer that connected.
///
/// ```
/// use std::net::SocketAddr;
/// use diesel_proto::Address;
///
/// let address = Address::from(SocketAddr::from(([192, 0, 2, 7], 80)));
/// assert_eq!(address.to_string(), "192.0.2.7:80");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A peer that has no address: a pair of pipes, a test.
    Unnamed,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Socket(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(address) => address.fmt(f),
            Address::Unnamed => f.write_str("unnamed"),
        }
    }
}

/// Why a connection could not be made.
///
/// ```
/// use diesel_proto::ConnectErrorKind;
///
/// assert_eq!(ConnectErrorKind::Unreachable.to_string(), "no route to host");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// No socket listens at the address (ECONNREFUSED).
    Refused,
    /// The peer, or something on the way, reset the attempt (ECONNRESET).
    Reset,
    /// There is no route to the address (ENETUNREACH, EHOSTUNREACH).
    Unreachable,
    /// No answer came before the timeout of the operating system (ETIMEDOUT) or that of the service
    /// ([`ServiceConfig::connect`](crate::hub::ServiceConfig::connect)).
    TimedOut,
    /// No local address or port is free, or the address cannot be connected to (EADDRNOTAVAIL).
    AddressNotAvailable,
    /// The system forbids it (EACCES, EPERM).
    Forbidden,
    /// Out of file descriptors or memory.
    OutOfResources,
    /// The embedder does not support this kind of address.
    Unsupported,
    /// The operating system connected the socket to itself: nothing listens at that port of this
    /// host, and the port was free, so that the system chose it as the local one. Whatever was sent
    /// would come back as the answer.
    SelfConnect,
    /// Any other error, with its number (`errno`).
    Other(i32),
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectErrorKind::Refused => f.write_str("connection refused"),
            ConnectErrorKind::Reset => f.write_str("connection reset while connecting"),
            ConnectErrorKind::Unreachable => f.write_str("no route to host"),
            ConnectErrorKind::TimedOut => f.write_str("no answer in time"),
            ConnectErrorKind::AddressNotAvailable => f.write_str("address not available"),
            ConnectErrorKind::Forbidden => f.write_str("not permitted"),
            ConnectErrorKind::OutOfResources => f.write_str("out of file descriptors or memory"),
            ConnectErrorKind::Unsupported => f.write_str("this kind of address is not supported"),
            ConnectErrorKind::SelfConnect => f.write_str("connected to itself: no listener"),
            ConnectErrorKind::Other(code) => write!(f, "system error {code}"),
        }
    }
}
