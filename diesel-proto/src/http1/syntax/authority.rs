//! The authority of a request: a host and a port, from `Host` or the request target.
//!
//! ```text
//! uri-host [ ":" port ]                       RFC 9110, 7.2
//! uri-host = IP-literal / IPv4address / reg-name   RFC 3986, 3.2.2
//! ```
//!
//! Requests are routed by it, so where the grammar allows two readings of one host, it is refused.
//! Rules of this file, beyond the grammar:
//!
//! - **No userinfo** (RFC 9110, 4.2.4): its only use is to disguise the host after it.
//! - **A host is not empty** (RFC 9110, 4.2.1). A whole `Host` value may be: see [`parse_host`].
//! - **No comma**, though reg-name allows it: an intermediary that joins two `Host` lines puts one
//!   between them (RFC 9110, 5.3).
//! - **Percent-encodings are of bytes beyond ASCII only**, which is what RFC 3986, 3.2.2, has them
//!   for. An encoded letter is a second name for the same host, and an encoded delimiter is another
//!   host for a recipient that decodes it. Browsers decode and then refuse them (URL Standard, host
//!   parsing).
//! - **A port is at most 65535**. It may be empty, which means that there is none, and have leading
//!   zeros, which are ignored (RFC 9110, 4.3.1).
//!
//! It must never know which hosts this server serves.

use core::fmt;
use core::net::Ipv6Addr;

use super::rule::{Rejection, Rule};
use super::token::{Classes, Wrong, are_all};

/// A host and an optional port.
///
/// ```
/// use diesel_proto::http1::{Authority, Rule};
///
/// let authority = Authority::new("example.org:8080")?;
/// assert_eq!((authority.host(), authority.port()), ("example.org", Some(8080)));
/// assert_eq!(Authority::new("[::1]:")?.port(), None);
///
/// let refused = Authority::new("example.org@evil.example").unwrap_err();
/// assert_eq!((refused.rule, refused.offset), (Rule::HostSyntax, 11));
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
///
/// Two authorities are equal if their text is. To compare hosts, ignore case
/// ([`eq_ignore_ascii_case`](str::eq_ignore_ascii_case)); to compare ports, apply the default of
/// the scheme.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Authority<'a> {
    text: &'a str,
    /// `host_len <= text.len()`, at a character boundary: all characters are ASCII.
    host_len: usize,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// [`Rule::HostSyntax`], at the first byte that is not allowed; for an invalid IP literal, at
    /// the first byte after the opening bracket.
    pub fn new(text: &'a str) -> Result<Self, Rejection> {
        read(text.as_bytes()).map_err(|at| Rejection::new(Rule::HostSyntax, at as u64))
    }

    /// Host and port, unchanged.
    pub const fn as_str(self) -> &'a str {
        self.text
    }

    /// The host, unchanged: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(self) -> &'a str {
        self.text.get(..self.host_len).unwrap_or_default()
    }

    /// The port, if there is one.
    pub const fn port(self) -> Option<u16> {
        self.port
    }
}

impl fmt::Debug for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Parses the value of a `Host`, without the blanks around it.
///
/// An empty value means that the target has no authority (RFC 9112, 3.2). Every http URI has one,
/// but such a request can only be read in one way, and is treated like a request of HTTP/1.0
/// without `Host`: the configuration decides which host it is for (RFC 9112, 3.3).
pub(in crate::http1) fn parse_host(value: &[u8]) -> Result<Option<Authority<'_>>, Wrong> {
    if value.is_empty() {
        return Ok(None);
    }
    read(value).map(Some).map_err(|at| (Rule::HostSyntax, at))
}

/// The fast path of [`parse_host`]: checks the value of a `Host` without building the result.
pub(in crate::http1) fn check_host(value: &[u8]) -> Result<(), Wrong> {
    if are_all(value, &HOST_BYTES, 1) {
        return Ok(());
    }
    let name_len = value.iter().take_while(|&&byte| is_host_byte(byte)).count();
    match value.get(name_len..) {
        // Nearly all others: a port with so few digits that it cannot be too large.
        Some([b':', digits @ ..])
            if name_len > 0 && digits.len() < 5 && digits.iter().all(u8::is_ascii_digit) =>
        {
            Ok(())
        }
        _ => parse_host(value).map(|_| ()),
    }
}

/// Parses all of `bytes`, or returns the offset of the error.
pub(in crate::http1) fn read(bytes: &[u8]) -> Result<Authority<'_>, usize> {
    let host_len = match bytes {
        [b'[', inner @ ..] => literal_len(inner).ok_or(1usize)?,
        _ => name_len(bytes),
    };
    let port = match bytes.get(host_len..).unwrap_or_default() {
        _ if host_len == 0 => return Err(0),
        [] => None,
        [b':', digits @ ..] => port(digits).map_err(|at| host_len + 1 + at)?,
        _ => return Err(host_len),
    };
    // All of it is ASCII.
    Ok(Authority { text: core::str::from_utf8(bytes).unwrap_or_default(), host_len, port })
}

/// The length of the reg-name or IPv4 address at the front; the characters of an IPv4 address are
/// among those of a name.
fn name_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        let rest = bytes.get(len..).unwrap_or_default();
        len += rest.iter().take_while(|&&byte| is_host_byte(byte)).count();
        match bytes.get(len..) {
            Some([b'%', b'8'..=b'9' | b'A'..=b'F' | b'a'..=b'f', digit, ..])
                if digit.is_ascii_hexdigit() =>
            {
                len += 3;
            }
            _ => return len,
        }
    }
}

/// The length of an IP-literal, including its brackets, the first of which precedes `inner`.
fn literal_len(inner: &[u8]) -> Option<usize> {
    let end = inner.iter().position(|&byte| byte == b']')?;
    let address = inner.get(..end)?;
    let is_address = match address {
        // IPvFuture: "v", a version, ".", and characters of a name or colons.
        [b'v' | b'V', rest @ ..] => {
            let dot = rest.iter().position(|&byte| byte == b'.')?;
            let (version, name) = (rest.get(..dot)?, rest.get(dot + 1..)?);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !name.is_empty()
                && name.iter().all(|&byte| is_host_byte(byte) || byte == b':')
        }
        _ => core::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    };
    is_address.then_some(end + "[]".len())
}

/// Parses the digits of a port. There may be none.
fn port(digits: &[u8]) -> Result<Option<u16>, usize> {
    let mut port = None;
    for (at, byte) in digits.iter().enumerate() {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        let tens = port.unwrap_or(0u16).checked_mul(10);
        port = Some(tens.zip(digit).and_then(|(tens, digit)| tens.checked_add(digit)).ok_or(at)?);
    }
    Ok(port)
}

fn is_host_byte(byte: u8) -> bool {
    HOST_BYTES[usize::from(byte)] != 0
}

/// unreserved and sub-delims (RFC 3986, 2.2 and 2.3), except the comma. It is a table because each
/// request has a host.
static HOST_BYTES: Classes = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(byte as u8,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b';' | b'=' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') as u8;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn hosts_are_names_and_addresses_and_ports_are_optional() {
        for (text, host, port) in [
            ("a", "a", None),
            ("example.org", "example.org", None),
            ("Example.ORG.:80", "Example.ORG.", Some(80)),
            ("my_host-1.example:8080", "my_host-1.example", Some(8080)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::192.0.2.1]:443", "[2001:DB8::192.0.2.1]", Some(443)),
            ("[1:2:3:4:5:6:7:8]:", "[1:2:3:4:5:6:7:8]", None),
            ("[v1.a:b]:1", "[v1.a:b]", Some(1)),
            ("[V0f.~]", "[V0f.~]", None),
            ("a:", "a", None),
            ("a:0", "a", Some(0)),
            ("a:65535", "a", Some(65535)),
            ("a:00000000080", "a", Some(80)),
            ("b%C3%bCcher.example", "b%C3%bCcher.example", None),
            ("0.0.0.0=5000", "0.0.0.0=5000", None),
            ("!$&'()*+;=-._~", "!$&'()*+;=-._~", None),
        ] {
            let authority = Authority::new(text).unwrap();
            assert_eq!((authority.host(), authority.port()), (host, port), "{text}");
            assert_eq!((authority.as_str(), authority.to_string()), (text, text.into()));
            assert_eq!(format!("{authority:?}"), format!("{text:?}"));
            assert_eq!(parse_host(text.as_bytes()), Ok(Some(authority)));
            assert_eq!(check_host(text.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn an_empty_host_field_is_no_authority() {
        assert_eq!(parse_host(b""), Ok(None));
        assert_eq!(check_host(b""), Ok(()));
        assert_eq!(Authority::new(""), Err(Rejection::new(Rule::HostSyntax, 0)));
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        for (text, at) in [
            (":80", 0),
            (" a", 0),
            ("a b", 1),
            ("a\t", 1),
            ("a\0", 1),
            ("\u{e9}", 0),
            ("a,b", 1),
            ("a, b", 1),
            ("a/", 1),
            ("a?b", 1),
            ("a#b", 1),
            ("a\\b", 1),
            ("http://a", 5),
            ("user@a", 4),
            ("user:pass@a", 5),
            ("user:1@a", 6),
            ("a:b", 2),
            ("a:+1", 2),
            ("a:-1", 2),
            ("a:8 ", 3),
            ("a:80:80", 4),
            ("a:65536", 6),
            ("a:655350", 7),
            ("a:99999999999999999999", 6),
            ("::1", 0),
            ("a]", 1),
            ("a%", 1),
            ("a%c", 1),
            ("a%cg", 1),
            ("a%41", 1),
            ("a%7f", 1),
            ("a%00", 1),
            ("a%2f", 1),
            ("a%C3%2E", 4),
            ("ab%C3,", 5),
            ("[", 1),
            ("[]", 1),
            ("[]:80", 1),
            ("[::1", 1),
            ("[1.2.3.4]", 1),
            ("[::1%25eth0]", 1),
            ("[::1%eth0]", 1),
            ("[:::1]", 1),
            ("[12345::]", 1),
            ("[::1]a", 5),
            ("[::1]]", 5),
            ("[::1]:a", 6),
            ("[v1]", 1),
            ("[v.a]", 1),
            ("[vg.a]", 1),
            ("[v1.]", 1),
            ("[v1.a,b]", 1),
            ("[v1.a/b]", 1),
        ] {
            let rejection = Rejection::new(Rule::HostSyntax, at as u64);
            assert_eq!(Authority::new(text), Err(rejection), "{text:?}");
            assert_eq!(parse_host(text.as_bytes()), Err((Rule::HostSyntax, at)), "{text:?}");
            assert_eq!(check_host(text.as_bytes()), Err((Rule::HostSyntax, at)), "{text:?}");
        }
        assert_eq!(parse_host(b"a\xff"), Err((Rule::HostSyntax, 1)));
        assert_eq!(parse_host(b"[\xff]"), Err((Rule::HostSyntax, 1)));
    }

    #[test]
    fn each_byte_may_stand_in_a_name_or_not() {
        for byte in 0..=255u8 {
            let bytes = [b'a', byte, b'1'];
            let is_allowed = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:".contains(&byte);
            assert_eq!(read(&bytes).is_ok(), is_allowed, "{byte}");
            let inner = format!("[v1.a{}]", byte as char);
            assert_eq!(read(inner.as_bytes()).is_ok(), is_allowed, "{inner}");
        }
    }
}
