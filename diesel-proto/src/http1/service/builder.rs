//! The service: a handler of requests, its settings, and the memory that its connections share.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::time::Duration;

use super::exchange::Exchange;
use super::handler::Handler;
use super::handler::{Answering, Answers, HandlerVariant};
use super::machine::{Active, HttpMachine};
use super::request::Head;
use super::response::Response;
use crate::fiber::Duplex;
use crate::http1::connection::ConnectionConfig;
use crate::http1::message::HeadCache;
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

type OnRejection = dyn Fn(&Rejection) -> Response;

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
}

impl From<Service> for crate::hub::Service {
    fn from(service: Service) -> Self {
        let (name, mut connections) = (service.name, service.connections.clone());
        // A client that waits for its response sends nothing, and must not be disconnected for
        // that.
        connections.idle = None;
        serve(Rc::new(ServiceShared::of(service))).named(name).config(connections)
    }
}

fn serve(shared: Rc<ServiceShared>) -> crate::hub::Service {
    crate::hub::Service::machine_with(move |ctx| HttpMachine::new(ctx, Rc::clone(&shared)))
}

/// What all connections of a service share: its settings, and a pool of memory for busy
/// connections.
pub(in crate::http1) struct ServiceShared {
    pub(in crate::http1) handler: HandlerVariant,
    pub(in crate::http1) config: Arc<ConnectionConfig>,
    pub(in crate::http1) deadlines: Deadlines,
    pub(in crate::http1) on_rejection: Option<Box<OnRejection>>,
    pub(in crate::http1) access_notices: bool,
    pub(in crate::http1) connections: Rc<ServiceConfig>,
    /// Maximum number of requests that begin in one step of a connection.
    pub(in crate::http1) turn: usize,
    /// There is no hub that wakes the machines.
    pub(in crate::http1) is_standalone: bool,
    pub(in crate::http1) read_ahead: usize,
    /// One at least.
    pub(in crate::http1) high_water: u64,
    pub(in crate::http1) low_water: u64,
    /// Number of body bytes that are held by all connections.
    held: Cell<usize>,
    head_cache: RefCell<HeadCache>,
    spare: RefCell<SpareMemory>,
}

/// Maximum number of spare objects of each kind.
const KEEP: usize = 64;
/// An object with more memory than this is not kept for the next request: 64 KiB.
const KEEP_BYTES: usize = 64 << 10;

#[derive(Default)]
#[allow(clippy::vec_box, reason = "the boxes are what is spared")]
struct SpareMemory {
    heads: Vec<Box<Head>>,
    active: Vec<Box<Active>>,
    exchanges: Vec<Rc<Exchange>>,
    duplexes: Vec<Duplex>,
    handlers: Vec<Box<dyn Answering>>,
}

impl ServiceShared {
    fn of(service: Service) -> Self {
        let Service {
            handler,
            mut config,
            deadlines,
            on_rejection,
            access_notices,
            connections,
            ..
        } = service;
        if let HandlerVariant::Plain(_) = &handler {
            let Limits { body, plain_body, .. } = &mut config.limits;
            *body = (*body).min(*plain_body);
        }
        ServiceShared {
            turn: config.limits.pipelined.max(1),
            handler,
            config: Arc::new(config),
            deadlines,
            on_rejection,
            access_notices,
            read_ahead: connections.read_ahead,
            high_water: connections.high_water.max(1),
            low_water: connections.low_water.min(connections.high_water.saturating_sub(1)),
            connections: Rc::new(connections),
            is_standalone: false,
            held: Cell::new(0),
            head_cache: RefCell::default(),
            spare: RefCell::default(),
        }
    }

    /// For machines that nothing wakes: a step does all that it can, and the embedder decides how
    /// many bytes to offer.
    pub(in crate::http1) fn standalone(service: Service) -> Self {
        ServiceShared { turn: usize::MAX, is_standalone: true, ..ServiceShared::of(service) }
    }

    /// Call at the beginning of a step: sets the date of responses, if the time is known.
    pub(in crate::http1) fn refresh(&self, ctx: &MachineCtx) {
        self.head_cache.borrow_mut().refresh(ctx.unix_seconds());
    }

    /// Records that a connection that held `before` bytes of bodies holds `now` bytes.
    pub(in crate::http1) fn charge(&self, before: usize, now: usize) {
        self.held.set(self.held.get().saturating_sub(before).saturating_add(now));
    }

    /// Whether the limit of held body bytes is reached.
    pub(in crate::http1) fn is_full(&self) -> bool {
        self.held.get() >= self.config.limits.held_bodies
    }

    /// Whether a connection may hold `n` bytes of bodies, in addition to what the other connections
    /// hold. `charged` bytes are recorded for this connection.
    pub(in crate::http1) fn has_room_for(&self, n: usize, charged: usize) -> bool {
        let others = self.held.get().saturating_sub(charged);
        others.saturating_add(n) <= self.config.limits.held_bodies
    }

    /// The cache of the last response head.
    #[inline]
    pub(in crate::http1) fn head_cache(&self) -> RefMut<'_, HeadCache> {
        self.head_cache.borrow_mut()
    }

    pub(in crate::http1) fn lend_head(&self) -> Box<Head> {
        let spare = self.spare.borrow_mut().heads.pop();
        spare.unwrap_or_else(|| Box::new(Head::new()))
    }

    pub(in crate::http1) fn give_back_head(&self, mut head: Box<Head>) {
        let Head { spans, content, trailers } = &mut *head;
        content.clear();
        trailers.clear();
        if spans.capacity() > KEEP_BYTES || content.capacity() > KEEP_BYTES {
            return;
        }
        let spare = &mut self.spare.borrow_mut().heads;
        if spare.len() < KEEP {
            spare.push(head);
        }
    }

    pub(in crate::http1) fn lend_active(&self) -> Box<Active> {
        let spare = self.spare.borrow_mut().active.pop();
        spare.unwrap_or_else(|| Box::new(Active::new(Arc::clone(&self.config))))
    }

    pub(in crate::http1) fn give_back_active(&self, active: Box<Active>) {
        let spare = &mut self.spare.borrow_mut().active;
        if spare.len() < KEEP {
            spare.push(active);
        }
    }

    pub(in crate::http1) fn lend_exchange(&self) -> Rc<Exchange> {
        let spare = self.spare.borrow_mut().exchanges.pop();
        spare.unwrap_or_default()
    }

    /// Keeps the exchange, if nothing else refers to it.
    pub(in crate::http1) fn give_back_exchange(&self, exchange: Rc<Exchange>) {
        let spare = &mut self.spare.borrow_mut().exchanges;
        if Rc::strong_count(&exchange) == 1 && spare.len() < KEEP {
            spare.push(exchange);
        }
    }

    pub(in crate::http1) fn lend_duplex(&self, ctx: &MachineCtx) -> Duplex {
        let mut spare = self.spare.borrow_mut().duplexes.pop();
        if spare.as_mut().is_some_and(|duplex| !duplex.renew(ctx)) {
            spare = None;
        }
        spare.unwrap_or_else(|| ctx.duplex(&self.connections))
    }

    pub(in crate::http1) fn give_back_duplex(&self, duplex: Duplex) {
        let spare = &mut self.spare.borrow_mut().duplexes;
        if spare.len() < KEEP {
            spare.push(duplex);
        }
    }

    /// Takes spare memory for an `async` handler, or makes some with `make`.
    pub(in crate::http1) fn lend_handler(
        &self,
        make: &dyn Fn() -> Box<dyn Answering>,
    ) -> Box<dyn Answering> {
        let spare = self.spare.borrow_mut().handlers.pop();
        spare.unwrap_or_else(make)
    }

    pub(in crate::http1) fn give_back_handler(&self, handler: Box<dyn Answering>) {
        let spare = &mut self.spare.borrow_mut().handlers;
        if spare.len() < KEEP && handler.memory() <= KEEP_BYTES {
            spare.push(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Request;
    use super::*;
    use crate::http1::syntax::Status;
    use crate::hub::{Action, ConnId, Hub};
    use crate::machine::{Address, Error};
    use crate::time::Instant;
    use alloc::format;
    use alloc::vec;

    const NOW: Instant = Instant::ORIGIN;

    fn serving(service: Service) -> (Hub, ConnId, Rc<ServiceShared>) {
        let shared = Rc::new(ServiceShared::of(service));
        let mut hub = Hub::default();
        let service = hub.add_service(serve(Rc::clone(&shared)));
        let conn = hub.accept(NOW, service, Address::Unnamed).unwrap();
        (hub, conn, shared)
    }

    /// Delivers bytes, and sends everything that follows.
    fn says(hub: &mut Hub, conn: ConnId, text: &str) {
        assert_eq!(hub.received(NOW, conn, text.as_bytes()), text.len());
        let mut actions = vec![Action::Send(conn)];
        while !actions.is_empty() {
            if actions.contains(&Action::Send(conn)) {
                let n = hub.outgoing(conn, |slices| slices.concat().len());
                hub.sent(NOW, conn, n.unwrap_or(0) as u64);
            }
            actions.clear();
            hub.run(NOW, &mut actions);
        }
    }

    fn plain(_: Request) -> Status {
        Status::NO_CONTENT
    }

    async fn fiber(mut request: Request) -> Result<Status, Error> {
        request.body().read(10).await?;
        Ok(Status::NO_CONTENT)
    }

    #[test]
    fn what_is_idle_holds_nothing_and_what_it_had_is_used_again() {
        for (service, kept) in [(Service::new(plain), (1, 1, 0)), (Service::new(fiber), (1, 1, 1))]
        {
            let (mut hub, conn, shared) = serving(service);
            for _ in 0..3 {
                says(&mut hub, conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                let spare = shared.spare.borrow();
                let spare = (spare.heads.len(), spare.active.len(), spare.exchanges.len());
                assert_eq!(spare, kept);
            }
            says(&mut hub, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
            let spare = shared.spare.borrow();
            assert_eq!((spare.active.len(), spare.exchanges.len()), (0, 0));
        }
    }

    #[test]
    fn no_more_is_kept_than_so_many() {
        let shared = ServiceShared::of(Service::new(plain));
        let heads: Vec<_> = (0..KEEP + 1).map(|_| shared.lend_head()).collect();
        heads.into_iter().for_each(|head| shared.give_back_head(head));
        let active: Vec<_> = (0..KEEP + 1).map(|_| shared.lend_active()).collect();
        active.into_iter().for_each(|active| shared.give_back_active(active));
        let exchanges: Vec<_> = (0..KEEP + 1).map(|_| shared.lend_exchange()).collect();
        shared.give_back_exchange(Rc::clone(&exchanges[0]));
        exchanges.into_iter().for_each(|exchange| shared.give_back_exchange(exchange));
        let spare = shared.spare.borrow();
        let kept = (spare.heads.len(), spare.active.len(), spare.exchanges.len());
        assert_eq!(kept, (KEEP, KEEP, KEEP));
    }

    #[test]
    fn no_head_or_content_is_kept_that_needed_more_memory_than_usual() {
        for (n, kept) in [(KEEP_BYTES, 1), (KEEP_BYTES + 1, 0)] {
            let shared = ServiceShared::of(Service::new(plain));
            let mut head = shared.lend_head();
            head.content = Vec::with_capacity(n);
            shared.give_back_head(head);
            assert_eq!(shared.spare.borrow().heads.len(), kept, "{n} bytes of content");
            let shared = ServiceShared::of(Service::new(plain));
            let mut head = shared.lend_head();
            head.spans.keep(&vec![b'x'; n]);
            shared.give_back_head(head);
            assert_eq!(shared.spare.borrow().heads.len(), kept, "{n} bytes of a head");
        }
    }

    #[cfg(feature = "testkit")]
    #[test]
    fn what_is_held_is_counted_wherever_it_is() {
        for service in [Service::new(plain), Service::new(fiber)] {
            let (mut hub, conn, _) = serving(service);
            let held = |hub: &Hub| hub.held_and_scanned(conn).map(|(held, _)| held);
            assert_eq!(held(&hub), Some(0));
            says(&mut hub, conn, "POST / HT");
            assert_eq!(held(&hub), Some(9));
            says(&mut hub, conn, "TP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
            says(&mut hub, conn, "hel");
            assert_eq!(held(&hub), Some(3));
            says(&mut hub, conn, "lo");
            assert_eq!(held(&hub), Some(0));
        }
    }

    #[test]
    fn a_service_is_shown_with_its_settings() {
        let service = Service::new(plain).named("web");
        let (config, deadlines) = (ConnectionConfig::default(), Deadlines::default());
        let shown = format!(
            "Service {{ name: \"web\", config: {config:?}, deadlines: {deadlines:?}, .. }}"
        );
        assert_eq!(format!("{service:?}"), shown);
    }
}
