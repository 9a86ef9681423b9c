//! Small machines around any machine: what can be seen of it, and what can be done to it.
//!
//! - [`Tracer`]: a readable log of what happened and what followed.
//! - [`Throttle`]: at most so many bytes in so much time.
//! - [`FaultInjector`]: odd cuts, stalls, an early end, a reset, from a seed.
//!
//! Rules: they keep the length of what goes through, so they share the caller's
//! [`Actions`](crate::machine::Actions) and copy nothing; they keep the laws if the machine inside does; and
//! a machine inside that gives way to another does so inside.
//!
//! They must never know what the machine inside does, nor what the bytes mean.
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
