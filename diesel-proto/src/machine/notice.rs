//! What the pure side has to tell a person. The driver logs it.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::address::Address;
use super::reason::{Cause, Limit};
use crate::hub::{ConnId, Refused};
use crate::time::Instant;

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A limit was reached.
    LimitReached(Limit),
    /// A connection was refused.
    Refused(Refused),
    /// A call named a connection of another hub, and did nothing.
    OtherHub(ConnId),
    /// A handler returned an error that is neither how connections ordinarily end
    /// ([`Error::is_ordinary`](super::error::Error::is_ordinary)) nor the peer's doing
    /// ([`Error::is_of_peer`](super::error::Error::is_of_peer)); or a loop returned any error but that of
    /// a shutdown.
    Failed {
        /// The peer that the handler served. `None` for a loop.
        peer: Option<Address>,
        /// The error, as text.
        error: String,
    },
    /// A fiber, a machine, or what makes a machine panicked, and was dropped.
    Panicked {
        /// The peer it served, if it served one.
        peer: Option<Address>,
    },
    /// A connection was cut for what its peer did, or did not do: a deadline passed, a limit was
    /// reached, a rule of the protocol was broken.
    Cut {
        /// The peer.
        peer: Address,
        /// Why.
        cause: Cause,
    },
    /// A request was answered. Told only by services that were asked to; boxed, so that all the
    /// others stay small.
    Access(Box<Access>),
    /// Random numbers are drawn, and the hub was never told a [seed](crate::hub::Hub::seed): they are the
    /// same in every process. Told once.
    Unseeded,
    /// A machine's own words.
    Text(String),
}

/// One request and what became of it, as an access log has it.
///
/// How long it took is asked of it when the notice is handed out, with a fresh reading of the clock:
/// within a step or a run time stands still, however long a handler computes.
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
    /// Who asked.
    pub peer: Address,
    /// What was to be done.
    pub method: String,
    /// With what.
    pub target: String,
    /// How it was answered.
    pub status: u16,
    /// Bytes of the answer that were queued, its head and its framing included.
    pub sent: u64,
    /// When the last byte of the request's head arrived.
    pub began: Instant,
}

impl Access {
    /// From the last byte of the request's head to the last of its answer, if `now` is read when
    /// the embedder gets this notice: after the call that ran the handler, before it waits for
    /// anything else. What other connections took meanwhile counts, too: the answer was held up by
    /// them.
    ///
    /// One reading serves all notices that are handed out together.
    pub fn took(&self, now: Instant) -> Duration {
        now - self.began
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::LimitReached(limit) => limit.fmt(f),
            Notice::OtherHub(conn) => write!(f, "{conn:?} is of another hub"),
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
                f.write_str("random numbers are drawn without a seed: they can be foretold")
            }
            Notice::Text(text) => f.write_str(text),
        }
    }
}

/// One line, whatever the peer sent: nobody forges an entry of a log.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Access { peer, method, target, status, sent, began: _ } = self;
        let (method, target) = (method.escape_debug(), target.escape_debug());
        write!(f, "{peer} \"{method} {target}\" {status}, {sent} bytes")
    }
}
