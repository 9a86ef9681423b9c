//! A guide: what diesel is, and how to write with it.
//!
//! # Background
//!
//! diesel began in 2009 as a Python framework for network applications. Its handlers were
//! generators: straight-line code that looked as if it blocked, and yielded tokens to an event hub
//! that ran every connection in one thread:
//!
//! ```python
//! def handle_echo(remote_addr):
//!     while True:
//!         message = yield until('\r\n')
//!         yield "you said: %s" % message
//! ```
//!
//! Here a handler is an `async fn`, a token is a future, and the hub is a pure state machine:
//!
//! ```
//! # use diesel_proto::{Conn, Error, Hub};
//! async fn echo(mut conn: Conn) -> Result<(), Error> {
//!     loop {
//!         let message = conn.until(b"\r\n").await?;
//!         conn.write(("you said: ", message)).await?;
//!     }
//! }
//! # Hub::default().add_service(echo);
//! ```
//!
//! Pure means: no socket, no clock, no thread, no randomness. The code around a [`Hub`], its *embedder*,
//! tells it what happened ("these bytes came for that connection", "it is now five seconds later"), and
//! carries out what it asks for ("send what is queued there", "close that one"). `diesel-driver` does
//! that with epoll; a unit test does it by hand. The same inputs always give the same actions, byte for
//! byte.
//!
//! # Chapters
//!
//! Three uses:
//!
//! - [Embed in your own event loop](embedding): one machine, many streams, what an embedder supplies.
//! - Fuzz a protocol, a layer, or a whole server: `guide::fuzzing`, with the feature `testkit`.
//! - Test deterministically: `guide::testing`, with the feature `testkit`. From an empty file to unit
//!   tests, laws, a simulated network, and a driver.
//!
//! If you know another library:
//!
//! - [Coming from tokio](from_tokio).
//! - [Coming from h11](from_h11).
//!
//! Writing a server:
//!
//! - [Loops and services](loops_and_services): what runs, and when.
//! - [Connections](connections): reading and writing.
//! - [Clients](clients): one connection, many callers.
//! - [Groups and events](groups_and_events): wait for several things; broadcast.
//! - [HTTP](http): a function from a request to a response.
//! - Web applications: `guide::web`, with the feature `web`. Routes, parameters, errors, middleware.
//! - [Machines and layers](machines): below the handlers.
//! - TLS: `guide::tls`, with the feature `tls`.
//! - [Errors and logs](errors): classified by blame; where they are logged.
//! - [Production](production): limits, deadlines, file descriptors, budgets, shutdown.
//!
//! And a [glossary], by the terms of other libraries and by ours.

pub mod clients;
pub mod connections;
pub mod embedding;
pub mod errors;
pub mod from_h11;
pub mod from_tokio;
#[cfg(feature = "testkit")]
pub mod fuzzing;
pub mod glossary;
pub mod groups_and_events;
pub mod http;
pub mod loops_and_services;
pub mod machines;
pub mod production;
#[cfg(feature = "testkit")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "web")]
pub mod web;

#[cfg(doc)]
use crate::hub::Hub;
