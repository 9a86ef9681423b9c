//! HTTP without a hub and without a poller: a thread for each connection, blocking sockets of std.
//! Numbers are lines of the contract of `diesel_proto::Endpoint`.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use diesel_examples::embed::{self, Clock, Failure, LISTEN};
use diesel_examples::handlers::hello;
use diesel_proto::http1::{Service, Standalone};
use diesel_proto::machine::{EndpointIo, Interest};
use diesel_proto::{Cause, Reason};

/// A thread cannot wait for its socket and for a signal: it looks for the signal this often.
const TICK: Duration = Duration::from_millis(250);
/// What a hub has, and an endpoint leaves to its embedder: how long a client may take nothing, and
/// how many clients there may be.
const WRITE_STALL: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 1000;

static STOPPING: AtomicBool = AtomicBool::new(false);
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

fn serve(mut socket: TcpStream) -> io::Result<()> {
    let clock = Clock::start();
    let now = || clock.now();
    let Some(http) = Standalone::new(Service::new(hello)) else { return Ok(()) };
    let mut io = EndpointIo::new(http.machine(socket.peer_addr()?.into()), now()); // 1
    let mut scratch = [0; 16 << 10];
    socket.set_nodelay(true)?;
    loop {
        io.endpoint().expired(now()); // 4
        if STOPPING.load(SeqCst) {
            io.endpoint().shutdown(now());
        }
        if io.stalled(now()) > WRITE_STALL {
            io.endpoint().cut(now(), Cause::TimedOut(Reason::WriteStall));
        }
        io.endpoint().drain_notices().for_each(|notice| embed::log(&notice)); // 9
        if let Some(end) = io.end() {
            embed::close(Some(socket), end); // 8
            return Ok(());
        }
        if io.must_shut_down() {
            let _ = socket.shutdown(Shutdown::Write); // 7. This fails if the peer is gone.
        }
        // Nothing below blocks for longer than until the next deadline.
        let deadline = io.endpoint().next_deadline().map_or(TICK, |deadline| deadline.at - now());
        let wait = deadline.clamp(Duration::from_millis(1), TICK);
        match io.wants() {
            // While a write blocks, nothing is read, so that output does not pile up.
            Interest { writable: true, .. } => {
                socket.set_write_timeout(Some(wait))?;
                io.write(now, &mut socket); // 5
            }
            Interest { readable: true, .. } => {
                http.time_of_day(clock.unix_seconds());
                socket.set_read_timeout(Some(wait))?;
                io.read(now, &mut socket, &mut scratch); // 2, 3
            }
            // The machine has paused reading: only its deadline can change something.
            _ => thread::sleep(wait),
        }
    }
}

/// However a thread ends, by a panic as well, it is counted off.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        CONNECTIONS.fetch_sub(1, SeqCst);
    }
}

fn accept(listener: TcpListener) {
    loop {
        // At the limit, and while there are no descriptors, clients wait in the backlog.
        match listener.accept().ok().filter(|_| !STOPPING.load(SeqCst)) {
            Some((socket, _)) => {
                CONNECTIONS.fetch_add(1, SeqCst);
                let counted = Counted;
                thread::spawn(move || (serve(socket), drop(counted)));
            }
            None => thread::sleep(TICK),
        }
        while CONNECTIONS.load(SeqCst) >= MAX_CONNECTIONS {
            thread::sleep(TICK);
        }
    }
}

fn main() -> Result<(), Failure> {
    let [listener] = embed::listen("HTTP, with a thread for each connection.", [LISTEN])?;
    listener.set_nonblocking(false)?;
    thread::spawn(move || accept(listener));
    embed::wait_for_stop()?;
    STOPPING.store(true, SeqCst);
    let start = Instant::now();
    while CONNECTIONS.load(SeqCst) > 0 && start.elapsed() < embed::GRACE {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(()) // This resets the connections that are left.
}
