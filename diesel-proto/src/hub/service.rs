//! [`Service`]: serves the connections of one listening address, by a handler or by machines.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use super::config::{ServiceConfig, Shed};
use super::shapes::ConnHandler;
use super::stream::Top;
use super::{Inner, MachineCtx};
use crate::fiber::{FiberMachine, StartHandler};
use crate::machine::ServiceId;
use crate::machine::{Address, Error, Machine};

/// A handler, or a function that makes machines, with its settings.
///
/// ```
/// use diesel_proto::{Conn, Error, Hub, Service};
///
/// async fn echo(mut conn: Conn) -> Result<(), Error> {
///     loop {
///         let line = conn.until_eol().await?;
///         conn.write(("you said: ", line)).await?;
///     }
/// }
///
/// let mut hub = Hub::default();
/// hub.add_service(Service::new(echo).read_limit(1024).named("echo"));
/// ```
pub struct Service {
    pub(crate) name: &'static str,
    pub(super) make: Rc<dyn Fn(Making) -> Top>,
    pub(crate) config: ServiceConfig,
}

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// What the machine of a new connection is made from.
pub(crate) struct Making {
    pub(crate) ctx: MachineCtx,
    pub(crate) service: Option<ServiceId>,
    pub(crate) config: Rc<ServiceConfig>,
}

impl Service {
    /// A service whose connections are each served by a fiber of `handler`: an `async fn`, or an
    /// async closure that may borrow what it captured.
    pub fn new<H, Kind>(handler: H) -> Self
    where
        H: ConnHandler<Kind> + 'static,
    {
        let start = start_of(handler);
        Service::from_make(move |making| {
            Top::Fiber(FiberMachine::accepted(&making, Rc::clone(&start)))
        })
    }

    /// A service whose connections are each served by a machine, which `make` makes for the peer.
    pub fn machine<M: Machine + 'static>(make: impl Fn(Address) -> M + 'static) -> Self {
        Service::machine_with(move |machine_ctx| make(machine_ctx.peer()))
    }

    /// As [`machine`](Self::machine), with machines that use the hub: each gets its [`MachineCtx`].
    pub fn machine_with<M: Machine + 'static>(make: impl Fn(MachineCtx) -> M + 'static) -> Self {
        Service::from_make(move |making| Top::Other(Box::new(make(making.ctx))))
    }

    /// Puts a layer around the machine or handler of each connection. `wrap` makes the layer from
    /// the inner machine and the connection's [`MachineCtx`], through which the layer can share
    /// what it learns. The layer that is added last is the outermost: the first to see what
    /// arrives.
    ///
    /// ```
    /// use diesel_proto::proxy_protocol::{self, HeaderConfig};
    /// use diesel_proto::{Conn, Error, Service};
    ///
    /// /// Sends the address of the client, not that of the proxy in between.
    /// async fn whoami(mut conn: Conn) -> Result<(), Error> {
    ///     let peer = conn.peer();
    ///     conn.write(format!("{peer}\r\n")).await
    /// }
    ///
    /// let config = HeaderConfig::default();
    /// Service::new(whoami).layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner));
    /// ```
    pub fn layer<L: Machine + 'static>(
        mut self,
        wrap: impl Fn(&MachineCtx, Inner) -> L + 'static,
    ) -> Self {
        let make = self.make;
        self.make = Rc::new(move |mut making| {
            making.ctx.layered();
            let (make, machine_ctx) = (Rc::clone(&make), making.ctx.clone());
            Top::Other(Box::new(wrap(&machine_ctx, Inner::new(move || make(making)))))
        });
        self
    }

    fn from_make(make: impl Fn(Making) -> Top + 'static) -> Self {
        Service { name: "service", make: Rc::new(make), config: ServiceConfig::default() }
    }

    /// Sets the name of the service in log lines.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets all settings at once.
    pub fn config(mut self, config: ServiceConfig) -> Self {
        self.config = config;
        self
    }

    /// See [`ServiceConfig::max_connections`].
    pub fn max_connections(mut self, n: usize) -> Self {
        self.config.max_connections = n;
        self
    }

    /// See [`ServiceConfig::read_limit`].
    pub fn read_limit(mut self, bytes: usize) -> Self {
        self.config.read_limit = bytes;
        self
    }

    /// See [`ServiceConfig::idle`].
    pub fn idle(mut self, after: Duration) -> Self {
        self.config.idle = Some(after);
        self
    }

    /// See [`ServiceConfig::shed`].
    pub fn shed(mut self, which: Shed) -> Self {
        self.config.shed = which;
        self
    }

    /// See [`ServiceConfig::write_rate`].
    pub fn write_rate(mut self, bytes_per_second: u64) -> Self {
        self.config.write_rate = bytes_per_second;
        self
    }

    /// See [`ServiceConfig::write_stall`].
    pub fn write_stall(mut self, after: Duration) -> Self {
        self.config.write_stall = after;
        self
    }
}

pub(super) fn start_of<H, Kind>(handler: H) -> StartHandler
where
    H: ConnHandler<Kind> + 'static,
{
    let handler = Rc::new(handler);
    Rc::new(Box::new(move |conn| {
        let handler = Rc::clone(&handler);
        Box::pin(async move { handler(conn).await })
    }))
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}
