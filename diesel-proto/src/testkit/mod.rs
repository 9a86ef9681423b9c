//! Tools for testing what is built with this crate: your machines, your handlers, your application.
//!
//! - [`laws`]: what holds for every [`Machine`](crate::Machine), checked by one call from a unit
//!   test, a property or a fuzz target.
//!
//! Everything runs in virtual time, and everything drawn by chance is drawn from a seed that a
//! failure prints.

pub mod cuts;
pub mod laws;
mod random;
mod run;
pub mod stimulus;

pub use random::Random;
pub use run::{Room, Transcript};
pub use stimulus::Stimulus;
