//! Groups and events.
//!
//! [`first`] waits for the first of several tokens. They are polled in the order written, and
//! dropping the others loses nothing:
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
//! Two waits for one socket do not fit into a group: each borrows the connection.
//!
//! An [`Event`] carries messages between fibers. A [`Subscription`] owns its place in the stream of
//! messages, so nothing is missed between two waits; one that falls behind by more than the
//! capacity is told how many it missed ([`Error::Lagged`]); firing *through* a subscription reaches
//! all the others. A fiber that fires again and again gives way to those that read, at its next
//! await; what is lost is lost to one whose connection is not read. That is all a chat needs:
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
use crate::{Error, Event, Subscription, first};
