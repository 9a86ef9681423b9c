//! The chat, with ten thousand members, for an hour of virtual time.
//!
//! ```text
//! cargo bench -p diesel-tests --bench chat_sim              both runs
//! cargo bench -p diesel-tests --bench chat_sim -- --small   a hundred members, ten minutes
//! ```
//!
//! Each run prints its messages, deliveries, hash and wall time. Every delivery is accounted for. The
//! hash is the same in each process, and in each profile (`cargo bench --profile dev`): the small
//! run compares its own with that of the tests.

use std::time::Instant;

use diesel_tests::Crowd;

fn main() {
    if std::env::args().any(|argument| argument == "--small") {
        let hash = run("100 members in 10 rooms of 10, 10 minutes", Crowd::default());
        return assert_eq!(hash, Crowd::HASH, "another hash than that of the tests");
    }
    let hour = Crowd { minutes: 60, ..Crowd::default() };
    run("10,000 members in 1,000 rooms of 10, an hour", Crowd { rooms: 1000, ..hour.clone() });
    run("300 members in one room, an hour", Crowd { rooms: 1, members: 300, ..hour });
}

fn run(title: &str, crowd: Crowd) -> u64 {
    let start = Instant::now();
    let outcome = crowd.chat().unwrap_or_else(|error| panic!("{error}"));
    let wall = start.elapsed().as_secs_f64();
    outcome.account(&crowd).unwrap_or_else(|error| panic!("{error}"));
    let members = (crowd.rooms * crowd.members) as u64;
    assert_eq!(outcome.messages, members * u64::from(crowd.minutes));
    assert_eq!(outcome.deliveries, outcome.messages * (crowd.members as u64 - 1));
    println!("{title}");
    println!("  {} messages, {} deliveries", outcome.messages, outcome.deliveries);
    println!("  hash {:016x}, {wall:.2} s", outcome.hash);
    outcome.hash
}
