//! `fire`: one fires, the others wait.

use std::time::Duration;

use diesel_tests::Session;

use crate::Said;
use crate::programs::fire::{gunner, sieged};

#[test]
fn everyone_hears_every_shot() {
    let mut session = Session::default();
    let said = Said::default();
    let bams = session.hub.event();
    for name in ["ann", "bob"] {
        let (bams, say) = (bams.subscribe(), said.say());
        session.hub.add_loop(async move |_| sieged(name, bams, say).await).unwrap();
    }
    let length = Duration::from_millis(2500);
    session.hub.add_loop(async move |ctx| gunner(ctx, bams, length).await).unwrap();
    session.run();
    assert_eq!(said.take(), ["ann: bam 1", "bob: bam 1"]);
    session.advance_secs(1);
    assert_eq!(said.take(), ["ann: bam 2", "bob: bam 2"]);
    session.advance_secs(1);
    assert_eq!(said.take(), ["ann: bam 3", "bob: bam 3"]);
    session.advance(Duration::from_millis(499));
    assert!(!session.halted());
    session.advance(Duration::from_millis(1));
    assert!(session.halted());
    assert_eq!(said.take(), [""; 0]);
    assert_eq!(session.hub.counters().fibers, 0);
}
