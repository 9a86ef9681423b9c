//! `clocker`: two loops that say `hi!`.

use std::time::Duration;

use diesel_tests::Session;

use crate::Said;
use crate::programs::clocker::{clock, end};

const SECOND: Duration = Duration::from_secs(1);

/// How often it says `hi!` at once, and in each second after.
fn greetings(length: Duration, seconds: usize) -> Vec<usize> {
    let mut session = Session::default();
    let said = Said::default();
    for period in [SECOND, 2 * SECOND] {
        let say = said.say();
        session.hub.add_loop(async move |ctx| clock(ctx, period, say).await).unwrap();
    }
    session.hub.add_loop(async move |ctx| end(ctx, length).await).unwrap();
    session.run();
    let mut counts = vec![said.take().len()];
    for _ in 0..seconds {
        session.advance(SECOND);
        counts.push(said.take().len());
    }
    assert_eq!(session.halted(), Duration::from_secs(seconds as u64) > length);
    counts
}

#[test]
fn one_says_hi_every_second_and_the_other_every_two() {
    assert_eq!(greetings(Duration::MAX, 6), [2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn it_ends_when_it_was_told_to() {
    assert_eq!(greetings(Duration::from_millis(2500), 5), [2, 1, 2, 0, 0, 0]);
    assert_eq!(greetings(Duration::ZERO, 2), [2, 0, 0]);
}
