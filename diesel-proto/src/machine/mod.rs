//! [`Machine`], the one trait through which anything drives a byte stream, and the types that are
//! built on it.
//!
//! ```text
//!   contract         the caller ──Input──▶ Machine ──Actions──▶ the caller
//!                                             │        │
//!                                             │        └── actions: what a machine can ask for;
//!                                             │            stream_control, workspace: the state of
//!                                             │            the stream and memory, of the caller
//!   upgradable       Upgradable               a machine, or the successor that replaced it
//!                        │
//!   attached         Attached                 with the state of its stream and its kept bytes
//!                        │
//!                        ├── endpoint         Endpoint, SharedEndpoint, and two over I/O: for embedders
//!                        ├── nested           Nested: for a layer, a machine around another one
//!                        │      └── linger    Linger: a layer that delays the close
//!                        └── the hub's streams
//!
//!   reason, address, error, notice            causes and limits, peers, failures, log lines
//!   target, name, and their errors            what to connect to; connect_error: what failed of it
//!   tls_error                                 why TLS failed, whatever the features are
//!   id, refused                               ids of connections and services; why not accepted
//!   job_error                                 why work outside of the hub has no result
//!   file                                      what an embedder is asked for about files
//!   stream_io                                 what a read and a write result in, for embedders
//!   line_echo                                 LineEcho: the smallest complete machine
//! ```
//!
//! This room must never know a socket, a hub or a fiber.

mod actions;
mod address;
mod attached;
mod connect_error;
mod contract;
mod endpoint;
mod error;
mod file;
mod id;
mod job_error;
mod line_echo;
mod linger;
mod name;
mod nested;
mod notice;
mod reason;
mod refused;
mod stream_control;
mod stream_io;
mod target;
mod target_error;
mod tls_error;
mod upgradable;
mod workspace;

pub use address::{Address, ConnectErrorKind};
pub use connect_error::ConnectError;
pub use contract::{Actions, Input, Machine, Workspace};
#[cfg(feature = "std")]
pub use endpoint::{CompletionIo, EndpointIo};
pub use endpoint::{Endpoint, SharedEndpoint};
pub use error::Error;
pub use file::{DirEntry, EntryKind, FileAnswer, FileErrorKind, FileInfo, FileRequest, FileTime};
pub use id::{ConnId, DirectoryId, FiberId, FileId, JobId, ServiceId};
pub use job_error::JobError;
pub use line_echo::LineEcho;
pub use linger::Linger;
pub use name::{HostName, ResolveError, ResolveErrorKind};
pub use nested::Nested;
pub use notice::{Access, Notice};
pub use reason::{Cause, Deadline, End, Limit, Reason};
pub use refused::Refused;
pub use stream_control::StreamControl;
pub use stream_io::{Interest, ReadOutcome, RegionOutcome, WriteOutcome};
pub use target::{IntoTarget, Target};
pub use target_error::{TargetError, TargetErrorKind};
pub use tls_error::{CertificateFault, TlsError};
pub use upgradable::Upgradable;

pub(crate) use attached::Attached;
pub(crate) use file::check_path;
pub(crate) use id::{HubTag, Key, KeyedTable};
#[cfg(test)]
pub(crate) use stream_control::Ending;
pub(crate) use stream_io::MAX_SLICES;
