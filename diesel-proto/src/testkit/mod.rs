//! Tools for testing what is built with this crate: your machines, your handlers, your application.
//! The guide builds something with [all of them](crate::guide::testing), from an empty file on.
//!
//! - [`laws`]: what holds for every [`Machine`](crate::machine::Machine), checked by one call from a unit
//!   test, a property or a fuzz target.
//! - [`layer_laws`]: what holds for every layer, checked by one call around a machine of the kit's own.
//! - [`HubMachine`]: a whole hub with one connection, as a machine: so that the laws apply to
//!   handlers.
//! - [`decorator`]: a tracer, a throttle, a fault injector around any machine.
//! - `generators` (feature `quickcheck`): lines, cuts, sessions, sequences of operations.
//! - [`net`]: a simulated network, which joins whole hubs in virtual time.
//! - [`script`]: sessions that read like telnet's, with times, played against a hub.
//!
//! Everything runs in virtual time, and everything drawn by chance is drawn from a seed that a
//! failure prints.

pub mod cuts;
pub mod decorator;
#[cfg(feature = "quickcheck")]
pub mod generators;
mod hub_machine;
pub mod laws;
pub mod layer_laws;
pub mod net;
mod random;
mod report;
mod run;
pub mod script;
mod shrink;
pub mod stimulus;
#[cfg(test)]
mod tests;
mod watch;

pub use hub_machine::HubMachine;
pub use random::Random;
pub use run::{Room, Transcript};
pub use stimulus::Stimulus;
