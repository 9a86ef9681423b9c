//! A whole hub with one connection, as a machine: so that the laws of machines, and everything else
//! that drives a machine, apply to handlers.
//!
//! It is an embedder of the hub inside, and keeps to the contract in [`hub`](crate::hub) as a
//! driver does: it hands in what arrived, obeys the actions in their order, takes output only while
//! the queue below has room, and wakes up when the hub asks to be woken.
//!
//! It must never know what the handler does.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    Action, Actions, Address, Cause, ConnId, ConnectErrorKind, Hub, Input, Instant, Machine,
    Reason, Refused, ServiceId,
};

/// Runs and obeyed actions in one step, before the rest is put off: a step is bounded.
const RUNS: usize = 10_000;

/// A hub and the one connection that its service is given.
///
/// What the handler makes of [`connect`](crate::Ctx::connect) fails: there is no network here.
///
/// A hub may ask to be woken earlier than it has to be, so for the laws say
/// [`early_deadlines`](super::laws::Laws::early_deadlines):
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
    actions: Vec<Action>,
    room: u64,
    /// The hub was told that nothing more is taken.
    stuck: bool,
    held: usize,
    scanned: u64,
}

impl HubMachine {
    /// The connection comes with [`Input::Start`].
    pub fn new(hub: Hub, service: ServiceId) -> Self {
        HubMachine {
            hub,
            service,
            conn: None,
            actions: Vec::new(),
            room: 16 << 10,
            stuck: false,
            held: 0,
            scanned: 0,
        }
    }

    /// Takes output from the hub only while fewer than `bytes` are queued below. 16 KiB if not
    /// said.
    pub fn room(mut self, bytes: u64) -> Self {
        self.room = bytes.max(1);
        self
    }

    /// The hub inside.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    fn start(&mut self, now: Instant, actions: &mut Actions<'_>) {
        match self.hub.accept(now, self.service, Address::Unnamed) {
            Ok(conn) => self.conn = Some(conn),
            Err(Refused::Limit(limit)) => actions.abort(Cause::Limit(limit)),
            Err(Refused::Shutdown) => actions.abort(Cause::Shutdown),
            Err(Refused::Panicked) => actions.abort(Cause::Panicked),
            Err(Refused::NoSuchService) => actions.abort(Cause::Done),
        }
    }

    /// Until nothing more follows, or the bound of a step is reached.
    fn run(&mut self, now: Instant, actions: &mut Actions<'_>) {
        for _ in 0..RUNS {
            let mut todo = core::mem::take(&mut self.actions);
            self.hub.run(now, &mut todo);
            for action in todo.drain(..) {
                self.obey(now, action, actions);
            }
            self.actions = todo;
            self.send(now, actions);
            // What is due now is due now, whoever asks.
            if self.hub.next_wake().is_none_or(|at| at > now) {
                break;
            }
        }
        self.measure();
        match self.hub.next_wake() {
            Some(at) => actions.set_deadline(at, Reason::Application("hub")),
            None => actions.clear_deadline(),
        }
    }

    fn obey(&mut self, now: Instant, action: Action, actions: &mut Actions<'_>) {
        match action {
            Action::Connect(conn, _) => {
                self.hub.connect_failed(now, conn, ConnectErrorKind::Unsupported);
            }
            Action::ReportUnacked(conn) => self.hub.unacked(now, conn, actions.queued()),
            Action::Notice(_, notice) => actions.notice(notice),
            Action::Halt => actions.close(Cause::Shutdown),
            Action::Close(conn, cause) if Some(conn) == self.conn => {
                self.conn = None;
                actions.close(cause);
            }
            Action::Abort(conn, cause) if Some(conn) == self.conn => {
                self.conn = None;
                actions.cut(cause);
            }
            Action::Pause(conn) if Some(conn) == self.conn => actions.pause(),
            Action::Resume(conn) if Some(conn) == self.conn => actions.resume(),
            Action::HalfClose(conn) if Some(conn) == self.conn => actions.half_close(),
            // `Send` is obeyed after each run anyway; the rest is about what is not here.
            _ => {}
        }
    }

    /// Moves output while there is room below; what is left over waits for `Drained`.
    fn send(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let Some(conn) = self.conn else { return };
        loop {
            let room = self.room.saturating_sub(actions.queued());
            let moved = self.hub.outgoing(conn, |slices| {
                let mut left = usize::try_from(room).unwrap_or(usize::MAX);
                for slice in slices {
                    let now = &slice[..slice.len().min(left)];
                    actions.send(now);
                    left -= now.len();
                }
                room - left as u64
            });
            let Some(moved) = moved else { return };
            // Zero is to be said once.
            if moved > 0 || !self.stuck {
                self.hub.sent(now, conn, moved);
            }
            self.stuck = moved == 0;
            if self.stuck {
                return actions.notify_below(self.room);
            }
        }
    }

    fn measure(&mut self) {
        let (held, scanned) =
            self.conn.and_then(|conn| self.hub.held_and_scanned(conn)).unwrap_or_default();
        self.held = held;
        self.scanned = self.scanned.max(scanned);
    }
}

impl Machine for HubMachine {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match (input, self.conn) {
            (Input::Start, _) => self.start(now, actions),
            (Input::Bytes(bytes), Some(conn)) => taken = self.hub.received(now, conn, bytes),
            (Input::Bytes(bytes), None) => taken = bytes.len(),
            (Input::Eof, Some(conn)) => self.hub.eof(now, conn),
            (Input::Cut(_), Some(conn)) => self.hub.reset(now, conn),
            (Input::WriteFailed, Some(conn)) => self.hub.write_failed(now, conn),
            (Input::Wake, Some(conn)) => self.hub.wake(now, conn),
            (Input::Shutdown, _) => {
                let grace = crate::Config::default().grace;
                self.hub.drain(now, now + grace);
            }
            _ => {}
        }
        self.run(now, actions);
        taken
    }

    fn held(&self) -> usize {
        self.held
    }

    fn scanned(&self) -> u64 {
        self.scanned
    }
}

impl fmt::Debug for HubMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubMachine").field("hub", &self.hub).finish_non_exhaustive()
    }
}
