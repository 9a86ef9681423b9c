//! [`Router`]: collects routes, and checks them when it is built.
//!
//! ```text
//!   Router ── with_state ──▶ Routes ── finds ──▶ endpoint: middleware ─▶ .. ─▶ handler
//! ```
//!
//! It must never know requests.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::answer::{Answer, LimitedEndpoint};
use super::invalid_route::InvalidRoute;
use super::method_router::{MethodEntry, MethodRouter};
use super::middleware::{Layer, Next, layer, wrapped};
use super::route_handler::RouteHandler;
use super::routed_request::DEFAULT_BODY_LIMIT;
use super::routes::{Found, Routes, Table, unrouted};
use super::template::Template;
use crate::http1::{Field, IntoResponse, Request};

/// Collects routes: which handler answers which path and method. `S` is the state of the
/// application, which handlers take as [`State`](super::State).
///
/// A path has parameters: `/notes/{id}` matches one part of a path, which is not empty, and
/// `/files/{*rest}` all that is left. A literal part takes precedence over a parameter, whatever the
/// order in which they are added. Handlers get the values decoded, as
/// [`Path`](super::Path).
///
/// - Paths are compared as RFC 3986, 6.2.2, says: `/%61` is `/a`, and `%2F` is no delimiter. Dot
///   segments are not resolved, and `/a/` is another path than `/a`.
/// - A path without a route is answered by the [fallback](Self::fallback), and so are `*` and the
///   target of CONNECT. The default answers with 404, and `OPTIONS *` with 204.
/// - What happens with methods is described at [`MethodRouter`].
///
/// Nothing panics: an error in a route is kept, and returned by [`build`](Self::build) or
/// [`with_state`](Self::with_state).
///
/// ```
/// use diesel_proto::http1::Status;
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Path, Router, State, get};
/// use std::rc::Rc;
///
/// struct App {
///     rooms: Vec<&'static str>,
/// }
///
/// fn list(State(app): State<Rc<App>>) -> String {
///     app.rooms.join(", ")
/// }
///
/// fn room(State(app): State<Rc<App>>, Path(n): Path<usize>) -> Result<&'static str, Status> {
///     app.rooms.get(n).copied().ok_or(Status::NOT_FOUND)
/// }
///
/// let api = Router::new().route("/", get(list)).route("/{n}", get(room));
/// let routes = Router::new().nest("/rooms", api).with_state(Rc::new(App { rooms: vec!["hall", "attic"] }))?;
///
/// assert_eq!(Oneshot::get("/rooms").send(&routes).text(), "hall, attic");
/// assert_eq!(Oneshot::get("/rooms/1").send(&routes).text(), "attic");
/// assert_eq!(Oneshot::get("/rooms/7").send(&routes).status.code(), 404);
/// assert_eq!(Oneshot::get("/rooms/x").send(&routes).status.code(), 400);
///
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
pub struct Router<S = ()> {
    routes: Vec<(Box<str>, MethodRouter<S>)>,
    /// Fallbacks for the paths below a prefix.
    nested: Vec<(Box<str>, MethodEntry<S>)>,
    fallback: Option<MethodEntry<S>>,
    /// What is around the default fallback.
    layers: Vec<Rc<Layer>>,
    /// The first error.
    error: Option<InvalidRoute>,
}

impl<S: 'static> Router<S> {
    /// A router without routes.
    pub fn new() -> Self {
        Router {
            routes: Vec::new(),
            nested: Vec::new(),
            fallback: None,
            layers: Vec::new(),
            error: None,
        }
    }

    /// Adds handlers for a path. If the path was added before, its handlers are added to those; the
    /// middleware around the answers to other methods stays that of the first.
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.routes.push((path.into(), methods));
        self
    }

    /// Adds the routes of another router below a prefix: its `/notes` becomes `/prefix/notes`, and its
    /// `/` becomes `/prefix`. Handlers see the whole path. The prefix may have parameters.
    ///
    /// The [fallback](Self::fallback) of the other router, if it has one, answers what is below the
    /// prefix and has no route.
    pub fn nest(mut self, prefix: &str, router: Router<S>) -> Self {
        if !prefix.starts_with('/') || prefix.ends_with('/') {
            self.fail(InvalidRoute::Prefix { prefix: prefix.into() });
        }
        let below = |path: &str| match path {
            "/" => prefix.into(),
            _ => format!("{prefix}{path}").into_boxed_str(),
        };
        for (path, methods) in router.routes {
            if !path.starts_with('/') {
                self.fail(InvalidRoute::NotAbsolute { path: path.clone() });
            }
            self.routes.push((below(&path), methods));
        }
        let nested = router.nested.into_iter().map(|(path, fallback)| (below(&path), fallback));
        self.nested.extend(nested);
        self.nested.extend(router.fallback.map(|fallback| (prefix.into(), fallback)));
        if let Some(error) = router.error {
            self.fail(error);
        }
        self
    }

    /// Adds the routes of another router, and its fallback, if it has one.
    pub fn merge(mut self, router: Router<S>) -> Self {
        self.routes.extend(router.routes);
        self.nested.extend(router.nested);
        if let Some(fallback) = router.fallback
            && self.fallback.replace(fallback).is_some()
        {
            self.fail(InvalidRoute::TwoFallbacks { prefix: "".into() });
        }
        if let Some(error) = router.error {
            self.fail(error);
        }
        self
    }

    /// Sets the handler of requests for which there is no route, of any method.
    pub fn fallback<H: RouteHandler<K, S>, K>(mut self, handler: H) -> Self {
        self.fallback = Some(MethodEntry::new(None, handler));
        self
    }

    /// Wraps everything that was added so far in [middleware](Next): the handlers, the answers to
    /// other methods, and the fallback (that of a nested router, too). What is added last runs
    /// first.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response};
    /// use diesel_proto::testkit::Oneshot;
    /// use diesel_proto::web::{Next, Router, get};
    ///
    /// let server = "notes/1.0".to_string();
    /// let named = async move |request: Request, next: Next| {
    ///     next.run(request).await.header("Server", &server)
    /// };
    /// let routes = Router::new().route("/", get(|| "hello")).layer(named).build()?;
    /// for path in ["/", "/elsewhere"] {
    ///     let answer = Oneshot::get(path).send(&routes);
    ///     assert_eq!(answer.headers.get_str("Server"), Some("notes/1.0"));
    /// }
    /// # Ok::<(), diesel_proto::web::InvalidRoute>(())
    /// ```
    pub fn layer<M, R>(mut self, middleware: M) -> Self
    where
        M: AsyncFn(Request, Next) -> R + 'static,
        R: IntoResponse,
    {
        let layer = layer(middleware);
        self.routes.iter_mut().for_each(|(_, methods)| methods.add_layer(&layer));
        self.fallbacks().for_each(|fallback| fallback.layer(&layer));
        self.layers.push(layer);
        self
    }

    /// Limits how many bytes of a body the parameters of handlers read, for the routes and fallbacks that
    /// were added so far and that have no limit yet: [`DEFAULT_BODY_LIMIT`], if it is not set. A longer body
    /// is answered with 413. What a handler reads by itself is limited by
    /// [`Limits::body`](crate::http1::Limits::body) alone, which holds in any case: a
    /// [`Service`](crate::http1::Service) that is made from routes has that at the largest of their
    /// limits, at least.
    ///
    /// ```
    /// use diesel_proto::testkit::Oneshot;
    /// use diesel_proto::web::{Router, post};
    ///
    /// let echo = post(|body: String| body);
    /// let routes = Router::new().route("/", echo).body_limit(5).build()?;
    /// assert_eq!(Oneshot::post("/").body("12345").send(&routes).text(), "12345");
    /// assert_eq!(Oneshot::post("/").body("123456").send(&routes).status.code(), 413);
    /// # Ok::<(), diesel_proto::web::InvalidRoute>(())
    /// ```
    pub fn body_limit(mut self, bytes: usize) -> Self {
        for (_, methods) in &mut self.routes {
            methods.body_limit.get_or_insert(bytes);
        }
        for fallback in self.fallbacks() {
            fallback.body_limit.get_or_insert(bytes);
        }
        self
    }

    /// Checks the routes, and gives handlers the state of the application.
    ///
    /// # Errors
    ///
    /// The first error in a route: see [`InvalidRoute`].
    pub fn with_state(self, state: S) -> Result<Routes, InvalidRoute> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let state = &Rc::new(state);
        let mut merged: Vec<(Box<str>, Template, MethodRouter<S>)> = Vec::new();
        for (path, mut methods) in self.routes {
            let template = Template::parse(&path)?;
            methods.entries.iter_mut().for_each(|entry| entry.body_limit = methods.body_limit);
            match merged.iter_mut().find(|(_, known, _)| known.pattern == template.pattern) {
                None => merged.push((path, template, methods)),
                Some((_, _, first)) => first.entries.extend(methods.entries),
            }
        }
        let known = known_methods(merged.iter().flat_map(|(_, _, methods)| &methods.entries));
        let mut table = Table::default();
        for (path, template, methods) in merged {
            check_methods(&path, &methods.entries)?;
            let unhandled =
                wrapped(Rc::new(|request| Answer::Ready(unrouted(&request))), &methods.layers);
            let handlers = methods.entries.into_iter().map(|mut entry| {
                let method = entry.method.take();
                (method, entry.bind(state))
            });
            let found = Found::new(path, template.names.clone(), handlers, unhandled);
            table.add(&template, found.knowing(&known))?;
        }
        for (prefix, fallback) in self.nested {
            let template = Template::parse(&prefix)?;
            table.add_fallback(&prefix, &template, fallback.bind(state))?;
        }
        let fallback = match self.fallback {
            Some(fallback) => fallback.bind(state),
            None => {
                let all = known.join(", ");
                let answer = move |request: super::RoutedRequest| {
                    Answer::Ready(super::routes::nowhere(&request, &all))
                };
                let endpoint = wrapped(Rc::new(answer), &self.layers);
                LimitedEndpoint { endpoint, body_limit: DEFAULT_BODY_LIMIT }
            }
        };
        Ok(table.into_routes(fallback))
    }

    /// Those of nested routers, and the router's own.
    fn fallbacks(&mut self) -> impl Iterator<Item = &mut MethodEntry<S>> {
        self.nested.iter_mut().map(|(_, fallback)| fallback).chain(&mut self.fallback)
    }

    fn fail(&mut self, error: InvalidRoute) {
        self.error.get_or_insert(error);
    }
}

impl Router<()> {
    /// Checks the routes of an application without state.
    ///
    /// # Errors
    ///
    /// The first error in a route: see [`InvalidRoute`].
    pub fn build(self) -> Result<Routes, InvalidRoute> {
        self.with_state(())
    }
}

impl<S: 'static> Default for Router<S> {
    fn default() -> Self {
        Router::new()
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.routes.iter().map(|(path, methods)| (path, methods))).finish()
    }
}

/// The methods that RFC 9110, 9.3, and RFC 5789 define: each that a router may have to refuse.
const DEFINED: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The methods that the router recognises: those that are defined, and those of any route.
fn known_methods<'a, S: 'a>(entries: impl Iterator<Item = &'a MethodEntry<S>>) -> Rc<[Box<str>]> {
    let mut known: Vec<Box<str>> = DEFINED.iter().map(|method| Box::from(*method)).collect();
    for method in entries.filter_map(|entry| entry.method.as_ref()) {
        if !known.contains(method) {
            known.push(method.clone());
        }
    }
    known.into()
}

fn check_methods<S>(path: &str, entries: &[MethodEntry<S>]) -> Result<(), InvalidRoute> {
    for (n, MethodEntry { method, .. }) in entries.iter().enumerate() {
        let name = method.as_deref().unwrap_or("any");
        // A field's name is a token as well.
        if Field::new(name, b"").is_err() {
            return Err(InvalidRoute::Method { path: path.into(), method: name.into() });
        }
        if entries.iter().take(n).any(|earlier| earlier.method == *method) {
            return Err(InvalidRoute::TwoHandlers { path: path.into(), method: name.into() });
        }
    }
    Ok(())
}
