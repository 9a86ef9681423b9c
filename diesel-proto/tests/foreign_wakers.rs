//! Wakers that run user code when they are cloned, woken or dropped, and bytes whose owner runs
//! user code when it is dropped: nothing of the hub is borrowed meanwhile, and no wake-up is lost.

mod harness;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use bytes::Bytes;
use diesel_proto::*;
use harness::*;

thread_local! {
    /// What a waker does whenever it is touched. It does not nest.
    static MISCHIEF: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    static BUSY: Cell<bool> = const { Cell::new(false) };
    /// The hub's waker of the fiber that is wrapped.
    static PARENT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    static NAMES: Cell<usize> = const { Cell::new(1) };
}

fn mischief() {
    let run = MISCHIEF.with_borrow(Option::clone);
    if let Some(run) = run.filter(|_| !BUSY.replace(true)) {
        run();
        BUSY.set(false);
    }
}

fn wake_parent() {
    let parent = PARENT.with_borrow(Option::clone);
    parent.into_iter().for_each(Waker::wake);
}

fn raw() -> RawWaker {
    // No two wake the same, so that each one that is registered replaces, and drops, another.
    let name = ptr::without_provenance(NAMES.replace(NAMES.get() + 1));
    RawWaker::new(name, &VTABLE)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        mischief();
        raw()
    },
    |_| {
        mischief();
        wake_parent();
    },
    |_| {
        mischief();
        wake_parent();
    },
    |_| mischief(),
);

fn nasty_waker() -> Waker {
    // SAFETY: the data is a number that is never dereferenced; the functions keep all else in
    // thread-locals. (A waker is `Send`, and on another thread those are empty.)
    #[allow(unsafe_code)]
    unsafe {
        Waker::from_raw(raw())
    }
}

/// Polls `future` with wakers that misbehave, and twice, so that the second replaces the first.
async fn nasty<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |cx| {
        PARENT.set(Some(cx.waker().clone()));
        let polled = future.as_mut().poll(&mut Context::from_waker(&nasty_waker()));
        match polled {
            Poll::Pending => future.as_mut().poll(&mut Context::from_waker(&nasty_waker())),
            ready => ready,
        }
    })
    .await
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn sets_off(run: impl Fn() + 'static) {
    MISCHIEF.set(Some(Rc::new(run)));
}

/// Everything that a handle can do without waiting.
fn uses_everything(ctx: Ctx, event: Event<u32>) -> impl Fn() {
    let client = Client::builder(&ctx, Address::Unnamed).build();
    move || {
        drop(ctx.spawn(async {}).unwrap());
        ctx.spawn(pending::<()>()).unwrap().abort();
        event.fire(0);
        assert!(event.subscribe().try_next().unwrap().is_none());
        // Within the poll of a fiber these wait; outside of one they are refused.
        assert!(!matches!(poll_once(ctx.sleep(seconds(1))), Poll::Ready(Ok(_))));
        assert!(!matches!(poll_once(ctx.connect(Address::Unnamed)), Poll::Ready(Ok(_))));
        let call = client.call(async |_: &mut Conn| Ok(()));
        assert!(!matches!(poll_once(call), Poll::Ready(Ok(()))));
    }
}

/// Each token in turn. If anything were borrowed, the waker's code would panic, and so would the
/// test.
#[test]
fn every_token_bears_a_waker_that_uses_the_hub() {
    for kind in 0..9 {
        let mut world = World::new();
        let (bell, other): (Event<u32>, Event<u32>) = (world.hub.event(), world.hub.event());
        let (event, ctx) = (bell.clone(), world.hub.ctx());
        let handler = Service::new(async move |conn: Conn| {
            let ctx = conn.ctx();
            let (mut reader, mut writer) = conn.split();
            writer.write("0123456789").await?;
            let mut rings = event.subscribe();
            let sleeper = ctx.clone();
            let child = ctx.spawn(async move { sleeper.sleep(seconds(2)).await })?;
            let client = Client::builder(&ctx, Address::Unnamed).build();
            match kind {
                0 => nasty(reader.until_eol()).await.map(drop),
                1 => nasty(reader.bytes(3)).await.map(drop),
                2 => nasty(writer.flush()).await,
                3 => nasty(writer.write("more")).await,
                4 => nasty(rings.wait()).await.map(drop),
                5 => nasty(ctx.sleep(seconds(1))).await,
                6 => nasty(child).await?,
                7 => nasty(ctx.connect(Address::Unnamed)).await.map(drop),
                // The second call waits for the first.
                _ => {
                    let slow = async |_: &mut Conn| Ok(());
                    let (one, two) = (client.call(slow), client.call(slow));
                    let (mut one, mut two) = (Box::pin(nasty(one)), Box::pin(nasty(two)));
                    first((&mut one, &mut two)).await;
                    two.await
                }
            }?;
            writer.write("done").await?;
            writer.flush().await
        });
        let service = world.hub.add_service(handler.config(settings(|it| it.high_water = 10)));
        sets_off(uses_everything(ctx, other));
        let conn = world.accept(service);
        world.takes_only(conn, 0);
        world.turn();
        if kind >= 7 {
            // Not one of those that the mischief asked for, which were given up.
            for action in std::mem::take(&mut world.log) {
                if let Action::Connect(made, _) = action {
                    world.hub.connected(world.now, made);
                }
            }
        }
        world.waits(seconds(1));
        world.sends(conn, "ab");
        world.sends(conn, "c\n");
        world.takes(conn, 1000);
        bell.fire(1);
        world.waits(seconds(4));
        let received = world.receives(conn);
        assert!(received.ends_with("done"), "kind {kind}: {received}");
        MISCHIEF.set(None);
    }
}

/// The same for those of HTTP: the body that is read, and the one that is written.
#[test]
fn every_token_of_a_body_bears_a_waker_that_uses_the_hub() {
    let mut world = World::new();
    let handler = async |request: http1::Request| {
        let mut body = request.into_body();
        http1::Response::stream(async move |out: &mut http1::BodyWriter| {
            let some = nasty(body.some()).await?.unwrap();
            nasty(out.write(some)).await?;
            nasty(out.flush()).await?;
            nasty(out.write("more")).await?;
            nasty(out.write(nasty(body.read(10)).await?)).await
        })
    };
    let service = Service::from(http1::Service::new(handler));
    let service = world.hub.add_service(service.config(settings(|it| it.high_water = 1)));
    // Another connection reads with the same blocks.
    let shelf: Rc<RefCell<Option<Conn>>> = Rc::default();
    let shelved = Rc::clone(&shelf);
    let other = world.hub.add_service(Service::new(async move |conn: Conn| {
        shelved.replace(Some(conn));
        Ok(())
    }));
    world.accept(other);
    world.turn();
    let uses = uses_everything(world.hub.ctx(), world.hub.event());
    sets_off(move || {
        uses();
        let mut shelf = shelf.borrow_mut();
        assert!(!matches!(poll_once(shelf.as_mut().unwrap().some()), Poll::Ready(Ok(_))));
    });
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.sends(conn, "POST / HTTP/1.0\r\nContent-Length: 8\r\n\r\n");
    world.sends(conn, "some");
    for _ in 0..400 {
        world.takes(conn, 1);
    }
    world.sends(conn, "rest");
    for _ in 0..400 {
        world.takes(conn, 1);
    }
    let received = world.receives(conn);
    assert!(received.ends_with("\r\n\r\nsomemorerest"), "{received}");
    MISCHIEF.set(None);
}

/// The awaited event happens while the waker is cloned, and never again.
#[test]
fn what_comes_while_a_waker_is_cloned_is_not_missed() {
    let diary = Diary::default();
    let note = diary.clone();
    World::looping(async move |ctx| {
        let event: Event<u32> = ctx.event();
        let mut subscription = event.subscribe();
        sets_off(move || event.fire(7));
        let polled = poll_fn(|_| {
            let waker = nasty_waker();
            Poll::Ready(pin!(subscription.wait()).poll(&mut Context::from_waker(&waker)))
        });
        note.note(format!("{:?}", polled.await));
        MISCHIEF.set(None);

        // The call that has its turn is given up while the next one waits for its own.
        let client = Client::builder(&ctx, Address::Unnamed).build();
        let call = async |_: &mut Conn| Ok(());
        let turn = client.clone();
        let mut turn = Box::pin(async move { turn.call(call).await });
        assert!(poll_fn(|cx| Poll::Ready(turn.as_mut().poll(cx))).await.is_pending());
        let turn = RefCell::new(Some(turn));
        sets_off(move || drop(turn.take()));
        let connects = poll_fn(|_| {
            let waker = nasty_waker();
            Poll::Ready(pin!(client.call(call)).poll(&mut Context::from_waker(&waker)))
        });
        assert!(connects.await.is_pending());
        MISCHIEF.set(None);
        Ok(())
    });
    assert_eq!(diary.read(), ["Ready(Ok(7))"]);
}

/// The embedder's waker may run user code, too: here it adds fibers to its hub.
#[test]
fn the_alarm_may_use_the_hub() {
    struct Alarm;
    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            mischief();
        }
    }
    let hub = Hub::with_waker(Config::default(), Waker::from(Arc::new(Alarm)));
    let (ctx, event): (Ctx, Event<u32>) = (hub.ctx(), hub.event());
    let mut world = World::of(hub);
    let mut rings = event.subscribe();
    let service = world.hub.add_service(Service::machine_with(Waking));
    world.hub.add_loop(async move |_| rings.wait().await.map(drop)).unwrap();
    world.accept(service);
    world.turn();
    let count = Rc::new(Cell::new(0));
    let (counted, spawner) = (Rc::clone(&count), ctx.clone());
    sets_off(move || {
        counted.set(counted.get() + 1);
        for _ in 0..100 {
            drop(spawner.spawn(async {}).unwrap());
        }
    });
    world.hub.next_wake();
    drop(ctx.spawn(async {}).unwrap());
    event.fire(1);
    MACHINE_CTX.take().unwrap().wake();
    MISCHIEF.set(None);
    assert_eq!(count.get(), 3);
    world.turn();
    assert_eq!(world.hub.counters().fibers, 0);
}

thread_local! {
    static MACHINE_CTX: RefCell<Option<MachineCtx>> = const { RefCell::new(None) };
}

/// Stores its `MachineCtx` for others.
struct Waking(MachineCtx);

impl Machine for Waking {
    fn step(&mut self, _: Instant, input: Input<'_>, _: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            MACHINE_CTX.set(Some(self.0.clone()));
        }
        0
    }
}

/// Bytes that run the mischief when the last of them is dropped.
struct Owner(Vec<u8>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        mischief();
    }
}

fn owned(len: usize) -> Bytes {
    Bytes::from_owner(Owner(vec![b'x'; len]))
}

#[test]
fn the_owner_of_sent_bytes_may_use_the_hub_when_it_is_dropped() {
    /// Sends small bytes, which are copied, and large ones, which are not.
    struct Sending;
    impl Machine for Sending {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            if input == Input::Start {
                for len in [1, 10_000, 10_000] {
                    actions.send_bytes(owned(len));
                }
            }
            0
        }
    }
    let handler = async |mut conn: Conn| {
        conn.write((owned(1), owned(10_000))).await?;
        conn.write(owned(10_000)).await?;
        conn.until_eol().await.map(drop)
    };
    for (service, resets) in [
        (Service::new(handler), false),
        (Service::new(handler), true),
        (Service::machine(|_| Sending), false),
        (Service::machine(|_| Sending), true),
    ] {
        let mut world = World::new();
        let count = Rc::new(Cell::new(0));
        let uses = uses_everything(world.hub.ctx(), world.hub.event());
        let counted = Rc::clone(&count);
        sets_off(move || {
            counted.set(counted.get() + 1);
            uses();
        });
        let service = world.hub.add_service(service);
        let conn = world.accept(service);
        world.takes_only(conn, 0);
        world.turn();
        world.takes(conn, 10_001);
        assert_eq!(count.get(), 2, "what is queued lives");
        match resets {
            true => world.resets(conn),
            false => world.takes(conn, 10_000),
        }
        MISCHIEF.set(None);
        assert_eq!(count.get(), 3);
    }
}
