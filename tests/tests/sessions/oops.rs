//! `oops`: a handler that notices when its peer goes away.

use diesel_driver::{Hub, Service};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::oops::oops;
use crate::terminal;

fn noticing() -> Hub {
    let mut hub = Hub::default();
    let say = terminal(&mut hub);
    let oops = Service::new(async move |conn| oops(conn, say.clone()).await).read_limit(16);
    hub.add_service(oops.named("oops"));
    hub
}

#[test]
fn the_peer_closes() {
    assert_plays(
        r"
        terminal connects
        ann connects to oops
        ann> hello\r\nhal
        ann< you said: hello\r\n
        ann ends
        terminal< oops! 172.16.0.2:49152 is gone after 1 line\r\n
        ann closed: the peer closed
        ",
        noticing,
    );
}

#[test]
fn the_peer_resets() {
    assert_plays(
        r"
        terminal connects
        ann connects to oops
        ann> a\r\nb\r\n
        ann< you said: a\r\nyou said: b\r\n
        ann resets
        terminal< oops! 172.16.0.2:49152 is gone after 2 lines\r\n
        ann closed: the peer reset the connection
        ",
        noticing,
    );
}

#[test]
fn what_is_not_the_peers_leaving_is_passed_on() {
    assert_plays(
        r"
        terminal connects
        ann connects to oops
        ann> more than sixteen bytes in one line\r\n
        ann closed: no sentinel within the line limit of 16 bytes (handlers: ServiceConfig::read_limit or Read::limit)
        bob connects to oops
        shut down within 5s
        bob closed: shut down
        terminal closed: shut down
        ",
        noticing,
    );
}
