//! How much of everything, and how long: by name, with defaults.
//!
//! Each limit holds to the byte, however the bytes are cut: what is exactly as long as the limit
//! passes, one byte more does not.

use core::time::Duration;

/// How much of everything a peer may send.
///
/// ```
/// use diesel_proto::http1::Limits;
///
/// let limits = Limits { body: 64 << 10, ..Limits::default() };
/// assert_eq!(limits.request_line, 8 << 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line, its CR LF and empty lines before it included: 8 KiB.
    /// [`Rule::RequestLineTooLong`](super::rule::Rule::RequestLineTooLong): 414.
    pub request_line: usize,
    /// Bytes of all field lines of a head, with their line ends and the empty line: 32 KiB.
    /// [`Rule::HeaderTooLarge`](super::rule::Rule::HeaderTooLarge): 431.
    pub header_bytes: usize,
    /// Field lines of a head, and of trailers: 100.
    /// [`Rule::TooManyFields`](super::rule::Rule::TooManyFields): 431.
    pub header_count: usize,
    /// Bytes of a body, without chunk sizes and such: 1 MiB.
    /// [`Rule::BodyTooLarge`](super::rule::Rule::BodyTooLarge): 413.
    pub body: u64,
    /// Bytes of a body for a plain handler, if that is less than `body`: 64 KiB. It is collected whole
    /// before the handler is called, so each client may have the service hold that much; a form or a
    /// document fits, and an upload is for an `async` handler, which reads it piece by piece.
    /// [`Rule::BodyTooLarge`](super::rule::Rule::BodyTooLarge): 413.
    pub plain_body: u64,
    /// Bytes of bodies that a service holds at a time, of all its connections: 32 MiB. Bodies count
    /// that are collected for plain handlers, or by [`Body::read`](crate::http1::service::Body::read), and what came
    /// of others and was not taken. Beyond it, a request whose body is collected is answered with 503
    /// ([`Limit::HeldBodies`](crate::machine::Limit::HeldBodies)); one that is read piece by piece gets one
    /// piece at a time. It is given back as bodies are taken, and however their connections end.
    pub held_bodies: usize,
    /// Bytes of a trailer section, with its line ends and the empty line: 8 KiB.
    /// [`Rule::TrailersTooLarge`](super::rule::Rule::TrailersTooLarge): 431.
    pub trailer_bytes: usize,
    /// Bytes of all chunk extensions of a body, each from its semicolon (or the blank before that)
    /// to the end of its line: 4 KiB.
    /// [`Rule::ChunkExtensionsTooLarge`](super::rule::Rule::ChunkExtensionsTooLarge): 400.
    pub chunk_extensions: usize,
    /// Requests that are answered in one step of a connection, before others have their turn: 32.
    /// Those that wait are not read: the peer's sending is paused.
    pub pipelined: usize,
    /// Requests of one connection; the last is answered with `Connection: close`: no limit.
    pub requests: u64,
    /// Bytes of a body that nobody reads which are drained so that the connection can be kept;
    /// beyond that it is closed: 64 KiB.
    pub drain: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_line: 8 << 10,
            header_bytes: 32 << 10,
            header_count: 100,
            body: 1 << 20,
            plain_body: 64 << 10,
            held_bodies: 32 << 20,
            trailer_bytes: 8 << 10,
            chunk_extensions: 4 << 10,
            pipelined: 32,
            requests: u64::MAX,
            drain: 64 << 10,
        }
    }
}

/// How long a peer may take.
///
/// Two more belong to every kind of service, and are in
/// [`ServiceConfig`](crate::hub::ServiceConfig): `write_stall` and `linger`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first byte of a head to its last: 10 s. Then 408
    /// ([`Reason::Head`](crate::machine::Reason::Head)), however steadily it dribbles.
    pub head: Duration,
    /// Between two pieces of a body, its framing included: 30 s. Then 408
    /// ([`Reason::BodyIdle`](crate::machine::Reason::BodyIdle)). The same holds for what is left of a body that
    /// was answered before it was complete; then the connection is closed without another answer.
    pub body_idle: Duration,
    /// For a body as a whole: 60 s, and a second more for each `body_rate` bytes of it that came, its
    /// framing included. Then 408 ([`Reason::BodyRate`](crate::machine::Reason::BodyRate)). Only the time
    /// counts in which the body is read; what is drained of it behind its answer counts too, so that
    /// it ends.
    pub body: Duration,
    /// The least rate of a body, in bytes a second: 500. Zero: there is no deadline for a body as a
    /// whole. A body that is a stream of rare events needs that.
    pub body_rate: u32,
    /// From the start of a connection, or the end of an answer, to the first byte of the next
    /// request: 75 s. Then the connection is closed
    /// ([`Reason::KeepAlive`](crate::machine::Reason::KeepAlive)). An empty line before a request line
    /// begins no request, and renews nothing (RFC 9112, 2.2).
    pub keep_alive: Duration,
    /// How long an `async` handler may go on after its client has ended its side: 10 s, counted anew
    /// while the client takes some of the answer. Then the handler is dropped, and the connection
    /// closed ([`Reason::HalfClose`](crate::machine::Reason::HalfClose)). Zero: at once. `None`: for ever, so
    /// that a client that left may hold its descriptor as long as the handler waits.
    ///
    /// Most clients that end their side have left; some wait for their answer. See
    /// [`Request::closed`](crate::http1::service::Request::closed).
    pub half_close: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            head: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            body: Duration::from_secs(60),
            body_rate: 500,
            keep_alive: Duration::from_secs(75),
            half_close: Some(Duration::from_secs(10)),
        }
    }
}
