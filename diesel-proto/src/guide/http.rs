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
//! It is a plain function. It is called when its request is complete, body included, and answers at once:
//! that needs no fiber and no allocation. A handler that has to wait is `async`, and can await whatever a
//! fiber can. It is dropped when its connection breaks, and can find out when its client has ended its
//! side ([`Request::closed`](crate::http1::Request::closed)). An error that it returns is answered with
//! 500 and logged:
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
//! A body is read whole, up to a limit ([`Body::read`](crate::http1::Body::read)), or piece by piece; a response is sent whole, or streamed.
//! Back-pressure goes through: a client that reads slowly slows down a handler that streams, and the
//! handler slows down a client that uploads; memory does not grow:
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
//! A body that is read piece by piece has a limit, too, 1 MiB by default: for uploads, raise
//! [`Limits::body`](crate::http1::Limits::body). Beyond it, the next piece is an error.
//!
//! `100 Continue` is sent when the handler first asks for the body. A body that the handler does not read
//! is discarded, up to a limit; beyond it, the connection is closed.
//!
//! A service has [`Limits`](crate::http1::Limits) and [`Deadlines`](crate::http1::Deadlines). A request
//! that breaks a [`Rule`](crate::http1::Rule) is answered without the handler;
//! [`on_rejection`](crate::http1::Service::on_rejection) sets what that answer is.
//!
//! Behind a load balancer that sends the PROXY protocol, add its
//! [layer](crate::http1::Service::layer): then [`peer`](crate::http1::Request::peer) is the client, in
//! handlers and in the access log. See [`proxy_protocol`](crate::proxy_protocol). [TLS](super::machines#tls)
//! is a layer as well; `request.tls()` is what was negotiated.
//!
//! A graceful shutdown closes idle connections. Requests that were begun are answered, with
//! `Connection: close`: their handlers may go on waiting for what can come within the grace period. A
//! handler that sleeps for longer, or waits for an event, gets
//! [`Error::Shutdown`](crate::machine::Error::Shutdown); if it returns that error, the answer is 503.
//!
//! [`Response::upgrade`](crate::http1::Response::upgrade) hands the connection to another
//! [machine](super::machines), with the bytes that came behind the request. For your own
//! event loop there is the bare protocol, [`ServerConnection`](crate::http1::ServerConnection), as in
//! [h11](super::from_h11); and the parsers can be used alone: see [`http1`](crate::http1).
