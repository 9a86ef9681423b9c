//! Shared code of the integration tests: a crowd that chats over a simulated network, and example
//! programs as real processes.

mod crowd;
pub mod embedder;
mod folder;
pub mod logged;
pub mod plain_loop;
mod program;
mod running;
pub mod toy_frames;
pub mod xor;

pub use crowd::{Crowd, Diary, Outcome};
pub use folder::Folder;
pub use program::{Program, Signal, connect};
pub use running::Running;

/// The README's programs compile, and its tests pass.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
