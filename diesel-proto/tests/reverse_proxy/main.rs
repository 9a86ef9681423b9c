//! `web::ReverseProxy` between clients and upstreams that a test controls byte by byte, in virtual
//! time.

mod bodies;
mod failures;
mod fields;
mod harness;
mod known_bugs;
#[cfg(feature = "tls")]
mod tls;
mod upgrades;
