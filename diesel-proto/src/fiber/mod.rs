//! Handlers in plain, blocking style: `async fn`s whose tokens are futures.
//!
//! A fiber is one such function, run by a [`Hub`](crate::hub::Hub). Its tokens are made by the handles
//! it is given: those that concern one stream by its [`Conn`], all others by its [`Ctx`]. There is
//! no ambient state: any number of hubs live in one thread.
//!
//! Rules:
//!
//! - A token either gives all that was asked for, or has taken nothing: dropping it is harmless.
//! - A token never runs another fiber; it wakes it, and that one's turn comes.
//! - A fiber belongs to its hub's thread. What it awaits may come from anywhere; but a token of another
//!   hub fails at once, with [`Error::OtherHub`](crate::machine::Error::OtherHub).
//!
//! A fiber must never know what carries its bytes, nor look at a clock: the time, of day as well, is
//! what its hub was told.

mod channel;
mod client;
mod conn;
mod ctx;
mod duplex;
mod event;
mod first;
mod join;
mod machine;
mod read;
mod waiting;
mod write;

pub use self::client::{Client, ClientBuilder};
pub use self::conn::{Conn, Reader, Writer};
pub use self::ctx::{Connect, Ctx, Sleep};
pub use self::duplex::Duplex;
pub use self::event::{Event, Subscription, Wait};
pub use self::first::{First2, First3, First4, First5, First6, First7, First8, Group, first};
pub use self::join::JoinHandle;
pub use self::read::{Count, Peek, Read, Some, ToEnd, Until, UntilEol, Want};
pub use self::write::{Flush, Payload, Write};

pub(crate) use self::channel::{Channel, ConnShared, ConnectState, Outgoing, cause_of};
pub(crate) use self::machine::{FiberMachine, StartHandler};
