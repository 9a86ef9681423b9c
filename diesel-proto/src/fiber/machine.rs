//! The connection of a fiber, as a machine.
//!
//! It moves bytes between its stream and what the fiber's handle looks at (its
//! [`Channel`](super::channel::Channel)), and does nothing else: the fiber has its own turns.
//!
//! ```text
//!   stream ──Bytes──▶ channel.input ──▶ tokens that read
//!   stream ◀──Wake─── channel.output ◀── tokens that write
//! ```
//!
//! Rules of this file:
//!
//! - No user code runs in a step, but for that of a machine that took over: wakers are put off, and
//!   what was queued by reference is dropped later. So a hub may step it in place.
//! - Bytes are welcome while few are held, while a token waits for more, and when nothing will look
//!   at them any more, so that the end of the stream is seen.
//!
//! It must never know what carries the stream, nor what layers are around it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::channel::{Channel, Connecting, Socket};
use crate::hub::{Core, HandlerFuture, Making, Role};
use crate::{Actions, Cause, Conn, Input, Instant, Machine, Nested};

/// Makes the future of a handler.
pub(crate) type StartHandler = Rc<dyn Fn(Conn) -> HandlerFuture>;

/// Between a stream and the handle of a fiber.
pub(crate) struct FiberMachine {
    socket: Rc<Socket>,
    stage: Stage,
}

enum Stage {
    /// The handler begins once the stream is there.
    New(StartHandler),
    Running,
    /// The handler handed its connection over.
    Next(Box<Nested<Box<dyn Machine>>>),
}

impl FiberMachine {
    /// For a connection that a service accepted: a fiber of `handler` begins with the stream.
    pub(crate) fn accepted(making: &Making, handler: StartHandler) -> Self {
        let socket = socket(making, Connecting::No);
        FiberMachine { socket, stage: Stage::New(handler) }
    }

    /// For a connection that a fiber asked for, and that fiber's handle of it.
    pub(crate) fn connecting(making: &Making) -> (Self, Conn) {
        let socket = socket(making, Connecting::Yes);
        let conn = Conn::new(Rc::clone(&socket));
        (FiberMachine { socket, stage: Stage::Running }, conn)
    }

    /// Whether the next step runs no user code.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self.stage, Stage::Next(_)) && !self.socket.channel.borrow().has_successor()
    }

    /// Whether the handler waits for bytes of its peer, and for nothing else of this connection.
    pub(crate) fn waits_for_bytes(&self) -> bool {
        let channel = self.socket.channel.borrow();
        matches!(self.stage, Stage::Running)
            && channel.input.is_empty()
            && channel.reader.is_waiting()
            && channel.output.as_ref().is_none_or(|output| output.is_empty())
    }

    fn core(&self) -> &Rc<Core> {
        &self.socket.core
    }

    fn start(&mut self, actions: &mut Actions<'_>) {
        let stage = core::mem::replace(&mut self.stage, Stage::Running);
        let Stage::New(handler) = stage else {
            let writer = {
                let channel = &mut *self.socket.channel.borrow_mut();
                channel.connecting = Connecting::No;
                channel.writer.take()
            };
            return self.core().put_off(writer);
        };
        self.socket.channel.borrow_mut().handled = true;
        let future = handler(Conn::new(Rc::clone(&self.socket)));
        let role = Role::Handler(Rc::clone(&self.socket));
        if let Err(limit) = self.core().add_fiber(role, future) {
            actions.abort(Cause::Limit(limit));
        }
    }

    fn bytes(&mut self, bytes: &[u8], actions: &mut Actions<'_>) {
        let socket = &*self.socket;
        let channel = &mut *socket.channel.borrow_mut();
        if channel.reader_dropped || channel.closing.is_some() {
            return;
        }
        channel.input.push(bytes, &mut socket.core.slices.borrow_mut());
        socket.core.put_off(channel.reader.take());
        if channel.input.len() >= socket.config.read_ahead {
            pause_or_not(socket, channel, actions);
        }
    }

    /// What the handle asked for since the last look.
    fn look(&mut self, actions: &mut Actions<'_>) {
        let socket = &*self.socket;
        socket.dirty.set(false);
        let channel = &mut *socket.channel.borrow_mut();
        if let (true, Some(cause)) = (channel.aborts, channel.closing) {
            let (queue, blocks) = actions.queue();
            for output in channel.output.as_deref_mut().into_iter().chain([queue]) {
                socket.core.clear_into(output, blocks);
            }
            return actions.abort(cause);
        }
        if let Some(mut output) = channel.output.take() {
            channel.moved = channel.moved.saturating_add(output.len());
            let (queue, blocks) = actions.queue();
            // It fails only after a close, when tokens fail as well.
            let _ = queue.append(&mut output, blocks);
            socket.core.give_back_pipeline(output);
        }
        refresh(socket, channel, actions);
        if let Some(cause) = channel.closing {
            match channel.cuts {
                true => actions.cut(cause),
                false => actions.close_and_amend(cause, channel.handled),
            }
        } else if channel.half_closed {
            actions.half_close();
        }
        pause_or_not(socket, channel, actions);
    }

    fn ended(&mut self) {
        let wakers = {
            let channel = &mut *self.socket.channel.borrow_mut();
            channel.eof = true;
            [channel.reader.take(), channel.take_watcher()]
        };
        wakers.into_iter().for_each(|waker| self.core().put_off(waker));
    }

    fn write_failed(&mut self) {
        let writer = {
            let channel = &mut *self.socket.channel.borrow_mut();
            channel.write_failed = true;
            if let Some(output) = channel.output.as_deref_mut() {
                self.socket.core.clear(output);
            }
            channel.writer.take()
        };
        self.core().put_off(writer);
    }

    fn break_off(&mut self, cause: Cause) {
        let wakers = {
            let channel = &mut *self.socket.channel.borrow_mut();
            if let (Connecting::Yes, Cause::Connect(kind)) = (channel.connecting, cause) {
                channel.connecting = Connecting::Failed(kind);
            }
            if let Some(output) = channel.output.as_deref_mut() {
                self.socket.core.clear(output);
            }
            channel.break_off(cause)
        };
        wakers.into_iter().for_each(|waker| self.core().put_off(waker));
    }

    /// The handler named a machine to take over: it gets what arrived and was not taken.
    fn hand_over(&mut self, now: Instant, machine: Box<dyn Machine>, actions: &mut Actions<'_>) {
        actions.resume();
        actions.notify_below(0);
        let mut next = Box::new(Nested::sharing(machine));
        next.pass_on(now, Input::Start, actions);
        let (left_over, ended) = {
            let channel = &mut *self.socket.channel.borrow_mut();
            // What becomes of the handler is none of the machine's business.
            channel.handled = false;
            let mut slices = self.socket.core.slices.borrow_mut();
            let left_over = channel.input.peek(&mut slices).to_vec();
            channel.input.clear(&mut slices);
            (left_over, channel.eof)
        };
        next.adopt(now, &left_over, actions);
        if ended {
            next.pass_on(now, Input::Eof, actions);
        }
        next.settle(None, actions);
        self.stage = Stage::Next(next);
    }
}

impl Machine for FiberMachine {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let Stage::Next(next) = &mut self.stage {
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
                let successor = self.socket.channel.borrow_mut().take_successor();
                if let Some(machine) = successor.filter(|_| !actions.is_closing()) {
                    self.hand_over(now, machine, actions);
                }
            }
            Input::Start => self.start(actions),
            Input::Eof => self.ended(),
            Input::Cut(cause) => {
                // An abort that was not looked at yet came first.
                let aborted = {
                    let channel = self.socket.channel.borrow();
                    channel.closing.filter(|_| channel.aborts)
                };
                aborted.into_iter().for_each(|cause| actions.abort(cause));
                self.break_off(cause);
            }
            Input::WriteFailed => self.write_failed(),
            // The hub tells fibers of a shutdown itself.
            Input::Shutdown | Input::Deadline => {}
        }
        0
    }

    fn held(&self) -> usize {
        if let Stage::Next(next) = &self.stage {
            return next.held();
        }
        let channel = self.socket.channel.borrow();
        let queued = channel.output.as_ref().map_or(0, |output| output.len());
        channel.input.len().saturating_add(usize::try_from(queued).unwrap_or(usize::MAX))
    }

    fn scanned(&self) -> u64 {
        match &self.stage {
            Stage::Next(next) => next.scanned(),
            _ => self.socket.channel.borrow().input.scanned(),
        }
    }
}

impl Drop for FiberMachine {
    /// The stream is gone. The handle may live on, and learns it.
    fn drop(&mut self) {
        let closing = self.socket.channel.borrow().closing;
        self.break_off(closing.unwrap_or(Cause::Done));
        let successor = self.socket.channel.borrow_mut().take_successor();
        drop(successor);
    }
}

impl fmt::Debug for FiberMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FiberMachine({:?})", self.socket)
    }
}

fn socket(making: &Making, connecting: Connecting) -> Rc<Socket> {
    let ctx = &making.ctx;
    Rc::new(Socket {
        core: Rc::clone(ctx.core()),
        key: ctx.conn().into(),
        service: making.service,
        peer: ctx.peer(),
        learned: ctx.layers(),
        config: Rc::clone(&making.config),
        channel: RefCell::new(Channel::new(connecting)),
        dirty: Cell::new(false),
    })
}

/// Notes how much is queued below, and wakes the writer if that is what it waits for.
fn refresh(socket: &Socket, channel: &mut Channel, actions: &mut Actions<'_>) {
    channel.below = actions.queued();
    if channel.notify_below > channel.below {
        channel.notify_below = 0;
        socket.core.put_off(channel.writer.take());
    }
    // Even if no writer waits: one that comes later must not find an old number above the mark.
    let low = socket.config.low_water.min(socket.config.high_water.saturating_sub(1));
    actions.notify_below(match channel.notify_below {
        0 if channel.below > low => low.saturating_add(1),
        asked => asked,
    });
}

fn pause_or_not(socket: &Socket, channel: &mut Channel, actions: &mut Actions<'_>) {
    let dropped = channel.reader_dropped || channel.closing.is_some();
    if dropped && !channel.input.is_empty() {
        channel.input.clear(&mut socket.core.slices.borrow_mut());
    }
    let room = channel.input.len() < socket.config.read_ahead;
    channel.paused = !(dropped || room || channel.reader.is_waiting());
    match channel.paused {
        true => actions.pause(),
        false => actions.resume(),
    }
}
