//! The handshake: however its bytes are cut, whatever is wrong with them, however long it takes.

use core::time::Duration;

use diesel_proto::tls::rustls::ProtocolVersion;
use diesel_proto::{Cause, Deadline, End, Reason, TlsError};

use super::harness::*;

#[test]
fn both_sides_start_when_the_handshake_is_complete_and_hear_each_other() {
    for piece in [usize::MAX, 1, 2, 7, 1000] {
        let mut pair = Pair::new(&acceptor(), &connector());
        pair.piece = piece;
        assert!(!pair.client.seen.borrow().started);
        pair.runs(NOW);
        pair.client.sends(NOW, "hello");
        pair.server.sends(NOW, "welcome");
        pair.runs(NOW);
        assert_eq!(pair.server.got(), b"hello");
        assert_eq!(pair.client.got(), b"welcome");
        assert_eq!(pair.client.info().version, ProtocolVersion::TLSv1_3);
        assert_eq!(pair.client.info(), pair.server.info());
        assert_eq!(pair.client.info().server_name.as_deref(), Some("localhost"));
    }
}

/// Every two-way cut of every flight, in both versions.
#[test]
fn a_flight_may_be_cut_anywhere() {
    for versions in [TLS13, TLS12] {
        let (acceptor, connector) = (acceptor_of(versions), connector_of(versions));
        for flight in 0..4 {
            let mut at = 1;
            loop {
                let mut pair = Pair::new(&acceptor, &connector);
                let (mut n, mut is_over) = (0, false);
                while !is_over {
                    is_over = true;
                    for to_server in [true, false] {
                        let bytes = pair.takes(to_server);
                        if bytes.is_empty() {
                            continue;
                        }
                        is_over = false;
                        let cut = if n == flight { at.min(bytes.len()) } else { bytes.len() };
                        pair.receives(to_server, &bytes[..cut]);
                        pair.receives(to_server, &bytes[cut..]);
                        if n == flight && cut == bytes.len() {
                            at = usize::MAX;
                        }
                        n += 1;
                    }
                }
                assert!(pair.client.seen.borrow().started && pair.server.seen.borrow().started);
                assert_eq!((pair.client.endpoint.held(), pair.server.endpoint.held()), (0, 0));
                if at == usize::MAX || n <= flight {
                    break;
                }
                at += 1;
            }
        }
    }
}

/// After any number of bytes of the client, the server, or both.
#[test]
fn a_handshake_that_stops_times_out_with_its_reason() {
    let within = Duration::from_secs(10);
    let late = Cause::TimedOut(Reason::Handshake);
    for stops_after in [0, 1, 4, 5, 6, 100, 230, 400] {
        let mut pair = Pair::new(&acceptor(), &connector());
        let hello = pair.takes(true);
        pair.receives(true, &hello[..hello.len().min(stops_after)]);
        let answer = pair.takes(false);
        pair.receives(false, &answer[..answer.len() / 2]);
        let deadline = Deadline { at: NOW + within, reason: Reason::Handshake };
        for side in [&mut pair.client, &mut pair.server] {
            assert_eq!(side.endpoint.next_deadline(), Some(deadline));
            side.endpoint.wake(NOW + within / 2);
            side.endpoint.expired(NOW + within);
            assert_eq!(side.endpoint.end(), Some(End::Abort(late)));
            assert_eq!(side.cut(), Some(late));
            assert!(!side.seen.borrow().started);
        }
    }
    let mut pair = Pair::open();
    assert_eq!(pair.server.endpoint.next_deadline(), None);
    let acceptor = acceptor().within(Duration::from_secs(2));
    pair.server = Side::server(&acceptor, NOW);
    let at = pair.server.endpoint.next_deadline().map(|it| it.at);
    assert_eq!(at, Some(NOW + Duration::from_secs(2)));
}

#[test]
fn a_client_that_sends_plain_text_gets_an_alert_at_once_and_nothing_else() {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for piece in [1, 5, usize::MAX] {
        let mut server = Side::server(&acceptor(), NOW);
        for bytes in request.chunks(piece.min(request.len())) {
            server.receives(NOW, bytes);
        }
        let cause = Cause::Tls(TlsError::NotTls);
        // A record of an alert, fatal.
        let sent = server.endpoint.take_outgoing(NOW);
        assert!(matches!(*sent, [21, 3, _, 0, 2, 2, _]), "{sent:?}");
        assert_eq!(server.endpoint.end(), Some(End::Close(cause)));
        assert_eq!(server.cut(), Some(cause));
        assert_eq!(server.notices(), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_sends_plain_text_is_not_taken_for_another_fault() {
    let mut client = Side::client(&connector(), name("localhost"), NOW);
    client.receives(NOW, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(client.cut(), Some(Cause::Tls(TlsError::NotTls)));
}

#[test]
fn a_side_that_leaves_in_the_handshake() {
    for sent in [0, 100] {
        let gone = Cause::Tls(TlsError::ClosedInHandshake);
        let mut pair = Pair::new(&acceptor(), &connector());
        let hello = pair.takes(true);
        pair.receives(true, &hello[..sent]);
        pair.server.endpoint.eof(NOW);
        assert_eq!(pair.server.endpoint.end(), Some(End::Close(gone)));
        pair.client.endpoint.eof(NOW);
        assert_eq!((pair.client.cut(), pair.server.cut()), (Some(gone), Some(gone)));

        let mut pair = Pair::new(&acceptor(), &connector());
        pair.server.endpoint.reset(NOW);
        assert_eq!(pair.server.cut(), Some(Cause::Reset));
        pair.client.endpoint.write_failed(NOW);
        assert_eq!(pair.client.cut(), Some(Cause::Reset));

        let mut pair = Pair::new(&acceptor(), &connector());
        pair.receives(true, &hello[..sent]);
        for side in [&mut pair.client, &mut pair.server] {
            side.endpoint.take_outgoing(NOW);
            side.endpoint.shutdown(NOW);
            assert_eq!(side.endpoint.end(), Some(End::Close(Cause::Shutdown)));
            assert_eq!(side.cut(), Some(Cause::Shutdown));
        }
    }
}

/// One byte is changed, at each place of all that one side sends. What arrives inside is what was
/// sent, up to some place, and no end is in order that was not.
#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let sent = [b"the first message".to_vec(), vec![b'x'; 100]];
    for to_server in [true, false] {
        let mut at = 0usize;
        loop {
            let mut pair = Pair::new(&acceptor(), &connector());
            let mut seen = 0;
            let says = sent.iter().map(|message| Do::Send(message.clone()));
            let mut says = says.chain([Do::Close]);
            loop {
                let there = pair.takes(to_server);
                let back = pair.takes(!to_server);
                let is_quiet = there.is_empty() && back.is_empty();
                let mut changed = there;
                if let Some(byte) = at.checked_sub(seen).and_then(|i| changed.get_mut(i)) {
                    *byte ^= 0x10;
                }
                seen += changed.len();
                pair.receives(to_server, &changed);
                pair.receives(!to_server, &back);
                if is_quiet {
                    let Some(todo) = says.next() else { break };
                    let side = if to_server { &mut pair.client } else { &mut pair.server };
                    side.does(NOW, [todo]);
                }
            }
            let receiver = if to_server { &mut pair.server } else { &mut pair.client };
            if at >= seen {
                assert!(receiver.seen.borrow().ended && receiver.got() == sent.concat());
                break;
            }
            assert!(sent.concat().starts_with(&receiver.got()), "byte {at}");
            let end = receiver.endpoint.end().map(End::cause);
            match receiver.seen.borrow().ended {
                // It was the version in front of a record, which has no meaning.
                true => assert_eq!(receiver.got(), sent.concat(), "byte {at}"),
                // Or a length became larger: the record has not ended yet.
                false => assert!(matches!(end, None | Some(Cause::Tls(_))), "byte {at}: {end:?}"),
            }
            // Each of the first, which are in the clear; then every third, to save time.
            at += if at < 300 { 1 } else { 3 };
        }
    }
}

/// The stream ends, or is reset, after each number of bytes.
#[test]
fn a_stream_that_ends_early_is_told_apart_from_one_that_ends() {
    let sent = b"the first message".to_vec();
    for resets in [false, true] {
        for to_server in [true, false] {
            for at in (0..300).chain((300..).step_by(3)) {
                let mut pair = Pair::new(&acceptor(), &connector());
                let (mut seen, mut todo) = (0, vec![Do::Close, Do::Send(sent.clone())]);
                let is_whole = loop {
                    let there = pair.takes(to_server);
                    let back = pair.takes(!to_server);
                    if there.is_empty() && back.is_empty() {
                        let says = if to_server { &mut pair.client } else { &mut pair.server };
                        match todo.pop() {
                            Some(todo) => says.does(NOW, [todo]),
                            None => break true,
                        }
                    }
                    let room = there.len().min(at - seen);
                    pair.receives(to_server, &there[..room]);
                    pair.receives(!to_server, &back);
                    seen += room;
                    if room < there.len() {
                        break false;
                    }
                };
                let receiver = if to_server { &mut pair.server } else { &mut pair.client };
                match resets {
                    true => receiver.endpoint.reset(NOW),
                    false => receiver.endpoint.eof(NOW),
                }
                assert!(sent.starts_with(&receiver.got()));
                assert_eq!(receiver.seen.borrow().ended, is_whole);
                if is_whole {
                    assert_eq!(receiver.got(), sent);
                    break;
                }
                let cause = match (resets, receiver.seen.borrow().started) {
                    (true, _) => Cause::Reset,
                    (false, true) => Cause::Tls(TlsError::Truncated),
                    (false, false) => Cause::Tls(TlsError::ClosedInHandshake),
                };
                assert_eq!(receiver.cut(), Some(cause), "after {at} bytes");
            }
        }
    }
}
