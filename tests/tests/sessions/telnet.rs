//! The telnet sessions of the original documentation, as scripts.

use std::time::Duration;

use diesel_driver::{Hub, Service};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::bytes_or_timeout::bytes_or_timeout;
use crate::programs::chat::chat;
use crate::programs::echo::echo;
use crate::programs::echo_timeout::patient_echo;
use crate::programs::sleep_server::delayed_echo;

/// An application with one service.
fn with(service: Service) -> Hub {
    let mut hub = Hub::default();
    hub.add_service(service);
    hub
}

#[test]
fn echo_server() {
    assert_plays(
        r"
        ann> hello\r\n
        ann< you said: hello\r\n
        ann> is anybody there?\r\n
        ann< you said: is anybody there?\r\n
        ann> quit\r\n
        ann closed: done
        ",
        || with(Service::new(echo)),
    );
}

#[test]
fn echo_with_a_timeout() {
    assert_plays(
        r"
        ann> hello\r\n
        ann< you said: hello\r\n
        +2.999s
        +1ms
        ann< timeout!\r\n
        +2.999s
        +1ms
        ann< timeout!\r\n
        ann> here I am\r\n
        ann< you said: here I am\r\n
        ",
        || with(Service::new(patient_echo)),
    );
}

#[test]
fn two_bytes() {
    assert_plays(
        r"
        ann connects
        +2s
        ann> hi\r\n
        ann< got two bytes!\r\n
        ann closed: done
        ",
        || with(Service::new(bytes_or_timeout)),
    );
}

#[test]
fn or_three_seconds() {
    assert_plays(
        r"
        ann connects
        +2.999s
        +1ms
        ann< timeout\r\n
        ann closed: done
        ",
        || with(Service::new(bytes_or_timeout)),
    );
}

#[test]
fn a_sleeping_server() {
    assert_plays(
        r"
        ann> wake up\r\n
        +2s
        ann< 0\r\n
        +2s
        ann< 1\r\n
        +2s
        ann< 2\r\n
        +1.999s
        +1ms
        ann< 3\r\n
        ann< you said wake up\r\n
        ann closed: done
        ",
        || with(Service::new(async |conn| delayed_echo(conn, Duration::from_secs(2)).await)),
    );
}

#[test]
fn a_chat_room() {
    assert_plays(
        r"
        jamwt     connects
        christian connects
        dowski    connects
        jamwt     > jamwt\r\n
        christian > christian\r\n
        jamwt     > yo\r\n
        christian < <jamwt> yo\r\n
        christian > hey, who else is here?\r\n
        jamwt     < <christian> hey, who else is here?\r\n
        dowski    > dowski\r\n
        dowski    > me\r\n
        jamwt     < <dowski> me\r\n
        christian < <dowski> me\r\n
        ",
        || {
            let mut hub = Hub::default();
            let room = hub.event();
            hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
            hub
        },
    );
}
