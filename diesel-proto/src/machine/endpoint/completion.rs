//! [`CompletionIo`]: an endpoint over calls that complete later.
//!
//! Rules of this file:
//!
//! - At most one send and one receive are in flight.
//! - The memory of a call in flight is neither moved, changed nor freed, whatever happens to the
//!   stream, unless this is dropped.
//!
//! It must never know what the calls are.

extern crate std;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::io;

use bytes::{Buf, Bytes};

use super::Endpoint;
use super::stall::WriteStall;
use crate::machine::{Deadline, End, Machine, ReadOutcome, WriteOutcome};
use crate::time::Instant;

/// An [`Endpoint`] with the rest of its contract for completion-based I/O, such as io_uring: it keeps
/// the memory of calls that are in flight, and what came of them. Needs feature `std`.
///
/// What is left for the caller, by the numbers of the [contract](Endpoint#the-embedding-contract):
/// to submit what [`begin_send`](Self::begin_send) and [`begin_receive`](Self::begin_receive) return
/// (2, 5), to report its results, to call [`expired`](Self::expired) at its
/// [deadline](Self::next_deadline) (4), to keep this until nothing is [in flight](Self::is_in_flight), to
/// shut down the sending side when it is [due](Self::must_shut_down) (7), and to close the stream at
/// its [end](Self::end) (8).
///
/// ```
/// use diesel_proto::machine::CompletionIo;
/// use diesel_proto::{Instant, LineEcho};
///
/// let now = Instant::ORIGIN;
/// let mut io = CompletionIo::new(LineEcho::default(), now, 100);
/// io.begin_receive(now).unwrap()[..7].copy_from_slice(b"hello\r\n");
/// io.received(now, Ok(7));
/// assert_eq!(io.begin_send(now), Some(&b"you said: hello\r\n"[..]));
/// assert!(io.is_in_flight() && io.begin_send(now).is_none());
/// io.sent(now, Ok(10));
/// assert_eq!(io.begin_send(now), Some(&b"hello\r\n"[..]));
/// ```
pub struct CompletionIo<M> {
    endpoint: Endpoint<M>,
    input: Box<[u8]>,
    /// How many bytes of `input` the endpoint has not taken: a receive that was begun may complete
    /// after reading was paused.
    unread: usize,
    output: Vec<Bytes>,
    is_receiving: bool,
    is_sending: bool,
    was_reset: bool,
    is_shut_down: bool,
    stall: WriteStall,
}

/// About how many bytes are taken out for one send.
const MOST: usize = 64 << 10;

impl<M: Machine> CompletionIo<M> {
    /// Starts `machine` on a stream that is open. Up to `room` bytes are received at once.
    pub fn new(machine: M, now: Instant, room: usize) -> Self {
        CompletionIo {
            endpoint: Endpoint::new(machine, now),
            input: vec![0; room].into(),
            unread: 0,
            output: Vec::new(),
            is_receiving: false,
            is_sending: false,
            was_reset: false,
            is_shut_down: false,
            stall: WriteStall::new(),
        }
    }

    /// Sets for how long a send may be in flight: then the stream is cut, with
    /// [`Reason::WriteStall`](crate::machine::Reason::WriteStall). Zero switches it off. 60 s by
    /// default.
    #[must_use]
    pub fn write_stall(mut self, after: Duration) -> Self {
        self.stall.limit(after);
        self
    }

    /// When to call [`expired`](Self::expired), and why: the machine's deadline, or that of a send.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.stall.next_deadline(&self.endpoint)
    }

    /// Time has passed. If the deadline has not come yet, or none is set, this does nothing.
    pub fn expired(&mut self, now: Instant) {
        self.stall.expired(now, &mut self.endpoint);
    }

    /// The endpoint: for shutdown and notices.
    pub fn endpoint(&mut self) -> &mut Endpoint<M> {
        &mut self.endpoint
    }

    /// Begins a send: the caller submits these bytes, and reports the result with
    /// [`sent`](Self::sent). Until then their memory stays where it is. `None` if there is nothing
    /// to send, or if a send is in flight.
    pub fn begin_send(&mut self, now: Instant) -> Option<&[u8]> {
        if self.is_sending {
            return None;
        }
        if self.output.is_empty() {
            self.endpoint.take_segments(MOST, &mut self.output);
        }
        let first = self.output.first()?;
        self.is_sending = true;
        self.stall.waits(now);
        Some(first)
    }

    /// Begins a receive into this memory, which stays where it is until the result is reported with
    /// [`received`](Self::received). `None` while reading is paused, after the end, and while a
    /// receive is in flight.
    pub fn begin_receive(&mut self, now: Instant) -> Option<&mut [u8]> {
        if self.is_receiving {
            return None;
        }
        if self.unread > 0 {
            let taken = self.endpoint.received(now, &self.input[..self.unread]);
            self.unread -= taken;
        }
        if self.unread > 0 || !self.endpoint.wants_input() {
            return None;
        }
        self.is_receiving = true;
        Some(&mut self.input)
    }

    /// The send has completed.
    pub fn sent(&mut self, now: Instant, result: io::Result<usize>) {
        self.is_sending = false;
        self.stall.ends();
        let mut result = Some(result);
        let outcome = WriteOutcome::from_io(&[], |_| {
            result.take().unwrap_or(Err(io::ErrorKind::WouldBlock.into()))
        });
        match (outcome, self.output.first_mut()) {
            (WriteOutcome::Took(n), Some(first)) => {
                let n = n.min(first.len());
                first.advance(n);
                self.output.retain(|bytes| !bytes.is_empty());
                self.endpoint.sent(now, n as u64);
            }
            (WriteOutcome::Failed { reset }, _) => {
                self.was_reset |= reset;
                self.output.clear();
                self.endpoint.write_failed(now);
            }
            (WriteOutcome::Took(_), None) => {}
        }
    }

    /// The receive has completed. No bytes means that the peer has ended its side.
    pub fn received(&mut self, now: Instant, result: io::Result<usize>) {
        self.is_receiving = false;
        let mut result = Some(result);
        let outcome = ReadOutcome::from_io(&mut self.input, |input| {
            let n = result.take().unwrap_or(Err(io::ErrorKind::WouldBlock.into()))?;
            Ok(n.min(input.len()))
        });
        match outcome {
            ReadOutcome::Bytes { bytes, .. } => {
                self.unread = bytes.len() - self.endpoint.received(now, bytes);
            }
            ReadOutcome::Nothing => {}
            ReadOutcome::Eof if !self.was_reset => self.endpoint.eof(now),
            ReadOutcome::Eof | ReadOutcome::Reset => self.endpoint.reset(now),
        }
    }

    /// Whether a send or a receive has not completed. At the [end](Self::end) of the stream, shut it
    /// down both ways, so that they do, and keep this until then.
    pub fn is_in_flight(&self) -> bool {
        self.is_sending || self.is_receiving
    }

    /// Whether the sending side must be shut down now. Returns true once.
    pub fn must_shut_down(&mut self) -> bool {
        let is_due = self.endpoint.half_closed() && self.endpoint.end().is_none();
        is_due && !core::mem::replace(&mut self.is_shut_down, true)
    }

    /// How and why to close the stream; `None` until everything queued is sent.
    pub fn end(&self) -> Option<End> {
        self.endpoint.end()
    }
}

impl<M: fmt::Debug> fmt::Debug for CompletionIo<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CompletionIo").field(&self.endpoint).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Actions, Cause, Input, LineEcho, Reason};

    const NOW: Instant = Instant::ORIGIN;

    fn receive<M: Machine>(io: &mut CompletionIo<M>, bytes: &[u8]) {
        io.begin_receive(NOW).expect("it wants input")[..bytes.len()].copy_from_slice(bytes);
        assert!(io.begin_receive(NOW).is_none(), "one at a time");
        io.received(NOW, Ok(bytes.len()));
    }

    #[test]
    fn one_send_is_in_flight_and_a_short_one_goes_on_where_it_ended() {
        let mut io = CompletionIo::new(LineEcho::default(), NOW, 100);
        receive(&mut io, b"hello\r\n");
        let mut sent = Vec::new();
        while let Some(bytes) = io.begin_send(NOW) {
            let n = bytes.len().min(3);
            sent.extend_from_slice(&bytes[..n]);
            assert!(io.begin_send(NOW).is_none());
            io.sent(
                NOW,
                if sent.len() == 6 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(n) },
            );
            if sent.len() == 6 {
                sent.truncate(3);
                let n = io.begin_send(NOW).map_or(0, |bytes| {
                    sent.extend_from_slice(&bytes[..3]);
                    bytes.len().min(3)
                });
                io.sent(NOW, Ok(n));
            }
        }
        assert_eq!(sent, b"you said: hello\r\n");
        assert!(!io.is_in_flight());
    }

    #[test]
    fn the_end_after_a_send_that_a_reset_failed_is_a_reset() {
        let mut io = CompletionIo::new(LineEcho::default(), NOW, 100);
        receive(&mut io, b"hello\r\n");
        assert!(io.begin_send(NOW).is_some());
        io.sent(NOW, Err(io::ErrorKind::ConnectionReset.into()));
        if io.end().is_none() {
            assert!(io.begin_receive(NOW).is_some());
            io.received(NOW, Ok(0));
        }
        assert_eq!(io.end().map(End::cause), Some(Cause::Reset));
    }

    #[test]
    fn a_send_that_takes_too_long_cuts_the_stream() {
        let second = Duration::from_secs(1);
        let mut io = CompletionIo::new(LineEcho::default(), NOW, 100).write_stall(second * 3);
        receive(&mut io, b"hello\r\n");
        for at in 0..3 {
            // Each that completes starts the time again.
            assert!(io.begin_send(NOW + second * (at * 2)).is_some());
            assert_eq!(io.next_deadline().map(|it| it.at), Some(NOW + second * (at * 2 + 3)));
            io.expired(NOW + second * (at * 2 + 2));
            io.sent(NOW + second * (at * 2 + 2), Ok(1));
        }
        assert!(io.begin_send(NOW + second * 6).is_some() && io.end().is_none());
        io.expired(NOW + second * 9);
        assert_eq!(io.end().map(End::cause), Some(Cause::TimedOut(Reason::WriteStall)));
        assert!(io.is_in_flight());
    }

    /// Pauses when it is woken, and resumes when it is woken again.
    #[derive(Default)]
    struct Fickle {
        is_paused: bool,
        taken: Vec<u8>,
    }

    impl Machine for Fickle {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Wake if self.is_paused => actions.resume(),
                Input::Wake => actions.pause(),
                Input::Bytes(bytes) => {
                    actions.send(bytes);
                    self.taken.extend_from_slice(bytes);
                    return bytes.len();
                }
                _ => return 0,
            }
            self.is_paused = !self.is_paused;
            0
        }
    }

    #[test]
    fn what_a_receive_brings_after_reading_was_paused_is_kept() {
        let mut io = CompletionIo::new(Fickle::default(), NOW, 100);
        io.begin_receive(NOW).expect("it wants input")[..4].copy_from_slice(b"late");
        io.endpoint().wake(NOW);
        io.received(NOW, Ok(4));
        assert!(io.begin_receive(NOW).is_none() && io.begin_send(NOW).is_none());
        io.endpoint().wake(NOW);
        assert!(io.begin_receive(NOW).is_some());
        assert_eq!(io.begin_send(NOW), Some(&b"late"[..]));
    }
}
