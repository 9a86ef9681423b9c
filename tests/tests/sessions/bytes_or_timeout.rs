//! `bytes_or_timeout`: two bytes, or a timeout of three seconds.

use diesel_proto::testkit::script::assert_plays;

use crate::programs::bytes_or_timeout::bytes_or_timeout;
use crate::with;

#[test]
fn two_bytes_come() {
    assert_plays(
        r"
        ann connects
        +2s
        ann> hi
        ann< got two bytes!\r\n
        ann closed: done
        ",
        || with(bytes_or_timeout),
    );
}

#[test]
fn bytes_beyond_those_asked_for_are_ignored() {
    assert_plays(
        r"
        ann> hello\r\n
        ann< got two bytes!\r\n
        ann closed: done
        ",
        || with(bytes_or_timeout),
    );
}

#[test]
fn one_byte_is_not_enough() {
    assert_plays(
        r"
        ann> h
        +2.999s
        +1ms
        ann< timeout\r\n
        ann closed: done
        ",
        || with(bytes_or_timeout),
    );
}

#[test]
fn the_peer_ends_before_either() {
    assert_plays(
        r"
        ann> h
        ann ends
        ann closed: the peer closed
        +3s
        ",
        || with(bytes_or_timeout),
    );
}
