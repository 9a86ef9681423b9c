//! The application: a hub with sockets.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

use diesel_proto::{
    Config, Counters, Ctx, DirectoryId, Error, Event, FiberId, Hub, IntoService, LoopBody,
    ServiceId,
};
use polling::Poller;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::driver::Driver;
use crate::files;
use crate::listen::{self, ListenOptions};
use crate::pool::THREADS;

/// Services and loops, all run by one thread.
///
/// ```no_run
/// use std::time::Duration;
/// use diesel_driver::{Application, Ctx, Error};
///
/// async fn clock(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         println!("hi!");
///         ctx.sleep(Duration::from_secs(1)).await?;
///     }
/// }
///
/// let mut app = Application::new();
/// app.add_loop(clock)?;
/// app.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Application {
    hub: Hub,
    driver: Option<Driver>,
    doorbell: Arc<Doorbell>,
    grace: std::time::Duration,
    signals: bool,
    prints: bool,
    threads: usize,
    file_threads: usize,
    /// The error of the system's random generator, if it gave no seed for the hub.
    unseeded: Option<io::Error>,
}

/// Wakes the driver, from any thread.
#[derive(Debug, Default)]
struct Doorbell {
    /// Set as soon as there is a driver to wake.
    poller: OnceLock<Arc<Poller>>,
    halt: AtomicBool,
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the fence in `run`: either this thread sees the poller, or `run` sees what was
        // set before this call.
        fence(Ordering::SeqCst);
        if let Some(poller) = self.poller.get() {
            // This fails only if the system is out of memory; the next event wakes the driver
            // anyway.
            let _ = poller.notify();
        }
    }
}

impl Default for Application {
    fn default() -> Self {
        Application::new()
    }
}

impl Application {
    /// An application with nothing in it.
    pub fn new() -> Self {
        Application::with_config(Config::default())
    }

    /// An application with the given limits and budgets.
    pub fn with_config(config: Config) -> Self {
        let doorbell = Arc::new(Doorbell::default());
        let grace = config.grace;
        let mut hub = Hub::with_waker(config, Waker::from(Arc::clone(&doorbell)));
        // A panic ends its fiber only. The panic hook has printed it already; the hub counts it.
        hub.set_poll_hook(diesel_proto::hub::catch_panics());
        let unseeded = system_seed().map(|seed| hub.seed(seed)).err();
        Application {
            hub,
            driver: None,
            doorbell,
            grace,
            signals: true,
            prints: true,
            threads: THREADS,
            file_threads: THREADS,
            unseeded,
        }
    }

    /// Adds a service and listens on `address`, with the default [`ListenOptions`].
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on. The error names it, and no service is added.
    pub fn add_service<Kind>(
        &mut self,
        service: impl IntoService<Kind>,
        address: impl ToSocketAddrs,
    ) -> io::Result<ServiceId> {
        self.add_service_with(service, address, ListenOptions::default())
    }

    /// As [`add_service`](Self::add_service), with options.
    ///
    /// # Errors
    ///
    /// As [`add_service`](Self::add_service).
    pub fn add_service_with<Kind>(
        &mut self,
        service: impl IntoService<Kind>,
        address: impl ToSocketAddrs,
        options: ListenOptions,
    ) -> io::Result<ServiceId> {
        let listener = listen::bind(address, &options)?;
        self.adopt(service, listener, options)
    }

    /// Adds a service on a socket that listens already, for example an inherited one. Only those
    /// options apply that concern accepted connections.
    ///
    /// # Errors
    ///
    /// If the poller cannot watch the socket.
    pub fn adopt<Kind>(
        &mut self,
        service: impl IntoService<Kind>,
        listener: TcpListener,
        options: ListenOptions,
    ) -> io::Result<ServiceId> {
        self.driver()?;
        let id = self.hub.add_service(service);
        self.driver()?.listen(id, listener, options)?;
        Ok(id)
    }

    /// Adds a loop: a fiber without a connection.
    ///
    /// # Errors
    ///
    /// If there are [`Config::max_fibers`] fibers already.
    pub fn add_loop<F, Kind>(&mut self, body: F) -> io::Result<FiberId>
    where
        F: LoopBody<Kind> + 'static,
    {
        self.hub.add_loop(body).map_err(|limit| io::Error::other(limit.to_string()))
    }

    /// Adds a directory, of which fibers [open](Ctx::open) files, by the id that this returns.
    ///
    /// Files are opened beneath it, by the system (`openat2`): no path and no link leads out of it,
    /// also if it is renamed, or its content changed, meanwhile. What the system has in memory is
    /// opened, read and sent at once, by `sendfile`; for the rest there are a few
    /// [threads](Self::file_threads), and only what needs a disk waits for them. On file systems of a
    /// network everything is opened by threads.
    ///
    /// ```no_run
    /// use diesel_driver::{Application, Conn};
    ///
    /// let mut app = Application::new();
    /// let files = app.add_directory("/srv/files")?;
    /// let serve = async move |mut conn: Conn| {
    ///     let path = conn.until_eol().await?;
    ///     let file = conn.ctx().open(files, path.without_eol()).await?;
    ///     conn.write_file(&file, ..).await
    /// };
    /// app.add_service(serve, "127.0.0.1:7050")?;
    /// app.run()
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is not a directory, or cannot be opened; or if the system cannot open files beneath a
    /// directory (Linux before 5.6, or a sandbox that forbids it).
    pub fn add_directory(&mut self, path: impl AsRef<Path>) -> io::Result<DirectoryId> {
        let directory = files::open_directory(path.as_ref())?;
        self.driver()?.add_directory(directory);
        Ok(self.hub.add_directory())
    }

    /// Makes an event. See [`Ctx::event`].
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.hub.event()
    }

    /// A context for fibers of this application, for what belongs to no connection.
    pub fn ctx(&self) -> Ctx {
        self.hub.ctx()
    }

    /// The address on which a service listens, with the actual port if it was given as 0.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if it is not a service of this application.
    pub fn local_addr(&self, service: ServiceId) -> io::Result<SocketAddr> {
        match &self.driver {
            Some(driver) => driver.local_addr(service),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The current values of the counters.
    pub fn counters(&self) -> Counters {
        self.hub.counters()
    }

    /// Whether SIGINT and SIGTERM begin a graceful shutdown while [`run`](Self::run) runs (a second
    /// signal ends it at once). On by default.
    ///
    /// Before and after `run`, the signals act as before the process's first `run`: they end the
    /// process, do nothing if they were ignored, or call the program's handlers. Install such
    /// handlers before the first `run`: with a handler that is installed later, the process still
    /// ends.
    pub fn handle_signals(&mut self, handle: bool) {
        self.signals = handle;
    }

    /// Whether warnings and errors are printed to standard error while the program has set no
    /// logger of `log`. On by default. The [crate's documentation](crate#where-errors-go) lists the
    /// lines and their levels.
    pub fn print_errors(&mut self, print: bool) {
        self.prints = print;
    }

    /// The most threads for what blocks: look-ups of names, by the system's resolver, and
    /// [jobs](Ctx::unblock). 4 by default. They are started when they are needed, and end when they
    /// have nothing to do for 10 seconds. With none, names and jobs are not supported.
    ///
    /// A look-up or a job that hangs keeps its thread, and all that is queued behind waits; a
    /// look-up fails at its deadline ([`NameConfig::resolve`](crate::NameConfig::resolve)), whether
    /// it has begun or not. A thread that hangs when [`run`](Self::run) returns goes on until it is
    /// done, or the process ends.
    pub fn blocking_threads(&mut self, most: usize) {
        self.threads = most;
    }

    /// The most threads that wait for disks: for files that are not in the memory of the system, and
    /// lists of directories. 4 by default. They are not those of
    /// [`blocking_threads`](Self::blocking_threads). With none, only what is cached can be opened and
    /// sent.
    pub fn file_threads(&mut self, most: usize) {
        self.file_threads = most;
    }

    /// A handle that ends [`run`](Self::run) from any thread, by a graceful shutdown.
    pub fn halt_handle(&self) -> HaltHandle {
        HaltHandle { doorbell: Arc::clone(&self.doorbell) }
    }

    /// Runs until halted: by [`Ctx::halt`], a [`HaltHandle`], or a signal.
    ///
    /// # Graceful shutdown
    ///
    /// After that, no connection is accepted, every waiting token fails with [`Error::Shutdown`],
    /// and what is queued is sent. This ends at most [`Config::grace`] after it began; what is left
    /// then is aborted.
    ///
    /// # File descriptor limit
    ///
    /// When the process is at its file descriptor limit (or the system is out of memory), accepting
    /// pauses until one of the application's connections closes, or for 100 ms. The pause is logged
    /// as a warning. An attempt of a fiber to connect fails then with [`Error::Connect`], unless
    /// [`ServiceConfig::shed`](crate::ServiceConfig::shed) lets an idle connection make room. Set
    /// [`Config::max_connections`] below the limit of the process.
    ///
    /// # Errors
    ///
    /// If the poller or a listening socket fails for good, or if the system has no random bytes for
    /// the [seed](Hub::seed) of the hub. A connection that fails does not end the application.
    pub fn run(mut self) -> io::Result<()> {
        if let Some(error) = self.unseeded.take() {
            return Err(error);
        }
        self.driver()?;
        // A thread may have halted this application, or woken one of its fibers, when there was no
        // poller yet.
        fence(Ordering::SeqCst);
        let Some(driver) = &mut self.driver else { return Ok(()) };
        driver.journal().print(self.prints);
        driver.set_threads(self.threads, self.file_threads);
        driver.run(&mut self.hub, self.grace, &self.doorbell.halt, self.signals)
    }

    /// Runs until `body` ends, and returns its result: for a program that does one thing, such as
    /// asking a server. What else is in the application runs meanwhile. When `body` has ended, a
    /// graceful shutdown begins, as in [`run`](Self::run).
    ///
    /// ```no_run
    /// use diesel_driver::{Application, Client, Conn};
    ///
    /// let answer = Application::new().run_until(async |ctx| {
    ///     let server = std::net::SocketAddr::from(([127, 0, 0, 1], 7050));
    ///     let client = Client::connect(&ctx, server).await?;
    ///     client
    ///         .call(async |conn: &mut Conn| {
    ///             conn.write("hello\r\n").await?;
    ///             conn.until_eol().await
    ///         })
    ///         .await
    /// })?;
    /// println!("{}", answer.trimmed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// If the application is halted before, `body` goes on until it has to wait, which fails with
    /// [`Error::Shutdown`].
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run). The text of the error that `body` returns (to get the error itself,
    /// let `body` return `Ok` with it); or of the kind [`Interrupted`](io::ErrorKind::Interrupted),
    /// if it did not end before the grace period, or panicked.
    pub fn run_until<T: 'static>(
        self,
        body: impl AsyncFnOnce(Ctx) -> Result<T, Error> + 'static,
    ) -> io::Result<T> {
        let ctx = self.ctx();
        let result = Rc::new(Cell::new(None));
        let slot = Rc::clone(&result);
        let spawned = ctx.clone().spawn(async move {
            // Also if `body` panics.
            let _halt = HaltOnDrop(ctx.clone());
            slot.set(Some(body(ctx).await));
        });
        spawned.map_err(|error| io::Error::other(error.to_string()))?;
        self.run()?;
        match result.take() {
            Some(result) => result.map_err(|error| io::Error::other(error.to_string())),
            None => Err(io::Error::new(
                io::ErrorKind::Interrupted,
                "the application ended before its main fiber did",
            )),
        }
    }

    fn driver(&mut self) -> io::Result<&mut Driver> {
        if self.driver.is_none() {
            let driver = Driver::new(Arc::new(Poller::new()?));
            let _ = self.doorbell.poller.set(Arc::clone(driver.poller()));
            self.driver = Some(driver);
        }
        self.driver.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Halts the application when it is dropped.
struct HaltOnDrop(Ctx);

impl Drop for HaltOnDrop {
    fn drop(&mut self) {
        self.0.halt();
    }
}

/// Random bytes of the system's cryptographic generator. Blocks until that is ready, which takes
/// time only shortly after the system has started.
fn system_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        match getrandom(&mut seed[filled..], GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seed)
}

/// Halts an application, from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HaltHandle {
    doorbell: Arc<Doorbell>,
}

impl HaltHandle {
    /// Begins a graceful shutdown. Further calls have no effect.
    pub fn halt(&self) {
        self.doorbell.halt.store(true, Ordering::Relaxed);
        self.doorbell.wake_by_ref();
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
