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
//! # Loops and services
//!
//! A *service* serves connections, each with a fiber of its handler. A *loop* is a fiber without a
//! connection. It is given a [`Ctx`], which sleeps, spawns, connects, makes events, and halts:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::{Action, Ctx, Error, Hub, Instant};
//!
//! async fn clock(ctx: Ctx) -> Result<(), Error> {
//!     for _ in 0..3 {
//!         println!("hi!");
//!         ctx.sleep(Duration::from_secs(1)).await?;
//!     }
//!     ctx.halt();
//!     Ok(())
//! }
//!
//! let mut hub = Hub::default();
//! hub.add_loop(clock)?;
//!
//! // An hour of virtual time passes as fast as it can be counted.
//! let mut now = Instant::ORIGIN;
//! let mut actions = Vec::new();
//! loop {
//!     hub.run(now, &mut actions);
//!     match hub.next_wake() {
//!         Some(at) => now = now.max(at),
//!         None => break,
//!     }
//! }
//! assert_eq!(actions, [Action::Halt]);
//! assert_eq!(now, Instant::ORIGIN + Duration::from_secs(3));
//! # Ok::<(), diesel_proto::Limit>(())
//! ```
//!
//! A loop cannot wait for bytes: it has no connection to wait on, and this does not compile:
//!
//! ```compile_fail,E0599
//! # use diesel_proto::{Ctx, Error};
//! async fn confused(ctx: Ctx) -> Result<(), Error> {
//!     ctx.until_eol().await?;
//!     Ok(())
//! }
//! ```
//!
//! Loops run in the order they were added, each until its token cannot be satisfied; then the hub
//! waits for the soonest deadline or for bytes, runs what these made ready, and so on. Nothing is
//! ever interrupted between two awaits: what one fiber does there, no other sees half done.
//! `ctx.sleep(Duration::ZERO)` gives all others a turn. A fiber that is never at a loss for
//! satisfied tokens is set aside after [`Config::tokens_per_pass`].
//!
//! A hub belongs to one thread, and so do its fibers; that is why they share things without locks.
//!
//! ```compile_fail,E0277
//! # use diesel_proto::Hub;
//! let hub = Hub::default();
//! std::thread::spawn(move || drop(hub));
//! ```
//!
//! An [`Endpoint`](crate::Endpoint) is `Send`, if its machine is:
//!
//! ```
//! # use diesel_proto::{Endpoint, Instant, LineEcho};
//! let endpoint = Endpoint::new(LineEcho::default(), Instant::ORIGIN);
//! std::thread::spawn(move || drop(endpoint)).join().unwrap();
//! ```
//!
//! # What a connection gives
//!
//! | token | gives |
//! | --- | --- |
//! | [`until`](Conn::until), [`until_eol`](Conn::until_eol) | everything up to and including a sentinel, or a line end |
//! | [`bytes`](Conn::bytes) | exactly that many |
//! | [`some`](Conn::some) | what is there, at least one byte |
//! | [`to_end`](Conn::to_end) | everything before the peer ended its side |
//! | [`peek`](Conn::peek) | as `bytes`, but leaves them |
//! | [`write`](Conn::write) | nothing, once the bytes are queued |
//! | [`flush`](Conn::flush) | nothing, once they are sent |
//!
//! What was read is handed out without copying: a [`Line`] or a [`Chunk`] is a slice of the block
//! that the bytes arrived in. Kept for long it would pin that block; `to_vec()`, `to_bytes()` and
//! `trimmed().to_string()` copy.
//!
//! [`half_close`](Conn::half_close) ends our side alone, [`split`](Conn::split) gives each half to
//! a fiber of its own, and [`upgrade`](Conn::upgrade) hands the connection to a
//! [`Machine`](crate::Machine), with whatever bytes have come already.
//!
//! # Clients
//!
//! A [`Client`] is one connection that many fibers may call. Calls have their turns in order, and
//! an answer never reaches another call than the one that asked.
//!
//! ```
//! # use core::net::SocketAddr;
//! use diesel_proto::{Client, Conn, Ctx, Error, Line};
//!
//! #[derive(Clone)]
//! struct EchoClient(Client);
//!
//! impl EchoClient {
//!     async fn echo(&self, message: &str) -> Result<Line, Error> {
//!         let call = async |conn: &mut Conn| {
//!             conn.write((message, "\r\n")).await?;
//!             conn.until_eol().await
//!         };
//!         self.0.call(call).await
//!     }
//! }
//!
//! async fn caller(ctx: Ctx) -> Result<(), Error> {
//!     let address = SocketAddr::from(([127, 0, 0, 1], 7050));
//!     let client = EchoClient(Client::connect(&ctx, address).await?);
//!     println!("{}", client.echo("hello").await?.trimmed());
//!     Ok(())
//! }
//! # diesel_proto::Hub::default().add_loop(caller).unwrap();
//! ```
//!
//! [`Client::builder`] has the rest: what to do on connecting and on closing, and whether a call
//! that finds the connection gone makes another.
//!
//! # Groups and events
//!
//! [`first`] waits for the first of several tokens. They are polled in the order written, and
//! dropping the others loses nothing:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::{Conn, Error, First2, first};
//!
//! async fn bytes_or_timeout(mut conn: Conn) -> Result<(), Error> {
//!     let ctx = conn.ctx();
//!     match first((conn.bytes(2), ctx.sleep(Duration::from_secs(3)))).await {
//!         First2::A(two) => println!("got two bytes! {:?}", two?),
//!         First2::B(_) => println!("timeout"),
//!     }
//!     Ok(())
//! }
//! # diesel_proto::Hub::default().add_service(bytes_or_timeout);
//! ```
//!
//! Two waits for one socket do not fit into a group: each borrows the connection.
//!
//! An [`Event`] carries messages between fibers. A [`Subscription`] owns its place in the stream of
//! messages, so nothing is missed between two waits; one that falls behind by more than the
//! capacity is told how many it missed ([`Error::Lagged`]); firing *through* a subscription reaches
//! all the others. That is all a chat needs:
//!
//! ```
//! use diesel_proto::{Conn, Error, Event, First2, Hub, Service, first};
//!
//! async fn chat(mut conn: Conn, room: Event<(String, String)>) -> Result<(), Error> {
//!     let nick = conn.until_eol().await?.trimmed().to_string();
//!     let mut others = room.subscribe();
//!     loop {
//!         match first((conn.until_eol(), others.wait())).await {
//!             First2::A(line) => others.fire((nick.clone(), line?.trimmed().to_string())),
//!             First2::B(said) => {
//!                 let (nick, text) = said?;
//!                 conn.write(format!("<{nick}> {text}\r\n")).await?
//!             }
//!         }
//!     }
//! }
//!
//! let mut hub = Hub::default();
//! let room = hub.event();
//! hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
//! ```
//!
//! # Errors
//!
//! What the seed raised as `ConnectionClosed` is [`Error::Closed`], and `?` ends the handler with
//! it. A handler that has something to tidy up looks at it instead:
//!
//! ```
//! use diesel_proto::{Conn, Error};
//!
//! async fn oops(mut conn: Conn) -> Result<(), Error> {
//!     match conn.until_eol().await {
//!         Ok(line) => conn.write(("got ", line)).await,
//!         Err(Error::Closed) => {
//!             println!("oops, that was too early");
//!             Ok(())
//!         }
//!         Err(error) => Err(error),
//!     }
//! }
//! # diesel_proto::Hub::default().add_service(oops);
//! ```
//!
//! Errors are told apart by blame: the peer's ([`Error::Closed`], [`Error::Reset`]), a limit's
//! ([`Error::Limit`] names it, with its value; [`Error::TimedOut`] names what the deadline was
//! for), the application's own ([`Error::Application`]). While a hub shuts down, tokens that would
//! have to wait fail with [`Error::Shutdown`].
//!
//! A connection closes when its handler returns, once everything queued is sent. How it ended is in
//! [`Action::Close`](crate::Action::Close), as a [`Cause`](crate::Cause).
//!
//! # Machines
//!
//! Below the fibers there is one trait, [`Machine`](crate::Machine), for whoever would rather write
//! the state machine: protocol cores, and layers around them. [`Endpoint`](crate::Endpoint) holds
//! the embedding contract. [`Service::machine`](crate::Service::machine) puts one into a hub, and
//! [`proxy_protocol`](crate::proxy_protocol) is a whole one to read.

#[allow(unused_imports, reason = "for the links")]
use crate::{Chunk, Client, Config, Conn, Ctx, Error, Event, Hub, Line, Subscription, first};
