//! Loops of completion: io_uring, IOCP, a driver that works by DMA.
//!
//! The kernel is asked for something, and says later that it was done. Until then it uses the memory
//! that it was given: that memory must neither move nor be freed nor be changed.
//!
//! # What the loop does
//!
//! - **Output** is taken out as segments that own their memory, by
//!   [`Endpoint::take_segments`](crate::machine::Endpoint::take_segments) or
//!   [`Hub::take_segments`](crate::hub::Hub::take_segments). Submit one write for a stream at a time,
//!   keep the segments until it completes, and report its result with `sent`. After a short write,
//!   the rest of the segments comes first.
//! - **Input** is received into memory of the loop, and passed on with `received` (or, with
//!   [`Streams`](crate::hub::embed::Streams::received), in the same words). One receive for a stream
//!   is in flight at a time.
//! - **The deadline** is one more thing to wait for: a timeout of the wait itself, or a timer.
//! - **The end.** A connection is closed when nothing of it is in flight: shut the socket down, both
//!   ways, wait for what was begun to complete, and then close it.
//!
//! [`CompletionIo`](crate::machine::CompletionIo) does all of this for one stream but the calls
//! themselves; the example `embed_uring` stands on it.
//!
//! # What goes wrong
//!
//! - **A receive completes after reading was paused**, since it had been begun before. The endpoint
//!   takes nothing then: keep the bytes, begin no other receive, and offer them again when it wants
//!   input.
//! - **`sent` is reported when a write is submitted.** Half-closes and ends come too early, and cut
//!   what is still in flight; the high-water marks count nothing.
//! - **Two writes of one stream are in flight.** They may complete in another order, and a short one
//!   leaves a hole.
//! - **A connection is freed at once when it aborts**, while the kernel still writes into its
//!   buffer. This is the mistake that crashes, and the only one here that needs `unsafe` to make.
//! - **An accepted socket is already reset**, so that its peer's address is an error. That must end
//!   one connection, not the program.
//! - **The queue of submissions is full**, and an entry is dropped. Submit, and push it again.
