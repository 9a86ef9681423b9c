//! The chat over a simulated network, with good links and bad ones. Every delivery is checked.

use std::time::Duration;

use diesel_proto::testkit::net::{Link, LinkFault, LinkOptions, Stalls, explore, explore_sizes};
use diesel_tests::{Crowd, Outcome};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Links with cuts, short writes, little room and stalls: slow, but nothing is lost.
fn odd() -> LinkOptions {
    LinkOptions {
        latency: ms(1)..=ms(300),
        bandwidth: Some(20_000),
        reads: 1..=9,
        writes: 1..=11,
        coalesce: ms(3),
        capacity: 64,
        stalls: Stalls { percent: 5, length: ms(10)..=ms(3000) },
        ..LinkOptions::default()
    }
}

/// The same links, and some percent of the directions end or are reset, at a random byte. (A member
/// sends some 25 bytes, and receives some 400.)
fn lossy() -> Link {
    let failing = |bytes| LinkOptions {
        half_closes: LinkFault::likely(20, 0..=bytes),
        resets: LinkFault::likely(20, 0..=bytes),
        ..odd()
    };
    Link { there: failing(30), back: failing(500) }
}

/// Thirty members, of which three in each room of ten have lossy links, and the others odd ones.
fn lossy_crowd(seed: u64) -> Crowd {
    let crowd = Crowd { seed, rooms: 3, worse_off: 3, minutes: 6, ..Crowd::default() };
    Crowd { link: odd().into(), worse: lossy(), ..crowd }
}

/// Three in each room of ten have links so narrow that they fall behind.
fn lagging_crowd(seed: u64) -> Crowd {
    let narrow = LinkOptions { bandwidth: Some(1), capacity: 8, ..LinkOptions::default() };
    let crowd = Crowd { seed, rooms: 2, worse_off: 3, minutes: 30, ..Crowd::default() };
    Crowd { worse: narrow.into(), room_capacity: 4, high_water: 32, ..crowd }
}

fn chat(crowd: &Crowd) -> Result<Outcome, String> {
    let outcome = crowd.chat().map_err(|error| error.to_string())?;
    outcome.account(crowd)?;
    Ok(outcome)
}

#[test]
fn everyone_hears_everything_once_and_in_order() {
    let crowd = Crowd::default();
    let outcome = chat(&crowd).unwrap();
    assert_eq!((outcome.messages, outcome.deliveries), (100 * 10, 100 * 10 * 9));
    assert_eq!((outcome.lagged, outcome.failed), (0, 0));
    assert_eq!(outcome.traffic.connections, 100);
}

#[test]
fn the_same_seed_gives_the_same_hash_and_another_seed_another() {
    let crowd = Crowd::default();
    let hash = |crowd: &Crowd| crowd.chat().unwrap().hash;
    assert_eq!(hash(&crowd), hash(&crowd));
    assert_ne!(hash(&crowd), hash(&Crowd { seed: 2, ..crowd }));
    assert_eq!(hash(&lossy_crowd(3)), hash(&lossy_crowd(3)));
}

#[test]
fn the_hash_is_the_same_on_every_machine_and_in_every_build() {
    // The bench `chat_sim -- --small` checks the same hash in its build.
    assert_eq!(Crowd::default().chat().unwrap().hash, Crowd::HASH);
}

#[test]
fn odd_links_lose_nothing() {
    let crowd = Crowd { link: odd().into(), ..Crowd::default() };
    let outcome = chat(&crowd).unwrap();
    assert_eq!(outcome.deliveries, 100 * 10 * 9);
    assert!(outcome.traffic.stalls > 100, "{:?}", outcome.traffic);
    assert!(outcome.traffic.reads > 2 * outcome.deliveries, "{:?}", outcome.traffic);
}

#[test]
fn faults_on_one_link_lose_no_line_on_others() {
    let outcome = chat(&lossy_crowd(1)).unwrap();
    assert!(outcome.traffic.resets > 0 && outcome.traffic.half_closes > 0);
    // Some members with lossy links had no fault.
    let worse = (0..30).filter(|member| member % 10 < 3).map(|member| &outcome.diaries[member]);
    let cut_short = worse.filter(|diary| diary.cut_short.is_some()).count();
    assert!((1..9).contains(&cut_short), "{cut_short}");
}

#[test]
fn a_lagging_client_gets_the_count_and_delays_no_other() {
    let crowd = lagging_crowd(1);
    let outcome = chat(&crowd).unwrap();
    // Missing messages are reported; no connection is closed for that, and members that keep up
    // miss nothing.
    assert!(outcome.lagged > 0);
    assert_eq!(outcome.failed, 0);
    for (member, diary) in outcome.diaries.iter().enumerate() {
        assert_eq!(diary.cut_short, None, "{diary:?}");
        assert_eq!(diary.missing > 0, member % 10 < 3, "{diary:?}");
        assert!(diary.skipped > 0 || diary.missing == 0, "{diary:?}");
    }
}

#[test]
fn fifty_lossy_schedules_lose_nothing() {
    let (mut resets, mut half_closes, mut cut_short, mut unhurt) = (0, 0, 0, 0);
    let scenario = |seed, rooms| {
        let outcome = chat(&Crowd { rooms: rooms as usize, ..lossy_crowd(seed) })?;
        resets += outcome.traffic.resets;
        half_closes += outcome.traffic.half_closes;
        let worse = outcome.diaries.iter().enumerate().filter(|(member, _)| member % 10 < 3);
        for (_, diary) in worse {
            match diary.cut_short {
                Some(_) => cut_short += 1,
                None => unhurt += 1,
            }
        }
        Ok::<(), String>(())
    };
    assert_eq!(explore_sizes(0..50, 3, scenario).unwrap(), 50);
    let all = (resets, half_closes, cut_short, unhurt);
    assert!(resets > 50 && half_closes > 50 && cut_short > 50 && unhurt > 50, "{all:?}");
}

#[test]
fn a_room_that_keeps_too_little_is_found_by_its_seed() {
    // Room for one message only: at some time two are sent before all have received the first.
    let scenario = |seed| {
        let crowd =
            Crowd { link: odd().into(), room_capacity: 1, high_water: 1, ..Crowd::default() };
        chat(&Crowd { seed, rooms: 1, ..crowd }).map(|_| ())
    };
    let found = explore(0..50, scenario).unwrap_err();
    assert_eq!(scenario(found.seed), Err(found.error.clone()));
    assert!(found.to_string().contains(&format!("({})", found.seed)), "{found}");
}
