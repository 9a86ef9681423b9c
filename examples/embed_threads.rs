//! HTTP without a hub and without a poller: a thread for each connection, blocking sockets of std.
//! Numbers are lines of the contract of `diesel_proto::Endpoint`.

use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use diesel_examples::embed::{self, Clock, Failure, LISTEN, threads};
use diesel_examples::handlers::hello;
use diesel_proto::http1::{Service, Standalone};
use diesel_proto::machine::{EndpointIo, Interest};

fn serve(mut socket: TcpStream) -> Result<(), Failure> {
    let clock = Clock::start();
    let now = || clock.now();
    let Some(http) = Standalone::new(Service::new(hello)) else { return Ok(()) };
    let mut io = EndpointIo::new(http.machine(socket.peer_addr()?.into()), now()); // 1
    let mut scratch = [0; 16 << 10];
    socket.set_nodelay(true)?;
    loop {
        io.expired(now()); // 4
        if threads::is_stopping() {
            io.endpoint().shutdown(now());
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
        let deadline = io.next_deadline().map_or(threads::TICK, |deadline| deadline.at - now());
        let wait = deadline.clamp(Duration::from_millis(1), threads::TICK);
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

fn main() -> Result<(), Failure> {
    let [listener] = embed::listen("HTTP, with a thread for each connection.", [LISTEN])?;
    threads::serve(listener, serve)
}
