//! A simulated network: hubs joined by links, in virtual time, all of it drawn from one seed.
//!
//! What runs here is the application that the driver runs: the same [`Hub`], told what happened by
//! the same calls, obeyed in the same way. Nothing is rewritten for the test; only the sockets and
//! the clock are made of nothing, and so an hour takes as long as what happens in it.
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
//!   machine, in any build. (Futures that wait on something else than their hub are not in it.)
//! - The [seed](crate::hub::Hub::seed) of each hub follows from that of the network.
//! - Hubs are driven by their contract in [`hub`](crate::hub), and by nothing else. What happens at
//!   one instant happens in the order in which it was caused.
//! - A connection is two pipes, each with its own [`LinkOptions`] and its own chance. A pipe keeps
//!   the order of bytes, and loses none unless it is told to.
//! - Closing a stream with bytes that were not read, and sending to one that is closed, resets the
//!   other end, as TCP does.
//! - Cost: what happens is paid for, and nothing else. Ten thousand silent connections cost nothing.
//!
//! It must never know what a hub does with what it is told.

mod ends;
mod explore;
mod host;
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
pub use self::options::{Link, LinkFault, LinkOptions, Stalls};
pub use self::peer::{Peer, PeerState};
pub use self::transcript::{Happened, Happening};

use self::host::Host;
use self::peer::PeerEnd;
use self::transcript::NetTranscript;
use self::wire::{Wire, WireEvent, WireListener};
use super::random::Random;
use crate::hub::Seed;
use crate::hub::{Hub, ServiceId};
use crate::time::{Instant, Timers};

/// More turns than this without time passing: it will never come to rest.
const PATIENCE: u64 = 10_000_000;

/// Hosts, and what joins them: see the [module](self).
pub struct Network {
    now: Instant,
    random: Random,
    /// What it began with.
    seed: u64,
    link: Rc<SharedLink>,
    hosts: Vec<Host>,
    peers: Vec<PeerEnd>,
    listeners: BTreeMap<SocketAddr, WireListener>,
    listens_everywhere: bool,
    wires: Slab<Wire>,
    due: Timers<WireEvent>,
    /// Hosts that have something to do, each once.
    busy: VecDeque<usize>,
    transcript: NetTranscript,
    traffic: Traffic,
    patience: u64,
    /// What is read or written: one buffer for all.
    bytes: Vec<u8>,
}

/// A [`Link`], shared by all pipes that are made of it.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections that were made.
    pub connections: u64,
    /// Those that nobody listened for.
    pub refused: u64,
    /// Writes that a hub's stream took something of.
    pub writes: u64,
    /// Reads that gave a hub something.
    pub reads: u64,
    /// Bytes that hubs have received.
    pub bytes: u64,
    /// Stalls that began.
    pub stalls: u64,
    /// Directions that ended by the link's doing.
    pub half_closes: u64,
    /// Connections that broke by the link's doing.
    pub resets: u64,
    /// How often a host had its turn.
    pub turns: u64,
}

/// Something else listens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressInUse(
    /// Where.
    pub SocketAddr,
);

impl fmt::Display for AddressInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "something else listens at {}", self.0)
    }
}

impl core::error::Error for AddressInUse {}

/// Hosts went on and on, and no time passed.
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
            "does not come to rest at {:?}; the last turn was host {}'s",
            self.at, self.host.0
        )
    }
}

impl core::error::Error for Restless {}

impl Network {
    /// No hosts, and perfect links, at [`Instant::ORIGIN`]. Whatever is drawn is drawn from `seed`.
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
            busy: VecDeque::new(),
            transcript: NetTranscript::new(),
            traffic: Traffic::default(),
            patience: PATIENCE,
            bytes: Vec::new(),
        }
    }

    /// Connections made from here on are like this, unless the host that connects has
    /// [its own](Self::link_from).
    pub fn link(&mut self, link: impl Into<Link>) {
        self.link = Rc::new(link.into().into());
    }

    /// Connections that this host makes from here on are like this.
    pub fn link_from(&mut self, host: HostId, link: impl Into<Link>) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.link = Some(Rc::new(link.into().into()));
        }
    }

    /// Adds a host, which runs from now on; each of these services listens at its address.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`], and then nothing is added.
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

    /// As [`host`](Self::host), for one that listens nowhere: it connects, or is connected to by
    /// [`connect_to`](Self::connect_to).
    pub fn lone_host(&mut self, mut hub: Hub) -> HostId {
        let id = self.hosts.len();
        hub.seed(self.seed_of(id));
        self.hosts.push(Host::new(id, hub));
        self.make_busy(id);
        HostId(id)
    }

    /// What the random numbers of a host's hub follow from: none of the chances that the network
    /// itself draws, so that one application more or less does not change those.
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

    /// The application of a host, to be told something: it has its turn as soon as the network
    /// runs.
    pub fn hub_mut(&mut self, host: HostId) -> Option<&mut Hub> {
        self.make_busy(host.0);
        Some(&mut self.hosts.get_mut(host.0)?.app.as_mut()?.hub)
    }

    /// The orderly shutdown of a host begins.
    pub fn drain(&mut self, host: HostId, grace: Duration) {
        let now = self.now;
        if let Some(hub) = self.hub_mut(host) {
            hub.drain(now, now + grace);
        }
    }

    /// Whether the application of a host has come to its end.
    pub fn has_halted(&self, host: HostId) -> bool {
        self.hosts.get(host.0).is_some_and(|host| host.halted)
    }

    /// Shows `watcher` all that happens from here on: what each hub is told, and what it does.
    pub fn watch(&mut self, watcher: impl FnMut(&Happening<'_>) + 'static) {
        self.transcript.watcher = Some(Box::new(watcher));
    }

    /// A hash (FNV-1a) of all that a watcher is shown: when, to which connection of which host,
    /// what, and the bytes.
    pub fn hash(&self) -> u64 {
        self.transcript.hash()
    }

    /// What was counted so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many turns are too many without time passing: ten million, unless this says otherwise.
    pub fn set_patience(&mut self, turns: u64) {
        self.patience = turns;
    }

    /// Everything that is due until then happens, each thing at its own time; then it is `until`.
    ///
    /// # Errors
    ///
    /// [`Restless`], if hosts go on and on without time passing.
    pub fn run_until(&mut self, until: Instant) -> Result<(), Restless> {
        self.run(Some(until))?;
        self.now = self.now.max(until);
        Ok(())
    }

    /// As [`run_until`](Self::run_until), from now on for so long. Zero: what is to happen without
    /// time passing.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub fn run_for(&mut self, time: Duration) -> Result<(), Restless> {
        self.run_until(self.now + time)
    }

    /// Runs until nothing is on its way, and no host waits for a time. An application that always
    /// waits for the next one has no such end: use [`run_until`](Self::run_until) for it.
    ///
    /// # Errors
    ///
    /// [`Restless`], if there have been too many turns.
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

    /// A host has something to do.
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
