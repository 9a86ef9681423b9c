//! The API for applications: a service, its requests and responses, and the machine that serves a
//! connection.
//!
//! ```text
//!   builder: Service ── makes, for each connection ──▶ machine ── request ──▶ handler (user code)
//!                                                         ▲                      │
//!                                                         └────── response ◀─────┘
//!
//!   heads        memory of requests, which the service takes back
//!   body         bodies of requests and responses, for `async` handlers
//!   encoder      encodes the content of responses
//!   exchange     signals between the machine and an `async` handler, beside the bodies
//!   standalone   machines without a hub
//!   successor    what takes over the connection after an upgrade
//!   into_response  what a handler may return
//!   http_types   conversions to and from the `http` crate
//! ```
//!
//! This folder must never parse: `connection` reads what arrives.

mod body;
mod builder;
mod encoder;
mod exchange;
mod handler;
mod heads;
#[cfg(feature = "http")]
mod http_types;
mod into_response;
mod machine;
mod request;
mod response;
mod standalone;
mod successor;

pub use body::{Body, BodyWriter, ClientClosed};
pub use builder::Service;
pub use encoder::ContentEncoder;
pub use handler::{AsyncKind, Handler, PlainKind};
#[cfg(feature = "http")]
pub use http_types::InvalidStatus;
pub use into_response::IntoResponse;
pub use request::{Informer, Request};
pub use response::Response;
pub use standalone::Standalone;
pub use successor::{ByHandler, ByMachine, Successor};
