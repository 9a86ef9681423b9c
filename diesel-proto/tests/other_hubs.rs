//! Handles and ids of one hub, used with another: they are refused at once, with an error, and
//! never affect another connection.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

/// Each token fails at the first poll in a fiber of another hub.
#[test]
fn a_token_of_another_hub_fails_at_once() {
    let mut own = World::new();
    let shelf: Rc<RefCell<Option<Conn>>> = Rc::default();
    let shelved = Rc::clone(&shelf);
    let service = own.hub.add_service(Service::new(async move |conn: Conn| {
        shelved.replace(Some(conn));
        Ok(())
    }));
    own.accept(service);
    own.turn();
    let (ctx, event): (Ctx, Event<u32>) = (own.hub.ctx(), own.hub.event());
    let mut rings = event.subscribe();
    let child = ctx.spawn(std::future::pending::<()>()).unwrap();
    let client = Client::builder(&ctx, Address::Unnamed).build();
    // A fiber of this hub used some of its tokens; the rest must not be used by the other hub.
    let again = ctx.clone();
    own.hub.add_loop(async move |_| again.sleep(seconds(1)).await).unwrap();
    own.turn();

    let (mut other, diary) = (World::new(), Diary::default());
    let note = diary.clone();
    let conn = shelf.take().unwrap();
    other
        .hub
        .add_loop(async move |_| {
            let (mut reader, mut writer) = conn.split();
            note.note(format!("{:?}", rings.wait().await));
            note.note(format!("{:?}", ctx.sleep(seconds(1)).await));
            note.note(format!("{:?}", ctx.sleep(seconds(0)).await));
            note.note(format!("{:?}", ctx.timeout(seconds(1), rings.wait()).await.unwrap()));
            note.note(format!("{:?}", ctx.connect(Address::Unnamed).await.map(drop)));
            note.note(format!("{:?}", child.await));
            note.note(format!("{:?}", client.call(async |_: &mut Conn| Ok(())).await));
            note.note(format!("{:?}", reader.until_eol().await.map(drop)));
            note.note(format!("{:?}", reader.bytes(0).await.map(drop)));
            note.note(format!("{:?}", writer.write("x").await));
            note.note(format!("{:?}", writer.flush().await));
            Ok(())
        })
        .unwrap();
    other.turn();
    assert_eq!(diary.read(), ["Err(OtherHub)"; 11]);
    let counters = other.hub.counters();
    assert_eq!((counters.polls, counters.fibers, counters.open), (1, 0, 0));
    // Nothing of it reached its own hub.
    assert_eq!(own.connects(), 0);
}

/// Firing needs no turn: what is fired from another hub reaches those that wait in their own.
#[test]
fn a_fiber_may_fire_the_event_of_another_hub() {
    let (mut own, mut other, diary) = (World::new(), World::new(), Diary::default());
    let event: Event<u32> = own.hub.event();
    let (mut rings, note) = (event.subscribe(), diary.clone());
    own.hub
        .add_loop(async move |_| {
            note.note(format!("{:?}", rings.wait().await));
            Ok(())
        })
        .unwrap();
    own.turn();
    other
        .hub
        .add_loop(async move |_| {
            event.fire(7);
            Ok(())
        })
        .unwrap();
    other.turn();
    own.turn();
    assert_eq!(diary.read(), ["Ok(7)"]);
}

/// Two hubs with the same inputs return ids with the same numbers.
#[test]
fn a_name_of_another_hub_reaches_no_connection() {
    for service in [|| Service::new(echo), || Service::machine(|_| LineEcho::default())] {
        let (mut one, mut two) = (World::new(), World::new());
        let (service1, service2) = (one.hub.add_service(service()), two.hub.add_service(service()));
        let (mine, foreign) = (one.accept(service1), two.accept(service2));
        assert_eq!((mine, service1), (foreign, service2), "what they did can be compared");
        one.turn();
        let (now, before) = (one.now, one.hub.counters());
        let hub = &mut one.hub;
        assert_eq!(hub.received(now, foreign, b"hello\n"), 6, "taken, and dropped");
        hub.eof(now, foreign);
        hub.write_failed(now, foreign);
        hub.reset(now, foreign);
        assert_eq!(hub.sent(now, foreign, 7), 0);
        hub.connected(now, foreign);
        hub.connect_failed(now, foreign, ConnectErrorKind::Refused);
        hub.wake(now, foreign);
        assert_eq!(hub.outgoing(foreign, |_| ()), None);
        assert_eq!(hub.file_region(foreign), None);
        assert_eq!(hub.machine_deadline(foreign), None);
        one.turn();
        assert_eq!(one.hub.counters(), before);
        // Each call gives a notice.
        let told = Notice::OtherHub(foreign);
        assert_eq!(told.to_string(), "ConnId(0.0) belongs to another hub");
        assert_eq!(one.notices(), vec![told; 8]);
        one.sends(mine, "hello\n");
        assert_eq!(one.receives(mine), "you said: hello\n");
        assert!(one.closed(mine).is_none());
    }
}

#[test]
fn a_service_of_another_hub_is_refused() {
    let (mut one, mut two) = (World::new(), World::new());
    let mine = one.hub.add_service(Service::new(echo).named("mine"));
    let foreign = two.hub.add_service(Service::new(echo).named("foreign"));
    assert_eq!(mine, foreign);
    let refused = one.hub.accept(one.now, foreign, Address::Unnamed);
    assert_eq!(refused, Err(Refused::NoSuchService));
    assert!(!one.hub.may_accept(foreign) && one.hub.may_accept(mine));
    assert_eq!(one.hub.service_name(foreign), None);
    assert_eq!(one.hub.service_name(mine), Some("mine"));
    assert_eq!(one.hub.counters().open, 0);
}

/// Outside of every fiber as well: nothing would ever come back to such a token.
#[test]
fn a_token_that_no_fiber_awaits_fails_at_once() {
    let hub = Hub::default();
    let mut sleep = std::pin::pin!(hub.ctx().sleep(seconds(1)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = sleep.as_mut().poll(&mut cx);
    assert!(matches!(polled, std::task::Poll::Ready(Err(Error::OtherHub))));
}
