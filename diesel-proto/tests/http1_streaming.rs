//! Several writes of a body share what goes out at once, up to the high-water mark, and each keeps
//! its own frame, however fast the client reads.

mod harness;

use diesel_proto::http1::{BodyWriter, Request, Response, Service};
use diesel_proto::*;
use harness::{World, settings};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn service(writes: usize, len: usize) -> diesel_proto::Service {
    let service = Service::new(async move |_: Request| {
        Response::stream(async move |body: &mut BodyWriter| {
            for i in 0..writes {
                body.write(format!("{i:0len$}")).await?;
            }
            Ok(())
        })
    });
    let marks = settings(|config| {
        config.high_water = 1000;
        config.low_water = 300;
    });
    service.connections(marks).into()
}

fn chunks(writes: usize, len: usize) -> String {
    let mut all: String = (0..writes).map(|i| format!("{len:x}\r\n{i:0len$}\r\n")).collect();
    all.push_str("0\r\n\r\n");
    all
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn what_is_written_in_one_turn_goes_out_at_once_each_write_in_a_chunk_of_its_own() {
    let (mut world, conn) = World::serving(service(50, 10));
    world.delivers(conn, GET);
    let sends = world.log.len();
    world.turn();
    assert_eq!(body(&world.receives(conn)), chunks(50, 10));
    // The head goes out with what was written when the machine first looked.
    let sends = world.log[sends..].iter().filter(|it| matches!(it, Action::Send(_))).count();
    assert!(sends <= 2, "{sends} for 50 writes");
}

#[test]
fn no_more_is_queued_than_the_high_water_mark_and_one_write() {
    let (mut world, conn) = World::serving(service(500, 100));
    world.takes_only(conn, 0);
    world.sends(conn, GET);
    let queued = world.queued(conn);
    // Each chunk has six bytes of framing, and the head comes before them.
    assert!((1000..1500).contains(&queued), "{queued}");
}

#[test]
fn how_fast_the_client_reads_does_not_change_the_bytes() {
    for (writes, len) in [(50, 10), (300, 3), (40, 100), (5, 2000)] {
        for step in [1, 7, 100, 999, 5000] {
            let (mut world, conn) = World::serving(service(writes, len));
            world.takes_only(conn, 0);
            world.sends(conn, GET);
            let mut received = String::new();
            while !received.ends_with("\r\n0\r\n\r\n") {
                world.takes(conn, step);
                received.push_str(&world.receives(conn));
            }
            assert!(body(&received) == chunks(writes, len), "{writes} of {len}, {step} at a time");
        }
    }
}
