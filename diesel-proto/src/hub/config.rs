//! Settings with their defaults: of a hub, and of the connections of a service.

use core::time::Duration;

/// Settings of a whole hub. Fields that are not named have their defaults:
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Config, Hub, ServiceConfig};
///
/// let client = ServiceConfig { read_limit: 1 << 20, ..ServiceConfig::default() };
/// let config = Config { grace: Duration::from_secs(30), client, ..Config::default() };
/// let hub = Hub::new(config);
/// ```
///
/// Fields may be added in later versions: end a literal with `..Config::default()`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most connections at a time, of all services and clients, those that are closing
    /// included. 65,536 by default.
    pub max_connections: usize,
    /// The most fibers at a time: handlers, loops and spawned fibers. 131,072 by default.
    pub max_fibers: usize,
    /// The most spawned fibers at a time. 65,536 by default.
    pub max_spawned: usize,
    /// The most look-ups of names and [jobs](crate::fiber::Ctx::unblock) at a time that fibers wait
    /// for; those that the embedder has not begun are among them. 1,024 by default.
    pub max_jobs: usize,
    /// The most files that are open at a time, or being opened. 16,384 by default. The embedder needs
    /// a descriptor for each; if the system has none left, a file is not opened, which is an
    /// [`Error::File`](crate::machine::Error::File), too.
    pub max_files: usize,
    /// The most requests for [files](crate::fiber::Ctx::open) at a time that fibers wait for: to open
    /// one, to read a part of one, to list a directory. 16,384 by default.
    pub max_file_requests: usize,
    /// How many tokens a fiber may use before other fibers have their turn. 128 by default.
    pub tokens_per_pass: u32,
    /// How many polls of fibers and steps of woken machines one [`run`](super::Hub::run) makes
    /// before it returns to the embedder. 256 by default.
    pub polls_per_run: u32,
    /// How long a graceful shutdown may take. 5 s by default.
    pub grace: Duration,
    /// Settings of the connections that fibers make with `connect`.
    pub client: ServiceConfig,
    /// How names are resolved, and the addresses of one name tried.
    pub names: NameConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_connections: 65_536,
            max_fibers: 131_072,
            max_spawned: 65_536,
            max_jobs: 1024,
            max_files: 16_384,
            max_file_requests: 16_384,
            tokens_per_pass: 128,
            polls_per_run: 256,
            grace: Duration::from_secs(5),
            client: ServiceConfig::default(),
            names: NameConfig::default(),
        }
    }
}

/// How names are resolved, and in which order and how fast the addresses of one name are tried
/// (RFC 8305, "Happy Eyeballs"): see [`Ctx::connect`](crate::fiber::Ctx::connect).
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Config, Hub, NameConfig};
///
/// let names = NameConfig { resolve: Duration::from_secs(3), ..NameConfig::default() };
/// let hub = Hub::new(Config { names, ..Config::default() });
/// ```
///
/// Fields may be added in later versions: end a literal with `..NameConfig::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConfig {
    /// The resolve timeout: how long a look-up may take, the time included during which it waits
    /// for others. 10 s by default.
    pub resolve: Duration,
    /// How long an attempt has, before the next one begins beside it (RFC 8305, section 5,
    /// "Connection Attempt Delay"; an attempt that fails does not delay the next one). 250 ms by
    /// default, as the RFC recommends; it allows 10 ms to 2 s.
    pub attempt_delay: Duration,
    /// The most addresses of one name that are tried. 16 by default.
    pub max_addresses: usize,
}

impl Default for NameConfig {
    fn default() -> Self {
        NameConfig {
            resolve: Duration::from_secs(10),
            attempt_delay: Duration::from_millis(250),
            max_addresses: 16,
        }
    }
}

/// Settings of the connections of one service. Fields that are not named have their defaults:
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Conn, Error, Service, ServiceConfig};
///
/// async fn echo(mut conn: Conn) -> Result<(), Error> {
///     loop {
///         let line = conn.until_eol().await?;
///         conn.write(line).await?;
///     }
/// }
///
/// let idle = Some(Duration::from_secs(60));
/// let config = ServiceConfig { read_limit: 1024, idle, ..ServiceConfig::default() };
/// let service = Service::new(echo).config(config);
/// ```
///
/// Fields may be added in later versions: end a literal with `..ServiceConfig::default()`.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The most connections at a time. No limit beyond the hub's by default.
    pub max_connections: usize,
    /// The most bytes that one token reads unless the call sets another limit: a line with its end,
    /// a count. 64 KiB by default.
    pub read_limit: usize,
    /// Back-pressure for reading: reading pauses while this many bytes were received and not taken,
    /// unless a token waits for more. At most one read is held beyond this. 64 KiB by default.
    pub read_ahead: usize,
    /// Back-pressure for writing: a `write` waits while at least this many bytes are queued. 64 KiB
    /// by default.
    pub high_water: u64,
    /// A `write` that waits goes on once no more than this many bytes are queued. 16 KiB by
    /// default.
    pub low_water: u64,
    /// The write timeout: while more is queued than can be sent, the peer has to take
    /// [`write_rate`](Self::write_rate) bytes a second, averaged over this time; otherwise the
    /// connection is cut, with [`Reason::WriteStall`](crate::machine::Reason::WriteStall). Zero
    /// cuts at once. 60 s by default.
    pub write_stall: Duration,
    /// The least rate, in bytes a second, at which a peer has to take what is queued for it:
    /// reading slowly is no attack, but memory must not be held for a peer for ever. Zero: one byte
    /// within [`write_stall`](Self::write_stall) is enough. 500 by default.
    pub write_rate: u64,
    /// The idle timeout: how long the peer may send nothing while reading is not paused. Off by
    /// default.
    pub idle: Option<Duration>,
    /// The linger timeout: how long a connection waits, after our side is closed, for the peer to
    /// close its side, so that a reset does not destroy what the peer has not read yet. Zero closes
    /// at once. 2 s by default.
    pub linger: Duration,
    /// The connect timeout: how long a connection may take to be made. 30 s by default.
    pub connect: Duration,
    /// Which idle connections may be closed to make room for a new one: at a limit on connections,
    /// or when the embedder [is out of](super::Hub::make_room) something that they hold, such as
    /// file descriptors. By default those that HTTP keeps alive.
    pub shed: Shed,
}

/// Which idle connections may be closed to make room for others: the longest idle first, with
/// [`Cause::Shed`](crate::machine::Cause::Shed). A connection with anything queued or unread is
/// never closed for this.
///
/// ```
/// use diesel_proto::{LineEcho, Service, Shed};
///
/// let service = Service::machine(|_| LineEcho::default()).shed(Shed::Never);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shed {
    /// None.
    Never,
    /// Those whose machine has a deadline with
    /// [`Reason::KeepAlive`](crate::machine::Reason::KeepAlive): with HTTP, those that wait for a
    /// request. Connections of handlers are not among them.
    #[default]
    KeepAlive,
    /// Those, and connections whose handler waits for bytes of the peer. (Not those within a layer,
    /// since it is not known what the layer is doing.)
    Idle,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        ServiceConfig {
            max_connections: usize::MAX,
            read_limit: 64 << 10,
            read_ahead: 64 << 10,
            high_water: 64 << 10,
            low_water: 16 << 10,
            write_stall: Duration::from_secs(60),
            write_rate: 500,
            idle: None,
            linger: Duration::from_secs(2),
            connect: Duration::from_secs(30),
            shed: Shed::KeepAlive,
        }
    }
}
