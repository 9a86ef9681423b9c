//! Loops and services.
//!
//! A *service* serves connections, each with a fiber of its handler. A *loop* is a fiber without a
//! connection. It is given a [`Ctx`], which sleeps, spawns, connects, makes events, and halts:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::{Action, Ctx, Error, Hub, Instant};
//!
//! async fn clock(ctx: Ctx) -> Result<(), Error> {
//!     for _ in 0..3 {
//!         println!("hi!");
//!         ctx.sleep(Duration::from_secs(1)).await?;
//!     }
//!     ctx.halt();
//!     Ok(())
//! }
//!
//! let mut hub = Hub::default();
//! hub.add_loop(clock)?;
//!
//! // An hour of virtual time passes as fast as it can be counted.
//! let mut now = Instant::ORIGIN;
//! let mut actions = Vec::new();
//! loop {
//!     hub.run(now, &mut actions);
//!     match hub.next_wake() {
//!         Some(at) => now = now.max(at),
//!         None => break,
//!     }
//! }
//! assert_eq!(actions, [Action::Halt]);
//! assert_eq!(now, Instant::ORIGIN + Duration::from_secs(3));
//! # Ok::<(), diesel_proto::Limit>(())
//! ```
//!
//! A loop cannot wait for bytes: it has no connection to wait on, and this does not compile:
//!
//! ```compile_fail,E0599
//! # use diesel_proto::{Ctx, Error};
//! async fn confused(ctx: Ctx) -> Result<(), Error> {
//!     ctx.until_eol().await?;
//!     Ok(())
//! }
//! ```
//!
//! Loops run in the order they were added, each until its token cannot be satisfied; then the hub
//! waits for the soonest deadline or for bytes, runs what these made ready, and so on. Nothing is
//! ever interrupted between two awaits: what one fiber does there, no other sees half done.
//! `ctx.sleep(Duration::ZERO)` gives all others a turn. A fiber that is never at a loss for
//! satisfied tokens is set aside after [`Config::tokens_per_pass`].
//!
//! A hub belongs to one thread, and so do its fibers; that is why they share things without locks.
//!
//! ```compile_fail,E0277
//! # use diesel_proto::Hub;
//! let hub = Hub::default();
//! std::thread::spawn(move || drop(hub));
//! ```
//!
//! An [`Endpoint`](crate::Endpoint) is `Send`, if its machine is:
//!
//! ```
//! # use diesel_proto::{Endpoint, Instant, LineEcho};
//! let endpoint = Endpoint::new(LineEcho::default(), Instant::ORIGIN);
//! std::thread::spawn(move || drop(endpoint)).join().unwrap();
//! ```

#[cfg(doc)]
use crate::{Config, Ctx};
