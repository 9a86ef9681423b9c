//! A check for event loops that stand on [`Streams`](crate::hub::embed::Streams): drives one through
//! scripted streams in virtual time, and names the line of the [embedding
//! contract](crate::hub::embed#the-embedding-contract) that it broke.
//!
//! The loop under test is a function. It gets a hub with a service, a transport whose streams follow
//! a script, and the transport's [`wait`](ScriptedTransport::wait) in place of its poller. So the loop
//! has to be generic over its [`Transport`] and over how it waits: a program passes its own, and a test
//! passes these. It is checked for lines 1 to 6; the others are about the transport, which only real
//! streams can check.
//!
//! A line that is broken ends the run, within the call of [`wait`](ScriptedTransport::wait) that shows
//! it: a loop that does not do its part might otherwise wait for ever.
//!
//! It must never know how the loop is written.

mod give_up;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;

use crate::fiber::Ctx;
use crate::hub::embed::{
    AcceptOutcome, Interest, Lost, ReadOutcome, Ready, Transport, WriteOutcome,
};
use crate::hub::{Config, Hub, Service};
use crate::machine::{
    Actions, Address, Cause, ConnId, End, Input, Machine, Notice, Reason, ServiceId,
};
use crate::time::Instant;

/// What a wait reports.
///
/// Example: see [`check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The listening socket of a service is ready.
    Accept(ServiceId),
    /// A stream is ready.
    Ready(ConnId, Ready),
    /// The program must stop: gracefully, within five seconds.
    Stop,
}

/// The line of the contract that a loop broke, and how.
///
/// Example: see [`check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the line.
    pub line: u8,
    /// What happened, and when.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the embedding contract: {}", self.line, self.what)
    }
}

/// Runs an event loop, and returns the first line of the contract that it broke. The loop is
/// level-triggered, and returns when the hub has halted.
///
/// # Errors
///
/// The line.
///
/// # Panics
///
/// If the loop panics. Without the feature `std`, also when a line is broken: nothing else ends a
/// loop. With it, the loop is unwound.
///
/// ```
/// use core::time::Duration;
///
/// use diesel_proto::hub::embed::{Streams, Transport};
/// use diesel_proto::testkit::embed::{self, Event, ScriptedTransport};
/// use diesel_proto::Hub;
///
/// fn run(mut hub: Hub, transport: &mut ScriptedTransport) {
///     let mut streams = Streams::default();
///     hub.seed([7; 32]);
///     let mut now = transport.now();
///     hub.time_of_day(now, 1_700_000_000);
///     while streams.end_round(&mut hub, transport, now) {
///         let events = transport.wait(hub.time_to_wake(now));
///         now = transport.now();
///         for event in events {
///             match event {
///                 Event::Accept(service) => streams.accept(&mut hub, transport, now, service),
///                 Event::Ready(conn, ready) => streams.ready(&mut hub, transport, now, conn, ready),
///                 Event::Stop => hub.drain(now, now + Duration::from_secs(3)),
///             }
///         }
///     }
/// }
///
/// embed::check(run).unwrap();
/// ```
pub fn check(run: impl FnOnce(Hub, &mut ScriptedTransport)) -> Result<(), Broken> {
    let shared = Rc::new(Shared::default());
    let mut hub = Hub::new(Config::default());
    let (for_probes, number) = (Rc::clone(&shared), Cell::new(0));
    let service = hub.add_service(Service::machine_with(move |ctx| {
        if ctx.unix_seconds().is_none() {
            for_probes.broke(1, "the time of day was not reported");
        }
        number.set(number.get() + 1);
        Probe { shared: Rc::clone(&for_probes), number: number.get() }
    }));
    let began = Rc::clone(&shared);
    let started = hub.add_loop(async move |ctx: Ctx| {
        began.began.set(true);
        let _: [u8; 8] = ctx.random();
        Ok(())
    });
    let mut transport = ScriptedTransport::new(Rc::clone(&shared), service);
    if started.is_ok() {
        give_up::until(|| run(hub, &mut transport));
    }
    if !transport.script.is_empty() {
        shared.broke(5, "it ended before it was told to stop");
    }
    let broken = shared.broken.borrow_mut().take();
    broken.map_or(Ok(()), Err)
}

/// What the transport and the machines of its streams know of each other.
#[derive(Default)]
struct Shared {
    now: Cell<Duration>,
    /// Whether the loop of the application has begun.
    began: Cell<bool>,
    /// The deadline of each machine that has one.
    deadlines: RefCell<BTreeMap<usize, Instant>>,
    broken: RefCell<Option<Broken>>,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::ORIGIN + self.now.get()
    }

    /// Only the first is of interest.
    fn broke(&self, line: u8, what: &str) {
        let what = format!("{what}, at {:?}", self.now.get());
        self.broken.borrow_mut().get_or_insert(Broken { line, what });
    }
}

/// Sends back what it gets, and looks at the time of each step.
struct Probe {
    shared: Rc<Shared>,
    number: usize,
}

const PATIENCE: Duration = Duration::from_secs(3);
/// What a wait takes at least, if nothing is ready.
const POLL: Duration = Duration::from_millis(1);

impl Machine for Probe {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Cut(Cause::Shutdown) {
            self.shared.broke(5, "the hub was dropped while a connection was open");
        }
        if now < self.shared.now() {
            self.shared.broke(6, "a time that was read before the wait was passed");
        }
        let deadlines = &mut *self.shared.deadlines.borrow_mut();
        match input {
            Input::Start | Input::Bytes(_) => {
                deadlines.insert(self.number, now + PATIENCE);
                actions.set_deadline(now + PATIENCE, Reason::Idle);
            }
            Input::Drained | Input::Wake => return 0,
            _ => {
                deadlines.remove(&self.number);
            }
        }
        match input {
            Input::Bytes(bytes) => {
                actions.send(bytes);
                return bytes.len();
            }
            Input::Deadline => actions.send(b"?"),
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Shutdown => actions.close(Cause::Shutdown),
            _ => {}
        }
        0
    }
}

/// A transport whose streams follow a script, in virtual time. Made by [`check`], which has an
/// example.
///
/// Example: see [`check`].
pub struct ScriptedTransport {
    shared: Rc<Shared>,
    service: ServiceId,
    script: VecDeque<(u64, Step)>,
    backlog: usize,
    streams: Vec<Scripted>,
    /// What was reported, and was not handled yet.
    reported: Vec<Event>,
    waits_after_stop: usize,
    scratch: Vec<u8>,
}

/// What happens at a second of the script.
enum Step {
    Arrives,
    Sends(usize, &'static [u8]),
    /// The stream has room for this many bytes more.
    Room(usize, usize),
    Ends(usize),
    Breaks(usize),
    Stop,
}

#[derive(Default)]
struct Scripted {
    conn: Option<ConnId>,
    watched: Interest,
    incoming: VecDeque<&'static [u8]>,
    ended: bool,
    broken: bool,
    /// Bytes that were read, and have to be sent back; and for how many there is room.
    owed: usize,
    room: usize,
}

impl ScriptedTransport {
    fn new(shared: Rc<Shared>, service: ServiceId) -> Self {
        let script = [
            (1, Step::Arrives),
            (1, Step::Arrives),
            (2, Step::Sends(0, b"hello")),
            (2, Step::Sends(0, b" again")),
            // The deadline of the first stream passes at 5, that of the second at 4.
            (7, Step::Sends(1, b"more than there is room for")),
            (8, Step::Room(1, 5)),
            (9, Step::Room(1, 1000)),
            (9, Step::Ends(0)),
            (10, Step::Sends(1, b"last")),
            (10, Step::Breaks(1)),
            (11, Step::Arrives),
            (12, Step::Stop),
        ];
        ScriptedTransport {
            shared,
            service,
            script: script.into(),
            backlog: 0,
            streams: Vec::new(),
            reported: Vec::new(),
            waits_after_stop: 0,
            scratch: Vec::new(),
        }
    }

    /// Waits until something is ready, but no longer than this (`None`: for ever), and returns what
    /// is ready. In place of a poller.
    pub fn wait(&mut self, at_most: Option<Duration>) -> Vec<Event> {
        let shared = Rc::clone(&self.shared);
        if !shared.began.get() {
            shared.broke(1, "it waits although the application's loop has not begun");
        }
        if let Some(event) = self.reported.pop() {
            shared.broke(4, &format!("it waits although it has not handled {event:?}"));
        }
        if self.streams.iter().any(|stream| stream.owed > 0 && stream.room > 0) {
            shared.broke(2, "it waits although an answer can be sent");
        }
        self.ends_if_broken();
        let mut events = self.ready();
        if events.is_empty() {
            self.pass(at_most);
            self.ends_if_broken();
            events = self.ready();
        }
        self.reported.clone_from(&events);
        if self.script.is_empty() {
            self.waits_after_stop += 1;
            if self.waits_after_stop == 1 {
                events.push(Event::Stop);
            } else if self.waits_after_stop > 1000 {
                self.shared.broke(5, "it goes on although it was told to stop");
                self.ends_if_broken();
            }
        }
        events
    }

    fn ends_if_broken(&self) {
        let broken = self.shared.broken.borrow().clone();
        if let Some(broken) = broken {
            give_up::because(&broken);
        }
    }

    /// Time passes, up to the next step of the script.
    fn pass(&mut self, at_most: Option<Duration>) {
        let now = self.shared.now.get();
        let next = self.script.front().map(|(second, _)| Duration::from_secs(*second));
        let until = [next, at_most.map(|wait| now + wait)].into_iter().flatten().min();
        let until = until.unwrap_or(now + Duration::from_secs(60));
        let due = self.shared.deadlines.borrow().values().min().copied();
        if due.is_some_and(|due| due < Instant::ORIGIN + until) {
            self.shared.broke(3, "it waits for longer than until the next deadline");
        }
        // A loop may ask without waiting. That takes no time here, and would never end.
        let until = until.max(now + POLL);
        self.shared.now.set(until);
        while self.script.front().is_some_and(|(at, _)| Duration::from_secs(*at) <= until) {
            match self.script.pop_front() {
                Some((_, Step::Arrives)) => self.backlog += 1,
                Some((_, Step::Sends(at, bytes))) => {
                    self.with(at, |stream| stream.incoming.push_back(bytes));
                }
                Some((_, Step::Room(at, n))) => self.with(at, |stream| stream.room += n),
                Some((_, Step::Ends(at))) => self.with(at, |stream| stream.ended = true),
                Some((_, Step::Breaks(at))) => self.with(at, |stream| stream.broken = true),
                Some((_, Step::Stop)) | None => {}
            }
        }
    }

    /// A loop that broke line 4 may not have accepted it.
    fn with(&mut self, at: usize, f: impl FnOnce(&mut Scripted)) {
        if let Some(stream) = self.streams.get_mut(at) {
            f(stream);
        }
    }

    fn ready(&self) -> Vec<Event> {
        let ready = self.streams.iter().filter_map(|stream| {
            let Interest { readable, writable } = stream.watched;
            let has_input = !stream.incoming.is_empty() || stream.ended || stream.broken;
            let (readable, writable) = (readable && has_input, writable && stream.room > 0);
            let ready = Ready { readable, writable, ..Ready::default() };
            (readable || writable).then_some(Event::Ready(stream.conn?, ready))
        });
        let accepts = (self.backlog > 0).then_some(Event::Accept(self.service));
        accepts.into_iter().chain(ready).collect()
    }

    /// The loop has handled the event of this stream.
    fn handled(&mut self, at: usize) {
        let conn = self.streams[at].conn;
        self.reported.retain(|event| !matches!(event, Event::Ready(of, _) if Some(*of) == conn));
    }
}

impl Transport for ScriptedTransport {
    /// The number of the stream.
    type Stream = usize;
    type Incoming = usize;

    fn read(&mut self, at: &mut usize) -> ReadOutcome<'_> {
        self.handled(*at);
        let stream = &mut self.streams[*at];
        match stream.incoming.pop_front() {
            Some(bytes) => {
                stream.owed += bytes.len();
                self.scratch = bytes.into();
                ReadOutcome::Bytes { bytes: &self.scratch, filled: false }
            }
            None if stream.broken => ReadOutcome::Reset,
            None if stream.ended => ReadOutcome::Eof,
            None => ReadOutcome::Nothing,
        }
    }

    fn write(&mut self, at: &mut usize, slices: &[&[u8]]) -> WriteOutcome {
        self.handled(*at);
        let stream = &mut self.streams[*at];
        let n = slices.iter().map(|slice| slice.len()).sum::<usize>().min(stream.room);
        stream.room -= n;
        stream.owed = stream.owed.saturating_sub(n);
        WriteOutcome::Took(n)
    }

    fn shut_down(&mut self, _: ConnId, at: &mut usize) -> Result<(), Lost> {
        // The peer ends its side, too.
        self.streams[*at].ended = true;
        Ok(())
    }

    fn watch(&mut self, _: ConnId, at: &mut usize, interest: Interest) -> Result<(), Lost> {
        self.streams[*at].watched = interest;
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, at: Option<usize>, _: End) {
        if let Some(at) = at {
            self.handled(at);
            self.streams[at] = Scripted::default();
        }
    }

    fn accept(&mut self, _: Instant, _: ServiceId) -> AcceptOutcome<usize> {
        self.reported.retain(|event| !matches!(event, Event::Accept(_)));
        if self.backlog == 0 {
            return AcceptOutcome::Nothing;
        }
        self.backlog -= 1;
        let room = if self.streams.len() == 1 { 4 } else { 1000 };
        self.streams.push(Scripted { room, ..Scripted::default() });
        AcceptOutcome::One(self.streams.len() - 1, Address::Unnamed)
    }

    fn open(&mut self, conn: ConnId, at: usize) -> Result<usize, Lost> {
        let stream = &mut self.streams[at];
        (stream.conn, stream.watched) = (Some(conn), Interest::READABLE);
        Ok(at)
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, accepts: bool) {
        if !accepts {
            self.backlog = 0;
        }
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        if notice == Notice::Unseeded {
            self.shared.broke(1, "the hub was not seeded");
        }
    }

    fn now(&mut self) -> Instant {
        self.shared.now()
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.shared.now.get();
        f.debug_struct("ScriptedTransport").field("now", &now).finish_non_exhaustive()
    }
}
