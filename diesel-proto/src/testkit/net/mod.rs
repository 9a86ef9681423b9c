//! A simulated network: hubs connected by links, in virtual time, with all randomness from one
//! seed.
//!
//! It runs the same application as the driver: the same [`Hub`], with the same inputs and actions.
//! Nothing is rewritten for the test; only the sockets and the clock are simulated, so an idle hour
//! takes no time.
//!
//! ```text
//!   hub ◀──▶ `host` (with `ends`, its transport) ──┐                        ┌── `host`
//!                                                  ├──▶ `wire`: two `pipe`s ─┤
//!   test ◀──▶ `peer` ──────────────────────────────┘    (with `options`)     └── `peer`
//!
//!   host ──▶ `names`: what it learns when it resolves a name, and how its jobs run
//!
//!   all of these ──▶ `transcript`: a watcher, and a hash
//!   `explore`: runs a scenario with many seeds
//! ```
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::testkit::net::{LinkOptions, Network};
//! use diesel_proto::{Conn, Ctx, Error, Hub};
//!
//! async fn shout(mut conn: Conn) -> Result<(), Error> {
//!     loop {
//!         let line = conn.until_eol().await?;
//!         conn.write(line.to_ascii_uppercase()).await?;
//!     }
//! }
//!
//! let address = "10.0.0.1:7000".parse()?;
//! let mut server = Hub::default();
//! let service = server.add_service(shout);
//!
//! let mut client = Hub::default();
//! client.add_loop(async move |ctx: Ctx| {
//!     let mut conn = ctx.connect(address).await?;
//!     conn.write("hello\r\n").await?;
//!     assert_eq!(&*conn.until_eol().await?, b"HELLO\r\n");
//!     ctx.halt();
//!     Ok(())
//! })?;
//!
//! let mut network = Network::new(7);
//! let slow = Duration::from_millis(40);
//! network.link(LinkOptions { latency: slow..=slow, reads: 1..=3, ..LinkOptions::default() });
//! network.host(server, &[(service, address)])?;
//! let client = network.host(client, &[])?;
//! network.run_for(Duration::from_secs(10))?;
//! assert!(network.has_halted(client));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Rules
//!
//! - The same seed, hubs and calls give the same [`hash`](Network::hash), in any process, on any
//!   machine, in any build. (This does not cover futures that wait for anything outside of their
//!   hub.)
//! - The [seed](crate::hub::Hub::seed) of each hub is derived from that of the network.
//! - Hubs are driven only by their contract in [`hub`](crate::hub). Events of one instant happen in
//!   the order in which they were caused.
//! - A connection is two pipes, each with its own [`LinkOptions`] and random numbers. A pipe keeps
//!   the order of bytes, and loses none unless its options say so.
//! - Closing a stream with unread bytes, and sending to a closed stream, resets the other end, as
//!   TCP does.
//! - Names lead to the addresses that the test [gives](Network::name) them, in its time; jobs run in
//!   the test's thread, [when it says](Network::jobs).
//! - Only events cost time. Ten thousand silent connections cost none.
//!
//! It must never know how a hub handles its inputs.

mod ends;
mod explore;
mod file_map;
mod files;
mod host;
mod names;
mod options;
mod peer;
mod pipe;
#[cfg(test)]
mod tests;
mod transcript;
mod wire;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use slab::Slab;

pub use self::explore::{Found, Smallest, explore, explore_sizes};
pub use self::file_map::{FakeFile, FileMap};
pub use self::names::{JobPlan, NameAnswer};
pub use self::options::{Link, LinkFault, LinkOptions, Stalls};
pub use self::peer::{Peer, PeerState};
pub use self::transcript::{Happened, Happening};

use self::files::NetFiles;
use self::host::Host;
use self::names::Names;
use self::peer::PeerEnd;
use self::transcript::NetTranscript;
use self::wire::{Wire, WireEvent, WireListener};
use super::random::Random;
use crate::hub::Seed;
use crate::hub::{Hub, ServiceId};
use crate::time::{Instant, Timers};

/// The most turns without time passing; beyond that, the network counts as restless.
const PATIENCE: u64 = 10_000_000;

/// Hosts and the links between them: see the [module](self).
///
/// Example: see the [module](self).
pub struct Network {
    now: Instant,
    random: Random,
    /// The initial seed.
    seed: u64,
    link: Rc<SharedLink>,
    hosts: Vec<Host>,
    peers: Vec<PeerEnd>,
    listeners: BTreeMap<SocketAddr, WireListener>,
    listens_everywhere: bool,
    wires: Slab<Wire>,
    due: Timers<WireEvent>,
    /// What names and jobs come to.
    names: Names,
    files: NetFiles,
    /// Hosts that have something to do, each listed once.
    busy: VecDeque<usize>,
    transcript: NetTranscript,
    traffic: Traffic,
    patience: u64,
    /// A buffer for reads and writes, shared by all streams.
    bytes: Vec<u8>,
}

/// A [`Link`], shared by all pipes with its options.
struct SharedLink {
    there: Rc<LinkOptions>,
    back: Rc<LinkOptions>,
}

impl From<Link> for SharedLink {
    fn from(link: Link) -> Self {
        SharedLink { there: Rc::new(link.there), back: Rc::new(link.back) }
    }
}

/// A host of a [`Network`]: a hub, and its streams.
///
/// Example: see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

/// The counters of a network.
///
/// Example: see the [module](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections that were made.
    pub connections: u64,
    /// Connections that were refused because nothing listened at their address.
    pub refused: u64,
    /// Writes of hubs of which the stream took at least one byte.
    pub writes: u64,
    /// Reads that returned at least one byte to a hub.
    pub reads: u64,
    /// Bytes that hubs have received.
    pub bytes: u64,
    /// Stalls that began.
    pub stalls: u64,
    /// Directions that the link ended.
    pub half_closes: u64,
    /// Connections that the link reset.
    pub resets: u64,
    /// How often a host had its turn.
    pub turns: u64,
}

/// Something else listens at the address.
///
/// Example: see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressInUse(
    /// The address.
    pub SocketAddr,
);

impl fmt::Display for AddressInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "something else listens at {}", self.0)
    }
}

impl core::error::Error for AddressInUse {}

/// Hosts had too many turns without time passing.
///
/// Example: see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restless {
    /// When.
    pub at: Instant,
    /// The host that had the last turn.
    pub host: HostId,
}

impl fmt::Display for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "too many turns without time passing at {:?}; the last was of host {}",
            self.at, self.host.0
        )
    }
}

impl core::error::Error for Restless {}

impl Network {
    /// A network without hosts, with perfect links, at [`Instant::ORIGIN`]. All random numbers come
    /// from `seed`.
    pub fn new(seed: u64) -> Self {
        Network {
            now: Instant::ORIGIN,
            random: Random::new(seed),
            seed,
            link: Rc::new(Link::default().into()),
            hosts: Vec::new(),
            peers: Vec::new(),
            listeners: BTreeMap::new(),
            listens_everywhere: false,
            wires: Slab::new(),
            due: Timers::new(),
            names: Names::default(),
            files: NetFiles::default(),
            busy: VecDeque::new(),
            transcript: NetTranscript::new(),
            traffic: Traffic::default(),
            patience: PATIENCE,
            bytes: Vec::new(),
        }
    }

    /// Sets the link of connections that are made from now on, unless the host that connects has
    /// [its own](Self::link_from).
    pub fn link(&mut self, link: impl Into<Link>) {
        self.link = Rc::new(link.into().into());
    }

    /// Sets the link of connections that this host makes from now on.
    pub fn link_from(&mut self, host: HostId, link: impl Into<Link>) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.link = Some(Rc::new(link.into().into()));
        }
    }

    /// Adds a host, which runs from now on; each of these services listens at its address.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`]; nothing is added then.
    pub fn host(
        &mut self,
        hub: Hub,
        listens: &[(ServiceId, SocketAddr)],
    ) -> Result<HostId, AddressInUse> {
        let used = |(_, address): &&(_, _)| self.listeners.contains_key(address);
        if let Some((_, address)) = listens.iter().find(used) {
            return Err(AddressInUse(*address));
        }
        let id = self.hosts.len();
        for (service, address) in listens {
            self.listeners.insert(*address, WireListener::new(id, *service));
        }
        Ok(self.lone_host(hub))
    }

    /// Like [`host`](Self::host), for a host that listens at no address. It connects to others, or
    /// peers connect to it by [`connect_to`](Self::connect_to).
    pub fn lone_host(&mut self, mut hub: Hub) -> HostId {
        let id = self.hosts.len();
        hub.seed(self.seed_of(id));
        self.hosts.push(Host::new(id, hub));
        self.make_busy(id);
        HostId(id)
    }

    /// The seed of a host's hub. It is independent of the random numbers of the network itself, so
    /// that adding an application does not change those.
    fn seed_of(&self, host: usize) -> Seed {
        let mut random = Random::new(self.seed ^ (host as u64).rotate_left(32));
        let mut seed = [0; 32];
        seed.chunks_exact_mut(8)
            .for_each(|it| it.copy_from_slice(&random.next_u64().to_le_bytes()));
        seed.into()
    }

    /// The application of a host.
    pub fn hub(&self, host: HostId) -> Option<&Hub> {
        Some(&self.hosts.get(host.0)?.app.as_ref()?.hub)
    }

    /// The application of a host, for passing inputs to it. It has its turn as soon as the network
    /// runs.
    pub fn hub_mut(&mut self, host: HostId) -> Option<&mut Hub> {
        self.make_busy(host.0);
        Some(&mut self.hosts.get_mut(host.0)?.app.as_mut()?.hub)
    }

    /// Begins the graceful shutdown of a host.
    pub fn drain(&mut self, host: HostId, grace: Duration) {
        let now = self.now;
        if let Some(hub) = self.hub_mut(host) {
            hub.drain(now, now + grace);
        }
    }

    /// Whether the application of a host has ended.
    pub fn has_halted(&self, host: HostId) -> bool {
        self.hosts.get(host.0).is_some_and(|host| host.halted)
    }

    /// Calls `watcher` for each input and each action of a hub from now on.
    pub fn watch(&mut self, watcher: impl FnMut(&Happening<'_>) + 'static) {
        self.transcript.watcher = Some(Box::new(watcher));
    }

    /// A hash (FNV-1a) of all that a watcher gets: the time, host and connection of each input and
    /// action, and the bytes.
    pub fn hash(&self) -> u64 {
        self.transcript.hash()
    }

    /// The counters so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The current virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Sets how many turns without time passing are too many. Ten million by default.
    pub fn set_patience(&mut self, turns: u64) {
        self.patience = turns;
    }

    /// Runs everything that is due until then, each event at its time. Afterwards the time is
    /// `until`.
    ///
    /// # Errors
    ///
    /// [`Restless`] if there are too many turns without time passing.
    pub fn run_until(&mut self, until: Instant) -> Result<(), Restless> {
        self.run(Some(until))?;
        self.now = self.now.max(until);
        Ok(())
    }

    /// Like [`run_until`](Self::run_until), for this long from now. With zero, it runs what happens
    /// without time passing.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub fn run_for(&mut self, time: Duration) -> Result<(), Restless> {
        self.run_until(self.now + time)
    }

    /// Runs until nothing is on its way, and no host waits for a deadline. An application that
    /// always sets another deadline never reaches that: use [`run_until`](Self::run_until) for it.
    ///
    /// # Errors
    ///
    /// [`Restless`] if there are too many turns without time passing.
    pub fn run_until_idle(&mut self) -> Result<(), Restless> {
        self.run(None)
    }

    fn run(&mut self, until: Option<Instant>) -> Result<(), Restless> {
        let mut turns = 0;
        loop {
            while let Some(due) = self.due.expire(self.now) {
                self.fall_due(due);
            }
            if let Some(host) = self.busy.pop_front() {
                self.turn(host);
                turns += 1;
                if turns > self.patience {
                    return Err(Restless { at: self.now, host: HostId(host) });
                }
                continue;
            }
            match self.due.next_deadline() {
                Some(at) if until.is_none_or(|until| at <= until) => {
                    if at > self.now && until.is_some() {
                        turns = 0;
                    }
                    self.now = self.now.max(at);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Marks a host as having something to do.
    fn make_busy(&mut self, host: usize) {
        if let Some(at) = self.hosts.get_mut(host)
            && !at.halted
            && !core::mem::replace(&mut at.busy, true)
        {
            self.busy.push_back(host);
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("hosts", &self.hosts.len())
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}
