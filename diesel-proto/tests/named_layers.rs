//! A layer around a connection to a name: it is made once, for the attempt that wins, and whether it
//! wins is decided when the connection is made, before the layer has done its handshake.

mod harness;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;
use harness::{World, seconds};

const V6: &str = "[2001:db8::1]:80";
const V4: &str = "192.0.2.1:80";
const V4B: &str = "192.0.2.2:80";

/// Says a word, and starts its inner machine when the peer answers `+`. Closes for any other answer.
struct Password {
    inner: Nested<Inner>,
    is_open: bool,
}

impl Password {
    fn new(inner: Inner) -> Self {
        Password { inner: Nested::sharing(inner), is_open: false }
    }
}

impl Machine for Password {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = match input {
            _ if self.is_open => self.inner.pass_on(now, input, actions),
            Input::Start => {
                actions.send(b"sesame\n");
                0
            }
            Input::Bytes([b'+', rest @ ..]) => {
                self.is_open = true;
                self.inner.pass_on(now, Input::Start, actions);
                1 + match rest {
                    [] => 0,
                    rest => self.inner.received(now, rest, actions),
                }
            }
            Input::Bytes(bytes) => {
                self.inner.cut(now, Cause::Protocol("the wrong answer"), actions);
                bytes.len()
            }
            other => self.inner.pass_on(now, other, actions),
        };
        self.inner.settle(None, actions);
        taken
    }
}

type Seen = Rc<RefCell<Vec<String>>>;

/// Connects to a name with these addresses, through the layer.
fn connecting(addresses: &[&str]) -> (World, Seen, Rc<RefCell<u32>>) {
    let (seen, made) = (Seen::default(), Rc::new(RefCell::new(0)));
    let (noted, count) = (Rc::clone(&seen), Rc::clone(&made));
    let mut world = World::looping(async move |ctx: Ctx| {
        let connect = ctx.connect("example.com:80").connect_within(seconds(3));
        let conn = connect.layer(move |_, inner| {
            *count.borrow_mut() += 1;
            Password::new(inner)
        });
        match conn.await {
            Ok(mut conn) => {
                noted.borrow_mut().push(conn.peer().to_string());
                conn.write("hello\n").await?;
                let line = conn.until_eol().await?;
                noted.borrow_mut().push(line.trimmed().to_string());
            }
            Err(error) => noted.borrow_mut().push(error.to_string()),
        }
        core::future::pending().await
    });
    let addresses: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let Some(&Action::Resolve(job, _)) = world.log.last() else { panic!("{:?}", world.log) };
    world.hub.resolved(world.now, job, Ok(addresses));
    world.turn();
    (world, seen, made)
}

fn attempts(world: &World) -> Vec<ConnId> {
    let attempt = |action: &Action| match action {
        Action::Connect(conn, _) => Some(*conn),
        _ => None,
    };
    world.log.iter().filter_map(attempt).collect()
}

#[test]
fn the_first_that_is_made_wins_and_no_other_is_begun_during_its_handshake() {
    let (mut world, seen, made) = connecting(&[V6, V4, V4B]);
    world.waits(Duration::from_millis(250));
    let [first, second] = attempts(&world)[..] else { panic!() };
    assert_eq!(*made.borrow(), 0);
    world.hub.connected(world.now, second);
    world.turn();
    assert_eq!((world.receives(second), *made.borrow()), ("sesame\n".to_string(), 1));
    assert_eq!(world.closed(first), Some(Cause::Done));
    // The handshake has no part in the deadline of connecting.
    world.waits(seconds(5));
    assert_eq!((attempts(&world).len(), seen.borrow().len()), (2, 0));
    world.sends(second, "+hi\n");
    assert_eq!(*seen.borrow(), [V4, "hi"]);
    assert_eq!(world.receives(second), "hello\n");
    assert_eq!(*made.borrow(), 1);
}

#[test]
fn of_two_that_are_made_at_once_one_is_closed_unused() {
    for order in [[0, 1], [1, 0]] {
        let (mut world, seen, made) = connecting(&[V6, V4]);
        world.waits(Duration::from_millis(250));
        let begun = attempts(&world);
        let [winner, loser] = order.map(|n: usize| begun[n]);
        world.hub.connected(world.now, winner);
        world.hub.connected(world.now, loser);
        // It may have sent something.
        assert_eq!(world.hub.received(world.now, loser, b"220 welcome\r\n"), 13);
        world.turn();
        assert_eq!((world.receives(winner), world.receives(loser)), ("sesame\n".into(), "".into()));
        world.ends(loser);
        assert_eq!(world.closed(loser), Some(Cause::Done));
        world.sends(winner, "+hi\n");
        assert_eq!(*seen.borrow(), [[V6, V4][order[0]], "hi"]);
        assert_eq!(*made.borrow(), 1);
    }
}

#[test]
fn if_the_layer_fails_no_other_address_is_tried() {
    let (mut world, seen, _) = connecting(&[V6, V4]);
    let [first] = attempts(&world)[..] else { panic!() };
    world.hub.connected(world.now, first);
    world.turn();
    world.sends(first, "-");
    assert_eq!(*seen.borrow(), ["the connection is closed"]);
    world.waits(seconds(10));
    assert_eq!(attempts(&world), [first]);
    assert_eq!(world.closed(first), Some(Cause::Protocol("the wrong answer")));
}

#[test]
fn if_no_connection_is_made_the_layer_is_never_made() {
    let (mut world, seen, made) = connecting(&[V6, V4]);
    world.waits(seconds(1));
    for conn in attempts(&world) {
        world.hub.connect_failed(world.now, conn, ConnectErrorKind::Refused);
    }
    world.turn();
    let all = format!(
        "cannot connect to example.com: {V6}: connection refused; {V4}: connection refused"
    );
    assert_eq!(*seen.borrow(), [all]);
    assert_eq!(*made.borrow(), 0);
}

#[test]
fn dropped_in_the_handshake_the_winner_is_closed() {
    let mut world = World::looping(async |ctx: Ctx| {
        let connect = ctx.connect("example.com:80").layer(|_, inner| Password::new(inner));
        assert!(ctx.timeout(seconds(2), connect).await.is_err());
        core::future::pending().await
    });
    let Some(&Action::Resolve(job, _)) = world.log.last() else { panic!("{:?}", world.log) };
    world.hub.resolved(world.now, job, Ok(vec![V6.parse().unwrap(), V4.parse().unwrap()]));
    world.turn();
    let first = attempts(&world)[0];
    world.hub.connected(world.now, first);
    world.turn();
    world.waits(seconds(1));
    assert_eq!(world.closed(first), None);
    world.waits(seconds(5));
    assert_eq!(attempts(&world), [first]);
    assert!(world.closed(first).is_some());
    assert_eq!(world.hub.counters().open, 0);
}

/// The connection that won may fail in the same run, before its fiber is polled.
#[test]
fn a_winner_that_is_reset_at_once_ends_the_whole() {
    let (mut world, seen, _) = connecting(&[V6, V4]);
    world.waits(Duration::from_millis(250));
    let [first, second] = attempts(&world)[..] else { panic!() };
    world.hub.connected(world.now, second);
    world.hub.reset(world.now, second);
    world.turn();
    assert_eq!(*seen.borrow(), ["the connection was reset"]);
    assert_eq!(world.closed(first), Some(Cause::Done));
}
