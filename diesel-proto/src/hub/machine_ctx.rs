//! Where a machine of a hub sits: its way to the hub around it.
//!
//! Most machines need none: bytes and time go in, actions come out. One that shares something with
//! fibers is woken by them, and may run code of strangers within its step.
//!
//! A seat must never know what its machine does.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::config::ServiceConfig;
use super::core::Core;
use super::fibers::Task;
use super::id::Key;
use super::id::{ConnId, ServiceId};
use super::poller::Poller;
use super::service::{Making, start_of};
use super::shapes::ConnHandler;
use crate::fiber::Ctx;
use crate::fiber::{ConnectState, Duplex, FiberMachine};
use crate::machine::{Address, Limit, Machine};

/// What a machine of a hub may hold on to: which connection it serves, and the hub around it. A
/// cheap clone. Made for [`Service::machine_with`](super::service::Service::machine_with).
///
/// ```
/// use diesel_proto::*;
///
/// /// Says hello a second after it began.
/// struct Late(MachineCtx);
///
/// impl Machine for Late {
///     fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         match input {
///             Input::Start => {
///                 let (seat, ctx) = (self.0.clone(), self.0.ctx());
///                 let spawned = self.0.ctx().spawn(async move {
///                     let slept = ctx.sleep(core::time::Duration::from_secs(1)).await;
///                     seat.wake();
///                     slept
///                 });
///                 if spawned.is_err() {
///                     actions.close(Cause::Failed);
///                 }
///             }
///             Input::Wake => actions.send(b"hello\r\n"),
///             _ => {}
///         }
///         0
///     }
/// }
///
/// Hub::default().add_service(Service::machine_with(Late));
/// ```
#[derive(Clone)]
pub struct MachineCtx {
    core: Rc<Core>,
    key: Key,
    /// Only where there are layers.
    learned: Option<Rc<Learned>>,
}

/// What the layers around a machine learned about its connection.
#[derive(Default)]
pub(crate) struct Learned {
    peer: Cell<Option<Address>>,
    /// The latest is the last. A few.
    told: RefCell<Vec<Rc<dyn Any>>>,
}

impl Learned {
    pub(crate) fn find<T: 'static>(&self) -> Option<Rc<T>> {
        let told = self.told.borrow();
        told.iter().rev().find_map(|it| Rc::clone(it).downcast().ok())
    }
}

impl MachineCtx {
    pub(crate) fn new(core: Rc<Core>, conn: ConnId) -> Self {
        MachineCtx { core, key: conn.into(), learned: None }
    }

    pub(super) fn detached(core: Rc<Core>, peer: Address) -> Self {
        let learned = Learned::default();
        learned.peer.set(Some(peer));
        MachineCtx { core, key: Key { index: 0, generation: 0 }, learned: Some(Rc::new(learned)) }
    }

    /// For a connection with layers: what one of them learns, the others see.
    pub(super) fn layered(&mut self) {
        self.learned.get_or_insert_default();
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The service that accepted the connection: none for one that a fiber asked for.
    pub(crate) fn service(&self) -> Option<ServiceId> {
        self.core.streams.borrow_mut().at(self.key)?.service
    }

    /// A two-way stream of bytes to a fiber, for this machine to hold: for a protocol that hands
    /// streams to handlers. Marks and limits are those of `config`.
    pub fn duplex(&self, config: &Rc<ServiceConfig>) -> Duplex {
        Duplex::new(self, self.service(), config, ConnectState::No)
    }

    /// A place among the fibers, with which the machine polls futures itself.
    ///
    /// # Errors
    ///
    /// [`Limit::Fibers`] if there is none. That is told in a notice already.
    pub fn poller(&self) -> Result<Poller, Limit> {
        Poller::new(self)
    }

    /// Drops what user code made, within a step, and outlives it: a panic is told in a notice.
    pub fn dispose<T>(&self, value: T) {
        if self.call(|| drop(value)).is_none() {
            self.core.tell_panic((self.service(), Some(self.peer())));
        }
    }

    /// A machine that serves this connection by a fiber of `handler`: for a machine that hands its
    /// stream over, or holds it as an inner one. It begins with [`Input::Start`](crate::machine::Input::Start).
    /// Marks and limits are those of `config`.
    pub fn serve<H, Kind>(
        &self,
        handler: H,
        config: &Rc<ServiceConfig>,
    ) -> impl Machine + use<H, Kind>
    where
        H: ConnHandler<Kind> + 'static,
    {
        let (ctx, config) = (self.clone(), Rc::clone(config));
        let making = Making { ctx, service: self.service(), config };
        FiberMachine::accepted(&making, start_of(handler))
    }

    /// What belongs to no connection: `spawn`, `sleep`, events.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(&self.core))
    }

    /// Random bytes: see [`Ctx::random`].
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.core.random()
    }

    /// What the clock on the wall says, in seconds since 1970, if the embedder
    /// [told](super::Hub::time_of_day) the time of day.
    pub fn unix_seconds(&self) -> Option<u64> {
        self.core.unix_seconds()
    }

    /// The connection's name in the hub.
    pub fn conn(&self) -> ConnId {
        self.core.conn_id(self.key)
    }

    /// The other side's address, as a layer below told it, or else that of the transport, which is
    /// [`Address::Unnamed`] once the connection is gone.
    pub fn peer(&self) -> Address {
        let told = self.learned.as_ref().and_then(|learned| learned.peer.get());
        told.unwrap_or_else(|| self.core.peer(self.conn()))
    }

    /// For a layer that learned for whom the other side speaks: what starts above it from now on sees
    /// this as its [`peer`](Self::peer), be it a machine, a handler, or an HTTP service. Does nothing
    /// where there are no layers.
    pub fn set_peer(&self, peer: Address) {
        if let Some(learned) = &self.learned {
            learned.peer.set(Some(peer));
        }
    }

    /// For a layer that learned something of the connection: what is above finds it by its type, with
    /// [`learned`](Self::learned), [`Conn::learned`](crate::fiber::Conn::learned) or
    /// [`Request::learned`](crate::http1::Request::learned), for as long as the connection is there.
    /// Does nothing where there are no layers.
    pub fn learn<T: 'static>(&self, what: T) {
        if let Some(learned) = &self.learned {
            learned.told.borrow_mut().push(Rc::new(what));
        }
    }

    /// What a layer below learned: the latest value of this type.
    ///
    /// # Cost
    ///
    /// Linear in the number of values that were learned.
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.learned.as_ref()?.find()
    }

    /// Where the layers tell what they learn, if there are any.
    pub(crate) fn layers(&self) -> Option<Rc<Learned>> {
        self.learned.clone()
    }

    /// Has the machine stepped with [`Input::Wake`](crate::machine::Input::Wake), once, when its turn comes:
    /// from a fiber, or from the machine itself, which gives way to others like this. Does nothing
    /// once the connection is gone.
    pub fn wake(&self) {
        self.core.wake_machine(self.conn());
    }

    /// Runs a stranger's code within a step, and outlives it: `None` if it panicked and the
    /// embedder's [`PollHook`](super::fibers::PollHook) caught that.
    pub fn call<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        self.core.call(Task::Machine(self.conn()), run)
    }
}

impl fmt::Debug for MachineCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineCtx({:?} of {})", self.conn(), self.peer())
    }
}
