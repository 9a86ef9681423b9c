//! What an embedder asks a connection while it moves its bytes.

use super::*;
use crate::buf::{Blocks, Pipeline};
use crate::http1::message::MessageOutput;
use crate::http1::syntax::FieldSpans;

fn none() -> RequestOptions<'static> {
    RequestOptions::default()
}

#[test]
fn outgoing_bytes_are_there_until_they_are_sent() {
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    let expected = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let len = expected.len() as u64;
    let shown = |http: &ClientConnection| {
        let mut slices: [&[u8]; 4] = [&[]; 4];
        let n = http.outgoing(&mut slices);
        slices[..n].concat()
    };
    assert_eq!((http.queued(), http.held()), (len, expected.len()));
    assert_eq!(shown(&http), expected.as_bytes());
    http.sent(5);
    assert_eq!(http.queued(), len - 5);
    assert_eq!(shown(&http), &expected.as_bytes()[5..]);
    http.sent(len - 5);
    assert_eq!((http.queued(), http.held()), (0, 0));
    assert_eq!(shown(&http), b"");
}

#[test]
fn what_is_not_read_yet_holds_back_the_rest() {
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    http.take_outgoing();
    assert!(http.wants_input());
    let head = OK.len() - 2;
    assert_eq!(http.received(&OK.as_bytes()[..head]), head);
    assert!(!http.wants_input());
    assert_eq!(http.received(b"hi"), 0);
    assert_eq!(http.held(), head);
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::Response(_)))));
    assert_eq!(http.held(), 0);
    assert!(matches!(http.next_event(), Ok(None)));
    assert!(http.wants_input());
    assert_eq!(http.received(b"hi"), 2);
    assert!(!http.is_idle(), "the end is not read");
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::Data(data))) if data == "hi"));
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::End(_)))));
    assert!(http.is_idle() && http.wants_input());
    http.eof();
    assert!(!http.wants_input());
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::Closed))));
    assert!(matches!(http.next_event(), Ok(None)), "once");
}

#[test]
fn nothing_is_kept_behind_the_last_response() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    http.take_outgoing();
    assert_eq!(http.state().server, ServerState::SendResponse);
    log(&mut http, &[closing.as_bytes()], After::More);
    assert_eq!(http.state().server, ServerState::MustClose);
    assert!(!http.wants_input());
    assert_eq!((http.received(b"more"), http.held()), (4, 0));
    let next = http.request_whole(&line("GET"), &Headers::new(), b"", &none());
    assert!(matches!(next, Err(LocalProtocolError::Order(_))));
    // What follows a switch is for another protocol, and is not taken.
    let switch = b"HTTP/1.1 200 OK\r\n\r\n";
    let mut http = asking(&ClientConnectionConfig::default(), &[("CONNECT", None)]);
    http.take_outgoing();
    log(&mut http, &[switch], After::More);
    assert!(http.is_switched() && !http.wants_input());
    assert_eq!((http.received(b"more"), http.held()), (0, 0));
}

/// RFC 9110, 10.1.1: only a request with a body, which was announced so, waits for `100 Continue`.
#[test]
fn a_body_waits_for_continue_only_if_it_was_promised() {
    for (expects_continue, length, awaits) in [
        (true, BodyLength::Exactly(1), true),
        (true, BodyLength::Unknown, true),
        (true, BodyLength::Exactly(0), false),
        (false, BodyLength::Exactly(1), false),
        (false, BodyLength::Unknown, false),
    ] {
        let mut http = client();
        let options = RequestOptions { expects_continue, ..none() };
        http.request(&line("POST"), &Headers::new(), length, &options).unwrap();
        assert_eq!(http.awaits_continue(), awaits, "{expects_continue} {length:?}");
    }
    // A whole request has its body with it.
    let mut http = client();
    let options = RequestOptions { expects_continue: true, ..none() };
    http.request_whole(&line("POST"), &Headers::new(), b"x", &options).unwrap();
    assert!(!http.awaits_continue());
}

/// What other clients took for the answer to the next request, when a server sent more than one
/// answer to the one before it.
#[test]
fn what_arrived_before_a_request_does_not_answer_it() {
    let two = format!("{OK}HTTP/1.1 203 \r\nContent-Length: 0\r\n\r\n");
    let config = ClientConnectionConfig { pipelined: 2, ..ClientConnectionConfig::default() };
    let unread = Err(LocalProtocolError::Unread);
    let ask = |http: &mut ClientConnection| {
        http.request_whole(&line("GET"), &Headers::new(), b"", &none())
    };
    let begin = |http: &mut ClientConnection| {
        http.request(&line("GET"), &Headers::new(), BodyLength::Exactly(0), &none())
    };
    // All of it arrives at once, or the rest with the last bytes of the answer.
    for at in 0..OK.len() {
        let mut http = asking(&config, &[("GET", None)]);
        http.take_outgoing();
        log(&mut http, &[&two.as_bytes()[..at]], After::More);
        assert_eq!(http.received(&two.as_bytes()[at..]), two.len() - at);
        // The answer is incomplete, and may have another behind it.
        assert_eq!(ask(&mut http), unread);
        loop {
            if matches!(http.next_event().unwrap().unwrap(), ResponseEvent::Data(_)) {
                break;
            }
        }
        // The last byte of the answer was read: its end is not an event yet.
        assert_eq!((ask(&mut http), begin(&mut http)), (unread.clone(), unread.clone()), "{at}");
        assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::End(_)))));
        assert!(!http.is_idle() && !http.must_close());
        assert_eq!((ask(&mut http), begin(&mut http)), (unread.clone(), unread.clone()), "{at}");
        let refused = http.next_event().unwrap_err();
        assert_eq!(refused, Rejection::new(Rule::ResponseUnrequested, OK.len() as u64));
        assert!(matches!(ask(&mut http), Err(LocalProtocolError::Order(_))));
        assert_eq!((http.take_outgoing(), http.unanswered()), (Vec::new(), 0));
    }
    // Before the first request, too.
    let mut http = client();
    assert_eq!(http.received(b"H"), 1);
    assert_eq!((ask(&mut http), begin(&mut http)), (unread.clone(), unread.clone()));
    assert_eq!(http.next_event().unwrap_err(), Rejection::new(Rule::ResponseUnrequested, 0));
    // And the end of the stream: nothing can answer.
    let mut http = client();
    http.eof();
    assert_eq!((ask(&mut http), begin(&mut http)), (unread.clone(), unread));
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::Closed))));
    assert!(matches!(ask(&mut http), Err(LocalProtocolError::Order(_))));
    assert_eq!(http.take_outgoing(), b"");
}

/// A response without a body has two events of one part: between them it is not complete.
#[test]
fn the_end_of_an_empty_response_is_an_event() {
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    assert_eq!(http.received(b"HTTP/1.1 204 \r\n\r\n"), 17);
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::Response(_)))));
    assert!(!http.is_idle());
    assert!(matches!(http.next_event(), Ok(Some(ResponseEvent::End(_)))));
    assert!(http.is_idle());
    assert_eq!(http.state(), ConnectionState::new());
}

/// Only then must the embedder tell how the stream ended.
#[test]
fn a_body_that_ends_with_the_stream_is_known_as_such() {
    for (bytes, is_so) in [
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false),
        ("HTTP/1.1 304 \r\n\r\n", false),
    ] {
        let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
        log(&mut http, &[bytes.as_bytes()], After::More);
        assert_eq!(http.ends_with_stream(), is_so, "{bytes:?}");
    }
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    log(&mut http, &[b"HTTP/1.1 200 OK\r\n\r\n"], After::Eof);
    assert!(!http.ends_with_stream() && http.must_close());
}

#[test]
fn a_head_in_pieces_is_held_by_the_connection_that_borrows_its_memory() {
    let (mut blocks, mut spans, mut pipeline) = (Blocks::new(), FieldSpans::new(), Pipeline::new());
    let mut http = SharedClientConnection::new(Arc::new(ClientConnectionConfig::default()));
    let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
    http.request_whole(&line("GET"), &Headers::new(), b"", &none(), out).unwrap();
    assert_eq!(http.state().server, ServerState::SendResponse);
    assert!(matches!(http.receive(b"HTTP/1.1 2", &mut spans, &mut blocks), Ok((10, None))));
    assert_eq!(http.held(), 10);
    assert!(matches!(http.receive(b"", &mut spans, &mut blocks), Ok((0, None))));
    assert_eq!(http.rejection(), None);
    let refused = http.receive(b"x", &mut spans, &mut blocks);
    assert!(matches!(refused, Ok((1, None))), "the line is incomplete");
    let refused = http.receive(b"\r\n", &mut spans, &mut blocks).unwrap_err();
    assert_eq!(refused, Rejection::new(Rule::StatusCodeSyntax, 10));
    assert_eq!((http.rejection(), http.held()), (Some(refused), 0));
    assert!(format!("{http:?}").contains("StatusCodeSyntax"));
    // The end of the stream adds nothing.
    assert_eq!((http.eof(), http.cut()), (Err(refused), Err(refused)));
}

#[test]
fn a_request_is_pipelined_behind_plain_ones_only() {
    let config = ClientConnectionConfig { pipelined: 4, ..ClientConnectionConfig::default() };
    let (upgrade, close) =
        (RequestOptions { upgrade: Some("a"), ..none() }, RequestOptions { close: true, ..none() });
    for (requests, are_allowed) in [
        (&[none(), none(), none(), none()][..], true),
        (&[none(), none(), none(), none(), none()], false),
        (&[none(), close], true),
        (&[none(), close, none()], false),
        (&[upgrade, none()], false),
        (&[none(), upgrade], false),
    ] {
        let mut http = ClientConnection::new(config.clone());
        let (last, first) = requests.split_last().unwrap();
        let mut ask = |options| http.request_whole(&line("GET"), &Headers::new(), b"", options);
        first.iter().for_each(|options| ask(options).unwrap());
        assert_eq!(ask(last).is_ok(), are_allowed, "{requests:?}");
    }
    // Nor behind one that is incomplete, nor on a connection that ends.
    let mut http = ClientConnection::new(config.clone());
    http.request(&line("PUT"), &Headers::new(), BodyLength::Exactly(1), &none()).unwrap();
    assert!(http.request_whole(&line("GET"), &Headers::new(), b"", &none()).is_err());
    http.data(b"x").unwrap();
    http.end(&Headers::new()).unwrap();
    http.request_whole(&line("GET"), &Headers::new(), b"", &none()).unwrap();
    http.give_up();
    assert!(http.request_whole(&line("GET"), &Headers::new(), b"", &none()).is_err());
}

#[test]
fn events_show_what_they_hold() {
    let mut http = asking(&ClientConnectionConfig::default(), &[("GET", None)]);
    assert_eq!(http.received(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), 25);
    let event = http.next_event().unwrap().unwrap();
    assert!(format!("{event:?}").contains("{\"A\": \"b\"}"), "{event:?}");
}
