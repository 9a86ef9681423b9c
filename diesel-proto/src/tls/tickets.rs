//! Sessions that clients can resume: kept here, for a time, up to a number.
//!
//! rustls' own store has no end for a session, and its encrypted tickets read the system's clock.
//! Resuming a session gives the client a new ticket, so a lifetime of tickets alone would not end
//! a session that is in use (RFC 8446, 4.6.1).
//!
//! Rules of this file:
//!
//! - A session ends `lifetime` after the handshake that checked certificates, however often it was
//!   resumed since.
//! - It is resumed only while the client's certificate is accepted, and while the server shows the
//!   certificates that it showed then. If it is not, the handshake is a full one, which tells the
//!   client what is wrong.
//! - Nothing is kept of a handshake that is not complete.

extern crate std;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::StoresServerSessions;
use rustls::server::danger::ClientCertVerifier;

use super::{Clock, Reload};

/// Keeps the sessions of one connection. Which certificates they rest on is known when the handshake
/// is complete, so nothing is kept before.
pub(super) trait KeepsSessions: Send + Sync {
    /// The handshake is complete. `peer`: the certificates of the peer, those of the first
    /// handshake if a session was resumed.
    fn completed(&self, peer: &[CertificateDer<'static>], resumed: bool);
}

/// Certificates, shared by the sessions that rest on them.
pub(super) type Chain = Arc<[CertificateDer<'static>]>;

/// A store of at most `most` sessions, each for `lifetime`.
pub(super) struct Tickets {
    most: usize,
    lifetime: u64,
    clock: Clock,
    own: Reload,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    stored: Mutex<StoredSessions>,
}

#[derive(Default)]
struct StoredSessions {
    sessions: BTreeMap<Vec<u8>, Session>,
    /// Keys with the time at which they were stored, oldest first. A key may have been taken
    /// since, or stored again.
    ages: VecDeque<(u64, Vec<u8>)>,
}

#[derive(Clone)]
struct Session {
    since: u64,
    value: Vec<u8>,
    basis: Basis,
}

/// The handshake that a session rests on, however often it was resumed since.
#[derive(Clone)]
struct Basis {
    began: u64,
    /// Which of its own certificates the server showed: see [`Reload::generation`].
    generation: u64,
    client: Chain,
}

impl Tickets {
    pub(super) fn new(
        most: usize,
        lifetime: Duration,
        clock: Clock,
        own: Reload,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Self {
        let lifetime = lifetime.as_secs();
        Tickets { most, lifetime, clock, own, clients, stored: Mutex::default() }
    }

    /// The store as one connection sees it.
    pub(super) fn of_connection(self: &Arc<Self>) -> Arc<ConnectionTickets> {
        // Read before a certificate is chosen: if they are replaced meanwhile, the session counts
        // as one of the former.
        let generation = self.own.generation();
        let (tickets, progress) = (Arc::clone(self), Mutex::default());
        Arc::new(ConnectionTickets { tickets, generation, progress })
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

    fn put(&self, key: Vec<u8>, value: Vec<u8>, basis: Basis) {
        let Some((now, mut stored)) = self.lock() else { return };
        while stored.ages.len() >= self.most {
            stored.drop_oldest();
        }
        stored.ages.push_back((now, key.clone()));
        stored.sessions.insert(key, Session { since: now, value, basis });
    }

    /// Whether a session with this basis may be resumed. Verifies signatures: not to be called while
    /// the sessions are locked.
    fn is_good(&self, basis: &Basis) -> bool {
        let Some(now) = self.clock.unix_seconds() else { return false };
        let lasts = now < basis.began.saturating_add(self.lifetime);
        lasts && basis.generation == self.own.generation() && self.accepts(&basis.client, now)
    }

    fn accepts(&self, client: &[CertificateDer<'static>], now: u64) -> bool {
        let (Some(clients), Some((first, others))) = (&self.clients, client.split_first()) else {
            return true;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        clients.verify_client_cert(first, others, now).is_ok()
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

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets(at most {}, for {} s)", self.most, self.lifetime)
    }
}

/// The store as one connection sees it.
#[derive(Debug)]
pub(super) struct ConnectionTickets {
    tickets: Arc<Tickets>,
    generation: u64,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Of the session that the client asked for last. If one is resumed, it is this one.
    taken: Option<Basis>,
    /// Of the sessions of this connection, once the handshake is complete.
    basis: Option<Basis>,
    /// What is stored then.
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ConnectionTickets {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resumes(&self, found: Option<Session>) -> Option<Vec<u8>> {
        let Session { value, basis, .. } = found.filter(|it| self.tickets.is_good(&it.basis))?;
        self.progress().taken = Some(basis);
        Some(value)
    }
}

impl KeepsSessions for ConnectionTickets {
    fn completed(&self, peer: &[CertificateDer<'static>], resumed: bool) {
        let progress = &mut *self.progress();
        progress.basis = match resumed {
            true => progress.taken.take(),
            false => self.tickets.clock.unix_seconds().map(|began| Basis {
                began,
                generation: self.generation,
                client: peer.into(),
            }),
        };
        let waiting = progress.waiting.drain(..);
        let Some(basis) = &progress.basis else { return };
        waiting.for_each(|(key, value)| self.tickets.put(key, value, basis.clone()));
    }
}

impl StoresServerSessions for ConnectionTickets {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let progress = &mut *self.progress();
        match &progress.basis {
            None => progress.waiting.push((key, value)),
            Some(basis) => self.tickets.put(key, value, basis.clone()),
        }
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.tickets.lock()?.1.sessions.get(key).cloned();
        self.resumes(found)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.tickets.lock()?.1.sessions.remove(key);
        self.resumes(found)
    }

    fn can_cache(&self) -> bool {
        self.tickets.most > 0
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No keys.
        f.debug_struct("Progress").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}
