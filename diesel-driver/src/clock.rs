//! Both clocks: the monotonic one as the hub counts it, in nanoseconds since the driver began, and
//! the one on the wall.

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

    /// Seconds since 1970. Zero if the clock on the wall is set to before that.
    pub(crate) fn unix_seconds() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// How long to wait for `at`: rounded up by nobody, so never longer than asked.
    pub(crate) fn until(self, at: Instant) -> Duration {
        at - self.now()
    }
}
