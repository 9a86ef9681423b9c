//! Glossary: the project's words, and the terms that others use for the same.
//!
//! # By the term you know
//!
//! | term | here |
//! | --- | --- |
//! | access log | [`Notice::Access`](crate::machine::Notice::Access), [`access_notices`](crate::http1::Service::access_notices) |
//! | actor, task, green thread, goroutine | fiber: a handler, a loop, or a future that was [spawned](crate::fiber::Ctx::spawn) |
//! | back-pressure, flow control | a handler that does not read stops the reading of its stream ([`read_ahead`](crate::hub::ServiceConfig::read_ahead)); a peer that does not read makes [`write`](crate::fiber::Conn::write) wait ([`high_water`](crate::hub::ServiceConfig::high_water)); a machine that takes fewer bytes than it was given [pauses](crate::machine::Actions::pause) |
//! | broadcast channel, pub/sub | [`Event`](crate::fiber::Event), [`Subscription`](crate::fiber::Subscription) |
//! | blocking call, `spawn_blocking`, thread pool | [`Ctx::unblock`](crate::fiber::Ctx::unblock), a *job*: the embedder runs it in a thread |
//! | buffer | [`Buffer`](crate::buf::Buffer) for input, [`Pipeline`](crate::buf::Pipeline) for output |
//! | cancel safety | every token is cancel-safe: see [groups and events](super::groups_and_events) |
//! | connection pool | none yet; a [`Client`](crate::fiber::Client) is one connection that callers share |
//! | cooperative scheduling | [`Config::tokens_per_pass`](crate::hub::Config::tokens_per_pass); see [budgets](super::production#budgets) |
//! | deadline, timeout | see *timeouts* |
//! | deterministic simulation testing | `testkit::net`, [`hub::Input`](crate::hub::Input); see [test your own protocol](super#chapters) |
//! | DNS, resolver, `getaddrinfo` | [`Ctx::connect`](crate::fiber::Ctx::connect) takes names; the embedder resolves them: [`Action::Resolve`](crate::hub::Action::Resolve) |
//! | event loop, reactor | the embedder: `Application` of `diesel-driver`, or [your own](super::embedding) |
//! | executor, runtime | [`Hub`](crate::hub::Hub): runs the fibers, does no I/O |
//! | file descriptor limit, `EMFILE`, ulimit | [production](super::production#file-descriptors) |
//! | framing, codec | [`until`](crate::fiber::Conn::until), [`bytes`](crate::fiber::Conn::bytes) in a handler; [`Buffer::find`](crate::buf::Buffer::find) in a machine |
//! | graceful shutdown, draining | [`Hub::drain`](crate::hub::Hub::drain), [`Input::Shutdown`](crate::machine::Input::Shutdown), [`Error::Shutdown`](crate::machine::Error::Shutdown); see [shutdown](super::production#shutdown) |
//! | half-close, `shutdown(SHUT_WR)`, FIN | [`Conn::half_close`](crate::fiber::Conn::half_close), [`Actions::half_close`](crate::machine::Actions::half_close); of the peer: [`Input::Eof`](crate::machine::Input::Eof), [`Error::Closed`](crate::machine::Error::Closed) |
//! | happy eyeballs | [`Ctx::connect`](crate::fiber::Ctx::connect), [`NameConfig`](crate::hub::NameConfig) |
//! | high- and low-water marks | [`ServiceConfig::high_water`](crate::hub::ServiceConfig::high_water), [`low_water`](crate::hub::ServiceConfig::low_water) |
//! | keep-alive (HTTP) | [`Deadlines::keep_alive`](crate::http1::Deadlines::keep_alive) |
//! | keep-alive (TCP) | `ListenOptions::keepalive` of `diesel-driver` |
//! | linger, lingering close | [`ServiceConfig::linger`](crate::hub::ServiceConfig::linger), [`Linger`](crate::machine::Linger) |
//! | load shedding | [`ServiceConfig::shed`](crate::hub::ServiceConfig::shed), [`Shed`](crate::hub::Shed) |
//! | logging, tracing | [`Notice`](crate::machine::Notice); see [errors and logs](super::errors#where-errors-and-logs-go) |
//! | metrics | [`Counters`](crate::hub::Counters) |
//! | middleware | [`Service::layer`](crate::hub::Service::layer), around the bytes of a connection; around requests: a function that calls your handler |
//! | mock clock, virtual time | [`Instant`](crate::time::Instant) is an argument of every call that depends on time |
//! | panic isolation | [`PollHook`](crate::hub::PollHook), [`Notice::Panicked`](crate::machine::Notice::Panicked) |
//! | property testing | `testkit::laws`, and `testkit::generators` with the feature `quickcheck` |
//! | protocol upgrade, `101 Switching Protocols` | [`Response::upgrade`](crate::http1::Response::upgrade), [`Conn::upgrade`](crate::fiber::Conn::upgrade), [`Actions::upgrade`](crate::machine::Actions::upgrade) |
//! | rate limit, slowloris | [`ServiceConfig::write_rate`](crate::hub::ServiceConfig::write_rate), [`Deadlines`](crate::http1::Deadlines) |
//! | record and replay | [`hub::Input`](crate::hub::Input), [`Hub::handle`](crate::hub::Hub::handle) |
//! | reset, RST | [`End::Abort`](crate::machine::End::Abort), [`Conn::abort`](crate::fiber::Conn::abort); of the peer: [`Cause::Reset`](crate::machine::Cause::Reset), [`Error::Reset`](crate::machine::Error::Reset) |
//! | `select!`, race | [`first`](crate::fiber::first()) |
//! | `sendfile` | a region, [`FileRegion`](crate::buf::FileRegion): [`Conn::write_file`](crate::fiber::Conn::write_file) queues one |
//! | timeouts | a service's: [`ServiceConfig::idle`](crate::hub::ServiceConfig::idle), [`write_stall`](crate::hub::ServiceConfig::write_stall); HTTP's: [`Deadlines`](crate::http1::Deadlines); a handler's: [`Ctx::timeout`](crate::fiber::Ctx::timeout); a machine's: [`Actions::set_deadline`](crate::machine::Actions::set_deadline). Each has a [`Reason`](crate::machine::Reason) |
//! | TLS, SSL, HTTPS | the feature `tls`: see [TLS](super::machines#tls) |
//! | user code | handlers, machines, hooks and wakers of the application; no borrow of the hub is held while it runs |
//! | vectored write, `writev` | [`Hub::outgoing`](crate::hub::Hub::outgoing), [`Endpoint::outgoing`](crate::machine::Endpoint::outgoing) |
//!
//! # By our word
//!
//! | here | means |
//! | --- | --- |
//! | action | something that the hub asks its embedder to do: [`Action`](crate::hub::Action) |
//! | cause | why a connection was closed: [`Cause`](crate::machine::Cause) |
//! | cut | to end a stream with a reset, so that the peer can tell that it was not complete: [`Actions::cut`](crate::machine::Actions::cut) |
//! | cut (of input) | where TCP happened to split the bytes into reads; output must not depend on it |
//! | driver | the crate `diesel-driver`: an embedder over epoll |
//! | embedder | the code that does I/O and calls a [`Hub`](crate::hub::Hub) or an [`Endpoint`](crate::machine::Endpoint) |
//! | endpoint | one machine with its output queue, its deadline and its leftover input: [`Endpoint`](crate::machine::Endpoint) |
//! | exchange | one request and its response (RFC 9110) |
//! | fiber | an `async fn` that the hub polls: a handler, a loop, a spawned future |
//! | handler | an `async fn` that serves one connection or one HTTP request; HTTP handlers may be plain functions |
//! | hub | the application as a state machine: services, connections, fibers, timers |
//! | input | something that happened: to a hub, [`hub::Input`](crate::hub::Input); to a machine, [`Input`](crate::machine::Input) |
//! | in step | all that a client call asked for was read, so the next call may have the connection: [`Conn::mark_in_step`](crate::fiber::Conn::mark_in_step) |
//! | job | a closure that blocks, and runs outside of the hub: [`Job`](crate::hub::Job) |
//! | law | something that is true for every machine, and checked by `testkit::laws` |
//! | layer | a machine around another one |
//! | line, chunk | bytes that were read, a slice of the block in which they arrived: [`Line`](crate::buf::Line), [`Chunk`](crate::buf::Chunk) |
//! | loop | a fiber without a connection |
//! | machine | the state machine of one byte stream: [`Machine`](crate::machine::Machine) |
//! | machine context | the access of a machine to the hub around it: [`MachineCtx`](crate::hub::MachineCtx) |
//! | notice | what a person may want to know; the embedder logs it |
//! | plain handler | an HTTP handler that is not `async`: it runs when its request is complete |
//! | pure | without I/O, clock, threads, or randomness of its own |
//! | seed | the random bytes that an embedder gives a hub: [`Hub::seed`](crate::hub::Hub::seed); or the number that a simulation is drawn from |
//! | service | what serves the connections of one address: a handler with its settings |
//! | token | a future that a [`Conn`](crate::fiber::Conn) or a [`Ctx`](crate::fiber::Ctx) gives: all that was asked for, or nothing yet |
