//! Tools for testing what is built with this crate: machines, handlers, whole applications. The
//! guide uses [all of them](crate::guide::testing), starting from an empty file.
//!
//! - [`laws`]: what holds for every [`Machine`](crate::machine::Machine), checked by one call from
//!   a unit test, a property or a fuzz target.
//! - [`layer_laws`]: what holds for every layer, checked by one call around a machine of the kit.
//! - [`HubMachine`]: a whole hub with one connection, as a machine: so that the laws apply to
//!   handlers.
//! - [`decorator`]: a tracer, a throttle, a fault injector around any machine.
//! - `generators` (feature `quickcheck`): lines, cuts, sessions, sequences of operations.
//! - [`embed`]: a check for the event loop of an embedder, with scripted streams.
//! - [`net`]: a simulated network, which connects whole hubs in virtual time.
//! - [`Oneshot`]: one HTTP request to a service, and the whole response.
//! - [`script`]: sessions that read like telnet's, with times, played against a hub.
//!
//! Everything runs in virtual time, and everything random is drawn from a seed (`random`) that a
//! failure prints.
//!
//! ```text
//!   `stimulus`: the input ──▶ `run`: drives a machine (`cuts`: cuts of bytes; `watch`: its steps)
//!        ▲                         │
//!        │                         ▼
//!   `generators`             transcript ──▶ `laws`, `layer_laws` ──▶ `shrink` ──▶ `report`
//!
//!   handler ──▶ `hub_machine` ──▶ a machine, for all of these and for `decorator`
//!   hubs    ──▶ `net` ◀── `script`: sessions of peers
//! ```

pub mod cuts;
pub mod decorator;
pub mod embed;
#[cfg(feature = "quickcheck")]
pub mod generators;
mod hub_machine;
mod law;
pub mod laws;
pub mod layer_laws;
pub mod net;
mod oneshot;
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
pub use oneshot::{Answered, Oneshot};
pub use random::Random;
pub use run::{Room, Transcript};
pub use stimulus::Stimulus;
