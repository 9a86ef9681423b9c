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

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

use crate::http1::{FieldsView, Headers, InvalidField, Scheme};

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
    let mut value = Vec::new();
    if which.standard {
        if let Some(fields) = trusted {
            join(fields, "forwarded", &mut value);
            if !is_well_formed(&value) {
                value.clear();
            }
        }
        separate(&mut value);
        value.extend_from_slice(element(client).as_bytes());
        to.add("Forwarded", &value)?;
    }
    if which.x {
        value.clear();
        if let Some(fields) = trusted {
            join(fields, "x-forwarded-for", &mut value);
        }
        separate(&mut value);
        let mut text = String::new();
        match client.address {
            Some(address) => _ = write!(text, "{address}"),
            None => text.push_str("unknown"),
        }
        value.extend_from_slice(text.as_bytes());
        to.add("X-Forwarded-For", &value)?;
        let said =
            |name| trusted.and_then(|fields| fields.get(name)).filter(|value| !value.is_empty());
        if let Some(host) = said("x-forwarded-host").or(client.host.map(str::as_bytes)) {
            to.add("X-Forwarded-Host", host)?;
        }
        let scheme = client.scheme.as_str().as_bytes();
        to.add("X-Forwarded-Proto", said("x-forwarded-proto").unwrap_or(scheme))?;
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
fn element(client: &ForwardedFor<'_>) -> String {
    let mut text = String::from("for=");
    _ = match client.address {
        Some(IpAddr::V4(address)) => write!(text, "{address}"),
        // RFC 7239, 6: in brackets, and so in quotes.
        Some(IpAddr::V6(address)) => write!(text, "\"[{address}]\""),
        None => text.write_str("unknown"),
    };
    if let Some(host) = client.host {
        text.push_str(";host=\"");
        for char in host.chars() {
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            text.push(char);
        }
        text.push('"');
    }
    text.push_str(";proto=");
    text.push_str(client.scheme.as_str());
    text
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

    #[test]
    fn a_list_is_told_from_what_is_none() {
        for text in [
            "",
            "for=1.2.3.4",
            "for=1.2.3.4;proto=http;by=_x, for=unknown",
            "For=\"[2001:db8:cafe::17]:4711\"",
            "for=\"a\\\"b, c\" ; host=d , , ;for=e",
        ] {
            assert!(is_well_formed(text.as_bytes()), "{text}");
        }
        for text in
            ["for", "for=", "for=\"a", "for=\"a\\\"", "for=a b", "=a", "for=[::1]", "for=a\"b\""]
        {
            assert!(!is_well_formed(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn an_address_of_ipv6_is_quoted() {
        let client = ForwardedFor {
            address: Some("2001:db8::1".parse().unwrap()),
            host: Some("a.example:8080"),
            scheme: Scheme::Https,
        };
        let expected = "for=\"[2001:db8::1]\";host=\"a.example:8080\";proto=https";
        assert_eq!(element(&client), expected);
        let client = ForwardedFor { address: None, host: None, scheme: Scheme::Http };
        assert_eq!(element(&client), "for=unknown;proto=http");
    }
}
