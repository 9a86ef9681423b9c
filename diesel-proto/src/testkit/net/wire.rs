//! A wire connects two ends: how a connection is made, moves bytes, and ends.
//!
//! An end is a connection of a host, or a peer that the test controls. This file must never know
//! how ends handle what reaches them.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::file_map::FakeFile;
use super::pipe::{Mark, Pipe, Wrote};
use super::{Network, SharedLink};
use crate::hub::{ConnId, JobId, ServiceId};
use crate::machine::{ConnectErrorKind, FileAnswer, FileErrorKind, FileId, ResolveErrorKind};

/// The most connections that wait at one listener to be accepted. Further ones get no answer.
const BACKLOG: usize = 1024;

/// A connection: `pipes[0]` leads from `ends[0]`, which connected, to `ends[1]`, which was
/// listening; `pipes[1]` leads back.
pub(super) struct Wire {
    pub(super) ends: [Option<WireEnd>; 2],
    pub(super) pipes: [Pipe; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireEnd {
    Host(usize, ConnId),
    Peer(usize),
}

/// What a connection is made to.
#[derive(Clone, Copy)]
pub(super) enum WireTarget {
    Address(SocketAddr),
    Service(usize, ServiceId),
}

/// What a timer of the network is for.
pub(super) enum WireEvent {
    /// A hub asked to be run now.
    Wake(usize),
    /// Something arrives at the end of a pipe.
    Arrival { wire: usize, side: usize },
    /// The request of an end to connect reaches its target.
    Reached(WireEnd, WireTarget),
    /// An end learns that nothing listens at its target.
    Refused(WireEnd),
    /// A host learns the addresses of a name.
    Resolved(usize, JobId, Result<Vec<SocketAddr>, ResolveErrorKind>),
    /// A job of a host runs.
    JobDue(usize, JobId),
    /// A host gets the answer to its request for a file, and opens that file.
    FileAnswered(usize, JobId, Option<(FileId, FakeFile)>, Result<FileAnswer, FileErrorKind>),
    /// A region of a file, up to this offset, can be sent.
    RegionReady(usize, ConnId, u64, u64),
}

/// What listens at an address.
pub(super) struct WireListener {
    owner: Owner,
    stopped: bool,
    backlog: VecDeque<WireEnd>,
}

#[derive(Clone, Copy)]
enum Owner {
    Service(usize, ServiceId),
    /// The test itself.
    Test,
}

impl WireListener {
    pub(super) fn new(host: usize, service: ServiceId) -> Self {
        let owner = Owner::Service(host, service);
        WireListener { owner, stopped: false, backlog: VecDeque::new() }
    }

    /// A listener whose connections wait for the test to accept them.
    pub(super) fn of_test() -> Self {
        WireListener { owner: Owner::Test, stopped: true, backlog: VecDeque::new() }
    }

    pub(super) fn host(&self) -> Option<usize> {
        match self.owner {
            Owner::Service(host, _) => Some(host),
            Owner::Test => None,
        }
    }

    pub(super) fn next_in_backlog(&mut self) -> Option<WireEnd> {
        self.backlog.pop_front()
    }
}

impl Network {
    pub(super) fn fall_due(&mut self, due: WireEvent) {
        match due {
            WireEvent::Wake(host) => self.make_busy(host),
            WireEvent::Arrival { wire, side } => {
                if let Some(at) = self.wires.get_mut(wire) {
                    at.pipes[side].timer = None;
                    self.get_on(wire, side);
                }
            }
            WireEvent::Reached(end, target) => self.reached(end, target),
            WireEvent::Refused(end) => self.refused(end),
            WireEvent::Resolved(host, job, addresses) => self.resolved(host, job, addresses),
            WireEvent::JobDue(host, job) => self.job_due(host, job),
            WireEvent::FileAnswered(host, job, opens, answer) => {
                self.file_answered(host, job, opens, answer);
            }
            WireEvent::RegionReady(host, conn, id, end) => self.region_ready(host, conn, id, end),
        }
    }

    /// The request of an end to connect reaches its target.
    pub(super) fn reach(&mut self, end: WireEnd, target: WireTarget) {
        let there = self.options_of(end).there.clone();
        let latency = super::options::draw_duration(&there.latency, &mut self.random);
        self.due.insert(self.now + latency, WireEvent::Reached(end, target));
    }

    fn options_of(&self, end: WireEnd) -> Rc<SharedLink> {
        match end {
            WireEnd::Host(host, _) => self.hosts[host].link.as_ref().unwrap_or(&self.link).clone(),
            WireEnd::Peer(_) => self.link.clone(),
        }
    }

    fn reached(&mut self, end: WireEnd, target: WireTarget) {
        if !self.still_connects(end) {
            return;
        }
        let address = match target {
            WireTarget::Service(host, service) => return self.let_in(end, host, service),
            WireTarget::Address(address) => address,
        };
        if self.listens_everywhere {
            self.listeners.entry(address).or_insert_with(WireListener::of_test);
        }
        match self.listeners.get_mut(&address) {
            None => {
                let back = self.options_of(end).back.clone();
                let latency = super::options::draw_duration(&back.latency, &mut self.random);
                self.due.insert(self.now + latency, WireEvent::Refused(end));
            }
            Some(listener) if listener.stopped => {
                if listener.backlog.len() < BACKLOG {
                    listener.backlog.push_back(end);
                }
            }
            Some(listener) => {
                if let Owner::Service(host, service) = listener.owner {
                    self.let_in(end, host, service);
                }
            }
        }
    }

    pub(super) fn refused(&mut self, end: WireEnd) {
        self.traffic.refused += 1;
        match end {
            WireEnd::Host(host, conn) => self.connect_failed(host, conn, ConnectErrorKind::Refused),
            WireEnd::Peer(peer) => self.peer_refused(peer),
        }
    }

    /// Whether an end still wants to connect.
    pub(super) fn still_connects(&mut self, end: WireEnd) -> bool {
        match end {
            WireEnd::Host(host, conn) => {
                self.hosts[host].socket(conn).is_some_and(|socket| socket.wire.is_none())
            }
            WireEnd::Peer(peer) => self.peer_connects(peer),
        }
    }

    /// Makes a connection from `end`, and reports it to `end`.
    pub(super) fn join(&mut self, end: WireEnd, accepted: Option<WireEnd>) -> usize {
        self.traffic.connections += 1;
        let options = self.options_of(end);
        let there = Pipe::new(options.there.clone(), self.random.fork());
        let mut back = Pipe::new(options.back.clone(), self.random.fork());
        back.put(self.now, Mark::Connected);
        let wire = self.wires.insert(Wire { ends: [Some(end), accepted], pipes: [there, back] });
        match end {
            WireEnd::Host(host, conn) => {
                if let Some(socket) = self.hosts[host].socket(conn) {
                    socket.wire = Some((wire, 0));
                }
            }
            WireEnd::Peer(peer) => self.peer_joins(peer, wire, 0),
        }
        wire
    }

    /// Starts to move the bytes of a new connection. (It may fail before the first byte.)
    pub(super) fn begin(&mut self, wire: usize) {
        for side in [1, 0] {
            let Some(at) = self.wires.get_mut(wire) else { return };
            let failed = at.pipes[side].fail(self.now);
            self.wrote(wire, side, Wrote { stalled: false, failed });
        }
    }

    /// Handles the effects of a write into a pipe.
    pub(super) fn wrote(&mut self, wire: usize, side: usize, wrote: Wrote) {
        self.traffic.stalls += u64::from(wrote.stalled);
        match wrote.failed {
            Some(Mark::Reset) => {
                self.traffic.resets += 1;
                self.wires[wire].pipes[1 - side].put(self.now, Mark::Reset);
                self.get_on(wire, 1 - side);
            }
            Some(_) => self.traffic.half_closes += 1,
            None => {}
        }
        self.get_on(wire, side);
    }

    /// Lets arrive what is due in a pipe, notifies the reader, and sets a timer for the rest.
    pub(super) fn get_on(&mut self, wire: usize, side: usize) {
        let now = self.now;
        let Some(at) = self.wires.get_mut(wire) else { return };
        let pipe = &mut at.pipes[side];
        let arrived = pipe.arrive(now);
        if let Some(next) = pipe.next_arrival().filter(|next| *next > now)
            && pipe.timer.is_none()
        {
            pipe.timer = Some(self.due.insert(next, WireEvent::Arrival { wire, side }));
        }
        if !arrived {
            return;
        }
        match at.ends[1 - side] {
            Some(WireEnd::Host(host, conn)) => self.make_ready(host, conn),
            Some(WireEnd::Peer(peer)) => self.peer_reads(peer),
            None => {
                pipe.take_mark();
                if pipe.discard() {
                    // The reader is gone: the sender gets a reset.
                    at.pipes[1 - side].put(now, Mark::Reset);
                    self.get_on(wire, 1 - side);
                }
                self.get_on(wire, side);
            }
        }
    }

    /// Notifies the writer of a pipe that there is room.
    pub(super) fn made_room(&mut self, wire: usize, side: usize) {
        let Wire { ends, pipes } = &mut self.wires[wire];
        let pipe = &mut pipes[side];
        if pipe.room() == 0 || !core::mem::take(&mut pipe.writer_waits) {
            return;
        }
        match ends[side] {
            Some(WireEnd::Host(host, conn)) => self.make_ready(host, conn),
            Some(WireEnd::Peer(peer)) => self.peer_writes(peer),
            None => {}
        }
    }

    /// Handles an end that is gone: its stream was closed.
    pub(super) fn leave(&mut self, wire: usize, side: usize) {
        let Some(at) = self.wires.get_mut(wire) else { return };
        at.ends[side] = None;
        at.pipes[1 - side].take_mark();
        let unread = at.pipes[1 - side].discard();
        let mark = if unread { Mark::Reset } else { Mark::End };
        at.pipes[side].put(self.now, mark);
        if at.ends[1 - side].is_none() {
            let keys = at.pipes.each_ref().map(|pipe| pipe.timer);
            self.wires.remove(wire);
            for key in keys.into_iter().flatten() {
                self.due.cancel(key);
            }
            return;
        }
        self.get_on(wire, side);
        // Parts that waited until this end had seen a mark can arrive now.
        self.get_on(wire, 1 - side);
    }

    pub(super) fn stop_accepting(&mut self, host: usize, service: ServiceId, stop: bool) {
        let owned = |listener: &WireListener| matches!(listener.owner, Owner::Service(h, s) if h == host && s == service);
        let mut waiting = VecDeque::new();
        for listener in self.listeners.values_mut().filter(|listener| owned(listener)) {
            listener.stopped = stop;
            if !stop {
                waiting.append(&mut listener.backlog);
            }
        }
        // Waiting connections try again, in order: there may be room for only some of them.
        let address = self.listeners.iter().find(|(_, listener)| owned(listener));
        let Some(address) = address.map(|(address, _)| *address) else { return };
        for end in waiting {
            self.due.insert(self.now, WireEvent::Reached(end, WireTarget::Address(address)));
        }
    }
}
