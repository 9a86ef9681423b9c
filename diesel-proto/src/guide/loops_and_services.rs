//! Loops and services.
//!
//! A *service* serves connections: for each one, a fiber runs its handler. A *loop* is a fiber without a
//! connection. It is given a [`Ctx`], with which it can sleep, spawn, connect, make events, and halt:
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
//! A loop has no connection, so it cannot wait for bytes: this does not compile:
//!
//! ```compile_fail,E0599
//! # use diesel_proto::{Ctx, Error};
//! async fn confused(ctx: Ctx) -> Result<(), Error> {
//!     ctx.until_eol().await?;
//!     Ok(())
//! }
//! ```
//!
//! Fibers run in the order in which they became ready, loops first in the order they were added. Each
//! runs until it awaits something that is not there yet. Then the hub waits for the next deadline or for
//! bytes, runs the fibers that these made ready, and so on. A fiber is never interrupted between two
//! `await`s, so no other fiber sees its work half done. `ctx.sleep(Duration::ZERO)` lets all others run
//! once. A fiber whose tokens are always ready at once is set aside after [`Config::tokens_per_pass`] of
//! them.
//!
//! A hub and its fibers belong to one thread, and can share data without locks.
//!
//! ```compile_fail,E0277
//! # use diesel_proto::Hub;
//! let hub = Hub::default();
//! std::thread::spawn(move || drop(hub));
//! ```
//!
//! An [`Endpoint`](crate::machine::Endpoint) is `Send`, if its machine is:
//!
//! ```
//! # use diesel_proto::{Endpoint, Instant, LineEcho};
//! let endpoint = Endpoint::new(LineEcho::default(), Instant::ORIGIN);
//! std::thread::spawn(move || drop(endpoint)).join().unwrap();
//! ```

#[cfg(doc)]
use crate::fiber::Ctx;
#[cfg(doc)]
use crate::hub::Config;
