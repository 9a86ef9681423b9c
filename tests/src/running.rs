//! Applications on a thread of the test process, and their peers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use diesel_driver::{Application, Config, HaltHandle, ServiceId};

/// An application with one service, on its own thread. Dropping it halts the application, and
/// asserts that it ends without an error.
pub struct Running {
    /// Where its service listens.
    pub address: SocketAddr,
    handle: HaltHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Runs what `build` adds to an application with these settings.
    pub fn start(
        config: Config,
        build: impl FnOnce(&mut Application) -> io::Result<ServiceId> + Send + 'static,
    ) -> Running {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut app = Application::with_config(config);
            app.handle_signals(false);
            let service = build(&mut app)?;
            let address = app.local_addr(service)?;
            sender.send((address, app.halt_handle())).map_err(io::Error::other)?;
            app.run()
        });
        let (address, handle) = receiver.recv().expect("the application starts");
        Running { address, handle, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.halt();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}
