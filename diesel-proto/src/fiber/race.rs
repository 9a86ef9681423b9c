//! [`Race`]: connects to one of several addresses, as RFC 8305 ("Happy Eyeballs") staggers the
//! attempts.
//!
//! ```text
//!   first ────────────────────────────▶ connected: the others are closed
//!      │ 250 ms
//!      └──▶ second ──▶ failed
//!                        └─ at once ──▶ third ──▶ ...
//! ```
//!
//! Rules of this file:
//!
//! - The next attempt begins when the last one had its delay, or as soon as one fails (section 5).
//! - The first connection that is *made* wins, before a layer around it has done its handshake; the
//!   attempts that lost are closed, and no other server sees a byte. If the layer fails then, so
//!   does the whole: the address was right.
//! - A layer is made once, for the winner.
//!
//! It must never know where the addresses come from.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::{self, Vec};
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::Conn;
use super::dial::{Dial, WrapClient};
use super::sleep::Sleep;
use super::waiting::{SpareWaker, WaitingWaker};
use crate::hub::{Core, Inner, MachineCtx};
use crate::machine::{
    Actions, Address, Cause, ConnId, ConnectError, ConnectErrorKind, Error, HostName, Input,
    Machine,
};
use crate::time::Instant;

/// Attempts to connect to one of several addresses. Its caller accounts for tokens.
pub(super) struct Race {
    core: Rc<Core>,
    name: Option<HostName>,
    left: vec::IntoIter<SocketAddr>,
    /// In the order in which they began.
    attempts: Vec<Attempt>,
    /// The addresses that failed, with the number of the attempt.
    failed: Vec<(usize, Address, ConnectErrorKind)>,
    begun: usize,
    delay: Duration,
    /// Until the next attempt.
    pause: Option<Sleep>,
    deadline: Sleep,
    layer: Option<Rc<RaceLayer>>,
}

struct Attempt {
    number: usize,
    dial: Dial,
}

/// The layer that is put around the winner.
struct RaceLayer {
    core: Rc<Core>,
    wrap: RefCell<Option<WrapClient>>,
    winner: Cell<Option<ConnId>>,
    waiting: RefCell<WaitingWaker>,
}

impl Race {
    /// Prepares the attempts with these addresses; the first one begins when it is polled.
    /// `within`: how long all of them may take together.
    pub(super) fn new(
        core: &Rc<Core>,
        name: Option<HostName>,
        addresses: Vec<SocketAddr>,
        wrap: Option<WrapClient>,
        within: Duration,
    ) -> Self {
        let layer = wrap.map(|wrap| {
            Rc::new(RaceLayer {
                core: Rc::clone(core),
                wrap: RefCell::new(Some(wrap)),
                winner: Cell::new(None),
                waiting: RefCell::default(),
            })
        });
        Race {
            core: Rc::clone(core),
            name,
            left: addresses.into_iter(),
            attempts: Vec::new(),
            failed: Vec::new(),
            begun: 0,
            delay: core.config.names.attempt_delay,
            pause: None,
            deadline: Sleep::new(Rc::clone(core), within),
            layer,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Conn, Error>> {
        loop {
            if let Some(winner) = self.layer.as_ref().and_then(|layer| layer.winner.get()) {
                return self.poll_winner(winner, cx);
            }
            let failed_before = self.failed.len();
            if let Some(outcome) = self.poll_attempts(cx) {
                return Poll::Ready(outcome);
            }
            let has_failed = self.failed.len() > failed_before;
            let is_paused = match &mut self.pause {
                Some(pause) => match Pin::new(pause).poll(cx) {
                    Poll::Ready(slept) => {
                        slept?;
                        self.pause = None;
                        false
                    }
                    Poll::Pending => true,
                },
                None => false,
            };
            match self.left.as_slice().first() {
                None if self.attempts.is_empty() => return Poll::Ready(Err(self.error())),
                Some(&next) if self.attempts.is_empty() || has_failed || !is_paused => {
                    match self.begin(next.into()) {
                        Ok(()) => {}
                        // There may be room when one of the others failed, or after a pause.
                        Err(Error::Limit(_)) if !self.attempts.is_empty() => self.set_pause(),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                    // Poll the attempt, and the pause.
                    continue;
                }
                _ => {}
            }
            if let Poll::Ready(slept) = Pin::new(&mut self.deadline).poll(cx) {
                slept?;
                return Poll::Ready(Err(self.error()));
            }
            self.register(cx);
            return Poll::Pending;
        }
    }

    /// Begins the attempt with the next address.
    fn begin(&mut self, address: Address) -> Result<(), Error> {
        let layer = self.layer.as_ref().map(|layer| wrap_winner(Rc::clone(layer)));
        let dial = Dial::begin(&self.core, address, layer)?;
        self.attempts.push(Attempt { number: self.begun, dial });
        self.begun += 1;
        self.left.next();
        self.set_pause();
        Ok(())
    }

    fn set_pause(&mut self) {
        let is_last = self.left.as_slice().is_empty();
        self.pause = (!is_last).then(|| Sleep::new(Rc::clone(&self.core), self.delay));
    }

    /// The connection of an attempt that succeeded, or an error that ends all of them.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<Result<Conn, Error>> {
        let mut at = 0;
        while let Some(attempt) = self.attempts.get_mut(at) {
            match attempt.dial.poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(outcome) => {
                    let Attempt { number, dial } = self.attempts.remove(at);
                    match outcome {
                        Ok(()) => return Some(Ok(dial.into_conn())),
                        Err(Error::Connect(error)) => {
                            self.failed.push((number, dial.address(), error.kind));
                        }
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
        }
        None
    }

    /// The connection of `winner` is made: only its layer has something to do.
    fn poll_winner(&mut self, winner: ConnId, cx: &mut Context<'_>) -> Poll<Result<Conn, Error>> {
        self.attempts.retain(|attempt| attempt.dial.conn().socket().id() == winner);
        let Some(attempt) = self.attempts.first_mut() else {
            return Poll::Ready(Err(Error::Closed));
        };
        match attempt.dial.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => Poll::Ready(outcome.and_then(|()| {
                let attempt = self.attempts.pop().ok_or(Error::Closed)?;
                Ok(attempt.dial.into_conn())
            })),
        }
    }

    /// The error of all attempts. Those without an answer have timed out.
    fn error(&self) -> Error {
        let late = |attempt: &Attempt| {
            (attempt.number, attempt.dial.address(), ConnectErrorKind::TimedOut)
        };
        let mut attempts: Vec<_> = self.failed.clone();
        attempts.extend(self.attempts.iter().map(late));
        attempts.sort_unstable_by_key(|&(number, ..)| number);
        let mut attempts = attempts.into_iter().map(|(_, address, kind)| (address, kind));
        let (address, kind) =
            attempts.next().unwrap_or((Address::Unnamed, ConnectErrorKind::TimedOut));
        let mut error = ConnectError::new(address, kind);
        error.name = self.name.clone();
        error.others = attempts.collect();
        error.into()
    }

    /// Makes the winner wake this fiber, if there is a layer that may start the handle later.
    fn register(&self, cx: &Context<'_>) {
        let Some(layer) = &self.layer else { return };
        let mut spare = SpareWaker::default();
        while !layer.waiting.borrow_mut().register(cx, &mut spare) {
            spare.fill(cx);
        }
    }
}

impl RaceLayer {
    /// The connection is made. Returns the layer, if it is the first.
    fn claim(&self, conn: ConnId) -> Option<WrapClient> {
        let wrap = self.wrap.borrow_mut().take()?;
        self.winner.set(Some(conn));
        self.core.put_off(self.waiting.borrow_mut().take());
        Some(wrap)
    }
}

fn wrap_winner(layer: Rc<RaceLayer>) -> WrapClient {
    Box::new(move |machine_ctx: &MachineCtx, inner| {
        let stage = ContenderStage::Connecting(inner);
        Box::new(Contender { layer, machine_ctx: machine_ctx.clone(), stage })
    })
}

/// The machine of an attempt: it becomes that of the layer once the connection is made, if it is the
/// first.
struct Contender {
    layer: Rc<RaceLayer>,
    machine_ctx: MachineCtx,
    stage: ContenderStage,
}

enum ContenderStage {
    /// The handle learns of failures without the layer, and may abandon the attempt.
    Connecting(Inner),
    Won(Box<dyn Machine>),
    Lost,
}

impl Contender {
    fn connected(&mut self) {
        let stage = core::mem::replace(&mut self.stage, ContenderStage::Lost);
        let ContenderStage::Connecting(inner) = stage else { return };
        if let Some(wrap) = self.layer.claim(self.machine_ctx.conn()) {
            self.stage = ContenderStage::Won(wrap(&self.machine_ctx, inner));
        }
    }
}

impl Machine for Contender {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            self.connected();
        }
        match (&mut self.stage, input) {
            (ContenderStage::Connecting(inner), input) => inner.step(now, input, actions),
            (ContenderStage::Won(machine), input) => machine.step(now, input, actions),
            (ContenderStage::Lost, Input::Bytes(bytes)) => bytes.len(),
            (ContenderStage::Lost, _) => {
                actions.close(Cause::Done);
                0
            }
        }
    }

    fn held(&self) -> usize {
        match &self.stage {
            ContenderStage::Won(machine) => machine.held(),
            ContenderStage::Connecting(_) | ContenderStage::Lost => 0,
        }
    }

    fn scanned(&self) -> u64 {
        match &self.stage {
            ContenderStage::Won(machine) => machine.scanned(),
            ContenderStage::Connecting(_) | ContenderStage::Lost => 0,
        }
    }
}
