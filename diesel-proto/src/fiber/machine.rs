//! The stream's side of a connection whose handler is a fiber.
//!
//! It moves bytes between the stream and the [`Channel`] that it shares with the fiber's handle. It
//! does not poll the fiber: the hub does.
//!
//! ```text
//!   stream ──received──▶ channel.input ──▶ tokens that read
//!   stream ◀──look────── channel.output ◀── tokens that write
//! ```
//!
//! Rules of this file:
//!
//! - No user code runs here: wakers are deferred until the step is over, and buffers queued by
//!   reference are dropped later.
//! - Reading is not paused while fewer than `read_ahead` bytes are held, while a token waits for
//!   more, or once no handle will read: then bytes are dropped, so that the end of the stream is
//!   noticed.
//!
//! It must never know what carries the stream, nor which layers wrap it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use super::channel::{Channel, ConnShared, ConnectState, Origin, StartHandler};
use super::duplex::Duplex;
use crate::hub::{FiberConn, FiberMachine, Making, Role};
use crate::machine::{Actions, Address, Cause, Machine, ServiceId};

/// The machine of a connection that a service accepted: `handler` starts as a fiber when the stream
/// starts.
pub(crate) fn accepted(making: &Making, handler: StartHandler) -> FiberMachine {
    FiberMachine::new(shared(making, Some(handler)))
}

/// The machine of a connection that a fiber requested, with what that fiber's handle shares.
pub(crate) fn connecting(making: &Making) -> (FiberMachine, Rc<ConnShared>) {
    let conn = shared(making, None);
    conn.channel.borrow_mut().connecting = ConnectState::Yes;
    (FiberMachine::new(Rc::clone(&conn) as Rc<dyn FiberConn>), conn)
}

fn shared(making: &Making, handler: Option<StartHandler>) -> Rc<ConnShared> {
    let ctx = &making.ctx;
    let (peer, learned, service) = (ctx.peer(), ctx.layers(), making.service);
    let origin = Box::new(Origin { peer, service, learned, handler: Cell::new(handler) });
    Duplex::new(ctx, &making.config, Some(origin)).into_shared()
}

impl FiberConn for ConnShared {
    fn whom(&self) -> (Option<ServiceId>, Address) {
        (self.service(), self.peer())
    }

    fn start(self: Rc<Self>, actions: &mut Actions<'_>) {
        self.takes_file_regions.set(actions.takes_file_regions());
        let Some(handler) = self.take_handler() else {
            let writer = {
                let channel = &mut *self.channel.borrow_mut();
                channel.connecting = ConnectState::No;
                channel.take_writer()
            };
            return self.core.put_off(writer);
        };
        self.channel.borrow_mut().handled = true;
        let future = handler(Rc::clone(&self));
        let core = Rc::clone(&self.core);
        if let Err(limit) = core.add_fiber(Role::Handler(self), future) {
            actions.abort(Cause::Limit(limit));
        }
    }

    fn received(&self, bytes: &[u8], actions: &mut Actions<'_>) {
        let channel = &mut *self.channel.borrow_mut();
        self.receive(channel, bytes);
        if channel.input.len() >= self.config.read_ahead {
            self.pause_or_not(channel, actions);
        }
    }

    fn look(&self, actions: &mut Actions<'_>) -> Option<Box<dyn Machine>> {
        self.dirty.set(false);
        let channel = &mut *self.channel.borrow_mut();
        if let (true, Some(cause)) = (channel.aborts, channel.closing()) {
            let (queue, blocks) = actions.queue();
            self.core.clear_into(queue, blocks);
            self.drop_output(channel, Some(blocks));
            actions.abort(cause);
            return channel.take_successor();
        }
        self.move_output(channel, actions);
        if let Some(cause) = channel.closing() {
            match channel.cuts {
                true => actions.cut(cause),
                false => actions.close_and_amend(cause, channel.handled),
            }
        } else if channel.half_closed {
            actions.half_close();
        }
        self.pause_or_not(channel, actions);
        channel.take_successor()
    }

    fn eof(&self) {
        self.end(&mut self.channel.borrow_mut());
    }

    fn write_failed(&self) {
        self.fail_writing(&mut self.channel.borrow_mut());
    }

    fn cut(&self, cause: Cause, actions: &mut Actions<'_>) {
        // If the handle aborted before the cut and no step applied that yet, its cause stands.
        let aborted = {
            let channel = self.channel.borrow();
            channel.closing().filter(|_| channel.aborts)
        };
        aborted.into_iter().for_each(|cause| actions.abort(cause));
        self.stream_gone(cause);
    }

    fn hand_over(&self) -> (Vec<u8>, bool) {
        let channel = &mut *self.channel.borrow_mut();
        // From now on the result of the handler does not affect the connection.
        channel.handled = false;
        let mut slices = self.core.slices.borrow_mut();
        let left_over = channel.input.buffer().peek(&mut slices).to_vec();
        channel.input.clear(&mut slices);
        (left_over, channel.eof)
    }

    fn has_successor(&self) -> bool {
        self.channel.borrow().has_successor()
    }

    fn waits_for_bytes(&self) -> bool {
        let channel = self.channel.borrow();
        channel.input.is_empty() && channel.reader.is_waiting() && channel.unmoved() == 0
    }

    fn held_and_scanned(&self) -> (usize, u64) {
        let channel = self.channel.borrow();
        (channel.held(), channel.input.scanned())
    }

    /// The handle was dropped with the handler, or before; if it is still alive elsewhere, the
    /// connection no longer belongs to the handler. An abort stays an abort.
    fn handler_gone(&self, cause: Option<Cause>) -> bool {
        let reports_cause;
        {
            let channel = &mut *self.channel.borrow_mut();
            channel.handled = false;
            if let (Some(Cause::Done | Cause::PeerClosed), false, Some(cause)) =
                (channel.closing(), channel.aborts, cause)
            {
                channel.set_closing(cause);
            }
            reports_cause = channel.closing().is_some() && channel.closing() == cause;
        }
        // The close may have waited for the handler to end.
        self.wake_machine();
        reports_cause || self.core.streams.borrow_mut().at(self.key).is_none()
    }

    /// Tokens fail from now on.
    fn machine_gone(&self) {
        let closing = self.channel.borrow().closing();
        self.stream_gone(closing.unwrap_or(Cause::Done));
        let successor = self.channel.borrow_mut().take_successor();
        drop((successor, self.take_handler()));
    }
}

impl ConnShared {
    #[inline]
    fn stream_gone(&self, cause: Cause) {
        let channel = &mut *self.channel.borrow_mut();
        if let (ConnectState::Yes, Cause::Connect(kind)) = (channel.connecting, cause) {
            channel.fail_to_connect(kind);
        }
        self.break_off(channel, cause);
    }

    #[inline]
    fn pause_or_not(&self, channel: &mut Channel, actions: &mut Actions<'_>) {
        let dropped = channel.reader_dropped || channel.is_closing();
        if dropped && !channel.input.is_empty() {
            channel.input.clear(&mut self.core.slices.borrow_mut());
        }
        channel.paused = !(dropped || self.has_room(channel));
        match channel.paused {
            true => actions.pause(),
            false => actions.resume(),
        }
    }
}
