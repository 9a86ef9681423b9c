//! The application as a pure state machine: services, loops, connections, clients, events and
//! timers in one place. It corresponds to the event hub of the original diesel (a Python library),
//! without the sockets.
//!
//! ```text
//!   the embedder
//!     │ accept, received, sent    inputs; input: the same as values
//!     ▼
//!   Hub ── step ──▶ stream        one connection: a machine and the state of its stream
//!     │               │ ▲         progress: slow peers; idle: what may be closed to make room
//!     │               │ └─ made   by service, config, layer; fiber_machine: that of a fiber
//!     │               ▼
//!     │             machine_ctx   the machine's handle to the hub; no_hub: one without a hub
//!     │               │           poller: polls futures within a step
//!     │               ▼
//!     │             core          clock and tables, shared with all handles. It holds
//!     │               │             stream, fiber_entry    what is in the tables
//!     │ run           │             wake, begun, called    ready fibers, waits that start, turns
//!     │               │             doomed, outgoing       what is dropped later, lent queues
//!     ▼               ▼
//!    run ──────────▶ fibers ──────▶ connections ──────▶ emit ──────▶ action
//!     ▲              polls them     come and go         what          what the
//!     │              (hook)                             changed       embedder does
//!     │                                                                  │
//!     └───────────────── embed: the event loop of an embedder ◀──────────┘
//! ```
//!
//! # The closed list of inputs
//!
//! The same inputs, in the same order and with the same arguments, always have the same result,
//! byte for byte; nothing else affects a hub.
//!
//! | input | what happened |
//! | --- | --- |
//! | [`accept`](Hub::accept) | a service has a new connection |
//! | [`received`](Hub::received), [`eof`](Hub::eof), [`reset`](Hub::reset) | bytes arrived, the peer ended its side, the stream broke |
//! | [`sent`](Hub::sent) | bytes were written |
//! | [`take_segments`](Hub::take_segments) | bytes were taken to be sent later |
//! | [`unacked`](Hub::unacked) | the answer to an [`Action::ReportUnacked`] |
//! | [`write_failed`](Hub::write_failed) | a write failed: the stream takes no more bytes, ever |
//! | [`connected`](Hub::connected), [`connect_failed`](Hub::connect_failed) | the result of an [`Action::Connect`] |
//! | [`resolved`](Hub::resolved) | the answer to an [`Action::Resolve`] |
//! | [`completed`](Hub::completed) | the job of an [`Action::Job`] ended |
//! | [`file_answered`](Hub::file_answered) | the answer to an [`Action::File`] |
//! | [`region_failed`](Hub::region_failed) | a file that was being sent could not be read on |
//! | [`wake`](Hub::wake) | state shared with a connection's machine changed |
//! | [`time_of_day`](Hub::time_of_day) | the embedder read the wall clock |
//! | [`seed`](Hub::seed) | the seed of the random numbers |
//! | [`make_room`](Hub::make_room) | the embedder is out of file descriptors, or of something else that a connection holds |
//! | [`drain`](Hub::drain) | a graceful shutdown began |
//! | [`run`](Hub::run) | time passed |
//!
//! The inputs also exist as values, [`Input`], which are passed to [`handle`](Hub::handle).
//!
//! # The contract, for embedders
//!
//! 1. Report what happened with the calls above, in any order. Within these calls machines step,
//!    and the handlers of HTTP requests begin; everything else is only noted: no other fiber runs.
//! 2. Then call [`run`](Hub::run), carry out the actions in their order (which causes new inputs:
//!    [`sent`](Hub::sent)), and repeat while the hub [has more](Hub::has_more) to do.
//! 3. Then wait until a stream that is not paused is readable, a stream with something
//!    [`outgoing`](Hub::outgoing) is writable, or [`next_wake`](Hub::next_wake) has come.
//! 4. `now` must not go back. If it does, the hub uses the latest `now` that it got.
//! 5. `now` stands still within a call. A wait that begins within a call (a sleep, a timeout, a
//!    connect) counts from the `now` of the next run. So that no wait ends early, read the clock
//!    for that run after the call returned. [`needs_time`](Hub::needs_time) tells when this
//!    matters.
//!
//! 6. Answer each [`Action::Resolve`], [`Action::Job`] and [`Action::File`] once, when it suits: at
//!    once, or later, from what a thread found out. An [`Action::Cancel`] takes the question back. An answer that comes
//!    late does nothing. The hub keeps the deadlines.
//!
//! The module [`embed`] does all of this but the waiting, over a trait that the embedder implements
//! for its streams.
//!
//! # The order of things
//!
//! Fibers run in the order in which they were woken, loops first in the order they were added. Each
//! fiber runs until its token cannot be satisfied, or its tokens for this pass are spent. If one
//! fiber wakes another (by an event or an answer), the other one waits for its turn. Timers that
//! are due wake their fibers behind those that are already ready. Machines that were woken
//! alternate with fibers, in the order in which they were woken: one machine after each fiber.

mod action;
mod begun;
mod called;
mod config;
mod connections;
mod core;
mod doomed;
pub mod embed;
mod emit;
mod fiber_entry;
mod fiber_machine;
mod fibers;
mod file_table;
mod files;
mod hook;
mod idle;
mod input;
mod inputs;
pub mod job;
mod job_entry;
mod jobs;
mod layer;
mod machine_ctx;
mod no_hub;
mod outgoing;
#[cfg(feature = "std")]
mod panics;
mod poller;
mod progress;
mod random;
mod run;
mod service;
mod step;
mod stream;
mod wake;

use ::core::cell::RefCell;
use ::core::fmt;
use ::core::task::Waker;
use ::core::time::Duration;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

pub use self::action::{Action, Counters};
pub use self::config::{Config, NameConfig, ServiceConfig, Shed};
pub use self::hook::{PollHook, Task};
pub use self::input::{Input, Outcome};
pub use self::job::{Job, JobOutcome};
pub use self::layer::Inner;
pub use self::machine_ctx::MachineCtx;
pub use self::no_hub::NoHub;
#[cfg(feature = "std")]
pub use self::panics::catch_panics;
pub use self::poller::Poller;
pub use self::random::Seed;
pub use self::service::{IntoService, Service};
pub use crate::machine::{ConnId, DirectoryId, FiberId, FileId, JobId, Refused, ServiceId};

pub(crate) use self::begun::Begun;
pub(crate) use self::called::Called;
pub(crate) use self::core::{Core, HubTimer};
pub(crate) use self::fiber_entry::{HandlerFuture, Role};
pub(crate) use self::fiber_machine::{FiberConn, FiberMachine};
pub(crate) use self::files::OpenFile;
pub(crate) use self::job_entry::JobAnswer;
pub(crate) use self::machine_ctx::Learned;
pub(crate) use self::outgoing::Outgoing;
pub(crate) use self::service::Making;
pub(crate) use self::stream::{MachineStream, StreamState, Top};

use self::idle::IdleQueue;
use self::stream::StreamDue;
use crate::buf::FileRegion;
#[cfg(doc)]
use crate::machine::Error;
use crate::machine::{
    Address, Attached, Cause, ConnectErrorKind, Deadline, End, Limit, Notice, Reason,
    StreamControl, Workspace,
};
use crate::time::Instant;

/// A whole application as a state machine: see the [module](self).
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
/// A hub and its fibers belong to one thread, so that no handle needs a lock. A hub can be made in
/// any thread, but not sent to another:
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
    services: Vec<ServiceEntry>,
    halted: bool,
}

struct ServiceEntry {
    service: Service,
    config: Rc<ServiceConfig>,
    open: usize,
    stopped: bool,
    idle: RefCell<IdleQueue>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub::new(Config::default())
    }
}

impl Hub {
    /// A hub without services and fibers.
    pub fn new(config: Config) -> Self {
        Hub::with_waker(config, Waker::noop().clone())
    }

    /// A hub whose fibers may wait for other threads: if a fiber is woken while the hub is not
    /// running, the hub wakes `waker`, and the embedder must then call [`run`](Self::run).
    pub fn with_waker(config: Config, waker: Waker) -> Self {
        Hub { core: Rc::new(Core::new(config, waker)), services: Vec::new(), halted: false }
    }

    /// Adds a service: a handler, or a [`Service`] with its settings.
    pub fn add_service<Kind>(&mut self, service: impl IntoService<Kind>) -> ServiceId {
        let service = service.into_service();
        let id = self.core.service_id(self.services.len() as u32);
        let config = Rc::new(service.config.clone());
        self.services.push(ServiceEntry {
            service,
            config,
            open: 0,
            stopped: false,
            idle: RefCell::default(),
        });
        self.core.count_changed.set(true);
        id
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Sets a hook that wraps each run of user code. See [`PollHook`].
    pub fn set_poll_hook(&mut self, hook: PollHook) {
        let former = self.core.hook.replace(Some(hook.into()));
        drop(former);
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        *self.core.counters.borrow()
    }

    /// The deadline of a connection's machine, and its reason.
    pub fn machine_deadline(&self, conn: ConnId) -> Option<Deadline> {
        self.with_flow(conn, |flow| flow.deadline())?
    }

    /// The name of a service, for its log lines.
    pub fn service_name(&self, service: ServiceId) -> Option<&'static str> {
        let services = self.services.get(service.index());
        Some(services.filter(|_| service.hub == self.core.tag)?.service.name)
    }

    /// The service at `index`, if there is one.
    #[cfg(feature = "testkit")]
    pub(crate) fn service_at(&self, index: u32) -> Option<ServiceId> {
        let service = self.core.service_id(index);
        self.services.get(service.index()).map(|_| service)
    }

    /// How many bytes are held for a connection, incoming and outgoing, and how many its machine
    /// has scanned.
    #[cfg(feature = "testkit")]
    pub(crate) fn held_and_scanned(&self, conn: ConnId) -> Option<(usize, u64)> {
        // A machine is user code: it is taken out of the table, as for a step.
        let taken = {
            let mut streams = self.core.streams.borrow_mut();
            ::core::mem::replace(&mut streams.at(conn.into())?.state, StreamState::Running)
        };
        let counted = match &taken {
            StreamState::Machine(stream) => {
                Some((stream.link.held(), crate::machine::Machine::scanned(stream.link.machine())))
            }
            _ => None,
        };
        self.core.streams.borrow_mut().at(conn.into())?.state = taken;
        counted
    }

    fn with_flow<R>(
        &self,
        conn: ConnId,
        f: impl FnOnce(&mut crate::machine::StreamControl) -> R,
    ) -> Option<R> {
        if conn.hub != self.core.tag {
            return None;
        }
        self.core.streams.borrow_mut().at(conn.into())?.with_flow(f)
    }

    /// The time from `now` to [`next_wake`](Self::next_wake).
    pub fn time_to_wake(&self, now: Instant) -> Option<Duration> {
        self.next_wake().map(|at| at - now)
    }
}

impl Drop for Hub {
    /// Fibers hold handles, and handles hold the tables: this breaks that reference cycle. A handle
    /// that is still alive afterwards can neither spawn nor connect.
    fn drop(&mut self) {
        self.core.draining.set(true);
        self.core.drop_fibers();
        for registered in self.services.drain(..) {
            self.core.call_other(|| drop(registered));
        }
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            self.end_stream(self.core.conn_id(key), End::Abort(Cause::Shutdown));
        }
        self.core.release_files();
        self.bury();
        // The hook may hold handles as well.
        let hook = self.core.hook.take();
        drop(hook);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
