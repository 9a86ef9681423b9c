//! [`NoHub`]: makes the [`MachineCtx`] of a machine that runs without a hub, in an
//! [`Endpoint`](crate::machine::Endpoint).
//!
//! It must never know what the machines do.

use alloc::rc::Rc;
use core::task::Waker;

use super::{Config, Core, MachineCtx};
use crate::machine::Address;
use crate::time::Instant;

/// Makes [`MachineCtx`]s that belong to no hub, for a machine that uses one but does not depend on
/// fibers: for its [`peer`](MachineCtx::peer), the time of day, or [`call`](MachineCtx::call)
/// (which here calls the function, and catches no panic).
///
/// Spawning and connecting fail, and so does every token that would have to wait for anything but
/// its stream ([`Error::Shutdown`](crate::machine::Error::Shutdown)). Waking does nothing: a
/// machine that [polls](MachineCtx::poller) futures does so in each of its steps.
///
/// ```
/// use diesel_proto::{Address, NoHub};
///
/// let no_hub = NoHub::new();
/// no_hub.time_of_day(784_111_777);
/// let ctx = no_hub.machine_ctx(Address::Unnamed);
/// assert_eq!(ctx.unix_seconds(), Some(784_111_777));
/// assert!(ctx.poller().is_ok());
/// assert!(ctx.ctx().spawn(async { Ok::<_, diesel_proto::Error>(()) }).is_err());
/// ```
#[derive(Clone)]
pub struct NoHub {
    core: Rc<Core>,
}

impl NoHub {
    /// Creates the context factory. One is enough for all machines of a thread.
    pub fn new() -> Self {
        // There are no other fibers to take turns with.
        let config = Config { max_connections: 0, tokens_per_pass: u32::MAX, ..Config::default() };
        let core = Core::new(config, Waker::noop().clone());
        core.is_detached.set(true);
        // Tokens must never wait.
        core.draining.set(true);
        NoHub { core: Rc::new(core) }
    }

    /// Makes the context of a machine whose peer is `peer`.
    pub fn machine_ctx(&self, peer: Address) -> MachineCtx {
        MachineCtx::detached(Rc::clone(&self.core), peer)
    }

    /// Sets the time of day, in seconds since 1970 (UTC). It holds until this is called again.
    pub fn time_of_day(&self, unix_seconds: u64) {
        self.core.time_of_day.set(Some((Instant::ORIGIN, unix_seconds)));
    }
}

impl Default for NoHub {
    fn default() -> Self {
        NoHub::new()
    }
}

impl core::fmt::Debug for NoHub {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("NoHub")
    }
}
