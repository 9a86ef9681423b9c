//! Notices: what machines and the hub report for a log. The embedder writes them.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::address::Address;
use super::id::{ConnId, JobId};
use super::reason::{Cause, Limit};
use super::refused::Refused;
use crate::time::Instant;

/// Something that the operator may want to know: a line for a log.
///
/// ```
/// use diesel_proto::{Limit, Notice};
///
/// let notice = Notice::LimitReached(Limit::Connections(1000));
/// assert_eq!(
///     notice.to_string(),
///     "at the limit of 1000 connections (Config::max_connections)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A limit was reached.
    LimitReached(Limit),
    /// A connection was refused.
    Refused(Refused),
    /// A call named a connection of another hub. The call did nothing.
    OtherHub(ConnId),
    /// A call named a look-up or a job of another hub. The call did nothing.
    OtherHubJob(JobId),
    /// A handler returned an error that is neither an ordinary end of a connection
    /// ([`Error::is_ordinary`](super::error::Error::is_ordinary)) nor the peer's fault
    /// ([`Error::is_of_peer`](super::error::Error::is_of_peer)); or a loop returned any error but
    /// that of a shutdown.
    Failed {
        /// The peer that the handler served. `None` for a loop.
        peer: Option<Address>,
        /// The error, as text.
        error: String,
    },
    /// A fiber, a machine, or the function that makes a machine panicked, and was dropped.
    Panicked {
        /// The peer that it served, if it served one.
        peer: Option<Address>,
    },
    /// A connection was cut because of what its peer did, or did not do: a deadline passed, a limit
    /// was reached, a rule of the protocol was broken.
    Cut {
        /// The peer.
        peer: Address,
        /// Why.
        cause: Cause,
    },
    /// A request was answered. Reported only by services with an access log. Boxed, so that all
    /// other notices stay small.
    Access(Box<Access>),
    /// Random numbers are drawn although the hub never got a [seed](crate::hub::Hub::seed): they
    /// are the same in every process. Reported once.
    Unseeded,
    /// A text from a machine.
    Text(String),
}

/// One request and its response, as an access log records them.
///
/// The duration is computed by [`took`](Self::took) when the embedder gets the notice, from a fresh
/// reading of the clock: within a step or a run time stands still, however long a handler computes.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Access, Address, Instant};
///
/// let access = Access {
///     peer: Address::Socket("192.0.2.7:56324".parse()?),
///     method: "GET".into(),
///     target: "/a\r\nb".into(),
///     status: 200,
///     sent: 1234,
///     began: Instant::ORIGIN + Duration::from_secs(60),
/// };
/// let line = r#"192.0.2.7:56324 "GET /a\r\nb" 200, 1234 bytes"#;
/// assert_eq!(access.to_string(), line);
///
/// let now = Instant::ORIGIN + Duration::from_millis(60_300);
/// assert_eq!(access.took(now), Duration::from_millis(300));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The client.
    pub peer: Address,
    /// The request method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The status code of the response.
    pub status: u16,
    /// How many bytes of the response were queued, its head and its framing included.
    pub sent: u64,
    /// When the last byte of the request's head arrived.
    pub began: Instant,
}

impl Access {
    /// How long the request took: from the last byte of its head to the last byte of the response,
    /// provided that `now` is read when the embedder gets this notice, that is, after the call that
    /// ran the handler and before the embedder waits for anything else. Time spent on other
    /// connections meanwhile counts as well, since it delayed the response.
    ///
    /// One reading of the clock is enough for all notices that are handed out together.
    pub fn took(&self, now: Instant) -> Duration {
        now - self.began
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::LimitReached(limit) => limit.fmt(f),
            Notice::OtherHub(conn) => write!(f, "{conn:?} belongs to another hub"),
            Notice::OtherHubJob(job) => write!(f, "{job:?} belongs to another hub"),
            Notice::Refused(refused) => write!(f, "a connection was refused: {refused}"),
            Notice::Failed { peer: Some(peer), error } => {
                write!(f, "the handler for {peer} failed: {error}")
            }
            Notice::Failed { peer: None, error } => write!(f, "a loop failed: {error}"),
            Notice::Panicked { peer: Some(peer) } => write!(f, "the handler for {peer} panicked"),
            Notice::Panicked { peer: None } => f.write_str("a fiber panicked"),
            Notice::Cut { peer, cause } => write!(f, "{peer}: {cause}"),
            Notice::Access(access) => access.fmt(f),
            Notice::Unseeded => {
                f.write_str("random numbers are drawn without a seed: they are predictable")
            }
            Notice::Text(text) => f.write_str(text),
        }
    }
}

/// Always one line, whatever the peer sent: a peer cannot forge a log entry.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Access { peer, method, target, status, sent, began: _ } = self;
        let (method, target) = (method.escape_debug(), target.escape_debug());
        write!(f, "{peer} \"{method} {target}\" {status}, {sent} bytes")
    }
}
