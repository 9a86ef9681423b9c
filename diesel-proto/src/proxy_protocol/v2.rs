//! Version 2: sixteen bytes, addresses, and vectors of type, length and value (section 2.2).

use alloc::boxed::Box;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, HeaderError, HeaderErrorKind, HeaderVersion, Proxied, Tlvs, tlv_type};

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The number of bytes before the addresses.
pub(super) const FIXED: usize = 16;
/// The numbers of bytes of both addresses, ports included, for each family.
const IPV4: usize = 2 * (4 + 2);
const IPV6: usize = 2 * (16 + 2);
pub(super) const UNIX: usize = 2 * 108;

const LOCAL: u8 = 0;
const PROXY: u8 = 1;

/// The length of the header of a stream that begins with (part of) the signature. `None` if it is
/// not known yet. Each byte is checked as soon as it is there.
pub(super) fn length(bytes: &[u8], max: usize) -> Result<Option<usize>, HeaderError> {
    let Some(&version_and_command) = bytes.get(12) else { return Ok(None) };
    if version_and_command >> 4 != 2 {
        return Err(HeaderError::new(HeaderErrorKind::Version, 12));
    }
    let command = version_and_command & 0xf;
    if command > PROXY {
        return Err(HeaderError::new(HeaderErrorKind::Command, 12));
    }
    // With LOCAL the family is ignored.
    let is_family = |byte: &u8| byte >> 4 <= 3 && byte & 0xf <= 2;
    if command == PROXY && !bytes.get(13).is_none_or(is_family) {
        return Err(HeaderError::new(HeaderErrorKind::Family, 13));
    }
    let Some(&[high, low]) = bytes.get(14..FIXED).and_then(|it| it.first_chunk()) else {
        return Ok(None);
    };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    match length <= max {
        true => Ok(Some(length)),
        false => Err(HeaderError::new(HeaderErrorKind::TooLong(max), 14)),
    }
}

/// Reads a whole header, whose [`length`] was accepted.
///
/// If the proxy connects on its own behalf, or does not specify the family or the protocol, what
/// follows is ignored.
pub(super) fn parse(header: &[u8]) -> Result<Header, HeaderError> {
    let block = header.get(FIXED..).unwrap_or_default();
    let (command, family) = match header.get(12..14) {
        Some(&[version_and_command, family]) => (version_and_command & 0xf, family),
        _ => return Err(HeaderError::new(HeaderErrorKind::Incomplete, header.len())),
    };
    let too_short = HeaderError::new(HeaderErrorKind::AddressLength, 14);
    let (proxied, addresses, kept) = match (command, family >> 4, family & 0xf) {
        (LOCAL, ..) => return Ok(made(Proxied::Local, &[])),
        (_, 1, 1..) => (ipv4(block).ok_or(too_short)?, IPV4, IPV4),
        (_, 2, 1..) => (ipv6(block).ok_or(too_short)?, IPV6, IPV6),
        (_, 3, 1..) if block.len() >= UNIX => (Proxied::Unix, UNIX, 0),
        (_, 3, 1..) => return Err(too_short),
        _ => return Ok(made(Proxied::Unknown, &[])),
    };
    check(header, FIXED + addresses)?;
    Ok(made(proxied, block.get(kept..).unwrap_or_default()))
}

fn made(proxied: Proxied, kept: &[u8]) -> Header {
    Header { version: HeaderVersion::V2, proxied, kept: Box::from(kept) }
}

fn ipv4(block: &[u8]) -> Option<Proxied> {
    let (&source, rest) = block.split_first_chunk::<4>()?;
    let (&destination, rest) = rest.split_first_chunk::<4>()?;
    let (from, to) = ports(rest)?;
    Some(Proxied::Ip {
        source: SocketAddr::new(Ipv4Addr::from(source).into(), from),
        destination: SocketAddr::new(Ipv4Addr::from(destination).into(), to),
    })
}

fn ipv6(block: &[u8]) -> Option<Proxied> {
    let (&source, rest) = block.split_first_chunk::<16>()?;
    let (&destination, rest) = rest.split_first_chunk::<16>()?;
    let (from, to) = ports(rest)?;
    Some(Proxied::Ip {
        source: SocketAddr::new(Ipv6Addr::from(source).into(), from),
        destination: SocketAddr::new(Ipv6Addr::from(destination).into(), to),
    })
}

fn ports(rest: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = rest.first_chunk::<4>()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// The name in a field of fixed length. It ends before its first zero; an abstract name, which
/// begins with a zero, ends before the trailing zeros.
pub(super) fn unpadded(field: &[u8]) -> &[u8] {
    let len = match field.first() {
        Some(0) => field.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1),
        _ => memchr::memchr(0, field).unwrap_or(field.len()),
    };
    field.get(..len).unwrap_or_default()
}

/// Checks the vectors, which begin at `start`, and the checksum, if there is one: a receiver that
/// supports checksums must verify it (section 2.2.3).
fn check(header: &[u8], start: usize) -> Result<(), HeaderError> {
    let mut tlvs = Tlvs::of(header.get(start..).unwrap_or_default());
    let offset = |tlvs: &Tlvs<'_>| header.len() - tlvs.rest().len();
    let (mut at, mut checksum) = (offset(&tlvs), None);
    while let Some((kind, value)) = tlvs.next() {
        if kind == tlv_type::CRC32C {
            let told = value.try_into().ok().filter(|_| checksum.is_none());
            let told = told.ok_or(HeaderError::new(HeaderErrorKind::Tlv, at))?;
            checksum = Some((at + 3, u32::from_be_bytes(told)));
        }
        at = offset(&tlvs);
    }
    if !tlvs.rest().is_empty() {
        return Err(HeaderError::new(HeaderErrorKind::Tlv, at));
    }
    let Some((at, told)) = checksum else { return Ok(()) };
    // It is computed with zeros in the place of the checksum.
    let (before, behind) = (header.get(..at), header.get(at + 4..));
    let parts = [before.unwrap_or_default(), &[0; 4], behind.unwrap_or_default()];
    match crc32c(&parts) == told {
        true => Ok(()),
        false => Err(HeaderError::new(HeaderErrorKind::Checksum, at)),
    }
}

/// Computed bit by bit: a table would cost more than it saves on a few hundred bytes for each
/// connection that has a checksum.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().copied().flatten();
    !bytes.fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn checksums_that_are_known() {
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 16], &[0xff; 16]]), 0x62a8_ab43);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xe306_9283);
    }
}
