//! What the tests of the whole stand on: a network made of nothing, a crowd that chats over it, and
//! example programs as real processes.

mod crowd;
mod program;
mod session;

pub use crowd::{Crowd, Diary, Outcome};
pub use program::{Program, Signal, connect};
pub use session::{Peer, Session, at_every_cut};

/// The README's programs compile, and its tests pass.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
