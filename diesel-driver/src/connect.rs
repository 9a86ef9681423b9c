//! Making connections without waiting for them.

use std::io;
use std::net::SocketAddr;

use diesel_proto::ConnectErrorKind;
use socket2::{Domain, Protocol, Socket, Type};

/// Begins to connect. Whether it worked shows when the socket is writable: see
/// [`outcome`].
pub(crate) fn begin(address: SocketAddr) -> Result<Socket, ConnectErrorKind> {
    let begin = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(socket),
        }
    };
    begin().map_err(|error| kind_of(&error))
}

/// What became of a connection that is writable now.
pub(crate) fn outcome(socket: &Socket) -> Result<(), ConnectErrorKind> {
    match socket.take_error() {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(kind_of(&error)),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

pub(crate) fn kind_of(error: &io::Error) -> ConnectErrorKind {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => ConnectErrorKind::Refused,
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
        _ if is_out_of_descriptors(error) => ConnectErrorKind::OutOfResources,
        _ => ConnectErrorKind::Other(error.raw_os_error().unwrap_or(0)),
    }
}

/// std has no stable kind for these.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENFILE | libc::EMFILE))
}
