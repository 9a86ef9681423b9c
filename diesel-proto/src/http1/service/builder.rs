//! The service: a handler of requests, and its settings.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;

use super::handler::{Answers, Handler, HandlerVariant};
use super::machine::{HttpMachine, OnRejection, ServiceShared};
use super::response::Response;
use crate::http1::connection::ConnectionConfig;
use crate::http1::syntax::{Deadlines, Limits, Rejection};
use crate::hub::{Inner, MachineCtx, ServiceConfig, Shed};

/// A handler of requests, with its settings. It converts into a [`Service`](crate::hub::Service) of
/// the hub.
///
/// ```
/// use diesel_proto::Hub;
/// use diesel_proto::http1::{Limits, Request, Response, Service};
///
/// async fn hello(_request: Request) -> Response {
///     Response::text("Hello, World!")
/// }
///
/// fn plain(request: Request) -> String {
///     format!("you asked for {}\n", request.path())
/// }
///
/// let mut hub = Hub::default();
/// hub.add_service(Service::new(hello));
/// hub.add_service(Service::new(plain).named("plain").limits(Limits { body: 0, ..Limits::default() }));
/// hub.add_service(Service::new(|request: Request| Response::bytes(request.content().to_vec())));
/// hub.add_service(Service::new(async |mut request: Request| {
///     let body = request.body().read(1000).await?;
///     Ok::<_, diesel_proto::Error>(Response::bytes(body.to_bytes()))
/// }));
/// ```
pub struct Service {
    handler: HandlerVariant,
    config: ConnectionConfig,
    deadlines: Deadlines,
    on_rejection: Option<Box<OnRejection>>,
    access_notices: bool,
    name: &'static str,
    connections: ServiceConfig,
}

impl Service {
    /// Makes a service whose requests are answered by `handler`: a plain function or an `async`
    /// one. See [`Handler`].
    pub fn new<H: Handler<K>, K>(handler: H) -> Self {
        let Answers(handler) = handler.into_answers();
        Service {
            handler,
            config: ConnectionConfig::default(),
            deadlines: Deadlines::default(),
            on_rejection: None,
            access_notices: false,
            name: "http",
            connections: ServiceConfig {
                high_water: 448 << 10,
                low_water: 112 << 10,
                ..ServiceConfig::default()
            },
        }
    }

    /// Sets the name in log lines. The default is `http`.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets how much clients may send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the timeouts for clients.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Sets the whole protocol configuration, including the limits.
    pub fn protocol(mut self, config: ConnectionConfig) -> Self {
        self.config = config;
        self
    }

    /// Passes CONNECT to the handler, which opens a tunnel with [`Response::upgrade`]. Any other
    /// response closes the connection; a 2xx is an error of the handler, and becomes a 500. Without
    /// this, CONNECT is refused with 501. See [`ConnectionConfig::tunnels`].
    pub fn tunnels(mut self) -> Self {
        self.config.tunnels = true;
        self
    }

    /// Sets how the underlying connections are treated: how many there may be, how long they
    /// linger, how much is queued (by default, writing pauses at 448 KiB and resumes at 112 KiB).
    /// [`ServiceConfig::idle`] has no effect here: the timeouts for clients are in [`Deadlines`].
    pub fn connections(mut self, config: ServiceConfig) -> Self {
        self.connections = config;
        self
    }

    /// See [`ServiceConfig::max_connections`].
    pub fn max_connections(mut self, n: usize) -> Self {
        self.connections.max_connections = n;
        self
    }

    /// See [`ServiceConfig::shed`].
    pub fn shed(mut self, which: Shed) -> Self {
        self.connections.shed = which;
        self
    }

    /// See [`ServiceConfig::write_rate`].
    pub fn write_rate(mut self, bytes_per_second: u64) -> Self {
        self.connections.write_rate = bytes_per_second;
        self
    }

    /// See [`ServiceConfig::write_stall`].
    pub fn write_stall(mut self, after: Duration) -> Self {
        self.connections.write_stall = after;
        self
    }

    /// See [`ServiceConfig::linger`].
    pub fn linger(mut self, at_most: Duration) -> Self {
        self.connections.linger = at_most;
        self
    }

    /// Answers requests that break a rule, in place of the default line of text. If the response
    /// has the status 200, it is replaced by that of the rejection. A stream or an upgrade is
    /// replaced by the default response. The connection is closed after the response.
    pub fn on_rejection(mut self, answer: impl Fn(&Rejection) -> Response + 'static) -> Self {
        self.on_rejection = Some(Box::new(answer));
        self
    }

    /// Whether each request is reported in a [`Notice::Access`](crate::machine::Notice::Access).
    /// Off by default.
    pub fn access_notices(mut self, tell: bool) -> Self {
        self.access_notices = tell;
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Wraps each connection in a layer: see [`Service::layer`](crate::hub::Service::layer).
    pub fn layer<L: crate::machine::Machine + 'static>(
        self,
        wrap: impl Fn(&MachineCtx, Inner) -> L + 'static,
    ) -> crate::hub::Service {
        crate::hub::Service::from(self).layer(wrap)
    }

    /// What the connections of this service share.
    pub(in crate::http1) fn into_shared(self) -> ServiceShared {
        let mut shared =
            ServiceShared::new(self.handler, self.config, self.deadlines, self.connections);
        shared.on_rejection = self.on_rejection;
        shared.access_notices = self.access_notices;
        shared
    }
}

impl From<Service> for crate::hub::Service {
    fn from(service: Service) -> Self {
        let (name, mut connections) = (service.name, service.connections.clone());
        // A client that waits for its response sends nothing, and must not be disconnected for
        // that.
        connections.idle = None;
        serve(Rc::new(service.into_shared())).named(name).config(connections)
    }
}

fn serve(shared: Rc<ServiceShared>) -> crate::hub::Service {
    crate::hub::Service::machine_with(move |ctx| HttpMachine::new(ctx, Rc::clone(&shared)))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::super::request::Request;
    use super::*;
    use crate::http1::syntax::Status;

    #[test]
    fn a_service_is_shown_with_its_settings() {
        let service = Service::new(|_: Request| Status::NO_CONTENT).named("web");
        let (config, deadlines) = (ConnectionConfig::default(), Deadlines::default());
        let shown = format!(
            "Service {{ name: \"web\", config: {config:?}, deadlines: {deadlines:?}, .. }}"
        );
        assert_eq!(format!("{service:?}"), shown);
    }
}
