//! The README's event loop, over loopback sockets: with machines that wait for their peer, that
//! send first, that set deadlines, that pause, half-close and cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use diesel_proto::{Actions, Cause, End, Input, Instant, LineEcho, Machine, ProxyProtocol, Reason};
use diesel_tests::plain_loop::serve;

/// A machine behind the loop, and a client of it.
fn talk_to<M: Machine + Send + 'static>(machine: M) -> (TcpStream, JoinHandle<End>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (socket, _) = listener.accept().unwrap();
    (client, thread::spawn(move || serve(socket, machine).unwrap()))
}

/// Sends everything at once, ends its side, and returns everything that it receives.
fn session<M: Machine + Send + 'static>(machine: M, says: &str) -> (String, End) {
    let (mut client, server) = talk_to(machine);
    client.write_all(says.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    (heard, server.join().unwrap())
}

#[test]
fn the_readme_has_this_loop() {
    let code = include_str!("../src/plain_loop.rs");
    let (_, code) = code.split_once("\n\n").unwrap();
    let code = code.replace("pub fn serve", "fn serve");
    assert!(include_str!("../../README.md").contains(&code), "README.md has another loop");
}

#[test]
fn a_line_echo() {
    let echo = LineEcho::default;
    let closed = |cause| End::Close(cause);
    for (says, hears, end) in [
        ("hello\nworld\n", "you said: hello\nyou said: world\n", closed(Cause::PeerClosed)),
        ("hello\nquit\nmore\n", "you said: hello\n", closed(Cause::Done)),
        ("half a li", "", closed(Cause::PeerClosed)),
        ("", "", closed(Cause::PeerClosed)),
    ] {
        assert_eq!(session(echo(), says), (hears.to_string(), end), "{says:?}");
    }
    let (heard, end) = session(echo().max_line(9), "a line that is too long\nmore\n");
    assert_eq!(heard, "line longer than 9 bytes\r\n");
    assert!(matches!(end, End::Close(Cause::Limit(_))), "{end:?}");
}

#[test]
fn a_stack_that_gives_way() {
    let stack = || {
        let upgrading = || LineEcho::default().on_upgrade(|it| it.upgrade(Greeter::new()));
        ProxyProtocol::new(Duration::from_secs(9), move |_| upgrading())
    };
    let (heard, end) = session(stack(), "PROXY UNKNOWN\r\none\nUPGRADE\ntwo");
    assert_eq!(heard, "you said: one\nhello\ntwo");
    assert_eq!(end, End::Close(Cause::PeerClosed));
}

/// Sends a greeting, then echoes; closes when nothing arrives for a while; half-closes at a dot,
/// and closes at an exclamation mark.
struct Greeter {
    patience: Duration,
}

impl Greeter {
    fn new() -> Self {
        Greeter { patience: Duration::from_secs(20) }
    }
}

impl Machine for Greeter {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.send(b"hello\n"),
            Input::Bytes(bytes) => {
                actions.send(bytes);
                match bytes.last() {
                    Some(b'.') => actions.half_close(),
                    Some(b'!') => actions.abort(Cause::Failed),
                    _ => {}
                }
            }
            Input::Deadline => {
                actions.send(b"goodbye\n");
                actions.close(Cause::TimedOut(Reason::Idle));
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        actions.set_deadline(now + self.patience, Reason::Idle);
        match input {
            Input::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

fn hears(client: &mut TcpStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[test]
fn a_greeting_is_sent_before_the_peer_sends_a_byte() {
    let (mut client, server) = talk_to(Greeter::new());
    hears(&mut client, "hello\n");
    client.write_all(b"hi").unwrap();
    hears(&mut client, "hi");
    drop(client);
    assert_eq!(server.join().unwrap(), End::Close(Cause::PeerClosed));
}

#[test]
fn a_deadline_passes_while_the_peer_is_silent() {
    let (mut client, server) = talk_to(Greeter { patience: Duration::from_millis(50) });
    hears(&mut client, "hello\ngoodbye\n");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    assert_eq!(server.join().unwrap(), End::Close(Cause::TimedOut(Reason::Idle)));
}

#[test]
fn a_machine_that_ends_its_side_goes_on_listening() {
    let (mut client, server) = talk_to(Greeter::new());
    client.write_all(b"bye.").unwrap();
    hears(&mut client, "hello\nbye.");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    client.write_all(b"are you there?").unwrap();
    drop(client);
    assert_eq!(server.join().unwrap(), End::Close(Cause::PeerClosed));
}

#[test]
fn a_machine_that_cuts_its_peer_off_is_seen_to() {
    let (mut client, server) = talk_to(Greeter::new());
    hears(&mut client, "hello\n");
    client.write_all(b"!").unwrap();
    let error = client.read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.join().unwrap(), End::Abort(Cause::Failed));
}

#[test]
fn a_peer_that_resets_ends_it() {
    let (mut client, server) = talk_to(Greeter::new());
    hears(&mut client, "hello\n");
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(server.join().unwrap(), End::Abort(Cause::Reset));
}

/// Sends without end until its deadline, which passes while the loop waits to write.
struct Flood;

impl Machine for Flood {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => {
                actions.set_deadline(now + Duration::from_millis(100), Reason::WriteStall);
            }
            Input::Deadline => actions.abort(Cause::TimedOut(Reason::WriteStall)),
            _ => {}
        }
        if !actions.is_closing() {
            actions.send(&[b'x'; 60_000]);
            actions.notify_below(1);
        }
        0
    }
}

#[test]
fn a_deadline_passes_while_the_peer_does_not_read() {
    let (client, server) = talk_to(Flood);
    assert_eq!(server.join().unwrap(), End::Abort(Cause::TimedOut(Reason::WriteStall)));
    drop(client);
}

/// Takes one byte, then pauses for a while.
struct Slow;

impl Machine for Slow {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                actions.send(&bytes[..1]);
                actions.pause();
                actions.set_deadline(now + Duration::from_millis(5), Reason::Idle);
                return 1;
            }
            Input::Deadline => actions.resume(),
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

#[test]
fn a_machine_that_pauses_gets_the_rest_later() {
    let (heard, end) = session(Slow, "a little at a time");
    assert_eq!((heard.as_str(), end), ("a little at a time", End::Close(Cause::PeerClosed)));
}

/// Echoes, and pauses or resumes reading whenever its deadline passes: often between a read of the
/// loop and its call of `received`, so that bytes must wait.
struct Fickle {
    period: Duration,
    paused: bool,
}

impl Machine for Fickle {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.set_deadline(now + self.period, Reason::Idle),
            Input::Bytes(bytes) => {
                actions.send(bytes);
                return bytes.len();
            }
            Input::Deadline => {
                self.paused = !self.paused;
                if self.paused {
                    actions.pause()
                } else {
                    actions.resume()
                }
                actions.set_deadline(now + self.period, Reason::Idle);
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

#[test]
fn bytes_that_a_paused_machine_does_not_take_are_kept_and_offered_again() {
    for micros in [5, 10, 20, 40, 80] {
        let fickle = Fickle { period: Duration::from_micros(micros), paused: false };
        let (client, server) = talk_to(fickle);
        let says: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let (mut writer, bytes) = (client.try_clone().unwrap(), says.clone());
        let writes = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut heard = Vec::new();
        (&client).read_to_end(&mut heard).unwrap();
        writes.join().unwrap();
        assert!(heard == says, "{micros} µs: {} bytes of {}", heard.len(), says.len());
        assert_eq!(server.join().unwrap(), End::Close(Cause::PeerClosed));
    }
}

#[test]
fn more_than_all_buffers_hold_comes_back_whole() {
    let (client, server) = talk_to(LineEcho::default());
    let line = "x".repeat(1000) + "\n";
    let (count, mut writer) = (10_000, client.try_clone().unwrap());
    let lines = line.clone();
    let writes = thread::spawn(move || {
        (0..count).for_each(|_| writer.write_all(lines.as_bytes()).unwrap());
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    (&client).read_to_end(&mut heard).unwrap();
    writes.join().unwrap();
    assert_eq!(heard.len(), count * ("you said: ".len() + line.len()));
    assert_eq!(server.join().unwrap(), End::Close(Cause::PeerClosed));
}

/// Sends without end, and records its inputs.
struct Duplex(mpsc::Sender<String>);

impl Machine for Duplex {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start | Input::Drained => {
                actions.send(&[b'x'; 60_000]);
                actions.notify_below(1);
            }
            Input::Bytes(bytes) => {
                self.0.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
                return bytes.len();
            }
            _ => {}
        }
        0
    }
}

#[test]
fn what_a_peer_sent_before_its_reset_is_read_although_writing_failed() {
    let (tell, told) = mpsc::channel();
    let (mut client, server) = talk_to(Duplex(tell));
    client.read_exact(&mut [0]).unwrap();
    // The loop waits to write meanwhile. Closing the socket with unread bytes resets it.
    thread::sleep(Duration::from_millis(50));
    client.write_all(b"enough").unwrap();
    drop(client);
    assert_eq!(server.join().unwrap(), End::Abort(Cause::Reset));
    assert_eq!(told.iter().collect::<String>(), "enough");
}
