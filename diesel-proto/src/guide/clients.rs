//! Clients.
//!
//! A [`Client`] is one connection that many fibers may call. Calls have their turns in order, and
//! an answer never reaches another call than the one that asked.
//!
//! ```
//! # use core::net::SocketAddr;
//! use diesel_proto::{Client, Conn, Ctx, Error, Line};
//!
//! #[derive(Clone)]
//! struct EchoClient(Client);
//!
//! impl EchoClient {
//!     async fn echo(&self, message: &str) -> Result<Line, Error> {
//!         let call = async |conn: &mut Conn| {
//!             conn.write((message, "\r\n")).await?;
//!             conn.until_eol().await
//!         };
//!         self.0.call(call).await
//!     }
//! }
//!
//! async fn caller(ctx: Ctx) -> Result<(), Error> {
//!     let address = SocketAddr::from(([127, 0, 0, 1], 7050));
//!     let client = EchoClient(Client::connect(&ctx, address).await?);
//!     println!("{}", client.echo("hello").await?.trimmed());
//!     Ok(())
//! }
//! # diesel_proto::Hub::default().add_loop(caller).unwrap();
//! ```
//!
//! [`Client::builder`] has the rest: what to do on connecting and on closing, and whether a call
//! that finds the connection gone makes another.

#[cfg(doc)]
use crate::Client;
