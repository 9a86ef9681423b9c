//! Errors and logs.
//!
//! A token that cannot give what it promises fails with an [`Error`], and `?` ends the handler with it.
//! A handler that has something to clean up matches on it instead:
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
//! Errors are classified by blame:
//!
//! | blame | errors |
//! | --- | --- |
//! | the peer | [`Error::Closed`], [`Error::Reset`] |
//! | a limit, with its name and value | [`Error::Limit`] |
//! | a deadline, with its reason | [`Error::TimedOut`] |
//! | the connection that was to be made | [`Error::Target`], [`Error::Resolve`], [`Error::Connect`] |
//! | the peer, or the settings, of TLS | [`Error::Tls`] |
//! | the application | [`Error::Application`], made by [`Error::application`] |
//! | the shutdown of the hub | [`Error::Shutdown`]: for tokens that would have to wait |
//!
//! # Where errors and logs go
//!
//! `diesel-proto` has no logger. What a person may want to know is a value, a [`Notice`]: the hub returns
//! it in an [`Action::Notice`](crate::hub::Action::Notice), an endpoint from
//! [`drain_notices`](crate::machine::Endpoint::drain_notices), and the embedder logs it.
//!
//! | what happened | notice |
//! | --- | --- |
//! | a handler or a loop returned an error | [`Notice::Failed`] |
//! | but the connection just ended ([`Error::is_ordinary`]) | none |
//! | but the peer is to blame ([`Error::is_of_peer`]) | [`Notice::Cut`] |
//! | user code panicked, and the embedder caught it | [`Notice::Panicked`] |
//! | a limit was reached | [`Notice::LimitReached`] |
//! | an HTTP request was answered, if the service has [`access_notices`](crate::http1::Service::access_notices) | [`Notice::Access`] |
//!
//! A loop has no connection, so it fails with any error but [`Error::Shutdown`].
//!
//! `diesel-driver` logs notices through the [`log`](https://docs.rs/log) facade: failures and panics as
//! `error`, limits as `warn`, misbehaviour of peers and access lines as `info`. The target is the name of
//! the service ([`Service::named`](crate::hub::Service::named)), or `diesel`. What repeats is logged once a
//! second, with its count. A program that installs no logger gets warnings and errors on standard error.
//!
//! If you embed a hub or an endpoint, use `Display` of [`Notice`], which is one line, whatever the peer
//! sent. [`Access::took`](crate::machine::Access::took) says how long a request took, given a fresh reading of the
//! clock.
//!
//! # How connections end
//!
//! A connection closes when its handler returns, after everything queued was sent. Why it ended is the
//! [`Cause`](crate::machine::Cause) in [`Action::Close`](crate::hub::Action::Close) or
//! [`Action::Abort`](crate::hub::Action::Abort); the second resets the stream, so that the peer can tell that
//! it was cut.
//!
//! A handler that returns an error, or panics, ends its connection as one that returns `Ok` does: the peer
//! gets everything that was queued, and then the end of the stream. If the peer could take that for the
//! whole, call [`Conn::abort`](crate::fiber::Conn::abort) or [`Writer::cut`](crate::fiber::Writer::cut)
//! before. (An HTTP response whose body fails midway is cut in any case.)

#[cfg(doc)]
use crate::machine::{Error, Notice};
