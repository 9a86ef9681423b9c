//! Futures of other crates: woken by other threads, or wrapped in combinators with their own
//! wakers. A token wakes the waker of its last poll.

mod harness;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use diesel_proto::*;
use harness::*;

/// The waker of an embedder, which waits for it; any thread may wake it.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    times: AtomicUsize,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            let (next, timeout) = self.changed.wait_timeout(rung, seconds(60)).unwrap();
            assert!(!timeout.timed_out(), "a waking was lost");
            rung = next;
        }
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.times.fetch_add(1, Ordering::SeqCst);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// An answer that another thread gives.
#[derive(Clone, Default)]
struct Promise(Arc<Mutex<(Option<String>, Option<Waker>)>>);

impl Promise {
    fn keep(&self, answer: &str) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = Some(answer.to_owned());
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Promise {
    type Output = String;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<String> {
        let mut state = self.0.lock().unwrap();
        match state.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[test]
fn another_thread_wakes_a_fiber_and_the_embedder() {
    let bell = Arc::new(Bell::default());
    let hub = Hub::with_waker(Config::default(), Waker::from(Arc::clone(&bell)));
    let mut world = World::of(hub);
    let promise = Promise::default();
    let awaited = promise.clone();
    let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        let answer = awaited.clone().await;
        conn.write(answer).await?;
        conn.until_eol().await.map(drop)
    }));
    let conn = world.accept(service);
    world.turn();
    assert_eq!(world.receives(conn), "");
    // The hub rests, and its embedder with it, until the answer is there.
    *bell.rung.lock().unwrap() = false;
    let other = thread::spawn(move || promise.keep("from afar"));
    bell.wait();
    other.join().unwrap();
    assert_eq!(world.hub.next_wake(), Some(world.now));
    world.turn();
    assert_eq!(world.receives(conn), "from afar");
}

/// While the hub runs, or is about to, the embedder need not be woken.
#[test]
fn the_alarm_is_for_a_hub_that_rests() {
    let bell = Arc::new(Bell::default());
    let hub = Hub::with_waker(Config::default(), Waker::from(Arc::clone(&bell)));
    let mut world = World::of(hub);
    let service = world.hub.add_service(echo);
    let conn = world.accept(service);
    let before = bell.times.load(Ordering::SeqCst);
    for _ in 0..10 {
        world.sends(conn, "hello\n");
    }
    assert_eq!(bell.times.load(Ordering::SeqCst), before);
}

/// Many threads, each waking its own fiber again and again: every waking arrives. Rounds are
/// counted, so one that were lost would leave the embedder waiting for ever.
#[test]
fn no_waking_is_lost_among_many() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 500;
    let bell = Arc::new(Bell::default());
    let hub = Hub::with_waker(Config::default(), Waker::from(Arc::clone(&bell)));
    let mut world = World::of(hub);
    let promises: Vec<_> = (0..THREADS * ROUNDS).map(|_| Promise::default()).collect();
    for mine in promises.chunks(ROUNDS) {
        let mine = mine.to_vec();
        let body = async move |_: Ctx| {
            for promise in mine {
                assert_eq!(promise.await, "kept");
            }
            Ok(())
        };
        world.hub.add_loop(body).unwrap();
    }
    let threads: Vec<_> = promises
        .chunks(ROUNDS)
        .map(|mine| {
            let mine = mine.to_vec();
            thread::spawn(move || mine.iter().for_each(|promise| promise.keep("kept")))
        })
        .collect();
    world.turn();
    while world.hub.counters().fibers > 0 {
        bell.wait();
        world.turn();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Both of two futures, as the `join` of other crates: each is polled only when its own waker was
/// woken. A token that kept the fiber's waker, or anything but the one it was given, would never
/// be polled again.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    struct Flag {
        woken: AtomicBool,
        parent: Mutex<Waker>,
    }
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::SeqCst);
            self.parent.lock().unwrap().wake_by_ref();
        }
    }
    let flag = || {
        let parent = Mutex::new(Waker::noop().clone());
        Arc::new(Flag { woken: AtomicBool::new(true), parent })
    };
    fn poll_if_woken<F: Future>(
        future: &mut Pin<Box<F>>,
        output: &mut Option<F::Output>,
        flag: &Arc<Flag>,
        cx: &Context<'_>,
    ) {
        *flag.parent.lock().unwrap() = cx.waker().clone();
        if output.is_none() && flag.woken.swap(false, Ordering::SeqCst) {
            let waker = Waker::from(Arc::clone(flag));
            if let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                *output = Some(ready);
            }
        }
    }
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut from_a, mut from_b) = (None, None);
    let flags = [flag(), flag()];
    poll_fn(move |cx| {
        poll_if_woken(&mut a, &mut from_a, &flags[0], cx);
        poll_if_woken(&mut b, &mut from_b, &flags[1], cx);
        match (from_a.take(), from_b.take()) {
            (Some(from_a), Some(from_b)) => Poll::Ready((from_a, from_b)),
            (a, b) => {
                (from_a, from_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Each token in turn, beside one that is satisfied at another time.
#[test]
fn every_token_wakes_by_the_waker_it_was_given() {
    for kind in 0..10 {
        let mut world = World::with(config(|it| it.tokens_per_pass = 2));
        let bell: Event<u32> = world.hub.event();
        let event = bell.clone();
        let handler = Service::new(async move |conn: Conn| {
            let ctx = conn.ctx();
            let (mut reader, mut writer) = conn.split();
            writer.write("0123456789").await?;
            let mut rings = event.subscribe();
            let sleeper = ctx.clone();
            let child = ctx.spawn(async move { sleeper.sleep(seconds(2)).await })?;
            let other = ctx.sleep(seconds(5));
            let outcome = match kind {
                0 => both(reader.until_eol(), other).await.0.map(drop),
                1 => both(reader.bytes(3), other).await.0.map(drop),
                2 => both(writer.flush(), other).await.0,
                3 => both(writer.write("more"), other).await.0,
                4 => both(rings.wait(), other).await.0.map(drop),
                5 => both(ctx.sleep(seconds(1)), other).await.0,
                6 => both(child, other).await.0?,
                7 => both(ctx.connect(Address::Unnamed), other).await.0.map(drop),
                // One that gives way because its tokens are spent, and one that gives way at once.
                8 => {
                    let many = async {
                        for _ in 0..20 {
                            reader.bytes(0).await?;
                        }
                        Ok(())
                    };
                    both(many, other).await.0
                }
                _ => both(ctx.sleep(seconds(0)), other).await.0,
            };
            outcome?;
            writer.write("done").await?;
            writer.flush().await
        });
        let service = world.hub.add_service(handler.config(settings(|it| it.high_water = 10)));
        let conn = world.accept(service);
        world.takes_only(conn, 0);
        world.turn();
        world.waits(seconds(1));
        world.sends(conn, "ab");
        world.sends(conn, "c\n");
        world.takes(conn, 1000);
        bell.fire(1);
        world.turn();
        if kind == 7 {
            world.connects_now();
        }
        world.waits(seconds(4));
        let received = world.receives(conn);
        assert!(received.ends_with("done"), "kind {kind}: {received}");
    }
}

/// Wakings are served in their order, whether they come from a fiber, from outside, or both.
#[test]
fn first_woken_is_first_polled_wherever_it_is_woken_from() {
    let diary = Diary::default();
    let mut world = World::new();
    let event: Event<()> = world.hub.event();
    let promises: Vec<_> = (0..3).map(|_| Promise::default()).collect();
    let sleeper = |name: &'static str, promise: Promise| {
        let note = diary.clone();
        async move |_: Ctx| {
            promise.await;
            note.note(name);
            Ok(())
        }
    };
    world.hub.add_loop(sleeper("a", promises[0].clone())).unwrap();
    world.hub.add_loop(sleeper("b", promises[1].clone())).unwrap();
    let (note, mut wait) = (diary.clone(), event.subscribe());
    world
        .hub
        .add_loop(async move |_| {
            wait.wait().await?;
            note.note("event");
            Ok(())
        })
        .unwrap();
    world.hub.add_loop(sleeper("c", promises[2].clone())).unwrap();
    world.turn();

    thread::scope(|scope| scope.spawn(|| promises[2].keep("")).join().unwrap());
    event.fire(());
    promises[1].keep("");
    thread::scope(|scope| scope.spawn(|| promises[0].keep("")).join().unwrap());
    world.turn();
    assert_eq!(diary.read(), ["c", "event", "b", "a"]);
}

/// A waker may be kept after its fiber, its index, and its hub are gone: waking it has no effect.
#[test]
fn a_waker_that_is_kept_too_long_is_harmless() {
    let kept: Arc<Mutex<Option<Waker>>> = Arc::default();
    let shared = Arc::clone(&kept);
    let mut world = World::looping(async move |_| {
        poll_fn(|cx| {
            *shared.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        Ok(())
    });
    let waker = kept.lock().unwrap().take().unwrap();
    waker.wake_by_ref();
    world.turn();
    // Another fiber, in the same place: polled once too often, which it bears.
    let diary = Diary::default();
    let note = diary.clone();
    world
        .hub
        .add_loop(async move |ctx| {
            ctx.sleep(seconds(1)).await?;
            note.note("slept");
            Ok(())
        })
        .unwrap();
    world.turn();
    waker.wake_by_ref();
    world.turn();
    assert_eq!(diary.read(), [""; 0]);
    world.waits(seconds(1));
    assert_eq!(diary.read(), ["slept"]);
    drop(world);
    waker.wake();
}

/// A token may drop a foreign waker when another one replaces it. That drop may run user code, so
/// nothing of the hub is borrowed: here it drops the other half of the connection that is waited
/// for.
#[test]
fn a_waker_may_use_the_hub_when_it_is_dropped() {
    use std::cell::RefCell;
    use std::pin::pin;

    thread_local! {
        static OTHER_HALF: RefCell<Option<Writer>> = const { RefCell::new(None) };
    }
    struct Parting;
    impl Wake for Parting {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Parting {
        fn drop(&mut self) {
            OTHER_HALF.with(|half| half.take());
        }
    }

    let (mut world, conn) = World::serving(async |conn: Conn| {
        let (mut reader, writer) = conn.split();
        OTHER_HALF.with(|half| half.replace(Some(writer)));
        let mut line = pin!(reader.until_eol());
        let waker = Waker::from(Arc::new(Parting));
        assert!(line.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        line.await.map(drop)
    });
    assert!(world.half_closed(conn));
    world.sends(conn, "bye\n");
    world.ends(conn);
    assert_eq!(world.closed(conn), Some(Cause::Done));
}
