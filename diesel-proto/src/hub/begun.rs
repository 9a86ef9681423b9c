//! Waits that began within a call, while the hub's clock stood still.
//!
//! The hub's clock stands still within a call, however long user code computes there: counted from
//! the `now` of that call, a wait would end early. So a wait that begins within a call counts from
//! the `now` of the next run, which the embedder reads after that call returned.
//!
//! Until then its timer is set as if no time had passed. If none has, as in virtual time, the
//! deadline is already right.

use core::time::Duration;

use crate::machine::ConnId;
use crate::time::{Instant, TimerKey};

/// A wait that counts from the next run.
#[derive(Clone, Copy)]
pub(crate) enum Begun {
    /// A sleep of this length.
    Sleep(TimerKey, Duration),
    /// The hub's deadline for a stream: connect timeout, linger timeout, or idle timeout.
    Stream(ConnId),
}

/// How many waits are noted before those that were given up are dropped.
pub(super) const KEEP: usize = 64;

/// Moves `at` to `now` if that is later. Returns whether it was.
pub(super) fn put_off(at: &mut Instant, now: Instant) -> bool {
    let is_later = now > *at;
    if is_later {
        *at = now;
    }
    is_later
}
