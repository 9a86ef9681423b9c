//! SIGINT and SIGTERM, as something to be polled while an application runs; before and after, they
//! do what they did.
//!
//! The system's own disposition cannot be put back without taking away the handlers that other code
//! has chained to ours meanwhile. So the default action is done by a handler: it acts while no
//! application runs, and only for a signal that had the default action before the first one ran. A
//! signal that was ignored is ignored again; one that other code handles is left to that.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use diesel_proto::hub::embed::Interest;
use polling::Poller;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::key::PollKey;
use crate::registered::Registered;

const BOTH: [i32; 2] = [SIGINT, SIGTERM];

/// Takes over both signals for as long as it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: Registered<UnixStream>,
    ids: Vec<SigId>,
    /// Whether it is counted among those that run.
    counted: bool,
}

/// The process has one disposition for each signal, and may run several applications.
static PROCESS: Mutex<Process> = Mutex::new(Process { running: 0, default: None });

struct Process {
    /// Applications that have taken over the signals.
    running: usize,
    /// Set while the default action is due. There once it can be done.
    default: Option<Arc<AtomicBool>>,
}

impl Signals {
    pub(crate) fn register(poller: &Arc<Poller>) -> io::Result<Self> {
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let pipe = Registered::new(here, poller, PollKey::signals(), Interest::READABLE)?;
        let mut signals = Signals { pipe, ids: Vec::new(), counted: false };
        let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        let default = process.prepare()?;
        for signal in BOTH {
            signals.ids.push(low_level::pipe::register(signal, there.try_clone()?)?);
        }
        // From here on they are heard: at no moment are they lost.
        process.running += 1;
        default.store(false, Ordering::SeqCst);
        signals.counted = true;
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
        let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if self.counted {
            process.running -= 1;
            if let (0, Some(default)) = (process.running, &process.default) {
                default.store(true, Ordering::SeqCst);
            }
        }
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

impl Process {
    /// Has the default action done by a handler, for signals that have it now. Once.
    fn prepare(&mut self) -> io::Result<Arc<AtomicBool>> {
        if let Some(default) = &self.default {
            return Ok(Arc::clone(default));
        }
        let default = Arc::new(AtomicBool::new(true));
        let others = handled_or_ignored();
        for signal in BOTH {
            if others & (1 << (signal - 1)) == 0 {
                flag::register_conditional_default(signal, Arc::clone(&default))?;
            }
        }
        Ok(Arc::clone(self.default.insert(default)))
    }
}

/// Signals without the default action, a bit for each; as far as the system tells. (Asking for one
/// disposition is `unsafe`; Linux shows all of them.)
fn handled_or_ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let masks = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    masks.fold(0, |all, mask| all | mask)
}
