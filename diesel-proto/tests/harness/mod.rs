//! A harness for a hub, in memory and in virtual time: an embedder that carries out every action at
//! once, and peers that receive what is sent to them.
//!
//! Peers take everything that is sent unless a test limits it; time passes only when a test
//! advances it.

// Each test file uses only a part of it.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Instant,
    /// Every action that was carried out, in order.
    pub(crate) log: Vec<Action>,
    peers: HashMap<ConnId, Peer>,
    halted: bool,
}

#[derive(Default)]
struct Peer {
    received: Vec<u8>,
    /// How many bytes it still takes. `None`: any number.
    room: Option<u64>,
    paused: bool,
    half_closed: bool,
    closed: Option<Cause>,
}

impl World {
    pub(crate) fn new() -> Self {
        World::of(Hub::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        World::of(Hub::new(config))
    }

    pub(crate) fn of(hub: Hub) -> Self {
        let (now, log, peers) = (Instant::ORIGIN, Vec::new(), HashMap::new());
        World { hub, now, log, peers, halted: false }
    }

    /// A world with one service, and one connection to it.
    pub(crate) fn serving<Kind>(service: impl IntoService<Kind>) -> (Self, ConnId) {
        let mut world = World::new();
        let service = world.hub.add_service(service);
        let conn = world.accept(service);
        world.turn();
        (world, conn)
    }

    /// A world with one loop, which ran until it had to wait.
    pub(crate) fn looping<F>(body: F) -> Self
    where
        F: AsyncFnOnce(Ctx) -> Result<(), Error> + 'static,
    {
        let mut world = World::new();
        world.hub.add_loop(body).unwrap();
        world.turn();
        world
    }

    pub(crate) fn accept(&mut self, service: ServiceId) -> ConnId {
        self.hub.accept(self.now, service, Address::Unnamed).unwrap()
    }

    /// Delivers bytes, and runs the hub until it is idle.
    pub(crate) fn sends(&mut self, conn: ConnId, bytes: impl AsRef<[u8]>) {
        self.delivers(conn, bytes);
        self.turn();
    }

    /// Delivers bytes without running the hub.
    pub(crate) fn delivers(&mut self, conn: ConnId, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!(self.hub.received(self.now, conn, bytes), bytes.len(), "reading is paused");
    }

    pub(crate) fn ends(&mut self, conn: ConnId) {
        self.hub.eof(self.now, conn);
        self.turn();
    }

    pub(crate) fn resets(&mut self, conn: ConnId) {
        self.hub.reset(self.now, conn);
        self.turn();
    }

    /// Limits this peer: it takes `bytes` more, and then none until the limit is raised.
    pub(crate) fn takes_only(&mut self, conn: ConnId, bytes: u64) {
        self.peer(conn).room = Some(bytes);
    }

    /// The peer takes `bytes` more of what is queued for it.
    pub(crate) fn takes(&mut self, conn: ConnId, bytes: u64) {
        let room = &mut self.peer(conn).room;
        *room = Some(room.unwrap_or(0) + bytes);
        self.send(conn);
        self.turn();
    }

    /// The text that the peer received since the last call.
    pub(crate) fn receives(&mut self, conn: ConnId) -> String {
        String::from_utf8(self.receives_bytes(conn)).unwrap()
    }

    /// Like [`receives`](Self::receives), for bytes that are not text.
    pub(crate) fn receives_bytes(&mut self, conn: ConnId) -> Vec<u8> {
        std::mem::take(&mut self.peer(conn).received)
    }

    pub(crate) fn closed(&mut self, conn: ConnId) -> Option<Cause> {
        self.peer(conn).closed
    }

    pub(crate) fn half_closed(&mut self, conn: ConnId) -> bool {
        self.peer(conn).half_closed
    }

    pub(crate) fn paused(&mut self, conn: ConnId) -> bool {
        self.peer(conn).paused
    }

    pub(crate) fn halted(&self) -> bool {
        self.halted
    }

    /// The connection that was asked for last.
    pub(crate) fn connecting(&self) -> ConnId {
        let mut log = self.log.iter().rev();
        log.find_map(|action| match action {
            Action::Connect(conn, _) => Some(*conn),
            _ => None,
        })
        .expect("nobody connects")
    }

    /// How many connections were asked for so far.
    pub(crate) fn connects(&self) -> usize {
        self.log.iter().filter(|action| matches!(action, Action::Connect(..))).count()
    }

    /// The connection that was asked for last is made.
    pub(crate) fn connects_now(&mut self) -> ConnId {
        let conn = self.connecting();
        self.hub.connected(self.now, conn);
        self.turn();
        conn
    }

    /// How many bytes are queued for this peer.
    pub(crate) fn queued(&mut self, conn: ConnId) -> usize {
        self.hub.outgoing(conn, |slices| slices.iter().map(|it| it.len()).sum()).unwrap_or(0)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.log.iter().filter_map(|action| match action {
            Action::Notice(_, notice) => Some(notice.clone()),
            _ => None,
        });
        notices.collect()
    }

    /// Runs the hub and carries out its actions until it is idle.
    pub(crate) fn turn(&mut self) {
        for _ in 0..100_000 {
            let busy = self.step();
            if !busy && self.hub.next_wake().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("the hub never rests");
    }

    /// Runs the hub once and carries out its actions. Returns whether there were any.
    pub(crate) fn step(&mut self) -> bool {
        let mut actions = Vec::new();
        self.hub.run(self.now, &mut actions);
        for action in &actions {
            self.obey(action);
        }
        self.log.extend(actions.iter().cloned());
        !actions.is_empty()
    }

    /// Advances the time; what is due meanwhile happens on time.
    pub(crate) fn waits(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.hub.next_wake().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
        self.turn();
    }

    fn obey(&mut self, action: &Action) {
        assert!(!self.halted, "{action:?} after the halt");
        match *action {
            Action::Send(conn) => self.send(conn),
            Action::Pause(conn) => self.peer(conn).paused = true,
            Action::Resume(conn) => self.peer(conn).paused = false,
            Action::HalfClose(conn) => self.peer(conn).half_closed = true,
            Action::Close(conn, cause) | Action::Abort(conn, cause) => {
                let before = self.peer(conn).closed.replace(cause);
                assert_eq!(before, None, "closed twice");
            }
            Action::Halt => self.halted = true,
            _ => {}
        }
    }

    /// Sends what the peer takes, as a driver does: until nothing is outgoing, or none is taken.
    fn send(&mut self, conn: ConnId) {
        loop {
            let Self { hub, peers, .. } = self;
            let peer = peers.entry(conn).or_default();
            let taken = hub.outgoing(conn, |slices| {
                let mut taken = 0;
                for slice in slices {
                    let room = peer.room.unwrap_or(u64::MAX);
                    let n = slice.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                    peer.received.extend_from_slice(&slice[..n]);
                    peer.room = peer.room.map(|room| room - n as u64);
                    taken += n as u64;
                }
                taken
            });
            let Some(taken) = taken else { return };
            hub.sent(self.now, conn, taken);
            if taken == 0 {
                return;
            }
        }
    }

    fn peer(&mut self, conn: ConnId) -> &mut Peer {
        self.peers.entry(conn).or_default()
    }
}

/// A shared list of notes, in order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Rc<RefCell<Vec<String>>>);

impl Diary {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// The notes since the last call.
    pub(crate) fn read(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

pub(crate) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

pub(crate) fn settings(change: impl FnOnce(&mut ServiceConfig)) -> ServiceConfig {
    let mut config = ServiceConfig::default();
    change(&mut config);
    config
}

/// A hook like a driver's: a panic ends only the fiber or the machine that it came from.
pub(crate) fn catch_panics() -> PollHook {
    Box::new(|_, run| {
        // What it carries may panic when it is dropped.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
        }
    })
}

/// Answers every line.
pub(crate) async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

/// Every way to cut `bytes` in two, none left out.
pub(crate) fn two_way_cuts(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    (0..=bytes.len()).map(|at| bytes.split_at(at))
}
