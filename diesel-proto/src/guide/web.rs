//! Web applications: routes, parameters, errors, middleware (feature `web`).
//!
//! A [`Router`] finds the handler of a request. A handler takes what it needs as parameters, and returns
//! what converts into a response:
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//!
//! use diesel_proto::http1::Status;
//! use diesel_proto::testkit::Oneshot;
//! use diesel_proto::web::{Form, Path, Redirect, Router, State, get};
//! use serde::Deserialize;
//!
//! type Names = Rc<RefCell<Vec<String>>>;
//!
//! #[derive(Deserialize)]
//! struct Guest {
//!     name: String,
//! }
//!
//! fn guests(State(names): State<Names>) -> String {
//!     names.borrow().join("\n")
//! }
//!
//! fn guest(State(names): State<Names>, Path(n): Path<usize>) -> Result<String, Status> {
//!     names.borrow().get(n).cloned().ok_or(Status::NOT_FOUND)
//! }
//!
//! fn sign(State(names): State<Names>, Form(guest): Form<Guest>) -> Redirect {
//!     names.borrow_mut().push(guest.name);
//!     Redirect::see_other("/guests")
//! }
//!
//! let routes = Router::new()
//!     .route("/guests", get(guests).post(sign))
//!     .route("/guests/{n}", get(guest))
//!     .with_state(Names::default())?;
//!
//! assert_eq!(Oneshot::post("/guests").form("name=Ada+L.").send(&routes).status.code(), 303);
//! assert_eq!(Oneshot::get("/guests/0").send(&routes).text(), "Ada L.");
//! assert_eq!(Oneshot::get("/guests/1").send(&routes).status, Status::NOT_FOUND);
//! # Ok::<(), diesel_proto::web::InvalidRoute>(())
//! ```
//!
//! `hub.add_service(routes)`, or `app.add_service(routes, address)` of the driver, serves them. An
//! [`http1::Service`](crate::http1::Service) made from them has settings: limits, deadlines, access
//! notices.
//!
//! # If you know axum
//!
//! Names and paths are the same, where they can be. What is different:
//!
//! - There is one thread for each hub, so nothing has to be `Send`: the state is an `Rc`, and a `RefCell`
//!   takes the place of a mutex.
//! - A handler that needs not wait is a plain function: no future, no box.
//! - [`with_state`](Router::with_state) and [`build`](Router::build) return an error if two routes are in
//!   conflict. Nothing panics.
//! - `Err("text")` is not a 200: it is a 500, and a notice. See [`IntoResponse`].
//! - One trait, [`FromRequest`], makes parameters, from the head or from the body. The
//!   [`Request`](crate::http1::Request) itself is the last one.
//! - Middleware is an `async` function, and there is no `tower`.
//! - A path with `%` is compared as RFC 3986 says: `/%61` is `/a`.
//!
//! # Errors
//!
//! The error of a handler is a response. An application has one type for them, with an [`IntoResponse`] of
//! its own, that decides about status and text; `examples/notes.rs` shows one. What the client did wrong
//! with a parameter is a [`Rejection`](crate::web::Rejection), which says what to change. What goes wrong
//! inside is an [`Error`](crate::machine::Error): 500 without details, and a notice with them.
//!
//! # Bodies
//!
//! `Json`, `Form`, `String` and [`Bytes`](bytes::Bytes), of the crate `bytes`, are made from the whole
//! body. It may have [`DEFAULT_BODY_LIMIT`](crate::web::DEFAULT_BODY_LIMIT), 2 MiB, or what
//! [`body_limit`](Router::body_limit) of the router or of a route says; a longer one is answered with 413. A
//! handler that takes the `Request` can read the body piece by piece, within
//! [`Limits::body`](crate::http1::Limits::body) of the service.
//!
//! To write to a file blocks the thread, and with it all connections: that belongs into
//! [`unblock`](crate::fiber::Ctx::unblock), which runs it elsewhere.
//!
//! ```
//! use bytes::Bytes;
//! use diesel_proto::Error;
//! use diesel_proto::http1::{Request, Status};
//! use diesel_proto::web::{Path, Router, put};
//!
//! // A number, since a text may be a path that leads anywhere.
//! async fn store(Path(id): Path<u64>, picture: Bytes, request: Request) -> Result<Status, Error> {
//!     request.ctx().unblock(move || std::fs::write(format!("pictures/{id}"), picture)).await??;
//!     Ok(Status::CREATED)
//! }
//!
//! let routes = Router::new().route("/pictures/{id}", put(store).body_limit(10 << 20)).build()?;
//! # Ok::<(), diesel_proto::web::InvalidRoute>(())
//! ```
//!
//! # Middleware
//!
//! [Middleware](crate::web::Next) wraps handlers, and what the router itself answers.
//! [`Next`](crate::web::Next) has one for time-outs. An access log, with an identifier of each request,
//! which the hub draws:
//!
//! ```
//! use diesel_proto::http1::{Request, Response};
//! use diesel_proto::testkit::Oneshot;
//! use diesel_proto::web::{Extension, Next, Router, get};
//!
//! #[derive(Clone, Copy)]
//! struct RequestId(u64);
//!
//! async fn identified(mut request: Request, next: Next) -> Response {
//!     let id = RequestId(u64::from_le_bytes(request.ctx().random()));
//!     request.insert(id);
//!     next.run(request).await.header("X-Request-Id", format!("{:016x}", id.0))
//! }
//!
//! async fn logged(request: Request, next: Next) -> Response {
//!     let (ctx, method) = (request.ctx(), request.method().to_owned());
//!     // The route, not the path: there are few of them.
//!     let route = next.route().unwrap_or("-").to_owned();
//!     let began = ctx.now();
//!     let response = next.run(request).await;
//!     let took = ctx.now() - began;
//!     println!("{method} {route} {} {took:?}", response.status_code());
//!     response
//! }
//!
//! let show = get(|Extension(RequestId(id)): Extension<RequestId>| format!("{id:016x}"));
//! let routes = Router::new().route("/", show).layer(identified).layer(logged).build()?;
//! let answer = Oneshot::get("/").send(&routes);
//! assert_eq!(answer.headers.get_str("X-Request-Id"), Some(answer.text()));
//! # Ok::<(), diesel_proto::web::InvalidRoute>(())
//! ```
//!
//! (The service has an access log without middleware, too:
//! [`access_notices`](crate::http1::Service::access_notices). It has requests that reach no handler as
//! well.)
//!
//! Each client may make ten requests a minute:
//!
//! ```
//! use core::time::Duration;
//! use std::cell::RefCell;
//! use std::collections::HashMap;
//!
//! use diesel_proto::Address;
//! use diesel_proto::http1::{IntoResponse, Request, Response, Status};
//! use diesel_proto::testkit::Oneshot;
//! use diesel_proto::web::{Next, Router, get};
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//!
//! let clients = RefCell::new(HashMap::new());
//! let limited = async move |request: Request, next: Next| {
//!     let now = request.ctx().now();
//!     let client = match request.peer() {
//!         Address::Socket(client) => Some(client.ip()),
//!         _ => None,
//!     };
//!     let is_allowed = {
//!         let mut clients = clients.borrow_mut();
//!         // What has expired takes no memory. (A large service does this once a minute.)
//!         clients.retain(|_, &mut (since, _)| now < since + MINUTE);
//!         let (_, count) = clients.entry(client).or_insert((now, 0));
//!         *count += 1;
//!         *count <= 10
//!     };
//!     match is_allowed {
//!         true => next.run(request).await,
//!         false => {
//!             let wait = [("Retry-After", "60")];
//!             (Status::TOO_MANY_REQUESTS, wait, "not so fast\n").into_response()
//!         }
//!     }
//! };
//! let routes = Router::new().route("/", get(|| "hello")).layer(limited).build()?;
//! for _ in 0..10 {
//!     assert_eq!(Oneshot::get("/").send(&routes).text(), "hello");
//! }
//! assert_eq!(Oneshot::get("/").send(&routes).text(), "not so fast\n");
//! # Ok::<(), diesel_proto::web::InvalidRoute>(())
//! ```
//!
//! Pages of another origin may use the API (CORS). A preflight request is one for OPTIONS, which
//! middleware sees too:
//!
//! ```
//! use diesel_proto::http1::{Request, Response};
//! use diesel_proto::testkit::Oneshot;
//! use diesel_proto::web::{Next, Router, get};
//!
//! const ORIGIN: &str = "https://app.example";
//!
//! async fn cors(request: Request, next: Next) -> Response {
//!     let is_allowed = request.header_str("Origin") == Some(ORIGIN);
//!     let is_preflight = request.method() == "OPTIONS"
//!         && request.header("Access-Control-Request-Method").is_some();
//!     let response = match is_allowed && is_preflight {
//!         true => Response::empty()
//!             .header("Access-Control-Allow-Methods", "GET, POST, DELETE")
//!             .header("Access-Control-Allow-Headers", "Content-Type")
//!             .header("Access-Control-Max-Age", "600"),
//!         false => next.run(request).await,
//!     };
//!     // A cache must not give it to another origin.
//!     let response = response.header("Vary", "Origin");
//!     match is_allowed {
//!         true => response.header("Access-Control-Allow-Origin", ORIGIN),
//!         false => response,
//!     }
//! }
//!
//! let routes = Router::new().route("/", get(|| "hello")).layer(cors).build()?;
//! let preflight = Oneshot::options("/")
//!     .header("Origin", ORIGIN)
//!     .header("Access-Control-Request-Method", "DELETE");
//! let answer = preflight.send(&routes);
//! assert_eq!(answer.headers.get_str("Access-Control-Allow-Methods"), Some("GET, POST, DELETE"));
//! let answer = Oneshot::get("/").header("Origin", "https://evil.example").send(&routes);
//! assert_eq!(answer.headers.get("Access-Control-Allow-Origin"), None);
//! # Ok::<(), diesel_proto::web::InvalidRoute>(())
//! ```
//!
//! # Files and events
//!
//! [`Files`](crate::web::Files) serves the files of a directory, with conditions, ranges and types;
//! `examples/static_files.rs` is little more. In a router it is a fallback, or behind a route: see
//! [`serve_path`](crate::web::Files::serve_path). A test has its files in memory, in a simulated network: a
//! [`Oneshot`](crate::testkit::Oneshot) has none.
//!
//! ```
//! use core::time::Duration;
//!
//! use diesel_proto::Hub;
//! use diesel_proto::http1::Request;
//! use diesel_proto::testkit::net::Network;
//! use diesel_proto::web::{Files, Router, get};
//!
//! let mut hub = Hub::default();
//! // In a program: `app.add_directory("www")`.
//! let directory = hub.add_directory();
//! let files = Files::new(directory);
//! let routes = Router::new()
//!     .route("/hello", get(|| "hello"))
//!     .fallback(async move |request: Request| files.serve(&request).await)
//!     .build()?;
//! let service = hub.add_service(routes);
//!
//! let mut network = Network::new(7);
//! let host = network.lone_host(hub);
//! network.files(host, directory, [("a.txt", "from a file".into())]);
//! let peer = network.connect_to(host, service);
//! network.send(peer, "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
//! network.run_for(Duration::from_secs(1))?;
//! assert!(network.got(peer).ends_with(b"\r\n\r\nfrom a file"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A handler answers with one file by [`Response::file`](crate::http1::Response::file).
//! [`event_stream`](crate::web::event_stream) sends events to browsers: `examples/sse.rs`. A handler may
//! also hold its answer back until there is news, and is dropped when the browser leaves:
//! `examples/comet.rs` is a chat made like that.
//!
//! `web::gzip` compresses (feature `gzip`); cookies are there with the feature `cookies`.
//!
//! # A reverse proxy
//!
//! [`ReverseProxy`](crate::web::ReverseProxy) passes requests on to other servers: bodies and trailers as
//! they arrive, both ways, and `websocket` as a tunnel. It forwards only what was parsed, written anew, so
//! that the server behind it reads the same message; what can be read in two ways was refused before.
//!
//! ```
//! use diesel_proto::Hub;
//! use diesel_proto::http1::{Limits, Request, Service};
//! use diesel_proto::web::ReverseProxy;
//!
//! let mut hub = Hub::default();
//! let proxy = ReverseProxy::to(["http://192.0.2.1:8080", "http://192.0.2.2:8080"])?
//!     // A load balancer in front of this program, which says who its clients are.
//!     .trust("10.0.0.0/8".parse()?)
//!     .build(&hub.ctx());
//! let forward = async move |request: Request| proxy.forward(request).await;
//! // Uploads of any length: they are not held.
//! let limits = Limits { body: u64::MAX, ..Limits::default() };
//! hub.add_service(Service::new(forward).limits(limits));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it says of the client (`Forwarded`, `X-Forwarded-For`, ..) an upstream can believe: what a client
//! says of itself is dropped, unless its address is trusted. Several upstreams take turns. One that cannot
//! be reached is left out for a while, and the request goes to another one; what may have been carried out
//! is sent again only if that does no harm. `forward` is a function like any other: a handler may check a
//! request before, or change the response after it, and a route may have its own proxy.
//! `examples/reverse_proxy.rs` is a program.
//!
//! # What is not there
//!
//! - `multipart/form-data`: the crate that is kept for it, `multer`, reads streams that are `Send`, which a
//!   body of a hub is not while it arrives. A body that was collected can be passed to it, as
//!   `examples/httpbin/multipart.rs` does; large files are better sent as a body of their own.
//! - Signed cookies, sessions, templates: crates for these work here as anywhere else.

#[cfg(doc)]
use crate::http1::IntoResponse;
#[cfg(doc)]
use crate::web::{FromRequest, Router};
