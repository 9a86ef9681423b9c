//! The event loop: wait for events, pass them to the hub, run the hub, carry out its actions.
//!
//! The hub runs after every few events, and its actions are carried out before the next events: so
//! an answer is sent while the request is still in the cache, one scratch buffer serves every
//! connection, and few blocks hold what was read, however many connections are ready.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_proto::hub::embed::{Ready, Streams};
use diesel_proto::{Hub, Instant, ServiceId};
use log::Level;
use polling::{Event, Events, Poller};

use crate::clock::Clock;
use crate::files::{self, Directory};
use crate::journal::Journal;
use crate::key::{PollKey, Source};
use crate::listen::ListenOptions;
use crate::pool::{Answer, Ticket};
use crate::signals::Signals;
use crate::socket::SocketStream;
use crate::sockets::Sockets;

/// The number of events that are passed to the hub before it runs. With 1, the code of reading,
/// running and writing evicts each other from the cache; with many, the data are evicted.
/// (Measured: 8 is 5 to 9 per cent faster than 1, and than 64, over 64 and 1000 connections.)
const EVENTS_PER_TURN: usize = 8;

/// How often the hub gets the time of day anew: the wall clock may be set meanwhile.
const TIME_OF_DAY: Duration = Duration::from_secs(5);

pub(crate) struct Driver {
    clock: Clock,
    sockets: Sockets,
    streams: Streams<SocketStream>,
}

/// Whether the loop continues.
#[derive(PartialEq, Eq)]
enum AfterWait {
    GoOn,
    Halt,
}

impl Driver {
    pub(crate) fn new(poller: Arc<Poller>) -> Self {
        let clock = Clock::start();
        Driver { clock, sockets: Sockets::new(poller, clock), streams: Streams::default() }
    }

    pub(crate) fn journal(&mut self) -> &mut Journal {
        &mut self.sockets.journal
    }

    /// How many threads there may be for what blocks.
    pub(crate) fn set_threads(&mut self, most: usize, for_files: usize) {
        self.sockets.pool.set_most(most);
        self.sockets.file_pool.set_most(for_files);
    }

    /// Adds the directory with the next id.
    pub(crate) fn add_directory(&mut self, directory: Directory) {
        self.sockets.files.add_directory(directory);
    }

    pub(crate) fn poller(&self) -> &Arc<Poller> {
        self.sockets.poller()
    }

    pub(crate) fn listen(
        &mut self,
        service: ServiceId,
        listener: std::net::TcpListener,
        options: ListenOptions,
    ) -> io::Result<()> {
        self.sockets.listen(service, listener, options)
    }

    pub(crate) fn local_addr(&self, service: ServiceId) -> io::Result<SocketAddr> {
        self.sockets.local_addr(service)
    }

    /// Runs until the hub halts, or a second request to halt comes.
    pub(crate) fn run(
        &mut self,
        hub: &mut Hub,
        grace: Duration,
        halt: &AtomicBool,
        signals: bool,
    ) -> io::Result<()> {
        let poller = Arc::clone(self.poller());
        self.sockets.files.may_sendfile = files::survives_sigpipe();
        let mut signals = if signals { Some(Signals::register(&poller)?) } else { None };
        let mut events = Events::new();
        let mut halting = false;
        let now = self.clock.now();
        let mut told_time = now;
        hub.time_of_day(now, Clock::unix_seconds());
        // A request to halt that came before there was a poller to wake.
        if halt.swap(false, Ordering::Relaxed) {
            hub.drain(now, now + grace);
        }
        if self.turn(hub, now)? == AfterWait::Halt {
            return Ok(());
        }
        loop {
            events.clear();
            self.streams.begin_round();
            match poller.wait(&mut events, self.timeout(hub)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = self.clock.now();
            if now - told_time >= TIME_OF_DAY {
                told_time = now;
                hub.time_of_day(now, Clock::unix_seconds());
            }
            let mut reported = 0;
            for event in events.iter() {
                if PollKey::source(event.key) == Source::Signals {
                    let came = signals.as_mut().map_or(0, Signals::take);
                    if came > 1 || (came == 1 && halting) {
                        let words =
                            format_args!("second signal: stopping at once, connections are reset");
                        self.sockets.journal.own(Level::Warn, "signal", words);
                        self.streams.iter().for_each(|(_, stream)| stream.reset_on_close());
                        return Ok(());
                    }
                    halting |= came == 1;
                    halt.fetch_or(came == 1, Ordering::Relaxed);
                } else {
                    self.happened(hub, now, event);
                    reported += 1;
                    if reported % EVENTS_PER_TURN == 0 && self.turn(hub, now)? == AfterWait::Halt {
                        return Ok(());
                    }
                }
            }
            if halt.swap(false, Ordering::Relaxed) {
                hub.drain(now, now + grace);
            }
            for (ticket, answer) in self.sockets.take_answers() {
                self.pass_on(hub, now, ticket, answer);
            }
            self.sockets.rested(now);
            self.sockets.journal.catch_up(now);
            loop {
                if self.turn(hub, now)? == AfterWait::Halt {
                    return Ok(());
                }
                if !self.streams.read_on(hub, &mut self.sockets, now) {
                    break;
                }
            }
        }
    }

    /// Passes on what a thread found out.
    fn pass_on(&mut self, hub: &mut Hub, now: Instant, ticket: Ticket, answer: Answer) {
        match (ticket, answer) {
            (Ticket::Job(job), Answer::Addresses(addresses)) => hub.resolved(now, job, addresses),
            (Ticket::Job(job), Answer::Outcome(outcome)) => hub.completed(now, job, outcome),
            (Ticket::Job(job), Answer::File(id, result)) => {
                let (answer, opened) = match result {
                    Ok((answer, opened)) => (Ok(answer), opened),
                    Err(why) => (Err(why), None),
                };
                // What is not awaited any more is closed here.
                if hub.file_answered(now, job, answer)
                    && let (Some(id), Some(file)) = (id, opened)
                {
                    self.sockets.files.add(id, file);
                }
            }
            (Ticket::Region(conn), Answer::Loaded(read)) => {
                self.sockets.files.region_was_read(conn, read);
                self.streams.region_ready(hub, &mut self.sockets, now, conn);
            }
            // Each kind of work has its kind of ticket.
            (Ticket::Job(_), Answer::Loaded(_)) | (Ticket::Region(_), _) => {}
        }
    }

    fn timeout(&self, hub: &Hub) -> Option<Duration> {
        let due = [self.sockets.resting_until(), hub.next_wake(), self.sockets.journal.due()];
        due.into_iter().flatten().min().map(|at| self.clock.until(at))
    }

    /// Runs the hub and carries out its actions, until there is nothing to do or the budget of one
    /// turn is used up; in that case the hub's next wake-up is due at once.
    fn turn(&mut self, hub: &mut Hub, now: Instant) -> io::Result<AfterWait> {
        self.streams.turn(hub, &mut self.sockets, now);
        self.sockets.check()?;
        Ok(if self.streams.has_halted() { AfterWait::Halt } else { AfterWait::GoOn })
    }

    fn happened(&mut self, hub: &mut Hub, now: Instant, event: Event) {
        match PollKey::source(event.key) {
            Source::Conn(key) => {
                let Some((conn, stream)) = self.streams.at(key.index()) else { return };
                if stream.key() != key {
                    // An outdated event of a closed connection, whose index this one reuses.
                    return;
                }
                let (readable, writable) = (event.readable, event.writable);
                let hung_up = event.is_interrupt();
                let ready = Ready { readable, writable, hung_up, ..Ready::default() };
                self.streams.ready(hub, &mut self.sockets, now, conn, ready);
            }
            Source::Listener(index) => {
                if let Some(service) = self.sockets.service_of(index) {
                    self.streams.accept(hub, &mut self.sockets, now, service);
                }
            }
            Source::Signals => {}
        }
    }
}
