//! Groups and events.
//!
//! [`first`] waits for the first of several tokens, like `select!`. They are polled in the order written.
//! Every token is cancel-safe: dropping the others loses no bytes and no messages.
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::{Conn, Error, First2, first};
//!
//! async fn bytes_or_timeout(mut conn: Conn) -> Result<(), Error> {
//!     let ctx = conn.ctx();
//!     match first((conn.bytes(2), ctx.sleep(Duration::from_secs(3)))).await {
//!         First2::A(two) => println!("got two bytes! {:?}", two?),
//!         First2::B(_) => println!("timeout"),
//!     }
//!     Ok(())
//! }
//! # diesel_proto::Hub::default().add_service(bytes_or_timeout);
//! ```
//!
//! A group cannot wait twice for one connection: each token borrows it mutably, so that does not
//! compile.
//!
//! # Events
//!
//! An [`Event`] is a broadcast channel between fibers. A [`Subscription`] has a position in the stream of
//! messages, so nothing is missed between two waits. If it falls behind by more than the capacity, its
//! next wait fails with the number of messages that it missed ([`Error::Lagged`]). Firing *through* a subscription reaches all the
//! others. A fiber that keeps firing gives way to the readers at its next `await`; so messages are only
//! missed by a reader that waits for something else, such as a slow client. A chat needs no more:
//!
//! ```
//! use diesel_proto::{Conn, Error, Event, First2, Hub, Service, first};
//!
//! async fn chat(mut conn: Conn, room: Event<(String, String)>) -> Result<(), Error> {
//!     let nick = conn.until_eol().await?.trimmed().to_string();
//!     let mut others = room.subscribe();
//!     loop {
//!         match first((conn.until_eol(), others.wait())).await {
//!             First2::A(line) => others.fire((nick.clone(), line?.trimmed().to_string())),
//!             First2::B(Ok((nick, text))) => conn.write(format!("<{nick}> {text}\r\n")).await?,
//!             First2::B(Err(Error::Lagged(n))) => {
//!                 conn.write(format!("({n} lines are missing)\r\n")).await?
//!             }
//!             First2::B(Err(error)) => return Err(error),
//!         }
//!     }
//! }
//!
//! let mut hub = Hub::default();
//! let room = hub.event();
//! hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
//! ```

#[cfg(doc)]
use crate::fiber::{Event, Subscription, first};
#[cfg(doc)]
use crate::machine::Error;
