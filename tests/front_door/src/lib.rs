//! HTTP uses no private door: its folder compiles here, where there is nothing but the public API.
//!
//! So anybody could have written it, and can write another protocol in the same way. Paths mean the
//! same as at home, because the rooms of `diesel_proto` are public modules; what is made here is
//! another set of types, which serve connections of the same hub.

#![no_std]
#![allow(rustdoc::broken_intra_doc_links, reason = "they are checked at home")]

extern crate alloc;

pub use diesel_proto::*;

// The unit tests of the folder know more than its code does, and run where it is at home.
#[cfg(not(test))]
#[path = "../../../diesel-proto/src/http1/mod.rs"]
pub mod http1;
