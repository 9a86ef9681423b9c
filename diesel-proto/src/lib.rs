//! A sans-IO protocol and state-machine toolkit: bytes and time go in, actions come out.
//!
//! Not only parsers are pure here, but whole applications: handlers in plain, blocking style, their
//! scheduling, their deadlines. Nothing in this crate knows a socket, a clock, a thread or a
//! logger; it is `no_std`, and without `unsafe`.
//!
//! Start with the [`guide`]. The layers, bottom up, each usable alone:
//!
//! - **Time**: [`Instant`], a plain number.
//! - **Parts**: [`Buffer`] (incoming bytes), [`Pipeline`] (outgoing ones), [`Timers`].
//! - **Machines**: [`Machine`], the one trait through which anything drives a byte stream;
//!   [`Endpoint`], which drives one for an embedder.
//! - **Fibers**: [`Conn`], [`Ctx`], [`first`](first()), [`Event`], [`Client`]: what handlers are
//!   written with.
//! - **[`Hub`]**: the application; [`hub`] has its contract, and [`hub::embed`] the loop of its
//!   embedders.
//!
//! `diesel-driver` connects a hub to epoll.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod block;
mod buffer;
mod chunk;
mod endpoint;
mod error;
pub mod fiber;
pub mod guide;
pub mod http1;
pub mod hub;
mod line_echo;
mod linger;
mod link;
mod machine;
mod nested;
mod notice;
mod pipeline;
pub mod proxy_protocol;
mod reason;
mod slot;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
mod timers;

pub use address::{Address, ConnectError, ConnectErrorKind};
pub use block::{Block, Blocks};
pub use buffer::{Buffer, TooLong};
pub use chunk::{Chunk, Line};
pub use endpoint::{Endpoint, SharedEndpoint};
pub use error::Error;
pub use fiber::{
    Client, ClientBuilder, Conn, Ctx, Duplex, Event, First2, First3, First4, First5, First6,
    First7, First8, Group, JoinHandle, Payload, Reader, Subscription, Writer, first,
};
pub use hub::{
    Action, Config, ConnHandler, ConnId, Counters, FiberId, Hub, Inner, IntoService, LoopBody,
    MachineCtx, NoHub, PollHook, Poller, Refused, Service, ServiceConfig, ServiceId, Shed, Task,
};
pub use line_echo::LineEcho;
pub use linger::Linger;
pub use machine::{Actions, Input, Machine, StreamControl, Workspace};
pub use nested::Nested;
pub use notice::{Access, Notice};
pub use pipeline::{Closed, FileRegion, Pipeline, Tail};
pub use proxy_protocol::ProxyProtocol;
pub use reason::{Cause, Deadline, End, Limit, Reason};
pub use slot::Upgradable;
pub use time::Instant;
pub use timers::{TimerKey, Timers};
