//! [`ServiceShared`]: what all connections of a service share.
//!
//! It must never know what a connection does.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, RefMut};

use super::super::exchange::Exchange;
use super::super::handler::{Answering, HandlerVariant};
use super::super::heads::{HeadPool, KEEP, KEEP_BYTES};
use super::super::response::Response;
use super::active::Active;
use super::watch::Clocks;
use crate::fiber::Duplex;
use crate::http1::connection::ConnectionConfig;
use crate::http1::message::HeadCache;
use crate::http1::syntax::{Deadlines, Limits, Rejection};
use crate::hub::{MachineCtx, ServiceConfig};

pub(in crate::http1) type OnRejection = dyn Fn(&Rejection) -> Response;

/// What all connections of a service share: its settings, and a pool of memory for busy
/// connections.
pub(in crate::http1) struct ServiceShared {
    pub(in crate::http1) handler: HandlerVariant,
    pub(in crate::http1) config: Arc<ConnectionConfig>,
    pub(in crate::http1) deadlines: Deadlines,
    pub(in crate::http1) on_rejection: Option<Box<OnRejection>>,
    pub(in crate::http1) access_notices: bool,
    pub(in crate::http1) connections: Rc<ServiceConfig>,
    /// Maximum number of requests that begin in one step of a connection.
    pub(in crate::http1) turn: usize,
    /// There is no hub that wakes the machines.
    pub(in crate::http1) is_standalone: bool,
    pub(in crate::http1) read_ahead: usize,
    /// One at least.
    pub(in crate::http1) high_water: u64,
    pub(in crate::http1) low_water: u64,
    pub(in crate::http1) heads: Rc<HeadPool>,
    /// Number of body bytes that are held by all connections.
    held: Cell<usize>,
    head_cache: RefCell<HeadCache>,
    spare: RefCell<SpareMemory>,
}

#[derive(Default)]
#[allow(clippy::vec_box, reason = "the boxes are what is spared")]
struct SpareMemory {
    active: Vec<Box<Active>>,
    exchanges: Vec<Rc<Exchange>>,
    duplexes: Vec<Duplex>,
    handlers: Vec<Box<dyn Answering>>,
}

impl ServiceShared {
    pub(in crate::http1) fn new(
        handler: HandlerVariant,
        mut config: ConnectionConfig,
        deadlines: Deadlines,
        connections: ServiceConfig,
    ) -> Self {
        if let HandlerVariant::Plain(_) = &handler {
            let Limits { body, plain_body, .. } = &mut config.limits;
            *body = (*body).min(*plain_body);
        }
        ServiceShared {
            turn: config.limits.pipelined.max(1),
            handler,
            config: Arc::new(config),
            deadlines,
            on_rejection: None,
            access_notices: false,
            read_ahead: connections.read_ahead,
            high_water: connections.high_water.max(1),
            low_water: connections.low_water.min(connections.high_water.saturating_sub(1)),
            connections: Rc::new(connections),
            is_standalone: false,
            heads: Rc::default(),
            held: Cell::new(0),
            head_cache: RefCell::default(),
            spare: RefCell::default(),
        }
    }

    /// For machines that nothing wakes: a step does all that it can, and the embedder decides how
    /// many bytes to offer.
    pub(in crate::http1) fn standalone(self) -> Self {
        ServiceShared { turn: usize::MAX, is_standalone: true, ..self }
    }

    /// Call at the beginning of a step: sets the date of responses, if the time is known.
    pub(in crate::http1) fn refresh(&self, ctx: &MachineCtx) {
        self.head_cache.borrow_mut().refresh(ctx.unix_seconds());
    }

    /// Records that a connection that held `before` bytes of bodies holds `now` bytes.
    pub(in crate::http1) fn charge(&self, before: usize, now: usize) {
        self.held.set(self.held.get().saturating_sub(before).saturating_add(now));
    }

    /// Whether the limit of held body bytes is reached.
    pub(in crate::http1) fn is_full(&self) -> bool {
        self.held.get() >= self.config.limits.held_bodies
    }

    /// Whether a connection may hold `n` bytes of bodies, in addition to what the other connections
    /// hold. `charged` bytes are recorded for this connection.
    pub(in crate::http1) fn has_room_for(&self, n: usize, charged: usize) -> bool {
        let others = self.held.get().saturating_sub(charged);
        others.saturating_add(n) <= self.config.limits.held_bodies
    }

    /// The cache of the last response head.
    #[inline]
    pub(in crate::http1) fn head_cache(&self) -> RefMut<'_, HeadCache> {
        self.head_cache.borrow_mut()
    }

    pub(in crate::http1) fn lend_active(&self) -> Box<Active> {
        let spare = self.spare.borrow_mut().active.pop();
        spare.unwrap_or_else(|| Box::new(Active::new(Arc::clone(&self.config))))
    }

    pub(in crate::http1) fn give_back_active(&self, mut active: Box<Active>) {
        self.charge(active.charged, 0);
        (active.charged, active.clocks) = (0, Clocks::default());
        let spare = &mut self.spare.borrow_mut().active;
        if spare.len() < KEEP {
            spare.push(active);
        }
    }

    pub(in crate::http1) fn lend_exchange(&self) -> Rc<Exchange> {
        let spare = self.spare.borrow_mut().exchanges.pop();
        spare.unwrap_or_default()
    }

    /// Keeps the exchange, if nothing else refers to it.
    pub(in crate::http1) fn give_back_exchange(&self, exchange: Rc<Exchange>) {
        let spare = &mut self.spare.borrow_mut().exchanges;
        if Rc::strong_count(&exchange) == 1 && spare.len() < KEEP {
            spare.push(exchange);
        }
    }

    pub(in crate::http1) fn lend_duplex(&self, ctx: &MachineCtx) -> Duplex {
        let mut spare = self.spare.borrow_mut().duplexes.pop();
        if spare.as_mut().is_some_and(|duplex| !duplex.renew(ctx)) {
            spare = None;
        }
        spare.unwrap_or_else(|| ctx.duplex(&self.connections))
    }

    pub(in crate::http1) fn give_back_duplex(&self, duplex: Duplex) {
        let spare = &mut self.spare.borrow_mut().duplexes;
        if spare.len() < KEEP {
            spare.push(duplex);
        }
    }

    /// Takes spare memory for an `async` handler, or makes some with `make`.
    pub(in crate::http1) fn lend_handler(
        &self,
        make: &dyn Fn() -> Box<dyn Answering>,
    ) -> Box<dyn Answering> {
        let spare = self.spare.borrow_mut().handlers.pop();
        spare.unwrap_or_else(make)
    }

    pub(in crate::http1) fn give_back_handler(&self, handler: Box<dyn Answering>) {
        let spare = &mut self.spare.borrow_mut().handlers;
        if spare.len() < KEEP && handler.memory() <= KEEP_BYTES {
            spare.push(handler);
        }
    }
}

#[cfg(test)]
mod tests;
