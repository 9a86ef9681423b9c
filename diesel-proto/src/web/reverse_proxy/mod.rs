//! A reverse proxy: passes requests on to other servers, and their responses back.
//!
//! ```text
//!   Request ──▶ forward ──▶ fields, forwarded ──▶ http1::Client ──▶ upstreams
//!                  │                                   │
//!   Response ◀── answer, failure ◀── response ◀────────┤
//!       101  ◀── relay ◀── connection ◀────────────────┘
//!
//!   settings    ReverseProxy, and its builder
//!   forward     one request: which upstream, and whether another one is tried
//!   upstreams   which of several is next, and which are down
//!   fields      which fields are passed on
//!   forwarded   what an upstream is told of the client (RFC 7239)
//!   trust       the peers whose word counts for that
//!   answer      a response of an upstream, for the client
//!   failure     502, 503 and 504, with their reasons
//!   relay       a tunnel, after an upgrade
//! ```
//!
//! # What is passed on
//!
//! Only what was parsed, written anew, in one form: so no two readers of it can differ (RFC 9112,
//! 11.2).
//!
//! - The request line: method and target unchanged; a target with a scheme and a host loses them, and
//!   its host becomes Host (RFC 9112, 3.2.2). CONNECT is refused.
//! - The framing: a body of a length keeps that; any other is chunked. Trailers are passed on.
//! - Fields for one hop are dropped, both ways, in interim responses too: Connection and those that it
//!   names, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Proxy, and all of Proxy-* (RFC 9110,
//!   7.6.1). What the proxy writes itself cannot be named.
//! - Via is added both ways (7.6.3). A request that has been here before is refused, with 508.
//!   Max-Forwards is counted down for OPTIONS and TRACE (7.6.2).
//! - Forwarded and X-Forwarded-* of a client are dropped, unless its address is trusted. Names that
//!   differ from these, or from those that frame a message, in `_` for `-` only are always dropped:
//!   CGI makes the same variable of both.
//! - An interim response is passed on; 100 only if the client waits for it, when the upstream says so.
//! - An upgrade is passed on for `websocket` only, and the connection becomes a tunnel when the
//!   upstream has answered 101, never before. What the client sends too early waits.
//!
//! # Failure
//!
//! - An upstream that cannot be reached is down for a while, and another one is asked. What may have
//!   reached an upstream is only sent to another one if it has no body and is idempotent (RFC 9110,
//!   9.2.2), and no byte of a response has arrived.
//! - A response says what failed, and which rule was broken, but neither addresses nor names: a
//!   [notice](crate::machine::Notice::Failed) has the rest.
//! - A response that breaks off is cut, so that the client can tell.
//! - A client that leaves ends the call to the upstream, and closes its connection: at once, if it reset
//!   its own; after [`Deadlines::half_close`](crate::http1::Deadlines::half_close), if it ended its side,
//!   since it may still wait for the response.
//! - An upstream that answers before it has the request cannot be told from one that answers it (RFC 9112,
//!   9.2): bytes that arrive while a connection is idle, or behind a response, break it, but such bytes
//!   are believed once the next request is sent.
//!
//! Rules of this folder:
//!
//! - It uses the public API of [`http1`](crate::http1), and no other part of it. What is passed on is
//!   decided in `fields` and `forwarded`, who is asked in `upstreams`: they know no connections.
//! - Nothing of one client reaches another one: there is no cache, no cookie is kept, and no
//!   connection is used again unless its response was read to the end.
//! - Memory is bounded: bodies go through as they arrive, with back-pressure both ways.
//!
//! It must never know how a message is framed, nor what a body contains.

mod answer;
mod failure;
mod fields;
mod forward;
mod forwarded;
mod relay;
mod settings;
mod trust;
mod upstreams;

pub use settings::{InvalidUpstream, ReverseProxy, ReverseProxyBuilder};
pub use trust::{InvalidPrefix, Prefix};
