//! Time as a plain number.
//!
//! Nothing in this crate reads a clock. The embedder chooses an origin (the start of the process,
//! the start of a simulation) and passes `now` to every call that depends on time. The time of day
//! is not represented here: a protocol that needs it gets it as a separate input.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since an origin that the embedder chooses.
///
/// 64 bits of nanoseconds last 584 years. Arithmetic saturates at both ends, so an absurdly long
/// timeout means "never" instead of a panic.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::Instant;
///
/// let start = Instant::ORIGIN;
/// let later = start + Duration::from_millis(1500);
/// assert_eq!(later - start, Duration::from_millis(1500));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Instant = Instant(0);
    /// Later than anything that happens. A sum that overflows saturates to this.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

/// Saturates at [`Instant::NEVER`].
impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, d: Duration) -> Instant {
        let nanos = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

/// The time from `earlier` to this instant; zero if this instant is not later.
impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// As seconds since the origin: `1.5s`.
impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Instant::NEVER {
            return f.write_str("never");
        }
        fmt::Debug::fmt(&Duration::from_nanos(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn sums_and_differences_saturate() {
        assert_eq!(Instant::from_nanos(5) + Duration::MAX, Instant::NEVER);
        assert_eq!(Instant::from_nanos(5) - Instant::from_nanos(7), Duration::ZERO);
        assert_eq!(format!("{:?}", Instant::from_nanos(1_500_000_000)), "1.5s");
        assert_eq!(format!("{:?}", Instant::NEVER), "never");
    }
}
