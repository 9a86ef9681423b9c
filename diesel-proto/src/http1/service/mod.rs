//! What people use: a service, its requests and responses, and the machine that serves a connection.
//!
//! ```text
//!   Service (builder) ──makes, for each connection──▶ machine ──▶ handler(Request) ──▶ Response
//!                                                      │  ▲
//!                                                      ▼  │
//!                                        exchange: body in, body out, of a handler that waits
//! ```
//!
//! This room must never parse: what arrives is read by `connection`.

mod body;
mod builder;
mod exchange;
mod handler;
#[cfg(feature = "http")]
mod http_types;
mod machine;
mod request;
mod response;
mod standalone;
mod successor;

pub use body::{Body, BodyWriter, ClientClosed};
pub use builder::Service;
pub use handler::{AsyncKind, Handler, PlainKind};
#[cfg(feature = "http")]
pub use http_types::InvalidStatus;
pub use request::Request;
pub use response::{IntoResponse, Response};
pub use standalone::Standalone;
pub use successor::{ByHandler, ByMachine, Successor};
