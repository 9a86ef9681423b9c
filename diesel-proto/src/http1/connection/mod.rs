//! Who may do what when, on one connection.
//!
//! ```text
//!   bytes    ──▶ server: receive ──▶ RequestEvent
//!                          │ ▲
//!                          ▼ │
//!                         state            one table for both peers
//!                          ▲ │
//!                          │ ▼
//!   commands ──▶ server: respond ──▶ bytes
//! ```
//!
//! This room must never know a handler, a machine or the time.

mod server;
mod state;

pub use server::{
    ConnectionConfig, LocalProtocolError, OwnedRequestHead, Received, RequestEvent,
    ServerConnection, SharedServerConnection,
};
pub use state::{ClientEvent, ClientState, ConnectionState, OutOfOrder, ServerEvent, ServerState};

pub(in crate::http1) use server::Resting;
