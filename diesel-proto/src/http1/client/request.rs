//! [`ClientRequest`]: a request while it is built.
//!
//! Rules of this file:
//!
//! - The methods take and return the request. The first thing that is wrong is reported when the
//!   request is sent.
//!
//! It must never know how it is sent.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::config::ClientTimeouts;
use super::encode;
use super::error::ClientError;
use super::parts::{RequestBody, RequestParts};
use super::shared::ClientShared;
use super::upload::{RequestWriter, WriteBody};
use super::url::IntoUrl;
use crate::http1::message::BodyLength;
use crate::http1::syntax::{Field, Headers, ResponseHead};
use crate::machine::Error;

/// A request, while it is built. `.await` sends it.
///
/// ```
/// use diesel_proto::http1::{Client, ClientError};
///
/// async fn search(client: &Client, what: &str) -> Result<String, ClientError> {
///     let request = client.get("http://192.0.2.1/search").query("q", what).header("Accept", "text/plain");
///     request.await?.text().await
/// }
/// ```
///
/// Dropping the call at any point, or the response before its body was read, closes the connection,
/// so that no later call gets its answer.
#[must_use = "nothing is sent until it is awaited"]
pub struct ClientRequest {
    pub(super) client: Rc<ClientShared>,
    /// Boxed, since it is large and moves with each method.
    pub(super) parts: Result<Box<RequestParts>, ClientError>,
}

impl ClientRequest {
    pub(super) fn new(
        client: Rc<ClientShared>,
        method: impl Into<Cow<'static, str>>,
        url: impl IntoUrl,
    ) -> Self {
        let parts = url.into_url().map(|url| client.lend_parts(method.into(), url));
        ClientRequest { client, parts: parts.map_err(ClientError::from) }
    }

    fn with(mut self, change: impl FnOnce(&mut RequestParts) -> Result<(), ClientError>) -> Self {
        if let Ok(parts) = &mut self.parts
            && let Err(error) = change(parts)
        {
            self.parts = Err(error);
        }
        self
    }

    /// Adds a field, even if there are others of its name.
    ///
    /// These are written by the client, and refused before a connection is made, with
    /// [`InvalidRequest::WrittenByClient`](super::InvalidRequest::WrittenByClient): Host,
    /// Content-Length, Transfer-Encoding, Connection, Proxy-Connection, Keep-Alive, TE, Upgrade
    /// (for which there is [`upgrade`](Self::upgrade)), and Expect (for which there is
    /// [`expect_continue`](Self::expect_continue)).
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.with(|parts| {
            parts.headers.push(Field::new(name.as_ref(), value.as_ref())?);
            Ok(())
        })
    }

    /// Adds fields.
    pub fn headers(self, fields: &Headers) -> Self {
        self.with(|parts| {
            parts.headers.append(fields);
            Ok(())
        })
    }

    /// Adds a pair to the query of the URL, encoded as forms are.
    pub fn query(self, name: &str, value: &str) -> Self {
        self.with(|parts| {
            let mut pair = String::new();
            encode::form_pair(&mut pair, name, value);
            parts.url.push_query(&pair);
            Ok(())
        })
    }

    /// Sends this as the field Host, instead of the host of the URL, to which the request still goes:
    /// for a gateway, which passes on what its client asked for. TLS still checks the host of the URL.
    /// What is no host is refused with [`InvalidRequest::Line`](super::InvalidRequest::Line) when the
    /// request is sent. It is for one request, and not for those after redirects.
    ///
    /// Example: see [`target`](Self::target).
    pub fn host(self, host: impl Into<Box<str>>) -> Self {
        self.with(|parts| {
            parts.host = Some(host.into());
            Ok(())
        })
    }

    /// Sends this as the request target, unchanged, instead of the path and the query of the URL:
    /// `/a/../b`, which a URL has in another form, or `*` for OPTIONS. What is no target is refused
    /// with [`InvalidRequest::Line`](super::InvalidRequest::Line) when the request is sent. It is for
    /// one request, and not for those after redirects.
    ///
    /// ```
    /// use diesel_proto::http1::{Client, ClientError, Request};
    ///
    /// /// Asks another server what a client asked for.
    /// async fn pass_on(client: &Client, request: &Request) -> Result<String, ClientError> {
    ///     let host = request.host().unwrap_or("example.org");
    ///     let onward = client.get("http://192.0.2.1").host(host).target(request.target_text());
    ///     onward.await?.text().await
    /// }
    /// ```
    pub fn target(self, target: impl Into<Box<str>>) -> Self {
        self.with(|parts| {
            parts.target = Some(target.into());
            Ok(())
        })
    }

    /// Authenticates by user and password (RFC 7617). Credentials in the URL do the same. They are
    /// not sent to another origin after a redirect.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.with(|parts| {
            parts.headers.set("Authorization", encode::basic(user, password))?;
            Ok(())
        })
    }

    /// The whole body. It has no Content-Type unless a field says so.
    ///
    /// # Cost
    ///
    /// A body of 8 KiB and more is not copied.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.with(|parts| {
            parts.body = RequestBody::Whole(body.into());
            Ok(())
        })
    }

    /// The fields of a form as the body (`application/x-www-form-urlencoded`).
    ///
    /// ```
    /// use diesel_proto::http1::{Client, ClientError};
    ///
    /// async fn sign_up(client: &Client, name: &str) -> Result<(), ClientError> {
    ///     client.post("http://192.0.2.1/users").form([("name", name), ("plan", "free")]).await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.with(|parts| {
            let mut form = String::new();
            for (name, value) in pairs {
                encode::form_pair(&mut form, name.as_ref(), value.as_ref());
            }
            parts.headers.set("Content-Type", "application/x-www-form-urlencoded")?;
            parts.body = RequestBody::Whole(form.into());
            Ok(())
        })
    }

    /// A value as the body, as JSON (`application/json`).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|parts| {
            let json = serde_json::to_vec(value)
                .map_err(|error| super::error::InvalidRequest::Body(Box::new(error)))?;
            parts.headers.set("Content-Type", "application/json")?;
            parts.body = RequestBody::Whole(json.into());
            Ok(())
        })
    }

    /// A body that `write` writes while it is sent, in chunks. The response may begin before the
    /// body ends; then the rest is sent while the response is read. A server that answers with an
    /// error does not get the rest.
    ///
    /// Such a request is not repeated: neither on a new connection, if the pooled one turns out to
    /// be closed, nor after a redirect that asks for its body again.
    ///
    /// Example: see [`RequestWriter`].
    pub fn stream<F>(self, write: F) -> Self
    where
        F: AsyncFnOnce(&mut RequestWriter) -> Result<(), Error> + 'static,
    {
        self.streamed(BodyLength::Unknown, write)
    }

    /// Like [`stream`](Self::stream), for a body of this length. If `write` writes more or less, the
    /// call fails with [`InvalidRequest::Forbidden`](super::InvalidRequest::Forbidden).
    pub fn stream_sized<F>(self, length: u64, write: F) -> Self
    where
        F: AsyncFnOnce(&mut RequestWriter) -> Result<(), Error> + 'static,
    {
        self.streamed(BodyLength::Exactly(length), write)
    }

    fn streamed<F>(self, length: BodyLength, write: F) -> Self
    where
        F: AsyncFnOnce(&mut RequestWriter) -> Result<(), Error> + 'static,
    {
        self.with(|parts| {
            let write: Box<WriteBody> =
                Box::new(move |mut writer| Box::pin(async move { write(&mut writer).await }));
            parts.body = RequestBody::Stream(length, write);
            Ok(())
        })
    }

    /// Asks the server for `100 Continue` before the body is sent, so that it can refuse a large
    /// one. The body is sent all the same once the server has not answered for
    /// [`ClientTimeouts::expect`] (RFC 9110, 10.1.1).
    ///
    /// If the server answers with 417 (Expectation Failed), the request is sent again without the
    /// expectation, unless its body is streamed.
    pub fn expect_continue(self) -> Self {
        self.with(|parts| {
            parts.expects_continue = true;
            Ok(())
        })
    }

    /// Asks the server to switch to another protocol: `protocols` is a list of names, separated by
    /// commas (RFC 9110, 7.8). If it does, the status is 101, and
    /// [`ClientResponse::upgraded`](super::ClientResponse::upgraded) is the connection. A server may
    /// answer as if it was not asked.
    ///
    /// A list that is none is refused with
    /// [`InvalidRequest::Forbidden`](super::InvalidRequest::Forbidden) when the request is sent.
    ///
    /// Example: see [`ClientResponse::upgraded`](super::ClientResponse::upgraded).
    pub fn upgrade(self, protocols: impl Into<Box<str>>) -> Self {
        self.with(|parts| {
            parts.upgrade = Some(protocols.into());
            Ok(())
        })
    }

    /// Calls `seen` with each interim response (100, 103; not 101), except those that the connection itself
    /// waits for.
    pub fn on_informational(self, seen: impl FnMut(ResponseHead<'_>) + 'static) -> Self {
        self.with(|parts| {
            parts.interim = Some(Box::new(seen));
            Ok(())
        })
    }

    /// How long the whole call may take, the body of the response included:
    /// [`ClientTimeouts::total`].
    pub fn timeout(self, total: Duration) -> Self {
        self.with(|parts| {
            parts.timeouts.total = total;
            Ok(())
        })
    }

    /// How long each phase may take, instead of what the client's settings say.
    pub fn timeouts(self, timeouts: ClientTimeouts) -> Self {
        self.with(|parts| {
            parts.timeouts = timeouts;
            Ok(())
        })
    }

    /// How many redirects are followed, instead of what the client's settings say. With zero, a
    /// redirect is a response like any other.
    pub fn redirects(self, n: u32) -> Self {
        self.with(|parts| {
            parts.redirects = n;
            Ok(())
        })
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parts {
            Ok(parts) => f
                .debug_struct("ClientRequest")
                .field("method", &parts.method)
                .field("url", &parts.url)
                .field("headers", &parts.headers)
                .finish_non_exhaustive(),
            Err(error) => f.debug_tuple("ClientRequest").field(error).finish(),
        }
    }
}
