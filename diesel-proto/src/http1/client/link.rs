//! [`Link`]: one connection to a server, with the state of its protocol, and the bytes that arrived
//! and are not read.
//!
//! Rules of this file:
//!
//! - Bytes are read where they arrived; the parts of a body are slices of them.
//! - A link that is dropped tells its watcher.
//!
//! It must never know pools, time, or which call uses the link.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker, ready};

use crate::buf::{Blocks, Chunk};
use crate::fiber::Conn;
use crate::http1::connection::{ResponsePart, SharedClientConnection};
use crate::http1::syntax::{FieldSpans, Headers, Rejection};
use crate::machine::{Address, Error};
use crate::time::Instant;

/// A connection to a server.
pub(super) struct Link {
    pub(super) conn: Conn,
    pub(super) protocol: SharedClientConnection,
    /// What arrived last.
    input: Chunk,
    /// How many bytes of `input` are read: `taken <= input.len()`.
    taken: usize,
    /// How many requests were sent.
    pub(super) requests: u64,
    /// Whether any byte of the current response has arrived.
    pub(super) has_answered: bool,
    pub(super) made: Instant,
    pub(super) idle_since: Instant,
    /// Whether a part of a large request may still be queued.
    pub(super) is_queued: bool,
    /// `None`: there is no watcher, so that the link must not be idle.
    pub(super) watch: Option<Watched>,
}

/// The link's end of a [`Watch`].
pub(super) struct Watched(pub(super) Rc<Watch>);

/// What a link and its watcher share.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) is_gone: Cell<bool>,
    pub(super) waker: RefCell<Option<Waker>>,
}

/// A part of a response that was received.
#[derive(Debug)]
pub(super) enum Received {
    /// The head of an interim response is in the spans.
    Informational,
    /// The head of the response is in the spans; its body follows.
    Head,
    /// The head of the response is in the spans; it has no body, and is complete.
    WholeHead,
    Data(Chunk),
    End(Headers),
    /// The head of the response is in the spans; now both sides speak another protocol.
    Switched,
}

/// Why nothing more can be received.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The server broke a rule.
    Rejected(Rejection),
    /// The stream ended or broke.
    Broken(Error),
}

impl Link {
    pub(super) fn new(conn: Conn, protocol: SharedClientConnection, now: Instant) -> Box<Self> {
        Box::new(Link {
            conn,
            protocol,
            input: Chunk::new(),
            taken: 0,
            requests: 0,
            has_answered: false,
            made: now,
            idle_since: now,
            is_queued: false,
            watch: None,
        })
    }

    pub(super) fn peer(&self) -> Address {
        self.conn.peer()
    }

    /// Waits for the next part of a response.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Poll<Result<Received, LinkError>> {
        loop {
            match self.receive_here(spans, blocks) {
                Ok(None) => {}
                Ok(Some(received)) => return Poll::Ready(Ok(received)),
                Err(rejection) => return Poll::Ready(Err(LinkError::Rejected(rejection))),
            }
            if self.has_rest() {
                // Nothing more is read of this stream.
                return Poll::Ready(Err(LinkError::Broken(Error::Closed)));
            }
            match ready!(pin!(self.conn.some()).poll(cx)) {
                Ok(chunk) => {
                    (self.input, self.taken) = (chunk, 0);
                    self.has_answered = true;
                }
                Err(error) => return Poll::Ready(self.ended(error)),
            }
        }
    }

    /// Reads what has arrived, if that is a part of a response.
    pub(super) fn receive_here(
        &mut self,
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<Option<Received>, Rejection> {
        let unread = self.input.get(self.taken..).unwrap_or_default();
        let (n, part) = self.protocol.receive(unread, spans, blocks)?;
        let end = self.taken + n;
        let received = match part {
            None => None,
            Some(ResponsePart::Informational(_)) => Some(Received::Informational),
            Some(ResponsePart::Response(_)) => Some(Received::Head),
            Some(ResponsePart::WholeResponse(_)) => Some(Received::WholeHead),
            Some(ResponsePart::Switched(_)) => Some(Received::Switched),
            // The data are the last of the bytes that were taken.
            Some(ResponsePart::Data(data)) => {
                Some(Received::Data(self.input.slice(end - data.len()..end)))
            }
            Some(ResponsePart::End(fields)) => Some(Received::End(match fields.is_empty() {
                true => Headers::new(),
                false => Headers::from(fields),
            })),
        };
        self.taken = end;
        if self.taken >= self.input.len() {
            (self.input, self.taken) = (Chunk::new(), 0);
        }
        Ok(received)
    }

    /// The stream ended with this error: what that means for the response.
    fn ended(&mut self, error: Error) -> Result<Received, LinkError> {
        let ended = match error {
            Error::Closed if self.conn.is_at_end() => self.protocol.eof(),
            _ => self.protocol.cut().map(|()| false),
        };
        match (ended, error) {
            (Ok(true), _) => Ok(Received::End(Headers::new())),
            // The rule says more than that the stream is closed.
            (Err(rejection), Error::Closed) if self.has_answered => {
                Err(LinkError::Rejected(rejection))
            }
            (_, error) => Err(LinkError::Broken(error)),
        }
    }

    /// Whether bytes of `input` are not read.
    fn has_rest(&self) -> bool {
        self.taken < self.input.len()
    }

    /// Whether bytes have arrived that are not read. Between requests, they answer none: the link
    /// must not be used for another one.
    pub(super) fn has_unread(&self) -> bool {
        self.has_rest() || self.conn.has_unread()
    }

    /// Whether another request may be sent.
    pub(super) fn is_reusable(&self) -> bool {
        self.protocol.is_idle() && !self.has_unread() && !self.conn.is_closed()
    }

    /// Whether the last exchange is complete, so that nothing is cut off by a close.
    pub(super) fn is_complete(&self) -> bool {
        self.protocol.unanswered() == 0 && !self.protocol.is_sending()
    }

    /// Waits until all that is queued was sent. If it cannot be sent, reading tells why, and what the
    /// server has answered.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = pin!(self.conn.flush()).poll(cx).map(|_| ());
        self.is_queued = flushed.is_pending();
        flushed
    }

    /// The connection, for another protocol, with all bytes that are not read.
    pub(super) fn into_conn(mut self) -> Conn {
        self.conn.unread(self.input.get(self.taken..).unwrap_or_default());
        self.conn
    }

    /// Resets the connection.
    pub(super) fn abort(self) {
        self.conn.abort();
    }

    /// While idle: waits until the link can be used no more. Only its watcher, or what gives it
    /// back, may call this, with the watcher's waker.
    pub(super) fn poll_unusable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        pin!(self.conn.peek(1)).poll(cx).map(|_| ())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.is_gone.set(true);
        let waker = self.0.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
    }
}
