//! [`Prefix`]: a range of addresses.
//!
//! It must never know what its addresses are trusted with.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use alloc::boxed::Box;

/// All addresses that begin with the same bits: `10.0.0.0/8`, or one address, `::1`.
///
/// An IPv4 address that is mapped to IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
///
/// ```
/// use diesel_proto::web::Prefix;
///
/// let prefix: Prefix = "10.0.0.0/8".parse()?;
/// assert!(prefix.contains("10.1.2.3".parse().unwrap()));
/// assert!(prefix.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!prefix.contains("11.0.0.1".parse().unwrap()));
/// # Ok::<(), diesel_proto::web::InvalidPrefix>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    /// `bits <= 32`, or `<= 128`.
    bits: u8,
}

/// A text that is not a [`Prefix`].
///
/// Example: see [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPrefix(Box<str>);

impl Prefix {
    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Prefix { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPrefix(text.into());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let Some(bits) = bits else { return Ok(address.into()) };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|&bits| is_number && bits <= most);
        Ok(Prefix { address, bits: bits.ok_or_else(invalid)? })
    }
}

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is neither an IP address nor ADDRESS/BITS", self.0)
    }
}

impl core::error::Error for InvalidPrefix {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_count() {
        for (prefix, address, expected) in [
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("10.1.2.3/31", "10.1.2.2", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
            ("::1/128", "::1", true),
            ("::1/128", "::2", false),
            ("192.168.0.0/16", "192.169.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
        ] {
            let prefix: Prefix = prefix.parse().unwrap();
            assert_eq!(prefix.contains(address.parse().unwrap()), expected, "{prefix:?} {address}");
        }
        for text in ["", "a", "10.0.0.1/33", "::1/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
