//! The monotonic clock, as the hub counts it: nanoseconds since the driver began.

use std::time::{Duration, Instant as SystemInstant};

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

    /// How long to wait for `at`: rounded up by nobody, so never longer than asked.
    pub(crate) fn until(self, at: Instant) -> Duration {
        at - self.now()
    }
}
