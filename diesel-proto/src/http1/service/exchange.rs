//! What a handler says about its request besides its answer, and what it is told.
//!
//! ```text
//!             ◀── interim responses, in order ◀── Request, Body
//!   machine   ◀── wants the body, all of it  ◀── Body              handler
//!             ──▶ trailers, the client ended  ──▶ Body, Closed
//! ```
//!
//! The bytes of both bodies go through a [`Duplex`](crate::fiber::Duplex) beside it.
//!
//! Rules of this file:
//!
//! - Neither side calls the other. The handler notes what it did, and wakes the machine; while the
//!   machine polls the handler, it looks afterwards anyway.
//! - Nothing is borrowed while a waker is woken.
//! - One is made for the first request of a connection that needs it, and used again as soon as no
//!   part of its request is held any more.
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
    /// Of the machine: none before the first request begins, and after the last ended.
    ctx: Option<MachineCtx>,
    /// The machine polls the handler, and looks when that is over.
    is_polled: bool,
    /// The client has ended its side.
    has_ended: bool,
    /// Wakers that wait for that.
    watchers: Vec<Waker>,
    /// The client waits to be told that the body is wanted.
    expects_continue: bool,
    /// The body was asked for.
    wants_body: bool,
    /// All of the body was asked for at once.
    wants_all: bool,
    trailers: Headers,
    /// In the order of the calls that asked for them.
    interim: Vec<Interim>,
}

/// A response before the final one.
pub(in crate::http1) enum Interim {
    /// The body is wanted: `100 Continue`, if the client waits for that.
    GoOn,
    /// Whatever the handler says.
    Inform(Status, Headers),
}

/// The machine's side.
impl Exchange {
    /// A request begins. What was left of the one before was dropped when it was over.
    pub(in crate::http1) fn begin(&self, ctx: MachineCtx, expects_continue: bool, has_ended: bool) {
        let state = &mut *self.state.borrow_mut();
        state.ctx = Some(ctx);
        (state.expects_continue, state.has_ended) = (expects_continue, has_ended);
        (state.wants_body, state.wants_all) = (false, false);
    }

    /// The request is over: what waits for the client's end is told.
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

    /// The client ended its side.
    pub(in crate::http1) fn peer_ended(&self) {
        let watchers = {
            let state = &mut *self.state.borrow_mut();
            state.has_ended = true;
            mem::take(&mut state.watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Whether the body was asked for. Before that none is read: what the handler answers then cannot
    /// depend on how much of it had come.
    pub(in crate::http1) fn wants_body(&self) -> bool {
        self.state.borrow().wants_body
    }

    /// Whether the whole body was asked for at once.
    pub(in crate::http1) fn wants_all(&self) -> bool {
        self.state.borrow().wants_all
    }

    /// The body is complete.
    pub(in crate::http1) fn completed(&self, trailers: Headers) {
        self.state.borrow_mut().trailers = trailers;
    }

    /// The machine polls the handler from here on, or does no more.
    pub(in crate::http1) fn set_polled(&self, is_polled: bool) {
        self.state.borrow_mut().is_polled = is_polled;
    }

    /// The interim responses since the last look.
    pub(in crate::http1) fn take_interim(&self) -> Vec<Interim> {
        mem::take(&mut self.state.borrow_mut().interim)
    }
}

/// The handler's side.
impl Exchange {
    /// The body is wanted, all of it or some: the client is told to go on, if it waits for that.
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

    /// An interim response is to go out.
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

    /// Waits until the client ended its side, or the request is over.
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
            // Cloned while nothing is borrowed: that may run user code.
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
