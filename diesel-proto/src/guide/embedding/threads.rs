//! A thread for each stream, and blocking calls.
//!
//! The simplest loop: read, pass on, write. It fits a few hundred connections, and streams that can
//! only block (a serial line, TLS of another library, standard input). The examples are
//! `embed_threads` and `embed_rustls`, by [`EndpointIo`](crate::machine::EndpointIo), and
//! `embed_stdio`, which serves one stream by a hub.
//!
//! # What the loop does
//!
//! The contract is that of [`Endpoint`](crate::machine::Endpoint#the-embedding-contract).
//! `EndpointIo` reads and writes; the thread decides which of them to wait for:
//!
//! - Before each call, set the timeouts of the socket, so that no call blocks for longer than until
//!   the next deadline. A timeout of zero means none: use a millisecond.
//! - Write first. While a write blocks nothing is read, which is back-pressure enough.
//! - If the endpoint wants neither, sleep until the deadline.
//! - Read the clock *after* a blocking call: `EndpointIo` takes a closure for this.
//! - `EndpointIo` cuts a peer that takes nothing
//!   ([`write_stall`](crate::machine::EndpointIo::write_stall)). What else a hub has, the program has
//!   to bring: a limit on connections, and a way to tell each thread to stop
//!   ([`shutdown`](crate::machine::Endpoint::shutdown)).
//!
//! Machines are not always `Send`: make them in the thread that runs them.
//! [`Standalone`](crate::http1::Standalone) serves HTTP with plain handlers, without a hub.
//!
//! # What goes wrong
//!
//! - **The time before a read is passed with its bytes.** After a quiet minute the deadline of the
//!   request has passed before the request is seen.
//! - **A peer that neither reads nor writes holds its thread for ever**, since no timeout was set.
//! - **The socket is closed while bytes of the peer are unread.** The system resets the connection,
//!   and the peer may lose the last response. [`Linger`](crate::machine::Linger) is the layer
//!   against this; `Standalone` has it already.
//! - **An abort ends as an ordinary close.** The peer takes half a response for a whole one: set
//!   `SO_LINGER` to zero before closing, and over TLS send no `close_notify`.
//! - **Two peers write megabytes to each other**, and neither reads. One thread cannot do both: use
//!   a loop of [readiness](super::readiness).
