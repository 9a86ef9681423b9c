//! `ServerConnection`, for embedders: one object, whose events borrow nothing.

use std::sync::Arc;

use bytes::Bytes;
use diesel_proto::http1::{
    BodyLength, ClientState, ConnectionConfig, FieldSpans, Headers, Limits, LocalProtocolError,
    MessageOutput, Received, RequestEvent, Rule, ServerConnection, ServerState,
    SharedServerConnection, Status,
};
use diesel_proto::{Blocks, Pipeline};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const CHUNKED: &str = "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nghijk\r\n6;q\r\n lmnop\r\n0\r\nDigest: y\r\n\r\n";
const SIZED: &str = "PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nghijk";
const CONTINUED: &str = "PUT /d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\
                         Expect: 100-continue\r\n\r\nhi";

fn connection() -> ServerConnection {
    ServerConnection::new(ConnectionConfig::default())
}

/// All events, one after the other, until there is none.
fn events(connection: &mut ServerConnection) -> Vec<RequestEvent> {
    std::iter::from_fn(|| connection.next_event().unwrap()).collect()
}

fn fields(headers: &Headers) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect()
}

/// An embedder that answers each request with what it was, when it is complete; `at_once`: with the
/// head of its answer when the head is there. What was read, and what was sent.
fn embedded(pieces: &[&[u8]], config: &ConnectionConfig, at_once: bool) -> (String, String) {
    let mut connection = ServerConnection::new(config.clone());
    let (mut log, mut sent) = (String::new(), Vec::new());
    let mut waiting: Vec<u8> = Vec::new();
    let mut pieces = pieces.iter();
    loop {
        match connection.next_event() {
            Ok(Some(RequestEvent::Request(head))) => {
                let head = head.view();
                log += &format!("{} {}|", head.method(), head.target_text());
                connection.ask_for_body();
                if at_once {
                    connection.respond(Status::OK, &Headers::new(), BodyLength::Unknown).unwrap();
                }
            }
            Ok(Some(RequestEvent::Data(data))) => {
                log += &data.escape_ascii().to_string();
                if at_once {
                    connection.data_bytes(data).unwrap();
                }
            }
            Ok(Some(RequestEvent::End(trailers))) => {
                log += &format!("|{}\n", fields(&trailers));
                match at_once {
                    true => connection.end(&Headers::new()).unwrap(),
                    false => {
                        connection.respond_whole(Status::OK, &Headers::new(), b"done").unwrap();
                    }
                }
            }
            Ok(Some(RequestEvent::Closed)) => log += "closed\n",
            Ok(None) => {
                sent.extend(connection.take_outgoing());
                if connection.must_close() {
                    break;
                }
                if !waiting.is_empty() {
                    let taken = connection.received(&waiting);
                    waiting.drain(..taken);
                } else if let Some(piece) = pieces.next() {
                    waiting.extend(&piece[connection.received(piece)..]);
                } else if connection.state().client == ClientState::Closed {
                    break;
                } else {
                    connection.eof();
                }
            }
            Err(rejection) => {
                log += &format!("{rejection}\n");
                assert_eq!(connection.next_event().unwrap_err(), rejection);
                connection.reject();
                sent.extend(connection.take_outgoing());
                break;
            }
        }
    }
    // How data were cut into chunks of the answer follows the cuts of the request's.
    let sent = String::from_utf8(sent).unwrap();
    (log, if at_once { unchunked(&sent) } else { sent })
}

/// Without the sizes of chunks, which no data here look like.
fn unchunked(text: &str) -> String {
    let is_size = |line: &&str| !line.is_empty() && u64::from_str_radix(line, 16).is_ok();
    text.split("\r\n").filter(|line| !is_size(line)).collect()
}

/// The same with the parts: each in memory of the caller.
fn in_parts(bytes: &[u8], config: &ConnectionConfig) -> (String, String) {
    let mut connection = SharedServerConnection::new(Arc::new(config.clone()));
    let (mut blocks, mut spans, mut pipeline) = (Blocks::new(), FieldSpans::new(), Pipeline::new());
    let (mut log, mut rest) = (String::new(), bytes);
    loop {
        let (taken, ends) = match connection.receive(rest, &mut spans, &mut blocks) {
            Ok((_, None)) => break,
            Ok((taken, Some(Received::Request(head)))) => {
                log += &format!("{} {}|", head.method(), head.target_text());
                (taken, false)
            }
            Ok((taken, Some(Received::Data(data)))) => {
                log += &data.escape_ascii().to_string();
                (taken, false)
            }
            Ok((taken, Some(Received::End(trailers)))) => {
                log += &format!("|{}\n", fields(&Headers::from(trailers)));
                (taken, true)
            }
            Err(rejection) => {
                log += &format!("{rejection}\n");
                connection.reject(None, &mut MessageOutput::new(&mut pipeline, &mut blocks));
                break;
            }
        };
        rest = &rest[taken..];
        let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
        if connection.request_is_complete() {
            log += if ends { "" } else { "|\n" };
            connection.respond_whole(Status::OK, &Headers::new(), b"done", None, out).unwrap();
        } else {
            connection.ask_for_body(out);
        }
    }
    if connection.rejection().is_none() && !connection.must_close() {
        match connection.eof() {
            Ok(()) => log += "closed\n",
            Err(rejection) => {
                log += &format!("{rejection}\n");
                connection.reject(None, &mut MessageOutput::new(&mut pipeline, &mut blocks));
            }
        }
    }
    let mut slices = [&[][..]; 64];
    let n = pipeline.slices(&mut slices);
    (log, String::from_utf8(slices[..n].concat()).unwrap())
}

fn streams() -> Vec<String> {
    let last = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    vec![
        [GET, CHUNKED, SIZED, GET].concat(),
        [CONTINUED, GET].concat(),
        [CHUNKED, &last, GET].concat(),
        [SIZED, "\r\n", GET, "nonsense\r\n\r\n", GET].concat(),
        [GET, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort"].concat(),
        [GET, "POST / HTTP/1.1\r\nHo"].concat(),
        "GET / HTTP/1.0\r\n\r\nmore".to_string(),
        CHUNKED.replace("5\r\n", "x\r\n"),
        CHUNKED.replace("Digest: y", "Digest : y"),
        String::new(),
    ]
}

#[test]
fn at_every_cut_it_says_and_sends_what_its_parts_do() {
    let config = ConnectionConfig::default();
    for stream in streams() {
        let bytes = stream.as_bytes();
        let whole = in_parts(bytes, &config);
        assert_eq!(embedded(&[bytes], &config, false), whole, "{stream:?}");
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(embedded(&[head, tail], &config, false), whole, "cut at {at}: {stream:?}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(embedded(&single, &config, false), whole, "byte by byte: {stream:?}");
    }
}

#[test]
fn an_answer_may_begin_before_the_request_is_complete() {
    let config = ConnectionConfig::default();
    for stream in [[CHUNKED, SIZED, GET].concat(), [CONTINUED, CHUNKED].concat()] {
        let bytes = stream.as_bytes();
        let whole = embedded(&[bytes], &config, true);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(embedded(&[head, tail], &config, true), whole, "cut at {at}");
        }
    }
}

/// Nothing that an event holds keeps the connection from being answered, nor is it changed by what
/// comes later.
#[test]
fn events_are_values_and_may_be_kept() {
    let mut connection = connection();
    let mut kept = Vec::new();
    for request in [CHUNKED, SIZED, GET, CHUNKED] {
        assert_eq!(connection.received(request.as_bytes()), request.len());
        let events = events(&mut connection);
        connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
        kept.extend(events);
    }
    drop(connection);
    let shown: Vec<String> = std::thread::spawn(move || {
        let show = |event: &RequestEvent| match event {
            RequestEvent::Request(head) => head.view().target_text().to_string(),
            RequestEvent::Data(data) => data.escape_ascii().to_string(),
            RequestEvent::End(trailers) => format!("end {}", fields(trailers)),
            RequestEvent::Closed => "closed".to_string(),
        };
        kept.iter().map(show).collect()
    })
    .join()
    .unwrap();
    let chunked = ["/b", "ghijk", " lmnop", "end Digest: y"];
    let expected = [&chunked[..], &["/c", "ghijk", "end "], &["/a", "end "], &chunked].concat();
    assert_eq!(shown, expected);
}

#[test]
fn every_request_has_an_end_unless_it_was_answered_before() {
    let mut connection = connection();
    assert_eq!(connection.received(GET.as_bytes()), GET.len());
    assert!(matches!(connection.next_event(), Ok(Some(RequestEvent::Request(_)))));
    assert!(matches!(connection.next_event(), Ok(Some(RequestEvent::End(_)))));
    assert!(matches!(connection.next_event(), Ok(None)));
    connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();

    assert_eq!(connection.received(GET.as_bytes()), GET.len());
    assert!(matches!(connection.next_event(), Ok(Some(RequestEvent::Request(_)))));
    connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
    assert!(matches!(connection.next_event(), Ok(None)));
    assert!(connection.is_idle());
}

#[test]
fn what_waits_behind_a_request_is_not_taken_twice_nor_lost() {
    let mut connection = connection();
    let two = [GET, SIZED].concat();
    assert_eq!(connection.received(two.as_bytes()), two.len());
    assert_eq!(events(&mut connection).len(), 2);
    assert!(!connection.wants_input());
    assert_eq!(connection.received(b"more"), 0);
    assert_eq!(connection.held(), SIZED.len());
    connection.eof();
    assert_eq!(events(&mut connection).len(), 0, "the end comes behind what waits");
    connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
    assert_eq!(events(&mut connection).len(), 4, "head, data, end, closed");
    // The last of the stream: the answer says so.
    connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
    assert!(connection.must_close());
    let sent = String::from_utf8(connection.take_outgoing()).unwrap();
    assert_eq!(sent.matches("Connection: close").count(), 1, "{sent}");
    assert_eq!(connection.received(b"dropped"), 7);
    assert!(matches!(connection.next_event(), Ok(None)));
    assert_eq!(connection.held(), 0);
}

#[test]
fn a_half_close_of_the_client_is_reported_once() {
    let mut idle = connection();
    idle.eof();
    idle.eof();
    assert!(!idle.wants_input());
    assert!(matches!(idle.next_event(), Ok(Some(RequestEvent::Closed))));
    idle.eof();
    assert!(matches!(idle.next_event(), Ok(None)));
    assert!(idle.must_close());

    let mut asked = connection();
    assert_eq!(asked.received(GET.as_bytes()), GET.len());
    asked.eof();
    let seen = events(&mut asked);
    asked.eof();
    assert_eq!(events(&mut asked).len(), 0);
    assert!(
        matches!(seen[..], [RequestEvent::Request(_), RequestEvent::End(_), RequestEvent::Closed]),
        "{seen:?}"
    );
    assert_eq!(asked.state().server, ServerState::SendResponse);
    asked.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
    assert!(asked.must_close());

    let mut cut_off = connection();
    assert_eq!(cut_off.received(b"GET / HT"), 8);
    cut_off.eof();
    assert_eq!(cut_off.next_event().unwrap_err().rule, Rule::HeadIncomplete);
    cut_off.reject();
    assert!(cut_off.take_outgoing().starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert!(matches!(cut_off.next_event(), Ok(None)));
}

#[test]
fn what_the_protocol_forbids_sends_nothing() {
    let mut connection = connection();
    let order = connection.respond_whole(Status::OK, &Headers::new(), b"");
    assert!(matches!(order, Err(LocalProtocolError::Order(_))), "{order:?}");
    assert_eq!(connection.received(GET.as_bytes()), GET.len());
    assert_eq!(events(&mut connection).len(), 2);
    connection.respond(Status::OK, &Headers::new(), BodyLength::Exactly(2)).unwrap();
    assert_eq!(connection.data(b"abc"), Err(LocalProtocolError::TooLong(2)));
    connection.data(b"a").unwrap();
    assert_eq!(connection.end(&Headers::new()), Err(LocalProtocolError::TooShort(1)));
    connection.data_bytes(Bytes::from_static(b"b")).unwrap();
    connection.end(&Headers::new()).unwrap();
    let sent = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(connection.take_outgoing(), sent.as_bytes());
}

#[test]
fn what_is_sent_in_part_is_offered_again_from_there_with_the_date() {
    let mut connection = connection();
    connection.set_time(784_111_777);
    assert_eq!(connection.received(GET.as_bytes()), GET.len());
    assert_eq!(events(&mut connection).len(), 2);
    connection.inform(Status::EARLY_HINTS, &Headers::new()).unwrap();
    connection.respond_whole(Status::NOT_FOUND, &Headers::new(), b"").unwrap();
    let mut sent = Vec::new();
    while connection.queued() > 0 {
        let mut slices = [&[][..]; 1];
        assert_eq!(connection.outgoing(&mut slices), 1);
        let n = slices[0].len().min(3);
        sent.extend_from_slice(&slices[0][..n]);
        connection.sent(n as u64);
    }
    let expected = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(String::from_utf8(sent).unwrap(), expected);
}

#[test]
fn another_protocol_has_what_was_not_read() {
    let mut connection = connection();
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst";
    assert_eq!(connection.received(upgrade.as_bytes()), upgrade.len());
    assert_eq!(events(&mut connection).len(), 2);
    connection.switch(&Headers::new(), "echo").unwrap();
    assert!(connection.is_switched() && !connection.wants_input());
    assert_eq!(connection.received(b"second"), 0, "that is the other protocol's");
    assert!(connection.next_event().unwrap().is_none());
    assert_eq!(connection.take_input(), "first");
}

#[test]
fn it_holds_no_more_than_its_limits_and_nothing_while_it_is_idle() {
    let limits = Limits { request_line: 100, header_bytes: 100, ..Limits::default() };
    let mut connection =
        ServerConnection::new(ConnectionConfig { limits, ..ConnectionConfig::default() });
    for _ in 0..40 {
        let taken = connection.received(b"GET /a-long-path-");
        assert!(taken == 0 || connection.held() <= 200 + taken);
        if connection.next_event().is_err() {
            break;
        }
    }
    assert_eq!(connection.next_event().unwrap_err().rule, Rule::RequestLineTooLong);
    assert_eq!(connection.held(), 0);
    connection.reject();
    assert!(connection.must_close());
    connection.take_outgoing();
    assert!(matches!(connection.next_event(), Ok(None)));
    assert_eq!(connection.held(), 0);
}

#[test]
fn what_comes_behind_the_last_request_is_let_go() {
    let mut connection = connection();
    let last = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\nmore");
    assert_eq!(connection.received(last.as_bytes()), last.len());
    assert_eq!(events(&mut connection).len(), 2);
    connection.respond_whole(Status::OK, &Headers::new(), b"").unwrap();
    connection.take_outgoing();
    assert!(connection.must_close() && connection.held() == 0);
}

#[test]
fn what_takes_too_long_and_a_shutdown() {
    let mut late = connection();
    assert_eq!(late.received(b"GET / HT"), 8);
    assert_eq!(events(&mut late).len(), 0);
    assert_eq!(late.timed_out().map(|it| it.rule), Some(Rule::HeadTimeout));
    late.reject();
    assert!(late.take_outgoing().starts_with(b"HTTP/1.1 408 "));
    let mut leaving = connection();
    leaving.give_up();
    assert!(leaving.must_close());
}

#[test]
fn it_goes_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&connection());
    let shown = format!("{:?}", connection());
    assert!(shown.starts_with("ServerConnection { connection: "), "{shown}");
}
