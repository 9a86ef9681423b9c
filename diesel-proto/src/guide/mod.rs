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
//! Pure means: no socket, no clock, no thread, no randomness. Whoever holds a [`Hub`] tells it what
//! happened ("these bytes came for that connection", "it is now five seconds later") and does what
//! it asks for ("send what is queued there", "close that one"). `diesel-driver` does so with epoll;
//! a unit test does so by hand; and the same inputs always give the same actions, byte for byte.
//!
//! # Chapters
//!
//! - [Loops and services](loops_and_services): what runs, and when.
//! - [What a connection gives](connections): the tokens.
//! - [Clients](clients): one connection, many callers.
//! - [Groups and events](groups_and_events): waiting for several things, and telling others.
//! - [Errors](errors): who is to blame.
//! - [HTTP](http): a function from a request to a response.
//! - [Machines](machines): below the fibers.
//! - Test your own protocol: laws, a fuzz target, a simulation, a driver. It is `guide::testing`,
//!   and needs the feature `testkit`, as what it is about does.

pub mod clients;
pub mod connections;
pub mod errors;
pub mod groups_and_events;
pub mod http;
pub mod loops_and_services;
pub mod machines;
#[cfg(feature = "testkit")]
pub mod testing;

#[cfg(doc)]
use crate::Hub;
