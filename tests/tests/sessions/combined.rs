//! `combined`: service, client and loop in one hub.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_driver::Hub;
use diesel_proto::testkit::net::Network;

use crate::programs::combined::{calls, echo};

#[test]
fn five_thousand_calls_are_answered_in_order() {
    let address = SocketAddr::from(([10, 0, 0, 1], 7050));
    let mut hub = Hub::default();
    let service = hub.add_service(echo);
    let said = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&said);
    let say = move |text: &str| heard.borrow_mut().push(text.to_string());
    hub.add_loop(async move |ctx| calls(ctx, address.into(), say).await).unwrap();

    let mut network = Network::new(1);
    let host = network.host(hub, &[(service, address)]).unwrap();
    network.run_for(Duration::ZERO).unwrap();
    // No virtual time passes if no fiber waits for it.
    assert_eq!(said.take(), ["5000 loops in 0.00s"]);
    network.run_for(Duration::from_secs(1)).unwrap();
    assert!(network.has_halted(host));
    let counters = network.hub(host).unwrap().counters();
    assert_eq!((counters.accepted, counters.failures, counters.panics), (1, 0, 0));
}
