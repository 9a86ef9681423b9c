//! Connects a [`Hub`] to epoll: bytes, time and signals in, actions out.
//!
//! This crate knows sockets and clocks. It must never know a protocol: it moves bytes and obeys
//! actions. Everything of `diesel-proto` is here under its own name, so that a program needs only
//! this crate.
//!
//! ```no_run
//! use diesel_driver::{Application, Conn, Error};
//!
//! async fn echo(mut conn: Conn) -> Result<(), Error> {
//!     loop {
//!         let line = conn.until_eol().await?;
//!         conn.write(("you said: ", line)).await?;
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let mut app = Application::new();
//!     app.add_service(echo, "127.0.0.1:7050")?;
//!     app.run()
//! }
//! ```
//!
//! # Where errors go
//!
//! A handler or a loop that returns an error ends; the application goes on. That is told through the
//! [`log`](https://docs.rs/log) facade, as is everything else that a person may want to know. The
//! target of a line is the name of its service ([`Service::named`], [`http1::Service::named`]), or
//! `diesel` for what belongs to none, such as a loop.
//!
//! | level | what | blame |
//! | --- | --- | --- |
//! | `error` | a handler failed, a loop ended in an error, user code panicked | ours |
//! | `warn` | a limit was reached, a connection was refused, a system call failed | the settings, the system |
//! | `info` | a peer was cut: too slow, a line too long, a rule of the protocol broken; an access line, if the service is asked for them; a machine's own words | the peer |
//! | `debug` | each connection that was refused | the peer |
//!
//! How connections ordinarily end ([`Error::is_ordinary`]) is not logged.
//! What repeats, whoever the peer is, is told at once and then once a second with its count; access
//! lines are told each.
//!
//! **A program that sets no logger** gets the lines of level `warn` and `error` on standard error
//! while [`Application::run`] runs, unless it says [`print_errors(false)`](Application::print_errors).
//! No logger is installed for that, so the program can set its own at any time; what follows goes
//! there. (A logger that is off for everything cannot be told from none.)
//!
//! An error of the whole application, such as a poller that fails, is what
//! [`Application::run`] returns.

mod application;
mod clock;
mod connect;
mod driver;
mod fault;
mod journal;
mod key;
mod listen;
mod registered;
mod signals;
mod socket;
mod sockets;
#[cfg(test)]
mod tests;

pub use application::{Application, HaltHandle};
pub use diesel_proto::*;
pub use listen::ListenOptions;
