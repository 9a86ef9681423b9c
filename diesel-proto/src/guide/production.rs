//! What to set before production.
//!
//! Every queue, count and wait has a limit with a default. The defaults suit a server on the open
//! internet with small messages. This chapter lists what to look at; the types have the details.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use diesel_driver::http1::{Deadlines, Limits, Request, Response, Service};
//! use diesel_driver::{Application, Config, Error};
//!
//! async fn upload(mut request: Request) -> Result<Response, Error> {
//!     // The protocol's deadlines are about the client. One for the handler's own work is yours.
//!     let ctx = request.ctx();
//!     let body = ctx.timeout(Duration::from_secs(20), request.body().read(8 << 20)).await??;
//!     Ok(Response::text(format!("{} bytes\n", body.len())))
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let config = Config {
//!         // Below the limit on file descriptors.
//!         max_connections: 10_000,
//!         // Below the time after which the process manager kills.
//!         grace: Duration::from_secs(25),
//!         ..Config::default()
//!     };
//!     let service = Service::new(upload)
//!         .named("upload")
//!         .limits(Limits { body: 8 << 20, held_bodies: 256 << 20, ..Limits::default() })
//!         .deadlines(Deadlines { keep_alive: Duration::from_secs(30), ..Deadlines::default() })
//!         .access_notices(true);
//!     let mut app = Application::with_config(config);
//!     app.add_service(service, "127.0.0.1:8088")?;
//!     app.run()
//! }
//! ```
//!
//! # File descriptors
//!
//! Each connection, accepted or made by [`Ctx::connect`](crate::fiber::Ctx::connect), takes one file
//! descriptor; add some tens for listening sockets, epoll, and files. The soft limit is often 1024
//! (`ulimit -n`), far less than the default of [`Config::max_connections`](crate::hub::Config), 65,536.
//! `diesel-driver` does not change the limit of the process. So raise it (`LimitNOFILE=` in a systemd
//! unit), and set `max_connections` below it.
//!
//! At `max_connections`, and when the process has run out of descriptors, the connection that has been
//! idle for longest is closed to make room: by default only HTTP connections that wait for a request
//! ([`ServiceConfig::shed`](crate::hub::ServiceConfig::shed)). If there is none, the driver stops accepting
//! until a connection closes, or for 100 ms; new connections wait in the backlog of the kernel
//! (`ListenOptions::backlog`), and a warning is logged.
//!
//! # Memory
//!
//! | limit | default | holds |
//! | --- | --- | --- |
//! | [`ServiceConfig::read_limit`](crate::hub::ServiceConfig::read_limit) | 64 KiB | one line, or one count, of a handler |
//! | [`ServiceConfig::read_ahead`](crate::hub::ServiceConfig::read_ahead) | 64 KiB | bytes that a handler has not read yet |
//! | [`ServiceConfig::high_water`](crate::hub::ServiceConfig::high_water) | 64 KiB, HTTP 448 KiB | bytes that the peer has not taken yet |
//! | [`http1::Limits::body`](crate::http1::Limits::body) | 1 MiB | one request body |
//! | [`http1::Limits::plain_body`](crate::http1::Limits::plain_body) | 64 KiB | one for a handler that is not `async` |
//! | [`http1::Limits::held_bodies`](crate::http1::Limits::held_bodies) | 32 MiB | all bodies that a service holds |
//! | [`http1::Limits::header_bytes`](crate::http1::Limits::header_bytes) | 32 KiB | the fields of one request |
//! | [`Config::max_fibers`](crate::hub::Config::max_fibers) | 131,072 | handlers, loops and spawned futures |
//!
//! An idle connection holds no buffer. In the worst case one connection holds `read_ahead` and one read
//! more, and `high_water` and one write more; multiply by `max_connections` to see what a crowd of slow
//! clients can take.
//!
//! # Deadlines
//!
//! | deadline | default | cuts |
//! | --- | --- | --- |
//! | [`ServiceConfig::idle`](crate::hub::ServiceConfig::idle) | **off** | a peer that sends nothing: set it for services that are not HTTP |
//! | [`ServiceConfig::write_stall`](crate::hub::ServiceConfig::write_stall), [`write_rate`](crate::hub::ServiceConfig::write_rate) | 60 s, 500 bytes/s | a peer that reads too slowly |
//! | [`ServiceConfig::linger`](crate::hub::ServiceConfig::linger) | 2 s | the wait for the peer's close after ours |
//! | [`ServiceConfig::connect`](crate::hub::ServiceConfig::connect) | 30 s | connecting ([`Config::client`](crate::hub::Config::client)) |
//! | [`http1::Deadlines`](crate::http1::Deadlines) | see there | a slow head, a slow body, keep-alive, a client that has half-closed |
//! | [`Ctx::timeout`](crate::fiber::Ctx::timeout) | none | anything of your own: **no deadline bounds the time that a handler takes** |
//!
//! # Budgets
//!
//! One thread runs everything, so each part of the work has a budget, after which others get their
//! turn: [`Config::tokens_per_pass`](crate::hub::Config::tokens_per_pass) for one handler,
//! [`Config::polls_per_run`](crate::hub::Config::polls_per_run) for one run of the hub,
//! [`Budgets`](crate::hub::embed::Budgets) for one stream and one listening socket,
//! [`http1::Limits::pipelined`](crate::http1::Limits::pipelined) for one connection. The defaults rarely
//! need a change. Nothing interrupts a handler between two `await`s: move long computations to a thread.
//!
//! # Shutdown
//!
//! SIGINT and SIGTERM start a graceful shutdown of an `Application`, as do
//! [`Ctx::halt`](crate::fiber::Ctx::halt) and `HaltHandle::halt`; embedders call
//! [`Hub::drain`](crate::hub::Hub::drain). Then
//!
//! 1. no connection is accepted, and idle HTTP connections are closed;
//! 2. whatever waits fails with [`Error::Shutdown`](crate::machine::Error::Shutdown), which handlers pass on with
//!    `?`; writes may finish, and HTTP requests that were begun are answered, with `Connection: close`;
//! 3. after [`Config::grace`](crate::hub::Config::grace) (5 s), the rest is cut. A second signal cuts at once.
//!
//! Set `grace` longer than your slowest request takes, and shorter than the time after which the process
//! manager sends SIGKILL (`TimeoutStopSec=` of systemd, `terminationGracePeriodSeconds` of Kubernetes).
//! For a restart without refused connections, pass the listening socket on, and use
//! `Application::adopt`.
//!
//! # TLS, and proxies in front
//!
//! TLS is a [layer](super::machines#tls), with the feature `tls`. Or terminate it in a proxy in front, such
//! as nginx or HAProxy, and let it connect over loopback or a private network. To see the client's address, have the proxy send the
//! PROXY protocol, and add [`proxy_protocol::layer`](crate::proxy_protocol::layer). Set
//! [`HeaderConfig::trusted`](crate::proxy_protocol::HeaderConfig::trusted), unless nothing but the
//! proxy can reach the port: a trusted source can claim any client address.
//!
//! # Checklist
//!
//! - `ulimit -n` is above `max_connections`.
//! - Services that are not HTTP have `idle`.
//! - Handlers that call other services have `Ctx::timeout` around the call.
//! - `grace` is between the slowest request and SIGKILL.
//! - A logger is installed: see [errors and logs](super::errors#where-errors-and-logs-go).
//!   [`Counters`](crate::hub::Counters) are exported, if you have metrics.
//! - The program is built with `panic = "unwind"`, the default: then a panic in a handler ends one
//!   connection, or is answered with 500, and not the process.
//! - There is one process, or thread, for each core that you want to use.
