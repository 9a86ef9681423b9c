//! [`Proxies`]: through which proxy a request goes, if through any.
//!
//! It must never know connections, nor read the environment: the driver does.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

use super::encode;
use super::url::{InvalidUrl, Url};
use crate::http1::syntax::Scheme;

mod no_proxy;
#[cfg(test)]
mod tests;

use no_proxy::NoProxy;

/// A proxy that speaks HTTP. Requests for `http` URLs are sent to it with the whole URL (RFC 9112,
/// 3.2.2); for `https` URLs it makes a tunnel to the server (RFC 9110, 9.3.6), and sees nothing of
/// the requests.
///
/// ```
/// use diesel_proto::http1::{Client, InvalidProxy, Proxy};
/// use diesel_proto::Ctx;
///
/// fn client(ctx: &Ctx) -> Result<Client, InvalidProxy> {
///     let proxy = Proxy::parse("http://user:secret@192.0.2.1:3128")?;
///     Ok(Client::builder(ctx).proxy(proxy).build())
/// }
/// ```
///
/// Its credentials are sent to the proxy only (RFC 9110, 11.7.2). `Debug` leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    authorization: Option<Box<str>>,
}

/// Why a text does not name a proxy.
///
/// ```
/// use diesel_proto::http1::Proxy;
///
/// let error = Proxy::parse("https://proxy.example").unwrap_err();
/// let told = "the proxy \"https://proxy.example/\" is not of the scheme http, the only one for proxies";
/// assert_eq!(error.to_string(), told);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy {
    variable: Option<&'static str>,
    why: InvalidProxyKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum InvalidProxyKind {
    Url(InvalidUrl),
    /// The URL, without credentials.
    Scheme(Box<str>),
    Path(Box<str>),
}

impl Proxy {
    /// Parses `http://host:port`, possibly with `user:password@` before the host. Without a scheme
    /// it is `http`; without a port, port 80.
    ///
    /// # Errors
    ///
    /// If it is not such a URL, or has a path. Proxies that are themselves reached by TLS, and
    /// SOCKS, are not supported.
    pub fn parse(text: &str) -> Result<Proxy, InvalidProxy> {
        let invalid = |why| InvalidProxy { variable: None, why };
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|error| match error.other_scheme() {
            Some(url) => invalid(InvalidProxyKind::Scheme(url.into())),
            None => invalid(InvalidProxyKind::Url(error)),
        })?;
        if url.scheme() != Scheme::Http {
            return Err(invalid(InvalidProxyKind::Scheme(url.as_str().into())));
        }
        if url.target() != "/" {
            return Err(invalid(InvalidProxyKind::Path(url.as_str().into())));
        }
        let authorization = url.credentials().map(|it| encode::basic_of(it).into());
        Ok(Proxy { url: url.without_credentials(), authorization })
    }

    /// The host and the port.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The value of Proxy-Authorization.
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// Which requests go through which proxy.
///
/// ```
/// use diesel_proto::http1::{Proxies, Url};
///
/// let variables = |name: &str| match name {
///     "https_proxy" => Some("proxy.example:3128".to_string()),
///     "no_proxy" => Some("localhost,.internal.example,10.0.0.0/8".to_string()),
///     _ => None,
/// };
/// let proxies = Proxies::from_variables(variables);
/// let is_proxied = |url: &str| proxies.for_url(&Url::parse(url).unwrap()).unwrap().is_some();
/// assert!(is_proxied("https://example.org/"));
/// assert!(!is_proxied("http://example.org/"));
/// assert!(!is_proxied("https://a.internal.example/"));
/// assert!(!is_proxied("https://10.1.2.3/"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// An invalid one fails only the requests that would go through it.
    http: Option<Result<Proxy, InvalidProxy>>,
    https: Option<Result<Proxy, InvalidProxy>>,
    except: NoProxy,
}

impl Proxies {
    /// All requests go through this proxy.
    pub fn all(proxy: Proxy) -> Self {
        Proxies {
            http: Some(Ok(proxy.clone())),
            https: Some(Ok(proxy)),
            except: NoProxy::default(),
        }
    }

    /// Reads the variables that are in use for this: `http_proxy` for `http` URLs, `https_proxy` or
    /// `HTTPS_PROXY` for `https`, `all_proxy` or `ALL_PROXY` for those without one, and `no_proxy`
    /// or `NO_PROXY` for the exceptions, as [`except`](Self::except) takes them. `variable` returns
    /// the value of one; an empty value counts as none. The driver does this with the environment:
    /// `diesel_driver::environment_proxies`.
    ///
    /// `HTTP_PROXY` is never read: in a CGI program it is what the client sent as the field `Proxy`.
    ///
    /// A value that does not name a proxy is an error of the requests that would go through it: see
    /// [`for_url`](Self::for_url).
    pub fn from_variables(mut variable: impl FnMut(&str) -> Option<String>) -> Self {
        let mut first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.trim().is_empty())?;
                Some((*name, value.trim().to_owned()))
            })
        };
        let mut proxy = |names: &[&'static str]| {
            let (name, value) = first(names)?;
            let named = |error| InvalidProxy { variable: Some(name), ..error };
            Some(Proxy::parse(&value).map_err(named))
        };
        let http = proxy(&["http_proxy", "all_proxy", "ALL_PROXY"]);
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let except = first(&["no_proxy", "NO_PROXY"]);
        Proxies { http, https, except: NoProxy::default() }
            .except(except.as_ref().map_or("", |(_, value)| value))
    }

    /// Sets for which hosts no proxy is used: a list with commas or blanks between its entries.
    /// `example.org` and `.example.org` stand for that host and all below it, `192.0.2.1` and
    /// `2001:db8::1` for an address, `10.0.0.0/8` for all addresses with this prefix, and `*` for
    /// every host. A port may follow: `example.org:8080`, `[2001:db8::1]:80`. Addresses are compared
    /// with those in URLs: no name is looked up. An entry that is none of these matches nothing.
    pub fn except(mut self, list: &str) -> Self {
        self.except = NoProxy::parse(list);
        self
    }

    /// The proxy for a URL, if there is one.
    ///
    /// # Errors
    ///
    /// If the variable that should name it does not name a proxy. A request for such a URL fails with
    /// [`InvalidRequest::Proxy`](super::InvalidRequest::Proxy): it must not go past the proxy.
    pub fn for_url(&self, url: &Url) -> Result<Option<&Proxy>, InvalidProxy> {
        let proxy = match url.scheme() {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        match proxy {
            Some(proxy) if !self.except.matches(url.host(), url.port()) => {
                proxy.as_ref().map(Some).map_err(InvalidProxy::clone)
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.url).finish()
    }
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = self.variable {
            write!(f, "{variable}: ")?;
        }
        match &self.why {
            InvalidProxyKind::Url(error) => error.fmt(f),
            InvalidProxyKind::Scheme(url) => {
                write!(f, "the proxy {url:?} is not of the scheme http, the only one for proxies")
            }
            InvalidProxyKind::Path(url) => write!(f, "the proxy {url:?} has a path"),
        }
    }
}

impl core::error::Error for InvalidProxy {}
