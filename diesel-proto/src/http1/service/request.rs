//! A request, as a handler sees it: owned, for as long as the handler keeps it.
//!
//! The head is the copy that was made when it was read, in memory of the service, which takes it
//! back when the request is dropped.
//!
//! It must never know how a request is read.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use super::body::{Body, ClientClosed};
use super::exchange::Exchange;
use super::heads::{Head, HeadPool};
use crate::fiber::Ctx;
use crate::http1::syntax::{
    FieldSpans, FieldsView, Framing, Headers, RequestHead, Status, Target, Version,
};
use crate::hub::MachineCtx;
use crate::machine::{Address, Error, Limit};

/// A request of a client.
///
/// ```
/// use diesel_proto::Error;
/// use diesel_proto::http1::{Request, Response, Service, Status};
///
/// async fn greet(mut request: Request) -> Result<Response, Error> {
///     if request.method() != "POST" {
///         return Ok(Response::new(Status::METHOD_NOT_ALLOWED).header("Allow", "POST"));
///     }
///     let name = request.body().read(100).await?;
///     Ok(Response::text(format!("hello {}, welcome to {}\n", name.escape_ascii(), request.path())))
/// }
/// # diesel_proto::Hub::default().add_service(Service::new(greet));
/// ```
pub struct Request {
    /// `None` only while it is being dropped.
    head: Option<Box<Head>>,
    heads: Rc<HeadPool>,
    machine_ctx: MachineCtx,
    body: Body,
    /// One value for each type.
    extensions: Vec<Rc<dyn Any>>,
}

/// An empty head, for a request whose head was taken.
static NOTHING: FieldSpans = FieldSpans::new();

impl Request {
    /// A request without a body, so far.
    #[inline]
    pub(in crate::http1) fn new(
        head: Box<Head>,
        heads: Rc<HeadPool>,
        machine_ctx: MachineCtx,
    ) -> Self {
        let (body, extensions) = (Body::none(), Vec::new());
        Request { head: Some(head), heads, machine_ctx, body, extensions }
    }

    /// The method: a token, in its original case.
    pub fn method(&self) -> &str {
        self.head().method()
    }

    /// The target.
    pub fn target(&self) -> Target<'_> {
        self.head().target()
    }

    /// The target, unchanged.
    pub fn target_text(&self) -> &str {
        self.head().target_text()
    }

    /// The path, still percent-encoded: `*` for the server as a whole, and empty for CONNECT.
    pub fn path(&self) -> &str {
        self.target().path()
    }

    /// The query without its `?`, still percent-encoded, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target().query()
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The authority that the request is for: host and port of the target, or otherwise those of
    /// `Host` (RFC 9112, 3.3). `None` if the request names neither.
    pub fn host(&self) -> Option<&str> {
        Some(self.head().host()?.as_str())
    }

    /// The value of the first field of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().get(name)
    }

    /// The value of the first field of this name, if it is text.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.header(name)?).ok()
    }

    /// All fields, in order.
    pub fn headers(&self) -> FieldsView<'_> {
        self.head().fields()
    }

    /// How the body is delimited, and so whether there is one, and how long it is.
    pub fn framing(&self) -> Framing {
        self.head().framing()
    }

    /// Whether the client waits for `100 Continue` before it sends the body, or did so.
    pub fn expects_continue(&self) -> bool {
        self.head().expects_continue()
    }

    /// The value of `Upgrade`, if the client asks for another protocol.
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.head().upgrade()
    }

    /// The address of the peer.
    pub fn peer(&self) -> Address {
        self.machine_ctx.peer()
    }

    /// The latest value of type `T` that a layer below learned of the connection. See
    /// [`Conn::learned`](crate::fiber::Conn::learned).
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.machine_ctx.learned()
    }

    /// The context of a fiber, for what belongs to no connection: `sleep`, `spawn`, `connect`.
    pub fn ctx(&self) -> Ctx {
        self.machine_ctx.ctx()
    }

    /// The whole body, for a plain handler, which is called when the body is complete. Empty for an
    /// `async` handler before it [collects](Self::collect) the body.
    pub fn content(&self) -> &[u8] {
        self.head.as_deref().map(|head| &*head.content).unwrap_or_default()
    }

    /// Waits for the whole rest of the body, and adds it to the [content](Self::content), which is
    /// returned. Cancel safe: dropping the future loses nothing.
    ///
    /// ```
    /// use diesel_proto::Error;
    /// use diesel_proto::http1::{Request, Service};
    ///
    /// async fn shout(mut request: Request) -> Result<Vec<u8>, Error> {
    ///     Ok(request.collect(1000).await?.to_ascii_uppercase())
    /// }
    /// # Service::new(shout);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Limit::Body`] if that is more than `limit` bytes in all, before anything is read if the length
    /// of the body says so; if the handler returns this error, the response is 413. Otherwise as for
    /// [`Body::read`].
    pub async fn collect(&mut self, limit: usize) -> Result<&[u8], Error> {
        let too_long = Error::Limit(Limit::Body(limit));
        let Some(room) = limit.checked_sub(self.content().len()) else { return Err(too_long) };
        if !self.body.is_at_end() {
            // A client that waits for `100 Continue` (RFC 9110, 10.1.1) need not send it in vain.
            let is_unread = self.body.exchange().is_some_and(|exchange| !exchange.wants_body());
            if is_unread && matches!(self.framing(), Framing::Length(all) if all > limit as u64) {
                return Err(too_long);
            }
            let rest = self.body.read(room).await.map_err(|error| match error {
                Error::Limit(Limit::Body(_)) => too_long,
                error => error,
            })?;
            self.collect_part(&rest);
        }
        Ok(self.content())
    }

    /// Takes the [content](Self::content), so that it need not be copied.
    pub fn take_content(&mut self) -> Vec<u8> {
        self.head.as_deref_mut().map(|head| core::mem::take(&mut head.content)).unwrap_or_default()
    }

    /// Attaches a value to the request, for code that sees the request later: an identifier of the
    /// request, or the user who is logged in. It replaces a value of the same type, which is
    /// returned.
    ///
    /// ```
    /// use diesel_proto::http1::Request;
    ///
    /// struct User(String);
    ///
    /// fn log_in(mut request: Request) -> Request {
    ///     request.insert(User("ada".into()));
    ///     request
    /// }
    ///
    /// fn greet(request: Request) -> String {
    ///     let user = request.extension::<User>().map_or("nobody", |user| &user.0);
    ///     format!("Hello, {user}!")
    /// }
    /// ```
    pub fn insert<T: 'static>(&mut self, value: T) -> Option<Rc<T>> {
        let old = self.extensions.iter().position(|held| held.is::<T>());
        let old = old.and_then(|at| self.extensions.swap_remove(at).downcast().ok());
        self.extensions.push(Rc::new(value));
        old
    }

    /// The value of this type that was [attached](Self::insert) to the request.
    pub fn extension<T: 'static>(&self) -> Option<&T> {
        self.extensions.iter().find_map(|value| value.downcast_ref())
    }

    /// The trailers. An `async` handler finds them in the [`body`](Body::trailers), too.
    pub fn trailers(&self) -> Headers {
        match self.body.exchange() {
            Some(_) => self.body.trailers(),
            None => self.head.as_deref().map(|head| head.trailers.clone()).unwrap_or_default(),
        }
    }

    /// The body, for an `async` handler.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Takes the body, and leaves the head.
    pub fn take_body(&mut self) -> Body {
        let left = match self.body.exchange() {
            Some(exchange) => Body::of(Rc::clone(exchange), None),
            None => Body::none(),
        };
        core::mem::replace(&mut self.body, left)
    }

    /// Takes the body. The head is dropped.
    pub fn into_body(mut self) -> Body {
        core::mem::replace(&mut self.body, Body::none())
    }

    /// Waits until the client half-closes the stream, or the request is over. The future borrows
    /// nothing, and may be dropped at any time. For `async` handlers: for a plain handler it never
    /// completes.
    ///
    /// A client that has half-closed either left, as browsers do, or waits for its response, as `nc
    /// -N` does. The two cannot be distinguished until something is sent. The handler may return
    /// early, or continue; after
    /// [`Deadlines::half_close`](crate::http1::syntax::Deadlines::half_close) it is dropped.
    ///
    /// The half-close is only seen after the bytes that the client sent before it: up to
    /// [`read_ahead`](crate::hub::ServiceConfig::read_ahead) unread bytes are buffered for that.
    /// After a request that asks for an upgrade nothing is buffered, so the half-close is not seen
    /// while bytes are unread.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response, Status};
    /// use diesel_proto::{Error, Event, First2, first};
    ///
    /// /// Long polling: answers with the next piece of news, unless the client leaves.
    /// async fn news(request: Request, news: Event<String>) -> Result<Response, Error> {
    ///     let mut news = news.subscribe();
    ///     match first((news.wait(), request.closed())).await {
    ///         First2::A(news) => Ok(Response::text(news?)),
    ///         First2::B(()) => Ok(Response::new(Status::NO_CONTENT)),
    ///     }
    /// }
    /// ```
    pub fn closed(&self) -> ClientClosed {
        ClientClosed::of(self.body.exchange())
    }

    /// Sends an interim response, such as 103, at once. For `async` handlers: a plain one returns
    /// its response before anything else could be sent. Interim responses are sent in the order of
    /// these calls; the first wait for the [`body`](Self::body) counts as one, which sends `100
    /// Continue` if the client waits for it. A second 100 is left out, and so are calls after the
    /// response. A status that is not interim is an error of the handler: the client gets a 500.
    pub fn inform(&self, status: Status, headers: Headers) {
        if let Some(exchange) = self.body.exchange() {
            exchange.inform(status, headers);
        }
    }

    /// What sends interim responses, for user code that does not have the request.
    ///
    /// ```
    /// use diesel_proto::http1::{Client, ClientError, Request, Response};
    ///
    /// /// Passes interim responses of another server on.
    /// async fn fetch(client: Client, request: Request) -> Result<Response, ClientError> {
    ///     let informer = request.informer();
    ///     let call = client.get("http://192.0.2.1/").on_informational(move |head| {
    ///         informer.inform(head.status(), head.fields().into());
    ///     });
    ///     Ok(Response::text(call.await?.text().await?))
    /// }
    /// ```
    pub fn informer(&self) -> Informer {
        Informer { exchange: self.body.exchange().cloned() }
    }

    /// Appends a part of the body.
    pub(in crate::http1) fn collect_part(&mut self, data: &[u8]) {
        if let Some(head) = &mut self.head {
            head.content.extend_from_slice(data);
        }
    }

    /// Records that the body is complete.
    pub(in crate::http1) fn collected(&mut self, trailers: Headers) {
        if let Some(head) = &mut self.head {
            head.trailers = trailers;
        }
    }

    pub(in crate::http1) fn head(&self) -> RequestHead<'_> {
        match self.head.as_deref() {
            Some(head) => head.spans.kept(),
            None => NOTHING.kept(),
        }
    }
}

/// Sends interim responses of a request. It may outlive the request, and does nothing then.
///
/// Example: see [`Request::informer`].
pub struct Informer {
    exchange: Option<Rc<Exchange>>,
}

impl Informer {
    /// Sends an interim response at once: see [`Request::inform`].
    pub fn inform(&self, status: Status, headers: Headers) {
        if let Some(exchange) = &self.exchange {
            exchange.inform(status, headers);
        }
    }
}

impl fmt::Debug for Informer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Informer")
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        if let Some(head) = self.head.take() {
            self.heads.give_back(head);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}
