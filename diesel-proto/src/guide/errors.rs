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
//! # Where errors go
//!
//! What a person may want to know is an [`Action::Notice`](crate::Action::Notice): it is for the
//! embedder to log. A handler that returns an error has failed, [`Notice::Failed`], unless that is how
//! connections end ([`Error::is_ordinary`]), which is not told, or the peer's doing
//! ([`Error::is_of_peer`]), which is told as the cut of its connection, [`Notice::Cut`]. A loop has no
//! connection to end: it fails with any error but [`Error::Shutdown`].
//!
//! `diesel-driver` logs notices through the `log` facade: failures and panics as `error`, limits as
//! `warn`, what peers did as `info`, with the service's name as target; what repeats is told once a
//! second, with its count. A program that sets no logger gets warnings and errors on standard error.
//! An embedder of its own does as it likes; the time that a request took is asked of
//! [`Access`](crate::Access) with a fresh reading of the clock.
//!
//! # How connections end
//!
//! A connection closes when its handler returns, once everything queued is sent. How it ended is in
//! [`Action::Close`](crate::Action::Close), as a [`Cause`](crate::Cause).

#[cfg(doc)]
use crate::{Error, Notice};
