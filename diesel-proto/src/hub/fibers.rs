//! The fibers of a hub: how one is polled, and what its end means.

use core::task::{Context, Poll};

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString;

use super::core::Core;
use super::id::Key;
use super::service::HandlerFuture;
use crate::fiber::{Socket, cause_of};
use crate::{Address, Cause, ConnId, Error, FiberId, Notice, ServiceId};

/// Wraps each run of the application's code: it must call what it is given, once. Here an embedder
/// catches panics (a run that did not come to its end is one) and measures hogs.
///
/// Runs nest: a machine may have a handler run in the midst of its own step, and outlives it if
/// that panics. Hence `Fn`.
///
/// What a panic carries may panic again when it is dropped, so a hook that catches panics drops it
/// with care:
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

/// Whose code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// A poll of this fiber, or its drop.
    Fiber(FiberId),
    /// A step of this connection's machine, or a handler that runs within one.
    Machine(ConnId),
    /// What belongs to neither: a waker that is not the hub's, the owner of bytes that were sent, a
    /// service that is dropped with its hub.
    Other,
}

pub(crate) struct Fiber {
    pub(crate) role: Role,
    /// Out of its slot while it is being polled: an unwind through the poll leaves the slot whole.
    task: Option<HandlerFuture>,
    aborted: bool,
}

/// What a fiber is for.
pub(crate) enum Role {
    /// Serves this connection, which closes when it ends. Held, so that a failure names the peer
    /// whether or not the connection is there by then.
    Handler(Rc<Socket>),
    /// Answers for the machine of this connection, which it tells itself how it ended.
    Request(ConnId),
    Loop,
    Spawned,
}

impl Fiber {
    pub(crate) fn new(role: Role, future: HandlerFuture) -> Self {
        Fiber { role, task: Some(future), aborted: false }
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.task.is_none()
    }

    pub(crate) fn abort_after_poll(&mut self) {
        self.aborted = true;
    }
}

impl Core {
    /// Polls the fiber at `index`, if one is there. From its own turn, or from the step of a machine
    /// that it is to answer for: there is no other poll around it.
    pub(crate) fn poll_fiber(&self, index: u32) {
        let (key, future) = {
            let mut fibers = self.fibers.borrow_mut();
            let Some((key, fiber)) = fibers.at_index(index) else { return };
            let Some(future) = fiber.task.take() else { return };
            (key, future)
        };
        let waker = self.ready.borrow_mut().lend_waker(index);
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
        self.spend_all_tokens();
        self.ready.borrow_mut().give_back(index, waker);
        match polled {
            Some(Poll::Pending) => {
                if let Some(fiber) = self.fibers.borrow_mut().at(key) {
                    if !fiber.aborted {
                        fiber.task = Some(future);
                        return;
                    }
                }
                self.end(key, future, Err(Unfinished::Aborted));
            }
            Some(Poll::Ready(result)) => self.end(key, future, Ok(result)),
            None => self.end(key, future, Err(Unfinished::Panicked)),
        }
    }

    /// Drops every fiber, as an abort would.
    pub(crate) fn drop_fibers(&self) {
        let mut from = 0;
        while self.fibers.borrow().len() > 0 {
            let key = self.fibers.borrow().first_from(from);
            let Some(key) = key else {
                // What was dropped added some, behind.
                from = 0;
                continue;
            };
            from = key.index + 1;
            let task = self.fibers.borrow_mut().at(key).and_then(|fiber| fiber.task.take());
            match task {
                Some(future) => self.end(key, future, Err(Unfinished::Aborted)),
                // Only a fiber that drops its own hub is here: its poll ends it.
                None => {
                    self.fibers.borrow_mut().remove(key);
                }
            }
        }
    }

    /// Drops the future, then says what its end means for its connection.
    fn end(&self, key: Key, future: HandlerFuture, result: Result<Result<(), Error>, Unfinished>) {
        // Dropping runs the stranger's code as well, so it may panic as well.
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
            Some(Err(Unfinished::Aborted)) => {
                self.remove_fiber(key, Some(cause_of(&Error::Aborted)));
                return;
            }
            Some(Ok(Err(error))) if !matches!(error, Error::Panicked) => error,
            _ => return self.panicked(key),
        };
        let served = self.remove_fiber(key, Some(cause_of(&error)));
        let Some(Served { whom: (service, peer), tells_cause }) = served else { return };
        let is_told = match peer {
            Some(_) if error.is_of_peer() => !tells_cause,
            Some(_) => !error.is_ordinary() && !matches!(error, Error::Aborted),
            // However a loop ends, others may wait for it in vain.
            None => !matches!(error, Error::Shutdown),
        };
        if !is_told {
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
            None => self.tell_panic((service, peer)),
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
        if let Some(served) = self.remove_fiber(key, Some(Cause::Panicked)) {
            self.tell_panic(served.whom);
        }
    }

    /// Runs user code that belongs to no fiber and no machine, and outlives it.
    pub(crate) fn call_other(&self, run: impl FnOnce()) {
        if self.call(Task::Other, run).is_none() {
            self.tell_panic((None, None));
        }
    }

    /// Counts a panic, and tells it.
    pub(crate) fn tell_panic(&self, (service, peer): (Option<ServiceId>, Option<Address>)) {
        self.counters.borrow_mut().panics += 1;
        self.notice(service, Notice::Panicked { peer });
    }

    /// Removes a fiber that was dropped. If it was the handler of a connection, and `cause` is not
    /// how that would have ended anyway, then that is its cause. Returns whom it served.
    fn remove_fiber(&self, key: Key, cause: Option<Cause>) -> Option<Served> {
        let fiber = self.fibers.borrow_mut().remove(key)?;
        self.fiber_gone(&fiber.role);
        let tells_cause = match &fiber.role {
            Role::Handler(socket) => self.handler_gone(socket, cause),
            _ => false,
        };
        Some(Served { whom: self.whom_it_serves(&fiber.role), tells_cause })
    }

    pub(crate) fn whom_it_serves(&self, role: &Role) -> (Option<ServiceId>, Option<Address>) {
        match role {
            Role::Handler(socket) => (socket.service, Some(socket.peer)),
            Role::Request(conn) => {
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

    /// The handle was dropped with the handler, or before; if it lives on elsewhere, the connection
    /// is not the handler's any more. An abort stays one. Returns whether the connection tells this
    /// cause itself, or is gone.
    fn handler_gone(&self, socket: &Socket, cause: Option<Cause>) -> bool {
        let tells_cause;
        {
            let channel = &mut *socket.channel.borrow_mut();
            channel.handled = false;
            if let (Some(Cause::Done | Cause::PeerClosed), false, Some(cause)) =
                (channel.closing, channel.aborts, cause)
            {
                channel.closing = Some(cause);
            }
            tells_cause = channel.closing.is_some() && channel.closing == cause;
        }
        // The close may have waited for this.
        self.look_at(socket);
        tells_cause || self.streams.borrow_mut().at(socket.id().into()).is_none()
    }
}

/// Why a fiber did not come to its end.
#[derive(Clone, Copy)]
enum Unfinished {
    Aborted,
    Panicked,
}

/// What a fiber was there for.
struct Served {
    whom: (Option<ServiceId>, Option<Address>),
    /// The cause of its end is told by its connection.
    tells_cause: bool,
}

/// Says that a fiber panicked if that unwinds through here, because no hook caught it.
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
    extern crate std;

    use alloc::rc::Rc;
    use alloc::vec::Vec;
    use core::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{Action, Actions, Hub, Input, Instant, Machine, Seat, Service};

    /// Has a fiber answer each byte: it says how it ended, and wakes its machine.
    struct Asking {
        seat: Seat,
        ended: Rc<Cell<u32>>,
        fiber: Option<FiberId>,
    }

    /// Tells the machine that the fiber ended, however it did.
    struct Guard(Seat, Rc<Cell<u32>>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            self.0.wake();
        }
    }

    impl Machine for Asking {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(&[byte, ..]) => {
                    let guard = Guard(self.seat.clone(), Rc::clone(&self.ended));
                    let answer = async move {
                        let _guard = guard;
                        match byte {
                            b'e' => Err(Error::application("no answer")),
                            b'p' => panic!("in a fiber"),
                            b'w' => core::future::pending().await,
                            _ => Ok(()),
                        }
                    };
                    let role = Role::Request(self.seat.conn());
                    self.fiber = self.seat.core().add_fiber(role, answer).ok();
                    return 1;
                }
                Input::Wake => actions.send(b"."),
                _ => {}
            }
            0
        }

        /// User code as well: here it looks at the hub.
        fn held(&self) -> usize {
            usize::from(self.seat.peer() == Address::Unnamed)
        }
    }

    impl Drop for Asking {
        fn drop(&mut self) {
            if let Some(fiber) = self.fiber {
                self.seat.core().abort(fiber);
            }
        }
    }

    fn asking() -> (Hub, ConnId, Rc<Cell<u32>>) {
        let ended = Rc::new(Cell::new(0));
        let shared = Rc::clone(&ended);
        let mut hub = Hub::default();
        hub.set_poll_hook(Box::new(|_, run| _ = catch_unwind(AssertUnwindSafe(run))));
        let service = hub.add_service(Service::machine_with(move |seat| Asking {
            seat,
            ended: Rc::clone(&shared),
            fiber: None,
        }));
        let conn = hub.accept(Instant::ORIGIN, service, Address::Unnamed).unwrap();
        (hub, conn, ended)
    }

    fn says(hub: &mut Hub, conn: ConnId, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        assert_eq!(hub.received(Instant::ORIGIN, conn, bytes), bytes.len());
        hub.run(Instant::ORIGIN, &mut actions);
        actions
    }

    #[test]
    fn however_a_fiber_ends_that_answers_for_a_machine_it_is_the_machine_that_goes_on() {
        let (mut hub, conn, ended) = asking();
        let peer = Some(Address::Unnamed);
        let failed = Notice::Failed { peer, error: "no answer".into() };
        let panicked = Notice::Panicked { peer };
        let send = || Action::Send(conn);
        let service = hub.core.service_id(0);
        let told = |notice| Action::Notice(Some(service), notice);
        assert_eq!(says(&mut hub, conn, b"x"), [send()]);
        assert_eq!(says(&mut hub, conn, b"e"), [told(failed)]);
        assert_eq!(says(&mut hub, conn, b"p"), [told(panicked)]);
        let counters = hub.counters();
        assert_eq!((counters.failures, counters.panics), (1, 1));
        assert_eq!((counters.open, counters.fibers, ended.get()), (1, 0, 3));
        hub.outgoing(conn, |slices| assert_eq!(slices, [b"..."]));
    }

    #[test]
    #[cfg(feature = "testkit")]
    fn a_machine_may_use_the_hub_when_it_is_asked_what_it_holds() {
        let (hub, conn, _) = asking();
        assert_eq!(hub.held_and_scanned(conn), Some((1, 0)));
    }

    /// By the places of the table that are looked at: each once or twice.
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

    #[test]
    fn a_fiber_is_dropped_with_the_machine_that_it_answers_for() {
        let (mut hub, conn, ended) = asking();
        says(&mut hub, conn, b"w");
        assert_eq!((hub.counters().fibers, ended.get()), (1, 0));
        hub.reset(Instant::ORIGIN, conn);
        hub.run(Instant::ORIGIN, &mut Vec::new());
        assert_eq!((hub.counters().fibers, ended.get()), (0, 1));

        let (mut hub, conn, ended) = asking();
        says(&mut hub, conn, b"w");
        drop(hub);
        assert_eq!(ended.get(), 1);
    }
}
