//! A request, as a handler has it: owned, and for as long as it likes.
//!
//! The head is the copy that was kept when it was read, in memory that the service keeps for the
//! next: it goes back when the request is dropped.
//!
//! It must never know how it was read.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::body::{Body, ClientClosed};
use super::builder::ServiceShared;
use crate::fiber::Ctx;
use crate::http1::syntax::{FieldSpans, FieldsView, Headers, RequestHead, Status, Target, Version};
use crate::hub::MachineCtx;
use crate::machine::Address;

/// What a client asks for.
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
    /// Taken when it is dropped, and not before.
    head: Option<Box<Head>>,
    shared: Rc<ServiceShared>,
    machine_ctx: MachineCtx,
    body: Body,
}

/// What a request has whose head is taken.
static NOTHING: FieldSpans = FieldSpans::new();

/// The memory of a request.
pub(in crate::http1) struct Head {
    pub(in crate::http1) spans: FieldSpans,
    /// The body, if it was collected.
    pub(in crate::http1) content: Vec<u8>,
    pub(in crate::http1) trailers: Headers,
}

impl Request {
    /// Without a body, so far.
    #[inline]
    pub(in crate::http1) fn new(
        head: Box<Head>,
        shared: Rc<ServiceShared>,
        machine_ctx: MachineCtx,
    ) -> Self {
        Request { head: Some(head), shared, machine_ctx, body: Body::none() }
    }

    /// The method: a token, in the case that it was written in.
    pub fn method(&self) -> &str {
        self.head().method()
    }

    /// The target.
    pub fn target(&self) -> Target<'_> {
        self.head().target()
    }

    /// The target, as it was written.
    pub fn target_text(&self) -> &str {
        self.head().target_text()
    }

    /// The path, still encoded: `*` for the server as a whole, and empty for CONNECT.
    pub fn path(&self) -> &str {
        self.target().path()
    }

    /// The query without its `?`, still encoded, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target().query()
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// Whom the client wants to speak to: the host and port of the target, or else those of `Host`
    /// (RFC 9112, 3.3). `None` if it did not say.
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

    /// What the client would like to speak instead, if it does.
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.head().upgrade()
    }

    /// Who asks.
    pub fn peer(&self) -> Address {
        self.machine_ctx.peer()
    }

    /// What a layer below learned of the connection, by its type: the latest value. See
    /// [`Conn::learned`](crate::fiber::Conn::learned).
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.machine_ctx.learned()
    }

    /// What belongs to no connection: `sleep`, `spawn`, `connect`.
    pub fn ctx(&self) -> Ctx {
        self.machine_ctx.ctx()
    }

    /// The whole body, for a plain handler, which is called when it is complete. Empty for an
    /// `async` one: that reads the [`body`](Self::body).
    pub fn content(&self) -> &[u8] {
        self.head.as_deref().map(|head| &*head.content).unwrap_or_default()
    }

    /// The fields that came behind the body. For an `async` handler they are in the
    /// [`body`](Body::trailers).
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

    /// The body alone. The head is dropped.
    pub fn into_body(mut self) -> Body {
        core::mem::replace(&mut self.body, Body::none())
    }

    /// Waits until the client has ended its side, or the request is over: a token, to be dropped at
    /// will, that borrows nothing. For `async` handlers; that of a plain one waits for ever.
    ///
    /// A client that has ended its side either left, as browsers do, or waits for its answer, as
    /// `nc -N` does: nobody can tell, until something is sent to it. The handler may end itself, or go
    /// on; when [`Deadlines::half_close`](crate::http1::syntax::Deadlines::half_close) has passed, it is dropped.
    ///
    /// The end is seen behind whatever the client sent before that, up to
    /// [`read_ahead`](crate::hub::ServiceConfig::read_ahead) bytes that were not read; and behind a request
    /// that asks for an upgrade, not while there are any.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response, Status};
    /// use diesel_proto::{Error, Event, First2, first};
    ///
    /// /// The next piece of news, for whoever waits for it.
    /// async fn news(request: Request, news: Event<String>) -> Result<Response, Error> {
    ///     let mut news = news.subscribe();
    ///     match first((news.wait(), request.closed())).await {
    ///         First2::A(news) => Ok(Response::text(news?)),
    ///         First2::B(()) => Ok(Response::new(Status::NO_CONTENT)),
    ///     }
    /// }
    /// ```
    pub fn closed(&self) -> ClientClosed {
        ClientClosed { exchange: self.body.exchange().cloned() }
    }

    /// Sends an interim response, such as 103, at once. For `async` handlers: a plain one answers
    /// before anything else could be sent. Interim responses go out in the order of these calls, and
    /// of the first wait for the [`body`](Self::body), which sends `100 Continue` if the client waits
    /// for it; a second 100 is left out, and so is whatever comes behind the answer. A status that is
    /// not interim is the handler's mistake: the answer is 500.
    pub fn inform(&self, status: Status, headers: Headers) {
        if let Some(exchange) = self.body.exchange() {
            exchange.inform(status, headers);
        }
    }

    /// A part of the body.
    pub(in crate::http1) fn collect(&mut self, data: &[u8]) {
        if let Some(head) = &mut self.head {
            head.content.extend_from_slice(data);
        }
    }

    /// The body is complete.
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

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        if let Some(head) = self.head.take() {
            self.shared.give_back_head(head);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

impl Head {
    /// No head, and no memory.
    pub(in crate::http1) fn new() -> Self {
        Head { spans: FieldSpans::new(), content: Vec::new(), trailers: Headers::new() }
    }
}
