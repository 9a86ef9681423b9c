//! A whole hub with one connection, as a machine, so that the laws of machines, and all tools that
//! drive a machine, apply to handlers.
//!
//! It embeds the hub by the loop that every embedder shares, with the stream below as its
//! transport. So it passes on what arrived, carries out the actions in their order, takes output
//! only while the queue below has room, and wakes up when the hub asks for it.
//!
//! It must never know what the handler does.

use core::fmt;

use crate::buf::FileRegion;
use crate::hub::embed::{
    Budgets, ConnectOutcome, Interest, Lost, ReadOutcome, Ready, RegionOutcome, Streams, Transport,
    WriteOutcome,
};
use crate::hub::{ConnId, Hub, Refused, ServiceId};
use crate::machine::{
    Actions, Address, Cause, ConnectErrorKind, End, Input, Machine, Notice, Reason,
};
use crate::time::Instant;

/// The most turns in one step; the rest is deferred, so a step is bounded.
const TURNS: usize = 10_000;
/// The room below limits how much is sent, not the budgets.
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

/// A hub with one connection of one service.
///
/// [`connect`](crate::fiber::Ctx::connect) fails in the handler: there is no network here.
///
/// If the output of a handler depends on its reads, as in an HTTP response that streams each piece
/// of the request as a chunk, its frames differ for each cut. Compare the decoded output then: see
/// [`Laws::through`](super::laws::Laws::through).
///
/// A hub may ask to be woken earlier than necessary, so set
/// [`early_deadlines`](super::laws::Laws::early_deadlines) for the laws:
///
/// ```
/// use diesel_proto::testkit::laws::Laws;
/// use diesel_proto::testkit::{HubMachine, Stimulus};
/// use diesel_proto::{Conn, Error, Hub};
///
/// async fn shout(mut conn: Conn) -> Result<(), Error> {
///     loop {
///         let line = conn.until_eol().await?;
///         conn.write(line.to_ascii_uppercase()).await?;
///     }
/// }
///
/// let served = || {
///     let mut hub = Hub::default();
///     let service = hub.add_service(shout);
///     HubMachine::new(hub, service)
/// };
/// Laws::of(served).early_deadlines().assert(&[Stimulus::bytes("hello\r\n"), Stimulus::Eof]);
/// ```
pub struct HubMachine {
    hub: Hub,
    service: ServiceId,
    conn: Option<ConnId>,
    streams: Streams<Interest>,
    room: u64,
    held: usize,
    scanned: u64,
}

impl HubMachine {
    /// The connection is accepted at [`Input::Start`].
    pub fn new(hub: Hub, service: ServiceId) -> Self {
        HubMachine {
            hub,
            service,
            conn: None,
            streams: Streams::new(BUDGETS),
            room: 16 << 10,
            held: 0,
            scanned: 0,
        }
    }

    /// Takes output from the hub only while fewer than `bytes` are queued below. 16 KiB by default.
    pub fn room(mut self, bytes: u64) -> Self {
        self.room = bytes.max(1);
        self
    }

    /// The hub inside.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    fn start(&mut self, now: Instant, below: &mut Below<'_, '_>) {
        let HubMachine { hub, service, streams, .. } = self;
        match streams.accept_one(hub, below, now, *service, Address::Unnamed, ()) {
            Ok(conn) => self.conn = Some(conn),
            Err(Refused::Limit(limit)) => below.actions.abort(Cause::Limit(limit)),
            Err(Refused::Shutdown) => below.actions.abort(Cause::Shutdown),
            Err(Refused::Panicked) => below.actions.abort(Cause::Panicked),
            Err(Refused::NoSuchService) => below.actions.abort(Cause::Done),
        }
    }

    /// Runs the hub until nothing is left to do, or the bound of a step is reached.
    fn run(&mut self, now: Instant, below: &mut Below<'_, '_>) {
        for _ in 0..TURNS {
            self.streams.turn(&mut self.hub, below, now);
            // Deadlines that are due now are served in this step.
            if self.hub.next_wake().is_none_or(|at| at > now) {
                break;
            }
        }
        self.conn = self.conn.filter(|conn| self.streams.stream(*conn).is_some());
        self.measure();
        let actions = &mut *below.actions;
        if let Some(&mut interest) = self.conn.and_then(|conn| self.streams.stream(conn)) {
            match interest.readable {
                true => actions.resume(),
                false => actions.pause(),
            }
            if interest.writable {
                actions.notify_below(self.room);
            }
        }
        if self.streams.has_halted() {
            actions.close(Cause::Shutdown);
        }
        match self.hub.next_wake() {
            Some(at) => actions.set_deadline(at, Reason::Application("hub")),
            None => actions.clear_deadline(),
        }
    }

    fn measure(&mut self) {
        let counted = self.conn.and_then(|conn| self.hub.held_and_scanned(conn));
        let (held, scanned) = counted.unwrap_or_default();
        self.held = held + self.conn.map_or(0, |conn| self.streams.kept(conn));
        self.scanned = self.scanned.max(scanned);
    }
}

impl Machine for HubMachine {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        let below = &mut Below { now, room: self.room, actions };
        self.streams.begin_round();
        if let Some(conn) = self.conn.filter(|_| below.actions.queued() < self.room) {
            let ready = Ready { writable: true, ..Ready::default() };
            self.streams.ready(&mut self.hub, below, now, conn, ready);
        }
        match (input, self.conn) {
            (Input::Start, _) => self.start(now, below),
            (Input::Bytes(bytes), conn) => {
                taken = bytes.len();
                if let Some(conn) = conn {
                    self.streams.received(&mut self.hub, below, now, conn, bytes);
                }
            }
            (Input::Eof, Some(conn)) => self.hub.eof(now, conn),
            (Input::Cut(_), Some(conn)) => self.hub.reset(now, conn),
            (Input::WriteFailed, Some(conn)) => self.hub.write_failed(now, conn),
            (Input::Wake, Some(conn)) => self.hub.wake(now, conn),
            (Input::Shutdown, _) => {
                let grace = crate::hub::Config::default().grace;
                self.hub.drain(now, now + grace);
            }
            _ => {}
        }
        self.run(now, below);
        taken
    }

    fn held(&self) -> usize {
        self.held
    }

    fn scanned(&self) -> u64 {
        self.scanned
    }
}

/// The stream below, as a transport for one step. The state of a stream is its interest.
struct Below<'b, 'a> {
    now: Instant,
    room: u64,
    actions: &'b mut Actions<'a>,
}

impl Transport for Below<'_, '_> {
    type Stream = Interest;
    type Incoming = ();

    fn read(&mut self, _: &mut Interest) -> ReadOutcome<'_> {
        // Bytes that arrive are passed to the hub directly, never read.
        ReadOutcome::Nothing
    }

    fn write(&mut self, _: &mut Interest, slices: &[&[u8]]) -> WriteOutcome {
        let room = self.room.saturating_sub(self.actions.queued());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut left = room;
        for slice in slices {
            let now = &slice[..slice.len().min(left)];
            self.actions.send(now);
            left -= now.len();
        }
        WriteOutcome::Took(room - left)
    }

    fn write_region(&mut self, _: ConnId, _: &mut Interest, region: FileRegion) -> RegionOutcome {
        self.actions.send_file_region(region);
        RegionOutcome::Wrote(WriteOutcome::Took(usize::try_from(region.len).unwrap_or(usize::MAX)))
    }

    fn shut_down(&mut self, _: ConnId, _: &mut Interest) -> Result<(), Lost> {
        self.actions.half_close();
        Ok(())
    }

    fn watch(&mut self, _: ConnId, stream: &mut Interest, interest: Interest) -> Result<(), Lost> {
        *stream = interest;
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, stream: Option<Interest>, end: End) {
        match (stream, end) {
            (None, _) => {}
            (_, End::Close(cause)) => self.actions.close(cause),
            (_, End::Abort(cause)) => self.actions.cut(cause),
        }
    }

    fn open(&mut self, _: ConnId, (): ()) -> Result<Interest, Lost> {
        Ok(Interest::READABLE)
    }

    fn connect(&mut self, _: ConnId, _: Address) -> Result<Interest, ConnectErrorKind> {
        Err(ConnectErrorKind::Unsupported)
    }

    fn connected(&mut self, _: &mut Interest, _: bool) -> ConnectOutcome {
        ConnectOutcome::UnderWay
    }

    fn unacked(&mut self, _: &mut Interest) -> Option<u64> {
        Some(self.actions.queued())
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {}

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        self.actions.notice(notice);
    }

    fn now(&mut self) -> Instant {
        self.now
    }
}

impl fmt::Debug for HubMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubMachine").field("hub", &self.hub).finish_non_exhaustive()
    }
}
