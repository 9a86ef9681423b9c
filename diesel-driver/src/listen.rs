//! Listening sockets: opens them, accepts connections, and pauses at the file descriptor limit.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use diesel_proto::hub::embed::{AcceptOutcome, Interest};
use diesel_proto::{Instant, ServiceId};
use log::Level;
use polling::Poller;
use socket2::{Domain, Protocol, Socket, Type};

use crate::connect;
use crate::fault::{self, Call};
use crate::journal::Journal;
use crate::key::PollKey;
use crate::registered::Registered;

/// Options of a listening socket. Fields that are not named have their defaults:
///
/// ```
/// use diesel_driver::ListenOptions;
///
/// let options = ListenOptions { backlog: 64, reuse_port: true, ..ListenOptions::default() };
/// assert!(options.nodelay);
/// ```
///
/// Fields may be added: end the expression with `..ListenOptions::default()`.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// The number of connections that the kernel queues until they are accepted. 1024 by default.
    pub backlog: i32,
    /// Whether to listen even if connections of a former process linger (SO_REUSEADDR). On by
    /// default.
    pub reuse_address: bool,
    /// Whether other sockets may listen on the same address (SO_REUSEPORT). Off by default.
    pub reuse_port: bool,
    /// Whether small writes go out at once (TCP_NODELAY), for the connections that are accepted.
    /// On by default.
    pub nodelay: bool,
    /// Whether an IPv6 address accepts only IPv6 peers (IPV6_V6ONLY). `None`, the default, keeps
    /// the setting of the system.
    pub only_v6: Option<bool>,
    /// Whether idle connections are probed (SO_KEEPALIVE). Off by default.
    pub keepalive: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions {
            backlog: 1024,
            reuse_address: true,
            reuse_port: false,
            nodelay: true,
            only_v6: None,
            keepalive: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) service: ServiceId,
    registered: Registered<TcpListener>,
    pub(crate) options: ListenOptions,
    /// The hub wants no more connections for now.
    stopped: bool,
    /// The system was out of descriptors or memory: nothing is accepted before this time.
    resting_until: Option<Instant>,
}

/// The longest pause of accepting at the file descriptor limit, or without memory. A connection of
/// this application that closes ends it earlier; what other processes free is not visible.
const REST: Duration = Duration::from_millis(100);

/// Listens on the first of the addresses that works. The error names the last one that was tried.
pub(crate) fn bind(
    addresses: impl ToSocketAddrs,
    options: &ListenOptions,
) -> io::Result<TcpListener> {
    let mut error = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for address in addresses.to_socket_addrs()? {
        match bind_one(address, options) {
            Ok(listener) => return Ok(listener),
            Err(cause) => {
                error =
                    io::Error::new(cause.kind(), format!("cannot listen on {address}: {cause}"));
            }
        }
    }
    Err(error)
}

fn bind_one(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(options.reuse_address)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if let (Some(only_v6), true) = (options.only_v6, address.is_ipv6()) {
        socket.set_only_v6(only_v6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

impl Listener {
    pub(crate) fn new(
        service: ServiceId,
        listener: TcpListener,
        options: ListenOptions,
        poller: &Arc<Poller>,
        key: PollKey,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let registered = Registered::new(listener, poller, key, Interest::READABLE)?;
        Ok(Listener { service, registered, options, stopped: false, resting_until: None })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registered.source().local_addr()
    }

    /// Accepts one connection, if one is there and wanted.
    ///
    /// # Errors
    ///
    /// If this socket will never accept again. A failure that is temporary, or that concerns only
    /// one connection, is no error.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        journal: &mut Journal,
    ) -> io::Result<AcceptOutcome<Socket>> {
        if self.stopped || self.resting_until.is_some() {
            return Ok(AcceptOutcome::Nothing);
        }
        let (stream, peer) = match fault::call(Call::Accept, || self.registered.source().accept()) {
            Ok(accepted) => accepted,
            Err(error) => return self.not_accepted(now, error, journal),
        };
        let socket = Socket::from(stream);
        if let Err(error) = fault::call(Call::Nonblocking, || socket.set_nonblocking(true)) {
            journal.own(Level::Warn, "not served", format_args!("{peer}: not served: {error}"));
            return Ok(AcceptOutcome::Gone);
        }
        // The options affect only speed, and fail if the peer is gone: errors are ignored.
        let _ = fault::call(Call::Tune, || socket.set_tcp_nodelay(self.options.nodelay));
        if self.options.keepalive {
            let _ = fault::call(Call::Tune, || socket.set_keepalive(true));
        }
        Ok(AcceptOutcome::One(socket, peer.into()))
    }

    fn not_accepted(
        &mut self,
        now: Instant,
        error: io::Error,
        journal: &mut Journal,
    ) -> io::Result<AcceptOutcome<Socket>> {
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Ok(AcceptOutcome::Nothing),
            _ if connect::is_exhausted(&error) => {
                self.rest(now, &error, journal)?;
                Ok(AcceptOutcome::Exhausted)
            }
            Some(libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK) => Err(error),
            // Interrupted, or an error of that one connection: some systems return what the network
            // reported for it meanwhile, and a firewall may forbid it.
            _ => Ok(AcceptOutcome::Gone),
        }
    }

    pub(crate) fn stop(
        &mut self,
        now: Instant,
        stop: bool,
        journal: &mut Journal,
    ) -> io::Result<()> {
        self.stopped = stop;
        self.watch(now, journal)
    }

    /// Pauses accepting for a while.
    fn rest(&mut self, now: Instant, why: &io::Error, journal: &mut Journal) -> io::Result<()> {
        self.pauses(now, why, journal);
        self.watch(now, journal)
    }

    /// Sets the end of the pause, and logs it.
    fn pauses(&mut self, now: Instant, why: &io::Error, journal: &mut Journal) {
        self.resting_until = Some(now + REST);
        journal.own(
            Level::Warn,
            "accept",
            format_args!("accepting paused for at most {REST:?}: {why}"),
        );
    }

    pub(crate) fn resting_until(&self) -> Option<Instant> {
        self.resting_until
    }

    /// Resumes accepting if the pause is over.
    pub(crate) fn rested(&mut self, now: Instant, journal: &mut Journal) -> io::Result<()> {
        match self.resting_until {
            Some(at) if at <= now => self.go_on(now, journal),
            _ => Ok(()),
        }
    }

    /// Ends the pause, if there is one: a resource became free.
    pub(crate) fn go_on(&mut self, now: Instant, journal: &mut Journal) -> io::Result<()> {
        match self.resting_until.take() {
            Some(_) => self.watch(now, journal),
            None => Ok(()),
        }
    }

    /// Has the poller watch the socket while it accepts. If the poller cannot for now, it is asked
    /// again after a pause.
    fn watch(&mut self, now: Instant, journal: &mut Journal) -> io::Result<()> {
        let accepts = !self.stopped && self.resting_until.is_none();
        match self.registered.watch(if accepts { Interest::READABLE } else { Interest::NONE }) {
            Err(error) if accepts => {
                self.pauses(now, &error, journal);
                Ok(())
            }
            other => other,
        }
    }
}
