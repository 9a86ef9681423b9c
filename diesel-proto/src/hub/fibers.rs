//! The fibers of a hub: adds, polls and aborts them, and applies and reports their results.

use alloc::rc::Rc;
use alloc::string::ToString;
use core::any::Any;
use core::task::{Context, Poll};

use super::core::Core;
use super::doomed::DoomedItem;
use super::fiber_entry::{Fiber, HandlerFuture, Role};
use super::hook::Task;
use crate::machine::Key;
use crate::machine::{Address, Cause, Error, Limit, Notice};
use crate::machine::{FiberId, ServiceId};

impl Core {
    /// Adds a fiber and makes it ready.
    pub(crate) fn add_fiber(&self, role: Role, future: HandlerFuture) -> Result<FiberId, Limit> {
        self.check_fibers(&role)?;
        let key = self.insert_fiber(Fiber::new(role, future));
        self.wake_fiber(key.index);
        Ok(key.into())
    }

    /// Takes a place among the fibers, for futures that a machine polls itself.
    pub(crate) fn add_role(&self, role: Role) -> Result<Key, Limit> {
        self.check_fibers(&role)?;
        Ok(self.insert_fiber(Fiber::of_machine(role)))
    }

    pub(crate) fn remove_role(&self, key: Key) {
        let fiber = self.fibers.borrow_mut().remove(key);
        if let Some(fiber) = fiber {
            self.fiber_gone(&fiber.role);
            // This may complete a graceful shutdown.
            self.need_run();
        }
    }

    fn check_fibers(&self, role: &Role) -> Result<(), Limit> {
        let limit = match role {
            Role::Machine(_) if self.is_detached.get() => return Ok(()),
            _ if self.is_detached.get() => Limit::Fibers(0),
            _ if self.fibers.borrow().len() >= self.config.max_fibers => {
                Limit::Fibers(self.config.max_fibers)
            }
            Role::Spawned if self.spawned.get() >= self.config.max_spawned => {
                Limit::Spawned(self.config.max_spawned)
            }
            _ => return Ok(()),
        };
        self.counters.borrow_mut().limit_fibers += 1;
        self.notice(None, Notice::LimitReached(limit));
        Err(limit)
    }

    fn insert_fiber(&self, fiber: Fiber) -> Key {
        if matches!(fiber.role, Role::Spawned) {
            self.spawned.set(self.spawned.get() + 1);
        }
        self.counters.borrow_mut().fibers += 1;
        let mut fibers = self.fibers.borrow_mut();
        self.ready.borrow_mut().make_room(fibers.next_key().index);
        fibers.insert(fiber)
    }

    pub(crate) fn fiber_gone(&self, role: &Role) {
        if matches!(role, Role::Spawned) {
            self.spawned.set(self.spawned.get().saturating_sub(1));
        }
        let counters = &mut *self.counters.borrow_mut();
        counters.fibers = counters.fibers.saturating_sub(1);
    }

    /// Aborts a fiber. Its id is stale from now on. The fiber is dropped at once; if it is being
    /// polled, after that poll; if this is called by a drop in the queue, after that drop.
    pub(crate) fn abort(&self, id: FiberId) {
        let gone = {
            let mut fibers = self.fibers.borrow_mut();
            let key = Key::from(id);
            match fibers.at(key) {
                Some(fiber) if fiber.is_being_polled() => {
                    self.aborts_polled.set(true);
                    None
                }
                Some(_) => fibers.remove(key),
                None => None,
            }
        };
        if let Some(fiber) = gone {
            self.fiber_gone(&fiber.role);
            self.doomed.push(id, DoomedItem::Fiber(fiber));
            self.drop_doomed();
            // This may complete a graceful shutdown.
            self.need_run();
        }
    }

    /// Drops what a fiber returned: when its turn comes, as in [`abort`](Self::abort).
    pub(crate) fn discard(&self, id: FiberId, outcome: Rc<dyn Any>) {
        self.doomed.push(id, DoomedItem::Outcome(outcome));
        self.drop_doomed();
    }

    /// Drops everything in the queue, unless a caller of this function is already doing so. A panic
    /// affects only the drop in which it happened.
    pub(crate) fn drop_doomed(&self) {
        self.doomed.drop_each(|id, what| {
            let whom = match &what {
                DoomedItem::Fiber(fiber) => self.served_peer(&fiber.role),
                DoomedItem::Outcome(_) => (None, None),
            };
            if self.call(Task::Fiber(id), || drop(what)).is_none() {
                self.report_panic(whom);
            }
        });
    }

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
