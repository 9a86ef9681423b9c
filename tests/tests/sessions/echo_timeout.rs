//! `echo_timeout`: a line, or a timeout of three seconds.

use diesel_proto::testkit::script::assert_plays;

use crate::programs::echo_timeout::patient_echo;
use crate::with;

#[test]
fn it_says_so_when_no_line_comes_and_goes_on() {
    assert_plays(
        r"
        ann> hello\r\n
        ann< you said: hello\r\n
        +2.999s
        +1ms
        ann< timeout!\r\n
        +6s
        ann< timeout!\r\ntimeout!\r\n
        ann> still here\r\n
        ann< you said: still here\r\n
        ann ends
        ann closed: the peer closed
        ",
        || with(patient_echo),
    );
}

#[test]
fn half_a_line_is_not_lost_when_the_time_is_up() {
    assert_plays(
        r"
        ann> hel
        +3s
        ann< timeout!\r\n
        ann> lo\r\n
        ann< you said: hello\r\n
        ",
        || with(patient_echo),
    );
}

#[test]
fn each_line_is_given_three_seconds_anew() {
    assert_plays(
        r"
        ann connects
        +2s
        ann> a\n
        ann< you said: a\n
        +2s
        ann> b\n
        ann< you said: b\n
        +2.999s
        +1ms
        ann< timeout!\r\n
        ",
        || with(patient_echo),
    );
}
