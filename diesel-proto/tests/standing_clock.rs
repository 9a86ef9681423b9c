//! The hub's clock stands still while user code computes. A wait that begins then still takes its
//! full time, and no more.

mod harness;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;
use harness::*;

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A clock that goes on while handlers compute, and an embedder that waits by it.
#[derive(Clone, Default)]
struct Clock(Rc<Cell<Instant>>);

impl Clock {
    fn now(&self) -> Instant {
        self.0.get()
    }

    /// What a handler does for so long, without giving way.
    fn computes(&self, duration: Duration) {
        self.0.set(self.now() + duration);
    }

    /// Runs the hub as a driver does, reading the clock only when it has waited, or when the hub
    /// asks for it. Returns all actions, with what the clock said when they were obeyed.
    fn drive(&self, hub: &mut Hub, until: Instant) -> Vec<(Instant, Action)> {
        let (mut log, mut now) = (Vec::new(), self.now());
        while self.now() <= until {
            if hub.needs_time() {
                now = self.now();
            }
            let mut actions = Vec::new();
            hub.run(now, &mut actions);
            log.extend(actions.into_iter().map(|action| (self.now(), action)));
            if hub.has_more() {
                continue;
            }
            let Some(at) = hub.next_wake() else { break };
            self.0.set(self.now().max(at));
            now = self.now();
        }
        log
    }
}

const END: Instant = Instant::from_nanos(60_000_000_000);

/// How long each of these took by the clock.
fn times<F>(body: impl FnOnce(Ctx, Clock, Diary) -> F) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + 'static,
{
    let (mut hub, clock, diary) = (Hub::default(), Clock::default(), Diary::default());
    let body = body(hub.ctx(), clock.clone(), diary.clone());
    hub.add_loop(async move |_| body.await).unwrap();
    clock.drive(&mut hub, END);
    assert_eq!(hub.counters().fibers, 0);
    diary.read()
}

#[test]
fn a_sleep_after_much_work_is_as_long_as_it_was_asked_for() {
    let took = times(async move |ctx, clock, diary| {
        for _ in 0..3 {
            clock.computes(millis(200));
            let began = clock.now();
            ctx.sleep(millis(100)).await?;
            diary.note(format!("{:?}", clock.now() - began));
        }
        Ok(())
    });
    assert_eq!(took, ["100ms"; 3]);
}

/// Others compute after it began to sleep, within the same run.
#[test]
fn a_sleep_counts_from_its_own_beginning_or_later_but_never_earlier() {
    let took = times(async move |ctx, clock, diary| {
        for n in 0..3 {
            let (ctx1, clock, diary) = (ctx.clone(), clock.clone(), diary.clone());
            ctx.spawn(async move {
                clock.computes(millis(200));
                let began = clock.now();
                ctx1.sleep(millis(100)).await.unwrap();
                diary.note(format!("{n}: {:?}", clock.now() - began));
            })?;
        }
        Ok(())
    });
    assert_eq!(took, ["0: 500ms", "1: 300ms", "2: 100ms"]);
}

#[test]
fn a_timeout_after_much_work_is_as_long_as_it_was_asked_for() {
    let took = times(async move |ctx, clock, diary| {
        let child = ctx.clone();
        let work = ctx.spawn(async move { child.sleep(millis(90)).await })?;
        clock.computes(millis(200));
        let began = clock.now();
        // The child went to sleep after that.
        ctx.timeout(millis(100), work).await???;
        diary.note(format!("{:?}", clock.now() - began));
        clock.computes(millis(200));
        let began = clock.now();
        let late = ctx.timeout(millis(100), ctx.sleep(seconds(9))).await;
        diary.note(format!("{late:?} {:?}", clock.now() - began));
        Ok(())
    });
    let late = "Err(TimedOut(Application(\"timeout\"))) 100ms";
    assert_eq!(took, ["90ms", late]);
}

/// A fiber that answers for a machine begins within the step that brought the request.
#[test]
fn a_sleep_that_begins_within_an_input_is_never_early_either() {
    let (mut hub, clock) = (Hub::default(), Clock::default());
    let told = clock.clone();
    let ctx = hub.ctx();
    let service = hub.add_service(http1::Service::new(async move |_: http1::Request| {
        told.computes(millis(200));
        let began = told.now();
        ctx.sleep(millis(100)).await?;
        Ok::<_, Error>(http1::Response::text(format!("{:?}", told.now() - began)))
    }));
    let now = clock.now();
    let conn = hub.accept(now, service, Address::Unnamed).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(hub.received(now, conn, request), request.len());
    assert!(hub.needs_time());
    // Other inputs with the old reading change nothing.
    hub.wake(now, conn);
    clock.drive(&mut hub, Instant::ORIGIN + millis(1000));
    let mut received = Vec::new();
    hub.outgoing(conn, |slices| slices.iter().for_each(|slice| received.extend_from_slice(slice)));
    let received = String::from_utf8(received).unwrap();
    assert!(received.ends_with("\r\n\r\n100ms"), "{received}");
}

#[test]
fn the_deadlines_of_the_hub_count_from_when_they_begin_too() {
    let settings = settings(|it| (it.connect, it.linger) = (millis(100), millis(100)));
    let mut hub = Hub::new(config(|it| {
        it.client = settings.clone();
        it.grace = millis(300);
    }));
    let (clock, diary) = (Clock::default(), Diary::default());
    let (note, working) = (diary.clone(), clock.clone());
    hub.add_loop(async move |ctx| {
        working.computes(millis(200));
        let began = working.now();
        let failed = ctx.connect(Address::Unnamed).await;
        note.note(format!("{:?} after {:?}", failed.is_err(), working.now() - began));
        Ok(())
    })
    .unwrap();
    let working = clock.clone();
    let closing = Service::new(async move |conn: Conn| {
        working.computes(millis(200));
        conn.close();
        Ok(())
    });
    let service = hub.add_service(closing.config(settings));
    let conn = hub.accept(clock.now(), service, Address::Unnamed).unwrap();
    let log = clock.drive(&mut hub, END);
    assert_eq!(diary.read(), ["true after 300ms"], "the other computed for 200 ms of these");
    let closed = (Instant::ORIGIN + millis(500), Action::Close(conn, Cause::Done));
    assert!(log.contains(&closed), "{log:?}");

    let working = clock.clone();
    hub.add_loop(async move |ctx| {
        working.computes(millis(400));
        ctx.halt();
        Ok(())
    })
    .unwrap();
    let service = hub.add_service(async |mut conn: Conn| {
        conn.write("never sent").await?;
        conn.flush().await
    });
    hub.accept(clock.now(), service, Address::Unnamed).unwrap();
    let began = clock.now();
    let log = clock.drive(&mut hub, END);
    assert_eq!(log.last(), Some(&(began + millis(700), Action::Halt)));
}

/// As in a loop whose group sleeps in each round, and never to the end.
#[test]
fn sleeps_that_are_given_up_leave_nothing_behind() {
    let mut world = World::new();
    let event: Event<u32> = world.hub.event();
    let fired = event.clone();
    let mut rings = event.subscribe();
    world
        .hub
        .add_loop(async move |ctx| {
            for _ in 0..1000 {
                fired.fire(1);
                first((ctx.sleep(seconds(1)), ctx.sleep(seconds(2)), rings.wait())).await;
            }
            Ok(())
        })
        .unwrap();
    world.turn();
    assert_eq!(world.hub.next_wake(), None);
    assert!(!world.hub.needs_time());
}
