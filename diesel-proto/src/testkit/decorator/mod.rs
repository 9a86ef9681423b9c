//! Small layers around any machine, which observe it or disturb it.
//!
//! - [`Tracer`]: a readable log of each input and its effects.
//! - [`Throttle`]: limits the rate of the input.
//! - [`FaultInjector`]: odd cuts, stalls, an early end, a reset, from a seed.
//!
//! ```text
//!   stream ──bytes──▶ `throttle`, `fault_injector` ──▶ `gate` (shut for a while) ──▶ inner machine
//!          ──inputs──────────────▶ `tracer` (writes lines) ────────────────────────▶ inner machine
//! ```
//!
//! Rules: decorators do not change the length of what passes through, so they share the caller's
//! [`Actions`](crate::machine::Actions) and copy nothing; they keep the laws if the inner machine
//! does; and if the inner machine is replaced by another one, the decorator stays around it.
//!
//! They must never know what the inner machine does, nor what the bytes mean.
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::testkit::Stimulus;
//! use diesel_proto::testkit::decorator::{FaultInjector, Throttle, Tracer};
//! use diesel_proto::testkit::laws::Laws;
//! use diesel_proto::LineEcho;
//!
//! let slow = || Throttle::new(LineEcho::default(), 4, Duration::from_secs(1));
//! let stack = || Tracer::new(FaultInjector::new(slow(), 7), |_, line| println!("{line}"));
//! Laws::of(stack).assert(&[Stimulus::bytes("hello\r\nquit\r\n"), Stimulus::Eof]);
//! ```

mod fault_injector;
mod gate;
#[cfg(test)]
mod tests;
mod throttle;
mod tracer;

pub use fault_injector::{FaultInjector, InjectedFault};
pub use throttle::Throttle;
pub use tracer::Tracer;
