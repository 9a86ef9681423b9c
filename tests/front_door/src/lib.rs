//! HTTP uses only the public API: its folder compiles in this crate, which has nothing else.
//!
//! So a protocol can be written outside of `diesel_proto` in the same way. Paths resolve as in
//! `diesel_proto`, because its folders are public modules; the types here are another set, which
//! serves connections of the same hub.

#![no_std]
#![allow(rustdoc::broken_intra_doc_links, reason = "they are checked at home")]

extern crate alloc;

pub use diesel_proto::*;

// The unit tests of the folder use private items, and run in `diesel_proto`.
#[cfg(not(test))]
#[path = "../../../diesel-proto/src/http1/mod.rs"]
pub mod http1;
