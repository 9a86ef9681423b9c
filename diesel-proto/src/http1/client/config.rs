//! Settings of a client, with their defaults.

use core::time::Duration;

use crate::http1::syntax::ResponseLimits;

/// How long each phase of a call may take. [`Duration::MAX`]: as long as it likes.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::http1::ClientTimeouts;
///
/// let timeouts = ClientTimeouts { total: Duration::from_secs(5), ..ClientTimeouts::default() };
/// assert_eq!(timeouts.connect, Duration::from_secs(10));
/// ```
///
/// Fields may be added in later versions: end a literal with `..ClientTimeouts::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// While the origin has as many connections as it may have, and all are in use: 30 s.
    pub queue: Duration,
    /// For the look-up of the host's addresses: 10 s.
    pub resolve: Duration,
    /// For connecting, with all addresses of the host together: 10 s.
    pub connect: Duration,
    /// For the handshake of TLS: 10 s.
    pub tls: Duration,
    /// How long a request with [`expect_continue`](super::ClientRequest::expect_continue) waits for
    /// `100 Continue` before it sends its body all the same: 1 s (RFC 9110, 10.1.1).
    pub expect: Duration,
    /// From the last byte of the request to the response (while the request is sent, the write timeout
    /// of the hub applies, [`ServiceConfig::write_stall`](crate::hub::ServiceConfig::write_stall)), with its whole head: 30 s.
    pub first_byte: Duration,
    /// Between two pieces of the body of the response, while the caller waits for one: 30 s.
    pub between: Duration,
    /// For the whole call, with all its redirects, and the body of the response: unlimited.
    pub total: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        ClientTimeouts {
            queue: Duration::from_secs(30),
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            expect: Duration::from_secs(1),
            first_byte: Duration::from_secs(30),
            between: Duration::from_secs(30),
            total: Duration::MAX,
        }
    }
}

/// How many connections a client makes, and for how long it keeps them.
///
/// ```
/// use diesel_proto::http1::PoolLimits;
///
/// let pool = PoolLimits { per_origin: 6, ..PoolLimits::default() };
/// assert_eq!(pool.waiting, 1024);
/// ```
///
/// Fields may be added in later versions: end a literal with `..PoolLimits::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most connections to one origin, in use or idle: 64. Further calls queue up.
    pub per_origin: usize,
    /// The most calls that may wait for a connection to one origin: 1024.
    pub waiting: usize,
    /// The most idle connections of one origin: 16. Zero: no connection is used for a second call.
    pub idle: usize,
    /// The most idle connections of all origins: 256.
    pub idle_in_all: usize,
    /// How long a connection is kept idle: 30 s. It is best less than what servers allow.
    pub idle_time: Duration,
    /// How old a connection may be when a call begins to use it: 10 minutes. So a client learns of
    /// new addresses.
    pub lifetime: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            per_origin: 64,
            waiting: 1024,
            idle: 16,
            idle_in_all: 256,
            idle_time: Duration::from_secs(30),
            lifetime: Duration::from_secs(600),
        }
    }
}

/// Settings of a [`Client`](super::Client).
///
/// ```
/// use diesel_proto::http1::{ClientConfig, PoolLimits};
///
/// let pool = PoolLimits { per_origin: 6, ..PoolLimits::default() };
/// let config = ClientConfig { pool, redirects: 0, ..ClientConfig::default() };
/// assert_eq!(config.whole_body, 8 << 20);
/// ```
///
/// Fields may be added in later versions: end a literal with `..ClientConfig::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// How long each phase may take. A request may have [its own](super::ClientRequest::timeouts).
    pub timeouts: ClientTimeouts,
    /// How many connections are made and kept.
    pub pool: PoolLimits,
    /// How much servers may send.
    pub limits: ResponseLimits,
    /// The most bytes of a body that is read whole, by [`bytes`](super::ClientResponse::bytes) and
    /// what is based on it: 8 MiB.
    pub whole_body: usize,
    /// How many redirects are followed: 10. Zero: a redirect is a response like any other.
    ///
    /// A redirect to another origin (scheme, host or port) drops Authorization, Cookie and
    /// Proxy-Authorization, and credentials in a URL. One that makes a GET drops the body, the fields
    /// that describe it, and conditions.
    pub redirects: u32,
    /// Whether a redirect from `https` to `http` is followed: not by default.
    pub allow_downgrade: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            timeouts: ClientTimeouts::default(),
            pool: PoolLimits::default(),
            limits: ResponseLimits::default(),
            whole_body: 8 << 20,
            redirects: 10,
            allow_downgrade: false,
        }
    }
}
