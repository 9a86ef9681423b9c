//! The application as a pure state machine: services, loops, connections, clients, events and
//! timers in one place. It is what diesel called its event hub, without the sockets.
//!
//! # The closed list of inputs
//!
//! What follows from these, in this order and with these arguments, is always the same, byte for
//! byte; nothing else reaches a hub.
//!
//! | input | what happened |
//! | --- | --- |
//! | [`accept`](Hub::accept) | a service has a new connection |
//! | [`received`](Hub::received), [`eof`](Hub::eof), [`reset`](Hub::reset) | a stream brought bytes, ended, broke |
//! | [`sent`](Hub::sent) | a stream took bytes |
//! | [`connected`](Hub::connected), [`connect_failed`](Hub::connect_failed) | what became of a [`Action::Connect`] |
//! | [`wake`](Hub::wake) | what a connection's machine shares with others changed |
//! | [`drain`](Hub::drain) | an orderly shutdown began |
//! | [`run`](Hub::run) | time passed |
//!
//! # The contract, for embedders
//!
//! 1. Tell what happened with the calls above, in any order. They only take note: no handler runs.
//! 2. Then call [`run`](Hub::run), obey the actions in their order (which brings new inputs:
//!    [`sent`](Hub::sent)), and repeat until a run gives none.
//! 3. Then wait: for streams that are not paused to be readable, for those with something
//!    [`outgoing`](Hub::outgoing) to be writable, and until [`next_wake`](Hub::next_wake).
//! 4. `now` never goes back. If it does, the hub holds on to what it knew.
//!
//! # The order of things
//!
//! Fibers run in the order in which they were woken, loops first in the order they were added;
//! each until its token cannot be satisfied, or its tokens for this pass are spent. What one fiber
//! causes for another (an event, an answer) waits for that one's turn. Timers that are due wake
//! their fibers behind those that are ready already.

mod action;
mod config;
pub(crate) mod core;
pub(crate) mod fibers;
pub(crate) mod id;
mod service;
pub(crate) mod stream;
mod wake;

use ::core::fmt;
use ::core::task::Waker;
use ::core::time::Duration;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

pub use self::action::{Action, Counters};
pub use self::config::{Config, ServiceConfig};
pub use self::fibers::{PollHook, Task};
pub use self::id::{ConnId, FiberId, ServiceId};
pub use self::service::Service;

pub(crate) use self::core::{Alarm, Core};

use self::fibers::{Role, call};
use self::service::Start;
use self::stream::{Due, MachineStream, Stream, StreamState};
use crate::fiber::{Conn, Connecting, Ctx, Event};
use crate::link::Link;
use crate::{
    Address, Cause, ConnectErrorKind, Deadline, Error, External, Input, Instant, Limit, Machine,
    Notice, Reason, Workspace,
};

/// A whole application: see the [module](self).
///
/// ```
/// use diesel_proto::{Action, Address, Conn, Error, Hub, Instant};
///
/// async fn shout(mut conn: Conn) -> Result<(), Error> {
///     loop {
///         let line = conn.until_eol().await?;
///         conn.write(line.to_ascii_uppercase()).await?;
///     }
/// }
///
/// let mut hub = Hub::default();
/// let service = hub.add_service(shout);
/// let conn = hub.accept(Instant::ORIGIN, service, Address::Unnamed)?;
/// hub.received(Instant::ORIGIN, conn, b"hello\r\n");
///
/// let mut actions = Vec::new();
/// hub.run(Instant::ORIGIN, &mut actions);
/// assert_eq!(actions, [Action::Send(conn)]);
/// hub.outgoing(conn, |slices| assert_eq!(slices, [b"HELLO\r\n"]));
/// # Ok::<(), diesel_proto::Refused>(())
/// ```
///
/// A hub and its fibers belong to one thread, so that no handle of theirs needs a lock. It can be
/// made anywhere, but not sent from there:
///
/// ```
/// # use diesel_proto::Hub;
/// std::thread::spawn(|| drop(Hub::default()));
/// ```
///
/// ```compile_fail,E0277
/// # use diesel_proto::Hub;
/// let hub = Hub::default();
/// std::thread::spawn(|| drop(hub));
/// ```
pub struct Hub {
    core: Rc<Core>,
    services: Vec<Registered>,
    hook: Option<PollHook>,
    /// An orderly shutdown ends by then.
    halt_by: Option<Instant>,
    halted: bool,
}

struct Registered {
    service: Service,
    config: Rc<ServiceConfig>,
    open: usize,
    stopped: bool,
}

/// Why a connection was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// A limit was reached.
    Limit(Limit),
    /// The hub is shutting down.
    Shutdown,
    /// There is no such service.
    NoSuchService,
    /// What makes the service's machines panicked.
    Panicked,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Limit(limit) => limit.fmt(f),
            Refused::Shutdown => f.write_str("shutting down"),
            Refused::NoSuchService => f.write_str("no such service"),
            Refused::Panicked => f.write_str("what makes the machine panicked"),
        }
    }
}

impl ::core::error::Error for Refused {}

impl Default for Hub {
    fn default() -> Self {
        Hub::new(Config::default())
    }
}

impl Hub {
    /// A hub with nothing in it.
    pub fn new(config: Config) -> Self {
        Hub::with_alarm(config, Waker::noop().clone())
    }

    /// A hub whose fibers may wait on things that other threads do: `alarm` is woken when one of
    /// them was woken while nobody is running the hub. The embedder is then to call
    /// [`run`](Self::run).
    pub fn with_alarm(config: Config, alarm: Waker) -> Self {
        Hub {
            core: Rc::new(Core::new(config, alarm)),
            services: Vec::new(),
            hook: None,
            halt_by: None,
            halted: false,
        }
    }

    /// Adds a service: a handler, or a [`Service`] with settings of its own.
    pub fn add_service(&mut self, service: impl Into<Service>) -> ServiceId {
        let service = service.into();
        let id = ServiceId(self.services.len() as u32);
        let config = Rc::new(service.config.clone());
        self.services.push(Registered { service, config, open: 0, stopped: false });
        self.core.count_changed.set(true);
        id
    }

    /// Adds a loop: a fiber without a connection, which runs from the next [`run`](Self::run) on.
    pub fn add_loop<F>(&mut self, body: F) -> Result<FiberId, Limit>
    where
        F: AsyncFnOnce(Ctx) -> Result<(), Error> + 'static,
    {
        let ctx = self.ctx();
        self.core.add_fiber(Role::Loop, async move { body(ctx).await })
    }

    /// What belongs to no connection, for use by fibers of this hub.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(&self.core))
    }

    /// A new event of this hub. See [`Ctx::event`].
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.ctx().event()
    }

    /// Wraps each run of the application's code. See [`PollHook`].
    pub fn set_poll_hook(&mut self, hook: PollHook) {
        self.hook = Some(hook);
    }

    /// A service has a new connection, from `peer`.
    ///
    /// # Errors
    ///
    /// At a limit, while the hub shuts down, or if there is no such service: the stream is to be
    /// closed. [`Action::StopAccepting`] comes before a limit is passed.
    pub fn accept(
        &mut self,
        now: Instant,
        service: ServiceId,
        peer: Address,
    ) -> Result<ConnId, Refused> {
        self.advance(now);
        let accepted = self.try_accept(service, peer);
        let counters = &mut *self.core.counters.borrow_mut();
        match accepted {
            Ok(_) => counters.accepted += 1,
            Err(_) => counters.refused += 1,
        }
        accepted
    }

    fn try_accept(&mut self, id: ServiceId, peer: Address) -> Result<ConnId, Refused> {
        let core = &self.core;
        let registered = self.services.get_mut(id.index()).ok_or(Refused::NoSuchService)?;
        if core.is_draining() {
            return Err(Refused::Shutdown);
        }
        let config = Rc::clone(&registered.config);
        if registered.open >= config.max_connections {
            core.counters.borrow_mut().limit_service_connections += 1;
            return Err(Refused::Limit(Limit::ServiceConnections(config.max_connections)));
        }
        core.room_for_stream().map_err(Refused::Limit)?;
        let conn = match registered.service.start.clone() {
            Start::Fiber(handler) => {
                let socket = core.add_socket(Some(id), peer, &config, Connecting::No);
                let conn = socket.id;
                // Its idle deadline begins, though nothing else may ever happen to it.
                core.look_at(&socket);
                // If there is no room for the fiber, dropping the handle closes the connection.
                let future = handler(Conn::new(socket));
                if let Err(limit) = core.add_fiber(Role::Handler(conn), future) {
                    core.streams.borrow_mut().remove(conn.into());
                    let counters = &mut *core.counters.borrow_mut();
                    counters.open = counters.open.saturating_sub(1);
                    return Err(Refused::Limit(limit));
                }
                conn
            }
            Start::Machine(make) => {
                let task = Task::Machine(core.streams.borrow().next_key().into());
                let made = call(&mut self.hook, task, || make(peer)).ok_or(Refused::Panicked)?;
                let link = Link::new(made);
                let stream = MachineStream { link, peer, config };
                let stream = Stream::of_machine(stream, Some(id), core.now.get());
                let conn = core.streams.borrow_mut().insert(stream).into();
                core.counters.borrow_mut().open += 1;
                core.count_changed.set(true);
                conn
            }
        };
        registered.open += 1;
        // Does nothing for a fiber. Counted before: should a panic unwind, it is closed like others.
        self.step(conn, |link, now, workspace| link.start(now, workspace));
        Ok(conn)
    }

    /// Bytes arrived. Returns how many were taken: all, or none while reading is paused (keep
    /// them, and offer them again after [`Action::Resume`]). For a connection that is closing, or
    /// gone, they are taken and dropped.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) -> usize {
        self.advance(now);
        let core = &self.core;
        let taken = {
            let mut streams = core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return bytes.len() };
            if bytes.is_empty() || stream.is_connecting() {
                return bytes.len();
            }
            stream.heard(core.now.get());
            match &stream.state {
                StreamState::Socket(socket) => {
                    let channel = &mut *socket.channel.borrow_mut();
                    let held = channel.input.len();
                    let full = held >= socket.config.read_ahead;
                    if channel.reader_dropped || channel.flow.close.is_some() || channel.eof {
                        Some(bytes.len())
                    } else if full && !channel.reader.is_waiting() {
                        core.look_at(socket);
                        Some(0)
                    } else {
                        channel.input.push(bytes, &mut core.slices.borrow_mut());
                        core.wakers.borrow_mut().extend(channel.reader.take());
                        if held + bytes.len() >= socket.config.read_ahead {
                            core.look_at(socket);
                        }
                        Some(bytes.len())
                    }
                }
                _ => None,
            }
        };
        let taken = taken.unwrap_or_else(|| {
            let mut taken = bytes.len();
            self.step(conn, |link, now, workspace| {
                taken = link.received(now, bytes, workspace);
            });
            taken
        });
        let core = &self.core;
        if taken == 0 {
            // It learns that reading is paused from this very call: so it will be told when to go on.
            if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
                stream.refused(core, conn);
            }
        }
        core.counters.borrow_mut().bytes_in += taken as u64;
        core.wake_all();
        taken
    }

    /// The peer will send no more. To be said after all its bytes were taken.
    pub fn eof(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        let socket = {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            if stream.is_connecting() || !stream.ended() {
                return;
            }
            match &stream.state {
                StreamState::Socket(socket) => Some(Rc::clone(socket)),
                _ => None,
            }
        };
        match socket {
            Some(socket) => {
                let wakers = {
                    let channel = &mut *socket.channel.borrow_mut();
                    channel.eof = true;
                    [channel.reader.take(), channel.take_watcher()]
                };
                self.core.look_at(&socket);
                wakers.into_iter().flatten().for_each(Waker::wake);
            }
            None => self.step(conn, |link, now, workspace| link.eof(now, workspace)),
        }
    }

    /// The stream is broken, both ways; what is queued is dropped.
    pub fn reset(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if self.socket_of(conn).is_none() {
            self.step(conn, |link, now, workspace| link.reset(now, workspace));
        }
        // Once everything was sent, a reset is only how the peer closes its side.
        let settled = |flow: &mut crate::Flow| flow.close.filter(|_| flow.output.is_empty());
        let cause = self.with_flow(conn, settled).flatten().unwrap_or(Cause::Reset);
        self.core.close(conn, cause);
    }

    /// Lends what is to be sent next, oldest first, to `f`: up to 16 slices. `None` if there is
    /// nothing. Say afterwards how much was [`sent`](Self::sent).
    pub fn outgoing<R>(&mut self, conn: ConnId, f: impl FnOnce(&[&[u8]]) -> R) -> Option<R> {
        // The hub is borrowed while `f` runs; but no fiber, waker or hook can run meanwhile.
        let offer = |flow: &mut crate::Flow| {
            let mut slices: [&[u8]; 16] = [&[]; 16];
            let n = flow.output.slices(&mut slices);
            (n > 0).then(|| f(&slices[..n]))
        };
        self.with_flow(conn, offer)?
    }

    /// The region that comes next, if that is not bytes: then [`outgoing`](Self::outgoing) has
    /// nothing before it is [`sent`](Self::sent).
    pub fn external(&self, conn: ConnId) -> Option<External> {
        self.with_flow(conn, |flow| flow.output.external())?
    }

    /// The stream took `n` bytes of what was outgoing: zero, too, is to be said, once, when it
    /// takes no more. Returns how many are still queued.
    pub fn sent(&mut self, now: Instant, conn: ConnId, n: u64) -> u64 {
        self.advance(now);
        let core = &self.core;
        let now = core.now.get();
        let (left, sent) = {
            let mut streams = core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return 0 };
            let StreamState::Socket(socket) = &stream.state else {
                drop(streams);
                return self.machine_sent(conn, n);
            };
            let channel = &mut *socket.channel.borrow_mut();
            let flow = &mut channel.flow;
            let sent = flow.output.advance(n, &mut core.workspace.borrow_mut().blocks);
            let left = flow.output.len();
            let closing = flow.is_half_closed();
            if flow.take_drained() {
                core.wakers.borrow_mut().extend(channel.writer.take());
            }
            let progress = stream.progress.sent(now, sent, left);
            if closing || progress {
                core.look_at(socket);
            }
            (left, sent)
        };
        core.counters.borrow_mut().bytes_out += sent;
        core.wake_all();
        left
    }

    fn machine_sent(&mut self, conn: ConnId, n: u64) -> u64 {
        let mut left = 0;
        let mut sent = 0;
        self.step(conn, |link, now, workspace| {
            let before = link.flow.output.sent();
            link.sent(now, n, workspace);
            sent = link.flow.output.sent().saturating_sub(before);
            left = link.flow.output.len();
        });
        let core = &self.core;
        if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
            stream.progress.sent(core.now.get(), sent, left);
        }
        core.counters.borrow_mut().bytes_out += sent;
        left
    }

    /// The connection that [`Action::Connect`] asked for is there.
    pub fn connected(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        self.connect_settled(conn, Connecting::No);
    }

    /// The connection that [`Action::Connect`] asked for could not be made.
    pub fn connect_failed(&mut self, now: Instant, conn: ConnId, why: ConnectErrorKind) {
        self.advance(now);
        self.connect_settled(conn, Connecting::Failed(why));
    }

    fn connect_settled(&mut self, conn: ConnId, outcome: Connecting) {
        {
            let mut streams = self.core.streams.borrow_mut();
            match streams.at(conn.into()) {
                Some(stream) if stream.is_connecting() => stream.opened(self.core.now.get()),
                _ => return,
            }
        }
        let Some(socket) = self.socket_of(conn) else { return };
        let waker = {
            let channel = &mut *socket.channel.borrow_mut();
            channel.connecting = outcome;
            channel.writer.take()
        };
        self.core.look_at(&socket);
        if let Some(waker) = waker {
            waker.wake();
        }
        if matches!(outcome, Connecting::Failed(_)) {
            self.core.close(conn, Cause::Done);
        }
    }

    /// What the machine of this connection shares with others changed: it is stepped with
    /// [`Input::Wake`].
    pub fn wake(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        self.step(conn, |link, now, workspace| link.input(now, Input::Wake, workspace));
    }

    /// Begins an orderly shutdown: no more connections; every token that waits, and every one that
    /// would, fails with [`Error::Shutdown`] (`write` and `flush` may wait until `deadline`); what
    /// is queued is sent. [`Action::Halt`] comes when nothing is left, or at `deadline`.
    pub fn drain(&mut self, now: Instant, deadline: Instant) {
        self.advance(now);
        self.halt_by = Some(self.halt_by.map_or(deadline, |by| by.min(deadline)));
        if self.core.draining.replace(true) {
            return;
        }
        self.core.count_changed.set(true);
        let fibers: Vec<_> = self.core.fibers.borrow().keys().collect();
        for key in fibers {
            self.core.ready.borrow().wake(key.index);
        }
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            self.step(key.into(), |link, now, workspace| {
                link.input(now, Input::Shutdown, workspace);
            });
        }
    }

    /// Time passed: fires what is due, runs what is ready (within the budget of
    /// [`Config::polls_per_run`]), and appends what is to be done.
    pub fn run(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.advance(now);
        if !self.halted {
            self.fire_timers();
            self.run_fibers();
            self.settle();
            self.bury();
            self.accept_or_not();
            self.halt_or_not();
        }
        let asked = &mut *self.core.actions.borrow_mut();
        match actions.is_empty() {
            true => ::core::mem::swap(actions, asked),
            false => actions.append(asked),
        }
    }

    /// Whether [`run`](Self::run) has something to do now, without looking at timers. Cheaper than a
    /// run that finds nothing.
    pub fn has_more(&self) -> bool {
        if self.halted {
            return !self.core.actions.borrow().is_empty();
        }
        self.core.ready.borrow_mut().has_any()
            || !self.core.dirty.borrow().is_empty()
            || !self.core.actions.borrow().is_empty()
            || self.core.halt_asked.get()
    }

    /// To be asked before waiting: when to call [`run`](Self::run) if nothing happens before. At once (an instant that is not
    /// later than now) if there is more to do than the last one's budget allowed. `None`: nothing
    /// is to come. From here on a waking sounds the alarm. Never later than what is due, but it may be earlier, if what was due was taken
    /// back.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.halted {
            return None;
        }
        self.core.ready.borrow_mut().rest();
        if self.has_more() {
            return Some(self.core.now.get());
        }
        let timer = self.core.timers.borrow().next_deadline();
        [timer, self.halt_by].into_iter().flatten().min()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        *self.core.counters.borrow()
    }

    /// The deadline of a connection's machine, and what it is for.
    pub fn machine_deadline(&self, conn: ConnId) -> Option<Deadline> {
        self.core.streams.borrow_mut().at(conn.into())?.with_flow(|flow| flow.deadline)?
    }

    /// The name of a service, for its log lines.
    pub fn service_name(&self, service: ServiceId) -> Option<&'static str> {
        Some(self.services.get(service.index())?.service.name)
    }

    /// Bytes that are held for a connection, in and out, and how many were looked at in search of
    /// an end.
    #[cfg(feature = "testkit")]
    pub(crate) fn held_and_scanned(&self, conn: ConnId) -> Option<(usize, u64)> {
        match &self.core.streams.borrow_mut().at(conn.into())?.state {
            StreamState::Socket(socket) => {
                let channel = socket.channel.borrow();
                let queued = usize::try_from(channel.flow.output.len()).unwrap_or(usize::MAX);
                let held = channel.input.len().saturating_add(queued);
                Some((held, channel.input.scanned()))
            }
            StreamState::Machine(stream) => {
                Some((stream.link.held(), stream.link.machine().scanned()))
            }
            StreamState::Stepping => None,
        }
    }

    /// Time does not go back.
    fn advance(&mut self, now: Instant) {
        self.core.ready.borrow_mut().stay_awake();
        if now > self.core.now.get() {
            self.core.now.set(now);
        }
    }

    fn fire_timers(&mut self) {
        if self.core.timers.borrow().is_empty() {
            return;
        }
        let now = self.core.now.get();
        loop {
            let Some(alarm) = self.core.timers.borrow_mut().expire(now) else { return };
            self.core.counters.borrow_mut().timers_fired += 1;
            match alarm {
                Alarm::Wake(waker) => waker.wake(),
                Alarm::Stream(conn) => self.stream_due(conn),
            }
        }
    }

    fn stream_due(&mut self, conn: ConnId) {
        let now = self.core.now.get();
        let due = {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            stream.take_timer();
            stream.due(now)
        };
        match due {
            Some(Due::Connect) => {
                self.connect_settled(conn, Connecting::Failed(ConnectErrorKind::TimedOut))
            }
            Some(Due::Close(cause)) => self.core.close(conn, cause),
            Some(Due::Idle) => {
                let cause = Cause::TimedOut(Reason::Idle);
                match self.socket_of(conn) {
                    Some(socket) => {
                        let wakers = socket.channel.borrow_mut().break_off(cause);
                        socket.close(cause, false);
                        wakers.into_iter().flatten().for_each(Waker::wake);
                    }
                    None => {
                        self.with_flow(conn, |flow| flow.close_with(cause));
                    }
                }
            }
            Some(Due::Machine) => {
                self.step(conn, |link, now, workspace| link.expired(now, workspace));
            }
            None => {}
        }
        // Sets the timer anew.
        self.core.dirty.borrow_mut().push(conn);
    }

    fn run_fibers(&mut self) {
        for _ in 0..self.core.config.polls_per_run.max(1) {
            let Some(index) = self.core.ready.borrow_mut().pop() else { return };
            self.core.poll_fiber(index, &mut self.hook);
        }
    }

    /// Looks at every stream that something was done to.
    fn settle(&mut self) {
        self.upgrade();
        // Settling adds nothing to the list; what closing wakes may, at its next poll.
        let mut looked_at = 0;
        loop {
            let Some(conn) = self.core.dirty.borrow().get(looked_at).copied() else { break };
            looked_at += 1;
            self.core.settle(conn);
        }
        self.core.dirty.borrow_mut().drain(..looked_at);
    }

    /// Puts machines in the place of handles that asked for it.
    fn upgrade(&mut self) {
        loop {
            let upgrade = self.core.upgrades.borrow_mut().pop();
            let Some((conn, machine)) = upgrade else { return };
            let Some(socket) = self.socket_of(conn) else {
                self.drop_machine(conn, machine);
                continue;
            };
            let (link, ended) = {
                let channel = &mut *socket.channel.borrow_mut();
                let mut slices = self.core.slices.borrow_mut();
                let mut workspace = self.core.workspace.borrow_mut();
                let flow = ::core::mem::take(&mut channel.flow);
                let left_over = channel.input.peek(&mut slices);
                let link = Link::adopt(machine, flow, left_over, &mut workspace);
                channel.input.clear(&mut slices);
                (link, channel.eof)
            };
            let stream =
                MachineStream { link, peer: socket.peer, config: Rc::clone(&socket.config) };
            if let Some(slot) = self.core.streams.borrow_mut().at(conn.into()) {
                slot.state = StreamState::Machine(Box::new(stream));
            }
            let draining = self.core.is_draining();
            self.step(conn, |link, now, workspace| {
                link.start(now, workspace);
                if draining {
                    link.input(now, Input::Shutdown, workspace);
                }
                if ended {
                    link.eof(now, workspace);
                }
            });
        }
    }

    /// Says which services are to accept, if that has changed.
    fn accept_or_not(&mut self) {
        if !self.core.count_changed.replace(false) {
            return;
        }
        for service in self.core.left_services.borrow_mut().drain(..) {
            if let Some(registered) = self.services.get_mut(service.index()) {
                registered.open = registered.open.saturating_sub(1);
            }
        }
        let open = self.core.streams.borrow().len();
        let full = open >= self.core.config.max_connections;
        let draining = self.core.is_draining();
        for (index, registered) in (0..).zip(&mut self.services) {
            let id = ServiceId(index);
            let own_full = registered.open >= registered.config.max_connections;
            let stop = draining || full || own_full;
            if stop == registered.stopped {
                continue;
            }
            registered.stopped = stop;
            if !stop {
                self.core.push_action(Action::ResumeAccepting(id));
                continue;
            }
            self.core.push_action(Action::StopAccepting(id));
            if draining {
                continue;
            }
            let counters = &mut *self.core.counters.borrow_mut();
            let limit = if full {
                counters.limit_connections += 1;
                Limit::Connections(self.core.config.max_connections)
            } else {
                counters.limit_service_connections += 1;
                Limit::ServiceConnections(registered.config.max_connections)
            };
            self.core.notice(Some(id), Notice::LimitReached(limit));
        }
    }

    fn halt_or_not(&mut self) {
        let now = self.core.now.get();
        if self.core.halt_asked.replace(false) {
            self.drain(now, now + self.core.config.grace);
        }
        let Some(by) = self.halt_by else { return };
        let (fibers, streams) = (self.core.fibers.borrow().len(), self.core.streams.borrow().len());
        if now < by && (fibers > 0 || streams > 0) {
            return;
        }
        self.core.drop_fibers(&mut self.hook);
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            self.core.close(key.into(), Cause::TimedOut(Reason::Drain));
        }
        self.bury();
        self.halted = true;
        self.core.push_action(Action::Halt);
    }

    fn socket_of(&self, conn: ConnId) -> Option<Rc<crate::fiber::Socket>> {
        match &self.core.streams.borrow_mut().at(conn.into())?.state {
            StreamState::Socket(socket) => Some(Rc::clone(socket)),
            _ => None,
        }
    }

    fn with_flow<R>(&self, conn: ConnId, f: impl FnOnce(&mut crate::Flow) -> R) -> Option<R> {
        self.core.streams.borrow_mut().at(conn.into())?.with_flow(f)
    }

    /// Lets a machine run, out of the table and through the hook. Does nothing for a connection
    /// that a fiber holds.
    fn step(
        &mut self,
        conn: ConnId,
        f: impl FnOnce(&mut Link<Box<dyn Machine>>, Instant, &mut Workspace),
    ) {
        let core = Rc::clone(&self.core);
        let (mut stream, service) = {
            let mut streams = core.streams.borrow_mut();
            let Some(slot) = streams.at(conn.into()) else { return };
            match ::core::mem::replace(&mut slot.state, StreamState::Stepping) {
                StreamState::Machine(stream) => (stream, slot.service),
                other => {
                    slot.state = other;
                    return;
                }
            }
        };
        // Noted before it runs: should a panic unwind from here, the next run closes it.
        core.dirty.borrow_mut().push(conn);
        let mut workspace = ::core::mem::take(&mut *core.workspace.borrow_mut());
        let now = core.now.get();
        let done = call(&mut self.hook, Task::Machine(conn), || {
            f(&mut stream.link, now, &mut workspace);
        });
        for notice in workspace.notices.drain(..) {
            core.notice(service, notice);
        }
        *core.workspace.borrow_mut() = workspace;
        if done.is_none() {
            return self.drop_machine(conn, stream);
        }
        if let Some(slot) = core.streams.borrow_mut().at(conn.into()) {
            slot.state = StreamState::Machine(stream);
        }
    }

    /// Drops the machines of streams that are gone. Last of all: a panic leaves nothing undone.
    fn bury(&mut self) {
        loop {
            let dead = self.core.dead.borrow_mut().pop();
            let Some((conn, machine)) = dead else { return };
            self.drop_machine(conn, machine);
        }
    }

    /// A machine's drop is the stranger's code as well.
    fn drop_machine<T>(&mut self, conn: ConnId, machine: T) {
        if call(&mut self.hook, Task::Machine(conn), || drop(machine)).is_none() {
            self.core.counters.borrow_mut().panics += 1;
            self.core.notice(None, Notice::Panicked { peer: None });
        }
    }

    /// How long until [`next_wake`](Self::next_wake).
    pub fn time_to_wake(&self, now: Instant) -> Option<Duration> {
        self.next_wake().map(|at| at - now)
    }
}

impl Drop for Hub {
    /// Fibers hold handles, and handles hold the tables: this is where that circle is cut. A
    /// handle that is left can neither spawn nor connect any more.
    fn drop(&mut self) {
        self.core.draining.set(true);
        self.core.drop_fibers(&mut self.hook);
        self.services.clear();
        loop {
            let upgrade = self.core.upgrades.borrow_mut().pop();
            let Some((conn, machine)) = upgrade else { break };
            self.drop_machine(conn, machine);
        }
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            self.core.close(key.into(), Cause::Shutdown);
        }
        self.bury();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
