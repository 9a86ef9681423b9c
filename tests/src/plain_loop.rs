//! The README's event loop, word for word: a test compares them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use diesel_proto::{End, Endpoint, Instant, Machine};
use socket2::SockRef;

/// Serves one stream in one thread, until it ends.
pub fn serve(mut socket: TcpStream, machine: impl Machine) -> io::Result<End> {
    let start = std::time::Instant::now();
    let now = || Instant::ORIGIN + start.elapsed();
    let mut endpoint = Endpoint::new(machine, now());
    let mut scratch = [0; 4096];
    let (mut half_closed, mut was_reset) = (false, false);
    let end = loop {
        // Whatever is waited for, it is for no longer than until the deadline.
        let wait = endpoint.next_deadline().map(|deadline| deadline.at - now());
        if wait == Some(Duration::ZERO) {
            endpoint.expired(now());
            continue;
        }
        socket.set_write_timeout(wait)?;
        socket.set_read_timeout(wait)?;
        // Writing comes first: a machine may speak before its peer does.
        let mut slices = [&[][..]];
        let writes = endpoint.outgoing(&mut slices) > 0;
        let happened = if writes {
            socket.write(slices[0]).map(|n| endpoint.sent(now(), n as u64))
        } else if endpoint.external().is_some() {
            return Err(io::Error::other("regions of files are not for this loop"));
        } else if let Some(end) = endpoint.end() {
            break end;
        } else if endpoint.half_closed() && !half_closed {
            half_closed = true;
            socket.shutdown(Shutdown::Write)
        } else if endpoint.wants_input() {
            socket.read(&mut scratch).map(|n| match &scratch[..n] {
                [] if was_reset => endpoint.reset(now()),
                [] => endpoint.eof(now()),
                bytes => assert_eq!(endpoint.received(now(), bytes), n, "it wanted input"),
            })
        } else if let Some(wait) = wait {
            std::thread::sleep(wait);
            Ok(())
        } else {
            return Err(io::Error::other("the machine waits for nothing that can happen here"));
        };
        match happened.map_err(|error| error.kind()) {
            Ok(()) | Err(ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(kind) if writes => {
                // What the peer sent before it closed can still be read. That it was a reset is not
                // said again.
                was_reset = kind != ErrorKind::BrokenPipe;
                endpoint.write_failed(now());
            }
            Err(_) => endpoint.reset(now()),
        }
    };
    if end.is_abort() {
        // The peer has to see that it was cut off.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    } else if socket.shutdown(Shutdown::Write).is_ok() {
        // Closed with bytes unread, the socket would be reset, and what was sent might be lost.
        let until = now() + Duration::from_secs(2);
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        while now() < until && socket.read(&mut scratch).is_ok_and(|n| n > 0) {}
    }
    Ok(end)
}
