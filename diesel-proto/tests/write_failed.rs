//! A failed write ends only writing: the bytes that the peer sent before are delivered, up to the
//! end or the error after them.

mod harness;

use std::time::Duration;

use diesel_proto::http1::{self, BodyWriter, Response};
use diesel_proto::*;
use harness::*;

impl World {
    fn write_fails(&mut self, conn: ConnId) {
        self.hub.write_failed(self.now, conn);
        self.turn();
    }
}

/// Writes more than its peer takes, then tells what it reads.
fn writer_then_reader(diary: Diary) -> impl AsyncFn(Conn) -> Result<(), Error> + 'static {
    async move |mut conn: Conn| {
        conn.write(vec![b'x'; 100_000]).await?;
        diary.note(format!("write: {:?}", conn.write("more").await));
        diary.note(format!("flush: {:?}", conn.flush().await));
        diary.note(format!("again: {:?}", conn.write("more").await));
        loop {
            match conn.until_eol().await {
                Ok(line) => diary.note(line.trimmed()),
                Err(error) => {
                    diary.note(format!("read: {error:?}"));
                    return Err(error);
                }
            }
        }
    }
}

const TOLD: [&str; 3] = ["write: Err(Reset)", "flush: Err(Reset)", "again: Err(Reset)"];

fn world() -> (World, ConnId, Diary) {
    let diary = Diary::default();
    let mut world = World::new();
    let service = world.hub.add_service(Service::new(writer_then_reader(diary.clone())));
    let conn = world.accept(service);
    world.takes_only(conn, 10);
    world.turn();
    assert_eq!(diary.read(), [""; 0]);
    (world, conn, diary)
}

#[test]
fn tokens_that_write_fail_and_those_that_read_go_on_to_the_reset() {
    let (mut world, conn, diary) = world();
    world.write_fails(conn);
    assert_eq!(diary.read(), TOLD);
    assert_eq!((world.queued(conn), world.half_closed(conn)), (0, false));
    world.sends(conn, "an answer\n");
    assert_eq!(diary.read(), ["an answer"]);
    world.sends(conn, "and another\nhalf a li");
    world.resets(conn);
    assert_eq!(diary.read(), ["and another", "read: Reset"]);
    assert_eq!(world.closed(conn), Some(Cause::Reset));
    assert_eq!(world.hub.counters().bytes_out, 10);
}

#[test]
fn those_that_read_go_on_to_the_end_whether_that_comes_before_or_after() {
    for ends_first in [false, true] {
        let (mut world, conn, diary) = world();
        world.delivers(conn, "an answer\n");
        match ends_first {
            true => {
                world.hub.eof(world.now, conn);
                world.hub.write_failed(world.now, conn);
            }
            false => {
                world.hub.write_failed(world.now, conn);
                world.hub.eof(world.now, conn);
            }
        }
        world.turn();
        assert_eq!(diary.read()[3..], ["an answer", "read: Closed"]);
        // Nothing goes any more: it does not wait for its handler to notice.
        assert_eq!(world.closed(conn), Some(Cause::Reset));
    }
}

#[test]
fn a_connection_that_is_over_both_ways_does_not_wait_for_its_handler() {
    for ends_first in [false, true] {
        let (mut world, conn) = World::serving(async |mut conn: Conn| {
            conn.write("hello").await?;
            conn.ctx().sleep(Duration::from_secs(3600)).await
        });
        world.takes_only(conn, 0);
        world.turn();
        match ends_first {
            true => world.ends(conn),
            false => world.write_fails(conn),
        }
        assert_eq!(world.closed(conn), None);
        match ends_first {
            true => world.write_fails(conn),
            false => world.ends(conn),
        }
        assert_eq!(world.closed(conn), Some(Cause::Reset));
    }
}

#[test]
fn an_answer_reaches_the_call_whose_question_broke_off() {
    let diary = Diary::default();
    let note = diary.clone();
    let mut world = World::looping(async move |ctx| {
        let client = Client::connect(&ctx, Address::Unnamed).await?;
        let answer = client
            .call(async |conn: &mut Conn| {
                conn.write(vec![b'x'; 10_000]).await?;
                conn.until_eol().await
            })
            .await;
        note.note(answer?.trimmed());
        Ok(())
    });
    let conn = world.connecting();
    world.takes_only(conn, 10);
    world.connects_now();
    world.write_fails(conn);
    world.sends(conn, "too long\n");
    assert_eq!(diary.read(), ["too long"]);
}

#[test]
fn a_connection_that_only_has_to_send_the_rest_is_reset_at_once() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        conn.bytes(1).await?;
        conn.write("goodbye").await
    });
    world.takes_only(conn, 3);
    world.sends(conn, "?");
    assert_eq!(world.closed(conn), None);
    world.write_fails(conn);
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}

#[test]
fn a_handler_that_returns_after_a_failed_write_does_not_wait_for_a_flush() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        conn.write("hello").await?;
        conn.until_eol().await?;
        Ok(())
    });
    world.takes_only(conn, 0);
    world.write_fails(conn);
    assert_eq!(world.closed(conn), None);
    world.sends(conn, "bye\n");
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}

#[test]
fn one_that_gets_nothing_either_is_closed_in_time() {
    let service = Service::new(async |mut conn: Conn| {
        conn.write(vec![b'x'; 100]).await?;
        // Looks at nothing, and holds the connection.
        let _conn = &conn;
        core::future::pending().await
    });
    let mut world = World::new();
    let service = world.hub.add_service(service.write_stall(seconds(60)));
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.turn();
    world.write_fails(conn);
    world.waits(seconds(50));
    world.sends(conn, "still there\n");
    world.waits(seconds(59));
    assert_eq!(world.closed(conn), None);
    world.waits(seconds(1));
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}

/// Sends while there is room, reads only while it has nothing to send.
struct Answers(Diary);

impl Machine for Answers {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        self.0.note(format!("{input:?}"));
        match input {
            Input::Start => {
                actions.send(&[b'x'; 100]);
                actions.notify_below(1);
                actions.pause();
            }
            Input::Drained => actions.resume(),
            Input::Bytes(bytes) => return bytes.len(),
            _ => {}
        }
        0
    }
}

#[test]
fn a_machine_gets_write_failed_and_no_longer_waits_for_room() {
    let diary = Diary::default();
    let note = diary.clone();
    let service = Service::machine(move |_| Answers(note.clone()));
    let mut world = World::new();
    let service = world.hub.add_service(service);
    let conn = world.accept(service);
    world.takes_only(conn, 5);
    world.turn();
    world.write_fails(conn);
    world.sends(conn, "hi");
    world.write_fails(conn);
    world.resets(conn);
    assert_eq!(
        diary.read(),
        ["Start", "WriteFailed", "Drained", "Bytes([104, 105])", "Cut(Reset)"]
    );
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}

#[test]
fn the_same_holds_for_an_endpoint() {
    let diary = Diary::default();
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Answers(diary.clone()), now);
    endpoint.write_failed(now);
    assert_eq!((endpoint.queued(), endpoint.half_closed()), (0, false));
    assert_eq!(endpoint.received(now, b"hi"), 2);
    endpoint.eof(now);
    assert_eq!(endpoint.closed(), None);
    endpoint.reset(now);
    assert_eq!(endpoint.closed(), Some(Cause::Reset));
    let note = ["Start", "WriteFailed", "Drained", "Bytes([104, 105])", "Eof", "Cut(Reset)"];
    assert_eq!(diary.read(), note);
}

/// Gives way to [`Answers`] at the first byte.
struct GivesWay;

impl Machine for GivesWay {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"hello"),
            Input::Bytes(_) => actions.upgrade(Told),
            _ => {}
        }
        0
    }
}

struct Told;

impl Machine for Told {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::WriteFailed {
            actions.abort(Cause::Protocol("note"));
        }
        0
    }
}

#[test]
fn the_successor_gets_write_failed_as_well() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(GivesWay, now);
    endpoint.write_failed(now);
    assert_eq!(endpoint.closed(), None);
    assert_eq!(endpoint.received(now, b"x"), 1);
    assert_eq!(endpoint.closed(), Some(Cause::Protocol("note")));
}

#[test]
fn a_machine_within_a_layer_gets_write_failed_as_well() {
    /// Keeps the length of what goes through, or has its own queue.
    struct Layer(Nested<Answers>);

    impl Machine for Layer {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            let taken = self.0.pass_on(now, input, actions);
            self.0.settle_framed(None, actions, |bytes, actions| actions.send(bytes));
            taken
        }
    }

    for nest in [Nested::sharing, Nested::framing] {
        let diary = Diary::default();
        let now = Instant::ORIGIN;
        let mut endpoint = Endpoint::new(Layer(nest(Answers(diary.clone()))), now);
        assert!(!endpoint.wants_input());
        endpoint.write_failed(now);
        assert_eq!((endpoint.queued(), endpoint.half_closed()), (0, false));
        assert_eq!(endpoint.received(now, b"hi"), 2);
        endpoint.reset(now);
        assert_eq!(
            diary.read(),
            ["Start", "WriteFailed", "Drained", "Bytes([104, 105])", "Cut(Reset)"]
        );
    }
}

#[test]
fn the_machine_that_replaces_a_handler_gets_write_failed_as_well() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        conn.write("hello").await?;
        conn.bytes(1).await?;
        conn.upgrade(Told);
        Ok(())
    });
    world.takes_only(conn, 0);
    world.write_fails(conn);
    world.sends(conn, "x");
    assert!(world.log.contains(&Action::Abort(conn, Cause::Protocol("note"))));
}

#[test]
fn a_request_whose_answer_breaks_off_ends_there() {
    let diary = Diary::default();
    let note = diary.clone();
    let service = http1::Service::new(async move |request: http1::Request| {
        struct Dropped(Diary);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.note("dropped");
            }
        }
        let dropped = Dropped(note.clone());
        let ctx = request.ctx();
        Response::stream(async move |body: &mut BodyWriter| {
            let _dropped = dropped;
            loop {
                body.write("data: x\n\n").await?;
                ctx.sleep(Duration::from_secs(1)).await?;
            }
        })
    });
    let (mut world, conn) = World::serving(service);
    world.sends(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.takes_only(conn, 0);
    world.waits(seconds(2));
    assert_eq!(diary.read(), [""; 0]);
    world.write_fails(conn);
    assert_eq!(diary.read(), ["dropped"]);
    assert_eq!(world.closed(conn), Some(Cause::Reset));
}
