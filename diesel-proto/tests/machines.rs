//! Nested machines and successors: a PROXY header around a line echo, which upgrades at `UPGRADE`.
//! In an endpoint and in a hub, at every cut: the same bytes, the same end.

mod harness;

use diesel_proto::proxy_protocol::{Header, HeaderErrorKind, MAX_V1};
use diesel_proto::*;
use harness::*;

const HEADER: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";

/// The successor of the echo: sends a greeting, echoes in capitals, closes when its peer does.
struct Shout;

impl Machine for Shout {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"LOUD NOW\n"),
            Input::Bytes(bytes) => {
                actions.send(&bytes.to_ascii_uppercase());
                return bytes.len();
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Shutdown => actions.close(Cause::Shutdown),
            _ => {}
        }
        0
    }
}

/// Sends the client's address, then echoes.
struct Introduced(Option<Header>, LineEcho);

impl Machine for Introduced {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            let text = match self.0.as_ref().and_then(|header| header.source()) {
                Some(source) => format!("hello {source}\n"),
                None => "hello whoever\n".into(),
            };
            actions.send(text.as_bytes());
        }
        self.1.step(now, input, actions)
    }

    fn held(&self) -> usize {
        self.1.held()
    }

    fn scanned(&self) -> u64 {
        self.1.scanned()
    }
}

fn stack() -> impl Machine {
    let echo = LineEcho::default().max_line(100).on_upgrade(|actions| actions.upgrade(Shout));
    ProxyProtocol::new(seconds(5), move |header| Introduced(header, echo))
}

/// The whole output, and the cause of the close.
type Outcome = (String, Option<Cause>);

/// The stack in an endpoint, with the bytes in these parts.
fn in_an_endpoint(parts: &[&[u8]], ends: bool) -> Outcome {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(stack(), now);
    let mut received = endpoint.take_outgoing(now);
    for part in parts {
        assert_eq!(endpoint.received(now, part), part.len());
        received.extend(endpoint.take_outgoing(now));
    }
    if ends {
        endpoint.eof(now);
        received.extend(endpoint.take_outgoing(now));
    }
    (String::from_utf8(received).unwrap(), endpoint.closed())
}

/// The stack in a hub, with the bytes in these parts. Once without a run in between.
fn in_a_hub(parts: &[&[u8]], ends: bool, at_once: bool) -> Outcome {
    let (mut world, conn) = World::serving(Service::machine(|_| stack()));
    for part in parts {
        if world.closed(conn).is_none() {
            world.delivers(conn, part);
        }
        if !at_once {
            world.turn();
        }
    }
    world.turn();
    if ends {
        world.ends(conn);
    }
    (world.receives(conn), world.closed(conn))
}

/// However the bytes are cut in two, wherever the stack runs.
fn always(bytes: &str, received: &str, cause: Cause) {
    let expected = (received.to_owned(), Some(cause));
    for (head, tail) in two_way_cuts(bytes.as_bytes()) {
        let parts = [head, tail];
        assert_eq!(in_an_endpoint(&parts, true), expected, "cut at {} of {bytes:?}", head.len());
        for at_once in [true, false] {
            assert_eq!(in_a_hub(&parts, true, at_once), expected, "cut at {}", head.len());
        }
    }
    let single: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
    assert_eq!(in_an_endpoint(&single, true), expected, "byte by byte: {bytes:?}");
}

#[cfg(feature = "testkit")]
#[test]
fn the_stack_keeps_the_laws() {
    use diesel_proto::testkit::{Stimulus, laws::Laws};

    let line = |text: &str| Stimulus::bytes(format!("{HEADER}{text}"));
    for session in [
        vec![line("hi\nUPGRADE\r\nquit\nUPGRADE\n"), Stimulus::Eof],
        vec![line("hi\nUPGRADE\r\nloud"), Stimulus::Shutdown, Stimulus::bytes("er")],
        vec![line("hi\nquit\nmore\n"), Stimulus::Reset],
        vec![Stimulus::bytes("PROXY UNK"), Stimulus::Wait(seconds(6)), Stimulus::Eof],
    ] {
        Laws::of(stack).max_held(MAX_V1).assert(&session);
    }
}

#[test]
fn a_header_then_lines_then_the_end() {
    always(
        &format!("{HEADER}hello\r\nworld\nrest"),
        "hello 192.0.2.7:56324\nyou said: hello\r\nyou said: world\n",
        Cause::PeerClosed,
    );
    always("PROXY UNKNOWN what ever\r\n\n", "hello whoever\nyou said: \n", Cause::PeerClosed);
}

#[test]
fn at_upgrade_another_machine_goes_on_with_what_is_left_over() {
    always(
        &format!("{HEADER}hi\nUPGRADE\r\nquit\nUPGRADE\n"),
        "hello 192.0.2.7:56324\nyou said: hi\nLOUD NOW\nQUIT\nUPGRADE\n",
        Cause::PeerClosed,
    );
    // With nothing left over.
    always("PROXY UNKNOWN\r\nUPGRADE\n", "hello whoever\nLOUD NOW\n", Cause::PeerClosed);
}

#[test]
fn after_quit_the_echo_takes_no_more_bytes() {
    always("PROXY UNKNOWN\r\na\nquit\nb\n", "hello whoever\nyou said: a\n", Cause::Done);
}

#[test]
fn a_line_beyond_the_limit_closes_at_the_same_byte() {
    let long = "x".repeat(101);
    always(
        &format!("PROXY UNKNOWN\r\na\n{long}\nb\n"),
        "hello whoever\nyou said: a\nline longer than 100 bytes\r\n",
        Cause::Limit(Limit::Line(100)),
    );
    let longest = "x".repeat(99);
    always(
        &format!("PROXY UNKNOWN\r\n{longest}\n"),
        &format!("hello whoever\nyou said: {longest}\n"),
        Cause::PeerClosed,
    );
}

/// Each with its own error, at every cut, and with nothing sent.
#[test]
fn malformed_headers_are_refused_each_with_its_rule() {
    use HeaderErrorKind::*;
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1));
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", NoSignature),
        ("\r\n", Incomplete),
        ("\r\nHTTP", NoSignature),
        ("X\n", NoSignature),
        ("PROXX UNKNOWN\n", NoSignature),
        ("proxy UNKNOWN\r\n", NoSignature),
        ("PROXY\r\n", NoSignature),
        ("PROXY \r\n", Protocol),
        ("PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n", Protocol),
        ("PROXY UNKNOWNS\r\n", Protocol),
        ("PROXY TCP4\r\n", Address),
        ("PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n", Address),
        ("PROXY TCP4 192.0.2.7 1 2\r\n", Address),
        ("PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n", Address),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", Address),
        ("PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", Address),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n", Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n", Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n", Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n", Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n", Port),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n", Trailing),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n", Trailing),
        ("PROXY UNKNOWN\n", NoEnd),
        ("PROXY UNKNOWN\r\r\n", NoEnd),
        ("PROXY UNKNOWN", Incomplete),
        ("", Incomplete),
        (long.as_str(), NoEnd),
    ];
    for (bytes, error) in cases {
        always(bytes, "", Cause::Protocol(error.rule()));
    }
}

#[test]
fn the_longest_header_is_taken_and_one_byte_more_is_not() {
    let fits = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 16));
    assert_eq!(fits.len(), MAX_V1);
    always(&fits, "hello whoever\n", Cause::PeerClosed);
    let more = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 15));
    always(&more, "", Cause::Protocol(HeaderErrorKind::NoEnd.rule()));
}

/// The header has a deadline; the lines behind it have none.
#[test]
fn the_headers_deadline_ends_with_the_header() {
    let now = Instant::ORIGIN;
    let late = now + seconds(5);
    let mut endpoint = Endpoint::new(stack(), now);
    assert_eq!(endpoint.next_deadline(), Some(Deadline { at: late, reason: Reason::Head }));
    let _ = endpoint.received(now, b"PROXY UNKN");
    endpoint.expired(now + seconds(4));
    assert_eq!(endpoint.closed(), None, "early, it does nothing");
    endpoint.expired(late);
    assert_eq!(endpoint.closed(), Some(Cause::TimedOut(Reason::Head)));

    let mut endpoint = Endpoint::new(stack(), now);
    let _ = endpoint.received(now, b"PROXY UNKNOWN\r\n");
    assert_eq!(endpoint.next_deadline(), None);
    endpoint.expired(late);
    assert_eq!(endpoint.closed(), None);

    let mut world = World::new();
    let service = world.hub.add_service(Service::machine(|_| stack()));
    let (slow, quick) = (world.accept(service), world.accept(service));
    world.sends(slow, "PROXY");
    world.sends(quick, HEADER);
    assert!(world.hub.machine_deadline(slow).is_some());
    assert_eq!(world.hub.machine_deadline(quick), None);
    world.waits(seconds(5));
    assert_eq!(world.closed(slow), Some(Cause::TimedOut(Reason::Head)));
    assert_eq!(world.closed(quick), None);
}

#[test]
fn a_shutdown_reaches_the_machine_that_has_the_stream() {
    for said in ["PROXY", "PROXY UNKNOWN\r\na\n", "PROXY UNKNOWN\r\nUPGRADE\n"] {
        let now = Instant::ORIGIN;
        let mut endpoint = Endpoint::new(stack(), now);
        let _ = endpoint.received(now, said.as_bytes());
        endpoint.shutdown(now);
        endpoint.take_outgoing(now);
        assert_eq!(endpoint.closed(), Some(Cause::Shutdown), "{said:?}");
    }
}

/// A machine may give way at the very end of the stream: the end is as much the next one's.
#[test]
fn a_machine_that_takes_over_after_the_end_gets_eof() {
    struct Last;
    impl Machine for Last {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Eof | Input::Shutdown => actions.upgrade(Shout),
                Input::Bytes(bytes) => return bytes.len(),
                _ => {}
            }
            0
        }
    }
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Last, now);
    endpoint.eof(now);
    assert_eq!(endpoint.take_outgoing(now), b"LOUD NOW\n");
    assert_eq!(endpoint.closed(), Some(Cause::PeerClosed));
    let mut endpoint = Endpoint::new(Last, now);
    endpoint.shutdown(now);
    assert_eq!(endpoint.take_outgoing(now), b"LOUD NOW\n");
    assert_eq!(endpoint.closed(), Some(Cause::Shutdown));
}

/// A fiber reads a line, and hands the stream to a machine: what it had not taken comes first.
#[test]
fn a_handler_hands_its_connection_to_a_machine() {
    let handler = async |mut conn: Conn| {
        let name = conn.until_eol().await?;
        conn.write(("over to you, ", name)).await?;
        conn.upgrade(Shout);
        Ok(())
    };
    let bytes = "ann\nleft over";
    for (head, tail) in two_way_cuts(bytes.as_bytes()) {
        for ends_early in [true, false] {
            let (mut world, conn) = World::serving(Service::new(handler));
            world.delivers(conn, head);
            world.turn();
            world.delivers(conn, tail);
            if ends_early {
                // The end is there before the machine is.
                world.hub.eof(world.now, conn);
            }
            world.turn();
            assert_eq!(world.receives(conn), "over to you, ann\nLOUD NOW\nLEFT OVER");
            world.ends(conn);
            assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
            assert_eq!(world.hub.counters().fibers, 0);
        }
    }
}

/// Counts `Input::Drained`.
struct Asks {
    below: u64,
    drained: usize,
}

impl Machine for Asks {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                actions.send(bytes);
                if self.below > 0 {
                    actions.notify_below(self.below);
                }
                bytes.len()
            }
            Input::Drained => {
                self.drained += 1;
                let n = self.drained;
                actions.notice(Notice::Text(format!("drained {n}")));
                0
            }
            _ => 0,
        }
    }
}

fn texts(notices: impl IntoIterator<Item = Notice>) -> Vec<String> {
    notices.into_iter().map(|notice| notice.to_string()).collect()
}

#[test]
fn drained_comes_once_for_each_request() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Asks { below: 5, drained: 0 }, now);
    let _ = endpoint.received(now, b"0123456789");
    endpoint.sent(now, 5);
    assert_eq!(texts(endpoint.drain_notices()), [""; 0], "five are not fewer than five");
    endpoint.sent(now, 1);
    endpoint.sent(now, 2);
    endpoint.sent(now, 2);
    assert_eq!(texts(endpoint.drain_notices()), ["drained 1"]);
    let _ = endpoint.received(now, b"0123456789");
    endpoint.sent(now, 10);
    assert_eq!(texts(endpoint.drain_notices()), ["drained 2"]);
}

/// A machine gets only notifications that it requested itself, not those of the handler before it.
#[test]
fn a_machine_does_not_inherit_what_its_handler_waited_for() {
    let mut world = World::new();
    let service = world.hub.add_service(async |mut conn: Conn| {
        conn.write("0123456789").await?;
        // Given up while it waits for the queue to be empty.
        let ctx = conn.ctx();
        let _ = first((conn.flush(), ctx.sleep(seconds(1)))).await;
        conn.upgrade(Asks { below: 0, drained: 0 });
        Ok(())
    });
    let conn = world.accept(service);
    world.takes_only(conn, 0);
    world.waits(seconds(1));
    world.takes(conn, 100);
    assert_eq!(world.receives(conn), "0123456789");
    assert_eq!(texts(world.notices()), [""; 0]);
}

/// Takes at most three bytes, and pauses until it is woken.
struct Nibbles;

impl Machine for Nibbles {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                let n = bytes.len().min(3);
                actions.send(&bytes[..n]);
                n
            }
            Input::Wake => {
                actions.resume();
                0
            }
            Input::Eof => {
                actions.close(Cause::PeerClosed);
                0
            }
            _ => 0,
        }
    }
}

/// The contract of `received`, `resume` and `eof`.
#[test]
fn bytes_that_were_not_taken_are_offered_again_and_the_end_comes_after_them() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Nibbles, now);
    assert!(endpoint.wants_input());
    assert_eq!(endpoint.received(now, b"abcdefgh"), 8);
    assert_eq!(endpoint.take_outgoing(now), b"abc");
    assert!(!endpoint.wants_input());
    assert_eq!(endpoint.held(), 5);
    assert_eq!(endpoint.received(now, b"ijk"), 0, "not wanted: keep them");
    endpoint.eof(now);
    for expected in ["def", "gh"] {
        assert_eq!(endpoint.closed(), None);
        endpoint.wake(now);
        assert_eq!(endpoint.take_outgoing(now), expected.as_bytes());
    }
    assert_eq!(endpoint.closed(), Some(Cause::PeerClosed));
    assert_eq!(endpoint.held(), 0);
}

/// A machine that paused reading does not get the end, even if no bytes are before it.
#[test]
fn the_end_waits_for_reading_to_go_on() {
    struct Paused;
    impl Machine for Paused {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Start => actions.pause(),
                Input::Wake => actions.resume(),
                Input::Eof => actions.close(Cause::PeerClosed),
                _ => {}
            }
            0
        }
    }
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Paused, now);
    endpoint.eof(now);
    assert_eq!(endpoint.closed(), None);
    endpoint.wake(now);
    assert_eq!(endpoint.closed(), Some(Cause::PeerClosed));
}

/// Sends at every step, whatever it is, and closes at the byte `.`.
struct Chatty;

impl Machine for Chatty {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        actions.send(b"!");
        actions.set_deadline(now + seconds(1), Reason::Idle);
        match input {
            Input::Bytes(bytes) if bytes.contains(&b'.') => {
                actions.close(Cause::Done);
                actions.send(b"after the close");
                actions.close(Cause::Failed);
                bytes.len()
            }
            Input::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

#[test]
fn nothing_reaches_a_machine_or_comes_out_of_it_after_its_close() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Chatty, now);
    let _ = endpoint.received(now, b".");
    assert_eq!(endpoint.closed(), None, "not before all is sent");
    assert_eq!(endpoint.take_outgoing(now), b"!!");
    assert!(endpoint.half_closed());
    assert_eq!(endpoint.closed(), Some(Cause::Done));
    assert_eq!(endpoint.next_deadline(), None);
    assert_eq!(endpoint.received(now, b"late"), 4, "taken, and dropped");
    endpoint.wake(now);
    endpoint.shutdown(now);
    endpoint.expired(now + seconds(9));
    endpoint.eof(now);
    endpoint.reset(now);
    assert_eq!(endpoint.take_outgoing(now), b"");
    assert_eq!(endpoint.closed(), Some(Cause::Done));
}

#[test]
fn a_reset_drops_what_is_queued_and_comes_last() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(Chatty, now);
    endpoint.reset(now);
    assert_eq!(endpoint.closed(), Some(Cause::Reset));
    assert_eq!(endpoint.take_outgoing(now), b"");
    assert_eq!(endpoint.held(), 0);
    endpoint.wake(now);
    assert_eq!(endpoint.take_outgoing(now), b"");
}

/// A peer that sends lines and never reads: the echo stops reading, and holds no more than its
/// mark, one answer and one read. When the peer reads after all, it has missed nothing.
#[test]
fn a_line_echo_holds_a_bounded_amount_for_a_peer_that_never_reads() {
    let now = Instant::ORIGIN;
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let mut endpoint = Endpoint::new(LineEcho::default(), now);
    let mut taken = 0;
    for _ in 0..1000 {
        taken += endpoint.received(now, &line.repeat(8));
    }
    assert!(!endpoint.wants_input());
    assert!(endpoint.held() <= 64 * 1024 + 1010 + 8000, "{}", endpoint.held());
    let received = endpoint.take_outgoing(now);
    assert!(endpoint.wants_input());
    assert_eq!(received.len(), taken / 1000 * 1010);

    // The same in a hub, where that is a pause.
    let (mut world, conn) = World::serving(Service::machine(|_| LineEcho::default()));
    world.takes_only(conn, 0);
    let mut taken = 0;
    for _ in 0..1000 {
        taken += world.hub.received(world.now, conn, &line);
        world.turn();
    }
    assert!(world.paused(conn));
    assert!(taken <= 64 * 1024 + 1000 + 1000, "{taken}");
    world.takes(conn, 10_000_000);
    assert!(!world.paused(conn));
    assert_eq!(world.receives(conn).len(), taken / 1000 * 1010);
}

/// The room for output affects the time of the output, never its bytes.
#[test]
fn room_for_output_never_changes_what_comes_out() {
    let script = "PROXY UNKNOWN\r\n".to_owned() + &"some line or other\n".repeat(9000) + "quit\n";
    let expected = in_an_endpoint(&[script.as_bytes()], false);
    let (mut world, conn) = World::serving(Service::machine(|_| stack()));
    world.takes_only(conn, 0);
    world.sends(conn, &script);
    for _ in 0..100_000 {
        if world.half_closed(conn) {
            break;
        }
        world.takes(conn, 50);
    }
    world.ends(conn);
    assert_eq!((world.receives(conn), world.closed(conn)), expected);
}
