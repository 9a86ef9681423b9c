//! Settings: which sources may send a header, in which versions, and within what time.

use alloc::vec::Vec;
use core::time::Duration;

use super::TrustedSource;
use crate::machine::Address;

/// Settings for reading headers. Fields that are not named have their defaults:
///
/// ```
/// use diesel_proto::http1;
/// use diesel_proto::proxy_protocol::{self, HeaderConfig, Versions};
///
/// let trusted = Some(vec!["10.0.0.0/8".parse()?, "fd00::/8".parse()?]);
/// let config = HeaderConfig { trusted, versions: Versions::V2, ..HeaderConfig::default() };
/// let whoami = http1::Service::new(|request: http1::Request| request.peer().to_string());
/// whoami.layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner));
/// # Ok::<(), proxy_protocol::SourceError>(())
/// ```
///
/// Fields may be added: end the expression with `..HeaderConfig::default()`.
#[derive(Clone, Debug)]
pub struct HeaderConfig {
    /// The timeout of the header, from when the connection was accepted. If the header is not
    /// complete by then, the connection is aborted with
    /// [`Cause::TimedOut`](crate::machine::Cause::TimedOut)`(`[`Reason::Head`](crate::machine::Reason::Head)`)`.
    /// 5 s by default; at least 3 s tolerate the loss of a packet (section 2).
    pub within: Duration,
    /// The versions that are accepted. Both by default.
    pub versions: Versions,
    /// The largest header of version 2 in bytes, its first 16 included. 4 KiB by default; the
    /// format allows 65,551. Addresses and names take less than 536 bytes; a client's certificate
    /// takes more. A longer header is aborted with
    /// [`Limit::ProxyHeader`](crate::machine::Limit::ProxyHeader).
    pub max_v2: usize,
    /// The sources that may send a header. `None`, the default, trusts all: use it only if nothing
    /// but the proxy can reach the listening address, because any other peer could claim any
    /// address.
    pub trusted: Option<Vec<TrustedSource>>,
    /// How connections from other sources are treated. Refused by default.
    pub untrusted: Untrusted,
}

/// The versions of the protocol that are accepted.
///
/// Example: see [`HeaderConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// Each connection begins with a header of either version.
    #[default]
    Both,
    /// Version 1 only, a line of text.
    V1,
    /// Version 2 only, the binary form.
    V2,
}

/// How a connection from an untrusted source is treated. The source decides this before any byte is
/// read; the bytes never do.
///
/// Example: see [`HeaderConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untrusted {
    /// It is aborted at once, with [`Cause::Untrusted`](crate::machine::Cause::Untrusted).
    #[default]
    Refuse,
    /// It is served as if there were no proxy: no header is read, and its peer is that of the
    /// connection. For a service that clients also reach directly. If such a client sends a header,
    /// the inner machine gets it as data.
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
    /// Linear in the number of trusted sources.
    pub fn trusts(&self, peer: Address) -> bool {
        let trusted = self.trusted.as_ref();
        trusted.is_none_or(|trusted| trusted.iter().any(|source| source.contains(peer)))
    }
}
