//! The fuzz targets: each is a function of bytes that panics if something is wrong.
//!
//! Nothing here knows libFuzzer. The same functions run as an ordinary test over the corpus
//! (`tests/tests/corpus.rs` includes this file), so every finding is a regression test.

mod buffer;
mod chunked;
mod client;
mod exchange;
mod fiber;
mod gunzip;
mod handlers;
mod head;
mod hub;
mod jar;
#[path = "../../diesel-proto/tests/tls/joined.rs"]
mod joined;
mod layers;
mod one_object;
mod pipeline;
mod proxy;
mod response;
mod reverse_proxy;
mod server;
mod shadow;
mod stimuli;
mod timers;
mod tls;
mod tls_settings;
// Layers of the tests, which use only the public API.
#[allow(dead_code)]
#[path = "../../tests/src/toy_frames/mod.rs"]
mod toy_frames;
mod web;
#[path = "../../tests/src/xor.rs"]
mod xor;

pub use buffer::buffer;
pub use chunked::chunked;
pub use client::client;
pub use exchange::exchange;
pub use fiber::fiber;
pub use gunzip::gunzip;
pub use head::head;
pub use hub::hub;
pub use jar::jar;
pub use layers::layers;
pub use pipeline::pipeline;
pub use proxy::proxy;
pub use response::response;
pub use reverse_proxy::reverse_proxy;
pub use server::server;
pub use timers::timers;
pub use tls::tls;
pub use web::web;
