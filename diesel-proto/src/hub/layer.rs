//! [`Inner`]: the inner machine of a layer in a hub, which is made when it starts.
//!
//! A layer may start its inner machine late: after a header, or a handshake. What it learns before
//! that (see [`MachineCtx::set_peer`](super::machine_ctx::MachineCtx::set_peer)) is available when
//! the inner machine is made.

use alloc::boxed::Box;
use core::fmt;

use super::stream::Top;
use crate::machine::{Actions, Input, Machine};
use crate::time::Instant;

/// The inner machine of a layer: the machine that serves a connection of a service, or that of the
/// handle that [`Ctx::connect`](crate::fiber::Ctx::connect) returns. It is a machine like any
/// other, for a [`Nested`](crate::machine::Nested) to hold. See
/// [`Service::layer`](super::service::Service::layer).
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{LineEcho, Linger, Service};
///
/// let service = Service::machine(|_| LineEcho::default())
///     .layer(|_ctx, inner| Linger::new(inner, Duration::from_secs(1)));
/// ```
pub struct Inner(InnerState);

enum InnerState {
    New(Box<dyn FnOnce() -> Top>),
    Made(Top),
    /// The function that makes it panicked.
    Lost,
}

impl Inner {
    pub(super) fn new(make: impl FnOnce() -> Top + 'static) -> Self {
        Inner(InnerState::New(Box::new(make)))
    }

    pub(crate) fn made(top: Top) -> Self {
        Inner(InnerState::Made(top))
    }

    pub(crate) fn boxed(machine: Box<dyn Machine>) -> Self {
        Inner::made(Top::Other(machine))
    }

    fn make(&mut self) {
        if let InnerState::New(make) = core::mem::replace(&mut self.0, InnerState::Lost) {
            self.0 = InnerState::Made(make());
        }
    }
}

impl Machine for Inner {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let InnerState::New(_) = self.0 {
            match input {
                Input::Start => self.make(),
                // There is no machine yet.
                _ => return 0,
            }
        }
        match &mut self.0 {
            InnerState::Made(top) => top.step(now, input, actions),
            InnerState::New(_) | InnerState::Lost => 0,
        }
    }

    fn held(&self) -> usize {
        match &self.0 {
            InnerState::Made(top) => top.held(),
            InnerState::New(_) | InnerState::Lost => 0,
        }
    }

    fn scanned(&self) -> u64 {
        match &self.0 {
            InnerState::Made(top) => top.scanned(),
            InnerState::New(_) | InnerState::Lost => 0,
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            InnerState::New(_) => "Inner(not started)",
            InnerState::Made(_) => "Inner(started)",
            InnerState::Lost => "Inner(lost)",
        })
    }
}
