//! The machine: a handshake, then records, then the end.
//!
//! ```text
//!            ┌─ fault ─▶ the inner machine is cut, the alert is sent, the stream closes
//!   start ─▶ handshake ─▶ open: the inner machine starts ─▶ it ended, all is encrypted ─▶ ended
//!            └─ too late: aborted                   └─ end without close_notify: cut
//! ```
//!
//! Rules of this file:
//!
//! - The inner machine starts when the handshake is complete. If that fails, it gets the cause as
//!   [`Input::Cut`], without a start.
//! - While the inner machine has paused, no record is decrypted.
//! - `close_notify` follows everything that the inner machine queued, and never follows an abort.
//!
//! It must never know what a record looks like.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

use super::client_tickets::ClientTickets;
use super::session::Session;
use super::tickets::{KeepsSessions, Tickets};
use super::{Clock, Info, fault};
use crate::hub::MachineCtx;
use crate::machine::{
    Actions, Address, Cause, Deadline, End, Input, Machine, Nested, Notice, Reason, TlsError,
};
use crate::time::Instant;

/// While this many bytes are queued below, nothing more is encrypted, until fewer than `LOW_WATER`
/// are. With a quarter of it, a large download over one connection costs a third more: each batch is
/// a system call and a turn of the hub.
const HIGH_WATER: u64 = 256 << 10;
const LOW_WATER: u64 = 128 << 10;

/// TLS around a machine, without a hub. Made by [`Acceptor::machine`](super::Acceptor::machine) and
/// [`Connector::machine`](super::Connector::machine).
///
/// ```
/// use diesel_proto::tls::{Acceptor, Tls};
/// use diesel_proto::{Endpoint, Instant, LineEcho};
///
/// fn endpoint(acceptor: &Acceptor, now: Instant, unix_seconds: u64) -> Endpoint<Tls<LineEcho>> {
///     acceptor.clock().set(unix_seconds);
///     Endpoint::new(acceptor.machine(LineEcho::default()), now)
/// }
///
/// /// The name that the client asked for, once the handshake is complete.
/// fn server_name(endpoint: &Endpoint<Tls<LineEcho>>) -> Option<&str> {
///     endpoint.machine().first()?.info()?.server_name()
/// }
/// ```
pub struct Tls<M>(pub(super) Layer<M, Alone>);

impl<M> Tls<M> {
    /// What was negotiated, once the handshake is complete.
    pub fn info(&self) -> Option<&Info> {
        self.0.around.0.as_ref()
    }
}

impl<M: Machine> Machine for Tls<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        self.0.step(now, input, actions)
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn scanned(&self) -> u64 {
        self.0.scanned()
    }
}

impl<M> fmt::Debug for Tls<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.0.stage {
            Stage::New(_) => "new",
            Stage::Handshake(..) => "handshake",
            Stage::Open(_) => "open",
            Stage::Ended => "ended",
            Stage::Failed => "failed",
        };
        write!(f, "Tls({stage})")
    }
}

/// Which side of the handshake this is, with the sessions that can be resumed.
pub(super) enum Side {
    Server(Arc<ServerConfig>, Option<Arc<Tickets>>),
    Client(Arc<ClientConfig>, Option<Arc<ClientTickets>>, ServerName<'static>),
}

impl Side {
    fn connection(&self) -> Result<(Connection, Option<Arc<dyn KeepsSessions>>), Error> {
        Ok(match self {
            Side::Server(config, None) => (ServerConnection::new(Arc::clone(config))?.into(), None),
            Side::Server(config, Some(tickets)) => {
                let tickets = tickets.of_connection();
                let mut config = ServerConfig::clone(config);
                config.session_storage = Arc::clone(&tickets) as _;
                (ServerConnection::new(Arc::new(config))?.into(), Some(tickets))
            }
            Side::Client(config, None, name) => {
                (ClientConnection::new(Arc::clone(config), name.clone())?.into(), None)
            }
            Side::Client(config, Some(tickets), name) => {
                let tickets = tickets.of_connection();
                let mut config = ClientConfig::clone(config);
                config.resumption = Resumption::store(Arc::clone(&tickets) as _);
                (ClientConnection::new(Arc::new(config), name.clone())?.into(), Some(tickets))
            }
        })
    }

    /// The name that a client asks for.
    fn asked(&self) -> Option<String> {
        match self {
            Side::Server(..) => None,
            Side::Client(.., name) => Some(name.to_str().into_owned()),
        }
    }
}

/// What holds the layer: a hub, or nothing.
pub(super) trait Around {
    /// The time of day, if it is known here.
    fn unix_seconds(&self) -> Option<u64>;
    fn peer(&self) -> Address;
    fn learn(&mut self, info: Info);
    /// Whether it reports the causes of ends.
    fn reports_causes(&self) -> bool;
}

impl Around for MachineCtx {
    fn unix_seconds(&self) -> Option<u64> {
        MachineCtx::unix_seconds(self)
    }

    fn peer(&self) -> Address {
        MachineCtx::peer(self)
    }

    fn learn(&mut self, info: Info) {
        MachineCtx::learn(self, info);
    }

    fn reports_causes(&self) -> bool {
        true
    }
}

/// No hub: what was negotiated is kept here, and the embedder sets the clock.
#[derive(Default)]
pub(super) struct Alone(Option<Info>);

impl Around for Alone {
    fn unix_seconds(&self) -> Option<u64> {
        None
    }

    fn peer(&self) -> Address {
        Address::Unnamed
    }

    fn learn(&mut self, info: Info) {
        self.0 = Some(info);
    }

    fn reports_causes(&self) -> bool {
        false
    }
}

/// TLS around a machine.
pub(super) struct Layer<M, A> {
    inner: Nested<M>,
    stage: Stage,
    clock: Clock,
    within: Duration,
    around: A,
}

enum Stage {
    New(Side),
    /// With the name that was asked for, and the time at which the handshake is too late.
    Handshake(Box<Session>, Option<String>, Instant),
    Open(Box<Session>),
    /// The inner machine ended the stream, and everything is encrypted.
    Ended,
    /// The inner machine was cut: nothing more is passed on.
    Failed,
}

impl Stage {
    fn session(&mut self) -> Option<&mut Session> {
        match self {
            Stage::Handshake(session, ..) | Stage::Open(session) => Some(session),
            Stage::New(_) | Stage::Ended | Stage::Failed => None,
        }
    }
}

impl<M: Machine, A: Around> Layer<M, A> {
    pub(super) fn new(side: Side, clock: Clock, within: Duration, around: A, inner: M) -> Self {
        Layer { inner: Nested::framing(inner), stage: Stage::New(side), clock, within, around }
    }

    fn start(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let Stage::New(side) = &self.stage else { return };
        match side.connection() {
            Ok((tls, sessions)) => {
                let mut session = Session::new(tls, sessions, now);
                session.flush(actions);
                let ends = now + self.within;
                self.stage = Stage::Handshake(session, side.asked(), ends);
                actions.set_deadline(ends, Reason::Handshake);
            }
            Err(error) => {
                let fault = fault::of(&error, false);
                self.fails(now, (error, fault), actions);
            }
        }
    }

    /// Before the inner machine has started.
    fn handshake(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) {
        match input {
            Input::Start => self.start(now, actions),
            Input::Deadline => {
                let late = matches!(self.stage, Stage::Handshake(_, _, ends) if now >= ends);
                if late {
                    self.cut(now, Cause::TimedOut(Reason::Handshake), actions);
                }
            }
            Input::WriteFailed => self.cut(now, Cause::Reset, actions),
            Input::Eof => self.closes(now, Cause::Tls(TlsError::ClosedInHandshake), actions),
            Input::Shutdown => self.closes(now, Cause::Shutdown, actions),
            Input::Cut(_) => {
                self.stage = Stage::Failed;
                self.inner.pass_on(now, input, actions);
            }
            Input::Bytes(_) | Input::Drained | Input::Wake => {}
        }
    }

    /// The handshake is complete.
    fn open(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let Stage::Handshake(mut session, asked, _) =
            core::mem::replace(&mut self.stage, Stage::Failed)
        else {
            return;
        };
        session.completed();
        if let Some(info) = Info::of(session.tls(), asked) {
            self.around.learn(info);
        }
        self.stage = Stage::Open(session);
        // The deadline of the handshake goes when this step settles.
        self.inner.pass_on(now, Input::Start, actions);
    }

    /// Takes records one by one, and none while the inner machine has paused.
    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let Some(session) = self.stage.session() else { return bytes.len() };
            if session.peer_closed() || self.inner.end().is_some() {
                // Nothing more is to be read.
                return bytes.len();
            }
            if !self.inner.wants_input() {
                break;
            }
            let fed = session.feed(rest);
            session.flush(actions);
            let is_complete = !session.is_handshaking();
            match fed {
                Ok(n) => taken += n,
                Err(error) => {
                    self.fails(now, error, actions);
                    return bytes.len();
                }
            }
            if is_complete && matches!(self.stage, Stage::Handshake(..)) {
                self.open(now, actions);
            }
            self.deliver(now, actions);
            self.encrypt(now, actions);
        }
        taken
    }

    /// Hands over what is decrypted, as far as the inner machine takes it, then the end.
    fn deliver(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let Stage::Open(session) = &mut self.stage else { return };
        while session.has_plain() && self.inner.wants_input() {
            session.read(|plain| {
                // All of it: `wants_input` said so.
                let _ = self.inner.received(now, plain, actions);
            });
        }
        if session.peer_closed() && !session.has_plain() {
            // After the first time this does nothing.
            self.inner.pass_on(now, Input::Eof, actions);
        }
    }

    fn encrypt(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let Stage::Open(session) = &mut self.stage else { return };
        self.inner.frame_by_room(HIGH_WATER, actions, |slices, actions| {
            session.write(now, slices, actions)
        });
    }

    /// Applies what the inner machine wants.
    fn settle(&mut self, now: Instant, actions: &mut Actions<'_>) {
        self.deliver(now, actions);
        self.encrypt(now, actions);
        let Stage::Open(session) = &mut self.stage else { return };
        if session.is_exhausted() && self.inner.is_unframed() {
            return self.cut(now, Cause::Tls(TlsError::KeyExhausted), actions);
        }
        let is_framed = !self.inner.is_unframed();
        let end = self.inner.end();
        let closes = self.inner.half_closed() && !end.is_some_and(End::is_abort);
        // After a failed write, nothing that is queued arrives, and reading goes on.
        if is_framed && closes && !actions.is_half_closed() {
            session.close_notify(actions);
        }
        self.inner.settle_by_room(None, LOW_WATER, actions);
        if is_framed && end.is_some() {
            self.stage = Stage::Ended;
        }
    }

    /// Cuts the inner machine, and aborts the stream.
    fn cut(&mut self, now: Instant, cause: Cause, actions: &mut Actions<'_>) {
        self.stage = Stage::Failed;
        self.inner.cut(now, cause, actions);
    }

    /// Cuts the inner machine, and closes the stream after what is queued: an alert, perhaps.
    fn closes(&mut self, now: Instant, cause: Cause, actions: &mut Actions<'_>) {
        self.stage = Stage::Failed;
        self.inner.pass_on(now, Input::Cut(cause), actions);
        actions.clear_deadline();
        actions.close(cause);
    }

    /// TLS failed. An alert, if one is due, is queued already.
    fn fails(
        &mut self,
        now: Instant,
        (error, fault): (Error, TlsError),
        actions: &mut Actions<'_>,
    ) {
        let peer = self.around.peer();
        if fault::has_more_to_tell(&error) {
            actions.notice(Notice::Text(format!("{peer}: TLS: {error}")));
        } else if !fault.is_of_peer() && !self.around.reports_causes() {
            // A fault of the settings must not go unseen.
            actions.notice(Notice::Text(format!("{peer}: {fault}")));
        }
        match fault {
            // The peer has given up: there is nothing to tell it.
            TlsError::Alert(_) => self.cut(now, Cause::Tls(fault), actions),
            _ => self.closes(now, Cause::Tls(fault), actions),
        }
    }
}

impl<M: Machine, A: Around> Machine for Layer<M, A> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let Some(unix_seconds) = self.around.unix_seconds() {
            self.clock.set(unix_seconds);
        }
        if let Input::Bytes(bytes) = input {
            let taken = self.bytes(now, bytes, actions);
            self.settle(now, actions);
            return taken;
        }
        match &self.stage {
            Stage::New(_) | Stage::Handshake(..) => self.handshake(now, input, actions),
            Stage::Open(session) => {
                if input != Input::Eof {
                    self.inner.pass_on(now, input, actions);
                } else if !session.peer_closed() && self.inner.end().is_none() {
                    self.cut(now, Cause::Tls(TlsError::Truncated), actions);
                }
                self.settle(now, actions);
            }
            Stage::Ended => {
                self.inner.pass_on(now, input, actions);
                self.inner.settle(None::<Deadline>, actions);
            }
            Stage::Failed => {}
        }
        0
    }

    fn held(&self) -> usize {
        let held = match &self.stage {
            Stage::Handshake(session, ..) | Stage::Open(session) => session.held(),
            Stage::New(_) | Stage::Ended | Stage::Failed => 0,
        };
        self.inner.held() + held
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}
