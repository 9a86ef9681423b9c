//! The time of day is an input like any other.

mod harness;

use diesel_proto::*;
use harness::*;

#[test]
fn the_time_of_day_advances_from_its_last_input() {
    let mut world = World::new();
    let ctx = world.hub.ctx();
    world.waits(seconds(3));
    assert_eq!(ctx.unix_seconds(), None);
    world.hub.time_of_day(world.now, 1_000);
    assert_eq!(ctx.unix_seconds(), Some(1_000));
    world.waits(std::time::Duration::from_millis(1_999));
    assert_eq!(ctx.unix_seconds(), Some(1_001));
    world.waits(std::time::Duration::from_millis(1));
    assert_eq!(ctx.unix_seconds(), Some(1_002));
}

/// It may be set, and back as well; nothing else in the hub cares.
#[test]
fn the_last_word_counts() {
    let mut world = World::new();
    let ctx = world.hub.ctx();
    world.hub.time_of_day(world.now, 1_000);
    world.waits(seconds(1));
    world.hub.time_of_day(world.now, 7);
    assert_eq!(ctx.unix_seconds(), Some(7));
    world.hub.time_of_day(world.now, u64::MAX);
    world.waits(seconds(9));
    assert_eq!(ctx.unix_seconds(), Some(u64::MAX));
}

/// An input with a `now` of the past applies to the latest time of the hub.
#[test]
fn time_does_not_go_back_for_it() {
    let mut world = World::new();
    let ctx = world.hub.ctx();
    world.waits(seconds(10));
    world.hub.time_of_day(Instant::ORIGIN, 1_000);
    assert_eq!(ctx.unix_seconds(), Some(1_000));
}
