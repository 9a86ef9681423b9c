//! An application under a hub, and its peers, with no socket and no clock.
//!
//! A test reads like a telnet session: a peer sends, time passes, a peer has got something. After
//! each of these the hub runs until it has come to rest, so what a line of a test says is true when
//! the next one begins.

use std::collections::VecDeque;
use std::fmt;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use diesel_driver::{
    Action, Address, Cause, ConnId, ConnectErrorKind, Hub, Instant, Service, ServiceId,
};

/// More runs than this without time passing: it will never come to rest.
const RESTLESS: usize = 1_000_000;

/// A hub, and the far ends of all its connections.
pub struct Session {
    /// The application.
    pub hub: Hub,
    now: Instant,
    ends: Vec<End>,
    /// Connections that the application asked for and that were neither accepted nor refused.
    connects: VecDeque<(ConnId, Address)>,
    bound: Vec<(Address, ServiceId)>,
    halted: bool,
    cut: Cut,
    /// How many bytes a stream takes at a time.
    room: usize,
    /// Bytes that peers have sent with [`Session::send`].
    scripted: usize,
}

/// How what peers send is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// As the test sends it.
    None,
    /// In two, before this byte of all that is sent.
    Before(usize),
    /// A byte at a time.
    Everywhere,
}

/// The far end of a connection: a telnet user, or a server that the application called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(usize);

struct End {
    conn: ConnId,
    /// The far end is in the same application.
    linked: Option<usize>,
    /// On its way to the hub, which has paused reading.
    unread: Vec<u8>,
    /// The end of what this peer sends: on its way, arrived.
    ending: bool,
    ended: bool,
    /// What the hub sent and the test has not looked at.
    got: Vec<u8>,
    /// Everything the hub sent.
    got_in_all: Vec<u8>,
    deaf: bool,
    hub_ended: bool,
    closed: Option<Cause>,
}

impl Default for Session {
    fn default() -> Self {
        Session::new(Hub::default())
    }
}

impl Session {
    /// Peers of a hub of the test's own.
    pub fn new(hub: Hub) -> Self {
        Session {
            hub,
            now: Instant::ORIGIN,
            ends: Vec::new(),
            connects: VecDeque::new(),
            bound: Vec::new(),
            halted: false,
            cut: Cut::None,
            room: usize::MAX,
            scripted: 0,
        }
    }

    /// A peer of a service that the test has no other use for.
    pub fn visit(&mut self, service: impl Into<Service>) -> Peer {
        let service = self.hub.add_service(service);
        self.connect(service)
    }

    /// A peer connects.
    pub fn connect(&mut self, service: ServiceId) -> Peer {
        let accepted = self.hub.accept(self.now, service, Address::Unnamed);
        let conn = accepted.unwrap_or_else(|why| panic!("refused: {why}"));
        let peer = self.add_end(conn, None);
        self.settle();
        peer
    }

    /// From here on, what the application connects to at `address` is this service of its own.
    pub fn bind(&mut self, service: ServiceId, address: impl Into<Address>) {
        self.bound.push((address.into(), service));
    }

    /// Accepts the connection to `address` that the application is waiting for.
    pub fn accept(&mut self, address: impl Into<Address>) -> Peer {
        let conn = self.next_connect(address.into());
        self.hub.connected(self.now, conn);
        let peer = self.add_end(conn, None);
        self.settle();
        peer
    }

    /// Refuses the connection to `address` that the application is waiting for.
    pub fn refuse(&mut self, address: impl Into<Address>) {
        let conn = self.next_connect(address.into());
        self.hub.connect_failed(self.now, conn, ConnectErrorKind::Refused);
        self.settle();
    }

    /// The peer sends bytes. They arrive at once; at each cut, what came before is dealt with.
    pub fn send(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let sent_before = self.scripted;
        self.scripted += bytes.len();
        match self.cut {
            Cut::Before(at) if sent_before < at && at < self.scripted => {
                let (first, second) = bytes.split_at(at - sent_before);
                self.deliver(peer, first);
                self.deliver(peer, second);
            }
            Cut::Everywhere => bytes.iter().for_each(|byte| self.deliver(peer, &[*byte])),
            _ => self.deliver(peer, bytes),
        }
    }

    /// The peer ends its side, and goes on listening.
    pub fn end(&mut self, peer: Peer) {
        self.ends[peer.0].ending = true;
        self.settle();
    }

    /// The peer resets the connection.
    pub fn reset(&mut self, peer: Peer) {
        let conn = self.ends[peer.0].conn;
        self.hub.reset(self.now, conn);
        self.settle();
    }

    /// From here on streams take no more than `bytes` at a time.
    pub fn narrow(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// From here on the peer takes nothing, until it listens again.
    pub fn turn_deaf(&mut self, peer: Peer) {
        self.ends[peer.0].deaf = true;
    }

    /// The peer takes what is there for it.
    pub fn listen_again(&mut self, peer: Peer) {
        self.ends[peer.0].deaf = false;
        self.settle();
    }

    /// Time passes; everything that falls due meanwhile happens at its own time.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.hub.next_wake().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// As [`advance`](Self::advance).
    pub fn advance_secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Runs what is ready, and nothing else.
    pub fn run(&mut self) {
        self.settle();
    }

    /// The orderly shutdown begins.
    pub fn shut_down(&mut self, grace: Duration) {
        self.hub.drain(self.now, self.now + grace);
        self.settle();
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The peer has got these bytes since it last looked, and no others.
    #[track_caller]
    pub fn expect(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        let got = self.take_got(peer);
        assert_eq!(Bytes(&got), Bytes(bytes.as_ref()), "at {:?}", self.now);
    }

    /// What the peer has got since it last looked.
    pub fn take_got(&mut self, peer: Peer) -> Vec<u8> {
        take(&mut self.ends[peer.0].got)
    }

    /// The first line of what the peer has got since it last looked, with its end; or all of it.
    pub fn take_line(&mut self, peer: Peer) -> Vec<u8> {
        let got = &mut self.ends[peer.0].got;
        let end = got.iter().position(|byte| *byte == b'\n').map_or(got.len(), |at| at + 1);
        got.drain(..end).collect()
    }

    /// The application ended its side, having sent all; the peer closes its own, and the
    /// connection is gone for this reason.
    #[track_caller]
    pub fn expect_close(&mut self, peer: Peer, cause: Cause) {
        self.expect(peer, "");
        self.expect_end(peer);
        self.end(peer);
        assert_eq!(self.ends[peer.0].closed, Some(cause));
    }

    /// The application ended its side, and still listens or is gone.
    #[track_caller]
    pub fn expect_end(&self, peer: Peer) {
        let end = &self.ends[peer.0];
        assert!(end.hub_ended || end.closed.is_some(), "the peer sees no end at {:?}", self.now);
    }

    /// The connection is there, and the application has not ended its side.
    #[track_caller]
    pub fn expect_open(&self, peer: Peer) {
        let end = &self.ends[peer.0];
        assert_eq!((end.hub_ended, end.closed), (false, None), "at {:?}", self.now);
    }

    /// Why the connection is gone, if it is.
    pub fn closed(&self, peer: Peer) -> Option<Cause> {
        self.ends[peer.0].closed
    }

    /// Bytes that the peer sent and the application has not read: its reading is paused.
    pub fn unread(&self, peer: Peer) -> usize {
        self.ends[peer.0].unread.len()
    }

    /// Whether the application has halted.
    pub fn halted(&self) -> bool {
        self.halted
    }

    fn add_end(&mut self, conn: ConnId, linked: Option<usize>) -> Peer {
        self.ends.push(End {
            conn,
            linked,
            unread: Vec::new(),
            ending: false,
            ended: false,
            got: Vec::new(),
            got_in_all: Vec::new(),
            deaf: false,
            hub_ended: false,
            closed: None,
        });
        Peer(self.ends.len() - 1)
    }

    #[track_caller]
    fn next_connect(&mut self, address: Address) -> ConnId {
        let (conn, asked) = self.connects.pop_front().expect("nobody connects");
        assert_eq!(asked, address);
        conn
    }

    fn deliver(&mut self, peer: Peer, bytes: &[u8]) {
        let end = &mut self.ends[peer.0];
        assert!(!end.ending, "{peer:?} has ended its side");
        end.unread.extend_from_slice(bytes);
        self.settle();
    }

    /// Runs the hub, obeys it, and brings what is on its way, until nothing happens any more.
    fn settle(&mut self) {
        let mut actions = Vec::new();
        for _ in 0..RESTLESS {
            let mut rests = !self.arrive();
            if !self.halted {
                self.hub.run(self.now, &mut actions);
            }
            rests &= actions.is_empty();
            for action in actions.drain(..) {
                self.obey(action);
            }
            rests &= !self.carry();
            let more = self.hub.next_wake().is_some_and(|due| due <= self.now);
            if rests && !more {
                return;
            }
        }
        panic!("does not come to rest at {:?}", self.now);
    }

    /// Gives the hub what is on its way to it. Returns whether that was anything.
    fn arrive(&mut self) -> bool {
        let mut any = false;
        for end in self.ends.iter_mut().filter(|end| end.closed.is_none()) {
            if !end.unread.is_empty() {
                let taken = self.hub.received(self.now, end.conn, &end.unread);
                end.unread.drain(..taken);
                any |= taken > 0;
            }
            if end.unread.is_empty() && end.ending && !end.ended {
                end.ended = true;
                self.hub.eof(self.now, end.conn);
                any = true;
            }
        }
        any
    }

    /// Takes from the hub what is on its way from it. Returns whether that was anything.
    fn carry(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.ends.len() {
            let Session { hub, ends, room, now, .. } = self;
            let end = &mut ends[index];
            if end.closed.is_some() || end.deaf {
                continue;
            }
            let mut all = Vec::new();
            let taken = hub.outgoing(end.conn, |slices| {
                let bytes = slices.iter().copied().flatten();
                all.extend(bytes.take(*room));
                all.len() as u64
            });
            if let Some(n) = taken {
                hub.sent(*now, end.conn, n);
            }
            any |= !all.is_empty();
            end.got_in_all.extend_from_slice(&all);
            match end.linked {
                Some(other) => ends[other].unread.extend_from_slice(&all),
                None => end.got.extend_from_slice(&all),
            }
        }
        any
    }

    fn obey(&mut self, action: Action) {
        match action {
            // `carry` brings it; but a hub has to be told that nobody takes it.
            Action::Send(conn) if self.is_deaf(conn) => _ = self.hub.sent(self.now, conn, 0),
            Action::HalfClose(conn) => self.hub_ended(conn),
            Action::Close(conn, cause) => {
                self.hub_ended(conn);
                let end = self.ends.iter_mut().rev().find(|end| end.conn == conn);
                if let Some(end) = end {
                    end.closed = Some(cause);
                }
                self.connects.retain(|(asked, _)| *asked != conn);
            }
            Action::Connect(conn, address) => {
                let bound = self.bound.iter().find(|(bound, _)| *bound == address);
                let Some((_, service)) = bound else {
                    self.connects.push_back((conn, address));
                    return;
                };
                match self.hub.accept(self.now, *service, Address::Unnamed) {
                    Ok(accepted) => {
                        self.hub.connected(self.now, conn);
                        let here = self.ends.len();
                        self.add_end(conn, Some(here + 1));
                        self.add_end(accepted, Some(here));
                    }
                    Err(_) => {
                        self.hub.connect_failed(self.now, conn, ConnectErrorKind::Refused);
                    }
                }
            }
            Action::Halt => self.halted = true,
            // What is paused `arrive` is told; the rest concerns no stream.
            _ => {}
        }
    }

    fn is_deaf(&self, conn: ConnId) -> bool {
        self.ends.iter().any(|end| end.conn == conn && end.deaf)
    }

    fn hub_ended(&mut self, conn: ConnId) {
        let Some(index) = self.ends.iter().rposition(|end| end.conn == conn) else { return };
        // What is queued was sent before: the hub says so only then.
        self.ends[index].hub_ended = true;
        if let Some(other) = self.ends[index].linked {
            self.ends[other].ending = true;
        }
    }

    /// All that came of it: for each peer what it got, and why its connection is gone.
    fn outcome(&self) -> Vec<(String, Option<Cause>)> {
        let outcome = |end: &End| (end.got_in_all.escape_ascii().to_string(), end.closed);
        self.ends.iter().map(outcome).collect()
    }
}

/// Acts `scene` out with what peers send as it is, then again for every way to cut one of the
/// things that are sent in two, once more a byte at a time, and once with streams that take a byte
/// at a time. It checks what it expects each time; and what comes of it must always be the same.
pub fn at_every_cut(scene: impl Fn(&mut Session)) {
    let whole = act(&scene, Cut::None, usize::MAX);
    let cuts = (1..whole.scripted).map(Cut::Before).map(|cut| (cut, usize::MAX));
    for (cut, room) in cuts.chain([(Cut::Everywhere, usize::MAX), (Cut::None, 1)]) {
        let session = act(&scene, cut, room);
        assert_eq!(session.outcome(), whole.outcome(), "with the cut {cut:?} and room for {room}");
    }
}

fn act(scene: &impl Fn(&mut Session), cut: Cut, room: usize) -> Session {
    let mut session = Session { cut, room, ..Session::default() };
    let acted = catch_unwind(AssertUnwindSafe(|| scene(&mut session)));
    if let Err(panic) = acted {
        eprintln!("with the cut {cut:?} and room for {room}");
        resume_unwind(panic);
    }
    session
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Bytes that are read as text when an assertion fails.
#[derive(PartialEq, Eq)]
struct Bytes<'a>(&'a [u8]);

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use diesel_driver::{Conn, Error};

    use super::*;

    /// Answers reads, not lines: what cuts must not change, they change.
    async fn careless(mut conn: Conn) -> Result<(), Error> {
        loop {
            let bytes = conn.some().await?;
            conn.write(format!("{}\n", bytes.len())).await?;
        }
    }

    #[test]
    #[should_panic(expected = "with the cut Before(1)")]
    fn a_handler_that_depends_on_the_cut_is_found() {
        at_every_cut(|session| {
            let peer = session.visit(careless);
            session.send(peer, "ab");
        });
    }

    #[test]
    fn every_place_is_cut_once() {
        let runs = Rc::new(Cell::new(0));
        at_every_cut(|session| {
            runs.set(runs.get() + 1);
            let peer = session.visit(async |mut conn: Conn| {
                loop {
                    let line = conn.until_eol().await?;
                    conn.write(line).await?;
                }
            });
            session.send(peer, "ab\n");
            session.send(peer, "c\n");
            session.expect(peer, "ab\nc\n");
        });
        // Whole; before bytes 1 to 4, of which 3 cuts between two sends; each byte; narrow.
        assert_eq!(runs.get(), 1 + 4 + 1 + 1);
    }
}
