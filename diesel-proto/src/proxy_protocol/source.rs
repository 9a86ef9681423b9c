//! Sources of connections: addresses, networks, and peers without an address.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use crate::machine::Address;

/// Addresses that are trusted to send a header.
///
/// Written as `192.0.2.7`, `10.0.0.0/8`, `fd00::/8`, or `unix`, which is any peer that has no
/// address, [`Address::Unnamed`].
///
/// ```
/// use diesel_proto::proxy_protocol::{SourceError, TrustedSource};
///
/// let lan: TrustedSource = "10.0.0.0/8".parse()?;
/// assert!(lan.contains("10.1.2.3:5000".parse::<std::net::SocketAddr>().unwrap().into()));
/// assert!(!lan.contains("192.0.2.7:5000".parse::<std::net::SocketAddr>().unwrap().into()));
/// // A socket that listens for IPv4 and IPv6 reports IPv4 peers like this.
/// assert!(lan.contains("[::ffff:10.1.2.3]:5000".parse::<std::net::SocketAddr>().unwrap().into()));
///
/// assert_eq!("10.0.0.1/8".parse::<TrustedSource>(), Err(SourceError::HostBits));
/// # Ok::<(), SourceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedSource(SourceKind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceKind {
    /// The addresses of one family that share the first `prefix` bits; the other bits of `address`
    /// are zero.
    Network {
        address: IpAddr,
        prefix: u32,
    },
    Unnamed,
}

/// Why a text does not name a source.
///
/// Example: see [`TrustedSource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// It does not begin with an IP address.
    Address,
    /// The length of the prefix is not a number, or exceeds the number of bits of the address.
    Prefix,
    /// The address has bits set behind the prefix: it is not the address of a network.
    HostBits,
}

impl TrustedSource {
    /// Any peer without an address.
    pub const UNIX: TrustedSource = TrustedSource(SourceKind::Unnamed);

    /// One address. An IPv4-mapped IPv6 address is the same as the IPv4 address.
    pub fn address(address: IpAddr) -> Self {
        let address = address.to_canonical();
        TrustedSource(SourceKind::Network { address, prefix: bits(address) })
    }

    /// The addresses that begin with the first `prefix` bits of `address`.
    ///
    /// # Errors
    ///
    /// [`SourceError::Prefix`] or [`SourceError::HostBits`].
    pub fn network(address: IpAddr, prefix: u32) -> Result<Self, SourceError> {
        if prefix > bits(address) {
            return Err(SourceError::Prefix);
        }
        match first_bits(address, prefix) == number(address) {
            true => Ok(TrustedSource(SourceKind::Network { address, prefix })),
            false => Err(SourceError::HostBits),
        }
    }

    /// Whether `peer` is one of these addresses, with any port.
    pub fn contains(&self, peer: Address) -> bool {
        match (self.0, peer) {
            (SourceKind::Network { address, prefix }, Address::Socket(peer)) => {
                // A socket that listens for IPv4 and IPv6 reports IPv4 peers as IPv6 addresses.
                let peers = [peer.ip(), peer.ip().to_canonical()];
                let is_in = |peer: IpAddr| {
                    peer.is_ipv4() == address.is_ipv4()
                        && first_bits(peer, prefix) == number(address)
                };
                peers.into_iter().any(is_in)
            }
            (SourceKind::Unnamed, Address::Unnamed) => true,
            _ => false,
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number whose highest bit is the first of the address.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// `prefix <= 128`
fn first_bits(address: IpAddr, prefix: u32) -> u128 {
    number(address) & !u128::MAX.checked_shr(prefix).unwrap_or(0)
}

impl FromStr for TrustedSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(TrustedSource::UNIX);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| SourceError::Address)?;
        let Some(prefix) = prefix else { return Ok(TrustedSource::address(address)) };
        if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SourceError::Prefix);
        }
        TrustedSource::network(address, prefix.parse().map_err(|_| SourceError::Prefix)?)
    }
}

impl fmt::Display for TrustedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SourceKind::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            SourceKind::Unnamed => f.write_str("unix"),
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SourceError::Address => "expected an IP address, a network such as 10.0.0.0/8, or unix",
            SourceError::Prefix => "expected a prefix of at most 32 bits for IPv4, 128 for IPv6",
            SourceError::HostBits => "expected a network: the address has bits behind its prefix",
        })
    }
}

impl core::error::Error for SourceError {}
