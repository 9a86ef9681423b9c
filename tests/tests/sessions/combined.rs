//! `combined`: service, client and loop in one hub.

use std::net::SocketAddr;

use diesel_tests::Session;

use crate::Said;
use crate::programs::combined::{calls, echo};

#[test]
fn five_thousand_calls_are_answered_in_order() {
    let mut session = Session::default();
    let address = SocketAddr::from(([127, 0, 0, 1], 7050)).into();
    let service = session.hub.add_service(echo);
    session.bind(service, address);
    let said = Said::default();
    let say = said.say();
    session.hub.add_loop(async move |ctx| calls(ctx, address, say).await).unwrap();
    session.run();
    // No time passes where nobody waits for it.
    assert_eq!(said.take(), ["5000 loops in 0.00s"]);
    session.advance_secs(1);
    assert!(session.halted());
    let counters = session.hub.counters();
    assert_eq!((counters.accepted, counters.failures, counters.panics), (1, 0, 0));
}
