//! Middleware: `async` functions around handlers.
//!
//! It must never know what they do.

use alloc::rc::Rc;
use core::fmt;

use super::answer::{Answer, Endpoint};
use super::routed_request::{RouteMatch, RoutedRequest};
use crate::http1::{IntoResponse, Request, Response};

/// Wraps an endpoint.
pub(super) type Layer = dyn Fn(RoutedRequest, Rc<Endpoint>) -> Answer;

/// What middleware wraps: the handler of the route, and middleware closer to it.
///
/// Middleware is an `async fn(Request, Next) -> R`, where `R` is a response, or an async closure, which
/// captures what it needs: see [`Router::layer`](super::Router::layer). It may answer without
/// [running](Self::run) the rest, change the request (its [extensions](Request::insert): the head
/// stays as it arrived) or the response, or limit the time.
///
/// - An error of the handler is a [failed](Response::failed) response, which middleware sees:
///   [`Response::error`]. The notice is emitted when the response is sent.
/// - A panic of the handler unwinds through middleware, to the connection, which answers with 500.
/// - If the client leaves, all of it is dropped, at the point where it waits. `Drop` still runs.
///
/// ```
/// use core::time::Duration;
///
/// use diesel_proto::http1::{IntoResponse, Request, Response, Status};
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Next, Router, get};
///
/// /// Answers with 503 what takes too long.
/// async fn time_out(request: Request, next: Next) -> Response {
///     let ctx = request.ctx();
///     match ctx.timeout(Duration::from_secs(5), next.run(request)).await {
///         Ok(response) => response,
///         Err(_) => (Status::SERVICE_UNAVAILABLE, "that took too long\n").into_response(),
///     }
/// }
///
/// async fn slow(request: Request) -> &'static str {
///     let _ = request.ctx().sleep(Duration::from_secs(60)).await;
///     "at last"
/// }
///
/// let routes = Router::new().route("/", get(slow)).layer(time_out).build()?;
/// assert_eq!(Oneshot::get("/").send(&routes).text(), "that took too long\n");
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[must_use = "the request is not answered unless it is run"]
pub struct Next {
    endpoint: Rc<Endpoint>,
    route: RouteMatch,
}

impl Next {
    /// Runs the rest: middleware closer to the handler, and the handler.
    pub async fn run(self, request: Request) -> Response {
        let Next { endpoint, route } = self;
        endpoint(RoutedRequest::new(request, route)).response().await
    }

    /// The path of the route, as it was added to the router: see [`RoutedRequest::route`].
    pub fn route(&self) -> Option<&str> {
        self.route.route()
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("route", &self.route()).finish_non_exhaustive()
    }
}

pub(super) fn layer<M, R>(middleware: M) -> Rc<Layer>
where
    M: AsyncFn(Request, Next) -> R + 'static,
    R: IntoResponse,
{
    let middleware = Rc::new(middleware);
    Rc::new(move |request: RoutedRequest, endpoint| {
        let (request, route) = request.into_parts();
        let (next, middleware) = (Next { endpoint, route }, Rc::clone(&middleware));
        Answer::later(async move { middleware(request, next).await.into_response() })
    })
}

/// The endpoint inside all of the layers, of which the first is the innermost.
pub(super) fn wrapped(endpoint: Rc<Endpoint>, layers: &[Rc<Layer>]) -> Rc<Endpoint> {
    layers.iter().fold(endpoint, |inner, layer| {
        let layer = Rc::clone(layer);
        Rc::new(move |request| layer(request, Rc::clone(&inner)))
    })
}
