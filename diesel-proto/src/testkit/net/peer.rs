//! Peers that the test controls byte by byte.
//!
//! A call on a peer takes effect when the network runs. This file must never know a hub.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use super::pipe::Mark;
use super::wire::{WireEnd, WireListener, WireTarget};
use super::{AddressInUse, HostId, Network};
use crate::hub::{ConnId, ServiceId};

/// The far end of a connection, which the test controls. Made by [`Network::connect`] or
/// [`Network::accept`].
///
/// Example: see [`Network::connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(usize);

/// The source port of peers.
const PORT: u16 = 49_152;

/// The state of a peer's connection.
///
/// Example: see [`Network::connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// It is not made yet.
    Connecting,
    /// Nothing listened at the address, or the connection was refused.
    Refused,
    /// It is open: the other end may send more.
    Open,
    /// The other end has ended its side.
    Ended,
    /// The other end reset it, or the link did.
    Reset,
    /// The peer itself has reset it, or closed it.
    Left,
}

pub(super) struct PeerEnd {
    state: PeerState,
    wire: Option<(usize, usize)>,
    far: Option<WireEnd>,
    /// Bytes that are sent as far as there is room.
    outbox: Vec<u8>,
    /// Its own address, or the one that it was accepted at.
    address: SocketAddr,
    /// Whether its side ends once all is sent.
    ends: bool,
    /// Whether it closes once all is sent. Bytes that arrive meanwhile cause a reset.
    closes: bool,
    got: Vec<u8>,
    deaf: bool,
}

impl Network {
    /// Makes a peer that connects to an address.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::testkit::net::{Network, PeerState};
    /// use diesel_proto::{Conn, Hub};
    ///
    /// let address = "10.0.0.1:7".parse()?;
    /// let mut hub = Hub::default();
    /// let service = hub.add_service(async |mut conn: Conn| {
    ///     let line = conn.until_eol().await?;
    ///     conn.write(("you said: ", line)).await
    /// });
    ///
    /// let mut network = Network::new(1);
    /// network.host(hub, &[(service, address)])?;
    /// let peer = network.connect(address);
    /// network.send(peer, "hello\n");
    /// network.run_for(Duration::ZERO)?;
    /// assert_eq!(network.got(peer), b"you said: hello\n");
    /// assert_eq!(network.peer_state(peer), PeerState::Ended);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn connect(&mut self, address: SocketAddr) -> Peer {
        self.add_peer(WireTarget::Address(address))
    }

    /// Makes a peer that connects to a service, whatever its address is.
    pub fn connect_to(&mut self, host: HostId, service: ServiceId) -> Peer {
        self.add_peer(WireTarget::Service(host.0, service))
    }

    /// Makes the test itself listen at `address`: connections wait there until it
    /// [accepts](Self::accept) or [refuses](Self::refuse) them.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`] if something listens there already.
    pub fn listen(&mut self, address: SocketAddr) -> Result<(), AddressInUse> {
        if self.listeners.contains_key(&address) {
            return Err(AddressInUse(address));
        }
        self.listeners.insert(address, WireListener::of_test());
        Ok(())
    }

    /// From now on, the test [listens](Self::listen) at every address where nothing else listens: a
    /// connection is refused only by [`refuse`](Self::refuse).
    pub fn listen_everywhere(&mut self) {
        self.listens_everywhere = true;
    }

    /// Accepts the connection that has waited longest at an address where the test
    /// [listens](Self::listen), and returns its far end. `None` if no connection waits.
    pub fn accept(&mut self, address: SocketAddr) -> Option<Peer> {
        let end = self.next_waiting(address)?;
        let peer = self.push_peer();
        self.peers[peer].address = address;
        let wire = self.join(end, Some(WireEnd::Peer(peer)));
        self.peer_joins(peer, wire, 1);
        self.peers[peer].state = PeerState::Open;
        self.begin(wire);
        Some(Peer(peer))
    }

    /// Refuses the connection that [`accept`](Self::accept) would accept. Returns whether there was
    /// one.
    pub fn refuse(&mut self, address: SocketAddr) -> bool {
        let end = self.next_waiting(address);
        if let Some(end) = end {
            self.refused(end);
        }
        end.is_some()
    }

    fn next_waiting(&mut self, address: SocketAddr) -> Option<WireEnd> {
        loop {
            let listener = self.listeners.get_mut(&address)?;
            if listener.host().is_some() {
                return None;
            }
            let end = listener.next_in_backlog()?;
            if self.still_connects(end) {
                return Some(end);
            }
        }
    }

    /// Makes the peer send bytes, after those of earlier calls. Bytes after [`end`](Self::end) are
    /// dropped.
    pub fn send(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        let Some(end) = self.peers.get_mut(peer.0).filter(|end| !end.ends) else { return };
        end.outbox.extend_from_slice(bytes.as_ref());
        self.peer_writes(peer.0);
    }

    /// Makes the peer end its side (half-close) once it has sent all; it goes on reading.
    pub fn end(&mut self, peer: Peer) {
        let Some(end) = self.peers.get_mut(peer.0) else { return };
        end.ends = true;
        self.peer_writes(peer.0);
    }

    /// Makes the peer reset the connection.
    pub fn reset(&mut self, peer: Peer) {
        let Some(end) = self.peers.get_mut(peer.0) else { return };
        end.outbox.clear();
        end.state = PeerState::Left;
        if let Some((wire, side)) = end.wire.take() {
            if let Some(at) = self.wires.get_mut(wire) {
                at.pipes[side].put(self.now, Mark::Reset);
            }
            self.leave(wire, side);
        }
    }

    /// Makes the peer close its socket, like a client that quits: it sends what is queued, then its
    /// side ends; bytes that arrive from now on are answered with a reset. If bytes have arrived
    /// that it has not read, the connection is reset at once, and unsent bytes are lost.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::testkit::net::Network;
    /// use diesel_proto::{Conn, Hub};
    ///
    /// let address = "10.0.0.1:7".parse()?;
    /// let mut hub = Hub::default();
    /// let service = hub.add_service(async |mut conn: Conn| {
    ///     assert_eq!(&*conn.until_eol().await?, b"hello\n");
    ///     conn.write("an unsolicited answer").await?;
    ///     assert!(conn.until_eol().await.is_err());
    ///     Ok(())
    /// });
    ///
    /// let mut network = Network::new(1);
    /// network.host(hub, &[(service, address)])?;
    /// let peer = network.connect(address);
    /// network.send(peer, "hello\n");
    /// network.close(peer);
    /// network.run_for(Duration::ZERO)?;
    /// assert_eq!(network.got(peer), b"");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn close(&mut self, peer: Peer) {
        let Some(end) = self.peers.get_mut(peer.0) else { return };
        end.ends = true;
        end.closes = true;
        if let Some((wire, side)) = end.wire {
            let unread = self.wires.get(wire).is_some_and(|at| at.pipes[1 - side].has_arrived());
            if unread && !end.outbox.is_empty() {
                return self.reset(peer);
            }
        }
        self.peer_writes(peer.0);
    }

    /// The address of a peer. Each peer that connects has a different one; a peer that the test
    /// accepted has the address that was connected to. `None` if it is not a peer of this network.
    pub fn address_of(&self, peer: Peer) -> Option<SocketAddr> {
        Some(self.peers.get(peer.0)?.address)
    }

    /// Makes the peer stop reading until [`read_again`](Self::read_again).
    pub fn stop_reading(&mut self, peer: Peer) {
        if let Some(end) = self.peers.get_mut(peer.0) {
            end.deaf = true;
        }
    }

    /// Makes the peer read what has arrived meanwhile, and continue reading.
    pub fn read_again(&mut self, peer: Peer) {
        if let Some(end) = self.peers.get_mut(peer.0) {
            end.deaf = false;
            self.peer_reads(peer.0);
        }
    }

    /// The bytes that the peer received and the test has not [taken](Self::take_got).
    pub fn got(&self, peer: Peer) -> &[u8] {
        self.peers.get(peer.0).map_or(&[], |end| &end.got)
    }

    /// Takes the first `n` bytes that the peer received, or all if they are fewer.
    pub fn take_got(&mut self, peer: Peer, n: usize) -> Vec<u8> {
        self.peers.get_mut(peer.0).map_or(Vec::new(), |end| {
            let n = n.min(end.got.len());
            end.got.drain(..n).collect()
        })
    }

    /// The state of a peer's connection; `Left` if it is not a peer of this network.
    pub fn peer_state(&self, peer: Peer) -> PeerState {
        self.peers.get(peer.0).map_or(PeerState::Left, |end| end.state)
    }

    /// The host and connection at the other end, also after the connection is gone; `None` if it
    /// was never accepted.
    pub fn far_end(&self, peer: Peer) -> Option<(HostId, ConnId)> {
        match self.peers.get(peer.0)?.far? {
            WireEnd::Host(host, conn) => Some((HostId(host), conn)),
            WireEnd::Peer(_) => None,
        }
    }

    fn add_peer(&mut self, target: WireTarget) -> Peer {
        let peer = self.push_peer();
        self.reach(WireEnd::Peer(peer), target);
        Peer(peer)
    }

    fn push_peer(&mut self) -> usize {
        // In 172.16.0.0/12; hosts are in 10.0.0.0/8.
        let [_, a, b, c] = ((self.peers.len() as u32 + 1) & 0xf_ffff).to_be_bytes();
        self.peers.push(PeerEnd {
            address: SocketAddr::from((Ipv4Addr::new(172, 16 + a, b, c), PORT)),
            state: PeerState::Connecting,
            wire: None,
            far: None,
            outbox: Vec::new(),
            ends: false,
            closes: false,
            got: Vec::new(),
            deaf: false,
        });
        self.peers.len() - 1
    }

    pub(super) fn peer_connects(&self, peer: usize) -> bool {
        let end = &self.peers[peer];
        end.state == PeerState::Connecting && end.wire.is_none()
    }

    pub(super) fn peer_refused(&mut self, peer: usize) {
        self.peers[peer].state = PeerState::Refused;
    }

    pub(super) fn peer_address(&self, peer: usize) -> SocketAddr {
        self.peers[peer].address
    }

    pub(super) fn peer_joins(&mut self, peer: usize, wire: usize, side: usize) {
        self.peers[peer].wire = Some((wire, side));
        self.peers[peer].far = self.wires.get(wire).and_then(|at| at.ends[1 - side]);
    }

    /// Sends as much as there is room for.
    pub(super) fn peer_writes(&mut self, peer: usize) {
        loop {
            let end = &mut self.peers[peer];
            let Some((wire, side)) = end.wire else { return };
            if end.state == PeerState::Connecting {
                return;
            }
            let Some(at) = self.wires.get_mut(wire) else { return };
            let pipe = &mut at.pipes[side];
            if end.outbox.is_empty() {
                if end.closes {
                    end.state = PeerState::Left;
                    end.wire = None;
                    return self.leave(wire, side);
                }
                if end.ends {
                    pipe.put(self.now, Mark::End);
                    self.get_on(wire, side);
                }
                return;
            }
            let n = pipe.next_write().min(end.outbox.len());
            if n == 0 {
                pipe.writer_waits = true;
                return;
            }
            let wrote = pipe.write(self.now, &end.outbox[..n]);
            end.outbox.drain(..n);
            self.wrote(wire, side, wrote);
        }
    }

    /// Reads all that has arrived.
    pub(super) fn peer_reads(&mut self, peer: usize) {
        let end = &mut self.peers[peer];
        let Some((wire, side)) = end.wire else { return };
        let Some(at) = self.wires.get_mut(wire) else { return };
        let pipe = &mut at.pipes[1 - side];
        match pipe.mark() {
            Some(Mark::Connected) => {
                pipe.take_mark();
                end.state = PeerState::Open;
                self.peer_writes(peer);
                return self.get_on(wire, 1 - side);
            }
            Some(Mark::Reset) => {
                end.state = PeerState::Reset;
                end.wire = None;
                // Bytes that arrived before are read.
                loop {
                    let bytes = pipe.next_read();
                    if bytes.is_empty() {
                        break;
                    }
                    end.got.extend_from_slice(bytes);
                    let n = bytes.len();
                    pipe.consume(n);
                }
                return self.leave(wire, side);
            }
            Some(Mark::End) | None => {}
        }
        if end.closes && pipe.has_arrived() {
            return self.reset(Peer(peer));
        }
        if end.deaf {
            return;
        }
        loop {
            let bytes = pipe.next_read();
            if bytes.is_empty() {
                break;
            }
            end.got.extend_from_slice(bytes);
            let n = bytes.len();
            pipe.consume(n);
        }
        if pipe.take_mark() == Some(Mark::End) {
            end.state = PeerState::Ended;
        }
        self.made_room(wire, 1 - side);
    }
}
