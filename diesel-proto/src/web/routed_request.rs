//! [`RoutedRequest`]: a request with what the router knows of it.
//!
//! It must never know how a route is found, nor what answers.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::path_text::decoded_text;
use crate::http1::Request;
use crate::machine::Error;

/// A request that the router has found a route for: what an
/// [extractor](super::FromRequest) looks at. It dereferences to the [`Request`].
///
/// Example: see [`FromRequest`](super::FromRequest).
pub struct RoutedRequest {
    request: Request,
    route: RouteMatch,
}

/// What the router found: the route, and the parameters in the path.
#[derive(Clone)]
pub(super) struct RouteMatch {
    /// `None` for a fallback of the whole router.
    pub(super) route: Option<Rc<RouteInfo>>,
    pub(super) params: ParamSpans,
    /// The path that the spans refer to, if it is not that of the request.
    pub(super) path: Option<Box<str>>,
    /// See [`MethodRouter::body_limit`](super::MethodRouter::body_limit).
    pub(super) body_limit: usize,
}

/// What is known of a route before there is a request.
pub(super) struct RouteInfo {
    /// The path, as the application wrote it.
    pub(super) path: Box<str>,
    /// The names of its parameters, in order.
    pub(super) names: Vec<Box<str>>,
    /// The value of `Allow`.
    pub(super) allow: Box<str>,
    /// The methods that are known to any route.
    pub(super) known: Rc<[Box<str>]>,
}

/// How many bytes of a body an extractor reads, if nothing else is set: 2 MiB.
///
/// Example: see [`Router::body_limit`](super::Router::body_limit).
pub const DEFAULT_BODY_LIMIT: usize = 2 << 20;

/// Where the values of the parameters are in a path: offset and length.
#[derive(Clone, Default)]
pub(super) struct ParamSpans {
    first: [(u32, u32); 4],
    len: usize,
    /// The fifth and later ones.
    more: Vec<(u32, u32)>,
}

impl ParamSpans {
    pub(super) fn push(&mut self, at: usize, len: usize) {
        // Paths are limited to far less than 4 GiB (`Limits::request_line`).
        let span = (at as u32, len as u32);
        match self.first.get_mut(self.len) {
            Some(place) => *place = span,
            None => self.more.push(span),
        }
        self.len += 1;
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.first.iter().take(self.len).chain(&self.more).copied()
    }
}

impl RoutedRequest {
    pub(super) fn new(request: Request, route: RouteMatch) -> Self {
        RoutedRequest { request, route }
    }

    /// The path of the route, as it was added to the router: `/notes/{id}`. For a metric or a log,
    /// which would have too many different entries if it used the path of the request. `None` if
    /// there is no such route.
    pub fn route(&self) -> Option<&str> {
        self.route.route()
    }

    /// The value of a parameter of the path, still percent-encoded.
    pub fn raw_param(&self, name: &str) -> Option<&str> {
        self.raw_params().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The parameters of the path: each name, with its value, decoded. The value is an error, and
    /// holds the bytes, if it is not UTF-8.
    pub fn params(&self) -> impl Iterator<Item = (&str, Result<Cow<'_, str>, Vec<u8>>)> {
        self.raw_params().map(|(name, value)| (name, decoded_text(value)))
    }

    /// How many bytes of the body an extractor may read.
    pub fn body_limit(&self) -> usize {
        self.route.body_limit
    }

    /// Waits for the whole body, within the limit of the route: see [`Request::collect`].
    ///
    /// # Errors
    ///
    /// [`Limit::Body`](crate::machine::Limit::Body), if it is longer.
    pub async fn collect_body(&mut self) -> Result<&[u8], Error> {
        let limit = self.body_limit();
        self.request.collect(limit).await
    }

    /// The request itself.
    pub fn into_request(self) -> Request {
        self.request
    }

    pub(super) fn into_parts(self) -> (Request, RouteMatch) {
        (self.request, self.route)
    }

    pub(super) fn info(&self) -> Option<&RouteInfo> {
        self.route.route.as_deref()
    }

    fn raw_params(&self) -> impl Iterator<Item = (&str, &str)> {
        let path = self.route.path.as_deref().unwrap_or(self.request.path());
        let names = self.route.route.iter().flat_map(|route| &route.names);
        let values = self.route.params.iter().map(move |(at, len)| {
            let (at, len) = (at as usize, len as usize);
            // Middleware may pass on another request than the one that was matched.
            path.get(at..at + len).unwrap_or_default()
        });
        names.map(|name| &**name).zip(values)
    }
}

impl RouteMatch {
    pub(super) fn route(&self) -> Option<&str> {
        self.route.as_ref().map(|route| &*route.path)
    }
}

impl Deref for RoutedRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl DerefMut for RoutedRequest {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.request
    }
}

impl fmt::Debug for RoutedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutedRequest")
            .field("request", &self.request)
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}
