//! The notice of an error depends on the blame: a fault of a peer cuts its connection, which gives
//! one notice and is not a failure; a fault of the application is a failure; and a loop that
//! returns any error has failed.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;
use harness::*;

const PEER: Address = Address::Unnamed;

/// The notices once the connection has ended, and the number of counted failures.
fn notices_of<H>(handler: H, during: impl FnOnce(&mut World, ConnId)) -> (Vec<Notice>, u64)
where
    H: AsyncFn(Conn) -> Result<(), Error> + 'static,
{
    let service = Service::new(handler).config(settings(|it| {
        it.read_limit = 10;
        it.idle = Some(seconds(5));
    }));
    let (mut world, conn) = World::serving(service);
    during(&mut world, conn);
    world.ends(conn);
    world.waits(seconds(60));
    assert!(world.closed(conn).is_some());
    (world.notices(), world.hub.counters().failures)
}

async fn patient(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    ctx.timeout(seconds(3), conn.until_eol()).await??;
    Ok(())
}

async fn to_the_end(mut conn: Conn) -> Result<(), Error> {
    conn.to_end(20).await?;
    Ok(())
}

#[test]
fn a_fault_of_the_peer_cuts_its_connection_and_is_reported_once() {
    let cut = |cause| (vec![Notice::Cut { peer: PEER, cause }], 0);
    let told = notices_of(echo, |world, conn| world.sends(conn, "eleven bytes"));
    assert_eq!(told, cut(Cause::Limit(Limit::Line(10))));
    let told = notices_of(to_the_end, |world, conn| world.sends(conn, "one and twenty bytes."));
    assert_eq!(told, cut(Cause::Limit(Limit::ToEnd(20))));
    let told = notices_of(echo, |world, _| world.waits(seconds(5)));
    assert_eq!(told, cut(Cause::TimedOut(Reason::Idle)));
    let (told, failures) = notices_of(patient, |world, _| world.waits(seconds(4)));
    let is_cut = |told: &[Notice]| {
        matches!(told, [Notice::Cut { cause: Cause::TimedOut(Reason::Application(_)), .. }])
    };
    assert!(is_cut(&told) && failures == 0, "{told:?}");
}

#[test]
fn a_fault_of_the_application_is_reported_as_a_failure() {
    let failed = |error: &str| (vec![Notice::Failed { peer: Some(PEER), error: error.into() }], 1);
    let told = notices_of(async |_: Conn| Err("no such room".into()), |_, _| {});
    assert_eq!(told, failed("no such room"));
    let (told, failures) = notices_of(
        async |mut conn: Conn| {
            conn.bytes(100).await?;
            Ok(())
        },
        |_, _| {},
    );
    let error = Limit::Count(10).to_string();
    assert!(told.contains(&Notice::Failed { peer: Some(PEER), error }), "{told:?}");
    assert_eq!(failures, 1);
}

#[test]
fn ordinary_ends_of_connections_are_not_reported() {
    assert_eq!(notices_of(echo, |_, _| {}), (vec![], 0));
    assert_eq!(notices_of(echo, |world, conn| world.resets(conn)), (vec![], 0));
}

/// The connection goes on in another fiber: it is not cut, so there would be no notice of that.
#[test]
fn a_handler_without_its_connection_has_failed_whatever_it_fails_with() {
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let service = Service::new(async move |conn: Conn| {
        let ctx = conn.ctx();
        *keep.borrow_mut() = Some(conn);
        ctx.timeout(seconds(1), std::future::pending::<()>()).await
    });
    let (mut world, conn) = World::serving(service);
    world.waits(seconds(2));
    assert_eq!(world.closed(conn), None);
    assert!(matches!(&world.notices()[..], [Notice::Failed { peer: Some(PEER), .. }]));
    assert_eq!(world.hub.counters().failures, 1);
    drop(kept.take());
}

/// Other fibers may wait for the failed loop in vain.
#[test]
fn a_loop_that_ends_in_any_error_has_failed() {
    let errors: [fn() -> Error; 8] = [
        || Error::Closed,
        || Error::Reset,
        || Error::TimedOut(Reason::Idle),
        || Error::Limit(Limit::Line(10)),
        || Error::Lagged(3),
        || Error::Aborted,
        || Error::CallAbandoned,
        || Error::application("no"),
    ];
    for error in errors {
        let world = World::looping(async move |_: Ctx| Err(error()));
        let expected = Notice::Failed { peer: None, error: error().to_string() };
        assert_eq!(world.notices(), [expected]);
        assert_eq!(world.hub.counters().failures, 1);
    }
    let told = Notice::Failed { peer: None, error: "no".into() };
    assert_eq!(told.to_string(), "a loop failed: no");
}

#[test]
fn a_loop_that_a_shutdown_or_an_abort_ends_has_not_failed() {
    let mut world = World::looping(async |ctx: Ctx| ctx.sleep(seconds(100)).await);
    world.hub.drain(world.now, world.now + seconds(1));
    world.turn();
    assert!(world.halted());
    assert_eq!((world.notices(), world.hub.counters().failures), (vec![], 0));

    let mut world = World::looping(async |ctx: Ctx| {
        let child = ctx.clone();
        let slow = ctx.spawn(async move { child.sleep(seconds(100)).await })?;
        slow.abort();
        ctx.sleep(Duration::ZERO).await
    });
    world.turn();
    assert_eq!((world.notices(), world.hub.counters().failures), (vec![], 0));
}
