//! What is accepted of proxies: which, in what form, for how long.

use alloc::vec::Vec;
use core::time::Duration;

use super::TrustedSource;
use crate::machine::Address;

/// What is accepted. What is not named has its default:
///
/// ```
/// use diesel_proto::http1;
/// use diesel_proto::proxy_protocol::{self, HeaderConfig, Versions};
///
/// let trusted = Some(vec!["10.0.0.0/8".parse()?, "fd00::/8".parse()?]);
/// let config = HeaderConfig { trusted, versions: Versions::V2, ..HeaderConfig::default() };
/// let whoami = http1::Service::new(|request: http1::Request| request.peer().to_string());
/// whoami.layer(move |seat, inner| proxy_protocol::layer(&config, seat, inner));
/// # Ok::<(), proxy_protocol::SourceError>(())
/// ```
///
/// Settings may be added: name the rest by `..HeaderConfig::default()`.
#[derive(Clone, Debug)]
pub struct HeaderConfig {
    /// The header has to be complete this long after the connection was accepted; else it is aborted
    /// with [`Cause::TimedOut`](crate::machine::Cause::TimedOut)`(`[`Reason::Head`](crate::machine::Reason::Head)`)`.
    /// 5 s by default; at least 3 s survive the loss of a packet (section 2).
    pub within: Duration,
    /// The versions that are accepted. Both by default.
    pub versions: Versions,
    /// Bytes of a header of version 2, its first 16 included: 4 KiB by default, of 65,551 that there
    /// could be. Addresses and names take less than 536; a client's certificate takes more.
    /// [`Limit::ProxyHeader`](crate::machine::Limit::ProxyHeader).
    pub max_v2: usize,
    /// The sources that may send a header. `None`, the default, is all: right where nothing but the
    /// proxy can reach the address that is listened on. Everything else could claim any address.
    pub trusted: Option<Vec<TrustedSource>>,
    /// What becomes of connections from other sources. Refused by default.
    pub untrusted: Untrusted,
}

/// The versions of the protocol that are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// Each connection begins with a header of either.
    #[default]
    Both,
    /// The line of text alone.
    V1,
    /// The binary form alone.
    V2,
}

/// What becomes of a connection from a source that is not trusted. It is decided by the source
/// before a byte is read, never by the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untrusted {
    /// It is aborted at once, with [`Cause::Untrusted`](crate::machine::Cause::Untrusted).
    #[default]
    Refuse,
    /// It is served as if there were no proxy: no header is read, its peer is its own. For a service
    /// that clients reach directly as well. One that sends a header sends it to the inner machine.
    ServeDirectly,
}

impl Default for HeaderConfig {
    fn default() -> Self {
        HeaderConfig {
            within: Duration::from_secs(5),
            versions: Versions::Both,
            max_v2: 4 << 10,
            trusted: None,
            untrusted: Untrusted::Refuse,
        }
    }
}

impl HeaderConfig {
    /// Whether connections from `peer` may send a header.
    ///
    /// # Cost
    ///
    /// Linear in the number of sources that are listed.
    pub fn trusts(&self, peer: Address) -> bool {
        let trusted = self.trusted.as_ref();
        trusted.is_none_or(|trusted| trusted.iter().any(|source| source.contains(peer)))
    }
}
