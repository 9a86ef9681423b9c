//! Points in time, and deadlines. Nothing here reads a clock.
//!
//! ```text
//!                          instant     timers
//!   the caller's clock ──▶ Instant ──▶ Timers: values with deadlines and keys ──▶ what is due
//! ```

mod instant;
mod timers;

pub use instant::Instant;
pub use timers::{TimerKey, Timers};
