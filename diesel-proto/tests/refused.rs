//! When a hub may refuse bytes, as the docs of `Hub::received` describe.

mod harness;

use diesel_proto::*;

use harness::{echo, settings};

const NOW: Instant = Instant::ORIGIN;

/// Pauses at the inputs that the test chooses.
struct Pauses(fn(Input<'_>) -> bool);

impl Machine for Pauses {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if matches!(input, Input::Start) {
            actions.send(b"hello");
            actions.notify_below(1);
        }
        if (self.0)(input) {
            actions.pause();
        }
        match input {
            Input::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

fn hub_of(pauses: fn(Input<'_>) -> bool) -> (Hub, ConnId) {
    let mut hub = Hub::default();
    let service = hub.add_service(Service::machine(move |_| Pauses(pauses)));
    let conn = hub.accept(NOW, service, Address::Unnamed).unwrap();
    (hub, conn)
}

/// The actions of the next run that concern reading.
fn pauses(hub: &mut Hub) -> Vec<Action> {
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    actions.retain(|action| matches!(action, Action::Pause(_) | Action::Resume(_)));
    actions
}

#[test]
fn a_machine_that_pauses_refuses_bytes_before_the_pause_action() {
    // At its start,
    let (mut hub, conn) = hub_of(|input| input == Input::Start);
    assert_eq!(hub.received(NOW, conn, b"x"), 0);
    assert_eq!(pauses(&mut hub), [Action::Pause(conn)]);

    // at its first bytes,
    let (mut hub, conn) = hub_of(|input| matches!(input, Input::Bytes(_)));
    assert_eq!(pauses(&mut hub), []);
    assert_eq!(hub.received(NOW, conn, b"x"), 1);
    assert_eq!(hub.received(NOW, conn, b"y"), 0);
    assert_eq!(pauses(&mut hub), [Action::Pause(conn)], "said once");

    // when everything is sent, when it is woken, when a shutdown begins.
    for input in [Input::Drained, Input::Wake, Input::Shutdown] {
        let (mut hub, conn) = match input {
            Input::Drained => hub_of(|input| input == Input::Drained),
            Input::Wake => hub_of(|input| input == Input::Wake),
            _ => hub_of(|input| input == Input::Shutdown),
        };
        assert_eq!(pauses(&mut hub), []);
        match input {
            Input::Drained => _ = hub.sent(NOW, conn, 5),
            Input::Wake => hub.wake(NOW, conn),
            _ => hub.drain(NOW, NOW + std::time::Duration::from_secs(9)),
        }
        assert_eq!(hub.received(NOW, conn, b"x"), 0, "{input:?}");
        assert_eq!(pauses(&mut hub), [Action::Pause(conn)], "{input:?}");
    }
}

#[test]
fn a_connection_that_has_read_ahead_refuses_bytes_before_the_pause_action() {
    let mut hub = Hub::default();
    let service = Service::new(async |conn: Conn| {
        conn.ctx().sleep(std::time::Duration::from_secs(1)).await?;
        echo(conn).await
    });
    let service = hub.add_service(service.config(settings(|it| it.read_ahead = 4)));
    let conn = hub.accept(NOW, service, Address::Unnamed).unwrap();
    assert_eq!(pauses(&mut hub), []);
    assert_eq!(hub.received(NOW, conn, b"one\n"), 4);
    assert_eq!(hub.received(NOW, conn, b"two\n"), 0);
    assert_eq!(pauses(&mut hub), [Action::Pause(conn)]);

    // It says when to offer them again, and then takes all.
    let later = NOW + std::time::Duration::from_secs(1);
    let mut actions = Vec::new();
    hub.run(later, &mut actions);
    hub.run(later, &mut actions);
    assert!(actions.contains(&Action::Resume(conn)), "{actions:?}");
    assert_eq!(hub.received(later, conn, b"two\n"), 4);
}

/// Whatever happened, a run whose actions are obeyed leaves nothing in doubt.
#[test]
fn after_a_run_that_leaves_it_unpaused_a_connection_takes_the_first_bytes() {
    let reactions: [fn(Input<'_>) -> bool; 4] = [
        |_| false,
        |input| input == Input::Drained,
        |input| matches!(input, Input::Bytes(bytes) if bytes.contains(&b'p')),
        |input| input == Input::Wake,
    ];
    for reaction in reactions {
        for order in 0..4_u32.pow(6) {
            let (mut hub, conn) = hub_of(reaction);
            let mut paused = false;
            for step in 0..6 {
                match order / 4_u32.pow(step) % 4 {
                    0 => _ = hub.received(NOW, conn, b"no"),
                    1 => _ = hub.received(NOW, conn, b"p"),
                    2 => _ = hub.sent(NOW, conn, 5),
                    _ => hub.wake(NOW, conn),
                }
                for action in pauses(&mut hub) {
                    paused = matches!(action, Action::Pause(_));
                }
            }
            if !paused {
                assert_eq!(hub.received(NOW, conn, b"first"), 5, "{order}");
            }
        }
    }
}
