//! The fibers of a hub: how one is polled, and what its end means.

use core::task::{Context, Poll, Waker};

use alloc::boxed::Box;
use alloc::string::ToString;

use super::core::Core;
use super::id::Key;
use super::service::HandlerFuture;
use super::stream::StreamState;
use crate::fiber::cause_of;
use crate::{Address, Cause, ConnId, Error, FiberId, Notice, ServiceId};

/// Wraps each run of the application's code: it must call what it is given, once. Here an embedder
/// catches panics (a run that did not come to its end is one) and measures hogs.
///
/// Runs nest: a machine may have a handler run in the midst of its own step, and outlives it if
/// that panics. Hence `Fn`.
pub type PollHook = Box<dyn Fn(Task, &mut dyn FnMut())>;

/// Whose code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// A poll of this fiber, or its drop.
    Fiber(FiberId),
    /// A step of this connection's machine, or a handler that runs within one.
    Machine(ConnId),
}

pub(crate) struct Fiber {
    pub(crate) role: Role,
    /// Out of its slot while it is being polled: an unwind through the poll leaves the slot whole.
    task: Option<(HandlerFuture, Waker)>,
    aborted: bool,
}

/// What a fiber is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Handler(ConnId),
    Loop,
    Spawned,
}

impl Fiber {
    pub(crate) fn new(role: Role, future: HandlerFuture, waker: Waker) -> Self {
        Fiber { role, task: Some((future, waker)), aborted: false }
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.task.is_none()
    }

    pub(crate) fn abort_after_poll(&mut self) {
        self.aborted = true;
    }
}

impl Core {
    /// Polls the fiber at `index`, if one is there.
    pub(crate) fn poll_fiber(&self, index: u32) {
        let (key, (future, waker)) = {
            let mut fibers = self.fibers.borrow_mut();
            let Some((key, fiber)) = fibers.at_index(index) else { return };
            let Some(task) = fiber.task.take() else { return };
            (key, task)
        };
        self.refill_tokens();
        self.counters.borrow_mut().polls += 1;
        let unwinding = Unwinding { core: self, key };
        // Declared behind the guard: an unwind drops it before the guard says what that means.
        let mut future = future;
        self.polling.set(Some(key.into()));
        let polled = self.call(Task::Fiber(key.into()), || {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        });
        core::mem::forget(unwinding);
        self.polling.set(None);
        match polled {
            Some(Poll::Pending) => {
                if let Some(fiber) = self.fibers.borrow_mut().at(key) {
                    if !fiber.aborted {
                        fiber.task = Some((future, waker));
                        return;
                    }
                }
                self.end(key, future, Err(Error::Aborted));
            }
            Some(Poll::Ready(result)) => self.end(key, future, result),
            None => self.end(key, future, Err(Error::Panicked)),
        }
    }

    /// Drops every fiber, as an abort would.
    pub(crate) fn drop_fibers(&self) {
        loop {
            let key = self.fibers.borrow().keys().next();
            let Some(key) = key else { return };
            let task = self.fibers.borrow_mut().at(key).and_then(|fiber| fiber.task.take());
            match task {
                Some((future, _waker)) => self.end(key, future, Err(Error::Aborted)),
                // Only a fiber that drops its own hub is here: its poll ends it.
                None => {
                    self.fibers.borrow_mut().remove(key);
                }
            }
        }
    }

    /// Drops the future, then says what its end means for its connection.
    fn end(&self, key: Key, future: HandlerFuture, result: Result<(), Error>) {
        // Dropping runs the stranger's code as well, so it may panic as well.
        let unwinding = Unwinding { core: self, key };
        let task = Task::Fiber(key.into());
        let ended = self.call(task, || {
            drop(future);
            result
        });
        core::mem::forget(unwinding);
        let error = match ended {
            Some(Ok(())) => {
                self.remove_fiber(key, None);
                return;
            }
            Some(Err(error)) if !matches!(error, Error::Panicked) => error,
            _ => return self.panicked(key),
        };
        let Some((service, peer)) = self.remove_fiber(key, Some(cause_of(&error))) else { return };
        if error.is_ordinary() || matches!(error, Error::Aborted) {
            return;
        }
        self.counters.borrow_mut().failures += 1;
        // The text is the stranger's, too.
        let text = self.call(task, || {
            let text = error.to_string();
            drop(error);
            text
        });
        match text {
            Some(error) => self.notice(service, Notice::Failed { peer, error }),
            None => {
                self.counters.borrow_mut().panics += 1;
                self.notice(service, Notice::Panicked { peer });
            }
        }
    }

    /// Runs a stranger's code through the hook. `None`: it did not come to its end.
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
        let Some((service, peer)) = self.remove_fiber(key, Some(Cause::Panicked)) else { return };
        self.counters.borrow_mut().panics += 1;
        self.notice(service, Notice::Panicked { peer });
    }

    /// Removes a fiber that was dropped. If it was the handler of a connection, and `cause` is not
    /// how that would have ended anyway, then that is its cause. Returns whom it served.
    fn remove_fiber(
        &self,
        key: Key,
        cause: Option<Cause>,
    ) -> Option<(Option<ServiceId>, Option<Address>)> {
        let fiber = self.fibers.borrow_mut().remove(key)?;
        self.fiber_gone(fiber.role);
        let Role::Handler(conn) = fiber.role else { return Some((None, None)) };
        let mut streams = self.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return Some((None, None)) };
        let StreamState::Socket(socket) = &stream.state else {
            return Some((stream.service, None));
        };
        // The handle was dropped with the future; if it lives on elsewhere, the connection is not
        // the handler's any more.
        let close = &mut socket.channel.borrow_mut().flow.close;
        if matches!(close, Some(Cause::Done | Cause::PeerClosed)) {
            *close = cause.or(*close);
        }
        Some((stream.service, Some(socket.peer)))
    }
}

/// Says that a fiber panicked if that unwinds through here, because no hook caught it.
struct Unwinding<'a> {
    core: &'a Core,
    key: Key,
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.core.polling.set(None);
        self.core.panicked(self.key);
    }
}
