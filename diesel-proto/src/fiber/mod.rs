//! Handlers in plain, blocking style: `async fn`s whose tokens are futures.
//!
//! A fiber is one such function, which a [`Hub`](crate::hub::Hub) polls. The fiber's handles make
//! its tokens: its [`Conn`] makes those of one stream, its [`Ctx`] all others. There is no ambient
//! state: any number of hubs can live in one thread.
//!
//! ```text
//!         stream's side                                       fiber's side
//!
//!   hub ◀──▶ `machine`, `duplex` ──▶ [ input ] ──▶ `read`  ─┐
//!                                ◀── [ output ] ◀── `write` ─┴─ `conn` ◀── `client`
//!                                    `channel`                    │
//!                                                              `first` (several tokens)
//!   hub ◀──▶ `ctx`: `sleep`, `connect`, spawn (`join`), `event` ────┘
//!
//!   `connect` ──▶ `lookup` (names), `race` (several addresses), `dial` (one); `unblock` (jobs)
//!   `hub_methods`   methods of the hub and its services that concern fibers; `shapes`: what can be
//!                   a handler or a loop
//! ```
//!
//! `file` opens files and lists directories, by requests to the embedder (`asking`); `write_file`
//! sends them.
//!
//! Between fibers: `event` (each subscriber gets each message), `queue` (each item is taken once),
//! `semaphore`; `interval` is a clock. `waiting` holds the wakers that every token registers,
//! `waiters` the line of those that have turns. `join_all` waits for a list of futures.
//!
//! Rules:
//!
//! - Cancel safety: a token either returns all that was asked for, or takes nothing. Dropping a
//!   token loses no bytes.
//! - A token never runs another fiber. It wakes the fiber, which runs at its next turn.
//! - A fiber belongs to its hub's thread. It may await any future; but a token of another hub fails
//!   at once, with [`Error::OtherHub`](crate::machine::Error::OtherHub).
//!
//! A fiber must never know what carries its bytes, nor read a clock: the embedder passes the time,
//! and the time of day, to the hub.

mod asking;
mod channel;
mod client;
mod conn;
mod connect;
mod ctx;
mod dial;
mod duplex;
mod event;
mod file;
mod first;
mod hub_methods;
mod interval;
mod join;
mod join_all;
mod lookup;
mod machine;
mod peer_ended;
mod queue;
mod race;
mod read;
mod semaphore;
mod shapes;
mod sleep;
mod timeout;
mod unblock;
mod unread;
mod waiters;
mod waiting;
mod write;
mod write_file;

pub use self::client::{Client, ClientBuilder};
pub use self::conn::{Conn, Reader, Writer};
pub use self::connect::Connect;
pub use self::ctx::Ctx;
pub use self::duplex::Duplex;
pub use self::event::{Event, Subscription, Wait};
pub use self::file::{File, List, Open, ReadAt};
pub use self::first::{First2, First3, First4, First5, First6, First7, First8, Group, first};
pub use self::interval::Interval;
pub use self::join::JoinHandle;
pub use self::join_all::{JoinAll, join_all};
pub use self::peer_ended::PeerEnded;
pub use self::queue::{Put, Queue, Take};
pub use self::read::{Count, Peek, Read, Some, ToEnd, Until, UntilEol, Want};
pub use self::semaphore::{Acquire, Permit, Semaphore};
pub use self::shapes::{ConnHandler, LoopBody};
pub use self::sleep::Sleep;
pub use self::unblock::Unblock;
pub use self::write::{Flush, Payload, Write, WriteWith};
