//! Limits on what a peer may send, and deadlines for it: by name, with defaults.
//!
//! Each limit holds to the byte, however the bytes are split: what is exactly as long as the limit
//! passes, one byte more does not.

use core::time::Duration;

/// How much a peer may send.
///
/// ```
/// use diesel_proto::http1::Limits;
///
/// let limits = Limits { body: 64 << 10, ..Limits::default() };
/// assert_eq!(limits.request_line, 8 << 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line, including its CR LF and the empty lines before it: 8 KiB.
    /// [`Rule::RequestLineTooLong`](super::rule::Rule::RequestLineTooLong): 414.
    pub request_line: usize,
    /// Bytes of all field lines of a head, including their line ends and the empty line: 32 KiB.
    /// [`Rule::HeaderTooLarge`](super::rule::Rule::HeaderTooLarge): 431.
    pub header_bytes: usize,
    /// Number of field lines in a head, and in a trailer section: 100.
    /// [`Rule::TooManyFields`](super::rule::Rule::TooManyFields): 431.
    pub header_count: usize,
    /// Bytes of a body, excluding chunk framing: 1 MiB.
    /// [`Rule::BodyTooLarge`](super::rule::Rule::BodyTooLarge): 413.
    pub body: u64,
    /// Bytes of a body for a plain handler, if that is less than `body`: 64 KiB. The whole body is
    /// collected before the handler is called, so each client can make the service hold that much.
    /// Forms and documents fit; use an `async` handler for uploads, which reads the body piece by
    /// piece. [`Rule::BodyTooLarge`](super::rule::Rule::BodyTooLarge): 413.
    pub plain_body: u64,
    /// Bytes of request bodies that a service holds at a time, over all its connections: 32 MiB.
    /// This counts bodies that are collected for plain handlers or by
    /// [`Body::read`](crate::http1::service::Body::read), and received data that a handler has not
    /// taken yet. Beyond the limit, a request whose body is collected is answered with 503
    /// ([`Limit::HeldBodies`](crate::machine::Limit::HeldBodies)), and a body that is read piece by
    /// piece is delivered one piece at a time. Bytes stop counting when the handler takes them, and
    /// when their connection ends for any reason.
    pub held_bodies: usize,
    /// Bytes of a trailer section, including its line ends and the empty line: 8 KiB.
    /// [`Rule::TrailersTooLarge`](super::rule::Rule::TrailersTooLarge): 431.
    pub trailer_bytes: usize,
    /// Bytes of all chunk extensions of a body, each from its semicolon (or the blank before that)
    /// to the end of its line: 4 KiB.
    /// [`Rule::ChunkExtensionsTooLarge`](super::rule::Rule::ChunkExtensionsTooLarge): 400.
    pub chunk_extensions: usize,
    /// Requests that are answered in one step of a connection, before other connections have their
    /// turn: 32. Bytes of later requests are not read meanwhile, which exerts back-pressure on the
    /// client.
    pub pipelined: usize,
    /// Requests of one connection; the last is answered with `Connection: close`. Unlimited by
    /// default.
    pub requests: u64,
    /// Bytes of an unread body that are drained to keep the connection; beyond that it is closed:
    /// 64 KiB.
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

/// How much a server may send to a client, for each response.
///
/// ```
/// use diesel_proto::http1::ResponseLimits;
///
/// let limits = ResponseLimits { body: 64 << 20, ..ResponseLimits::default() };
/// assert_eq!(limits.status_line, 8 << 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    /// Bytes of a status line, including its CR LF: 8 KiB.
    /// [`Rule::StatusLineTooLong`](super::rule::Rule::StatusLineTooLong).
    pub status_line: usize,
    /// Bytes of all field lines of a head, including their line ends and the empty line: 64 KiB.
    /// [`Rule::HeaderTooLarge`](super::rule::Rule::HeaderTooLarge).
    pub header_bytes: usize,
    /// Number of field lines in a head, and in a trailer section: 200.
    /// [`Rule::TooManyFields`](super::rule::Rule::TooManyFields).
    pub header_count: usize,
    /// Bytes of a body, excluding chunk framing. Unlimited by default: what is done with a body, as
    /// it arrives, decides how much memory it takes.
    /// [`Rule::BodyTooLarge`](super::rule::Rule::BodyTooLarge).
    pub body: u64,
    /// Bytes of a trailer section, including its line ends and the empty line: 8 KiB.
    /// [`Rule::TrailersTooLarge`](super::rule::Rule::TrailersTooLarge).
    pub trailer_bytes: usize,
    /// Bytes of all chunk extensions of a body, each from its semicolon (or the blank before that)
    /// to the end of its line: 4 KiB.
    /// [`Rule::ChunkExtensionsTooLarge`](super::rule::Rule::ChunkExtensionsTooLarge).
    pub chunk_extensions: usize,
    /// Number of informational responses before the final one: 16.
    /// [`Rule::TooManyInformational`](super::rule::Rule::TooManyInformational).
    pub informational: u32,
}

impl ResponseLimits {
    /// As what reads messages of either kind takes them: the status line is limited as a request
    /// line is.
    pub(in crate::http1) const fn for_reader(&self) -> Limits {
        Limits {
            request_line: self.status_line,
            header_bytes: self.header_bytes,
            header_count: self.header_count,
            body: self.body,
            plain_body: self.body,
            held_bodies: usize::MAX,
            trailer_bytes: self.trailer_bytes,
            chunk_extensions: self.chunk_extensions,
            pipelined: 1,
            requests: u64::MAX,
            drain: 0,
        }
    }
}

impl Default for ResponseLimits {
    fn default() -> Self {
        ResponseLimits {
            status_line: 8 << 10,
            header_bytes: 64 << 10,
            header_count: 200,
            body: u64::MAX,
            trailer_bytes: 8 << 10,
            chunk_extensions: 4 << 10,
            informational: 16,
        }
    }
}

/// How long a peer may take: the timeouts of a connection.
///
/// Two more timeouts apply to every kind of service, and are in
/// [`ServiceConfig`](crate::hub::ServiceConfig): `write_stall` and `linger`.
///
/// ```
/// use core::time::Duration;
///
/// use diesel_proto::http1::Deadlines;
///
/// let deadlines = Deadlines { keep_alive: Duration::from_secs(5), ..Deadlines::default() };
/// assert_eq!(deadlines.head, Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first byte of a head to its last: 10 s. Then the answer is 408
    /// ([`Reason::Head`](crate::machine::Reason::Head)), even if bytes kept arriving.
    pub head: Duration,
    /// Between two pieces of a body, including its framing: 30 s. Then the answer is 408
    /// ([`Reason::BodyIdle`](crate::machine::Reason::BodyIdle)). The deadline also applies to the
    /// rest of a body that was answered before it was complete; then the connection is closed
    /// without another answer.
    pub body_idle: Duration,
    /// For a body as a whole: 60 s, and one more second for each `body_rate` bytes of it that
    /// arrived, including its framing. Then the answer is 408
    /// ([`Reason::BodyRate`](crate::machine::Reason::BodyRate)). Only the time during which the
    /// body is read counts. Draining the rest of a body after its answer counts too, so that
    /// draining ends.
    pub body: Duration,
    /// The minimum rate of a body, in bytes per second: 500. Zero disables the deadline for a body
    /// as a whole; a body that is a stream of rare events needs that.
    pub body_rate: u32,
    /// From the start of a connection, or the end of an answer, to the first byte of the next
    /// request: 75 s. Then the connection is closed
    /// ([`Reason::KeepAlive`](crate::machine::Reason::KeepAlive)). An empty line before a request
    /// line begins no request, and does not renew the deadline (RFC 9112, 2.2).
    pub keep_alive: Duration,
    /// How long an `async` handler may run after a half-close by its client: 10 s, counted anew
    /// whenever the client reads some of the answer. Then the handler is dropped, and the
    /// connection closed ([`Reason::HalfClose`](crate::machine::Reason::HalfClose)). Zero: at once.
    /// `None`: no limit, so a client that has left may hold its descriptor for as long as the
    /// handler waits.
    ///
    /// Most clients that half-close have left; some still wait for their answer. See
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
