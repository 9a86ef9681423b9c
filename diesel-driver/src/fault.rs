//! System calls go through [`call`], so that tests can make them fail.
//!
//! Outside of tests, [`call`] is only the call itself.

use std::io;

/// The system calls on listening sockets and connections, as far as their failures are
/// distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Accept,
    /// Begins to connect.
    Connect,
    /// Makes a socket.
    Socket,
    /// Sets O_NONBLOCK.
    Nonblocking,
    /// Sets an option that changes only speed.
    Tune,
    /// Requests the result of a connect.
    Outcome,
    /// Has the poller watch a source: for the first time, for other events, or no more.
    Watch,
    Rewatch,
    Unwatch,
    Receive,
    Send,
    Shutdown,
}

/// Makes a call.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn call<T>(_which: Call, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    make()
}

#[cfg(test)]
pub(crate) use self::planned::{call, is_planned, plan};

#[cfg(test)]
mod planned {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static PLAN: RefCell<Vec<PlannedFault>> = const { RefCell::new(Vec::new()) };
    }

    struct PlannedFault {
        call: Call,
        errno: i32,
        times: usize,
    }

    /// Makes the next `times` of these calls on this thread fail with `errno`.
    pub(crate) fn plan(call: Call, errno: i32, times: usize) {
        PLAN.with_borrow_mut(|plan| plan.push(PlannedFault { call, errno, times }));
    }

    /// Whether planned failures of this call are left.
    pub(crate) fn is_planned(call: Call) -> bool {
        PLAN.with_borrow(|plan| plan.iter().any(|fault| fault.call == call))
    }

    pub(crate) fn call<T>(which: Call, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let errno = PLAN.with_borrow_mut(|plan| {
            let at = plan.iter().position(|fault| fault.call == which)?;
            plan[at].times -= 1;
            let errno = plan[at].errno;
            if plan[at].times == 0 {
                plan.remove(at);
            }
            Some(errno)
        });
        let Some(errno) = errno else { return make() };
        if (which, errno) == (Call::Connect, libc::EINTR) {
            // An interrupted connect continues in the background.
            let _ = make();
        }
        Err(io::Error::from_raw_os_error(errno))
    }
}
