//! [`PollHook`]: wraps each run of user code; and [`Task`]: whose code it is.

use alloc::boxed::Box;

use crate::machine::{ConnId, FiberId};

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
