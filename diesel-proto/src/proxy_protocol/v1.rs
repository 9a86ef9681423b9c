//! Version 1: one line of text (section 2.1).

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

use super::{Header, HeaderError, HeaderErrorKind, HeaderVersion, MAX_V1, Proxied};

pub(super) const SIGNATURE: &[u8; 6] = b"PROXY ";

/// The length of the line, its LF included, of a stream that begins with the signature. `None` if
/// the line may still end later. No byte before `searched` ends it.
pub(super) fn end(bytes: &[u8], searched: usize) -> Result<Option<usize>, HeaderError> {
    let within = bytes.get(searched..bytes.len().min(MAX_V1)).unwrap_or_default();
    match memchr::memchr(b'\n', within) {
        Some(at) => Ok(Some(searched + at + 1)),
        None if bytes.len() >= MAX_V1 => Err(HeaderError::new(HeaderErrorKind::NoEnd, MAX_V1)),
        None => Ok(None),
    }
}

/// Reads a whole line, which begins with the signature and ends with LF.
pub(super) fn parse(line: &[u8]) -> Result<Header, HeaderError> {
    let no_end = |at| HeaderError::new(HeaderErrorKind::NoEnd, at);
    let text = line.strip_suffix(b"\r\n").ok_or_else(|| no_end(line.len().saturating_sub(1)))?;
    if let Some(at) = memchr::memchr(b'\r', text) {
        return Err(no_end(at));
    }
    let mut words = Words { line: text, next: Some(SIGNATURE.len()) };
    let is_family: fn(&IpAddr) -> bool = match words.take(HeaderErrorKind::Protocol)? {
        (_, b"TCP4") => IpAddr::is_ipv4,
        (_, b"TCP6") => IpAddr::is_ipv6,
        // What follows must be ignored.
        (_, b"UNKNOWN") => return Ok(header(Proxied::Unknown)),
        (at, _) => return Err(HeaderError::new(HeaderErrorKind::Protocol, at)),
    };
    let source = words.parse(HeaderErrorKind::Address, |word| address(word, is_family))?;
    let destination = words.parse(HeaderErrorKind::Address, |word| address(word, is_family))?;
    let source_port = words.parse(HeaderErrorKind::Port, port)?;
    let destination_port = words.parse(HeaderErrorKind::Port, port)?;
    if let Some(at) = words.next {
        return Err(HeaderError::new(HeaderErrorKind::Trailing, at - 1));
    }
    Ok(header(Proxied::Ip {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

fn header(proxied: Proxied) -> Header {
    Header { version: HeaderVersion::V1, proxied, kept: Box::default() }
}

/// An IPv6 address may end in the form of an IPv4 one, `::ffff:192.0.2.7`, although the
/// specification allows only groups of digits: proxies write what `inet_ntop` returns.
fn address(word: &[u8], is_family: fn(&IpAddr) -> bool) -> Option<IpAddr> {
    core::str::from_utf8(word).ok()?.parse().ok().filter(is_family)
}

/// Parses digits only: Rust's parser also accepts a sign and leading zeros.
fn port(word: &[u8]) -> Option<u16> {
    let plain = word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || !word.starts_with(b"0"));
    core::str::from_utf8(word).ok().filter(|_| plain)?.parse().ok()
}

/// Splits a line into words with exactly one space between them.
struct Words<'a> {
    line: &'a [u8],
    /// Where the next word begins. `None` after the last one.
    next: Option<usize>,
}

impl<'a> Words<'a> {
    /// The next word and its offset. The word is empty if there are two spaces before it.
    fn take(&mut self, expected: HeaderErrorKind) -> Result<(usize, &'a [u8]), HeaderError> {
        let at = self.next.ok_or(HeaderError::new(expected, self.line.len()))?;
        let rest = self.line.get(at..).unwrap_or_default();
        let len = memchr::memchr(b' ', rest);
        self.next = len.map(|len| at + len + 1);
        Ok((at, rest.get(..len.unwrap_or(rest.len())).unwrap_or_default()))
    }

    fn parse<T>(
        &mut self,
        expected: HeaderErrorKind,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, HeaderError> {
        let (at, word) = self.take(expected)?;
        parse(word).ok_or(HeaderError::new(expected, at))
    }
}
