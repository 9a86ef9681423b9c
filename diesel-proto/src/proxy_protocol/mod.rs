//! The PROXY protocol, versions 1 and 2: a header before the stream in which a proxy names the
//! client for which it connects.
//!
//! Source: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, cited by section. Version
//! 1 (section 2.1) is one line of at most [`MAX_V1`] bytes, version 2 (section 2.2) is binary:
//!
//! ```text
//! PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n
//! PROXY UNKNOWN anything\r\n
//!
//! 0            12         13         14        16
//! | signature  | version, | family,  | length  | addresses, then vectors of
//! | (12 bytes) | command  | protocol | (u16)   | type (u8), length (u16), value
//! ```
//!
//! [`layer`](layer()) wraps what serves the connections of a service: a machine, a handler, an HTTP
//! service. [`ProxyProtocol`] is the machine itself, for an
//! [`Endpoint`](crate::machine::Endpoint), and [`parse`] only reads a header.
//!
//! ```text
//!   `config`: HeaderConfig, trusted sources (`source`)
//!        │
//!        ▼
//!   `layer` ◀── bytes ──▶ `read`: collects the header ──▶ `v1`, `v2` ──▶ `header` or `error`
//!        │
//!        └── the rest of the stream ──▶ inner machine
//! ```
//!
//! Rules of this folder:
//!
//! - The configuration decides whether a connection begins with a header; the bytes never do. A
//!   connection without a required header is refused (section 2: a receiver must not guess).
//! - A header is refused at its first wrong byte, and nothing inside it starts before it is
//!   complete.
//! - A limit is checked before the bytes are kept.
//!
//! It must never know what the inner machine is.

mod config;
mod error;
mod header;
mod layer;
mod read;
mod source;
mod v1;
mod v2;

pub use self::config::{HeaderConfig, Untrusted, Versions};
pub use self::error::{HeaderError, HeaderErrorKind};
pub use self::header::{Header, HeaderVersion, Proxied, Tlvs, tlv_type};
pub use self::layer::{ProxyProtocol, layer};
pub use self::read::parse;
pub use self::source::{SourceError, TrustedSource};

/// The length of the longest header of version 1, its line end included (section 2.1).
///
/// Example: see [`parse`].
pub const MAX_V1: usize = 107;
