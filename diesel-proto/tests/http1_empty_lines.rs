//! Empty lines before a request line (RFC 9112, 2.2): what some clients send behind a body. They
//! begin no request, so no deadline of a head runs because of them, and no shutdown waits for one.

mod harness;

use std::sync::Arc;

use diesel_proto::http1::*;
use diesel_proto::{Blocks, Cause, ConnId, Reason};
use harness::*;

fn serving() -> (World, ConnId) {
    World::serving(Service::new(|request: Request| request.path().to_string()))
}

const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const GET: &str = "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";

/// Why our side ended, if it did: the peer ends its side then.
fn cause_of_end(world: &mut World, conn: ConnId) -> Option<Cause> {
    if world.half_closed(conn) {
        world.ends(conn);
    }
    world.closed(conn)
}

/// Whole ones, and one whose LF is still to come.
const EMPTY: [&str; 3] = ["\r\n", "\r\n\r\n\r\n", "\r\n\r"];

#[test]
fn an_empty_line_leaves_the_keep_alive_deadline_where_it_was() {
    for (before, empty) in ["", POST].into_iter().flat_map(|it| EMPTY.map(|empty| (it, empty))) {
        let (mut world, conn) = serving();
        world.waits(seconds(1));
        let idle_since = if before.is_empty() { 0 } else { 1 };
        if !before.is_empty() {
            world.sends(conn, before);
        }
        world.waits(seconds(29));
        world.sends(conn, empty);
        world.waits(seconds(30));
        world.sends(conn, if empty.ends_with("\n") { "\r\n" } else { "\n" });
        world.waits(seconds(14 + idle_since));
        assert!(!world.half_closed(conn), "{before:?} {empty:?}");
        world.waits(seconds(1));
        let received = world.receives(conn);
        let cause = Some(Cause::TimedOut(Reason::KeepAlive));
        assert_eq!(cause_of_end(&mut world, conn), cause, "{before:?} {empty:?}");
        assert!(!received.contains("408"));
    }
}

#[test]
fn an_empty_line_in_the_segment_of_the_request_before_it_changes_no_deadline_either() {
    let (mut world, conn) = serving();
    world.sends(conn, format!("{POST}\r\n"));
    world.waits(seconds(74));
    assert!(!world.half_closed(conn));
    world.waits(seconds(1));
    assert_eq!(cause_of_end(&mut world, conn), Some(Cause::TimedOut(Reason::KeepAlive)));
}

#[test]
fn a_head_that_begins_behind_empty_lines_has_the_deadline_of_a_head() {
    let (mut world, conn) = serving();
    world.waits(seconds(20));
    world.sends(conn, "\r\n");
    world.waits(seconds(20));
    world.sends(conn, "\r\nG");
    world.waits(seconds(9));
    assert!(!world.half_closed(conn));
    world.waits(seconds(1));
    assert_eq!(cause_of_end(&mut world, conn), Some(Cause::TimedOut(Reason::Head)));
    assert!(world.receives(conn).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_shutdown_does_not_wait_for_a_request_that_has_not_begun() {
    for (before, empty) in ["", POST].into_iter().flat_map(|it| EMPTY.map(|empty| (it, empty))) {
        let (mut world, conn) = serving();
        world.sends(conn, format!("{before}{empty}"));
        world.hub.drain(world.now, world.now + seconds(30));
        world.turn();
        let cause = Some(Cause::Shutdown);
        assert_eq!(cause_of_end(&mut world, conn), cause, "{before:?} {empty:?}");
        assert!(world.halted());
    }
}

#[test]
fn a_half_close_after_an_empty_line_is_no_violation() {
    for empty in EMPTY {
        let (mut world, conn) = serving();
        world.sends(conn, format!("{POST}{empty}"));
        world.receives(conn);
        world.ends(conn);
        assert_eq!((world.closed(conn), &*world.receives(conn)), (Some(Cause::PeerClosed), ""));
    }
}

#[test]
fn empty_lines_are_answered_the_same_at_every_cut() {
    let bytes = format!("\r\n{POST}\r\n\r\n{GET}\r\n{GET}");
    let mut expected = None;
    let ways = two_way_cuts(bytes.as_bytes()).map(|(a, b)| vec![a, b]);
    for parts in ways.chain([bytes.as_bytes().chunks(1).collect()]) {
        let (mut world, conn) = serving();
        for part in &parts {
            world.sends(conn, part);
        }
        let received = world.receives(conn);
        assert_eq!(received.matches("200 OK").count(), 3);
        assert_eq!(
            *expected.get_or_insert(received.clone()),
            received,
            "cut at {}",
            parts[0].len()
        );
    }
}

/// They count towards the limit of the request line that follows, whatever the cuts, though the
/// connection rests between them; and a head is as long as it is, however many came before it.
#[test]
fn empty_lines_are_bounded_to_the_byte_and_none_is_held() {
    let limits = Limits { request_line: 40, ..Limits::default() };
    let line = "GET / HTTP/1.1\r\n".len();
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let outcome = |bytes: &str, cut: usize| {
        let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
        let mut connection = SharedServerConnection::new(Arc::new(config));
        let (mut blocks, mut spans) = (Blocks::new(), FieldSpans::new());
        let mut seen = 0;
        for piece in bytes.as_bytes().chunks(cut) {
            seen += piece.len();
            let is_empty = bytes.as_bytes()[..seen].iter().all(|byte| b"\r\n".contains(byte));
            match connection.receive(piece, &mut spans, &mut blocks) {
                Ok((_, Some(Received::Request(head)))) => return Ok(Some(head.len())),
                Ok((taken, _)) => assert_eq!(taken, piece.len()),
                Err(rejection) => return Err((rejection.rule, rejection.offset)),
            }
            assert!(!is_empty || connection.held() == 0 && !connection.is_in_head());
        }
        Ok(None)
    };
    for cut in 1..80 {
        let lines = |n: usize| "\r\n".repeat(n / 2);
        assert_eq!(outcome(&(lines(40 - line) + head), cut), Ok(Some(head.len())), "by {cut}");
        let too_long = Err((Rule::RequestLineTooLong, 40));
        assert_eq!(outcome(&(lines(42 - line) + head), cut), too_long, "by {cut}");
        assert_eq!(outcome(&lines(38), cut), Ok(None), "by {cut}");
        assert_eq!(outcome(&lines(40), cut), too_long, "by {cut}");
        for (bytes, rule) in [
            ("\r\n\rGET", Rule::BareCr),
            ("\r\n\n", Rule::BareLf),
            ("\r\n\x16\x03\x01", Rule::MethodSyntax),
        ] {
            assert_eq!(outcome(bytes, cut), Err((rule, 2)), "{bytes:?} by {cut}");
            let mut spans = FieldSpans::new();
            let alone = parse_request(bytes.as_bytes(), &limits, &mut spans).unwrap_err();
            assert_eq!((alone.rule, alone.offset), (rule, 2), "{bytes:?}");
        }
    }
}

#[test]
fn a_connection_to_which_only_empty_lines_come_is_closed_by_their_number() {
    let (mut world, conn) = serving();
    for _ in 0..4095 {
        world.sends(conn, "\r\n");
        assert!(!world.half_closed(conn));
    }
    world.sends(conn, "\r\n");
    assert!(world.receives(conn).starts_with("HTTP/1.1 414 "));
}
