//! The time of day, as rustls asks for it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The time of day for certificates and tickets, in whole seconds since 1970 (UTC).
///
/// It stands still between two calls of [`set`](Self::set). A layer in a hub sets it in each step,
/// to the [hub's](crate::hub::Hub::time_of_day). Without a hub the embedder does. While it is not
/// set, handshakes fail with [`TlsError::NoTime`](super::TlsError::NoTime).
///
/// Clones are the same clock. All connections with the same settings share one.
///
/// Example: see [`Tls`](super::Tls).
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// A clock that is not set.
    pub fn new() -> Self {
        Clock::default()
    }

    /// Sets the time of day.
    pub fn set(&self, unix_seconds: u64) {
        self.0.store(unix_seconds.saturating_add(1), Ordering::Relaxed);
    }

    /// The time of day, if it was set.
    pub fn unix_seconds(&self) -> Option<u64> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        self.unix_seconds().map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
