//! [`Client`]: what user code holds.
//!
//! It must never know how a request is sent.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use core::fmt;

use super::config::ClientConfig;
use super::proxy::{Proxies, Proxy};
use super::request::ClientRequest;
use super::shared::ClientShared;
use super::url::IntoUrl;
use crate::fiber::Ctx;
use crate::http1::syntax::{Headers, InvalidField};
use crate::machine::Address;

/// An HTTP client: sends requests to any server, over connections that it keeps for further
/// requests. Cheap to clone: all clones share the connections. It belongs to one hub, and any fiber
/// of that hub may use it.
///
/// ```
/// use diesel_proto::http1::Client;
/// use diesel_proto::{Ctx, Error};
///
/// async fn show(ctx: Ctx) -> Result<(), Error> {
///     let client = Client::new(&ctx);
///     let mut response = client.get("http://192.0.2.1/").await?;
///     println!("{}: {}", response.status(), response.text().await?);
///     Ok(())
/// }
/// # diesel_proto::Hub::default().add_loop(show).unwrap();
/// ```
///
/// # Connections
///
/// A call uses an idle connection to the origin of its URL, or makes one; at the limit of
/// [`PoolLimits::per_origin`](super::PoolLimits::per_origin) it waits for its turn. A connection is
/// kept for the next call when its response was read to the end. It is dropped as soon as the
/// server closes it, or sends bytes that answer no request. If a kept
/// connection ends before any byte of a response, an idempotent request with a whole body is sent
/// again on a new one, once (RFC 9112, 9.3.1).
///
/// # Cancel safety
///
/// A call, or a response, may be dropped at any point. If its connection could still carry bytes for
/// it, the connection is closed: they never reach another call.
#[derive(Clone)]
pub struct Client {
    shared: Rc<ClientShared>,
}

/// Settings of a [`Client`], while it is built. Made by [`Client::builder`].
///
/// ```
/// use diesel_proto::http1::{Client, ClientConfig, InvalidField};
/// use diesel_proto::{Address, Ctx};
///
/// fn client(ctx: &Ctx, server: Address) -> Result<Client, InvalidField> {
///     let config = ClientConfig { redirects: 0, ..ClientConfig::default() };
///     let builder = Client::builder(ctx).config(config).header("User-Agent", "example/1.0")?;
///     Ok(builder.host("example.org", server).build())
/// }
/// ```
pub struct ClientBuilder {
    shared: ClientShared,
}

impl Client {
    /// A client with the default settings.
    pub fn new(ctx: &Ctx) -> Client {
        Client::builder(ctx).build()
    }

    /// Starts building a client with other settings.
    pub fn builder(ctx: &Ctx) -> ClientBuilder {
        ClientBuilder { shared: ClientShared::new(ctx.clone(), ClientConfig::default()) }
    }

    /// A GET request. Like all methods that make a request, it sends nothing: `.await` does.
    pub fn get(&self, url: impl IntoUrl) -> ClientRequest {
        self.request("GET", url)
    }

    /// A HEAD request.
    pub fn head(&self, url: impl IntoUrl) -> ClientRequest {
        self.request("HEAD", url)
    }

    /// A POST request.
    pub fn post(&self, url: impl IntoUrl) -> ClientRequest {
        self.request("POST", url)
    }

    /// A PUT request.
    pub fn put(&self, url: impl IntoUrl) -> ClientRequest {
        self.request("PUT", url)
    }

    /// A DELETE request.
    pub fn delete(&self, url: impl IntoUrl) -> ClientRequest {
        self.request("DELETE", url)
    }

    /// A request of any method. CONNECT is refused when it is sent.
    pub fn request(
        &self,
        method: impl Into<Cow<'static, str>>,
        url: impl IntoUrl,
    ) -> ClientRequest {
        ClientRequest::new(Rc::clone(&self.shared), method, url)
    }

    /// Keeps a cookie, as if it was in a Set-Cookie of a response to a request for this URL.
    ///
    /// ```
    /// use diesel_proto::http1::{Client, CookieLimits, RefusedCookie, Url};
    /// use diesel_proto::Hub;
    ///
    /// let client = Client::builder(&Hub::default().ctx()).cookies(CookieLimits::default()).build();
    /// let url = Url::parse("https://www.example.org/a/b").unwrap();
    /// client.set_cookie(&url, "id=7; Domain=example.org; Path=/; Secure")?;
    /// client.set_cookie(&url, "theme=dark")?;
    /// assert_eq!(client.cookies(&url).as_deref(), Some("theme=dark; id=7"));
    /// let error = client.set_cookie(&url, "id=8; Domain=org").unwrap_err();
    /// assert_eq!(error, RefusedCookie::PublicSuffix);
    /// # Ok::<(), RefusedCookie>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why the cookie is not kept.
    #[cfg(feature = "cookies")]
    pub fn set_cookie(&self, url: &super::Url, cookie: &str) -> Result<(), super::RefusedCookie> {
        let jar = self.shared.cookies.as_ref().ok_or(super::RefusedCookie::NoJar)?;
        let time = super::jar::JarTime::of(&self.shared.ctx);
        jar.borrow_mut().store(url, cookie.as_bytes(), time)
    }

    /// The cookies that a request for this URL has now: the value of the field Cookie.
    #[cfg(feature = "cookies")]
    pub fn cookies(&self, url: &super::Url) -> Option<alloc::string::String> {
        self.shared.cookie_field(url, &Headers::new())
    }

    /// Forgets all cookies.
    #[cfg(feature = "cookies")]
    pub fn clear_cookies(&self) {
        if let Some(jar) = &self.shared.cookies {
            jar.borrow_mut().clear();
        }
    }

    /// Closes all idle connections. Those in use are closed after their response. The client can
    /// still be used; then it makes new connections, and keeps none.
    pub fn close(&self) {
        self.shared.is_closed.set(true);
        self.shared.pool.clear();
    }

    /// The number of idle connections.
    pub fn idle_connections(&self) -> usize {
        self.shared.pool.idle()
    }

    /// The number of origins that it has connections to, or calls for.
    pub fn origins(&self) -> usize {
        self.shared.pool.origins()
    }
}

impl ClientBuilder {
    /// Sets timeouts, limits and how redirects are followed.
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.shared.set_config(config);
        self
    }

    /// Adds a field to each request that has no field of this name.
    ///
    /// # Errors
    ///
    /// If the name or the value is not valid.
    pub fn header(
        mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<Self, InvalidField> {
        self.shared.headers.add(name, value)?;
        Ok(self)
    }

    /// Adds fields to each request that has no field of their names.
    pub fn headers(mut self, fields: &Headers) -> Self {
        self.shared.headers.append(fields);
        self
    }

    /// Sets the address of a host, which is not looked up then. `host` is as it is in URLs, in lower
    /// case, with the port if that is not the default: `example.org:8080`.
    pub fn host(mut self, host: &str, address: impl Into<Address>) -> Self {
        self.shared.hosts.insert(host.into(), address.into());
        self
    }

    /// Sends all requests through this proxy. Example: see [`Proxy`].
    ///
    /// Connections through a proxy are never used for requests that do not go through it. All
    /// requests for `http` URLs share those to their proxy, and its
    /// [`PoolLimits::per_origin`](super::PoolLimits::per_origin).
    ///
    /// The field Proxy-Authorization of a request is sent to a proxy only, with an `http` URL, and
    /// replaces the credentials of the proxy.
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.proxies(Proxies::all(proxy))
    }

    /// Sends requests through the proxies that are for their URLs: see [`proxy`](Self::proxy).
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.shared.proxies = proxies;
        self
    }

    /// Sets how `https` connections are made: which authorities are trusted. Without this, `https`
    /// URLs fail.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, connector: crate::tls::Connector) -> Self {
        self.shared.tls = Some(connector);
        self
    }

    /// Asks for compressed responses (`Accept-Encoding: gzip`), and decodes their bodies as they are
    /// read, to at most `limit` bytes each; a longer one fails with
    /// [`ClientError::InflatedTooLong`](super::ClientError::InflatedTooLong), and its connection is
    /// closed. [`ClientConfig::whole_body`] counts decoded bytes, too.
    ///
    /// A decoded response has no Content-Encoding and no Content-Length: they were those of the
    /// compressed body. A body that is not whole, correct gzip (RFC 1952), with nothing behind it,
    /// fails with [`ClientError::Content`](super::ClientError::Content) and a
    /// [`GzipError`](super::GzipError). An empty body is none, whatever its Content-Encoding.
    ///
    /// A request with its own Accept-Encoding or Range asks for no gzip, and nothing of its response
    /// is decoded. Neither is a body in several codings, nor the head of a response to HEAD.
    ///
    /// # Cost
    ///
    /// 43 KiB of memory for each compressed body while it is read.
    ///
    /// ```
    /// use diesel_proto::http1::{Client, ClientError};
    /// use diesel_proto::Ctx;
    ///
    /// async fn page(ctx: &Ctx) -> Result<String, ClientError> {
    ///     let client = Client::builder(ctx).gzip(64 << 20).build();
    ///     client.get("http://192.0.2.1/").await?.text().await
    /// }
    /// ```
    #[cfg(feature = "gzip")]
    pub fn gzip(mut self, limit: u64) -> Self {
        self.shared.gzip = Some(limit);
        self
    }

    /// Keeps the cookies of responses, those with redirects included, and sends them back (RFC 6265):
    /// to the hosts and paths that they are for, until they expire. Without this, a client keeps none.
    ///
    /// A cookie is refused if it is for a domain other than that of the host, or for a public suffix
    /// (by the list at <https://publicsuffix.org>, as it was when the crate `psl` was released); so
    /// are a Secure one, or one that replaces a Secure one, from a URL that is not `https`. A date in
    /// Expires counts by the hub's [time of day](crate::fiber::Ctx::unix_seconds).
    ///
    /// A request with its own field Cookie is sent with that alone. After a redirect, each request has
    /// the cookies for its own URL.
    ///
    /// Example: see [`Client::set_cookie`].
    #[cfg(feature = "cookies")]
    pub fn cookies(mut self, limits: super::CookieLimits) -> Self {
        self.shared.cookies = Some(core::cell::RefCell::new(super::jar::Jar::new(limits)));
        self
    }

    /// Builds the client. It connects at its first request.
    pub fn build(self) -> Client {
        Client { shared: Rc::new(self.shared) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("idle_connections", &self.idle_connections())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
