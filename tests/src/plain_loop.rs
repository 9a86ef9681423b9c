//! The README's event loop, word for word: a test compares them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use diesel_proto::{End, Endpoint, Instant, Machine};
use socket2::SockRef;

/// Serves one connection on the current thread, until it ends.
pub fn serve(mut socket: TcpStream, machine: impl Machine) -> io::Result<End> {
    let start = std::time::Instant::now();
    let now = || Instant::ORIGIN + start.elapsed();
    let mut endpoint = Endpoint::new(machine, now());
    let mut scratch = [0; 4096];
    // Bytes of `scratch` that the endpoint has not taken yet.
    let mut unread = 0..0;
    let (mut half_closed, mut was_reset) = (false, false);
    let end = loop {
        endpoint.drain_notices().for_each(|notice| eprintln!("{notice}"));
        // No call below blocks for longer than until the next deadline.
        let wait = endpoint.next_deadline().map(|deadline| deadline.at - now());
        if wait == Some(Duration::ZERO) {
            endpoint.expired(now());
            continue;
        }
        socket.set_write_timeout(wait)?;
        socket.set_read_timeout(wait)?;
        // Write before reading: some machines speak first, and output must not pile up.
        let mut slices = [&[][..]];
        let writes = endpoint.outgoing(&mut slices) > 0;
        let result = if writes {
            socket.write(slices[0]).map(|n| endpoint.sent(now(), n as u64))
        } else if endpoint.file_region().is_some() {
            return Err(io::Error::other("this loop cannot send regions of files"));
        } else if let Some(end) = endpoint.end() {
            break end;
        } else if endpoint.half_closed() && !half_closed {
            half_closed = true;
            socket.shutdown(Shutdown::Write)
        } else if endpoint.wants_input() && !unread.is_empty() {
            // Bytes that are not taken stay in `unread`, and are offered again.
            unread.start += endpoint.received(now(), &scratch[unread.clone()]);
            Ok(())
        } else if endpoint.wants_input() {
            socket.read(&mut scratch).map(|n| match n {
                0 if was_reset => endpoint.reset(now()),
                0 => endpoint.eof(now()),
                n => unread = 0..n,
            })
        } else if let Some(wait) = wait {
            // The machine has paused reading, so that only its deadline can change something.
            std::thread::sleep(wait);
            Ok(())
        } else {
            return Err(io::Error::other("the machine has paused reading and set no deadline"));
        };
        match result.map_err(|error| error.kind()) {
            Ok(()) | Err(ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(kind) if writes => {
                // Bytes that the peer sent before it closed can still be read. The system reports
                // a reset only once, here; reading then ends without an error.
                was_reset = kind != ErrorKind::BrokenPipe;
                endpoint.write_failed(now());
            }
            Err(_) => endpoint.reset(now()),
        }
    };
    if end.is_abort() {
        // Close with a reset, so that the peer sees that the stream was cut.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    } else if socket.shutdown(Shutdown::Write).is_ok() {
        // Read until the peer closes: closing a socket with unread bytes resets the connection, and
        // the peer could lose what was sent last.
        let until = now() + Duration::from_secs(2);
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        while now() < until && socket.read(&mut scratch).is_ok_and(|n| n > 0) {}
    }
    Ok(end)
}
