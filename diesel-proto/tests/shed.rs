//! If there is no room for a new connection, the one that has been idle for longest is closed.

mod harness;

use std::time::Duration;

use diesel_proto::http1::{BodyWriter, Request, Response};
use diesel_proto::*;

use harness::{World, config, echo, seconds};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn hello(_: Request) -> Response {
    Response::text("hello")
}

fn web() -> http1::Service {
    http1::Service::new(hello)
}

/// A hub with room for three, and a service.
fn of_three<Kind>(service: impl IntoService<Kind>) -> (World, ServiceId) {
    let mut world = World::with(config(|it| it.max_connections = 3));
    let service = world.hub.add_service(service);
    (world, service)
}

/// Three connections of one service that were answered, a second after each other.
fn three_idle(world: &mut World, service: ServiceId) -> [ConnId; 3] {
    [(); 3].map(|()| {
        let conn = world.accept(service);
        world.sends(conn, GET);
        assert!(world.receives(conn).ends_with("hello"));
        world.waits(seconds(1));
        conn
    })
}

fn is_full(world: &mut World, service: ServiceId) -> bool {
    world.turn();
    !world.hub.may_accept(service)
        && matches!(world.hub.accept(world.now, service, Address::Unnamed), Err(Refused::Limit(_)))
}

#[test]
fn at_the_limit_of_the_hub_the_longest_idle_connection_makes_room() {
    let (mut world, service) = of_three(web());
    let [first, second, third] = three_idle(&mut world, service);
    // The first is not the longest idle any more.
    world.sends(first, GET);
    world.waits(seconds(1));
    assert!(world.hub.may_accept(service));
    for leaves in [second, third, first] {
        assert_eq!(world.closed(leaves), None);
        let newcomer = world.accept(service);
        world.sends(newcomer, GET);
        assert!(world.receives(newcomer).ends_with("hello"));
        assert_eq!(world.closed(leaves), Some(Cause::Shed));
        world.waits(seconds(1));
    }
    let counters = world.hub.counters();
    assert_eq!((counters.shed, counters.open, counters.refused), (3, 3, 0));
    assert!(world.notices().contains(&Notice::LimitReached(Limit::Connections(3))));
    assert!(!world.log.iter().any(|action| matches!(action, Action::StopAccepting(_))));
}

#[test]
fn at_the_limit_of_a_service_one_of_its_own_makes_room() {
    let mut world = World::new();
    let other = world.hub.add_service(web());
    let service = world.hub.add_service(web().max_connections(3));
    let elder = world.accept(other);
    world.sends(elder, GET);
    world.waits(seconds(1));
    let [first, ..] = three_idle(&mut world, service);
    world.accept(service);
    world.turn();
    assert_eq!(world.closed(first), Some(Cause::Shed));
    assert_eq!(world.closed(elder), None);
}

#[test]
fn several_newcomers_within_one_run_take_a_place_each() {
    let (mut world, service) = of_three(web());
    let three = three_idle(&mut world, service);
    for _ in three {
        world.accept(service);
    }
    assert!(!world.hub.may_accept(service), "and they are new themselves");
    world.turn();
    assert_eq!(three.map(|conn| world.closed(conn)), [Some(Cause::Shed); 3]);
    assert_eq!(world.hub.counters().open, 3);
}

/// What a request is in, whatever it is, is no idleness.
#[test]
fn a_connection_with_something_under_way_is_never_closed_for_another() {
    async fn slow(request: Request) -> Result<Response, Error> {
        match request.path() {
            "/body" => {
                let mut request = request;
                request.body().read(100).await?;
            }
            "/stream" => {
                return Ok(Response::stream(async |out: &mut BodyWriter| {
                    out.write("some").await?;
                    std::future::pending().await
                }));
            }
            _ => std::future::pending().await,
        }
        Ok(Response::text("done"))
    }
    let kept_busy: [fn(&mut World, ConnId); 5] = [
        // It is computed.
        |world, conn| world.sends(conn, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Its answer is written.
        |world, conn| world.sends(conn, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Its head comes,
        |world, conn| world.sends(conn, "GET / HT"),
        // or its body,
        |world, conn| {
            world.sends(conn, "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        },
        // Its answer is not sent yet.
        |world, conn| {
            world.takes_only(conn, 10);
            let body = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
            world.sends(conn, body);
        },
    ];
    for (index, busy) in kept_busy.into_iter().enumerate() {
        let mut world = World::with(config(|it| it.max_connections = 1));
        let service = world.hub.add_service(http1::Service::new(slow));
        let conn = world.accept(service);
        world.turn();
        busy(&mut world, conn);
        for _ in 0..5 {
            assert!(world.closed(conn).is_some() || is_full(&mut world, service), "{index}");
            assert!(!world.hub.make_room(world.now), "{index}");
            world.waits(seconds(1));
        }
        assert_ne!(world.closed(conn), Some(Cause::Shed), "{index}");
    }
}

#[test]
fn a_service_accepts_again_soon_after_a_connection_has_become_idle() {
    let (mut world, service) = of_three(web());
    let all = [(); 3].map(|()| world.accept(service));
    all.iter().for_each(|conn| world.sends(*conn, "GET / HT"));
    assert!(is_full(&mut world, service));
    let stop = Action::StopAccepting(service);
    assert!(world.log.contains(&stop));
    world.waits(seconds(1));
    world.sends(all[1], "TP/1.1\r\nHost: a\r\n\r\n");
    world.waits(Duration::from_millis(100));
    assert_eq!(world.log.last(), Some(&Action::ResumeAccepting(service)));
    world.accept(service);
    world.turn();
    assert_eq!(world.closed(all[1]), Some(Cause::Shed));
}

/// What they ask may be on its way.
#[test]
fn newcomers_are_not_closed_for_one_another() {
    let (mut world, service) = of_three(web());
    let all = [(); 3].map(|()| world.accept(service));
    assert!(is_full(&mut world, service));
    world.waits(Duration::from_millis(999));
    assert!(is_full(&mut world, service));
    // One that says nothing for a second is idle.
    world.waits(Duration::from_millis(200));
    assert!(world.hub.may_accept(service));
    world.accept(service);
    world.turn();
    assert_eq!(world.closed(all[0]), Some(Cause::Shed));
}

#[test]
fn connections_of_handlers_are_closed_only_if_their_service_says_so() {
    async fn busy_after_a_line(mut conn: Conn) -> Result<(), Error> {
        loop {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
            conn.ctx().sleep(seconds(1000)).await?;
        }
    }
    let lines = |world: &mut World, service| {
        let conn = world.accept(service);
        world.waits(seconds(2));
        conn
    };
    let (mut world, service) = of_three(echo);
    let all = [(); 3].map(|()| lines(&mut world, service));
    assert!(is_full(&mut world, service));
    world.turn();
    assert_eq!(world.hub.next_wake(), None, "nobody looks whether one has become idle");
    assert_eq!(all.map(|conn| world.closed(conn)), [None; 3]);

    let (mut world, service) = of_three(Service::new(busy_after_a_line).shed(Shed::Idle));
    let all = [(); 3].map(|()| lines(&mut world, service));
    // One whose handler does not wait for its peer is busy; so is one with half a line.
    world.sends(all[0], "a line\n");
    world.sends(all[1], "half a li");
    assert!(world.hub.may_accept(service));
    world.accept(service);
    world.turn();
    assert_eq!(world.closed(all[2]), Some(Cause::Shed));
    assert!(is_full(&mut world, service));

    let (mut world, service) = of_three(web().shed(Shed::Never));
    three_idle(&mut world, service);
    assert!(is_full(&mut world, service));
}

/// The handler's token fails, and the handler ends as if its peer had closed.
#[test]
fn a_shed_connection_closes_with_the_cause_shed() {
    let (mut world, conn) = World::serving(Service::new(echo).shed(Shed::Idle));
    world.waits(seconds(2));
    assert!(world.hub.make_room(world.now));
    assert!(!world.hub.make_room(world.now));
    world.turn();
    assert_eq!(world.closed(conn), Some(Cause::Shed));
    let counters = world.hub.counters();
    assert_eq!((counters.fibers, counters.open, counters.failures), (0, 0, 0));
}

#[test]
fn a_connection_that_a_fiber_asks_for_finds_a_place_too() {
    let (mut world, service) = of_three(web());
    let [first, second, _] = three_idle(&mut world, service);
    let to = Address::Socket("10.0.0.1:80".parse().unwrap());
    let connects = async move |ctx: Ctx| {
        let both = first_of_both(ctx.connect(to), ctx.connect(to)).await;
        assert!(both.is_ok());
        Ok(())
    };
    async fn first_of_both<T>(
        a: impl Future<Output = Result<T, Error>>,
        b: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match diesel_proto::first((std::pin::pin!(a), std::pin::pin!(b))).await {
            First2::A(it) | First2::B(it) => it,
        }
    }
    world.hub.add_loop(connects).unwrap();
    world.turn();
    assert_eq!(world.connects(), 2);
    assert_eq!([first, second].map(|conn| world.closed(conn)), [Some(Cause::Shed); 2]);
    assert_eq!(world.hub.counters().open, 3);
    world.connects_now();
}

#[test]
fn a_crowd_at_the_limit_is_served_by_turns_over_a_network() {
    use diesel_proto::testkit::net::{Network, PeerState};
    let mut hub = Hub::new(config(|it| it.max_connections = 60));
    let service = hub.add_service(web());
    let mut network = Network::new(1);
    let address = "10.0.0.1:80".parse().unwrap();
    network.host(hub, &[(service, address)]).unwrap();
    // Ninety idle connections, as far as there is room; then newcomers, one after the other.
    let mut peers = Vec::new();
    for _ in 0..150 {
        let peer = network.connect(address);
        network.send(peer, GET);
        network.run_for(Duration::from_millis(1)).unwrap();
        assert!(network.got(peer).ends_with(b"hello"), "after {} others", peers.len());
        peers.push(peer);
    }
    let open = |peer: &&_| network.peer_state(**peer) == PeerState::Open;
    assert_eq!(peers.iter().filter(open).count(), 60);
    assert_eq!(peers[90..].iter().filter(open).count(), 60, "the youngest");
}
