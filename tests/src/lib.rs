//! What the tests of the whole stand on: a network made of nothing, and example programs as real
//! processes.

mod program;
mod session;

pub use program::{Program, Signal, connect};
pub use session::{Peer, Session, at_every_cut};

/// The README's programs compile, and its tests pass.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
