//! [`NoProxy`]: the hosts for which no proxy is used.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// In lower case, and all below it.
    Domain(Box<str>),
    /// The addresses with these first bits.
    Net(IpAddr, u32),
}

impl NoProxy {
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        NoProxy(entries.filter_map(Entry::parse).collect())
    }

    /// `host`: as in a URL.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|it| it == port)
                && match &entry.hosts {
                    Hosts::All => true,
                    Hosts::Domain(domain) => address.is_none() && is_within(host, domain),
                    Hosts::Net(net, len) => address.is_some_and(|it| is_in_net(it, *net, *len)),
                }
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Entry> {
        if let Some(hosts) = net(text) {
            return Some(Entry { hosts, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let hosts = match (bare, net(host)) {
            (Some(bare), _) => net(bare)?,
            (None, Some(net)) => net,
            (None, None) if host == "*" => Hosts::All,
            (None, None) => {
                let domain = host.strip_prefix("*.").unwrap_or(host);
                let domain = domain.trim_start_matches('.').trim_end_matches('.');
                if domain.is_empty() {
                    return None;
                }
                Hosts::Domain(domain.to_ascii_lowercase().into())
            }
        };
        Some(Entry { hosts, port })
    }
}

/// An address, possibly with the length of a prefix.
fn net(text: &str) -> Option<Hosts> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = bare.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let len = len.map_or(Some(most), |len| len.parse().ok())?;
    (len <= most).then_some(Hosts::Net(address, len))
}

fn is_within(host: &str, domain: &str) -> bool {
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let bytes = host.as_bytes();
    bytes.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(domain.as_bytes()))
        && (at == 0 || bytes.get(at - 1) == Some(&b'.'))
}

fn is_in_net(address: IpAddr, net: IpAddr, len: u32) -> bool {
    let differing = match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= len
}
