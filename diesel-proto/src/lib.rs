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

pub mod buf;
pub mod fiber;
pub mod guide;
pub mod http1;
pub mod hub;
pub mod machine;
pub mod proxy_protocol;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod time;

pub use buf::{Block, Blocks, Buffer, Chunk, Closed, FileRegion, Line, Pipeline, Tail, TooLong};
pub use fiber::{
    Client, ClientBuilder, Conn, Ctx, Duplex, Event, First2, First3, First4, First5, First6,
    First7, First8, Group, JoinHandle, Payload, Reader, Subscription, Writer, first,
};
pub use hub::{
    Action, Config, ConnHandler, ConnId, Counters, FiberId, Hub, Inner, IntoService, LoopBody,
    MachineCtx, NoHub, PollHook, Poller, Refused, Service, ServiceConfig, ServiceId, Shed, Task,
};
pub use machine::{
    Access, Actions, Address, Cause, ConnectError, ConnectErrorKind, Deadline, End, Endpoint,
    Error, Input, Limit, LineEcho, Linger, Machine, Nested, Notice, Reason, SharedEndpoint,
    StreamControl, Upgradable, Workspace,
};
pub use proxy_protocol::ProxyProtocol;
pub use time::{Instant, TimerKey, Timers};
