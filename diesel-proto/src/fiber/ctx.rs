//! What a fiber can do apart from its connections: sleep, spawn, connect, open files, run jobs, make
//! events, halt.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::time::Duration;

use super::connect::Connect;
use super::file::{List, Open};
use super::join::{self, JoinHandle};
use super::sleep::Sleep;
use super::timeout::Timeout;
use super::unblock::Unblock;
use super::{Event, Interval, Queue, Semaphore};
use crate::hub::{Core, Role};
use crate::machine::{DirectoryId, Error, FiberId, IntoTarget};
use crate::time::Instant;

/// A fiber's access to its hub. Cheap to clone, so that a clone can be used next to a token of a
/// [`Conn`](super::conn::Conn) in [`first`](crate::fiber::first).
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         println!("hi!");
///         ctx.sleep(Duration::from_secs(1)).await?;
///     }
/// }
/// # Hub::default().add_loop(clock).unwrap();
/// ```
///
/// A `Ctx` has no connection, so a loop that asks for bytes does not compile:
///
/// ```compile_fail,E0599
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         println!("hi!");
///         ctx.until_eol().await?;
///     }
/// }
/// # Hub::default().add_loop(clock).unwrap();
/// ```
#[derive(Clone)]
pub struct Ctx {
    core: Rc<Core>,
}

impl Ctx {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Ctx { core }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The hub's time: the `now` of the last call to the hub.
    pub fn now(&self) -> Instant {
        self.core.now.get()
    }

    /// The time of day, in seconds since 1970 (UTC): the value that the embedder last set, plus the
    /// time that has passed since. `None` if the embedder never set it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::{Hub, Instant};
    ///
    /// let mut hub = Hub::default();
    /// assert_eq!(hub.ctx().unix_seconds(), None);
    /// hub.time_of_day(Instant::ORIGIN, 784_111_777);
    /// hub.run(Instant::ORIGIN + Duration::from_millis(2_500), &mut Vec::new());
    /// assert_eq!(hub.ctx().unix_seconds(), Some(784_111_779));
    /// ```
    pub fn unix_seconds(&self) -> Option<u64> {
        self.core.unix_seconds()
    }

    /// Random bytes, suitable for masks, nonces and cookies: as many as the array has. They depend
    /// only on the [seed](crate::hub::Hub::seed) of the hub and on how many bytes were drawn
    /// before, so a session can be replayed.
    ///
    /// ```
    /// # use diesel_proto::{Hub, hub::Seed};
    /// let mut hub = Hub::default();
    /// hub.seed(Seed::from_number(7));
    /// let mask: [u8; 4] = hub.ctx().random();
    /// let nonce = u64::from_le_bytes(hub.ctx().random());
    /// # assert_ne!((mask, nonce), (hub.ctx().random(), u64::from_le_bytes(hub.ctx().random())));
    /// ```
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.core.random()
    }

    /// Waits for at least `duration`, counted from when it is first awaited: never less, even if
    /// the fiber computed for long before. The duration starts at the first clock reading that the
    /// hub receives after that. A duration of zero yields once: every fiber that is ready gets its
    /// turn.
    ///
    /// # Errors
    ///
    /// [`Error::Shutdown`] if the hub shuts down meanwhile; in the handler of an HTTP request, only
    /// if the grace period ends before the sleep does.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Rc::clone(&self.core), duration)
    }

    /// Waits until `at`. Otherwise like [`sleep`](Self::sleep).
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::until(Rc::clone(&self.core), at)
    }

    /// Waits for `future` with a timeout: no longer than `duration`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with the reason
    /// [`Application`](crate::machine::Reason::Application)`("timeout")` if `duration` passes first;
    /// `future` is dropped with the wait. [`Error::Shutdown`] as for [`sleep`](Self::sleep).
    pub fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Error>> + use<F> {
        Timeout::new(self.sleep(duration), future)
    }

    /// Spawns `future` as a new fiber. It is first polled at its turn, not in this call.
    ///
    /// It runs whether or not the handle is kept. The handle yields its result, including its
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] at one of the limits on fibers; [`Error::Shutdown`] while shutting down.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.core.is_draining() {
            return Err(Error::Shutdown);
        }
        join::spawn(&self.core, future)
    }

    /// Connects to an address, or to a host by its name: `"example.com:80"`. See
    /// [`Target`](crate::machine::Target) for the text that it takes.
    ///
    /// A name is resolved by the embedder, except `localhost` and names below it, which are the
    /// loopback addresses `::1` and `127.0.0.1`, in this order, and no question (RFC 6761, section
    /// 6.3).
    ///
    /// Several addresses are tried as RFC 8305 ("Happy Eyeballs") orders and staggers them: IPv6 and
    /// IPv4 alternate, beginning with the one that the system prefers; each attempt has a quarter of
    /// a second ([`NameConfig::attempt_delay`](crate::hub::NameConfig::attempt_delay)) before the
    /// next begins beside it, and the next begins at once if one fails. The first connection that is
    /// made is returned, and the others are closed. Each attempt counts as a connection, for all
    /// limits.
    ///
    /// # Errors
    ///
    /// - [`Error::Target`] if the text is neither an address nor a name, with a port.
    /// - [`Error::Resolve`] if the name has no address, is not resolved in
    ///   [time](Connect::resolve_within), or cannot be resolved.
    /// - [`Error::Connect`] if no connection is made in [time](Connect::connect_within), or all
    ///   attempts fail: it has each address, and why it failed.
    /// - [`Error::Limit`] at the limit on connections, or on look-ups; [`Error::Shutdown`] while the
    ///   hub shuts down.
    ///
    /// If a [layer](Connect::layer) fails, the error is that of the layer.
    pub fn connect(&self, target: impl IntoTarget) -> Connect {
        Connect::new(Rc::clone(&self.core), target.into_target())
    }

    /// Opens a file of a directory for reading, without waiting for a disk: the embedder answers at
    /// once if the system has in memory what is needed, and otherwise from a thread. The path is
    /// bytes: names with a `/` between them.
    ///
    /// No path leads out of the directory, whatever it contains, and whatever links there are:
    /// the system checks that while it opens the file. So a path may be taken from a peer. Links
    /// [are not followed](Open::follow_links) by default.
    ///
    /// Only regular files are opened.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if there is no such file, or it cannot be opened:
    /// [`FileErrorKind`](crate::machine::FileErrorKind) tells why. [`Error::Limit`] at
    /// [`Config::max_files`](crate::hub::Config::max_files) or
    /// [`Config::max_file_requests`](crate::hub::Config::max_file_requests). [`Error::Shutdown`]
    /// while the hub shuts down. [`Error::OtherHub`] for a directory of another hub.
    ///
    /// Example: see [`File`](super::File).
    pub fn open<P: AsRef<[u8]>>(&self, directory: DirectoryId, path: P) -> Open<P> {
        Open::new(Rc::clone(&self.core), directory, path)
    }

    /// Lists a directory in a directory, or, with an empty path, that one itself. The entries are
    /// ordered by their names; `.` and `..` are not among them.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); and
    /// [`FileErrorKind::TooManyEntries`](crate::machine::FileErrorKind::TooManyEntries) if there are
    /// more than the [limit](List::limit).
    ///
    /// ```
    /// # use diesel_proto::*;
    /// use diesel_proto::machine::EntryKind;
    ///
    /// async fn images(ctx: Ctx, files: DirectoryId) -> Result<usize, Error> {
    ///     let entries = ctx.list(files, "images").limit(10_000).await?;
    ///     Ok(entries.iter().filter(|entry| entry.kind == EntryKind::File).count())
    /// }
    /// # let mut hub = Hub::default();
    /// # let files = hub.add_directory();
    /// # hub.add_loop(async move |ctx: Ctx| images(ctx, files).await.map(drop)).unwrap();
    /// ```
    pub fn list<P: AsRef<[u8]>>(&self, directory: DirectoryId, path: P) -> List<P> {
        List::new(Rc::clone(&self.core), directory, path)
    }

    /// Runs a closure where it may block: in a thread of the embedder. What it returns is the result
    /// of the token. For what has no other interface: files, a database's own client, a long
    /// computation.
    ///
    /// The closure begins when the token is first polled; it may have to wait for a thread.
    /// (`diesel-driver` has a few, which also resolve names.) If the token is dropped, the closure
    /// does not run if it has not begun; otherwise it runs to its end, since nothing can stop a
    /// thread, and what it returns is dropped, in that thread or in the hub's.
    ///
    /// [`hub::job`](crate::hub::job#what-a-job-means-for-determinism) says what this means for a
    /// recording.
    ///
    /// # Errors
    ///
    /// [`Error::Job`] if the closure panics, or if the embedder runs no jobs; [`Error::Limit`] at
    /// [`Config::max_jobs`](crate::hub::Config::max_jobs); [`Error::Shutdown`] while the hub shuts
    /// down.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use diesel_proto::*;
    /// async fn read(ctx: Ctx, path: String) -> Result<String, Error> {
    ///     let text = ctx.unblock(move || std::fs::read_to_string(path));
    ///     // The outer errors are of the timeout and of the job, the inner one of what it did.
    ///     Ok(ctx.timeout(Duration::from_secs(5), text).await???)
    /// }
    /// # Hub::default().add_loop(async |ctx: Ctx| read(ctx, "x".into()).await.map(drop)).unwrap();
    /// ```
    pub fn unblock<F, T>(&self, run: F) -> Unblock<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Unblock::new(Rc::clone(&self.core), run)
    }

    /// Makes an event of this hub: every subscription gets all messages that are fired after it was
    /// made. A subscription that falls behind by more than 1024 messages gets an error with the
    /// number that it missed.
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.event_with_capacity(1024)
    }

    /// Like [`event`](Self::event), with another capacity: the number of unread messages that are
    /// kept (at least one).
    pub fn event_with_capacity<T: Clone + 'static>(&self, capacity: usize) -> Event<T> {
        Event::new(Rc::clone(&self.core), capacity)
    }

    /// Makes a queue of this hub, with room for `capacity` items (at least one): each item is taken
    /// by one fiber.
    pub fn queue<T: 'static>(&self, capacity: usize) -> Queue<T> {
        Queue::new(Rc::clone(&self.core), capacity)
    }

    /// Makes a semaphore of this hub with so many permits.
    pub fn semaphore(&self, permits: usize) -> Semaphore {
        Semaphore::new(Rc::clone(&self.core), permits)
    }

    /// Ticks now, and then once in each period.
    pub fn interval(&self, period: Duration) -> Interval {
        Interval::new(self.clone(), period)
    }

    /// Whether the hub is shutting down.
    pub fn draining(&self) -> bool {
        self.core.is_draining()
    }

    /// Begins a graceful shutdown of the application, within its grace period.
    pub fn halt(&self) {
        self.core.halt_asked.set(true);
        self.core.need_run();
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Core {
    /// Adds a spawned fiber.
    pub(crate) fn spawn(
        &self,
        future: impl Future<Output = Result<(), Error>> + 'static,
    ) -> Result<FiberId, Error> {
        self.add_fiber(Role::Spawned, Box::pin(future)).map_err(Error::Limit)
    }
}
