//! [`Work`]: what answers a request and may wait: an `async` handler, or the stream of a body.
//!
//! It must never know the connection.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::mem;
use core::task::Poll;

use super::super::exchange::Exchange;
use super::super::handler::Answering;
use super::super::response::{BodyFuture, Response};
use crate::fiber::Duplex;
use crate::http1::syntax::Headers;
use crate::hub::{MachineCtx, Poller};
use crate::machine::{Cause, Error};

/// A running handler or stream. Dropping it drops the future through [`MachineCtx::dispose`],
/// because dropping runs user code.
pub(super) struct Work {
    pub(super) ctx: MachineCtx,
    pub(super) exchange: Rc<Exchange>,
    /// The bytes of both bodies, if there are any.
    pub(super) duplex: Option<Duplex>,
    pub(super) run: WorkState,
}

pub(super) enum WorkState {
    Handler(Box<dyn Answering>),
    Stream(BodyFuture),
    /// It has ended, and its memory was given back.
    Over,
}

/// What has become ready.
pub(super) enum Ended {
    Handler(Response),
    Stream(Result<Headers, Error>),
}

impl Work {
    pub(super) fn of_handler(
        ctx: MachineCtx,
        exchange: Rc<Exchange>,
        duplex: Option<Duplex>,
        handler: Box<dyn Answering>,
    ) -> Self {
        Work { ctx, exchange, duplex, run: WorkState::Handler(handler) }
    }

    /// Whether to read more of the request's body. If not, the handler wakes the machine when it
    /// makes room: back-pressure.
    ///
    /// `is_full`: the service holds as many bytes of bodies as it may. Then a handler that takes
    /// its body piece by piece gets one piece at a time.
    pub(super) fn has_room(&self, is_full: bool) -> bool {
        let Some(duplex) = &self.duplex else { return false };
        let fits = !is_full || self.exchange.wants_all() || duplex.unread() == 0;
        let has_room = duplex.wants_input() && fits && self.exchange.wants_body();
        if !has_room {
            duplex.hold_back();
        }
        has_room
    }

    /// Whether the handler waits for the whole body at once, and still holds the reader.
    pub(super) fn is_collecting(&self) -> bool {
        self.exchange.wants_all() && self.duplex.as_ref().is_some_and(|it| !it.reader_is_gone())
    }

    /// Bytes of the request's body that are held.
    pub(super) fn held_body(&self) -> usize {
        self.duplex.as_ref().map_or(0, |duplex| duplex.unread())
    }

    /// Bytes that are held, in and out.
    pub(super) fn held(&self) -> usize {
        self.duplex.as_ref().map_or(0, |duplex| duplex.held())
    }

    /// Reports how much is queued in the connection. If a writer waits for room, returns the mark
    /// below which the machine must check again.
    pub(super) fn sent_below(&self, queued: u64) -> Option<u64> {
        match (&self.run, &self.duplex) {
            (WorkState::Stream(_), Some(duplex)) => Some(duplex.sent_below(queued)),
            _ => None,
        }
    }

    pub(super) fn poll(&mut self, poller: &Poller) -> Poll<Ended> {
        self.exchange.set_polled(true);
        if let Some(duplex) = &self.duplex {
            duplex.look_later();
        }
        let polled = match &mut self.run {
            WorkState::Handler(handler) => handler.poll(poller).map(Ended::Handler),
            WorkState::Stream(stream) => poller.poll(stream.as_mut()).map(Ended::Stream),
            WorkState::Over => Poll::Pending,
        };
        self.exchange.set_polled(false);
        polled
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let run = mem::replace(&mut self.run, WorkState::Over);
        if !matches!(run, WorkState::Over) {
            self.ctx.dispose(run);
        }
        self.exchange.finish();
        if let Some(duplex) = &self.duplex {
            duplex.break_off(Cause::Done);
        }
    }
}
