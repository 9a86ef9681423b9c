//! [`ReverseProxy`], and its settings.
//!
//! It must never know how a request is passed on.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::forwarded::ForwardedFields;
use super::trust::Prefix;
use super::upstreams::Upstreams;
use crate::fiber::Ctx;
use crate::http1::{
    Client, ClientConfig, ClientTimeouts, Field, Headers, IntoUrl, InvalidField, InvalidUrl,
    PoolLimits, ResponseLimits, Url, Version,
};
use crate::machine::Address;

/// Passes requests on to other servers. Cheap to clone: all clones share the connections.
///
/// ```
/// use diesel_proto::Hub;
/// use diesel_proto::http1::{Request, Service};
/// use diesel_proto::web::ReverseProxy;
///
/// let mut hub = Hub::default();
/// let proxy = ReverseProxy::to(["http://192.0.2.1:8080", "http://192.0.2.2:8080"])?
///     .trust("10.0.0.0/8".parse()?)
///     .build(&hub.ctx());
/// hub.add_service(Service::new(async move |request: Request| proxy.forward(request).await));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Limits
///
/// Bodies go through as they arrive; at most some 200 KiB are held of each, in each direction
/// (`read_ahead` and `high_water` of [`ServiceConfig`](crate::hub::ServiceConfig), and 64 KiB).
/// [`Limits`](crate::http1::Limits) of the service apply to requests, and those of the
/// [configuration](ReverseProxyBuilder::config) to responses.
#[derive(Clone)]
pub struct ReverseProxy {
    pub(super) shared: Rc<ProxyShared>,
}

pub(super) struct ProxyShared {
    pub(super) client: Client,
    pub(super) upstreams: Upstreams,
    pub(super) policy: Policy,
}

pub(super) struct Policy {
    trusted: Vec<Prefix>,
    trusts: Option<Box<dyn Fn(Address) -> bool>>,
    /// In Via.
    pub(super) name: String,
    /// Via, for HTTP/1.0 and HTTP/1.1.
    via: [Headers; 2],
    pub(super) forwarded: ForwardedFields,
    /// Host is that of the upstream.
    pub(super) upstream_host: bool,
    pub(super) tunnel_idle: Duration,
}

/// Settings of a [`ReverseProxy`], while it is built. Made by [`ReverseProxy::to`].
///
/// ```
/// use std::time::Duration;
///
/// use diesel_proto::Hub;
/// use diesel_proto::web::ReverseProxy;
///
/// let proxy = ReverseProxy::to(["http://192.0.2.1"])?
///     .name("edge-1")?
///     .upstream_host(true)
///     .x_forwarded(false)
///     .down_time(Duration::from_secs(3))
///     .build(&Hub::default().ctx());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReverseProxyBuilder {
    urls: Vec<Url>,
    name: Option<String>,
    policy: Policy,
    config: ClientConfig,
    down_time: Duration,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Connector>,
}

/// Why a server cannot be an upstream.
///
/// ```
/// use diesel_proto::web::{InvalidUpstream, ReverseProxy};
///
/// let error = ReverseProxy::to(["http://192.0.2.1/path"]).unwrap_err();
/// assert!(matches!(error, InvalidUpstream::Path(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUpstream {
    /// There is none.
    None,
    /// The URL.
    Url(InvalidUrl),
    /// The URL has a path, a query or credentials. Targets are passed on unchanged.
    Path(Url),
}

impl ReverseProxy {
    /// Starts building a proxy to these upstreams: URLs with a scheme, a host and a port.
    ///
    /// # Errors
    ///
    /// If there is no upstream, or a URL is not one of an upstream.
    pub fn to<U: IntoUrl>(
        upstreams: impl IntoIterator<Item = U>,
    ) -> Result<ReverseProxyBuilder, InvalidUpstream> {
        let mut urls = Vec::new();
        for url in upstreams {
            let url = url.into_url().map_err(InvalidUpstream::Url)?;
            if url.target() != "/" || url.credentials().is_some() {
                return Err(InvalidUpstream::Path(url));
            }
            urls.push(url);
        }
        if urls.is_empty() {
            return Err(InvalidUpstream::None);
        }
        Ok(ReverseProxyBuilder::new(urls))
    }
}

impl Policy {
    /// Via for a message of this version (RFC 9110, 7.6.3).
    pub(super) fn via(&self, version: Version) -> &Headers {
        let [http10, http11] = &self.via;
        match version {
            Version::Http10 => http10,
            Version::Http11 => http11,
        }
    }

    pub(super) fn trusts(&self, peer: Address) -> bool {
        let is_listed = || match ip_of(peer) {
            Some(address) => self.trusted.iter().any(|prefix| prefix.contains(address)),
            None => false,
        };
        is_listed() || self.trusts.as_ref().is_some_and(|trusts| trusts(peer))
    }
}

/// The address, without a port, and not as one of IPv4 within IPv6.
pub(super) fn ip_of(peer: Address) -> Option<IpAddr> {
    match peer {
        Address::Socket(address) => Some(address.ip().to_canonical()),
        Address::Unnamed => None,
    }
}

impl ReverseProxyBuilder {
    fn new(urls: Vec<Url>) -> Self {
        let timeouts = ClientTimeouts {
            first_byte: Duration::from_secs(60),
            between: Duration::from_secs(60),
            ..ClientTimeouts::default()
        };
        let pool =
            PoolLimits { per_origin: 1024, idle: 64, idle_in_all: 1024, ..PoolLimits::default() };
        let limits = ResponseLimits { body: u64::MAX, ..ResponseLimits::default() };
        ReverseProxyBuilder {
            urls,
            name: None,
            policy: Policy {
                trusted: Vec::new(),
                trusts: None,
                name: String::new(),
                via: [const { Headers::new() }; 2],
                forwarded: ForwardedFields { standard: true, x: true },
                upstream_host: false,
                tunnel_idle: Duration::from_secs(300),
            },
            config: ClientConfig {
                timeouts,
                pool,
                limits,
                redirects: 0,
                ..ClientConfig::default()
            },
            down_time: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Trusts peers with these addresses: what they say of their clients is passed on. No peer is
    /// trusted by default. May be called several times.
    pub fn trust(mut self, peers: Prefix) -> Self {
        self.policy.trusted.push(peers);
        self
    }

    /// Trusts peers that this function tells, in addition to those of [`trust`](Self::trust).
    pub fn trust_if(mut self, trusts: impl Fn(Address) -> bool + 'static) -> Self {
        self.policy.trusts = Some(Box::new(trusts));
        self
    }

    /// The name of this proxy in the field Via, by which it finds out that a request came back to it.
    /// By default it is random, so that two proxies in a row have different ones.
    ///
    /// # Errors
    ///
    /// If it is not a token (RFC 9110, 5.6.2).
    pub fn name(mut self, name: impl Into<String>) -> Result<Self, InvalidField> {
        let name = name.into();
        Field::new(&name, b"")?;
        self.name = Some(name);
        Ok(self)
    }

    /// Whether requests have the Host of the upstream, instead of that of the request. Off by default:
    /// an upstream needs it for its links, and X-Forwarded-Host need not be right.
    pub fn upstream_host(mut self, is_on: bool) -> Self {
        self.policy.upstream_host = is_on;
        self
    }

    /// Whether requests have the field Forwarded (RFC 7239). On by default.
    pub fn forwarded(mut self, is_on: bool) -> Self {
        self.policy.forwarded.standard = is_on;
        self
    }

    /// Whether requests have the fields X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Proto. On by
    /// default.
    pub fn x_forwarded(mut self, is_on: bool) -> Self {
        self.policy.forwarded.x = is_on;
        self
    }

    /// For how long an upstream that could not be reached is asked only if there is no other: 10 s.
    pub fn down_time(mut self, time: Duration) -> Self {
        self.down_time = time;
        self
    }

    /// How long a tunnel may be idle, both ways, after an upgrade: 5 minutes. Then it is reset.
    pub fn tunnel_idle(mut self, time: Duration) -> Self {
        self.policy.tunnel_idle = time;
        self
    }

    /// Sets timeouts, and limits of responses and connections. Unlike a client's, the defaults are 60 s
    /// for a response to begin and to go on, bodies of any length, 1024 connections to each upstream, and
    /// 64 of them idle. Redirects are never followed.
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = ClientConfig { redirects: 0, ..config };
        self
    }

    /// Sets how connections to `https` upstreams are made: which authorities are trusted. Without this,
    /// those fail.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, connector: crate::tls::Connector) -> Self {
        self.tls = Some(connector);
        self
    }

    /// Builds the proxy, for the hub of this context. It connects at its first request.
    pub fn build(self, ctx: &Ctx) -> ReverseProxy {
        let client = Client::builder(ctx).config(self.config);
        #[cfg(feature = "tls")]
        let client = match self.tls {
            Some(connector) => client.tls(connector),
            None => client,
        };
        let name = self.name.unwrap_or_else(|| {
            let random = u64::from_le_bytes(ctx.random());
            format!("diesel-{random:016x}")
        });
        let via = ["1.0", "1.1"].map(|version| {
            let mut via = Headers::new();
            // A name is a token.
            let _ = via.add("Via", format!("{version} {name}"));
            via
        });
        ReverseProxy {
            shared: Rc::new(ProxyShared {
                client: client.build(),
                upstreams: Upstreams::new(self.urls, self.down_time),
                policy: Policy { name, via, ..self.policy },
            }),
        }
    }
}

impl fmt::Debug for ReverseProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseProxy").field("client", &self.shared.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReverseProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseProxyBuilder").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl fmt::Display for InvalidUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidUpstream::None => f.write_str("a proxy needs an upstream"),
            InvalidUpstream::Url(error) => error.fmt(f),
            InvalidUpstream::Path(url) => {
                write!(
                    f,
                    "the upstream {:?} has more than a scheme, a host and a port",
                    url.as_str()
                )
            }
        }
    }
}

impl core::error::Error for InvalidUpstream {}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> ReverseProxyBuilder {
        ReverseProxy::to(["http://192.0.2.1"]).unwrap()
    }

    #[test]
    fn a_peer_without_an_address_has_none_that_is_trusted() {
        let all = builder().trust("0.0.0.0/0".parse().unwrap()).trust("::/0".parse().unwrap());
        let peer = core::net::SocketAddr::from(([192, 0, 2, 9], 1));
        assert!(all.policy.trusts(peer.into()));
        assert!(!all.policy.trusts(Address::Unnamed));
        assert!(all.trust_if(|_| true).policy.trusts(Address::Unnamed));
    }

    #[test]
    fn defaults_are_those_of_the_docs_and_redirects_are_never_followed() {
        let second = Duration::from_secs(1);
        let ReverseProxyBuilder { config, down_time, policy, .. } = builder();
        assert_eq!(config.timeouts.first_byte, 60 * second);
        assert_eq!(config.timeouts.between, 60 * second);
        assert_eq!((config.pool.per_origin, config.pool.idle), (1024, 64));
        assert_eq!((config.limits.body, config.redirects), (u64::MAX, 0));
        assert_eq!((down_time, policy.tunnel_idle), (10 * second, 300 * second));
        assert_eq!(builder().config(ClientConfig::default()).config.redirects, 0);
    }
}
