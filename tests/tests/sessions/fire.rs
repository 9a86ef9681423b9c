//! `fire`: one loop fires an event, the others wait for it.

use std::time::Duration;

use diesel_driver::Hub;
use diesel_proto::testkit::script::assert_plays;

use crate::programs::fire::{gunner, sieged};
use crate::terminal;

#[test]
fn everyone_hears_every_shot() {
    assert_plays(
        r"
        terminal connects
        terminal< ann: bam 1\r\nbob: bam 1\r\n
        +999ms
        +1ms
        terminal< ann: bam 2\r\nbob: bam 2\r\n
        +1s
        terminal< ann: bam 3\r\nbob: bam 3\r\n
        +499ms
        terminal open
        +1ms
        terminal closed: shut down
        halted
        ",
        || {
            let mut hub = Hub::default();
            let say = terminal(&mut hub);
            let bams = hub.event();
            for name in ["ann", "bob"] {
                let (bams, say) = (bams.subscribe(), say.clone());
                hub.add_loop(async move |_| sieged(name, bams, say).await).unwrap();
            }
            let length = Duration::from_millis(2500);
            hub.add_loop(async move |ctx| gunner(ctx, bams, length).await).unwrap();
            hub
        },
    );
}
