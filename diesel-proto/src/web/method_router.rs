//! [`MethodRouter`]: the handlers of one path, by method.
//!
//! It must never know paths.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::answer::{LimitedEndpoint, Unbound};
use super::middleware::{Layer, Next, layer, wrapped};
use super::route_handler::{BoundHandler, RouteHandler};
use super::routed_request::DEFAULT_BODY_LIMIT;
use crate::http1::{IntoResponse, Request};

/// The handlers of a path, by method: made by [`get`], [`post`] and the like, for
/// [`Router::route`](super::Router::route).
///
/// - HEAD is answered by the handler of GET, without the content, unless it has its own.
/// - OPTIONS is answered by itself: 204, with the methods in `Allow`.
/// - Any other method is answered with 405 and `Allow`, or with 501 if no route of the router has it
///   and RFC 9110 does not define it.
///
/// ```
/// use diesel_proto::http1::Status;
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Router, get};
///
/// let notes = get(|| "a list").post(|| (Status::CREATED, "one more"));
/// let routes = Router::new().route("/notes", notes).build()?;
/// assert_eq!(Oneshot::post("/notes").send(&routes).status, Status::CREATED);
/// assert_eq!(Oneshot::head("/notes").send(&routes).headers.get_str("Content-Length"), Some("6"));
/// let refused = Oneshot::delete("/notes").send(&routes);
/// assert_eq!(refused.status, Status::METHOD_NOT_ALLOWED);
/// assert_eq!(refused.headers.get_str("Allow"), Some("GET, HEAD, POST, OPTIONS"));
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
pub struct MethodRouter<S = ()> {
    pub(super) entries: Vec<MethodEntry<S>>,
    /// What is around the answers of the router itself.
    pub(super) layers: Vec<Rc<Layer>>,
    pub(super) body_limit: Option<usize>,
}

/// A handler, with the middleware around it.
pub(super) struct MethodEntry<S> {
    /// `None` for all methods that have no entry.
    pub(super) method: Option<Box<str>>,
    handler: Unbound<S>,
    layers: Vec<Rc<Layer>>,
    pub(super) body_limit: Option<usize>,
}

impl<S: 'static> MethodEntry<S> {
    pub(super) fn new<H: RouteHandler<K, S>, K>(method: Option<&str>, handler: H) -> Self {
        let handler: Unbound<S> = Box::new(move |state| {
            let BoundHandler(endpoint) = handler.bind(state);
            endpoint
        });
        let (method, layers) = (method.map(Into::into), Vec::new());
        MethodEntry { method, handler, layers, body_limit: None }
    }

    pub(super) fn layer(&mut self, layer: &Rc<Layer>) {
        self.layers.push(Rc::clone(layer));
    }

    pub(super) fn bind(self, state: &Rc<S>) -> LimitedEndpoint {
        let endpoint = wrapped((self.handler)(state), &self.layers);
        LimitedEndpoint { endpoint, body_limit: self.body_limit.unwrap_or(DEFAULT_BODY_LIMIT) }
    }
}

impl<S: 'static> MethodRouter<S> {
    fn new<H: RouteHandler<K, S>, K>(method: Option<&str>, handler: H) -> Self {
        let entries = Vec::from([MethodEntry::new(method, handler)]);
        MethodRouter { entries, layers: Vec::new(), body_limit: None }
    }

    /// Adds a handler for a method of any name. A method is case-sensitive; it has to be a token (RFC
    /// 9110, 9.1), which is checked when the router is built.
    pub fn on<H: RouteHandler<K, S>, K>(mut self, method: &str, handler: H) -> Self {
        self.entries.push(MethodEntry::new(Some(method), handler));
        self
    }

    /// Wraps the handlers that were added so far in middleware: see
    /// [`Router::layer`](super::Router::layer).
    pub fn layer<M, R>(mut self, middleware: M) -> Self
    where
        M: AsyncFn(Request, Next) -> R + 'static,
        R: IntoResponse,
    {
        self.add_layer(&layer(middleware));
        self
    }

    /// Limits how many bytes of a body the parameters of the handlers read: beyond that, the
    /// response is 413. See [`Router::body_limit`](super::Router::body_limit), which sets it where
    /// this does not.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit.get_or_insert(bytes);
        self
    }

    pub(super) fn add_layer(&mut self, layer: &Rc<Layer>) {
        self.entries.iter_mut().for_each(|entry| entry.layer(layer));
        self.layers.push(Rc::clone(layer));
    }
}

macro_rules! methods {
    ($($name:ident $method:literal)*) => {
        $(
            #[doc = concat!("Handles ", $method, " of a path with this handler.")]
            ///
            /// Example: see [`MethodRouter`].
            pub fn $name<H: RouteHandler<K, S>, K, S: 'static>(handler: H) -> MethodRouter<S> {
                MethodRouter::new(Some($method), handler)
            }
        )*

        impl<S: 'static> MethodRouter<S> {
            $(
                #[doc = concat!("Adds a handler for ", $method, ".")]
                pub fn $name<H: RouteHandler<K, S>, K>(self, handler: H) -> Self {
                    self.on($method, handler)
                }
            )*
        }
    };
}

methods! {
    get "GET"
    head "HEAD"
    post "POST"
    put "PUT"
    patch "PATCH"
    delete "DELETE"
    options "OPTIONS"
}

/// Handles a method of any name with this handler: see [`MethodRouter::on`].
///
/// Example: see [`any`].
pub fn on<H: RouteHandler<K, S>, K, S: 'static>(method: &str, handler: H) -> MethodRouter<S> {
    MethodRouter::new(Some(method), handler)
}

/// Handles all methods that have no other handler, HEAD and OPTIONS included.
///
/// ```
/// use diesel_proto::http1::Request;
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Router, any, on};
///
/// let method = any(|request: Request| request.method().to_owned());
/// let routes = Router::new().route("/", method).route("/book", on("REPORT", || "all is well")).build()?;
/// assert_eq!(Oneshot::delete("/").send(&routes).text(), "DELETE");
/// assert_eq!(Oneshot::new("REPORT", "/book").send(&routes).text(), "all is well");
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
pub fn any<H: RouteHandler<K, S>, K, S: 'static>(handler: H) -> MethodRouter<S> {
    MethodRouter::new(None, handler)
}

impl<S> fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.entries.iter().map(|entry| entry.method.as_deref().unwrap_or("any"));
        f.debug_list().entries(methods).finish()
    }
}
