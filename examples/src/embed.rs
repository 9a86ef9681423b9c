//! What an embedder supplies besides its loop: clocks, random bytes, a signal to stop, listening
//! sockets, and a log. Nothing here belongs to diesel either.

pub mod threads;

use std::fs::File;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use diesel_driver::hub::catch_panics;
use diesel_driver::hub::embed::{AcceptOutcome, Lost};
use diesel_driver::{Config, End, Hub, Instant, Notice, Service, ServiceId, http1};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use socket2::SockRef;

pub use crate::Failure;
use crate::{Setting, Value, address, command_line, handlers, print_line};

/// How long a graceful shutdown may take: these programs end within five seconds.
pub const GRACE: Duration = Duration::from_secs(3);

/// The two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock(SystemInstant);

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Clock(SystemInstant::now())
    }

    /// The monotonic clock.
    pub fn now(&self) -> Instant {
        Instant::ORIGIN + self.0.elapsed()
    }

    /// The monotonic clock, after telling the hub the time of day.
    pub fn tell(&self, hub: &mut Hub) -> Instant {
        let now = self.now();
        hub.time_of_day(now, self.unix_seconds());
        now
    }

    /// The wall clock: seconds since 1970.
    pub fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// Random bytes of the system.
///
/// # Errors
///
/// If it has none.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

/// A stream that is readable as soon as SIGTERM or SIGINT has come. It does not block.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn stop_signal() -> io::Result<UnixStream> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    pipe::register(SIGTERM, there.try_clone()?)?;
    pipe::register(SIGINT, there)?;
    Ok(here)
}

/// The listening sockets of services.
#[derive(Debug)]
pub struct Listeners<L>(pub Vec<(ServiceId, L)>);

impl<L> Listeners<L> {
    /// Accepts a connection for `service` by `accept`.
    pub fn accept<S>(
        &self,
        service: ServiceId,
        accept: impl FnOnce(&L) -> io::Result<(S, SocketAddr)>,
    ) -> AcceptOutcome<S> {
        let listener = self.0.iter().find(|(of, _)| *of == service);
        listener.map_or(AcceptOutcome::Nothing, |(_, listener)| {
            AcceptOutcome::from_io(accept(listener))
        })
    }
}

/// Blocks until SIGTERM or SIGINT has come.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn wait_for_stop() -> io::Result<()> {
    let mut signal = stop_signal()?;
    signal.set_nonblocking(false)?;
    signal.read(&mut [0]).map(drop)
}

/// Wakes a waker as soon as SIGTERM or SIGINT has come.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn wake_on_stop(waker: Waker) -> io::Result<()> {
    let mut signal = stop_signal()?;
    signal.set_nonblocking(false)?;
    thread::spawn(move || signal.read(&mut [0]).map(|_| waker.wake()));
    Ok(())
}

/// The option `--listen`, for HTTP.
pub const LISTEN: Setting = address("listen", "127.0.0.1:8088", "address to serve HTTP on");
/// The option `--chat`, for the chat.
pub const CHAT: Setting = address("chat", "127.0.0.1:8000", "address to serve the chat on");

/// The option `--slow`, for an HTTP service that waits for the runtime around it.
pub const SLOW: Setting = address("slow", "127.0.0.1:8090", "address to serve HTTP on, slowly");

/// Listens on the addresses of the command line, and prints them. The sockets do not block.
///
/// # Errors
///
/// If an address cannot be listened on.
pub fn listen<const N: usize>(about: &str, settings: [Setting; N]) -> io::Result<[TcpListener; N]> {
    let mut listeners = Vec::new();
    for address in &command_line(about, settings) {
        listeners.push(listen_on(address)?);
    }
    listeners.try_into().map_err(|_| io::ErrorKind::NotFound.into())
}

/// Listens on an address of the command line, and prints it. The socket does not block.
///
/// # Errors
///
/// If it cannot be listened on.
pub fn listen_on(address: &Value) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    print_line(&format!("listening on {}", listener.local_addr()?));
    Ok(listener)
}

/// Ends our side of a socket, behind all that was written.
///
/// # Errors
///
/// None: if the peer is gone already, the next read reports that.
pub fn half_close(socket: &impl AsFd) -> Result<(), Lost> {
    let _ = SockRef::from(socket).shutdown(Shutdown::Write);
    Ok(())
}

/// Closes a socket: as after an abort, with a reset, so that the peer notices that it was cut.
pub fn close(socket: Option<impl AsFd>, end: End) {
    if let Some(socket) = socket.filter(|_| end.is_abort()) {
        // This fails if the peer is gone already.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
}

/// The result of a poll; if that is pending, an error that says so.
///
/// # Errors
///
/// The error of the result, or [`io::ErrorKind::WouldBlock`].
pub fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// A wait that a signal interrupted is over, and did not fail.
///
/// # Errors
///
/// Any other error.
pub fn uninterrupted(waited: io::Result<()>) -> io::Result<()> {
    match waited {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// Prints a notice, unless it is only about the conduct of a peer.
pub fn log(notice: &Notice) {
    match notice {
        Notice::Cut { .. } | Notice::Access(_) | Notice::Text(_) => {}
        _ => eprintln!("{notice}"),
    }
}

/// A hub with the services of the programs that have one: HTTP and a chat. Line 1 of the contract
/// in `diesel_proto::hub::embed`, but for the time of day.
///
/// # Errors
///
/// If the system has no random bytes.
pub fn hub(waker: Waker) -> io::Result<(Hub, [ServiceId; 2])> {
    let mut hub = Hub::with_waker(Config { grace: GRACE, ..Config::default() }, waker);
    hub.seed(seed()?);
    hub.set_poll_hook(catch_panics());
    let http = hub.add_service(http1::Service::new(handlers::hello));
    let room = hub.event();
    let chat = Service::new(async move |conn| handlers::chat(conn, room.clone()).await);
    let chat = hub.add_service(chat.named("chat"));
    Ok((hub, [http, chat]))
}
