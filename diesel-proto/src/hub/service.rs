//! [`Service`]: serves the connections of one listening address, by a handler or by machines.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;

use super::config::{ServiceConfig, Shed};
use super::stream::Top;
use super::{Inner, MachineCtx};
use crate::machine::{Address, Machine, ServiceId};

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

/// What the machine of a new connection is made from.
pub(crate) struct Making {
    pub(crate) ctx: MachineCtx,
    pub(crate) service: Option<ServiceId>,
    pub(crate) config: Rc<ServiceConfig>,
}

impl Service {
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

    pub(crate) fn from_make(make: impl Fn(Making) -> Top + 'static) -> Self {
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

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What serves connections: a [`Service`], a type that converts to one (such as an
/// [`http1::Service`](crate::http1::Service)), or a bare [handler](crate::fiber::ConnHandler). `Kind` is
/// inferred.
///
/// ```
/// use diesel_proto::{Conn, Error, Hub, IntoService, LineEcho, Service, ServiceId};
///
/// async fn greet(mut conn: Conn) -> Result<(), Error> {
///     conn.write("hello\r\n").await
/// }
///
/// fn register<S: IntoService<K>, K>(hub: &mut Hub, service: S) -> ServiceId {
///     hub.add_service(service)
/// }
///
/// let mut hub = Hub::default();
/// assert_eq!(register(&mut hub, greet).index(), 0);
/// assert_eq!(register(&mut hub, Service::machine(|_| LineEcho::default())).index(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a service nor a handler of connections",
    label = "not a `Service`, and not an `async fn(Conn) -> Result<(), Error>`",
    note = "a handler is an `async fn(Conn) -> Result<(), Error>`, or an async closure: \
            `async |mut conn: Conn| {{ ..; Ok(()) }}`",
    note = "it takes the `Conn` itself, not a reference, and its last expression is `Ok(())`",
    note = "a handler of HTTP requests is added as `http1::Service::new(handler)`, a machine as \
            `Service::machine(|peer| ..)`"
)]
pub trait IntoService<Kind> {
    /// Converts to a service, with its settings.
    fn into_service(self) -> Service;
}

impl<S: Into<Service>> IntoService<kind::ServiceKind> for S {
    fn into_service(self) -> Service {
        self.into()
    }
}

/// Which implementation of [`IntoService`] is meant.
mod kind {
    #[derive(Debug)]
    pub enum ServiceKind {}
}
