//! What the pure side has to tell a person. The driver logs it.

use alloc::string::String;
use core::fmt;

use crate::{Address, Cause, Limit};

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A limit was reached.
    LimitReached(Limit),
    /// A handler, a loop or a hook returned an error that is not how connections ordinarily end.
    Failed {
        /// The peer it served, if it served one.
        peer: Option<Address>,
        /// The error, as text.
        error: String,
    },
    /// A fiber panicked, and was dropped.
    Panicked {
        /// The peer it served, if it served one.
        peer: Option<Address>,
    },
    /// A connection was cut, or timed out: closed for another reason than either side being done.
    Cut {
        /// The peer.
        peer: Address,
        /// Why.
        cause: Cause,
    },
    /// A machine's own words.
    Text(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::LimitReached(limit) => limit.fmt(f),
            Notice::Failed { peer: Some(peer), error } => {
                write!(f, "the handler for {peer} failed: {error}")
            }
            Notice::Failed { peer: None, error } => write!(f, "a fiber failed: {error}"),
            Notice::Panicked { peer: Some(peer) } => write!(f, "the handler for {peer} panicked"),
            Notice::Panicked { peer: None } => f.write_str("a fiber panicked"),
            Notice::Cut { peer, cause } => write!(f, "{peer}: {cause}"),
            Notice::Text(text) => f.write_str(text),
        }
    }
}
