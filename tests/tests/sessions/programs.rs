//! The examples themselves, as modules.

// Their `main` is not called here.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../examples/chat.rs"]
pub mod chat;
#[path = "../../../examples/clocker.rs"]
pub mod clocker;
#[path = "../../../examples/combined.rs"]
pub mod combined;
#[path = "../../../examples/echo.rs"]
pub mod echo;
#[path = "../../../examples/echo_client.rs"]
pub mod echo_client;
