//! A proxy in the simulated network.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{Deadlines, Limits, Request, Service};
use diesel_proto::testkit::net::{Happened, HostId, Network, Peer, PeerState};
use diesel_proto::web::{ReverseProxy, ReverseProxyBuilder};
use diesel_proto::{Hub, ServiceConfig};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn upstream(n: usize) -> SocketAddr {
    format!("10.0.1.{n}:80").parse().unwrap()
}

pub(super) struct World {
    pub(super) network: Network,
    pub(super) proxy: HostId,
    address: SocketAddr,
    /// Bytes that the proxy received and did not send on.
    held: Rc<Cell<i64>>,
}

impl World {
    /// A proxy to upstreams at which the test listens.
    pub(super) fn new() -> World {
        World::with(1, |builder| builder)
    }

    pub(super) fn with(
        upstreams: usize,
        settings: impl FnOnce(ReverseProxyBuilder) -> ReverseProxyBuilder,
    ) -> World {
        let mut network = Network::new(1);
        let urls = (1..=upstreams).map(|n| format!("http://10.0.1.{n}"));
        for n in 1..=upstreams {
            network.listen(upstream(n)).unwrap();
        }
        let builder = ReverseProxy::to(urls).unwrap().name("p").unwrap();
        World::of(network, settings(builder))
    }

    pub(super) fn of(mut network: Network, builder: ReverseProxyBuilder) -> World {
        let mut hub = Hub::default();
        let proxy = builder.build(&hub.ctx());
        let service = hub.add_service(service(proxy));
        let address = "10.0.0.1:80".parse().unwrap();
        let proxy = network.host(hub, &[(service, address)]).unwrap();
        let held = Rc::new(Cell::new(0));
        let counted = Rc::clone(&held);
        network.watch(move |happening| {
            let change = match happening.what {
                Happened::Received(bytes) if happening.host == proxy => bytes.len() as i64,
                Happened::Sent(bytes) if happening.host == proxy => -(bytes.len() as i64),
                _ => 0,
            };
            counted.set(counted.get() + change);
        });
        World { network, proxy, address, held }
    }

    /// A client that has sent this.
    pub(super) fn client(&mut self, bytes: impl AsRef<[u8]>) -> Peer {
        let peer = self.network.connect(self.address);
        self.sends(peer, bytes);
        peer
    }

    pub(super) fn sends(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.network.send(peer, bytes);
        self.turn();
    }

    /// All that happens at once.
    pub(super) fn turn(&mut self) {
        self.network.run_for(Duration::from_millis(5)).unwrap();
    }

    pub(super) fn waits(&mut self, time: Duration) {
        self.network.run_for(time).unwrap();
    }

    /// The upstream's end of a connection that the proxy made.
    #[track_caller]
    pub(super) fn accepts(&mut self) -> Peer {
        self.accepts_at(1).expect("no connection to the upstream")
    }

    pub(super) fn accepts_at(&mut self, n: usize) -> Option<Peer> {
        let peer = self.network.accept(upstream(n));
        self.turn();
        peer
    }

    /// About how many bytes the proxy holds.
    pub(super) fn held(&self) -> i64 {
        self.held.get()
    }

    /// Takes what a peer received.
    pub(super) fn got(&mut self, peer: Peer) -> String {
        let bytes = self.network.take_got(peer, usize::MAX);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn state(&self, peer: Peer) -> PeerState {
        self.network.peer_state(peer)
    }

    /// What an upstream gets when a client sends this, and what the client gets for `response`.
    #[track_caller]
    pub(super) fn exchange(&mut self, request: &str, response: &str) -> (String, String) {
        let client = self.client(request);
        let up = self.accepts();
        let asked = self.got(up);
        self.sends(up, response);
        (asked, self.got(client))
    }

    /// What a client gets when nothing may reach an upstream.
    #[track_caller]
    pub(super) fn refused(&mut self, request: &str) -> String {
        let client = self.client(request);
        assert_eq!(self.accepts_at(1), None, "{request:?} reached the upstream");
        self.got(client)
    }
}

/// A service with room for any body.
fn service(proxy: ReverseProxy) -> Service {
    let forward = async move |request: Request| proxy.forward(request).await;
    Service::new(forward)
        .limits(Limits { body: u64::MAX, ..Limits::default() })
        .deadlines(Deadlines::default())
        .connections(ServiceConfig::default())
}

/// A request with these fields, and no others.
pub(super) fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// What the proxy adds for a client without fields of its own.
pub(super) const ADDED: &str = "Via: 1.1 p\r\nForwarded: for=172.16.0.1;host=\"h\";proto=http\r\n\
                                X-Forwarded-For: 172.16.0.1\r\nX-Forwarded-Host: h\r\n\
                                X-Forwarded-Proto: http\r\n";

pub(super) const EMPTY: &str = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n";
pub(super) const EMPTY_ANSWER: &str =
    "HTTP/1.1 200 OK\r\nDate: d\r\nVia: 1.1 p\r\nContent-Length: 0\r\n\r\n";
