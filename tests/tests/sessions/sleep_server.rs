//! `sleep_server`: 0, 1, 2, 3, with a pause before each.

use std::time::Duration;

use diesel_driver::{Hub, Service};
use diesel_proto::testkit::net::Network;
use diesel_proto::testkit::script::assert_plays;

use crate::programs::sleep_server::delayed_echo;
use crate::with;

fn sleepy() -> Service {
    Service::new(async |conn| delayed_echo(conn, Duration::from_secs(2)).await)
}

#[test]
fn it_counts_with_pauses_and_answers() {
    assert_plays(
        r"
        ann connects
        +100s
        ann> hello\r\nwhat comes after is not read
        +1.999s
        +1ms
        ann< 0\r\n
        +1.999s
        +1ms
        ann< 1\r\n
        +1.999s
        +1ms
        ann< 2\r\n
        +1.999s
        +1ms
        ann< 3\r\nyou said hello\r\n
        ann closed: done
        ",
        || with(sleepy()),
    );
}

#[test]
fn one_that_is_thought_over_holds_up_no_other() {
    assert_plays(
        r"
        ann> ann\r\n
        +1s
        bob> bob\r\n
        +1s
        ann< 0\r\n
        +1s
        bob< 0\r\n
        +5s
        ann< 1\r\n2\r\n3\r\nyou said ann\r\n
        bob< 1\r\n2\r\n
        +1s
        bob< 3\r\nyou said bob\r\n
        ",
        || with(sleepy()),
    );
}

#[test]
fn a_peer_that_ended_its_side_still_gets_its_answer() {
    assert_plays(
        r"
        ann> hello\r\n
        ann ends
        +8s
        ann< 0\r\n1\r\n2\r\n3\r\nyou said hello\r\n
        ann closed: the peer closed
        ",
        || with(sleepy()),
    );
}

#[test]
fn a_peer_that_resets_is_not_counted_for() {
    let mut hub = Hub::default();
    let sleepy = hub.add_service(sleepy());
    let mut network = Network::new(1);
    let host = network.lone_host(hub);
    let ann = network.connect_to(host, sleepy);
    network.send(ann, "hello\r\n");
    network.run_for(Duration::from_secs(3)).unwrap();
    network.reset(ann);
    network.run_for(Duration::from_secs(1)).unwrap();
    let counters = network.hub(host).unwrap().counters();
    assert_eq!((counters.open, counters.fibers), (0, 0));
}

#[test]
fn a_shutdown_wakes_the_sleeper() {
    assert_plays(
        r"
        ann> hello\r\n
        +3s
        ann< 0\r\n
        shut down within 5s
        ann closed: shut down
        halted
        ",
        || with(sleepy()),
    );
}
