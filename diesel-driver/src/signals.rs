//! SIGINT and SIGTERM, as something to be polled.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use polling::Poller;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::key::Key;
use crate::registered::{Interest, Registered};

/// Takes over both signals for as long as it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: Registered<UnixStream>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(crate) fn register(poller: &Arc<Poller>) -> io::Result<Self> {
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let mut signals = Signals {
            pipe: Registered::new(here, poller, Key::signals(), Interest::READABLE)?,
            ids: Vec::new(),
        };
        for signal in [SIGINT, SIGTERM] {
            signals.ids.push(low_level::pipe::register(signal, there.try_clone()?)?);
        }
        Ok(signals)
    }

    /// How many came since the last time.
    pub(crate) fn take(&mut self) -> usize {
        let mut bytes = [0; 16];
        self.pipe.source().read(&mut bytes).unwrap_or(0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}
