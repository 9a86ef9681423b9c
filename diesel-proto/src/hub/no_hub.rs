//! Seats for machines that are made for a hub, where there is none: in an [`Endpoint`](crate::machine::Endpoint).
//!
//! It must never know what the machines do.

use alloc::rc::Rc;
use core::task::Waker;

use super::{Config, Core, MachineCtx};
use crate::machine::Address;
use crate::time::Instant;

/// Makes [`MachineCtx`]s that belong to no hub, for a machine that has a use for one but does not depend on
/// fibers: its [`peer`](MachineCtx::peer), the time of day, [`call`](MachineCtx::call) (which runs what it is given,
/// and catches nothing).
///
/// What is spawned or connected there fails, and so does every token that would have to wait for
/// something else than its stream ([`Error::Shutdown`](crate::machine::Error::Shutdown)). Waking does nothing: a
/// machine that [polls](MachineCtx::poller) does so in each of its steps.
///
/// ```
/// use diesel_proto::{Address, NoHub};
///
/// let no_hub = NoHub::new();
/// no_hub.time_of_day(784_111_777);
/// let seat = no_hub.machine_ctx(Address::Unnamed);
/// assert_eq!(seat.unix_seconds(), Some(784_111_777));
/// assert!(seat.poller().is_ok());
/// assert!(seat.ctx().spawn(async { Ok::<_, diesel_proto::Error>(()) }).is_err());
/// ```
#[derive(Clone)]
pub struct NoHub {
    core: Rc<Core>,
}

impl NoHub {
    /// One is enough for all machines of a thread.
    pub fn new() -> Self {
        // There are no others to take turns with.
        let config = Config { max_connections: 0, tokens_per_pass: u32::MAX, ..Config::default() };
        let core = Core::new(config, Waker::noop().clone());
        core.is_detached.set(true);
        // Nothing is ever to be waited for.
        core.draining.set(true);
        NoHub { core: Rc::new(core) }
    }

    /// The seat of a machine whose other side is `peer`.
    pub fn machine_ctx(&self, peer: Address) -> MachineCtx {
        MachineCtx::detached(Rc::clone(&self.core), peer)
    }

    /// What the clock on the wall says, in seconds since 1970: holds until this is called again.
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
