//! `echo`: echoes lines; `quit` closes the connection.

use std::time::Duration;

use diesel_driver::{Hub, Service};
use diesel_proto::testkit::net::{Network, PeerState};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::echo::echo;
use crate::with;

#[test]
fn lines_come_back_one_by_one() {
    assert_plays(
        r"
        ann> hello\r\n
        ann< you said: hello\r\n
        ann> \r\n
        ann< you said: \r\n
        ann> bare\n
        ann< you said: bare\n
        ann> \xff\0\r\n
        ann< you said: \xff\0\r\n
        ann> quit\r\n
        ann closed: done
        ",
        || with(echo),
    );
}

#[test]
fn lines_come_back_however_many_arrive_at_once() {
    assert_plays(
        r"
        ann> one\r\ntwo\nthree \r\n quit\r\nquit\r\nnobody reads this\r\n
        ann< you said: one\r\nyou said: two\nyou said: three \r\nyou said:  quit\r\n
        ann closed: done
        ",
        || with(echo),
    );
}

#[test]
fn a_peer_that_ended_its_side_still_gets_its_answers() {
    assert_plays(
        r"
        ann stops reading
        ann> one\r\ntwo\r\nhalf a li
        ann ends
        ann reads again
        ann< you said: one\r\nyou said: two\r\n
        ann closed: the peer closed
        ",
        || with(echo),
    );
}

#[test]
fn a_peer_that_resets_disturbs_no_other() {
    assert_plays(
        r"
        ann> hel
        bob> hel
        ann resets
        ann closed: the peer reset the connection
        bob> lo\r\n
        bob< you said: hello\r\n
        bob open
        ",
        || with(echo),
    );
}

#[test]
fn a_line_beyond_the_limit_ends_it_whatever_its_cut() {
    assert_plays(
        r"
        ann> 123456\r\n
        ann< you said: 123456\r\n
        ann> 1234567\r\n
        ann closed: no sentinel within the line limit of 8 bytes (handlers: ServiceConfig::read_limit or Read::limit)
        ",
        || with(Service::new(echo).read_limit(8)),
    );
}

#[test]
fn a_peer_that_never_closes_is_cut_after_two_seconds() {
    let mut hub = Hub::default();
    let echo = hub.add_service(echo);
    let mut network = Network::new(1);
    let host = network.lone_host(hub);
    let ann = network.connect_to(host, echo);
    network.send(ann, "quit\r\n");
    let open = |network: &Network| network.hub(host).unwrap().counters().open;
    network.run_for(Duration::from_millis(1999)).unwrap();
    assert_eq!((network.peer_state(ann), open(&network)), (PeerState::Ended, 1));
    network.run_for(Duration::from_millis(1)).unwrap();
    assert_eq!(open(&network), 0);
}

#[test]
fn a_shutdown_ends_it_and_what_was_answered_arrives() {
    assert_plays(
        r"
        ann stops reading
        ann> hello\r\nhalf
        shut down within 5s
        ann reads again
        ann< you said: hello\r\n
        ann closed: shut down
        halted
        ",
        || with(echo),
    );
}
