//! The application: a hub with sockets.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

use diesel_proto::{Config, Counters, Ctx, Event, FiberId, Hub, IntoService, LoopBody, ServiceId};
use polling::Poller;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

#[cfg(doc)]
use diesel_proto::Error;

use crate::driver::Driver;
use crate::listen::{self, ListenOptions};

/// Services and loops, and one thread that runs them all.
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
    /// Why the hub could not be given a seed, if it could not.
    unseeded: Option<io::Error>,
}

/// Rouses the driver, from any thread.
#[derive(Debug, Default)]
struct Doorbell {
    /// There from the moment on when there is something to rouse.
    poller: OnceLock<Arc<Poller>>,
    halt: AtomicBool,
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the one in `run`: either the poller is seen here, or what was set before is
        // seen there.
        fence(Ordering::SeqCst);
        if let Some(poller) = self.poller.get() {
            // It fails only if the process is out of kernel memory; the next event comes anyway.
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

    /// An application with limits and budgets of its own.
    pub fn with_config(config: Config) -> Self {
        let doorbell = Arc::new(Doorbell::default());
        let grace = config.grace;
        let mut hub = Hub::with_alarm(config, Waker::from(Arc::clone(&doorbell)));
        // A panic ends its fiber. The panic hook has printed it already; the hub counts it.
        hub.set_poll_hook(Box::new(|_task, run| outlive(run)));
        let unseeded = system_seed().map(|seed| hub.seed(seed)).err();
        Application { hub, driver: None, doorbell, grace, signals: true, prints: true, unseeded }
    }

    /// Adds a service and listens on `address`, with the default [`ListenOptions`].
    ///
    /// # Errors
    ///
    /// If that address cannot be listened on: the error names it, and no service is added.
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

    /// Adds a service on a socket that listens already: one that was inherited, say. Of the
    /// options, those that concern accepted connections hold.
    ///
    /// # Errors
    ///
    /// If it cannot be watched.
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
    /// If there are more loops than [`Config::max_fibers`] allows.
    pub fn add_loop<F, Kind>(&mut self, body: F) -> io::Result<FiberId>
    where
        F: LoopBody<Kind> + 'static,
    {
        self.hub.add_loop(body).map_err(|limit| io::Error::other(limit.to_string()))
    }

    /// A new event. See [`Ctx::event`].
    pub fn event<T: Clone + 'static>(&self) -> Event<T> {
        self.hub.event()
    }

    /// What belongs to no connection, for use by fibers of this application.
    pub fn ctx(&self) -> Ctx {
        self.hub.ctx()
    }

    /// Where a service listens: the port, if it was given as 0.
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

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.hub.counters()
    }

    /// Whether SIGINT and SIGTERM end [`run`](Self::run) in order (a second one at once). They do
    /// by default. Before and after they do what they did before the process's first `run`: end the
    /// process, nothing if they were ignored, or what the program's handlers do. Handlers for them
    /// are best installed before that: with one that is installed later, the process still ends.
    pub fn handle_signals(&mut self, handle: bool) {
        self.signals = handle;
    }

    /// Whether warnings and errors are printed to standard error while the program has set no logger
    /// of `log`. They are by default. What the lines say, and at which level, is in the
    /// [crate's documentation](crate#where-errors-go).
    pub fn print_errors(&mut self, print: bool) {
        self.prints = print;
    }

    /// Ends [`run`](Self::run) from elsewhere.
    pub fn halt_handle(&self) -> HaltHandle {
        HaltHandle { doorbell: Arc::clone(&self.doorbell) }
    }

    /// Runs until halted: by [`Ctx::halt`], a [`HaltHandle`], or a signal.
    ///
    /// Halting accepts no more, wakes every token that waits with [`Error::Shutdown`], sends what
    /// is queued, and ends no later than [`Config::grace`] after.
    ///
    /// # Errors
    ///
    /// Only what the system does to the poller, or to a listening socket, and if it had no random
    /// bytes for the [seed](Hub::seed) of the hub: connections do not fail an application.
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
        driver.run(&mut self.hub, self.grace, &self.doorbell.halt, self.signals)
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

/// Random bytes of the system: of the generator that it has for keys. Waits for it to be ready, once
/// after the system has started.
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

/// Runs what may panic, and drops what the panic carried, which may panic as well.
fn outlive(run: &mut dyn FnMut()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(run))
        && let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(another);
    }
}

/// Halts an application, from any thread. A cheap clone.
#[derive(Clone, Debug)]
pub struct HaltHandle {
    doorbell: Arc<Doorbell>,
}

impl HaltHandle {
    /// Begins to halt it in order. Once is enough.
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
