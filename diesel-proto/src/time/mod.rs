//! Points in time, and deadlines. Nothing here reads a clock.
//!
//! ```text
//!   the caller's clock ──▶ Instant ──▶ Timers: deadlines with keys ──▶ what is due
//! ```

mod instant;
mod timers;

pub use instant::Instant;
pub use timers::{TimerKey, Timers};
