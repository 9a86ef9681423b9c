//! Signals between a handler and its machine, besides the bodies: what the handler asks for while
//! it runs, and what is reported to it.
//!
//! ```text
//!             ◀── interim responses, in order ◀── Request, Body
//!   machine   ◀── wants the body, all of it  ◀── Body              handler
//!             ──▶ trailers, the client ended  ──▶ Body, Closed
//! ```
//!
//! The bytes of both bodies go through a separate [`Duplex`](crate::fiber::Duplex).
//!
//! Rules of this file:
//!
//! - Neither side calls the other. The handler records what it did, and wakes the machine; a
//!   machine that is just polling the handler checks afterwards anyway, and is not woken.
//! - Nothing is borrowed while a waker is woken, because that may run user code.
//! - An exchange is made for the first request of a connection that needs one, and reused as soon
//!   as no part of its request refers to it.
//!
//! It must never know how messages are framed.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;
use core::task::{Context, Poll, Waker};

use crate::http1::syntax::{Headers, Status};
use crate::hub::MachineCtx;

#[derive(Default)]
pub(in crate::http1) struct Exchange {
    state: RefCell<ExchangeState>,
}

#[derive(Default)]
struct ExchangeState {
    /// The context of the machine: `None` before the first request begins, and after the last
    /// ended.
    ctx: Option<MachineCtx>,
    /// The machine is polling the handler, and will check for changes afterwards.
    is_polled: bool,
    /// The client has half-closed the stream.
    has_ended: bool,
    /// Wakers that wait for the half-close.
    watchers: Vec<Waker>,
    /// The client waits for `100 Continue`.
    expects_continue: bool,
    /// The handler asked for the body.
    wants_body: bool,
    /// The handler asked for the whole body at once.
    wants_all: bool,
    trailers: Headers,
    /// Interim responses, in the order of the calls.
    interim: Vec<Interim>,
}

/// An interim response.
pub(in crate::http1) enum Interim {
    /// `100 Continue`, if the client waits for it, because the handler wants the body.
    GoOn,
    /// An interim response of the handler.
    Inform(Status, Headers),
}

/// The machine's side.
impl Exchange {
    /// Begins a request. The state of the one before was cleared when it ended.
    pub(in crate::http1) fn begin(&self, ctx: MachineCtx, expects_continue: bool, has_ended: bool) {
        let state = &mut *self.state.borrow_mut();
        state.ctx = Some(ctx);
        (state.expects_continue, state.has_ended) = (expects_continue, has_ended);
        (state.wants_body, state.wants_all) = (false, false);
    }

    /// Ends the request, and wakes what waits for the client's half-close.
    pub(in crate::http1) fn finish(&self) {
        let (ctx, watchers, trailers, interim) = {
            let state = &mut *self.state.borrow_mut();
            state.is_polled = false;
            let watchers = mem::take(&mut state.watchers);
            let trailers = mem::take(&mut state.trailers);
            (state.ctx.take(), watchers, trailers, mem::take(&mut state.interim))
        };
        drop((ctx, trailers, interim));
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Reports the client's half-close.
    pub(in crate::http1) fn peer_ended(&self) {
        let watchers = {
            let state = &mut *self.state.borrow_mut();
            state.has_ended = true;
            mem::take(&mut state.watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Whether the handler asked for the body. Before that none is read, so that the handler's
    /// response cannot depend on how much of it has arrived.
    pub(in crate::http1) fn wants_body(&self) -> bool {
        self.state.borrow().wants_body
    }

    /// Whether the handler asked for the whole body at once.
    pub(in crate::http1) fn wants_all(&self) -> bool {
        self.state.borrow().wants_all
    }

    /// Reports that the body is complete.
    pub(in crate::http1) fn completed(&self, trailers: Headers) {
        self.state.borrow_mut().trailers = trailers;
    }

    /// Sets whether the machine is polling the handler.
    pub(in crate::http1) fn set_polled(&self, is_polled: bool) {
        self.state.borrow_mut().is_polled = is_polled;
    }

    /// Takes the interim responses since the last call.
    pub(in crate::http1) fn take_interim(&self) -> Vec<Interim> {
        mem::take(&mut self.state.borrow_mut().interim)
    }
}

/// The handler's side.
impl Exchange {
    /// Asks for the body, all of it or a part: sends `100 Continue` if the client waits for it.
    pub(in crate::http1) fn ask(&self, all: bool) {
        {
            let state = &mut *self.state.borrow_mut();
            state.wants_all |= all;
            if mem::replace(&mut state.wants_body, true) || state.ctx.is_none() {
                return;
            }
            if mem::take(&mut state.expects_continue) {
                state.interim.push(Interim::GoOn);
            }
        }
        self.wake();
    }

    /// Sends an interim response.
    pub(in crate::http1) fn inform(&self, status: Status, headers: Headers) {
        {
            let state = &mut *self.state.borrow_mut();
            if state.ctx.is_none() {
                return;
            }
            state.interim.push(Interim::Inform(status, headers));
        }
        self.wake();
    }

    pub(in crate::http1) fn trailers(&self) -> Headers {
        self.state.borrow().trailers.clone()
    }

    /// Waits until the client half-closes the stream, or the request is over.
    pub(in crate::http1) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut spare = None;
        loop {
            {
                let state = &mut *self.state.borrow_mut();
                if state.has_ended || state.ctx.is_none() {
                    return Poll::Ready(());
                }
                if state.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    return Poll::Pending;
                }
                if let Some(waker) = spare.take() {
                    state.watchers.push(waker);
                    return Poll::Pending;
                }
            }
            // Cloning may run user code, so nothing is borrowed here.
            spare = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        let ctx = {
            let state = self.state.borrow();
            state.ctx.clone().filter(|_| !state.is_polled)
        };
        if let Some(ctx) = ctx {
            ctx.wake();
        }
    }
}
