//! [`FiberMachine`]: the machine of a connection whose handler is a fiber, as the hub sees it.
//!
//! The connection and its handles are above the hub, behind [`FiberConn`]. The machine passes on
//! what happens to the stream, until the handler hands the stream over to a machine of its own.
//!
//! Rules of this file:
//!
//! - No user code runs in a step, except that of a machine that took over the connection. So a hub
//!   may step it in place.
//!
//! It must never know what carries the stream, nor which layers wrap it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use crate::machine::{Actions, Address, Cause, Input, Machine, Nested, ServiceId};
use crate::time::Instant;

/// What the hub asks of a connection that fibers hold the handles of.
pub(crate) trait FiberConn: fmt::Debug {
    /// The service that accepted it, and its peer: for notices.
    fn whom(&self) -> (Option<ServiceId>, Address);

    /// The stream is open: starts the handler.
    fn start(self: Rc<Self>, actions: &mut Actions<'_>);

    /// Bytes arrived. Takes all of them.
    fn received(&self, bytes: &[u8], actions: &mut Actions<'_>);

    /// Applies what the handles requested since the last call: writes, closing, half-close. Returns
    /// the machine that takes over, if the handler handed the connection over.
    fn look(&self, actions: &mut Actions<'_>) -> Option<Box<dyn Machine>>;

    /// The peer ended its side.
    fn eof(&self);

    /// A write failed.
    fn write_failed(&self);

    /// The stream is gone, both ways, for this cause.
    fn cut(&self, cause: Cause, actions: &mut Actions<'_>);

    /// Ends the handler's part, for a machine that takes over: takes out the bytes that arrived and
    /// were not read. Also returns whether the peer has ended its side.
    fn hand_over(&self) -> (Vec<u8>, bool);

    /// Whether a machine is to take over in the next step.
    fn has_successor(&self) -> bool;

    /// Whether the handler only waits for bytes from the peer: all that it wrote was moved on.
    fn waits_for_bytes(&self) -> bool;

    /// How many bytes are held in its queues, and how many were scanned.
    fn held_and_scanned(&self) -> (usize, u64);

    /// Applies the end of the handler: if the connection would close in an ordinary way, it closes
    /// for `cause` instead, if there is one. Returns whether the connection reports this cause
    /// itself, or is gone.
    fn handler_gone(&self, cause: Option<Cause>) -> bool;

    /// The machine was dropped: the stream is gone. Handles may still exist.
    fn machine_gone(&self);
}

/// Passes on what happens to a stream to the connection of a fiber.
pub(crate) struct FiberMachine(FiberStage);

/// Two words, because every connection has room for it.
enum FiberStage {
    Served(Rc<dyn FiberConn>),
    HandedOver(Box<HandedOver>),
}

/// A connection that its handler handed over to a machine.
struct HandedOver {
    conn: Rc<dyn FiberConn>,
    next: Nested<Box<dyn Machine>>,
}

impl FiberMachine {
    pub(crate) fn new(conn: Rc<dyn FiberConn>) -> Self {
        FiberMachine(FiberStage::Served(conn))
    }

    /// Whether the next step runs no user code.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(&self.0, FiberStage::Served(conn) if !conn.has_successor())
    }

    /// Whether the handler only waits for bytes from the peer.
    pub(crate) fn waits_for_bytes(&self) -> bool {
        matches!(&self.0, FiberStage::Served(conn) if conn.waits_for_bytes())
    }
}

/// Lets the machine that the handler passed to `upgrade` take over. It first gets the bytes that
/// arrived and were not taken.
fn hand_over(
    conn: Rc<dyn FiberConn>,
    now: Instant,
    machine: Box<dyn Machine>,
    actions: &mut Actions<'_>,
) -> FiberStage {
    actions.resume();
    actions.notify_below(0);
    let mut next = Nested::sharing(machine);
    next.pass_on(now, Input::Start, actions);
    let (left_over, ended) = conn.hand_over();
    next.adopt(now, &left_over, actions);
    if ended {
        next.pass_on(now, Input::Eof, actions);
    }
    next.settle(None, actions);
    FiberStage::HandedOver(Box::new(HandedOver { conn, next }))
}

impl Machine for FiberMachine {
    #[inline]
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let conn = match &mut self.0 {
            FiberStage::Served(conn) => conn,
            FiberStage::HandedOver(it) => {
                let taken = it.next.pass_on(now, input, actions);
                it.next.settle(None, actions);
                return taken;
            }
        };
        match input {
            Input::Bytes(bytes) => {
                conn.received(bytes, actions);
                return bytes.len();
            }
            Input::Wake | Input::Drained => {
                let successor = conn.look(actions);
                if let Some(machine) = successor.filter(|_| !actions.is_closing()) {
                    self.0 = hand_over(Rc::clone(conn), now, machine, actions);
                }
            }
            Input::Start => Rc::clone(conn).start(actions),
            Input::Eof => conn.eof(),
            Input::Cut(cause) => conn.cut(cause, actions),
            Input::WriteFailed => conn.write_failed(),
            // The hub itself wakes fibers at a shutdown.
            Input::Shutdown | Input::Deadline => {}
        }
        0
    }

    fn held(&self) -> usize {
        match &self.0 {
            FiberStage::Served(conn) => conn.held_and_scanned().0,
            FiberStage::HandedOver(it) => it.next.held(),
        }
    }

    fn scanned(&self) -> u64 {
        match &self.0 {
            FiberStage::Served(conn) => conn.held_and_scanned().1,
            FiberStage::HandedOver(it) => it.next.scanned(),
        }
    }
}

impl Drop for FiberMachine {
    fn drop(&mut self) {
        match &self.0 {
            FiberStage::Served(conn) => conn.machine_gone(),
            FiberStage::HandedOver(it) => it.conn.machine_gone(),
        }
    }
}

impl fmt::Debug for FiberMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FiberStage::Served(conn) => write!(f, "FiberMachine({conn:?})"),
            FiberStage::HandedOver(it) => write!(f, "FiberMachine({:?})", it.conn),
        }
    }
}
