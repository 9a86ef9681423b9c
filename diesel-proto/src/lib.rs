//! A sans-IO protocol and state-machine toolkit: bytes and time go in, actions come out.
//!
//! Not only the parsers are free of I/O, but whole applications: handlers written in plain,
//! blocking style, their scheduling, their timeouts. Nothing in this crate knows a socket, a clock,
//! a thread or a logger; it is `no_std` (with `alloc`) and contains no `unsafe`.
//!
//! Start with the [`guide`]. The layers, bottom up; each can be used alone:
//!
//! - **[`time`]**: [`Instant`], a plain number, and [`Timers`].
//! - **[`buf`]**: [`Buffer`] (incoming bytes), [`Pipeline`] (outgoing bytes).
//! - **[`machine`]**: [`Machine`], the one trait through which anything drives a byte stream;
//!   [`Endpoint`], which runs a machine for an embedder.
//! - **[`fiber`]**: [`Conn`], [`Ctx`], [`first`](first()), [`Event`], [`Client`]: the API that
//!   handlers are written with.
//! - **[`hub`]**: [`Hub`], a whole application; [`hub`] documents its contract, and
//!   [`hub::embed`] has the event loop of an embedder.
//! - **Protocols**: [`http1`], [`proxy_protocol`], and, with the feature `tls`, TLS.
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
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "web")]
pub mod web;

pub use buf::{Block, Blocks, Buffer, Chunk, Closed, FileRegion, Line, Pipeline, Tail, TooLong};
pub use fiber::{
    Client, ClientBuilder, Conn, ConnHandler, Ctx, Duplex, Event, First2, First3, First4, First5,
    First6, First7, First8, Group, JoinHandle, LoopBody, Payload, Reader, Subscription, Writer,
    first,
};
pub use hub::{
    Action, Config, ConnId, Counters, DirectoryId, FiberId, FileId, Hub, Inner, IntoService, JobId,
    MachineCtx, NameConfig, NoHub, PollHook, Poller, Refused, Service, ServiceConfig, ServiceId,
    Shed, Task,
};
pub use machine::{
    Access, Actions, Address, Cause, CertificateFault, ConnectError, ConnectErrorKind, Deadline,
    End, Endpoint, Error, FileErrorKind, HostName, Input, IntoTarget, JobError, Limit, LineEcho,
    Linger, Machine, Nested, Notice, Reason, ResolveError, ResolveErrorKind, SharedEndpoint,
    StreamControl, Target, TargetError, TargetErrorKind, TlsError, Upgradable, Workspace,
};
pub use proxy_protocol::ProxyProtocol;
pub use time::{Instant, TimerKey, Timers};
