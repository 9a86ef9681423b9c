//! [`Linger`]: a layer that closes a stream so that the peer gets the bytes that were sent last.
//!
//! If a socket is closed while bytes from the peer are unread, the system resets the connection,
//! and the reset may destroy what the peer has not read yet. So the layer half-closes first, drops
//! what still arrives, and closes the stream when the peer has ended its side, or after a timeout
//! (RFC 9112, 9.6).
//!
//! ```text
//!   inner machine closes ──▶ half-close ──▶ all is sent ──▶ end of the peer, or timeout ──▶ close
//! ```

use core::fmt;
use core::time::Duration;

use super::contract::{Actions, Input, Machine};
use super::nested::Nested;
use super::reason::{Cause, End, Reason};
use crate::time::Instant;

/// Delays the close of a machine until the peer has ended its side, but at most for a given time
/// after everything was sent. A hub does this itself: see
/// [`ServiceConfig::linger`](crate::hub::ServiceConfig::linger). This layer is for an
/// [`Endpoint`](super::endpoint::Endpoint).
///
/// An abort or a cut is not delayed.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Cause, End, Endpoint, Instant, LineEcho, Linger};
///
/// let now = Instant::ORIGIN;
/// let machine = Linger::new(LineEcho::default(), Duration::from_secs(1));
/// let mut endpoint = Endpoint::new(machine, now);
/// endpoint.received(now, b"hello\nquit\n");
/// assert_eq!(endpoint.take_outgoing(now), b"you said: hello\n");
/// assert!(endpoint.half_closed() && endpoint.end().is_none());
///
/// let deadline = endpoint.next_deadline().unwrap();
/// assert_eq!(deadline.at, now + Duration::from_secs(1));
/// endpoint.eof(now);
/// assert_eq!(endpoint.end(), Some(End::Close(Cause::Done)));
/// ```
pub struct Linger<M> {
    inner: Nested<M>,
    after: Duration,
    peer_ended: bool,
    /// Why the inner machine closed.
    closing: Option<Cause>,
}

impl<M: Machine> Linger<M> {
    /// Puts the layer around `machine`. The timeout `after` counts from when everything was sent.
    /// Zero closes at once.
    pub fn new(machine: M, after: Duration) -> Self {
        Linger { inner: Nested::sharing(machine), after, peer_ended: false, closing: None }
    }

    fn lingering(
        &self,
        now: Instant,
        cause: Cause,
        input: Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        match input {
            Input::Bytes(bytes) => return bytes.len(),
            // The reset destroyed what is queued: the cause is the reset, and the stream is not
            // closed in order.
            Input::Cut(_) if actions.queued() > 0 => {}
            Input::Eof | Input::Deadline | Input::Cut(_) => actions.close(cause),
            Input::WriteFailed => actions.abort(Cause::Reset),
            _ if actions.queued() == 0 && actions.deadline().is_none() => {
                actions.set_deadline(now + self.after, Reason::Linger);
            }
            _ => {}
        }
        0
    }
}

impl<M: Machine> Machine for Linger<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let Some(cause) = self.closing {
            return self.lingering(now, cause, input, actions);
        }
        self.peer_ended |= input == Input::Eof;
        let taken = self.inner.pass_on(now, input, actions);
        match self.inner.end() {
            Some(End::Close(cause)) if !self.peer_ended && !self.after.is_zero() => {
                self.closing = Some(cause);
                actions.half_close();
                actions.clear_deadline();
                actions.resume();
                actions.notify_below(1);
                self.lingering(now, cause, Input::Drained, actions);
                if let Input::Bytes(bytes) = input {
                    // Bytes that the inner machine left are dropped.
                    return bytes.len();
                }
            }
            _ => self.inner.settle(None, actions),
        }
        taken
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

impl<M: fmt::Debug> fmt::Debug for Linger<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linger").field("closing", &self.closing).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Endpoint;
    use super::super::line_echo::LineEcho;
    use super::super::reason::Deadline;
    use super::*;

    const NOW: Instant = Instant::ORIGIN;
    const SECOND: Duration = Duration::from_secs(1);

    /// Sends "goodbye" at a shutdown, and closes; ignores every other input.
    struct Goodbye;

    impl Machine for Goodbye {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(bytes) => return bytes.len(),
                Input::Shutdown => {
                    actions.send(b"goodbye");
                    actions.close(Cause::Shutdown);
                }
                _ => {}
            }
            0
        }
    }

    fn endpoint(after: Duration) -> Endpoint<Linger<Goodbye>> {
        Endpoint::new(Linger::new(Goodbye, after), NOW)
    }

    fn closing() -> Endpoint<Linger<Goodbye>> {
        let mut endpoint = endpoint(SECOND);
        endpoint.shutdown(NOW);
        endpoint
    }

    #[test]
    fn the_time_counts_from_when_all_was_sent_and_is_set_once() {
        let mut endpoint = closing();
        assert_eq!(endpoint.next_deadline(), None);
        endpoint.wake(NOW + SECOND);
        assert_eq!(endpoint.next_deadline(), None, "not all is sent");
        endpoint.sent(NOW + 2 * SECOND, 7);
        let deadline = Deadline { at: NOW + 3 * SECOND, reason: Reason::Linger };
        assert_eq!(endpoint.next_deadline(), Some(deadline));
        assert!(endpoint.half_closed() && endpoint.end().is_none());

        let late = NOW + 2 * SECOND + SECOND / 2;
        endpoint.wake(late);
        assert_eq!(endpoint.received(late, b"dropped"), 7);
        assert_eq!(endpoint.next_deadline(), Some(deadline), "nothing puts it off");
        endpoint.expired(deadline.at);
        assert_eq!(endpoint.end(), Some(End::Close(Cause::Shutdown)));
    }

    #[test]
    fn a_peer_that_ended_its_side_is_not_waited_for() {
        let mut endpoint = endpoint(SECOND);
        endpoint.eof(NOW);
        endpoint.wake(NOW);
        assert_eq!(endpoint.end(), None, "the machine goes on");
        endpoint.shutdown(NOW);
        endpoint.sent(NOW, 7);
        assert_eq!(endpoint.end(), Some(End::Close(Cause::Shutdown)));
    }

    #[test]
    fn without_time_to_linger_it_closes_once_all_is_sent() {
        let mut endpoint = endpoint(Duration::ZERO);
        endpoint.shutdown(NOW);
        endpoint.sent(NOW, 7);
        assert_eq!(endpoint.end(), Some(End::Close(Cause::Shutdown)));
    }

    #[test]
    fn a_reset_is_the_cause_only_if_it_destroyed_what_was_queued() {
        for (sent, cause) in [(6, Cause::Reset), (7, Cause::Shutdown)] {
            let mut endpoint = closing();
            endpoint.sent(NOW, sent);
            endpoint.reset(NOW);
            assert_eq!(endpoint.end(), Some(End::Abort(cause)), "{sent} sent");
        }
    }

    #[test]
    fn a_write_that_fails_ends_it_at_once() {
        let mut endpoint = closing();
        endpoint.write_failed(NOW);
        assert_eq!(endpoint.end(), Some(End::Abort(Cause::Reset)));
    }

    #[test]
    fn what_its_machine_holds_and_scans_is_counted() {
        let mut endpoint = Endpoint::new(Linger::new(LineEcho::default(), SECOND), NOW);
        assert_eq!(endpoint.received(NOW, b"half a line"), 11);
        assert_eq!((endpoint.held(), endpoint.machine().scanned()), (11, 11));
    }
}
