//! The machine of a connection whose handler is a fiber.
//!
//! It moves bytes between its stream and the [`Channel`](super::channel::Channel) that it shares
//! with the fiber's handle. It does not poll the fiber: the hub does.
//!
//! ```text
//!   stream ──Bytes──▶ channel.input ──▶ tokens that read
//!   stream ◀──Wake─── channel.output ◀── tokens that write
//! ```
//!
//! Rules of this file:
//!
//! - No user code runs in a step, except that of a machine that took over the connection: wakers
//!   are deferred until the step is over, and buffers queued by reference are dropped later. So a
//!   hub may step it in place.
//! - Reading is not paused while fewer than `read_ahead` bytes are held, while a token waits for
//!   more, or once no handle will read: then bytes are dropped, so that the end of the stream is
//!   noticed.
//!
//! It must never know what carries the stream, nor which layers wrap it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;

use super::channel::{Channel, ConnShared, ConnectState};
use super::conn::Conn;
use super::duplex::Duplex;
use crate::hub::{Core, HandlerFuture, Making, Role};
use crate::machine::{Actions, Cause, Input, Machine, Nested};
use crate::time::Instant;

/// Calls a handler with its connection and returns its future. One word, because every connection
/// has room for it.
pub(crate) type StartHandler = Rc<Box<dyn Fn(Conn) -> HandlerFuture>>;

/// Moves bytes between a stream and the handle of a fiber.
pub(crate) struct FiberMachine {
    duplex: Duplex,
    stage: FiberStage,
}

enum FiberStage {
    /// The handler is started when the stream starts.
    New(StartHandler),
    Running,
    /// The handler handed its connection over.
    Next(Box<Nested<Box<dyn Machine>>>),
}

impl FiberMachine {
    /// For a connection that a service accepted: `handler` starts as a fiber when the stream
    /// starts.
    pub(crate) fn accepted(making: &Making, handler: StartHandler) -> Self {
        let duplex = duplex(making, ConnectState::No);
        FiberMachine { duplex, stage: FiberStage::New(handler) }
    }

    /// For a connection that a fiber requested. Also returns that fiber's handle.
    pub(crate) fn connecting(making: &Making) -> (Self, Conn) {
        let duplex = duplex(making, ConnectState::Yes);
        let conn = Conn::new(Rc::clone(duplex.socket()));
        (FiberMachine { duplex, stage: FiberStage::Running }, conn)
    }

    /// Whether the next step runs no user code.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self.stage, FiberStage::Next(_))
            && !self.socket().channel.borrow().has_successor()
    }

    /// Whether the handler only waits for bytes from the peer: all that it wrote was moved on.
    pub(crate) fn waits_for_bytes(&self) -> bool {
        let channel = self.socket().channel.borrow();
        matches!(self.stage, FiberStage::Running)
            && channel.input.is_empty()
            && channel.reader.is_waiting()
            && channel.unmoved() == 0
    }

    fn socket(&self) -> &Rc<ConnShared> {
        self.duplex.socket()
    }

    fn core(&self) -> &Rc<Core> {
        &self.socket().core
    }

    fn start(&mut self, actions: &mut Actions<'_>) {
        let stage = core::mem::replace(&mut self.stage, FiberStage::Running);
        let FiberStage::New(handler) = stage else {
            let writer = {
                let channel = &mut *self.socket().channel.borrow_mut();
                channel.connecting = ConnectState::No;
                channel.take_writer()
            };
            return self.core().put_off(writer);
        };
        self.socket().channel.borrow_mut().handled = true;
        let future = handler(Conn::new(Rc::clone(self.socket())));
        let role = Role::Handler(Rc::clone(self.socket()));
        if let Err(limit) = self.core().add_fiber(role, future) {
            actions.abort(Cause::Limit(limit));
        }
    }

    fn bytes(&mut self, bytes: &[u8], actions: &mut Actions<'_>) {
        let socket = &**self.duplex.socket();
        let channel = &mut *socket.channel.borrow_mut();
        socket.receive(channel, bytes);
        if channel.input.len() >= socket.config.read_ahead {
            pause_or_not(socket, channel, actions);
        }
    }

    /// Applies what the handle requested since the last call: writes, closing, half-close.
    fn look(&mut self, actions: &mut Actions<'_>) {
        let socket = &**self.duplex.socket();
        socket.dirty.set(false);
        let channel = &mut *socket.channel.borrow_mut();
        if let (true, Some(cause)) = (channel.aborts, channel.closing()) {
            let (queue, blocks) = actions.queue();
            socket.core.clear_into(queue, blocks);
            socket.core.drop_output(channel, Some(blocks));
            return actions.abort(cause);
        }
        socket.move_output(channel, actions);
        if let Some(cause) = channel.closing() {
            match channel.cuts {
                true => actions.cut(cause),
                false => actions.close_and_amend(cause, channel.handled),
            }
        } else if channel.half_closed {
            actions.half_close();
        }
        pause_or_not(socket, channel, actions);
    }

    fn break_off(&mut self, cause: Cause) {
        let socket = &**self.duplex.socket();
        let channel = &mut *socket.channel.borrow_mut();
        if let (ConnectState::Yes, Cause::Connect(kind)) = (channel.connecting, cause) {
            channel.fail_to_connect(kind);
        }
        socket.break_off(channel, cause);
    }

    /// Lets the machine that the handler passed to `upgrade` take over. It first gets the bytes
    /// that arrived and were not taken.
    fn hand_over(&mut self, now: Instant, machine: Box<dyn Machine>, actions: &mut Actions<'_>) {
        actions.resume();
        actions.notify_below(0);
        let mut next = Box::new(Nested::sharing(machine));
        next.pass_on(now, Input::Start, actions);
        let (left_over, ended) = {
            let channel = &mut *self.socket().channel.borrow_mut();
            // From now on the result of the handler does not affect the connection.
            channel.handled = false;
            let mut slices = self.socket().core.slices.borrow_mut();
            let left_over = channel.input.peek(&mut slices).to_vec();
            channel.input.clear(&mut slices);
            (left_over, channel.eof)
        };
        next.adopt(now, &left_over, actions);
        if ended {
            next.pass_on(now, Input::Eof, actions);
        }
        next.settle(None, actions);
        self.stage = FiberStage::Next(next);
    }
}

impl Machine for FiberMachine {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let FiberStage::Next(next) = &mut self.stage {
            let taken = next.pass_on(now, input, actions);
            next.settle(None, actions);
            return taken;
        }
        match input {
            Input::Bytes(bytes) => {
                self.bytes(bytes, actions);
                return bytes.len();
            }
            Input::Wake | Input::Drained => {
                self.look(actions);
                let successor = self.socket().channel.borrow_mut().take_successor();
                if let Some(machine) = successor.filter(|_| !actions.is_closing()) {
                    self.hand_over(now, machine, actions);
                }
            }
            Input::Start => self.start(actions),
            Input::Eof => {
                let socket = self.socket();
                socket.end(&mut socket.channel.borrow_mut());
            }
            Input::Cut(cause) => {
                // If the handle aborted before the cut and no step applied that yet, its cause
                // stands.
                let aborted = {
                    let channel = self.socket().channel.borrow();
                    channel.closing().filter(|_| channel.aborts)
                };
                aborted.into_iter().for_each(|cause| actions.abort(cause));
                self.break_off(cause);
            }
            Input::WriteFailed => {
                let socket = self.socket();
                socket.fail_writing(&mut socket.channel.borrow_mut());
            }
            // The hub itself wakes fibers at a shutdown.
            Input::Shutdown | Input::Deadline => {}
        }
        0
    }

    fn held(&self) -> usize {
        if let FiberStage::Next(next) = &self.stage {
            return next.held();
        }
        self.socket().channel.borrow().held()
    }

    fn scanned(&self) -> u64 {
        match &self.stage {
            FiberStage::Next(next) => next.scanned(),
            _ => self.socket().channel.borrow().input.scanned(),
        }
    }
}

impl Drop for FiberMachine {
    /// The stream is gone. The handle may still exist; its tokens fail from now on.
    fn drop(&mut self) {
        let closing = self.socket().channel.borrow().closing();
        self.break_off(closing.unwrap_or(Cause::Done));
        let successor = self.socket().channel.borrow_mut().take_successor();
        drop(successor);
    }
}

impl fmt::Debug for FiberMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FiberMachine({:?})", self.socket())
    }
}

fn duplex(making: &Making, connecting: ConnectState) -> Duplex {
    Duplex::new(&making.ctx, making.service, &making.config, connecting)
}

fn pause_or_not(socket: &ConnShared, channel: &mut Channel, actions: &mut Actions<'_>) {
    let dropped = channel.reader_dropped || channel.is_closing();
    if dropped && !channel.input.is_empty() {
        channel.input.clear(&mut socket.core.slices.borrow_mut());
    }
    channel.paused = !(dropped || socket.has_room(channel));
    match channel.paused {
        true => actions.pause(),
        false => actions.resume(),
    }
}
