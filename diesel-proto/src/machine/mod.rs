//! The one trait through which anything drives a byte stream, and what stands on it.
//!
//! ```text
//!   the caller ──Input──▶ Machine ──Actions──▶ the caller
//!
//!   Endpoint      a machine with its buffers and its deadline, for one stream
//!   Nested        an inner machine and the state of its stream, for a layer
//!   Upgradable    a machine, or the one that it gave way to
//! ```
//!
//! This room must never know a socket, a hub or a fiber.

mod address;
mod attached;
mod contract;
mod endpoint;
mod error;
mod line_echo;
mod linger;
mod nested;
mod notice;
mod reason;
mod upgradable;

pub use address::{Address, ConnectError, ConnectErrorKind};
pub use contract::{Actions, Input, Machine, StreamControl, Workspace};
pub use endpoint::{Endpoint, SharedEndpoint};
pub use error::Error;
pub use line_echo::LineEcho;
pub use linger::Linger;
pub use nested::Nested;
pub use notice::{Access, Notice};
pub use reason::{Cause, Deadline, End, Limit, Reason};
pub use upgradable::Upgradable;

pub(crate) use attached::Attached;
#[cfg(test)]
pub(crate) use contract::Ending;
