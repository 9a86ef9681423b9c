//! [`Fiber`]: an entry in the table of fibers.
//!
//! It must never know how fibers are scheduled.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::Future;
use core::pin::Pin;

use super::fiber_machine::FiberConn;
use crate::machine::{ConnId, Error};

/// What a fiber runs.
pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

pub(crate) struct Fiber {
    pub(crate) role: Role,
    /// Taken out while it is being polled, so that an unwind through the poll leaves the table in
    /// order.
    pub(super) task: Option<HandlerFuture>,
}

/// What a fiber is for.
pub(crate) enum Role {
    /// Serves this connection, which closes when the fiber ends. Held so that the notice of a
    /// failure names the peer even if the connection is gone by then.
    Handler(Rc<dyn FiberConn>),
    /// A place for futures that the machine of this connection polls itself: there is no task.
    Machine(ConnId),
    Loop,
    Spawned,
}

impl Fiber {
    pub(crate) fn new(role: Role, future: HandlerFuture) -> Self {
        Fiber { role, task: Some(future) }
    }

    pub(crate) fn of_machine(role: Role) -> Self {
        Fiber { role, task: None }
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.task.is_none()
    }
}
