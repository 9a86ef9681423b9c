//! SIGINT and SIGTERM as events of the poller while an application runs; before and after, they act
//! as they did before.
//!
//! Restoring the former disposition would remove the handlers that other code has chained to ours
//! meanwhile. So a handler emulates the default action: it acts while no application runs, and only
//! for a signal that had the default action before the first application ran. A signal that was
//! ignored is ignored again; one that other code handles is left to that code.

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

/// Receives both signals until it is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: Registered<UnixStream>,
    ids: Vec<SigId>,
    /// Whether it is counted in `Process::running`.
    counted: bool,
}

/// The process has one disposition for each signal, and may run several applications.
static PROCESS: Mutex<Process> = Mutex::new(Process { running: 0, default: None });

struct Process {
    /// The number of applications that currently receive the signals.
    running: usize,
    /// `true` while a signal must cause the default action. `None` until the handlers for that are
    /// installed.
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
        // Only now, when the pipes receive the signals, the default action ends: none is lost.
        process.running += 1;
        default.store(false, Ordering::SeqCst);
        signals.counted = true;
        Ok(signals)
    }

    /// The number of signals that arrived since the last call.
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
    /// Installs handlers that emulate the default action, for the signals that have it now. Later
    /// calls change nothing.
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

/// The signals that are handled or ignored, one bit for each; zero if the system does not show
/// them. (Reading one disposition by a system call is `unsafe`; Linux shows all of them in a file.)
fn handled_or_ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let masks = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    masks.fold(0, |all, mask| all | mask)
}
