//! HTTP without a hub: machines for [`Endpoint`](crate::machine::Endpoint)s.

use alloc::rc::Rc;
use core::fmt;

use super::builder::Service;
use super::handler::HandlerVariant;
use super::machine::{HttpMachine, ServiceShared};
use crate::hub::NoHub;
use crate::machine::{Address, Linger, Machine};

/// Makes the machines of a [`Service`] for embedders without a hub: one machine for each
/// connection, in an [`Endpoint`](crate::machine::Endpoint). Limits, deadlines, graceful shutdown
/// ([`Input::Shutdown`](crate::machine::Input::Shutdown)) and lingering are those of the service.
/// The embedder itself limits the number of connections, and applies the write timeouts of
/// [`ServiceConfig`](crate::hub::ServiceConfig).
///
/// The handler must be a plain one. It may answer with a stream that waits for nothing but its own
/// writes; if it awaits anything else, the stream fails and the response is cut.
///
/// Make one in each thread that serves: it is not `Send`.
///
/// ```
/// use diesel_proto::http1::{Request, Service, Standalone};
/// use diesel_proto::{Address, Endpoint, Instant};
///
/// let service = Service::new(|request: Request| format!("you asked for {}\n", request.path()));
/// let machines = Standalone::new(service).expect("a plain handler");
///
/// let now = Instant::ORIGIN;
/// let mut endpoint = Endpoint::new(machines.machine(Address::Unnamed), now);
/// endpoint.received(now, b"GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
/// let answer = endpoint.take_outgoing(now);
/// assert!(answer.ends_with(b"\r\n\r\nyou asked for /rooms\n"));
/// ```
pub struct Standalone {
    shared: Rc<ServiceShared>,
    no_hub: NoHub,
}

impl Standalone {
    /// Returns `None` if the handler of the service is `async`, because it may wait for something
    /// that only a hub provides.
    pub fn new(service: Service) -> Option<Self> {
        let shared = service.into_shared().standalone();
        let is_plain = matches!(shared.handler, HandlerVariant::Plain(_));
        is_plain.then(|| Standalone { shared: Rc::new(shared), no_hub: NoHub::new() })
    }

    /// Makes the machine of a connection with `peer`.
    pub fn machine(&self, peer: Address) -> impl Machine + use<> {
        let server = HttpMachine::new(self.no_hub.machine_ctx(peer), Rc::clone(&self.shared));
        Linger::new(server, self.shared.connections.linger)
    }

    /// Sets the wall-clock time, in seconds since 1970: responses have this `Date` until the next
    /// call, and none before the first.
    pub fn time_of_day(&self, unix_seconds: u64) {
        self.no_hub.time_of_day(unix_seconds);
    }
}

impl fmt::Debug for Standalone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standalone").finish_non_exhaustive()
    }
}
