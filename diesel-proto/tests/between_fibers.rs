//! Queues and semaphores between fibers: order, room, turns, cancel safety, the end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::fiber::{Queue, Semaphore};
use diesel_proto::*;

mod harness;
use harness::World;

type Log = Rc<RefCell<Vec<String>>>;

const MS: Duration = Duration::from_millis(1);

/// Runs a loop until it ends, however long it sleeps.
fn run<F>(body: impl FnOnce(Ctx, Log) -> F + 'static) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + 'static,
{
    let log = Log::default();
    let ended = Rc::new(Cell::new(false));
    let (inner, done) = (Rc::clone(&log), Rc::clone(&ended));
    let body = Cell::new(Some(body));
    let mut world = World::new();
    world
        .hub
        .add_loop(async move |ctx: Ctx| {
            let Some(body) = body.take() else { return Ok(()) };
            body(ctx, inner).await?;
            done.set(true);
            Ok::<(), Error>(())
        })
        .unwrap();
    for _ in 0..1000 {
        world.turn();
        world.waits(MS);
    }
    assert!(ended.get(), "{:?}", log.borrow());
    log.take()
}

#[test]
fn items_are_taken_once_in_the_order_in_which_they_were_put() {
    let log = run(async |ctx: Ctx, log: Log| {
        let queue: Queue<u32> = ctx.queue(3);
        for name in ["a", "b"] {
            let (queue, log) = (queue.clone(), Rc::clone(&log));
            ctx.spawn(async move {
                while let Some(n) = queue.take().await? {
                    log.borrow_mut().push(format!("{name}{n}"));
                }
                log.borrow_mut().push(format!("{name} ends"));
                Ok::<(), Error>(())
            })?;
        }
        for n in 0..7 {
            queue.put(n).await?;
            assert!(queue.len() <= 3);
        }
        queue.close();
        assert!(matches!(queue.put(9).await, Err(Error::Closed)));
        assert_eq!(queue.try_put(9), Err(9));
        ctx.sleep(MS).await?;
        Ok(())
    });
    let mut numbers: Vec<&str> =
        log.iter().filter(|text| !text.ends_with("ends")).map(|text| &text[1..]).collect();
    assert_eq!(log.len(), 9);
    numbers.dedup();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[test]
fn whoever_puts_waits_for_room_and_has_a_turn() {
    let log = run(async |ctx: Ctx, log: Log| {
        let queue: Queue<u32> = ctx.queue(1);
        for n in 0..5 {
            let (queue, log) = (queue.clone(), Rc::clone(&log));
            ctx.spawn(async move {
                queue.put(n).await?;
                log.borrow_mut().push(format!("put {n}"));
                Ok::<(), Error>(())
            })?;
        }
        ctx.sleep(MS).await?;
        // Others wait: the item that has just been taken leaves room for them, not for this one.
        assert_eq!(queue.try_take(), Some(0));
        assert_eq!(queue.try_put(9), Err(9));
        for n in 1..5 {
            ctx.sleep(MS).await?;
            assert_eq!(queue.take().await?, Some(n));
        }
        assert_eq!((queue.try_take(), queue.is_empty()), (None, true));
        Ok(())
    });
    assert_eq!(log, ["put 0", "put 1", "put 2", "put 3", "put 4"]);
}

#[test]
fn a_token_that_is_dropped_early_takes_nothing_and_passes_its_turn_on() {
    let log = run(async |ctx: Ctx, log: Log| {
        let queue: Queue<u32> = ctx.queue(2);
        let impatient = {
            let queue = queue.clone();
            ctx.spawn(async move { queue.take().await.map(drop) })?
        };
        let (other, others_log) = (queue.clone(), Rc::clone(&log));
        ctx.spawn(async move {
            while let Some(n) = other.take().await? {
                others_log.borrow_mut().push(format!("{n}"));
            }
            Ok::<(), Error>(())
        })?;
        ctx.sleep(MS).await?;
        // The first in the line is woken by this, and aborted before its turn.
        queue.put(1).await?;
        impatient.abort();
        ctx.sleep(MS).await?;
        assert!(queue.is_empty());
        // A put that is dropped has put nothing.
        ctx.timeout(MS, queue.put(2)).await??;
        ctx.sleep(MS).await?;
        queue.close();
        Ok(())
    });
    assert_eq!(log, ["1", "2"]);

    let log = run(async |ctx: Ctx, _: Log| {
        let queue: Queue<u32> = ctx.queue(1);
        queue.put(1).await?;
        assert!(ctx.timeout(MS, queue.put(2)).await.is_err());
        assert_eq!((queue.try_take(), queue.try_take()), (Some(1), None));
        assert_eq!(queue.try_put(3), Ok(()));
        Ok(())
    });
    assert!(log.is_empty());
}

#[test]
fn so_many_fibers_at_a_time_as_there_are_permits() {
    let log = run(async |ctx: Ctx, log: Log| {
        let limit: Semaphore = ctx.semaphore(2);
        let active = Rc::new(Cell::new(0));
        for n in 0..5 {
            let (limit, log, active) = (limit.clone(), Rc::clone(&log), Rc::clone(&active));
            let ctx_of_fiber = ctx.clone();
            ctx.spawn(async move {
                let _permit = limit.acquire().await?;
                active.set(active.get() + 1);
                assert!(active.get() <= 2);
                ctx_of_fiber.sleep(MS).await?;
                active.set(active.get() - 1);
                log.borrow_mut().push(format!("{n}"));
                Ok::<(), Error>(())
            })?;
        }
        ctx.sleep(20 * MS).await?;
        assert_eq!(limit.available(), 2);
        let first = limit.try_acquire();
        let second = limit.try_acquire();
        assert!(first.is_some() && second.is_some() && limit.try_acquire().is_none());
        assert!(ctx.timeout(MS, limit.acquire()).await.is_err());
        drop(first);
        drop(limit.acquire().await?);
        drop(second);
        assert_eq!(limit.available(), 2);
        Ok(())
    });
    assert_eq!(log, ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_shutdown_ends_a_wait_and_leaves_what_is_there() {
    let mut world = World::new();
    let queue: Queue<u32> = world.hub.ctx().queue(1);
    let limit = world.hub.ctx().semaphore(0);
    let errors = Rc::new(RefCell::new(Vec::new()));
    let waits: [fn(Queue<u32>, Semaphore) -> _; 2] = [
        |queue, _| {
            Box::pin(async move { queue.take().await.map(drop) })
                as std::pin::Pin<Box<dyn Future<Output = Result<(), Error>>>>
        },
        |_, limit| Box::pin(async move { limit.acquire().await.map(drop) }),
    ];
    for wait in waits {
        let (queue, limit, errors) = (queue.clone(), limit.clone(), Rc::clone(&errors));
        world
            .hub
            .add_loop(async move |_: Ctx| {
                let error = wait(queue.clone(), limit.clone()).await.unwrap_err();
                errors.borrow_mut().push(error.to_string());
                Ok::<(), Error>(())
            })
            .unwrap();
    }
    world.turn();
    world.hub.drain(world.now, world.now + Duration::from_secs(1));
    world.turn();
    assert_eq!(*errors.borrow(), ["shutting down", "shutting down"]);
}

#[test]
fn ticks_keep_their_distance_and_leave_out_what_was_missed() {
    let log = run(async |ctx: Ctx, log: Log| {
        let start = ctx.now();
        let mut ticks = ctx.interval(10 * MS);
        for busy in [0, 3, 0, 25, 0, 0] {
            let due = ticks.tick().await?;
            log.borrow_mut().push(format!("{:?}", (due - start).as_millis()));
            ctx.sleep(busy * MS).await?;
        }
        Ok(())
    });
    assert_eq!(log, ["0", "10", "20", "30", "40", "60"]);
}
