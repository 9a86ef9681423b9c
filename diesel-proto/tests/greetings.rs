//! The laws hold for machines and handlers that act before the peer has sent anything.

use std::time::Duration;

use diesel_proto::testkit::decorator::{FaultInjector, Throttle, Tracer};
use diesel_proto::testkit::laws::{Law, Laws};
use diesel_proto::testkit::{HubMachine, Stimulus};
use diesel_proto::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a [`Greeter`] does at the start, beside its greeting.
#[derive(Clone, Copy)]
enum Then {
    Listens,
    /// Sends more, a piece whenever the last one is sent, and reads nothing before that.
    GoesOn,
    /// Closes unless bytes arrive within a second.
    Waits,
    HalfCloses,
    Closes,
    Aborts,
    /// Upgrades to a line echo.
    Upgrades,
}

const ALL: [Then; 7] = [
    Then::Listens,
    Then::GoesOn,
    Then::Waits,
    Then::HalfCloses,
    Then::Closes,
    Then::Aborts,
    Then::Upgrades,
];

/// Greets, then answers each byte by itself.
struct Greeter {
    then: Then,
    pieces: u32,
}

impl Greeter {
    fn new(then: Then) -> Self {
        Greeter { then, pieces: 3 }
    }

    fn start(&mut self, now: Instant, actions: &mut Actions<'_>) {
        actions.send(b"220 mail.example.org ready\r\n");
        match self.then {
            Then::Listens => {}
            Then::Waits => actions.set_deadline(now + SECOND, Reason::Idle),
            Then::GoesOn => {
                actions.pause();
                actions.notify_below(1);
            }
            Then::HalfCloses => actions.half_close(),
            Then::Closes => actions.close(Cause::Done),
            Then::Aborts => actions.abort(Cause::Failed),
            Then::Upgrades => actions.upgrade(LineEcho::default()),
        }
    }
}

impl Machine for Greeter {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => self.start(now, actions),
            Input::Bytes(bytes) => {
                if !matches!(self.then, Then::HalfCloses) {
                    actions.send(bytes);
                }
                return bytes.len();
            }
            Input::Deadline => {
                actions.send(b"421 too slow\r\n");
                actions.close(Cause::TimedOut(Reason::Idle));
            }
            Input::Drained if self.pieces > 0 => {
                self.pieces -= 1;
                actions.send(&[b'.'; 100]);
                match self.pieces {
                    0 => actions.resume(),
                    _ => actions.notify_below(1),
                }
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

fn sessions() -> [Vec<Stimulus>; 5] {
    let hello = || Stimulus::bytes("hello\n");
    [
        vec![],
        vec![hello(), Stimulus::Eof],
        vec![Stimulus::Wait(2 * SECOND), hello()],
        vec![Stimulus::Shutdown, hello(), Stimulus::Eof],
        vec![Stimulus::Reset],
    ]
}

#[test]
fn the_laws_hold_for_a_machine_that_greets() {
    for then in ALL {
        for session in sessions() {
            Laws::of(|| Greeter::new(then)).assert(&session);
        }
    }
}

#[test]
fn the_laws_hold_for_a_machine_that_greets_through_layers() {
    for then in ALL {
        for session in sessions() {
            let layered = || {
                let slow = Throttle::new(Greeter::new(then), 2, SECOND);
                FaultInjector::new(slow, 3)
            };
            Laws::of(layered).assert(&session);
            Laws::of(|| Tracer::new(Greeter::new(then), |_, _| {})).assert(&session);
            let proxied = || ProxyProtocol::new(SECOND, move |_| Greeter::new(then));
            let header = Stimulus::bytes("PROXY UNKNOWN\r\n");
            let session: Vec<_> = std::iter::once(header).chain(session).collect();
            Laws::of(proxied).assert(&session);
        }
    }
}

fn in_a_hub(service: Service) -> HubMachine {
    let mut hub = Hub::default();
    let service = hub.add_service(service);
    // Less room than the greeting takes.
    HubMachine::new(hub, service).room(7)
}

#[test]
fn the_laws_hold_for_a_machine_that_greets_in_a_hub() {
    for then in ALL {
        for session in sessions() {
            let machine = || in_a_hub(Service::machine(move |_| Greeter::new(then)));
            Laws::of(machine).early_deadlines().assert(&session);
        }
    }
}

#[test]
fn the_laws_hold_for_a_handler_that_greets() {
    async fn greet(mut conn: Conn) -> Result<(), Error> {
        conn.write("220 mail.example.org ready\r\n").await?;
        conn.write(".".repeat(300)).await?;
        conn.flush().await?;
        conn.write("go ahead\r\n").await?;
        loop {
            let line = conn.until_eol().await?;
            conn.write(("you said: ", line)).await?;
        }
    }
    async fn only_greet(mut conn: Conn) -> Result<(), Error> {
        conn.write("goodbye\r\n").await
    }
    async fn greet_and_upgrade(mut conn: Conn) -> Result<(), Error> {
        conn.write("switching\r\n").await?;
        conn.upgrade(Greeter::new(Then::GoesOn));
        Ok(())
    }
    for session in sessions() {
        Laws::of(|| in_a_hub(Service::new(greet))).early_deadlines().assert(&session);
        Laws::of(|| in_a_hub(Service::new(only_greet))).early_deadlines().assert(&session);
        Laws::of(|| in_a_hub(Service::new(greet_and_upgrade))).early_deadlines().assert(&session);
    }
}

/// The laws still detect faults at the start.
#[test]
fn a_greeting_that_depends_on_the_room_is_caught() {
    /// Greets again if the first greeting was not sent when it is woken.
    struct Impatient;

    impl Machine for Impatient {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Start => actions.send(b"hello"),
                Input::Bytes(bytes) => return bytes.len(),
                Input::Wake => actions.send(b" again"),
                _ => {}
            }
            0
        }
    }

    let broken = Laws::of(|| Impatient).check(&[]).expect_err("caught");
    assert_eq!(broken.law, Law::NothingNew, "{broken}");
}
