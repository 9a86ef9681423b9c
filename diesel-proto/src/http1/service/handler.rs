//! Handlers: the user code that answers requests, as plain functions or `async` ones.
//!
//! The return type tells the kinds apart: a plain function returns a response, an `async` one a
//! future of a response. The parameter `HandlerVariant` of [`Handler`] names the kind, and is
//! inferred.
//!
//! It must never know connections.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::Future;
use core::pin::Pin;
use core::task::Poll;

use super::into_response::IntoResponse;
use super::request::Request;
use super::response::Response;
use crate::hub::Poller;

/// A function from a request to a response.
///
/// - `fn(Request) -> R`, where `R` is an [`IntoResponse`]: a plain handler. It is called when the
///   request is complete, including its body of up to
///   [`Limits::plain_body`](crate::http1::syntax::Limits::plain_body). It runs within the step of
///   its connection, so it allocates nothing extra, and blocks everything else until it returns.
/// - `async fn(Request) -> R`, or an async closure: a fiber for each request, which begins when the
///   head is complete. It is polled within the steps of its connection: if it need not wait, its
///   response is sent at once. It may await anything a fiber may, including the body. It is dropped
///   when the connection breaks. A half-close by the client is reported to it
///   ([`Request::closed`]); it is dropped if it runs on for longer than
///   [`Deadlines::half_close`](crate::http1::syntax::Deadlines::half_close).
///
/// A closure must name the type of its argument: `|request: Request| ..`.
///
/// ```
/// use diesel_proto::http1::{Request, Response, Service, Status};
/// use diesel_proto::Error;
///
/// // A plain handler.
/// fn hello(request: Request) -> (Status, String) {
///     (Status::OK, format!("Hello, {}!", request.path()))
/// }
///
/// // An `async` one, which reads the body itself, within a limit.
/// async fn shout(request: Request) -> Result<Response, Error> {
///     let body = request.into_body().read(1000).await?;
///     Ok(Response::bytes(body.to_ascii_uppercase()))
/// }
///
/// let (_, _) = (Service::new(hello), Service::new(shout));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of requests",
    label = "neither a `fn(Request) -> R` nor an `async fn(Request) -> R` where `R` is a response",
    note = "a handler takes the `Request` itself and nothing else; what it captures it shares or owns",
    note = "a response is a `Response`, a text, a `Status`, a pair of a `Status` and one of these, or a \
            `Result` of one whose error is an `Error` or a response too: see `IntoResponse`"
)]
pub trait Handler<HandlerVariant>: sealed::Sealed<HandlerVariant> {
    #[doc(hidden)]
    fn into_answers(self) -> Answers;
}

mod sealed {
    pub trait Sealed<HandlerVariant> {}
}

/// Marks plain handlers.
///
/// Example: see [`Handler`].
#[derive(Debug)]
pub enum PlainKind {}

/// Marks `async` handlers.
///
/// Example: see [`Handler`].
#[derive(Debug)]
pub enum AsyncKind {}

/// A handler of either kind, with its return type erased.
#[doc(hidden)]
pub struct Answers(pub(in crate::http1) HandlerVariant);

pub(in crate::http1) type PlainHandler = dyn Fn(Request) -> Response;

pub(in crate::http1) enum HandlerVariant {
    Plain(Box<PlainHandler>),
    /// Allocates the place of a future, which runs one request at a time.
    Fiber(Box<dyn Fn() -> Box<dyn Answering>>),
}

/// Runs an `async` handler for one request at a time, in memory that is reused.
pub(in crate::http1) trait Answering {
    fn begin(&mut self, request: Request);

    /// Polls the future. When it is ready, it is dropped.
    fn poll(&mut self, poller: &Poller) -> Poll<Response>;

    /// Drops the future, if there is one.
    fn clear(&mut self);

    /// Size of the future, in bytes.
    fn memory(&self) -> usize;
}

/// Where the future of a handler lives.
struct FuturePlace<B, F> {
    begin: B,
    future: Pin<Box<Option<F>>>,
}

impl<B, F> FuturePlace<B, F>
where
    B: Fn(Request) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    fn boxed(begin: B) -> Box<dyn Answering> {
        Box::new(FuturePlace { begin, future: Box::pin(None) })
    }
}

impl<B, F> Answering for FuturePlace<B, F>
where
    B: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    #[inline]
    fn begin(&mut self, request: Request) {
        let future = (self.begin)(request);
        self.future.set(Some(future));
    }

    #[inline]
    fn poll(&mut self, poller: &Poller) -> Poll<Response> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let polled = poller.poll(future);
        if polled.is_ready() {
            self.clear();
        }
        polled
    }

    fn clear(&mut self) {
        self.future.set(None);
    }

    fn memory(&self) -> usize {
        size_of::<F>()
    }
}

impl<H, R> sealed::Sealed<PlainKind> for H
where
    H: Fn(Request) -> R + 'static,
    R: IntoResponse,
{
}

impl<H, R> Handler<PlainKind> for H
where
    H: Fn(Request) -> R + 'static,
    R: IntoResponse,
{
    fn into_answers(self) -> Answers {
        Answers(HandlerVariant::Plain(Box::new(move |request| self(request).into_response())))
    }
}

impl<H, R> sealed::Sealed<AsyncKind> for H
where
    H: AsyncFn(Request) -> R + 'static,
    R: IntoResponse,
{
}

impl<H, R> Handler<AsyncKind> for H
where
    H: AsyncFn(Request) -> R + 'static,
    R: IntoResponse,
{
    fn into_answers(self) -> Answers {
        let handler = Rc::new(self);
        Answers(HandlerVariant::Fiber(Box::new(move || {
            let handler = Rc::clone(&handler);
            FuturePlace::boxed(move |request| {
                let handler = Rc::clone(&handler);
                async move { handler(request).await.into_response() }
            })
        })))
    }
}
