//! Where a peer is, and why it could not be reached.

use core::fmt;
use core::net::SocketAddr;

/// Where to connect to, or who connected.
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

/// A connection that could not be made: to where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectError {
    /// Where to.
    pub address: Address,
    /// Why not.
    pub kind: ConnectErrorKind,
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Nobody listens there (ECONNREFUSED), or the peer reset the attempt.
    Refused,
    /// No way leads there (ENETUNREACH, EHOSTUNREACH).
    Unreachable,
    /// No answer came in time, the system's time or the service's.
    TimedOut,
    /// No local address or port was left, or the address is not one to connect to.
    AddressNotAvailable,
    /// The system forbids it (EACCES, EPERM).
    Forbidden,
    /// Out of file descriptors or memory.
    OutOfResources,
    /// What the embedder cannot do: an address of a kind it does not know.
    Unsupported,
    /// The system connected the socket to itself: nothing listens at that port of this machine, and
    /// it was free, so that the system chose it as the local one. What was sent would come back as
    /// the answer.
    SelfConnect,
    /// Anything else, by the system's number for it.
    Other(i32),
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectErrorKind::Refused => f.write_str("connection refused"),
            ConnectErrorKind::Unreachable => f.write_str("no route to it"),
            ConnectErrorKind::TimedOut => f.write_str("no answer in time"),
            ConnectErrorKind::AddressNotAvailable => f.write_str("address not available"),
            ConnectErrorKind::Forbidden => f.write_str("not permitted"),
            ConnectErrorKind::OutOfResources => f.write_str("out of descriptors or memory"),
            ConnectErrorKind::Unsupported => f.write_str("this kind of address is not supported"),
            ConnectErrorKind::SelfConnect => f.write_str("nothing listens there but this socket"),
            ConnectErrorKind::Other(code) => write!(f, "system error {code}"),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.address, self.kind)
    }
}

impl core::error::Error for ConnectError {}
