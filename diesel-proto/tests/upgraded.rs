//! The machine that takes over a handler's connection is user code: it runs within the poll hook,
//! and may use the hub in each of its steps.

mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

/// Which step of the next machine the test is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// The one that takes over.
    Start,
    Bytes,
    Wake,
    Eof,
}

const STEPS: [When; 4] = [When::Start, When::Bytes, When::Wake, When::Eof];

impl When {
    fn is(self, input: &Input<'_>) -> bool {
        match self {
            When::Start => *input == Input::Start,
            When::Bytes => matches!(input, Input::Bytes(_)),
            When::Wake => *input == Input::Wake,
            When::Eof => *input == Input::Eof,
        }
    }
}

/// Calls `act` in one of its steps; echoes bytes, and closes at the end of the stream.
struct Next<F> {
    when: When,
    act: F,
}

impl<F: FnMut()> Machine for Next<F> {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if self.when.is(&input) {
            (self.act)();
        }
        match input {
            Input::Bytes(bytes) => {
                actions.send(bytes);
                bytes.len()
            }
            Input::Eof => {
                actions.close(Cause::PeerClosed);
                0
            }
            _ => 0,
        }
    }
}

/// Everything that steps the machine of `conn` after it took over.
fn steps(world: &mut World, conn: ConnId) {
    for event in [When::Bytes, When::Wake, When::Eof] {
        if world.closed(conn).is_some() {
            return;
        }
        match event {
            When::Bytes => world.sends(conn, "bytes"),
            When::Wake => world.hub.wake(world.now, conn),
            _ => world.hub.eof(world.now, conn),
        }
        world.turn();
    }
}

#[test]
fn a_panic_of_the_next_machine_is_caught_and_cuts_its_connection() {
    for when in STEPS {
        let mut world = World::new();
        world.hub.set_poll_hook(catch_panics());
        let service = world.hub.add_service(async move |mut conn: Conn| {
            let line = conn.until_eol().await?;
            match &*line.trimmed() {
                "fragile" => conn.upgrade(Next { when, act: || panic!("in a step") }),
                _ => conn.upgrade(Next { when, act: || {} }),
            }
            Ok(())
        });
        let (bad, good) = (world.accept(service), world.accept(service));
        world.sends(good, "sound\n");
        world.sends(bad, "fragile\n");
        steps(&mut world, bad);
        assert_eq!(world.closed(bad), Some(Cause::Panicked), "{when:?}");
        assert_eq!(world.hub.counters().panics, 1, "{when:?}");
        world.sends(good, "still there?");
        assert_eq!(world.receives(good), "still there?", "{when:?}");
        assert_eq!((world.closed(good), world.hub.counters().open), (None, 1), "{when:?}");
    }
}

/// It aborts another connection, spawns a fiber, and fires the event that this fiber waits for.
#[test]
fn the_next_machine_may_use_the_hub_in_each_step() {
    for when in STEPS {
        let diary = Diary::default();
        let shelf: Rc<RefCell<Option<Conn>>> = Rc::default();
        let mut world = World::new();
        let event: Event<u32> = world.hub.event();
        let (note, kept) = (diary.clone(), Rc::clone(&shelf));
        let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
            let line = conn.until_eol().await?;
            if &*line.trimmed() == "shelf" {
                *kept.borrow_mut() = Some(conn);
                return Ok(());
            }
            let (ctx, event) = (conn.ctx(), event.clone());
            let (note, kept) = (note.clone(), Rc::clone(&kept));
            let act = move || {
                if let Some(other) = kept.take() {
                    other.abort();
                }
                let (note, mut news) = (note.clone(), event.subscribe());
                let waits = async move { note.note(format!("{:?}", news.wait().await)) };
                assert!(ctx.spawn(waits).is_ok());
                event.fire(7);
            };
            conn.upgrade(Next { when, act });
            Ok(())
        }));
        let (other, conn) = (world.accept(service), world.accept(service));
        world.sends(other, "shelf\n");
        assert_eq!(world.closed(other), None);
        world.sends(conn, "go\n");
        steps(&mut world, conn);
        assert_eq!(world.receives(conn), "bytes", "{when:?}");
        assert_eq!(diary.read(), ["Ok(7)"], "{when:?}");
        assert_eq!(world.closed(other), Some(Cause::Done), "{when:?}");
        assert_eq!(world.closed(conn), Some(Cause::PeerClosed), "{when:?}");
        assert_eq!(world.hub.counters().fibers, 0, "{when:?}");
    }
}
