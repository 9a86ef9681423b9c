//! HTTP.
//!
//! A handler is a function from a request to a response. The shortest one:
//!
//! ```
//! # use diesel_proto::Hub;
//! use diesel_proto::http1::{Request, Response, Service};
//!
//! fn hello(_request: Request) -> Response {
//!     Response::text("Hello, World!")
//! }
//!
//! # let mut hub = Hub::default();
//! hub.add_service(Service::new(hello));
//! ```
//!
//! It is a plain function: it answers within the step in which its request arrived, body and all,
//! and costs no fiber and no allocation. One that has to wait is `async`, and may wait on whatever a
//! fiber may; it is dropped when its connection breaks, and told when its client ends its side
//! ([`Request::closed`](crate::http1::Request::closed)). Errors go up with `?`, and come out as a 500:
//!
//! ```
//! # use core::time::Duration;
//! # use diesel_proto::{Error, Hub};
//! # use diesel_proto::http1::{Request, Response, Service};
//! async fn slow(request: Request) -> Result<Response, Error> {
//!     request.ctx().sleep(Duration::from_secs(1)).await?;
//!     Ok(Response::text("at last\n").header("X-Slow", "yes"))
//! }
//! # Hub::default().add_service(Service::new(slow));
//! ```
//!
//! A body is read whole, up to a limit, or piece by piece; a response is whole, or written while the
//! peer takes it. Whoever is slow slows down the other side, and nobody's memory grows:
//!
//! ```
//! # use diesel_proto::{Error, Hub};
//! # use diesel_proto::http1::{Request, Response, Service};
//! async fn echo(mut request: Request) -> Result<Response, Error> {
//!     Ok(Response::stream(async move |out| {
//!         while let Some(chunk) = request.body().some().await? {
//!             out.write(chunk).await?;
//!         }
//!         Ok(())
//!     }))
//! }
//! # Hub::default().add_service(Service::new(echo));
//! ```
//!
//! `100 Continue` is sent when the body is first asked for. A handler that does not ask for it need
//! not care: it is drained, within a limit, or the connection is closed.
//!
//! What may come, how much of it and how long it may take, is the service's to say, by
//! [`Limits`](crate::http1::Limits) and [`Deadlines`](crate::http1::Deadlines). What breaks a
//! [`Rule`](crate::http1::Rule) is answered without the handler;
//! [`on_rejection`](crate::http1::Service::on_rejection) takes that over.
//!
//! Behind a proxy that says for whom it connects, by the PROXY protocol, a
//! [layer](crate::http1::Service::layer) reads that: then [`peer`](crate::http1::Request::peer) is the
//! client, here and in the access log. See [`proxy_protocol`](crate::proxy_protocol).
//!
//! An orderly shutdown ends idle connections, and lets requests that were begun be answered, with
//! `Connection: close`: their handlers may go on waiting for whatever may come within the grace
//! period. One that sleeps for longer, or waits for an event, gets
//! [`Error::Shutdown`](crate::Error::Shutdown); passed on, the answer is 503.
//!
//! [`Response::upgrade`](crate::http1::Response::upgrade) hands the connection to another
//! [machine](super::machines), with the bytes that came behind the request. To drive the
//! protocol from another loop there is [`ServerConnection`](crate::http1::ServerConnection), one object
//! for bytes and events, and there are the parsers alone: see [`http1`](crate::http1).
