//! Each example as a process, with a real client; and events that only sockets can cause.
//!
//! `sessions` tests the handlers without sockets. These tests are about the driver and the kernel.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use diesel_driver::{Application, Config, Conn, Error, HaltHandle, Service};
use diesel_tests::{Program, Signal, connect};
use socket2::{Domain, SockRef, Socket, Type};

/// The next line of a connection, without its line end; empty if there is none.
fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line comes in time");
    line.trim_end().to_string()
}

/// Sends a line and returns the next one that arrives.
fn ask(stream: &mut BufReader<TcpStream>, message: &str) -> String {
    write!(stream.get_mut(), "{message}\r\n").unwrap();
    line(stream)
}

fn rest(mut stream: impl Read) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the end comes in time");
    rest
}

fn visit(address: SocketAddr) -> BufReader<TcpStream> {
    BufReader::new(connect(address))
}

/// Closes a connection with a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

fn ends_well(program: Program) {
    program.signal(Signal::TERM);
    assert_eq!(program.finish(), (String::new(), String::new(), Some(0)));
}

mod examples {
    use super::*;

    #[test]
    fn echo() {
        let (program, address) = Program::serve("echo", &[]);
        let mut client = visit(address);
        assert_eq!(ask(&mut client, "hello"), "you said: hello");
        client.get_mut().write_all(b"in ").unwrap();
        assert_eq!(ask(&mut client, "two pieces"), "you said: in two pieces");
        client.get_mut().write_all(b"quit\r\n").unwrap();
        assert_eq!(rest(client), "");
        ends_well(program);
    }

    #[test]
    fn echo_client() {
        let (server, address) = Program::serve("echo", &[]);
        let client = Program::start("echo_client", &["--connect", &address.to_string()]);
        let said = "you said: hello\nyou said: is anybody there?\nyou said: goodbye\n";
        assert_eq!(client.finish(), (said.to_string(), String::new(), Some(0)));
        ends_well(server);
    }

    #[test]
    fn echo_client_without_a_server() {
        // Bound, so that no other process gets the port; but it does not listen.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let nobody = socket.local_addr().unwrap().as_socket().unwrap().to_string();
        let client = Program::start("echo_client", &["--connect", &nobody]);
        let error = format!("Error: cannot connect to {nobody}: connection refused\n");
        assert_eq!(client.finish(), (String::new(), error, Some(1)));
    }

    #[test]
    fn echo_timeout() {
        let (program, address) = Program::serve("echo_timeout", &[]);
        let mut client = visit(address);
        assert_eq!(line(&mut client), "timeout!");
        assert_eq!(ask(&mut client, "hello"), "you said: hello");
        ends_well(program);
    }

    #[test]
    fn bytes_or_timeout() {
        let (program, address) = Program::serve("bytes_or_timeout", &[]);
        let (mut quick, slow) = (connect(address), connect(address));
        quick.write_all(b"hi").unwrap();
        assert_eq!(rest(quick), "got two bytes!\r\n");
        assert_eq!(rest(slow), "timeout\r\n");
        ends_well(program);
    }

    #[test]
    fn clocker() {
        let program = Program::start("clocker", &["--for", "0.2"]);
        assert_eq!(program.finish(), ("hi!\nhi!\n".to_string(), String::new(), Some(0)));
    }

    #[test]
    fn combined() {
        let (output, errors, code) = Program::start("combined", &[]).finish();
        assert_eq!((errors.as_str(), code), ("", Some(0)));
        let time = output.strip_prefix("5000 loops in ").and_then(|text| text.strip_suffix("s\n"));
        assert!(time.is_some_and(|time| time.parse::<f64>().is_ok()), "{output:?}");
    }

    #[test]
    fn chat() {
        let (program, address) = Program::serve("chat", &[]);
        let (mut ann, mut bob) = (visit(address), visit(address));
        ann.get_mut().write_all(b"ann\r\n").unwrap();
        bob.get_mut().write_all(b"bob\r\n").unwrap();
        // The kernel decides which of the two joins first: ann repeats it until bob receives it.
        let mut hears = || {
            ann.get_mut().write_all(b"hi bob\r\n").unwrap();
            bob.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut line = String::new();
            bob.read_line(&mut line).is_ok_and(|_| line == "<ann> hi bob\r\n")
        };
        while !hears() {}
        bob.get_mut().write_all(b"hi ann\r\n").unwrap();
        assert_eq!(line(&mut ann), "<bob> hi ann");
        ends_well(program);
    }

    #[test]
    fn fire() {
        let program = Program::start("fire", &["--for", "0.2"]);
        let heard = "ann: bam 1\nbob: bam 1\n".to_string();
        assert_eq!(program.finish(), (heard, String::new(), Some(0)));
    }

    #[test]
    fn sleep_server() {
        let (program, address) = Program::serve("sleep_server", &["--pause", "0.05"]);
        let mut client = connect(address);
        client.write_all(b"hello\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(client), "0\r\n1\r\n2\r\n3\r\nyou said hello\r\n");
        ends_well(program);
    }

    #[test]
    fn oops() {
        let (mut program, address) = Program::serve("oops", &[]);
        let mut client = visit(address);
        let here = client.get_ref().local_addr().unwrap();
        assert_eq!(ask(&mut client, "hello"), "you said: hello");
        drop(client);
        assert_eq!(program.line(), format!("oops! {here} is gone after 1 line"));
        let client = connect(address);
        let here = client.local_addr().unwrap();
        reset(client);
        assert_eq!(program.line(), format!("oops! {here} is gone after 0 lines"));
        ends_well(program);
    }

    #[test]
    fn proxy() {
        const MIB: usize = 1 << 20;
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = target.local_addr().unwrap().to_string();
        let (program, address) = Program::serve("proxy", &["--to", &to]);

        let mut client = connect(address);
        let (mut server, _) = target.accept().unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut server), "question");

        // Far more than all buffers on the way hold, to a client that does not read yet.
        let bytes: Vec<u8> = (0..32 * MIB).map(|n| (n % 251) as u8).collect();
        let sent = bytes.clone();
        let sender = thread::spawn(move || server.write_all(&sent).unwrap());
        thread::sleep(Duration::from_millis(200));
        assert!(!sender.is_finished(), "the proxy holds 32 MiB");
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        sender.join().unwrap();
        let differ = got.iter().zip(&bytes).position(|(got, sent)| got != sent);
        assert_eq!((got.len(), differ), (bytes.len(), None));
        ends_well(program);
    }
}

mod command_lines {
    use super::*;

    const ALL: [&str; 11] = [
        "bytes_or_timeout",
        "chat",
        "clocker",
        "combined",
        "echo",
        "echo_client",
        "echo_timeout",
        "fire",
        "oops",
        "proxy",
        "sleep_server",
    ];

    #[test]
    fn help_is_printed_on_request() {
        for name in ALL {
            let (output, errors, code) = Program::start(name, &["--help"]).finish();
            assert!(output.contains(&format!("Usage: {name}")), "{output}");
            assert_eq!((errors.as_str(), code), ("", Some(0)));
        }
    }

    /// As in `echo --help | true`.
    #[test]
    fn without_a_reader_of_their_output_they_end_quietly() {
        let runs: [(&str, &[&str]); 3] =
            [("echo", &["--help"]), ("http", &["--listen", "127.0.0.1:0"]), ("clocker", &[])];
        for (name, arguments) in runs {
            let program = Program::start_unread(name, arguments);
            let ended = program.wait_with_output().expect("it can be waited for");
            let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!((errors.as_str(), ended.status.code()), ("", Some(0)), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for name in ALL {
            let (output, errors, code) = Program::start(name, &["--nonsense"]).finish();
            assert!(errors.contains("--nonsense") && errors.contains("Usage: "), "{errors}");
            assert_eq!((output.as_str(), code), ("", Some(2)));
        }
        let (_, errors, code) = Program::start("echo", &["--listen", "7050"]).finish();
        assert!(errors.contains("--listen: \"7050\" is not HOST:PORT"), "{errors}");
        assert_eq!(code, Some(2));
    }

    #[test]
    fn an_address_that_cannot_be_listened_on_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        for name in ["bytes_or_timeout", "chat", "combined", "echo", "echo_timeout", "oops"]
            .into_iter()
            .chain(["proxy", "sleep_server"])
        {
            let program = Program::start(name, &["--listen", &address]);
            let (output, errors, code) = program.finish();
            assert_eq!((output.as_str(), code), ("", Some(1)), "{name}");
            assert!(errors.contains(&format!("cannot listen on {address}: ")), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
        }
    }
}

mod signals {
    use super::*;

    /// Two peers of the echo server: one whose handler waits for it, and one that reads nothing and
    /// delays the shutdown.
    fn with_a_peer_that_does_not_read() -> (Program, BufReader<TcpStream>, TcpStream) {
        let (program, address) = Program::serve("echo", &[]);
        let mut waiting = visit(address);
        assert_eq!(ask(&mut waiting, "hello"), "you said: hello");
        let mut flooding = connect(address);
        flooding.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let line = "x".repeat(1000) + "\n";
        while flooding.write_all(line.as_bytes()).is_ok() {}
        (program, waiting, flooding)
    }

    #[test]
    fn each_of_them_ends_it_in_order() {
        for signal in [Signal::TERM, Signal::INT] {
            let (program, address) = Program::serve("echo", &[]);
            let mut client = visit(address);
            assert_eq!(ask(&mut client, "hello"), "you said: hello");
            client.get_mut().write_all(b"half a li").unwrap();
            program.signal(signal);
            // The handler that waits is woken, and its connection ends without a reset.
            assert_eq!(rest(client), "");
            assert_eq!(program.finish(), (String::new(), String::new(), Some(0)));
            assert!(TcpStream::connect(address).is_err());
        }
    }

    #[test]
    fn loops_and_sleepers_are_woken() {
        let mut clocker = Program::start("clocker", &[]);
        assert_eq!(clocker.line(), "hi!");
        assert_eq!(clocker.line(), "hi!");
        ends_well(clocker);

        let (program, address) = Program::serve("sleep_server", &[]);
        let mut client = visit(address);
        assert_eq!(ask(&mut client, "hello"), "0");
        program.signal(Signal::TERM);
        assert_eq!(rest(client), "");
        assert_eq!(program.finish().2, Some(0));
    }

    #[test]
    fn the_grace_period_has_an_end() {
        let (program, waiting, flooding) = with_a_peer_that_does_not_read();
        let start = Instant::now();
        program.signal(Signal::TERM);
        assert_eq!(rest(waiting), "");
        assert_eq!(program.finish().2, Some(0));
        // Five seconds, and some more on a busy machine.
        assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
        drop(flooding);
    }

    #[test]
    fn a_second_one_stops_at_once() {
        let (program, waiting, flooding) = with_a_peer_that_does_not_read();
        let start = Instant::now();
        program.signal(Signal::TERM);
        // It has arrived.
        assert_eq!(rest(waiting), "");
        program.signal(Signal::TERM);
        assert_eq!(program.finish().2, Some(0));
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        drop(flooding);
    }
}

mod peers {
    use super::*;

    /// An application on its own thread. Dropping it halts it.
    struct Running {
        address: SocketAddr,
        handle: HaltHandle,
        thread: Option<JoinHandle<()>>,
    }

    impl Running {
        fn start(config: Config, service: impl FnOnce() -> Service + Send + 'static) -> Running {
            let (tell, told) = mpsc::channel();
            let thread = thread::spawn(move || {
                let mut app = Application::with_config(config);
                app.handle_signals(false);
                let service = app.add_service(service(), "127.0.0.1:0").unwrap();
                tell.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
                app.run().unwrap();
            });
            let (address, handle) = told.recv().unwrap();
            Running { address, handle, thread: Some(thread) }
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.handle.halt();
            let ended = self.thread.take().map(JoinHandle::join);
            assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
        }
    }

    async fn echo(mut conn: Conn) -> Result<(), Error> {
        loop {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
        }
    }

    #[test]
    fn a_client_that_resets_disturbs_no_other() {
        let running = Running::start(Config::default(), || Service::new(echo));
        let mut neighbour = visit(running.address);
        for n in 0..20 {
            let mut client = visit(running.address);
            if n % 2 == 0 {
                assert_eq!(ask(&mut client, "hello"), "hello");
            }
            // An answer is on its way that the peer never reads.
            client.get_mut().write_all(b"goodbye\r\nhalf a li").unwrap();
            reset(client.into_inner());
            assert_eq!(ask(&mut neighbour, "still there?"), "still there?");
        }
    }

    #[test]
    fn a_half_closed_client_still_gets_its_answers() {
        let running = Running::start(Config::default(), || Service::new(echo));
        let mut client = connect(running.address);
        let lines: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        let sent = lines.clone();
        let mut writer = client.try_clone().unwrap();
        let sender = thread::spawn(move || {
            writer.write_all(sent.as_bytes()).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(rest(&mut client), lines);
        sender.join().unwrap();
    }

    #[test]
    fn a_client_that_never_reads_is_cut_at_the_deadline() {
        let stall = Duration::from_millis(300);
        let running =
            Running::start(Config::default(), move || Service::new(echo).write_stall(stall));
        let mut neighbour = visit(running.address);
        let mut flooding = connect(running.address);
        let line = "x".repeat(1000) + "\n";
        let start = Instant::now();
        let error = loop {
            if let Err(error) = flooding.write_all(line.as_bytes()) {
                break error;
            }
        };
        assert!(start.elapsed() >= stall);
        // Closing with unread bytes is a reset, not an end.
        let kinds = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(ask(&mut neighbour, "still there?"), "still there?");
    }

    #[test]
    fn a_connection_beyond_the_limit_waits_until_one_leaves() {
        let running = Running::start(Config::default(), || Service::new(echo).max_connections(2));
        wait_for_a_place(running.address);
    }

    #[test]
    fn the_same_holds_for_the_limit_of_the_whole_application() {
        let mut config = Config::default();
        config.max_connections = 2;
        let running = Running::start(config, || Service::new(echo));
        wait_for_a_place(running.address);
    }

    fn wait_for_a_place(address: SocketAddr) {
        let mut inside = [visit(address), visit(address)];
        for client in &mut inside {
            assert_eq!(ask(client, "in"), "in");
        }
        // The kernel makes the connection; the application does not serve it.
        let mut outside = visit(address);
        outside.get_mut().write_all(b"let me in\r\n").unwrap();
        let patience = outside.get_ref().read_timeout().unwrap();
        outside.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(outside.fill_buf().is_err());
        outside.get_ref().set_read_timeout(patience).unwrap();

        let [mut stays, leaves] = inside;
        drop(leaves);
        assert_eq!(line(&mut outside), "let me in");
        assert_eq!(ask(&mut stays, "still in"), "still in");
    }
}
