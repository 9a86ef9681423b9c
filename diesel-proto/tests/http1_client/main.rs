//! `http1::Client` against our server, and against scripted ones, through the simulated network.

mod calls;
#[cfg(feature = "cookies")]
mod cookies;
mod gateways;
#[cfg(feature = "gzip")]
mod gzip;
mod harness;
mod pooling;
mod proxies;
mod redirects;
mod seeds;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
mod upgrades;
mod uploads;
