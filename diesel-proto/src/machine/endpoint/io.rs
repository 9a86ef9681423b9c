//! [`EndpointIo`]: an endpoint over streams of std.
//!
//! It must never know what the stream is, nor how the caller waits.

extern crate std;

use core::fmt;
use core::time::Duration;
use std::io::{Read, Write};

use super::Endpoint;
use super::stall::WriteStall;
use crate::machine::stream_io::MAX_SLICES;
use crate::machine::{Deadline, End, Interest, Machine, ReadOutcome, WriteOutcome};
use crate::time::Instant;

/// An [`Endpoint`] with the rest of its contract that does not depend on the event loop: it reads
/// and writes anything that is [`Read`] and [`Write`], blocking or not, and remembers what has to
/// happen once. Needs feature `std`.
///
/// What is left for the caller, by the numbers of the [contract](Endpoint#the-embedding-contract):
/// to wait until the stream is ready for what the endpoint [wants](Self::wants), but no longer than
/// until its [deadline](Self::next_deadline) (2, 4, 5), to shut down the sending side when it is [due](Self::must_shut_down)
/// (7), and to close the stream (8).
///
/// ```
/// use std::io::Cursor;
///
/// use diesel_proto::machine::{End, EndpointIo};
/// use diesel_proto::{Cause, Instant, LineEcho};
///
/// let now = Instant::ORIGIN;
/// let (mut input, mut output) = (Cursor::new("hello\r\nworld\r\n"), Vec::new());
/// let mut io = EndpointIo::new(LineEcho::default(), now);
/// let end = loop {
///     if let Some(end) = io.end() {
///         break end;
///     }
///     if io.wants().writable {
///         io.write(|| now, &mut output);
///     } else if io.wants().readable {
///         io.read(|| now, &mut input, &mut [0; 8]);
///     }
/// };
/// assert_eq!(output, b"you said: hello\r\nyou said: world\r\n");
/// assert_eq!(end, End::Close(Cause::PeerClosed));
/// ```
pub struct EndpointIo<M> {
    endpoint: Endpoint<M>,
    /// A write failed because the peer had reset the stream.
    was_reset: bool,
    is_shut_down: bool,
    stall: WriteStall,
}

impl<M: Machine> EndpointIo<M> {
    /// Starts `machine` on a stream that is open.
    pub fn new(machine: M, now: Instant) -> Self {
        let endpoint = Endpoint::new(machine, now);
        EndpointIo { endpoint, was_reset: false, is_shut_down: false, stall: WriteStall::new() }
    }

    /// Sets for how long the stream may take nothing, although bytes are queued: then it is cut, with
    /// [`Reason::WriteStall`](crate::machine::Reason::WriteStall). Zero switches it off. 60 s by
    /// default.
    #[must_use]
    pub fn write_stall(mut self, after: Duration) -> Self {
        self.stall.limit(after);
        self
    }

    /// The endpoint: for shutdown and notices.
    pub fn endpoint(&mut self) -> &mut Endpoint<M> {
        &mut self.endpoint
    }

    /// When to call [`expired`](Self::expired), and why: the machine's deadline, or that of a stream
    /// which takes nothing.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.stall.next_deadline(&self.endpoint)
    }

    /// Time has passed. If the deadline has not come yet, or none is set, this does nothing.
    pub fn expired(&mut self, now: Instant) {
        self.stall.expired(now, &mut self.endpoint);
    }

    /// What the endpoint waits for. If it is nothing, the machine has paused reading, and only its
    /// deadline, or a wake-up, can change that.
    pub fn wants(&self) -> Interest {
        let writable = self.endpoint.queued() > 0;
        Interest { readable: self.endpoint.wants_input(), writable }
    }

    /// Writes once, and reports the result to the endpoint, with the time after the call: a blocking
    /// stream may take long. Returns whether anything changed: if not, the stream would block. A machine that sends a region of a file is cut: this cannot.
    pub fn write(&mut self, now: impl FnOnce() -> Instant, stream: &mut impl Write) -> bool {
        let mut slices = [&[][..]; MAX_SLICES];
        let n = self.endpoint.outgoing(&mut slices);
        if n == 0 {
            let is_stuck = self.endpoint.file_region().is_some();
            if is_stuck {
                self.endpoint.reset(now());
            }
            return is_stuck;
        }
        let outcome = WriteOutcome::from_io(&slices[..n], |slices| stream.write_vectored(slices));
        let now = now();
        match outcome {
            WriteOutcome::Took(n) => {
                self.endpoint.sent(now, n as u64);
                if n > 0 {
                    self.stall.ends()
                } else {
                    self.stall.waits(now)
                }
                n > 0
            }
            WriteOutcome::Failed { reset } => {
                self.was_reset |= reset;
                self.stall.ends();
                self.endpoint.write_failed(now);
                true
            }
        }
    }

    /// Reads once into `scratch`, unless reading is paused, and passes the result to the endpoint,
    /// with the time after the call. Returns whether anything changed: if not, the stream would
    /// block, or reading is paused.
    pub fn read(
        &mut self,
        now: impl FnOnce() -> Instant,
        stream: &mut impl Read,
        scratch: &mut [u8],
    ) -> bool {
        if !self.endpoint.wants_input() {
            return false;
        }
        let outcome = ReadOutcome::from_io(scratch, |scratch| stream.read(scratch));
        let now = now();
        match outcome {
            ReadOutcome::Bytes { bytes, .. } => {
                // All of them: the endpoint wants input.
                let _ = self.endpoint.received(now, bytes);
            }
            ReadOutcome::Nothing => return false,
            ReadOutcome::Eof if !self.was_reset => self.endpoint.eof(now),
            ReadOutcome::Eof | ReadOutcome::Reset => self.endpoint.reset(now),
        }
        true
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

impl<M: fmt::Debug> fmt::Debug for EndpointIo<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointIo").field(&self.endpoint).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Actions, Cause, Input, LineEcho, Reason};
    use alloc::vec::Vec;
    use std::io::{self, ErrorKind};

    const NOW: Instant = Instant::ORIGIN;

    /// A stream whose reads and writes have these results, one after another, and then block.
    #[derive(Default)]
    struct Scripted {
        reads: Vec<Result<&'static str, ErrorKind>>,
        writes: Vec<Result<usize, ErrorKind>>,
        written: Vec<u8>,
    }

    fn next<T>(of: &mut Vec<Result<T, ErrorKind>>) -> io::Result<T> {
        if of.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(of.remove(0)?) }
    }

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = next(&mut self.reads)?.as_bytes();
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = next(&mut self.writes)?.min(bytes.len());
            self.written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_writes_go_on_where_they_ended_and_a_stall_is_measured() {
        let mut stream = Scripted { reads: [Ok("hello\r\n")].into(), ..Scripted::default() };
        stream.writes =
            [Ok(3), Err(ErrorKind::WouldBlock), Err(ErrorKind::TimedOut), Ok(99)].into();
        let mut io = EndpointIo::new(LineEcho::default(), NOW);
        assert_eq!(io.wants(), Interest::READABLE);
        assert!(io.read(|| NOW, &mut stream, &mut [0; 99]));
        assert!(io.wants().writable && io.write(|| NOW, &mut stream));
        let second = Duration::from_secs(1);
        assert!(!io.write(|| NOW, &mut stream));
        assert!(!io.write(|| NOW + second, &mut stream));
        let deadline = Deadline { at: NOW + second * 60, reason: Reason::WriteStall };
        assert_eq!(io.next_deadline(), Some(deadline));
        io.expired(NOW + second * 59);
        assert!(io.write(|| NOW + second, &mut stream));
        assert_eq!(io.next_deadline(), None);
        io.expired(NOW + second * 60);
        assert_eq!(io.end(), None);
        assert_eq!(stream.written, b"you said: hello\r\n");
        assert!(!io.wants().writable && !io.read(|| NOW, &mut stream, &mut [0; 99]));
    }

    #[test]
    fn a_stream_that_takes_nothing_for_too_long_is_cut() {
        let second = Duration::from_secs(1);
        for (limit, cut_at) in [(second * 3, 4), (Duration::ZERO, 99)] {
            let mut stream = Scripted { reads: [Ok("hello\r\n")].into(), ..Scripted::default() };
            let mut io = EndpointIo::new(LineEcho::default(), NOW).write_stall(limit);
            io.read(|| NOW, &mut stream, &mut [0; 99]);
            for at in 1..9 {
                let now = NOW + second * at;
                assert_eq!(io.end().is_some(), at > cut_at, "{at}");
                io.write(|| now, &mut stream);
                io.expired(now);
            }
            let cut = Cause::TimedOut(Reason::WriteStall);
            assert_eq!(io.end().map(End::cause), (cut_at < 9).then_some(cut));
        }
    }

    #[test]
    fn the_end_after_a_write_that_a_reset_failed_is_a_reset() {
        for (kind, cause) in
            [(ErrorKind::ConnectionReset, Cause::Reset), (ErrorKind::BrokenPipe, Cause::PeerClosed)]
        {
            let reads = [Ok("hello\r\n"), Ok("more"), Ok("")].into();
            let mut stream = Scripted { reads, writes: [Err(kind)].into(), written: Vec::new() };
            let mut io = EndpointIo::new(LineEcho::default(), NOW);
            io.read(|| NOW, &mut stream, &mut [0; 99]);
            assert!(io.write(|| NOW, &mut stream));
            while io.end().is_none() && io.read(|| NOW, &mut stream, &mut [0; 99]) {}
            assert_eq!(io.end().map(End::cause), Some(cause), "{kind}");
        }
    }

    /// Half-closes at once, and pauses reading.
    struct Leaves;

    impl Machine for Leaves {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Start {
                actions.half_close();
                actions.pause();
            }
            0
        }
    }

    #[test]
    fn the_sending_side_is_shut_down_once_and_nothing_is_read_while_reading_is_paused() {
        let mut io = EndpointIo::new(Leaves, NOW);
        assert_eq!((io.must_shut_down(), io.must_shut_down()), (true, false));
        assert_eq!(io.wants(), Interest::NONE);
        let mut stream = Scripted { reads: [Ok("lost")].into(), ..Scripted::default() };
        assert!(!io.read(|| NOW, &mut stream, &mut [0; 99]));
        assert_eq!(stream.reads.len(), 1);
    }
}
