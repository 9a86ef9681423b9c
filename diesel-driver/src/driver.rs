//! The loop: wait, tell the hub what happened, obey.
//!
//! After every few events the hub runs and its actions are obeyed, before the next are looked at: so
//! the answer to what was read goes out while it is still in the cache, one scratch buffer serves
//! every connection, and what is read is held in few blocks, however many connections are ready.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_proto::{Action, Address, ConnId, ConnectErrorKind, Hub, Instant, ServiceId};
use log::Level;
use polling::{Event, Events, Poller};
use socket2::Socket;

use crate::clock::Clock;
use crate::connect::{self, Outcome};
use crate::journal::Journal;
use crate::key::{Generations, Key, Source};
use crate::listen::{Accepted, ListenOptions, Listener};
use crate::registered::{Interest, Registered};
use crate::signals::Signals;
use crate::socket::{Received, Sent, Stream};

/// Bytes of one read.
const SCRATCH: usize = 64 << 10;
/// Bytes that one stream is sent before the sockets are looked at again: a peer that takes whatever
/// comes, and a machine that always has more, must not keep others waiting.
const SENT_PER_ROUND: usize = 128 << 10;
/// Events that the hub is told before it runs. One at a time, reading, running and writing drive
/// each other's code out of the cache; with many, the data go. (Measured: 8 is 5 to 9 per cent
/// faster than 1, and than 64, over 64 and 1000 connections.)
const EVENTS_PER_TURN: usize = 8;
/// Runs of the hub before the sockets are looked at again: a fiber that is always ready must not
/// keep the peers of others waiting.
const RUNS_PER_TURN: usize = 16;
/// Connections accepted, of one listening socket, before others have their turn. The hub runs after
/// them, not after each: under load one run takes as long as a hundred accepts.
const ACCEPTS: usize = 64;

/// How long the hub counts the time of day by itself: the clock on the wall may be set meanwhile.
const TIME_OF_DAY: Duration = Duration::from_secs(5);

pub(crate) struct Driver {
    poller: Arc<Poller>,
    clock: Clock,
    journal: Journal,
    listeners: Vec<Listener>,
    streams: Vec<Option<Stream>>,
    generations: Generations,
    scratch: Box<[u8]>,
    actions: Vec<Action>,
    /// Connections for which there was no descriptor, until one was closed: begun in the next run.
    again: Vec<Again>,
    /// How often the sockets were looked at.
    round: u64,
    /// The hub said so: whatever turn that was in, the next one says it again.
    halted: bool,
}

/// A connection that is to be begun again.
struct Again {
    conn: ConnId,
    address: SocketAddr,
    /// The hub has run since.
    is_due: bool,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    Halt,
}

impl Driver {
    pub(crate) fn new(poller: Arc<Poller>) -> Self {
        let clock = Clock::start();
        Driver {
            poller,
            clock,
            journal: Journal::new(clock),
            listeners: Vec::new(),
            streams: Vec::new(),
            generations: Generations::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            actions: Vec::new(),
            again: Vec::new(),
            round: 0,
            halted: false,
        }
    }

    pub(crate) fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    pub(crate) fn poller(&self) -> &Arc<Poller> {
        &self.poller
    }

    pub(crate) fn listen(
        &mut self,
        service: ServiceId,
        listener: std::net::TcpListener,
        options: ListenOptions,
    ) -> io::Result<()> {
        let key = Key::of_listener(self.listeners.len()).ok_or(io::ErrorKind::OutOfMemory)?;
        self.listeners.push(Listener::new(service, listener, options, &self.poller, key)?);
        Ok(())
    }

    pub(crate) fn local_addr(&self, service: ServiceId) -> io::Result<SocketAddr> {
        let listener = self.listeners.iter().find(|listener| listener.service == service);
        listener.ok_or(io::ErrorKind::NotFound)?.local_addr()
    }

    /// Runs until the hub halts, or a second request to halt comes.
    pub(crate) fn run(
        &mut self,
        hub: &mut Hub,
        grace: Duration,
        halt: &AtomicBool,
        signals: bool,
    ) -> io::Result<()> {
        let mut signals = if signals { Some(Signals::register(&self.poller)?) } else { None };
        let mut events = Events::new();
        let mut halting = false;
        let now = self.clock.now();
        let mut told_time = now;
        hub.time_of_day(now, Clock::unix_seconds());
        // One that came before there was anything to wake.
        if halt.swap(false, Ordering::Relaxed) {
            hub.drain(now, now + grace);
        }
        if self.turn(hub, now)? == Flow::Halt {
            return Ok(());
        }
        loop {
            events.clear();
            self.round += 1;
            match self.poller.wait(&mut events, self.timeout(hub)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = self.clock.now();
            if now - told_time >= TIME_OF_DAY {
                told_time = now;
                hub.time_of_day(now, Clock::unix_seconds());
            }
            let mut told = 0;
            for event in events.iter() {
                if Key::source(event.key) == Source::Signals {
                    let came = signals.as_mut().map_or(0, Signals::take);
                    if came > 1 || (came == 1 && halting) {
                        let words = format_args!("second signal: stopping at once");
                        self.journal.own(Level::Warn, "signal", words);
                        self.streams.iter().flatten().for_each(Stream::reset_on_close);
                        return Ok(());
                    }
                    halting |= came == 1;
                    halt.fetch_or(came == 1, Ordering::Relaxed);
                } else {
                    self.happened(hub, now, event)?;
                    told += 1;
                    if told % EVENTS_PER_TURN == 0 && self.turn(hub, now)? == Flow::Halt {
                        return Ok(());
                    }
                }
            }
            if halt.swap(false, Ordering::Relaxed) {
                hub.drain(now, now + grace);
            }
            for listener in &mut self.listeners {
                listener.rested(now, &mut self.journal)?;
            }
            self.journal.catch_up(now);
            if self.turn(hub, now)? == Flow::Halt {
                return Ok(());
            }
        }
    }

    fn timeout(&self, hub: &Hub) -> Option<Duration> {
        let rest = self.listeners.iter().filter_map(Listener::resting_until);
        rest.chain(hub.next_wake()).chain(self.journal.due()).min().map(|at| self.clock.until(at))
    }

    /// Runs the hub and obeys, until there is nothing to do, or others have to have their turn; then
    /// the hub is to be woken at once.
    fn turn(&mut self, hub: &mut Hub, now: Instant) -> io::Result<Flow> {
        for _ in 0..RUNS_PER_TURN {
            if self.halted {
                return Ok(Flow::Halt);
            }
            // Handlers may have computed for long since the clock was read.
            let now = if hub.needs_time() { self.clock.now() } else { now };
            let mut actions = std::mem::take(&mut self.actions);
            self.again.iter_mut().for_each(|again| again.is_due = true);
            hub.run(now, &mut actions);
            self.journal.hub_ran();
            for action in actions.drain(..) {
                self.obey(hub, now, action)?;
            }
            self.actions = actions;
            self.connect_again(hub, now);
            if !hub.has_more() {
                break;
            }
        }
        Ok(if self.halted { Flow::Halt } else { Flow::GoOn })
    }

    /// Begins those connections for which there should be a descriptor now.
    fn connect_again(&mut self, hub: &mut Hub, now: Instant) {
        while let Some(at) = self.again.iter().position(|again| again.is_due) {
            let Again { conn, address, .. } = self.again.remove(at);
            match connect::begin(address) {
                Ok(socket) => self.add(hub, now, conn, socket, true),
                Err(why) => hub.connect_failed(now, conn, why),
            }
        }
    }

    fn happened(&mut self, hub: &mut Hub, now: Instant, event: Event) -> io::Result<()> {
        let key = match Key::source(event.key) {
            Source::Conn(key) => key,
            Source::Listener(index) => return self.accept(hub, now, index),
            Source::Signals => return Ok(()),
        };
        let Some(Some(stream)) = self.streams.get_mut(key.index()) else { return Ok(()) };
        if stream.key() != key {
            // Reported before its connection was closed, whose place this one has.
            return Ok(());
        }
        let conn = stream.conn;
        if stream.connecting {
            self.connected(hub, now, conn, event.is_interrupt());
            return Ok(());
        }
        if event.readable && stream.wants_read() {
            match stream.receive(&mut self.scratch) {
                Received::Bytes(n) => {
                    let bytes = &self.scratch[..n];
                    let taken = hub.received(now, conn, bytes);
                    if taken < n {
                        // It paused since the last turn: it says when to go on.
                        let rest = bytes[taken..].to_vec();
                        self.with(hub, now, conn, |stream| stream.keep(rest));
                    }
                }
                Received::Nothing => {}
                Received::Eof => hub.eof(now, conn),
                Received::Reset => hub.reset(now, conn),
            }
        }
        if event.writable {
            self.send(hub, now, conn);
        }
        Ok(())
    }

    fn accept(&mut self, hub: &mut Hub, now: Instant, index: usize) -> io::Result<()> {
        for _ in 0..ACCEPTS {
            let Some(listener) = self.listeners.get_mut(index) else { return Ok(()) };
            let service = listener.service;
            // At a limit they wait with the system, until the hub says to go on.
            if !hub.may_accept(service) {
                return Ok(());
            }
            match listener.accept(now, &mut self.journal)? {
                Accepted::Nothing => return Ok(()),
                // The connection that has been idle for longest makes room, if one is.
                Accepted::Exhausted => {
                    if !hub.make_room(now) || self.turn(hub, now)? == Flow::Halt {
                        return Ok(());
                    }
                }
                Accepted::Lost => {}
                Accepted::One(socket, peer) => match hub.accept(now, service, peer.into()) {
                    Ok(conn) => self.add(hub, now, conn, socket, false),
                    Err(refused) => {
                        let words = format_args!("{peer} refused: {refused}");
                        self.journal.own(Level::Debug, "refused", words);
                    }
                },
            }
        }
        Ok(())
    }

    /// Takes a socket into the table. One that cannot be watched is as good as reset.
    fn add(&mut self, hub: &mut Hub, now: Instant, conn: ConnId, socket: Socket, connecting: bool) {
        let interest = if connecting { Interest::WRITABLE } else { Interest::READABLE };
        let key = self.generations.next_key(conn.index());
        let key = key.ok_or_else(|| io::ErrorKind::OutOfMemory.into());
        match key.and_then(|key| Registered::new(socket, &self.poller, key, interest)) {
            Ok(registered) => {
                if self.streams.len() <= conn.index() {
                    self.streams.resize_with(conn.index() + 1, || None);
                }
                self.streams[conn.index()] = Some(Stream::new(conn, registered, connecting));
            }
            Err(error) => {
                let words = format_args!("cannot watch a socket: {error}");
                self.journal.own(Level::Warn, "watch", words);
                match connecting {
                    true => hub.connect_failed(now, conn, connect::kind_of(&error)),
                    false => hub.reset(now, conn),
                }
            }
        }
    }

    fn obey(&mut self, hub: &mut Hub, now: Instant, action: Action) -> io::Result<()> {
        match action {
            Action::Send(conn) => self.send(hub, now, conn),
            Action::Pause(conn) => self.with(hub, now, conn, |stream| stream.pause(true)),
            Action::Resume(conn) => self.resume(hub, now, conn),
            Action::HalfClose(conn) => self.with(hub, now, conn, |stream| stream.half_close()),
            Action::Close(conn, _) => self.close(now, conn)?,
            Action::Abort(conn, _) => {
                if let Some(stream) = self.stream(conn) {
                    stream.reset_on_close();
                    self.close(now, conn)?;
                }
            }
            Action::ReportUnacked(conn) => {
                // If the system does not tell, the peer is measured by what the socket took.
                if let Some(Ok(n)) = self.stream(conn).map(|stream| stream.unacked()) {
                    hub.unacked(now, conn, n);
                }
            }
            Action::Connect(conn, Address::Socket(address)) => match connect::begin(address) {
                Ok(socket) => self.add(hub, now, conn, socket, true),
                // Again once that one is closed.
                Err(ConnectErrorKind::OutOfResources) if hub.make_room(now) => {
                    self.again.push(Again { conn, address, is_due: false });
                }
                Err(why) => hub.connect_failed(now, conn, why),
            },
            Action::Connect(conn, _) => {
                hub.connect_failed(now, conn, ConnectErrorKind::Unsupported);
            }
            Action::StopAccepting(service) => self.stop(now, service, true)?,
            Action::ResumeAccepting(service) => self.stop(now, service, false)?,
            Action::Notice(service, notice) => self.journal.tell(hub, service, notice),
            Action::Halt => self.halted = true,
            other => {
                let words = format_args!("an action that this driver does not know: {other:?}");
                self.journal.own(Level::Error, "action", words);
            }
        }
        Ok(())
    }

    fn close(&mut self, now: Instant, conn: ConnId) -> io::Result<()> {
        self.again.retain(|again| again.conn != conn);
        if self.stream(conn).is_some() {
            self.streams[conn.index()] = None;
            // There is a descriptor again for those who wait for one.
            let mut listeners = self.listeners.iter_mut();
            return listeners.try_for_each(|listener| listener.go_on(now, &mut self.journal));
        }
        Ok(())
    }

    /// Goes on reading: with what was not taken, if anything was not.
    fn resume(&mut self, hub: &mut Hub, now: Instant, conn: ConnId) {
        let Some(stream) = self.stream(conn) else { return };
        let mut kept = stream.take_kept();
        if !kept.is_empty() {
            let taken = hub.received(now, conn, &kept);
            kept.drain(..taken.min(kept.len()));
        }
        self.with(hub, now, conn, |stream| match kept.is_empty() {
            true => stream.pause(false),
            false => stream.keep(kept),
        });
    }

    /// Writes what the socket takes, up to the budget of this round: then the poller says again that
    /// it is writable.
    fn send(&mut self, hub: &mut Hub, now: Instant, conn: ConnId) {
        let round = self.round;
        let wait = loop {
            let Some(stream) = self.stream(conn) else { return };
            let room = SENT_PER_ROUND.saturating_sub(stream.sent_in(round));
            if room == 0 {
                let more = hub.outgoing(conn, |_| ()).is_some() || hub.external(conn).is_some();
                if more {
                    // It may be that the socket takes no more: the hub has to know that it waits.
                    hub.sent(now, conn, 0);
                }
                break more;
            }
            let written = hub.outgoing(conn, |slices| {
                let all: usize = slices.iter().map(|slice| slice.len()).sum();
                (stream.send(slices, room), all.min(room))
            });
            match written {
                None if hub.external(conn).is_some() => {
                    let words = format_args!("this driver cannot send regions: {conn:?} is cut");
                    self.journal.own(Level::Error, "region", words);
                    return hub.reset(now, conn);
                }
                None => break false,
                Some((Sent::Failed, _)) => {
                    hub.write_failed(now, conn);
                    break false;
                }
                Some((Sent::Bytes(n), all)) => {
                    stream.count_sent(n);
                    let left = hub.sent(now, conn, n as u64);
                    if n < all {
                        break true;
                    }
                    if left == 0 {
                        break false;
                    }
                }
            }
        };
        self.with(hub, now, conn, |stream| stream.wait_writable(wait));
    }

    /// Something happened to a socket that connects. `hung_up`: it does not any more.
    fn connected(&mut self, hub: &mut Hub, now: Instant, conn: ConnId, hung_up: bool) {
        let Some(stream) = self.stream(conn) else { return };
        match connect::outcome(stream.socket()) {
            Outcome::Connected => match stream.connected() {
                Ok(()) => hub.connected(now, conn),
                Err(error) => hub.connect_failed(now, conn, connect::kind_of(&error)),
            },
            Outcome::UnderWay if hung_up => {
                hub.connect_failed(now, conn, ConnectErrorKind::Other(libc::ENOTCONN));
            }
            Outcome::UnderWay => {}
            Outcome::Failed(why) => hub.connect_failed(now, conn, why),
        }
    }

    fn stop(&mut self, now: Instant, service: ServiceId, stop: bool) -> io::Result<()> {
        let mut listeners = self.listeners.iter_mut();
        listeners.try_for_each(|listener| match listener.service == service {
            true => listener.stop(now, stop, &mut self.journal),
            false => Ok(()),
        })
    }

    fn stream(&mut self, conn: ConnId) -> Option<&mut Stream> {
        self.streams.get_mut(conn.index())?.as_mut().filter(|stream| stream.conn == conn)
    }

    /// Does something to a stream. If the system does not let it, that connection is lost: no other.
    fn with(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        conn: ConnId,
        f: impl FnOnce(&mut Stream) -> io::Result<()>,
    ) {
        if let Some(Err(error)) = self.stream(conn).map(f) {
            self.journal.own(Level::Warn, "lost", format_args!("{conn:?} is lost: {error}"));
            hub.reset(now, conn);
        }
    }
}
