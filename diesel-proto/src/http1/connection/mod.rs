//! The protocol state of one connection: which peer may do what, and when.
//!
//! ```text
//!   bytes    ──▶ server: receive, event ──▶ RequestEvent
//!                          │ ▲
//!                          ▼ │
//!                         state            one table for both peers
//!                          ▲ │
//!                          │ ▼
//!   commands ──▶ server: respond, upgrade ──▶ bytes, or a LocalProtocolError (local_error)
//!
//!   server: owned    a connection with its own buffers, for embedders
//!   server: pool     what a service asks in addition: idle connections, upgrades
//! ```
//!
//! This folder must never know handlers, machines or the time.

mod server;
mod state;

pub use server::{
    ConnectionConfig, LocalProtocolError, OwnedRequestHead, Received, RequestEvent,
    ServerConnection, SharedServerConnection,
};
pub use state::{ClientEvent, ClientState, ConnectionState, OutOfOrder, ServerEvent, ServerState};

pub(in crate::http1) use server::Resting;
