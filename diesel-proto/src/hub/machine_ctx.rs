//! [`MachineCtx`]: the handle through which a machine uses the hub that it runs in.
//!
//! Most machines need none: bytes and time go in, actions come out. A machine that shares state
//! with fibers is woken by them, and may call user code within its step.
//!
//! It must never know what the machine does.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::core::Core;
use super::hook::Task;
use super::poller::Poller;
use crate::machine::{Address, ConnId, Key, Limit, ServiceId};

/// What [`Ctx`](crate::fiber::Ctx) is to a fiber: a machine's handle to the hub that it runs in and
/// to the connection that it serves. Cloning is cheap. The hub makes one for each machine of
/// [`Service::machine_with`](super::service::Service::machine_with).
///
/// ```
/// use diesel_proto::*;
///
/// /// Sends a greeting a second after it started.
/// struct Late(MachineCtx);
///
/// impl Machine for Late {
///     fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         match input {
///             Input::Start => {
///                 let (machine, ctx) = (self.0.clone(), self.0.ctx());
///                 let spawned = self.0.ctx().spawn(async move {
///                     let slept = ctx.sleep(core::time::Duration::from_secs(1)).await;
///                     machine.wake();
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
    /// `None` where there are no layers.
    learned: Option<Rc<Learned>>,
}

/// What the layers around a machine have learned about its connection.
#[derive(Default)]
pub(crate) struct Learned {
    peer: Cell<Option<Address>>,
    /// The values that layers learned, the latest last. There are few.
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

    /// Enables sharing of what layers learn: for a connection with layers.
    pub(crate) fn layered(&mut self) {
        self.learned.get_or_insert_default();
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The service that accepted the connection; `None` for one that a fiber connected.
    pub(crate) fn service(&self) -> Option<ServiceId> {
        self.core.streams.borrow_mut().at(self.key)?.service
    }

    /// Makes a [`Poller`], with which the machine polls futures itself.
    ///
    /// # Errors
    ///
    /// [`Limit::Fibers`] if the hub has too many fibers. The hub has already reported that in a
    /// notice.
    pub fn poller(&self) -> Result<Poller, Limit> {
        Poller::new(&self.core, self.conn())
    }

    /// Drops a value of user code within a step. A panic is caught and reported in a notice.
    pub fn dispose<T>(&self, value: T) {
        if self.call(|| drop(value)).is_none() {
            self.core.report_panic((self.service(), Some(self.peer())));
        }
    }

    /// Random bytes: see [`Ctx::random`](crate::fiber::Ctx::random).
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.core.random()
    }

    /// The time of day, in seconds since 1970 (UTC), if the embedder [has
    /// set](super::Hub::time_of_day) it.
    pub fn unix_seconds(&self) -> Option<u64> {
        self.core.unix_seconds()
    }

    /// The connection's id in the hub.
    pub fn conn(&self) -> ConnId {
        self.core.conn_id(self.key)
    }

    /// The peer's address: the one that a layer below has [set](Self::set_peer), or else that of
    /// the transport, which is [`Address::Unnamed`] once the connection is gone.
    pub fn peer(&self) -> Address {
        let told = self.learned.as_ref().and_then(|learned| learned.peer.get());
        told.unwrap_or_else(|| self.core.peer(self.conn()))
    }

    /// Sets the peer's address, for a layer that learned for which client the transport's peer
    /// speaks (a proxy). Everything that starts above the layer from now on sees it as its
    /// [`peer`](Self::peer): a machine, a handler, or an HTTP service. Does nothing where there are
    /// no layers.
    pub fn set_peer(&self, peer: Address) {
        if let Some(learned) = &self.learned {
            learned.peer.set(Some(peer));
        }
    }

    /// Stores a value that a layer learned about the connection. The code above the layer finds it
    /// by its type, with [`learned`](Self::learned), [`Conn::learned`](crate::fiber::Conn::learned)
    /// or [`Request::learned`](crate::http1::Request::learned), for as long as the connection
    /// exists. Does nothing where there are no layers.
    pub fn learn<T: 'static>(&self, what: T) {
        if let Some(learned) = &self.learned {
            learned.told.borrow_mut().push(Rc::new(what));
        }
    }

    /// The latest value of this type that a layer below [stored](Self::learn).
    ///
    /// # Cost
    ///
    /// Linear in the number of values that were learned.
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.learned.as_ref()?.find()
    }

    /// What the layers have learned, if there are layers.
    pub(crate) fn layers(&self) -> Option<Rc<Learned>> {
        self.learned.clone()
    }

    /// Schedules a step of the machine with [`Input::Wake`](crate::machine::Input::Wake): once,
    /// when its turn comes, however often this is called before. For fibers, and for the machine
    /// itself, which yields to others in this way. Does nothing once the connection is gone.
    pub fn wake(&self) {
        self.core.wake_machine(self.conn());
    }

    /// Calls user code within a step. Returns `None` if it panicked and the embedder's
    /// [`PollHook`](super::hook::PollHook) caught the panic.
    pub fn call<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        self.core.call(Task::Machine(self.conn()), run)
    }
}

impl fmt::Debug for MachineCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineCtx({:?} of {})", self.conn(), self.peer())
    }
}
