//! A host: a hub and its streams, driven by the loop that every embedder shares.
//!
//! The network is its poller and its system, with pipes in the place of sockets. A turn: each stream
//! that has become readable or writable is written and read once; the hub runs once; its actions are
//! obeyed in order. There is another turn at once if anything is left to do.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::ends::Ends;
use super::pipe::{Mark, Pipe};
use super::transcript::Happened;
use super::wire::WireEvent;
use super::{Network, SharedLink};
use crate::hub::embed::{Budgets, Interest, Ready, Streams};
use crate::hub::{ConnId, Hub};
use crate::machine::ConnectErrorKind;
use crate::time::{Instant, TimerKey};

/// The first of the ports that connections are made from.
const FIRST_PORT: u16 = 49_152;

/// One run is a turn, and a link says itself how much it takes.
const BUDGETS: Budgets = Budgets {
    sent: usize::MAX,
    sent_by_all: usize::MAX,
    sent_at_least: usize::MAX,
    received: usize::MAX,
    received_by_all: usize::MAX,
    runs: 1,
    accepts: 0,
};

pub(super) struct Host {
    /// Out of its place while it has its turn.
    pub(super) app: Option<Box<App>>,
    pub(super) link: Option<Rc<SharedLink>>,
    pub(super) halted: bool,
    /// On the network's list.
    pub(super) busy: bool,
    sockets: Vec<Option<HostSocket>>,
    /// Sockets to be read or written, each once.
    ready: VecDeque<ConnId>,
    /// When the hub wants to be woken.
    wake: Option<TimerKey>,
    ip: IpAddr,
    next_port: u16,
}

/// The application of a host. Its streams are known to it by their names alone.
pub(super) struct App {
    pub(super) hub: Hub,
    pub(super) streams: Streams<ConnId>,
}

/// What the network knows of a stream.
pub(super) struct HostSocket {
    conn: ConnId,
    /// The wire, and which end of it this is; none while it connects.
    pub(super) wire: Option<(usize, usize)>,
    pub(super) interest: Interest,
    /// The end of what it reads was seen.
    pub(super) ended: bool,
    /// On the list of those that are ready.
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

    /// Where the next connection of this host comes from.
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

    /// Takes a socket away, if it is still there. Returns its wire, if it has one.
    pub(super) fn remove_socket(&mut self, conn: ConnId) -> Option<(usize, usize)> {
        let place = self.sockets.get_mut(conn.index())?;
        place.take_if(|socket| socket.conn == conn)?.wire
    }
}

impl Network {
    /// There is something to read, or room to write.
    pub(super) fn make_ready(&mut self, host: usize, conn: ConnId) {
        let at = &mut self.hosts[host];
        let Some(socket) = at.socket(conn) else { return };
        if !core::mem::replace(&mut socket.ready, true) {
            at.ready.push_back(conn);
        }
        self.make_busy(host);
    }

    /// The pipe that a socket reads from, with what it is watched for.
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
        // Those that become ready meanwhile have their turn after the hub has run.
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

    /// As a poller reports what is ready: for as long as it is.
    fn serve(&mut self, host: usize, hub: &mut Hub, streams: &mut Streams<ConnId>, conn: ConnId) {
        let Some(socket) = self.hosts[host].socket(conn) else { return };
        socket.ready = false;
        let (ended, now) = (socket.ended, self.now);
        let Some((pipe, _)) = self.inward(host, conn) else { return };
        if ended && pipe.mark() == Some(Mark::Reset) {
            // Nobody reads it any more, but a poller tells of it all the same.
            pipe.take_mark();
            self.transcript.add(now, host, Some(conn), Happened::Reset);
            return hub.reset(now, conn);
        }
        let readable = pipe.is_readable();
        // Whether there is room shows when it is written.
        let ready = Ready { readable, writable: true, hung_up: false };
        streams.ready(hub, &mut Ends { network: self, host }, now, conn, ready);
        if let Some((pipe, interest)) = self.inward(host, conn)
            && interest.readable
            && pipe.is_readable()
        {
            self.make_ready(host, conn);
        }
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

    /// A new connection has the place of one that is gone, but whose close was not told yet.
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

    /// Its process ends: whatever it has left is closed.
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
