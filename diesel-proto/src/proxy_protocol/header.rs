//! What a header says.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

use super::v2;
use crate::machine::Address;

/// A header that was read: for whom the proxy connects, and what else it tells.
///
/// The bytes of the vectors of version 2 are kept as long as the header is; a header without any
/// owns no memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) version: HeaderVersion,
    pub(super) proxied: Proxied,
    /// The addresses, if they are paths, then the vectors, which were checked.
    pub(super) kept: Box<[u8]>,
}

/// The form of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// For whom a proxy connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxied {
    /// A client with an IP address, over TCP or, in version 2, over UDP.
    Ip {
        /// The address from which the client connected to the proxy.
        source: SocketAddr,
        /// The address to which the client connected.
        destination: SocketAddr,
    },
    /// A client of a Unix socket of the proxy's host: [`Header::unix_paths`].
    Unix,
    /// The proxy does not know, or does not say: `UNKNOWN` in version 1, `AF_UNSPEC` in version 2,
    /// of which the rest is ignored. The peer is that of the connection.
    Unknown,
    /// The proxy connects on its own behalf, to check whether the server is well: `LOCAL` in version
    /// 2, of which the rest is ignored. The peer is that of the connection.
    Local,
}

impl Header {
    /// The form in which it came.
    pub fn version(&self) -> HeaderVersion {
        self.version
    }

    /// For whom the proxy connects.
    pub fn proxied(&self) -> Proxied {
        self.proxied
    }

    /// The client's address. `None` if that is the address of the connection itself, as for health
    /// checks. The client of a Unix socket is [`Address::Unnamed`].
    pub fn source(&self) -> Option<Address> {
        match self.proxied {
            Proxied::Ip { source, .. } => Some(source.into()),
            Proxied::Unix => Some(Address::Unnamed),
            Proxied::Unknown | Proxied::Local => None,
        }
    }

    /// The address to which the client connected, if the header has one.
    pub fn destination(&self) -> Option<Address> {
        match self.proxied {
            Proxied::Ip { destination, .. } => Some(destination.into()),
            Proxied::Unix => Some(Address::Unnamed),
            Proxied::Unknown | Proxied::Local => None,
        }
    }

    /// The paths of the client's socket and of the one that it connected to, without the zeros
    /// behind them, if those were Unix sockets. An abstract name begins with a zero. A client's
    /// path is empty as a rule.
    pub fn unix_paths(&self) -> Option<(&[u8], &[u8])> {
        let paths = self.kept.get(..v2::UNIX).filter(|_| self.proxied == Proxied::Unix)?;
        let (source, destination) = paths.split_at(v2::UNIX / 2);
        Some((v2::unpadded(source), v2::unpadded(destination)))
    }

    /// The vectors of type, length and value of version 2, in order: see [`tlv_type`].
    pub fn tlvs(&self) -> Tlvs<'_> {
        let paths = if self.proxied == Proxied::Unix { v2::UNIX } else { 0 };
        Tlvs { rest: self.kept.get(paths..).unwrap_or_default() }
    }

    /// The value of the first vector of this type.
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        self.tlvs().find(|it| it.0 == kind).map(|it| it.1)
    }

    /// The host name that the client asked for, the server name of TLS as a rule, if the proxy tells
    /// it and it is UTF-8 (section 2.2.2). The proxy passes on what the client sent.
    pub fn authority(&self) -> Option<&str> {
        core::str::from_utf8(self.tlv(tlv_type::AUTHORITY)?).ok()
    }

    /// The protocol that the client negotiated with the proxy, as ALPN has it, if the proxy tells it
    /// (section 2.2.1).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tlv(tlv_type::ALPN)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { version, proxied, kept } = self;
        write!(f, "Header({version:?}, {proxied:?}, {} more bytes)", kept.len())
    }
}

/// Types of vectors (section 2.2); others are passed on as well.
pub mod tlv_type {
    /// The application protocol that was negotiated.
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for.
    pub const AUTHORITY: u8 = 0x02;
    /// The checksum of the header, which was verified.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// What the proxy calls this connection: at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// What the proxy knows of the client's TLS: a byte of flags, 4 bytes that are zero if the
    /// client's certificate was verified, then vectors of their own (section 2.2.6), for
    /// [`Tlvs::of`](super::Tlvs::of).
    pub const SSL: u8 = 0x20;
    /// The name of the network namespace.
    pub const NETNS: u8 = 0x30;
}

/// Vectors of type, length and value, in order: an iterator of types and values. It ends before one
/// that is not complete.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// Those in `bytes`: in the value of another one, for example.
    pub fn of(bytes: &'a [u8]) -> Self {
        Tlvs { rest: bytes }
    }

    /// What follows the last complete one: nothing, if all are.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, high, low], rest) = self.rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        self.rest = rest;
        Some((kind, value))
    }
}
