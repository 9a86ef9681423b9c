//! What an upstream is told of the client: Forwarded (RFC 7239) and X-Forwarded-*.
//!
//! Rules of this file:
//!
//! - What a peer that is not trusted says is dropped: it may say anything.
//! - What a trusted one says comes first, and this proxy's part last, so that the list can be read from
//!   its end. A Forwarded that is not well formed is dropped whole: an open quote would swallow what
//!   follows.
//!
//! It must never know which peers are trusted.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::http1::{Field, FieldsView, Headers, InvalidField, Scheme};

/// The client, and what it asked for.
pub(super) struct ForwardedFor<'a> {
    /// `None` if it has none.
    pub(super) address: Option<IpAddr>,
    pub(super) host: Option<&'a str>,
    pub(super) scheme: Scheme,
}

/// Which fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ForwardedFields {
    pub(super) standard: bool,
    pub(super) x: bool,
}

const HTTP: Field<'static> = proto(b"http");
const HTTPS: Field<'static> = proto(b"https");

const fn proto(scheme: &[u8]) -> Field<'_> {
    match Field::new("X-Forwarded-Proto", scheme) {
        Ok(field) => field,
        // At compile time.
        Err(_) => panic!("not a field"),
    }
}

/// The names that are written here.
pub(super) fn is_written(name: &str) -> bool {
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        .iter()
        .any(|written| name.eq_ignore_ascii_case(written))
}

/// Adds the fields. `trusted`: those of the request, if its peer is trusted.
pub(super) fn write(
    client: &ForwardedFor<'_>,
    trusted: Option<FieldsView<'_>>,
    which: ForwardedFields,
    to: &mut Headers,
) -> Result<(), InvalidField> {
    let mut value = Vec::with_capacity(128);
    if which.standard {
        if let Some(fields) = trusted {
            join(fields, "forwarded", &mut value);
            if !is_well_formed(&value) {
                value.clear();
            }
        }
        separate(&mut value);
        put_element(client, &mut value);
        to.add("Forwarded", &value)?;
    }
    if which.x {
        value.clear();
        if let Some(fields) = trusted {
            join(fields, "x-forwarded-for", &mut value);
        }
        separate(&mut value);
        put_address(client.address, &mut value);
        to.add("X-Forwarded-For", &value)?;
        let said =
            |name| trusted.and_then(|fields| fields.get(name)).filter(|value| !value.is_empty());
        if let Some(host) = said("x-forwarded-host").or(client.host.map(str::as_bytes)) {
            to.add("X-Forwarded-Host", host)?;
        }
        match said("x-forwarded-proto") {
            Some(said) => to.add("X-Forwarded-Proto", said)?,
            None => to.push(match client.scheme {
                Scheme::Http => HTTP,
                Scheme::Https => HTTPS,
            }),
        }
    }
    Ok(())
}

/// The values of all fields of this name, as one list.
fn join(fields: FieldsView<'_>, name: &str, to: &mut Vec<u8>) {
    for value in fields.get_all(name).filter(|value| !value.is_empty()) {
        separate(to);
        to.extend_from_slice(value);
    }
}

fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
}

/// One element of Forwarded (RFC 7239, 4).
fn put_element(client: &ForwardedFor<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"for=");
    // RFC 7239, 6: an address of IPv6 is in brackets, and so in quotes.
    let is_quoted = matches!(client.address, Some(IpAddr::V6(_)));
    if is_quoted {
        to.extend_from_slice(b"\"[");
    }
    put_address(client.address, to);
    if is_quoted {
        to.extend_from_slice(b"]\"");
    }
    if let Some(host) = client.host {
        to.extend_from_slice(b";host=\"");
        for byte in host.bytes() {
            if matches!(byte, b'"' | b'\\') {
                to.push(b'\\');
            }
            to.push(byte);
        }
        to.push(b'"');
    }
    to.extend_from_slice(b";proto=");
    to.extend_from_slice(client.scheme.as_str().as_bytes());
}

fn put_address(address: Option<IpAddr>, to: &mut Vec<u8>) {
    match address {
        // Without the formatter, which takes longer than all the rest.
        Some(IpAddr::V4(address)) => {
            for (n, octet) in address.octets().into_iter().enumerate() {
                if n > 0 {
                    to.push(b'.');
                }
                for unit in [100, 10, 1] {
                    if octet >= unit || unit == 1 {
                        to.push(b'0' + octet / unit % 10);
                    }
                }
            }
        }
        Some(IpAddr::V6(address)) => to.extend_from_slice(address.to_string().as_bytes()),
        None => to.extend_from_slice(b"unknown"),
    }
}

/// Whether this is a list of elements: pairs of a token and a token or a quoted string.
fn is_well_formed(list: &[u8]) -> bool {
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        let name = token_len(rest);
        match rest.get(name) {
            // Empty elements and pairs are allowed (RFC 9110, 5.6.1.2).
            None if name == 0 => return true,
            Some(b',' | b';') if name == 0 => rest = rest.get(1..).unwrap_or_default(),
            Some(b'=') if name > 0 => {
                rest = rest.get(name + 1..).unwrap_or_default();
                let Some(len) = value_len(rest) else { return false };
                rest = rest.get(len..).unwrap_or_default().trim_ascii_start();
                match rest.split_first() {
                    None => return true,
                    Some((b',' | b';', behind)) => rest = behind,
                    Some(_) => return false,
                }
            }
            _ => return false,
        }
    }
}

fn token_len(text: &[u8]) -> usize {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    text.iter().take_while(|byte| is_tchar(byte)).count()
}

/// The length of a token or a quoted string.
fn value_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return Some(token_len(text)).filter(|&len| len > 0);
    }
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_list_is_told_from_what_is_none() {
        for text in [
            "",
            "for=1.2.3.4",
            ",a=b",
            "for=\"\"",
            "for=\"\\\"a\"",
            "for=1.2.3.4;proto=http;by=_x, for=unknown",
            "For=\"[2001:db8:cafe::17]:4711\"",
            "for=\"a\\\"b, c\" ; host=d , , ;for=e",
        ] {
            assert!(is_well_formed(text.as_bytes()), "{text}");
        }
        for text in [
            "for",
            "for=",
            "for=\"a",
            "for=\"a\\\"",
            "for=a b",
            "=a",
            "for=[::1]",
            "for=a\"b\"",
            "for,by=a",
            "for;by=a",
        ] {
            assert!(!is_well_formed(text.as_bytes()), "{text}");
        }
    }

    fn element(address: Option<&str>, host: Option<&str>, scheme: Scheme) -> String {
        let address = address.map(|address| address.parse().unwrap());
        let mut element = Vec::new();
        put_element(&ForwardedFor { address, host, scheme }, &mut element);
        String::from_utf8(element).unwrap()
    }

    #[test]
    fn an_address_of_ipv6_is_quoted() {
        let host = Some("a.example:8080");
        let expected = "for=\"[2001:db8::1]\";host=\"a.example:8080\";proto=https";
        assert_eq!(element(Some("2001:db8::1"), host, Scheme::Https), expected);
        assert_eq!(element(None, None, Scheme::Http), "for=unknown;proto=http");
        // No host has these, which would end the quoted string.
        let expected = "for=unknown;host=\"a\\\"b\\\\\";proto=http";
        assert_eq!(element(None, Some("a\"b\\"), Scheme::Http), expected);
        for address in ["0.0.0.0", "1.20.100.255", "203.0.113.7", "10.99.200.101"] {
            let expected = alloc::format!("for={address};proto=http");
            assert_eq!(element(Some(address), None, Scheme::Http), expected);
        }
    }
}
