//! The two clocks: the monotonic one, as nanoseconds since the driver began, and the wall clock.

use std::time::{Duration, Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use diesel_proto::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: SystemInstant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { origin: SystemInstant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    /// Seconds since 1970. Zero if the wall clock is set to an earlier time.
    pub(crate) fn unix_seconds() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// How long to wait for `at`, in full nanoseconds: it is not rounded up.
    pub(crate) fn until(self, at: Instant) -> Duration {
        at - self.now()
    }
}
