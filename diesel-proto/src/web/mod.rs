//! What a web application needs on top of HTTP: routes, parameters of handlers, middleware, conditions
//! and ranges (feature `web`). The guide's chapter on [web applications](crate::guide::web) shows how they
//! belong together.
//!
//! ```text
//!   Request ─▶ routes ─▶ middleware ─▶ .. ─▶ route_handler ── from_request, extract ──▶ user code
//!                                                  Response ◀── IntoResponse ◀───────────┘
//!
//!   router, method_router, template   Router: collects routes, and checks them
//!   routes          Routes: finds the route of a request; answer: what answers it
//!   routed_request  RoutedRequest: a request, and what is known of its route
//!   path_text       one spelling for each path
//!   cookies         Cookies, SetCookie (feature `cookies`)
//!   gzip            middleware that compresses responses (feature `gzip`)
//!   files           Files: serves the files of a directory
//!   events          server-sent events
//!   reverse_proxy   ReverseProxy: passes requests on to other servers
//!   redirect        Html, Redirect: responses
//!   entity_tag      EntityTag: names one version of a resource
//!   conditions      whether a request is carried out at all: If-Match, If-None-Match, ..
//!   ranges          which parts of a resource a request asks for: Range, If-Range
//!   byteranges      the body of a response with several parts
//!   accept_encoding whether a client accepts gzip
//! ```
//!
//! Conditions and ranges can be used without routes. They are functions of a request's fields and of
//! what the application knows of the resource.
//!
//! Rules of this folder:
//!
//! - It uses the public API of [`http1`](crate::http1), and no other part of it.
//! - A field that cannot be understood is ignored where RFC 9110 says so, and never guessed at.
//! - What an application declared wrongly is an error at start-up, or else a 500 with a notice. Nothing
//!   panics.
//!
//! It must never know how a message is framed, nor where a resource is stored.

mod accept_encoding;
mod answer;
mod byteranges;
mod conditions;
#[cfg(feature = "cookies")]
mod cookies;
mod entity_tag;
mod events;
mod extract;
mod files;
mod from_request;
#[cfg(feature = "gzip")]
mod gzip;
mod invalid_route;
mod method_router;
mod middleware;
mod path_text;
mod ranges;
mod redirect;
mod reverse_proxy;
mod route_handler;
mod routed_request;
mod router;
mod routes;
mod template;
#[cfg(all(test, feature = "testkit"))]
mod tests;

pub use conditions::{Precondition, Validators};
#[cfg(feature = "cookies")]
pub use cookies::{Cookies, SetCookie};
pub use entity_tag::{EntityTag, InvalidEntityTag};
pub use events::{EventWriter, ServerEvent, event_stream, last_event_id};
#[cfg(feature = "json")]
pub use extract::Json;
pub use extract::{Extension, Form, FromState, Path, Query, Rejection, State};
pub use files::Files;
pub use from_request::{FromRequest, Waits};
#[cfg(feature = "gzip")]
pub use gzip::{GZIP_MINIMUM, GzipEncoder, gzip};
pub use invalid_route::InvalidRoute;
pub use method_router::{MethodRouter, any, delete, get, head, on, options, patch, post, put};
pub use middleware::Next;
pub use ranges::{ContentRange, MAX_RANGES, RangeRequest};
pub use redirect::{Html, Redirect};
pub use reverse_proxy::{
    InvalidPrefix, InvalidUpstream, Prefix, ReverseProxy, ReverseProxyBuilder,
};
pub use route_handler::RouteHandler;
pub use routed_request::{DEFAULT_BODY_LIMIT, RoutedRequest};
pub use router::Router;
pub use routes::{FoundRoute, Routes};
