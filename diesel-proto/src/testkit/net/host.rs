//! A host: a hub and its streams, driven by the hub's contract.
//!
//! This is what an embedder writes around a system's sockets, with pipes in their place. A turn:
//! each stream that has become readable or writable is read or written once; the hub runs once; its
//! actions are obeyed in order. There is another turn at once if anything is left to do.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::pipe::Mark;
use super::transcript::What;
use super::wire::{Due, End, Target};
use super::{Network, Options};
use crate::{Action, Address, ConnId, ConnectErrorKind, Hub, Instant, TimerKey};

/// The first of the ports that connections are made from.
const FIRST_PORT: u16 = 49_152;

pub(super) struct Host {
    pub(super) hub: Hub,
    pub(super) link: Option<Rc<Options>>,
    pub(super) halted: bool,
    /// On the network's list.
    pub(super) busy: bool,
    sockets: Vec<Option<Socket>>,
    /// Sockets to be read or written, each once.
    ready: VecDeque<ConnId>,
    /// When the hub wants to be woken.
    wake: Option<TimerKey>,
    ip: IpAddr,
    next_port: u16,
}

pub(super) struct Socket {
    conn: ConnId,
    /// The wire, and which end of it this is; none while it connects.
    pub(super) wire: Option<(usize, usize)>,
    connecting: bool,
    paused: bool,
    /// Not all that is outgoing was taken.
    wants_write: bool,
    /// On the list of those that are ready.
    ready: bool,
}

impl Host {
    pub(super) fn new(id: usize, hub: Hub) -> Self {
        let [_, a, b, c] = (id as u32).wrapping_add(1).to_be_bytes();
        Host {
            hub,
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

    pub(super) fn socket(&mut self, conn: ConnId) -> Option<&mut Socket> {
        self.sockets.get_mut(conn.index())?.as_mut().filter(|socket| socket.conn == conn)
    }

    pub(super) fn add_socket(&mut self, conn: ConnId, wire: Option<(usize, usize)>) {
        if self.sockets.len() <= conn.index() {
            self.sockets.resize_with(conn.index() + 1, || None);
        }
        self.sockets[conn.index()] = Some(Socket {
            conn,
            wire,
            connecting: wire.is_none(),
            paused: false,
            wants_write: false,
            ready: false,
        });
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

    pub(super) fn turn(&mut self, host: usize) {
        let at = &mut self.hosts[host];
        at.busy = false;
        if at.halted {
            return;
        }
        self.traffic.turns += 1;
        // Those that become ready meanwhile have their turn after the hub has run.
        for _ in 0..at.ready.len() {
            let Some(conn) = self.hosts[host].ready.pop_front() else { break };
            self.serve(host, conn);
        }

        let mut actions = core::mem::take(&mut self.actions);
        self.hosts[host].hub.run(self.now, &mut actions);
        for action in actions.drain(..) {
            self.obey(host, action);
        }
        self.actions = actions;

        let at = &mut self.hosts[host];
        if at.halted {
            return;
        }
        if at.hub.has_more() || !at.ready.is_empty() {
            return self.make_busy(host);
        }
        let wake = at.hub.next_wake();
        self.wake_at(host, wake);
    }

    fn wake_at(&mut self, host: usize, at: Option<Instant>) {
        let key = &mut self.hosts[host].wake;
        let due = key.and_then(|key| self.due.deadline(key));
        match (*key, at) {
            _ if due == at => {}
            (Some(key), Some(at)) if due.is_some() => _ = self.due.set(key, at),
            (_, Some(at)) => *key = Some(self.due.insert(at, Due::Wake(host))),
            (Some(old), None) => {
                self.due.cancel(old);
                *key = None;
            }
            (None, None) => {}
        }
    }

    /// One write and one read, as far as the stream is writable and readable.
    fn serve(&mut self, host: usize, conn: ConnId) {
        let Some(socket) = self.hosts[host].socket(conn) else { return };
        socket.ready = false;
        let wants_write = socket.wants_write;
        if wants_write {
            self.send_outgoing(host, conn);
        }
        self.receive(host, conn);
    }

    fn receive(&mut self, host: usize, conn: ConnId) {
        let now = self.now;
        let at = &mut self.hosts[host];
        let Some(socket) = at.socket(conn) else { return };
        let Some((wire, side)) = socket.wire else { return };
        let paused = socket.paused;
        let pipe = &mut self.wires[wire].pipes[1 - side];
        if pipe.mark() == Some(Mark::Connected) {
            pipe.take_mark();
            if core::mem::take(&mut socket.connecting) {
                self.transcript.add(now, host, Some(conn), What::Connected);
                at.hub.connected(now, conn);
            }
            return self.get_on(wire, 1 - side);
        }
        if pipe.has_arrived() && !paused {
            let bytes = pipe.next_read();
            let taken = at.hub.received(now, conn, bytes).min(bytes.len());
            if taken > 0 {
                self.traffic.reads += 1;
                self.traffic.bytes += taken as u64;
                self.transcript.add(now, host, Some(conn), What::Received(&bytes[..taken]));
            }
            let all = taken == bytes.len();
            pipe.consume(taken);
            if let Some(socket) = at.socket(conn) {
                // The hub says when to go on.
                socket.paused |= !all;
            }
            self.made_room(wire, 1 - side);
        } else if !pipe.has_arrived() && !paused && pipe.mark() == Some(Mark::End) {
            pipe.take_mark();
            self.transcript.add(now, host, Some(conn), What::Eof);
            at.hub.eof(now, conn);
        } else if !paused && pipe.mark() == Some(Mark::Reset) {
            pipe.take_mark();
            self.transcript.add(now, host, Some(conn), What::Reset);
            at.hub.reset(now, conn);
            return;
        }
        let pipe = &self.wires[wire].pipes[1 - side];
        if !paused && (pipe.has_arrived() || pipe.mark().is_some()) {
            self.make_ready(host, conn);
        }
    }

    /// Writes what the stream takes.
    fn send_outgoing(&mut self, host: usize, conn: ConnId) {
        let now = self.now;
        loop {
            let at = &mut self.hosts[host];
            let Some(socket) = at.socket(conn) else { return };
            let Some((wire, side)) = socket.wire else { return };
            if self.wires[wire].pipes[1 - side].mark() == Some(Mark::Reset) {
                // As sockets do it: writing fails, and what arrived before is still to be read.
                if at.hub.outgoing(conn, |_| ()).is_some() {
                    self.transcript.add(now, host, Some(conn), What::WriteFailed);
                    at.hub.write_failed(now, conn);
                }
                self.wants_write(host, conn, false);
                return self.make_ready(host, conn);
            }
            let pipe = &mut self.wires[wire].pipes[side];
            let room = pipe.next_write();
            let bytes = &mut self.bytes;
            let all = at.hub.outgoing(conn, |slices| {
                bytes.clear();
                for slice in slices {
                    bytes.extend_from_slice(&slice[..slice.len().min(room - bytes.len())]);
                }
                slices.iter().map(|slice| slice.len()).sum::<usize>()
            });
            let Some(all) = all else {
                self.wants_write(host, conn, false);
                return;
            };
            let n = bytes.len();
            if n > 0 {
                self.traffic.writes += 1;
                self.transcript.add(now, host, Some(conn), What::Sent(bytes));
            }
            let wrote = pipe.write(now, bytes);
            pipe.writer_waits = n < all;
            let writable = pipe.room() > 0;
            let left = at.hub.sent(now, conn, n as u64);
            self.wants_write(host, conn, n < all);
            if n < all && writable {
                self.make_ready(host, conn);
            }
            self.wrote(wire, side, wrote);
            if n < all || left == 0 {
                return;
            }
        }
    }

    fn wants_write(&mut self, host: usize, conn: ConnId, wants: bool) {
        if let Some(socket) = self.hosts[host].socket(conn) {
            socket.wants_write = wants;
        }
    }

    fn obey(&mut self, host: usize, action: Action) {
        match action {
            Action::Send(conn) => self.send_outgoing(host, conn),
            Action::Pause(conn) => {
                if let Some(socket) = self.hosts[host].socket(conn) {
                    socket.paused = true;
                }
            }
            Action::Resume(conn) => {
                if let Some(socket) = self.hosts[host].socket(conn) {
                    socket.paused = false;
                }
                self.make_ready(host, conn);
            }
            Action::HalfClose(conn) => {
                self.transcript.add(self.now, host, Some(conn), What::HalfClosed);
                let wire = self.hosts[host].socket(conn).and_then(|socket| socket.wire);
                if let Some((wire, side)) = wire {
                    self.wires[wire].pipes[side].put(self.now, Mark::End);
                    self.get_on(wire, side);
                }
            }
            Action::Close(conn, cause) => {
                self.end_stream(host, conn, crate::End::Close(cause));
            }
            Action::Abort(conn, cause) => {
                self.end_stream(host, conn, crate::End::Abort(cause));
            }
            Action::ReportUnacked(conn) => {
                // What has arrived, but was not read, may be acknowledged by a system; not here.
                let wire = self.hosts[host].socket(conn).and_then(|socket| socket.wire);
                if let Some((wire, side)) = wire {
                    let held = self.wires[wire].pipes[side].held() as u64;
                    self.hosts[host].hub.unacked(self.now, conn, held);
                }
            }
            Action::Connect(conn, address) => {
                self.transcript.add(self.now, host, Some(conn), What::Connects(address));
                self.vacate(host, conn);
                self.hosts[host].add_socket(conn, None);
                match address {
                    Address::Socket(address) => {
                        self.reach(End::Host(host, conn), Target::Address(address));
                    }
                    _ => self.connect_failed(host, conn, ConnectErrorKind::Unsupported),
                }
            }
            Action::StopAccepting(service) => self.stop_accepting(host, service, true),
            Action::ResumeAccepting(service) => self.stop_accepting(host, service, false),
            Action::Notice(_, notice) => {
                self.transcript.add(self.now, host, None, What::Notice(&notice));
            }
            Action::Halt => self.halt(host),
        }
    }

    /// A new connection has the place of one that is gone, but whose close was not told yet.
    pub(super) fn vacate(&mut self, host: usize, conn: ConnId) {
        let socket = self.hosts[host].sockets.get_mut(conn.index()).and_then(Option::take);
        if let Some((wire, side)) = socket.and_then(|socket| socket.wire) {
            self.leave(wire, side);
        }
    }

    fn end_stream(&mut self, host: usize, conn: ConnId, end: crate::End) {
        let what = match end {
            crate::End::Close(cause) => What::Closed(cause),
            crate::End::Abort(cause) => What::Aborted(cause),
        };
        self.transcript.add(self.now, host, Some(conn), what);
        let at = &mut self.hosts[host];
        let Some(socket) = at.socket(conn) else { return };
        let wire = socket.wire;
        at.sockets[conn.index()] = None;
        if let Some((wire, side)) = wire {
            if end.is_abort() {
                self.wires[wire].pipes[side].put(self.now, Mark::Reset);
            }
            self.leave(wire, side);
        }
    }

    pub(super) fn connect_failed(&mut self, host: usize, conn: ConnId, why: ConnectErrorKind) {
        let at = &mut self.hosts[host];
        if at.socket(conn).is_some() {
            self.transcript.add(self.now, host, Some(conn), What::ConnectFailed(why));
            at.hub.connect_failed(self.now, conn, why);
            self.make_busy(host);
        }
    }

    /// Its process ends: whatever it has left is closed.
    fn halt(&mut self, host: usize) {
        self.transcript.add(self.now, host, None, What::Halted);
        self.hosts[host].halted = true;
        self.wake_at(host, None);
        let wires: Vec<_> = self.hosts[host].sockets.drain(..).flatten().collect();
        for (wire, side) in wires.into_iter().filter_map(|socket| socket.wire) {
            self.leave(wire, side);
        }
        self.listeners.retain(|_, listener| listener.host() != Some(host));
    }
}
