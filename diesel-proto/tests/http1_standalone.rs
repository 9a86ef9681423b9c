//! HTTP in an `Endpoint`, without a hub.

use core::time::Duration;
use diesel_proto::http1::{BodyWriter, Deadlines, Limits, Request, Response, Service, Standalone};
use diesel_proto::{
    Address, Cause, Conn, End, Endpoint, Instant, Limit, LineEcho, Machine, Reason,
};

const NOW: Instant = Instant::ORIGIN;
const SECOND: Duration = Duration::from_secs(1);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn answer(request: Request) -> Response {
    match request.path() {
        "/stream" => Response::stream(async |out: &mut BodyWriter| {
            for n in 0..2000 {
                out.write(format_args!("number {n} of a long list\n")).await?;
            }
            out.flush().await
        }),
        "/sleep" => {
            let ctx = request.ctx();
            Response::stream(async move |out: &mut BodyWriter| {
                out.write("good night").await?;
                ctx.sleep(SECOND).await
            })
        }
        "/echo" => Response::upgrade("echo", LineEcho::default()),
        "/fiber" => Response::upgrade("fiber", async |_: Conn| Ok(())),
        path => Response::text(format!("{path} {}", request.content().escape_ascii())),
    }
}

fn standalone() -> Standalone {
    let deadlines = Deadlines { head: 3 * SECOND, keep_alive: 5 * SECOND, ..Deadlines::default() };
    let limits = Limits { pipelined: 2, ..Limits::default() };
    let service = Service::new(answer).deadlines(deadlines).limits(limits).linger(2 * SECOND);
    Standalone::new(service).expect("a plain handler")
}

fn endpoint(machines: &Standalone) -> Endpoint<impl Machine + use<>> {
    Endpoint::new(machines.machine(Address::Unnamed), NOW)
}

/// Everything that comes out, taken `room` bytes at a time.
fn take_all<M: Machine>(endpoint: &mut Endpoint<M>, now: Instant, room: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut slices: [&[u8]; 4] = [&[]; 4];
        let n = endpoint.outgoing(&mut slices);
        let bytes = slices[..n].concat();
        let n = bytes.len().min(room);
        if n == 0 {
            return all;
        }
        all.extend_from_slice(&bytes[..n]);
        endpoint.sent(now, n as u64);
    }
}

fn exchange<M: Machine>(endpoint: &mut Endpoint<M>, text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut received = Vec::new();
    while !rest.is_empty() {
        let taken = endpoint.received(NOW, rest);
        rest = &rest[taken..];
        let all = take_all(endpoint, NOW, usize::MAX);
        assert!(taken > 0 || !all.is_empty(), "stuck");
        received.extend(all);
    }
    String::from_utf8(received).unwrap()
}

#[test]
fn a_connection_is_kept_and_all_that_was_pipelined_is_answered() {
    let machines = standalone();
    machines.time_of_day(784_111_777);
    let mut endpoint = endpoint(&machines);
    let received = exchange(&mut endpoint, &get("/first"));
    assert!(received.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\n/first "), "{received}");
    // More than one step of a hub would answer.
    let received = exchange(&mut endpoint, &get("/x").repeat(100));
    assert_eq!(received.matches("HTTP/1.1 200 OK\r\n").count(), 100);
    assert!(endpoint.end().is_none());
}

#[test]
fn however_it_is_cut_the_same_comes_out() {
    let post = "POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let upgrade =
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi\n";
    let all = format!("{}{post}{}{upgrade}", get("/a"), get("/b"));
    let machines = standalone();
    let whole = exchange(&mut endpoint(&machines), &all);
    assert!(whole.ends_with("\r\n\r\nyou said: hi\n"), "{whole}");
    for cut in 0..=all.len() {
        let mut endpoint = endpoint(&machines);
        let received = exchange(&mut endpoint, &all[..cut]) + &exchange(&mut endpoint, &all[cut..]);
        assert!(received == whole, "cut at {cut}: {received}");
    }
}

#[test]
fn a_stream_goes_out_as_the_peer_takes_it() {
    let machines = standalone();
    let whole = exchange(&mut endpoint(&machines), &get("/stream"));
    assert!(whole.contains("number 1999 ") && whole.ends_with("\r\n0\r\n\r\n"));
    for room in [1, 1000, 30_000] {
        let mut endpoint = endpoint(&machines);
        let request = get("/stream");
        assert_eq!(endpoint.received(NOW, request.as_bytes()), request.len());
        let taken = take_all(&mut endpoint, NOW, room);
        assert!(taken == whole.as_bytes(), "{room}");
        assert!(endpoint.wants_input());
    }
}

#[test]
fn a_stream_that_waits_for_a_hub_is_cut() {
    let mut endpoint = endpoint(&standalone());
    let received = exchange(&mut endpoint, &get("/sleep"));
    assert_eq!(received, "", "nothing had been sent, so nothing is");
    assert!(endpoint.half_closed());
    endpoint.eof(NOW);
    assert_eq!(endpoint.end(), Some(End::Close(Cause::Shutdown)));
}

#[test]
fn deadlines_have_their_reasons() {
    let machines = standalone();
    let (said, at, reason) = ("GET / HT", 3 * SECOND, Reason::Head);
    let mut late = endpoint(&machines);
    exchange(&mut late, said);
    let deadline = late.next_deadline().unwrap();
    assert_eq!((deadline.at, deadline.reason), (NOW + at, reason));
    late.expired(NOW + at);
    let received = late.take_outgoing(NOW + at);
    assert!(received.starts_with(b"HTTP/1.1 408 "));
    assert_eq!(late.next_deadline().unwrap().reason, Reason::Linger);
    late.expired(NOW + at + 2 * SECOND);
    assert_eq!(late.end(), Some(End::Close(Cause::TimedOut(Reason::Head))));

    let mut idle = endpoint(&machines);
    exchange(&mut idle, &get("/"));
    let deadline = idle.next_deadline().unwrap();
    assert_eq!((deadline.at, deadline.reason), (NOW + 5 * SECOND, Reason::KeepAlive));
    idle.expired(deadline.at);
    idle.eof(deadline.at);
    assert_eq!(idle.end(), Some(End::Close(Cause::TimedOut(Reason::KeepAlive))));
}

/// What the client still sends is dropped until it has read its answer, and leaves.
#[test]
fn a_refused_client_is_given_time_to_read_why() {
    for leaves in [true, false] {
        let mut endpoint = endpoint(&standalone());
        let received = exchange(&mut endpoint, "NO SUCH THING\r\n\r\n");
        assert!(received.starts_with("HTTP/1.1 400 "), "{received}");
        assert!(endpoint.half_closed() && endpoint.end().is_none());
        assert!(endpoint.wants_input());
        assert_eq!(endpoint.received(NOW, &[b'x'; 1000]), 1000);
        assert_eq!(endpoint.take_outgoing(NOW), b"");
        match leaves {
            true => endpoint.eof(NOW),
            false => endpoint.expired(NOW + 2 * SECOND),
        }
        assert!(matches!(endpoint.end(), Some(End::Close(Cause::Protocol(_)))));
    }
}

#[test]
fn a_shutdown_finishes_what_was_begun() {
    let machines = standalone();
    let mut idle = endpoint(&machines);
    idle.shutdown(NOW);
    idle.eof(NOW);
    assert_eq!(idle.end(), Some(End::Close(Cause::Shutdown)));

    let mut busy = endpoint(&machines);
    let (head, body) = ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", "llo");
    assert_eq!(exchange(&mut busy, head), "");
    busy.shutdown(NOW);
    let received = exchange(&mut busy, body);
    assert!(
        received.contains("Connection: close\r\n") && received.ends_with("/ hello"),
        "{received}"
    );
    busy.eof(NOW);
    assert_eq!(busy.end(), Some(End::Close(Cause::Shutdown)));
}

#[test]
fn what_needs_a_hub_is_refused() {
    let served = Service::new(async |_: Request| "hello");
    assert!(Standalone::new(served).is_none());
    let mut endpoint = endpoint(&standalone());
    let upgrade = "GET /fiber HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: fiber\r\n\r\n";
    exchange(&mut endpoint, upgrade);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Limit(Limit::Fibers(0)))));
}

#[cfg(feature = "testkit")]
#[test]
fn it_obeys_the_laws() {
    use diesel_proto::testkit::{Stimulus, laws::Laws};
    let machines = standalone();
    for session in [
        vec![Stimulus::bytes(get("/a") + &get("/b")), Stimulus::Eof],
        vec![Stimulus::bytes(get("/stream")), Stimulus::Wait(9 * SECOND)],
        vec![
            Stimulus::bytes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"),
            Stimulus::Eof,
        ],
        vec![Stimulus::bytes("GET / HTTP/1.1\r\n\r\nmore"), Stimulus::Wait(9 * SECOND)],
    ] {
        Laws::of(|| machines.machine(Address::Unnamed)).assert(&session);
    }
}
