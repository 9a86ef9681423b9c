//! [`Routes`]: finds what answers a request.
//!
//! It must never know how routes are collected.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use matchit::Match;

use super::answer::{Endpoint, LimitedEndpoint};
use super::invalid_route::InvalidRoute;
use super::path_text::normal_path;
use super::routed_request::{DEFAULT_BODY_LIMIT, ParamSpans, RouteInfo, RouteMatch, RoutedRequest};
use super::template::Template;
use crate::http1::{Limits, Request, Response, Service, Status};

/// The routes of an application, made by a [`Router`](super::Router). Cheap to clone.
///
/// It converts into an [`http1::Service`](Service), which has settings, and into a
/// [`Service`](crate::hub::Service) of a hub. Or a handler calls it.
///
/// ```
/// use diesel_proto::Hub;
/// use diesel_proto::http1::{Request, Response, Service};
/// use diesel_proto::web::{Router, get};
///
/// let routes = Router::new().route("/", get(|| "hello")).build()?;
/// let mut hub = Hub::default();
/// hub.add_service(routes.clone());
/// hub.add_service(Service::from(&routes).named("notes").access_notices(true));
/// // What is done before a route is found.
/// hub.add_service(Service::new(async move |request: Request| match request.host() {
///     Some("example.org") => routes.call(request).await,
///     _ => Response::text("another host\n"),
/// }));
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone)]
pub struct Routes(Rc<RouteTable>);

struct RouteTable {
    table: Table,
    fallback: LimitedEndpoint,
}

/// What is found for a path.
#[derive(Default)]
pub(super) struct Table {
    tree: matchit::Router<Found>,
    /// Fallbacks for the paths below a prefix.
    nested: matchit::Router<Found>,
    /// The pattern of each route, with the path as it was written.
    written: Vec<(String, Box<str>)>,
    largest_body: usize,
}

/// A route: its handlers, by method.
pub(super) struct Found {
    info: Rc<RouteInfo>,
    /// What answers each of the [`COMMON`] methods.
    common: [LimitedEndpoint; COMMON.len()],
    /// The handlers of other methods.
    others: Vec<(Box<str>, LimitedEndpoint)>,
    /// What answers methods without a handler of their own.
    rest: LimitedEndpoint,
    /// Answers methods without any handler.
    unhandled: Rc<Endpoint>,
}

/// The methods that need no search, in the order of [`common_method`].
const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[inline]
fn common_method(method: &str) -> Option<usize> {
    Some(match method.as_bytes() {
        b"GET" => 0,
        b"HEAD" => 1,
        b"POST" => 2,
        b"PUT" => 3,
        b"PATCH" => 4,
        b"DELETE" => 5,
        b"OPTIONS" => 6,
        _ => return None,
    })
}

impl Found {
    pub(super) fn new(
        path: Box<str>,
        names: Vec<Box<str>>,
        endpoints: impl Iterator<Item = (Option<Box<str>>, LimitedEndpoint)>,
        unhandled: Rc<Endpoint>,
    ) -> Self {
        let (mut handlers, mut any) = (Vec::new(), None);
        for (method, endpoint) in endpoints {
            match method {
                Some(method) => handlers.push((method, endpoint)),
                None => any = Some(endpoint),
            }
        }
        let allow = allow(handlers.iter().map(|(method, _)| &**method));
        let info = RouteInfo { path, names, allow, known: Rc::from([]) };
        let named = |name: &str| {
            let found = handlers.iter().find(|(method, _)| **method == *name);
            found.map(|(_, endpoint)| endpoint.clone())
        };
        let rest = any.unwrap_or_else(|| LimitedEndpoint {
            endpoint: Rc::clone(&unhandled),
            body_limit: DEFAULT_BODY_LIMIT,
        });
        let common = COMMON.map(|method| {
            let of_get = || if method == "HEAD" { named("GET") } else { None };
            named(method).or_else(of_get).unwrap_or_else(|| rest.clone())
        });
        handlers.retain(|(method, _)| common_method(method).is_none());
        Found { info: Rc::new(info), common, others: handlers, rest, unhandled }
    }

    /// Sets what depends on the other routes.
    pub(super) fn knowing(mut self, known: &Rc<[Box<str>]>) -> Self {
        if let Some(info) = Rc::get_mut(&mut self.info) {
            info.known = Rc::clone(known);
        }
        self
    }

    fn largest_body(&self) -> usize {
        let others = self.others.iter().map(|(_, endpoint)| endpoint);
        let all = self.common.iter().chain(others).chain([&self.rest]);
        all.map(|endpoint| endpoint.body_limit).max().unwrap_or_default()
    }

    #[inline]
    fn endpoint(&self, method: &str) -> &LimitedEndpoint {
        match common_method(method).and_then(|index| self.common.get(index)) {
            Some(endpoint) => endpoint,
            None => {
                let found = self.others.iter().find(|(known, _)| **known == *method);
                found.map_or(&self.rest, |(_, endpoint)| endpoint)
            }
        }
    }
}

/// The value of `Allow` (RFC 9110, 10.2.1).
fn allow<'a>(methods: impl Iterator<Item = &'a str> + Clone) -> Box<str> {
    let mut allow = Vec::new();
    for method in methods.clone() {
        allow.push(method);
        if method == "GET" && !methods.clone().any(|other| other == "HEAD") {
            allow.push("HEAD");
        }
    }
    if !allow.contains(&"OPTIONS") {
        allow.push("OPTIONS");
    }
    allow.join(", ").into()
}

impl Table {
    pub(super) fn add(&mut self, template: &Template, found: Found) -> Result<(), InvalidRoute> {
        let (path, limit) = (found.info.path.clone(), found.largest_body());
        let written = &self.written;
        template.insert(&mut self.tree, &path, found, |with| {
            let known = written.iter().find(|(pattern, _)| *pattern == with);
            known.map_or(with.into(), |(_, path)| path.clone())
        })?;
        self.written.push((template.pattern.clone(), path));
        self.largest_body = self.largest_body.max(limit);
        Ok(())
    }

    /// Adds a fallback for a prefix, and for all paths below it.
    pub(super) fn add_fallback(
        &mut self,
        prefix: &str,
        template: &Template,
        fallback: LimitedEndpoint,
    ) -> Result<(), InvalidRoute> {
        if template.has_catch_all {
            return Err(InvalidRoute::CatchAll { path: prefix.into() });
        }
        self.largest_body = self.largest_body.max(fallback.body_limit);
        for rest in ["", "/", "/{*-}"] {
            let pattern = alloc::format!("{}{rest}", template.pattern);
            let below = Template { pattern, names: Vec::new(), has_catch_all: false };
            let any = core::iter::once((None, fallback.clone()));
            let names = template.names.clone();
            let unhandled = Rc::clone(&fallback.endpoint);
            let found = Found::new(prefix.into(), names, any, unhandled);
            below.insert(&mut self.nested, prefix, found, |with| with.into()).map_err(|error| {
                match error {
                    InvalidRoute::Conflict { .. } => {
                        InvalidRoute::TwoFallbacks { prefix: prefix.into() }
                    }
                    error => error,
                }
            })?;
        }
        Ok(())
    }

    #[inline(never)]
    fn find_nested<'r, 'p>(&'r self, method: &str, path: &'p str) -> Option<FoundRoute<'r, 'p>> {
        Some(FoundRoute::new(method, self.nested.at(path).ok()?))
    }

    pub(super) fn into_routes(mut self, fallback: LimitedEndpoint) -> Routes {
        self.largest_body = self.largest_body.max(fallback.body_limit);
        Routes(Rc::new(RouteTable { table: self, fallback }))
    }
}

/// Where in the path the parameters of a route are.
fn spans(found: &Match<'_, '_, &Found>, path: &str) -> ParamSpans {
    let mut spans = ParamSpans::default();
    for (_, value) in found.params.iter().take(found.value.info.names.len()) {
        // A value is a part of the path.
        spans.push((value.as_ptr() as usize).wrapping_sub(path.as_ptr() as usize), value.len());
    }
    spans
}

/// A route that was found for a method and a path.
///
/// Example: see [`Routes::find`].
pub struct FoundRoute<'r, 'p> {
    found: &'r Found,
    endpoint: &'r LimitedEndpoint,
    params: FoundParams<'r, 'p>,
}

/// The parameters of a path: as they were found, as most requests have no parameter that is needed
/// before the handler runs; or where they are in the path, if that was rewritten.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack, for a moment")]
enum FoundParams<'r, 'p> {
    Plain(Match<'r, 'p, &'r Found>),
    Rewritten(ParamSpans, Box<str>),
}

impl<'r, 'p> FoundRoute<'r, 'p> {
    #[inline]
    fn new(method: &str, matched: Match<'r, 'p, &'r Found>) -> Self {
        let (found, endpoint) = (matched.value, matched.value.endpoint(method));
        FoundRoute { found, endpoint, params: FoundParams::Plain(matched) }
    }

    /// The path of the route, as it was added to the router.
    pub fn route(&self) -> &'r str {
        &self.found.info.path
    }

    /// Whether the route has a handler for the method: its own, that of GET for HEAD, or one for all
    /// methods. Not for the fallback of a nested router.
    pub fn has_handler(&self) -> bool {
        !Rc::ptr_eq(&self.endpoint.endpoint, &self.found.unhandled)
    }
}

impl fmt::Debug for FoundRoute<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FoundRoute").field(&self.route()).finish()
    }
}

impl Routes {
    /// Answers a request: finds its route, and calls the handler.
    pub async fn call(&self, request: Request) -> Response {
        let (limited, route) = match self.find(request.method(), request.path()) {
            Some(FoundRoute { found, endpoint, params }) => {
                let (params, path) = match params {
                    FoundParams::Plain(found) => (spans(&found, request.path()), None),
                    FoundParams::Rewritten(params, path) => (params, Some(path)),
                };
                let (route, body_limit) = (Some(Rc::clone(&found.info)), endpoint.body_limit);
                (endpoint, RouteMatch { route, params, path, body_limit })
            }
            None => {
                let fallback = &self.0.fallback;
                let (params, body_limit) = (ParamSpans::default(), fallback.body_limit);
                (fallback, RouteMatch { route: None, params, path: None, body_limit })
            }
        };
        (limited.endpoint)(RoutedRequest::new(request, route)).response().await
    }

    /// Finds the route of a path, which is percent-encoded, as in a request; or, without one, the prefix
    /// of the nested router whose fallback answers. `None` if the fallback of the whole router answers.
    ///
    /// ```
    /// use diesel_proto::web::{Router, get};
    ///
    /// let routes = Router::new().route("/notes/{id}", get(|| "a note")).build()?;
    /// let found = routes.find("PUT", "/notes/7").unwrap();
    /// assert_eq!((found.route(), found.has_handler()), ("/notes/{id}", false));
    /// assert!(routes.find("GET", "/notes").is_none());
    /// # Ok::<(), diesel_proto::web::InvalidRoute>(())
    /// ```
    #[inline]
    pub fn find<'r, 'p>(&'r self, method: &str, path: &'p str) -> Option<FoundRoute<'r, 'p>> {
        match normal_path(path) {
            Cow::Borrowed(path) => {
                let table = &self.0.table;
                match table.tree.at(path) {
                    Ok(matched) => Some(FoundRoute::new(method, matched)),
                    Err(_) => table.find_nested(method, path),
                }
            }
            Cow::Owned(path) => self.find_rewritten(method, path.into()),
        }
    }

    #[cold]
    fn find_rewritten<'p>(&self, method: &str, path: Box<str>) -> Option<FoundRoute<'_, 'p>> {
        let table = &self.0.table;
        let matched = table.tree.at(&path).or_else(|_| table.nested.at(&path)).ok()?;
        let (found, spans) = (matched.value, spans(&matched, &path));
        let params = FoundParams::Rewritten(spans, path);
        Some(FoundRoute { found, endpoint: found.endpoint(method), params })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.0.table.written.iter().map(|(_, path)| path);
        f.debug_tuple("Routes").field(&paths.collect::<Vec<_>>()).finish()
    }
}

/// With the default settings, except for [`Limits::body`], which is at least the largest
/// [limit of a route](super::Router::body_limit).
impl From<&Routes> for Service {
    fn from(routes: &Routes) -> Self {
        let limits = Limits::default();
        let body = limits.body.max(routes.0.table.largest_body as u64);
        let routes = routes.clone();
        Service::new(async move |request: Request| routes.call(request).await)
            .limits(Limits { body, ..limits })
    }
}

/// As from a reference.
impl From<Routes> for Service {
    fn from(routes: Routes) -> Self {
        Service::from(&routes)
    }
}

/// As [`http1::Service`](Service).
impl From<&Routes> for crate::hub::Service {
    fn from(routes: &Routes) -> Self {
        Service::from(routes).into()
    }
}

/// As [`http1::Service`](Service).
impl From<Routes> for crate::hub::Service {
    fn from(routes: Routes) -> Self {
        Service::from(&routes).into()
    }
}

/// The answer to a method without a handler, on a path that has a route (RFC 9110, 9.1, 9.3.7 and
/// 15.5.6).
pub(super) fn unrouted(request: &RoutedRequest) -> Response {
    let Some(route) = request.info() else { return plain(Status::NOT_FOUND) };
    match request.method() {
        "OPTIONS" => Response::empty().header("Allow", &*route.allow),
        method if route.known.iter().any(|known| **known == *method) => {
            plain(Status::METHOD_NOT_ALLOWED).header("Allow", &*route.allow)
        }
        _ => plain(Status::NOT_IMPLEMENTED),
    }
}

/// The answer to a request without a route; to OPTIONS for the server as a whole, the methods that it
/// recognises (RFC 9110, 9.3.7).
pub(super) fn nowhere(request: &RoutedRequest, known: &str) -> Response {
    match (request.method(), request.path()) {
        ("OPTIONS", "*") => Response::empty().header("Allow", known),
        _ => plain(Status::NOT_FOUND),
    }
}

fn plain(status: Status) -> Response {
    Response::text(alloc::format!("{status}\n")).status(status)
}
