//! Listening sockets: how they are opened, and when they accept.

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

/// How an address is listened on. What is not named has its default:
///
/// ```
/// use diesel_driver::ListenOptions;
///
/// let options = ListenOptions { backlog: 64, reuse_port: true, ..ListenOptions::default() };
/// assert!(options.nodelay);
/// ```
///
/// Options may be added: name the rest by `..ListenOptions::default()`.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Connections that the kernel holds until they are accepted. 1024 by default.
    pub backlog: i32,
    /// Whether to listen though connections of a former process linger (SO_REUSEADDR). On by
    /// default.
    pub reuse_address: bool,
    /// Whether other sockets may listen on the same address (SO_REUSEPORT). Off by default.
    pub reuse_port: bool,
    /// Whether small writes go out at once (TCP_NODELAY), for the connections that are accepted.
    /// On by default.
    pub nodelay: bool,
    /// Whether an IPv6 address takes IPv6 alone. The system's default if `None`, which is the
    /// default.
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
    /// The hub wants no more for now.
    stopped: bool,
    /// Out of descriptors, or of what the poller needs: no more before this time.
    resting_until: Option<Instant>,
}

/// How long nothing is accepted, at most, after the system had no descriptor, or no memory, for it: a
/// connection of ours that closes ends the rest; what others let go does not show.
const REST: Duration = Duration::from_millis(100);

/// Opens the first of the addresses that can be listened on. The error names the last one that
/// could not.
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
    /// If this socket will never accept any more. What goes wrong with one connection, or passes, is
    /// no error.
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
            journal.own(Level::Warn, "not served", format_args!("{peer} is not served: {error}"));
            return Ok(AcceptOutcome::Gone);
        }
        // What these change is speed; a peer that is gone already makes them fail.
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
            // Interrupted, or that one connection's: some systems pass on what the network had
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

    /// Accepts nothing for a while.
    fn rest(&mut self, now: Instant, why: &io::Error, journal: &mut Journal) -> io::Result<()> {
        self.pauses(now, why, journal);
        self.watch(now, journal)
    }

    /// Notes a rest, and tells of it.
    fn pauses(&mut self, now: Instant, why: &io::Error, journal: &mut Journal) {
        self.resting_until = Some(now + REST);
        journal.own(Level::Warn, "accept", format_args!("accepting pauses: {why}"));
    }

    pub(crate) fn resting_until(&self) -> Option<Instant> {
        self.resting_until
    }

    /// Goes on if the rest is over.
    pub(crate) fn rested(&mut self, now: Instant, journal: &mut Journal) -> io::Result<()> {
        match self.resting_until {
            Some(at) if at <= now => self.go_on(now, journal),
            _ => Ok(()),
        }
    }

    /// Ends the rest, if there is one: something that was missing is free.
    pub(crate) fn go_on(&mut self, now: Instant, journal: &mut Journal) -> io::Result<()> {
        match self.resting_until.take() {
            Some(_) => self.watch(now, journal),
            None => Ok(()),
        }
    }

    /// Has the poller watch it, or no more. If the poller cannot for now, it is asked again later.
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
