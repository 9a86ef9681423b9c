//! TLS with other layers, in both orders.

use std::time::Duration;

use diesel_proto::proxy_protocol::{self, HeaderConfig};
use diesel_proto::testkit::decorator::{FaultInjector, InjectedFault, Throttle, Tracer};
use diesel_proto::testkit::net::{LinkOptions, Network};
use diesel_proto::{
    Actions, Conn, Ctx, Endpoint, Error, Hub, Input, Instant, Linger, Machine, Nested, Service,
    http1,
};

use super::harness::*;
use super::xor::Xor;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a header before anything else.
struct Announces<M>(Nested<M>, &'static [u8]);

impl<M: Machine> Announces<M> {
    fn new(header: &'static [u8], inner: M) -> Self {
        Announces(Nested::sharing(inner), header)
    }
}

impl<M: Machine> Machine for Announces<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            actions.send(self.1);
        }
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle(None, actions);
        taken
    }
}

/// The header comes first, then the handshake, then HTTP; or the header is within TLS, as a proxy
/// sends it that does TLS itself.
#[test]
fn a_header_is_read_before_the_handshake_or_within_it() {
    const HEADER: &[u8] = b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n";
    let http = || {
        let service = http1::Service::new(|request: http1::Request| {
            let name = request.tls().and_then(|tls| tls.server_name().map(String::from));
            http1::Response::text(format!("{} {name:?}", request.peer()))
        });
        Service::from(service)
    };
    for header_first in [true, false] {
        for reads in [1..=1, 1..=100, 9999..=9999] {
            let config = HeaderConfig::default();
            let acceptor = acceptor();
            let proxied = |service: Service| {
                let config = config.clone();
                service.layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner))
            };
            let secured = |service: Service| {
                let acceptor = acceptor.clone();
                service.layer(move |ctx, inner| acceptor.layer(ctx, inner))
            };
            // The layer that is added last is the outermost.
            let service = match header_first {
                true => proxied(secured(http())),
                false => secured(proxied(http())),
            };
            let address = "10.0.0.1:443".parse().unwrap();
            let mut server = Hub::default();
            server.time_of_day(NOW, TODAY);
            let service = server.add_service(service);
            let connector = connector();
            let mut client = Hub::default();
            client.time_of_day(NOW, TODAY);
            client
                .add_loop(async move |ctx: Ctx| {
                    let connector = connector.clone();
                    let connect = ctx.connect(address);
                    let connect = match header_first {
                        true => connect
                            .layer(move |ctx, inner| connector.layer(name("localhost"), ctx, inner))
                            .layer(|_, inner| Announces::new(HEADER, inner)),
                        false => connect.layer(|_, inner| Announces::new(HEADER, inner)).layer(
                            move |ctx, inner| connector.layer(name("localhost"), ctx, inner),
                        ),
                    };
                    let mut conn: Conn = connect.await?;
                    conn.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
                    let answer = conn.to_end(1000).await?;
                    assert!(answer.ends_with(b"203.0.113.9:56324 Some(\"localhost\")"));
                    ctx.halt();
                    Ok::<(), Error>(())
                })
                .unwrap();
            let mut network = Network::new(3);
            network.link(LinkOptions { reads, ..LinkOptions::default() });
            network.host(server, &[(service, address)]).unwrap();
            let client = network.lone_host(client);
            network.run_for(30 * SECOND).unwrap();
            assert!(network.has_halted(client), "header first: {header_first}");
        }
    }
}

type Boxed = Box<dyn Machine>;

/// One layer on each side.
type Layer = fn(client: bool, Boxed) -> Boxed;

fn tls(client: bool, inner: Boxed) -> Boxed {
    match client {
        true => Box::new(connector().machine(name("localhost"), inner)),
        false => Box::new(acceptor().machine(inner)),
    }
}

const OTHERS: [(&str, Layer); 6] = [
    ("tls", tls),
    ("records", |_, inner| Box::new(Xor::new(0x55, inner))),
    ("tracer", |_, inner| Box::new(Tracer::new(inner, |_, _| {}))),
    ("throttle", |_, inner| Box::new(Throttle::new(inner, 300, SECOND / 10))),
    ("linger", |_, inner| Box::new(Linger::new(inner, SECOND))),
    ("stalls", |_, inner| {
        let stalls = [(3, SECOND), (90, SECOND), (250, SECOND), (1000, SECOND)];
        let stalls = stalls.map(|(at, time)| (at, InjectedFault::Stall(time)));
        Box::new(FaultInjector::with(inner, stalls))
    }),
];

#[test]
fn other_layers_go_around_it_and_into_it() {
    for (what, layer) in OTHERS {
        for tls_outside in [true, false] {
            let side = |client| {
                let (puppet, seen) = Puppet::new();
                let stack: Boxed = match tls_outside {
                    true => tls(client, layer(client, Box::new(puppet))),
                    false => layer(client, tls(client, Box::new(puppet))),
                };
                (Endpoint::new(stack, NOW), seen)
            };
            let (mut client, at_client) = side(true);
            let (mut server, at_server) = side(false);
            let mut now = NOW;
            let mut runs = |client: &mut Endpoint<Boxed>, server: &mut Endpoint<Boxed>| {
                for _ in 0..200 {
                    for to_server in [true, false] {
                        let (from, to) = match to_server {
                            true => (&mut *client, &mut *server),
                            false => (&mut *server, &mut *client),
                        };
                        from.expired(now);
                        let bytes = if to.wants_input() { from.take_outgoing(now) } else { vec![] };
                        assert_eq!(to.received(now, &bytes), bytes.len());
                        if from.half_closed() || from.end().is_some() {
                            to.eof(now);
                        }
                    }
                    now += SECOND / 20;
                }
                now
            };
            let now = runs(&mut client, &mut server);
            at_client.borrow_mut().do_next([Do::Send(vec![b'c'; 1000]), Do::HalfClose]);
            client.wake(now);
            at_server.borrow_mut().do_next([Do::Send(vec![b's'; 1000]), Do::Close]);
            let now = runs(&mut client, &mut server);
            server.wake(now);
            runs(&mut client, &mut server);
            for (seen, sent) in [(&at_client, b's'), (&at_server, b'c')] {
                let seen = seen.borrow();
                let place = format!("{what}, TLS outside: {tls_outside}, {seen:?}");
                assert!(
                    seen.got == vec![sent; 1000] && seen.ended && seen.cut.is_none(),
                    "{place}"
                );
            }
        }
    }
}
