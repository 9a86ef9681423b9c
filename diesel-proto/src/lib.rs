//! A sans-IO protocol and state-machine toolkit.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod time;

pub use time::Instant;
