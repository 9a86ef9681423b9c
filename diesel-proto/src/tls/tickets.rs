//! Sessions that clients can resume: kept here, for a time, up to a number.
//!
//! rustls' own store has no end for a session, and its encrypted tickets read the system's clock.

extern crate std;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::server::StoresServerSessions;

use super::Clock;

/// A store of at most `most` sessions, each for `lifetime`.
pub(super) struct Tickets {
    most: usize,
    lifetime: u64,
    clock: Clock,
    stored: Mutex<StoredSessions>,
}

#[derive(Default)]
struct StoredSessions {
    sessions: BTreeMap<Vec<u8>, Session>,
    /// Keys with the time at which they were stored, oldest first. A key may have been taken
    /// since, or stored again.
    ages: VecDeque<(u64, Vec<u8>)>,
}

struct Session {
    since: u64,
    value: Vec<u8>,
}

impl Tickets {
    pub(super) fn new(most: usize, lifetime: Duration, clock: Clock) -> Self {
        Tickets { most, lifetime: lifetime.as_secs(), clock, stored: Mutex::default() }
    }

    /// The sessions that have not ended, and the time.
    fn lock(&self) -> Option<(u64, MutexGuard<'_, StoredSessions>)> {
        let now = self.clock.unix_seconds()?;
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, _)) = stored.ages.front() {
            if now < since.saturating_add(self.lifetime) {
                break;
            }
            stored.drop_oldest();
        }
        Some((now, stored))
    }
}

impl StoredSessions {
    fn drop_oldest(&mut self) {
        let Some((since, key)) = self.ages.pop_front() else { return };
        if self.sessions.get(&key).is_some_and(|session| session.since == since) {
            self.sessions.remove(&key);
        }
    }
}

impl StoresServerSessions for Tickets {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let Some((now, mut stored)) = self.lock() else { return false };
        while stored.ages.len() >= self.most {
            stored.drop_oldest();
        }
        stored.ages.push_back((now, key.clone()));
        stored.sessions.insert(key, Session { since: now, value });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (_, stored) = self.lock()?;
        stored.sessions.get(key).map(|session| session.value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (_, mut stored) = self.lock()?;
        stored.sessions.remove(key).map(|session| session.value)
    }

    fn can_cache(&self) -> bool {
        self.most > 0
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets(at most {}, for {} s)", self.most, self.lifetime)
    }
}
