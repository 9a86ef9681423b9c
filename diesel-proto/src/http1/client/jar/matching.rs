//! Which hosts and paths a cookie is for (RFC 6265, 5.1.3 and 5.1.4), and which domains it must not
//! be for.

use core::net::IpAddr;

use psl::Psl;

/// Whether a host, which is not an address, is this domain or below it.
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    match host.strip_suffix(domain) {
        Some("") => true,
        Some(above) => above.ends_with('.') && !is_address(host),
        None => false,
    }
}

/// The host, and all domains that it is within. An address is within none.
pub(super) fn hosts(host: &str) -> impl Iterator<Item = &str> {
    let is_address = is_address(host);
    core::iter::successors(Some(host), move |domain| match is_address {
        true => None,
        false => domain.split_once('.').map(|(_, domain)| domain),
    })
}

/// Whether anybody can have a domain below this one, by the list of public suffixes. A domain of one
/// label that is not in the list is one.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    psl::List.suffix(domain.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes())
}

/// Whether a public suffix lies between a host and this domain, which it is within: below `kobe.jp`,
/// which is none, each name is one.
pub(super) fn is_above_suffix(host: &str, domain: &str) -> bool {
    let suffix = psl::List.suffix(host.as_bytes());
    suffix.is_some_and(|suffix| suffix.as_bytes().len() > domain.len())
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

/// Whether a cookie of this path goes with a request for the path `of`.
pub(super) fn path_matches(of: &str, path: &str) -> bool {
    match of.strip_prefix(path) {
        Some(rest) => rest.is_empty() || path.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// The path of a cookie that names none.
pub(super) fn default_path(of: &str) -> &str {
    match of.rfind('/') {
        Some(at) if at > 0 => of.get(..at).unwrap_or("/"),
        _ => "/",
    }
}
