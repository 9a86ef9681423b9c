//! The random numbers of a hub depend only on its seed.

mod harness;

use std::collections::HashSet;

use diesel_proto::hub::Seed;
use diesel_proto::*;
use harness::*;

/// What a hub draws: a fiber's numbers and a machine's, in turns.
fn drawn(seed: Seed) -> Vec<[u8; 8]> {
    struct Draws(MachineCtx, Diary);
    impl Machine for Draws {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            actions.send(&self.0.random::<8>());
            self.1.note("drawn");
            if let Input::Bytes(bytes) = input { bytes.len() } else { 0 }
        }
    }
    let diary = Diary::default();
    let note = diary.clone();
    let mut hub = Hub::default();
    hub.seed(seed);
    let machine =
        hub.add_service(Service::machine_with(move |machine_ctx| Draws(machine_ctx, note.clone())));
    let fiber = hub.add_service(async |mut conn: Conn| {
        loop {
            conn.until_eol().await?;
            conn.write(&conn.ctx().random::<8>()).await?;
        }
    });
    let mut world = World::of(hub);
    let conns = [world.accept(machine), world.accept(fiber)];
    for _ in 0..20 {
        conns.iter().for_each(|&conn| world.sends(conn, "more\n"));
    }
    assert_eq!(diary.read().len(), 21);
    let received = conns.iter().flat_map(|&conn| world.receives_bytes(conn));
    received.collect::<Vec<_>>().chunks_exact(8).map(|it| it.try_into().unwrap()).collect()
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_one_gives_others() {
    let first = drawn(Seed::from_number(1));
    assert_eq!(first.len(), 41);
    assert_eq!(drawn(Seed::from_number(1)), first);
    let mut seen: HashSet<_> = first.iter().copied().collect();
    assert_eq!(seen.len(), first.len(), "none comes twice");
    for number in 2..10 {
        for other in drawn(Seed::from_number(number)) {
            assert!(seen.insert(other), "{number}");
        }
    }
}

/// Every bit of the seed counts.
#[test]
fn seeds_that_differ_in_one_bit_give_other_numbers() {
    let of = |bytes: [u8; 32]| -> [u8; 16] {
        let mut hub = Hub::default();
        hub.seed(bytes);
        hub.ctx().random()
    };
    let mut seen = HashSet::from([of([0; 32])]);
    for bit in 0..256 {
        let mut bytes = [0; 32];
        bytes[bit / 8] = 1 << (bit % 8);
        assert!(seen.insert(of(bytes)), "{bit}");
    }
}

/// The generator is the one that is documented: the first block of ChaCha20 with a key of zeros,
/// and a nonce of zeros (RFC 7539, appendix A.1, test vector 1).
#[test]
fn the_numbers_are_those_of_chacha20() {
    let mut hub = Hub::default();
    hub.seed([0; 32]);
    assert_eq!(hub.ctx().random(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
}

#[test]
fn a_hub_without_a_seed_says_so_once() {
    let mut world = World::new();
    let ctx = world.hub.ctx();
    world.turn();
    assert_eq!(world.notices(), []);
    let drawn: [[u8; 8]; 2] = [ctx.random(), ctx.random()];
    world.turn();
    assert_eq!(world.notices(), [Notice::Unseeded]);

    let mut seeded = World::new();
    seeded.hub.seed(Seed::from_number(0));
    let ctx = seeded.hub.ctx();
    assert_eq!([ctx.random(), ctx.random()], drawn);
    seeded.turn();
    assert_eq!(seeded.notices(), []);
}

#[test]
fn a_seed_is_not_shown() {
    let seed = Seed::from_number(0x1234_5678);
    assert_eq!(format!("{:?}", hub::Input::Seed(seed)), "Seed(Seed(..))");
}
