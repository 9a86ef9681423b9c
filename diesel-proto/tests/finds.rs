//! A small test for each fault that fuzzing found. The inputs are in `fuzz/corpus`.

use std::time::Duration;

use diesel_proto::proxy_protocol::{HeaderConfig, HeaderErrorKind, ProxyProtocol, parse};
use diesel_proto::*;

const START: Instant = Instant::ORIGIN;

/// `has_more` stayed true for ever if a fiber had been woken and had not had its turn.
#[test]
fn a_halted_hub_has_nothing_to_do() {
    let mut config = Config::default();
    config.polls_per_run = 1;
    let mut hub = Hub::new(config);
    for _ in 0..3 {
        hub.add_loop(async |ctx: Ctx| ctx.sleep(Duration::MAX).await).unwrap();
    }
    hub.drain(START, START);
    let mut actions = Vec::new();
    hub.run(START, &mut actions);
    assert_eq!(actions, [Action::Halt]);
    assert!(!hub.has_more());
    assert_eq!(hub.next_wake(), None);
}

/// Whole, a line like this was refused for its end; byte by byte, for its beginning.
#[test]
fn another_protocol_is_refused_for_its_beginning_however_it_is_cut() {
    let cause = |pieces: &[&[u8]]| {
        let proxy = ProxyProtocol::new(Duration::from_secs(3), |_| LineEcho::default());
        let mut endpoint = Endpoint::new(proxy, START);
        pieces.iter().for_each(|piece| _ = endpoint.received(START, piece));
        endpoint.closed()
    };
    let expected = Some(Cause::Protocol(HeaderErrorKind::NoSignature.rule()));
    assert_eq!(cause(&[b"t\n"]), expected);
    assert_eq!(cause(&[b"t", b"\n"]), expected);
    assert_eq!(cause(&[b"\n"]), expected);
    let error = parse(b"PROXY UNKNOWN\n", &HeaderConfig::default()).unwrap_err();
    assert_eq!((error.kind, error.offset), (HeaderErrorKind::NoEnd, 13));
}

/// An embedder that delivered twice before it ran the hub was refused, and never got a `Resume`.
#[test]
fn a_refused_read_yields_pause_and_resume() {
    let mut hub = Hub::default();
    let mut config = ServiceConfig::default();
    config.read_ahead = 4;
    let service = hub.add_service(
        Service::new(async |mut conn: Conn| {
            loop {
                conn.until_eol().await?;
            }
        })
        .config(config),
    );
    let conn = hub.accept(START, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    hub.run(START, &mut actions);
    assert_eq!(hub.received(START, conn, b"one\n"), 4);
    assert_eq!(hub.received(START, conn, b"two\n"), 0, "nobody waits, and there is enough");
    hub.run(START, &mut actions);
    assert_eq!(actions, [Action::Pause(conn), Action::Resume(conn)]);
    assert_eq!(hub.received(START, conn, b"two\n"), 4);
}

/// The whole of what was too long was held until the stream was gone.
#[test]
fn a_line_that_is_too_long_is_not_kept() {
    let mut endpoint = Endpoint::new(LineEcho::default().max_line(10), START);
    assert_eq!(endpoint.received(START, &[b'x'; 10_000]), 10_000);
    assert_eq!(endpoint.take_outgoing(START), b"line longer than 10 bytes\r\n");
    assert_eq!(endpoint.held(), 0);
}

/// With the clock at its end, a loop that sleeps and works had no pause any more, for ever.
#[test]
fn a_sleep_to_the_end_of_time_does_not_end() {
    let mut hub = Hub::default();
    hub.add_loop(async |ctx: Ctx| {
        loop {
            ctx.sleep(Duration::from_secs(1)).await?;
        }
    })
    .unwrap();
    hub.run(Instant::NEVER, &mut Vec::new());
    assert_eq!(hub.counters().polls, 1);
    assert_eq!(hub.next_wake(), None);
}
