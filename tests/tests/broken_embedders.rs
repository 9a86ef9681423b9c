//! The peer that checks embedders names what a loop does wrong, and does not take long for it.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use diesel_driver::Instant;
use diesel_driver::http1::{Deadlines, Service, Standalone};
use diesel_driver::machine::{EndpointIo, Interest};
use diesel_examples::handlers::hello;
use diesel_tests::embedder::{Embedder, Report};
use socket2::SockRef;

const HEAD_DEADLINE: Duration = Duration::from_secs(4);

/// What a loop leaves out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Without {
    Nothing,
    TimeOfDay,
    /// Its deadlines pass only when something arrives.
    Deadlines,
    ShutDown,
    /// It accepts no second connection.
    Accepts,
}

/// A thread for each connection, as in the example `embed_threads`.
fn serve(mut socket: TcpStream, without: Without) -> std::io::Result<()> {
    let start = SystemInstant::now();
    let now = || Instant::ORIGIN + start.elapsed();
    let deadlines = Deadlines { head: HEAD_DEADLINE, ..Deadlines::default() };
    let http = Standalone::new(Service::new(hello).deadlines(deadlines)).expect("it is plain");
    let mut io = EndpointIo::new(http.machine(socket.peer_addr()?.into()), now());
    let mut scratch = [0; 16 << 10];
    socket.set_nodelay(true)?;
    let tick = Duration::from_millis(100);
    let mut waits = false;
    loop {
        if !waits || without != Without::Deadlines {
            io.expired(now());
        }
        if let Some(end) = io.end() {
            if end.is_abort() {
                SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            }
            return Ok(());
        }
        if io.must_shut_down() && without != Without::ShutDown {
            let _ = socket.shutdown(Shutdown::Write);
        }
        let wait = io.next_deadline().map_or(tick, |deadline| deadline.at - now());
        let wait = wait.clamp(Duration::from_millis(1), tick);
        socket.set_write_timeout(Some(wait))?;
        socket.set_read_timeout(Some(wait))?;
        let before = SystemInstant::now();
        match io.wants() {
            Interest { writable: true, .. } => _ = io.write(now, &mut socket),
            Interest { readable: true, .. } => {
                if without != Without::TimeOfDay {
                    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    http.time_of_day(unix.as_secs());
                }
                io.read(now, &mut socket, &mut scratch);
            }
            _ => thread::sleep(wait),
        }
        waits = before.elapsed() >= wait;
    }
}

fn start(without: Without) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("any port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve(socket, without));
            if without == Without::Accepts {
                // The others are in the backlog.
                thread::sleep(Duration::from_secs(600));
            }
        }
    });
    address
}

fn check(without: Without) -> Report {
    let http = start(without);
    let head_deadline = Some(HEAD_DEADLINE);
    let embedder = Embedder { http, head_deadline, ..Embedder::at(http) };
    embedder.check()
}

fn lines(report: &Report) -> Vec<&'static str> {
    report.broken.iter().map(|broken| broken.lines).collect()
}

#[test]
fn a_loop_that_keeps_the_contract_passes() {
    let report = check(Without::Nothing);
    assert!(report.broken.is_empty(), "{report}");
    let text = report.to_string();
    assert!(text.ends_with("9 checks passed, 0 failed, 3 were skipped"), "{text}");
}

#[test]
fn each_line_that_is_broken_is_named() {
    let checked = [
        (Without::TimeOfDay, "1 or 6"),
        (Without::Deadlines, "3"),
        (Without::ShutDown, "11 or 12"),
    ];
    let checks =
        checked.map(|(without, line)| (without, line, thread::spawn(move || check(without))));
    for (without, line, report) in checks {
        let report = report.join().expect("it reports");
        assert!(lines(&report).contains(&line), "{without:?}: {report}");
        assert!(lines(&report).iter().all(|it| *it == line), "{without:?}: {report}");
    }
}

#[test]
fn a_loop_that_serves_no_one_is_soon_given_up() {
    let start = SystemInstant::now();
    let report = check(Without::Accepts);
    // It is any check that finds it.
    assert_eq!(lines(&report)[1..], ["4 or 10"], "{report}");
    assert!(report.skipped.iter().any(|(_, why)| why.contains("no one")), "{report}");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
