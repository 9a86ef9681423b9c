//! Glossary: the project's words, and the terms that others use for the same.
//!
//! # By the term you know
//!
//! | term | here |
//! | --- | --- |
//! | access log | [`Notice::Access`](crate::Notice::Access), [`access_notices`](crate::http1::Service::access_notices) |
//! | actor, task, green thread, goroutine | fiber: a handler, a loop, or a future that was [spawned](crate::Ctx::spawn) |
//! | back-pressure, flow control | a handler that does not read stops the reading of its stream ([`read_ahead`](crate::ServiceConfig::read_ahead)); a peer that does not read makes [`write`](crate::Conn::write) wait ([`high_water`](crate::ServiceConfig::high_water)); a machine that takes fewer bytes than it was given [pauses](crate::Actions::pause) |
//! | broadcast channel, pub/sub | [`Event`](crate::Event), [`Subscription`](crate::Subscription) |
//! | buffer | [`Buffer`](crate::Buffer) for input, [`Pipeline`](crate::Pipeline) for output |
//! | cancel safety | every token is cancel-safe: see [groups and events](super::groups_and_events) |
//! | connection pool | none yet; a [`Client`](crate::Client) is one connection that callers share |
//! | cooperative scheduling | [`Config::tokens_per_pass`](crate::Config::tokens_per_pass); see [budgets](super::production#budgets) |
//! | deadline, timeout | see *timeouts* |
//! | deterministic simulation testing | `testkit::net`, [`hub::Input`](crate::hub::Input); see [test your own protocol](super#chapters) |
//! | event loop, reactor | the embedder: `Application` of `diesel-driver`, or [your own](super::embedding) |
//! | executor, runtime | [`Hub`](crate::Hub): runs the fibers, does no I/O |
//! | file descriptor limit, `EMFILE`, ulimit | [production](super::production#file-descriptors) |
//! | framing, codec | [`until`](crate::Conn::until), [`bytes`](crate::Conn::bytes) in a handler; [`Buffer::find`](crate::Buffer::find) in a machine |
//! | graceful shutdown, draining | [`Hub::drain`](crate::Hub::drain), [`Input::Shutdown`](crate::Input::Shutdown), [`Error::Shutdown`](crate::Error::Shutdown); see [shutdown](super::production#shutdown) |
//! | half-close, `shutdown(SHUT_WR)`, FIN | [`Conn::half_close`](crate::Conn::half_close), [`Actions::half_close`](crate::Actions::half_close); of the peer: [`Input::Eof`](crate::Input::Eof), [`Error::Closed`](crate::Error::Closed) |
//! | high- and low-water marks | [`ServiceConfig::high_water`](crate::ServiceConfig::high_water), [`low_water`](crate::ServiceConfig::low_water) |
//! | keep-alive (HTTP) | [`Deadlines::keep_alive`](crate::http1::Deadlines::keep_alive) |
//! | keep-alive (TCP) | `ListenOptions::keepalive` of `diesel-driver` |
//! | linger, lingering close | [`ServiceConfig::linger`](crate::ServiceConfig::linger), [`Linger`](crate::Linger) |
//! | load shedding | [`ServiceConfig::shed`](crate::ServiceConfig::shed), [`Shed`](crate::Shed) |
//! | logging, tracing | [`Notice`](crate::Notice); see [errors and logs](super::errors#where-errors-and-logs-go) |
//! | metrics | [`Counters`](crate::Counters) |
//! | middleware | [`Service::layer`](crate::Service::layer), around the bytes of a connection; around requests: a function that calls your handler |
//! | mock clock, virtual time | [`Instant`](crate::Instant) is an argument of every call that depends on time |
//! | panic isolation | [`PollHook`](crate::PollHook), [`Notice::Panicked`](crate::Notice::Panicked) |
//! | property testing | `testkit::laws`, and `testkit::generators` with the feature `quickcheck` |
//! | protocol upgrade, `101 Switching Protocols` | [`Response::upgrade`](crate::http1::Response::upgrade), [`Conn::upgrade`](crate::Conn::upgrade), [`Actions::upgrade`](crate::Actions::upgrade) |
//! | rate limit, slowloris | [`ServiceConfig::write_rate`](crate::ServiceConfig::write_rate), [`Deadlines`](crate::http1::Deadlines) |
//! | record and replay | [`hub::Input`](crate::hub::Input), [`Hub::handle`](crate::Hub::handle) |
//! | reset, RST | [`End::Abort`](crate::End::Abort), [`Conn::abort`](crate::Conn::abort); of the peer: [`Cause::Reset`](crate::Cause::Reset), [`Error::Reset`](crate::Error::Reset) |
//! | `select!`, race | [`first`](crate::first()) |
//! | `sendfile` | a region, [`FileRegion`](crate::FileRegion): in the protocol crate; `diesel-driver` does not send files yet |
//! | timeouts | a service's: [`ServiceConfig::idle`](crate::ServiceConfig::idle), [`write_stall`](crate::ServiceConfig::write_stall); HTTP's: [`Deadlines`](crate::http1::Deadlines); a handler's: [`Ctx::timeout`](crate::Ctx::timeout); a machine's: [`Actions::set_deadline`](crate::Actions::set_deadline). Each has a [`Reason`](crate::Reason) |
//! | TLS, SSL, HTTPS | no layer yet: see [TLS](super::machines#tls) |
//! | user code | handlers, machines, hooks and wakers of the application; no borrow of the hub is held while it runs |
//! | vectored write, `writev` | [`Hub::outgoing`](crate::Hub::outgoing), [`Endpoint::outgoing`](crate::Endpoint::outgoing) |
//!
//! # By our word
//!
//! | here | means |
//! | --- | --- |
//! | action | something that the hub asks its embedder to do: [`Action`](crate::Action) |
//! | cause | why a connection was closed: [`Cause`](crate::Cause) |
//! | cut | to end a stream with a reset, so that the peer can tell that it was not complete: [`Actions::cut`](crate::Actions::cut) |
//! | cut (of input) | where TCP happened to split the bytes into reads; output must not depend on it |
//! | driver | the crate `diesel-driver`: an embedder over epoll |
//! | embedder | the code that does I/O and calls a [`Hub`](crate::Hub) or an [`Endpoint`](crate::Endpoint) |
//! | endpoint | one machine with its output queue, its deadline and its leftover input: [`Endpoint`](crate::Endpoint) |
//! | exchange | one request and its response (RFC 9110) |
//! | fiber | an `async fn` that the hub polls: a handler, a loop, a spawned future |
//! | handler | an `async fn` that serves one connection or one HTTP request; HTTP handlers may be plain functions |
//! | hub | the application as a state machine: services, connections, fibers, timers |
//! | input | something that happened: to a hub, [`hub::Input`](crate::hub::Input); to a machine, [`Input`](crate::Input) |
//! | in step | all that a client call asked for was read, so the next call may have the connection: [`Conn::mark_in_step`](crate::Conn::mark_in_step) |
//! | law | something that is true for every machine, and checked by `testkit::laws` |
//! | layer | a machine around another one |
//! | line, chunk | bytes that were read, a slice of the block in which they arrived: [`Line`](crate::Line), [`Chunk`](crate::Chunk) |
//! | loop | a fiber without a connection |
//! | machine | the state machine of one byte stream: [`Machine`](crate::Machine) |
//! | notice | what a person may want to know; the embedder logs it |
//! | plain handler | an HTTP handler that is not `async`: it runs when its request is complete |
//! | pure | without I/O, clock, threads, or randomness of its own |
//! | seat | a machine's access to the hub around it: [`MachineCtx`](crate::MachineCtx) |
//! | seed | the random bytes that an embedder gives a hub: [`Hub::seed`](crate::Hub::seed); or the number that a simulation is drawn from |
//! | service | what serves the connections of one address: a handler with its settings |
//! | token | a future that a [`Conn`](crate::Conn) or a [`Ctx`](crate::Ctx) gives: all that was asked for, or nothing yet |
