//! Calls of user code outside of a run of an idle hub: the embedder is notified.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use diesel_proto::*;

const NOW: Instant = Instant::ORIGIN;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs a hub with one connection until it is idle; then runs `act`, and returns whether the
/// embedder was notified.
fn assert_notified(what: &str, act: impl FnOnce(Ctx, Conn)) {
    let bell = Arc::new(Bell::default());
    let mut hub = Hub::with_waker(Config::default(), Waker::from(Arc::clone(&bell)));
    let kept = Rc::new(Cell::new(None));
    let keep = Rc::clone(&kept);
    hub.add_loop(async move |ctx: Ctx| {
        let conn = ctx.connect(SocketAddr::from(([192, 0, 2, 1], 7))).await?;
        keep.set(Some(conn));
        Ok(())
    })
    .unwrap();
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let [Action::Connect(conn, _)] = actions[..] else { panic!("{actions:?}") };
    hub.connected(NOW, conn);
    while hub.next_wake() == Some(NOW) {
        hub.run(NOW, &mut actions);
    }
    let before = bell.0.load(Ordering::SeqCst);
    act(hub.ctx(), kept.take().unwrap());
    assert!(bell.0.load(Ordering::SeqCst) > before, "{what}: the embedder was not notified");
    assert_eq!(hub.next_wake(), Some(NOW), "{what}");
}

#[test]
fn what_is_done_to_a_hub_that_rests_wakes_its_embedder() {
    let forget = std::mem::forget::<Conn>;
    assert_notified("a halt", |ctx, conn| {
        forget(conn);
        ctx.halt();
    });
    assert_notified("a close", |_, conn| conn.close());
    assert_notified("an abort", |_, conn| conn.abort());
    assert_notified("a half-close", |_, mut conn| {
        conn.half_close();
        forget(conn);
    });
    assert_notified("a dropped half", |_, conn| {
        let (reader, writer) = conn.split();
        drop(writer);
        std::mem::forget(reader);
    });
    assert_notified("an upgrade", |_, conn| conn.upgrade(LineEcho::default()));
    assert_notified("a fiber", |ctx, conn| {
        forget(conn);
        drop(ctx.spawn(async {}).unwrap());
    });
}

/// With nothing left, a shutdown does not wait for its deadline.
#[test]
fn the_end_of_the_last_fiber_ends_a_shutdown_even_from_outside() {
    let bell = Arc::new(Bell::default());
    let mut hub = Hub::with_waker(Config::default(), Waker::from(Arc::clone(&bell)));
    let kept = Rc::new(Cell::new(None));
    let keep = Rc::clone(&kept);
    hub.add_loop(async move |ctx: Ctx| {
        keep.set(Some(ctx.spawn(std::future::pending::<()>())?));
        Ok(())
    })
    .unwrap();
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let deadline = NOW + Duration::from_secs(5);
    hub.drain(NOW, deadline);
    while hub.next_wake() == Some(NOW) {
        hub.run(NOW, &mut actions);
    }
    assert_eq!(hub.next_wake(), Some(deadline), "it waits for a future of something else");
    let before = bell.0.load(Ordering::SeqCst);
    kept.take().unwrap().abort();
    assert!(bell.0.load(Ordering::SeqCst) > before);
    assert_eq!(hub.next_wake(), Some(NOW));
    hub.run(NOW, &mut actions);
    assert_eq!(actions, [Action::Halt]);
}

/// A drain is an input as any other: an embedder that asks when to run learns that it is now.
#[test]
fn a_shutdown_of_a_hub_with_nothing_in_it_is_over_at_once() {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| conn.until_eol().await.map(drop));
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    assert_eq!(hub.next_wake(), None);
    hub.drain(NOW, NOW + Duration::from_secs(5));
    assert!(hub.has_more());
    assert_eq!(hub.next_wake(), Some(NOW));
    hub.run(NOW, &mut actions);
    assert_eq!(actions, [Action::StopAccepting(service), Action::Halt]);
}
