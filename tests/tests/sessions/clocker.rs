//! `clocker`: two loops that print `hi!`.

use std::time::Duration;

use diesel_driver::Hub;
use diesel_proto::testkit::script::assert_plays;

use crate::programs::clocker::{clock, end};
use crate::terminal;

fn clocker(length: Duration) -> Hub {
    let mut hub = Hub::default();
    let say = terminal(&mut hub);
    for period in [1, 2] {
        let (period, say) = (Duration::from_secs(period), say.clone());
        hub.add_loop(async move |ctx| clock(ctx, period, say).await).unwrap();
    }
    hub.add_loop(async move |ctx| end(ctx, length).await).unwrap();
    hub
}

#[test]
fn one_says_hi_every_second_and_the_other_every_two() {
    assert_plays(
        r"
        terminal connects
        terminal< hi!\r\nhi!\r\n
        +999ms
        +1ms
        terminal< hi!\r\n
        +999ms
        +1ms
        terminal< hi!\r\nhi!\r\n
        +1s
        terminal< hi!\r\n
        +1s
        terminal< hi!\r\nhi!\r\n
        terminal open
        ",
        || clocker(Duration::MAX),
    );
}

#[test]
fn it_ends_at_the_configured_time() {
    assert_plays(
        r"
        terminal connects
        terminal< hi!\r\nhi!\r\n
        +1s
        terminal< hi!\r\n
        +1s
        terminal< hi!\r\nhi!\r\n
        +499ms
        terminal open
        +1ms
        terminal closed: shut down
        halted
        ",
        || clocker(Duration::from_millis(2500)),
    );
}

#[test]
fn it_says_hi_even_if_it_ends_at_once() {
    assert_plays(
        r"
        terminal connects
        terminal< hi!\r\nhi!\r\n
        terminal closed: shut down
        halted
        ",
        || clocker(Duration::ZERO),
    );
}
