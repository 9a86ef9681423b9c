//! Loops of readiness: epoll, kqueue, `mio`, `polling`, `calloop`, an event loop of a toolkit.
//!
//! The poller reports which streams are ready, and the loop then reads and writes without blocking.
//! The examples `embed_mio` (edge-triggered) and `embed_calloop` (level-triggered, with callbacks)
//! are complete; both stand on [`Streams`](crate::hub::embed::Streams). `embed_core` does the same
//! with the bare HTTP protocol.
//!
//! # What the loop does
//!
//! The numbered list in [`hub::embed`](crate::hub::embed#the-embedding-contract) is the contract.
//! What depends on the poller is line 10:
//!
//! | the poller is | it reports a stream | the transport's `watch` | `ready` gets |
//! | --- | --- | --- | --- |
//! | level-triggered | as long as it is ready | changes the interest, if that differs | what is ready |
//! | edge-triggered | when it becomes ready | registers the stream again, even for the same interest | what is ready, and [`ends`](crate::hub::embed::Ready::ends) |
//! | one-shot | once | arms it again | what is ready, and [`disarmed`](crate::hub::embed::Ready::disarmed) |
//!
//! # What goes wrong
//!
//! - **A level-triggered poller watches a stream for nothing, but still reports its hang-up**: the
//!   loop spins. Deregister a stream whose interest is [`NONE`](crate::hub::embed::Interest::NONE).
//! - **An edge is not armed again.** A stream that has much to send stops when the budget of its
//!   round is spent, and stays stopped: seen only with large responses. The same happens to a
//!   listening socket at which more clients wait than are accepted in one round.
//! - **The last bytes and the end arrive together**, and the edge-triggered poller reports them
//!   once. A loop that reads the bytes and does not pass on `ends` never learns that the peer has
//!   gone: descriptors leak, a few a day.
//! - **The wait is longer than [`time_to_wake`](crate::hub::Hub::time_to_wake)**: deadlines pass
//!   late, and only on a server with little traffic. If the poller counts in milliseconds, round
//!   up: rounding down spins.
//! - **The clock is read before the wait, not after**: every deadline that is set in this round is
//!   too early by as long as the wait took.
//! - **An index is taken for a stream.** An event may be about a stream that was closed earlier in
//!   the same batch, whose index a new one has. With non-blocking streams a surplus `ready` does no
//!   harm; with callbacks, capture the [`ConnId`](crate::machine::ConnId), which is never reused.
//! - **A write to a peer that is gone raises SIGPIPE** and ends the process. Rust's runtime ignores
//!   that signal; a plugin in a C program has to send with `MSG_NOSIGNAL`.
