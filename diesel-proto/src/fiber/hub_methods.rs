//! The methods of [`Hub`], [`Service`] and [`MachineCtx`] that concern fibers.

use alloc::boxed::Box;
use alloc::rc::Rc;

use super::channel::StartHandler;
use super::machine::accepted;
use super::{Conn, ConnHandler, Ctx, Duplex, Event, LoopBody};
use crate::hub::{Hub, MachineCtx, Making, Role, Service, ServiceConfig, Top};
use crate::machine::{FiberId, Limit, Machine};

impl Hub {
    /// Adds a loop: a fiber without a connection, which starts with the next [`run`](Self::run).
    pub fn add_loop<F, Kind>(&mut self, body: F) -> Result<FiberId, Limit>
    where
        F: LoopBody<Kind> + 'static,
    {
        let ctx = self.ctx();
        self.core().add_fiber(Role::Loop, Box::pin(async move { body(ctx).await }))
    }

    /// A context without a connection, for fibers of this hub.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(self.core()))
    }

    /// A new event of this hub. See [`Ctx::event`].
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.ctx().event()
    }
}

impl Service {
    /// A service whose connections are each served by a fiber of `handler`: an `async fn`, or an
    /// async closure that may borrow what it captured.
    pub fn new<H, Kind>(handler: H) -> Self
    where
        H: ConnHandler<Kind> + 'static,
    {
        let start = start_of(handler);
        Service::from_make(move |making| Top::Fiber(accepted(&making, Rc::clone(&start))))
    }
}

impl MachineCtx {
    /// Makes a two-way byte stream between this machine and a fiber: for a protocol that hands
    /// streams to handlers. High-water marks and limits are those of `config`.
    pub fn duplex(&self, config: &Rc<ServiceConfig>) -> Duplex {
        Duplex::new(self, config, None)
    }

    /// Makes a machine that serves this connection by a fiber of `handler`: for a machine that
    /// hands its stream over to it, or holds it as an inner machine. The fiber begins with
    /// [`Input::Start`](crate::machine::Input::Start). High-water marks and limits are those of
    /// `config`.
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
        accepted(&making, start_of(handler))
    }

    /// The context for what belongs to no connection: `spawn`, `sleep`, events.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(self.core()))
    }
}

fn start_of<H, Kind>(handler: H) -> StartHandler
where
    H: ConnHandler<Kind> + 'static,
{
    let handler = Rc::new(handler);
    Rc::new(Box::new(move |conn| {
        let (handler, conn) = (Rc::clone(&handler), Conn::new(conn));
        Box::pin(async move { handler(conn).await })
    }))
}
