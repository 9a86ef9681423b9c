//! The protocol state of one connection: which peer may do what, and when.
//!
//! ```text
//!   bytes    ──▶ server: receive ──▶ RequestEvent     bytes    ──▶ client: receive ──▶ ResponseEvent
//!                          │ ▲                                       ▲ │
//!                          ▼ │                                       │ ▼
//!                         state            one table for both peers, and both roles
//!                          ▲ │                                       │ ▲
//!                          │ ▼                                       ▼ │
//!   commands ──▶ server: respond, upgrade ──▶ bytes   commands ──▶ client: request ──▶ bytes
//!
//!   local_error      why a command is refused: LocalProtocolError
//!   server: owned    a connection with its own buffers (buffers), for embedders; client: owned
//!   server: pool     what a service asks in addition: idle connections, upgrades
//! ```
//!
//! This folder must never know handlers, machines or the time.

mod buffers;
mod client;
mod local_error;
mod server;
mod state;

pub use client::{
    ClientConnection, ClientConnectionConfig, OwnedResponseHead, ResponseEvent, ResponsePart,
    SharedClientConnection,
};
pub use local_error::LocalProtocolError;
pub use server::{
    ConnectionConfig, OwnedRequestHead, Received, RequestEvent, ServerConnection,
    SharedServerConnection,
};
pub use state::{ClientEvent, ClientState, ConnectionState, OutOfOrder, ServerEvent, ServerState};

pub(in crate::http1) use server::{Resting, Writing};
