//! Names: `connect` resolves them, and tries their addresses as RFC 8305 says, in virtual time.

mod harness;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;
use harness::{World, seconds};

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What became of a token.
type Seen = Rc<RefCell<Option<Result<Address, Error>>>>;

/// A world with one fiber, which connects.
fn connecting(target: &str) -> (World, Seen) {
    let target = target.to_string();
    dialing(Config::default(), move |ctx| ctx.connect(target))
}

fn dialing(
    config: Config,
    connect: impl FnOnce(&Ctx) -> fiber::Connect + 'static,
) -> (World, Seen) {
    let mut world = World::with(config);
    let seen = Seen::default();
    let outcome = Rc::clone(&seen);
    let body = async move |ctx: Ctx| {
        let conn = connect(&ctx).await;
        let peer = conn.as_ref().map(Conn::peer);
        outcome.replace(Some(peer.map_err(|_| Error::Closed)));
        match conn {
            Ok(mut conn) => {
                conn.write("hello").await?;
                conn.to_end(100).await.map(drop)
            }
            Err(error) => {
                outcome.replace(Some(Err(error)));
                Ok(())
            }
        }
    };
    world.hub.add_loop(body).unwrap();
    world.turn();
    (world, seen)
}

fn error(seen: &Seen) -> Error {
    seen.take().expect("it is done").expect_err("it failed")
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|it| it.parse().unwrap()).collect()
}

/// The look-ups that were asked for so far.
fn lookups(world: &World) -> Vec<(JobId, String)> {
    let lookup = |action: &Action| match action {
        Action::Resolve(job, name) => Some((*job, name.to_string())),
        _ => None,
    };
    world.log.iter().filter_map(lookup).collect()
}

fn cancelled(world: &World) -> Vec<JobId> {
    let cancelled = |action: &Action| match action {
        Action::Cancel(job) => Some(*job),
        _ => None,
    };
    world.log.iter().filter_map(cancelled).collect()
}

/// The attempts so far: their connections and addresses.
fn attempts(world: &World) -> Vec<(ConnId, String)> {
    let attempt = |action: &Action| match action {
        Action::Connect(conn, address) => Some((*conn, address.to_string())),
        _ => None,
    };
    world.log.iter().filter_map(attempt).collect()
}

fn tried(world: &World) -> Vec<String> {
    attempts(world).into_iter().map(|(_, address)| address).collect()
}

fn resolves(world: &mut World, answer: Result<Vec<SocketAddr>, ResolveErrorKind>) {
    let (job, _) = lookups(world).pop().expect("it was asked for");
    world.hub.resolved(world.now, job, answer);
    world.turn();
}

fn fails(world: &mut World, n: usize, why: ConnectErrorKind) {
    let (conn, _) = attempts(world)[n];
    world.hub.connect_failed(world.now, conn, why);
    world.turn();
}

fn connects(world: &mut World, n: usize) -> ConnId {
    let (conn, _) = attempts(world)[n];
    world.hub.connected(world.now, conn);
    world.turn();
    conn
}

/// Connects to a name with these addresses.
fn named(texts: &[&str]) -> (World, Seen) {
    let (mut world, seen) = connecting("example.com:80");
    resolves(&mut world, Ok(addresses(texts)));
    (world, seen)
}

const V6: &str = "[2001:db8::1]:80";
const V6B: &str = "[2001:db8::2]:80";
const V4: &str = "192.0.2.1:80";
const V4B: &str = "192.0.2.2:80";

#[test]
fn a_name_is_resolved_and_connected_to() {
    let (mut world, seen) = connecting("Example.COM:80");
    let asked = lookups(&world);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1, "example.com");
    assert!(tried(&world).is_empty());
    resolves(&mut world, Ok(addresses(&["192.0.2.1:9"])));
    assert_eq!(tried(&world), [V4]);
    let conn = connects(&mut world, 0);
    assert_eq!(seen.take().unwrap().unwrap().to_string(), V4);
    assert_eq!(world.receives(conn), "hello");
    assert_eq!(cancelled(&world), []);
}

#[test]
fn what_is_an_address_is_no_question() {
    for text in ["192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%7]:80"] {
        let (world, _) = connecting(text);
        assert_eq!((lookups(&world).len(), tried(&world).len()), (0, 1), "{text}");
    }
    let (world, _) = connecting("[fe80::1%eth0]:80");
    assert_eq!(lookups(&world)[0].1, "fe80::1%eth0");
}

#[test]
fn localhost_is_loopback_and_no_question() {
    for text in ["localhost:80", "LOCALHOST.:80", "db.localhost:80"] {
        let (mut world, seen) = connecting(text);
        assert!(lookups(&world).is_empty());
        assert_eq!(tried(&world), ["[::1]:80"]);
        fails(&mut world, 0, ConnectErrorKind::Refused);
        assert_eq!(tried(&world), ["[::1]:80", "127.0.0.1:80"]);
        connects(&mut world, 1);
        assert_eq!(seen.take().unwrap().unwrap().to_string(), "127.0.0.1:80");
    }
}

#[test]
fn text_that_is_neither_fails_at_once_with_its_cause() {
    let (world, seen) = connecting("example.com");
    assert!(world.log.is_empty());
    let Error::Target(error) = error(&seen) else { panic!("{seen:?}") };
    assert_eq!((error.kind(), error.text()), (TargetErrorKind::NoPort, "example.com"));
}

#[test]
fn a_name_without_an_address_is_an_error_of_its_own() {
    for answer in [Ok(Vec::new()), Err(ResolveErrorKind::NotFound)] {
        let (mut world, seen) = connecting("example.com:80");
        resolves(&mut world, answer);
        let error = error(&seen);
        assert_eq!(error.to_string(), "cannot resolve example.com: no such name, or no address");
        let Error::Resolve(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, ResolveErrorKind::NotFound);
        assert!(tried(&world).is_empty() && cancelled(&world).is_empty());
    }
}

#[test]
fn other_failures_of_the_resolver_are_passed_on() {
    for kind in [
        ResolveErrorKind::Temporary,
        ResolveErrorKind::ServerFailed,
        ResolveErrorKind::OutOfResources,
        ResolveErrorKind::Unsupported,
        ResolveErrorKind::Other(-12),
    ] {
        let (mut world, seen) = connecting("example.com:80");
        resolves(&mut world, Err(kind));
        let error = error(&seen);
        assert_eq!(error.timed_out(), None);
        assert!(matches!(error, Error::Resolve(error) if error.kind == kind));
    }
}

#[test]
fn a_resolver_that_hangs_fails_at_the_deadline_of_its_phase() {
    let (mut world, seen) = connecting("example.com:80");
    world.waits(millis(9_999));
    assert!(seen.borrow().is_none());
    world.waits(millis(1));
    let error = error(&seen);
    assert_eq!(error.timed_out(), Some(Reason::Resolve));
    assert_eq!(error.to_string(), "cannot resolve example.com: no answer in time");
    let (job, _) = lookups(&world)[0];
    assert_eq!(cancelled(&world), [job]);
    // The late answer is dropped.
    resolves(&mut world, Ok(addresses(&[V4])));
    assert!(tried(&world).is_empty() && world.notices().is_empty());
}

#[test]
fn each_phase_has_its_own_deadline() {
    let connect = |ctx: &Ctx| {
        ctx.connect("example.com:80").resolve_within(seconds(3)).connect_within(seconds(2))
    };
    let (mut world, seen) = dialing(Config::default(), connect);
    world.waits(seconds(3));
    assert_eq!(error(&seen).timed_out(), Some(Reason::Resolve));

    let (mut world, seen) = dialing(Config::default(), connect);
    world.waits(millis(2_999));
    // The other phase counts from here.
    resolves(&mut world, Ok(addresses(&[V6, V4, V4B])));
    world.waits(millis(1_999));
    assert!(seen.borrow().is_none());
    fails(&mut world, 1, ConnectErrorKind::Refused);
    world.waits(millis(1));
    let error = error(&seen);
    assert_eq!(error.timed_out(), Some(Reason::Connect));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to example.com: {V6}: no answer in time; {V4}: connection refused; \
             {V4B}: no answer in time"
        )
    );
    for n in [0, 2] {
        let (conn, _) = attempts(&world)[n];
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}

#[test]
fn the_deadline_of_one_address_can_be_set_as_well() {
    let address: SocketAddr = V4.parse().unwrap();
    let (mut world, seen) =
        dialing(Config::default(), move |ctx| ctx.connect(address).connect_within(seconds(1)));
    world.waits(millis(999));
    assert!(seen.borrow().is_none());
    world.waits(millis(1));
    let Error::Connect(error) = error(&seen) else { panic!() };
    assert_eq!(*error, ConnectError::new(address.into(), ConnectErrorKind::TimedOut));
}

#[test]
fn families_alternate_and_attempts_are_staggered() {
    let (mut world, seen) = named(&[V6, V6B, V4, V4B]);
    let order = [V6, V4, V6B, V4B];
    for n in 1..4 {
        assert_eq!(tried(&world), order[..n]);
        world.waits(millis(249));
        assert_eq!(tried(&world), order[..n]);
        world.waits(millis(1));
    }
    assert_eq!(tried(&world), order);
    // The third is made first. All others are closed.
    let winner = connects(&mut world, 2);
    assert_eq!(seen.take().unwrap().unwrap().to_string(), V6B);
    for (conn, address) in attempts(&world) {
        let expected = (conn != winner).then_some(Cause::Done);
        assert_eq!(world.closed(conn), expected, "{address}");
    }
    assert_eq!(world.receives(winner), "hello");
    // Nothing more happens.
    let so_far = world.log.len();
    world.waits(seconds(40));
    assert_eq!(world.log.len(), so_far);
}

#[test]
fn after_a_failure_the_next_is_tried_at_once_and_has_its_whole_delay() {
    let (mut world, _) = named(&[V6, V4, V6B, V4B]);
    world.waits(millis(200));
    fails(&mut world, 0, ConnectErrorKind::Unreachable);
    assert_eq!(tried(&world), [V6, V4]);
    world.waits(millis(249));
    assert_eq!(tried(&world).len(), 2);
    world.waits(millis(1));
    assert_eq!(tried(&world), [V6, V4, V6B]);
    // One that fails late makes the next begin as well.
    fails(&mut world, 1, ConnectErrorKind::Refused);
    assert_eq!(tried(&world), [V6, V4, V6B, V4B]);
}

#[test]
fn an_attempt_that_lost_and_is_connected_in_the_same_run_is_closed() {
    for both in [[0, 1], [1, 0]] {
        let (mut world, seen) = named(&[V6, V4]);
        world.waits(millis(250));
        let tried = attempts(&world);
        for n in both {
            world.hub.connected(world.now, tried[n].0);
        }
        world.turn();
        // Both are made: the one that began first is taken.
        assert_eq!(seen.take().unwrap().unwrap().to_string(), V6);
        assert_eq!(world.receives(tried[0].0), "hello");
        assert_eq!(world.receives(tried[1].0), "");
        world.waits(seconds(3));
        assert_eq!(world.closed(tried[1].0), Some(Cause::Done));
        assert_eq!(world.closed(tried[0].0), None);
    }
}

#[test]
fn if_all_fail_the_error_lists_them_in_order() {
    let (mut world, seen) = named(&[V6, V4, V4B]);
    world.waits(millis(500));
    fails(&mut world, 2, ConnectErrorKind::Refused);
    fails(&mut world, 0, ConnectErrorKind::Unreachable);
    assert!(seen.borrow().is_none());
    fails(&mut world, 1, ConnectErrorKind::Forbidden);
    let Error::Connect(error) = error(&seen) else { panic!() };
    let expected = [
        (V6, ConnectErrorKind::Unreachable),
        (V4, ConnectErrorKind::Forbidden),
        (V4B, ConnectErrorKind::Refused),
    ];
    let listed: Vec<_> = error.attempts().map(|(it, kind)| (it.to_string(), kind)).collect();
    assert_eq!(listed, expected.map(|(it, kind)| (it.to_string(), kind)));
    assert_eq!(error.name.as_ref().map(HostName::as_str), Some("example.com"));
    assert!(!error.timed_out());
}

#[test]
fn no_more_addresses_are_tried_than_the_limit() {
    let names = NameConfig { max_addresses: 3, ..NameConfig::default() };
    let config = Config { names, ..Config::default() };
    let (mut world, seen) = dialing(config, |ctx| ctx.connect("example.com:80"));
    let many = (0..50).map(|n| SocketAddr::from(([192, 0, 2, n], 0))).collect();
    resolves(&mut world, Ok(many));
    for n in 0..3 {
        fails(&mut world, n, ConnectErrorKind::Refused);
    }
    let Error::Connect(error) = error(&seen) else { panic!() };
    assert_eq!(error.attempts().count(), 3);
}

#[test]
fn at_the_limit_of_connections_the_attempts_that_run_go_on() {
    let config = Config { max_connections: 1, ..Config::default() };
    let connect = |ctx: &Ctx| ctx.connect("example.com:80");
    let (mut world, seen) = dialing(config.clone(), connect);
    resolves(&mut world, Ok(addresses(&[V6, V4])));
    world.waits(millis(600));
    assert_eq!(tried(&world), [V6]);
    fails(&mut world, 0, ConnectErrorKind::Refused);
    assert_eq!(tried(&world), [V6, V4]);
    connects(&mut world, 1);
    assert!(seen.take().unwrap().is_ok());

    // Without room for one attempt, it fails.
    let config = Config { max_connections: 0, ..config };
    let (mut world, seen) = dialing(config, connect);
    resolves(&mut world, Ok(addresses(&[V6, V4])));
    assert!(matches!(error(&seen), Error::Limit(Limit::Connections(0))));
}

/// Drops the token after `patience`.
fn impatient(patience: Duration) -> World {
    World::looping(async move |ctx: Ctx| {
        let waited = ctx.timeout(patience, ctx.connect("example.com:80")).await;
        assert!(matches!(waited, Err(Error::TimedOut(_))));
        core::future::pending().await
    })
}

#[test]
fn a_token_that_is_dropped_leaves_nothing_behind() {
    // While resolving.
    let mut world = impatient(seconds(1));
    world.waits(seconds(1));
    let (job, _) = lookups(&world)[0];
    assert_eq!(cancelled(&world), [job]);
    resolves(&mut world, Ok(addresses(&[V4])));
    assert!(tried(&world).is_empty());

    // In the run in which the answer comes.
    let mut world = impatient(seconds(1));
    world.now += seconds(1);
    let (job, _) = lookups(&world)[0];
    world.hub.resolved(world.now, job, Ok(addresses(&[V4])));
    world.turn();
    for (conn, _) in attempts(&world) {
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
    assert_eq!(cancelled(&world), []);

    // While connecting, with two attempts.
    let mut world = impatient(seconds(1));
    resolves(&mut world, Ok(addresses(&[V6, V4])));
    world.waits(seconds(1));
    let tried = attempts(&world);
    assert_eq!(tried.len(), 2);
    for (conn, _) in tried {
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
    assert_eq!(world.hub.counters().open, 0);
    assert_eq!(world.hub.next_wake(), None);
}

#[test]
fn a_shutdown_ends_both_phases() {
    let drain = |world: &mut World| {
        let by = world.now + seconds(5);
        world.hub.drain(world.now, by);
        world.turn();
        assert!(world.halted());
    };
    let (mut world, seen) = connecting("example.com:80");
    drain(&mut world);
    assert!(matches!(error(&seen), Error::Shutdown));
    assert_eq!(cancelled(&world).len(), 1);

    let (mut world, seen) = named(&[V6, V4]);
    world.waits(millis(300));
    drain(&mut world);
    assert!(matches!(error(&seen), Error::Shutdown));
    for (conn, _) in attempts(&world) {
        assert_eq!(world.closed(conn), Some(Cause::Done));
    }
}

/// What became of many tokens.
type Ended = Rc<RefCell<Vec<Result<(), String>>>>;

/// Lets this many fibers connect to a name each.
fn many(config: Config, n: usize) -> (World, Ended) {
    let mut world = World::with(config);
    let ended = Rc::new(RefCell::new(Vec::new()));
    for n in 0..n {
        let ended = Rc::clone(&ended);
        let body = async move |ctx: Ctx| {
            let conn = ctx.connect((format!("host{n}.example"), 80)).await;
            ended.borrow_mut().push(conn.map(drop).map_err(|error| error.to_string()));
            Ok(())
        };
        world.hub.add_loop(body).unwrap();
    }
    world.turn();
    (world, ended)
}

#[test]
fn two_hundred_at_once_have_each_their_own_answer() {
    let (mut world, ended) = many(Config::default(), 200);
    let asked = lookups(&world);
    assert_eq!(asked.len(), 200);
    // The last first; every fourth has no address, and every fourth is never answered.
    for (n, (job, name)) in asked.iter().enumerate().rev() {
        assert_eq!(*name, format!("host{n}.example"));
        let address = SocketAddr::from(([192, 0, 2, n as u8], 0));
        match n % 4 {
            0 => world.hub.resolved(world.now, *job, Ok(Vec::new())),
            1 => {}
            _ => world.hub.resolved(world.now, *job, Ok(vec![address])),
        }
    }
    world.turn();
    assert_eq!(tried(&world).len(), 100);
    for (conn, _) in attempts(&world) {
        world.hub.connected(world.now, conn);
    }
    world.turn();
    world.waits(seconds(10));
    let ended = ended.borrow();
    let with = |end: &str| {
        let error = |it: &Result<(), String>| it.as_ref().is_err_and(|it| it.ends_with(end));
        ended.iter().filter(|it| error(it)).count()
    };
    assert_eq!(ended.len(), 200);
    assert_eq!((with("or no address"), with("no answer in time")), (50, 50));
}

#[test]
fn at_the_limit_of_look_ups_the_next_one_fails() {
    let config = Config { max_jobs: 3, ..Config::default() };
    let (mut world, ended) = many(config, 5);
    assert_eq!(lookups(&world).len(), 3);
    let limit = Limit::Jobs(3);
    assert_eq!(*ended.borrow(), vec![Err(limit.to_string()); 2]);
    assert_eq!(world.notices(), vec![Notice::LimitReached(limit); 2]);
    assert_eq!(world.hub.counters().limit_jobs, 2);
    // One that is answered makes room.
    resolves(&mut world, Ok(Vec::new()));
    world.hub.add_loop(async |ctx: Ctx| ctx.connect("late.example:80").await.map(drop)).unwrap();
    world.turn();
    assert_eq!(lookups(&world).pop().unwrap().1, "late.example");
}

#[test]
fn a_client_resolves_for_each_new_connection() {
    let mut world = World::looping(async |ctx: Ctx| {
        let client = Client::builder(&ctx, "example.com:80").reconnect(true).build();
        for _ in 0..2 {
            let ask = async |conn: &mut Conn| {
                conn.write("hello\n").await?;
                conn.until_eol().await
            };
            client.call(ask).await?;
            ctx.sleep(seconds(1)).await?;
        }
        Ok(())
    });
    for n in 0..2 {
        assert_eq!(lookups(&world).len(), n + 1);
        resolves(&mut world, Ok(addresses(&[V4])));
        let conn = connects(&mut world, n);
        world.sends(conn, "hi\n");
        world.ends(conn);
        world.waits(seconds(1));
    }
    assert_eq!(world.notices(), []);
}

#[test]
fn the_same_inputs_give_the_same_actions() {
    let run = || {
        let (mut world, _) = many(Config::default(), 20);
        for (n, (job, _)) in lookups(&world).into_iter().enumerate() {
            world.hub.resolved(world.now, job, Ok(addresses(&[V6, V4, V6B, V4B])));
            world.waits(millis(n as u64 * 37));
        }
        for (n, (conn, _)) in attempts(&world).into_iter().enumerate() {
            match n % 3 {
                0 => world.hub.connected(world.now, conn),
                _ => world.hub.connect_failed(world.now, conn, ConnectErrorKind::Refused),
            }
            world.waits(millis(11));
        }
        world.waits(seconds(60));
        format!("{:?}", world.log)
    };
    assert_eq!(run(), run());
}

#[test]
fn ids_of_another_hub_are_refused() {
    let (world, _) = connecting("example.com:80");
    let (foreign, _) = lookups(&world)[0];
    let (mut world, seen) = connecting("example.com:80");
    world.hub.resolved(world.now, foreign, Ok(addresses(&[V4])));
    world.hub.completed(world.now, foreign, JobError::Dropped.into());
    assert!(world.hub.take_job(foreign).is_none());
    world.turn();
    assert_eq!(world.notices(), vec![Notice::OtherHubJob(foreign); 3]);
    assert!(seen.borrow().is_none() && tried(&world).is_empty());
    // An answer of the wrong kind does nothing.
    let (job, _) = lookups(&world)[0];
    world.hub.completed(world.now, job, JobError::Dropped.into());
    world.turn();
    assert!(seen.borrow().is_none());
}
