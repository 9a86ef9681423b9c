//! Sessions that a client can resume: kept here with the certificates that they rest on.
//!
//! rustls' own store keeps a session for as long as the server says, and each time it is resumed
//! the server gives a new one: a server whose certificate has expired would be accepted for as long
//! as it is asked often enough.
//!
//! Rules of this file:
//!
//! - A session is resumed only while the server's certificates are accepted, for its name. If they
//!   are not, the handshake is a full one, which tells the server what is wrong.
//! - Nothing is kept of a handshake that is not complete.

extern crate std;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::Clock;
use super::tickets::{Chain, KeepsSessions};

/// Sessions with up to [`SERVERS`](Self::SERVERS) servers.
pub(super) struct ClientTickets {
    verifier: Arc<dyn ServerCertVerifier>,
    clock: Clock,
    servers: Mutex<Servers>,
}

#[derive(Default)]
struct Servers {
    by_name: HashMap<ServerName<'static>, Server>,
    /// The names, in the order in which they were added.
    names: VecDeque<ServerName<'static>>,
}

#[derive(Default)]
struct Server {
    group: Option<NamedGroup>,
    /// The latest one. It can be resumed any number of times.
    tls12: Option<Kept<Tls12ClientSessionValue>>,
    /// Each for one use, the oldest first.
    tls13: VecDeque<Kept<Tls13ClientSessionValue>>,
}

#[derive(Clone)]
struct Kept<T> {
    value: T,
    server: Chain,
}

impl Servers {
    fn of(&mut self, name: ServerName<'static>) -> &mut Server {
        if !self.by_name.contains_key(&name) {
            if self.names.len() == ClientTickets::SERVERS
                && let Some(oldest) = self.names.pop_front()
            {
                self.by_name.remove(&oldest);
            }
            self.names.push_back(name.clone());
        }
        self.by_name.entry(name).or_default()
    }
}

impl ClientTickets {
    /// How many servers are remembered. The one that was added first gives way.
    pub(super) const SERVERS: usize = 256;
    /// How many sessions of TLS 1.3 are kept for each.
    const TICKETS: usize = 8;

    pub(super) fn new(verifier: Arc<dyn ServerCertVerifier>, clock: Clock) -> Self {
        ClientTickets { verifier, clock, servers: Mutex::default() }
    }

    /// The store as one connection sees it.
    pub(super) fn of_connection(self: &Arc<Self>) -> Arc<ConnectionTickets> {
        let (tickets, progress) = (Arc::clone(self), Mutex::default());
        Arc::new(ConnectionTickets { tickets, progress })
    }

    fn lock(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the certificates of a session are accepted now. Verifies signatures: not to be called
    /// while the sessions are locked.
    fn accepts<T>(&self, kept: &Kept<T>, name: &ServerName<'_>) -> bool {
        let (Some(now), Some((first, others))) =
            (self.clock.unix_seconds(), kept.server.split_first())
        else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.verifier.verify_server_cert(first, others, name, &[], now).is_ok()
    }

    fn keep12(&self, name: ServerName<'static>, value: Tls12ClientSessionValue, server: Chain) {
        self.lock().of(name).tls12 = Some(Kept { value, server });
    }

    fn keep13(&self, name: ServerName<'static>, value: Tls13ClientSessionValue, server: Chain) {
        let servers = &mut *self.lock();
        let tickets = &mut servers.of(name).tls13;
        if tickets.len() == Self::TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(Kept { value, server });
    }
}

/// The store as one connection sees it.
pub(super) struct ConnectionTickets {
    tickets: Arc<ClientTickets>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The certificates of the server, once the handshake is complete.
    server: Option<Chain>,
    /// What is kept then.
    tls12: Vec<(ServerName<'static>, Tls12ClientSessionValue)>,
    tls13: Vec<(ServerName<'static>, Tls13ClientSessionValue)>,
}

impl ConnectionTickets {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeepsSessions for ConnectionTickets {
    fn completed(&self, peer: &[CertificateDer<'static>], _: bool) {
        let progress = &mut *self.progress();
        let server = Chain::from(peer);
        for (name, value) in progress.tls12.drain(..) {
            self.tickets.keep12(name, value, Arc::clone(&server));
        }
        for (name, value) in progress.tls13.drain(..) {
            self.tickets.keep13(name, value, Arc::clone(&server));
        }
        progress.server = Some(server);
    }
}

impl ClientSessionStore for ConnectionTickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.tickets.lock().of(name).group = Some(group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.tickets.lock().by_name.get(name)?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        let progress = &mut *self.progress();
        match &progress.server {
            None => progress.tls12.push((name, value)),
            Some(server) => self.tickets.keep12(name, value, Arc::clone(server)),
        }
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kept = self.tickets.lock().by_name.get(name)?.tls12.clone()?;
        self.tickets.accepts(&kept, name).then_some(kept.value)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some(server) = self.tickets.lock().by_name.get_mut(name) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let progress = &mut *self.progress();
        match &progress.server {
            None => progress.tls13.push((name, value)),
            Some(server) => self.tickets.keep13(name, value, Arc::clone(server)),
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let kept = self.tickets.lock().by_name.get_mut(name)?.tls13.pop_back()?;
        self.tickets.accepts(&kept, name).then_some(kept.value)
    }
}

impl fmt::Debug for ConnectionTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No keys.
        f.write_str("ConnectionTickets")
    }
}
