//! Errors.
//!
//! What the seed raised as `ConnectionClosed` is [`Error::Closed`], and `?` ends the handler with
//! it. A handler that has something to tidy up looks at it instead:
//!
//! ```
//! use diesel_proto::{Conn, Error};
//!
//! async fn oops(mut conn: Conn) -> Result<(), Error> {
//!     match conn.until_eol().await {
//!         Ok(line) => conn.write(("got ", line)).await,
//!         Err(Error::Closed) => {
//!             println!("oops, that was too early");
//!             Ok(())
//!         }
//!         Err(error) => Err(error),
//!     }
//! }
//! # diesel_proto::Hub::default().add_service(oops);
//! ```
//!
//! Errors are told apart by blame: the peer's ([`Error::Closed`], [`Error::Reset`]), a limit's
//! ([`Error::Limit`] names it, with its value; [`Error::TimedOut`] names what the deadline was
//! for), the application's own ([`Error::Application`]). While a hub shuts down, tokens that would
//! have to wait fail with [`Error::Shutdown`].
//!
//! A connection closes when its handler returns, once everything queued is sent. How it ended is in
//! [`Action::Close`](crate::Action::Close), as a [`Cause`](crate::Cause).

#[cfg(doc)]
use crate::Error;
