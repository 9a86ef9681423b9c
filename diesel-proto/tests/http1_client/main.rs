//! `http1::Client` against our server, and against scripted ones, through the simulated network.

mod calls;
mod harness;
mod pooling;
mod seeds;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
