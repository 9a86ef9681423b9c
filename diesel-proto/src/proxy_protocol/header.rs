//! The contents of a header.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

use super::v2;
use crate::machine::Address;

/// A header that was read: for which client the proxy connects, and further data.
///
/// The header owns the bytes of the vectors of version 2; a header without vectors allocates
/// nothing.
///
/// Example: see [`parse`](super::parse).
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) version: HeaderVersion,
    pub(super) proxied: Proxied,
    /// The addresses, if they are paths, then the checked vectors.
    pub(super) kept: Box<[u8]>,
}

/// The form of a header.
///
/// Example: see [`parse`](super::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The client for which a proxy connects.
///
/// Example: see [`parse`](super::parse).
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
    /// A client that connected to a Unix socket on the proxy's host: see [`Header::unix_paths`].
    Unix,
    /// The proxy does not know or does not reveal the client: `UNKNOWN` in version 1, `AF_UNSPEC`
    /// in version 2. The rest of the header is ignored; the peer is that of the connection.
    Unknown,
    /// The proxy connects on its own behalf, for a health check: `LOCAL` in version 2. The rest of
    /// the header is ignored; the peer is that of the connection.
    Local,
}

impl Header {
    /// The version of the header.
    pub fn version(&self) -> HeaderVersion {
        self.version
    }

    /// The client for which the proxy connects.
    pub fn proxied(&self) -> Proxied {
        self.proxied
    }

    /// The client's address. `None` if the peer of the connection is the client itself, as for
    /// health checks. The client of a Unix socket is [`Address::Unnamed`].
    pub fn source(&self) -> Option<Address> {
        match self.proxied {
            Proxied::Ip { source, .. } => Some(source.into()),
            Proxied::Unix => Some(Address::Unnamed),
            Proxied::Unknown | Proxied::Local => None,
        }
    }

    /// The address to which the client connected, if the header contains one.
    pub fn destination(&self) -> Option<Address> {
        match self.proxied {
            Proxied::Ip { destination, .. } => Some(destination.into()),
            Proxied::Unix => Some(Address::Unnamed),
            Proxied::Unknown | Proxied::Local => None,
        }
    }

    /// If the client used Unix sockets: the path of its socket, and of the one that it
    /// connected to, without trailing zeros. An abstract name begins with a zero. The client's path
    /// is usually empty.
    pub fn unix_paths(&self) -> Option<(&[u8], &[u8])> {
        let paths = self.kept.get(..v2::UNIX).filter(|_| self.proxied == Proxied::Unix)?;
        let (source, destination) = paths.split_at(v2::UNIX / 2);
        Some((v2::unpadded(source), v2::unpadded(destination)))
    }

    /// The vectors (type, length, value) of version 2, in order: see [`tlv_type`].
    pub fn tlvs(&self) -> Tlvs<'_> {
        let paths = if self.proxied == Proxied::Unix { v2::UNIX } else { 0 };
        Tlvs { rest: self.kept.get(paths..).unwrap_or_default() }
    }

    /// The value of the first vector of this type.
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        self.tlvs().find(|it| it.0 == kind).map(|it| it.1)
    }

    /// The host name that the client asked for, usually the server name of TLS, if the header
    /// contains one and it is UTF-8 (section 2.2.2). It is what the client sent.
    pub fn authority(&self) -> Option<&str> {
        core::str::from_utf8(self.tlv(tlv_type::AUTHORITY)?).ok()
    }

    /// The ALPN name of the protocol that the client negotiated with the proxy, if the header
    /// contains it (section 2.2.1).
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

/// Types of vectors (section 2.2). Vectors of other types are kept, too.
///
/// Example: see [`Tlvs`].
pub mod tlv_type {
    /// The application protocol that was negotiated.
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for.
    pub const AUTHORITY: u8 = 0x02;
    /// The checksum of the header. It was verified.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// The proxy's id of this connection: at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// Data about the client's TLS: a byte of flags, 4 bytes that are zero if the client's
    /// certificate was verified, then nested vectors (section 2.2.6), for
    /// [`Tlvs::of`](super::Tlvs::of).
    pub const SSL: u8 = 0x20;
    /// The name of the network namespace.
    pub const NETNS: u8 = 0x30;
}

/// An iterator over vectors (type, length, value) that yields types and values. It ends before an
/// incomplete vector.
///
/// ```
/// use diesel_proto::proxy_protocol::{Tlvs, tlv_type};
///
/// let vectors = b"\x02\x00\x0bexample.org\x05\x00\x02id";
/// let name = Tlvs::of(vectors).find(|(kind, _)| *kind == tlv_type::AUTHORITY);
/// assert_eq!(name, Some((tlv_type::AUTHORITY, &b"example.org"[..])));
/// ```
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// The vectors in `bytes`, for example in the value of another vector.
    pub fn of(bytes: &'a [u8]) -> Self {
        Tlvs { rest: bytes }
    }

    /// The bytes that the iterator has not consumed. At its end: those behind the last complete
    /// vector.
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
