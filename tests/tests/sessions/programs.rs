//! The examples themselves, as modules.

// Their `main` is not called here.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../examples/bytes_or_timeout.rs"]
pub mod bytes_or_timeout;
#[path = "../../../examples/chat.rs"]
pub mod chat;
#[path = "../../../examples/clocker.rs"]
pub mod clocker;
#[path = "../../../examples/combined.rs"]
pub mod combined;
#[path = "../../../examples/comet.rs"]
pub mod comet;
#[path = "../../../examples/echo.rs"]
pub mod echo;
#[path = "../../../examples/echo_client.rs"]
pub mod echo_client;
#[path = "../../../examples/echo_timeout.rs"]
pub mod echo_timeout;
#[path = "../../../examples/fire.rs"]
pub mod fire;
#[path = "../../../examples/http.rs"]
pub mod http;
#[path = "../../../examples/httpbin/main.rs"]
pub mod httpbin;
#[path = "../../../examples/notes.rs"]
pub mod notes;
#[path = "../../../examples/oops.rs"]
pub mod oops;
#[path = "../../../examples/proxy.rs"]
pub mod proxy;
#[path = "../../../examples/reverse_proxy.rs"]
pub mod reverse_proxy;
#[path = "../../../examples/sleep_server.rs"]
pub mod sleep_server;
#[path = "../../../examples/sse.rs"]
pub mod sse;
