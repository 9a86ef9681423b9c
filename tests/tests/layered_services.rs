//! A user's layer around everything that can serve a connection: a machine, a handler, an HTTP
//! service, and around the connections that a fiber makes.

use core::time::Duration;

use diesel_proto::proxy_protocol::HeaderConfig;
use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::{HubMachine, Stimulus};
use diesel_proto::{
    Action, Address, Cause, Conn, Error, Hub, Instant, LineEcho, Notice, Service, http1,
    proxy_protocol,
};
use diesel_tests::xor::{Xor, open, seal};

const NOW: Instant = Instant::ORIGIN;
const KEY: u8 = 0x33;

struct World {
    hub: Hub,
    conn: diesel_proto::ConnId,
    actions: Vec<Action>,
}

impl World {
    fn of(service: impl Into<Service>) -> Self {
        let mut hub = Hub::default();
        let service = hub.add_service(service);
        let peer = Address::Socket("192.0.2.1:1000".parse().unwrap());
        let conn = hub.accept(NOW, service, peer).unwrap();
        let mut world = World { hub, conn, actions: Vec::new() };
        world.runs();
        world
    }

    /// Sends plain bytes as a record, and returns the plain bytes of the answer.
    fn exchange(&mut self, plain: &[u8]) -> String {
        let sealed = seal(KEY, plain);
        assert_eq!(self.hub.received(NOW, self.conn, &sealed), sealed.len());
        String::from_utf8(open(KEY, &self.runs())).unwrap()
    }

    fn send_plain(&mut self, bytes: &[u8]) -> String {
        assert_eq!(self.hub.received(NOW, self.conn, bytes), bytes.len());
        String::from_utf8(self.runs()).unwrap()
    }

    fn runs(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        for turn in 0.. {
            assert!(turn < 100, "{:?}", self.actions);
            self.hub.run(NOW, &mut self.actions);
            let sent = self.hub.outgoing(self.conn, |slices| slices.concat()).unwrap_or_default();
            if !sent.is_empty() {
                self.hub.sent(NOW, self.conn, sent.len() as u64);
            }
            received.extend_from_slice(&sent);
            if sent.is_empty() && !self.hub.has_more() {
                break;
            }
        }
        received
    }

    fn ended(&self) -> Option<&Action> {
        self.actions.iter().find(|it| matches!(it, Action::Close(..) | Action::Abort(..)))
    }
}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    conn.write("hello\n").await?;
    loop {
        let line = conn.until_eol().await?;
        match line.without_eol() {
            b"quit" => return Ok(()),
            b"abort" => {
                conn.write("lost").await?;
                conn.abort();
                return Ok(());
            }
            b"fail" => return Err(Error::application("as asked")),
            b"upgrade" => {
                conn.upgrade(LineEcho::default());
                return Ok(());
            }
            _ => conn.write(("you said: ", line)).await?,
        }
        conn.flush().await?;
    }
}

fn sealed(service: impl Into<Service>) -> Service {
    service.into().layer(|_, inner| Xor::new(KEY, inner))
}

#[test]
fn a_layer_goes_around_a_handler() {
    let mut world = World::of(sealed(Service::new(echo)));
    assert_eq!(world.exchange(b"hi\nwor"), "you said: hi\n");
    assert_eq!(world.exchange(b"ld\n"), "you said: world\n");
    // The machine that takes over is inside the layer, too.
    assert_eq!(world.exchange(b"upgrade\nleft over\n"), "you said: left over\n");
    assert_eq!(world.exchange(b"quit\n"), "");
    world.hub.eof(NOW, world.conn);
    world.runs();
    assert_eq!(world.ended(), Some(&Action::Close(world.conn, Cause::Done)));
}

#[test]
fn a_handler_within_a_layer_is_reported_as_one_without() {
    let ended = |service: Service, says: &[u8], is_sealed: bool| {
        let mut world = World::of(service);
        match is_sealed {
            true => world.exchange(says),
            false => world.send_plain(says),
        };
        world.hub.eof(NOW, world.conn);
        world.runs();
        let told = |action: &&Action| {
            matches!(action, Action::Close(..) | Action::Abort(..) | Action::Notice(..))
        };
        world.actions.iter().filter(told).cloned().collect::<Vec<_>>()
    };
    for says in [&b"quit\n"[..], b"abort\n", b"fail\n", b"upgrade\nquit\n"] {
        let bare = ended(Service::new(echo), says, false);
        assert_eq!(ended(sealed(Service::new(echo)), says, true), bare);
        assert!(!bare.is_empty());
    }
}

#[test]
fn a_layer_goes_around_a_machine() {
    let mut world = World::of(sealed(Service::machine(|_| LineEcho::default())));
    assert_eq!(world.exchange(b"hi\n"), "you said: hi\n");
}

#[test]
fn a_layer_goes_around_an_http_service_with_plain_and_async_handlers() {
    let plain = http1::Service::new(|request: http1::Request| {
        http1::Response::text(format!("{} from {}", request.method(), request.peer()))
    });
    let waits = http1::Service::new(async |request: http1::Request| {
        http1::Response::text(format!("{} from {}", request.method(), request.peer()))
    });
    for service in [plain, waits] {
        let mut world = World::of(sealed(service));
        let answer =
            world.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.matches("GET from 192.0.2.1:1000").count(), 2, "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    }
}

#[test]
fn what_the_outer_layer_learned_is_seen_by_whatever_is_inside() {
    async fn whoami(mut conn: Conn) -> Result<(), Error> {
        let peer = conn.peer();
        conn.write(format!("{peer}\n")).await?;
        conn.until_eol().await.map(drop)
    }
    let config = HeaderConfig::default();
    let header = b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n";
    let behind = |service: Service| {
        let config = config.clone();
        sealed(service)
            .layer(move |machine_ctx, inner| proxy_protocol::layer(&config, machine_ctx, inner))
    };

    let mut world = World::of(behind(Service::new(whoami)));
    let answer = open(KEY, world.send_plain(header).as_bytes());
    assert_eq!(String::from_utf8(answer).unwrap(), "203.0.113.9:56324\n");

    let service = http1::Service::new(|request: http1::Request| request.peer().to_string());
    let mut world = World::of(behind(service.into()));
    world.send_plain(header);
    let answer = world.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\n203.0.113.9:56324"), "{answer}");

    let service = Service::machine_with(|machine_ctx| {
        LineEcho::default().max_line(machine_ctx.peer().to_string().len())
    });
    let mut world = World::of(behind(service));
    world.send_plain(header);
    assert_eq!(world.exchange(b"seventeen bytes.\n"), "you said: seventeen bytes.\n");
}

#[test]
fn a_connection_without_the_header_is_refused_and_the_handler_never_begins() {
    let config = HeaderConfig::default();
    let service = Service::new(async |_: Conn| panic!("it began"));
    let mut world = World::of(
        service.layer(move |machine_ctx, inner| proxy_protocol::layer(&config, machine_ctx, inner)),
    );
    world.send_plain(b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(world.ended(), Some(Action::Abort(_, Cause::Protocol(_)))));
    assert_eq!(world.hub.counters().panics, 0);
}

#[test]
fn a_layer_that_panics_costs_its_connection_alone() {
    let mut hub = Hub::default();
    hub.set_poll_hook(Box::new(|_, run| {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    }));
    let service = hub.add_service(Service::new(echo).layer(|_, _| -> LineEcho { panic!("here") }));
    assert_eq!(hub.accept(NOW, service, Address::Unnamed), Err(diesel_proto::Refused::Panicked));
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let told = |action: &Action| matches!(action, Action::Notice(_, Notice::Panicked { .. }));
    assert!(actions.iter().any(told), "{actions:?}");
    assert_eq!(hub.counters().open, 0);
}

#[test]
fn a_layer_goes_around_the_connections_that_a_fiber_makes() {
    let mut hub = Hub::default();
    let address = Address::Socket("192.0.2.7:7".parse().unwrap());
    hub.add_loop(async move |ctx| {
        let connect = ctx.connect(address).layer(|_, inner| Xor::new(KEY, inner));
        let mut conn = connect.await?;
        conn.write("hello\n").await?;
        let line = conn.until_eol().await?;
        conn.write(("I received ", line)).await
    })
    .unwrap();
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let Some(&Action::Connect(conn, _)) = actions.first() else { panic!("{actions:?}") };
    hub.connected(NOW, conn);
    let mut world = World { hub, conn, actions };
    assert_eq!(open(KEY, &world.runs()), b"hello\n");
    assert_eq!(world.exchange(b"you\n"), "I received you\n");
}

#[test]
fn a_connection_that_cannot_be_made_fails_through_its_layer() {
    let mut hub = Hub::default();
    let address = Address::Socket("192.0.2.7:7".parse().unwrap());
    hub.add_loop(async move |ctx| {
        let failed = ctx.connect(address).layer(|_, inner| Xor::new(KEY, inner)).await;
        let refused = "cannot connect to 192.0.2.7:7: connection refused";
        assert_eq!(failed.err().map(|error| error.to_string()).as_deref(), Some(refused));
        Err(Error::application("seen"))
    })
    .unwrap();
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let Some(&Action::Connect(conn, _)) = actions.first() else { panic!("{actions:?}") };
    hub.connect_failed(NOW, conn, diesel_proto::ConnectErrorKind::Refused);
    let mut world = World { hub, conn, actions };
    world.runs();
    assert_eq!(world.hub.counters().failures, 1);
}

#[test]
fn layered_services_keep_the_laws() {
    let session = [
        Stimulus::bytes(seal(KEY, b"hi\nupgr")),
        Stimulus::bytes(seal(KEY, b"ade\nleft over\nmore")),
        Stimulus::Wait(Duration::from_secs(1)),
        Stimulus::bytes(seal(KEY, b"\nquit\n")),
        Stimulus::Eof,
    ];
    let machine = || {
        let mut hub = Hub::default();
        let service = hub.add_service(sealed(Service::new(echo)));
        HubMachine::new(hub, service)
    };
    let decode = |output: &[u8]| open(KEY, output);
    Laws::of(machine).early_deadlines().through(decode).assert(&session);
}
