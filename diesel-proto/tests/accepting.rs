//! `Hub::may_accept` between two runs.

mod harness;

use diesel_proto::*;
use harness::*;

#[test]
fn the_hub_says_when_it_is_full_before_the_next_run_does() {
    let mut config = Config::default();
    config.max_connections = 3;
    let mut world = World::with(config);
    let small = world.hub.add_service(Service::new(echo).max_connections(1));
    let large = world.hub.add_service(echo);
    assert!(world.hub.may_accept(small) && world.hub.may_accept(large));

    let first = world.accept(small);
    assert!(!world.hub.may_accept(small) && world.hub.may_accept(large));
    world.accept(large);
    world.accept(large);
    assert!(!world.hub.may_accept(large));
    assert!(world.hub.accept(world.now, large, Address::Unnamed).is_err());

    world.turn();
    assert!(world.log.contains(&Action::StopAccepting(large)));
    world.resets(first);
    assert!(world.hub.may_accept(small) && world.hub.may_accept(large));
}

#[test]
fn a_hub_that_halts_may_not() {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    let ctx = world.hub.ctx();
    ctx.halt();
    assert!(!world.hub.may_accept(service));
    world.turn();
    assert!(world.halted() && !world.hub.may_accept(service));
}

#[test]
fn a_service_of_another_hub_may_not() {
    let mut world = World::new();
    let service = world.hub.add_service(echo);
    assert!(!Hub::default().may_accept(service));
}
