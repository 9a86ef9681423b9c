//! A task of an `async` runtime: tokio, smol, async-std.
//!
//! The whole hub is one task. Its handlers can then await whatever the runtime has (timers, channels,
//! database clients) beside what the hub has, since they are polled within that task. The example is
//! `embed_tokio`.
//!
//! # What the loop does
//!
//! - Readiness wakes a waker. A [`WakeQueue`](crate::hub::embed::WakeQueue) makes a waker for each
//!   stream, so that the task learns *which* stream is ready without polling all of them; one more is
//!   the hub's, for [`Hub::with_waker`](crate::hub::Hub::with_waker).
//! - A waker is woken once. Pass [`Ready::WOKEN`](crate::hub::embed::Ready::WOKEN): the transport's
//!   `watch` is then called again, and polls the stream's readiness with its waker. If the stream is
//!   ready at that moment, wake the waker: it is not woken later.
//! - The wait is a timeout around [`woken`](crate::hub::embed::WakeQueue::woken).
//!
//! Determinism ends at futures of others: what they answer is no input of the hub. Tests of such
//! handlers pass a future of their own.
//!
//! # What goes wrong
//!
//! - **The readiness of a stream is polled before it was used up, and not after**: the waker is
//!   never woken again, and the stream stalls.
//! - **The task polls its streams within the runtime's cooperative budget.** tokio makes the 129th
//!   operation of a poll appear to block. The loop then sees streams that are ready and will not be
//!   read; if it does not yield, it spins. Run it `unconstrained`, and yield once in each round.
//! - **The task never waits**, because one stream is always ready: the runtime's own poller does not
//!   run, and the other streams starve. Yield once in each round.
//! - **A handler blocks**: with a blocking call, or by `block_on` within the task, everything in the
//!   hub stands still. Await, or ask another thread and await its answer.
//! - **The hub is sent to another thread.** It cannot be: use a current-thread runtime, or a
//!   `LocalSet`; several hubs, each in a thread, use several cores.
