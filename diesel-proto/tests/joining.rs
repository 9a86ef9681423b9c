//! `join_all`: results in order, and only those futures are polled that were woken.

mod harness;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use diesel_proto::fiber::join_all;
use diesel_proto::*;
use harness::{World, seconds};

#[test]
fn results_are_in_the_order_of_the_list() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&seen);
    let mut world = World::looping(async move |ctx: Ctx| {
        // The last is done first. They borrow from the fiber.
        let sleeps = [5, 3, 0, 4].map(async |n| {
            ctx.sleep(seconds(n)).await?;
            noted.borrow_mut().push(format!("{n} is over"));
            Ok::<_, Error>(n)
        });
        let joined = join_all(sleeps).await;
        noted.borrow_mut().push(format!("{:?}", joined.into_iter().collect::<Result<Vec<_>, _>>()));
        let nothing: Vec<u8> = join_all(Vec::<std::future::Ready<u8>>::new()).await;
        assert!(nothing.is_empty());
        Ok(())
    });
    world.waits(seconds(10));
    assert_eq!(
        *seen.borrow(),
        ["0 is over", "3 is over", "4 is over", "5 is over", "Ok([5, 3, 0, 4])"]
    );
    assert_eq!(world.notices(), []);
}

/// Measured by polls: each of a thousand futures is polled when it begins and when it is woken, and
/// not when another one is.
#[test]
fn only_what_was_woken_is_polled() {
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let mut world = World::looping(async move |ctx: Ctx| {
        let sleeps = (0..1000).map(|n| {
            let (mut sleep, counted) = (ctx.sleep(Duration::from_millis(n)), Rc::clone(&counted));
            poll_fn(move |cx| {
                counted.set(counted.get() + 1);
                pin!(&mut sleep).poll(cx)
            })
        });
        let joined = join_all(sleeps).await;
        assert_eq!(joined.len(), 1000);
        ctx.halt();
        Ok(())
    });
    world.waits(seconds(2));
    assert!(world.halted());
    // Some more: each uses a token when it is done, and a fiber has 128 of them in a pass.
    assert!((2000..2100).contains(&polls.get()), "{}", polls.get());
}

#[test]
fn what_is_not_done_is_dropped_with_the_token() {
    let mut world = World::looping(async |ctx: Ctx| {
        let dials = ["a.example:80", "b.example:80"].map(|it| ctx.connect(it));
        let _ = ctx.timeout(seconds(1), join_all(dials)).await;
        core::future::pending().await
    });
    world.waits(seconds(1));
    let cancels = |action: &&Action| matches!(action, Action::Cancel(_));
    assert_eq!(world.log.iter().filter(cancels).count(), 2);
}

/// A future may be polled by another fiber than before: all wakers are made anew.
#[test]
fn the_token_may_move_to_another_fiber() {
    let mut world = World::looping(async |ctx: Ctx| {
        let mut joined = join_all([2, 3].map(|n| ctx.sleep(seconds(n))));
        let polled = poll_fn(|cx| Poll::Ready(pin!(&mut joined).poll(cx).is_pending())).await;
        assert!(polled);
        let moved = ctx.spawn(joined)?;
        let slept = moved.await?;
        assert!(slept.iter().all(Result::is_ok));
        ctx.halt();
        Ok(())
    });
    world.waits(seconds(2));
    assert!(!world.halted());
    world.waits(seconds(1));
    assert!(world.halted());
}

#[test]
fn a_future_that_wakes_itself_is_polled_again() {
    let mut world = World::looping(async |ctx: Ctx| {
        let yields = (0..5).map(async |n| {
            for _ in 0..n {
                ctx.sleep(Duration::ZERO).await?;
            }
            Ok::<_, Error>(n)
        });
        let joined = join_all(yields).await;
        assert_eq!(joined.into_iter().flatten().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        ctx.halt();
        Ok(())
    });
    world.turn();
    assert!(world.halted());
}
