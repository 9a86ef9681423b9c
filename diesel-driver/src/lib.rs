//! Connects a [`Hub`] to epoll: bytes, time and signals in, actions out.
//!
//! This crate knows sockets and clocks. It must never know a protocol: it moves bytes and obeys
//! actions. Everything of `diesel-proto` is here under its own name, so that a program needs only
//! this crate.
//!
//! ```no_run
//! use diesel_driver::{Application, Conn, Error};
//!
//! async fn echo(mut conn: Conn) -> Result<(), Error> {
//!     loop {
//!         let line = conn.until_eol().await?;
//!         conn.write(("you said: ", line)).await?;
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let mut app = Application::new();
//!     app.add_service(echo, "127.0.0.1:7050")?;
//!     app.run()
//! }
//! ```

mod application;
mod clock;
mod connect;
mod driver;
mod fault;
mod journal;
mod key;
mod listen;
mod registered;
mod signals;
mod socket;
#[cfg(test)]
mod tests;

pub use application::{Application, HaltHandle};
pub use diesel_proto::*;
pub use listen::ListenOptions;
