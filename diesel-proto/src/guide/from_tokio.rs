//! Coming from tokio.
//!
//! Handlers look the same: `async fn`s that read and write. What is different follows from one
//! decision: there is no runtime. A future of this crate does not register with a reactor; it waits
//! for its [`Hub`](crate::hub::Hub), which an embedder runs.
//!
//! | tokio | here |
//! | --- | --- |
//! | `Runtime`, `#[tokio::main]` | `Application` of `diesel-driver`; in a test a [`Hub`](crate::hub::Hub) |
//! | `TcpListener::accept` in a loop, then `spawn` | `app.add_service(handler, address)` |
//! | `TcpStream` | [`Conn`](crate::fiber::Conn) |
//! | `TcpStream::connect`, `net::lookup_host` | [`Ctx::connect`](crate::fiber::Ctx::connect), to an address or a name |
//! | `tokio_rustls` | [a layer](super::machines#tls), with the feature `tls` |
//! | `BufReader::read_line`, `Framed` with a codec | [`Conn::until_eol`](crate::fiber::Conn::until_eol), [`until`](crate::fiber::Conn::until), [`bytes`](crate::fiber::Conn::bytes) |
//! | `write_all` | [`Conn::write`](crate::fiber::Conn::write): done when queued; waits above the high-water mark |
//! | `flush` | [`Conn::flush`](crate::fiber::Conn::flush): done when the operating system has taken all bytes |
//! | `shutdown` of the stream | [`Conn::half_close`](crate::fiber::Conn::half_close) |
//! | `into_split` | [`Conn::split`](crate::fiber::Conn::split) |
//! | `select!` | [`first`](crate::fiber::first()) |
//! | `time::sleep`, `time::timeout` | [`Ctx::sleep`](crate::fiber::Ctx::sleep), [`Ctx::timeout`](crate::fiber::Ctx::timeout) |
//! | `task::spawn`, `JoinHandle::abort` | [`Ctx::spawn`](crate::fiber::Ctx::spawn), [`JoinHandle::abort`](crate::fiber::JoinHandle::abort): no `Send` needed |
//! | `task::spawn_blocking` | [`Ctx::unblock`](crate::fiber::Ctx::unblock) |
//! | `fs::File`, `fs::read_dir` | [`Ctx::open`](crate::fiber::Ctx::open), [`File::read_at`](crate::fiber::File::read_at), [`Ctx::list`](crate::fiber::Ctx::list); to write, [`Ctx::unblock`](crate::fiber::Ctx::unblock) |
//! | `task::yield_now` | `ctx.sleep(Duration::ZERO)` |
//! | `sync::broadcast` | [`Event`](crate::fiber::Event) |
//! | `sync::Mutex`, `Arc` | `RefCell`, `Rc`: all handlers of a hub run on one thread |
//! | cooperative budget | [`Config::tokens_per_pass`](crate::hub::Config::tokens_per_pass) |
//! | `time::pause`, `advance` | every test: time is an argument |
//! | `signal::ctrl_c` and a `CancellationToken` | graceful shutdown is built in: see [production](super::production#shutdown) |
//! | `tower::Layer` | [`Service::layer`](crate::hub::Service::layer): around the byte stream, not the request |
//!
//! # A server, side by side
//!
//! With tokio (not a doctest: it would need a network):
//!
//! ```ignore
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:7050").await?;
//!     loop {
//!         let (socket, _) = listener.accept().await?;
//!         tokio::spawn(async move {
//!             let (reader, mut writer) = socket.into_split();
//!             let mut lines = BufReader::new(reader).lines();
//!             while let Ok(Ok(Some(line))) = timeout(MINUTE, lines.next_line()).await {
//!                 if writer.write_all(format!("you said: {line}\n").as_bytes()).await.is_err() {
//!                     break;
//!                 }
//!             }
//!         });
//!     }
//! }
//! ```
//!
//! Here:
//!
//! ```no_run
//! use std::time::Duration;
//! use diesel_driver::{Application, Conn, Error, Service};
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
//!     app.add_service(Service::new(echo).idle(Duration::from_secs(60)), "127.0.0.1:7050")?;
//!     app.run()
//! }
//! ```
//!
//! The second program limits the length of a line, the number of connections, and the time that a
//! client may take to read its answers; Ctrl-C ends it gracefully. The first one needs code for each.
//!
//! # What to know
//!
//! - **Cancel safety.** Every future of this crate can be dropped before it is ready without losing a
//!   byte or a message, so every one may stand in [`first`](crate::fiber::first()). (A
//!   [`Client`](crate::fiber::Client) call that is dropped after it was sent closes its connection: its answer
//!   must not reach the next caller.)
//! - **One thread.** A hub and its handlers are not `Send`. To use more cores, run an application in
//!   each thread or process, with `ListenOptions::reuse_port` of `diesel-driver`. An expensive
//!   computation is a job for another thread: [`Ctx::unblock`](crate::fiber::Ctx::unblock). The
//!   future of any other channel works too if it uses its waker: wakers work from any thread.
//! - **Futures of other crates** work if they need nothing but a waker: channels, locks, async
//!   streams. Those that need tokio's reactor or timers (`tokio::net`, `tokio::time`, hyper, sqlx,
//!   reqwest) do not. The results of such futures are not inputs of the hub, so a recording cannot
//!   reproduce them.
//! - **No UDP and no Unix sockets** in the driver. Names are resolved by the system, in threads. Files are
//!   [read](crate::fiber::Ctx::open), listed and sent, but written only in a
//!   [job](crate::fiber::Ctx::unblock).
//! - **Blocking** in a handler blocks every connection, as on tokio's current-thread runtime.
//! - **Panics** of a handler end that handler and its connection, as those of a tokio task do.
//!
//! # Stay with tokio if
//!
//! you need several threads for one application, HTTP/2, or crates that are built on tokio. You can still use
//! [`http1::ServerConnection`](crate::http1::ServerConnection), or an [`Endpoint`](crate::machine::Endpoint) with
//! a machine that is `Send`, inside a tokio task: [embedding](super::embedding) shows the loop.
