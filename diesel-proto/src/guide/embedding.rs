//! Embed in your own event loop.
//!
//! `diesel-proto` does no I/O. The code that does it is called the *embedder*: it tells the state
//! machine what happened, and carries out what the state machine asks for. `diesel-driver` is one
//! embedder, over epoll. This chapter shows how to write another: for io_uring, for an existing
//! event loop, for a microcontroller.
//!
//! There are three places to start from:
//!
//! | you have | use | your part |
//! | --- | --- | --- |
//! | one protocol, as a [`Machine`](crate::machine::Machine) | [`Endpoint`](crate::machine::Endpoint), one for each stream | read, write, close, wait for a deadline |
//! | handlers, services, clients, events | [`Hub`](crate::hub::Hub) | the same for many streams, and accept and connect |
//! | a `Hub`, and streams like sockets | [`hub::embed`](crate::hub::embed) | the trait [`Transport`](crate::hub::embed::Transport), for one stream at a time |
//!
//! Each kind of loop has a chapter: what it must do, and what goes wrong when it does not.
//!
//! | chapter | for | examples |
//! | --- | --- | --- |
//! | [Readiness](readiness) | epoll, kqueue, `mio`, `calloop` | `embed_mio`, `embed_calloop`, `embed_core` |
//! | [Completion](completion) | io_uring, IOCP | `embed_uring` |
//! | [Threads](threads) | blocking streams | `embed_threads`, `embed_rustls`, `embed_stdio` |
//! | [A task](task) | tokio, smol | `embed_tokio` |
//!
//! HTTP works with each: [`http1::Standalone`](crate::http1::Standalone) makes machines for endpoints
//! (with plain handlers), [`http1::Service`](crate::http1::Service) is for hubs, and
//! [`http1::ServerConnection`](crate::http1::ServerConnection) is the bare protocol.
//!
//! # One stream: an endpoint
//!
//! The numbered list at [`Endpoint`](crate::machine::Endpoint) is the contract. Here it is as code, for a
//! non-blocking socket. Call `proceed` when the socket is readable or writable, and when the deadline
//! has passed:
//!
//! ```
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::Shutdown;
//! use std::os::unix::net::UnixStream;
//!
//! use diesel_proto::{End, Endpoint, Instant, LineEcho, Machine};
//!
//! struct Connection<M> {
//!     socket: UnixStream,
//!     endpoint: Endpoint<M>,
//!     /// Bytes that were read, and that the endpoint has not taken yet.
//!     unread: Vec<u8>,
//!     half_closed: bool,
//!     /// A write failed because the peer had reset the stream.
//!     was_reset: bool,
//! }
//!
//! impl<M: Machine> Connection<M> {
//!     /// Does all that can be done without waiting. `Some`: close the socket.
//!     fn proceed(&mut self, now: Instant) -> Option<End> {
//!         let Connection { socket, endpoint, .. } = self;
//!         // Does nothing before the deadline.
//!         endpoint.expired(now);
//!         loop {
//!             // Writes come first.
//!             let mut slices = [&[][..]];
//!             while endpoint.outgoing(&mut slices) > 0 {
//!                 match socket.write(slices[0]).map_err(|error| error.kind()) {
//!                     Ok(n) => endpoint.sent(now, n as u64),
//!                     Err(ErrorKind::Interrupted) => {}
//!                     Err(ErrorKind::WouldBlock) => {
//!                         // The socket takes no more: wait until it is writable.
//!                         endpoint.sent(now, 0);
//!                         break;
//!                     }
//!                     Err(kind) => {
//!                         // What the peer sent before is still to be read.
//!                         self.was_reset = kind != ErrorKind::BrokenPipe;
//!                         endpoint.write_failed(now);
//!                     }
//!                 }
//!                 slices = [&[]];
//!             }
//!             if endpoint.queued() == 0 {
//!                 if let Some(end) = endpoint.end() {
//!                     return Some(end);
//!                 }
//!                 if endpoint.half_closed() && !self.half_closed {
//!                     self.half_closed = true;
//!                     let _ = socket.shutdown(Shutdown::Write);
//!                 }
//!             }
//!             // While the endpoint wants no input, do not read: that is the back-pressure.
//!             if !endpoint.wants_input() {
//!                 return None;
//!             }
//!             if self.unread.is_empty() {
//!                 let mut scratch = [0; 4096];
//!                 match socket.read(&mut scratch).map_err(|error| error.kind()) {
//!                     Ok(0) if self.was_reset => endpoint.reset(now),
//!                     Ok(0) => endpoint.eof(now),
//!                     Ok(n) => self.unread.extend_from_slice(&scratch[..n]),
//!                     Err(ErrorKind::Interrupted) => {}
//!                     Err(ErrorKind::WouldBlock) => return None,
//!                     Err(_) => endpoint.reset(now),
//!                 }
//!             }
//!             // What is not taken stays in `unread`, and is offered again.
//!             let taken = endpoint.received(now, &self.unread);
//!             self.unread.drain(..taken);
//!         }
//!     }
//! }
//!
//! let (socket, mut peer) = UnixStream::pair()?;
//! socket.set_nonblocking(true)?;
//! let now = Instant::ORIGIN;
//! let endpoint = Endpoint::new(LineEcho::default(), now);
//! let (half_closed, was_reset) = (false, false);
//! let mut connection =
//!     Connection { socket, endpoint, unread: Vec::new(), half_closed, was_reset };
//! assert_eq!(connection.proceed(now), None);
//!
//! peer.write_all(b"hello\r\nquit\r\n")?;
//! assert!(connection.proceed(now).is_some());
//! drop(connection);
//! let mut heard = String::new();
//! peer.read_to_string(&mut heard)?;
//! assert_eq!(heard, "you said: hello\r\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Between two calls, wait for these:
//!
//! - the socket to be readable, while [`wants_input`](crate::machine::Endpoint::wants_input);
//! - the socket to be writable, while [`queued`](crate::machine::Endpoint::queued) is not 0;
//! - the time of [`next_deadline`](crate::machine::Endpoint::next_deadline).
//!
//! An [`End::Abort`](crate::machine::End::Abort) has to reach the peer as a reset (`SO_LINGER` of zero, then
//! close): otherwise the peer takes what was cut off for the whole. The repository's README has a
//! complete loop for blocking sockets, which does this.
//!
//! # Many streams: a hub
//!
//! A [`Hub`](crate::hub::Hub) serves all streams: each input names one by its [`ConnId`](crate::hub::ConnId). It returns
//! [`Action`](crate::hub::Action)s. Calls like [`received`](crate::hub::Hub::received) note what happened;
//! [`run`](crate::hub::Hub::run) runs handlers and timers:
//!
//! ```
//! use diesel_proto::{Action, Address, Cause, Conn, Error, Hub, Instant};
//!
//! async fn echo_once(mut conn: Conn) -> Result<(), Error> {
//!     let line = conn.until_eol().await?;
//!     conn.write(("you said: ", line)).await
//! }
//!
//! let now = Instant::ORIGIN;
//! let mut hub = Hub::default();
//! let service = hub.add_service(echo_once);
//!
//! // A connection was accepted, and brought bytes.
//! let conn = hub.accept(now, service, Address::Unnamed)?;
//! let bytes = b"hello\r\n";
//! let taken = hub.received(now, conn, bytes);
//! assert_eq!(taken, bytes.len(), "otherwise: keep the rest, and offer it after `Resume`");
//! hub.eof(now, conn);
//!
//! // Run the hub and carry out its actions, until it asks for nothing more.
//! let (mut written, mut closed) = (Vec::new(), None);
//! loop {
//!     let mut actions = Vec::new();
//!     hub.run(now, &mut actions);
//!     if actions.is_empty() {
//!         break;
//!     }
//!     for action in actions {
//!         match action {
//!             Action::Send(conn) => {
//!                 let bytes = hub.outgoing(conn, |slices| slices.concat()).unwrap_or_default();
//!                 hub.sent(now, conn, bytes.len() as u64);
//!                 written.extend(bytes);
//!             }
//!             Action::Close(_, cause) | Action::Abort(_, cause) => closed = Some(cause),
//!             // Pause, Resume, HalfClose, Connect, StopAccepting, Notice, ...
//!             other => println!("not needed in this example: {other:?}"),
//!         }
//!     }
//! }
//! // Then wait for streams, but no longer than until `hub.next_wake()`.
//! assert_eq!(written, b"you said: hello\r\n");
//! assert_eq!(closed, Some(Cause::PeerClosed));
//! # Ok::<(), diesel_proto::Refused>(())
//! ```
//!
//! The documentation of [`hub`](crate::hub) has the contract. For real streams, do not write this loop
//! yourself: [`hub::embed::Streams`](crate::hub::embed::Streams) has the order of writes, half-closes
//! and closes, keeps bytes that the hub did not take, stops accepting at limits, and gives each stream
//! a fair share of a round. You implement [`Transport`](crate::hub::embed::Transport).
//!
//! # What else an embedder supplies
//!
//! - **A monotonic clock**, as [`Instant`](crate::time::Instant)s. [`needs_time`](crate::hub::Hub::needs_time)
//!   says when a fresh reading matters.
//! - **The time of day**, at the start and every few seconds, for the `Date` field of HTTP responses and
//!   for the certificates of TLS, which fails without it:
//!   [`Hub::time_of_day`](crate::hub::Hub::time_of_day).
//! - **Randomness**, once: [`Hub::seed`](crate::hub::Hub::seed), from the system's generator. Without it
//!   random numbers are predictable, and a notice says so.
//! - **Wake-ups from other threads**, if handlers await futures that are completed there:
//!   [`Hub::with_waker`](crate::hub::Hub::with_waker).
//! - **Panics.** To go on after a panic in user code, set a [`PollHook`](crate::hub::PollHook) that
//!   catches it: with feature `std`, `hub::catch_panics` makes one.
//! - **Logging**: see [where errors and logs go](super::errors#where-errors-and-logs-go).
//!
//! - **Files**, if its fibers [open](crate::fiber::Ctx::open) any:
//!   [`Transport::file`](crate::hub::embed::Transport::file),
//!   [`close_file`](crate::hub::embed::Transport::close_file) and
//!   [`write_region`](crate::hub::embed::Transport::write_region), whose documentation has an example;
//!   lines 14 and 15 of the [contract](crate::hub::embed#the-embedding-contract). By default, files are
//!   not supported. A program asks the hub for a
//!   [directory](crate::hub::Hub::add_directory) and tells the embedder what that is.
//! - **Names and jobs**, if its fibers connect to names, or run [what
//!   blocks](crate::fiber::Ctx::unblock): see the next section.
//!
//! # Names and jobs
//!
//! A hub asks for the addresses of a name by [`Action::Resolve`](crate::hub::Action::Resolve), and for a
//! job by [`Action::Job`](crate::hub::Action::Job). With
//! [`hub::embed`](crate::hub::embed), these are
//! [`Transport::resolve`](crate::hub::embed::Transport::resolve) and
//! [`run_job`](crate::hub::embed::Transport::run_job). By default each answers at once that it is not
//! supported, which is enough for a server that does not need them. An embedder with threads runs them
//! there, and passes on the answers when the hub's waker wakes it:
//!
//! ```
//! use std::net::{SocketAddr, ToSocketAddrs};
//! use std::sync::mpsc::{Receiver, Sender};
//! use std::task::{Poll, Waker};
//! use std::thread;
//!
//! use diesel_proto::hub::{Job, JobOutcome};
//! use diesel_proto::{HostName, Hub, Instant, JobId, ResolveErrorKind};
//!
//! enum Answer {
//!     Addresses(Result<Vec<SocketAddr>, ResolveErrorKind>),
//!     Outcome(JobOutcome),
//! }
//!
//! /// A thread for each question. (`diesel-driver` has a bounded pool, and more exact errors.)
//! struct Threads {
//!     answers: Sender<(JobId, Answer)>,
//!     /// Ends the wait of the loop: the one that the hub has, too.
//!     waker: Waker,
//! }
//!
//! impl Threads {
//!     fn begin(&self, id: JobId, work: impl FnOnce() -> Answer + Send + 'static) {
//!         let (answers, waker) = (self.answers.clone(), self.waker.clone());
//!         thread::spawn(move || {
//!             // This fails if the loop has ended.
//!             let _ = answers.send((id, work()));
//!             waker.wake();
//!         });
//!     }
//!
//!     /// For `Transport::resolve`.
//!     fn resolve(&self, id: JobId, name: &HostName) -> Poll<Result<Vec<SocketAddr>, ResolveErrorKind>> {
//!         let name = name.clone();
//!         self.begin(id, move || {
//!             let found = (name.as_str(), 0).to_socket_addrs();
//!             Answer::Addresses(found.map(Iterator::collect).map_err(|_| ResolveErrorKind::NotFound))
//!         });
//!         Poll::Pending
//!     }
//!
//!     /// For `Transport::run_job`.
//!     fn run_job(&self, id: JobId, job: Job) -> Poll<JobOutcome> {
//!         self.begin(id, move || Answer::Outcome(job.run()));
//!         Poll::Pending
//!     }
//! }
//!
//! /// Call this after each wait, before the round is ended.
//! fn pass_on(received: &Receiver<(JobId, Answer)>, hub: &mut Hub, now: Instant) {
//!     for (id, answer) in received.try_iter() {
//!         match answer {
//!             Answer::Addresses(addresses) => hub.resolved(now, id, addresses),
//!             Answer::Outcome(outcome) => hub.completed(now, id, outcome),
//!         }
//!     }
//! }
//! # use diesel_proto::{Action, Ctx};
//! # let (answers, received) = std::sync::mpsc::channel();
//! # let threads = Threads { answers, waker: Waker::noop().clone() };
//! # let (mut hub, now) = (Hub::default(), Instant::ORIGIN);
//! # hub.add_loop(async |ctx: Ctx| {
//! #     ctx.unblock(|| ()).await?;
//! #     ctx.halt();
//! #     Ok(())
//! # })
//! # .unwrap();
//! # let mut actions = Vec::new();
//! # while !actions.contains(&Action::Halt) {
//! #     hub.run(now, &mut actions);
//! #     for action in &actions {
//! #         let Action::Job(id) = action else { continue };
//! #         let Some(job) = hub.take_job(*id) else { continue };
//! #         let Poll::Pending = threads.run_job(*id, job) else { continue };
//! #         let _ = Threads::resolve;
//! #     }
//! #     pass_on(&received, &mut hub, now);
//! # }
//! ```
//!
//! In a task of tokio, `tokio::net::lookup_host` and `tokio::task::spawn_blocking` take the place of
//! the threads; a [`WakeQueue`](crate::hub::embed::WakeQueue) wakes the task. An embedder without threads
//! may run a job in place, `Poll::Ready(job.run())`: all its connections wait meanwhile.
//!
//! # Check your loop
//!
//! `testkit::embed::check` runs a loop that stands on [`Streams`](crate::hub::embed::Streams) through
//! scripted streams in virtual time, in a unit test, and names the line of the contract that it broke. For
//! that, write the loop as a function that is generic over its [`Transport`](crate::hub::embed::Transport)
//! and over how it waits.
//!
//! The repository has a peer program for loops with real sockets, `embed_check` in its folder `tests`.
//! It drives a server of HTTP through stalls, short writes, pauses, resets and half-closes, and names the
//! line of the contract that the loop broke. `GET /` is answered with a short text, and `POST /echo` with
//! the body. `--head-deadline` adds a check of the deadline, `--process` those of memory and descriptors,
//! and `--stop-within` sends a signal to stop:
//!
//! ```text
//! $ cargo run -p diesel-tests --bin embed_check -- --http 127.0.0.1:8088 --head-deadline 10 --process $PID
//! ```

pub mod completion;
pub mod readiness;
pub mod task;
pub mod threads;
