//! A host: a hub and its streams, driven by the loop that every embedder shares.
//!
//! The network takes the place of the poller and of the system, and pipes that of sockets. In a
//! turn, each stream that became readable or writable is written and read once; then the hub runs
//! once, and its actions are carried out in order. If anything is left to do, there is another turn
//! at once.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::ends::Ends;
use super::pipe::{Mark, Pipe};
use super::transcript::Happened;
use super::wire::{WireEnd, WireEvent};
use super::{Network, SharedLink};
use crate::hub::embed::{Budgets, Interest, Ready, Streams};
use crate::hub::{ConnId, Hub, ServiceId};
use crate::machine::{Address, ConnectErrorKind};
use crate::time::{Instant, TimerKey};

/// The first source port of outgoing connections.
const FIRST_PORT: u16 = 49_152;

/// One run is a turn; the link limits how much it takes, not the budgets.
const BUDGETS: Budgets = Budgets {
    sent: usize::MAX,
    sent_by_all: usize::MAX,
    sent_at_least: usize::MAX,
    region: usize::MAX,
    received: usize::MAX,
    received_by_all: usize::MAX,
    runs: 1,
    accepts: 0,
};

pub(super) struct Host {
    /// `None` while it has its turn.
    pub(super) app: Option<Box<App>>,
    pub(super) link: Option<Rc<SharedLink>>,
    pub(super) halted: bool,
    /// Whether it is in the network's list of busy hosts.
    pub(super) busy: bool,
    sockets: Vec<Option<HostSocket>>,
    /// Streams to be read or written, each listed once.
    ready: VecDeque<ConnId>,
    /// When the hub wants to be woken.
    wake: Option<TimerKey>,
    ip: IpAddr,
    next_port: u16,
}

/// The application of a host. It knows its streams only by their ids.
pub(super) struct App {
    pub(super) hub: Hub,
    pub(super) streams: Streams<ConnId>,
}

/// What the network knows about a stream.
pub(super) struct HostSocket {
    conn: ConnId,
    /// The wire, and which end of it this is; `None` while it connects.
    pub(super) wire: Option<(usize, usize)>,
    pub(super) interest: Interest,
    /// Its input has ended, and the hub knows it.
    pub(super) ended: bool,
    /// Whether it is in the list of ready streams.
    ready: bool,
}

impl Host {
    pub(super) fn new(id: usize, hub: Hub) -> Self {
        let [_, a, b, c] = (id as u32).wrapping_add(1).to_be_bytes();
        Host {
            app: Some(Box::new(App { hub, streams: Streams::new(BUDGETS) })),
            link: None,
            halted: false,
            busy: false,
            sockets: Vec::new(),
            ready: VecDeque::new(),
            wake: None,
            ip: Ipv4Addr::new(10, a, b, c).into(),
            next_port: FIRST_PORT,
        }
    }

    /// The source address of the next connection of this host.
    pub(super) fn next_address(&mut self) -> SocketAddr {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        SocketAddr::new(self.ip, port)
    }

    pub(super) fn socket(&mut self, conn: ConnId) -> Option<&mut HostSocket> {
        self.sockets.get_mut(conn.index())?.as_mut().filter(|socket| socket.conn == conn)
    }

    pub(super) fn add_socket(&mut self, conn: ConnId, wire: Option<(usize, usize)>) {
        if self.sockets.len() <= conn.index() {
            self.sockets.resize_with(conn.index() + 1, || None);
        }
        let interest = if wire.is_some() { Interest::READABLE } else { Interest::WRITABLE };
        self.sockets[conn.index()] =
            Some(HostSocket { conn, wire, interest, ended: false, ready: false });
    }

    /// Removes a stream, if it is still there. Returns its wire, if it has one.
    pub(super) fn remove_socket(&mut self, conn: ConnId) -> Option<(usize, usize)> {
        let place = self.sockets.get_mut(conn.index())?;
        place.take_if(|socket| socket.conn == conn)?.wire
    }
}

impl Network {
    /// Puts a stream in the list of ready streams: it can be read or written.
    pub(super) fn make_ready(&mut self, host: usize, conn: ConnId) {
        let at = &mut self.hosts[host];
        let Some(socket) = at.socket(conn) else { return };
        if !core::mem::replace(&mut socket.ready, true) {
            at.ready.push_back(conn);
        }
        self.make_busy(host);
    }

    /// The pipe that a stream reads from, with the interest of the stream.
    pub(super) fn inward(&mut self, host: usize, conn: ConnId) -> Option<(&mut Pipe, Interest)> {
        let socket = self.hosts[host].socket(conn)?;
        let ((wire, side), interest) = (socket.wire?, socket.interest);
        Some((&mut self.wires[wire].pipes[1 - side], interest))
    }

    pub(super) fn turn(&mut self, host: usize) {
        let at = &mut self.hosts[host];
        at.busy = false;
        if at.halted {
            return;
        }
        let Some(mut app) = at.app.take() else { return };
        let App { hub, streams } = &mut *app;
        self.traffic.turns += 1;
        streams.begin_round();
        // Streams that become ready meanwhile are served after the hub has run.
        for _ in 0..self.hosts[host].ready.len() {
            let Some(conn) = self.hosts[host].ready.pop_front() else { break };
            self.serve(host, hub, streams, conn);
        }
        let now = self.now;
        streams.turn(hub, &mut Ends { network: self, host }, now);
        let halted = streams.has_halted();
        let more = halted || hub.has_more() || !self.hosts[host].ready.is_empty();
        let wake = if more { None } else { hub.next_wake() };
        self.hosts[host].app = Some(app);
        match (halted, more) {
            (true, _) => self.halt(host),
            (_, true) => self.make_busy(host),
            _ => self.wake_at(host, wake),
        }
    }

    /// Lets in a connection from `end`, if the hub accepts it.
    pub(super) fn let_in(&mut self, end: WireEnd, host: usize, service: ServiceId) {
        let from = match end {
            WireEnd::Host(host, _) => Address::Socket(self.hosts[host].next_address()),
            WireEnd::Peer(peer) => Address::Socket(self.peer_address(peer)),
        };
        let app = self.hosts.get_mut(host).filter(|at| !at.halted).and_then(|at| at.app.take());
        let Some(mut app) = app else { return self.refused(end) };
        let (App { hub, streams }, now) = (&mut *app, self.now);
        let ends = &mut Ends { network: self, host };
        // A refusal was reported already.
        let _ = streams.accept_one(hub, ends, now, service, from, (end, service, from));
        self.hosts[host].app = Some(app);
        self.make_busy(host);
    }

    /// Reports a ready stream for as long as it is ready, like a (level-triggered) poller.
    fn serve(&mut self, host: usize, hub: &mut Hub, streams: &mut Streams<ConnId>, conn: ConnId) {
        let Some(socket) = self.hosts[host].socket(conn) else { return };
        socket.ready = false;
        let (ended, now) = (socket.ended, self.now);
        let Some((pipe, _)) = self.inward(host, conn) else { return };
        if ended && pipe.mark() == Some(Mark::Reset) {
            // The input is not read any more, but a poller would report it all the same.
            pipe.take_mark();
            self.transcript.add(now, host, Some(conn), Happened::Reset);
            return hub.reset(now, conn);
        }
        let readable = pipe.is_readable();
        // The write itself finds out whether there is room.
        let ready = Ready { readable, writable: true, ..Ready::default() };
        streams.ready(hub, &mut Ends { network: self, host }, now, conn, ready);
        if let Some((pipe, interest)) = self.inward(host, conn)
            && interest.readable
            && pipe.is_readable()
        {
            self.make_ready(host, conn);
        }
    }

    /// A region of a file can be sent.
    pub(super) fn region_is_ready(&mut self, host: usize, conn: ConnId) {
        let app = self.hosts.get_mut(host).filter(|at| !at.halted).and_then(|at| at.app.take());
        let Some(mut app) = app else { return };
        let (App { hub, streams }, now) = (&mut *app, self.now);
        streams.region_ready(hub, &mut Ends { network: self, host }, now, conn);
        self.hosts[host].app = Some(app);
        self.make_busy(host);
    }

    fn wake_at(&mut self, host: usize, at: Option<Instant>) {
        let key = &mut self.hosts[host].wake;
        let due = key.and_then(|key| self.due.deadline(key));
        match (*key, at) {
            _ if due == at => {}
            (Some(key), Some(at)) if due.is_some() => _ = self.due.set(key, at),
            (_, Some(at)) => *key = Some(self.due.insert(at, WireEvent::Wake(host))),
            (Some(old), None) => {
                self.due.cancel(old);
                *key = None;
            }
            (None, None) => {}
        }
    }

    /// Removes a closed connection whose index a new one reuses, but whose close was not reported
    /// yet.
    pub(super) fn vacate(&mut self, host: usize, conn: ConnId) {
        let socket = self.hosts[host].sockets.get_mut(conn.index()).and_then(Option::take);
        if let Some((wire, side)) = socket.and_then(|socket| socket.wire) {
            self.leave(wire, side);
        }
    }

    pub(super) fn connect_failed(&mut self, host: usize, conn: ConnId, why: ConnectErrorKind) {
        let now = self.now;
        let at = &mut self.hosts[host];
        if at.socket(conn).is_some() {
            self.transcript.add(now, host, Some(conn), Happened::ConnectFailed(why));
            if let Some(app) = &mut at.app {
                app.hub.connect_failed(now, conn, why);
            }
            self.make_busy(host);
        }
    }

    /// Ends the process of a host: its remaining connections are closed.
    fn halt(&mut self, host: usize) {
        self.transcript.add(self.now, host, None, Happened::Halted);
        self.hosts[host].halted = true;
        self.wake_at(host, None);
        let wires: Vec<_> = self.hosts[host].sockets.drain(..).flatten().collect();
        for (wire, side) in wires.into_iter().filter_map(|socket| socket.wire) {
            self.leave(wire, side);
        }
        self.listeners.retain(|_, listener| listener.host() != Some(host));
    }
}
