//! Clients.
//!
//! A [`Client`] is one connection that many fibers share. Calls are queued, and each has the connection
//! to itself.
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
//! What is connected to may also be a name: `Client::connect(&ctx, "example.com:7050")`. It is resolved
//! for each connection, and its addresses are tried as [`Ctx::connect`] says. In a test, the simulated
//! network resolves it (`testkit::net::Network::name`), and an application can be shown to survive a
//! resolver that hangs.
//!
//! The answer to one call must never be read by the next. So a call closes the connection if it fails,
//! is dropped, leaves bytes unread, or sends something and reads nothing; the next call makes another
//! connection, or fails with [`Error::CallAbandoned`]. A call that knows that it has read its whole
//! answer can say so:
//!
//! ```
//! use diesel_proto::{Client, Conn, Error, Line};
//!
//! async fn get(client: &Client, key: &str) -> Result<Line, Error> {
//!     let call = async |conn: &mut Conn| {
//!         conn.write(("get ", key, "\r\n")).await?;
//!         let answer = conn.until_eol().await?;
//!         if answer.starts_with(b"error ") {
//!             // It is the whole answer: the next call may have the connection.
//!             conn.mark_in_step();
//!             return Err(Error::application(answer.trimmed().into_owned()));
//!         }
//!         Ok(answer)
//!     };
//!     client.call(call).await
//! }
//! ```
//!
//! A call has to read everything that it asked for: if it sends two requests and reads one answer, the
//! second answer may arrive during the next call.
//!
//! [`Client::builder`] has the rest: what to do on connecting and on closing, and whether a call
//! that finds the connection gone makes another.

#[cfg(doc)]
use crate::fiber::{Client, Ctx};
#[cfg(doc)]
use crate::machine::Error;
