//! The fibers of a hub: polls them, and applies and reports their results.

use core::task::{Context, Poll};

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString;

use super::core::Core;
use super::fiber_machine::FiberConn;
use super::service::HandlerFuture;
use crate::machine::Key;
use crate::machine::{Address, Cause, Error, Notice};
use crate::machine::{ConnId, FiberId, ServiceId};

/// Wraps each run of user code: the hook must call the given function, once. An embedder uses it to
/// catch panics (the hub treats a call that did not complete as a panic) and to measure how long
/// user code runs.
///
/// Calls nest: a machine may run a handler within its own step, and continues if the handler
/// panics. Therefore the hook is `Fn`.
///
/// The payload of a panic may panic again when it is dropped, so a hook that catches panics has to
/// guard that drop as well:
///
/// ```
/// # use std::panic::{AssertUnwindSafe, catch_unwind};
/// # let mut hub = diesel_proto::Hub::default();
/// hub.set_poll_hook(Box::new(|_task, run| {
///     if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
///         if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
///             std::mem::forget(another);
///         }
///     }
/// }));
/// ```
pub type PollHook = Box<Hook>;

pub(crate) type Hook = dyn Fn(Task, &mut dyn FnMut());

/// Whose user code runs.
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// use diesel_proto::hub::Task;
/// use diesel_proto::{Ctx, Hub, Instant};
///
/// let mut hub = Hub::default();
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let log = Rc::clone(&seen);
/// hub.set_poll_hook(Box::new(move |task, run| {
///     log.borrow_mut().push(task);
///     run();
/// }));
/// hub.add_loop(async |_: Ctx| Ok(()))?;
/// hub.run(Instant::ORIGIN, &mut Vec::new());
/// assert!(matches!(seen.borrow()[0], Task::Fiber(_)));
/// # Ok::<(), diesel_proto::Limit>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// A poll of this fiber, or its drop.
    Fiber(FiberId),
    /// A step of this connection's machine, or a handler that runs within one.
    Machine(ConnId),
    /// User code that belongs to neither: a waker that the hub did not make, the owner of bytes
    /// that were sent, a service that is dropped with its hub.
    Other,
}

pub(crate) struct Fiber {
    pub(crate) role: Role,
    /// Taken out while it is being polled, so that an unwind through the poll leaves the table in
    /// order.
    task: Option<HandlerFuture>,
}

/// What a fiber is for.
pub(crate) enum Role {
    /// Serves this connection, which closes when the fiber ends. Held so that the notice of a
    /// failure names the peer even if the connection is gone by then.
    Handler(Rc<dyn FiberConn>),
    /// A place for futures that the machine of this connection polls itself: there is no task.
    Machine(ConnId),
    Loop,
    Spawned,
}

impl Fiber {
    pub(crate) fn new(role: Role, future: HandlerFuture) -> Self {
        Fiber { role, task: Some(future) }
    }

    pub(crate) fn of_machine(role: Role) -> Self {
        Fiber { role, task: None }
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.task.is_none()
    }
}

impl Core {
    /// Polls the fiber at `index`, if there is one. If it is a place for a machine's futures, wakes
    /// the machine instead. Returns whether user code ran.
    pub(crate) fn poll_fiber(&self, index: u32) -> bool {
        let (key, future) = {
            let mut fibers = self.fibers.borrow_mut();
            let Some((key, fiber)) = fibers.at_index(index) else { return false };
            match (fiber.task.take(), &fiber.role) {
                (Some(future), _) => (key, future),
                (None, &Role::Machine(conn)) => {
                    drop(fibers);
                    self.wake_machine(conn);
                    return false;
                }
                (None, _) => return false,
            }
        };
        let waker = self.ready.borrow_mut().lend_waker(index);
        self.refill_tokens();
        self.counters.borrow_mut().polls += 1;
        let unwinding = Unwinding { core: self, key };
        // Declared after the guard, so that an unwind drops it before the guard reports the panic.
        let mut future = future;
        self.polling.set(Some(key.into()));
        self.aborts_polled.set(false);
        let polled = self.call(Task::Fiber(key.into()), || {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        });
        core::mem::forget(unwinding);
        self.polling.set(None);
        self.spend_all_tokens();
        self.ready.borrow_mut().give_back(index, waker);
        match polled {
            Some(Poll::Pending) => {
                if let Some(fiber) = self.fibers.borrow_mut().at(key)
                    && !self.aborts_polled.get()
                {
                    fiber.task = Some(future);
                    return true;
                }
                self.end(key, future, Err(FiberFailure::Aborted));
            }
            Some(Poll::Ready(result)) => self.end(key, future, Ok(result)),
            None => self.end(key, future, Err(FiberFailure::Panicked)),
        }
        true
    }

    /// Drops every fiber, as an abort does.
    pub(crate) fn drop_fibers(&self) {
        let mut from = 0;
        while self.fibers.borrow().len() > 0 {
            let key = self.fibers.borrow().first_from(from);
            let Some(key) = key else {
                // A drop added fibers at lower indices.
                from = 0;
                continue;
            };
            from = key.index + 1;
            let task = self.fibers.borrow_mut().at(key).and_then(|fiber| fiber.task.take());
            match task {
                Some(future) => self.end(key, future, Err(FiberFailure::Aborted)),
                // Futures of a machine are dropped with that machine. (If a fiber drops its own
                // hub, its poll is still running, and ends the fiber.)
                None => self.remove_role(key),
            }
        }
    }

    /// Drops the future, then applies the result to its connection and reports it.
    fn end(
        &self,
        key: Key,
        future: HandlerFuture,
        result: Result<Result<(), Error>, FiberFailure>,
    ) {
        // The drop is user code as well, so it may panic.
        let unwinding = Unwinding { core: self, key };
        let task = Task::Fiber(key.into());
        let ended = self.call(task, || {
            drop(future);
            result
        });
        core::mem::forget(unwinding);
        let error = match ended {
            Some(Ok(Ok(()))) => {
                self.remove_fiber(key, None);
                return;
            }
            Some(Err(FiberFailure::Aborted)) => {
                self.remove_fiber(key, Some(cause_of(&Error::Aborted)));
                return;
            }
            Some(Ok(Err(error))) if !matches!(error, Error::Panicked) => error,
            _ => return self.panicked(key),
        };
        let served = self.remove_fiber(key, Some(cause_of(&error)));
        let Some(Served { role, reports_cause }) = served else { return };
        let (service, peer) = self.served_peer(&role);
        drop(role);
        let is_told = match peer {
            Some(_) if error.is_of_peer() => !reports_cause,
            Some(_) => !error.is_ordinary() && !matches!(error, Error::Aborted),
            // Any other error of a loop is reported: other fibers may wait for the loop in vain.
            None => !matches!(error, Error::Shutdown),
        };
        if !is_told {
            return;
        }
        // Formatting the error is user code, too.
        let text = self.call(task, || {
            let text = error.to_string();
            drop(error);
            text
        });
        match text {
            Some(error) => self.notice(service, Notice::Failed { peer, error }),
            None => {
                self.counters.borrow_mut().failures += 1;
                self.report_panic((service, peer));
            }
        }
    }

    /// Calls user code through the hook. Returns `None` if it did not complete: it panicked.
    #[inline]
    pub(crate) fn call<R>(&self, task: Task, run: impl FnOnce() -> R) -> Option<R> {
        let hook = self.hook.borrow().clone();
        let Some(hook) = hook else { return Some(run()) };
        let mut run = Some(run);
        let mut result = None;
        hook(task, &mut || {
            if let Some(run) = run.take() {
                result = Some(run());
            }
        });
        result
    }

    fn panicked(&self, key: Key) {
        if let Some(served) = self.remove_fiber(key, Some(Cause::Panicked)) {
            self.report_panic(self.served_peer(&served.role));
        }
    }

    /// Calls user code that belongs to no fiber and no machine. A panic is reported in a notice.
    pub(crate) fn call_other(&self, run: impl FnOnce()) {
        if self.call(Task::Other, run).is_none() {
            self.report_panic((None, None));
        }
    }

    pub(crate) fn report_panic(&self, (service, peer): (Option<ServiceId>, Option<Address>)) {
        self.notice(service, Notice::Panicked { peer });
    }

    /// Removes a fiber that was dropped. If it was the handler of a connection that would close in
    /// an ordinary way, the connection closes with `cause` instead, if there is one. Returns what
    /// the fiber served.
    fn remove_fiber(&self, key: Key, cause: Option<Cause>) -> Option<Served> {
        let fiber = self.fibers.borrow_mut().remove(key)?;
        self.fiber_gone(&fiber.role);
        let reports_cause = match &fiber.role {
            Role::Handler(conn) => conn.handler_gone(cause),
            _ => false,
        };
        Some(Served { role: fiber.role, reports_cause })
    }

    pub(crate) fn served_peer(&self, role: &Role) -> (Option<ServiceId>, Option<Address>) {
        match role {
            Role::Handler(conn) => {
                let (service, peer) = conn.whom();
                (service, Some(peer))
            }
            Role::Machine(conn) => {
                let peer = self.peer(*conn);
                let mut streams = self.streams.borrow_mut();
                match streams.at((*conn).into()) {
                    Some(stream) => (stream.service, Some(peer)),
                    None => (None, None),
                }
            }
            Role::Loop | Role::Spawned => (None, None),
        }
    }
}

/// Why a fiber did not complete.
#[derive(Clone, Copy)]
enum FiberFailure {
    Aborted,
    Panicked,
}

/// The cause with which a connection closes whose handler returned this error.
fn cause_of(error: &Error) -> Cause {
    match error {
        Error::Closed => Cause::PeerClosed,
        Error::Reset => Cause::Reset,
        Error::TimedOut(reason) => Cause::TimedOut(*reason),
        Error::Limit(limit) => Cause::Limit(*limit),
        Error::Tls(error) => Cause::Tls(*error),
        Error::Shutdown => Cause::Shutdown,
        Error::Panicked => Cause::Panicked,
        Error::CallAbandoned => Cause::CallAbandoned,
        _ => Cause::Failed,
    }
}

/// What a fiber served.
struct Served {
    role: Role,
    /// The connection reports the cause of the fiber's end.
    reports_cause: bool,
}

/// Reports that a fiber panicked, if the panic unwinds through here because no hook caught it.
struct Unwinding<'a> {
    core: &'a Core,
    key: Key,
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.core.polling.set(None);
        self.core.spend_all_tokens();
        self.core.panicked(self.key);
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use alloc::vec::Vec;

    use super::super::Hub;
    use crate::time::Instant;

    /// Measured by the table entries that are visited: each once or twice.
    #[test]
    fn halting_is_linear_in_the_number_of_fibers() {
        const FIBERS: usize = 10_000;
        for halts in [true, false] {
            let mut hub = Hub::default();
            for _ in 0..FIBERS {
                hub.add_loop(async |_| core::future::pending().await).unwrap();
            }
            hub.run(Instant::ORIGIN, &mut Vec::new());
            let core = Rc::clone(hub.ctx().core());
            core.fibers.borrow().looked_at.set(0);
            match halts {
                true => {
                    hub.drain(Instant::ORIGIN, Instant::ORIGIN);
                    hub.run(Instant::ORIGIN, &mut Vec::new());
                }
                false => drop(hub),
            }
            let fibers = core.fibers.borrow();
            assert_eq!(fibers.len(), 0);
            let looked_at = fibers.looked_at.get();
            assert!((FIBERS..=2 * FIBERS).contains(&looked_at), "{looked_at}");
        }
    }
}
