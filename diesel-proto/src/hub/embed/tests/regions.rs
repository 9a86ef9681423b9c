//! Regions of files: within budgets, waiting for a disk, and failing.

use super::*;

/// Sends a file region between words.
struct Region;

impl Machine for Region {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            actions.send(b"head");
            actions.send_file_region(FileRegion { id: 7, offset: 100, len: 150_000 });
            actions.send(b"tail");
        }
        0
    }
}

#[test]
fn regions_are_sent_within_the_budget_or_break_the_stream() {
    let mut world = World::new(Service::machine(|_| Region));
    let conn = world.accept(wire("a", []));
    assert_eq!(world.fake.log(), ["a write 4", "a region 7: 131068 at 100", "a watch rw"]);
    let log = world.round(&[conn]);
    assert_eq!(log[..3], ["a region 7: 18932 at 131168", "a write 4", "a watch r-"]);

    let mut world = World::new(Service::machine(|_| Region));
    world.fake.regions = [RegionOutcome::Failed(FileErrorKind::Shrunk)].into();
    world.accept(wire("a", []));
    let aborted = format!("a {:?}", End::Abort(Cause::File(FileErrorKind::Shrunk)));
    assert_eq!(world.fake.log(), ["a write 4", "a region 7: 131068 at 100", &aborted]);
}

#[test]
fn a_region_whose_bytes_are_being_read_waits_without_being_watched_for_writing() {
    let mut world = World::new(Service::machine(|_| Region));
    world.fake.regions = [RegionOutcome::Pending, RegionOutcome::Pending].into();
    let conn = world.accept(wire("a", []));
    assert_eq!(world.fake.log(), ["a write 4", "a region 7: 131068 at 100"]);
    // It may be reported as writable all the same.
    assert_eq!(world.round(&[conn]), ["a read"]);
    for expected in
        [&["a region 7: 131072 at 100"][..], &["a region 7: 131072 at 100", "a watch rw"]]
    {
        world.streams.begin_round();
        let World { hub, fake, streams, .. } = &mut world;
        streams.region_ready(hub, fake, NOW, conn);
        assert_eq!(world.fake.log(), expected);
        let World { hub, fake, streams, .. } = &mut world;
        if expected.len() > 1 {
            streams.region_ready(hub, fake, NOW, conn);
            assert_eq!(fake.log(), [""; 0], "it does not wait any more");
        }
    }
    assert_eq!(world.round(&[conn])[..2], ["a region 7: 18928 at 131172", "a write 4"]);
}

#[test]
fn a_region_is_passed_in_parts_that_do_not_hold_up_others() {
    let mut world = World::new(Service::machine(|_| Region));
    world.streams.budgets.region = 50_000;
    world.accept(wire("a", []));
    let parts = ["49900 at 100", "50000 at 50000", "31168 at 100000"];
    let parts = parts.map(|part| format!("a region 7: {part}"));
    assert_eq!(world.fake.log()[1..4], parts);
}
