//! [`Poller`]: polls futures within the steps of a machine.
//!
//! A machine that runs user code which may wait (a handler of requests) polls it where it needs the
//! result, and is stepped with [`Input::Wake`](crate::machine::Input::Wake) when the future should
//! be polled again. So on the fast path, when the future is ready at once, it costs no extra turn.
//!
//! ```text
//!   step ──▶ Poller::poll ──▶ Ready: goes on within the step
//!                 └─────────▶ Pending ··· its waker ──▶ Input::Wake ──▶ step
//! ```
//!
//! A poller must never know what it polls.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::core::Core;
use super::fiber_entry::Role;
use crate::machine::{ConnId, FiberId, Key, Limit};

/// Polls futures for a machine, as one of the fibers of its hub. Made by
/// [`MachineCtx::poller`](super::machine_ctx::MachineCtx::poller).
/// The place among the fibers is free again when this is dropped.
///
/// A future that is polled in this way may use every token of the hub, like a fiber, and the poller
/// counts towards [`Config::max_fibers`](super::config::Config::max_fibers). During a graceful
/// shutdown the future may go on waiting until the grace period ends, so that requests that have
/// begun can finish.
///
/// Several futures may be polled with one poller: each of them wakes the machine.
///
/// ```
/// use core::{future::Future, pin::Pin, task::Poll, time::Duration};
/// use diesel_proto::*;
///
/// /// Sends a greeting a second after it started.
/// struct Late {
///     ctx: MachineCtx,
///     greeting: Option<(Poller, Pin<Box<dyn Future<Output = Result<(), Error>>>>)>,
/// }
///
/// impl Machine for Late {
///     fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         if input == Input::Start {
///             let ctx = self.ctx.ctx();
///             let wait = async move { ctx.sleep(Duration::from_secs(1)).await };
///             self.greeting = self.ctx.poller().ok().map(|poller| (poller, Box::pin(wait) as _));
///         }
///         if let Some((poller, wait)) = &mut self.greeting {
///             // Through `call`, so that a panic of user code does not end the connection.
///             let polled = self.ctx.call(|| poller.poll(wait.as_mut()));
///             if let Some(Poll::Ready(Ok(()))) = polled {
///                 actions.send(b"hello\r\n");
///             }
///             if polled.is_none_or(|polled| polled.is_ready()) {
///                 self.greeting = None;
///             }
///         }
///         0
///     }
/// }
///
/// let mut hub = Hub::default();
/// hub.add_service(Service::machine_with(|ctx| Late { ctx, greeting: None }));
/// ```
pub struct Poller {
    core: Rc<Core>,
    key: Key,
}

impl Poller {
    pub(super) fn new(core: &Rc<Core>, conn: ConnId) -> Result<Self, Limit> {
        let key = core.add_role(Role::Machine(conn))?;
        Ok(Poller { core: Rc::clone(core), key })
    }

    /// Polls a future, with the tokens of one turn. If the poll unwinds, the hub's state is
    /// restored first.
    #[inline]
    pub fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let core = &*self.core;
        if core.is_detached.get() {
            // Without a hub, wakers have no effect: the machine polls in each of its steps.
            core.wakers.borrow_mut().clear();
        }
        let waker = core.ready.borrow_mut().lend_waker(self.key.index);
        let turn = PollTurn {
            poller: self,
            waker: Some(waker),
            polling: core.polling.replace(Some(self.key.into())),
            tokens: core.refill_tokens(),
        };
        core.counters.borrow_mut().polls += 1;
        match &turn.waker {
            Some(waker) => future.poll(&mut Context::from_waker(waker)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.core.remove_role(self.key);
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Poller({:?})", FiberId::from(self.key))
    }
}

/// The state of a poll, and the hub's state before it, to be restored.
struct PollTurn<'a> {
    poller: &'a Poller,
    waker: Option<Waker>,
    polling: Option<FiberId>,
    tokens: u32,
}

impl Drop for PollTurn<'_> {
    #[inline]
    fn drop(&mut self) {
        let core = &*self.poller.core;
        core.polling.set(self.polling);
        core.restore_tokens(self.tokens);
        if let Some(waker) = self.waker.take() {
            core.ready.borrow_mut().give_back(self.poller.key.index, waker);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::cell::Cell;
    use core::future::pending;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::Hub;
    use super::super::action::Action;
    use super::super::config::Config;
    use super::super::machine_ctx::MachineCtx;
    use super::super::service::Service;
    use super::*;
    use crate::machine::Notice;
    use crate::machine::{Actions, Address, Error, Input, Machine};
    use crate::time::Instant;

    type Answer = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

    /// Answers each byte with a future that it polls, and sends how that ended.
    struct Asking {
        machine_ctx: MachineCtx,
        ended: Rc<Cell<u32>>,
        under_way: Option<(Poller, Answer)>,
    }

    /// Counts the futures that were dropped, however they ended.
    struct Guard(Rc<Cell<u32>>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    impl Asking {
        fn begin(&mut self, byte: u8) -> Answer {
            let (guard, ctx) = (Guard(Rc::clone(&self.ended)), self.machine_ctx.ctx());
            Box::pin(async move {
                let _guard = guard;
                match byte {
                    b'e' => Err(Error::application("no answer")),
                    b'p' => panic!("in a future"),
                    b'w' => pending().await,
                    // Lets other fibers have their turn.
                    b's' => ctx.sleep(core::time::Duration::ZERO).await,
                    _ => Ok(()),
                }
            })
        }

        fn poll(&mut self, actions: &mut Actions<'_>) {
            let Some((poller, answer)) = &mut self.under_way else { return };
            let polled = self.machine_ctx.call(|| poller.poll(answer.as_mut()));
            actions.send(match polled {
                Some(Poll::Pending) => return actions.send(b"-"),
                Some(Poll::Ready(Ok(()))) => b".",
                Some(Poll::Ready(Err(_))) => b"e",
                None => b"p",
            });
            let gone = self.under_way.take();
            self.machine_ctx.dispose(gone);
        }
    }

    impl Machine for Asking {
        fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            match input {
                Input::Bytes(&[byte, ..]) => {
                    match self.machine_ctx.poller() {
                        Ok(poller) => self.under_way = Some((poller, self.begin(byte))),
                        Err(_) => actions.send(b"!"),
                    }
                    self.poll(actions);
                    return 1;
                }
                Input::Wake => self.poll(actions),
                _ => {}
            }
            0
        }

        /// This is user code as well: here it uses the hub.
        fn held(&self) -> usize {
            usize::from(self.machine_ctx.peer() == Address::Unnamed)
        }
    }

    fn asking(config: Config) -> (Hub, ConnId, Rc<Cell<u32>>) {
        let ended = Rc::new(Cell::new(0));
        let shared = Rc::clone(&ended);
        let mut hub = Hub::new(config);
        hub.set_poll_hook(Box::new(|_, run| _ = catch_unwind(AssertUnwindSafe(run))));
        let service = hub.add_service(Service::machine_with(move |machine_ctx| Asking {
            machine_ctx,
            ended: Rc::clone(&shared),
            under_way: None,
        }));
        let conn = hub.accept(Instant::ORIGIN, service, Address::Unnamed).unwrap();
        (hub, conn, ended)
    }

    fn exchange(hub: &mut Hub, conn: ConnId, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        assert_eq!(hub.received(Instant::ORIGIN, conn, bytes), bytes.len());
        hub.run(Instant::ORIGIN, &mut actions);
        actions
    }

    fn output(hub: &mut Hub, conn: ConnId) -> Vec<u8> {
        hub.outgoing(conn, |slices| slices.concat()).unwrap_or_default()
    }

    #[test]
    fn what_is_ready_ends_within_the_step_and_what_waits_wakes_the_machine() {
        let (mut hub, conn, ended) = asking(Config::default());
        assert_eq!(hub.received(Instant::ORIGIN, conn, b"x"), 1);
        assert_eq!((output(&mut hub, conn), ended.get()), (b".".to_vec(), 1), "before the run");
        for (byte, said, polls) in [(b"e", ".e", 1), (b"p", ".ep", 1), (b"s", ".ep-.", 2)] {
            let before = hub.counters().polls;
            exchange(&mut hub, conn, byte);
            assert_eq!(output(&mut hub, conn), said.as_bytes());
            assert_eq!(hub.counters().polls - before, polls, "of {byte:?}");
        }
        let counters = hub.counters();
        assert_eq!((counters.open, counters.fibers, ended.get()), (1, 0, 4));
    }

    #[test]
    fn what_is_polled_counts_as_a_fiber() {
        let (mut hub, conn, _) = asking(Config { max_fibers: 0, ..Config::default() });
        let told = exchange(&mut hub, conn, b"x");
        assert_eq!(output(&mut hub, conn), b"!");
        let limit = Notice::LimitReached(Limit::Fibers(0));
        assert!(told.contains(&Action::Notice(None, limit)), "{told:?}");
        let (mut hub, conn, _) = asking(Config::default());
        exchange(&mut hub, conn, b"w");
        assert_eq!(hub.counters().fibers, 1);
    }

    #[test]
    #[cfg(feature = "testkit")]
    fn a_machine_may_use_the_hub_when_it_is_asked_what_it_holds() {
        let (hub, conn, _) = asking(Config::default());
        assert_eq!(hub.held_and_scanned(conn), Some((1, 0)));
    }

    #[test]
    fn what_is_polled_is_dropped_with_its_machine() {
        for halts in [false, true] {
            let (mut hub, conn, ended) = asking(Config::default());
            exchange(&mut hub, conn, b"w");
            assert_eq!((hub.counters().fibers, ended.get()), (1, 0));
            match halts {
                false => hub.reset(Instant::ORIGIN, conn),
                true => hub.drain(Instant::ORIGIN, Instant::ORIGIN),
            }
            hub.run(Instant::ORIGIN, &mut Vec::new());
            assert_eq!((hub.counters().fibers, ended.get()), (0, 1));
        }
        let (mut hub, conn, ended) = asking(Config::default());
        exchange(&mut hub, conn, b"w");
        drop(hub);
        assert_eq!(ended.get(), 1);
    }
}
