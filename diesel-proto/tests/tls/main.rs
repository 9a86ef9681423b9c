//! TLS: a client's layer and a server's layer, joined without sockets, in virtual time.
//!
//! Keys are random, so no test compares bytes on the wire: what is compared is what arrives inside,
//! how it ends, and when.

mod harness;
mod joined;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/src/xor.rs"]
mod xor;

mod attacks;
mod ends;
mod flow;
mod handshake;
mod keys;
mod laws;
mod services;
mod sessions;
mod settings;
mod stacks;
