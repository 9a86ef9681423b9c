//! Why a hub refuses a connection.

use core::fmt;

use super::reason::Limit;

/// Why a connection was not accepted.
///
/// ```
/// use diesel_proto::{Address, Config, Hub, Instant, Limit, LineEcho, Refused, Service};
///
/// let mut hub = Hub::new(Config { max_connections: 0, ..Config::default() });
/// let service = hub.add_service(Service::machine(|_| LineEcho::default()));
/// let refused = hub.accept(Instant::ORIGIN, service, Address::Unnamed);
/// assert_eq!(refused, Err(Refused::Limit(Limit::Connections(0))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// A limit was reached.
    Limit(Limit),
    /// The hub is shutting down.
    Shutdown,
    /// There is no such service.
    NoSuchService,
    /// The function that makes the service's machines panicked.
    Panicked,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Limit(limit) => limit.fmt(f),
            Refused::Shutdown => f.write_str("shutting down"),
            Refused::NoSuchService => f.write_str("no such service"),
            Refused::Panicked => f.write_str("the function that makes the machine panicked"),
        }
    }
}

impl core::error::Error for Refused {}
