//! One connection as the hub sees it: which actions it emits, and its deadlines.
//!
//! Handles and machines only write what they want into a [`StreamControl`].
//! `Stream::emit_actions` compares that with the actions emitted so far, and emits the
//! difference: almost all actions of a connection come from there. The phases of a stream:
//!
//! ```text
//!   Connecting ──connected──▶ Open ──close, all sent──▶ Lingering ──eof, or timeout──▶ gone
//!       │                      │ ▲                                                      ▲
//!       │                      ▼ │ (half-close, all sent: our side only)                │
//!       └──failed──────────────┴──── abort, reset, peer ended and all sent ─────────────┘
//! ```

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::time::Duration;

use super::begun::put_off;
use super::config::{ServiceConfig, Shed};
use super::fiber_machine::FiberMachine;
use super::progress::{Progress, StallDue};
use crate::machine::Attached;
use crate::machine::ServiceId;
use crate::machine::{
    Actions, Address, Cause, End, Input, Machine, Reason, StreamControl, Upgradable,
};
use crate::time::{Instant, TimerKey};

/// How long a stream that is finished waits for its handler to end, so that the handler's error
/// becomes the cause of the close: long enough for a handler that does not wait for anything.
const HANDLER_ENDS: Duration = Duration::from_millis(1);

/// How long a connection on which nothing was ever sent does not count as idle.
const NEW: Duration = Duration::from_secs(1);

pub(crate) struct Stream {
    pub(crate) state: StreamState,
    pub(crate) service: Option<ServiceId>,
    pub(super) phase: Phase,
    pub(super) half_close_reported: bool,
    pub(super) pause_reported: bool,
    pub(super) peer_ended: bool,
    /// Whether it is in the list of streams whose actions are emitted before the run ends.
    pub(crate) listed: bool,
    /// Whether it was idle and will be closed before the run ends, to make room.
    is_leaving: bool,
    /// Whether it is in the list of streams whose machines were woken.
    pub(crate) woken: bool,
    pub(super) timer: Option<TimerKey>,
    pub(crate) progress: Progress,
    /// When bytes last arrived.
    pub(super) last_received: Instant,
}

pub(crate) enum StreamState {
    Machine(Box<MachineStream>),
    /// The machine is out of the table while it is made, or runs. In this state at any other time,
    /// it has panicked.
    Running,
}

pub(crate) struct MachineStream {
    pub(crate) link: Attached<Top>,
    pub(crate) peer: Address,
    pub(crate) config: Rc<ServiceConfig>,
}

/// What drives a stream of a hub.
pub(crate) enum Top {
    /// Most connections have this one: it is called directly, without a box.
    Fiber(FiberMachine),
    Other(Box<dyn Machine>),
}

impl MachineStream {
    /// Whether the next step runs no user code.
    pub(crate) fn runs_no_user_code(&self) -> bool {
        matches!(self.link.machine(), Upgradable::First(Top::Fiber(fiber)) if fiber.is_plain())
    }
}

impl Machine for Top {
    #[inline]
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match self {
            Top::Fiber(machine) => machine.step(now, input, actions),
            Top::Other(machine) => machine.step(now, input, actions),
        }
    }

    fn held(&self) -> usize {
        match self {
            Top::Fiber(machine) => machine.held(),
            Top::Other(machine) => machine.held(),
        }
    }

    fn scanned(&self) -> u64 {
        match self {
            Top::Fiber(machine) => machine.scanned(),
            Top::Other(machine) => machine.scanned(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    Lingering,
}

impl Stream {
    /// A stream whose machine is being made.
    pub(crate) fn of_machine(service: Option<ServiceId>, connecting: bool, now: Instant) -> Self {
        let phase = if connecting { Phase::Connecting } else { Phase::Open };
        Stream::new(StreamState::Running, service, phase, now)
    }

    fn new(state: StreamState, service: Option<ServiceId>, phase: Phase, now: Instant) -> Self {
        Stream {
            state,
            service,
            phase,
            half_close_reported: false,
            pause_reported: false,
            peer_ended: false,
            listed: false,
            is_leaving: false,
            woken: false,
            timer: None,
            progress: Progress::new(now),
            last_received: now,
        }
    }

    /// Notes that it will be closed before the run ends.
    pub(super) fn leaves(&mut self) {
        self.is_leaving = true;
    }

    /// Whether the connection is idle, so that it may be closed to make room; and since when.
    ///
    /// A connection on which nothing was ever sent is not idle at first: its request may be on its
    /// way.
    pub(super) fn idle(&self, now: Instant) -> Idle {
        let StreamState::Machine(stream) = &self.state else { return Idle::Never };
        let flow = &stream.link.flow;
        let waits = match (stream.link.machine(), stream.config.shed) {
            (_, Shed::Never) | (Upgradable::First(Top::Fiber(_)), Shed::KeepAlive) => {
                return Idle::Never;
            }
            (Upgradable::First(Top::Fiber(fiber)), Shed::Idle) => fiber.waits_for_bytes(),
            _ => flow.deadline().is_some_and(|it| it.reason == Reason::KeepAlive),
        };
        let quiet = self.phase == Phase::Open && !self.is_leaving && !flow.is_half_closed();
        let since = self.last_received.max(self.progress.since);
        let is_new = flow.output.sent() == 0 && now < since + NEW;
        match waits && quiet && !is_new && flow.output.is_empty() && stream.link.wants_input() {
            true => Idle::Since(since),
            false => Idle::Later,
        }
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.phase == Phase::Connecting
    }

    pub(crate) fn opened(&mut self, now: Instant) {
        self.phase = Phase::Open;
        self.progress.since = now;
        self.last_received = now;
    }

    /// Makes the hub's deadline that began within the last call count from now. Returns whether it
    /// moved.
    pub(crate) fn counts_from(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Connecting | Phase::Lingering => put_off(&mut self.progress.since, now),
            Phase::Open => put_off(&mut self.last_received, now),
        }
    }

    pub(crate) fn bytes_arrived(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// A write failed. Returns whether this is the first time.
    pub(crate) fn write_failed(&mut self, now: Instant) -> bool {
        self.progress.since = now;
        // Our side has ended already: no half-close is needed.
        self.half_close_reported = true;
        !core::mem::replace(&mut self.progress.failed, true)
    }

    /// `unacked` of the sent bytes are not acknowledged by the peer. Returns whether this moves a
    /// deadline.
    pub(crate) fn unacked(&mut self, now: Instant, unacked: u64) -> bool {
        let StreamState::Machine(stream) = &self.state else { return false };
        let sent = stream.link.flow.output.sent();
        self.progress.unacked(now, sent, unacked, &stream.config)
    }

    /// Whether the stream is dead in both directions: a write failed, and the peer has ended its
    /// side.
    pub(crate) fn is_dead(&self) -> bool {
        self.progress.failed
            && match &self.state {
                StreamState::Machine(stream) => stream.link.is_dead(),
                StreamState::Running => false,
            }
    }

    /// The peer ended its side. Returns whether this is the first time.
    pub(crate) fn ended(&mut self) -> bool {
        !core::mem::replace(&mut self.peer_ended, true)
    }

    /// Whether everything was sent and our side closed in order, and only the peer's side is still
    /// open.
    pub(crate) fn is_lingering(&self) -> bool {
        self.phase == Phase::Lingering
    }

    pub(crate) fn take_timer(&mut self) -> Option<TimerKey> {
        self.timer.take()
    }

    /// What is due at `now`, if a deadline has passed.
    pub(crate) fn due(&mut self, now: Instant) -> Option<StreamDue> {
        let StreamState::Machine(stream) = &self.state else { return None };
        let ServiceConfig { linger, write_stall, idle, connect, .. } = *stream.config;
        let flow = &stream.link.flow;
        let (closing, awaits_cause) = (flow.closing(), flow.awaits_cause);
        if self.phase == Phase::Open && !self.progress.failed {
            match self.progress.due(now, flow.output.sent(), &stream.config) {
                // The peer does not read what the system holds: with FIN, the system would hold
                // that for minutes more. So reset the stream.
                Some(StallDue::Cut) => {
                    return Some(StreamDue::End(End::Abort(Cause::TimedOut(Reason::WriteStall))));
                }
                Some(StallDue::Ask) => return Some(StreamDue::Ask),
                None => {}
            }
        }
        match self.phase {
            Phase::Connecting => {
                (now >= self.progress.since + connect).then_some(StreamDue::Connect)
            }
            Phase::Lingering => (now
                >= self.progress.since + lingers_for(awaits_cause, self.peer_ended, linger))
            .then_some(StreamDue::End(End::Close(closing.unwrap_or(Cause::Done)))),
            // If nothing can be sent any more, bytes that still arrive put the deadline off.
            Phase::Open
                if self.progress.failed
                    && now >= self.progress.since.max(self.last_received) + write_stall =>
            {
                Some(StreamDue::Reset)
            }
            Phase::Open if closing.is_some() => None,
            // No idle timeout applies while reading is paused.
            Phase::Open if self.pause_reported => Some(StreamDue::Machine),
            Phase::Open if idle.is_some_and(|idle| now >= self.last_received + idle) => {
                Some(StreamDue::Idle)
            }
            Phase::Open => Some(StreamDue::Machine),
        }
    }

    /// Whether `emit_actions` has anything to do.
    pub(crate) fn wants_more_than_told(&self) -> bool {
        let StreamState::Machine(stream) = &self.state else { return true };
        let flow = &stream.link.flow;
        (!flow.output.is_empty() && !self.progress.sending)
            || flow.is_half_closed()
            || flow.paused != self.pause_reported
            || flow.deadline().is_some()
    }

    pub(crate) fn peer(&self) -> Address {
        match &self.state {
            StreamState::Machine(stream) => stream.peer,
            StreamState::Running => Address::Unnamed,
        }
    }

    /// Runs `f` on the state of the stream. `None` while its machine runs.
    pub(crate) fn with_flow<R>(&mut self, f: impl FnOnce(&mut StreamControl) -> R) -> Option<R> {
        match &mut self.state {
            StreamState::Machine(stream) => Some(f(&mut stream.link.flow)),
            StreamState::Running => None,
        }
    }
}

/// How long a stream that is closing is kept after everything was sent.
pub(super) fn lingers_for(handled: bool, peer_ended: bool, linger: Duration) -> Duration {
    match (handled, peer_ended) {
        (true, true) => HANDLER_ENDS,
        (true, false) => linger.max(HANDLER_ENDS),
        (false, _) => linger,
    }
}

/// Whether a stream may be closed to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// It may be closed now: it has been idle since then.
    Since(Instant),
    /// Perhaps later.
    Later,
    /// It is never closed to make room.
    Never,
}

/// What a deadline was for.
pub(crate) enum StreamDue {
    /// Ask the embedder how many bytes the peer has not acknowledged.
    Ask,
    Connect,
    /// End the stream at once.
    End(End),
    /// A write has failed, and nothing arrived since.
    Reset,
    /// The idle timeout: close once everything queued is sent.
    Idle,
    /// The machine's deadline, if it has come.
    Machine,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, since there is one for each of many idle connections.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_stream_of_a_machine_is_small() {
        assert!(size_of::<(u32, Stream)>() <= 80);
        assert!(size_of::<MachineStream>() <= 136);
    }

    #[test]
    #[cfg(feature = "testkit")]
    fn what_is_held_and_scanned_is_counted_whatever_drives_the_stream() {
        use super::super::{Hub, Service};
        use crate::fiber::Conn;
        use crate::machine::LineEcho;
        use crate::testkit::decorator::Tracer;

        let services = || {
            [
                Service::new(async |mut conn: Conn| conn.until_eol().await.map(drop)),
                Service::new(async |conn: Conn| {
                    conn.upgrade(LineEcho::default());
                    Ok(())
                }),
                Service::machine(|_| LineEcho::default()),
            ]
        };
        let layered = services().map(|it| it.layer(|_, inner| Tracer::new(inner, |_, _| {})));
        let now = Instant::ORIGIN;
        for (which, service) in services().into_iter().chain(layered).enumerate() {
            let mut hub = Hub::default();
            let service = hub.add_service(service);
            let conn = hub.accept(now, service, Address::Unnamed).unwrap();
            hub.run(now, &mut alloc::vec::Vec::new());
            assert_eq!(hub.received(now, conn, b"half a li"), 9);
            hub.run(now, &mut alloc::vec::Vec::new());
            assert_eq!(hub.held_and_scanned(conn), Some((9, 9)), "{which}");
        }
    }
}
