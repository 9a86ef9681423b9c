//! TLS 1.2 and 1.3: a layer around anything that serves a connection, and around the connections
//! that a client makes. The protocol is done by [rustls](https://docs.rs/rustls); this folder puts
//! it between two byte streams.
//!
//! ```
//! use diesel_proto::tls::Acceptor;
//! use diesel_proto::{Conn, Error, Hub, Service};
//!
//! async fn echo(mut conn: Conn) -> Result<(), Error> {
//!     let line = conn.until_eol().await?;
//!     conn.write(("you said: ", line)).await
//! }
//!
//! fn serve(hub: &mut Hub, chain: &[u8], key: &[u8]) -> Result<(), diesel_proto::tls::ConfigError> {
//!     let acceptor = Acceptor::from_pem(chain, key)?;
//!     hub.add_service(Service::new(echo).layer(move |ctx, inner| acceptor.layer(ctx, inner)));
//!     Ok(())
//! }
//! ```
//!
//! ```text
//!   acceptor, connector        settings of a server and of a client, over those of rustls
//!     │    │   pem             certificates and keys from text
//!     │    │   certificates    what a server shows: by name, replaced while it runs
//!     │    │   tickets         sessions that clients can resume, with an end
//!     │    │   client_tickets  sessions that a client can resume
//!     │    └── clock           the time of day, as rustls asks for it
//!     ▼
//!   layer ── around the inner machine: handshake, then records, then the end
//!     │ ▲
//!     ▼ │ fault                what failed, as a cause
//!   session ── one connection of rustls: records in, records out
//!     └── records              where a record ends; how large the next one is
//!
//!   info                       what was negotiated, for all that is above
//! ```
//!
//! Rules of this folder:
//!
//! - No socket and no clock. The time of day is an input: a hub's
//!   ([`Hub::time_of_day`](crate::hub::Hub::time_of_day)), or what was told to the [`Clock`].
//! - The inner machine starts when the handshake is complete, so it sees only what is decrypted.
//! - An end with `close_notify` is an end, one without is a cut ([`TlsError::Truncated`]), both ways:
//!   an inner machine that aborts ends the stream without `close_notify`.
//! - A fatal alert is sent before the stream ends, if rustls has one for the fault: it has none for a
//!   flood (of empty records, warnings, key updates or renegotiations).
//! - What an inner machine queued is encrypted as the peer takes it, and counts as queued until it
//!   is sent.
//! - Early data is refused: it can be replayed.
//!
//! It must never know what the inner machine is, nor what carries the stream.
//!
//! # What is not deterministic
//!
//! Keys, nonces and session ids are random, and the provider (ring) draws them from the operating
//! system: a predictable key is no key. So the bytes on the wire differ from run to run, and a
//! recording of a hub that serves TLS cannot be replayed. Everything else is reproducible: what the
//! inner machine sees and sends, alerts, causes, and times.

mod acceptor;
mod certificates;
mod client_tickets;
mod clock;
mod config_error;
mod connector;
mod fault;
mod info;
mod layer;
mod pem;
mod records;
mod session;
mod tickets;

pub use rustls;
pub use rustls::pki_types::ServerName;

pub use self::acceptor::{Acceptor, AcceptorBuilder, ClientCertificates};
pub use self::certificates::{Certificates, Reload};
pub use self::clock::Clock;
pub use self::config_error::ConfigError;
pub use self::connector::{Connector, ConnectorBuilder};
pub use self::info::Info;
pub use self::layer::Tls;
pub use self::pem::authorities;
pub use crate::machine::{CertificateFault, TlsError};
