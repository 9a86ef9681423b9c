//! Makes connections without blocking.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use diesel_proto::ConnectErrorKind;
use diesel_proto::hub::embed::ConnectOutcome;
use socket2::{Domain, Protocol, Socket, Type};

use crate::fault::{self, Call};

/// Begins to connect. The result is known when the socket is writable: see [`outcome`].
pub(crate) fn begin(address: SocketAddr) -> Result<Socket, ConnectErrorKind> {
    let begin = || {
        let domain = Domain::for_address(address);
        let make = || Socket::new(domain, Type::STREAM, Some(Protocol::TCP));
        let socket = fault::call(Call::Socket, make)?;
        fault::call(Call::Nonblocking, || socket.set_nonblocking(true))?;
        // The option affects only speed, so a failure is ignored.
        let _ = fault::call(Call::Tune, || socket.set_tcp_nodelay(true));
        match fault::call(Call::Connect, || socket.connect(&address.into())) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(socket),
        }
    };
    begin().map_err(|error| kind_of(&error))
}

/// The result of the attempt that [`begin`] started. An event of the poller does not prove that the
/// socket is connected: it is once it has a peer.
pub(crate) fn outcome(socket: &Socket) -> ConnectOutcome {
    if let Ok(Some(error)) | Err(error) = fault::call(Call::Outcome, || socket.take_error()) {
        return ConnectOutcome::Failed(kind_of(&error));
    }
    match socket.peer_addr() {
        Ok(peer) => match socket.local_addr() {
            Ok(local) if local.as_socket() == peer.as_socket() => {
                // An ordinary close would block the port, which belongs to another program, for
                // a minute.
                let _ = socket.set_linger(Some(Duration::ZERO));
                ConnectOutcome::Failed(ConnectErrorKind::SelfConnect)
            }
            _ => ConnectOutcome::Done,
        },
        Err(error) if error.kind() == io::ErrorKind::NotConnected => ConnectOutcome::UnderWay,
        Err(error) => ConnectOutcome::Failed(kind_of(&error)),
    }
}

/// An attempt that a signal interrupts continues in the background.
fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

pub(crate) fn kind_of(error: &io::Error) -> ConnectErrorKind {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => ConnectErrorKind::Refused,
        ErrorKind::ConnectionReset => ConnectErrorKind::Reset,
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            ConnectErrorKind::Unreachable
        }
        ErrorKind::TimedOut => ConnectErrorKind::TimedOut,
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::InvalidInput => {
            ConnectErrorKind::AddressNotAvailable
        }
        ErrorKind::PermissionDenied => ConnectErrorKind::Forbidden,
        ErrorKind::OutOfMemory => ConnectErrorKind::OutOfResources,
        ErrorKind::Unsupported => ConnectErrorKind::Unsupported,
        _ if is_exhausted(error) => ConnectErrorKind::OutOfResources,
        _ => ConnectErrorKind::Other(error.raw_os_error().unwrap_or(0)),
    }
}

/// Whether the process is at its file descriptor limit, or the system has no descriptor, no memory,
/// or (for the poller) no watch left. std has no stable kind for most of these.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::ENOSPC];
    error.raw_os_error().is_some_and(|errno| exhausted.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_whose_connect_has_no_answer_yet_is_not_taken_for_a_connected_one() {
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let listener = TcpListener::from(full);
        let address = listener.local_addr().unwrap();
        let wait = Duration::from_millis(100);
        let backlog: Vec<_> =
            std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok()).collect();

        assert_eq!(outcome(&begin(address).unwrap()), ConnectOutcome::UnderWay);
        drop(backlog);
    }

    #[test]
    fn a_socket_that_is_its_own_peer_is_refused() {
        // A connect to a free port of the same machine may connect to itself, if the system happens
        // to choose that port for the socket.
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            if socket.bind(&address.into()).is_err() {
                continue; // no IPv6
            }
            socket.connect(&socket.local_addr().unwrap()).unwrap();
            assert_eq!(outcome(&socket), ConnectOutcome::Failed(ConnectErrorKind::SelfConnect));
        }
    }

    #[test]
    fn a_socket_that_has_a_peer_is_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = begin(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
        assert_eq!(outcome(&socket), ConnectOutcome::Done);
    }

    #[test]
    fn a_reset_is_no_refusal() {
        let kind = |errno| kind_of(&io::Error::from_raw_os_error(errno));
        assert_eq!(kind(libc::ECONNRESET), ConnectErrorKind::Reset);
        assert_eq!(kind(libc::ECONNREFUSED), ConnectErrorKind::Refused);
    }

    #[test]
    fn a_bound_socket_without_a_listener_refuses() {
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = bound.local_addr().unwrap().as_socket().unwrap();
        // Some systems report the error at once, others when the result is requested.
        let kind = match begin(address) {
            Ok(socket) => outcome(&socket),
            Err(kind) => ConnectOutcome::Failed(kind),
        };
        assert_eq!(kind, ConnectOutcome::Failed(ConnectErrorKind::Refused));
    }
}
