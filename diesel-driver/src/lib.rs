//! Runs a [`Hub`] on epoll: bytes, time and signals go in, actions come out.
//!
//! This crate knows sockets and clocks. It must never know a protocol: it moves bytes and carries
//! out actions. It re-exports everything of `diesel-proto`, so that a program depends only on this
//! crate: its features `cookies`, `gzip`, `json`, `testkit`, `tls` and `web` enable those of
//! `diesel-proto`.
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
//! # How data flows
//!
//! ```text
//!   `application`  what a program uses: adds services and loops to a hub, runs the driver
//!        │
//!   `driver`       the event loop ◀── `signals` (SIGINT, SIGTERM), `clock` (time, time of day)
//!        │  ▲
//!   hub  │  │      drives the hub: `diesel_proto::hub::embed`
//!        ▼  │
//!   `sockets`      the transport: ◀──▶ `listen` (accepts), `connect`, `socket` (reads, writes)
//!        │
//!     │  `files`     directories and open files: what is cached at once, the rest by threads
//!     │  `pool`      threads for what blocks: look-ups of names, jobs ([`Ctx::unblock`]), disks
//!     │
//!   `registered`   a source that the poller watches, under its `key`
//!
//!   `journal`      notices of all of these ──▶ `repeats` ──▶ `output` ──▶ log, or standard error
//!   `fault`        the system calls, which tests can make fail
//! ```
//!
//! # Where errors go
//!
//! If a handler or a loop returns an error, it ends, and the application goes on. The error is
//! logged through the [`log`](https://docs.rs/log) facade, like everything else that an operator
//! may want to know. The target of a line is the name of its service ([`Service::named`],
//! [`http1::Service::named`]), or `diesel` for what belongs to no service, such as a loop.
//!
//! | level | what | blame |
//! | --- | --- | --- |
//! | `error` | a handler failed, a loop ended in an error, user code panicked | ours |
//! | `warn` | a limit was reached, a connection was refused, a system call failed | the settings, the system |
//! | `info` | a peer was cut: too slow, a line too long, a rule of the protocol broken; an access line, if the service is asked for them; a machine's own words | the peer |
//! | `debug` | each connection that was refused | the peer |
//!
//! How connections ordinarily end ([`Error::is_ordinary`]) is not logged. A line that repeats, for
//! the same peer or others, is logged at once and then once a second with its count; access lines
//! are all logged.
//!
//! **If a program sets no logger**, the lines of level `warn` and `error` are printed to standard
//! error while [`Application::run`] runs, unless it calls
//! [`print_errors(false)`](Application::print_errors). No logger is installed for that, so the
//! program can set one at any time; it gets the lines that follow. (A logger that is off for every
//! level counts as none.)
//!
//! [`Application::run`] returns an error that ends the whole application, such as that of a failed
//! poller.

mod application;
mod clock;
mod connect;
mod driver;
mod fault;
mod files;
mod journal;
mod key;
mod listen;
mod pool;
mod proxies;
mod registered;
#[cfg(feature = "tls")]
mod roots;
mod signals;
mod socket;
mod sockets;
#[cfg(test)]
mod tests;

pub use application::{Application, HaltHandle};
pub use diesel_proto::*;
pub use listen::ListenOptions;
pub use proxies::environment_proxies;
#[cfg(feature = "tls")]
pub use roots::platform_connector;
