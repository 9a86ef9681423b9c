//! What users write clients with: requests to any server, over connections that are kept.
//!
//! ```text
//!   handle: Client ──▶ request (url, encode) ──▶ call ─┬─▶ redirect
//!                                                      │
//!                response ◀── exchange (upload) ◀──────┤
//!                                 │                    ▼
//!                                 └───────────────▶ lease ─┬─▶ pool ──▶ link
//!                                                          ├─▶ dial ──▶ tunnel
//!                                                          └─▶ watch
//!   config    timeouts and limits         alarm   the timeouts of one call, by a timer
//!   error     why a call failed           shared  what all parts of a client share
//!   gzip      decodes bodies              proxy   through which proxy a request goes
//!   jar       cookies                     parts   what a request is made of
//! ```
//!
//! It is written for fibers, on the public API: a connection is a [`Conn`](crate::fiber::Conn), and
//! the core, [`SharedClientConnection`](crate::http1::SharedClientConnection), says what its bytes
//! mean.
//!
//! This folder must never parse: `connection` reads what arrives.

mod alarm;
mod call;
mod config;
mod dial;
mod encode;
mod error;
mod exchange;
#[cfg(feature = "gzip")]
mod gzip;
mod handle;
#[cfg(feature = "cookies")]
mod jar;
mod lease;
mod link;
mod parts;
mod pool;
mod proxy;
mod redirect;
mod request;
mod response;
mod shared;
mod timer;
mod tunnel;
mod upload;
mod url;
mod watch;

pub use config::{ClientConfig, ClientTimeouts, PoolLimits};
pub use error::{ClientError, FailedAt, InvalidRequest, Phase, RefusedRedirect, Timeout};
#[cfg(feature = "gzip")]
pub use gzip::GzipError;
pub use handle::{Client, ClientBuilder};
#[cfg(feature = "cookies")]
pub use jar::{CookieLimits, RefusedCookie};
pub use proxy::{InvalidProxy, Proxies, Proxy};
pub use request::ClientRequest;
pub use response::ClientResponse;
pub use upload::RequestWriter;
pub use url::{IntoUrl, InvalidUrl, Url};
