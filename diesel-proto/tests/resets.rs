//! A reset after a close: the cause shows whether bytes were lost.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel_proto::*;

const START: Instant = Instant::ORIGIN;

/// Answers one byte as it says, and panics when the stream is reset, if it is to.
struct Answers {
    panics: bool,
}

impl Machine for Answers {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                actions.send(b"an answer");
                match bytes[0] {
                    b'c' => actions.close(Cause::Done),
                    b'a' => actions.abort(Cause::Failed),
                    b'h' => actions.half_close(),
                    _ => {}
                }
                bytes.len()
            }
            Input::Cut(_) if self.panics => panic!("at a reset"),
            _ => 0,
        }
    }
}

/// A handler that does the same.
async fn answers(mut conn: Conn) -> Result<(), Error> {
    let byte = conn.bytes(1).await?[0];
    conn.write("an answer").await?;
    match byte {
        b'c' => Ok(()),
        b'a' => {
            conn.abort();
            Ok(())
        }
        b'h' => {
            conn.half_close();
            conn.to_end(10).await.map(drop)
        }
        _ => conn.to_end(10).await.map(drop),
    }
}

/// Why an endpoint is closed that sent `sent` bytes of its answer before the reset.
fn in_an_endpoint(byte: u8, sent: u64) -> Option<Cause> {
    let mut endpoint = Endpoint::new(Answers { panics: false }, START);
    assert_eq!(endpoint.received(START, &[byte]), 1);
    endpoint.sent(START, sent);
    endpoint.reset(START);
    assert_eq!(endpoint.queued(), 0);
    endpoint.closed()
}

/// The same in a hub, without a run between what was sent and the reset.
fn in_a_hub(service: Service, byte: u8, sent: u64) -> Option<Cause> {
    let mut hub = Hub::default();
    let service = hub.add_service(service);
    let conn = hub.accept(START, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    hub.run(START, &mut actions);
    assert_eq!(hub.received(START, conn, &[byte]), 1);
    hub.run(START, &mut actions);
    if sent > 0 {
        hub.sent(START, conn, sent);
    }
    hub.reset(START, conn);
    hub.run(START, &mut actions);
    actions.iter().find_map(|action| match action {
        Action::Close(_, cause) | Action::Abort(_, cause) => Some(*cause),
        _ => None,
    })
}

#[test]
fn a_reset_is_the_cause_if_it_destroyed_what_was_queued_whatever_was_closed_before() {
    // Closed: until everything is sent, a reset destroys the rest. Half-closed, and open: the
    // stream was not closed yet. Cut: nothing was to be sent any more.
    for (byte, sent, cause) in [
        (b'c', 0, Cause::Reset),
        (b'c', 8, Cause::Reset),
        (b'c', 9, Cause::Done),
        (b'h', 0, Cause::Reset),
        (b'h', 9, Cause::Reset),
        (b'o', 0, Cause::Reset),
        (b'o', 9, Cause::Reset),
    ] {
        let how = format!("{} after {sent} bytes", char::from(byte));
        assert_eq!(in_an_endpoint(byte, sent), Some(cause), "endpoint, {how}");
        let machine = Service::machine(|_| Answers { panics: false });
        assert_eq!(in_a_hub(machine, byte, sent), Some(cause), "machine, {how}");
        assert_eq!(in_a_hub(Service::new(answers), byte, sent), Some(cause), "handler, {how}");
    }
}

#[test]
fn a_reset_after_an_abort_changes_nothing() {
    assert_eq!(in_an_endpoint(b'a', 0), Some(Cause::Failed));
    let machine = Service::machine(|_| Answers { panics: false });
    assert_eq!(in_a_hub(machine, b'a', 0), Some(Cause::Failed));
    assert_eq!(in_a_hub(Service::new(answers), b'a', 0), Some(Cause::Done));

    // Before the hub said that the connection is cut: by a handler that was polled, but whose
    // connection was not looked at yet.
    let mut hub = Hub::default();
    let kept = std::rc::Rc::new(Cell::new(None));
    let keep = std::rc::Rc::clone(&kept);
    let service = hub.add_service(Service::new(async move |mut conn: Conn| {
        conn.write("lost").await?;
        keep.set(Some(conn));
        Ok(())
    }));
    let conn = hub.accept(START, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    hub.run(START, &mut actions);
    kept.take().unwrap().abort();
    hub.reset(START, conn);
    actions.clear();
    hub.run(START, &mut actions);
    assert_eq!(actions, [Action::Close(conn, Cause::Done)]);
}

#[test]
fn a_machine_that_panics_at_a_reset_is_reported_and_counted_like_others() {
    let mut hub = Hub::default();
    hub.set_poll_hook(Box::new(|_, run| _ = catch_unwind(AssertUnwindSafe(run))));
    let service = hub.add_service(Service::machine(|_| Answers { panics: true }));
    let conn = hub.accept(START, service, Address::Unnamed).unwrap();
    hub.reset(START, conn);
    let mut actions = Vec::new();
    hub.run(START, &mut actions);
    let notice = Action::Notice(Some(service), Notice::Panicked { peer: None });
    assert_eq!(actions, [notice, Action::Close(conn, Cause::Panicked)]);
    assert_eq!(hub.counters().panics, 1);
}
