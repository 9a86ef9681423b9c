//! What can be set, with its default: for a hub, and for the connections of a service.

use core::time::Duration;

/// Settings of a whole hub. What is not named has its default:
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
/// Settings may be added: name the rest by `..Config::default()`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections at a time, of all services and clients, those that are closing included.
    /// 65,536 by default.
    pub max_connections: usize,
    /// Fibers at a time: handlers, loops and spawned ones. 131,072 by default.
    pub max_fibers: usize,
    /// Spawned fibers at a time. 65,536 by default.
    pub max_spawned: usize,
    /// Tokens that a fiber may be given before the others have their turn. 128 by default.
    pub tokens_per_pass: u32,
    /// Polls of fibers, and steps of machines that were woken, in one [`run`](super::Hub::run)
    /// before the embedder has its turn. 256 by default.
    pub polls_per_run: u32,
    /// How long an orderly shutdown may take. 5 s by default.
    pub grace: Duration,
    /// What holds for connections that fibers make with `connect`.
    pub client: ServiceConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_connections: 65_536,
            max_fibers: 131_072,
            max_spawned: 65_536,
            tokens_per_pass: 128,
            polls_per_run: 256,
            grace: Duration::from_secs(5),
            client: ServiceConfig::default(),
        }
    }
}

/// Settings of the connections of one service. What is not named has its default:
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
/// Settings may be added: name the rest by `..ServiceConfig::default()`.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Connections at a time. No limit beyond the hub's by default.
    pub max_connections: usize,
    /// The most bytes that one token takes unless the call says otherwise: a line with its end, a
    /// count. 64 KiB by default.
    pub read_limit: usize,
    /// Reading pauses while this many bytes were received and not taken, unless a token waits for
    /// more. At most one read comes on top. 64 KiB by default.
    pub read_ahead: usize,
    /// A `write` waits while at least this many bytes are queued. 64 KiB by default.
    pub high_water: u64,
    /// It goes on once no more than this many are. 16 KiB by default.
    pub low_water: u64,
    /// While more is queued than could be sent, the peer has to take
    /// [`write_rate`](Self::write_rate) bytes a second, averaged over this time; else the connection
    /// is cut, with [`Reason::WriteStall`](crate::machine::Reason::WriteStall). Zero cuts at once. 60 s by
    /// default.
    pub write_stall: Duration,
    /// The least rate, in bytes a second, at which a peer has to take what is queued for it: reading
    /// slowly is no attack, but what is held for the peer must not be held for ever. Zero: a byte in
    /// [`write_stall`](Self::write_stall) will do. 500 by default.
    pub write_rate: u64,
    /// How long the peer may send nothing while it is read. Off by default.
    pub idle: Option<Duration>,
    /// How long a connection waits, after our side is closed, for the peer to close its own, so
    /// that a reset does not destroy what the peer has not read yet. Zero closes at once. 2 s by
    /// default.
    pub linger: Duration,
    /// How long a connection may take to be made. 30 s by default.
    pub connect: Duration,
    /// Which connections may be closed, where they are idle, to make room for a new one: at a limit
    /// on connections, or when the embedder [needs](super::Hub::make_room) what they hold. Those
    /// that are kept alive by HTTP by default.
    pub shed: Shed,
}

/// Which idle connections may be closed to make room for others: the longest idle first, with
/// [`Cause::Shed`](crate::machine::Cause::Shed). None with anything queued or unread is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shed {
    /// None.
    Never,
    /// Those whose machine waits for a deadline with
    /// [`Reason::KeepAlive`](crate::machine::Reason::KeepAlive): of HTTP, those that wait for a request. No
    /// connection of a handler.
    #[default]
    KeepAlive,
    /// Those, and connections of handlers that wait for bytes of their peer. (Not one within a
    /// layer: what the layer is about is not known.)
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
