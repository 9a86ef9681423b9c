//! [`Work`]: what answers a request and may wait: an `async` handler, or the stream of a body.
//!
//! It must never know the connection.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::mem;
use core::task::Poll;

use super::super::exchange::{Exchange, Interim};
use super::super::handler::Answering;
use super::super::response::{BodyFuture, Response};
use crate::fiber::Duplex;
use crate::http1::syntax::Headers;
use crate::hub::Poller;
use crate::machine::{Cause, Error};

/// A running handler or stream. To drop one that has not ended, [`stop`](Self::stop) it first, and
/// drop the future through [`MachineCtx::dispose`](crate::hub::MachineCtx::dispose), because that runs
/// user code.
pub(super) struct Work {
    /// Polls the handler or the stream. `None` once it was taken back.
    pub(super) poller: Option<Poller>,
    /// `None` for a stream whose request is not needed any more.
    pub(super) exchange: Option<Rc<Exchange>>,
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
        poller: Poller,
        exchange: Rc<Exchange>,
        duplex: Option<Duplex>,
        handler: Box<dyn Answering>,
    ) -> Self {
        let run = WorkState::Handler(handler);
        Work { poller: Some(poller), exchange: Some(exchange), duplex, run }
    }

    /// Takes out the future, to be dropped.
    #[must_use = "drop it as user code"]
    pub(super) fn stop(&mut self) -> WorkState {
        mem::replace(&mut self.run, WorkState::Over)
    }

    /// Passes on a part of the request's body.
    pub(super) fn received(&self, data: &[u8]) {
        if let (Some(_), Some(duplex)) = (&self.exchange, &self.duplex) {
            duplex.received(data);
        }
    }

    /// The request's body is complete.
    pub(super) fn completed(&self, trailers: Headers) {
        if let Some(exchange) = &self.exchange {
            exchange.completed(trailers);
            self.duplex.iter().for_each(|duplex| duplex.eof());
        }
    }

    /// The client has half-closed the stream.
    pub(super) fn peer_ended(&self) {
        match (&self.exchange, &self.duplex) {
            (Some(exchange), _) => exchange.peer_ended(),
            // Nothing of the request can arrive: this is the end of all.
            (None, Some(duplex)) => duplex.eof(),
            (None, None) => {}
        }
    }

    /// Takes the interim responses since the last call.
    pub(super) fn take_interim(&self) -> Vec<Interim> {
        self.exchange.as_ref().map(|exchange| exchange.take_interim()).unwrap_or_default()
    }

    /// Whether to read more of the request's body. If not, the handler wakes the machine when it
    /// makes room: back-pressure.
    ///
    /// `is_full`: the service holds as many bytes of bodies as it may. Then a handler that takes
    /// its body piece by piece gets one piece at a time.
    pub(super) fn has_room(&self, is_full: bool) -> bool {
        let (Some(duplex), Some(exchange)) = (&self.duplex, &self.exchange) else { return false };
        let fits = !is_full || exchange.wants_all() || duplex.unread() == 0;
        let has_room = duplex.wants_input() && fits && exchange.wants_body();
        if !has_room {
            duplex.hold_back();
        }
        has_room
    }

    /// Whether the handler waits for the whole body at once, and still holds the reader.
    pub(super) fn is_collecting(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.wants_all())
            && self.duplex.as_ref().is_some_and(|duplex| !duplex.reader_is_gone())
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

    pub(super) fn poll(&mut self) -> Poll<Ended> {
        let Some(poller) = &self.poller else { return Poll::Pending };
        let is_polled = |is_polled| {
            self.exchange.iter().for_each(|exchange| exchange.set_polled(is_polled));
        };
        is_polled(true);
        if let Some(duplex) = &self.duplex {
            duplex.look_later();
        }
        let polled = match &mut self.run {
            WorkState::Handler(handler) => handler.poll(poller).map(Ended::Handler),
            WorkState::Stream(stream) => poller.poll(stream.as_mut()).map(Ended::Stream),
            WorkState::Over => Poll::Pending,
        };
        is_polled(false);
        polled
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            exchange.finish();
        }
        if let Some(duplex) = &self.duplex {
            duplex.break_off(Cause::Done);
        }
    }
}
